"""A linear program as arrays, solved by HiGHS; the basis of the last one warms up the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

import highspy
import numpy as np

from controller.plan.calendar import Floats, Ints

KIND = 1 << 48  # keys: kind of variable or row above, stamp of the step below


class PlanError(Exception):
    """The solver found no plan in time; the message says its status."""


@dataclass(slots=True)
class Program:
    """Columns and rows as they are added. A key names a column or row across programs, for the warm start."""

    cost: list[Floats] = field(default_factory=list)
    low: list[Floats] = field(default_factory=list)
    high: list[Floats] = field(default_factory=list)
    column_keys: list[Ints] = field(default_factory=list)
    row_low: list[Floats] = field(default_factory=list)
    row_high: list[Floats] = field(default_factory=list)
    row_keys: list[Ints] = field(default_factory=list)
    entries: list[tuple[Ints, Ints, Floats]] = field(default_factory=list)
    columns: int = 0
    rows: int = 0

    def variables(self, keys: Ints, cost: object = 0.0, low: object = 0.0, high: object = inf) -> Ints:
        """Add one column a key; returns their numbers."""
        count = keys.size
        for store, value in ((self.cost, cost), (self.low, low), (self.high, high)):
            store.append(np.broadcast_to(np.asarray(value, dtype=np.float64), (count,)))
        self.column_keys.append(keys)
        self.columns += count
        return np.arange(self.columns - count, self.columns)

    def constraints(self, keys: Ints, low: object, high: object) -> Ints:
        """Add one row a key, `low <= row <= high`; returns their numbers."""
        count = keys.size
        for store, value in ((self.row_low, low), (self.row_high, high)):
            store.append(np.broadcast_to(np.asarray(value, dtype=np.float64), (count,)))
        self.row_keys.append(keys)
        self.rows += count
        return np.arange(self.rows - count, self.rows)

    def put(self, rows: Ints, columns: Ints, values: object) -> None:
        """Set coefficients; each pair (row, column) once."""
        shape = np.broadcast_shapes(rows.shape, columns.shape)
        whole = np.broadcast_to(np.asarray(values, dtype=np.float64), shape)
        self.entries.append((np.broadcast_to(rows, shape), np.broadcast_to(columns, shape), whole))

    def matrix(self) -> tuple[Ints, Ints, Floats]:
        """Start, index and value of the matrix by columns."""
        rows, columns, values = (np.concatenate(part) for part in zip(*self.entries, strict=True))
        order = np.lexsort((rows, columns))
        start = np.searchsorted(columns[order], np.arange(self.columns + 1))
        return start, rows[order], values[order]


@dataclass(frozen=True, slots=True)
class Solution:
    """Values and duals of a solved program."""

    value: Floats
    row_dual: Floats
    cost: float
    warm: bool


class _Quiet(highspy.Highs):
    """HiGHS without its greeting on standard output, which is the place of results; no callback is used."""

    def enableCallbacks(self) -> None:  # noqa: N802 - HiGHS's own name
        self.setOptionValue("output_flag", False)


class Solver:
    """One HiGHS instance, single thread."""

    def __init__(self, time_limit_s: float = 10.0) -> None:
        self._highs: highspy.Highs = _Quiet()  # type: ignore[no-untyped-call]
        self._highs.setOptionValue("threads", 1)
        self._time_limit_s = time_limit_s
        self._known: tuple[Ints, Ints, Ints, Ints] | None = None  # keys and status of columns, of rows

    def solve(self, program: Program) -> Solution:
        """Solve; raises PlanError when there is no optimum within the time limit."""
        keys = np.concatenate(program.column_keys), np.concatenate(program.row_keys)
        self._highs.clearSolver()
        self._highs.passModel(_model(program))
        warm = self._warm(*keys)
        until_s = (
            self._highs.getRunTime() + self._time_limit_s
        )  # HiGHS sums all runs; the second try is in it
        status = self._run(until_s)
        if (
            warm and status != highspy.HighsModelStatus.kOptimal
        ):  # a carried basis may lead astray: once more, cold
            warm = False
            self._highs.clearSolver()
            status = self._run(until_s)
        if status != highspy.HighsModelStatus.kOptimal:
            self._known = None
            raise PlanError(f"HiGHS ended with {self._highs.modelStatusToString(status).lower()}")
        solution, basis = self._highs.getSolution(), self._highs.getBasis()
        self._known = (keys[0], _codes(basis.col_status), keys[1], _codes(basis.row_status))
        return Solution(
            np.array(solution.col_value), np.array(solution.row_dual), self._highs.getObjectiveValue(), warm
        )

    def _run(self, until_s: float) -> highspy.HighsModelStatus:
        self._highs.setOptionValue("time_limit", until_s)
        self._highs.run()
        return self._highs.getModelStatus()

    def _warm(self, columns: Ints, rows: Ints) -> bool:
        """Carry the last basis over by key; what is new starts at its bound, a new row basic."""
        if self._known is None:
            return False
        basis = highspy.HighsBasis()
        old_columns, column_codes, old_rows, row_codes = self._known
        basis.col_status = _carried(columns, old_columns, column_codes, highspy.HighsBasisStatus.kLower)
        basis.row_status = _carried(rows, old_rows, row_codes, highspy.HighsBasisStatus.kBasic)
        basis.alien = True  # HiGHS completes or trims it to a basis
        return bool(self._highs.setBasis(basis) == highspy.HighsStatus.kOk)


STATUSES = (
    *(highspy.HighsBasisStatus.kLower, highspy.HighsBasisStatus.kBasic, highspy.HighsBasisStatus.kUpper),
    *(highspy.HighsBasisStatus.kZero, highspy.HighsBasisStatus.kNonbasic),
)


def _codes(statuses: list[highspy.HighsBasisStatus]) -> Ints:
    return np.fromiter(map(int, statuses), dtype=np.int64, count=len(statuses))


def _carried(
    keys: Ints, old: Ints, codes: Ints, fresh: highspy.HighsBasisStatus
) -> list[highspy.HighsBasisStatus]:
    order = np.argsort(old, kind="stable")
    place = np.minimum(np.searchsorted(old[order], keys), old.size - 1)
    known = old[order][place] == keys
    found = np.where(known, codes[order][place], int(fresh))
    return [STATUSES[code] for code in found]


def packed(parts: list[Floats]) -> Floats:
    """One array of a program's parts."""
    return np.concatenate(parts)


def _model(program: Program) -> highspy.HighsLp:
    start, index, value = program.matrix()
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = program.columns, program.rows
    model.col_cost_ = np.concatenate(program.cost)
    model.col_lower_, model.col_upper_ = np.concatenate(program.low), np.concatenate(program.high)
    model.row_lower_, model.row_upper_ = np.concatenate(program.row_low), np.concatenate(program.row_high)
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_ = start.astype(np.int32), index.astype(np.int32)
    model.a_matrix_.value_ = value.astype(np.float64)
    return model

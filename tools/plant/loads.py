"""Reads load traces: CSV or CSV.gz with t_s, load_kw and, where there is sun, pv_kw."""

from __future__ import annotations

import csv
import gzip
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

RATE_HZ_MAX = 10_000.0  # an uneven trace is laid on a grid no finer than the plant's own step


class InputError(ValueError):
    """A file or option a person gave cannot be used; the text says where, what and the cure."""


@dataclass(frozen=True, slots=True)
class Load:
    """A trace on an even grid: load_kw[i] holds at i / rate_hz seconds; linear between."""

    load_kw: NDArray[np.float64]
    rate_hz: float
    pv_kw: NDArray[np.float64] | None = None

    @property
    def length_s(self) -> float:
        """Every point stands for one step."""
        return len(self.load_kw) / self.rate_hz


def _open(path: Path) -> TextIO:
    return gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="")


def _columns(path: Path, header: list[str]) -> list[int]:
    names = [name.strip() for name in header]
    for name in ("t_s", "load_kw"):
        if name not in names:
            found = ", ".join(names)
            raise InputError(f"{path}:1: no column {name}; found: {found}. Name it in the first line.")
    return [names.index(name) for name in ("t_s", "load_kw", "pv_kw") if name in names]


def _table(path: Path, columns: list[int]) -> NDArray[np.float64] | None:
    """The fast way for a file without faults; None: look line by line."""
    try:
        with warnings.catch_warnings(action="ignore"):
            table = np.loadtxt(path, delimiter=",", skiprows=1, usecols=columns, ndmin=2, comments=None)
    except ValueError:
        return None
    good = len(table) > 1 and bool(np.isfinite(table).all() and (np.diff(table[:, 0]) > 0).all())
    return table if good else None


def _rows(path: Path, lines: Iterator[list[str]], columns: list[int]) -> Iterator[list[float]]:
    last_s = -math.inf
    for number, line in enumerate(lines, 2):
        if not line:
            continue
        place, text = f"{path}:{number}", ",".join(line)
        try:
            row = [float(line[column]) for column in columns]
        except (ValueError, IndexError):
            raise InputError(f"{place}: not a row of numbers: {text!r}. Correct it.") from None
        if not all(map(math.isfinite, row)):
            raise InputError(f"{place}: a value is not finite: {text!r}. Remove the row.")
        if row[0] <= last_s:
            raise InputError(f"{place}: t_s is {row[0]:g} after {last_s:g}; it must rise. Sort the rows.")
        last_s = row[0]
        yield row


def _even(table: NDArray[np.float64]) -> Load:
    """The trace on an even grid: as it is when it is even, else interpolated at its smallest step."""
    t_s = table[:, 0] - table[0, 0]
    steps_s = np.diff(t_s)
    step_s = float(t_s[-1]) / (len(t_s) - 1)
    columns = table[:, 1:]
    if np.abs(steps_s - step_s).max() > 0.01 * step_s:
        step_s = max(float(steps_s.min()), 1.0 / RATE_HZ_MAX)
        grid_s = np.arange(int(t_s[-1] / step_s + 1e-6) + 1) * step_s
        columns = np.column_stack([np.interp(grid_s, t_s, column) for column in columns.T])
    pv_kw = np.ascontiguousarray(columns[:, 1]) if columns.shape[1] > 1 else None
    return Load(np.ascontiguousarray(columns[:, 0]), 1.0 / step_s, pv_kw)


def read_load(path: Path) -> Load:
    """The trace of a CSV or CSV.gz file. Raises InputError with file, line, fault and cure."""
    try:
        with _open(path) as text:
            lines = csv.reader(text)
            columns = _columns(path, next(lines, []))
            table = _table(path, columns)
            if table is None:
                table = np.array(list(_rows(path, lines, columns)))
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: {reason}; name a readable CSV or CSV.gz file.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not CSV text: {error}. Name a CSV or CSV.gz file.") from error
    if len(table) < 2:
        raise InputError(f"{path}: {len(table)} rows of data; at least 2 are needed. Name a longer trace.")
    return _even(table)

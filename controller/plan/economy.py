"""The cheapest way through a billing window: storage, connection, sun and every demand charge in one LP.

Exact time from now to the end of the known prices, then typical days with a weight each: how often they will
come until the billing period ends. All share the peaks, so a peak costs once what it is worth every day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf, sqrt

import numpy as np

from controller.plan.calendar import Floats, Ints
from controller.plan.charge import (
    SHED_FACTOR,
    SPARE_CHANCE,
    SPARE_H,
    SPARE_PU,
    Charge,
    PeakColumns,
    border_kw,
    ceilings,
    dearest,
    put_peaks,
    slope,
)
from controller.plan.program import KIND, Program, Solution, Solver, packed
from controller.plan.regret import regret

CHARGE_COST = 1e-5  # breaks ties, each hour ahead: no idle cycling; sooner than later, which may fail
CALM_H = 1.0  # but in a calm hour, up to so much later: a burst may outlast what is told, and near the peak
START = -1  # a predecessor that is no step: energy now


@dataclass(frozen=True, slots=True)
class Plant:
    """What storage and connection can do. Power in kW at the bus, energy in kWh inside the battery."""

    energy_kwh_min: float
    energy_kwh_max: float
    charge_kw_max: float
    discharge_kw_max: float
    charge_efficiency_pu: float
    discharge_efficiency_pu: float
    import_kw_max: float
    export_kw_max: float
    wear_per_kwh: float = 0.0
    standing_pu_per_h: float = 0.0
    taper_kwh: float = inf  # above this energy the charge power falls ...
    full_kwh: float = inf  # ... to zero here


@dataclass(frozen=True, slots=True)
class Steps:
    """Time as the LP sees it, one entry each step; the first `near` steps follow one another from now.

    previous: step before, or START. weight: how often the step comes. stamp: its name across plans.
    """

    near: int
    bad: int  # up to here: the bad case of near time
    stamp: Ints
    hours: Floats
    previous: Ints
    weight: Floats
    load_kw: Floats
    pv_kw: Floats
    buy: Floats
    sell: Floats
    ends: Ints  # last step of each typical day
    top_kw: float = 0.0  # highest load less sun that the bands of near time tell

    @property
    def count(self) -> int:
        """How many."""
        return int(self.hours.size)


@dataclass(frozen=True, slots=True)
class Terminal:
    """What a plan owes at its end when no day follows: energy missing there costs `per_kwh`."""

    energy_kwh: float
    per_kwh: float


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A solved plan, one entry each step; peaks and limits one entry each charge."""

    grid_kw: Floats
    pcs_kw: Floats
    pv_kw: Floats
    energy_kwh: Floats  # at the step's end
    peak_kw: tuple[float, ...]  # what is billed
    limit_kw: tuple[float, ...]  # mean that a window of the first group may reach without costing
    worth: Floats  # of one more kW in the step's windows, money
    shed_kwh: float
    cost: float
    far_cost: float = 0.0  # part of it that typical days tell
    kept: bool = True  # the fee steps it was to stay within, as expected
    warm: bool = False
    fees: Mapping[str, float] = field(default_factory=dict)


class Economist:
    """Plans one site; keeps the solver warm. time_limit_s holds for each solution; solver: another one, to compare."""

    def __init__(self, plant: Plant, time_limit_s: float = 10.0, solver: Solver | None = None) -> None:
        self.plant = plant
        self._solver = solver or Solver(time_limit_s)

    def plan(
        self, steps: Steps, charges: Sequence[Charge], energy_kwh: float, terminal: Terminal | None = None
    ) -> Dispatch:
        """The cheapest dispatch from energy_kwh now. Raises PlanError when the solver finds none in time.

        A fee by steps is tried step by step, the highest first. What a wide ceiling costs without its fee, a narrower
        one costs at least: that leaves out what cannot win.
        """
        tried: list[Dispatch] = []
        least: list[tuple[Floats, float]] = []
        for trial in ceilings(charges):
            fees = {f"{c.demand.name}/{c.period}": c.ceiling.fee for c in trial if c.ceiling is not None}
            tops_kw = np.array([inf if c.ceiling is None else c.ceiling.kw for c in trial])
            bound = max((cost for wider_kw, cost in least if (wider_kw >= tops_kw).all()), default=-inf)
            if bound + sum(fees.values()) >= min((each.cost for each in tried), default=inf):
                continue
            found = self._solve(steps, trial, energy_kwh, terminal)
            least.append((tops_kw, found.cost))
            tried.append(replace(found, cost=found.cost + sum(fees.values()), fees=fees))
        return chosen(tried, steps.ends.size)

    def _solve(
        self, steps: Steps, charges: Sequence[Charge], energy_kwh: float, terminal: Terminal | None
    ) -> Dispatch:
        program = Program()
        dear = max(1.0, float(np.abs(steps.buy).max()), *(dearest(charge) for charge in charges))
        parts = _storage(program, self.plant, steps, energy_kwh, SHED_FACTOR * dear)
        _ends(program, parts, steps, terminal)
        _spare(program, parts, steps, charges, self.plant)
        peaks = [put_peaks(program, parts.grid, charge, i, steps.stamp) for i, charge in enumerate(charges)]
        return _read(self._solver.solve(program), program, parts, peaks, steps, charges)


def chosen(tried: Sequence[Dispatch], days: int) -> Dispatch:
    """The cheapest; but a wider fee step, once taken, is paid for the month, and a narrower one can still be left.

    So what the wider one gains in near time, which waiting would lose, must exceed what it may be regretted by.
    Typical days tell the mean of what it gains later; they differ by as much, so n of them err by 1 / sqrt(n).
    """
    best = min(tried, key=lambda each: each.cost)
    while lower := [each for each in tried if each.kept and _fee(each) < _fee(best)]:
        low = min(lower, key=lambda each: each.cost)
        far, more = low.far_cost - best.far_cost, _fee(best) - _fee(low)
        if low.cost - best.cost + more - far > regret(more, far, max(far, 0.0) / sqrt(max(days, 1))):
            break
        best = low
    return best


def _fee(dispatch: Dispatch) -> float:
    return sum(dispatch.fees.values())


@dataclass(frozen=True, slots=True)
class _Columns:
    grid: Ints
    export: Ints
    charge: Ints
    discharge: Ints
    spill: Ints
    energy: Ints
    shed: Ints


def _storage(
    program: Program, plant: Plant, steps: Steps, energy_kwh: float, shed_per_kwh: float
) -> _Columns:
    """Variables of every step, power balance and energy of the storage."""
    hours, often = steps.hours, steps.weight * steps.hours
    sell = np.minimum(steps.sell, steps.buy - 1e-6)  # money is never made of importing what is exported
    low, high = _bounds(plant, steps, energy_kwh)
    keys = [kind * KIND + steps.stamp for kind in range(7)]
    parts = _Columns(
        grid=program.variables(keys[0], often * steps.buy, 0.0, plant.import_kw_max),
        export=program.variables(keys[1], -often * sell, 0.0, plant.export_kw_max),
        charge=program.variables(keys[2], often * CHARGE_COST * _late(steps), 0.0, plant.charge_kw_max),
        discharge=program.variables(keys[3], often * plant.wear_per_kwh, 0.0, plant.discharge_kw_max),
        spill=program.variables(keys[4], 0.0, 0.0, steps.pv_kw),
        energy=program.variables(keys[5], 0.0, low, high),
        shed=program.variables(keys[6], often * shed_per_kwh),
    )
    balance = program.constraints(8 * KIND + steps.stamp, net := steps.load_kw - steps.pv_kw, net)
    for columns, sign in (
        *((parts.grid, 1), (parts.export, -1), (parts.charge, -1)),
        *((parts.discharge, 1), (parts.spill, -1), (parts.shed, 1)),
    ):
        program.put(balance, columns, sign)
    kept = 1.0 - plant.standing_pu_per_h * hours
    start = np.where(steps.previous == START, kept * energy_kwh, 0.0)
    store = program.constraints(9 * KIND + steps.stamp, start, start)
    program.put(store, parts.energy, 1.0)
    program.put(store, parts.charge, -plant.charge_efficiency_pu * hours)
    program.put(store, parts.discharge, hours / plant.discharge_efficiency_pu)
    after = np.flatnonzero(steps.previous >= 0)
    program.put(store[after], parts.energy[steps.previous[after]], -kept[after])
    if plant.taper_kwh < plant.energy_kwh_max:
        slope = plant.charge_kw_max / (plant.full_kwh - plant.taper_kwh)
        taper = program.constraints(10 * KIND + steps.stamp, -inf, slope * plant.full_kwh)
        program.put(taper, parts.charge, 1.0)
        program.put(taper, parts.energy, slope)
    return parts


def _late(steps: Steps) -> Floats:
    """Hours from now to the end of each step, of a typical day from its midnight, and CALM_H of the highest load."""
    ahead = np.concatenate([
        np.cumsum(steps.hours[: steps.near]), np.cumsum(steps.hours[: steps.near])[2 * steps.near - steps.bad :],
        1.0 + np.arange(steps.count - steps.bad) % 24,
    ])  # fmt: skip
    calm = CALM_H * steps.load_kw / max(float(steps.load_kw.max()), 1.0)
    return np.asarray(ahead + calm, dtype=np.float64)


def _bounds(plant: Plant, steps: Steps, energy_kwh: float) -> tuple[Floats, Floats]:
    """Energy window of each step; from outside it the way back has the time that half the power needs."""
    low, high = np.full(steps.count, plant.energy_kwh_min), np.full(steps.count, plant.energy_kwh_max)
    elapsed = np.cumsum(steps.hours[: steps.near])
    back_up = 0.5 * plant.charge_kw_max * elapsed * plant.charge_efficiency_pu
    low[: steps.near] = np.minimum(low[: steps.near], np.maximum(energy_kwh + back_up, 0.0))
    leak = plant.standing_pu_per_h * elapsed * max(energy_kwh, 0.0)
    low[: steps.near] = np.where(
        energy_kwh <= plant.energy_kwh_min, low[: steps.near] - leak, low[: steps.near]
    )
    back_down = 0.5 * plant.discharge_kw_max * elapsed
    high[: steps.near] = np.maximum(high[: steps.near], energy_kwh - back_down)
    twins = slice(2 * steps.near - steps.bad, steps.near)  # what the bad case stands for
    low[steps.near : steps.bad], high[steps.near : steps.bad] = low[twins], high[twins]
    return low, high


def _ends(program: Program, parts: _Columns, steps: Steps, terminal: Terminal | None) -> None:
    """Near time ends as full as typical midnights are in the mean; without days what is missing is paid."""
    lasts = np.unique([steps.near - 1, steps.bad - 1])
    if terminal is not None:
        missing = program.variables(11 * KIND + lasts, terminal.per_kwh * steps.weight[lasts])
        row = program.constraints(12 * KIND + lasts, terminal.energy_kwh, inf)
        program.put(row, parts.energy[lasts], 1.0)
        program.put(row, missing, 1.0)
        return
    if not steps.ends.size:
        return
    row = program.constraints(12 * KIND + np.arange(lasts.size), 0.0, inf)
    program.put(row, parts.energy[lasts], 1.0)
    share = steps.weight[steps.ends] / steps.weight[steps.ends].sum()
    midnights = np.tile(parts.energy[steps.ends], lasts.size)
    program.put(row.repeat(steps.ends.size), midnights, -np.tile(share, lasts.size))


def _spare(program: Program, parts: _Columns, steps: Steps, charges: Sequence[Charge], plant: Plant) -> None:
    """Energy above the least for a load at the upper end of its bands, or a fee step is passed and paid for the month.

    What is missing costs by the kWh and hour what it may be missed by: the mean rise of the fees, one hour in forty.
    """
    aimed = [c for c in charges if c.ceiling is not None and c.demand.steps]
    needed_kwh = max((SPARE_H * (steps.top_kw - border_kw(c)) for c in aimed), default=0.0)
    if needed_kwh <= 0:
        return
    held = np.r_[0 : steps.near, steps.bad : steps.count]  # the bad case is what it is for
    cost = SPARE_CHANCE * max(slope(c.demand) for c in aimed) * steps.weight[held] * steps.hours[held]
    missing = program.variables(13 * KIND + steps.stamp[held], cost)
    spare_kwh = min(needed_kwh, SPARE_PU * (plant.energy_kwh_max - plant.energy_kwh_min))
    row = program.constraints(14 * KIND + steps.stamp[held], plant.energy_kwh_min + spare_kwh, inf)
    program.put(row, parts.energy[held], 1.0)
    program.put(row, missing, 1.0)


def _read(
    solution: Solution, program: Program, parts: _Columns, peaks: list[PeakColumns], steps: Steps,
    charges: Sequence[Charge],
) -> Dispatch:  # fmt: skip
    value, paid = solution.value, packed(program.cost) * solution.value
    peak_kw = tuple(float(value[p.peak]) for p in peaks)
    within = (
        kw <= c.ceiling.kw + c.demand.subscribed_kw
        for kw, c in zip(peak_kw, charges, strict=True)
        if c.ceiling is not None and c.chance >= 0.5
    )
    worth = np.zeros(steps.count)
    for columns, charge in zip(peaks, charges, strict=True):
        np.add.at(worth, charge.step, -solution.row_dual[columns.rows][charge.row] * charge.share)
    return Dispatch(
        grid_kw=value[parts.grid] - value[parts.export],
        pcs_kw=value[parts.discharge] - value[parts.charge],
        pv_kw=steps.pv_kw - value[parts.spill],
        energy_kwh=value[parts.energy],
        peak_kw=peak_kw,
        limit_kw=tuple(float(value[p.limits].max()) for p in peaks),
        worth=worth,
        shed_kwh=float((value[parts.shed] * steps.hours)[: steps.near].sum()),
        cost=solution.cost,
        far_cost=sum(
            float(paid[each[steps.bad :]].sum())
            for each in (parts.grid, parts.export, parts.charge, parts.discharge, parts.shed)
        ),
        kept=all(within),
        warm=solution.warm,
    )

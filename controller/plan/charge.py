"""Demand charges in the LP: the peak that is billed, its fee steps, and what is held so that none is passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from controller.config.tariff import Demand, FeeStep
from controller.plan.billing import billed_kw
from controller.plan.calendar import Floats, Ints
from controller.plan.program import KIND, Program

SHED_FACTOR = 100.0  # what the connection cannot carry costs this many times the dearest kWh: last resort
SPARE_H = 2.0  # a load at the upper end of its 95 % band is kept below a fee step for so long ...
SPARE_PU = 0.2  # ... by a part of the battery at most
SPARE_CHANCE = 1 / 40  # the upper end of the 95 % band is passed so often, by about a kW for each kWh missing


@dataclass(frozen=True, slots=True)
class Charge:
    """One demand charge in one billing period: windows over the steps, peaks that are set already.

    step, row, share: step `step` fills `share` (0 to 1) of window `row`; done_kw: what the elapsed part of a
    window has added to its mean; group: index of the window's group; weight, floor_kw: one entry a group.
    """

    demand: Demand
    period: int
    per_kw: float  # over all months still billed on this peak
    step: Ints
    row: Ints
    share: Floats
    done_kw: Floats
    group: Ints
    weight: Floats
    floor_kw: Floats
    seen_kw: tuple[float, ...] = ()  # peaks of groups that are over
    chance: float = 1.0  # of the case it belongs to
    ceiling: FeeStep | None = (
        None  # of a fee by steps: the step this plan stays within; given, no other is tried
    )


@dataclass(frozen=True, slots=True)
class PeakColumns:
    """Where one charge stands in the program."""

    peak: int
    limits: Ints  # columns whose largest value is the limit of the first group
    rows: Ints


def slope(demand: Demand) -> float:
    """Mean rise of the fees, money per kW."""
    first, last = demand.steps[0], demand.steps[-1]
    return (last.fee - first.fee) / max(last.kw - first.kw, 1.0)


def border_kw(charge: Charge, set_kw: float = 0.0) -> float:
    """Peak up to which a plan keeps clear of its ceiling; what is set already counts as far as the fee step allows."""
    assert charge.ceiling is not None
    top_kw = charge.ceiling.kw + charge.demand.subscribed_kw
    return max((1.0 - charge.demand.meter_error_pct / 100) * top_kw, min(set_kw, top_kw))


def put_peaks(program: Program, grid: Ints, charge: Charge, index: int, stamp: Ints) -> PeakColumns:
    """The billed peak of one charge: the largest window, or the mean of the largest groups.

    Sum of the N largest of p = min over t of N t + sum of max(0, p - t): linear, and exact for any N; a day
    that comes w times counts w times.
    """
    demand, base = charge.demand, (16 + 8 * index) * KIND
    count, groups = demand.peaks_count, charge.weight.size
    first_step = np.zeros(charge.done_kw.size, dtype=np.int64)
    first_step[charge.row[::-1]] = stamp[charge.step[::-1]]
    floor = billed_kw(demand.model_copy(update={"subscribed_kw": 0.0}), [*charge.seen_kw, *charge.floor_kw])
    free = -1e-4 if charge.ceiling else 0.0  # below the ceiling a peak is free: do not fight for it
    cost = 0.0 if demand.subscribed_kw else charge.per_kw
    peak = program.variables(np.array([base]), free if charge.ceiling else cost, floor, 1e9)
    _price(program, charge, base, peak, floor)
    rows = program.constraints(base + 1 * KIND + first_step, -inf, -charge.done_kw)
    program.put(rows[charge.row], grid[charge.step], charge.share)
    if count == 1:
        program.put(rows, peak, -1.0)
        return PeakColumns(int(peak[0]), peak, rows)
    mark = program.variables(np.array([base + 2 * KIND]), free, 0.0, 1e9)
    own = program.variables(base + 3 * KIND + np.arange(groups), free / groups, charge.floor_kw, 1e9)
    over = program.variables(base + 4 * KIND + np.arange(groups))
    program.put(rows, own[charge.group], -1.0)
    beyond = program.constraints(base + 5 * KIND + np.arange(groups), 0.0, inf)
    program.put(beyond, over, 1.0)
    program.put(beyond, own, -1.0)
    program.put(beyond, mark, 1.0)
    seen = np.array(charge.seen_kw, dtype=np.float64)
    past = program.variables(base + 6 * KIND + np.arange(seen.size))
    if seen.size:
        above = program.constraints(base + 7 * KIND + np.arange(seen.size), seen, inf)
        program.put(above, past, 1.0)
        program.put(above, mark, 1.0)
    total = program.constraints(np.array([base + 1]), 0.0, inf)
    program.put(total, peak, float(count))
    program.put(total, mark, -float(count))
    program.put(total, over, -charge.weight)
    program.put(total, past, -1.0)
    return PeakColumns(int(peak[0]), np.array([mark[0], own[0]]), rows)


def _price(program: Program, charge: Charge, base: int, peak: Ints, set_kw: float) -> None:
    """What lies above the subscription is paid; what lies above a ceiling nearly forbids itself."""
    subscribed_kw = charge.demand.subscribed_kw
    if charge.ceiling is not None:
        free_kw, cost = border_kw(charge, set_kw), dearest(charge)
    elif subscribed_kw:
        free_kw, cost = subscribed_kw, charge.per_kw
    else:
        return
    beyond = program.variables(np.array([base + 2]), cost)
    row = program.constraints(np.array([base + 2]), -free_kw, inf)
    program.put(row, beyond, 1.0)
    program.put(row, peak, -1.0)


def dearest(charge: Charge) -> float:
    """What one kW more may cost at most. A bad case may break its fee step, for the mean rise of the fees."""
    steps = charge.demand.steps
    if charge.ceiling is None or not steps:
        return charge.per_kw
    return slope(charge.demand) * (charge.chance if charge.chance < 0.5 else SHED_FACTOR)


def ceilings(charges: Sequence[Charge]) -> list[list[Charge]]:
    """Every choice of a fee step for the charges that have steps; those below what is set are left out."""
    trials: list[list[Charge]] = [[]]
    for charge in charges:
        twin = next(
            (i for i, c in enumerate(trials[0]) if (c.demand, c.period) == (charge.demand, charge.period)),
            None,
        )
        if twin is not None:
            trials = [[*trial, replace(charge, ceiling=trial[twin].ceiling)] for trial in trials]
            continue
        set_kw = billed_kw(charge.demand, [*charge.seen_kw, *charge.floor_kw])
        open_steps = [step for step in charge.demand.steps if step.kw >= set_kw] or charge.demand.steps[-1:]
        free = charge.ceiling is None
        choices = [replace(charge, ceiling=step) for step in reversed(open_steps) if free] or [charge]
        trials = [[*trial, choice] for trial in trials for choice in choices]
    return trials

"""Injector of the averaged site that makes its battery smaller (F47), and the days of use that show it.

In a campaign, where the battery is used as it comes, the fade alone happens.
"""

from __future__ import annotations

from random import Random

from controller.records import replace
from controller.safety.fade import reserve_pct
from tools.averaged.run import AveragedRun, Seen
from tools.inject.computer import Change

LOW_PCT, FULL_PCT = 15.0, 99.9
USE_PU = 0.5  # of the converters
FADED_PU = (0.6, 0.8)  # of the stated capacity
RESERVE_PCT = 30.0


def bms_soc(pct: float) -> Change:
    """The BMS tells a state of charge that is off by so much."""
    return lambda run, draw: setattr(run.world.spoil, "bms_soc_pct", pct)


def fade(run: AveragedRun, draw: Random) -> None:
    """The battery holds less, at the state of charge that it has."""
    _holds(run, run.terms.capacity_kwh * draw.uniform(*FADED_PU))


def mend(run: AveragedRun, draw: Random) -> None:
    """New racks."""
    _holds(run, run.terms.capacity_kwh)


def reserve_raised(run: AveragedRun) -> bool:
    """F47 is told, and a reserve is more of what the battery has left."""
    told = any(c.code == "F47" for c in run.state.conditions.active)
    return told and reserve_pct(RESERVE_PCT, run.terms, run.state.conditions.battery.fade) > RESERVE_PCT


def _holds(run: AveragedRun, capacity_kwh: float) -> None:
    world = run.world
    world.energy_kwh *= capacity_kwh / world.capacity_kwh
    world.capacity_kwh = capacity_kwh
    world.battery = replace(world.battery, energy_kwh_max=capacity_kwh)


def cycled(seen: Seen) -> None:
    """Watches a run: the battery is emptied to LOW_PCT, filled until the cells prove it, emptied again."""
    world, charging = seen.run.world, seen.run.world.want_kw < 0.0
    if world.want_kw > 0.0 and world.soc_pct < LOW_PCT:
        world.want_kw = -USE_PU * seen.run.terms.charge_kw_max
    elif charging and world.soc_pct >= FULL_PCT:
        world.want_kw = 0.0
    elif not world.want_kw and seen.run.state.conditions.battery.fade.drawn_kwh == 0.0:
        world.want_kw = USE_PU * seen.run.terms.discharge_kw_max

"""One fault at one random phase on the averaged site: how long until the safe command, and was it in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import inf, isfinite
from pathlib import Path
from random import Random

from controller.devices.check import check_site
from controller.image import Mode
from controller.runtime.mistakes import MistakeError
from tools.averaged.quiet import leap, may_rest
from tools.averaged.run import CYCLE_S, HALL, AveragedRun, StuckError, averaged
from tools.averaged.scenes import Watcher
from tools.inject.averaged import ACTS
from tools.inject.battery import cycled
from tools.inject.table import FAULTS
from tools.oracle.facts import Plates, plates_of
from tools.oracle.watch import Oracle, broken

STILL_S = 20.0  # how long nothing may happen where nothing must
LATE = 2.0  # a reaction is waited for this many times its bound
SLOW_S = 30.0  # a bound from which the site is stepped by whole seconds
DAYS_S = 86_400.0  # and from which the battery is cycled, and stretches are left out in which nothing happens
LEAP_S_MAX = 120.0


class LackingError(MistakeError):
    """The site has not what this fault needs."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one trial showed. reaction_s: -1 where none is expected and none came; inf: none came in time."""

    code: str
    seed: int
    phase_s: float
    reaction_s: float
    within_s: float
    broken: str = ""  # the interlock that the oracle saw broken, in words

    @property
    def holds(self) -> bool:
        """In time, and no interlock broken on the way."""
        return self.reaction_s <= self.within_s + 1e-9 and not self.broken


def _discharging(run: AveragedRun) -> None:
    run.until_ready()
    run.world.want_kw = 0.4 * run.terms.discharge_kw_max
    for _ in range(40):
        run.cycle()


def _loss(run: AveragedRun) -> None:
    run.until_ready()
    run.world.grid_pu = 0.0
    run.until(Mode.GENSET_START)


def _island(run: AveragedRun) -> None:
    """The converters carry everything, nothing shed: no genset answers a start."""
    run.until_ready()
    for genset in run.world.gensets.values():
        genset.deaf = True
    run.world.grid_pu = 0.0
    run.until(Mode.ISLANDED)
    for _ in range(400):
        if run.mode == Mode.ISLANDED and not run.state.hall.shed_stage:
            return
        run.cycle(1.0)


def _genset(run: AveragedRun) -> None:
    run.until_ready()
    run.world.grid_pu = 0.0
    run.until(Mode.GENSET)
    for _ in range(100):
        run.cycle()


def _full(run: AveragedRun) -> None:
    run.world.energy_kwh = 0.935 * run.world.capacity_kwh
    _genset(run)
    run.world.limit_kw = (0.0, run.world.limit_kw[1])


def _proven(run: AveragedRun) -> None:
    """Full, as its cells have shown for a minute."""
    run.world.energy_kwh = run.world.capacity_kwh
    run.until_ready()
    for _ in range(70):
        run.cycle(1.0)


def _warm(run: AveragedRun) -> None:
    """In use for hours."""
    run.world.cell_c = (28.0, 33.0)
    run.until_ready()


def _resync(run: AveragedRun) -> None:
    run.until_ready()
    for genset in run.world.gensets.values():
        genset.failures = 99
    run.world.grid_pu = 0.0
    run.until(Mode.ISLANDED)
    run.world.grid_pu = 1.0
    run.world.switch.angle_deg = 120.0
    run.until(Mode.RESYNC)


def _closing(run: AveragedRun) -> None:
    _resync(run)
    fallback = run.terms.fallback
    while fallback is not None and run.outputs is not None and fallback.switch not in run.outputs.orders:
        run.cycle()


def _standby(run: AveragedRun) -> None:
    run.until_ready()
    run.ask("stop")
    run.until(Mode.STANDBY)


STARTS: dict[str, Callable[[AveragedRun], None]] = {
    "grid": AveragedRun.until_ready, "discharging": _discharging, "loss": _loss, "island": _island, "genset": _genset,
    "genset, full": _full, "resync": _resync, "closing": _closing, "standby": _standby,
    "warm": _warm, "proven": _proven, "pair": AveragedRun.until_ready,
}  # fmt: skip
FALLBACK = ("loss", "island", "genset", "genset, full", "resync", "closing")


@cache
def prepared(start: str, site: Path) -> AveragedRun:
    """The site in that situation; to be copied, never to be stepped. Raises MistakeError where it cannot be reached."""
    run = averaged(site)
    if run.terms.fallback is None and (start in FALLBACK or not run.terms.bms):
        raise LackingError(f"{site}: has no fallback; this fault needs {start}. Choose an island site.")
    if start == "pair" and not (len(run.terms.pcs) > 1 and isfinite(run.terms.pcs[1].watchdog_s)):
        raise LackingError(
            f"{site}: has no second converter that a watchdog of its own ends. Choose another site."
        )
    try:
        STARTS[start](run)
    except StuckError as error:
        raise MistakeError(f"{site}: the averaged site did not come to {start}: {error}") from None
    return run


@cache
def _plates(site: Path) -> Plates:
    return plates_of(check_site(site))


def trial(code: str, seed: int, site: Path = HALL) -> Result:
    """One trial of a fault of Room.AVERAGED under the eyes of the oracle. Raises MistakeError for a site that cannot
    have it."""
    fault, act, draw = FAULTS[code], ACTS[code], Random(f"{code} {seed}")
    run, oracle = prepared(act.start, site).copied(), Oracle(_plates(site))
    run.watchers.append(Watcher(oracle))
    run.world.want_kw += draw.uniform(-20.0, 20.0)
    phase_s = draw.uniform(0.001, CYCLE_S - 0.001)
    run.drift(phase_s)
    began_ns = run.world.t_ns
    act.begin(run, draw)
    days = fault.within_s > DAYS_S
    if days:
        run.world.want_kw = 0.0
        run.watchers.append(cycled)
    rest_s = CYCLE_S - phase_s
    most_s = STILL_S if act.still else LATE * fault.within_s
    slow = fault.within_s > SLOW_S and not act.still
    while (past_s := (run.world.t_ns - began_ns) / 1e9) <= most_s:
        if past_s or run.outputs is None:
            if not act.still and act.seen(run):
                return Result(code, seed, phase_s, past_s, fault.within_s, broken(oracle, began_ns))
            if act.still and not act.seen(run):
                return Result(code, seed, phase_s, past_s, -1.0, broken(oracle, began_ns))
        if days and may_rest(run):
            leap(run, LEAP_S_MAX)
        run.cycle(rest_s)
        rest_s = 1.0 if slow else CYCLE_S
    return Result(code, seed, phase_s, -1.0 if act.still else inf, fault.within_s, broken(oracle, began_ns))

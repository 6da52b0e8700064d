"""What safety counts over hours and days, into the state record and back: monotonic instants as UTC and again.

A clock that was set back, or was never set, makes an event younger, never older: what it forbids lasts longer.
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from controller.image import Instant
from controller.runtime.keep import ChargeMemory, Memory, SetMemory
from controller.safety import soc
from controller.safety.hall import Hall, Phase, SetRun, held_s
from controller.safety.step import State
from controller.safety.terms import Terms
from controller.state import Battery, Conditions, Fade, ModeState, SocBand
from controller.units import ns, seconds

AWAY_UNKNOWN_S = soc.ANCHOR_DAYS_MAX * soc.DAY_S  # a clock that is not believed: an anchor charge is due


def taken(state: State, now: Instant) -> Memory:
    """What a run leaves behind if it ends now."""
    hall = state.hall
    return Memory(
        utc_s=now.utc_s,
        mode=state.mode.mode.name,
        charge=_charge(state.conditions.battery, now),
        retries_utc_s=_as_utc(state.mode.t_retries_ns, now),
        faults_utc_s=_as_utc(state.mode.t_faults_ns, now),
        resyncs_utc_s=_as_utc(hall.t_resyncs_ns, now),
        chatter_utc_s=_utc_s(hall.t_chatter_ns, now) if hall.t_chatter_ns else None,
        gensets={name: _set(run, now) for name, run in hall.sets.items()},
    )


def restored(memory: Memory, conditions: Conditions, terms: Terms, now: Instant) -> State:
    """The state to begin with: INIT, and the counts as they stand now. conditions: the latches.

    A set of an earlier run begins as off: what it does is read, and it is stopped only if asked to run anew.
    """
    battery = conditions.battery
    if memory.charge is not None:
        battery = Battery(band=_band(memory, terms, now), fade=Fade(fits_kwh=memory.charge.fits_kwh))
    return State(
        Conditions(watches=conditions.watches, battery=battery),
        ModeState(t_retries_ns=_back(memory.retries_utc_s, now), t_faults_ns=_back(memory.faults_utc_s, now)),
        hall=Hall(
            sets={name: _run(kept, now) for name, kept in memory.gensets.items()},
            t_resyncs_ns=_back(memory.resyncs_utc_s, now),
            t_chatter_ns=_instant(memory.chatter_utc_s, now),
        ),
    )


def forgiven(memory: Memory, unlocks: bool) -> Memory:
    """After a person's reset, as T15 leaves it; unlocks: as T17, which forgets the FAULTs of the day too."""
    sets = {name: replace(kept, locked="") for name, kept in memory.gensets.items()}
    return replace(
        memory, retries_utc_s=(), faults_utc_s=() if unlocks else memory.faults_utc_s, gensets=sets
    )


def urgent(state: State) -> tuple[object, ...]:
    """What must not wait for the next regular write: it changes rarely, and forgetting it would forgive something."""
    sets = tuple(
        (run.phase == Phase.LOCKED, run.t_starts_ns, run.t_off_ns) for run in state.hall.sets.values()
    )
    hall, mode = state.hall, state.mode
    return mode.mode, mode.t_faults_ns, mode.t_retries_ns, hall.t_resyncs_ns, hall.t_chatter_ns, sets


def _charge(battery: Battery, now: Instant) -> ChargeMemory | None:
    """A discharge that is being measured is not kept: what was drawn while nobody counted is not known."""
    band = battery.band
    if not (isfinite(band.below_pct) and isfinite(band.above_pct)):
        return None
    return ChargeMemory(band.below_pct, band.above_pct, _utc_s(band.t_anchor_ns, now), battery.fade.fits_kwh)


def _band(memory: Memory, terms: Terms, now: Instant) -> SocBand:
    assert memory.charge is not None
    away_s, anchor_s = now.utc_s - memory.utc_s, now.utc_s - memory.charge.anchor_utc_s
    if away_s < 0.0 or anchor_s < 0.0:
        away_s = anchor_s = AWAY_UNKNOWN_S
    return soc.resumed(memory.charge.below_pct, memory.charge.above_pct, away_s, anchor_s, terms, now)


def _set(run: SetRun, now: Instant) -> SetMemory:
    """A set that runs now counts as stopped now: if the process dies, that is all that is known."""
    t_off_ns = now.t_ns if run.t_on_ns else run.t_off_ns
    return SetMemory(
        starts_utc_s=_as_utc(run.t_starts_ns, now),
        off_utc_s=_utc_s(t_off_ns, now) if t_off_ns else None,
        run_s=run.run_s + held_s(run.t_on_ns, now),
        locked=(run.why or "locked") if run.phase == Phase.LOCKED else "",
    )


def _run(kept: SetMemory, now: Instant) -> SetRun:
    return SetRun(
        phase=Phase.LOCKED if kept.locked else Phase.OFF,
        t_since_ns=now.t_ns,
        t_starts_ns=_back(kept.starts_utc_s, now),
        t_off_ns=_instant(kept.off_utc_s, now),
        run_s=kept.run_s,
        why=kept.locked,
    )


def _utc_s(t_ns: int, now: Instant) -> float:
    return now.utc_s - seconds(now.t_ns - t_ns)


def _as_utc(times_ns: tuple[int, ...], now: Instant) -> tuple[float, ...]:
    return tuple(_utc_s(t_ns, now) for t_ns in times_ns)


def _instant(utc_s: float | None, now: Instant) -> int:
    """On this boot's monotonic clock; before the boot it is negative. 0 stands for never."""
    if utc_s is None:
        return 0
    return now.t_ns - ns(max(0.0, now.utc_s - utc_s)) or -1


def _back(times_utc_s: tuple[float, ...], now: Instant) -> tuple[int, ...]:
    return tuple(_instant(utc_s, now) for utc_s in times_utc_s)

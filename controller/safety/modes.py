"""The mode table: from, to, who, and what must be true. The first row that fits wins; the safest stand first.

What reference/safety.md 2.2 leaves open is decided here: T02 waits without a time limit and says for what;
T01 that ran out may still be met from SAFE_STOP; a stop counts as not confirmed (T14) only where a fresh
reading shows power, since silence has conditions of its own; a start asked for in FAULT or LOCKOUT is lost.
"""

from __future__ import annotations

from math import isnan, nan

from controller.image import Instant, Mode
from controller.records import replace
from controller.safety import island, jog
from controller.safety.hall import Hall
from controller.safety.table import INIT_S_MAX, STUCK_PU
from controller.safety.terms import Terms
from controller.safety.transition import (
    FRESH_S_MIN,
    RESTS,
    RETRY_HOLDS,
    STOP_S_MAX,
    Row,
    View,
    active_names,
    quiet,
    stopping,
    within,
)
from controller.state import Asked, Conditions, Effect, ModeState, updated

FAULTS_MAX, FAULTS_S = 3, 86_400.0  # T16: the third FAULT within a day locks the site
ALL = tuple(Mode)
NO_HALL = Hall()


def _not(*modes: Mode) -> tuple[Mode, ...]:
    return tuple(mode for mode in ALL if mode not in modes)


def _must_lock(view: View) -> str:
    return "" if _lock_cause(view) else "no cause for it"


def _lock_cause(view: View) -> str:
    hard = next((stop for stop in view.conditions.stops if stop.grade == "D"), None)
    if hard is not None:
        return f"{hard.code} {hard.name}: {hard.cause}"
    faults = within(view.state.t_faults_ns, view.now, FAULTS_S)
    return f"T16: {len(faults)} FAULTs within a day" if len(faults) >= FAULTS_MAX else ""


def _stop_asked(view: View) -> str:
    return "" if (stopping(view) and not _island_first(view)) or _holds_used_up(view) else "no fault"


def _island_first(view: View) -> bool:
    """INIT where an island may run on: what an island bears must not end it before it has been looked at (N4)."""
    if view.state.mode != Mode.INIT or view.terms.fallback is None or view.conditions.has(Effect.TRIP):
        return False
    return bool(_there(view)) or island.forming(view)


def _holds_used_up(view: View) -> bool:
    """One hold too many: each takes one of the hour's retries, as any class B stop does."""
    begins = view.conditions.has(Effect.HOLD) and not view.state.t_hold_ns
    return view.state.mode == Mode.GRID_TIED and begins and len(view.recent) >= len(RETRY_HOLDS)


def _init_over(view: View) -> str:
    return "" if view.age_s > INIT_S_MAX else "time"


def _there(view: View) -> str:
    if view.conditions.unanswered:
        return "waiting for three replies of " + ", ".join(view.conditions.unanswered)
    refused = [c.name for c in view.conditions.kept if not c.accepted]
    return "waiting for the identity of " + ", ".join(refused) if refused else ""


def _init_done(view: View) -> str:
    """An island that runs on while this process was away is taken up, never stopped (safety.md N4)."""
    runs = view.terms.fallback is not None and island.forming(view)
    return _there(view) or ("taking up the island that was found" if runs else "")


def _take_up(view: View) -> str:
    found = view.terms.fallback is not None and not island.formed(view)
    return _there(view) or ("" if found else "no island found")


def _may_engage(view: View) -> str:
    conditions, terms = view.conditions, view.terms
    unarmed = [c.name for c in conditions.kept if not c.armed]
    active = active_names(conditions)
    unread = [name for name in terms.inputs if isnan(conditions.inputs.get(name, nan))]
    away = terms.fallback is not None and view.hall.position != "grid"
    checks = (
        (not view.state.wanted, "no start asked for"),
        (bool(unread), "waiting for the input " + ", ".join(unread)),
        (away, "the switch is not proven at the grid"),
        (bool(active), "stopping " + active),
        (bool(unarmed), "arming the watchdog of " + ", ".join(unarmed)),
        (isnan(conditions.battery.soc_pct), "state of charge not known"),
        (conditions.has(Effect.FREEZE), "BMS values are stale"),
        (conditions.has(Effect.HOLD), "a port's devices are not yet verified"),
        (not view.lasts(conditions.t_fresh_ns, FRESH_S_MIN), f"inputs not yet fresh for {FRESH_S_MIN:.0f} s"),
        (not view.lasts(conditions.t_grid_ns, terms.enter_service_s),
         f"grid not yet in its window for {terms.enter_service_s:.0f} s"),
    )  # fmt: skip
    return next((text for wrong, text in checks if wrong), "")


def _stop_done(view: View) -> str:
    state = view.state
    if not state.t_stopping_ns:
        return "no stop asked for"
    idle = not active_names(view.conditions)
    return "" if idle or view.lasts(state.t_stopping_ns, 2 * STOP_S_MAX) else "ramping down"


def _needs_a_person(view: View) -> str:
    """T14: latched and at rest, or the stop had no effect that could be seen."""
    if _latches(view):
        rests = view.age_s >= STOP_S_MAX or quiet(view.terms, view.conditions)
        return "" if rests else "power not yet zero"
    return "" if _unconfirmed(view) else "no latch"


def _latches(view: View) -> bool:
    return view.state.latched or any(stop.grade in "CD" for stop in view.conditions.stops)


def _unconfirmed(view: View) -> str:
    """Converters whose fresh reading still shows power when the stop's time is over."""
    pairs = zip(view.terms.pcs, view.conditions.converters, strict=False)
    return ", ".join(
        c.name
        for part, c in pairs
        if c.fresh
        and view.age_s >= STOP_S_MAX + part.settle_s
        and abs(c.pcs_kw) > STUCK_PU * max(part.discharge_kw_max, part.charge_kw_max)
    )


def _may_return(view: View) -> str:
    state = view.state
    if _latches(view):
        return "waits for a person: see the latched condition"
    if view.conditions.stops:
        return "cause not yet gone for the hold time"
    wait_s = retry_s(view.terms, state)
    if view.age_s < wait_s:
        return f"retry {wait_s:.0f} s after the stop"
    return _at_rest(view)


def _at_rest(view: View) -> str:
    return _there(view) or ("" if quiet(view.terms, view.conditions) else "power not yet zero")


def _acknowledged(view: View) -> str:
    if view.conditions.stops:
        return f"cause not yet gone: {_first_stop(view)}"
    if not view.conditions.reset:
        return "waits for an operator to acknowledge"
    return _at_rest(view)


def _unlocked(view: View) -> str:
    if view.conditions.stops:
        return f"cause not yet gone: {_first_stop(view)}"
    if not view.state.released and view.conditions.reset != "local":
        return "waits for a person at the box to acknowledge"
    # the reset itself has made every reply count anew: a full self-test
    return _at_rest(view) if view.state.released else "self-test"


def _key_on(view: View) -> str:
    return "" if view.asked.key else "key switch off"


def _key_off(view: View) -> str:
    return "key switch on" if view.asked.key else _at_rest(view)


def _first_stop(view: View) -> str:
    stop = (*view.conditions.stops, *view.conditions.active)[0]
    return f"{stop.code} {stop.name}: {stop.cause}"


def _fault_cause(view: View) -> str:
    unconfirmed = _unconfirmed(view)
    if unconfirmed and not _latches(view):
        return f"T14: stop not confirmed by {unconfirmed}"
    return view.state.reason


def _missing(view: View) -> str:
    return f"T01: no answer within {INIT_S_MAX:.0f} s; {_there(view) or 'devices late'}"


LOCK = Row(
    "T16",
    _not(Mode.LOCKOUT),
    Mode.LOCKOUT,
    "nobody: it happens",
    "a class D condition, or the third FAULT within 24 h",
    _must_lock,
    _lock_cause,
    waits=False,
)
STOP = Row(
    "T12",
    _not(*RESTS),
    Mode.SAFE_STOP,
    "any condition",
    "a condition that stops; in an island, and in INIT until it is known to be none, one that trips",
    _stop_asked,
    _first_stop,
    waits=False,
)
GRID = (
    Row("T01", (Mode.INIT,), Mode.ISLANDED, "automatic",
        "as T05, found so at the start: nothing is assumed, everything is read",
        _take_up, lambda view: "an island was found", waits=False),
    Row("T01", (Mode.INIT,), Mode.STANDBY, "automatic",
        "every mandatory device has answered three times, each converter under an accepted identity; "
        "no converter forms a bus; after 120 s a converter that never answered is left out (F27)",
        _init_done, lambda view: "all devices answered"),
    Row("T01", (Mode.INIT,), Mode.SAFE_STOP, "automatic", "INIT lasts longer than 120 s",
        _init_over, _missing, waits=False),
    Row("T02", (Mode.STANDBY,), Mode.GRID_TIED, "auto_start, operator, scheduler",
        "a start is asked for; converters stopped, their watchdogs armed and read back, but for those that are left "
        "out (F27); SOC known; "
        "inputs fresh for 2 s, wired contacts read; grid in its window for enter_service_s; with a fallback the switch "
        "at the grid",
        _may_engage, lambda view: "site is ready"),
    Row("N6", (Mode.GRID_TIED,), Mode.STANDBY, "anyone",
        "a stop is asked for and the converters rest, at the latest after 4 s",
        _stop_done, lambda view: "stopped as asked"),
    Row("T14", (Mode.SAFE_STOP,), Mode.FAULT, "automatic",
        "a class C condition, or a class B one with its three retries of the hour used up; "
        "or a fresh reading shows more than 5 % power 2 s and the converter's own ramp after the stop",
        _needs_a_person, _fault_cause, waits=False),
    Row("T13", (Mode.SAFE_STOP,), Mode.STANDBY, "automatic",
        "class A or B: cause gone for its hold time, the retry's wait over, devices answer, power zero",
        _may_return, lambda view: "cause gone"),
    Row("T15", (Mode.FAULT,), Mode.STANDBY, "operator, remote too, with a reason",
        "reset released within 10 s, cause gone, devices answer, power zero; starts nothing",
        _acknowledged, lambda view: f"acknowledged: {view.conditions.reset_reason}"),
    Row("T17", (Mode.LOCKOUT,), Mode.STANDBY, "a person at the box, with a reason",
        "reset released within 10 s, cause gone, then the whole self-test of T01 again; starts nothing",
        _unlocked, lambda view: "unlocked at the box; self-test passed"),
    Row("N6", (Mode.STANDBY,), Mode.MAINT, "the key switch at the box", "key on",
        _key_on, lambda view: "key switch on", waits=False),
    Row("N6", (Mode.MAINT,), Mode.STANDBY, "the key switch at the box", "key off, devices answer, power zero",
        _key_off, lambda view: "key switch off"),
)  # fmt: skip
ROWS = (LOCK, *island.FIRST, STOP, *island.ROWS, *GRID)


def next_mode(
    terms: Terms,
    state: ModeState,
    conditions: Conditions,
    asked: Asked,
    now: Instant,
    hall: Hall = NO_HALL,
) -> ModeState:
    """The mode of this cycle: the first row whose guard holds, else the same with what it waits for."""
    if state.t_since_ns == 0:
        state = replace(state, t_since_ns=now.t_ns)
    state = updated(state, wanted=_wanted(state, asked))
    view = View(terms, state, conditions, asked, now, hall)
    waiting = ""
    for row in ROWS:
        if state.mode not in row.sources or row.target == state.mode:
            continue
        blocked = row.guard(view)
        if not blocked:
            return _enter(row, view)
        if row.waits and not waiting:
            waiting = blocked
    state = _stay(view)
    return updated(state, waiting="" if state.mode == Mode.GRID_TIED and not state.t_stopping_ns else waiting)


def retry_s(terms: Terms, state: ModeState) -> float:
    """How long SAFE_STOP lasts at least, s: longer with every class B stop of the last hour."""
    count = len(state.t_retries_ns)
    return terms.clear_hold_s * RETRY_HOLDS[min(count, len(RETRY_HOLDS)) - 1] if count else 0.0


def _wanted(state: ModeState, asked: Asked) -> bool:
    """A stop wins over a start. Safety: a reset starts nothing, and a start before it is lost."""
    if asked.stop or state.mode in (Mode.FAULT, Mode.LOCKOUT):
        return False
    return state.wanted or asked.start


def _stay(view: View) -> ModeState:
    """Same mode: a stop that is asked for starts its ramp; a hold that begins takes one of the retries."""
    state, now_ns = view.state, view.now.t_ns
    if state.mode == Mode.LOCKOUT:
        hard = any(stop.grade == "D" for stop in view.conditions.stops)
        return replace(state, released=not hard and (state.released or view.conditions.reset == "local"))
    if state.mode == Mode.MAINT:
        at_grid = view.terms.fallback is None or view.hall.position == "grid"
        return replace(state, jog=jog.acting(view.asked.jog, view.terms, view.conditions, at_grid, view.now))
    if state.mode != Mode.GRID_TIED:
        return state
    if not view.conditions.has(Effect.HOLD):
        state = updated(state, t_hold_ns=0)
    elif not state.t_hold_ns:
        state = replace(state, t_hold_ns=now_ns, t_retries_ns=(*view.recent, now_ns))
    if not state.wanted and not state.t_stopping_ns:
        return replace(state, t_stopping_ns=now_ns)
    return state


def _enter(row: Row, view: View) -> ModeState:
    now_ns, state = view.now.t_ns, view.state
    retries, faults = view.recent, within(state.t_faults_ns, view.now, FAULTS_S)
    latched = row.target in (Mode.FAULT, Mode.LOCKOUT)
    t_stop_ns = (state.t_stopping_ns if state.mode in RESTS else now_ns) if row.target in RESTS else 0
    if row.target == Mode.STANDBY and state.mode == Mode.GRID_TIED:
        t_stop_ns = state.t_stopping_ns  # F22 counts from the stop, not from its end
    if row.target == Mode.SAFE_STOP:
        grades = {c.grade for c in view.conditions.stops} or {"B" if row.id == "T12" else "A"}
        if "B" in grades and not state.t_hold_ns:  # a hold that became a stop has taken its retry
            retries = (*retries, now_ns)
        latched = "C" in grades or len(retries) > len(RETRY_HOLDS)
    elif row.target == Mode.FAULT:
        faults = (*faults, now_ns)
    elif row.id in ("T15", "T17"):
        retries, faults = (), faults if row.id == "T15" else ()
    return ModeState(
        mode=row.target,
        t_since_ns=now_ns,
        reason=row.reason(view),
        row=row.id,
        t_stopping_ns=t_stop_ns,
        t_retries_ns=retries,
        latched=latched,
        wanted=state.wanted and not latched,
        t_faults_ns=faults,
    )

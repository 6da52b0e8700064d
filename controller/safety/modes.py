"""The mode table: from, to, and what must be true. The first row that fits wins; SAFE_STOP stands first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isnan

from controller.image import Conditions, Effect, Instant, Mode, ModeState
from controller.safety.terms import Terms
from controller.units import NS_PER_S, ns, seconds

INIT_S_MAX = 120.0  # T01
FRESH_S_MIN = 2.0  # every entry needs its inputs fresh for this long
STOP_S_MAX = 2.0  # a normal stop that is not confirmed by then goes on alone (T14)
QUIET_PU = 0.02  # power that counts as none, of the rating
RETRY_HOLDS = (1.0, 4.0, 20.0)  # class B: 30 s, 2 min, 10 min in units of the 30 s hold
RETRY_WINDOW_S = 3600.0  # class B: three within an hour, the fourth waits for a person


@dataclass(frozen=True, slots=True)
class View:
    """What a guard may look at."""

    terms: Terms
    state: ModeState
    conditions: Conditions
    wanted: bool  # auto-start or an operator's start, and no stop asked for
    now: Instant

    @property
    def age_s(self) -> float:
        """Time in the present mode, s."""
        return seconds(self.now.t_ns - self.state.t_since_ns)

    def lasts(self, t_since_ns: int, hold_s: float) -> bool:
        """Whether something has been true for hold_s."""
        return t_since_ns > 0 and self.now.t_ns - t_since_ns >= ns(hold_s)


Guard = Callable[[View], str]  # empty: the row may be taken; else what it waits for


@dataclass(frozen=True, slots=True)
class Row:
    """One transition. ids T.. and N6 are those of reference/safety.md 2.2 and 4.H."""

    id: str
    source: Mode | None  # None: any other mode
    target: Mode
    guard: Guard
    reason: Callable[[View], str]


def _stop_asked(view: View) -> str:
    return "" if view.conditions.stops or _holds_used_up(view) else "no fault"


def _holds_used_up(view: View) -> bool:
    """One hold too many: each takes one of the hour's retries, as any class B stop does."""
    begins = view.conditions.has(Effect.HOLD) and not view.state.t_hold_ns
    return view.state.mode == Mode.GRID_TIED and begins and len(_recent(view)) >= len(RETRY_HOLDS)


def _init_over(view: View) -> str:
    return "" if view.age_s > INIT_S_MAX else "time"


def _there(view: View) -> str:
    if view.conditions.unanswered:
        return "waiting for three replies of " + ", ".join(view.conditions.unanswered)
    refused = [c.name for c in view.conditions.converters if not c.accepted]
    return "waiting for the identity of " + ", ".join(refused) if refused else ""


def _may_engage(view: View) -> str:
    conditions, terms = view.conditions, view.terms
    unarmed = [c.name for c in conditions.converters if not c.armed]
    active = [c.name for c in conditions.converters if c.state in ("running", "starting")]
    checks = (
        (not view.wanted, "no start asked for"),
        (bool(active), "stopping " + ", ".join(active)),
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
    idle = all(c.state not in ("running", "starting") for c in view.conditions.converters)
    return "" if idle or view.lasts(state.t_stopping_ns, 2 * STOP_S_MAX) else "ramping down"


def _may_return(view: View) -> str:
    state = view.state
    if state.latched or any(stop.grade == "C" for stop in view.conditions.stops):
        return "waits for a person: see the latched condition"
    if view.conditions.stops:
        return "cause not yet gone for the hold time"
    wait_s = retry_s(view.terms, state)
    if view.age_s < wait_s:
        return f"retry {wait_s:.0f} s after the stop"
    return _there(view) or ("" if quiet(view.terms, view.conditions) else "power not yet zero")


def _first_stop(view: View) -> str:
    stop = (*view.conditions.stops, *view.conditions.active)[0]
    return f"{stop.code} {stop.name}: {stop.cause}"


def _missing(view: View) -> str:
    return f"T01: no answer within {INIT_S_MAX:.0f} s; {_there(view) or 'devices late'}"


ROWS = (
    Row("T12", None, Mode.SAFE_STOP, _stop_asked, _first_stop),
    Row("T01", Mode.INIT, Mode.STANDBY, _there, lambda view: "all devices answered"),
    Row("T01", Mode.INIT, Mode.SAFE_STOP, _init_over, _missing),
    Row("T02", Mode.STANDBY, Mode.GRID_TIED, _may_engage, lambda view: "site is ready"),
    Row("N6", Mode.GRID_TIED, Mode.STANDBY, _stop_done, lambda view: "stopped as asked"),
    Row("T13", Mode.SAFE_STOP, Mode.STANDBY, _may_return, lambda view: "cause gone"),
)


def next_mode(
    terms: Terms, state: ModeState, conditions: Conditions, wanted: bool, now: Instant
) -> ModeState:
    """The mode of this cycle: the first row whose guard holds, else the same with what it waits for."""
    if state.t_since_ns == 0:
        state = replace(state, t_since_ns=now.t_ns)
    view = View(terms, state, conditions, wanted, now)
    waiting = ""
    for row in ROWS:
        if row.target == state.mode or row.source not in (None, state.mode):
            continue
        blocked = row.guard(view)
        if not blocked:
            return _enter(row, view)
        if row.source is not None and not waiting:
            waiting = blocked
    state = _stay(view)
    return replace(state, waiting="" if state.mode == Mode.GRID_TIED and not state.t_stopping_ns else waiting)


def retry_s(terms: Terms, state: ModeState) -> float:
    """How long SAFE_STOP lasts at least, s: longer with every class B stop of the last hour."""
    count = len(state.t_retries_ns)
    return terms.clear_hold_s * RETRY_HOLDS[min(count, len(RETRY_HOLDS)) - 1] if count else 0.0


def quiet(terms: Terms, conditions: Conditions) -> bool:
    """Whether every converter measures no power worth the name."""
    return all(
        abs(c.pcs_kw) <= QUIET_PU * max(part.discharge_kw_max, part.charge_kw_max)
        for part, c in zip(terms.pcs, conditions.converters, strict=False)
    )


def _stay(view: View) -> ModeState:
    """Same mode: a stop that is asked for starts its ramp; a hold that begins takes one of the retries."""
    state, now_ns = view.state, view.now.t_ns
    if state.mode != Mode.GRID_TIED:
        return state
    if not view.conditions.has(Effect.HOLD):
        state = replace(state, t_hold_ns=0)
    elif not state.t_hold_ns:
        state = replace(state, t_hold_ns=now_ns, t_retries_ns=(*_recent(view), now_ns))
    if not view.wanted and not state.t_stopping_ns:
        return replace(state, t_stopping_ns=now_ns)
    return state


def _recent(view: View) -> tuple[int, ...]:
    """Retries of the last hour."""
    now_ns = view.now.t_ns
    return tuple(t for t in view.state.t_retries_ns if now_ns - t < RETRY_WINDOW_S * NS_PER_S)


def _enter(row: Row, view: View) -> ModeState:
    now_ns = view.now.t_ns
    retries = _recent(view)
    latched = False
    if row.target == Mode.SAFE_STOP:
        grades = {c.grade for c in view.conditions.stops} or {"B" if row.id == "T12" else "A"}
        if "B" in grades and not view.state.t_hold_ns:  # a hold that became a stop has taken its retry
            retries = (*retries, now_ns)
        latched = "C" in grades or len(retries) > len(RETRY_HOLDS)
    return ModeState(
        mode=row.target,
        t_since_ns=now_ns,
        reason=row.reason(view),
        row=row.id,
        t_retries_ns=retries,
        latched=latched,
    )

"""What a line of the mode table is made of, and what its guard may look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from controller.image import Instant, Mode
from controller.records import quick
from controller.safety.hall import Hall
from controller.safety.terms import Terms
from controller.state import Asked, Conditions, Effect, ModeState
from controller.units import NS_PER_S, ns, seconds

FRESH_S_MIN = 2.0  # every entry needs its inputs fresh for this long
STOP_S_MAX = 2.0  # a stop that is not confirmed by then goes on alone
QUIET_PU = 0.02  # power that counts as none, of the rating
RETRY_HOLDS = (1.0, 4.0, 20.0)  # class B: 30 s, 2 min, 10 min in units of the 30 s hold
RETRY_WINDOW_S = 3600.0  # class B: three within an hour, the fourth waits for a person

RESTS = (Mode.SAFE_STOP, Mode.FAULT, Mode.LOCKOUT)
ISLANDS = (Mode.ISLANDING, Mode.ISLANDED, Mode.GENSET_START, Mode.GENSET, Mode.RESYNC, Mode.BLACK_START)


@quick
@dataclass(frozen=True, slots=True)
class View:
    """What a guard may look at."""

    terms: Terms
    state: ModeState
    conditions: Conditions
    asked: Asked
    now: Instant
    hall: Hall = field(default_factory=Hall)

    @property
    def age_s(self) -> float:
        """Time in the present mode, s."""
        return seconds(self.now.t_ns - self.state.t_since_ns)

    @property
    def recent(self) -> tuple[int, ...]:
        """Retries of the last hour."""
        return within(self.state.t_retries_ns, self.now, RETRY_WINDOW_S)

    def lasts(self, t_since_ns: int, hold_s: float) -> bool:
        """Whether something has been true for hold_s."""
        return bool(t_since_ns) and self.now.t_ns - t_since_ns >= ns(hold_s)


Guard = Callable[[View], str]  # empty: the row may be taken; else what it waits for


@dataclass(frozen=True, slots=True)
class Row:
    """One transition. ids T.. and N6 are those of reference/safety.md 2.2 and 4.H."""

    id: str
    sources: tuple[Mode, ...]
    target: Mode
    who: str  # may ask for it
    needs: str  # the guard, in words
    guard: Guard
    reason: Callable[[View], str]
    waits: bool = True  # the mode waits for it: its guard's words are shown


def within(times_ns: tuple[int, ...], now: Instant, past_s: float) -> tuple[int, ...]:
    """Those instants that lie less than past_s back."""
    return tuple(t for t in times_ns if now.t_ns - t < past_s * NS_PER_S)


def quiet(terms: Terms, conditions: Conditions) -> bool:
    """Whether no converter measures power worth the name; one that is left out and silent measures nothing."""
    return all(
        abs(c.pcs_kw) <= QUIET_PU * max(part.discharge_kw_max, part.charge_kw_max)
        for part, c in zip(terms.pcs, conditions.converters, strict=False)
        if c.fresh or c.name not in conditions.losses
    )


def active_names(conditions: Conditions) -> str:
    """Converters that run or are about to, by what they say."""
    return ", ".join(c.name for c in conditions.heard if c.state in ("running", "starting"))


def stopping(view: View) -> bool:
    """Whether a condition asks for SAFE_STOP: in an island only one that trips (safety.md 2.3)."""
    if view.state.mode in ISLANDS:
        return view.conditions.has(Effect.TRIP)
    return bool(view.conditions.stops)

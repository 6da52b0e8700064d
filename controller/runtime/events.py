"""What changed between two cycles, as events a person can read: id, name, cause, cure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controller.image import Condition, Conditions, Effect, Instant, Mode, ModeState


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log. code: a fault (F16), a transition (T12) or a word; unit: device, port, site."""

    t_ns: int
    utc_s: float
    code: str
    name: str
    unit: str
    level: str  # info, warning, error
    text: str
    cure: str = ""


def changes(
    before: Conditions, after: Conditions, mode_before: ModeState, mode_after: ModeState, now: Instant
) -> tuple[Event, ...]:
    """Every condition that came or went and every transition, in that order."""
    return (*_conditions(before, after, now), *_transition(mode_before, mode_after, now))


def _conditions(before: Conditions, after: Conditions, now: Instant) -> Iterator[Event]:
    old = {key: c for key, c in before.watches.items() if c.active}
    new = {key: c for key, c in after.watches.items() if c.active}
    for key, condition in new.items():
        if key not in old:
            level = "error" if condition.effect == Effect.STOP else "warning"
            yield of(condition, now, level, condition.cause)
    for key, condition in old.items():
        if key not in new:
            yield of(condition, now, "info", f"{condition.name} is over")


def of(condition: Condition, now: Instant, level: str, text: str) -> Event:
    """An event about one condition."""
    return Event(
        now.t_ns, now.utc_s, condition.code, condition.name, condition.subject, level, text, condition.cure
    )


def _transition(before: ModeState, after: ModeState, now: Instant) -> Iterator[Event]:
    if after.mode != before.mode:
        level = "warning" if after.mode == Mode.SAFE_STOP else "info"
        text = f"{before.mode.name} -> {after.mode.name}: {after.reason}"
        cure = "acknowledge by hand once the cause is cured" if after.latched else ""
        yield Event(now.t_ns, now.utc_s, after.row, "mode", "site", level, text, cure)
    elif after.t_stopping_ns and not before.t_stopping_ns:
        yield Event(now.t_ns, now.utc_s, "N6", "mode", "site", "info", "stop asked for: ramping to zero")

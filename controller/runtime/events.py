"""What changed between two cycles, as events a person can read: id, name, cause, cure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controller.image import Instant, Mode
from controller.safety.command import Refused
from controller.safety.hall import Hall, Phase
from controller.safety.step import State
from controller.state import Condition, Conditions, Effect, ModeState


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


LEVELS = {Mode.SAFE_STOP: "warning", Mode.FAULT: "error", Mode.LOCKOUT: "error"}
CURES = {
    Mode.FAULT: "cure the cause, then: stillwatt acknowledge SITE --reason TEXT",
    Mode.LOCKOUT: "cure the cause, then at the box itself: stillwatt acknowledge SITE --reason TEXT",
}


def changes(before: State, after: State, now: Instant) -> tuple[Event, ...]:
    """Every condition that came or went and every transition, in that order."""
    return (
        *_conditions(before.conditions, after.conditions, now),
        *_transition(before.mode, after.mode, now),
        *_hall(before.hall, after.hall, now),
    )


def refusals(refused: Refused, now: Instant) -> tuple[Event, ...]:
    """Commands that were not taken (IL-15)."""
    return tuple(
        Event(now.t_ns, now.utc_s, "IL-15", "command-refused", command.rank.name.lower(), "warning",
              f"{command.verb}: {fault}", "see who sends it; send it again, anew")
        for command, fault in refused
    )  # fmt: skip


def _conditions(before: Conditions, after: Conditions, now: Instant) -> Iterator[Event]:
    old = {key: c for key, c in before.watches.items() if c.active}
    new = {key: c for key, c in after.watches.items() if c.active}
    for key, condition in new.items():
        if key not in old:
            level = "error" if condition.effect >= Effect.STOP else "warning"
            yield of(condition, now, level, condition.cause)
    for key, condition in old.items():
        if key not in new:
            yield of(condition, now, "info", f"{condition.name} is over")


def _hall(before: Hall, after: Hall, now: Instant) -> Iterator[Event]:
    """What switch, gensets and shedding did."""
    if after.position != before.position:
        text = f"switch at {after.position}" if after.position else "position of the switch not known"
        yield Event(now.t_ns, now.utc_s, "switch", "position", "site", "info", text)
    for name, run in after.sets.items():
        was = before.sets[name].phase if name in before.sets else Phase.OFF
        if run.phase != was:
            level = "warning" if run.phase == Phase.LOCKED else "info"
            why = f": {run.why}" if run.why else ""
            text = f"{was.name} -> {run.phase.name}{why}"
            yield Event(now.t_ns, now.utc_s, "genset", "phase", name, level, text)
    if after.shed_stage != before.shed_stage:
        text = f"load shedding stage {before.shed_stage} -> {after.shed_stage}"
        yield Event(now.t_ns, now.utc_s, "shed", "stage", "site", "warning", text)


def barriers(blocked: tuple[tuple[str, str, str], ...], now: Instant) -> tuple[Event, ...]:
    """Orders that an interlock kept back."""
    return tuple(
        Event(
            now.t_ns,
            now.utc_s,
            code,
            "interlock",
            device,
            "error",
            why,
            "see which source or switch is wrong",
        )
        for code, device, why in blocked
    )


def of(condition: Condition, now: Instant, level: str, text: str) -> Event:
    """An event about one condition."""
    return Event(
        now.t_ns, now.utc_s, condition.code, condition.name, condition.subject, level, text, condition.cure
    )


def _transition(before: ModeState, after: ModeState, now: Instant) -> Iterator[Event]:
    if after.mode != before.mode:
        level, cure = LEVELS.get(after.mode, "info"), CURES.get(after.mode, "")
        text = f"{before.mode.name} -> {after.mode.name}: {after.reason}"
        yield Event(now.t_ns, now.utc_s, after.row, "mode", "site", level, text, cure)
    elif after.jog is not None and (before.jog is None or after.jog.kw != before.jog.kw):
        text = f"moved by hand: {after.jog.kw:g} kW"
        yield Event(now.t_ns, now.utc_s, "N6", "jog", after.jog.device, "info", text)
    elif before.jog is not None and after.jog is None:
        yield Event(now.t_ns, now.utc_s, "N6", "jog", before.jog.device, "info", "the hand is off")
    elif after.t_stopping_ns and not before.t_stopping_ns:
        yield Event(now.t_ns, now.utc_s, "N6", "mode", "site", "info", "stop asked for: ramping to zero")

"""The safety step read aloud: conditions, mode, fallback, orders, interlocks, envelope. Pure: memory is State."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.image import Instant, Limits, Telemetry, Wish
from controller.safety import (
    command,
    conditions,
    envelope,
    fallback,
    hall,
    interlocks,
    island,
    modes,
    orders,
    wish_rows,
)
from controller.safety.command import Command, Desk, Refused
from controller.safety.hall import Hall
from controller.safety.terms import Terms
from controller.safety.transition import View
from controller.state import Conditions, ModeState


@dataclass(frozen=True, slots=True)
class State:
    """Everything safety remembers from one cycle to the next."""

    conditions: Conditions = field(default_factory=Conditions)
    mode: ModeState = field(default_factory=ModeState)
    desk: Desk = field(default_factory=Desk)
    hall: Hall = field(default_factory=Hall)
    lease: Limits | None = None  # of the last cycle


@dataclass(frozen=True, slots=True)
class Inputs:
    """What one cycle brings."""

    telemetry: Telemetry
    wish: Wish = field(default_factory=Wish)
    commands: tuple[Command, ...] = ()


@dataclass(frozen=True, slots=True)
class Outputs:
    """What one cycle allows and wants. limits without orders: they are numbered outside."""

    limits: Limits
    orders: Mapping[str, str]  # device: order
    refused: Refused = ()
    blocked: tuple[tuple[str, str, str], ...] = ()  # interlock, device, why


def step(terms: Terms, state: State, inputs: Inputs, now: Instant) -> tuple[State, Outputs]:
    """One cycle, right for any time between 0.05 and 1 s since the last one (safety.md N5)."""
    desk, asked, refused = command.settle(state.desk, inputs.commands, now, state.mode.mode)
    telemetry = inputs.telemetry
    asked = command.turned(asked, telemetry.inputs, state.mode.mode)
    seen = conditions.read(terms, state.conditions, state.mode, telemetry, asked, now, state.hall)
    seen = wish_rows.counted(seen, state.conditions, inputs.wish, now)
    facts = hall.read(terms, state.hall, seen, telemetry, now)
    refused = (
        *refused,
        *_declined(View(terms, state.mode, seen, asked, now, facts), inputs.commands, refused),
    )
    mode = modes.next_mode(terms, state.mode, seen, asked, now, facts)
    facts = fallback.step(View(terms, mode, seen, asked, now, facts), state.mode, telemetry.devices)
    view = View(terms, mode, seen, asked, now, facts)
    passed, blocked = interlocks.screened(view, orders.proposed(view, telemetry.devices))
    facts = fallback.ordered(terms.fallback, facts, passed, now)
    limits = envelope.limit(terms, mode, seen, inputs.wish, (), now, facts, state.lease)
    return State(seen, mode, desk, facts, limits), Outputs(limits, passed, refused, blocked)


def _declined(view: View, commands: tuple[Command, ...], refused: Refused) -> Refused:
    """What was taken and cannot be begun now: it is asked once, so whoever asked must know (F62, IL-10)."""
    gone = {id(it) for it, _ in refused}
    told = ((it, island.declined(view, it.verb)) for it in commands if id(it) not in gone)
    return tuple((it, why) for it, why in told if why)

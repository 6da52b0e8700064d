"""The safety step read aloud: conditions, mode, orders, envelope. Pure; all memory goes through State."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.image import Conditions, Instant, Limits, ModeState, Telemetry, Wish
from controller.safety import command, conditions, envelope, modes, orders
from controller.safety.command import Command, Desk, Refused
from controller.safety.terms import Terms


@dataclass(frozen=True, slots=True)
class State:
    """Everything safety remembers from one cycle to the next."""

    conditions: Conditions = field(default_factory=Conditions)
    mode: ModeState = field(default_factory=ModeState)
    desk: Desk = field(default_factory=Desk)


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


def step(terms: Terms, state: State, inputs: Inputs, now: Instant) -> tuple[State, Outputs]:
    """One cycle, right for any time between 0.05 and 1 s since the last one (safety.md N5)."""
    desk, asked, refused = command.settle(state.desk, inputs.commands, now)
    seen = conditions.read(terms, state.conditions, state.mode, inputs.telemetry, asked, now)
    mode = modes.next_mode(terms, state.mode, seen, asked, now)
    wanted = orders.wanted(terms, mode, seen, now)
    limits = envelope.limit(terms, mode, seen, inputs.wish, (), now)
    return State(seen, mode, desk), Outputs(limits, wanted, refused)

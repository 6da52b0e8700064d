"""Who may command what (reference/safety.md 2.6): the smaller rank wins, and everyone may reduce.

A command carries a sequence and an expiry (IL-15): one that is late, repeated or too far ahead is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from math import isfinite, isnan

from controller.image import Instant, Mode
from controller.records import replace
from controller.safety import jog
from controller.state import Asked, Jog, updated
from controller.units import ns

EXPIRY_S_MAX = 5.0  # IL-15


class Rank(IntEnum):
    """Sources of commands, the strongest first. 0 to 2 are hardware, relays and this room itself."""

    LOCAL = 3  # a person at the box
    GRID = 4  # the grid operator
    OPERATOR = 5  # a person, remote
    SUPERVISOR = 6
    SCHEDULER = 7  # compute: advice only


REDUCES = ("stop",)  # from anyone
RAISES: Mapping[str, tuple[Rank, ...]] = {
    "start": (Rank.LOCAL, Rank.OPERATOR, Rank.SUPERVISOR, Rank.SCHEDULER),
    "reset": (Rank.LOCAL, Rank.OPERATOR),
    "island": (Rank.LOCAL, Rank.OPERATOR),
    "black-start": (Rank.LOCAL,),
    "maint": (Rank.LOCAL,),
    "maint-end": (Rank.LOCAL,),
    "jog": (Rank.LOCAL,),
}


@dataclass(frozen=True, slots=True)
class Command:
    """One wish from outside. verb: a name of REDUCES or RAISES."""

    verb: str
    rank: Rank
    sequence: int  # grows with every command of its source
    expires_ns: int
    reason: str = ""
    device: str = ""  # of a jog: the converter
    kw: float = 0.0  # and its power, > 0 discharges


@dataclass(frozen=True, slots=True)
class Desk:
    """What must be remembered of commands."""

    sequences: Mapping[Rank, int] = field(default_factory=dict)  # last taken of each source
    stopped_by: Rank | None = None  # who stopped the site: a weaker source does not start it again
    key: bool = False  # maintenance
    jog: Jog | None = None  # the hand that is on


Refused = tuple[tuple[Command, str], ...]  # with the reason


def settle(
    desk: Desk, commands: tuple[Command, ...], now: Instant, mode: Mode = Mode.STANDBY
) -> tuple[Desk, Asked, Refused]:
    """What is asked in this cycle, and which commands were refused. Strongest source first. mode: the present one."""
    asked: dict[str, Command] = {}
    refused: list[tuple[Command, str]] = []
    for command in sorted(commands, key=lambda c: (c.rank, c.sequence)):
        fault = _fault(desk, command, now, mode)
        if fault:
            refused.append((command, fault))
            continue
        desk = _taken(desk, command)
        asked.setdefault(command.verb, command)
    told = asked.get("jog")
    hand = None if told is None else Jog(told.device, told.kw, now.t_ns, now.t_ns)
    desk = updated(desk, jog=jog.held(desk.jog, hand, now))
    reset = asked.get("reset")
    found = Asked(
        start="start" in asked,
        stop="stop" in asked,
        pressed="" if reset is None else ("local" if reset.rank == Rank.LOCAL else "operator"),
        reason="" if reset is None else reset.reason,
        key=desk.key,
        island="island" in asked,
        black_start="black-start" in asked,
        jog=desk.jog,
    )
    return desk, found, tuple(refused)


def turned(asked: Asked, inputs: Mapping[str, float], mode: Mode) -> Asked:
    """With the key switch of the site, where it is wired: it asks for a stop, and MAINT waits until it is turned back.

    One that is no longer read stays as it was in MAINT, and is not turned elsewhere.
    """
    told = inputs.get("key", 0.0)
    on = told == 1.0 or (mode == Mode.MAINT and isnan(told))
    return replace(asked, key=True, stop=True) if on else asked


def _fault(desk: Desk, command: Command, now: Instant, mode: Mode) -> str:
    if command.verb not in REDUCES and command.verb not in RAISES:
        return "there is no such command"
    if command.sequence <= desk.sequences.get(command.rank, 0):
        return "its sequence was seen before (F96)"
    if not now.t_ns <= command.expires_ns <= now.t_ns + ns(EXPIRY_S_MAX):
        return f"it is late, or valid for more than {EXPIRY_S_MAX:.0f} s"
    if command.verb in RAISES and command.rank not in RAISES[command.verb]:
        return "that source may only reduce"
    if command.verb == "start" and desk.stopped_by is not None and command.rank > desk.stopped_by:
        return f"{desk.stopped_by.name.lower()} has stopped the site"
    if command.verb == "jog" and mode != Mode.MAINT:
        return "a converter is moved by hand in MAINT alone"
    if command.verb == "jog" and not (command.device and isfinite(command.kw)):
        return "a jog names a converter and a power in kW"
    if command.verb == "reset" and not command.reason:
        return "a reset needs its reason in words"
    return ""


def _taken(desk: Desk, command: Command) -> Desk:
    sequences = {**desk.sequences, command.rank: command.sequence}
    stopped_by, key = desk.stopped_by, desk.key
    if command.verb == "stop":
        stopped_by = command.rank if stopped_by is None else min(stopped_by, command.rank)
    elif command.verb == "start":
        stopped_by = None
    elif command.verb in ("maint", "maint-end"):
        key = command.verb == "maint"
    return Desk(sequences, stopped_by, key, desk.jog)

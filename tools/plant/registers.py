"""From a device profile to the registers its simulated slave holds: the profile read backwards."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from controller.devices.profile import Point, Profile, State
from controller.devices.profiles import state_words
from controller.devices.sunspec import layout

STATES: tuple[State, ...] = ("off", "standby", "starting", "running", "fault")  # index: RunState
SET_STATES: tuple[State, ...] = ("off", "starting", "running", "cooling", "fault")  # index: SetState
POSITIONS: tuple[State, ...] = ("open", "source-1", "source-2")  # index: Position; source-1 is the grid
SOURCES = ("none", "grid", "genset", "pcs")  # index: Source
STATES_OF = {"genset": SET_STATES, "ats": POSITIONS}
ORDER_KINDS = (
    "start",
    "stop",
    "clear",
    "arm",
    "form",
    "follow",
    "auto",
    "source-1",
    "source-2",
    "open",
)  # OrderKind
ACTIONS = ("stop", "standby", "hold")  # index: Action
TYPES = ("u16", "s16", "u32", "s32", "f32")  # index: FieldType of slave.pxd
FEEDS = {"write": 1, "read": 2, "any": 3}  # Feed bits of pcs.pxd
# What a converter shows when its map has no word of its own for a run state.
STAND_INS: dict[State, tuple[State, ...]] = {
    "off": ("standby",), "standby": ("off",), "starting": ("standby", "off"), "running": (),
    "fault": ("off", "standby"), "cooling": ("running",),
}  # fmt: skip
SERVED = (6, 16)  # write functions of the simulated slaves
FREE_TEXT = "stillwatt-plant"  # identity of a device whose profile accepts any


@dataclass(frozen=True, slots=True)
class ValueField:
    """Registers that show a value of the plant, or the run state's word where `states` is given."""

    address: int
    type: int  # index into TYPES
    low_word_first: bool
    scale: float
    offset: float
    name: str  # canonical point name
    states: tuple[int, ...] = ()  # one word for each of STATES


@dataclass(frozen=True, slots=True)
class OrderField:
    """A write the slave takes."""

    function: int
    address: int
    kind: int  # index into ORDER_KINDS: OrderKind of pcs.pxd
    words: tuple[int, ...]
    arm_s: float = 0.0
    arm_scale: float = 0.0
    low_word_first: bool = False


@dataclass(slots=True)
class RegisterMap:
    """All one slave knows. ranges: (function, first address, count) that reads may cover."""

    ranges: list[tuple[int, int, int]] = field(default_factory=list)
    constants: dict[int, int] = field(default_factory=dict)
    fields: list[ValueField] = field(default_factory=list)
    orders: list[OrderField] = field(default_factory=list)


def split(raw: int, type_name: str, low_word_first: bool) -> list[int]:
    """Registers of a raw number, in address order."""
    if TYPES.index(type_name) < TYPES.index("u32"):
        return [raw & 0xFFFF]
    words = [(raw >> 16) & 0xFFFF, raw & 0xFFFF]
    return words[::-1] if low_word_first else words


def text_words(text: str, count: int) -> list[int]:
    """Two characters a register, zero-padded."""
    raw = text.encode("ascii", "replace")[: 2 * count].ljust(2 * count, b"\0")
    return list(struct.unpack(f">{count}H", raw))


def states_of(profile: Profile) -> dict[int, tuple[int, ...]]:
    """{address: word of each state of its kind} that the profile's own rules read back as the state."""
    found: dict[State, dict[int, int]] = {}
    states = STATES_OF.get(profile.kind, STATES)
    if not profile.states:
        return {}
    for state in states:
        with suppress(ValueError):
            found[state] = state_words(profile, state)
    for state, others in STAND_INS.items():
        if state in states and state not in found:
            found[state] = next((found[other] for other in others if other in found), {})
    addresses = sorted({address for words in found.values() for address in words})
    return {address: tuple(found[state].get(address, 0) for state in states) for address in addresses}


def _identity(profile: Profile, point: Point) -> list[int]:
    accepted = profile.identity.accepted[0] if profile.identity else "*"
    if point.type == "string":
        return text_words(FREE_TEXT if accepted == "*" else accepted, point.words)
    return _number(point, 1.0 if accepted == "*" else float(accepted))


def _number(point: Point, value: float) -> list[int]:
    return split(round((value - point.offset) / point.scale), point.type or "u16", point.low_word_first)


def _sunspec(profile: Profile) -> dict[int, int]:
    """The whole chain of models: marker, headers, scale factors, "not implemented" elsewhere, end mark."""
    spots = layout(profile.sunspec_base, profile.sunspec_models, profile.sunspec_counts)
    words = dict(enumerate(text_words("SunS", 2), profile.sunspec_base))
    lengths: dict[str, int] = {}
    for name, spot in spots.items():
        lengths[name.partition(".")[0]] = spot.address + spot.size
    for name, spot in spots.items():
        model, _, point = name.partition(".")
        value = spot.sentinels[0] if spot.sentinels else 0
        if point == "ID":
            value = int(model)
        elif point == "L":
            value = lengths[model] - spot.address - 1
        elif name in profile.scale_factors:
            value = profile.scale_factors[name]
        elif point == "NPrt":
            value = sum(profile.sunspec_counts.values())
        raw = split(value, spot.type, False) if spot.type in TYPES else []
        if spot.type == "string":
            raw = text_words(FREE_TEXT, spot.size)
        words |= dict(enumerate(raw + [0] * (spot.size - len(raw)), spot.address))
    end = max(words) + 1
    return words | {end: 0xFFFF, end + 1: 0}


def _order_fields(profile: Profile) -> Iterator[OrderField]:
    watchdog = profile.points.get(profile.watchdog.point) if profile.watchdog else None
    for name, order in profile.orders.items():
        arm_s = profile.watchdog.timeout_s if profile.watchdog and name == "arm" else 0.0
        arm_scale = watchdog.scale if watchdog and arm_s and watchdog.address == order.address else 0.0
        low_word_first = watchdog.low_word_first if watchdog else False
        if order.function not in SERVED:
            continue
        yield OrderField(
            order.function,
            order.address,
            ORDER_KINDS.index(name),
            order.words,
            arm_s,
            arm_scale,
            low_word_first,
        )


def _constant(profile: Profile, name: str, point: Point) -> list[int]:
    """Words of a point that follows nothing in the plant: identity, canary, or "not available"."""
    if profile.identity and profile.identity.point == name:
        return _identity(profile, point)
    if point.type == "string":
        return text_words(FREE_TEXT, point.words)
    if point.low is not None and point.low == point.high:
        return _number(point, point.low)
    return split(point.sentinels[0] if point.sentinels else 0, point.type or "u16", point.low_word_first)


def register_map(profile: Profile, values: Iterable[str]) -> RegisterMap:
    """The slave's registers. `values`: canonical names the plant can show for this kind of device."""
    known = set(values)
    result = RegisterMap(orders=list(_order_fields(profile)))
    states = states_of(profile)
    for read in profile.reads.values():
        result.ranges.append((read.function, read.address, read.count))
    if profile.sunspec_models:
        result.constants |= _sunspec(profile)
        result.ranges.append((3, profile.sunspec_base, len(result.constants)))
    for name, point in profile.points.items():
        if point.address in states or name in known:
            kind = TYPES.index(point.type or "u16")
            words = states.get(point.address, ())
            place = (point.address, kind, point.low_word_first, point.scale, point.offset, name)
            result.fields.append(ValueField(*place, words))
        else:
            result.constants |= dict(enumerate(_constant(profile, name, point), point.address))
    return result

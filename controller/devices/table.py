"""The bus table: what the frame polls, writes and may write, compiled from the site and its profiles.

Dicts hold exactly the fields of ext.rtu.PollSetup, ext.guard.GuardRule and ext.port.PortSetup. Times follow
the protocol: a character has 11 bits, the silence is 3.5 characters or 1.75 ms (reference/fieldbus.md 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.config.host import Host
from controller.config.site import Pcs, Port, Site, Unit
from controller.devices.profile import Order, Profile, Read, Setpoint
from controller.units import NS_PER_MS, NS_PER_S, NS_PER_US, seconds

CHAR_BITS = 11  # start, 8 data, parity or second stop, stop
SPEC_GAP_NS = 1_750_000  # fixed above 19200 baud
GAP_CHARS = 3.5
STATUS_PERIODS_MAX = 3  # IL-07: no setpoint on a status older than three periods
READ, SETPOINT, ORDER = 0, 1, 2  # ext.rtu.PollKind
RULE_SETPOINT, RULE_ORDER = 0, 1  # ext.guard.RuleKind
POLL_MAX, RULE_MAX = 64, 64  # ext.image
WORD_MAX = 4  # registers of an order

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PcsTable:
    """The lines of one converter."""

    name: str
    setpoint_poll: int
    status_poll: int
    setpoint_period_s: float  # one exchange with its gaps and the device's usual silence
    setpoint_oneway_s: float  # first bit to the moment at which the device may parse
    refresh_s: float
    rating_kw: float  # larger of its two limits
    over_drive: float  # largest command in ratings
    orders: Mapping[str, tuple[int, tuple[int, ...]]]  # name: poll and words


@dataclass(frozen=True, slots=True)
class PortLoad:
    """How full one port is."""

    port: str
    baud: int
    gap: str
    devices: int
    read_load_pct: float  # wire time of all reads
    setpoints_per_s: float  # of each converter, in what the reads leave; 0: none there
    oneway_ms: float  # slowest setpoint on the port


@dataclass(frozen=True, slots=True)
class BusTable:
    """Everything the frame and the roster need to know about the buses."""

    port_names: tuple[str, ...]
    ports: list[Fields]
    polls: list[Fields]
    rules: list[Fields]
    pcs: tuple[PcsTable, ...]
    reads: Mapping[str, Mapping[str, int]]  # device: read name: poll
    orders: Mapping[str, Mapping[str, tuple[int, tuple[int, ...]]]]
    loads: tuple[PortLoad, ...]

    def rows(self) -> list[Fields]:
        """One row a port, for `stillwatt check`: names as columns, units in the names."""
        return [{name: getattr(load, name) for name in PortLoad.__slots__} for load in self.loads]


@dataclass(slots=True)
class _Draft:
    site: Site
    polls: list[Fields] = field(default_factory=list)
    rules: list[Fields] = field(default_factory=list)
    reads: dict[str, dict[str, int]] = field(default_factory=dict)
    orders: dict[str, dict[str, tuple[int, tuple[int, ...]]]] = field(default_factory=dict)
    read_load: dict[str, float] = field(default_factory=dict)


def compile(site: Site, profiles: Mapping[str, Profile], host: Host | None = None) -> BusTable:
    """The table of a site. `profiles` by name, resolved. `host` tells which adapters echo."""
    names = tuple(site.ports)
    draft = _Draft(site, read_load=dict.fromkeys(names, 0.0))
    for _, unit in site.units():
        _add_reads(draft, unit, profiles[unit.profile])
    for _, unit in site.units():
        _add_orders(draft, unit, profiles[unit.profile])
    pcs = tuple(_add_pcs(draft, index, unit, profiles[unit.profile]) for index, unit in enumerate(site.pcs))
    echoes = {name: port.echo for name, port in host.ports.items()} if host else {}
    return BusTable(
        port_names=names,
        ports=[
            {"char_ns": char_ns(port.baud), "echo": int(echoes.get(name, False))}
            for name, port in site.ports.items()
        ],
        polls=draft.polls,
        rules=draft.rules,
        pcs=pcs,
        reads=draft.reads,
        orders=draft.orders,
        loads=tuple(_load(draft, name, port, pcs) for name, port in site.ports.items()),
    )


def char_ns(baud: int) -> int:
    """Time of one character on the wire."""
    return round(CHAR_BITS * NS_PER_S / baud)


def gap_ns(port: Port, profile: Profile) -> int:
    """Silence between two frames: the port's rule and what the device needs beyond."""
    rule = SPEC_GAP_NS if port.gap == "spec" and port.baud > 19200 else round(GAP_CHARS * char_ns(port.baud))
    return rule + round(profile.wire.gap_us * NS_PER_US)


def frame_bytes(function: int, count: int) -> tuple[int, int]:
    """Bytes of the request and of a right reply."""
    if function in (3, 4):
        return 8, 5 + 2 * count
    return (8, 8) if function == 6 else (9 + 2 * count, 8)


def exchange_ns(port: Port, profile: Profile, function: int, count: int) -> int:
    """One transaction: both frames, both silences and the device's usual time to answer."""
    request, reply = frame_bytes(function, count)
    silence = 2 * gap_ns(port, profile) + round(profile.wire.reply_ms * NS_PER_MS)
    return (request + reply) * char_ns(port.baud) + silence


def _poll(
    draft: _Draft, unit: Unit, profile: Profile, kind: int, function: int, address: int, count: int
) -> Fields:
    port = draft.site.ports[unit.port]
    reply_ns = frame_bytes(function, count)[1] * char_ns(port.baud)
    poll = {
        "port": list(draft.site.ports).index(unit.port),
        "kind": kind,
        "unit": unit.unit,
        "function": function,
        "address": address,
        "count": count,
        "read_address": 0,
        "read_count": 0,
        "pcs": -1,
        "pcs_count": 1,
        "value_words": 0,
        "period_ns": 0,
        "phase_ns": 0,
        "refresh_ns": 0,
        "timeout_ns": round(profile.wire.timeout_ms * NS_PER_MS) + reply_ns,
        "turnaround_ns": round(profile.wire.turnaround_ms * NS_PER_MS) + reply_ns,
        "gap_ns": gap_ns(port, profile),
        "counts_per_kw": 0.0,
        "low_word_first": 0,
        "status_poll": -1,
        "lease_only": 0,
        "canary_word": -1,
        "canary_value": 0,
    }
    draft.polls.append(poll)
    return poll


def _add_reads(draft: _Draft, unit: Unit, profile: Profile) -> None:
    places = draft.reads.setdefault(unit.name, {})
    for name, read in profile.reads.items():
        places[name] = len(draft.polls)
        poll = _poll(draft, unit, profile, READ, read.function, read.address, read.count)
        poll["period_ns"] = round(read.period_ms * NS_PER_MS)
        wire_ns = exchange_ns(draft.site.ports[unit.port], profile, read.function, read.count)
        draft.read_load[unit.port] += wire_ns / poll["period_ns"]


def _add_orders(draft: _Draft, unit: Unit, profile: Profile) -> None:
    places = draft.orders.setdefault(unit.name, {})
    for name, order in profile.orders.items():
        places[name] = (len(draft.polls), order.words)
        poll = _poll(draft, unit, profile, ORDER, order.function, order.address, len(order.words))
        draft.rules.append(_rule(poll, RULE_ORDER) | _words(order))


def _add_pcs(draft: _Draft, index: int, unit: Pcs, profile: Profile) -> PcsTable:
    setpoint, port = profile.setpoint, draft.site.ports[unit.port]
    assert setpoint is not None  # the schema refuses a pcs without
    count = 2 if setpoint.type == "s32" else 1
    rating_kw = max(unit.discharge_kw_max, unit.charge_kw_max)
    status = status_rule(profile, draft.reads[unit.name])
    place = len(draft.polls)
    poll = _poll(draft, unit, profile, SETPOINT, setpoint.function, setpoint.address, count)
    poll |= {
        "pcs": index,
        "refresh_ns": round(setpoint.refresh_ms * NS_PER_MS),
        "counts_per_kw": setpoint.counts_per_kw,
        "low_word_first": int(setpoint.low_word_first),
        "status_poll": status["status_poll"],
    }
    draft.polls[place] = poll
    draft.rules.append(_rule(poll, RULE_SETPOINT) | _power(setpoint, rating_kw) | status)
    request, _ = frame_bytes(setpoint.function, count)
    return PcsTable(
        name=unit.name,
        setpoint_poll=place,
        status_poll=status["status_poll"],
        setpoint_period_s=seconds(exchange_ns(port, profile, setpoint.function, count)),
        setpoint_oneway_s=seconds(request * char_ns(port.baud) + gap_ns(port, profile)),
        refresh_s=setpoint.refresh_ms / 1000,
        rating_kw=rating_kw,
        over_drive=setpoint.over_drive,
        orders=draft.orders[unit.name],
    )


def status_rule(profile: Profile, reads: Mapping[str, int]) -> Fields:
    """Which reply must say running before a setpoint may leave, and for how long it counts."""
    rule = next(rule for rule in profile.states if rule.state == "running")
    point = profile.points[rule.point]
    read: Read = profile.reads[point.read]
    return {
        "status_poll": reads[point.read],
        "status_word": point.address - read.address,
        "status_mask": rule.mask,
        "status_value": rule.value,
        "status_age_ns_max": round(STATUS_PERIODS_MAX * read.period_ms * NS_PER_MS),
    }


def _rule(poll: Fields, kind: int) -> Fields:
    return {
        "port": poll["port"],
        "kind": kind,
        "unit": poll["unit"],
        "function": poll["function"],
        "address": poll["address"],
        "count": poll["count"],
        "pcs": poll["pcs"],
        "pcs_count": poll["pcs_count"],
        "value_words": poll["value_words"],
        "kw_per_count": 0.0,
        "low_word_first": poll["low_word_first"],
        "rating_kw": 0.0,
        "word_low": [0] * WORD_MAX,
        "word_high": [0] * WORD_MAX,
        "status_poll": -1,
        "status_word": 0,
        "status_mask": 0,
        "status_value": 0,
        "status_age_ns_max": 0,
    }


def _words(order: Order) -> Fields:
    """The guard lets exactly these words pass."""
    padded = [*order.words, *([0] * (WORD_MAX - len(order.words)))]
    return {"word_low": padded, "word_high": list(padded)}


def _power(setpoint: Setpoint, rating_kw: float) -> Fields:
    return {"kw_per_count": 1.0 / setpoint.counts_per_kw, "rating_kw": rating_kw * setpoint.over_drive}


def _load(draft: _Draft, name: str, port: Port, pcs: tuple[PcsTable, ...]) -> PortLoad:
    here = [line for line, unit in zip(pcs, draft.site.pcs, strict=True) if unit.port == name]
    free = max(0.0, 1.0 - draft.read_load[name])
    return PortLoad(
        port=name,
        baud=port.baud,
        gap=port.gap,
        devices=sum(unit.port == name for _, unit in draft.site.units()),
        read_load_pct=100 * draft.read_load[name],
        setpoints_per_s=free / sum(line.setpoint_period_s for line in here) if here else 0.0,
        oneway_ms=max((1000 * line.setpoint_oneway_s for line in here), default=0.0),
    )

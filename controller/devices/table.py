"""The bus table: what the frame polls, writes and may write, compiled from the site and its profiles.

Dicts hold exactly the fields of ext.rtu.PollSetup, ext.guard.GuardRule and ext.port.PortSetup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.config.host import Host
from controller.config.site import Pcs, Site, Unit
from controller.devices.budget import YIELD_S, Age, PortLoad, budget
from controller.devices.profile import Order, Profile, Read, Setpoint
from controller.devices.timing import ORDER, READ, SETPOINT, char_ns, exchange_ns, frame_bytes, gap_ns
from controller.units import NS_PER_MS, ns, seconds

# Of the rating: a setpoint that moves more goes before a read; what noise asks for is less, unless it is led by four or
# more. Where so many exchanges are not over by the time that a read gives them, each goes before it.
FAR_PU, FAR_EXCHANGES = 0.01, 3
STATUS_PERIODS_MAX = 3  # IL-07: no setpoint on a status older than three periods
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
class TcpRead:
    """One read of a Modbus TCP device, repeated; controller.devices.tcp serves it, never the frame."""

    device: str
    host: str
    tcp_port: int
    unit: int
    function: int
    address: int
    count: int
    period_s: float
    timeout_s: float
    turnaround_s: float


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
    ages: tuple[Age, ...]
    tcp: tuple[TcpRead, ...]  # their poll indices follow those of the frame

    def rows(self) -> list[Fields]:
        """One row a port, for `stillwatt check`: names as columns, units in the names."""
        return [{name: getattr(load, name) for name in PortLoad.__slots__} for load in self.loads]

    def age_rows(self) -> list[Fields]:
        """One row a read of the serial ports: how old its values can get, with a dead neighbour too."""
        return [{name: getattr(age, name) for name in Age.__slots__} for age in self.ages]


@dataclass(slots=True)
class _Draft:
    site: Site
    polls: list[Fields] = field(default_factory=list)
    rules: list[Fields] = field(default_factory=list)
    reads: dict[str, dict[str, int]] = field(default_factory=dict)
    orders: dict[str, dict[str, tuple[int, tuple[int, ...]]]] = field(default_factory=dict)
    tcp: list[TcpRead] = field(default_factory=list)


def compile(site: Site, profiles: Mapping[str, Profile], host: Host | None = None) -> BusTable:
    """The table of a site. `profiles` by name, resolved. `host` tells which adapters echo.

    A converter that is read only gets no setpoint and no order; gensets and switches get no order either.
    """
    draft = _Draft(site)
    serial = [unit for _, unit in site.units() if unit.port in site.ports]
    for unit in serial:
        _add_reads(draft, unit, profiles[unit.profile])
    for unit in serial:
        _add_orders(draft, unit, profiles[unit.profile])
    commanded = [unit for unit in site.pcs if unit in serial and not profiles[unit.profile].read_only]
    pcs = tuple(_add_pcs(draft, index, unit, profiles[unit.profile]) for index, unit in enumerate(commanded))
    for _, unit in site.units():
        if unit.port in site.tcp:
            _add_tcp(draft, unit, profiles[unit.profile])
    echoes = {name: port.echo for name, port in host.ports.items()} if host else {}
    budgets = [budget(site, profiles, name, port) for name, port in site.ports.items()]
    for age in (age for _, ages in budgets for age in ages):
        poll = draft.polls[draft.reads[age.device][age.read]]
        poll["early_ns"], poll["yield_ns"] = ns(age.early_s), ns(age.yield_s)
    return BusTable(
        port_names=tuple(site.ports),
        ports=[
            {"char_ns": char_ns(port.baud), "echo": int(echoes.get(name, False))}
            for name, port in site.ports.items()
        ],
        polls=draft.polls,
        rules=draft.rules,
        pcs=pcs,
        reads=draft.reads,
        orders=draft.orders,
        loads=tuple(load for load, _ in budgets),
        ages=tuple(age for _, ages in budgets for age in ages),
        tcp=tuple(draft.tcp),
    )


def usual_ns(table: BusTable, index: int, profile: Profile) -> int:
    """First byte of a request to the last of its reply, when device and box are as quick as usual."""
    reply_ns = round(profile.wire.reply_ms * NS_PER_MS)
    if index >= len(table.polls):
        return reply_ns  # over TCP
    poll = table.polls[index]
    port_char_ns = int(table.ports[poll["port"]]["char_ns"])
    return sum(frame_bytes(poll["function"], poll["count"])) * port_char_ns + reply_ns


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
        "early_ns": 0,
        "yield_ns": 0,
        "far_counts": 0,
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
        poll["lease_only"] = int(profile.watchdog is not None and profile.watchdog.fed_by != "write")


def _add_tcp(draft: _Draft, unit: Unit, profile: Profile) -> None:
    """Reads alone: a write over TCP would pass no guard."""
    place, wire = draft.site.tcp[unit.port], profile.wire
    draft.orders[unit.name] = {}
    draft.reads[unit.name] = {}
    for name, read in profile.reads.items():
        draft.reads[unit.name][name] = len(draft.polls) + len(draft.tcp)
        where = (unit.name, place.host, place.tcp_port, unit.unit, read.function, read.address, read.count)
        times_ms = (read.period_ms, wire.timeout_ms, wire.turnaround_ms)
        draft.tcp.append(TcpRead(*where, *(time_ms / 1000 for time_ms in times_ms)))


def _add_orders(draft: _Draft, unit: Unit, profile: Profile) -> None:
    places = draft.orders.setdefault(unit.name, {})
    backup = draft.site.fallback is not None and profile.kind in ("genset", "ats")
    if not (profile.kind in ("pcs", "bms") or backup) or profile.read_only:
        return
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
    period_s = seconds(exchange_ns(port, profile, setpoint.function, count))
    quick = FAR_EXCHANGES * period_s <= YIELD_S
    place = len(draft.polls)
    poll = _poll(draft, unit, profile, SETPOINT, setpoint.function, setpoint.address, count)
    poll |= {
        "pcs": index,
        "refresh_ns": round(setpoint.refresh_ms * NS_PER_MS),
        "far_counts": max(1, round(FAR_PU * rating_kw * abs(setpoint.counts_per_kw))) if quick else 0,
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
        setpoint_period_s=period_s,
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

"""The time of one serial port: how full it is, how long a setpoint waits, how old each value can get.

Bounds follow the master's own order (ext.rtu): the read that waits longest goes first, a converter's setpoint
may go before each of them, an exchange under way is never broken off. So before one read each other read of
the port goes at most once. A dead device costs its whole quarantine each time.

An edge of the load that meets a read is answered later by it. So on a port with setpoints a read that is due lets those
go first for a while that move farther than noise, an edge takes 25 ms, and comes early by chance, so that a load which
steps in time with it meets it seldom: as far as every value of the port stays young enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.config.site import Port, Site, Unit
from controller.devices.profile import Profile
from controller.devices.timing import char_ns, exchange_ns, frame_bytes, gap_ns
from controller.units import NS_PER_MS, seconds

FRAMES = 3  # a step of the master lasts a frame: seen sent, seen answered, silence seen elapsed
READ_LOAD_PCT_MAX = 60  # reads of a port; the rest is for setpoints, retries and quarantines
SETPOINT_MS_MAX = 100  # W of the fault catalogue: between two setpoints of one converter
STALE_S = 0.5  # as safety counts: live values are stale after this and after three of their device's polls,
POLLS_STALE = 3  # and as the roster counts: those of a slow read are dropped after three of its own and this

YIELD_S, YIELD_SHARE = 0.030, 0.125  # that a read lets setpoints go first at most, and of its period
EARLY_S, EARLY_SHARE = 0.060, 0.25  # by which it comes early at most: fifteen times what one takes


@dataclass(frozen=True, slots=True)
class PortLoad:
    """How full one port is."""

    port: str
    baud: int
    gap: str
    devices: int
    read_load_pct: float  # wire time of all reads
    setpoints_per_s: float  # of each converter, in what the reads leave; 0: none there
    setpoint_ms_max: float  # between two setpoints of one converter, every read and converter in between
    read_late_ms: (
        float  # by which commands are older in the mean for the reads, where every exchange carries a new one
    )
    oneway_ms: float  # slowest setpoint: first bit to the moment at which the device may parse
    age_s_max: float  # oldest live value
    age_dead_s_max: float  # the same while one device of the port is dead


@dataclass(frozen=True, slots=True)
class Age:
    """How old the values of one read can get. inf: never read while the neighbour is dead."""

    port: str
    device: str
    read: str
    live: bool
    period_s: float
    age_s_max: float
    age_dead_s_max: float
    stale_s: float  # from here on nobody believes them
    early_s: float = 0.0  # by which it comes early at most,
    yield_s: float = 0.0  # and for which it lets setpoints go first; both are in the ages


@dataclass(frozen=True, slots=True)
class _Line:
    """One transaction of the port."""

    device: str
    name: str
    kind: str  # read, setpoint, order
    wire_s: float  # with its silences, the device's usual answer and the master's steps
    dead_s: float  # when nothing answers: until the quarantine ends
    period_s: float = 0.0
    live: bool = False
    stale_s: float = 0.0
    oneway_s: float = 0.0


def budget(
    site: Site, profiles: Mapping[str, Profile], name: str, port: Port, gone: str = ""
) -> tuple[PortLoad, tuple[Age, ...]]:
    """The load of the port called `name`, used as `port` says, without `gone`, and the ages of its reads."""
    units = [unit for _, unit in site.units() if unit.port == name and unit.name != gone]
    frame_s = 1.0 / site.sampling.rate_hz
    lines = [line for unit in units for line in _lines(unit, profiles[unit.profile], port, frame_s)]
    reads = [line for line in lines if line.kind == "read"]
    setpoints = [line for line in lines if line.kind == "setpoint"]
    ages = tuple(_age(name, read, lines) for read in reads)
    if setpoints:
        patient = tuple(_patient(age) for age in ages)
        ages = patient if all(age.age_s_max <= age.stale_s for age in patient) else ages
    live = [age for age in ages if age.live]
    busy = sum(read.wire_s / read.period_s for read in reads)
    slot_s = max((line.wire_s for line in lines if line.kind != "setpoint"), default=0.0)
    round_s = sum(line.wire_s for line in setpoints)
    longest_s = max((line.wire_s for line in setpoints), default=0.0)
    load = PortLoad(
        port=name,
        baud=port.baud,
        gap=port.gap,
        devices=len(units),
        read_load_pct=100 * busy,
        setpoints_per_s=max(0.0, 1 - busy) / round_s if setpoints else 0.0,
        setpoint_ms_max=1000 * len(setpoints) * (longest_s + slot_s),
        # A command that holds for h is h / 2 old in the mean; a read makes one round that much longer.
        read_late_ms=500
        * sum(read.wire_s * (read.wire_s + round_s) / read.period_s for read in reads if setpoints),
        oneway_ms=1000 * max((line.oneway_s for line in setpoints), default=0.0),
        age_s_max=max((age.age_s_max for age in live), default=0.0),
        age_dead_s_max=max((age.age_dead_s_max for age in live), default=0.0),
    )
    return load, ages


def unfit(load: PortLoad, ages: Sequence[Age]) -> str:
    """What does not fit, with its numbers; empty where the port fits."""
    if load.read_load_pct > READ_LOAD_PCT_MAX:
        return f"is busy with reads for {load.read_load_pct:.0f} %; {READ_LOAD_PCT_MAX} % are allowed"
    if load.setpoint_ms_max > SETPOINT_MS_MAX:
        took = f"may take {load.setpoint_ms_max:.0f} ms from one setpoint of a converter to its next"
        return f"{took}; {SETPOINT_MS_MAX} ms are allowed"
    for age in ages:
        if age.age_s_max > age.stale_s:
            old = f"lets {age.device}.{age.read} grow {age.age_s_max:.2f} s old"
            return f"{old}; {age.stale_s:.2f} s are allowed"
    return ""


def cure(site: Site, profiles: Mapping[str, Profile], name: str, port: Port) -> str:
    """What makes a port fit: the lowest baud that does, one device less, slower polls, another port."""
    load, _ = budget(site, profiles, name, port)
    units = [unit for _, unit in site.units() if unit.port == name]
    common = set.intersection(*(set(profiles[unit.profile].wire.bauds) for unit in units))
    bauds = sorted(baud for baud in common if baud >= port.baud)
    for gone in ("", *(unit.name for unit in reversed(units))):
        for baud in bauds:
            faster = port.model_copy(update={"baud": baud})
            if not unfit(*budget(site, profiles, name, faster, gone)):
                steps = [f"raise its baud to {baud}"] if baud > port.baud else []
                steps += [f"move {gone} to another port"] if gone else []
                text = " and ".join(steps)
                return text[:1].upper() + text[1:] + _slower(load)
    return "Spread its devices over more ports" + _slower(load)


def _slower(load: PortLoad) -> str:
    factor = load.read_load_pct / READ_LOAD_PCT_MAX
    return f", or make the poll periods of its profiles {factor:.1f} times as long." if factor > 1 else "."


def _lines(unit: Unit, profile: Profile, port: Port, frame_s: float) -> Iterator[_Line]:
    """Every transaction that the table makes of one device."""
    live_s = max(read.period_ms / 1000 for read in profile.reads.values() if read.live)

    def line(
        name: str, kind: str, function: int, count: int, period_s: float = 0.0, live: bool = False
    ) -> _Line:
        request, reply = (size * char_ns(port.baud) for size in frame_bytes(function, count))
        wait_ns = request + round(profile.wire.timeout_ms * NS_PER_MS) + reply
        dead_ns = max(wait_ns, round(profile.wire.turnaround_ms * NS_PER_MS) + reply)
        wire_s = seconds(exchange_ns(port, profile, function, count)) + FRAMES * frame_s
        oneway_s = seconds(request + gap_ns(port, profile))
        dead_s = seconds(dead_ns) + FRAMES * frame_s
        stale_s = max(STALE_S, POLLS_STALE * live_s) if live else POLLS_STALE * period_s + STALE_S
        return _Line(unit.name, name, kind, wire_s, dead_s, period_s, live, stale_s, oneway_s)

    for name, read in profile.reads.items():
        yield line(name, "read", read.function, read.count, read.period_ms / 1000, read.live)
    if profile.kind != "pcs" or profile.read_only or profile.setpoint is None:
        return
    yield line("setpoint", "setpoint", profile.setpoint.function, 2 if profile.setpoint.type == "s32" else 1)
    for name, order in profile.orders.items():
        yield line(name, "order", order.function, len(order.words))


def _age(port: str, read: _Line, lines: Sequence[_Line]) -> Age:
    others = sorted({line.device for line in lines} - {read.device})
    dead_s = max((_wait_s(read, lines, dead) for dead in others), default=_wait_s(read, lines, ""))
    own_s = read.period_s + read.wire_s
    return Age(
        port=port,
        device=read.device,
        read=read.name,
        live=read.live,
        period_s=read.period_s,
        age_s_max=own_s + _wait_s(read, lines, ""),
        age_dead_s_max=own_s + dead_s,
        stale_s=read.stale_s,
    )


def _patient(age: Age) -> Age:
    """Of a read that lets setpoints go first, and comes early: sent so early, the next may be as late."""
    early_s = min(EARLY_S, EARLY_SHARE * age.period_s)
    yield_s = min(YIELD_S, YIELD_SHARE * age.period_s)
    more_s = early_s + yield_s
    return replace(
        age,
        age_s_max=age.age_s_max + more_s,
        age_dead_s_max=age.age_dead_s_max + more_s,
        early_s=early_s,
        yield_s=yield_s,
    )


def _wait_s(read: _Line, lines: Sequence[_Line], dead: str) -> float:
    """Longest time a due read waits for its turn while the device called `dead` does not answer."""
    setpoints = [
        line.dead_s if line.device == dead else line.wire_s for line in lines if line.kind == "setpoint"
    ]
    before_s = max(setpoints, default=0.0)  # one may go before each exchange, and one be under way
    orders: dict[str, float] = {}  # one a device
    for line in lines:
        if line.kind == "order":
            cost_s = line.dead_s if line.device == dead else line.wire_s
            orders[line.device] = max(orders.get(line.device, 0.0), cost_s)
    healthy = [line.wire_s for line in lines if line.kind == "read" and line.device != dead and line != read]
    mute = sorted(
        (line.dead_s for line in lines if line.kind == "read" and line.device == dead), reverse=True
    )
    # After an error another unit goes first. Without setpoints that is a read: no two errors stand together.
    mute = mute if setpoints else mute[: len(healthy) + 1]
    ahead = len(healthy) + len(mute) + len(orders)
    return sum(healthy) + sum(mute) + sum(orders.values()) + (ahead + 2) * before_s

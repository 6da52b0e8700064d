"""Every device of the site as last read: registers become values with ages, states and identities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isnan, nan
from pathlib import Path

from controller.config.inputs import Input
from controller.devices.check import CheckedSite
from controller.devices.contacts import Contacts
from controller.devices.decode import raw_of, text_of, value_of
from controller.devices.profile import CANARY, Point, Precondition, Profile
from controller.devices.table import WORD_MAX, BusTable, usual_ns
from controller.devices.trips import RoundTrips
from controller.image import Device, FastImage, Instant, Order, PollState, Telemetry
from controller.units import seconds

SLOW_PERIODS_MAX = 3  # a value of a slow read is dropped after three of its periods
SLOW_S = 0.5  # and this: one quarantine of a neighbour


@dataclass(slots=True)
class _Block:
    """One read as last believed."""

    name: str
    poll: int
    live: bool
    usual_ns: int  # round trip when nothing holds it up
    kept_s: float  # age at which its values are dropped; those of a live one never are
    points: Mapping[str, Point]
    t_ok_ns: int = 0  # 0: never
    t_seen_ns: int = 0  # of the newest reply, believed or not
    strange: bool = False  # its canary says that the map is another one
    words: tuple[int, ...] = ()
    alike: int = 0  # replies before this one with its words
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a device's newest words say of itself."""

    state: str = "unknown"
    strange: bool = False
    t_ok_ns: int = 0  # of the oldest of its live reads, 0: not all have come
    alike: int = 0  # the least of them
    t_setpoint_ns: int = 0  # when the setpoint came that it says it has, 0: never
    t_able_ns: int = 0  # and what it says it can do
    t_identity_ns: int = 0  # when its identity came, 0: never
    identity: str = ""


class Roster:
    """The site's devices. One call of `snapshot` a supervisor cycle; orders take their sequence here."""

    def __init__(self, checked: CheckedSite, table: BusTable) -> None:
        self._profiles = {unit.name: checked.profiles[unit.profile] for _, unit in checked.site.units()}
        self._blocks = {name: _blocks(profile, table, name) for name, profile in self._profiles.items()}
        self._live = {
            name: [block.poll for block in blocks.values() if block.live]
            for name, blocks in self._blocks.items()
        }
        self._trips = {name: RoundTrips() for name in self._profiles}
        self._said = dict.fromkeys(self._profiles, _Said())
        self._orders = table.orders
        self._polls = {name: list(reads.values()) for name, reads in table.reads.items()}
        for line in table.pcs:
            self._polls[line.name].append(line.setpoint_poll)
        self._sequences = dict.fromkeys(self._profiles, 0)
        self._inputs = dict(checked.site.inputs.wired())
        self._contacts = Contacts({name: Path(it.path) for name, it in checked.host.inputs.items()})

    def snapshot(self, now: Instant, fast: FastImage) -> Telemetry:
        """What one cycle may know. Ages count from the reply's arrival to `now`."""
        devices = {}
        for name, blocks in self._blocks.items():
            news = False
            for block in blocks.values():
                poll = fast.polls[block.poll]
                if poll.t_ok_ns not in (0, block.t_seen_ns):
                    self._trips[name].take(poll.t_ok_ns, poll.round_trip_ns, block.usual_ns)
                    _take(block, self._profiles[name], poll)
                    news = True
            if news:
                self._said[name] = _said(self._profiles[name], blocks)
            devices[name] = self._device(name, now, fast)
        closed = self._contacts.read() if self._inputs else {}
        inputs = {name: self._active(contact, closed, now) for name, contact in self._inputs.items()}
        return Telemetry(now, fast.track, fast.frame, devices, inputs)

    def _active(self, contact: Input, closed: Mapping[str, float], now: Instant) -> float:
        """1: the contact means yes, 0: no, nan: not read of late. closed: the box's own contacts."""
        if contact.device is None or contact.point is None:
            told = closed.get(contact.contact or "", nan)
        else:
            told = self._told(contact.device, contact.point, contact.bit, now)
        return nan if isnan(told) else float(bool(told) == (contact.active == "closed"))

    def _told(self, device: str, point: str, bit: int | None, now: Instant) -> float:
        """A register or one bit of it; nan: not read of late."""
        profile, blocks = self._profiles[device], self._blocks[device]
        read = profile.points[point].read
        if blocks[read].strange or _age_s(blocks[read], now) > _slow_s_max(profile, read):
            return nan
        raw = _raw(profile, blocks, point)
        return nan if raw is None else float(raw if bit is None else raw >> bit & 1)

    def order(self, device: str, name: str) -> Order:
        """A new order. Raises KeyError for a device or an order that is not there."""
        poll, words = self._orders[device][name]
        self._sequences[device] += 1
        return Order(poll, self._sequences[device], words + (0,) * (WORD_MAX - len(words)))

    def _device(self, name: str, now: Instant, fast: FastImage) -> Device:
        profile, said, trips = self._profiles[name], self._said[name], self._trips[name]
        misses = max((fast.polls[poll].misses for poll in self._live[name]), default=0)
        # Safety: a map that is not the profile's says nothing true, so nothing of it is used (F28).
        if said.strange:
            return Device(name, profile.kind, {}, inf, misses, strange=True)
        values: dict[str, float] = {}
        for block in self._blocks[name].values():
            if block.live or _age_s(block, now) <= block.kept_s:
                values |= block.values
        return Device(
            name=name,
            kind=profile.kind,
            values=values,
            age_s=seconds(now.t_ns - said.t_ok_ns) if said.t_ok_ns else inf,
            misses=misses,
            state=said.state,
            armed=_armed(profile, values),
            identity=said.identity,
            silent_s=self._silent_s(name, now, fast),
            t_ok_ns=said.t_ok_ns,
            alike=said.alike,
            t_identity_ns=said.t_identity_ns,
            t_setpoint_ns=said.t_setpoint_ns,
            t_able_ns=said.t_able_ns,
            late_pct=trips.late_pct(now.t_ns),
            round_trips=trips.bins,
        )

    def _silent_s(self, name: str, now: Instant, fast: FastImage) -> float:
        """Since the newest right reply to any read or setpoint."""
        t_ok_ns = max(fast.polls[poll].t_ok_ns for poll in self._polls[name])
        return seconds(now.t_ns - t_ok_ns) if t_ok_ns else inf


def _blocks(profile: Profile, table: BusTable, device: str) -> dict[str, _Block]:
    found = {}
    for name, poll in table.reads[device].items():
        points = {key: point for key, point in profile.points.items() if point.read == name}
        live, kept_s = profile.reads[name].live, _slow_s_max(profile, name)
        found[name] = _Block(name, poll, live, usual_ns(table, poll, profile), kept_s, points)
    return found


def _take(block: _Block, profile: Profile, poll: PollState) -> None:
    """Decode a new reply. One value out of its plausible range, and the whole reply is not believed (F18)."""
    block.t_seen_ns = poll.t_ok_ns
    values: dict[str, float] = {}
    doubtful = strange = False
    for name, point in block.points.items():
        if point.type == "string":
            continue
        value = value_of(point, _registers(point, profile, poll.words))
        wrong = value is not None and not _plausible(point, value)
        if name.startswith(CANARY):
            strange |= wrong or value is None
        elif wrong:
            doubtful = True
        elif value is not None:
            values[name] = value
    block.strange = strange
    if not doubtful and not strange:
        block.t_ok_ns, block.words, block.values = poll.t_ok_ns, poll.words, values
        block.alike = poll.alike


def _registers(point: Point, profile: Profile, words: tuple[int, ...]) -> tuple[int, ...]:
    first = point.address - profile.reads[point.read].address
    return words[first : first + point.size]


def _plausible(point: Point, value: float) -> bool:
    return (point.low is None or value >= point.low) and (point.high is None or value <= point.high)


def _age_s(block: _Block, now: Instant) -> float:
    return seconds(now.t_ns - block.t_ok_ns) if block.t_ok_ns else inf


def _slow_s_max(profile: Profile, read: str) -> float:
    return SLOW_PERIODS_MAX * profile.reads[read].period_ms / 1000 + SLOW_S


def _said(profile: Profile, blocks: Mapping[str, _Block]) -> _Said:
    live = [block for block in blocks.values() if block.live]
    return _Said(
        _state(profile, blocks),
        any(block.strange for block in blocks.values()),
        min((block.t_ok_ns for block in live), default=0),
        min((block.alike for block in live), default=0),
        _told_ns(blocks, "setpoint_kw"),
        max(_told_ns(blocks, "discharge_kw_max"), _told_ns(blocks, "charge_kw_max")),
        *_identity(profile, blocks),
    )


def _told_ns(blocks: Mapping[str, _Block], point: str) -> int:
    """When this point was last told, 0: never."""
    return next((block.t_ok_ns for block in blocks.values() if point in block.points), 0)


def _state(profile: Profile, blocks: Mapping[str, _Block]) -> str:
    """The first rule that fits; unknown where a register is still missing or no rule fits.

    Running outside its preconditions is standing by: its power is not ours to ask for.
    """
    for rule in profile.states:
        raw = _raw(profile, blocks, rule.point)
        if raw is None:
            return "unknown"
        if raw & rule.mask == rule.value:
            met = all(_met(profile, blocks, it) for it in profile.preconditions)
            return "standby" if rule.state == "running" and not met else rule.state
    return "unknown"


def _raw(profile: Profile, blocks: Mapping[str, _Block], name: str) -> int | None:
    point = profile.points[name]
    block = blocks[point.read]
    return raw_of(point, _registers(point, profile, block.words)) if block.t_ok_ns else None


def _met(profile: Profile, blocks: Mapping[str, _Block], it: Precondition) -> bool:
    raw = _raw(profile, blocks, it.point)
    return raw is not None and raw & it.mask == it.value


def _armed(profile: Profile, values: Mapping[str, float]) -> bool:
    if profile.watchdog is None or profile.watchdog.point not in values:
        return False
    half_count = abs(profile.points[profile.watchdog.point].scale) / 2
    return abs(values[profile.watchdog.point] - profile.watchdog.timeout_s) < half_count


def _identity(profile: Profile, blocks: Mapping[str, _Block]) -> tuple[int, str]:
    """When the reply came, and as text; empty before the first."""
    if profile.identity is None:
        return 0, ""
    point = profile.points[profile.identity.point]
    block = blocks[point.read]
    if not block.t_ok_ns:
        return 0, ""
    words = _registers(point, profile, block.words)
    return block.t_ok_ns, text_of(words) if point.type == "string" else str(raw_of(point, words))

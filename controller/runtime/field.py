"""A person at the bus: scan, read, write. Every byte by the frame's own master, one transaction at a time.

A port has one master. It is opened exclusively, so a port that a running controller holds is refused (F30).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from serial.tools import list_ports

from controller.config import load_host
from controller.config.host import HostPort
from controller.devices.check import CheckedSite
from controller.devices.decode import raw_of, text_of, value_of
from controller.devices.profile import Point, Profile
from controller.devices.profiles import all_names, load
from controller.runtime.fastlink import BusLink, Question
from controller.runtime.mistakes import MistakeError
from controller.runtime.tty import Settings
from controller.runtime.wire import READ_HOLDING, Write, ask, opened

BAUDS = (9600, 19200, 115200)  # of a scan that names none: what devices are shipped with
PROBE_S = 0.12  # of a scan: the slowest usual device; EM24 may take longer, so a person can give more
QUIET_S = 0.06  # after a probe without answer
BITS = {"u16": 16, "s16": 16, "u32": 32, "s32": 32}


@dataclass(frozen=True, slots=True)
class Found:
    """One device that answered a scan. profiles: those whose identity register it has, with what it says."""

    port: str
    baud: int
    unit: int
    round_trip_ms: float
    profiles: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """One value read. value: None where the registers mean "not available"; text for a string."""

    name: str
    words: tuple[int, ...]
    value: float | str | None
    round_trip_ms: float


def plain_port(path: Path, baud: int, parity: str = "none", echo: bool = False) -> Settings:
    """A port by path alone: the hardware turns the line."""
    return Settings(path, HostPort(path=str(path), echo=echo), baud, parity)


def site_port(checked: CheckedSite, name: str, folder: Path) -> Settings:
    """A port as host and site file say. Raises MistakeError for a device on TCP."""
    if name not in checked.site.ports:
        raise MistakeError(f"{name} is no serial port; a device on TCP is read by the running site: status.")
    host, port = checked.host.ports[name], checked.site.ports[name]
    return Settings(folder / host.path, host, port.baud, port.parity)


def candidates(paths: list[Path], host: str | None, folder: Path, parity: str) -> list[Settings]:
    """The ports of a scan: those named, those of a host, else all that the system lists."""
    if host is not None:
        return [Settings(folder / p.path, p, BAUDS[0], parity) for p in load_host(host).ports.values()]
    listed = paths or sorted(Path(port.device) for port in list_ports.comports())
    if not listed:
        raise MistakeError("this box lists no serial port. Plug one in or name its path.")
    return [plain_port(path, BAUDS[0], parity) for path in listed]


@dataclass(frozen=True, slots=True)
class Scan:
    """What to look for, and how long it may take at most."""

    ports: tuple[Settings, ...]
    bauds: tuple[int, ...] = BAUDS
    units: tuple[int, ...] = tuple(range(1, 33))
    probe_s: float = PROBE_S

    @property
    def probes(self) -> int:
        """Questions when nobody answers."""
        return len(self.ports) * len(self.bauds) * len(self.units)

    @property
    def seconds_max(self) -> float:
        """Time when nobody answers; each device found adds its identity reads."""
        return self.probes * (self.probe_s + QUIET_S + 8 * 11 / min(self.bauds))

    def run(self, told: Callable[[int], object], trouble: Callable[[str], object]) -> Iterator[Found]:
        """Ask every unit; told gets the probes done. A port that answered at one baud is not asked at others."""
        for settings in self.ports:
            left = len(self.bauds) * len(self.units)
            heard = False
            for baud in self.bauds:
                if heard:
                    break
                left -= len(self.units)
                try:
                    for found in self._ask_all(replace(settings, baud=baud), told):
                        heard = True
                        yield found
                except MistakeError as error:
                    trouble(str(error))
                    left += len(self.units)
                    break
            told(left)

    def _ask_all(self, settings: Settings, told: Callable[[int], object]) -> Iterator[Found]:
        with opened(settings) as bus:
            for unit in self.units:
                answer = bus.ask(Question(unit, READ_HOLDING, 0, timeout_s=self.probe_s))
                told(1)
                if answer.present:
                    names = identify(bus, unit, settings.baud, self.probe_s)
                    trip_ms = answer.round_trip_ns / 1e6
                    yield Found(str(settings.path), settings.baud, unit, trip_ms, names)


def identify(bus: BusLink, unit: int, baud: int, timeout_s: float) -> dict[str, str]:
    """Profiles that accept what the device calls itself. Each identity register is read once."""
    words: dict[tuple[int, int, int], tuple[int, ...]] = {}
    found = {}
    for name in all_names():
        profile = load(name)
        if profile.identity is None or baud not in profile.wire.bauds:
            continue
        point = profile.points[profile.identity.point]
        key = (profile.reads[point.read].function, point.address, point.size)
        if key not in words:
            words[key] = bus.ask(Question(unit, *key, timeout_s=timeout_s)).words
        called = _said(point, words[key])
        accepted = profile.identity.accepted
        if called and (called in accepted or ("*" in accepted and point.type == "string")):
            found[name] = called
    return found


def _said(point: Point, words: tuple[int, ...]) -> str:
    if not words or not any(words):
        return ""
    return text_of(words) if point.type == "string" else str(raw_of(point, words))


def read_registers(bus: BusLink, unit: int, function: int, point: Point, count: int) -> list[Reading]:
    """`count` values of the point's type, one after the other. Raises SilentError, MistakeError."""
    size = point.size
    answer = ask(bus, Question(unit, function, point.address, count * size))
    trip_ms = answer.round_trip_ns / 1e6
    pieces = [answer.words[i : i + size] for i in range(0, count * size, size)]
    return [
        Reading(str(point.address + i * size), words, _value(point, words), trip_ms)
        for i, words in enumerate(pieces)
    ]


def read_points(bus: BusLink, unit: int, profile: Profile, names: list[str]) -> list[Reading]:
    """Points of a device by name, in house units. Raises SilentError."""
    found = []
    for name in names:
        point = profile.points[name]
        function = profile.reads[point.read].function
        timeout_s = profile.wire.timeout_ms / 1000
        answer = ask(bus, Question(unit, function, point.address, point.size, timeout_s=timeout_s))
        found.append(Reading(name, answer.words, _value(point, answer.words), answer.round_trip_ns / 1e6))
    return found


def _value(point: Point, words: tuple[int, ...]) -> float | str | None:
    return text_of(words) if point.type == "string" else value_of(point, words)


def registers(value: float, type: str, scale: float, low_word_first: bool) -> tuple[int, ...]:
    """The words of a value in house units. Raises MistakeError where the type cannot hold it."""
    if type == "f32":
        raw = int.from_bytes(struct.pack(">f", value / scale), "big")
        bits = 32
    else:
        bits = BITS[type]
        raw = round(value / scale)
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if type[0] == "s" else (0, (1 << bits) - 1)
        if not low <= raw <= high:
            text = f"{value:g} is {raw} counts; {type} holds {low} to {high}. Choose another value."
            raise MistakeError(text)
        raw &= (1 << bits) - 1
    words = (raw,) if bits == 16 else (raw >> 16, raw & 0xFFFF)
    return words[::-1] if low_word_first else words


def named_write(checked: CheckedSite, device: str, name: str, value_kw: float | None) -> Write:
    """An order, or the setpoint within the limits of site file and profile. Raises MistakeError."""
    unit = next(unit for _, unit in checked.site.units() if unit.name == device)
    profile = checked.profiles[unit.profile]
    timeout_s = profile.wire.timeout_ms / 1000
    if name in profile.orders and value_kw is None:
        order = profile.orders[name]
        return Write(unit.unit, order.function, order.address, order.words, f"order {name}", timeout_s)
    pcs = next((pcs for pcs in checked.site.pcs if pcs.name == device), None)
    setpoint = profile.setpoint
    if name != "setpoint" or pcs is None or setpoint is None or value_kw is None:
        known = [*profile.orders, *(["setpoint KW"] if setpoint else [])]
        raise MistakeError(
            f"{device}.{name} cannot be written; it has {', '.join(known) or 'nothing to write'}."
        )
    if setpoint.group:
        raise MistakeError(
            f"{device}.setpoint is a write group; write its registers by number, in one write."
        )
    if not -pcs.charge_kw_max <= value_kw <= pcs.discharge_kw_max:
        raise MistakeError(
            f"{device}.setpoint is {value_kw:g} kW; allowed are {-pcs.charge_kw_max:g} to "
            f"{pcs.discharge_kw_max:g}. Choose a value between them."
        )
    words = registers(value_kw, setpoint.type, 1.0 / setpoint.counts_per_kw, setpoint.low_word_first)
    return Write(
        unit.unit, setpoint.function, setpoint.address, words, f"setpoint {value_kw:g} kW", timeout_s
    )

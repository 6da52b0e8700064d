"""The field verbs between the command line and the bus: what was asked for, and how it is shown."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from controller.config.site import Unit
from controller.devices.check import CheckedSite
from controller.devices.profile import Point
from controller.runtime import field, sniff, wire
from controller.runtime.field import Reading, Scan
from controller.runtime.lock import AlreadyRunningError, lock
from controller.runtime.mistakes import MistakeError, SilentError
from controller.runtime.tty import Settings
from controller.runtime.wire import Write

TYPES = ("u16", "s16", "u32", "s32", "f32", "string")
STRING_WORDS = 16


@dataclass(frozen=True, slots=True)
class Shape:
    """How registers are to be taken where no profile says it."""

    function: int = 3
    type: str = "u16"
    scale: float = 1.0
    count: int = 1
    low_word_first: bool = False

    def point(self, address: int) -> Point:
        """The first value, as a profile would describe it. Raises MistakeError."""
        if self.type not in TYPES:
            raise MistakeError(f"--type is {self.type}; allowed are {', '.join(TYPES)}.")
        if self.function not in (wire.READ_HOLDING, wire.READ_INPUT):
            raise MistakeError(f"--function is {self.function}; allowed are 3 and 4.")
        if not 0 <= address <= 65535:
            raise MistakeError(f"address {address}: allowed are 0 to 65535, as on the wire.")
        words = STRING_WORDS if self.type == "string" else 0
        order = {"low_word_first": self.low_word_first, "scale": self.scale, "words": words}
        return Point.model_validate({"read": "", "address": address, "type": self.type} | order)


def scan(wanted: Scan, as_json: bool) -> int:
    """Look, and print what was found; how many. Ports that cannot be had are told and left out."""
    said = Console(stderr=True, soft_wrap=True, highlight=False)
    said.print(
        f"scan: {len(wanted.ports)} ports, {len(wanted.bauds)} bauds, {len(wanted.units)} addresses: "
        f"at most {wanted.seconds_max:.0f} s and a little for each device found"
    )
    found = 0
    with Progress(console=said, transient=True) as bar:
        task = bar.add_task("asking", total=wanted.probes)
        for line in wanted.run(lambda count: bar.advance(task, count), said.print):
            found += 1
            if as_json:
                print(json.dumps(dataclasses.asdict(line)), flush=True)
            else:
                names = ", ".join(f"{name} ({says})" for name, says in line.profiles.items())
                print(
                    f"{line.port} {line.baud} unit {line.unit}: {names or 'no profile knows it'}, "
                    f"{line.round_trip_ms:.1f} ms",
                    flush=True,
                )
    return found


def read(settings: Settings, unit: int, address: int, shape: Shape) -> list[Reading]:
    """Registers of a device by number. Raises MistakeError, SilentError."""
    point = shape.point(address)
    with wire.opened(settings) as bus:
        return field.read_registers(bus, unit, shape.function, point, shape.count)


def read_named(checked: CheckedSite, name: str, folder: Path) -> list[Reading]:
    """`device.point`, or all points of `device`. Raises MistakeError, SilentError."""
    device, _, point = name.partition(".")
    unit = _unit(checked, device)
    profile = checked.profiles[unit.profile]
    if point and point not in profile.points:
        raise MistakeError(f"{name}: {device} has no such point; it has {', '.join(profile.points)}.")
    with wire.opened(field.site_port(checked, unit.port, folder)) as bus:
        return field.read_points(bus, unit.unit, profile, [point] if point else list(profile.points))


def show(readings: list[Reading], as_json: bool) -> None:
    """One line a value."""
    for reading in readings:
        if as_json:
            print(json.dumps(dataclasses.asdict(reading)))
        else:
            value = _shown(reading.value)
            words = " ".join(f"{word:04x}" for word in reading.words)
            print(f"{reading.name:<16} {value:<16} {words}")


def _shown(value: float | str | None) -> str:
    if value is None:
        return "not available"
    return value if isinstance(value, str) else f"{value:.10g}"


def write(settings: Settings, wanted: Write, confirmed: Callable[[str], bool]) -> str:
    """One write, after a person has agreed. Returns what was done. Raises MistakeError, SilentError."""
    words = " ".join(map(str, wanted.words))
    where = f"{settings.path} unit {wanted.unit} function {wanted.function} register {wanted.address}"
    with wire.opened(settings) as bus:
        if not confirmed(f"{wanted.says}: {words} into {where}"):
            raise MistakeError("not confirmed; nothing was written. Type the value, or give --yes.")
        doubt = wire.write(bus, wanted)
    if doubt.startswith("reads"):
        raise SilentError(f"the echo was right, but the register {doubt}")
    return f"written: {wanted.says}; echo right, {doubt or 'read back right'}"


def write_named(
    checked: CheckedSite, name: str, value_kw: float | None, folder: Path, confirmed: Callable[[str], bool]
) -> str:
    """An order or the setpoint of a device by name. While the site runs, only from the box itself."""
    device, _, what = name.partition(".")
    unit = _unit(checked, device)
    wanted = field.named_write(checked, device, what, value_kw)
    try:
        held = lock(folder)
    except AlreadyRunningError:
        if not is_local():
            raise MistakeError(
                f"{checked.site.name} is running; a write is allowed from the box itself. Stop the site first."
            ) from None
        held = -1
    try:
        return write(field.site_port(checked, unit.port, folder), wanted, confirmed)
    finally:
        if held >= 0:
            os.close(held)


def is_local() -> bool:
    """Whether the person sits at the box: no remote shell."""
    return not any(os.environ.get(name) for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"))


def typed(value: str) -> Callable[[str], bool]:
    """Asks the person to type the value; no terminal, no agreement."""

    def confirmed(what: str) -> bool:
        if not sys.stdin.isatty():
            return False
        print(what, file=sys.stderr)
        print(f"type {value} to write it once: ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip() == value

    return confirmed


def listen(settings: Settings, seconds: float | None, as_json: bool) -> int:
    """Print frames as they come; how many there were."""
    count = 0
    if not as_json:
        text = "times are those of this box's reads: a FIFO or an adapter makes silences look shorter"
        print(f"{settings.path} at {settings.baud}; {text}", file=sys.stderr)
    for heard in sniff.listen(settings, seconds):
        count += heard.kind != "damaged"
        if as_json:
            print(json.dumps(dataclasses.asdict(heard)), flush=True)
            continue
        what = f"unit {heard.unit} function {heard.function} " if heard.kind != "damaged" else ""
        place = f"at {heard.address} " if heard.address is not None else ""
        words = " ".join(map(str, heard.words)) or heard.octets
        wrong = f"  ! {'; '.join(heard.violations)}" if heard.violations else ""
        print(
            f"{heard.t_s:10.4f} s {heard.gap_ms:9.2f} ms {heard.kind:<9} {what}{place}[{words}]{wrong}",
            flush=True,
        )
    return count


def numbers(text: str, most: int, name: str) -> tuple[int, ...]:
    """1-32 or 1,5,9 as numbers from 1 to `most`. Raises MistakeError."""
    found: list[int] = []
    for piece in text.split(","):
        first, dash, last = piece.partition("-")
        if not first.strip().isdigit() or (dash and not last.strip().isdigit()):
            raise MistakeError(f"{name} is {text}; write it as 1-32 or 1,5,9.")
        found += range(int(first), int(last or first) + 1)
    if not found or min(found) < 1 or max(found) > most:
        raise MistakeError(f"{name} is {text}; allowed are 1 to {most}, the smaller first.")
    return tuple(dict.fromkeys(found))


def whole(text: str, name: str) -> int:
    """A number, decimal or 0x. Raises MistakeError."""
    try:
        return int(text, 0)
    except ValueError:
        raise MistakeError(f"{name} is {text}; write it as 100 or 0x64.") from None


def number(text: str, name: str) -> float:
    """A finite number. Raises MistakeError."""
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not isfinite(value):
        raise MistakeError(f"{name} is {text}; write a number.")
    return value


def numbered_write(what: list[str], function: int, shape: Shape) -> Write:
    """UNIT ADDRESS VALUE as a write. Raises MistakeError."""
    if len(what) != 3:
        raise MistakeError(f"{' '.join(what)}: with a port UNIT, ADDRESS and VALUE are needed.")
    unit, address = whole(what[0], "UNIT"), whole(what[1], "ADDRESS")
    point = shape.point(address)
    if shape.type == "string" or function not in (6, 16) or (function == 6 and point.size != 1):
        raise MistakeError(f"--function {function} with {shape.type}: 6 writes one register, 16 one or two.")
    value = number(what[2], "VALUE") if not what[2].startswith("0x") else float(whole(what[2], "VALUE"))
    words = field.registers(value, shape.type, shape.scale, shape.low_word_first)
    return Write(unit, function, address, words, what[2])


def _unit(checked: CheckedSite, device: str) -> Unit:
    units = {unit.name: unit for _, unit in checked.site.units()}
    if device not in units:
        raise MistakeError(f"{device}: no such device on {checked.site.name}; it has {', '.join(units)}.")
    return units[device]

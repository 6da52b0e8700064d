"""The state that must survive a power cut: two slots with sequence and CRC32, each replaced as a whole (F73).

Slot n holds the records with sequence % 2 == n, so a write never touches the newest slot. A line
`stillwatt-keep 1 <sequence> <crc32 of the rest>` stands before the JSON.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from controller.runtime.dynamics import Dynamics, Estimate

MAGIC = "stillwatt-keep"
VERSION = 1
SLOTS = ("keep.0", "keep.1")
BYTES_MAX = 65536

Outcome = Literal["new", "good", "older", "unreadable"]


@dataclass(frozen=True, slots=True)
class Latch:
    """A class C or D condition that waits for a person."""

    code: str
    name: str
    subject: str
    cause: str
    cure: str
    utc_s: float
    grade: str = "C"


@dataclass(frozen=True, slots=True)
class Record:
    """What one run hands to the next. Energies at the converters' AC side, kWh."""

    sequence: int = 0
    starts: int = 0
    clean: bool = True  # the run that wrote it ended by itself
    soc_pct: float | None = None
    charge_kwh: float = 0.0
    discharge_kwh: float = 0.0
    lease_lapses: int = 0
    latches: tuple[Latch, ...] = ()
    writes: dict[str, tuple[int, int]] = field(default_factory=dict)  # see runtime.wear
    dynamics: dict[str, Dynamics] = field(default_factory=dict)  # converter: as commissioned or refined since


def read(folder: Path) -> tuple[Record, Outcome]:
    """The newest whole record. new: no slot yet; older: one slot is torn; unreadable: none is whole."""
    found = [_read_slot(folder / slot) for slot in SLOTS]
    whole = [record for record in found if isinstance(record, Record)]
    if not whole:
        return Record(), "new" if found == [None, None] else "unreadable"
    newest = max(whole, key=lambda record: record.sequence)
    return newest, "older" if "torn" in found else "good"


def write(folder: Path, record: Record) -> None:
    """Put the record into its slot, on the disk when this returns. OSError leaves the other slot whole."""
    slot = folder / SLOTS[record.sequence % 2]
    draft = slot.with_suffix(slot.suffix + ".new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write_all(fd, _encode(record))
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(draft, slot)  # noqa: PTH105 - the sweep over failing calls counts os functions
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder_fd)
    finally:
        os.close(folder_fd)


def _encode(record: Record) -> bytes:
    content = asdict(record)
    sequence = content.pop("sequence")
    body = json.dumps(content, sort_keys=True).encode()
    return f"{MAGIC} {VERSION} {sequence} {_crc(sequence, body):08x}\n".encode() + body


def _crc(sequence: int, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(str(sequence).encode()))


def _write_all(fd: int, content: bytes) -> None:
    while content:
        content = content[os.write(fd, content) :]


def _read_slot(path: Path) -> Record | Literal["torn"] | None:
    """None: there is no such slot. A file that cannot be read counts as torn."""
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX)
    except FileNotFoundError:
        return None
    except OSError:
        return "torn"
    head, _, body = content.partition(b"\n")
    words = head.split(b" ")
    try:
        magic, version, sequence, crc = words[0].decode(), int(words[1]), int(words[2]), int(words[3], 16)
        if (magic, version, crc) != (MAGIC, VERSION, _crc(sequence, body)) or len(words) != 4:
            return "torn"
        return _decode(sequence, json.loads(body))
    except (ValueError, IndexError, KeyError, TypeError):
        return "torn"


def _decode(sequence: int, content: dict[str, Any]) -> Record:
    latches = tuple(Latch(**latch) for latch in content.pop("latches"))
    writes = {key: (int(day), int(count)) for key, (day, count) in content.pop("writes", {}).items()}
    dynamics = {name: _dynamics(found) for name, found in content.pop("dynamics", {}).items()}
    names = {f.name for f in fields(Record)} - {"sequence", "latches", "writes", "dynamics"}
    rest = {name: content[name] for name in names}
    return Record(sequence=sequence, latches=latches, writes=writes, dynamics=dynamics, **rest)


def _dynamics(content: dict[str, Any]) -> Dynamics:
    estimates = {name: Estimate(**value) for name, value in content.items() if isinstance(value, dict)}
    return Dynamics(**content | estimates)

"""The state that must survive a power cut: two slots with sequence and CRC32, each replaced as a whole (F73).

Slot n holds the records with sequence % 2 == n, so a write never touches the newest slot. A line
`stillwatt-keep <version> <sequence> <crc32 of version, sequence and the rest>` stands before the JSON.
Version 1 had no memory and no books, and its CRC left the version out; it is still read.
"""

from __future__ import annotations

import errno
import json
import os
import zlib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, Protocol

from pydantic import TypeAdapter

from controller.runtime.dynamics import Dynamics

MAGIC = "stillwatt-keep"
VERSION = 2
SLOTS = ("keep.0", "keep.1")
BYTES_MAX = 65536
BOOK_ROWS_MAX = 256  # of a ledger: eight charges, twelve months, what a peak is the mean of
SINCE_1 = {"memory", "books"}  # fields that version 1 had not

Outcome = Literal["new", "good", "older", "foreign", "unreadable"]


class Disk(Protocol):
    """The system calls of the record. The module os has them; tests count, fail and replay them."""

    def open(self, path: Path, flags: int, mode: int = 0o600, /) -> int:
        """As os.open."""

    def read(self, fd: int, count: int, /) -> bytes:
        """As os.read."""

    def write(self, fd: int, content: bytes, /) -> int:
        """As os.write."""

    def fsync(self, fd: int, /) -> None:
        """As os.fsync."""

    def close(self, fd: int, /) -> None:
        """As os.close."""

    def replace(self, source: Path, target: Path, /) -> None:
        """As os.replace."""


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
    effect: str = "TRIP"  # STOP: an island goes on with it


@dataclass(frozen=True, slots=True)
class ChargeMemory:
    """How far the true state of charge may lie from what the BMS says, and when the cells last proved it."""

    below_pct: float
    above_pct: float
    anchor_utc_s: float
    fits_kwh: tuple[float, ...] = ()  # what the battery holds at most (F47); older records have none


@dataclass(frozen=True, slots=True)
class SetMemory:
    """One genset, see safety.hall.SetRun."""

    starts_utc_s: tuple[float, ...] = ()  # attempts of the last hour
    off_utc_s: float | None = None  # end of its last run
    run_s: float = 0.0
    locked: str = ""  # why it waits for a person; empty: it does not


@dataclass(frozen=True, slots=True)
class Memory:
    """What safety counts over hours and days. The mode is told, never taken up: a start is INIT."""

    utc_s: float = 0.0  # of the cycle it was taken from
    mode: str = "INIT"
    charge: ChargeMemory | None = None
    retries_utc_s: tuple[float, ...] = ()  # class B stops and holds of the last hour
    faults_utc_s: tuple[float, ...] = ()  # entries into FAULT of the last day
    resyncs_utc_s: tuple[float, ...] = ()  # tries of the last hour
    chatter_utc_s: float | None = None  # since when transfers are held
    gensets: dict[str, SetMemory] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Books:
    """The demand ledger as plain rows: peaks already set, and the windows under way. See plan.demand.Meter."""

    peaks: tuple[tuple[str, int, int, float], ...] = ()  # demand, billing period, group, kW
    windows: tuple[tuple[str, float, float, float], ...] = ()  # demand, begin UTC s, kWh, metered s


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
    memory: Memory = field(default_factory=Memory)
    books: Books = field(default_factory=Books)


SHAPE = TypeAdapter(Record)
NAMES = {f.name for f in fields(Record)} - {"sequence"}


def read(folder: Path, disk: Disk = os) -> tuple[Record, Outcome]:
    """The newest whole record, and what became of the slots.

    new: no slot yet; older: one is torn; foreign: a later version wrote one; unreadable: none is whole.
    """
    found = [_read_slot(folder / slot, disk) for slot in SLOTS]
    whole = [record for record in found if isinstance(record, Record)]
    later = [sequence for sequence in found if isinstance(sequence, int)]
    newest = max(whole, key=lambda record: record.sequence, default=Record())
    if later:
        return replace(newest, sequence=max(newest.sequence, *later)), "foreign"
    if not whole:
        return Record(), "new" if found == [None, None] else "unreadable"
    return newest, "older" if "torn" in found else "good"


def write(folder: Path, record: Record, disk: Disk = os) -> None:
    """Put the record into its slot, on the disk when this returns. OSError leaves the other slot whole."""
    content = _encode(record)
    if len(content) > BYTES_MAX:  # it would never be read again
        raise OSError(errno.EFBIG, f"the state record has {len(content)} bytes, allowed {BYTES_MAX}")
    slot = folder / SLOTS[record.sequence % 2]
    draft = slot.with_suffix(slot.suffix + ".new")
    fd = disk.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while content:
            content = content[disk.write(fd, content) :]
        disk.fsync(fd)
    finally:
        disk.close(fd)
    disk.replace(draft, slot)
    folder_fd = disk.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        disk.fsync(folder_fd)
    finally:
        disk.close(folder_fd)


def _encode(record: Record) -> bytes:
    content = asdict(record)
    sequence = content.pop("sequence")
    body = json.dumps(content, sort_keys=True).encode()
    return f"{MAGIC} {VERSION} {sequence} {_crc(VERSION, sequence, body):08x}\n".encode() + body


def _crc(version: int, sequence: int, body: bytes) -> int:
    head = f"{sequence}" if version == 1 else f"{version} {sequence}"
    return zlib.crc32(body, zlib.crc32(head.encode()))


def _read_slot(path: Path, disk: Disk) -> Record | int | Literal["torn"] | None:
    """None: there is no such slot; a number: the sequence of a later version's record.

    A file that cannot be read counts as torn.
    """
    try:
        head, _, body = _content(path, disk).partition(b"\n")
        words = head.split(b" ")
        magic, version, sequence, crc = words[0].decode(), int(words[1]), int(words[2]), int(words[3], 16)
        if magic != MAGIC or version < 1 or crc != _crc(version, sequence, body) or len(words) != 4:
            return "torn"
        if version > VERSION:
            return sequence
        content = json.loads(body)
        if content.keys() != (NAMES - SINCE_1 if version == 1 else NAMES):
            return "torn"
        return SHAPE.validate_python(content | {"sequence": sequence})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, IndexError, AttributeError):
        return "torn"


def _content(path: Path, disk: Disk) -> bytes:
    fd = disk.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = b""
        while piece := disk.read(fd, BYTES_MAX + 1 - len(content)):
            content += piece
        return content
    finally:
        disk.close(fd)

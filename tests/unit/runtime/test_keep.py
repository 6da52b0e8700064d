"""The two-slot record: torn, corrupted and failing writes leave the newest whole record, or say so."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from controller.runtime import keep
from controller.runtime.keep import (
    SLOTS,
    Books,
    ChargeMemory,
    Latch,
    Memory,
    Record,
    SetMemory,
    read,
    write,
)

LATCH = Latch("F28", "pcs-map-changed", "pcs-1", "cause", "cure", 1.0)
OLD = Record(sequence=6, starts=2, soc_pct=41.5, charge_kwh=3.25, latches=(LATCH,))
NEW = Record(sequence=7, starts=3, clean=False, soc_pct=42.0, discharge_kwh=1.5, lease_lapses=4)
CALLS = ("open", "write", "fsync", "replace", "close")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with both records."""
    write(tmp_path, OLD)
    write(tmp_path, NEW)
    return tmp_path


def test_round_trip(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Goal: what is written is read. Method: both records, the newer one counts; an empty folder is new."""
    assert read(folder) == (NEW, "good")
    assert read(tmp_path_factory.mktemp("empty")) == (Record(), "new")


def test_every_prefix_of_the_newer_slot(folder: Path) -> None:
    """Goal: a torn write costs one record. Method: the newer slot cut after every byte."""
    slot = folder / SLOTS[NEW.sequence % 2]
    content = slot.read_bytes()
    for length in range(len(content)):
        slot.write_bytes(content[:length])
        assert read(folder) == (OLD, "older"), length


@pytest.mark.parametrize("slot", SLOTS)
def test_every_byte_of_each_slot_flipped(folder: Path, slot: str) -> None:
    """Goal: no flipped bit is believed. Method: each byte of one slot in turn; the other slot counts."""
    content = (folder / slot).read_bytes()
    other = OLD if slot == SLOTS[NEW.sequence % 2] else NEW
    for place in range(len(content)):
        (folder / slot).write_bytes(content[:place] + bytes([content[place] ^ 0x04]) + content[place + 1 :])
        assert read(folder) == (other, "older"), place


def test_no_whole_slot_is_said(folder: Path) -> None:
    """Goal: F73, class C.
    Method: both slots bad; one bad and the other missing; a folder in a slot's place."""
    (folder / SLOTS[0]).write_bytes(b"")
    (folder / SLOTS[1]).write_bytes(b"\xff" * 100)
    assert read(folder) == (Record(), "unreadable")
    (folder / SLOTS[0]).unlink()
    assert read(folder)[1] == "unreadable"
    (folder / SLOTS[1]).unlink()
    (folder / SLOTS[1]).mkdir()
    assert read(folder)[1] == "unreadable"


def test_a_record_of_another_form_is_torn(folder: Path) -> None:
    """Goal: a right CRC over wrong content is refused. Method: a record without its fields."""
    body = b'{"latches": []}'
    for version in (1, 2):
        head = f"{keep.MAGIC} {version} 9 {keep._crc(version, 9, body):08x}\n".encode()
        (folder / SLOTS[1]).write_bytes(head + body)
        assert read(folder) == (OLD, "older")


def test_a_record_of_version_1_is_read(folder: Path) -> None:
    """Goal: an update keeps latches and counters. Method: the newer slot as version 1 wrote it; one field too many."""
    content = asdict(replace(NEW, sequence=9))
    for name in ("sequence", "memory", "books"):
        del content[name]
    for extra, outcome in (({}, (replace(NEW, sequence=9), "good")), ({"more": 1}, (OLD, "older"))):
        body = json.dumps(content | extra).encode()
        head = f"{keep.MAGIC} 1 9 {zlib.crc32(body, zlib.crc32(b'9')):08x}\n".encode()
        (folder / SLOTS[1]).write_bytes(head + body)
        assert read(folder) == outcome


def test_a_record_of_a_later_version_is_told(folder: Path) -> None:
    """Goal: a version put back never takes an older record for the truth, and its own writes count from then on.
    Method: version 3 in the newer slot, and with a wrong CRC; then a write of this version."""
    body = b'{"what": "nobody knows"}'
    head = f"{keep.MAGIC} 3 9 {keep._crc(3, 9, body):08x}\n".encode()
    (folder / SLOTS[1]).write_bytes(head + body)
    assert read(folder) == (replace(OLD, sequence=9), "foreign")
    write(folder, replace(OLD, sequence=11))
    assert read(folder) == (replace(OLD, sequence=11), "good")
    (folder / SLOTS[1]).write_bytes(head + body + b" ")
    assert read(folder) == (OLD, "older")


def test_a_record_too_long_to_be_read_is_not_written(folder: Path) -> None:
    """Goal: what is on the disk stays. Method: a latch whose cause fills BYTES_MAX exactly, and one byte more."""
    spare = keep.BYTES_MAX - len(keep._encode(replace(NEW, sequence=9, latches=(LATCH,)))) + len(LATCH.cause)
    whole = replace(NEW, sequence=9, latches=(replace(LATCH, cause="c" * spare),))
    write(folder, whole)
    assert read(folder) == (whole, "good")
    with pytest.raises(OSError, match="65537 bytes"):
        write(folder, replace(NEW, sequence=9, latches=(replace(LATCH, cause="c" * (spare + 1)),)))
    assert read(folder) == (whole, "good")


def test_everything_comes_back(folder: Path) -> None:
    """Goal: every field of memory and books survives with its type. Method: a record with none at its default."""
    gensets = {"genset-1": SetMemory((1.5, 2.5), 3.5, 7.0, "did not start in 3 attempts")}
    memory = Memory(9.5, "FAULT", ChargeMemory(1.0, 2.0, 3.0), (4.0,), (5.0, 6.0), (7.0,), 8.0, gensets)
    books = Books((("peak", 24310, 3, 412.5),), (("peak", 900.0, 12.5, 300.0),))
    whole = replace(NEW, sequence=8, memory=memory, books=books)
    write(folder, whole)
    assert read(folder) == (whole, "good")


@pytest.mark.parametrize("name", CALLS)
def test_every_failing_call(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Goal: P6.
    Method: the N-th call of each os function fails, for every N; the old or the new record stays."""
    newest, whole = Record(sequence=8), 0
    for failing in range(1, 10):
        write(folder, OLD)
        write(folder, NEW)
        with monkeypatch.context() as patch:
            calls = _fail(patch, name, failing)
            try:
                write(folder, newest)
            except OSError:
                whole += calls[0] >= failing
        assert read(folder)[0] in (NEW, newest)
        assert read(folder)[1] == "good"
    assert whole >= 1


def test_a_record_is_on_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: a power cut after write() loses nothing. Method: file synced, renamed, folder synced."""
    order: list[str] = []
    sync, rename = os.fsync, os.replace

    def fsync(fd: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{fd}") else "file")  # noqa: PTH112
        sync(fd)

    def moved(source: Path, target: Path) -> None:
        order.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", moved)
    write(folder, Record(sequence=8))
    assert order == ["file", "rename", "folder"]


def test_short_writes_are_finished(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: a disk that takes a byte at a time. Method: os.write of one byte."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, content: real(fd, content[:1]))
    write(folder, Record(sequence=8, starts=9))
    monkeypatch.undo()
    assert read(folder)[0] == Record(sequence=8, starts=9)


def _fail(patch: pytest.MonkeyPatch, name: str, failing: int) -> list[int]:
    """Let the failing-th call of os.name raise; a close still closes. Returns the count of calls."""
    real, calls = getattr(os, name), [0]

    def call(*arguments: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] != failing:
            return real(*arguments, **options)
        if name == "close":
            real(*arguments)
        raise OSError(28, "No space left on device")

    patch.setattr(os, name, call)
    return calls

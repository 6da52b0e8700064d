"""The two-slot record: torn, corrupted and failing writes leave the newest whole record, or say so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from controller.runtime import keep
from controller.runtime.keep import SLOTS, Latch, Record, read, write

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
    head = f"{keep.MAGIC} 1 9 {keep._crc(9, body):08x}\n".encode()
    (folder / SLOTS[1]).write_bytes(head + body)
    assert read(folder) == (OLD, "older")


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

    def replace(source: Path, target: Path) -> None:
        order.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
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

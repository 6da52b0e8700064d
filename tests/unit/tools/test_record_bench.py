"""The short form of `python -m tools.bench.record`: P4, P5 and P6 on the real writer; and that it can see red."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from controller.runtime import keep
from tools.bench import record

pytestmark = pytest.mark.stack

SITE = record.Site()


@pytest.mark.process
@pytest.mark.stack
def test_kills(tmp_path: Path) -> None:
    """Goal: P4. Method: 40 kills at random instants of a forked life with real fsync, one folder throughout."""
    found = record.kills(SITE, tmp_path, 40, 7)
    assert found["kills"] == 40 and found["confirmed_writes"] > 10


@pytest.mark.stack
def test_power_cuts(tmp_path: Path) -> None:
    """Goal: P5. Method: every prefix of a life's calls, every subset of what was not synced."""
    found = record.cuts(SITE, tmp_path)
    assert found["calls"] > 200 and found["states"] > 500


@pytest.mark.stack
def test_failing_calls(tmp_path: Path) -> None:
    """Goal: P6. Method: every call of a life fails, once and for ever, with EIO."""
    found = record.failures(SITE, tmp_path, (errno.EIO,), cycles=5)
    assert found["runs"] > 100 and 0 < found["ended_by_the_disk"] < found["runs"]


def in_place(folder: Path, content: keep.Record, disk: Any = os) -> None:
    """A writer that overwrites its slot."""
    fd = disk.open(folder / keep.SLOTS[0], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    left = keep._encode(content)
    while left:
        left = left[disk.write(fd, left) :]
    disk.close(fd)


def no_sync(folder: Path, content: keep.Record, disk: Any = os) -> None:
    """A writer that renames what is not yet on the disk."""
    slot = folder / keep.SLOTS[content.sequence % 2]
    draft = slot.with_suffix(".new")
    fd = disk.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    left = keep._encode(content)
    while left:
        left = left[disk.write(fd, left) :]
    disk.close(fd)
    disk.replace(draft, slot)


@pytest.mark.parametrize("bad", [in_place, no_sync])
def test_the_bench_sees_red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: Any) -> None:
    """Goal: a bench that finds nothing must be one that could. Method: two wrong writers in place of ours."""
    monkeypatch.setattr(keep, "write", bad)
    with pytest.raises(record.BrokenError):
        record.cuts(SITE, tmp_path)

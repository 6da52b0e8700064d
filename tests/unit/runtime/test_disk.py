"""A disk without room: told, old black boxes give way, nothing half written stays (F71)."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from controller.runtime import blackbox
from controller.runtime.blackbox import Blackbox
from controller.runtime.disk import FREE_BYTES_MAX, REFUSED_S, Disk, free
from controller.runtime.writer import Writer
from tests.unit.runtime.test_telling import cycle
from tests.unit.safety.sites import at


def drained(writer: Writer) -> None:
    """Wait until what was offered is done."""
    done = threading.Event()
    assert writer.offer(done.set)
    assert done.wait(5.0)


@pytest.mark.parametrize(
    ("bytes_free", "bytes_all", "full"),
    [(FREE_BYTES_MAX, 2**40, False), (FREE_BYTES_MAX - 1, 2**40, True), (5, 100, False), (4, 100, True)],
)
def test_when_a_disk_is_full(bytes_free: int, bytes_all: int, full: bool, tmp_path: Path) -> None:
    """Goal: less than 5 %, and less than 16 MiB. Method: both edges; the second of two folders."""
    writer, room = Writer(), []
    looks = {tmp_path: (2**40, 2**40), tmp_path / "state": (bytes_free, bytes_all)}
    disk = Disk(tuple(looks), writer, lambda: room.append(1), looks.__getitem__)
    disk.step(at(0.0))
    drained(writer)
    assert (disk.full, room) == (full, [1] * full)
    writer.close()


def test_a_refused_write_counts_for_a_while(tmp_path: Path) -> None:
    """Goal: ENOSPC and EDQUOT are a full disk whatever statvfs says; EIO is none. Method: jobs that raise, edges."""
    for number, full in ((errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)):
        writer = Writer()
        disk = Disk((tmp_path,), writer, lambda: None, lambda _: (2**40, 2**40))

        def job(number: int = number) -> None:
            raise OSError(number, "refused")

        writer.offer(job)
        drained(writer)
        for seconds, expected in ((1.0, full), (1.0 + REFUSED_S - 0.1, full), (1.0 + REFUSED_S, False)):
            disk.step(at(seconds))
            drained(writer)
            assert disk.full is expected, (number, seconds)
        writer.close()


def test_the_real_disk_is_asked(tmp_path: Path) -> None:
    """Goal: bytes, free not above all; a folder that is not there raises. Method: this disk."""
    bytes_free, bytes_all = free(tmp_path)
    assert 0 < bytes_free <= bytes_all
    with pytest.raises(OSError, match="No such file"):
        free(tmp_path / "none")


def test_the_oldest_black_box_gives_way(tmp_path: Path) -> None:
    """Goal: one a look, the oldest first; none left is no trouble. Method: three files of known age, four looks."""
    box = Blackbox(tmp_path, Writer())
    for name in ("blackbox-1.jsonl", "blackbox-0.jsonl", "blackbox-2.jsonl", "state.0"):
        (tmp_path / name).write_text("x")
    for t_s, name in enumerate(("blackbox-1.jsonl", "blackbox-0.jsonl", "blackbox-2.jsonl")):
        os.utime(tmp_path / name, (t_s, t_s))
    for left in (["blackbox-0.jsonl", "blackbox-2.jsonl"], ["blackbox-2.jsonl"], [], []):
        box.make_room()
        assert sorted(path.name for path in tmp_path.glob("blackbox-*")) == left
    assert (tmp_path / "state.0").exists()


def test_a_black_box_is_bounded_and_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goal: the newest cycles that fit; a refused write leaves nothing. Method: a small bound; a full device."""
    path = tmp_path / "blackbox-0.jsonl"
    cycles = tuple(cycle(0.1 * k) for k in range(10))
    blackbox._write(path, cycles)
    lines = path.read_text("utf-8").splitlines(keepends=True)
    assert len(lines) == 10
    monkeypatch.setattr(blackbox, "BYTES_MAX", len(lines[8]) + len(lines[9]))
    blackbox._write(path, cycles)
    assert path.read_text("utf-8") == lines[8] + lines[9]
    (tmp_path / "blackbox-0.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space"):
        blackbox._write(path, cycles)
    assert [it.name for it in tmp_path.iterdir()] == ["blackbox-0.jsonl"]
    assert path.read_text("utf-8") == lines[8] + lines[9]

"""Watches the room on the disks (F71): safety is told, and old black boxes give way to what must be kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from controller.image import Instant
from controller.runtime.writer import Writer
from controller.units import NS_PER_S

PERIOD_S = 1.0
FREE_PU_MIN = 0.05  # of the disk; less is full
FREE_BYTES_MAX = 16 * 2**20  # as much free is enough on any disk
REFUSED_S = 15.0  # a write that met a full disk counts for longer than the state record waits for its next
Free = Callable[[Path], tuple[int, int]]  # free bytes for this process, and all


def free(folder: Path) -> tuple[int, int]:
    """Free and all bytes of a folder's disk. Raises OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


class Disk:
    """Looks on the writer's thread, for a disk may hang. make_room: gives up something old, called while it is full."""

    def __init__(
        self, folders: tuple[Path, ...], writer: Writer, make_room: Callable[[], object], look: Free = free
    ) -> None:
        self.full = False
        self._folders, self._writer, self._make_room, self._free = folders, writer, make_room, look
        self._refused, self._t_refused_ns = writer.refused, 0

    def step(self, now: Instant) -> None:
        """Have a look made."""
        if self._writer.refused != self._refused:
            self._refused, self._t_refused_ns = self._writer.refused, now.t_ns
        refused = bool(self._t_refused_ns) and now.t_ns - self._t_refused_ns < REFUSED_S * NS_PER_S
        self._writer.offer(lambda: self._look(refused))

    def _look(self, refused: bool) -> None:
        self.full = refused or any(self._short(folder) for folder in self._folders)
        if self.full:
            self._make_room()

    def _short(self, folder: Path) -> bool:
        bytes_free, bytes_all = self._free(folder)
        return bytes_free < min(FREE_PU_MIN * bytes_all, FREE_BYTES_MAX)

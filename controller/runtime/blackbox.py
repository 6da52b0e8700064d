"""The last half minute of cycles, in memory, written as JSON lines when the site stops for a fault."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path

from controller.image import Mode
from controller.runtime.plain import plain
from controller.runtime.supervisor import Cycle
from controller.runtime.writer import Writer
from controller.safety.transition import RESTS

CYCLES = 300  # 30 s at 10 Hz
AFTER_CYCLES = 20  # go on for 2 s, so that the reaction is in the record
FILES_MAX = 8
BYTES_MAX = 8 * 2**20  # of one file; its last cycles are kept


class Blackbox:
    """A bounded ring of cycles. Files blackbox-<n>.jsonl in folder, the oldest replaced."""

    def __init__(self, folder: Path, writer: Writer) -> None:
        self._folder = folder
        self._writer = writer
        self._cycles: deque[Cycle] = deque(maxlen=CYCLES)
        self._left = -1  # cycles until the dump, -1: none asked for
        self._mode = Mode.INIT
        self.dumps = 0

    def record(self, cycle: Cycle) -> None:
        """Keep one cycle; when the site stops for a fault, ask for a dump a little later."""
        self._cycles.append(cycle)
        if cycle.mode.mode in RESTS and self._mode not in RESTS and self._left < 0:
            self._left = AFTER_CYCLES
        self._mode = cycle.mode.mode
        if self._left == 0:
            self.dump()
        self._left = max(self._left - 1, -1)

    def dump(self) -> None:
        """Write what is in memory, on the writer's thread."""
        cycles = tuple(self._cycles)
        path = self._folder / f"blackbox-{self.dumps % FILES_MAX}.jsonl"
        self.dumps += 1
        self._writer.offer(lambda: _write(path, cycles))

    def make_room(self) -> None:
        """Give up the oldest file: the disk is full (F71). On the writer's thread."""
        found = sorted(self._folder.glob("blackbox-*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        for path in found[:1]:
            path.unlink()


def _write(path: Path, cycles: tuple[Cycle, ...]) -> None:
    """All or nothing: what a full disk has refused leaves no half file behind."""
    lines: deque[str] = deque()
    left = BYTES_MAX
    for cycle in reversed(cycles):
        line = json.dumps(plain(cycle), allow_nan=False) + "\n"
        left -= len(line)
        if left < 0:
            break
        lines.appendleft(line)
    draft = path.with_suffix(".new")
    try:
        draft.write_text("".join(lines), encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)

"""Python's collector and the frame: what holds the interpreter holds no frame (F69)."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from itertools import pairwise

from controller.runtime.ladder import Ladder
from ext.cycle import Executive
from tests.unit.ext.frames import setup

HEAP = 1_000_000  # lists that know each other: some tenths of a second of a collection
WATCH_S = 0.5
SHARE_MIN = 0.2  # of the frames at rest; a frame that waits for the interpreter runs none


class Ticker:
    """A thread of Python's own, for comparison: it counts while the interpreter lets it."""

    def __init__(self) -> None:
        self.count, self.stopped = 0, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.stopped.wait(0.001):
            self.count += 1


def rates(frame: Executive, ticker: Ticker, work: Callable[[], object]) -> tuple[float, float]:
    """Frames and ticks a second while this is done, over and over, in one go each."""
    frames = ticks = past_s = 0.0
    while past_s < WATCH_S:
        begun_s, frames_before, ticks_before = time.perf_counter(), frame.frames(), ticker.count
        work()
        frames, ticks = frames + frame.frames() - frames_before, ticks + ticker.count - ticks_before
        past_s += time.perf_counter() - begun_s
    return frames / past_s, ticks / past_s


def test_a_collection_holds_no_frame() -> None:
    """Goal: F69: the frame goes on while a collection holds all of Python. Method: the real thread; a large heap
    collected over and over; frames a second beside those at rest, and a thread of Python's that stands still."""
    frame, ticker = Executive(setup()), Ticker()
    heap: list[list[object]] = [[] for _ in range(HEAP)]
    for one, other in pairwise(heap):
        one.append(other)
    frame.start(0, -1)
    try:
        rest, free = rates(frame, ticker, lambda: time.sleep(WATCH_S))
        busy, held = rates(frame, ticker, gc.collect)
    finally:
        frame.stop()
        ticker.stopped.set()
    assert free > 0 and held < SHARE_MIN * free, "the collection does hold Python"
    assert busy > SHARE_MIN * rest > 0


def test_what_is_there_at_the_start_is_left_alone() -> None:
    """Goal: F69: later collections walk only what came to be since. Method: a heap, the ladder, what is tracked."""
    heap = [[object()] for _ in range(1000)]
    try:
        Ladder(realtime=False).close()
        assert gc.get_freeze_count() > len(heap)
        assert len(gc.get_objects()) < len(heap)
    finally:
        gc.unfreeze()

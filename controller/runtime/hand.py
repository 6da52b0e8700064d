"""The dead-man's handle: a key that a person holds at a terminal keeps one converter moving, and nothing else does."""

from __future__ import annotations

import os
import select
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from controller.runtime.mistakes import MistakeError

FIRST_S = 10.0  # for the first key
OFF_S = 0.8  # without a key: the hand is off; a held key repeats after 0.7 s at the latest, then 10 times a second
AGAIN_S = 0.25  # between two words to the site: four of them in the second that safety waits


def hold(fd: int, tell: Callable[[], object]) -> int:
    """Call tell again and again while a key is held at the terminal fd; returns how often. Raises MistakeError."""
    if not os.isatty(fd):
        raise MistakeError("jog needs a terminal: a key is held there, and let go to stop.")
    count, t_told_s, wait_s = 0, 0.0, FIRST_S
    with _keys(fd):
        while select.select([fd], [], [], wait_s)[0]:
            os.read(fd, 1024)
            wait_s = OFF_S
            if not count or time.monotonic() - t_told_s >= AGAIN_S:
                tell()
                count, t_told_s = count + 1, time.monotonic()
    return count


@contextmanager
def _keys(fd: int) -> Iterator[None]:
    """Every key at once and unseen; the terminal is as before afterwards."""
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)

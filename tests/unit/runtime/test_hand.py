"""The dead-man's handle at a terminal: told while a key is held, and no longer."""

from __future__ import annotations

import os
import threading
import time
from itertools import pairwise

import pytest

from controller.runtime import hand
from controller.runtime.mistakes import MistakeError


def held(seconds: float, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the site was told, while a key repeats ten times a second for so long."""
    master, terminal = os.openpty()
    monkeypatch.setattr(hand, "FIRST_S", 0.5)
    monkeypatch.setattr(hand, "OFF_S", 0.2)
    times: list[float] = []

    def keys() -> None:
        for _ in range(round(seconds * 20)):
            os.write(master, b" ")
            time.sleep(0.05)

    thread = threading.Thread(target=keys)
    thread.start()
    count = hand.hold(terminal, lambda: times.append(time.monotonic()))
    thread.join()
    os.close(master)
    os.close(terminal)
    assert count == len(times)
    return times


def test_a_held_key_is_told_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: at once, then every quarter of a second; over when it is let go. Method: a pseudo-terminal, one second."""
    began = time.monotonic()
    times = held(1.0, monkeypatch)
    assert 3 <= len(times) <= 5
    assert all(b - a >= hand.AGAIN_S for a, b in pairwise(times))
    assert time.monotonic() - began < 5.0


def test_no_key_is_no_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: nothing is told without a key, nor without a terminal. Method: both."""
    assert held(0.0, monkeypatch) == []
    ends = os.pipe()
    with pytest.raises(MistakeError, match="terminal"):
        hand.hold(ends[0], lambda: None)
    for end in ends:
        os.close(end)

"""The clock is CLOCK_MONOTONIC and sleeping ends at an instant, never before it."""

from __future__ import annotations

import signal
import time

from tools.bench.stages import now_ns, sleep_until


def test_it_is_the_monotonic_clock() -> None:
    """Goal: one clock in C and Python. Method: enclose a reading between two of time.monotonic_ns."""
    before = time.monotonic_ns()
    read = now_ns()
    assert before <= read <= time.monotonic_ns()


def test_it_never_wakes_early() -> None:
    """Goal: an absolute deadline. Method: 20 sleeps of 2 ms, each measured against its own instant."""
    for _ in range(20):
        due = now_ns() + 2_000_000
        sleep_until(due)
        assert now_ns() >= due


def test_a_past_instant_costs_nothing() -> None:
    """Goal: a late frame does not sleep. Method: instants of the past, zero and below."""
    began = now_ns()
    for t_ns in (began - 1, 1, 0, -5):
        sleep_until(t_ns)
    assert now_ns() - began < 50_000_000


def test_a_signal_does_not_shorten_the_sleep() -> None:
    """Goal: EINTR is no deadline. Method: an interval timer fires every 5 ms during a sleep of 60 ms."""
    fired = []
    old = signal.signal(signal.SIGALRM, lambda *_: fired.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
        due = now_ns() + 60_000_000
        sleep_until(due)
        assert now_ns() >= due
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert fired

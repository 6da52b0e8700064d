"""Goal: the law tells the wire when the next edge is expected, whatever edges look like.

Method: loads that rest for 400 ms, by a clock, through the real frame; what it tells 50 ms before each edge.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ext.cycle import Executive
from tests.unit.ext.frames import NS, RATE_HZ, SCALE, limits, setup, times, waveform

REST_S, LOOK_S, PART = 0.4, 0.05, RATE_HZ // 100
Edge = Sequence[tuple[float, float]]  # pieces: so long, s, to that share of the step
SHARP: Edge = [(0.002, 1.0)]
SLOW: Edge = [(0.030, 1.0)]
STAIRS: Edge = [piece for k in range(1, 13) for piece in ((0.0005, k / 12), (0.004, k / 12))]
TWO: Edge = [(0.001, 0.09), (0.006, 0.09), (0.002, 1.0)]


def load_of(count: int, up: Edge, down: Edge) -> tuple[np.ndarray, list[float]]:
    """3000 and 4600 kW by turns after a second, kW at 10 kHz, and when each edge begins, s."""
    knots, at_s, begins = [(0.0, 3000.0)], 1.0, []
    for k in range(2 * count):
        from_kw, way_kw = (3000.0, 1600.0) if k % 2 == 0 else (4600.0, -1600.0)
        begins.append(at_s)
        knots.append((at_s, from_kw))
        for took_s, share in down if k % 2 else up:
            at_s += took_s
            knots.append((at_s, from_kw + share * way_kw))
        at_s += REST_S
    frames = np.arange(round((at_s - 0.06) * RATE_HZ))
    return np.interp(frames / RATE_HZ, *zip(*knots, strict=True)), begins


def told(load_kw: np.ndarray, begins: Sequence[float]) -> list[tuple[float, float]]:
    """For each edge when the expected one begins and ends, ms after its true beginning, as told LOOK_S before it."""
    frame = Executive(setup(target_lag_s=600.0, owed_s=0.004))
    t_ns = times(load_kw.size / RATE_HZ)
    counts, found = waveform(t_ns, load_kw), []
    ends = [round((at_s - LOOK_S) * RATE_HZ) for at_s in begins]
    for k, (first, last) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        issue_ns = int(t_ns[first])
        frame.publish(limits(sequence=k + 1, t_issue_ns=issue_ns, valid_until_ns=issue_ns + 2 * NS,
                             ramp_kw_per_s_max=0.01))  # fmt: skip
        frame.replay(t_ns[first:last], counts[first:last], SCALE)
        command, edge_ns = frame.status()["command"], int(t_ns[0]) + round(begins[k] * NS)
        found.append(tuple(1e-6 * (command[f"edge_{name}_ns"] - edge_ns) for name in ("from", "until")))
    return found


@pytest.mark.parametrize(
    ("up", "down"), [(SHARP, SHARP), (SLOW, SHARP), (SHARP, SLOW), (STAIRS, SHARP), (TWO, SHARP)]
)
def test_an_edge_begins_when_it_is_expected(up: Edge, down: Edge) -> None:
    """From 3 ms before it on at most, or for one of 50 ms from 40 ms before its middle on; and it has begun when that
    ends. An edge of 30 ms, of stairs, of two steps, or one after another kind, too."""
    load_kw, begins = load_of(8, up, down)
    for k, (from_ms, until_ms) in enumerate(told(load_kw, begins)[8:]):
        long_ms = 1e3 * sum(took_s for took_s, _ in (down if k % 2 else up))
        latest_ms = max(0.0, 0.5 * long_ms - 40.0)
        assert latest_ms - 3.0 <= from_ms <= latest_ms, k
        assert until_ms > max(0.3, from_ms) and until_ms - from_ms <= 45.0, k


@pytest.mark.parametrize("before_ms", [2.0, 6.0, 11.0])
def test_noise_before_an_edge_is_no_beginning_of_it(before_ms: float) -> None:
    """60 kW for 0.3 ms so long before the tenth edge: what is expected of the next stays."""
    load_kw, begins = load_of(8, SHARP, SHARP)
    spike = round((begins[9] - 1e-3 * before_ms) * RATE_HZ)
    load_kw[spike : spike + 3] += 60.0
    for from_ms, until_ms in told(load_kw, begins)[10:]:
        assert -3.0 <= from_ms <= 0.0 and 0.3 < until_ms < 5.0


def test_of_a_load_that_does_not_come_back_none_is_expected() -> None:
    """Three edges, and then it rests: what was expected is long past, and ends no later than it begins by 80 ms."""
    load_kw, begins = load_of(1, SHARP, SHARP)
    (from_ms, until_ms), _ = told(load_kw, begins)
    assert until_ms < -0.9e3 and from_ms <= until_ms

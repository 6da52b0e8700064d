"""Goal: a load that comes back in time is met before it moves, one that does not is left alone.

Method: square loads of 0.2 s through the real frame, their period exact or trembling; what is wished before an edge.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.ext.frames import RATE_HZ
from tests.unit.ext.test_preview import wished

MS = RATE_HZ // 1000
LOW_KW, HIGH_KW = 3000.0, 4600.0
PERIOD_S, EDGE_MS = 0.2, 2.0


def square(jitter_ms: float, rises: int, seed: int = 1, more_s: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Load (n) kW after a second of rest, and the frames in which its rises begin; more_s: rest after the last."""
    rng = np.random.default_rng(seed)
    rises_at, at = [], RATE_HZ
    for _ in range(rises):
        rises_at.append(at)
        at += round((PERIOD_S * 1000 + jitter_ms * rng.standard_normal()) * MS)
    knots = [(k + off, kw) for k in rises_at for off, kw in
             ((0, LOW_KW), (EDGE_MS * MS, HIGH_KW), (100 * MS, HIGH_KW), ((100 + EDGE_MS) * MS, LOW_KW))]  # fmt: skip
    frames = np.arange(rises_at[-1] + 150 * MS + round(more_s * RATE_HZ))
    return np.interp(frames, *zip(*knots, strict=True)), np.array(rises_at)


def ahead_kw(load_kw: np.ndarray, rises_at: np.ndarray) -> np.ndarray:
    """What is wished beyond the load within 10 ms before each rise, kW."""
    pcs, plain = wished(load_kw)
    return np.array([np.max((pcs - plain)[at - 10 * MS : at]) for at in rises_at])


def test_a_steady_period_is_met_before_it_comes() -> None:
    """Nothing before the first two rises; from the fifth on they are answered whole before they begin."""
    ahead = ahead_kw(*square(0.0, 12))
    assert ahead[:2].max() < 60
    assert ahead[4:].min() > 0.9 * (HIGH_KW - LOW_KW)


@pytest.mark.parametrize(("jitter_ms", "is_used"), [(0.5, True), (10.0, False)])
def test_it_is_used_only_while_it_trembles_less_than_the_loop_is_late(
    jitter_ms: float, is_used: bool
) -> None:
    """The guess is judged with every edge: half a millisecond wins, ten lose."""
    ahead = ahead_kw(*square(jitter_ms, 24))
    assert (np.median(ahead[-10:]) > 800) == is_used
    assert is_used or ahead[-10:].max() < 60


def test_an_edge_that_does_not_come_costs_no_more_than_the_horizon() -> None:
    """Goal: a job that ends is no swing of the battery's own. Method: the rise after twelve steady ones is missing."""
    load, rises_at = square(0.0, 12, more_s=1.0)
    pcs, plain = wished(load)
    beyond = (pcs - plain)[rises_at[-1] + 150 * MS :]
    assert 0 < np.count_nonzero(beyond > 100) <= 8 * MS


def test_another_period_is_found() -> None:
    """Goal: a new job's beat replaces the old one's. Method: 0.2 s, then 0.31 s."""
    load, rises_at = square(0.0, 10)
    slow = np.interp(np.arange(0, load.size - RATE_HZ, 0.2 / 0.31) + RATE_HZ, np.arange(load.size), load)
    slow_at = (rises_at - RATE_HZ) * 0.31 / 0.2
    ahead = ahead_kw(np.concatenate([load, slow, slow]), np.round(load.size + slow_at).astype(int)[1:])
    again = ahead_kw(
        np.concatenate([load, slow, slow]), np.round(load.size + slow.size + slow_at).astype(int)[3:]
    )
    assert ahead[0] < 800 < again[-3:].min()

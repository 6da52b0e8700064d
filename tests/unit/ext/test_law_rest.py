"""Goal: at rest the wire is free for what comes, and what is off by more than noise is put right all the same.

Method: a load that moves by a few kW, less than what goes at once, through the real frame; commands are counted.
"""

from __future__ import annotations

import numpy as np
import pytest

from ext.cycle import Executive
from tests.unit.ext.frames import NS, RATE_HZ, SCALE, limits, setup, times, waveform

PERIOD_S, OFF_KW = 0.0024, 8.0  # of frames.py: an exchange; 0.004 of the rating
REFRESH_S = 0.2  # between two commands at rest, at most
MOVED_S = 0.12  # just after one of the latter


def told(load_kw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """When a command was another one (s from the first value of the load on), and the commands, kW at 10 kHz. The
    target stays at the first value."""
    frame = Executive(setup(target_lag_s=600.0, owed_s=0.0))
    load_kw = np.concatenate([np.full(RATE_HZ // 2, load_kw[0]), load_kw])
    t_ns = times(load_kw.size / RATE_HZ)
    counts = waveform(t_ns, load_kw)
    parts = []
    for k, at in enumerate(range(0, t_ns.size, RATE_HZ)):  # a lease lives for two seconds
        issue_ns = int(t_ns[at])
        frame.publish(limits(sequence=k + 1, t_issue_ns=issue_ns, valid_until_ns=issue_ns + 2 * NS,
                             ramp_kw_per_s_max=0.01))  # fmt: skip
        parts.append(frame.replay(t_ns[at : at + RATE_HZ], counts[at : at + RATE_HZ], SCALE)["lead_kw"])
    lead_kw = np.concatenate(parts)[RATE_HZ // 2 :]
    return (np.flatnonzero(np.diff(lead_kw)) + 1) / RATE_HZ, lead_kw


def moved(by_kw: float) -> np.ndarray:
    """3000 kW for MOVED_S, then by_kw more."""
    load_kw = np.full(round(0.36 * RATE_HZ), 3000.0 + by_kw)
    load_kw[: round(MOVED_S * RATE_HZ)] = 3000.0
    return load_kw


@pytest.mark.parametrize(
    ("by_kw", "soon"), [(0.9 * OFF_KW, False), (1.3 * OFF_KW, True), (-1.3 * OFF_KW, True)]
)
def test_what_is_off_by_more_than_a_little_in_the_mean_is_put_right_soon(by_kw: float, soon: bool) -> None:
    """1.3 of what may be off: its mean over two exchanges passes it after ln(1.3 / 0.3) of them, 7 ms."""
    at_s, lead_kw = told(moved(by_kw))
    at_s = at_s[(at_s > MOVED_S) & (at_s < MOVED_S + 0.15)]
    assert (at_s.size > 0) == soon
    if soon:
        assert at_s[0] - MOVED_S == pytest.approx(np.log(1.3 / 0.3) * 2.0 * PERIOD_S, abs=0.004)
        assert lead_kw[round(at_s[0] * RATE_HZ)] == pytest.approx(by_kw, abs=0.3)


def test_what_is_off_by_little_is_put_right_in_time() -> None:
    """Nothing at rest stays wrong for good, and replies tell that the converter lives: five commands a second."""
    at_s, lead_kw = told(moved(0.5 * OFF_KW))
    assert np.diff(at_s) == pytest.approx(np.full(at_s.size - 1, REFRESH_S), abs=0.001)
    assert lead_kw[-1] == pytest.approx(0.5 * OFF_KW, abs=0.3)


def test_noise_takes_nothing_of_the_wire() -> None:
    """4 kW of noise in each value: hardly more commands than without, five a second, where 41 could go."""
    at_s, _ = told(3000.0 + np.random.default_rng(4).normal(0.0, 4.0, RATE_HZ))
    assert 5 <= at_s.size <= 8


@pytest.mark.parametrize("kw_per_s", [250.0, 1000.0])
def test_a_load_that_creeps_is_followed(kw_per_s: float) -> None:
    """To what may be off, and what it creeps in the mean of two exchanges and one more; none goes before an exchange
    is over."""
    load_kw = 3000.0 + kw_per_s * np.arange(35.0 / kw_per_s * RATE_HZ) / RATE_HZ
    at_s, lead_kw = told(load_kw)
    assert 2 <= at_s.size <= 4
    assert np.diff(at_s).min() >= PERIOD_S - 1e-4
    assert abs(lead_kw - (load_kw - 3000.0)).max() < OFF_KW + 3.0 * PERIOD_S * kw_per_s


def test_the_wire_is_free_when_an_edge_is_expected() -> None:
    """Rests of 400 ms, give or take up to 12, that creep by 670 kW/s to and fro, so that commands go all the time: in
    the 10 ms before an edge upwards, whose beginning is known to some 7, none goes after four of each rest; else 9
    would. Of edges downwards this bench, which has no bus, tells nothing."""
    rests_s = 0.4 + np.random.default_rng(4).uniform(-0.012, 0.012, 60)
    edges = np.round(np.cumsum(rests_s) * RATE_HZ).astype(int)
    at = np.arange(edges[-1])
    passed = np.searchsorted(edges, at, side="right")
    at_s, _ = told(3000.0 + 1600.0 * (passed % 2) + 40.0 * abs(at % 1200 - 600) / 600.0)
    met = [((at_s > edge - 0.010) & (at_s < edge)).any() for edge in edges[8:-1:2] / RATE_HZ]
    assert at_s.size > 1000 and sum(met) <= 1

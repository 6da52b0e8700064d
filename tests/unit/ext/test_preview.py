"""Goal: the law knows an edge's end before it comes, and guesses only while guessing has lately been right.

Method: steps and ramps through the real frame; lead and wish follow the load that is foreseen.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ext.cycle import Executive
from tests.unit.ext.frames import NS, RATE_HZ, SCALE, limits, setup, times, waveform

MS = RATE_HZ // 1000


def edges(levels: list[float], edge_ms: float, rest_s: float = 0.2) -> np.ndarray:
    """Load that rests at each level and passes to the next along a straight edge, kW at 10 kHz."""
    parts = [np.full(RATE_HZ, levels[0])]
    for before, after in itertools.pairwise(levels):
        parts.append(np.linspace(before, after, round(edge_ms * MS), endpoint=False))
        parts.append(np.full(round(rest_s * RATE_HZ), after))
    return np.concatenate(parts)


def wished(load_kw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(pcs_kw, load less target) of a run whose target stands still, and that gives nothing for edges to come."""
    frame = Executive(setup(target_lag_s=600.0, owed_s=0.0))
    t_ns = times(load_kw.size / RATE_HZ)
    counts = waveform(t_ns, load_kw)
    ahead_kw, plain_kw = [], []
    for k, first in enumerate(range(0, t_ns.size, RATE_HZ)):  # a lease lives for two seconds
        issue_ns = int(t_ns[first])
        lease = limits(
            sequence=k + 1, t_issue_ns=issue_ns, valid_until_ns=issue_ns + 2 * NS, ramp_kw_per_s_max=0.01
        )
        frame.publish(lease)
        out = frame.replay(t_ns[first : first + RATE_HZ], counts[first : first + RATE_HZ], SCALE)
        ahead_kw.append(out["pcs_kw"])
        plain_kw.append(out["load_kw"] - out["target_kw"])
    return np.concatenate(ahead_kw), np.concatenate(plain_kw)


def lead_of(load_kw: np.ndarray, rest_s: float = 0.2, edge_ms: float = 10.0) -> np.ndarray:
    """Of each edge: largest power that was wished ahead of the load, in the direction of the edge, kW."""
    pcs, plain = wished(load_kw)
    span = round(rest_s * RATE_HZ) + round(edge_ms * MS)
    found = []
    for at in range(RATE_HZ, load_kw.size - span + 1, span):
        way = np.sign(load_kw[at + span - 1] - load_kw[at])
        found.append(np.max(way * (pcs - plain)[at : at + span]))
    return np.array(found)


def test_known_edges_are_foreseen_and_unknown_ones_are_not() -> None:
    """The first edges teach; later ones are met up to 4.9 ms ahead: 160 kW/ms make several hundred kW."""
    ahead = lead_of(edges([3000.0, 4600.0] * 6, 10.0))
    assert ahead[0] < 60, "nothing is known of the first edge's end"
    assert ahead[-1] > 400
    assert np.max(ahead) < 160 * 4.9 + 100


def test_a_load_of_two_levels_is_known_when_each_has_been_met() -> None:
    """The edge down ends where the load began: it is met while its first half is judged, and so is the next one up."""
    ahead = lead_of(edges([3000.0, 4600.0, 3000.0, 4600.0], 10.0))
    assert ahead[0] < 60
    assert min(ahead[1:]) > 400


def test_noise_that_passes_for_an_edge_teaches_nothing() -> None:
    """Thirty pulses of 60 kW and half a millisecond while the load rests: the level below is still foreseen."""
    load_kw = edges([3000.0, 4600.0] * 3, 10.0)
    rest_kw = np.full(30 * 20 * MS, 4600.0)
    for at in range(10 * MS, rest_kw.size, 20 * MS):
        rest_kw[at : at + MS // 2] += 60.0
    down_kw = edges([4600.0, 3000.0], 10.0)
    pcs, plain = wished(np.concatenate([load_kw, rest_kw, down_kw]))
    assert (plain - pcs)[-down_kw.size :].max() > 400


def test_what_is_noise_is_measured() -> None:
    """12 kW of noise move the load by 30 kW within 0.3 ms many times a second: none of it is taken for an edge."""
    load_kw = edges([3000.0, 4600.0] * 3, 10.0)
    rest_kw = 4600.0 + np.random.default_rng(1).normal(0.0, 12.0, 4 * RATE_HZ)
    pcs, plain = wished(np.concatenate([load_kw, rest_kw]))
    assert abs(pcs - plain)[-2 * RATE_HZ :].max() < 120.0


def test_the_end_of_an_edge_is_not_overrun() -> None:
    """Past the known level nothing is wished: at most the ripple's share beyond it."""
    load = edges([3000, 4600] * 6, 10.0)
    pcs, plain = wished(load)
    tail = slice(load.size // 2, None)
    assert pcs[tail].max() < plain[tail].max() + 60
    assert pcs[tail].min() > plain[tail].min() - 60


def test_new_ends_are_learnt() -> None:
    """Steep edges that begin for a known level and stop after a quarter of the way: the first ones deceive, then
    their end is the known one."""
    taught = [3000.0, 4600.0] * 4
    ahead = lead_of(edges([*taught, *[3000.0, 3400.0] * 20], 2.0), edge_ms=2.0)
    assert ahead[len(taught) - 2] > 600
    assert ahead[len(taught) : len(taught) + 3].max() > 600
    assert ahead[-8:].max() < 420


def test_a_load_that_deceives_is_no_longer_foreseen() -> None:
    """Edges of 1 ms that end elsewhere each time, after steady ones: every guess is judged, and its kind is dropped."""
    rng = np.random.default_rng(3)
    taught = [3000.0, 4600.0] * 4
    ends = [level for _ in range(40) for level in (3000.0, 3100.0 + 500.0 * rng.random())]
    ahead = lead_of(edges([*taught, *ends], 1.0), edge_ms=1.0)
    heights = np.abs(np.diff([*taught, *ends]))
    beyond = (ahead - heights)[len(taught) :: 2]  # upwards, where nobody knows the end
    assert beyond[:3].max() > 300
    assert np.median(beyond[-20:]) < 50


@pytest.mark.parametrize("edge_ms", [1.0, 30.0])
def test_fast_and_slow_edges_are_foreseen_too(edge_ms: float) -> None:
    """1 and 30 ms edges of 1600 kW."""
    ahead = lead_of(edges([3000, 4600] * 6, edge_ms), edge_ms=edge_ms)
    assert ahead[-1] > (150 if edge_ms > 10 else 400)


def test_noise_makes_neither_two_of_an_edge_nor_much_of_its_slope() -> None:
    """8 kW of noise on edges of 160 kW/ms, 16 levels met: once an edge is foreseen it stays so, and from 2 to 6 ms on
    what is foreseen scatters by less than 60 kW, as 1 ms of slope does: 0.3 ms of it would make 150."""
    load_kw = edges([3000.0, 4600.0] * 8, 10.0)
    load_kw += np.random.default_rng(2).normal(0.0, 8.0, load_kw.size)
    pcs, plain = wished(load_kw)
    span = round(0.2 * RATE_HZ) + 10 * MS
    for at in range(RATE_HZ + 7 * span, load_kw.size - span + 1, span):
        way = np.sign(load_kw[at + span - 1] - load_kw[at])
        ahead_kw = way * (pcs - plain)[at : at + 6 * MS]
        first = int(np.flatnonzero(ahead_kw > 200.0)[0])
        assert first < 10
        assert ahead_kw[first:].min() > 150.0
        assert ahead_kw[2 * MS :].std() < 60.0

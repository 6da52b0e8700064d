"""Goal: what is reckoned beside the frame is what its formula says. Method: random numbers, whole and in pieces."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ext.watch import Means, Thinner, excesses, lasting


def test_pieces_of_any_size_give_what_the_whole_gives() -> None:
    """A mean that is not whole waits; fine means leave with the coarse one they make."""
    first, second = np.random.default_rng(1).normal(size=(2, 1003))
    fine, coarse = Thinner(5, 4).take(first, second)
    np.testing.assert_allclose(coarse, np.stack([first, second])[:, :1000].reshape(2, 50, 20).mean(axis=2))
    np.testing.assert_allclose(fine, np.stack([first, second])[:, :1000].reshape(2, 200, 5).mean(axis=2))
    pieces, cuts = Thinner(5, 4), [0, 1, 20, 39, 60, 61, 1003]
    found = [pieces.take(first[a:b], second[a:b]) for a, b in pairwise(cuts)]
    assert [part.shape[1] for _, part in found] == [0, 1, 0, 2, 0, 47]
    np.testing.assert_array_equal(np.hstack([part for part, _ in found]), fine)
    np.testing.assert_array_equal(np.hstack([part for _, part in found]), coarse)


def test_reset_forgets_what_waits() -> None:
    """After 7 of 8 values nothing of them is left in the next mean."""
    thinner = Thinner(4, 2)
    thinner.take(np.full(7, 9.0), np.full(7, 9.0))
    thinner.reset()
    fine, coarse = thinner.take(np.ones(8), np.zeros(8))
    assert fine.tolist() == [[1.0, 1.0], [0.0, 0.0]] and coarse.tolist() == [[1.0], [0.0]]


@pytest.mark.parametrize("lengths", [(0, 4), (5, 0), (5, 17)])
def test_lengths_out_of_range_are_refused(lengths: tuple[int, int]) -> None:
    """At least one value each; 16 fine means are the most that wait."""
    Thinner(1, 16)
    with pytest.raises(ValueError, match="allowed are"):
        Thinner(*lengths)


def test_running_means_span_what_they_span() -> None:
    """Of the 1003 - 7 means over 8 values: largest and least, and of pieces the same; none before the eighth value."""
    kw = np.random.default_rng(2).normal(size=(2, 1003))
    means = np.lib.stride_tricks.sliding_window_view(kw, 8, axis=1).mean(axis=2)
    ends = np.stack([means.max(axis=1), means.min(axis=1)])
    np.testing.assert_allclose(Means(8).take(kw), ends)
    pieces, cuts = Means(8), [0, 7, 8, 40, 40, 1003]
    found = [pieces.take(kw[:, a:b].copy()) for a, b in pairwise(cuts)]
    assert [piece is None for piece in found] == [True, False, False, True, False]
    whole = np.array([piece for piece in found if piece is not None])
    np.testing.assert_allclose([whole[:, 0].max(axis=0), whole[:, 1].min(axis=0)], ends)


@pytest.mark.parametrize("length", [0, 65])
def test_a_mean_out_of_range_is_refused(length: int) -> None:
    """1 to 64 values."""
    Means(1), Means(64)
    with pytest.raises(ValueError, match="allowed are 1 to 64"):
        Means(length)


def test_excesses_are_of_warm_lines_only() -> None:
    """Four times the power is 6.02 dB, of both readings; a floor of the same size leaves 10 log (5 / 2); a line is
    silent until it is as old as it has to be."""
    square = np.ones((2, 2, 3))
    square[:, 1] = 4.0
    warm_s, per_step = np.array([9.0, 2.0, 1.0]), np.ones(3)
    assert excesses(square, per_step, 0.0, warm_s, 2.0).tolist() == [[0.0, *[10.0 * np.log10(4.0)] * 2]] * 2
    assert excesses(square, per_step, 1.0, warm_s, 9.0) == pytest.approx(10.0 * np.log10(2.5))


def test_a_line_lasts_from_its_time_on_and_begins_anew() -> None:
    """Above the limit for 0.3 s in steps of 0.1; at the limit it begins anew; of two the louder; -1: none."""
    excess_db, over_s = np.zeros((2, 4)), np.zeros((2, 4))
    asked = np.array([1.0, 5.0]), np.full((2, 4), 0.25), 0.1, over_s
    excess_db[0, 1:3] = 1.1, 1.2
    assert [lasting(excess_db, *asked) for _ in range(3)] == [(-1, False), (-1, False), (2, False)]
    excess_db[0, 2] = 1.0
    assert lasting(excess_db, *asked) == (1, False)
    assert over_s[0].tolist() == pytest.approx([0.0, 0.4, 0.0, 0.0])
    excess_db[1, 3] = 5.1
    assert [lasting(excess_db, *asked) for _ in range(3)] == [(1, False), (1, False), (3, True)]

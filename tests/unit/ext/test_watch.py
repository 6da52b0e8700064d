"""Goal: what is thinned is the mean of just the samples it covers. Method: numbers at random, whole and in pieces."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ext.watch import Thinner


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

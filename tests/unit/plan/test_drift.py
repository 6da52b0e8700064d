"""How a deviation goes on: the prior, what is learned, what is not told."""

from __future__ import annotations

import numpy as np
import pytest

from controller.plan.drift import LEVEL_H, PRIOR_H, SPANS_H, Drift, signs

LEADS = 6


def test_signs_are_means_of_spans() -> None:
    """Goal: the last hour, six, a day; of less what there is. Method: 0 to 23, and three hours."""
    assert signs(np.arange(24.0)).tolist() == [23.0, np.arange(18.0, 24.0).mean(), 11.5]
    assert signs(np.array([3.0, 0.0, 6.0])).tolist() == [6.0, 3.0, 3.0]
    assert len(SPANS_H) == 3


def test_before_anything_is_learned_it_fades() -> None:
    """Goal: the law that was assumed before. Method: 100 kW in the last hour, nothing else counts."""
    told = Drift(LEADS).told(np.array([100.0, 50.0, 25.0]), 10.0)
    assert told == pytest.approx(100.0 * np.exp(-(np.arange(LEADS) + 1) / LEVEL_H))


def test_one_hour_by_hand() -> None:
    """Goal: ridge regression. Method: sign (2, 0, 0), missed 5 at lead 0: (2 x 5 + f b) / (4 + f), f = 24 x 0.25."""
    drift, firm, first = Drift(LEADS), PRIOR_H * 0.25, np.exp(-1 / LEVEL_H)
    drift.learn(np.array([[2.0, 0.0, 0.0]]), np.array([5.0]))
    told = drift.told(np.array([1.0, 0.0, 0.0]), 0.5)
    assert told[0] == pytest.approx((10.0 + firm * first) / (4.0 + firm))
    assert told[1] == pytest.approx(np.exp(-2 / LEVEL_H)), "later leads have learned nothing"


def test_what_is_told_fades() -> None:
    """Goal: half after four weeks. Method: one hour learned, then hours of silence."""
    drift = Drift(LEADS)
    drift.learn(np.ones((1, 3)), np.ones(1))
    for _ in range(28 * 24):
        drift.learn(np.full((LEADS, 3), np.nan), np.ones(LEADS))
    assert drift.gram[0] == pytest.approx(np.full((3, 3), 0.5))
    assert drift.moment[0] == pytest.approx(np.full(3, 0.5))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_unknown_teaches_nothing(wrong: float) -> None:
    """Goal: a gap is no zero. Method: a sign, then the miss, that is not there."""
    drift = Drift(LEADS)
    drift.learn(np.array([[1.0, wrong, 1.0], [1.0, 1.0, 1.0]]), np.array([1.0, wrong]))
    assert not drift.gram.any()
    assert not drift.moment.any()


def test_a_level_that_lasts_is_learned() -> None:
    """Goal: what each load does, not what was assumed. Method: level of a day holds on, the last hour is noise."""
    random = np.random.default_rng(3)
    drift = Drift(LEADS)
    for level in random.normal(0.0, 100.0, 400):
        noisy = np.array([level + random.normal(0.0, 200.0), level + random.normal(0.0, 80.0), level])
        drift.learn(np.tile(noisy, (LEADS, 1)), np.full(LEADS, level))
    assert drift.told(np.array([400.0, 0.0, 100.0]), 50.0) == pytest.approx(np.full(LEADS, 100.0), abs=6.0)

"""Goal: a design keeps each limit, line by line. Method: what is nearest by search, and the filters that it makes."""

from __future__ import annotations

import numpy as np
import pytest

from controller.runtime.design import Limits, _Lines, designed
from controller.runtime.filters import HZ, LAGS_S, told

ONE = np.ones((1, 2), complex)  # rows of two shares, one line
LOOP = told(0.0028, 0.006, 0.005, 0.006)


@pytest.mark.parametrize(
    ("first", "other"), [(0.4, 0.5), (2.0, 0.0), (0.9, 0.8), (0.3, 2.5), (0.0, 3.0), (0.0, 0.0), (1.0, 0.0)]
)
def test_what_is_kept_is_the_nearest_that_is_allowed(first: float, other: float) -> None:
    """abs(a) + abs(b) within 1 for a complex line and what folds into it, both in any direction."""
    lines = _Lines((ONE, ONE), np.array([1.0]))
    turn = np.exp(0.7j), np.exp(-2.1j)
    left = np.array(
        [(first * turn[0]).real, (first * turn[0]).imag, (other * turn[1]).real, (other * turn[1]).imag]
    )
    kept = left.copy()
    lines.keep(kept)
    sizes = abs(kept[0] + 1j * kept[1]), abs(kept[2] + 1j * kept[3])
    assert sum(sizes) <= 1.0 + 1e-12
    grid = np.linspace(0.0, 1.0, 2001)
    if first + other > 1.0:
        nearest = min(np.hypot(first - a, other - (1.0 - a)) for a in grid)
        assert np.linalg.norm(left - kept) == pytest.approx(nearest, abs=1e-3)
    else:
        assert np.array_equal(left, kept)


def test_a_limit_on_what_scatters_trades_what_folds_for_what_is_left() -> None:
    """The same loop without it folds more where little room is left, and is measured beyond 0.5 dB."""
    found = {}
    for errors in (0.0, 3.0):
        limits = Limits(10 ** (0.45 / 20), 3.0, rounds=3000, step=2.0, errors=errors)
        made, keeps = designed([LOOP], (), limits, 0.75, 0.003, 1 / 0.006, LAGS_S)
        assert keeps
        hz = HZ[(HZ >= 15.0) & (HZ <= 40.0)]
        beside_hz = np.concatenate([1 / 0.006 - hz, 1 / 0.006 + hz])
        noise = (abs(made.answer(2 * np.pi * beside_hz)) * np.tile(hz, 2) / beside_hz).reshape(2, -1)
        left = made.left(LOOP)[(HZ >= 15.0) & (HZ <= 40.0)]
        found[errors] = (left + 3.0 * np.sqrt((noise**2).sum(axis=0) / (9.52 * hz))).max()
    assert found[3.0] < 10 ** (0.5 / 20) * 1.02 < found[0.0]


def test_more_errors_leave_less_of_each_line() -> None:
    """What is kept free grows with them: 0.06 of a line at 30 Hz for three more."""
    most = []
    for errors in (1.0, 4.0):
        made, _ = designed(
            [LOOP], (), Limits(1.06, 3.0, rounds=3000, step=2.0, errors=errors), 0.75, 0.003, 1 / 0.006
        )
        most.append(made.left(LOOP)[(HZ > 20.0) & (HZ < 40.0)].mean())
    assert most[0] - most[1] > 0.03


@pytest.mark.parametrize(("errors", "kept"), [(20.0, True), (30.0, False)])
def test_what_cannot_keep_free_what_it_scatters_by_is_not_used(errors: float, kept: bool) -> None:
    """As many errors as leave less than nothing of a line cannot be kept free, however little is left of it."""
    limits = Limits(10 ** (0.5 / 20), 3.0, rounds=3000, step=2.0, errors=errors)
    assert designed([LOOP], (), limits, 0.75, 0.003, 1 / 0.006)[1] == kept

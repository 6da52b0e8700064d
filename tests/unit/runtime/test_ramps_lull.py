"""Goal: what small steps span by chance is no cause to leave the wide filter for them. Method: as in test_ramps."""

from __future__ import annotations

import pytest

from controller.runtime.harm import EVERY_S
from controller.runtime.ramps import ALL, LULL_S, SHY_S, TELLS_SHARE, WARM_S, WIDE, Ramps
from controller.runtime.spans import SPAN_S
from tests.unit.runtime.test_ramps import CYCLE_S, RATING_KW, run, shape, squares, steps, wide


def test_what_moves_the_grid_on_the_way_out_is_no_harm() -> None:
    """The trial has ended it already: what the battery still does fades within two seconds, and is no cause to stay
    away for long. Of slow ramps it is."""
    ramps = wide()
    ramps._trial.foreseen.take((1000.0, 700.0))
    ramps._aim, ramps._seen.once = (0.0, WIDE), 2.0
    assert ramps._next() == (1.0, WIDE) and ramps._due_s == WARM_S
    ramps._aim = 0.0, ALL
    assert ramps._next() == (0.0, ALL) and ramps._due_s == 100.0 + SHY_S


@pytest.mark.parametrize("trial", ["ten seconds", "the last ones"])
@pytest.mark.parametrize(
    ("grid_kw", "stays"), [(TELLS_SHARE * 1000.0 - 1e-6, True), (TELLS_SHARE * 1000.0 + 1e-6, False)]
)
def test_a_lull_between_small_steps_tells_nothing(trial: str, grid_kw: float, stays: bool) -> None:
    """The load spans a tenth of what it does in the mean, and the grid more than that: the battery is on its way from
    steps before. To the edge, once 1000 kW are the mean."""
    ramps = wide()
    for _ in range(1000):
        ramps._trial.foreseen.take((1000.0, 700.0))
    far = ramps._trial.foreseen if trial == "ten seconds" else ramps._trial.soon
    far.take((100.0, grid_kw), counts=False)
    assert ramps._next() == (float(stays), WIDE)


@pytest.mark.parametrize("told", ["trial", "soon", "seen"])
def test_a_lull_does_not_last(told: str) -> None:
    """As before, a second at a time: left once LULL_S have told it, by what the grid spans for long; one that tells
    nothing between them, and they count anew."""
    ramps = wide()
    for far in (ramps._trial.foreseen, ramps._seen):
        for _ in range(1000):
            far.take((1000.0, 700.0))
    far = {"trial": ramps._trial.foreseen, "soon": ramps._trial.soon, "seen": ramps._seen}[told]
    for ends_kw in (*[(100.0, 200.0)] * 4, None, *[(100.0, 200.0)] * 4):
        far.take(ends_kw, counts=False)
        assert ramps._next() == (1.0, WIDE)
    far.take((100.0, 200.0), counts=False)
    assert round(LULL_S / EVERY_S) == 5
    assert ramps._next() == (0.0, WIDE)
    assert ramps._due_s == (100.0 + SHY_S if told == "seen" else WARM_S)


def test_squares_of_a_few_kw_after_small_steps_are_left() -> None:
    """Through all that judges: 1000 kW of small steps, then squares of 300 kW, which the trial knows to span more; they
    are left within SPAN_S and LULL_S and not taken while they last."""
    ramps = Ramps(RATING_KW, shape())
    assert run(ramps, steps(60.0), 0.7)[-1] == 1.0
    gains = run(ramps, squares(40.0, kw=150.0))
    assert max(gains[round((SPAN_S + LULL_S + 3.0) / CYCLE_S) :]) == 0.0


def test_what_the_battery_did_on_its_way_out_is_not_held_against_it() -> None:
    """The grid spanned more while the share faded: begun again, that is forgotten; what is seen then counts."""
    ramps = wide()
    ramps._trial.foreseen.take((1000.0, 700.0))
    for _ in range(10):
        ramps._seen.take((1000.0, 1200.0))
    ramps._aim = 0.0, WIDE
    ramps._seen.take((1000.0, 1000.0))
    for _ in range(2):
        ramps._aim = ramps._next()
        assert ramps._aim == (1.0, WIDE)
    for _ in range(10):
        ramps._seen.take((1000.0, 1100.0))
    assert ramps._next() == (0.0, WIDE)

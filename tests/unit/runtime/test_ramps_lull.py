"""Goal: what small steps span by chance is no cause to leave the wide filter for them. Method: as in test_ramps."""

from __future__ import annotations

import pytest

from controller.runtime.ramps import ALL, LULL_S, SHY_S, TELLS_SHARE, WARM_S, WIDE
from tests.unit.runtime.test_ramps import wide


def test_what_moves_the_grid_on_the_way_out_is_no_harm() -> None:
    """The trial has ended it already: what the battery still does fades within two seconds, and is no cause to stay
    away for long. Of slow ramps it is."""
    ramps = wide()
    ramps._foreseen.take((1000.0, 700.0))
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
        ramps._foreseen.take((1000.0, 700.0))
    far = ramps._foreseen if trial == "ten seconds" else ramps._soon
    far.take((100.0, grid_kw), counts=False)
    assert ramps._next() == (float(stays), WIDE)


@pytest.mark.parametrize(("lull_s", "stays"), [(LULL_S - 1.0, True), (LULL_S, False)])
def test_it_is_left_where_a_lull_lasts(lull_s: float, stays: bool) -> None:
    """To the judgement."""
    ramps = wide()
    ramps._foreseen.take((1000.0, 700.0))
    ramps._lull_s = lull_s
    assert ramps._next() == (float(stays), WIDE)

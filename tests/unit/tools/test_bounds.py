"""Goal: a cell counts as answered only by a figure or by a bound. Method: scores on either side of every edge."""

from __future__ import annotations

import pytest

from tools.bench.bounds import answer
from tools.bench.cells import BOUND_DB, PRESETS, SCENES
from tools.bench.scored import Score


@pytest.mark.parametrize(
    ("ours", "best", "said"),
    [
        (Score(-24.0, 0.5, 1680.0, 1600.0), Score(-25.0, 0.0, 700.0, 1600.0), "reached"),
        (Score(-23.9, 0.5, 1680.0, 1600.0), Score(-24.9, 0.0, 700.0, 1600.0), "as the law found"),
        (Score(-23.8, 0.5, 1680.0, 1600.0), Score(-24.9, 0.0, 700.0, 1600.0), "MISSED"),
        (
            Score(0.0, 0.0, 1600.0, 1600.0),
            Score(-24.9, 0.6, 700.0, 1600.0),
            "the law found at 1.0 harms M5",
        ),
        (
            Score(0.0, 0.0, 1600.0, 1600.0),
            Score(-24.9, 0.5, 1681.0, 1600.0),
            "the law found at 1.0 harms M6",
        ),
        (Score(-25.0, 0.6, 1600.0, 1600.0), Score(-24.9, 0.0, 700.0, 1600.0), "MISSED: harms M5"),
        (Score(-25.0, 0.0, 70.0, 0.0), Score(-24.9, 0.0, 700.0, 0.0), "reached"),
    ],
)
def test_a_cell_is_reached_or_beyond_a_bound_or_missed(ours: Score, best: Score, said: str) -> None:
    """1 dB beside the law at 1.2 of the rating, -25.0, or beside the best one at 1.0; harm of ours is never excused."""
    assert answer(ours, best, -25.0) == said


@pytest.mark.parametrize(("m2_db", "said"), [(-23.9, "as the law found"), (-23.8, "MISSED")])
def test_a_cell_of_which_nothing_is_published_is_measured_beside_the_law_at_1(
    m2_db: float, said: str
) -> None:
    """1 dB, to the edge."""
    ours, best = Score(m2_db, 0.0, 700.0, 1600.0), Score(-24.9, 0.0, 700.0, 1600.0)
    assert answer(ours, best, None) == said


def test_every_scene_has_every_link_of_the_reference() -> None:
    """What is published is a part of the table."""
    assert {(scene, *preset) for scene in SCENES for preset in PRESETS} >= BOUND_DB.keys()

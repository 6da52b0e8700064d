"""Goal: the bench of all cells calls a miss what is one, and only that. Method: figures at the exact edges."""

from __future__ import annotations

import pytest

from tools.bench.cells import BOUND_DB, CONVERTERS, FILE, LINKS, SCENES, behind, missed
from tools.bench.scored import Score
from tools.plant.links import read_link

GOOD = {"m2_db": -20.0, "m5_db": 0.5, "m6_kw": 1050.0, "m6_none_kw": 1000.0}


@pytest.mark.parametrize(
    ("changed", "bound_db", "found"),
    [
        ({}, None, ""),
        ({"m5_db": 0.501}, None, "M5"),
        ({"m6_kw": 1050.01}, None, "M6"),
        ({"m6_kw": 170.0, "m6_none_kw": 0.0}, None, ""),
        ({}, -21.0, ""),
        ({"m2_db": -19.99}, -21.0, "M2"),
        ({"m5_db": 3.0, "m6_kw": 3000.0, "m2_db": 0.0}, -21.0, "M5 M6 M2"),
    ],
)
def test_a_cell_is_beyond_its_bounds_from_their_edge_on(
    changed: dict[str, float], bound_db: float | None, found: str
) -> None:
    """0.5 dB, 5 % and 1 dB still hold; a load whose median range is nothing bounds no range."""
    assert missed(Score(**(GOOD | changed)), bound_db) == found


def test_every_bound_belongs_to_a_cell() -> None:
    """A scene, a link and a converter of the table; none is written in vain."""
    cells = {(scene, link, converter) for scene in SCENES for link in LINKS for converter in CONVERTERS}
    assert set(BOUND_DB) <= cells


def test_the_converter_stands_behind_the_link() -> None:
    """A lag replaces the link's; the slow one keeps it and has 2 ratings a second."""
    link = read_link(FILE, "115200-true")
    assert (behind(link, "lag 50").tau_ms, behind(link, "lag 50").slew_pu_s) == (50.0, 200.0)
    assert (behind(link, "slew 2").tau_ms, behind(link, "slew 2").slew_pu_s) == (link.tau_ms, 2.0)

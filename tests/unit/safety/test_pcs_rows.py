"""F23: a converter that says it can do less: the limit it is given, and when that is told."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import pytest

from controller.image import Mode, Wish
from controller.safety import facts, pcs_rows
from controller.safety.envelope import limit
from controller.safety.look import Look
from controller.state import Conditions
from tests.unit.safety.sites import PCS, TERMS, Story, at, telemetry
from tests.unit.safety.test_envelope import GRID_TIED, RUNNING, limits


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, False),
        ({"discharge_kw_max": 950.0}, False),
        ({"discharge_kw_max": 949.9}, True),
        ({"charge_kw_max": 760.0}, False),
        ({"charge_kw_max": 759.9}, True),
        ({"discharge_kw_max": 2000.0, "charge_kw_max": 759.9}, True),
        ({"discharge_kw_max": 2000.0, "charge_kw_max": 2000.0}, False),
        ({"discharge_kw_max": nan, "charge_kw_max": nan}, False),
    ],
)
def test_it_is_told_from_a_twentieth_of_the_plate_on(values: dict[str, float], told: bool) -> None:
    """Goal: F23 at both sides of 5 % of 1000 and of 800 kW, and nothing where nothing is said. Method: the table."""
    assert ("F23" in Story(GRID_TIED).feed(1.0, pcs={"state": "running", "values": values})) is told


def test_what_it_lacks_most_is_said() -> None:
    """Goal: the larger of the two, and no share of a plate of nothing. Method: the signal."""
    seen = telemetry(1.0, pcs={"values": {"discharge_kw_max": 900.0, "charge_kw_max": 400.0}})
    view = Look(TERMS, Conditions(), GRID_TIED, seen, at(1.0).t_ns, "pcs-1", PCS, seen.devices["pcs-1"])
    (row,) = pcs_rows.ROWS
    assert row.signal(view) == 0.5
    assert row.signal(replace(view, part=replace(PCS, charge_kw_max=0.0))) == 0.1
    assert row.signal(replace(view, device=None)) != row.signal(view)


@pytest.mark.parametrize(
    ("said", "given"),
    [((inf, inf), (1000.0, 800.0)), ((300.0, inf), (300.0, 800.0)), ((inf, 200.0), (1000.0, 200.0)),
     ((0.0, 0.0), (0.0, 0.0)), ((2000.0, 2000.0), (1000.0, 800.0))],
)  # fmt: skip
def test_its_word_is_a_limit(said: tuple[float, float], given: tuple[float, float]) -> None:
    """Goal: never more than it says, never more than its plate. Method: either direction; it may be said of another."""
    own = replace(RUNNING.converters[0], discharge_kw_max=said[0], charge_kw_max=said[1])
    found = limits(replace(RUNNING, converters=(own,)))
    assert (found.discharge_kw_max, found.charge_kw_max) == ((given[0],), (given[1],))
    others = (RUNNING.converters[0], replace(own, name="pcs-2"))
    two = replace(TERMS, parts=(*TERMS.parts, replace(PCS, name="pcs-2")))
    both = limit(two, GRID_TIED, replace(RUNNING, converters=others), Wish(), (), at(1.0))
    assert (both.discharge_kw_max, both.charge_kw_max) == ((1000.0, given[0]), (800.0, given[1]))


@pytest.mark.parametrize(("told", "read"), [(120.0, 120.0), (-5.0, 0.0), (nan, nan), (None, inf)])
def test_its_word_as_read(told: float | None, read: float) -> None:
    """Goal: no negative limit, and no limit where it has no such point. Method: both points of one reply."""
    values = {} if told is None else {"discharge_kw_max": told, "charge_kw_max": told}
    (found,) = facts.converters_of(TERMS, Conditions(), telemetry(1.0, pcs={"values": values}))
    assert [found.discharge_kw_max, found.charge_kw_max] == pytest.approx([read, read], nan_ok=True)
    assert limits(replace(RUNNING, converters=(replace(found, state="running"),))).mode == Mode.GRID_TIED

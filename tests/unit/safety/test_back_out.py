"""F53: a closing that came to nothing is taken back, each edge of when and for how long."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan

import pytest

from controller.image import Mode
from controller.safety import fallback
from tests.unit.safety.halls import FALLBACK, ISLAND, since, view
from tests.unit.safety.sites import at


@pytest.mark.parametrize(
    ("past_s", "position", "aim", "back_s", "order"),
    [
        (0.32, "open", "grid", nan, False),
        (0.33, "open", "grid", nan, True),
        (99.0, "open", "grid", nan, True),
        (99.0, "open", "genset", nan, True),
        (99.0, "open", "grid", 2.0, True),
        (99.0, "open", "grid", 2.01, False),
        (99.0, "open", "", nan, False),
        (99.0, "open", "open", nan, False),
        (2.32, "open", "", nan, True),
        (2.33, "open", "", nan, False),
        (2.0, "grid", "grid", nan, False),
        (2.0, "", "grid", nan, True),
    ],
)
def test_a_failed_closing_is_taken_back(
    past_s: float, position: str, aim: str, back_s: float, order: bool
) -> None:
    """Goal: F53 backs out: a switch that comes free must not close by an old order, though the supervisor hung when
    that one failed. Method: each edge of its time; for 2 s from the first time on, while the closing is the aim."""
    times = {"t_aim_ns": since(-past_s), "t_closed_ns": since(-past_s), "t_read_ns": since(-0.02)}
    times |= {} if isnan(back_s) else {"t_back_ns": since(-back_s)}
    here = replace(ISLAND, position=position, aim=aim, **times)
    expected = {"ats-1": ("switch", "open")} if order else {}
    assert fallback.switch_order(view(Mode.RESYNC, here)) == expected


def test_the_last_instant_of_taking_back() -> None:
    """Goal: 2 s and not less, where the aim is gone meanwhile. Method: times that floating point holds exactly."""
    terms = replace(FALLBACK, close_s_max=0.5)
    for past_ns, expected in ((0, True), (1, False)):
        closed_ns = since(-2.5) - past_ns
        here = replace(ISLAND, position="open", aim="", t_closed_ns=closed_ns, t_read_ns=since(0.0))
        assert fallback._failed(terms, here, at(0.0)) is expected


@pytest.mark.parametrize(("told", "order"), [("", True), ("open", True), ("grid", False), ("genset", False)])
def test_a_switch_in_doubt_is_told_to_open(told: str, order: bool) -> None:
    """Goal: F15 with F53: a contradiction is no end of the order; a switch that says once that it has closed has.
    Method: no position, and each newest reading."""
    times = {"t_aim_ns": since(-1.0), "t_closed_ns": since(-1.0), "t_read_ns": since(-0.02)}
    here = replace(ISLAND, position="", told=told, aim="grid", **times)
    expected = {"ats-1": ("switch", "open")} if order else {}
    assert fallback.switch_order(view(Mode.RESYNC, here)) == expected

"""Leaving the grid and returning: every island row of the mode table at its edge."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from controller.image import Mode
from controller.safety import fallback
from controller.safety.hall import Hall
from controller.safety.modes import next_mode
from controller.state import Asked, Conditions, Effect, ModeState
from tests.unit.safety.halls import (
    DARK,
    FALLBACK,
    FOLLOWS,
    FORMS,
    HALL_TERMS,
    HEALTHY,
    ISLAND,
    LOCKED,
    LONG,
    LOST,
    READY_SET,
    since,
    soc,
    view,
)
from tests.unit.safety.sites import TERMS
from tests.unit.safety.test_modes import READY, fault, with_faults


def after(mode: Mode, here: Hall, conditions: Conditions = FORMS, asked: Asked | None = None, seconds: float = 0.0,
          terms: Any = HALL_TERMS, **state: Any) -> ModeState:  # fmt: skip
    """One step of the mode."""
    look = view(mode, here, seconds, conditions=conditions, asked=asked, terms=terms, **state)
    return next_mode(look.terms, look.state, look.conditions, look.asked, look.now, look.hall)


ASKED = Asked(island=True)
OPEN = replace(HALL_TERMS, fallback=replace(FALLBACK, closed=False))
REFUSED = replace(FORMS, converters=(replace(FORMS.converters[0], accepted=False),))
ROWS: list[Any] = [
    ("T01", Mode.INIT, ISLAND, FORMS, {}, Mode.ISLANDED),
    ("", Mode.INIT, replace(ISLAND, t_bus_ns=since(-0.9)), FORMS, {}, Mode.INIT),
    ("", Mode.INIT, ISLAND, replace(FORMS, unanswered=("bms-1",)), {}, Mode.INIT),
    ("T01", Mode.INIT, ISLAND, FOLLOWS, {}, Mode.STANDBY),
    ("", Mode.STANDBY, ISLAND, READY, {}, Mode.STANDBY),
    ("T02", Mode.STANDBY, HEALTHY, READY, {}, Mode.GRID_TIED),
    ("T03", Mode.GRID_TIED, HEALTHY, soc(30.0, base=FOLLOWS), {"asked": ASKED}, Mode.ISLANDING),
    ("", Mode.GRID_TIED, HEALTHY, soc(29.9, base=FOLLOWS), {"asked": ASKED}, Mode.GRID_TIED),
    ("T03", Mode.GRID_TIED, replace(HEALTHY, load_kw=1200.0), FOLLOWS, {"asked": ASKED}, Mode.ISLANDING),
    ("", Mode.GRID_TIED, replace(HEALTHY, load_kw=1200.1), FOLLOWS, {"asked": ASKED}, Mode.GRID_TIED),
    ("", Mode.GRID_TIED, replace(HEALTHY, t_chatter_ns=since(-599.0)), FOLLOWS, {"asked": ASKED},
     Mode.GRID_TIED),
    ("", Mode.GRID_TIED, HEALTHY, FOLLOWS, {"asked": ASKED, "terms": TERMS}, Mode.GRID_TIED),
    ("", Mode.GRID_TIED, HEALTHY, FOLLOWS, {"asked": ASKED, "terms": replace(TERMS, fallback=FALLBACK)},
     Mode.GRID_TIED),
    ("", Mode.GRID_TIED, HEALTHY, FOLLOWS, {"asked": ASKED, "t_stopping_ns": since(0.0)}, Mode.GRID_TIED),
    ("T04", Mode.GRID_TIED, HEALTHY, LOST, {}, Mode.ISLANDING),
    ("T04", Mode.GRID_TIED, replace(HEALTHY, t_chatter_ns=since(-1.0)), LOST, {}, Mode.ISLANDING),
    # held transfers hold a source; what cannot form a bus cannot form a dead one either
    ("T12", Mode.GRID_TIED, replace(HEALTHY, t_chatter_ns=since(-1.0)), soc(10.0, base=LOST), {}, Mode.SAFE_STOP),
    ("T12", Mode.GRID_TIED, replace(HEALTHY, t_chatter_ns=since(-1.0)), soc(nan, base=LOST), {}, Mode.SAFE_STOP),
    ("T12", Mode.GRID_TIED, replace(HEALTHY, t_chatter_ns=since(-1.0)), LOST,
     {"terms": replace(TERMS, fallback=FALLBACK)}, Mode.SAFE_STOP),
    ("T04", Mode.GRID_TIED, replace(HEALTHY, t_chatter_ns=since(-1.0)), soc(10.1, base=LOST), {}, Mode.ISLANDING),
    ("T12", Mode.GRID_TIED, HEALTHY, LOST, {"terms": TERMS}, Mode.SAFE_STOP),
    ("T12", Mode.GRID_TIED, HEALTHY, LOST, {"t_stopping_ns": 5}, Mode.SAFE_STOP),
    ("T12", Mode.GRID_TIED, HEALTHY, soc(10.0, base=LOST), {}, Mode.SAFE_STOP),
    ("T12", Mode.GRID_TIED, HEALTHY, with_faults(fault(), replace(fault("A"), code="F48")), {},
     Mode.SAFE_STOP),
    ("T04", Mode.GENSET, replace(ISLAND, position="genset", t_bus_ns=0, t_lost_ns=since(-0.2)), FOLLOWS,
     {}, Mode.ISLANDING),
    ("", Mode.GENSET, replace(ISLAND, position="genset", t_bus_ns=0, t_lost_ns=since(-0.1)), FOLLOWS, {},
     Mode.GENSET),
    ("T05", Mode.ISLANDING, replace(ISLAND, t_bus_ns=since(-1.0)), FORMS, {"row": "T04"}, Mode.ISLANDED),
    ("", Mode.ISLANDING, replace(ISLAND, t_bus_ns=since(-0.9)), FORMS, {"row": "T04",
     "t_since_ns": since(-5.0)}, Mode.ISLANDING),
    ("", Mode.ISLANDING, ISLAND, FOLLOWS, {"row": "T04", "t_since_ns": since(-5.0)}, Mode.ISLANDING),
    ("T05", Mode.ISLANDING, ISLAND, FOLLOWS, {"row": "T04", "t_since_ns": since(-5.1)}, Mode.SAFE_STOP),
    ("", Mode.ISLANDING, replace(ISLAND, position=""), FORMS, {"row": "T03", "t_since_ns": since(-35.0)},
     Mode.ISLANDING),
    ("T05", Mode.ISLANDING, replace(ISLAND, position=""), FORMS, {"row": "T03",
     "t_since_ns": since(-35.1)}, Mode.SAFE_STOP),
    ("", Mode.ISLANDING, HEALTHY, FOLLOWS, {"row": "T03", "t_since_ns": since(-30.0)}, Mode.ISLANDING),
    ("T03", Mode.ISLANDING, HEALTHY, FOLLOWS, {"row": "T03", "t_since_ns": since(-30.1)}, Mode.GRID_TIED),
    ("", Mode.ISLANDED, ISLAND, soc(50.0), {"t_since_ns": since(-9.9)}, Mode.ISLANDED),
    ("T06", Mode.ISLANDED, ISLAND, soc(50.0), {"t_since_ns": since(-10.0)}, Mode.GENSET_START),
    ("T06", Mode.ISLANDED, ISLAND, soc(39.9), {"t_since_ns": since(0.0)}, Mode.GENSET_START),
    ("", Mode.ISLANDED, ISLAND, soc(40.0), {"t_since_ns": since(0.0)}, Mode.ISLANDED),
    ("T06", Mode.ISLANDED, ISLAND, with_faults(fault(), base=FORMS), {"t_since_ns": since(0.0)},
     Mode.GENSET_START),
    ("", Mode.ISLANDED, replace(ISLAND, t_utility_ns=since(-1.0)), FORMS, {}, Mode.ISLANDED),
    ("", Mode.ISLANDED, replace(ISLAND, sets=LOCKED), FORMS, {}, Mode.ISLANDED),
    ("", Mode.ISLANDED, replace(ISLAND, t_vain_ns=(since(-3599.9), LONG, LONG)), FORMS, {}, Mode.ISLANDED),
    ("T06", Mode.ISLANDED, replace(ISLAND, t_vain_ns=(since(-3600.0), LONG, LONG)), FORMS, {}, Mode.GENSET_START),
    ("", Mode.ISLANDED, replace(ISLAND, t_chatter_ns=since(-1.0)), FORMS, {}, Mode.ISLANDED),
    ("T12", Mode.ISLANDED, replace(ISLAND, t_lost_ns=since(-0.2)), FORMS, {}, Mode.SAFE_STOP),
    ("T12", Mode.ISLANDED, ISLAND, with_faults(fault("A", Effect.TRIP), base=FORMS), {}, Mode.SAFE_STOP),
    ("", Mode.GENSET_START, replace(ISLAND, t_lost_ns=since(-9.0), aim="genset"), FORMS, {},
     Mode.GENSET_START),
    ("T12", Mode.GENSET_START, replace(ISLAND, t_lost_ns=since(-9.0)), FORMS, {}, Mode.SAFE_STOP),
    ("T07", Mode.GENSET_START, replace(ISLAND, position="genset", sets=READY_SET), FORMS, {}, Mode.GENSET),
    ("", Mode.GENSET_START, replace(ISLAND, position="genset", sets=READY_SET, t_bus_ns=since(-0.9)),
     FORMS, {}, Mode.GENSET_START),
    ("", Mode.GENSET_START, replace(ISLAND, position="genset"), FORMS, {"t_since_ns": since(-999.0)},
     Mode.GENSET_START),
    ("T07", Mode.GENSET_START, replace(ISLAND, t_utility_ns=since(-0.1)), FORMS, {}, Mode.ISLANDED),
    ("T07", Mode.GENSET_START, replace(ISLAND, sets=LOCKED), FORMS, {}, Mode.ISLANDED),
    ("", Mode.GENSET_START, ISLAND, FORMS, {"t_since_ns": since(-180.0)}, Mode.GENSET_START),
    ("T07", Mode.GENSET_START, ISLAND, FORMS, {"t_since_ns": since(-180.1)}, Mode.ISLANDED),
    ("T08", Mode.GENSET, replace(ISLAND, t_utility_ns=since(-300.0)), FORMS, {}, Mode.ISLANDED),
    ("T08", Mode.GENSET, replace(ISLAND, aim="open"), FORMS, {}, Mode.ISLANDED),
    ("", Mode.GENSET, ISLAND, FORMS, {}, Mode.GENSET),
    ("T09", Mode.ISLANDED, replace(ISLAND, t_utility_ns=since(-300.0)), FORMS, {}, Mode.RESYNC),
    ("", Mode.ISLANDED, replace(ISLAND, t_utility_ns=since(-299.9)), FORMS, {}, Mode.ISLANDED),
    ("", Mode.ISLANDED, replace(ISLAND, t_utility_ns=LONG, t_resyncs_ns=(LONG,) * 3), FORMS, {},
     Mode.ISLANDED),
    ("T09", Mode.ISLANDED, replace(ISLAND, t_utility_ns=LONG, t_resyncs_ns=(since(-3600.0), LONG, LONG)), FORMS, {},
     Mode.RESYNC),
    ("", Mode.ISLANDED, replace(ISLAND, t_utility_ns=LONG, t_resyncs_ns=(since(-3599.9), LONG, LONG)), FORMS, {},
     Mode.ISLANDED),
    ("T09", Mode.ISLANDED, replace(ISLAND, t_utility_ns=LONG, t_resyncs_ns=(LONG,) * 2), FORMS, {},
     Mode.RESYNC),
    ("", Mode.ISLANDED, replace(ISLAND, t_utility_ns=LONG, t_chatter_ns=since(-599.9)), FORMS, {},
     Mode.ISLANDED),
    ("T09", Mode.ISLANDED, replace(ISLAND, t_utility_ns=LONG, t_chatter_ns=since(-600.0)), FORMS, {},
     Mode.RESYNC),
    ("", Mode.ISLANDED, replace(ISLAND, t_utility_ns=since(-300.0)), REFUSED, {}, Mode.ISLANDED),
    ("", Mode.ISLANDED, ISLAND, REFUSED, {"t_since_ns": since(-10.0)}, Mode.ISLANDED),
    ("T10", Mode.RESYNC, HEALTHY, FOLLOWS, {}, Mode.GRID_TIED),
    ("", Mode.RESYNC, replace(HEALTHY, t_position_ns=since(-2.0)), FORMS, {}, Mode.RESYNC),
    ("T10", Mode.RESYNC, replace(HEALTHY, t_position_ns=since(-2.1)), FORMS, {}, Mode.LOCKOUT),
    ("", Mode.RESYNC, ISLAND, FORMS, {"t_since_ns": since(-120.0)}, Mode.RESYNC),
    ("T09", Mode.RESYNC, ISLAND, FORMS, {"t_since_ns": since(-120.1)}, Mode.ISLANDED),
    ("", Mode.RESYNC, replace(ISLAND, t_lost_ns=since(-0.1), aim="grid"), FORMS, {}, Mode.RESYNC),
    ("T12", Mode.RESYNC, replace(ISLAND, t_lost_ns=since(-0.2), aim="grid"), FORMS, {}, Mode.SAFE_STOP),
    ("", Mode.RESYNC, replace(ISLAND, t_lost_ns=LONG, aim="grid", position=""), FORMS, {}, Mode.RESYNC),
    ("", Mode.RESYNC, replace(ISLAND, t_lost_ns=LONG, aim="grid"), FOLLOWS,
     {"terms": OPEN, "t_since_ns": since(-120.0)}, Mode.RESYNC),
    ("T12", Mode.RESYNC, replace(ISLAND, t_lost_ns=LONG, aim="grid"), FOLLOWS,
     {"terms": OPEN, "t_since_ns": since(-120.1)}, Mode.SAFE_STOP),
    ("", Mode.RESYNC, replace(ISLAND, aim="grid"), FOLLOWS, {"terms": OPEN, "t_since_ns": LONG}, Mode.RESYNC),
    ("N6", Mode.BLACK_START, ISLAND, FORMS, {}, Mode.ISLANDED),
    ("N6", Mode.BLACK_START, replace(ISLAND, position="genset", sets=READY_SET), FOLLOWS, {}, Mode.GENSET),
    ("", Mode.BLACK_START, ISLAND, FOLLOWS, {"t_since_ns": since(-240.0)}, Mode.BLACK_START),
    ("N6", Mode.BLACK_START, ISLAND, FOLLOWS, {"t_since_ns": since(-240.1)}, Mode.SAFE_STOP),
]  # fmt: skip


@pytest.mark.parametrize(("row", "mode", "here", "conditions", "more", "target"), ROWS)
def test_every_row_at_its_edge(
    row: str, mode: Mode, here: Hall, conditions: Conditions, more: dict[str, Any], target: Mode
) -> None:
    """Goal: the island rows hold what their texts say. Method: last value that stays, first that goes."""
    found = after(mode, here, conditions, **more)
    assert found.mode == target, (found.reason, found.waiting)
    if row:
        assert found.row == row


GO = Asked(black_start=True)
AUTO = replace(HALL_TERMS, fallback=replace(FALLBACK, auto_black_start=True))


@pytest.mark.parametrize(
    ("here", "conditions", "more", "taken"),
    [
        (DARK, LOST, {"asked": GO}, True),
        (DARK, LOST, {}, False),
        (DARK, LOST, {"terms": AUTO}, True),
        (DARK, LOST, {"terms": AUTO, "wanted": False}, False),
        (replace(DARK, t_dead_ns=since(-4.9)), LOST, {"asked": GO}, False),
        (replace(DARK, live=True), LOST, {"asked": GO}, False),
        (replace(DARK, position="grid"), LOST, {"asked": GO}, True),
        (replace(DARK, position="grid", utility_dead=False), LOST, {"asked": GO}, False),
        (replace(DARK, position=""), LOST, {"asked": GO}, False),
        (DARK, with_faults(fault()), {"asked": GO}, False),
        (DARK, LOST, {"asked": GO, "latched": True}, False),
        (DARK, LOST, {"asked": GO, "t_since_ns": since(-1.9)}, False),
        (DARK, soc(5.0, base=LOST), {"asked": GO}, True),
        (DARK, soc(5.0, base=LOST), {"asked": GO, "terms": replace(HALL_TERMS, fallback=replace(FALLBACK,
     sets=()))}, False),
        (DARK, LOST, {"asked": GO, "terms": TERMS}, False),
    ],
)  # fmt: skip
def test_black_start(here: Hall, conditions: Conditions, more: dict[str, Any], taken: bool) -> None:
    """Goal: T11 from SAFE_STOP: each guard blocks alone. Method: the table."""
    found = after(Mode.SAFE_STOP, here, conditions, **more)
    assert (found.mode == Mode.BLACK_START) is taken


def test_leaving_a_genset() -> None:
    """Goal: T08: back by the grid at once, by charge after the shortest run. Method: each at its edge; never when the
    converters cannot form."""

    def leaves(seconds: float, high: float, utility_s: float | None = None, low: float = 50.0) -> bool:
        here = replace(ISLAND, position="genset", t_utility_ns=0 if utility_s is None else since(utility_s))
        return fallback.leaving(
            view(Mode.GENSET, here, seconds, conditions=soc(low, high), t_since_ns=since(0.0))
        )

    assert not leaves(1799.9, 80.1)
    assert leaves(1800.0, 80.1)
    assert not leaves(1800.0, 80.0)
    assert leaves(5.0, 50.0, -295.0)
    assert not leaves(5.0, 50.0, -294.9)
    assert not leaves(5.0, 50.0, -400.0, low=10.0)


@pytest.mark.parametrize(
    ("effect", "base", "unanswered", "fallback", "mode"),
    [
        (Effect.STOP, FORMS, (), True, Mode.ISLANDED),
        (Effect.STOP, FORMS, ("bms-1",), True, Mode.INIT),
        (Effect.STOP, FOLLOWS, ("bms-1",), True, Mode.INIT),
        (Effect.STOP, FOLLOWS, (), True, Mode.SAFE_STOP),
        (Effect.TRIP, FORMS, (), True, Mode.SAFE_STOP),
        (Effect.TRIP, FOLLOWS, ("bms-1",), True, Mode.SAFE_STOP),
        (Effect.STOP, FOLLOWS, ("bms-1",), False, Mode.SAFE_STOP),
    ],
)
def test_a_latch_of_an_earlier_run_ends_no_island_that_bears_it(
    effect: Effect, base: Conditions, unanswered: tuple[str, ...], fallback: bool, mode: Mode
) -> None:
    """Goal: N4: a start with a latch, or a torn record, is no blackout; what trips an island trips it, and on the
    grid the site stops as before. Method: INIT with each kind of latch, with and without an island."""
    seen = replace(with_faults(fault("C", effect), base=base), unanswered=unanswered)
    terms = HALL_TERMS if fallback else replace(HALL_TERMS, fallback=None)
    look = view(Mode.INIT, ISLAND, conditions=seen, terms=terms)
    assert next_mode(look.terms, look.state, seen, look.asked, look.now, look.hall).mode == mode


@pytest.mark.parametrize(
    ("mode", "position", "aim"),
    [
        (Mode.RESYNC, "open", ""), (Mode.RESYNC, "grid", "open"), (Mode.GENSET_START, "open", ""),
        (Mode.GENSET_START, "genset", "open"), (Mode.GENSET, "genset", "open"), (Mode.GENSET, "open", "open"),
        (Mode.ISLANDED, "open", ""),
    ],
)  # fmt: skip
def test_no_source_beside_one_that_cannot_follow(mode: Mode, position: str, aim: str) -> None:
    """Goal: IL-02: what forms under a refused identity (F28) is not switched to a source, and backed out of one.
    Method: the aim in each mode; at rest, following or accepted it goes on."""
    utility_ns = LONG if mode == Mode.RESYNC else 0
    here = replace(ISLAND, position=position, sets=READY_SET, t_utility_ns=utility_ns)
    assert fallback.position_wanted(view(mode, here, conditions=REFUSED)) == aim
    onward = {Mode.RESYNC: "grid", Mode.GENSET_START: "genset"}.get(mode, "")
    for change in ({"accepted": True}, {"forming": False}, {"state": "standby"}):
        sound = replace(REFUSED, converters=(replace(REFUSED.converters[0], **change),))
        assert fallback.position_wanted(view(mode, here, conditions=sound)) == onward

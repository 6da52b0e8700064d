"""The island's rows where several devices or causes stand side by side, and the words that are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.image import Mode
from controller.safety.hall import Hall, Phase, SetRun
from controller.state import Asked, Conditions
from tests.unit.safety.halls import (
    DARK,
    FOLLOWS,
    FORMS,
    HALL_TERMS,
    HEALTHY,
    ISLAND,
    LOST,
    READY_SET,
    since,
)
from tests.unit.safety.test_island import after
from tests.unit.safety.test_modes import fault, with_faults

BOTH = replace(HALL_TERMS, parts=(*HALL_TERMS.parts, replace(HALL_TERMS.parts[0], name="pcs-2")))
HALF = replace(FORMS, converters=(FORMS.converters[0], replace(FOLLOWS.converters[0], name="pcs-2")))
ONE_LOCKED = {"genset-1": SetRun(phase=Phase.LOCKED)}
F48 = replace(fault("A"), code="F48")
SOME: list[Any] = [
    # one of two converters, one of two sets, one of two causes
    (Mode.ISLANDING, ISLAND, HALF, {"row": "T04", "terms": BOTH, "t_since_ns": since(-1.0)}, Mode.ISLANDING),
    (Mode.RESYNC, replace(HEALTHY, t_position_ns=since(-1.0)), HALF, {"terms": BOTH}, Mode.RESYNC),
    (Mode.ISLANDED, replace(ISLAND, sets=ONE_LOCKED), FORMS, {}, Mode.GENSET_START),
    (Mode.GENSET_START, replace(ISLAND, sets=ONE_LOCKED), FORMS, {}, Mode.GENSET_START),
    (Mode.SAFE_STOP, DARK, with_faults(F48), {"asked": Asked(black_start=True)}, Mode.BLACK_START),
    (Mode.SAFE_STOP, DARK, with_faults(F48, fault("A")), {"asked": Asked(black_start=True)}, Mode.SAFE_STOP),
    # exact times
    (Mode.GENSET_START, replace(ISLAND, position="genset", sets=READY_SET, t_bus_ns=since(-1.0)), FORMS, {},
     Mode.GENSET),
    (Mode.SAFE_STOP, DARK, LOST, {"asked": Asked(black_start=True), "t_since_ns": since(-2.0)}, Mode.BLACK_START),
    (Mode.SAFE_STOP, DARK, LOST, {"asked": Asked(black_start=True), "t_since_ns": since(-1.9)}, Mode.SAFE_STOP),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "here", "conditions", "more", "expected"), SOME)
def test_all_of_several(
    mode: Mode, here: Hall, conditions: Conditions, more: dict[str, Any], expected: Mode
) -> None:
    """Goal: what must hold of all does not pass with one, and the other way round. Method: one of two; exact times."""
    assert after(mode, here, conditions, **{"t_since_ns": since(-10.0), **more}).mode == expected


def test_a_loss_is_told_with_its_cause() -> None:
    """Goal: the event names F48's own words, and the bus where it is not F48. Method: another condition beside it."""
    told = after(Mode.GRID_TIED, HEALTHY, with_faults(replace(F48, cause="no volts"), base=FOLLOWS))
    assert told.reason == "F48 pcs-mute: no volts"
    frozen = with_faults(fault("B"), base=FORMS)
    lost = after(Mode.ISLANDED, replace(ISLAND, t_bus_ns=0, t_lost_ns=since(-0.2)), frozen)
    assert (lost.mode, lost.reason) == (Mode.SAFE_STOP, "bus lost")


@pytest.mark.parametrize(("position", "words"), [("open", "taking up"), ("grid", "taking up")])
def test_an_island_that_is_found_is_waited_for(position: str, words: str) -> None:
    """Goal: INIT says what it waits for while converters form a bus that does not hold yet. Method: both positions."""
    waits = after(Mode.INIT, replace(ISLAND, position=position, t_bus_ns=0), FORMS)
    assert waits.mode == Mode.INIT
    assert waits.waiting.startswith(words)


def test_the_nearer_way_forward_is_named() -> None:
    """Goal: an island that waits for grid and genset names the first. Method: both away."""
    assert (
        after(Mode.ISLANDED, ISLAND, FORMS, t_since_ns=since(-1.0)).waiting
        == "grid not yet healthy for 300 s"
    )

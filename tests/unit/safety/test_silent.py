"""A converter that is left out and silent: what it is told, and that no source meets one that may still form."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from controller.image import Mode
from controller.safety import fallback, interlocks, losses, orders
from controller.safety.hall import Hall
from controller.safety.island import unheard
from controller.safety.transition import View
from controller.state import Conditions, Loss
from tests.unit.safety.halls import FORMS, HALL_TERMS, HEALTHY, ISLAND, LONG, READY_SET, view
from tests.unit.safety.sites import BMS, METER, PCS, at
from tests.unit.safety.test_island import after
from tests.unit.safety.test_losses import Pair, mute
from tools.averaged.run import CYCLE_S, averaged

FIRST = replace(PCS, watchdog_s=2.0, can_form=True)
TWO = replace(HALL_TERMS, parts=(FIRST, replace(FIRST, name="pcs-2"), BMS, METER))
LOST = Loss(at(-60.0).t_ns, 0.0, 0.0, t_mute_ns=at(0.0).t_ns)
MAY = "pcs-2 may still form, until its own watchdog has ended it"
BACK = replace(ISLAND, t_utility_ns=LONG)
STEPS = replace(ISLAND, sync=True, aim="grid")


def silent(loss: Loss = LOST, **converter: Any) -> Conditions:
    """Two that form, of which the second is left out; silent unless told otherwise."""
    first = FORMS.converters[0]
    second = replace(first, **{"name": "pcs-2", "fresh": False, **converter})
    return replace(FORMS, converters=(first, second), losses={"pcs-2": loss})


def look(mode: Mode, here: Hall, seconds: float = 1.0, terms: Any = TWO, **converter: Any) -> View:
    """The hall of two, in a mode."""
    return view(mode, here, seconds, conditions=silent(**converter), terms=terms)


@pytest.mark.parametrize(("seconds", "names"), [(0.0, ("pcs-2",)), (2.999, ("pcs-2",)), (3.0, ())])
def test_silent_for_longer_than_its_watchdog_is_at_rest(seconds: float, names: tuple[str, ...]) -> None:
    """Goal: 1.5 times the watchdog's 2 s, counted from the silence. Method: both sides of the edge; what answers, is
    not left out, has no watchdog or can form no bus is sure."""
    assert losses.unsure(TWO, silent(), at(seconds)) == names
    assert losses.unsure(TWO, silent(replace(LOST, t_mute_ns=0)), at(seconds)) == ()
    assert losses.unsure(TWO, replace(silent(), losses={}), at(seconds)) == ()
    for second in (replace(FIRST, watchdog_s=inf), replace(FIRST, can_form=False)):
        terms = replace(TWO, parts=(FIRST, replace(second, name="pcs-2"), BMS, METER))
        assert losses.unsure(terms, silent(), at(seconds)) == ()


def test_the_silence_is_counted_anew_each_time() -> None:
    """Goal: since when it is silent, beside since when it is left out. Method: silent, heard and silent again."""
    pair = Pair()
    pair.feed(0.0)
    for seconds, one, t_mute_ns in ((1.0, mute(1.0), at(1.0).t_ns), (1.1, mute(1.1), at(1.0).t_ns), (1.2, None, 0),
                                    (2.2, mute(1.0), at(2.2).t_ns)):  # fmt: skip
        pair.feed(seconds, two=one)
        assert pair.conditions.losses["pcs-2"].t_mute_ns == t_mute_ns
        assert pair.conditions.losses["pcs-2"].t_ns == at(1.0).t_ns


@pytest.mark.parametrize(
    ("mode", "here", "order"),
    [
        (Mode.ISLANDED, ISLAND, ""),
        (Mode.ISLANDING, HEALTHY, "follow"),
        (Mode.ISLANDING, replace(HEALTHY, position=""), ""),
        (Mode.RESYNC, HEALTHY, "follow"),
        (Mode.GENSET, replace(ISLAND, position="genset"), "follow"),
        (Mode.GRID_TIED, HEALTHY, ""),
    ],
)
def test_one_that_is_silent_is_told_to_follow_and_nothing_else(mode: Mode, here: Hall, order: str) -> None:
    """Goal: IL-02: nobody sees what it would do with an order to form or start; to follow it is told whatever its last
    reading says. Method: every duty, its last word forming, following and at rest."""
    for last in (
        {"forming": True},
        {"forming": False},
        {"forming": False, "state": "standby", "armed": False},
    ):
        told = orders.proposed(look(mode, here, **last), {})
        assert told.get("pcs-2") == (("pcs", order) if order else None)
    alone = replace(TWO, parts=(FIRST, replace(FIRST, name="pcs-2", can_form=False), BMS, METER))
    assert "pcs-2" not in orders.proposed(look(mode, here, terms=alone), {})
    heard = orders.proposed(look(Mode.ISLANDED, ISLAND, fresh=True, forming=False), {})
    assert heard["pcs-2"] == ("pcs", "form")


@pytest.mark.parametrize(("seconds", "waits"), [(2.999, True), (3.0, False)])
def test_no_source_is_switched_to_one_that_may_still_form(seconds: float, waits: bool) -> None:
    """Goal: IL-11: neither the grid nor a genset is closed on, nor is the way there begun, until the silent one's
    watchdog is over. Method: its edge, in the guards, the aim and the interlock."""
    told, conditions = MAY if waits else "", silent()
    assert unheard(look(Mode.ISLANDED, BACK, seconds)) == told
    for mode, here, aim in ((Mode.RESYNC, BACK, "grid"), (Mode.GENSET_START, ISLAND, "genset")):
        here = replace(here, sets=READY_SET)
        assert fallback.position_wanted(look(mode, here, seconds)) == ("" if waits else aim)
        passed, blocked = interlocks.screened(look(mode, STEPS, seconds), {"ats-1": ("switch", "grid")})
        assert (passed, blocked) == (({}, (("IL-02", "ats-1", MAY),)) if waits else ({"ats-1": "grid"}, ()))
    for here, mode in ((BACK, Mode.RESYNC), (ISLAND, Mode.GENSET_START)):
        state = after(Mode.ISLANDED, here, conditions, seconds=seconds, terms=TWO)
        assert (state.mode, state.waiting) == ((Mode.ISLANDED, MAY) if waits else (mode, ""))
    assert fallback.position_wanted(look(Mode.RESYNC, HEALTHY, seconds)) == "grid", "it stands there already"


@pytest.mark.parametrize(
    ("seconds", "converter", "mode"),
    [
        (2.999, {"forming": True}, Mode.RESYNC),
        (3.0, {"forming": True}, Mode.GRID_TIED),
        (2.999, {"forming": False}, Mode.GRID_TIED),
        (3.0, {"forming": True, "fresh": True}, Mode.RESYNC),
    ],
)
def test_a_return_does_not_wait_for_the_last_word_of_one_that_has_ended(
    seconds: float, converter: dict[str, Any], mode: Mode
) -> None:
    """Goal: T10: who may form beside the grid keeps the hand-over open, and who cannot does not. Method: lost in the
    hand-over with its last word forming or following; ended; and one that answers."""
    conditions = silent(**converter)
    first = replace(conditions.converters[0], forming=False)
    conditions = replace(conditions, converters=(first, conditions.converters[1]))
    here = replace(HEALTHY, t_position_ns=at(seconds - 1.0).t_ns)
    assert after(Mode.RESYNC, here, conditions, seconds=seconds, terms=TWO).mode == mode


def test_the_grid_dies_again_as_soon_as_the_site_has_returned() -> None:
    """Goal: IL-11 over the whole story: a converter that went silent on the grid forms no bus on the dead one. Method:
    silent, the grid away for a moment, back, and gone with the return."""
    run = averaged()
    run.until_ready()
    run.world.spoil.mute.add("pcs-2")
    run.until(Mode.GRID_TIED)
    run.world.grid_pu = 0.0
    run.until(Mode.ISLANDED)
    run.world.grid_pu = 1.0
    run.until(Mode.GRID_TIED, 120.0)
    run.world.grid_pu = 0.0
    for _ in range(round(4.0 / CYCLE_S)):
        run.cycle()
    assert not run.world.pcs["pcs-2"].forming
    assert run.world.backfeed_s <= 2 * CYCLE_S

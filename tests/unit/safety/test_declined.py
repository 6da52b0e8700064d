"""Whoever asks for an island or a black start is told why it is not begun."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.image import Mode
from controller.safety import island
from controller.safety.transition import View
from controller.state import Asked, ModeState
from controller.units import ns
from tests.unit.safety.halls import HALL_TERMS
from tests.unit.safety.sites import TERMS, at
from tests.unit.safety.test_island import DARK, FOLLOWS, HEALTHY, LOST
from tools.averaged.run import HALL, AveragedRun, averaged


def run() -> AveragedRun:
    """The hall of the campaign, on the grid."""
    found = averaged(HALL)
    found.until_ready()
    return found


def told(site: AveragedRun, verb: str) -> str:
    """What one who asks hears in the next cycle; empty: nothing, it is done."""
    site.ask(verb)
    site.cycle()
    assert site.outputs is not None
    return "; ".join(why for _, why in site.outputs.refused)


def test_an_island_that_may_not_be_is_refused_in_words() -> None:
    """Goal: IL-10, a low battery, another mode; and silence where it is done. Method: one after the other."""
    site = run()
    site.world.spoil.inputs["no_island"] = 1.0
    assert told(site, "island") == "the grid operator forbids an island (IL-10)"
    assert site.mode == Mode.GRID_TIED
    del site.world.spoil.inputs["no_island"]
    assert told(site, "island") == ""
    assert site.mode == Mode.ISLANDING
    assert told(site, "island") == "the site is not on the grid"


def test_a_black_start_into_a_live_bus_is_refused_in_words() -> None:
    """Goal: F62 is told. Method: on the grid, at rest on a live bus, on a dead one."""
    site = run()
    assert told(site, "black-start") == "the site is neither in STANDBY nor in SAFE_STOP"
    site.ask("stop")
    site.until(Mode.STANDBY)
    assert told(site, "black-start") == "bus not dead for 5 s"
    site.world.grid_pu = 0.0
    for _ in range(60):
        site.cycle()
    assert told(site, "black-start") == ""
    assert site.mode == Mode.BLACK_START


def test_what_is_refused_already_is_refused_once() -> None:
    """Goal: one answer to a command. Method: a black start by one who may not ask for it; other verbs hear nothing."""
    site = run()
    site.inbox.append(replace(site.command("black-start"), expires_ns=0))
    site.cycle()
    assert site.outputs is not None and len(site.outputs.refused) == 1
    assert told(site, "stop") == ""


@pytest.mark.parametrize("mode", Mode)
def test_each_verb_has_its_modes(mode: Mode) -> None:
    """Goal: an island from GRID_TIED alone, a black start from rest. Method: every mode; nothing else is in the way."""
    state = ModeState(mode=mode, t_since_ns=at(0.0).t_ns - ns(100.0))
    leave = View(HALL_TERMS, state, FOLLOWS, Asked(island=True), at(0.0), HEALTHY)
    assert (island.declined(leave, "island") == "") is (mode == Mode.GRID_TIED)
    dark = View(HALL_TERMS, state, LOST, Asked(black_start=True), at(0.0), DARK)
    assert (island.declined(dark, "black-start") == "") is (mode in (Mode.STANDBY, Mode.SAFE_STOP))
    assert island.declined(dark, "start") == ""
    assert island.declined(replace(leave, terms=TERMS), "island") != ""

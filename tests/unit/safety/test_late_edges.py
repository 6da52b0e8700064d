"""Edges of inputs that forbid, cut and resume: the operator's contact, the frame's cuts, a voltage of one volt."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite, nan

import pytest

from controller.image import Device, Frame, Mode
from controller.safety import conditions, facts, fallback, waveform
from controller.safety.soc import Reading, track
from controller.state import Asked, Conditions, Effect, ModeState
from tests.unit.safety.halls import FOLLOWS, HEALTHY, ISLAND, view
from tests.unit.safety.sites import TERMS, Story, at, telemetry
from tests.unit.safety.test_island import after
from tests.unit.safety.test_rows import look
from tests.unit.safety.test_soc import SITE, begun


def test_no_island_while_the_grid_operator_forbids_it() -> None:
    """Goal: IL-10: closed or unknown forbids, open allows. Method: each value of the contact."""
    for value, mode in ((0.0, Mode.ISLANDING), (1.0, Mode.GRID_TIED), (nan, Mode.GRID_TIED)):
        asked = replace(FOLLOWS, inputs={"no_island": value})
        assert after(Mode.GRID_TIED, HEALTHY, asked, Asked(island=True)).mode == mode


def test_cuts_count_since_the_last_cycle() -> None:
    """Goal: what the frame cut before is not told again. Method: counters that begin at 5."""
    before = Conditions(frame=Frame(charge_cuts=5, discharge_cuts=5))
    seen = look({"charge_cuts": 7, "discharge_cuts": 6}, before)
    assert (waveform._charge_cuts(seen), waveform._discharge_cuts(seen)) == (2.0, 1.0)


def test_the_smallest_voltage_is_a_limit_and_none_is_not() -> None:
    """Goal: any positive limit of a rack counts. Method: 1 V; 0 V."""
    assert facts._dc_v_max([Device("bms-1", "bms", {"charge_v_max": 1.0}, 0.0)]) == 1.02
    assert facts._dc_v_max([Device("bms-1", "bms", {"charge_v_max": 0.0}, 0.0)]) == inf


def test_half_a_reading_moves_no_distance() -> None:
    """Goal: how far the BMS lies inside the interval is kept while it tells half. Method: each end missing."""
    for seen in (Reading(nan, 50.0), Reading(50.0, nan)):
        found = track(begun(), SITE, seen, at(1.0))
        assert isfinite(found.below_pct)
        assert isfinite(found.above_pct)


def test_no_aim_is_no_order() -> None:
    """Goal: the switch is left alone where no position is aimed at. Method: both permissives, no aim."""
    here = replace(ISLAND, dead=True, sync=True)
    assert fallback.switch_order(view(Mode.ISLANDED, here)) == {}


@pytest.mark.parametrize(("step_s", "told"), [(1.0, False), (1.001, True), (-1.0, False), (-1.001, True)])
def test_a_jump_of_the_wall_clock_is_told_once(step_s: float, told: bool) -> None:
    """Goal: F75: both ways, beyond 1 s, for 30 s; nothing stops. Method: two clocks that part between two cycles."""
    story = Story(ModeState(mode=Mode.GRID_TIED, t_since_ns=at(0).t_ns))
    runs = {"state": "running"}
    assert story.feed(0.0, pcs=runs) == set(), "the first cycle has nothing to compare"
    for seconds in (0.1, 0.2, 31.0):
        seen = telemetry(seconds, pcs=runs)
        seen = replace(seen, now=replace(seen.now, utc_s=seen.now.utc_s + step_s))
        args = (story.terms, story.conditions, story.state, seen, story.asked, seen.now)
        story.conditions = conditions.read(*args)
        assert ("F75" in {c.code for c in story.conditions.active}) == (told and seconds < 30.0)
        assert (story.conditions.level, story.conditions.stops) == (int(told and seconds < 30.0), ())


def test_limits_that_flipped_are_a_lockout() -> None:
    """Goal: F81: class D, in an island too. Method: the same cycle with sound limits and without."""
    for flipped in (False, True):
        seen = replace(telemetry(0.0), limits_flipped=flipped)
        found = conditions.read(TERMS, Conditions(), ModeState(), seen, Asked(), seen.now)
        told = [(c.code, c.grade, c.effect) for c in found.active]
        assert told == ([("F81", "D", Effect.TRIP)] if flipped else [])


def test_a_full_disk_is_told_and_stops_nothing() -> None:
    """Goal: F71 at D1. Method: the same cycle with room and without."""
    for full in (False, True):
        seen = replace(telemetry(0.0), disk_full=full)
        found = conditions.read(TERMS, Conditions(), ModeState(), seen, Asked(), seen.now)
        assert [(c.code, c.effect) for c in found.active] == ([("F71", Effect.NOTE)] if full else [])
        assert found.level == int(full)

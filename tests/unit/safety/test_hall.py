"""The facts of the hall, and the rows of the fault table about it."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from controller.image import Mode
from controller.safety import conditions, hall, hall_rows
from controller.safety.hall import Hall, SetRun
from controller.safety.step import Inputs, State, step
from controller.state import Asked, Conditions, Effect, ModeState
from tests.unit.safety.halls import (
    HALL_TERMS,
    HEALTHY,
    ISLAND,
    LOCKED,
    LONG,
    READY_SET,
    running,
    seen,
    since,
    standing,
    switch,
)
from tests.unit.safety.sites import METER, TERMS, at
from tests.unit.safety.test_modes import READY


def facts(*cycles: tuple[float, str, dict[str, Any]], before: Hall = Hall()) -> Hall:  # noqa: B008 - frozen
    """The hall after readings of the switch: seconds, state, and what else is told."""
    for seconds, state, more in cycles:
        words = {k: v for k, v in more.items() if k.endswith("_word") or k == "age_s"}
        rest = {k: v for k, v in more.items() if k not in words and k != "alike"}
        read = replace(switch(state, seconds, **words), alike=more.get("alike", 0))
        telemetry = seen(seconds, read, **rest)
        before = hall.read(HALL_TERMS, before, replace(READY, load_kw=321.0), telemetry, at(seconds))
    return before


def test_a_position_needs_two_agreeing_readings() -> None:
    """Goal: IL-12. Method: one reading, two, another between, an unknown state, a stale switch."""
    one, two = (0.0, "source-1", {}), (0.1, "source-1", {})
    assert facts(one).position == ""
    known = facts(one, two)
    assert (known.position, known.t_position_ns) == ("grid", since(0.1))
    repeated = replace(known, position="", agreeing=1, told="grid")
    assert facts((0.1, "source-1", {}), before=repeated).position == "", "the same reading twice is one"
    assert facts(one, two, (0.2, "open", {})).position == ""
    assert facts(one, two, (0.2, "open", {}), (0.3, "open", {})).position == "open"
    assert facts(one, two, (0.2, "moving", {})).position == ""
    assert facts(one, two, (0.2, "source-2", {}), (0.3, "source-1", {})).position == ""
    assert facts(one, two, (0.2, "open", {"alike": 1})).position == "open", "two readings between two cycles"
    assert facts(one, two, (9.0, "source-1", {"age_s": 0.5})).position == "grid"
    stale = facts(one, two, (9.0, "source-1", {"age_s": 0.51, "sync_word": 1.0}))
    assert (stale.position, stale.sync, stale.live) == ("", False, False)
    assert hall.read(HALL_TERMS, known, READY, seen(1.0), at(1.0)).position == ""
    assert hall.read(TERMS, known, READY, seen(1.0), at(1.0)) == known


@pytest.mark.parametrize(("age_s", "fresh"), [(0.1, True), (0.101, False)])
def test_permissives_must_be_fresh(age_s: float, fresh: bool) -> None:
    """Goal: IL-01: 100 ms. Method: both words at the edge."""
    found = facts((0.0, "open", {"age_s": age_s, "sync_word": 1.0, "dead_word": 1.0}))
    assert (found.sync, found.dead, found.live) == (fresh, fresh, False)
    live = facts((0.0, "open", {"age_s": age_s, "dead_word": 0.0}))
    assert (live.dead, live.live) == (False, fresh)
    silent = facts((0.0, "open", {}))
    assert (silent.sync, silent.dead) == (False, False)


AT_GRID = replace(Hall(), position="grid", told="grid", agreeing=5)
WITNESSES: list[Any] = [
    ({}, Hall(), "open", True),
    ({"voltage_v": 211.0}, Hall(), "open", True),
    ({"voltage_v": 210.0}, Hall(), "open", False),
    ({"source_1_word": 0.0}, Hall(), "open", False),
    ({"voltage_v": nan}, Hall(), "open", False),
    ({"voltage_v": nan}, AT_GRID, "source-1", True),
    ({"voltage_v": nan, "track": {"voltage_v": 200.0}}, AT_GRID, "source-1", False),
    ({"age_s": 0.6}, Hall(), "open", False),
]  # fmt: skip


@pytest.mark.parametrize(("more", "before", "state", "healthy"), WITNESSES)
def test_the_grid_is_back_by_two_witnesses(
    more: dict[str, Any], before: Hall, state: str, healthy: bool
) -> None:
    """Goal: two agree and none is against: meter, switch, bus at the grid. Method: each alone, each against."""
    assert (facts((0.0, state, more), before=before).t_utility_ns > 0) is healthy


def test_the_bus_and_the_meter() -> None:
    """Goal: live, lost and dead bus, load, balance at the grid. Method: 230 V, 100 V, 22 V; 20 kW of 1000 kW."""
    live = facts((0.0, "open", {"power_kw": 20.0}))
    assert (live.t_bus_ns, live.t_lost_ns, live.t_dead_ns, live.load_kw) == (since(0.0), 0, 0, 321.0)
    assert (live.grid_kw, live.t_balanced_ns, live.utility_dead) == (20.0, since(0.0), False)
    sunk = facts((0.0, "open", {"track": {"voltage_v": 100.0}, "power_kw": 20.1}))
    assert (sunk.t_bus_ns, sunk.t_lost_ns, sunk.t_dead_ns, sunk.t_balanced_ns) == (0, since(0.0), 0, 0)
    dead = facts((0.0, "open", {"track": {"voltage_v": 22.9}, "voltage_v": 22.9}))
    assert (dead.t_dead_ns, dead.utility_dead) == (since(0.0), True)
    assert facts((0.0, "open", {"track": {"voltage_v": 23.0}, "voltage_v": 23.0})).t_dead_ns == 0
    kept = facts((1.0, "open", {}), before=live)
    assert kept.t_bus_ns == since(0.0)


def codes(state: ModeState, before: Hall, seconds: float, *devices: Any, steps: int = 1) -> set[str]:
    """Codes of the hall's rows after `steps` equal cycles of 0.1 s, the last at `seconds`."""
    found = Conditions()
    for k in range(steps):
        now_s = seconds - 0.1 * (steps - 1 - k)
        telemetry = seen(now_s, *devices)
        found = conditions.read(HALL_TERMS, found, state, telemetry, Asked(), at(now_s), before)
    return {c.code for c in found.active}


STILL = ModeState(mode=Mode.ISLANDED, t_since_ns=LONG)
ON_SET = ModeState(mode=Mode.GENSET, t_since_ns=LONG)
AIMS = replace(ISLAND, aim="grid", t_aim_ns=since(-60.0), t_closed_ns=since(-1.0))
OPENS = replace(HEALTHY, aim="open", t_aim_ns=since(-1.0))
HALL_EDGES: list[Any] = [
    ("F15", STILL, ISLAND, 0.0, (switch("between", 0.0),), 21, True),
    ("F15", STILL, ISLAND, 0.0, (switch("between", 0.0),), 20, False),
    ("F15", STILL, ISLAND, 0.0, (switch("open", 0.0),), 21, False),
    ("F15", STILL, ISLAND, 0.0, (switch("between", 0.0, 0.5),), 21, True),
    ("F15", STILL, ISLAND, 0.0, (switch("between", 0.0, 0.501),), 21, False),
    ("F32", STILL, replace(ISLAND, load_kw=900.1), 0.0, (), 3, True),
    ("F32", STILL, replace(ISLAND, load_kw=900.0), 0.0, (), 3, False),
    ("F32", ON_SET, replace(ISLAND, load_kw=999.0), 0.0, (), 3, False),
    ("F50", STILL, replace(ISLAND, t_chatter_ns=5), 0.0, (), 1, True),
    ("F50", STILL, replace(ISLAND, t_chatter_ns=-5), 0.0, (), 1, True),
    ("F50", STILL, ISLAND, 0.0, (), 1, False),
    ("F53", STILL, AIMS, -0.68, (switch("open", -0.68),), 1, False),
    ("F53", STILL, AIMS, -0.67, (switch("open", -0.67),), 1, True),
    ("F53", STILL, AIMS, -0.201, (switch("open", -0.201, 0.799),), 1, False),
    ("F53", STILL, AIMS, -0.199, (switch("open", -0.199, 0.801),), 1, True),
    ("F53", STILL, AIMS, 9.0, (switch("source-1", 9.0),), 1, False),
    ("F53", STILL, AIMS, 9.0, (), 1, False),
    ("F53", STILL, replace(AIMS, t_closed_ns=since(-61.0)), 9.0, (switch("open", 9.0),), 1, False),
    ("F53", STILL, replace(AIMS, position="grid"), 9.0, (switch("open", 9.0),), 1, False),
    ("F53", STILL, replace(AIMS, aim=""), 9.0, (switch("between", 9.0),), 1, False),
    ("F53", STILL, OPENS, -0.68, (switch("source-1", -0.68),), 1, False),
    ("F53", STILL, OPENS, -0.67, (switch("source-1", -0.67),), 1, True),
    ("F55", STILL, replace(ISLAND, sets=LOCKED), 0.0, (standing(),), 1, True),
    ("F55", STILL, replace(ISLAND, sets=READY_SET), 0.0, (running(),), 1, False),
    ("F57", ON_SET, replace(ISLAND, sets={"genset-1": SetRun(t_low_ns=since(-900.0))}), 0.0, (), 1, False),
    ("F57", ON_SET, replace(ISLAND, sets={"genset-1": SetRun(t_low_ns=since(-900.0))}), 0.1, (), 1, True),
    ("F58", ON_SET, ISLAND, 0.0, (running(power_kw=-40.1),), 31, True),
    ("F58", ON_SET, ISLAND, 0.0, (running(power_kw=-40.1),), 30, False),
    ("F58", ON_SET, ISLAND, 0.0, (running(power_kw=-40.0),), 31, False),
    ("F58", STILL, ISLAND, 0.0, (running(power_kw=-400.0),), 31, False),
    ("F59", STILL, ISLAND, 0.0, (standing(fuel_pct=24.9),), 1, True),
    ("F59", STILL, ISLAND, 0.0, (standing(fuel_pct=25.0),), 1, False),
]


@pytest.mark.parametrize(("code", "state", "before", "seconds", "devices", "steps", "told"), HALL_EDGES)
def test_rows_of_the_hall(
    code: str, state: ModeState, before: Hall, seconds: float, devices: Any, steps: int, told: bool
) -> None:
    """Goal: F15, F32, F50, F53, F55, F57, F58, F59 at their edges; none stops the site. Method: the table."""
    assert (code in codes(state, before, seconds, *devices, steps=steps)) is told
    assert {row.code for row in hall_rows.ROWS} == {edge[0] for edge in HALL_EDGES}
    assert all(row.effect == Effect.NOTE for row in hall_rows.ROWS)


def test_a_lost_grid_is_forgotten_in_an_island() -> None:
    """Goal: F48 speaks on the grid alone. Method: a dead bus for a second in both modes."""
    dark = {"voltage_v": 0.0, "frequency_hz": 0.0}
    for mode, told in ((Mode.GRID_TIED, True), (Mode.ISLANDED, False)):
        found, state = Conditions(grid_seen=True), ModeState(mode=mode, t_since_ns=LONG)
        for k in range(10):
            telemetry = seen(0.1 * k, track=dark)
            found = conditions.read(HALL_TERMS, found, state, telemetry, Asked(), at(0.1 * k), ISLAND)
        assert ("F48" in {c.code for c in found.active}) is told


def test_the_whole_step_without_and_with_a_fallback() -> None:
    """Goal: one pure step: same input, same output, inputs untouched. Method: a healthy cycle of both sites, twice."""
    for terms in (TERMS, HALL_TERMS):
        state, inputs = State(), Inputs(seen(0.0, switch("source-1", 0.0), standing()))
        first, out = step(terms, state, inputs, at(0.0))
        assert repr(step(terms, state, inputs, at(0.0))) == repr((first, out))  # nan equals nan only in words
        assert repr(state) == repr(State())
        assert (first.mode.mode, out.limits.permit, dict(out.orders)) == (Mode.INIT, 0, {})


def test_a_switch_at_its_exact_age_and_what_is_forgotten_after_it() -> None:
    """Goal: nothing of a stale switch is remembered, everything of a fresh one. Method: the whole memory at both sides;
    readings counted; a switch without permissive words has none."""
    known = facts((0.0, "source-1", {}), (0.1, "source-1", {"sync_word": 1.0, "dead_word": 1.0}))
    assert (known.agreeing, known.sync, known.dead) == (2, True, True)
    held = {"t_utility_ns", "t_bus_ns"}
    stale = facts((9.0, "source-1", {"age_s": 0.501, "sync_word": 1.0, "dead_word": 1.0}), before=known)
    gone = {"position": "", "t_position_ns": 0, "told": "", "agreeing": 0, "sync": False, "dead": False}
    assert {k: v for k, v in vars_of(stale).items() if k not in held and vars_of(known)[k] != v} == gone
    moving = facts((0.2, "moving", {}), before=known)
    assert (moving.position, moving.t_position_ns, moving.agreeing) == ("", 0, 1)
    wordless = replace(switch("open", 0.0), values={})
    bare = hall.read(HALL_TERMS, Hall(), READY, seen(0.0, wordless), at(0.0))
    assert (bare.sync, bare.dead) == (False, False)


def vars_of(found: Hall) -> dict[str, Any]:
    """The fields that compare: nan is left out."""
    values = {name: getattr(found, name) for name in Hall.__dataclass_fields__}
    return {name: value for name, value in values.items() if value == value}


@pytest.mark.parametrize(
    ("age_s", "meter_s", "healthy"), [(0.5, METER.stale_s, True), (0.501, 0.6, False), (0.5, 0.601, False)]
)
def test_witnesses_at_their_exact_age(age_s: float, meter_s: float, healthy: bool) -> None:
    """Goal: a witness counts until its age and not after. Method: switch and meter, each at its edge."""
    base = seen(0.0, switch("open", 0.0, age_s))
    meter = replace(base.devices["meter-1"], age_s=meter_s)
    told = replace(base, devices={**base.devices, "meter-1": meter})
    assert (hall.read(HALL_TERMS, Hall(), READY, told, at(0.0)).t_utility_ns > 0) is healthy


def test_a_tenth_of_the_voltage_is_not_dead() -> None:
    """Goal: T11's 10 % at its edge on the grid's side. Method: 23.0 and 22.9 V."""
    assert not facts((0.0, "open", {"voltage_v": 23.0})).utility_dead
    assert facts((0.0, "open", {"voltage_v": 22.9})).utility_dead

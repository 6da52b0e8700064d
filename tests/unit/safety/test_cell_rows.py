"""Cells that heat up by themselves (F38) and cells that stand apart (F40): every limit at its edge."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from controller.image import Mode
from controller.safety import conditions
from controller.state import Effect, ModeState
from tests.unit.safety.sites import BMS, TERMS, Story, telemetry
from tests.unit.safety.test_envelope import RUNNING, limits
from tests.unit.safety.test_modes import fault, with_faults


def told(story: Story, seconds: float, cell_c: float, **bms: Any) -> bool:
    """Whether F38 is active after a reading of the hottest cell."""
    return "F38" in story.feed(seconds, bms={"values": {"cell_c_max": cell_c}, **bms})


@pytest.mark.parametrize(
    ("first_s", "hot_c", "expected"),
    [(0.0, 34.0, False), (0.0, 34.125, True), (-0.001, 34.125, False)],
)
def test_more_than_3_k_within_3_min_for_two_readings(first_s: float, hot_c: float, expected: bool) -> None:
    """Goal: F38 beyond 1 K/min alone, and not for one wild reading. Method: rise, window and hold at their edges."""
    story = Story()
    assert not told(story, first_s, 31.0)
    assert not told(story, 178.6, hot_c) and not told(story, 180.0, hot_c)
    assert told(story, 180.1, hot_c) == expected


def test_it_waits_for_a_person_and_ends_an_island() -> None:
    """Goal: class C, SAFE_STOP of an island too (safety.md 2.3: temperature). Method: cold again for an hour."""
    story = Story(ModeState(Mode.ISLANDED, t_since_ns=1))
    assert [told(story, s, 31.0 + s) for s in (0.0, 15.0, 16.5)] == [False, False, True]
    found = story.conditions.active[0]
    assert (found.grade, found.effect, found.level, found.name) == ("C", Effect.TRIP, 3, "cell-heating")
    assert told(story, 3600.0, 20.0) and told(story, 7200.0, 20.0)


@pytest.mark.parametrize(("hot_c", "expected"), [(30.0, False), (30.125, True)])
def test_a_rack_that_is_heated_is_no_runaway(hot_c: float, expected: bool) -> None:
    """Goal: from -20 degC to 30 degC a heater may do as it likes; above, nothing may. Method: both sides of 30."""
    story = Story()
    for k in range(20):
        assert not told(story, 10.0 * k, -20.0 + 2.5 * k)
    assert not told(story, 200.0, hot_c)
    assert told(story, 201.5, hot_c) == expected


@pytest.mark.parametrize("wild_c", [25.0, 31.0])
def test_one_low_reading_makes_no_rise(wild_c: float) -> None:
    """Goal: of a slot of 10 s the warmest counts. Method: a wild reading before and behind a true one."""
    story = Story()
    for s, cell_c in ((0.0, wild_c), (5.0, 56.0 - wild_c), (9.9, wild_c)):
        assert not told(story, s, cell_c)
    assert not told(story, 20.0, 33.9) and not told(story, 25.0, 33.9)
    assert not told(story, 30.0, 34.125) and told(story, 31.5, 34.125)


def test_a_slot_is_ten_seconds() -> None:
    """Goal: a slot speaks by its first warmest reading. Method: a cool one at its end and behind it; one as warm."""
    for cool_s, expected in ((9.9, False), (10.0, True)):
        story = Story()
        assert not told(story, 0.0, 34.0) and not told(story, cool_s, 31.0)
        assert not told(story, 20.0, 34.125)
        assert told(story, 21.5, 34.125) == expected
    story = Story()
    assert not told(story, 0.0, 31.0) and not told(story, 9.9, 31.0)
    assert not told(story, 180.1, 34.125) and not told(story, 181.6, 34.125)


@pytest.mark.parametrize(
    "gap", [{"age_s": 0.601}, {"values": {"cell_c_max": nan}}, {"values": {"cell_c_max": 90.5}}]
)
def test_nothing_is_compared_over_a_gap(gap: dict[str, Any]) -> None:
    """Goal: a BMS that comes back, or another one, is seen as for the first time. Method: stale, no number, no
    temperature that a sensor can have; then much warmer; then warmer still."""
    story = Story()
    assert not told(story, 0.0, 31.0)
    story.feed(60.0, bms=gap)
    assert not told(story, 61.0, 40.0) and not told(story, 65.0, 40.0)
    assert not told(story, 71.0, 43.125) and told(story, 72.5, 43.125)


def test_as_old_as_it_may_be_is_no_gap() -> None:
    """Goal: the age of IL-04 and no other. Method: a rack at that age."""
    story = Story()
    assert not told(story, 0.0, 31.0) and not told(story, 60.0, 31.0, age_s=0.6)
    assert not told(story, 61.0, 34.125) and told(story, 62.5, 34.125)


def test_a_rack_that_is_not_there() -> None:
    """Goal: no device, no word. Method: telemetry without it, before and behind a reading."""
    story = Story()
    seen = telemetry(0.0)
    seen = replace(seen, devices={name: it for name, it in seen.devices.items() if name != "bms-1"})
    found = conditions.read(TERMS, story.conditions, story.state, seen, story.asked, seen.now)
    assert found.heats == {} and not {"F38", "F40"} & {c.code for c in found.active}


@pytest.mark.parametrize("step_c", [0.1, 1.0])
@pytest.mark.parametrize(("k_per_min", "expected"), [(0.4, False), (0.95, False), (1.1, True), (10.0, True)])
def test_a_slope_as_a_bms_rounds_it(step_c: float, k_per_min: float, expected: bool) -> None:
    """Goal: ordinary heating by a 1C charge and all below 1 K/min is let be, more is seen, whatever the BMS's step;
    memory does not grow. Method: half an hour above 30 degC, read each second."""
    story, seen_s = Story(), 0.0
    for s in range(1800):
        cell_c = round(round((30.3 + k_per_min * s / 60.0) / step_c) * step_c, 1)
        if cell_c > 90.0:
            break
        if told(story, float(s), cell_c):
            seen_s = seen_s or float(s)
        assert len(story.conditions.heats["bms-1"]) <= 20
    assert bool(seen_s) == expected
    assert seen_s <= (240.0 if k_per_min < 2.0 else 60.0)


def apart(story: Story, seconds: float, high_v: float, low_v: float, **bms: Any) -> bool:
    """Whether F40 is active after a reading of both cells."""
    return "F40" in story.feed(seconds, bms={"values": {"cell_v_max": high_v, "cell_v_min": low_v}, **bms})


@pytest.mark.parametrize(("high_v", "expected"), [(3.3, False), (3.3125, True)])
def test_cells_apart_for_10_s(high_v: float, expected: bool) -> None:
    """Goal: F40: half power beyond 0.3 V, within 10 s, and told as D1. Method: spread and hold at their edges."""
    story = Story()
    assert not apart(story, 0.0, high_v, 3.0) and not apart(story, 9.7, high_v, 3.0)
    assert apart(story, 9.8, high_v, 3.0) == expected
    if expected:
        found = story.conditions.active[0]
        assert (found.grade, found.effect, found.level, found.share_pu) == ("A", Effect.NOTE, 1, 0.5)


def test_cells_together_again() -> None:
    """Goal: half power does not end what half power cured: back at 0.2 V. Method: both sides, the hold behind."""
    story = Story()
    apart(story, 0.0, 3.5, 3.0)
    assert apart(story, 9.8, 3.5, 3.0)
    assert apart(story, 20.0, 3.25, 3.0) and apart(story, 90.0, 3.25, 3.0)
    assert apart(story, 100.0, 3.1875, 3.0) and not apart(story, 130.0, 3.1875, 3.0)


@pytest.mark.parametrize("bms", [{"age_s": 0.601}, {"values": {"cell_v_min": nan, "cell_v_max": 3.5}}])
def test_a_spread_that_is_not_known(bms: dict[str, Any]) -> None:
    """Goal: no word about a rack that is stale or tells one cell alone. Method: both."""
    story = Story(terms=replace(TERMS, parts=(*TERMS.pcs, BMS)))
    whole = {"values": {"cell_v_min": 3.0, "cell_v_max": 3.5}, **bms}
    assert not any("F40" in story.feed(s, bms=dict(whole)) for s in (0.0, 9.8, 20.0))


@pytest.mark.parametrize(("level", "share_pu", "left_pu"), [(0, 0.25, 0.25), (1, 0.75, 0.75), (2, 0.75, 0.5)])
def test_what_a_condition_leaves_of_the_limits(level: int, share_pu: float, left_pu: float) -> None:
    """Goal: the tighter of level and share, both ways, while it is active. Method: a note of each; one not active."""
    note = replace(fault("A", Effect.NOTE), level=level, share_pu=share_pu)
    found = limits(with_faults(note, base=RUNNING))
    assert (found.discharge_kw_max, found.charge_kw_max) == ((1000.0 * left_pu,), (800.0 * left_pu,))
    found = limits(with_faults(replace(note, active=False), base=RUNNING))
    assert (found.discharge_kw_max, found.charge_kw_max) == ((1000.0,), (800.0,))

"""The fault table: every row at its exact edge, its hold time, its return, and the facts beside it."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from controller.image import Backstop, Mode
from controller.safety import conditions
from controller.safety.orders import heaters
from controller.safety.table import ROWS
from controller.state import Asked, Conditions, Effect, ModeState
from tests.unit.safety.sites import BMS, START_S, TERMS, Story, at, telemetry

GRID_TIED = ModeState(mode=Mode.GRID_TIED, t_since_ns=at(0).t_ns)
STOPPED = ModeState(mode=Mode.SAFE_STOP, t_since_ns=at(-10).t_ns)
RUNNING = {"pcs": {"state": "running"}}


def edge(code: str, good: dict[str, Any], bad: dict[str, Any], state: ModeState = GRID_TIED) -> Any:
    """One row: the last good and the first bad value, everything else healthy."""
    return pytest.param(code, good, bad, state, id=f"{code}-{next(iter(bad))}-{next(iter(bad.values()))}")


IN_BUS_ROWS = {"F21", "F80", "F84", "F85"}  # of test_bus_rows

EDGES = [
    edge("F01", {"track": {"quality": 32}}, {"track": {"quality": 64}}),
    edge("F01", {"track": {"grid_quality": 1 | 64}}, {"track": {"grid_quality": 64}}),
    edge("F02", {"track": {"quality": 64}}, {"track": {"quality": 128}}),
    edge(
        "F02",
        {"track": {"grid_quality": 0, "grid_200ms_kw": -300.0}},
        {"track": {"grid_quality": 0, "grid_200ms_kw": -300.1}},
    ),
    edge(
        "F02",
        {"track": {"grid_quality": 0, "grid_200ms_kw": -900.0}, "meter": {"values": {"power_kw": 300.0}}},
        {"track": {"grid_quality": 0, "grid_200ms_kw": -900.0}, "meter": {"values": {"power_kw": 300.1}}},
    ),
    edge("F03", {"track": {"quality": 128}}, {"track": {"quality": 256}}),
    edge("F04", {"track": {"quality": 4}}, {"track": {"quality": 8}}),
    edge("F05", {"track": {"quality": 8}}, {"track": {"quality": 4}}),
    edge("F07", {"track": {"quality": 8}}, {"track": {"quality": 16}}),
    edge(
        "F09",
        {"pcs": {"values": {"dc_v": 800.0}}, "track": {"dc_v": 816.0, "dc_quality": 0}},
        {"pcs": {"values": {"dc_v": 800.0}}, "track": {"dc_v": 783.9, "dc_quality": 0}},
    ),
    edge(
        "F10",
        {"bms": {"values": {"charge_v_max": 800.0}}, "track": {"dc_v": 816.0, "dc_quality": 0}},
        {"bms": {"values": {"charge_v_max": 800.0}}, "track": {"dc_v": 816.1, "dc_quality": 0}},
    ),
    edge("F10", {"frame": {"charge_cuts": 0}}, {"frame": {"charge_cuts": 1}}),
    edge("F63", {"frame": {"discharge_cuts": 0}}, {"frame": {"discharge_cuts": 1}}),
    edge("F06", {"frame": {"sample_age_s": 0.010}}, {"frame": {"sample_age_s": 0.0101}}),
    edge("F12", {"meter": {"age_s": 0.6}}, {"meter": {"age_s": 0.601}}),
    edge("F12", {"meter": {"age_s": 60.0}}, {"meter": {"age_s": 60.1}}),
    edge("F16", {"pcs": {"silent_s": 0.35}}, {"pcs": {"silent_s": 0.351}}),
    edge("F16", {"pcs": {"silent_s": 0.5}}, {"pcs": {"silent_s": 0.501}}, STOPPED),
    edge("F16", {"pcs": {"age_s": 0.5}}, {"pcs": {"age_s": 0.501}}),
    edge("F22", {"pcs": {"values": {"pcs_kw": -50.0}}}, {"pcs": {"values": {"pcs_kw": -50.1}}}, STOPPED),
    edge("F24", {"pcs": {"armed": True}}, {"pcs": {"armed": False}}),
    edge("F24", {"pcs": {"armed": False, "age_s": 0.501}}, {"pcs": {"armed": False, "age_s": 0.5}}),
    edge("F26", {"pcs": {"state": "running"}}, {"pcs": {"state": "fault"}}),
    edge("F28", {"pcs": {"identity": ""}}, {"pcs": {"identity": "8"}}),
    edge("F31", {"frame": {"drifts": (("pcs-1", 1.0),)}}, {"frame": {"drifts": (("pcs-1", 1.01),)}}),
    edge("F33", {"bms": {"age_s": 0.6}}, {"bms": {"age_s": 0.601}}),
    edge("F33", {"bms": {"age_s": 2.0}}, {"bms": {"age_s": 2.001}}),
    edge("F36", {"bms": {"values": {"cell_c_min": 0.0}}}, {"bms": {"values": {"cell_c_min": -0.1}}}),
    edge("F37", {"bms": {"values": {"cell_c_max": 55.0}}}, {"bms": {"values": {"cell_c_max": 55.1}}}),
    edge("F48", {"track": {"voltage_v": 184.0}}, {"track": {"voltage_v": 183.9}}),
    edge("F48", {"track": {"voltage_v": 264.5}}, {"track": {"voltage_v": 264.6}}),
    edge("F48", {"track": {"frequency_hz": 47.5}}, {"track": {"frequency_hz": 47.4}}),
    edge("F48", {"track": {"frequency_hz": 51.5}}, {"track": {"frequency_hz": 51.6}}),
    edge("F64", {"frame": {"backstop": Backstop(0)}}, {"frame": {"backstop": Backstop(1)}}),
    edge("F67", {"frame": {"t_ns": at(9.9).t_ns}}, {"frame": {"t_ns": at(9.9).t_ns - 1_000_000}}),
    edge("F67", {"frame": {"holes": 1, "lease_lapses": 1}}, {"frame": {"trips": 1, "lease_lapses": 1}}),
    edge("F68", {"frame": {"lease_lapses": 0}}, {"frame": {"lease_lapses": 1}}),
    edge("F68", {"frame": {"holes": 1, "lease_lapses": 1}}, {"frame": {"holes": 1, "lease_lapses": 2}}),
    edge("F79", {"frame": {"ports_lost": ()}}, {"frame": {"ports_lost": ("rs485-1",)}}),
]


@pytest.mark.parametrize(("code", "good", "bad", "state"), EDGES)
def test_exact_edge(code: str, good: dict[str, Any], bad: dict[str, Any], state: ModeState) -> None:
    """Goal: a row trips just beyond its limit and not on it.
    Method: a healthy cycle, then the same value until the hold time of the row is over."""
    hold_s = max(row.hold_s for row in ROWS if row.code == code)
    for changes, expected in ((good, False), (bad, True)):
        story = Story(state)
        whole = dict(RUNNING) if state is GRID_TIED else {}
        story.feed(9.9, **whole)
        merged = {
            **whole,
            **{kind: {**whole.get(kind, {}), **dict(change)} for kind, change in changes.items()},
        }
        active = {c.code for c in _hold(story, merged, hold_s)}
        assert (code in active) is (expected or _shadowed(code, good)), (changes, active)


def test_a_stuck_converter_is_found_while_the_stop_still_ramps() -> None:
    """Goal: F22 counts from the stop in every mode. Method: GRID_TIED with a stop 4.8 and 4.9 s ago."""
    story = Story(replace(GRID_TIED, t_stopping_ns=at(5.0).t_ns))
    for seconds, found in ((9.8, False), (9.9, True)):
        pcs = {"state": "running", "values": {"pcs_kw": 100.0}}
        assert ("F22" in story.feed(seconds, pcs=pcs)) is found


def _hold(story: Story, changes: dict[str, Any], hold_s: float) -> tuple[Any, ...]:
    """The value at 10 s and, for rows with a hold time, unchanged until it is over."""
    for step in range(round(hold_s / 0.1) + 1):
        copied = {kind: dict(change) for kind, change in changes.items()}
        if "frame" in copied and "t_ns" in copied["frame"]:
            copied["frame"]["t_ns"] += round(step * 1e8)
        story.feed(10.0 + 0.1 * step, **copied)
    return story.conditions.active


def _shadowed(code: str, good: dict[str, Any]) -> bool:
    """The second rows of F12 and F33 lie beyond the first, whose own edge is tested beside."""
    ages = [change["age_s"] for change in good.values() if "age_s" in change]
    return code in ("F12", "F33") and bool(ages) and ages[0] > 1.0


def test_effects_of_the_two_stage_rows() -> None:
    """Goal: a lost meter and a lost BMS first freeze, later stop. Method: effects at the second edge."""
    for kind, first, age_s in (("meter", Effect.EXPORT_WORST, 60.0), ("bms", Effect.FREEZE, 2.0)):
        story = Story(GRID_TIED)
        story.feed(0.0, **RUNNING)
        story.feed(0.1, **RUNNING, **{kind: {"age_s": age_s}})
        assert story.conditions.has(first)
        assert not story.conditions.stops
        story.feed(0.2, **RUNNING, **{kind: {"age_s": age_s + 0.01}})
        assert story.conditions.stops


def test_every_row_has_an_edge() -> None:
    """Goal: no row without its edge test.
    Method: codes of the table against codes of EDGES and their own tests."""
    tested = (
        {param.values[0] for param in EDGES}
        | {"F11", "F20", "F66", "F14", "F41", "F27", "F71", "F75"}
        | IN_BUS_ROWS
    )
    assert {row.code for row in ROWS} == tested


def test_nothing_is_wrong_with_a_healthy_site() -> None:
    """Goal: no false alarm. Method: 100 healthy cycles in GRID_TIED."""
    story = Story(GRID_TIED)
    assert all(story.feed(0.1 * k, **RUNNING) == set() for k in range(100))


def test_a_device_that_never_answered_is_waited_for() -> None:
    """Goal: INIT waits instead of stopping. Method: age and silence infinite, no sample, grid never seen."""
    story = Story()
    mute = {"age_s": inf, "silent_s": inf, "values": {}, "state": "unknown", "armed": False, "identity": ""}
    for k in range(20):
        absent = {kind: dict(mute) for kind in ("pcs", "bms", "meter")}
        dark = {"frequency_hz": 0.0, "voltage_v": 0.0}
        active = story.feed(0.1 * k, frame={"sample_age_s": inf}, track=dark, **absent)
        assert active == set()
    assert story.conditions.unanswered == ("pcs-1", "bms-1", "meter-1")
    assert story.conditions.t_fresh_ns == 0


def test_three_replies_make_a_device_present() -> None:
    """Goal: T01's three polls.
    Method: the same reply seen twice counts once; ages 10 ms after 0, 0.1, 0.2 s."""
    story = Story()
    story.feed(0.0)
    story.feed(0.05, pcs={"age_s": 0.06}, bms={"age_s": 0.06}, meter={"age_s": 0.06})
    assert story.conditions.answers["pcs-1"].count == 1
    story.feed(0.1)
    assert story.conditions.unanswered
    story.feed(0.2)
    assert story.conditions.unanswered == ()


def test_a_cause_must_be_gone_for_the_hold_time() -> None:
    """Goal: reset class A and B.
    Method: silent once, then back; active for 30 s from the first good cycle."""
    story = Story(GRID_TIED)
    story.feed(0.0, **RUNNING)
    assert story.feed(1.0, pcs={"state": "running", "silent_s": 0.4}) == {"F16"}
    assert story.feed(2.0, **RUNNING) == {"F16"}
    assert story.feed(31.9, **RUNNING) == {"F16"}
    assert story.feed(32.0, **RUNNING) == set()


def test_a_cause_that_comes_back_starts_the_hold_anew() -> None:
    """Goal: no return between two faults. Method: gone at 2 s, back at 20 s, gone at 21 s: clear at 51 s."""
    story = Story(GRID_TIED)
    for seconds, silent_s in ((0.0, 0.0), (1.0, 0.4), (2.0, 0.0), (20.0, 0.4), (21.0, 0.0), (50.9, 0.0)):
        active = story.feed(seconds, pcs={"state": "running", "silent_s": silent_s})
    assert active == {"F16"}
    assert story.feed(51.0, **RUNNING) == set()


def test_class_c_stays() -> None:
    """Goal: a refused identity waits for a person. Method: right again for an hour, still active."""
    story = Story()
    story.feed(0.0, pcs={"identity": "8"})
    assert story.feed(3600.0) == {"F28"}


def test_hysteresis_of_a_cold_cell() -> None:
    """Goal: charging returns after 10 min at +2 degC, not at 0. Method: -1, +1.9 for a minute, +2 for 10 min."""
    story = Story()
    assert story.feed(0.0, bms={"values": {"cell_c_min": -1.0}}) == {"F36"}
    assert story.feed(60.0, bms={"values": {"cell_c_min": 1.9}}) == {"F36"}
    assert story.feed(61.0, bms={"values": {"cell_c_min": 2.0}}) == {"F36"}
    assert story.feed(660.9, bms={"values": {"cell_c_min": 2.0}}) == {"F36"}
    assert heaters(story.conditions) == ("bms-1",)
    assert story.feed(661.0, bms={"values": {"cell_c_min": 2.0}}) == set()
    assert heaters(story.conditions) == ()


def test_a_converter_that_does_not_start() -> None:
    """Goal: F20 ten seconds after the start order. Method: standby in GRID_TIED at 10.0 and 10.1 s."""
    story = Story(GRID_TIED)
    story.feed(0.0)
    assert story.feed(10.0) == set()
    assert story.feed(10.1) == {"F20"}


def test_a_converter_that_leaves_running_on_its_own() -> None:
    """Goal: F24, but not while a stop is asked for.
    Method: running, then standby, in GRID_TIED and stopping."""
    stopping = ModeState(mode=Mode.GRID_TIED, t_since_ns=at(0).t_ns, t_stopping_ns=at(0.5).t_ns)
    for state, expected in ((GRID_TIED, {"F24"}), (stopping, set())):
        story = Story(state)
        story.feed(1.0, **RUNNING)
        assert story.feed(1.1) == expected


def test_the_third_miss_of_the_frame_within_a_second() -> None:
    """Goal: F66 only notes.
    Method: 51 frames of 0.1 ms skipped in each of three cycles, and 50, which is none."""
    story = Story(GRID_TIED)
    story.feed(0.0, **RUNNING)
    for step, skipped in enumerate((51, 102, 152, 203), start=1):
        active = story.feed(0.1 * step, frame={"skipped": skipped}, **RUNNING)
        assert active == set()
    assert story.feed(0.5, frame={"skipped": 203}, **RUNNING) == {"F66"}
    assert not story.conditions.stops


@pytest.mark.parametrize(("tier", "stops"), [(1, False), (2, False), (3, True)])
def test_the_backstop_stops_only_what_lower_gain_does_not_end(tier: int, stops: bool) -> None:
    """Goal: F64 notes a reduced gain and a hold, and stops the site at the last tier. Method: each tier."""
    story = Story(GRID_TIED)
    story.feed(0.0, **RUNNING)
    assert story.feed(0.1, frame={"backstop": Backstop(tier)}, **RUNNING) == {"F64"}
    assert bool(story.conditions.stops) == stops


@pytest.mark.parametrize("side", ["charge", "discharge"])
def test_battery_limits_need_two_agreeing_replies_to_grow(side: str) -> None:
    """Goal: IL-12. Method: 1000 A at 800 V = 800 kW; one reply of 2000 A changes nothing, the second does;
    one reply of 100 A takes effect at once. Discharge loses 4 % to the converter's losses."""
    story, share = Story(), 0.96 if side == "discharge" else 1.0
    for seconds, amperes, expected_kw in (
        (0.0, 1000.0, 0.0),
        (0.2, 1000.0, 800.0),
        (0.4, 2000.0, 800.0),
        (0.6, 2000.0, 1600.0),
        (0.8, 100.0, 80.0),
    ):
        story.feed(seconds, bms={"values": {f"{side}_a_max": amperes}})
        found_kw = getattr(story.conditions.battery, f"{side}_kw_max")
        assert found_kw == pytest.approx(share * expected_kw)


@pytest.mark.parametrize("value", [nan, -5.0, inf])
def test_a_limit_that_is_no_number_is_zero(value: float) -> None:
    """Goal: BMS limit missing = 0. Method: two replies with nan, negative and infinite current."""
    story = Story()
    for seconds in (0.0, 0.2, 0.4):
        story.feed(seconds, bms={"values": {"discharge_a_max": value}})
    assert story.conditions.battery.discharge_kw_max == 0.0


def test_a_stale_rack_freezes_the_limits() -> None:
    """Goal: F33 freezes growth. Method: old age with larger numbers in the telemetry changes nothing."""
    story = Story()
    for seconds in (0.0, 0.2, 0.4):
        story.feed(seconds)
    before = story.conditions.battery
    story.feed(1.4, bms={"age_s": 0.7, "values": {"charge_a_max": 9000.0}})
    assert story.conditions.battery == before


def test_causes_can_be_read_by_a_person() -> None:
    """Goal: place, fault, allowed and cure in every event.
    Method: the text of F16 and that every row has a cure."""
    story = Story(GRID_TIED)
    story.feed(0.0, **RUNNING)
    story.feed(0.5, pcs={"state": "running", "silent_s": 0.42})
    assert story.conditions.active[0].cause == "pcs-1 has not answered for 0.42 s, allowed 0.35 s"
    assert all(row.cure and row.cause for row in ROWS)


def test_reading_is_pure() -> None:
    """Goal: same input, same output.
    Method: two stories, equal conditions; the first input is not changed."""
    one, two = Story(GRID_TIED), Story(GRID_TIED)
    for k in range(5):
        one.feed(0.1 * k, pcs={"silent_s": 0.1 * k})
        two.feed(0.1 * k, pcs={"silent_s": 0.1 * k})
    assert repr(one.conditions) == repr(two.conditions)  # what is not known yet is nan, and equals nothing
    assert telemetry(1.0).now.t_ns == round((START_S + 1.0) * 1e9)
    assert TERMS.discharge_kw_max == 1000.0


def test_the_weakest_rack_speaks_for_all() -> None:
    """Goal: no power from an empty rack, none into a full one. Method: 2 % and 0 A beside 88 % and 1000 A."""
    terms = replace(TERMS, parts=(*TERMS.parts, replace(BMS, name="bms-2")))
    seen = telemetry(0.0)
    empty = {"soc_pct": 2.0, "dc_v": 800.0, "charge_a_max": 1000.0, "discharge_a_max": 0.0}
    full = empty | {"soc_pct": 88.0, "charge_a_max": 500.0, "discharge_a_max": 1000.0}
    racks = {
        name: replace(seen.devices["bms-1"], name=name, values=values)
        for name, values in (("bms-1", empty), ("bms-2", full))
    }
    seen = replace(seen, devices={**seen.devices, **racks})
    read = conditions.read(terms, Conditions(), ModeState(), seen, Asked(), seen.now).battery
    assert (read.discharge_kw_read, read.charge_kw_read) == (0.0, 2 * 500.0 * 0.8)
    assert (read.soc_pct_low, read.soc_pct, read.soc_pct_high) == (2.0, 45.0, 88.0)


def test_a_map_that_is_not_the_profiles_stops_the_site_for_good() -> None:
    """Goal: F28. Method: a device turns strange for 0.9 s, which one forged frame may do, then for 1 s."""
    story = Story()
    strange = {"strange": True, "age_s": inf}
    story.feed(0.0)
    assert "F28" not in story.feed(1.0, bms=dict(strange))
    assert "F28" not in story.feed(1.9, bms=dict(strange))
    assert "F28" in story.feed(2.0, bms=dict(strange))
    assert "F28" in story.feed(60.0)


@pytest.mark.parametrize(("age_s", "told"), [(-0.010, False), (-0.011, True)])
def test_a_sample_from_the_future_is_no_sample(age_s: float, told: bool) -> None:
    """Goal: a producer on another clock cannot be fresh for ever. Method: ages around minus the limit."""
    story = Story()
    story.feed(0.0, frame={"sample_age_s": age_s})
    assert ("F06" in story.feed(1.0, frame={"sample_age_s": age_s})) is told

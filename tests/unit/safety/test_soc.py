"""The state of charge as an interval: counted, widened, anchored; and what the cells' table makes of it."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isnan, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.safety import soc
from controller.safety.cells import rates, readable
from controller.safety.envelope import shares
from controller.safety.soc import Reading, due, hull, track
from controller.safety.terms import CellRow, CellTable
from controller.state import Battery, SocBand
from tests.examples import few
from tests.unit.safety.sites import BMS, PCS, TERMS, Story, at
from tests.unit.safety.test_envelope import battery

SITE = replace(TERMS, capacity_kwh=1000.0, soc_error_pct=5.0, full_cell_v=3.42, empty_cell_v=2.95)


def told(soc_pct: float = 50.0, **changes: Any) -> Reading:
    """A reading of one rack at rest in the middle."""
    return replace(Reading(soc_pct, soc_pct, 0.0, 3.29, 3.30), **changes)


def begun(soc_pct: float = 50.0, **changes: Any) -> SocBand:
    """The interval after its first reading at 0 s."""
    return track(SocBand(), SITE, told(soc_pct, **changes), at(0.0))


def test_it_begins_as_wide_as_the_bms_may_be_wrong() -> None:
    """Goal: 50 +- 5 %, inside 0 to 100, nothing before the first number. Method: 50, 98, nan, 250 %."""
    assert (begun().low_pct, begun().high_pct) == (45.0, 55.0)
    assert (begun(98.0).low_pct, begun(98.0).high_pct) == (93.0, 100.0)
    for nonsense in (nan, 101.5, -1.5, inf):
        assert isnan(begun(nonsense).low_pct)
    assert begun(100.5).high_pct == 100.0
    assert hull(SocBand(), told()) == hull(begun(), told(nan)) == pytest.approx((nan, nan), nan_ok=True)


def test_it_counts_energy_and_widens_with_use() -> None:
    """Goal: 1000 kWh, 360 kW out for 10 s: 1 kWh = 0.1 % down, 0.5 % * 0.1 / 200 wider; a charge moves up.
    Method: by hand."""
    before = replace(begun(), dc_kw=360.0)
    after = track(before, SITE, told(dc_kw=360.0), at(10.0))
    grown = 0.5 * 0.1 / 200.0 + 0.2 * 10.0 / 86_400.0
    assert after.low_pct == pytest.approx(45.0 - 0.1 - grown / 2)
    assert after.high_pct == pytest.approx(55.0 - 0.1 + grown / 2)
    after = track(replace(before, dc_kw=-720.0), SITE, told(dc_kw=0.0), at(10.0))
    assert after.low_pct == pytest.approx(45.0 + 0.1 - grown / 2)


@pytest.mark.parametrize(
    ("past_s", "dc_kw", "bridged"), [(10.0, 0.0, False), (10.1, 0.0, True), (1.0, nan, True)]
)
def test_a_hole_in_the_count_is_bridged_by_the_most_that_could_flow(
    past_s: float, dc_kw: float, bridged: bool
) -> None:
    """Goal: never narrower than the truth. Method: 1000 kW out, 800 kW in; 10 s, more, and a power not told."""
    after = track(begun(), SITE, told(dc_kw=dc_kw), at(past_s))
    down, up = (1000.0 * past_s / 36_000.0, 800.0 * past_s / 36_000.0) if bridged else (0.0, 0.0)
    assert after.low_pct == pytest.approx(45.0 - down, abs=1e-4)
    assert after.high_pct == pytest.approx(55.0 + up, abs=1e-4)


@pytest.mark.parametrize(
    ("past_s", "frame_s", "bms_kw", "mean_kw"),
    [
        (10.0, 10.0, 0.0, 360.0),
        (10.0, 9.0, 0.0, 360.0),  # a tenth is missed: the rest speaks for it
        (10.0, 8.99, 90.0, 90.0),  # more: the BMS's two readings
        (10.0, 11.0, 0.0, 360.0),
        (10.0, 11.01, 90.0, 90.0),
        (10.0, 0.0, 90.0, 90.0),  # no DC bus
        (10.0, -5.0, 90.0, 90.0),  # the frame has begun anew
        (10.0, nan, 90.0, 90.0),
        (0.0, 0.0, 90.0, 90.0),  # the same instant
        (3600.0, 3600.0, nan, 360.0),  # the BMS was silent for an hour, the frame has seen all of it
    ],
)
def test_the_frame_counts_better_than_two_readings(
    past_s: float, frame_s: float, bms_kw: float, mean_kw: float
) -> None:
    """Goal: its energy goes first, while it has seen nearly all of the time. Method: 360 kW by the frame beside
    another power by the BMS; both edges of a tenth; then once more, from where this reading has left the count."""
    before = replace(begun(), dc_kw=bms_kw, frame_kwh=50.0, frame_s=100.0)
    seen = told(dc_kw=bms_kw, frame_kwh=50.0 + 0.1 * frame_s, frame_s=100.0 + frame_s)
    after = track(before, SITE, seen, at(past_s))
    moved = 100.0 * mean_kw * past_s / 3.6e6
    grown = 0.5 * moved / 200.0 + 0.2 * past_s / 86_400.0
    assert after.low_pct == pytest.approx(45.0 - moved - grown / 2)
    assert after.high_pct == pytest.approx(55.0 - moved + grown / 2)
    assert (after.frame_kwh, after.frame_s) == pytest.approx((seen.frame_kwh, seen.frame_s), nan_ok=True)


@pytest.mark.parametrize("counts", [True, False])
def test_a_load_in_step_with_the_bms_does_not_fool_the_count(counts: bool) -> None:
    """Goal: the truth stays inside while the load repeats in step with the readings. Method: 1100 kW out for 0.9 s and
    900 kW in for 1.1 s, read every 0.5 s: two readings of four see either power and count 100 kW, 6 % in 0.6 h, where
    nothing is gone; with the frame's count, and without it, where the truth is lost."""
    band = begun(50.0)
    for k in range(1, 4321):
        t, phase_s = 0.5 * k, 0.5 * k % 2.0
        kw = 1100.0 if phase_s < 0.9 else -900.0
        kwh = (1100.0 * min(phase_s, 0.9) - 900.0 * max(phase_s - 0.9, 0.0)) / 3600.0
        band = track(band, SITE, told(dc_kw=kw, frame_kwh=kwh, frame_s=t if counts else 0.0), at(t))
    assert (band.low_pct <= 50.0 <= band.high_pct) is counts


@pytest.mark.parametrize(
    ("seen", "held_s", "expected"),
    [
        (told(95.0, cell_v_high=3.42, dc_kw=-50.0), 60.0, (98.0, 100.0)),
        (told(95.0, cell_v_high=3.42, dc_kw=-50.0), 59.9, None),
        (told(95.0, cell_v_high=3.42, dc_kw=-50.1), 60.0, None),
        (told(95.0, cell_v_high=3.419), 60.0, None),
        (told(5.0, cell_v_low=2.95, dc_kw=50.0), 60.0, (0.0, 2.0)),
        (told(5.0, cell_v_low=2.951, dc_kw=50.0), 60.0, None),
        (told(5.0, cell_v_low=nan, cell_v_high=nan), 60.0, None),
    ],
)
def test_anchors(seen: Reading, held_s: float, expected: tuple[float, float] | None) -> None:
    """Goal: cells prove full and empty after a minute of small current. Method: each edge; 0.05 C is 50 kW."""
    band = begun(seen.soc_pct_low)
    band = track(band, SITE, seen, at(1.0))
    band = track(band, SITE, seen, at(1.0 + held_s))
    assert ((band.low_pct, band.high_pct) == expected) is (expected is not None)
    assert (band.t_anchor_ns == at(1.0 + held_s).t_ns) is (expected is not None)


def test_an_anchor_must_hold_without_a_break() -> None:
    """Goal: one high reading between others proves nothing. Method: high, low, high for a minute after."""
    high = told(95.0, cell_v_high=3.5)
    band = begun(95.0)
    for seconds, seen in ((1.0, high), (30.0, told(95.0)), (31.0, high), (90.9, high)):
        band = track(band, SITE, seen, at(seconds))
    assert band.low_pct < 95.0
    assert track(band, SITE, high, at(91.0)).low_pct == 98.0


def test_when_an_anchor_is_due() -> None:
    """Goal: wider than 10 % or older than 14 days. Method: both edges; not before the first number."""
    band = SocBand(45.0, 55.0, at(0).t_ns, at(0).t_ns)
    assert not due(band, at(14 * 86_400.0))
    assert due(band, at(14 * 86_400.0 + 1.0))
    assert due(replace(band, high_pct=55.1), at(0.0))
    assert not due(SocBand(), at(30 * 86_400.0))


def test_the_bms_always_lies_inside() -> None:
    """Goal: F41: a BMS that wanders off widens the interval. Method: 50 +- 5 and a BMS at 30 and at 90 %."""
    assert hull(begun(), told(30.0)) == (30.0, 55.0)
    assert hull(begun(), told(90.0)) == (45.0, 90.0)


@settings(max_examples=few(200), deadline=None, derandomize=True)
@given(
    flows=st.lists(st.tuples(st.floats(-800.0, 1000.0), st.sampled_from([0.1, 1.0, 5.0, 30.0]), st.booleans(),
                             st.booleans()), max_size=60),
    error=st.floats(-5.0, 5.0),
)  # fmt: skip
def test_the_truth_stays_inside(flows: list[tuple[float, float, bool, bool]], error: float) -> None:
    """Goal: the interval holds the true SOC whatever is read. Method: a true battery, its BMS off by up to 5 %,
    powers constant between readings; where neither BMS nor frame tells them, anything may have flowed."""
    true_pct = 50.0
    t = kwh = counted_s = 0.0
    band = begun(50.0 + error)
    for kw, dt, tells, counts in flows:
        moved = -kw * dt / 36_000.0
        if not 5.0 < true_pct + moved < 95.0:
            continue
        band = replace(band, dc_kw=kw)
        true_pct, t = true_pct + moved, t + dt
        kwh, counted_s = (kwh + kw * dt / 3600.0, counted_s + dt) if counts else (kwh, counted_s)
        seen = told(true_pct + error, dc_kw=kw if tells else nan, frame_kwh=kwh, frame_s=counted_s)
        band = track(band, SITE, seen, at(t))
        assert band.low_pct - 1e-9 <= true_pct <= band.high_pct + 1e-9


TABLE = CellTable(
    (0.0, 80.0, 100.0),
    (CellRow(-20.0, (0.5, 0.5, 0.5), (0.1, 0.1, 0.1)), CellRow(0.0, (0.2, 0.2, 0.0), (0.5, 0.5, 0.5)),
     CellRow(20.0, (1.0, 0.5, 0.1), (0.8, 1.0, 1.0)), CellRow(60.0, (0.0, 0.0, 0.0), (0.2, 0.2, 0.2))),
)  # fmt: skip


@pytest.mark.parametrize(
    ("coldest", "hottest", "low", "high", "discharge", "charge"),
    [
        (20.0, 20.0, 0.0, 0.0, 0.8, 1.0),
        (20.0, 20.0, 40.0, 40.0, 0.9, 0.75),
        (20.0, 20.0, 80.0, 90.0, 1.0, 0.3),
        (10.0, 20.0, 80.0, 80.0, 0.75, 0.35),
        (20.0, 40.0, 80.0, 80.0, 0.6, 0.25),
        (0.0, 0.0, 50.0, 50.0, 0.5, 0.2),
        (-0.1, 5.0, 50.0, 50.0, 0.498, 0.0),
        (-20.1, 5.0, 50.0, 50.0, 0.0, 0.0),
        (5.0, 60.1, 50.0, 50.0, 0.0, 0.0),
        (20.0, 60.0, 50.0, 50.0, 0.2, 0.0),
        (nan, 20.0, 50.0, 50.0, 0.0, 0.0),
        (20.0, 20.0, nan, 50.0, 0.0, 0.0),
        (20.0, 20.0, -5.0, 105.0, 0.8, 0.1),
    ],
)  # fmt: skip
def test_rates(
    coldest: float, hottest: float, low: float, high: float, discharge: float, charge: float
) -> None:
    """Goal: bilinear, coldest and hottest both count, none below 0 degC though this table has it, none outside.
    Method: by hand; -0.1 degC: 0.5 - 0.4 * 0.1 / 20 = 0.498."""
    found = rates(TABLE, coldest, hottest, low, high)
    assert found == pytest.approx((discharge, charge))


@pytest.mark.parametrize(
    ("cell_c", "known"), [(-55.0, True), (-55.1, False), (90.0, True), (90.1, False), (nan, False)]
)
def test_what_a_sensor_can_tell(cell_c: float, known: bool) -> None:
    """Goal: F14. Method: both ends of the range."""
    assert isnan(readable(cell_c)) is not known


def test_the_table_is_one_more_source_of_the_limit() -> None:
    """Goal: the tightest wins, the BMS first. Method: 1000 kWh at 10 degC: 0.75 C and 0.35 C; a weaker BMS."""
    cold = SITE, battery(cell_c_low=10.0, cell_c_high=10.0, soc_pct_low=80.0, soc_pct_high=80.0)
    terms = replace(SITE, cells=TABLE, parts=(*TERMS.parts[:1], replace(BMS, tells_cell_c=True)))
    assert shares(terms, cold[1]) == pytest.approx((0.75, 0.35 * 1000.0 / 800.0))
    weak = replace(cold[1], battery=replace(cold[1].battery, charge_kw_max=80.0, discharge_kw_max=100.0))
    assert shares(terms, weak) == pytest.approx((0.1, 0.1))
    silent = replace(cold[1], battery=replace(cold[1].battery, cell_c_low=nan))
    assert shares(terms, silent) == (0.0, 0.0)
    assert shares(replace(terms, parts=TERMS.parts), silent) == (1.0, 1.0)


def test_an_anchor_charge_may_fill_the_battery() -> None:
    """Goal: forced anchor charge reaches 100 %. Method: high end at 95 of a window to 90, with and without."""
    here = battery(soc_pct=95.0, soc_pct_low=94.0, soc_pct_high=95.0)
    assert shares(SITE, here)[1] == 0.0
    filling = replace(here, battery=replace(here.battery, anchor_due=True, soc_pct_high=100.0))
    assert shares(SITE, filling)[1] == 1.0


def test_the_interval_reaches_the_conditions() -> None:
    """Goal: low and high of the site, F41 beyond 10 %, F14 after 2 s. Method: a story; a BMS that jumps by 6 %."""
    story = Story(
        terms=replace(
            SITE, soc_error_pct=4.0, parts=(TERMS.parts[0], replace(BMS, tells_cell_c=True), TERMS.parts[2])
        )
    )
    assert story.feed(0.0) == set()
    found: Battery = story.conditions.battery
    assert (found.soc_pct_low, found.soc_pct_high, found.cell_c_low) == (46.0, 54.0, 20.0)
    story.feed(1.0, bms={"values": {"soc_pct": 56.1}})
    assert story.conditions.battery.anchor_due
    assert story.feed(1.2, bms={"values": {"soc_pct": 56.1}}) == {"F41"}
    story.feed(1.4)
    dead = {"values": {"cell_c_min": nan}}
    assert story.feed(2.0, bms=dict(dead)) == set()
    assert story.feed(3.9, bms=dict(dead)) == set()
    assert story.feed(4.0, bms=dict(dead)) == {"F14"}
    assert soc.WIDTH_PCT_MAX == 10.0


def test_a_run_begins_as_wide_as_the_one_before_has_left_it() -> None:
    """Goal: the width survives a restart, grown by time and by the most use there can have been; the BMS counted on.
    Method: 1000 kWh, 1000 kW: an hour away is one full movement, half a cycle, 0.25 %; then 30 % told, an anchor."""
    left = track(begun(), SITE, told(51.0), at(0.0))
    assert (left.below_pct, left.above_pct) == (6.0, 4.0)
    assert track(left, SITE, told(nan), at(1.0)).below_pct == 6.0
    band = soc.resumed(6.0, 4.0, 3600.0, 13 * 86_400.0, SITE, at(0.0))
    grown = 0.2 / 24 + 0.25
    assert isnan(band.low_pct) and not due(band, at(0.0))
    band = track(band, SITE, told(30.0), at(0.0))
    assert (band.low_pct, band.high_pct) == pytest.approx((24.0 - grown / 2, 34.0 + grown / 2))
    assert due(band, at(0.0)) and not due(replace(band, high_pct=34.0, low_pct=24.0), at(86_400.0))
    assert due(replace(band, high_pct=34.0, low_pct=24.0), at(86_401.0))
    assert isnan(track(soc.resumed(6.0, 4.0, 0.0, 0.0, SITE, at(0.0)), SITE, told(nan), at(0.0)).low_pct)
    for lost in (SocBand(below_pct=1.0), SocBand(above_pct=1.0)):
        assert track(lost, SITE, told(), at(0.0)).low_pct == 45.0
    assert soc.resumed(1.0, 1.0, 86_400.0, 0.0, TERMS, at(0.0)).below_pct == pytest.approx(1.1)
    charging = replace(SITE, parts=(replace(PCS, charge_kw_max=2000.0), BMS))
    assert soc.resumed(0.0, 0.0, 3600.0, 0.0, charging, at(0.0)).above_pct == pytest.approx(
        (0.2 / 24 + 0.5) / 2
    )

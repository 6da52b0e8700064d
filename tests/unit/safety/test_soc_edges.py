"""The state of charge at the edges: missing ends, values a little outside, the count to its last digit."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan

import pytest

from controller.safety.soc import Reading, hull, track
from controller.state import SocBand
from tests.unit.safety.sites import at
from tests.unit.safety.test_soc import SITE, begun, told


def test_both_ends_are_needed_to_begin() -> None:
    """Goal: one silent rack, and nothing is known. Method: each end missing, at the start and later."""
    for seen in (Reading(nan, 50.0), Reading(50.0, nan)):
        assert isnan(track(SocBand(), SITE, seen, at(0.0)).low_pct)
        assert isnan(hull(begun(), seen)[0])


@pytest.mark.parametrize(
    ("soc_pct", "inside_pct"), [(-1.0, 0.0), (-0.4, 0.0), (100.4, 100.0), (101.0, 100.0), (50.0, 50.0)]
)
def test_a_bms_may_be_a_little_outside(soc_pct: float, inside_pct: float) -> None:
    """Goal: 100.4 is 100, and -0.4 is 0. Method: the hull around an interval that is narrower than the BMS says."""
    band = SocBand(inside_pct, inside_pct, 1, 1)
    assert hull(band, told(soc_pct)) == (inside_pct, inside_pct)


def test_the_interval_stays_a_percentage() -> None:
    """Goal: neither end leaves 0 to 100. Method: a charge beyond full, a discharge beyond empty, the other end too."""
    full = track(SocBand(99.99, 99.99, at(0.0).t_ns, 1, dc_kw=-3600.0), SITE, told(dc_kw=-3600.0), at(10.0))
    assert (full.low_pct, full.high_pct) == (100.0, 100.0)
    empty = track(SocBand(0.01, 0.01, at(0.0).t_ns, 1, dc_kw=3600.0), SITE, told(dc_kw=3600.0), at(10.0))
    assert (empty.low_pct, empty.high_pct) == (0.0, 0.0)


def test_the_count_to_the_last_digit() -> None:
    """Goal: 3600 s an hour, 0.5 % of width for 200 % of movement, half of it to each side, in a hole too.
    Method: 50 kWh of 1000 within 10 s: 5 %, 0.0125 % wider; a hole of a day at 1000 kW out, 800 kW in."""
    before = replace(begun(50.0), dc_kw=18_000.0)
    moved = track(before, SITE, told(dc_kw=18_000.0), at(10.0))
    grown = 0.5 * 5.0 / 200.0 + 0.2 * 10.0 / 86_400.0
    assert moved.low_pct == pytest.approx(45.0 - 5.0 - grown / 2, abs=1e-9)
    assert moved.high_pct == pytest.approx(55.0 - 5.0 + grown / 2, abs=1e-9)
    large = replace(SITE, capacity_kwh=1e6)
    after = track(begun(50.0), large, told(dc_kw=nan), at(86_400.0))
    assert after.low_pct == pytest.approx(45.0 - 2.4 - 0.1, abs=1e-9)
    assert after.high_pct == pytest.approx(55.0 + 1.92 + 0.1, abs=1e-9)


@pytest.mark.parametrize(("cell_v", "expected"), [(3.5, (98.0, 100.0)), (2.9, (0.0, 2.0))])
def test_an_anchor_leaves_two_percent(cell_v: float, expected: tuple[float, float]) -> None:
    """Goal: full is 98 to 100, empty 0 to 2. Method: a minute at rest at either end of the voltage."""
    seen, band = told(cell_v_low=cell_v, cell_v_high=cell_v), begun()
    for second in range(62):
        band = track(band, SITE, seen, at(float(second)))
    assert (band.low_pct, band.high_pct) == pytest.approx(expected, abs=1e-4)
    assert band.high_pct <= 100.0

"""The envelope: no limit above any source, nothing outside GRID_TIED, and each source at its edge."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.image import Device, Limits, Mode, Permit, Wish
from controller.safety import facts
from controller.safety.envelope import FALL_S, limit
from controller.safety.terms import Part
from controller.state import Battery, Conditions, Converter, Effect, ModeState
from tests.examples import few
from tests.unit.safety.sites import TERMS, at
from tests.unit.safety.test_modes import fault, with_faults

RUNNING = Conditions(
    converters=(Converter("pcs-1", 0.0, "running", fresh=True, armed=True, accepted=True),),
    battery=Battery(
        soc_pct=50.0, soc_pct_low=50.0, soc_pct_high=50.0, charge_kw_max=5000.0, discharge_kw_max=5000.0
    ),
    load_kw=2000.0,
)
GRID_TIED = ModeState(mode=Mode.GRID_TIED, t_since_ns=1)


def limits(
    conditions: Conditions = RUNNING, state: ModeState = GRID_TIED, wish: Wish | None = None
) -> Limits:
    """The lease at 1 s."""
    return limit(TERMS, state, conditions, wish or Wish(), (), at(1.0))


def battery(**changes: Any) -> Conditions:
    """RUNNING with another battery."""
    return replace(RUNNING, battery=replace(RUNNING.battery, **changes))


def test_the_rating_is_the_limit_of_a_strong_battery() -> None:
    """Goal: site YAML limits. Method: 5 MW battery, 1000 and 800 kW converter."""
    assert (limits().discharge_kw_max, limits().charge_kw_max) == ((1000.0,), (800.0,))


@pytest.mark.parametrize(
    ("asked", "given"),
    [(-1.1, -1.0), (-1.0, -1.0), (0.0, 0.0), (0.4, 0.4), (1.0, 1.0), (1.1, 1.0), (nan, 0.0), (inf, 0.0)],
)
def test_what_may_pass_at_once_is_a_share(asked: float, given: float) -> None:
    """Goal: the wish moves it between nothing and all; no number is nothing. Method: both edges and beyond."""
    assert limits(wish=Wish(prompt_pu=asked)).prompt_pu == given


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode != Mode.GRID_TIED])
def test_no_power_outside_grid_tied(mode: Mode) -> None:
    """Goal: P = 0. Method: every other mode, a greedy wish."""
    found = limits(state=ModeState(mode=mode, t_since_ns=1), wish=Wish(leak_kw=500.0))
    assert (found.discharge_kw_max, found.charge_kw_max, found.leak_kw, found.gain) == (
        (0.0,),
        (0.0,),
        0.0,
        0.0,
    )


@pytest.mark.parametrize("change", [{"state": "starting"}, {"fresh": False}, {"state": "fault"}])
def test_no_power_before_the_converter_runs(change: dict[str, Any]) -> None:
    """Goal: the first command is zero.
    Method: GRID_TIED with a converter that is not yet, or no more, running."""
    found = limits(replace(RUNNING, converters=(replace(RUNNING.converters[0], **change),)))
    assert found.discharge_kw_max == (0.0,)


def test_no_power_while_stopping() -> None:
    """Goal: a normal stop ramps to zero. Method: GRID_TIED with a stop asked for."""
    assert limits(state=replace(GRID_TIED, t_stopping_ns=5)).charge_kw_max == (0.0,)


PERMITS = [
    (Mode.INIT, 0.0, 60.0, 0),
    (Mode.STANDBY, 500.0, 0.0, 1),
    (Mode.GRID_TIED, 0.0, 60.0, 3),
    (Mode.SAFE_STOP, 20.1, 1.9, 3),
    (Mode.SAFE_STOP, 20.0, 0.0, 1),
    (Mode.SAFE_STOP, 500.0, 2.0, 1),
    (Mode.FAULT, 20.1, 1.9, 3),
    (Mode.LOCKOUT, 500.0, 2.0, 1),
    (Mode.MAINT, 500.0, 0.0, 1),
]


def test_a_fault_counts_its_stop_from_safe_stop() -> None:
    """Goal: no second ramp time. Method: FAULT just entered, its stop 2 s old, full power still measured."""
    state = ModeState(mode=Mode.FAULT, t_since_ns=at(1.0).t_ns, t_stopping_ns=at(-1.0).t_ns)
    here = replace(RUNNING, converters=(replace(RUNNING.converters[0], pcs_kw=500.0),))
    assert limits(here, state).permit == Permit.ORDER


@pytest.mark.parametrize(
    ("level", "share", "leak_kw"), [(0, 1.0, 40.0), (1, 1.0, 0.0), (2, 0.5, 0.0), (3, 0.0, 0.0)]
)
def test_degradation(level: int, share: float, leak_kw: float) -> None:
    """Goal: D1 leaves the objective out, D2 half the power, D3 none. Method: a note of each level."""
    found = limits(with_faults(replace(fault("A", Effect.NOTE), level=level), base=RUNNING), wish=Wish(40.0))
    assert (found.discharge_kw_max, found.charge_kw_max) == ((1000.0 * share,), (800.0 * share,))
    assert found.leak_kw == leak_kw


@pytest.mark.parametrize(("mode", "pcs_kw", "age_s", "expected"), PERMITS)
def test_permits(mode: Mode, pcs_kw: float, age_s: float, expected: int) -> None:
    """Goal: INIT is silent; orders alone once power rests, so that a frame that fell silent may end its rest.
    Method: permit bits at 1000 kW rating, 20 kW counts as none; a refused identity silences all."""
    assert (Permit.ORDER, Permit.SETPOINT) == (1, 2)
    state = ModeState(mode=mode, t_since_ns=at(1.0 - age_s).t_ns)
    here = replace(RUNNING, converters=(replace(RUNNING.converters[0], pcs_kw=pcs_kw),))
    assert limits(here, state).permit == expected
    refused = replace(here, converters=(replace(here.converters[0], accepted=False),))
    assert limits(refused, state).permit == 0


@pytest.mark.parametrize(
    ("soc_pct", "discharge_kw", "charge_kw"),
    [(9.0, 0.0, 800.0), (10.0, 0.0, 800.0), (10.2, 500.0, 800.0), (10.4, 1000.0, 800.0),
     (12.0, 1000.0, 800.0), (89.92, 1000.0, 200.0), (90.0, 1000.0, 0.0), (nan, 0.0, 0.0)],
)  # fmt: skip
def test_soc_window(soc_pct: float, discharge_kw: float, charge_kw: float) -> None:
    """Goal: taper over the last 2 %.
    Method: 5000 kW battery, window 10 to 90: at 10.2 % 5000 * 0.1 = 500 kW."""
    found = limits(battery(soc_pct=soc_pct, soc_pct_low=soc_pct, soc_pct_high=soc_pct))
    assert found.discharge_kw_max[0] == pytest.approx(discharge_kw)
    assert found.charge_kw_max[0] == pytest.approx(charge_kw)


def test_cold_cells_are_not_charged() -> None:
    """Goal: IL-04. Method: NO_CHARGE leaves discharge alone."""
    found = limits(with_faults(fault("A", Effect.NO_CHARGE), base=RUNNING))
    assert (found.discharge_kw_max, found.charge_kw_max) == ((1000.0,), (0.0,))


def test_worst_case_export() -> None:
    """Goal: IL-09.
    Method: load 600 kW, export 100 kW, no PV: 700 kW; a load of nothing and PV of 200: none."""
    lost = with_faults(fault("A", Effect.EXPORT_WORST), base=replace(RUNNING, load_kw=600.0))
    assert limits(lost).discharge_kw_max == (700.0,)
    sunny = replace(TERMS, pv_kw_max=200.0)
    empty = replace(lost, load_kw=0.0)
    assert limit(sunny, GRID_TIED, empty, Wish(), (), at(1.0)).discharge_kw_max == (0.0,)


def test_two_converters_share_the_battery() -> None:
    """Goal: the sum stays inside the BMS limit.
    Method: 1000 + 3000 kW converters on 2000 kW: half of each."""
    parts = (Part("a", "pcs", discharge_kw_max=1000.0, charge_kw_max=1000.0),
             Part("b", "pcs", discharge_kw_max=3000.0, charge_kw_max=3000.0))  # fmt: skip
    both = replace(battery(discharge_kw_max=2000.0), converters=RUNNING.converters * 2)
    found = limit(replace(TERMS, parts=parts), GRID_TIED, both, Wish(), (), at(1.0))
    assert found.discharge_kw_max == (500.0, 1500.0)


def test_lease_and_fall() -> None:
    """Goal: the lease ends by itself and a stop takes half a second. Method: the numbers."""
    found = limits()
    assert found.valid_until_ns - found.t_issue_ns == 500_000_000
    assert found.fall_kw_per_s * FALL_S == 1000.0


numbers = st.floats(allow_nan=True, allow_infinity=True)
powers = st.floats(-1e4, 1e4) | st.sampled_from([nan, inf, -inf])


@settings(max_examples=few(500), deadline=None, derandomize=True)
@given(soc=powers, charge=powers, discharge=powers, load=powers, leak=numbers, ramp=numbers, gain=numbers,
       mode=st.sampled_from(list(Mode)), effect=st.sampled_from(list(Effect)))  # fmt: skip
def test_no_limit_above_any_source(
    soc: float, charge: float, discharge: float, load: float, leak: float, ramp: float, gain: float,
    mode: Mode, effect: Effect,
) -> None:  # fmt: skip
    """Goal: whatever the inputs, every number is finite, not negative and below each of its sources.
    Method: hostile BMS, load and wish."""
    hostile = battery(
        soc_pct=soc, soc_pct_low=soc, soc_pct_high=soc, charge_kw_max=charge, discharge_kw_max=discharge
    )
    hostile = with_faults(fault("A", effect), base=replace(hostile, load_kw=load))
    found = limits(hostile, ModeState(mode=mode, t_since_ns=1), Wish(leak, ramp, gain))
    assert 0.0 <= found.discharge_kw_max[0] <= 1000.0
    assert 0.0 <= found.charge_kw_max[0] <= 800.0
    if mode != Mode.GRID_TIED:
        assert found.discharge_kw_max[0] == found.charge_kw_max[0] == 0.0
    if isfinite(discharge):
        assert found.discharge_kw_max[0] <= max(discharge, 0.0) + 1e-9
    if isfinite(charge):
        assert found.charge_kw_max[0] <= max(charge, 0.0) + 1e-9
    if soc <= 10.0:
        assert found.discharge_kw_max[0] == 0.0
    if soc >= 90.0:
        assert found.charge_kw_max[0] == 0.0
    assert 0.0 <= found.ramp_up_kw_per_s_max <= 50.0 and 0.0 <= found.ramp_down_kw_per_s_max <= 40.0
    assert 0.0 <= found.gain <= 1.0
    assert isfinite(found.leak_kw) and abs(found.leak_kw) <= 1000.0


@pytest.mark.parametrize(
    ("pv_kw", "export_kw", "import_kw"),
    [(0.0, 300.0, 5000.0), (800.0, -500.0, 5800.0), (-3.0, 300.0, 5000.0)],
)
def test_the_sun_moves_the_caps_of_the_connection(pv_kw: float, export_kw: float, import_kw: float) -> None:
    """Goal: the frame sees the load alone, so measured PV is counted into its caps. Method: caps by hand."""
    terms = replace(TERMS, import_kw_max=5000.0, export_kw_max=300.0, pv_kw_max=1000.0)
    found = limit(terms, GRID_TIED, replace(RUNNING, pv_kw=pv_kw), Wish(), (), at(1.0))
    assert (found.export_kw_max, found.import_kw_max) == (export_kw, import_kw)


def test_a_sun_that_is_not_measured_is_taken_at_its_most() -> None:
    """Goal: IL-09. Method: load 400, export 300, PV up to 600 kW unmeasured: 100 kW may be given, no more."""
    terms = replace(TERMS, export_kw_max=300.0, pv_kw_max=600.0)
    found = limit(terms, GRID_TIED, replace(RUNNING, load_kw=400.0, pv_kw=nan), Wish(), (), at(1.0))
    assert sum(found.discharge_kw_max) == pytest.approx(100.0)


def test_a_load_that_is_not_known_is_taken_as_none() -> None:
    """Goal: IL-09 with blind sensors. Method: load nan, export 300, PV up to 100 kW unmeasured: 200 kW, no more."""
    terms = replace(TERMS, export_kw_max=300.0, pv_kw_max=100.0)
    found = limit(terms, GRID_TIED, replace(RUNNING, load_kw=nan, pv_kw=nan), Wish(), (), at(1.0))
    assert sum(found.discharge_kw_max) == pytest.approx(200.0)


def test_the_bus_voltage_is_the_tightest_that_is_known() -> None:
    """Goal: F10's limit travels with the lease. Method: racks of 800 and 790 V with 2 %, one that tells none, the
    site's own; nothing known is 0."""
    assert limits().dc_v_max == 0.0
    assert limits(battery(dc_v_max=816.0)).dc_v_max == 816.0
    strict = replace(TERMS, dc_v_max=805.0)
    assert limit(strict, GRID_TIED, battery(dc_v_max=816.0), Wish(), (), at(1.0)).dc_v_max == 805.0
    assert limit(strict, GRID_TIED, RUNNING, Wish(), (), at(1.0)).dc_v_max == 805.0
    racks = [
        Device(f"bms-{k}", "bms", {"charge_v_max": v}, 0.0) for k, v in enumerate((800.0, 790.0, nan, 0.0))
    ]
    assert facts._dc_v_max(racks) == pytest.approx(805.8)
    assert facts._dc_v_max([]) == inf

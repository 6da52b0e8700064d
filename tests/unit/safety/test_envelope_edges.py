"""The envelope at the edges of its inputs: wishes, sun, levels, shares, cells; each value on both sides."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import pytest

from controller.image import Mode, Wish
from controller.safety.envelope import limit, shares
from controller.safety.step import Inputs, State, step
from controller.safety.terms import CellRow, CellTable
from controller.state import Effect, ModeState
from tests.unit.safety.sites import BMS, TERMS, at, telemetry
from tests.unit.safety.test_envelope import GRID_TIED, RUNNING, battery, limits
from tests.unit.safety.test_modes import fault, with_faults


@pytest.mark.parametrize(
    ("wish", "ramps", "leak", "gain"),
    [
        (Wish(ramp_kw_per_s_max=20.0, leak_kw=30.0, gain=0.5), (20.0, 20.0), 30.0, 0.5),
        (Wish(ramp_kw_per_s_max=40.1, leak_kw=30.0, gain=0.5), (40.1, 40.0), 30.0, 0.5),
        (Wish(ramp_kw_per_s_max=50.1, leak_kw=1000.1, gain=1.1), (50.0, 40.0), 1000.0, 1.0),
        (Wish(ramp_kw_per_s_max=-1.0, leak_kw=-1000.1, gain=-0.1), (0.0, 0.0), -1000.0, 0.0),
        (Wish(ramp_kw_per_s_max=nan, leak_kw=nan, gain=nan), (50.0, 40.0), 0.0, 0.0),
    ],
)
def test_a_wish_moves_inside_its_limits(
    wish: Wish, ramps: tuple[float, float], leak: float, gain: float
) -> None:
    """Goal: IL-18: ramp, leak and gain of any wish end inside the site's. Method: within, above, below, no number."""
    found = limits(wish=wish)
    assert (found.ramp_up_kw_per_s_max, found.ramp_down_kw_per_s_max) == ramps
    assert (found.leak_kw, found.gain) == (leak, gain)


@pytest.mark.parametrize(("pv_kw", "moved_kw"), [(50.0, 50.0), (-50.0, 0.0), (nan, 0.0)])
def test_the_sun_moves_the_caps_at_the_connection(pv_kw: float, moved_kw: float) -> None:
    """Goal: what the frame cannot see is added where it is measured. Method: sun, a meter below zero, not known."""
    found = limits(replace(RUNNING, pv_kw=pv_kw))
    assert (found.import_kw_max, found.export_kw_max) == (3000.0 + moved_kw, 100.0 - moved_kw)


@pytest.mark.parametrize(
    ("import_kw", "export_kw", "left_kw"),
    [
        (1200.0, 30.0, (1200.0, 30.0)),
        (1200.0, inf, (1200.0, 100.0)),
        (inf, 30.0, (3000.0, 30.0)),
        (3000.1, 100.1, (3000.0, 100.0)),
        (0.0, 0.0, (0.0, 0.0)),
    ],
)
def test_a_curtailment_is_a_limit_at_the_connection(
    import_kw: float, export_kw: float, left_kw: tuple[float, float]
) -> None:
    """Goal: F61: the stricter of contract and curtailment, both ways, while it holds alone. Method: each way, both,
    more than the contract, nothing; with the grid meter lost, the discharge by that export; other conditions."""
    site = replace(TERMS, curtailed_import_kw_max=import_kw, curtailed_export_kw_max=export_kw)
    here = with_faults(fault("A", Effect.CURTAIL), base=RUNNING)
    found = limit(site, GRID_TIED, here, Wish(), (), at(1.0))
    assert (found.import_kw_max, found.export_kw_max) == left_kw
    assert (found.discharge_kw_max, found.charge_kw_max) == ((1000.0,), (800.0,))
    resting = limit(site, ModeState(Mode.SAFE_STOP, 1), here, Wish(), (), at(1.0))
    assert (resting.import_kw_max, resting.export_kw_max) == left_kw
    dark = replace(here, load_kw=600.0, pv_kw=nan)
    assert shares(site, dark)[0] == pytest.approx((600.0 + left_kw[1]) / 1000.0)
    for other in (RUNNING, with_faults(fault("A", Effect.NOTE), base=RUNNING)):
        found = limit(site, GRID_TIED, other, Wish(), (), at(1.0))
        assert (found.import_kw_max, found.export_kw_max) == (3000.0, 100.0)


def leveled(level: int, due: bool) -> float:
    """The leak that is left of 30 kW at a degradation level."""
    told = replace(fault("A", Effect.NOTE), level=level)
    base = replace(RUNNING, battery=replace(RUNNING.battery, anchor_due=due))
    return limits(with_faults(told, base=base), wish=Wish(leak_kw=30.0, gain=1.0)).leak_kw


def test_d1_leaves_the_objective_out_but_for_an_anchor_charge() -> None:
    """Goal: D0 wants all, D1 only what shows the state of charge, D2 nothing. Method: the table."""
    assert [(leveled(k, False), leveled(k, True)) for k in (0, 1, 2)] == [
        (30.0, 30.0),
        (0.0, 30.0),
        (0.0, 0.0),
    ]


def test_one_refused_converter_silences_the_site() -> None:
    """Goal: no write while one of two calls itself otherwise. Method: the second is refused."""
    two = (RUNNING.converters[0], replace(RUNNING.converters[0], name="pcs-2", accepted=False))
    assert limits(replace(RUNNING, converters=two)).permit == 0


def test_the_shares_at_their_ends() -> None:
    """Goal: half an interval is no interval; an anchor charge ends at the BMS's limit, not at the taper; a rating of
    nothing and an infinite limit share nothing, one of 1 kW does. Method: each alone."""
    for unknown in ({"soc_pct_low": nan}, {"soc_pct_high": nan}):
        assert shares(TERMS, battery(**unknown)) == (0.0, 0.0)
    assert shares(TERMS, battery(soc_pct_high=90.0))[1] == 0.0
    assert shares(TERMS, battery(soc_pct_high=100.0, anchor_due=True))[1] == 1.0
    assert shares(TERMS, battery(discharge_kw_max=inf)) == (0.0, 1.0)
    assert shares(TERMS, battery(discharge_kw_max=-5.0)) == (0.0, 1.0)
    for own_kw, share in ((0.0, 0.0), (1.0, 1.0)):
        small = replace(TERMS, parts=(replace(TERMS.parts[0], charge_kw_max=own_kw), *TERMS.parts[1:]))
        assert shares(small, RUNNING) == (1.0, share)


@pytest.mark.parametrize(
    ("effect", "most_kw"), [(Effect.FREEZE, (400.0, 800.0)), (Effect.NOTE, (1000.0, 800.0))]
)
def test_while_a_bms_is_silent_nothing_grows(effect: Effect, most_kw: tuple[float, float]) -> None:
    """Goal: IL-04: what had halved the power is gone while the BMS is silent, and the power stays; less is less at
    once. Method: a lease after one that gave less discharge and more charge; frozen and not; the first of all."""
    here = replace(RUNNING, watches=with_faults(fault("A", effect)).watches)
    had = replace(limits(), discharge_kw_max=(400.0,), charge_kw_max=(900.0,))
    found = limit(TERMS, GRID_TIED, here, Wish(), (), at(1.0), before=had)
    assert (*found.discharge_kw_max, *found.charge_kw_max) == most_kw
    other = replace(had, discharge_kw_max=(1100.0,), charge_kw_max=(700.0,))
    found = limit(TERMS, GRID_TIED, here, Wish(), (), at(1.0), before=other)
    assert (*found.discharge_kw_max, *found.charge_kw_max) == (
        1000.0,
        700.0 if effect == Effect.FREEZE else 800.0,
    )
    first = limit(TERMS, GRID_TIED, here, Wish(), (), at(1.0))
    assert (*first.discharge_kw_max, *first.charge_kw_max) == (1000.0, 800.0)


def test_the_step_remembers_its_lease() -> None:
    """Goal: what may not grow is known a cycle later. Method: the state after a step."""
    seen = telemetry(0.0)
    state, outputs = step(TERMS, State(), Inputs(seen), seen.now)
    assert state.lease == outputs.limits


COLD = CellTable((0.0, 100.0), (CellRow(0.0, (0.1, 0.1), (0.2, 0.2)), CellRow(40.0, (0.5, 0.5), (1.0, 1.0))))
AT_20 = battery(cell_c_low=20.0, cell_c_high=20.0)


def test_the_cells_limit_what_the_bms_allows() -> None:
    """Goal: the tighter of BMS and cell table, where one rack at least tells temperatures. Method: 1000 kWh at 20 degC:
    0.6 and 0.3 of the capacity an hour; racks that tell none; a BMS that is tighter."""
    told, silent = replace(BMS, tells_cell_c=True), replace(BMS, name="bms-2")
    rest = (TERMS.parts[0], TERMS.parts[2])
    site = replace(TERMS, parts=(*rest, told, silent), cells=COLD, capacity_kwh=1000.0)
    assert shares(site, AT_20) == (pytest.approx(0.6), pytest.approx(0.3 / 0.8))
    assert shares(replace(site, cells=None), AT_20) == (1.0, 1.0)
    assert shares(replace(site, parts=(*rest, silent)), AT_20) == (1.0, 1.0)
    tight = replace(AT_20, battery=replace(AT_20.battery, discharge_kw_max=100.0, charge_kw_max=80.0))
    assert shares(site, tight) == (pytest.approx(0.1), pytest.approx(0.1))

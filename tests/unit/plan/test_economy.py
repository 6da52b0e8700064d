"""The LP by hand: one peak, one price spread, what stops both, every form of demand charge, and always a plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controller.config.tariff import Demand, FeeStep, Tariff
from controller.plan.billing import Ledger
from controller.plan.economy import Dispatch, Economist, Plant, Steps, Terminal, chosen
from controller.plan.horizon import Near, Past, build
from controller.plan.program import PlanError
from tests.unit.plan.tariffs import hours, plant, tariff

MONTH = Demand(name="month", per_kw=21)
JULY = "2022-07-12T00:00"


def day(
    sold: Tariff, load_kw: np.ndarray, spot: np.ndarray | float = 0.0, *, pv_kw: np.ndarray | float = 0.0,
    bat: Plant | None = None, energy_kwh: float = 2000.0, ledger: Ledger | None = None, top_kw: float = 0.0,
) -> tuple[Dispatch, Steps]:  # fmt: skip
    """Plan whole hours that end where they began, from what is sure."""
    t_s = hours(JULY, load_kw.size)
    wide = [np.broadcast_to(np.asarray(x, float), load_kw.shape) for x in (pv_kw, spot)]
    near = Near(float(t_s[0]), 3600.0, load_kw, *wide, np.zeros(load_kw.size), top_kw=top_kw)
    ahead = build(sold, Past(sold.time_zone), near, ledger or Ledger(), {}, last=True)
    found = Economist(bat or plant()).plan(ahead.steps, ahead.charges, energy_kwh, Terminal(energy_kwh, 1e3))
    return found, ahead.steps


def burst(kw: float = 3000.0) -> np.ndarray:
    """1000 kW with one hour of kW at noon."""
    load_kw = np.full(24, 1000.0)
    load_kw[12] = kw
    return load_kw


def test_one_peak_by_hand() -> None:
    """Goal: the least peak. Method: z where 23 h of recharge replace what the peak hour gave: 1090.1 kW."""
    found, _ = day(tariff(MONTH), burst())
    share = 1 / (0.96**2 * 23)
    z = (1000 + 3000 * share) / (1 + share)
    assert found.peak_kw[0] == pytest.approx(z, abs=0.1) == pytest.approx(1090.1, abs=0.1)
    assert found.grid_kw.max() == pytest.approx(z, abs=0.1)


def test_a_price_spread_by_hand() -> None:
    """Goal: buy cheap, use dear. Method: 0.1 then 2.0: 1800 kWh in (1875 at the bus), 1728 out."""
    found, _ = day(tariff(), np.full(2, 3000.0), np.array([0.1, 2.0]), bat=plant(wear_per_kwh=0.21))
    assert found.pcs_kw[:2].tolist() == pytest.approx([-1875, 1728])


def test_charging_waits_for_the_end_of_a_burst() -> None:
    """Goal: of equal prices the calm quarter. Method: 5000 kW until half past; 800 kWh fit in, 833.3 at the bus."""
    sold, t_s = tariff(), hours(JULY, 8, 900.0)
    load_kw, spot = np.array([5000.0] * 2 + [500.0] * 6), np.repeat([0.1, 2.0], 4)
    near = Near(float(t_s[0]), 900.0, load_kw, np.zeros(8), spot, np.zeros(8))
    ahead = build(sold, Past(sold.time_zone), near, Ledger(), {}, last=True)
    found = Economist(plant()).plan(ahead.steps, ahead.charges, 3000.0, Terminal(3800.0, 1e3))
    assert found.pcs_kw[:4].tolist() == pytest.approx([0, 0, -2000, -4000 / 3])


@pytest.mark.parametrize(
    ("fee", "top_kw", "left_kwh"),
    [
        (400e3, 3920.0, 400.0),
        (400e3, 4120.0, 800.0),
        (400e3, 4260.0, 1080.0),
        (400e3, 4300.0, 1080.0),
        (100e3, 4120.0, 400.0),
        (0.0, 4120.0, 400.0),
    ],
)
def test_a_spare_is_held_below_a_fee_step(fee: float, top_kw: float, left_kwh: float) -> None:
    """Goal: what no case tells finds energy, where a fee is at stake: 400,000 for 4000 kW are 100 a kW, one hour in
    forty 2.5 a kWh and hour. Method: dear, then cheap by 0.9; two hours of what the bands tell above 98 % of the step,
    a fifth of the 3400 kWh at most; a fee whose 0.6 is below that; without one."""
    steps = (FeeStep(kw=4000, fee=0), FeeStep(kw=8000, fee=fee))
    sold = tariff(Demand(name="capacity", steps=steps)) if fee else tariff()
    found, _ = day(sold, np.full(4, 3000.0), np.array([1.0, 0.1, 0.1, 0.1]), top_kw=top_kw)
    assert found.energy_kwh[0] == pytest.approx(left_kwh, abs=0.1)


@pytest.mark.parametrize("error_pct", [20.0, 2.0, 0.5, 0.1])
def test_a_plan_keeps_clear_of_a_fee_step_by_what_its_meter_may_err(error_pct: float) -> None:
    """Goal: two meters, one bill. Method: a spread that would pay for more, below a step of 4000 kW."""
    steps = (FeeStep(kw=4000, fee=0), FeeStep(kw=8000, fee=100e3))
    sold = tariff(Demand(name="capacity", steps=steps, meter_error_pct=error_pct))
    found, _ = day(sold, np.full(2, 3000.0), np.array([0.1, 2.0]))
    assert found.peak_kw[0] == pytest.approx(4000.0 * (1 - error_pct / 100), abs=1e-3)


def test_at_one_price_sooner_than_later() -> None:
    """Goal: what is charged early cannot fail later. Method: four cheap hours of one price, 1875 kWh of room."""
    spot = np.array([0.1, 0.1, 0.1, 0.1, 2.0])
    found, _ = day(tariff(), np.full(5, 3000.0), spot, bat=plant(wear_per_kwh=0.21))
    assert found.pcs_kw.tolist() == pytest.approx([-1875, 0, 0, 0, 1728], abs=0.01)


@pytest.mark.parametrize(("dear", "cycles"), [(0.70, False), (0.79, True)])
def test_wear_and_losses_stop_a_small_spread(dear: float, cycles: bool) -> None:
    """Goal: no cycling below losses and wear. Method: 0.50 / 0.9216 + 0.21 = 0.7525 is where it begins to pay."""
    found, _ = day(tariff(), np.full(2, 3000.0), np.array([0.50, dear]), bat=plant(wear_per_kwh=0.21))
    assert bool(np.abs(found.pcs_kw).max() > 1) is cycles


def test_a_peak_is_raised_only_for_what_it_saves() -> None:
    """Goal: price-only temptation. Method: a spread worth 1728 x 0.5 each day against 21 a kW of the month."""
    spot = np.array([0.1] * 12 + [0.6] * 12)
    free, _ = day(tariff(), np.full(24, 3000.0), spot)
    paid, _ = day(tariff(Demand(name="month", per_kw=10_000)), np.full(24, 3000.0), spot)
    assert free.grid_kw.max() > 3100
    assert paid.peak_kw[0] == pytest.approx(3000.0, abs=1e-3)


def test_the_peak_already_set_is_free() -> None:
    """Goal: the month's peak is the floor. Method: 5500 kW are set; import may rise to it and not beyond."""
    ledger = Ledger()
    ledger.add(MONTH, 0.0, 202207, 0, 5500.0)
    found, _ = day(tariff(MONTH), np.full(2, 5000.0), np.array([0.1, 2.0]), ledger=ledger)
    assert found.peak_kw[0] == pytest.approx(5500.0)
    assert found.grid_kw[0] == pytest.approx(5500.0)


def test_the_connection_and_the_sun() -> None:
    """Goal: import limit, and sun that nobody pays for is left. Method: 5000 kW of load; -1 for each kWh sold."""
    found, _ = day(tariff(), np.full(2, 5000.0), np.array([0.1, 2.0]))
    assert found.grid_kw[0] == pytest.approx(6000.0)
    found, _ = day(tariff(), np.full(2, 100.0), -1.0, pv_kw=1800.0)
    assert found.grid_kw.min() > -1e-6
    assert found.pv_kw.min() < 1799


def test_a_load_beyond_everything_still_has_a_plan() -> None:
    """Goal: soft where reality is hard. Method: 9000 kW through a 6000 kW connection, battery below its window."""
    found, _ = day(tariff(MONTH), np.full(6, 9000.0), energy_kwh=100.0)
    assert found.shed_kwh > 0
    assert found.grid_kw[0] == pytest.approx(6000.0)


@pytest.mark.parametrize("energy_kwh", [0.0, 399.0, 400.0, 3800.0, 3801.0, 4000.0])
def test_any_energy_has_a_way_back(energy_kwh: float) -> None:
    """Goal: the window holds, and a start outside finds back. Method: from both ends and beyond."""
    found, _ = day(tariff(MONTH), np.full(24, 3000.0), energy_kwh=energy_kwh)
    inside = found.energy_kwh
    assert found.shed_kwh == pytest.approx(0)
    assert inside[3:].min() >= 400 - 1e-6
    assert inside[3:].max() <= 3800 + 1e-6


def test_the_charge_power_tapers() -> None:
    """Goal: SOC-dependent power. Method: half the power at 3000 kWh where it falls from 2000 to 4000 kWh."""
    bat = replace(plant(), taper_kwh=2000.0, full_kwh=4000.0)
    spot = np.array([0.1, 0.1, 3.0, 3.0])
    found, _ = day(tariff(), np.full(4, 3000.0), spot, bat=bat, energy_kwh=2000.0)
    for pcs_kw, energy_kwh in zip(found.pcs_kw, found.energy_kwh, strict=True):
        assert -pcs_kw <= 2000.0 * (4000.0 - energy_kwh) / 2000.0 + 1e-6


def test_the_standing_loss() -> None:
    """Goal: energy leaks. Method: 1 % an hour of 1000 kWh, nothing to gain by moving."""
    bat = replace(
        plant(), standing_pu_per_h=0.01, energy_kwh_min=0.0, charge_kw_max=0.0, discharge_kw_max=0.0
    )
    found, _ = day(tariff(), np.full(2, 100.0), bat=bat, energy_kwh=1000.0)
    assert found.energy_kwh.tolist()[:2] == pytest.approx([990.0, 980.1])


def test_the_mean_of_three_days() -> None:
    """Goal: N largest. Method: five days that cannot be shaved: 10, 8, 6, 4, 2: billed is 8."""
    home = Demand(name="capacity", per_kw=1, peaks_count=3, peaks_of="days")
    load_kw = np.repeat([10.0, 8.0, 6.0, 4.0, 2.0], 24)
    found, _ = day(tariff(home), load_kw, bat=plant(charge_kw_max=0.0, discharge_kw_max=0.0))
    assert found.peak_kw[0] == pytest.approx(8.0)


def test_a_fee_step_is_kept_or_left() -> None:
    """Goal: the cheapest step that can be kept. Method: a peak hour of 12 kW; 4 kWh of battery bring it below 10."""
    home = Demand(
        name="capacity", steps=tuple(FeeStep(kw=k, fee=f) for k, f in ((5, 147), (10, 252), (15, 371)))
    )
    load_kw = np.full(24, 4.0)
    load_kw[12] = 12.0
    small = plant(energy_kwh_min=0.0, energy_kwh_max=4.0, charge_kw_max=3.0, discharge_kw_max=3.0)
    found, _ = day(tariff(home), load_kw, bat=small, energy_kwh=2.0)
    assert list(found.fees.values()) == [252]
    assert found.grid_kw.max() <= 10.0
    assert found.limit_kw[0] == pytest.approx(9.8)  # two meters of class B below the step
    found, _ = day(tariff(home), load_kw, bat=replace(small, discharge_kw_max=1.0), energy_kwh=2.0)
    assert list(found.fees.values()) == [371]


def test_only_the_overrun_costs() -> None:
    """Goal: subscription. Method: 2500 kW are subscribed: the peak stays there, not at its least."""
    over = Demand(name="over", per_kw=100, subscribed_kw=2500)
    found, _ = day(tariff(over), burst(), 0.5, bat=plant(wear_per_kwh=0.21))
    assert found.grid_kw[12] == pytest.approx(2500.0, abs=0.1)


def test_a_peak_is_dearer_while_few_days_are_known() -> None:
    """Goal: a peak waits until its worth is known. Method: one, three and ten of ten days; the price by hand."""
    sold = tariff(MONTH)
    prices = []
    for days in (1, 3, 14):
        past, begin = Past(sold.time_zone), hours("2022-01-15T00:00", 24 * days)
        past.put(begin, *np.ones((3, begin.size)))
        near = Near(float(begin[-1]) + 3600, 3600.0, np.ones(4), np.zeros(4), np.ones(4), np.zeros(4))
        prices.append(build(sold, past, near, Ledger(), {}).charges[0].per_kw)
    assert prices == pytest.approx([21 * (1 + 0.3 * 0.8), 21 * (1 + 0.3 * 0.7), 21.0])


def test_typical_days_follow_one_another() -> None:
    """Goal: a cheap day stores for the dear one after it, the last day for the first; near time ends as full as the
    mean midnight. Method: flat prices, 0.1 and 2.0 by turns on six working days, the last is now; 0.5 on days off.

    Of the 21 dates ahead 15 are worked, half of their midnights full: (15 x 2100 + 6 x 400) / 21 = 1614.3 kWh.
    """
    sold, t_s = tariff(), hours("2022-01-03T00:00", 8 * 24)
    spot = np.array([0.1, 2.0, 0.1, 2.0, 0.1, 0.5, 0.5, 2.0]).repeat(24)
    past = Past(sold.time_zone)
    past.put(t_s[:-24], np.full(168, 1000.0), np.zeros(168), spot[:-24])
    near = Near(float(t_s[-24]), 3600.0, np.full(24, 1000.0), np.zeros(24), spot[-24:], np.full(24, 100.0))
    steps = build(sold, past, near, Ledger(), {}).steps
    found = Economist(plant()).plan(steps, (), 2000.0)
    assert found.energy_kwh[steps.ends] == pytest.approx([3800, 400, 3800, 400, 3800, 400, 400, 400])
    assert found.energy_kwh[[steps.near - 1, steps.bad - 1]] == pytest.approx([1614.3, 1614.3], abs=0.1)


@pytest.mark.parametrize(
    ("near", "far", "days", "kept", "wide"),
    [(11.4, 110, 10, True, False), (11.6, 110, 10, True, True), (0.0, 110, 10, False, True),
     (1.1, 104, 10**9, True, True), (0.9, 104, 10**9, True, False), (105.1, 0, 0, True, True),
     (104.9, 0, 0, True, False), (4.4, 150, 10, True, True), (4.3, 150, 10, True, False)],
)  # fmt: skip
def test_a_wider_fee_step_waits_while_it_may_be_regretted(
    near: float, far: float, days: int, kept: bool, wide: bool
) -> None:
    """Goal: it is taken for what is gained at once. Method: 105 more a month; 110 gained later, told by ten days
    (34.8 of error), may be regretted by 11.5; what is sure, or not there, by the plain difference; 150 by 4.3."""
    none = np.zeros(1)
    parts = (none, none, none, none, (), (), none, 0.0)
    low = Dispatch(*parts, cost=1000.0 + 147, far_cost=900.0, kept=kept, fees={"capacity/1": 147})
    high = Dispatch(*parts, cost=1000.0 - near - far + 252, far_cost=900.0 - far, fees={"capacity/1": 252})
    assert (chosen([high, low], days) is high) == wide


def test_the_time_limit_is_told() -> None:
    """Goal: a plan in time or none. Method: no time at all for a program the presolve cannot finish alone."""
    t_s = hours(JULY, 24)
    near = Near(float(t_s[0]), 3600.0, burst(), np.zeros(24), np.linspace(0, 1, 24), np.zeros(24))
    ahead = build(tariff(MONTH), Past("Europe/Stockholm"), near, Ledger(), {}, last=True)
    with pytest.raises(PlanError, match="time"):
        Economist(plant(), time_limit_s=0.0).plan(ahead.steps, ahead.charges, 2000.0, Terminal(2000.0, 1.0))


def test_warm_is_the_same_as_cold() -> None:
    """Goal: the basis changes the time, never the plan. Method: twenty hours in turn, one solver against new ones."""
    rng = np.random.default_rng(2)
    load_kw, spot = rng.uniform(2000, 4000, 60), rng.uniform(0, 2, 60)
    warm = Economist(plant())
    sold = tariff(MONTH)
    for k in range(20):
        t_s = float(hours(JULY, 60)[k])
        near = Near(t_s, 3600.0, load_kw[k : k + 30], np.zeros(30), spot[k : k + 30], np.zeros(30))
        ahead = build(sold, Past(sold.time_zone), near, Ledger(), {}, last=False)
        one, two = (e.plan(ahead.steps, ahead.charges, 2000.0) for e in (warm, Economist(plant())))
        assert one.cost == pytest.approx(two.cost, rel=1e-9)
        assert (one.warm, two.warm) == (k > 0, False)

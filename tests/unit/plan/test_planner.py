"""The planner in time: what it is told, the ladder, the window held, the burst learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from controller.config.loader import load_site
from controller.config.site import Site
from controller.config.tariff import Demand, Tariff
from controller.plan.demand import Meter, cap_kw
from controller.plan.economy import Plant
from controller.plan.offer import slots
from controller.plan.planner import Feed, Planner, Rung, _balanced, _Wanted, plant_of
from controller.plan.program import PlanError
from tests.unit.plan.tariffs import hours, plant, tariff, utc_s
from tools.season import Season
from tools.tables import Curves, Tables

pytestmark = pytest.mark.stack

SITES = Path(__file__).parents[3] / "boards" / "sites"
MONTH = Demand(name="month", per_kw=21)
HIGH = Demand(name="high", per_kw=66, weekdays=(0, 1, 2, 3, 4), hours=(6, 22))
NONE = Curves(None, None, None, False)


def nordlab(**battery: float) -> tuple[Site, Tariff]:
    """The dispatch site, its battery section changed."""
    site = load_site(SITES / "nordlab.yaml")
    site = site.model_copy(update={"battery": site.battery.model_copy(update=battery)})
    assert site.tariff is not None
    return site, site.tariff


def season_of(seed: int, days: int) -> Tables:
    """Quarter hours with bursts, sun and moving prices, from a seed."""
    rng = np.random.default_rng(seed)
    count = 96 * days
    hour = np.arange(count) / 4 % 24
    load_kw = 3000 + 600 * (np.abs(hour - 14) < 3) + 150 * rng.standard_normal(count).cumsum() / 10
    pv_kw = 1500 * np.maximum(np.sin((hour - 6) / 12 * np.pi), 0) * rng.uniform(0, 1, days).repeat(96)
    spot = (0.6 + 0.4 * np.sin((hour - 9) / 12 * np.pi)) * rng.uniform(0.3, 2.0, days).repeat(96)
    return Tables(hours("2022-01-28T00:00", count, 900.0), 900.0, np.maximum(load_kw, 0), pv_kw, spot)


def test_the_top_is_what_the_bands_tell() -> None:
    """Goal: a spare is held for the highest load beside the least sun. Method: a day and a half of a season."""
    site, sold = nordlab()
    season = Season(site, sold, season_of(3, 2), NONE)
    season.run(stop=144)
    plan = season.planner.current
    assert plan is not None
    tops_kw = plan.load.bands_kw[3] - plan.pv.bands_kw[0]
    assert plan.horizon.steps.top_kw == pytest.approx(tops_kw.max())
    assert plan.load.expected_kw.max() < plan.horizon.steps.top_kw


def test_a_reserve_larger_than_the_battery_leaves_nothing() -> None:
    """Goal: never a window upside down. Method: reserves beyond power and energy."""
    site, sold = nordlab(reserve_kw=5000, reserve_kwh=9000)
    found = plant_of(site, sold)
    assert (found.charge_kw_max, found.discharge_kw_max) == (0.0, 0.0)
    assert found.energy_kwh_min == found.energy_kwh_max
    assert plant_of(site, sold, reserve=False).discharge_kw_max == 2000


def test_a_curve_told_within_an_hour_keeps_its_hours() -> None:
    """Goal: curves begin with the running slot, whichever it is. Method: told at half past, a step at the full hour."""
    planner = Planner(tariff(MONTH), plant(), 900.0)
    t_s = float(hours("2022-01-11T00:00", 1)[0]) + 1800.0
    planner.replan(t_s, 2000.0, Feed(np.full(10, 0.5), np.array([1000.0] * 2 + [3000.0] * 8)))
    assert planner.current is not None
    assert planner.current.load.expected_kw == pytest.approx([1000.0, 3000.0, 3000.0])


def test_the_scheduler_is_told_no_guess() -> None:
    """Goal: a price that is told is known. Method: a week that was seen, six hours known; a day more is planned."""
    planner, begin = Planner(tariff(MONTH), plant(), 3600.0), hours("2022-01-10T00:00", 168)
    for t_s in begin:
        planner.observe(float(t_s), 2000.0, 0.0, 2000.0, 1.0)
    now_s = float(begin[-1]) + 3600
    planner.replan(now_s, 2000.0, Feed(np.full(6, 0.5)))
    assert planner.current is not None
    ahead = planner.current.horizon
    assert (ahead.steps.near, ahead.known_s) == (30, now_s + 6 * 3600)
    told = slots(planner.current, plant(), planner.tariff, now_s)
    assert [slot.per_kwh for slot in told] == [0.5] * 6
    assert planner.decide(now_s + 5 * 3600, 2000.0, 900.0).rung == Rung.LP


class _Broken:
    """A solver that finds nothing."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant

    def plan(self, *arguments: object) -> None:
        raise PlanError("HiGHS ended with time limit reached")


def test_the_ladder() -> None:
    """Goal: LP, last plan with its reason, rule, hold. Method: a solver that fails from the second plan on."""
    planner = Planner(tariff(MONTH), plant(), 3600.0)
    t_s = float(hours("2022-01-11T00:00", 1)[0])
    feed = Feed(np.linspace(0.1, 2.0, 24), np.full(24, 3000.0))
    assert planner.decide(t_s, 3000.0, 900.0).rung == Rung.HOLD
    planner.replan(t_s, 2000.0, feed)
    assert planner.decide(t_s, 3000.0, 900.0).rung == Rung.LP
    planner._economist = _Broken(plant())  # type: ignore[assignment]
    planner.replan(t_s + 3600, 2000.0, feed)
    assert planner.decide(t_s + 3600, 3000.0, 900.0).rung == Rung.LAST
    assert "time limit" in planner.trouble
    assert planner.decide(t_s + 7 * 3600, 3000.0, 900.0).rung == Rung.HOLD
    planner.observe(t_s, 3000.0, 0.0, 3000.0, 0.1)
    late = planner.decide(t_s + 7 * 3600, 3000.0, 900.0)
    assert late.rung == Rung.RULE
    assert late.reason.startswith("HiGHS ended")


def test_the_rule_buys_cheap_and_keeps_the_peak() -> None:
    """Goal: the rung below the LP is of use. Method: prices of one day seen; a cheap, a dear, a middle hour."""
    planner = Planner(tariff(MONTH), plant(wear_per_kwh=0.2), 3600.0)
    begin = hours("2022-01-10T00:00", 24)
    for t_s, spot in zip(begin, np.linspace(0.1, 2.0, 24), strict=True):
        planner.observe(float(t_s), 3000.0, 0.0, 3000.0, float(spot))
    planner.trouble = "no solver"
    t_s = float(begin[-1] + 3600)
    cheap, middle, dear = (planner.decide(t_s, 2500.0, 3600.0, spot) for spot in (0.1, 1.0, 2.0))
    assert cheap.pcs_kw == pytest.approx(-500.0)  # up to the peak that is set
    assert middle.pcs_kw == 0.0
    assert dear.pcs_kw == 2000.0
    assert {cheap.rung, middle.rung, dear.rung} == {Rung.RULE}
    over = planner.decide(t_s, 3400.0, 3600.0, 1.0)
    assert over.pcs_kw == pytest.approx(400.0)


@pytest.mark.parametrize(
    ("minute", "net_kw", "used_kwh", "fair_kw", "must_kw"),
    [(0, 3000, 0, 2000, 2000 + 3 * 1000), (45, 3000, 1500, 2000, 2000), (30, 500, 500, 3000, 6000)],
)
def test_the_window_forgives_before_it_forbids(
    minute: int, net_kw: float, used_kwh: float, fair_kw: float, must_kw: float
) -> None:
    """Goal: spend only as needed, as late as it suffices. Method: 2000 kW over the hour, 2000 kW of battery.

    At minute 0 of 3000 kW the battery can still bring the hour back in its last quarters; at 45 it cannot wait.
    """
    sold = tariff(MONTH)
    meter = Meter(sold)
    t_s = float(hours("2022-01-11T10:00", 1)[0]) + 60 * minute
    if used_kwh:
        meter.count(t_s - 60 * minute, 60.0 * minute, used_kwh * 60 / minute)
    fair, must = cap_kw(meter, {"month": 2000.0}, t_s, net_kw, 2000.0, 900.0)
    later_kwh = max(net_kw - 2000.0, 0.0) * max(0.75 - minute / 60, 0.0)
    assert fair == pytest.approx(fair_kw)
    assert must == pytest.approx((2000.0 - used_kwh - later_kwh) * 4)
    assert must == pytest.approx(must_kw) or minute == 30


def test_the_window_knows_how_the_load_goes_on() -> None:
    """Goal: a burst that ends by itself is not shaved. Method: 5000 kW, 2500 allowed, 2000 in the battery.

    Held for the hour, (5000 - 2000) x 0.75 h of 2500 kWh are spoken for: 250 left for the quarter, 1000 kW.
    Known to fall to 500 at half past, only the second quarter is: 750 of 2500 kWh, 7000 kW may be drawn now.
    """
    meter = Meter(tariff(MONTH))
    t_s = float(hours("2022-01-11T12:00", 1)[0])
    words = meter, {"month": 2500.0}, t_s, 5000.0, 2000.0, 900.0
    assert cap_kw(*words)[1] == pytest.approx(1000.0)
    assert cap_kw(*words, [(900.0, 5000.0), (1800.0, 5000.0), (3600.0, 500.0)])[1] == pytest.approx(7000.0)
    assert cap_kw(*words, [(900.0, 5000.0), (1800.0, 5000.0)])[1] == pytest.approx(1000.0)


def test_a_burst_that_ends_leaves_room_to_charge() -> None:
    """Goal: what a load that falls leaves of its window may be charged now. Method: 5000 kW, 500 from half past; 4000.

    1250 + 250 of 4000 kWh are spoken for: 2500 in the quarter, 10,000 kW; as a mean, or not known to fall, 4000 kW.
    """
    meter = Meter(tariff(MONTH))
    t_s = float(hours("2022-01-11T12:00", 1)[0])
    words = meter, {"month": 4000.0}, t_s, 5000.0, 2000.0, 900.0
    later = [(900.0, 5000.0), (1800.0, 5000.0), (3600.0, 500.0)]
    assert cap_kw(*words, later, shaped=True)[0] == pytest.approx(10_000.0)
    assert cap_kw(*words, later)[0] == cap_kw(*words, shaped=True)[0] == pytest.approx(4000.0)


@pytest.mark.parametrize(
    ("grid_kw", "pcs_kw", "net_kw", "given_kw"),
    [(0.5, -300.0, -500.0, -500.0), (0.5, 700.0, 900.0, 900.0),  # neither bought nor sold: net is followed
     (800.0, -300.0, -500.0, -500.0), (800.0, 300.0, 100.0, 100.0),  # bought: nothing is sold by chance
     (800.0, 300.0, 400.0, 300.0), (-800.0, 300.0, -500.0, 300.0)],  # as planned
)  # fmt: skip
def test_sun_is_kept_where_the_plan_does_not_sell(
    grid_kw: float, pcs_kw: float, net_kw: float, given_kw: float
) -> None:
    """Goal: an hour's mean hides sun that is sold cheap and bought dear. Method: each side of each border."""
    wanted = _Wanted(pcs_kw, grid_kw, Rung.LP, surprised=False, at_limit=False, shaped=False, later=())
    assert _balanced(wanted, net_kw)[0] == given_kw
    more_sun = net_kw < 0 and given_kw == net_kw
    assert _balanced(replace(wanted, surprised=True), net_kw)[0] == (net_kw if more_sun else pcs_kw)


def test_the_limit_of_the_day_does_not_fill_the_night() -> None:
    """Goal: only a limit whose windows count makes charging fill up to it. Method: 2917 kWh in two hours of a night.

    The dearer hour takes what the cheaper one leaves: above the day's limit, below the month's.
    """
    planner, t_s = Planner(tariff(MONTH, HIGH), plant(), 3600.0), utc_s("2022-01-11T02:00")
    for each, kw in ((MONTH, 6000.0), (HIGH, 3000.0)):
        planner.meter.ledger.add(each, t_s - 86_400, 202201, 1, kw)
    planner.replan(t_s, 1000.0, Feed(np.array([0.3, 0.2, *[2.0] * 8]), np.full(10, 3000.0)))
    assert planner.current is not None
    first = planner.current.horizon.near_t_s < t_s + 3600
    planned_kw = 2000 - 2800 / 0.96
    assert planner.current.dispatch.pcs_kw[first].mean() == pytest.approx(planned_kw, abs=0.1)
    assert planner.decide(t_s, 3000.0, 900.0).pcs_kw == pytest.approx(planned_kw, abs=0.1)


def burst_day(days: int) -> Tables:
    """0.5 MW with 5 MW from 11:00 to 12:30 every day."""
    t_s = hours("2022-01-10T00:00", 96 * days, 900.0)
    hour = np.arange(t_s.size) / 4 % 24
    load_kw = np.where((hour >= 11) & (hour < 12.5), 5000.0, 500.0)
    spot = 0.8 + 0.3 * np.sin((hour - 9) / 12 * np.pi)
    return Tables(t_s, 900.0, load_kw, np.zeros(t_s.size), spot)


def test_a_plan_knows_the_shape_within_an_hour() -> None:
    """Goal: a learned burst is planned in its slots, and a window counts on its end until it fails to come.

    Method: 5000 kW from 12:00 to 12:30 on three days; the fourth is planned at midnight and at noon.
    """
    planner = Planner(tariff(MONTH), plant(), 900.0)
    begin = hours("2022-07-12T00:00", 96 * 3, 900.0)
    loads_kw = np.where(np.isin(np.arange(begin.size) % 96, (48, 49)), 5000.0, 500.0)
    for t_s, load_kw in zip(begin, loads_kw, strict=True):
        if t_s % 3600 == 0:
            planner.outlook(float(t_s), Feed(np.ones(96)))  # what a model was right about gives it its say
        planner.observe(float(t_s), float(load_kw), 0.0, float(load_kw), 1.0)
    midnight_s = float(begin[-1]) + 900
    planner.replan(midnight_s, 2000.0, Feed(np.ones(96)))
    assert planner.current is not None
    ahead = planner.current.horizon
    at_noon = (ahead.near_t_s >= midnight_s + 12 * 3600) & (ahead.near_t_s < midnight_s + 13 * 3600)
    assert ahead.near_s[at_noon].tolist() == [900.0] * 4
    assert np.ptp(ahead.steps.load_kw[: at_noon.size][at_noon]) > 3500
    noon_s = midnight_s + 12 * 3600
    planner.replan(noon_s, 2000.0, Feed(np.ones(48)))
    wanted = planner._wanted(noon_s, 5000.0)
    assert wanted is not None
    assert [until_s for until_s, _ in wanted.later] == [900.0, 1800.0, 2700.0, 3600.0]
    assert min(kw for _, kw in wanted.later[:2]) > 4500
    assert max(kw for _, kw in wanted.later[2:]) < 1500
    late = planner._wanted(noon_s + 1800, 5000.0)
    assert late is not None
    assert (late.surprised, late.later) == (True, ())


def test_a_daily_burst_is_learned_and_shaved() -> None:
    """Goal: no feed, and the peak of the burst falls. Method: from the second day on below 62 % of 5000 kW."""
    site, sold = nordlab()
    tables = burst_day(6)
    result = Season(site, sold, tables, NONE).run()
    means_kw = result.grid_kw.reshape(-1, 4).mean(1)
    assert means_kw[24:].max() < 0.62 * 5000


def test_what_a_burst_leaves_of_its_hour_is_charged() -> None:
    """Goal: the battery is full for the dear day. Method: 5000 kW from 4:00 to 5:30, cheap until 6:00, five days.

    From 5:00 the month's peak, 3921 kW, leaves 1171 kWh: more than two quarters at 2000 kW take, so that the burst's
    own quarters have to charge too; the day's peak is dear from 6:00 on.
    """
    site, sold = nordlab()
    flat = burst_day(5)
    clock = np.arange(flat.load_kw.size) / 4 % 24
    load_kw = np.where((clock >= 4) & (clock < 5.5), 5000.0, 500.0)
    tables = replace(flat, load_kw=load_kw, spot=np.where(clock < 6, 0.2, 2.5))
    result = Season(site, sold, tables, NONE).run(4 * 96 + 24)
    five = slice(4 * 96 + 20, 4 * 96 + 24)
    assert result.energy_kwh[five][-1] > 3750
    assert result.pcs_kw[five][:2].min() < -100 > result.pcs_kw[five][2:].max()


def told_without_end(tables: Tables) -> Curves:
    """A scheduler that knows when the next rise begins, not that it ends, and tells 900 kW too much of the base."""
    count = tables.load_kw.size
    rows = []
    for k in range(0, count, 4):
        ahead = np.resize(tables.load_kw[k:], 192) if k + 192 > count else tables.load_kw[k : k + 192]
        rises = np.flatnonzero(ahead > 4000)
        told = np.maximum(ahead, 1400.0)
        told[rises[0] if rises.size else 192 :] = 5000.0
        rows.append(0.9 * told + 0.1 * max(tables.load_kw[max(k - 1, 0)], 1400.0))
    return Curves(np.array(rows), None, None, False)


@pytest.mark.parametrize("hour", [1.0, 2.0, 8.0, 12.0, 17.5])
def test_a_burst_never_seen_is_shaved_the_first_time(hour: float) -> None:
    """Goal: -38 % on the first day, with no record. Method: a burst of 90 minutes, told as one that never ends.

    At 1:00 one hour has to fill the battery.
    """
    site, sold = nordlab()
    flat = burst_day(2)
    clock = np.arange(flat.load_kw.size) / 4 % 24
    tables = replace(flat, load_kw=np.where((clock >= hour) & (clock < hour + 1.5), 5000.0, 500.0))
    result = Season(site, sold, tables, told_without_end(tables)).run(96)
    assert result.grid_kw.reshape(-1, 4).mean(1).max() < 0.62 * 5000


@pytest.mark.parametrize(("load_kw", "cut_kw"), [(5000.0, 1350.0), (4401.0, 1350.0), (4399.0, 0.0)])
def test_a_start_inside_a_peak(load_kw: float, cut_kw: float) -> None:
    """Goal: with nothing seen, a load above 1.1 x 2/3 of the connection is cut at once. Method: told without end.

    Half full, the battery holds 1536 kWh: the first hour gets nearly all of it, or nothing of it.
    """
    site, sold = nordlab()
    flat = burst_day(2)
    tables = replace(flat, load_kw=np.where(np.arange(flat.load_kw.size) < 6, load_kw, 500.0))
    told = Curves(np.full((flat.load_kw.size // 4, 192), load_kw), None, None, False)
    result = Season(site, sold, tables, told).run(4)
    assert cut_kw <= result.pcs_kw.mean() <= (1536.0 if cut_kw else 0.0)

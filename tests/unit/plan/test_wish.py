"""The slow wish: the plan while it lasts, the demand window at 10 Hz, else a SOC leak with dead-band and bound."""

from __future__ import annotations

from math import nan

import pytest

from controller.config.tariff import Demand
from controller.image import Curve, Device, Forecast, Frame, Instant, Telemetry, Track
from controller.plan.wish import Wisher
from controller.units import ns
from tests.unit.plan.tariffs import tariff, utc_s
from tests.unit.safety.sites import at


def telemetry(*soc_pct: float) -> Telemetry:
    """A site with one BMS a value."""
    devices = {f"bms-{i}": Device(f"bms-{i}", "bms", {"soc_pct": v}, 0.1) for i, v in enumerate(soc_pct)}
    return Telemetry(at(0), Track(), Frame(), devices)


def settled(*soc_pct: float, seconds: float = 300.0) -> tuple[Wisher, float]:
    """A wisher that has seen this SOC for so long, once a second, and the leak it asks for then."""
    wisher, seen_so = Wisher(50.0, 2000.0, 60.0), telemetry(*soc_pct)
    count = round(seconds)
    leak_kw = [wisher.decide(seen_so, Forecast(), at(k - seconds)).leak_kw for k in range(count + 1)][-1]
    return wisher, leak_kw


@pytest.mark.parametrize(
    ("soc_pct", "leak_kw"),
    [((50.0,), 0.0), ((49.5,), 0.0), ((50.5,), 0.0), ((49.25,), 40.0), ((50.75,), -40.0), ((49.0,), 80.0),
     ((10.0,), 80.0), ((95.0,), -80.0), ((48.5, 50.0), 40.0), ((nan,), 0.0), ((), 0.0)],
)  # fmt: skip
def test_leak(soc_pct: tuple[float, ...], leak_kw: float) -> None:
    """Goal: back to 50 %, at most 4 % of 2000 kW = 80 kW. Method: (0.75 - 0.5) / 0.5 * 80 = 40 kW at 49.25 %."""
    assert settled(*soc_pct)[1] == pytest.approx(leak_kw)
    wish = Wisher(50.0, 2000.0, 60.0).decide(telemetry(*soc_pct), Forecast(), at(0))
    assert (wish.leak_kw, wish.ramp_kw_per_s_max, wish.gain) == (0.0, 60.0, 1.0)


def test_the_leak_moves_slowly() -> None:
    """Goal: a BMS that steps by whole per cents moves no power in the band. Method: 80 kW in 300 s, edge by edge."""
    assert settled(49.0, seconds=150.0)[1] == pytest.approx(40.0)
    assert settled(49.0, seconds=299.0)[1] == pytest.approx(80.0 * 299 / 300)
    wisher, _ = settled(49.0)
    assert wisher.decide(telemetry(50.0), Forecast(), at(0.1)).leak_kw == pytest.approx(
        80.0 * (1 - 0.1 / 300)
    )
    assert wisher.decide(telemetry(50.0), Forecast(), at(1.1)).leak_kw == pytest.approx(
        80.0 * (1 - 1.1 / 300)
    )
    late = wisher.decide(telemetry(50.0), Forecast(), at(9.0)).leak_kw
    assert late == pytest.approx(80.0 * (1 - 2.1 / 300)), "a long cycle counts for a second"
    assert wisher.decide(telemetry(51.0), Forecast(), at(8.0)).leak_kw == late, "nor does one that goes back"


NOON_S = utc_s("2022-01-11T12:00")


def filling(
    valley_kw: float, load_kw: list[float], dt_s: float = 1.0, planned_kw: float = 0.0
) -> list[float]:
    """What the battery is wished to take, kW, of a site at its target SOC over a load with a value every dt_s."""
    wisher = Wisher(50.0, 2000.0, 60.0, valley_kw=valley_kw)
    curve = Curve(NOON_S, 36_000.0, (planned_kw,), valid_until_utc_s=NOON_S + 36_000.0)
    seconds = [dt_s * k for k in range(len(load_kw))]
    return [
        wisher.decide(seen(s, kw, 0.0), Forecast(pcs_kw=curve), Instant(ns(s), NOON_S + s)).leak_kw
        for s, kw in zip(seconds, load_kw, strict=True)
    ]


@pytest.mark.parametrize(
    ("valley_kw", "load_kw", "planned_kw", "taken_kw"),
    [(500.0, 300.0, 0.0, 200.0), (500.0, 500.0, 0.0, 0.0), (500.0, 501.0, 0.0, 0.0), (500.0, 499.0, 0.0, 1.0),
     (0.0, 300.0, 0.0, 0.0), (500.0, 900.0, 600.0, -400.0), (500.0, 300.0, -300.0, 300.0),
     (9000.0, 300.0, 0.0, 2000.0)],
)  # fmt: skip
def test_a_valley_is_filled(valley_kw: float, load_kw: float, planned_kw: float, taken_kw: float) -> None:
    """Goal: the grid carries valley_kw at least, as far as the converters reach; a plan may charge more, and give
    down to it. Method: both sides of the edge."""
    assert filling(valley_kw, [load_kw], planned_kw=planned_kw) == [pytest.approx(taken_kw)]


def test_a_valley_is_no_swing() -> None:
    """Goal: training steps about the level move little power. Method: 500 kW either side of it every 2 s, ten minutes;
    then a hole in the telemetry, after which the load counts as it is."""
    swinging = filling(1000.0, [1500.0 if k // 4 % 2 else 500.0 for k in range(1200)], dt_s=0.5)
    assert max(swinging[600:]) < 12.0 < 500.0
    assert filling(1000.0, [2000.0, 400.0], dt_s=5.1)[-1] == pytest.approx(600.0)
    assert filling(1000.0, [2000.0, 400.0], dt_s=5.0)[-1] == 0.0, "a long cycle is no hole"


def planned(pcs_kw: float, **limits_kw: float) -> Forecast:
    """One hour of a plan from noon on."""
    curve = Curve(NOON_S, 3600.0, (pcs_kw,), valid_until_utc_s=NOON_S + 1800.0)
    return Forecast(pcs_kw=curve, limits_kw=limits_kw)


def seen(second: float, load_kw: float, pcs_kw: float) -> Telemetry:
    """A site at noon plus `second`."""
    devices = {
        "bms-1": Device("bms-1", "bms", {"soc_pct": 47.0}, 0.1),
        "pcs-1": Device("pcs-1", "pcs", {"pcs_kw": pcs_kw}, 0.1),
    }
    return Telemetry(Instant(ns(second), NOON_S + second), Track(load_kw_mean=load_kw), Frame(), devices)


@pytest.mark.parametrize(
    ("second", "leak_kw"), [(-0.1, 80.0), (0.0, -300.0), (1799.9, -300.0), (1800.0, 80.0), (3600.0, 80.0)]
)
def test_the_plan_while_it_is_valid(second: float, leak_kw: float) -> None:
    """Goal: a plan is followed from its start to its end, then the SOC leak is back. Method: at the edges."""
    now = Instant(at(1.0).t_ns, NOON_S + second)
    wish = settled(47.0)[0].decide(seen(second, 3000.0, 0.0), planned(300.0), now)
    assert wish.leak_kw == pytest.approx(leak_kw, rel=0.01)


def test_after_a_plan_the_leak_begins_anew() -> None:
    """Goal: what a plan has moved is not taken back at once. Method: 300 s of a plan, then none."""
    wisher, _ = settled(47.0)
    for k in range(1, 301):
        now = Instant(at(k).t_ns, NOON_S + k)
        assert wisher.decide(seen(k, 3000.0, 0.0), planned(300.0), now).leak_kw == -300.0
    assert wisher.decide(seen(301, 3000.0, 0.0), Forecast(), at(301)).leak_kw == pytest.approx(80.0 / 300)


def test_the_window_is_kept_at_ten_cycles_a_second() -> None:
    """Goal: an hour of 3000 kW ends at 2500 kW as a mean, and no energy is spent beyond that.

    Method: 36 000 cycles would take long: every 2 s for an hour, the battery doing at once what is wished.
    """
    wisher = Wisher(50.0, 2000.0, 60.0, tariff(Demand(name="month", per_kw=21)))
    pcs_kw, grid_kwh = 0.0, 0.0
    curve = Curve(NOON_S, 3600.0, (0.0,), valid_until_utc_s=NOON_S + 3600.0)
    plan = Forecast(pcs_kw=curve, limits_kw={"month": 2500.0})
    for k in range(1800):
        second = 2.0 * k
        now = Instant(ns(second), NOON_S + second)
        pcs_kw = -wisher.decide(seen(second, 3000.0, pcs_kw), plan, now).leak_kw
        grid_kwh += (3000.0 - pcs_kw) * 2.0 / 3600.0
    assert grid_kwh == pytest.approx(2500.0, rel=0.005)
    assert pcs_kw == pytest.approx(2000.0, rel=0.1), "it waits as long as the battery suffices"


def test_charging_gives_way_to_the_window() -> None:
    """Goal: a plan's charging never lifts the window over its limit. Method: 800 kW planned, 500 fit."""
    wisher = Wisher(50.0, 2000.0, 60.0, tariff(Demand(name="month", per_kw=21)))
    now = Instant(0, NOON_S)
    wish = wisher.decide(seen(0.0, 2000.0, 0.0), planned(-800.0, month=2500.0), now)
    assert wish.leak_kw == pytest.approx(500.0)


@pytest.mark.parametrize(
    ("soc_pct", "given_kw"), [(47.0, 1500.0), (12.6, 1500.0), (12.5, 0.0), (5.0, 0.0), (nan, 1500.0)]
)
def test_a_window_leaves_the_reserve(soc_pct: float, given_kw: float) -> None:
    """Goal: the fast loop keeps its power, it and the fallback their energy. Method: 500 of 2000 kW and what is below
    12.5 % are kept; an hour of 3000 kW that may reach 1000, from its first second to its last."""
    wisher = Wisher(50.0, 2000.0, 60.0, tariff(Demand(name="month", per_kw=21)), (), 0.0, 500.0, 12.5)
    plan = Forecast(pcs_kw=Curve(NOON_S, 3600.0, (0.0,), NOON_S + 3600.0), limits_kw={"month": 1000.0})
    for k in range(0, 3600, 5):
        found = seen(float(k), 3000.0, given_kw)
        found.devices["bms-1"].values["soc_pct"] = soc_pct
        assert wisher.decide(found, plan, Instant(ns(k), NOON_S + k)).leak_kw == pytest.approx(-given_kw)

"""The bill by hand: windows, masks, every form of demand charge, and the days on which clocks are strange."""

from __future__ import annotations

import numpy as np
import pytest

from controller.config.tariff import Demand, EnergyFee, FeeStep
from controller.plan.billing import bill, billed_kw, demand_peaks, fee, prices, windows
from controller.plan.demand import Meter
from tests.unit.plan.tariffs import STOCKHOLM, hours, tariff

MONTH = Demand(name="month", per_kw=21)
HIGH = Demand(name="high", per_kw=66, months=(11, 12, 1, 2, 3), weekdays=(0, 1, 2, 3, 4), hours=(6, 22))
HOME = tuple(FeeStep(kw=kw, fee=amount) for kw, amount in ((2, 83), (5, 147), (10, 252)))


def peaks(
    *demand: Demand, start: str, grid_kw: np.ndarray, step_s: float = 3600.0
) -> list[tuple[int, float, float]]:
    """(month, kW, amount) of each line."""
    t_s = hours(start, grid_kw.size, step_s)
    found = demand_peaks(tariff(*demand), t_s, np.full(t_s.size, step_s), grid_kw)
    return [(p.month, pytest.approx(p.peak_kw), pytest.approx(p.amount)) for p in found]


def test_a_flat_winter_day() -> None:
    """Goal: energy and both peaks. Method: 1000 kW for the 24 h of a Tuesday at 1 + 0.06 + 0.36 a kWh."""
    sold = tariff(MONTH, HIGH, transfer_per_kwh=0.06, tax_per_kwh=0.36)
    t_s = hours("2022-01-11T00:00", 24)
    found = bill(sold, t_s, 3600.0, np.full(24, 1000.0), np.ones(24))
    assert found.energy == pytest.approx(24_000 * 1.42)
    assert found.demand == pytest.approx(1000 * 87)
    assert (found.wear, found.fuel, found.export_kwh) == (0, 0, 0)


def test_export_wear_and_fuel() -> None:
    """Goal: each part has its sign. Method: 100 kW out, 10 kW from the battery, 1 kW of diesel, 24 h."""
    sold = tariff(wear_per_kwh=0.21, sell_fee_per_kwh=0.1, fuel_per_kwh=4.5)
    t_s = hours("2022-01-11T00:00", 24)
    found = bill(sold, t_s, 3600.0, np.full(24, -100.0), np.ones(24), np.full(24, 10.0), np.ones(24))
    assert found.energy == pytest.approx(-2400 * 0.9)
    assert (found.wear, found.fuel) == (pytest.approx(240 * 0.21), pytest.approx(24 * 4.5))
    assert found.total == pytest.approx(-2160 + 50.4 + 108)


@pytest.mark.parametrize(("window_s", "kw"), [(900, 3000.0), (1800, 2000.0), (3600, 1500.0)])
def test_the_mean_of_the_window_counts(window_s: int, kw: float) -> None:
    """Goal: 15, 30, 60 minutes. Method: one quarter of 3000 kW in 1000 kW."""
    grid_kw = np.full(96, 1000.0)
    grid_kw[40] = 3000.0
    demand = Demand(name="a", per_kw=1, window_s=window_s)
    assert peaks(demand, start="2022-01-11T00:00", grid_kw=grid_kw, step_s=900.0) == [(202201, kw, kw)]


def test_masks_at_their_edges() -> None:
    """Goal: from 6, until 22, no week-end. Method: a peak an hour before, in the first, last, next hour."""
    for hour, counts in ((5, False), (6, True), (21, True), (22, False)):
        grid_kw = np.full(24, 10.0)
        grid_kw[hour] = 500.0
        (line,) = peaks(HIGH, start="2022-01-11T00:00", grid_kw=grid_kw)
        assert (line[1] == 500.0) is counts, hour
    assert peaks(HIGH, start="2022-01-08T00:00", grid_kw=np.full(48, 10.0)) == []
    assert peaks(HIGH, start="2022-04-05T00:00", grid_kw=np.full(24, 10.0)) == []


def test_a_mask_over_midnight() -> None:
    """Goal: 22 to 6 is the night. Method: count the open hours of a day."""
    night = Demand(name="night", per_kw=1, hours=(22, 6))
    found = windows(night, STOCKHOLM, hours("2022-05-03T00:00", 24), np.full(24, 3600.0))
    assert found.start_s.size == 8


@pytest.mark.parametrize(
    ("day", "count"), [("2022-03-27T00:00", 23), ("2022-10-30T00:00", 25), ("2024-02-29T00:00", 24)]
)
def test_days_of_23_24_and_25_hours(day: str, count: int) -> None:
    """Goal: DST and the leap day keep whole windows. Method: each hour of the day is its own window of it."""
    found = windows(MONTH, STOCKHOLM, hours(day, count), np.full(count, 3600.0))
    assert found.start_s.size == count
    assert len(set(found.day.tolist())) == 1
    grid_kw = np.zeros(count)
    grid_kw[2:4] = 100.0, 200.0  # the doubled hour of autumn is two windows, not one of 300
    assert peaks(MONTH, start=day, grid_kw=grid_kw) == [(int(day[:4] + day[5:7]), 200.0, 4200.0)]


@pytest.mark.parametrize(
    ("day", "count", "night_kw"),
    [("2022-03-27T00:00", 23, 0), ("2022-10-30T00:00", 25, 2000), ("2024-02-29T00:00", 24, 1000)],
)
def test_the_whole_bill_of_a_strange_day(day: str, count: int, night_kw: float) -> None:
    """Goal: energy and both charges by hand. Method: 1000 kW at 1; the fourth hour of the day 2000 kW at 5.

    From 6 to 22 there are 16 hours at 0.5 more. From 2 to 3 there is no hour in spring, in autumn there are two, and
    the fourth of the day is the second of them.
    """
    night = Demand(name="night", per_kw=10, hours=(2, 3))
    day_fee = EnergyFee(per_kwh=0.5, hours=(6, 22))
    sold = tariff(MONTH, night, transfer_per_kwh=0.06, tax_per_kwh=0.1, energy=(day_fee,))
    grid_kw, spot = np.full(count, 1000.0), np.ones(count)
    grid_kw[3], spot[3] = 2000.0, 5.0
    found = bill(sold, hours(day, count), 3600.0, grid_kw, spot)
    assert found.energy == pytest.approx((count - 1) * 1000 * 1.16 + 2000 * 5.16 + 16 * 1000 * 0.5)
    assert found.demand == pytest.approx(21 * 2000 + 10 * night_kw)
    assert found.import_kwh == pytest.approx(1000 * (count + 1))


def test_the_month_changes_at_local_midnight() -> None:
    """Goal: 23:00 UTC on 31 January is February. Method: a peak in either hour."""
    grid_kw = np.array([100.0, 200.0])
    assert peaks(MONTH, start="2022-01-31T23:00", grid_kw=grid_kw) == [
        (202201, 100.0, 2100.0), (202202, 200.0, 4200.0)
    ]  # fmt: skip


def test_the_meter_clock_is_five_minutes_fast() -> None:
    """Goal: windows go by the meter. Method: 5-minute data, 600 kW in the last 5 minutes of a true hour."""
    grid_kw = np.zeros(24)
    grid_kw[11:23] = 600.0  # 10:55 to 11:55 is the meter's hour from 11:00
    fast = Demand(name="a", per_kw=1, meter_offset_s=300)
    true = Demand(name="b", per_kw=1)
    found = peaks(fast, true, start="2022-01-11T10:00", grid_kw=grid_kw, step_s=300.0)
    assert found == [(202201, 600.0, 600.0), (202201, 550.0, 550.0)]


def test_a_step_across_two_windows_is_split() -> None:
    """Goal: coarse data and an offset. Method: 15 min of 900 kW, 5 of them in the next window of 15."""
    demand = Demand(name="a", per_kw=1, window_s=900, meter_offset_s=300)
    found = windows(demand, STOCKHOLM, hours("2022-01-11T10:00", 2, 900.0), np.full(2, 900.0))
    assert found.share_s.tolist() == [600.0, 300.0, 600.0, 300.0]
    assert found.means(np.array([900.0, 0.0])).tolist() == [900.0, 300.0, 0.0]


def test_steps_on_the_mean_of_three_days() -> None:
    """Goal: the Norwegian form. Method: days of 9, 6, 3 and 1 kW: mean 6, fee 252; twice in one day is once."""
    home = Demand(name="capacity", peaks_count=3, peaks_of="days", steps=HOME)
    grid_kw = np.zeros(96)
    grid_kw[[10, 30, 50, 80]] = 9.0, 6.0, 3.0, 1.0
    grid_kw[12] = 8.0
    assert peaks(home, start="2022-01-11T00:00", grid_kw=grid_kw) == [(202201, 6.0, 252.0)]


@pytest.mark.parametrize(("kw", "amount"), [(0, 83), (2, 83), (2.001, 147), (5, 147), (10, 252), (50, 252)])
def test_fee_steps_at_their_edges(kw: float, amount: float) -> None:
    """Goal: up to and with; above the last, its fee. Method: each edge."""
    assert fee(Demand(name="a", steps=HOME), kw) == amount


def test_subscription_and_year() -> None:
    """Goal: overrun, and a peak that is billed until the year ends. Method: 300 kW in January, 100 after."""
    over = Demand(name="over", per_kw=10, subscribed_kw=250)
    year = Demand(name="year", per_kw=1, period="year")
    grid_kw = np.full(60 * 24, 100.0)
    grid_kw[5] = 300.0
    assert peaks(over, year, start="2022-01-01T00:00", grid_kw=grid_kw) == [
        (202201, 50.0, 500.0), (202201, 300.0, 300.0), (202202, 0.0, 0.0), (202202, 300.0, 300.0),
        (202203, 0.0, 0.0), (202203, 300.0, 300.0),
    ]  # fmt: skip


def test_two_highest_months() -> None:
    """Goal: Ronneby's adder. Method: mean of the two highest monthly values of the year."""
    twin = Demand(name="a", per_kw=1, peaks_count=2, peaks_of="months", period="year")
    assert billed_kw(twin, [10.0, 30.0, 20.0]) == 25.0
    grid_kw = np.zeros(59 * 24)
    grid_kw[5], grid_kw[6], grid_kw[40 * 24] = 90.0, 80.0, 50.0
    assert peaks(twin, start="2022-01-01T00:00", grid_kw=grid_kw)[-1] == (202202, 70.0, 70.0)


def test_time_of_use() -> None:
    """Goal: a fee at its hours alone. Method: 0.5 from 6 to 22 on a spot of 1."""
    sold = tariff(energy=(EnergyFee(per_kwh=0.5, hours=(6, 22)),), tax_per_kwh=0.1)
    buy, sell = prices(sold, hours("2022-01-11T00:00", 24), np.ones(24))
    assert buy.tolist() == pytest.approx([1.1] * 6 + [1.6] * 16 + [1.1] * 2)
    assert sell.tolist() == [1.0] * 24


def test_the_running_meter_agrees_with_the_bill() -> None:
    """Goal: one truth for peaks. Method: random quarters fed one by one, windows of each length, an offset."""
    rng = np.random.default_rng(1)
    grid_kw = rng.uniform(-50, 500, 4 * 24 * 3)
    t_s = hours("2022-01-30T12:00", grid_kw.size, 900.0)
    sold = tariff(MONTH, HIGH, Demand(name="c", per_kw=1, window_s=1800, meter_offset_s=120))
    meter = Meter(sold)
    for begin_s, kw in zip(t_s, grid_kw, strict=True):
        meter.count(float(begin_s), 900.0, float(kw))
    for demand in sold.demand:
        meter.close(demand)
    lines = demand_peaks(sold, t_s, np.full(t_s.size, 900.0), np.maximum(grid_kw, 0.0))
    for line in lines:
        demand = next(d for d in sold.demand if d.name == line.name)
        assert max(meter.ledger.seen(demand, line.month).values()) == pytest.approx(line.peak_kw)

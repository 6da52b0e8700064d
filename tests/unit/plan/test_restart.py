"""Strange days and restarts: what the planner's meter has set is what a bill by hand says, minute by minute."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from controller.config.loader import load_site
from controller.config.tariff import Demand, Tariff
from controller.plan.billing import demand_peaks
from controller.plan.calendar import Floats
from controller.plan.demand import Meter, Running
from tests.unit.plan.tariffs import STOCKHOLM, hours, tariff, utc_s
from tools.season import Result, Season
from tools.tables import Curves, Tables

NORDLAB = Path(__file__).parents[3] / "boards" / "sites" / "nordlab.yaml"
NONE = Curves(None, None, None, False)
MONTH = Demand(name="month", per_kw=21)


def by_hand(t_s: Floats, grid_kw: Floats, offset_s: float) -> dict[int, float]:
    """yyyymm -> highest mean of an hour by the meter, from minutes, with the standard library alone."""
    sums: dict[datetime, list[float]] = {}
    for begin_s, kw in zip(t_s, grid_kw, strict=True):
        for minute in range(15):
            stamp = datetime.fromtimestamp(float(begin_s) + 60 * minute + offset_s, UTC)
            sums.setdefault(stamp.replace(minute=0, second=0), []).append(max(float(kw), 0.0))
    highest: dict[int, float] = {}
    for hour, minutes in sums.items():
        local = hour.astimezone(ZoneInfo(STOCKHOLM))
        month = 100 * local.year + local.month
        highest[month] = max(highest.get(month, 0.0), sum(minutes) / len(minutes))
    return highest


def days_of(start: str, quarters: int, seed: int) -> Tables:
    """A hall with an afternoon peak and noise."""
    rng = np.random.default_rng(seed)
    hour = np.arange(quarters) / 4 % 24
    load_kw = 3000 + 900 * (np.abs(hour - 15) < 2) + 80 * rng.standard_normal(quarters)
    spot = 0.8 + 0.5 * np.sin((hour - 9) / 12 * np.pi)
    return Tables(hours(start, quarters, 900.0), 900.0, load_kw, np.zeros(quarters), spot)


def go(season: Season, result: Result, steps: range) -> None:
    """Some steps of a season."""
    for k in steps:
        season.replan(k)
        season._step(k, result)


def set_kw(meter: Meter, sold: Tariff) -> dict[int, float]:
    """yyyymm -> peak in the ledger, running windows closed."""
    for demand in sold.demand:
        meter.close(demand)
    return {
        period: max(groups.values())
        for (name, period), groups in meter.ledger.peaks.items()
        if name == "month"
    }


@pytest.mark.stack
@pytest.mark.parametrize(
    ("start", "quarters", "offset_s"),
    [("2022-03-26T12:00", 96 + 48, 0), ("2022-10-29T12:00", 96 + 48, 0), ("2024-02-28T18:00", 96 + 48, 0),
     ("2022-01-31T12:00", 96, 300)],
    ids=["spring", "autumn", "leap day and month change", "month change, meter fast"],
)  # fmt: skip
def test_a_restart_on_a_strange_day_bills_as_by_hand(start: str, quarters: int, offset_s: float) -> None:
    """Goal: bills are right whatever the clock does, and a restart loses no peak.

    Method: a season in two lives; the second begins in the middle of an hour with nothing but the ledger, the open
    windows and the energy. Ledger, our bill and minutes by hand agree.
    """
    site = load_site(NORDLAB)
    sold = tariff(MONTH.model_copy(update={"meter_offset_s": offset_s}))
    tables, split = days_of(start, quarters, 7), quarters // 2 + 1
    tables.load_kw[split - 1 : split + 3] = 5900.0  # the month's peak is in the hour of the restart
    result = Result(*np.zeros((4, quarters)), {}, [])
    one, two = (Season(site, sold, tables, NONE) for _ in range(2))
    go(one, result, range(split))
    two.planner.meter.ledger.peaks |= one.planner.meter.ledger.peaks
    two.planner.meter.open |= one.planner.meter.open
    two.energy_kwh = one.energy_kwh
    go(two, result, range(split, quarters))
    hand = by_hand(tables.t_s, result.grid_kw, offset_s)
    assert set_kw(two.planner.meter, sold) == pytest.approx(hand, rel=1e-9)
    lines = demand_peaks(sold, tables.t_s, np.full(quarters, 900.0), np.maximum(result.grid_kw, 0.0))
    assert {line.month: line.peak_kw for line in lines} == pytest.approx(hand, rel=1e-9)
    assert sum(line.amount for line in lines) == pytest.approx(21 * sum(hand.values()), rel=1e-9)
    assert np.ptp(result.pcs_kw[split:]) > 500, "the second life must have done something"


def test_a_window_in_two_lives() -> None:
    """Goal: an hour with a restart in it. Method: 20 min of 3000, 5 unseen, 35 of 1500 kW.

    The unseen counts as the mean of what was seen: 2045.45 kW; without the first life it would be 1500.
    """
    sold, t_s = tariff(MONTH), utc_s("2022-07-12T12:00")
    one, two, bare = Meter(sold), Meter(sold), Meter(sold)
    one.count(t_s, 1200.0, 3000.0)
    left = one.open["month"]
    two.open["month"] = Running(left.window, left.import_kwh, left.seconds)
    for meter in (two, bare):
        meter.count(t_s + 1500, 2100.0, 1500.0)
    assert set_kw(two, sold) == {202207: pytest.approx((3000 * 20 + 1500 * 35) / 55)}
    assert set_kw(bare, sold) == {202207: pytest.approx(1500.0)}

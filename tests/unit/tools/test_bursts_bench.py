"""The bench of the bursts: what it takes for a peak, for the first day's, and how it binds perfect foresight."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from tools.bench.bursts import DAY_H, DEAR, Bound, lower_pct
from tools.bench.dispatch import Reference


def bound(solve: Any = None) -> Bound:
    """Two days in two months with a charge each, and one on the second day's last hour; 5000 kW without a battery."""
    hours = np.arange(2 * DAY_H)
    items = [(1, "month", 21.0, hours[:25]), (2, "month", 21.0, hours[25:]), (2, "high", 66.0, hours[-1:])]
    model = SimpleNamespace(
        peak_items=lambda *_: items, hour_means=lambda kw, _: kw, energy_limits=lambda _: (400, 3800, 2000)
    )
    season = SimpleNamespace(load=0, pv=0, buy=0, sell=0, hour=hours)
    none = {"peaks": [{"peak_kw": 5000.0}] * 3}
    oracle = SimpleNamespace(solve=solve)
    return Bound(
        cast(Reference, SimpleNamespace(model=model, season=season, site={}, none=none, oracle=oracle))
    )


def test_peaks_of_the_first_day_and_of_all() -> None:
    """Goal: the first day's peaks alone are those of a beginner. Method: the hours on both sides of its end."""
    grid_kw = np.full(2 * DAY_H, 100.0)
    grid_kw[[3, 23, 24, 47]] = -700.0, 3000.0, 3900.0, 3100.0
    assert bound().peaks_kw(grid_kw) == [3900.0, 3100.0, 3100.0]
    assert bound().peaks_kw(grid_kw, DAY_H) == [3000.0, 0.0, 0.0]
    assert lower_pct(bound(), grid_kw) == pytest.approx([22.0, 38.0])


def test_a_plan_pays_from_and_keeps_to_its_bounds() -> None:
    """Goal: what is paid is free, what is forbidden is dear, what is free is neither. Method: the charges it solves."""
    told: list[Any] = []
    bound(lambda *words, **_: told.append(words[5])).plan([0.0, 4237.0, 0.0], [3100.0, np.inf, np.inf])
    charges = [(price, hours.size, kw) for price, hours, kw in told[0]]
    assert charges == [(21.0, 25, 0.0), (21.0, 23, 4237.0), (66.0, 1, 0.0), (DEAR, 25, 3100.0)]

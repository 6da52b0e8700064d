"""The bench of homes: foresight stays within the fee steps it pays, and nothing learned as it goes is cheaper."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from controller.config.loader import load_site
from tests.unit.plan.tariffs import hours
from tools.bench.home import LEARNED_D, SITE, foresight, learn, ours, parted, priced
from tools.season import Season
from tools.tables import Curves, Tables

pytestmark = pytest.mark.stack


def test_foresight_pays_the_step_by_hand(tmp_path: Path) -> None:
    """Goal: the tightest step that is worth it. Method: three days of 3 kW with two hours of 12 kW each evening.

    The mean of three such peaks, 12 kW, is billed 371. Charging 10 hours at 5 kW or less carries both hours down to
    5 kW: fee 147. Flat price: no step lower than that is in reach, 3 kW of load is above 2.
    """
    site = load_site(SITE)
    assert site.tariff is not None
    load_kw = np.where(np.arange(72) % 24 // 2 == 9, 12.0, 3.0)
    tables = Tables(hours("2022-01-11T00:00", 72), 3600.0, load_kw, np.zeros(72), np.ones(72))
    none, best = priced(site.tariff, tables, np.zeros(72)), foresight(site, site.tariff, tables)
    assert (none.demand, none.peaks_kw) == (371.0, (12.0,))
    assert best.demand == 147.0
    assert best.peaks_kw[0] <= 5.0 + 1e-6
    assert best.total < none.total


def test_ours_learns_as_it_goes(tmp_path: Path) -> None:
    """Goal: the policy runs and is billed by the tariff, not by what it was planned with. Method: one day."""
    site = load_site(SITE)
    assert site.tariff is not None
    spot = np.repeat([0.2, 1.0], 12)
    tables = Tables(hours("2022-01-11T00:00", 24), 3600.0, np.full(24, 3.0), np.zeros(24), spot)
    mine, none = ours(site, site.tariff, tables, tmp_path, 1), priced(site.tariff, tables, np.zeros(24))
    assert mine.total < none.total
    assert mine.demand in {step.fee for step in site.tariff.demand[0].steps}


def test_what_lies_before_is_learned_and_not_billed() -> None:
    """Goal: a season begins at its date, with six weeks known. Method: 60 days, from the 50th, 3 days; each edge."""
    site = load_site(SITE)
    assert site.tariff is not None
    t_s = hours("2022-01-01T00:00", 60 * 24)
    load_kw = 1.0 + np.arange(t_s.size) % 24 / 10
    whole = Tables(t_s, 3600.0, load_kw, np.zeros(t_s.size), np.ones(t_s.size))
    before, billed = parted(whole, site.tariff.time_zone, date(2022, 2, 19), 3)
    assert (before.t_s[0], before.t_s[-1]) == (t_s[24 * (49 - LEARNED_D)], t_s[24 * 49 - 1])
    assert (billed.t_s[0], billed.t_s[-1]) == (t_s[24 * 49], t_s[24 * 52 - 1])
    nothing, everything = parted(whole, site.tariff.time_zone, None, None)
    assert (nothing.t_s.size, everything.t_s.size) == (0, t_s.size)
    season = Season(site, site.tariff, billed, Curves(None, None, None, False))
    learn(season.planner, before)
    assert season.energy_kwh == season.start_kwh
    told, _ = season.planner.outlook(float(billed.t_s[0]), season.feed(0))
    assert told.expected_kw == pytest.approx(billed.load_kw[: told.expected_kw.size], rel=0.03)

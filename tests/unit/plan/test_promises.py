"""Seasons through the planner, whatever comes: nothing of the future, the reserve kept, each month worth its peaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controller.plan import calendar
from controller.plan.billing import bill
from tests.unit.plan.test_planner import NONE, nordlab, season_of
from tools.season import Result, Season
from tools.tables import Curves, Tables

pytestmark = pytest.mark.stack


def changed(tables: Tables, k: int, unpublished: int) -> Tables:
    """The same past; another load and sun from step k on, other prices from the first that is not published."""
    load_kw, pv_kw, spot = tables.load_kw.copy(), tables.pv_kw.copy(), tables.spot.copy()
    load_kw[k:] += 1000
    pv_kw[k:] *= 0.2
    spot[unpublished:] *= 5
    return Tables(tables.t_s, tables.step_s, load_kw, pv_kw, spot)


def told_of(tables: Tables, k: int) -> Curves:
    """Each full hour's true load ahead; what is issued from step k on is another."""
    ahead = np.arange(0, tables.load_kw.size, 4)[:, None] + np.arange(192)
    load_kw = np.resize(tables.load_kw, tables.load_kw.size + 192)[ahead]
    load_kw[-(-k // 4) :] += 1000
    return Curves(load_kw, None, None, False)


@pytest.mark.parametrize("told", [False, True], ids=["learned", "told"])
@pytest.mark.parametrize(("k", "unpublished"), [(148, 192), (149, 288), (199, 288)])
def test_the_future_does_not_move_the_past(k: int, unpublished: int, told: bool) -> None:
    """Goal: no look-ahead. Method: two seasons that differ from step k on; power and plan before it are bit-equal.

    Step 148 is 13:00 of the second day: what is planned before it knows no price of the third, at 13:00 all of it.
    """
    site, sold = nordlab()
    tables = season_of(3, 5)
    curves = [told_of(tables, at) if told else NONE for at in (tables.load_kw.size, k)]
    seasons = [
        Season(site, sold, each, curve)
        for each, curve in zip((tables, changed(tables, k, unpublished)), curves, strict=True)
    ]
    one, two = (season.run(stop=k) for season in seasons)
    assert one.pcs_kw.tobytes() == two.pcs_kw.tobytes()
    assert one.grid_kw.tobytes() == two.grid_kw.tobytes()
    assert np.ptp(one.pcs_kw) > 1000, "the battery must have done something"
    plans = [season.planner.current for season in seasons]
    assert plans[0] is not None and plans[1] is not None
    assert plans[0].dispatch.pcs_kw.tobytes() == plans[1].dispatch.pcs_kw.tobytes()
    assert plans[0].horizon.steps.buy.tobytes() == plans[1].horizon.steps.buy.tobytes()


def burst_by(tables: Tables, seed: int) -> Tables:
    """With a burst of 4 MW for an hour and a half on either of two days, at a time of the seed's."""
    load_kw = tables.load_kw.copy()
    for first in np.random.default_rng(seed).integers(0, 90, 2) + np.array([0, 96]):
        load_kw[first : first + 6] += 4000
    return replace(tables, load_kw=load_kw)


@pytest.mark.parametrize("told", [False, True], ids=["learned", "told"])
@pytest.mark.parametrize("seed", range(5))
def test_the_reserve_is_left_alone(seed: int, told: bool) -> None:
    """Goal: fast loop and fallback keep theirs at every step asked, done, planned. Method: random reserves of a seed.

    The fast loop has its power both ways and its energy both ways; the fallback its minutes at a hall of 2400 kW, in
    every plan of two days with bursts that nothing but the reserve could still shave.
    """
    rng = np.random.default_rng(seed)
    kw, kwh, fallback_kwh = (float(rng.uniform(0, high)) for high in (1500, 400, 600))
    site, sold = nordlab(reserve_kw=kw, reserve_kwh=kwh, fallback_kwh=fallback_kwh)
    tables = burst_by(season_of(seed, 2), seed)
    season = Season(site, sold, tables, told_of(tables, tables.load_kw.size) if told else NONE)
    result, asked_kw, planned = Result(*np.zeros((4, tables.load_kw.size)), {}, []), [], []
    for k, net_kw in enumerate(tables.load_kw - tables.pv_kw):
        season.replan(k)
        asked_kw.append(season.planner.decide(float(tables.t_s[k]), float(net_kw), 900.0).pcs_kw)
        season._step(k, result)
        assert season.planner.current is not None
        planned.append(season.planner.current.dispatch)
    powers = np.concatenate([asked_kw, result.pcs_kw, *(each.pcs_kw for each in planned)])
    energies = np.concatenate([result.energy_kwh, *(each.energy_kwh for each in planned)])
    assert (2000 - powers).min() >= kw - 1e-6
    assert (2000 + powers).min() >= kw - 1e-6
    assert (3800 - energies).min() >= kwh - 1e-6
    minutes = 60 * (energies - kwh - 400) / 2400
    assert minutes.min() >= 60 * fallback_kwh / 2400 - 1e-6
    assert powers.max() == pytest.approx(2000 - kw), "the battery must have been asked for all it may give"
    assert np.ptp(result.pcs_kw) > 1, "the battery must have done something"


@pytest.mark.parametrize("learned", [False, True], ids=["told", "learned"])
def test_cheaper_than_no_battery(learned: bool) -> None:
    """Goal: price never tempts beyond its worth. Method: strong prices; the bill of each of two months.

    The first is four days long and begins with nothing known. The temptation is real: planned by price alone the peaks
    cost more in either month than the prices earn.
    """
    site, sold = nordlab()
    tables = season_of(7, 8)
    told = NONE if learned else told_of(tables, tables.load_kw.size)
    month = calendar.clock(sold.time_zone, tables.t_s).month

    def costs(result: Result | None) -> list[float]:
        found = []
        for at in (month == 202201, month == 202202):
            grid_kw = (tables.load_kw - tables.pv_kw if result is None else result.grid_kw)[at]
            pcs_kw = None if result is None else result.pcs_kw[at]
            found.append(bill(sold, tables.t_s[at], 900.0, grid_kw, tables.spot[at], pcs_kw).total)
        return found

    by_price = Season(site, sold.model_copy(update={"demand": ()}), tables, told).run()
    mine, none, tempted = (costs(each) for each in (Season(site, sold, tables, told).run(), None, by_price))
    assert mine[0] < none[0] < tempted[0]
    assert mine[1] < none[1] < tempted[1]

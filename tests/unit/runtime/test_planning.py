"""The slow loop by itself: looks and files in, plan, ladder, budget and answers out; on a clock of its own."""

from __future__ import annotations

import json
import time
from copy import deepcopy
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controller.config.fallback import Shed as Stage
from controller.config.feeds import Feeds, Price
from controller.config.loader import load_site
from controller.config.site import Site
from controller.config.tariff import EnergyFee
from controller.feeds.fetch import bring_files
from controller.image import Instant, Mode
from controller.plan.demand import Meter
from controller.runtime import answer, learned
from controller.runtime.gather import Look, Quarter
from controller.runtime.planning import Planning
from tests.unit.feeds.test_shapes import message

NOW = 1_800_000_000.0  # 2027-01-15T08:00Z, a Friday
SITES = Path("boards/sites")


def site_of(name: str = "nordlab", **changes: Any) -> Site:
    """An example site with prices from a file."""
    feeds = Feeds(price=Price(kind="csv", file="prices.csv", period_s=60))
    return load_site(SITES / f"{name}.yaml").model_copy(update={"feeds": feeds, **changes})


class Loop:
    """A slow loop in a folder, and the clock it lives by."""

    def __init__(self, folder: Path, site: Site | None = None, prices: bool = True) -> None:
        self.site = site or site_of()
        assert self.site.tariff is not None
        self.folder, self.t_s, self.set_s = folder, 0.0, 0.0
        self.meter = Meter(self.site.tariff)
        self.meter.count(NOW - 7200, 3600.0, 5000.0)  # a peak that is paid for already
        if prices:
            self.prices(64)
        self.planning = Planning(self.site, self.site.tariff, bring_files(folder), folder / answer.FILE)

    def prices(self, count: int, cheap: float = 0.2, dear: float = 2.0) -> None:
        """Quarters from 07:00Z on; dear from 09:00 to 11:00."""
        rows = "".join(
            f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(NOW - 3600 + 900 * k))},"
            f"{dear if 8 <= k < 16 else cheap}\n"
            for k in range(count)
        )
        (self.folder / "prices.csv").write_text("t_utc,price_sek_kwh\n" + rows)

    @property
    def utc_s(self) -> float:
        """The wall clock, as it is set."""
        return NOW + self.t_s + self.set_s

    def look(self, **known: Any) -> Look:
        """What the site looks like now: 3 MW, half full, grid-tied."""
        seen = {"load_kw": 3000.0, "pv_kw": 0.0, "pcs_kw": 0.0, "soc_pct": 50.0, "soc_pct_low": 49.0,
                "mode": Mode.GRID_TIED, "meter": self.meter} | known  # fmt: skip
        return Look(Instant(int(self.t_s * 1e9) + 10**12, self.utc_s), **seen)

    def turn(self, seconds: float = 1.0, letters: Any = (), **known: Any) -> None:
        """So much later, one turn."""
        self.t_s += seconds
        self.planning.step(self.look(**known), letters)

    def ask(self, said: object, **known: Any) -> str:
        """One letter's answer."""
        heard: list[str] = []
        self.turn(letters=[(json.dumps(said).encode(), heard.append)], **known)
        return heard[0]

    def pcs_kw(self, after_s: float = 0.0) -> float | None:
        """What the supervisor would follow then."""
        return self.planning.forecast.pcs_kw.at(self.utc_s + after_s)


def test_a_plan_from_prices(tmp_path: Path) -> None:
    """Goal: cheap hours charge, dear ones discharge, the reason is told. Method: prices of a day, half full."""
    loop = Loop(tmp_path)
    loop.turn()
    view = loop.planning.view.at(NOW + 61)
    assert (view["rung"], view["trouble"], view["age_s"]) == ("lp", "", pytest.approx(60))
    assert loop.planning.forecast.reason.startswith("lp: ")
    assert loop.pcs_kw() == pytest.approx(view["pcs_kw"])
    hours = [loop.pcs_kw(3600.0 * h) or 0.0 for h in (0, 1.1, 2.1, 4.1)]
    assert hours[0] < -500 and min(hours[1:3]) > 500
    assert loop.pcs_kw(5.9 * 3600) is not None and loop.pcs_kw(6.1 * 3600) is None
    assert set(loop.planning.forecast.limits_kw) == {"month", "high"}
    spot = loop.planning.forecast.spot_per_kwh
    assert spot.at(NOW + 3600) == 2.0


def test_it_plans_by_the_hour_and_on_news(tmp_path: Path) -> None:
    """Goal: a plan an hour, one on news, decisions in between. Method: count the plans of an hour."""
    loop = Loop(tmp_path)
    plans = set()
    for _ in range(70):
        loop.turn(60.0)
        plans.add(loop.planning.view.t_plan_s)
    assert [t - NOW for t in sorted(plans)] == [60, 3600]
    loop.prices(64, dear=3.0)
    loop.turn(60.0)
    assert loop.planning.view.t_plan_s == NOW + loop.t_s
    loop.set_s = -7200.0  # the clock is set right
    loop.turn()
    assert loop.planning.view.rung != "lp", "a plan of the future is none"
    loop.prices(64)
    loop.turn(60.0)
    assert (loop.planning.view.rung, loop.planning.view.t_plan_s) == ("lp", loop.utc_s)


def test_the_ladder_down_and_up(tmp_path: Path) -> None:
    """Goal: LP, last plan, rule, hold, LP again, each with its reason. Method: prices end; then time; then prices."""
    loop = Loop(tmp_path, prices=False)
    loop.prices(10)
    for k in range(4):
        soc_pct = nan if k == 3 else 50.0
        loop.turn(900.0, quarters=(Quarter(NOW + 900 * k, 3000.0, 0.0, 3000.0),), soc_pct=soc_pct)
        loop.meter.count(NOW + 900 * k, 900.0, 3000.0)
    assert loop.planning.view.rung == "last plan"  # 09:00: another hour, and no plan for it
    assert "state of charge" in loop.planning.forecast.reason
    loop.turn(3600.0)
    assert loop.planning.view.rung == "rule"  # 10:00: the list has ended; no peak above the one that is set
    assert "no price is known" in loop.planning.forecast.reason
    assert any("lies ahead" in feed["fault"] for feed in loop.planning.view.feeds)
    assert loop.pcs_kw(899) is not None and loop.pcs_kw(901) is None
    loop.turn(60.0, load_kw=nan)
    assert (loop.planning.view.rung, loop.pcs_kw()) == ("hold", None)
    loop.prices(96)
    loop.turn(900.0)
    assert loop.planning.view.rung == "lp"


@pytest.mark.parametrize("market", [True, False])
def test_what_was_paid_is_learned(tmp_path: Path, market: bool) -> None:
    """Goal: typical days have their prices, told after the fact or never. Method: two hours of quarters."""
    loop = Loop(tmp_path, None if market else load_site(SITES / "nordlab.yaml"))
    loop.turn()
    for k in range(-3, 9):
        loop.turn(900.0, quarters=(Quarter(NOW + 900 * k, 3000.0, 0.0, 3000.0),))
    (table,) = loop.planning._planner.past.days.values()
    assert table[2][8:11].tolist() == pytest.approx([0.2, 0.2, 2.0] if market else [0.0] * 3)


def test_a_planner_that_breaks_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: whatever fails in the plan, the loop goes on. Method: a planner that raises."""
    loop = Loop(tmp_path)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("nothing there")

    monkeypatch.setattr(loop.planning._planner, "replan", broken)
    loop.turn()
    assert loop.planning.view.trouble == "the planner failed: ZeroDivisionError: nothing there"
    tried_s = loop.planning._tried_s
    loop.turn(299.0)
    assert loop.planning._tried_s == tried_s
    loop.turn(1.0)
    assert loop.planning._tried_s == tried_s + 300


def test_the_budget_is_the_plan_turned_round(tmp_path: Path) -> None:
    """Goal: price, what raises no peak, what can be carried; in S2's shape. Method: the message field by field."""
    loop = Loop(tmp_path)
    loop.turn()
    told = json.loads(loop.ask({"verb": "budget"}))
    assert told == json.loads((tmp_path / "budget.json").read_text())
    assert told["message_type"] == "PowerForecast" and told["currency"] == "SEK"
    assert told["start_time"] == "2027-01-15T08:00:02Z"
    assert told["elements"][0]["duration"] == 898_000
    dear = next(e for e in told["elements"] if e["price_per_kwh"] > 2)
    assert dear["price_per_kwh"] == pytest.approx(2.0 + 0.06 + 0.36)
    for element in told["elements"]:
        (value,) = element["power_values"]
        assert 0 <= element["without_new_peak"] <= value["value_upper_limit"] <= 8_000_000
        assert value["value_expected"] == 3_000_000
    assert dear["new_peak_per_kw"] == pytest.approx(21 + 66)
    assert told["shed"] == []
    assert "3000" in answer.spoken(told)


def test_more_load_than_the_site_carries_is_asked_to_go_in_time(tmp_path: Path) -> None:
    """Goal: a told burst beyond the connection is refused ahead of time. Method: 7.6 MW for 6 h, by letter."""
    loop = Loop(tmp_path)
    burst = [
        {"duration": 3_600_000 * h, "power_values": [{"value_expected": w}]}
        for h, w in ((2, 3e6), (6, 7.6e6))
    ]
    curve = message(elements=burst, valid_until="2027-01-15T20:00:00Z")
    loop.turn()
    assert loop.ask({"verb": "forecast", "curve": curve}) == ""
    assert "told twice" in loop.ask({"verb": "forecast", "curve": message(elements=burst[:1])})
    for wrong in ({"verb": "forecast"}, {"verb": "dance"}, 5):
        assert loop.ask(wrong) != ""
    loop.turn(60.0)
    told = json.loads(loop.ask({"verb": "budget"}))
    first = told["shed"][0]
    assert first["by"] == first["from"] and "T10:00" <= first["by"][10:16] < "T16:00"
    assert 6_000_000 <= first["to"] <= 7_600_000
    assert "are expected" in first["reason"]


def test_a_battery_that_rests_is_not_promised(tmp_path: Path) -> None:
    """Goal: in FAULT the connection alone carries. Method: the same plan in both modes, a full disk on the way."""
    loop = Loop(tmp_path)
    loop.turn()
    (tmp_path / "budget.json.new").mkdir()
    tied, fault = (json.loads(loop.ask({"verb": "budget"}, mode=m)) for m in (Mode.GRID_TIED, Mode.FAULT))
    assert max(e["power_values"][0]["value_upper_limit"] for e in tied["elements"]) == 8_000_000
    assert max(e["power_values"][0]["value_upper_limit"] for e in fault["elements"]) == 6_000_000
    assert fault["reason"].endswith("the battery rests: FAULT")
    assert "budget.json cannot be written" in loop.planning.view.trouble


def test_times_of_use_are_planned_without_a_market(tmp_path: Path) -> None:
    """Goal: a contract with a fixed price by the hour. Method: 3 SEK more from 10 to 12 local, no price feed."""
    site = load_site(SITES / "nordlab.yaml")
    assert site.tariff is not None
    part = EnergyFee(per_kwh=3.0, hours=(10, 12))
    loop = Loop(
        tmp_path, site.model_copy(update={"tariff": site.tariff.model_copy(update={"energy": (part,)})})
    )
    loop.turn()
    assert loop.planning.view.rung == "lp"
    kw = [loop.pcs_kw(3600 * h) or 0.0 for h in (0.5, 1.1, 2.1, 3.1)]  # 09:00 local is now
    assert min(kw[1:3]) > 500 and max(kw[0], kw[3]) < 1
    assert loop.planning.forecast.spot_per_kwh.source == "tariff"


def test_without_a_plan_the_connection_answers(tmp_path: Path) -> None:
    """Goal: always an answer. Method: no prices at all."""
    loop = Loop(tmp_path, prices=False)
    told = json.loads(loop.ask({"verb": "budget"}))
    (element,) = told["elements"]
    assert element["power_values"][0]["value_upper_limit"] == 6_000_000
    assert element["price_per_kwh"] is None
    assert told["reason"] == "rule: no price is known; see the feeds"
    answer.spoken(told)


def test_an_island_tells_what_its_source_carries(tmp_path: Path) -> None:
    """Goal: the hall's budget now, and each stage with the time the battery gives it. Method: 1 MW drain by hand."""
    site = site_of("island-hall", tariff=load_site(SITES / "nordlab.yaml").tariff)
    assert site.fallback is not None
    stages = (Stage(name="a", kw=500, soc_pct=40), Stage(name="b", kw=800, soc_pct=25))
    site = site.model_copy(update={"fallback": site.fallback.model_copy(update={"sheds": stages})})
    loop = Loop(tmp_path, site)
    state = {"mode": Mode.ISLANDED, "budget_kw": 1800.0, "load_kw": 2000.0, "pcs_kw": 1000.0, "stage": 0}
    told = json.loads(loop.ask({"verb": "budget"}, **state))
    assert told["elements"][0]["power_values"][0]["value_upper_limit"] == 1_800_000
    at_once, one, two = told["shed"]
    assert (at_once["to"], at_once["by"]) == (1_800_000, told["issued_at"])
    hours = 0.09 * site.battery.capacity_kwh / (1000.0 / site.battery.discharge_efficiency_pu)
    assert one["by"] == answer.iso(NOW + loop.t_s + 3600 * hours)
    assert (one["to"], two["to"]) == (1_500_000, 700_000)
    for calm in ({"stage": 2}, {"pcs_kw": 0.0}, {"pcs_kw": 1.0}, {"mode": Mode.GENSET}, {"soc_pct_low": nan}):
        told = json.loads(loop.ask({"verb": "budget"}, **state | {"load_kw": 1700.0} | calm))
        assert told["shed"] == [], calm


def test_equal_looks_give_equal_plans(tmp_path: Path) -> None:
    """Goal: nothing but looks and files counts. Method: two loops, a day of turns, bit for bit."""
    told = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        loop = Loop(tmp_path / name)
        rng = np.random.default_rng(4)
        for k in range(8):
            kw = 3000.0 + float(rng.normal(0, 100))
            loop.turn(900.0, load_kw=kw, quarters=(Quarter(NOW + 900 * k, kw, 0.0, kw),))
        told.append((loop.planning.forecast, replace(loop.planning.view, feeds=())))
    assert told[0] == told[1]


def lived(folder: Path, keep: Path | None, hours: int, restart_h: int | None = None) -> Loop:
    """A loop that lived through hours of a load with a shape of its own, with or without a restart in between."""
    loop = Loop(folder)
    for hour in range(hours):
        if hour in (0, restart_h):
            before, loop.planning = (
                loop.planning,
                Planning(loop.site, loop.meter.tariff, bring_files(folder), None, keep),
            )
            assert before is not loop.planning
        if hour % 12 == 0:
            rows = "".join(
                f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(loop.utc_s - 3600 + 900 * k))},"
                f"{1 + np.sin(0.1 * k + hour):.4f}\n" for k in range(150)
            )  # fmt: skip
            (folder / "prices.csv").write_text("t_utc,price_sek_kwh\n" + rows)
        begin_s = loop.utc_s - loop.utc_s % 900
        past = tuple(
            Quarter(begin_s - 3600 + 900 * k, kw := 3000.0 + 800.0 * np.sin(hour * 0.7) + 90.0 * k, 0.0, kw)
            for k in range(4)
        )
        loop.turn(3600.0, quarters=past if hour else (), meter=deepcopy(loop.meter))
    return loop


def plan_of(loop: Loop) -> Any:
    """The plan that holds."""
    plan = loop.planning._planner.current
    assert plan is not None
    return plan


@pytest.mark.stack
def test_a_restart_in_mid_month_plans_the_same(tmp_path: Path) -> None:
    """Goal: what was learned outlives a restart. Method: 40 hours, with it and without; and anew."""
    found = []
    for name, restart_h in (("whole", None), ("again", 39), ("anew", 39)):
        folder = tmp_path / name
        folder.mkdir()
        keep = None if name == "anew" else folder / learned.FILE
        found.append(plan_of(lived(folder, keep, 40, restart_h)))
    whole, again, anew = found
    assert np.array_equal(whole.load.expected_kw, again.load.expected_kw)
    assert np.array_equal(whole.load.bands_kw, again.load.bands_kw)
    assert whole.dispatch.cost == pytest.approx(again.dispatch.cost, rel=1e-9)
    assert whole.limits_kw == pytest.approx(again.limits_kw)
    assert not np.allclose(whole.load.expected_kw, anew.load.expected_kw, rtol=0.01)


def test_a_file_of_learned_figures_that_is_not_used(tmp_path: Path) -> None:
    """Goal: any other file is left, told, and replaced. Method: torn, cut, of another version, of the future, none."""
    keep = tmp_path / learned.FILE
    state = Loop(tmp_path).planning._planner.state()
    learned.write(keep, state | {"utc_s": np.array([NOW])})
    whole = keep.read_bytes()
    assert learned.read(keep).keys() == state.keys() | {"utc_s"}
    cases = [
        (whole[:-1], "damaged"), (whole[:40] + b"x" + whole[41:], "damaged"), (b"", "no file"),
        (whole.replace(b"learned 1", b"learned 2", 1), "version 2, not 1"), (b"x" * 99, "no file"),
    ]  # fmt: skip
    for content, why in cases:
        keep.write_bytes(content)
        with pytest.raises(learned.LearnedError, match=why):
            learned.read(keep)
        loop = Loop(tmp_path)
        loop.planning = Planning(loop.site, loop.meter.tariff, bring_files(tmp_path), None, keep)
        loop.turn()
        assert why in loop.planning.view.at(NOW)["unkept"] and loop.planning.view.rung == "lp"
    loop.turn(3600.0, quarters=(Quarter(NOW, 3000.0, 0.0, 3000.0),))
    assert loop.planning.unkept == "" and "hours" in "".join(learned.read(keep))
    wrongs = [
        ({"utc_s": np.array([NOW + 9e4])}, "later time"), ({"load/hours": np.ones((3, 4))}, "shape"),
        ({"hour": np.ones((5, 4))}, "shape"), ({"load/skill": np.full((2, 5, 48), np.nan)}, "shape"),
    ]  # fmt: skip
    for wrong, why in wrongs:
        learned.write(keep, state | {"utc_s": np.array([NOW])} | wrong)
        loop = Loop(tmp_path)
        loop.planning = Planning(loop.site, loop.meter.tariff, bring_files(tmp_path), None, keep)
        loop.turn()
        assert why in loop.planning.unkept, wrong
        assert not loop.planning._planner.load.seen_kw


def test_the_bands_of_a_told_curve_reach_the_plan(tmp_path: Path) -> None:
    """Goal: a scheduler's own bands are the plan's, where nothing else is known. Method: two hours told with bands."""
    loop = Loop(tmp_path)
    ends = {
        "value_lower_95PPR": 1.0e6,
        "value_lower_68PPR": 2.0e6,
        "value_upper_68PPR": 3.5e6,
        "value_upper_95PPR": 4.0e6,
    }
    value = {"commodity_quantity": "ELECTRIC.POWER.3_PHASE_SYMMETRIC", "value_expected": 3.0e6} | ends
    curve = {"message_type": "PowerForecast", "start_time": "2027-01-15T08:00:00Z",
             "elements": [{"duration": 7_200_000, "power_values": [value]}]}  # fmt: skip
    assert loop.ask({"verb": "forecast", "curve": curve}) == ""
    loop.turn(61.0)
    assert plan_of(loop).load.bands_kw[:, 1].tolist() == [1000.0, 2000.0, 3500.0, 4000.0]


def test_without_a_clock_the_tariff_is_flat(tmp_path: Path) -> None:
    """Goal: F76: no plan, no price, nothing learned while the wall clock is not set; the plan is back with it.
    Method: unset at the start, set, and unset again."""
    loop, quarter = Loop(tmp_path), Quarter(NOW, 3000.0, 0.0, 3000.0)
    rungs = []
    for seconds, unset in ((1.0, True), (61.0, False), (31.0, True), (301.0, False)):
        loop.turn(seconds, clock_unset=unset, quarters=(quarter,) if unset else ())
        view = loop.planning.view
        rungs.append(view.rung)
        assert ("the wall clock is not set" in view.reason) is unset
        assert (loop.planning.forecast.spot_per_kwh.at(NOW) is None) is unset
        assert bool(loop.planning.forecast.limits_kw) is not unset
    assert rungs[1] == rungs[3] == "lp" and not {"lp", "last plan"} & {rungs[0], rungs[2]}
    assert not loop.planning._planner._hour, "hours that nobody knows teach nothing"

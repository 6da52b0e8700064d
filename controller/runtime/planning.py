"""The slow loop of a running site: feeds in, plan, decision, budget out. `run` calls it on a thread of its own,
`sim` in virtual time; the same looks give the same plans.

The ladder is the planner's: LP, last plan, rule, hold. Whatever fails here, the supervisor goes on with what was
published last while that is valid, and then with the state of charge alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np

from controller.config.site import Site
from controller.config.tariff import Tariff
from controller.feeds.fetch import Bring
from controller.feeds.intake import Intake, Told
from controller.image import Curve, Forecast
from controller.plan import offer
from controller.plan.billing import prices
from controller.plan.calendar import Floats
from controller.plan.planner import AGE_S_MAX, Decision, Feed, Planner, Rung, plant_of
from controller.runtime import answer, learned
from controller.runtime.answer import Budget
from controller.runtime.gather import QUARTER_S, Look, Quarter

HOUR_S = 3600.0
DECIDE_S = 30.0  # between two decisions on one plan
HOLD_S = 60.0  # how long a decision counts on being kept
NEWS_S_MIN = 60.0  # between two plans, whatever is told
RETRY_S = 300.0  # until a plan that failed is tried again
TIME_LIMIT_S = 10.0  # of the solver
SLOTS_MAX = 192  # of exact time: two days
NO_CLOCK = "the wall clock is not set (F76): the tariff is taken as flat"

Letter = tuple[bytes, Callable[[str], object]]  # what came in at the socket, and the way back


@dataclass(frozen=True, slots=True)
class View:
    """What the status says of the slow loop."""

    rung: str
    reason: str
    trouble: str
    t_s: float  # UTC, of this view
    t_plan_s: float  # UTC; 0: there is no plan
    pcs_kw: float
    feeds: tuple[dict[str, Any], ...]
    unkept: str = ""  # why what was learned is not kept

    def at(self, utc_s: float) -> dict[str, Any]:
        """As plain data, with ages as they are by then."""
        age_s = utc_s - self.t_plan_s if self.t_plan_s else nan
        feeds = [feed | {"age_s": feed["age_s"] + utc_s - self.t_s} for feed in self.feeds]
        return {"rung": self.rung, "reason": self.reason, "trouble": self.trouble, "age_s": age_s,
                "pcs_kw": self.pcs_kw, "feeds": feeds, "unkept": self.unkept}  # fmt: skip


class Planning:
    """One site's slow loop. step() from one thread at a time; forecast, view and budget may be read from any.

    bring: the way to the feeds, see feeds.fetch. out: file of the budget, keep: of what is learned; None: none.
    """

    def __init__(
        self, site: Site, tariff: Tariff, bring: Bring, out: Path | None = None, keep: Path | None = None
    ) -> None:
        self._site, self._tariff, self._out = site, tariff, out
        self._intake = Intake(site, tariff, bring)
        self._planner = Planner(tariff, plant_of(site, tariff), QUARTER_S, TIME_LIMIT_S)
        self._sees_sun = "load_ia" in site.sampling.channels
        self._planned_s = self._tried_s = -1e12
        self._decided_s = -1e12
        self._keep, self._kept_h = keep, nan
        self.unkept = ""  # why what was learned could not be read or written, empty: it could
        self._news = False  # something was told since the last plan
        self._sequence = 0
        self.forecast = Forecast(reason="no look at the site yet")
        self.view = View(Rung.HOLD.value, "no look at the site yet", "", 0.0, 0.0, 0.0, ())
        self.budget: dict[str, Any] = {}

    def step(self, look: Look, letters: Sequence[Letter] = ()) -> None:
        """One turn, about once a second. May wait for slow feeds and for the solver, each within its limit."""
        utc_s = look.now.utc_s
        if self._keep is not None and not isfinite(self._kept_h):
            self._recall(self._keep, utc_s)
        self._news |= bool(self._intake.refresh(look.now))  # first: a quarter is learned with its price
        if look.clock_unset:
            self._planner.current, self._planner.trouble = None, NO_CLOCK
        for quarter in () if look.clock_unset else look.quarters:
            self._learn(quarter, utc_s)
        if look.meter is not None:
            self._planner.meter = look.meter
        waiting: list[Callable[[str], object]] = []
        for text, reply in letters:
            self._news |= self._read(text, reply, look, waiting)
        planned = not look.clock_unset and self._due(utc_s) and self._plan(look)
        # A clock set back must not silence the loop until it has caught up.
        if planned or letters or not 0.0 <= utc_s - self._decided_s < DECIDE_S:
            self._decide(look)
        for reply in waiting:
            reply(json.dumps(self.budget))
        if self._keep is not None and utc_s // HOUR_S != self._kept_h and look.quarters:
            self._remember(self._keep, utc_s)

    def _recall(self, keep: Path, utc_s: float) -> None:
        """Go on from what the last run had learned; what cannot be used, or is of a later hour, is left."""
        self._kept_h = utc_s // HOUR_S
        try:
            state = learned.read(keep)
            if state and float(state.pop("utc_s", np.full(1, nan))[0]) <= utc_s + HOUR_S:
                self._planner.restore(state)
                self._intake.restore(state)
            elif state:
                self.unkept = f"{keep.name} is of a later time; is the clock right?"
        except (learned.LearnedError, ValueError, IndexError, TypeError) as error:
            self.unkept = str(error)

    def _remember(self, keep: Path, utc_s: float) -> None:
        """Once an hour: more would wear the disk, and an hour is soon learned anew."""
        self._kept_h = utc_s // HOUR_S
        state = self._planner.state() | self._intake.state() | {"utc_s": np.array([utc_s])}
        try:
            learned.write(keep, state)
            self.unkept = ""
        except OSError as error:
            self.unkept = f"{keep.name} cannot be written: {error}"

    def _learn(self, quarter: Quarter, utc_s: float) -> None:
        spot = float(_values(self._intake.told(utc_s).spot, quarter.t_s)[0])
        self._planner.observe(quarter.t_s, quarter.load_kw, quarter.pv_kw, quarter.grid_kw, spot)
        self._intake.learn(quarter.t_s, quarter.load_kw, quarter.pv_kw)

    def _read(self, text: bytes, reply: Callable[[str], object], look: Look, waiting: list[Any]) -> bool:
        """Answer a letter, or have it wait for the budget of this turn; True: a curve was taken."""
        try:
            said = json.loads(text)
            verb = said.get("verb") if isinstance(said, dict) else None
        except (ValueError, RecursionError):
            verb = None
        if verb == "budget":
            waiting.append(reply)
            return False
        if verb != "forecast":
            reply("this is no command, budget or forecast")
            return False
        fault = self._intake.push(json.dumps(said.get("curve")).encode(), look.now)
        reply(fault)
        return not fault

    def _due(self, utc_s: float) -> bool:
        since_s = utc_s - self._tried_s
        if since_s < 0:  # the clock was set back
            return True
        if self._planner.trouble or self._planner.current is None:
            return since_s >= RETRY_S or (self._news and since_s >= NEWS_S_MIN)
        another_hour = utc_s // HOUR_S != self._planned_s // HOUR_S
        return another_hour or (self._news and since_s >= NEWS_S_MIN)

    def _plan(self, look: Look) -> bool:
        """Whether a plan was tried; the planner's trouble says why there is none."""
        utc_s = look.now.utc_s
        told = self._intake.told(utc_s)
        missing = _missing(look, told, utc_s)
        if missing:
            self._planner.trouble = missing
            return False
        self._tried_s, self._planner.trouble, self._news = utc_s, "", False
        try:
            capacity_kwh = look.capacity_kwh(self._site.battery.capacity_kwh)
            self._planner.plant = plant_of(self._site, self._tariff, capacity_kwh=capacity_kwh)
            energy_kwh = capacity_kwh * look.soc_pct / 100.0
            self._planner.replan(utc_s - utc_s % QUARTER_S, energy_kwh, self._feed(look, told))
        except Exception as error:  # no curve may end the loop: the ladder stands below it
            self._planner.trouble = f"the planner failed: {type(error).__name__}: {error}"
        if not self._planner.trouble:
            self._planned_s = utc_s
        return True

    def _feed(self, look: Look, told: Told) -> Feed:
        assert told.spot is not None
        begin_s = look.now.utc_s - look.now.utc_s % QUARTER_S
        spot = _values(told.spot, begin_s)
        spot = spot[: int(np.argmin(np.isfinite(spot)))] if not np.isfinite(spot).all() else spot
        load_kw = _values(told.load_kw, begin_s)[: spot.size]
        pv_kw = _values(told.pv_kw, begin_s)[: spot.size]
        if not self._planner.load.seen_kw:  # nothing else is known but the present
            load_kw = np.where(np.isfinite(load_kw), load_kw, look.load_kw)
        return Feed(
            spot,
            load_kw if np.isfinite(load_kw).any() else None,
            pv_kw if self._sees_sun and np.isfinite(pv_kw).any() else None,
            _bands(told.load_kw, begin_s, spot.size),
        )

    def _decide(self, look: Look) -> None:
        """Decide on this plan, and tell everyone: supervisor, status, scheduler."""
        utc_s = self._decided_s = look.now.utc_s
        told = Told() if look.clock_unset else self._intake.told(utc_s)
        spot = told.spot.at(utc_s) if told.spot is not None else None
        net_kw = look.load_kw - look.pv_kw
        decision = Decision(0.0, Rung.HOLD, "the load is not known")
        if isfinite(net_kw):
            decision = self._planner.decide(utc_s, net_kw, HOLD_S, nan if spot is None else spot)
        reason = decision.reason
        if self._planner.trouble and self._planner.trouble not in reason:
            reason = f"{reason}; {self._planner.trouble}"
        t_plan_s = self._planned_s if self._planner.current is not None else 0.0
        self.forecast = self._forecast(look, decision, told, f"{decision.rung.value}: {reason}")
        feeds = tuple(self._intake.view(utc_s))
        self.view = View(
            decision.rung.value,
            reason,
            self._planner.trouble,
            utc_s,
            t_plan_s,
            decision.pcs_kw,
            feeds,
            self.unkept,
        )
        self._tell(look, nan if spot is None else spot, f"{decision.rung.value}: {reason}")

    def _forecast(self, look: Look, decision: Decision, told: Told, reason: str) -> Forecast:
        """What the supervisor follows: the decision for a quarter of an hour, after it the plan while it lasts."""
        utc_s, plan = look.now.utc_s, self._planner.current
        planned = decision.rung in (Rung.LP, Rung.LAST) and plan is not None
        pcs_kw: list[float] = [] if decision.rung == Rung.HOLD else [decision.pcs_kw]
        until_s = utc_s + QUARTER_S
        load_kw = pv_kw = Curve()
        if planned and plan is not None:
            until_s = plan.now_s + AGE_S_MAX
            t_s, end_s = plan.horizon.near_t_s, plan.horizon.near_t_s + plan.horizon.near_s
            for at_s in np.arange(utc_s + QUARTER_S, min(until_s, float(end_s[-1])), QUARTER_S):
                pcs_kw.append(float(plan.dispatch.pcs_kw[np.searchsorted(t_s, at_s, side="right") - 1]))
            hour_s = plan.now_s - plan.now_s % HOUR_S
            load_kw, pv_kw = (
                Curve(hour_s, HOUR_S, tuple(x.expected_kw.tolist()), issued_utc_s=plan.now_s,
                      valid_until_utc_s=until_s, source="plan")
                for x in (plan.load, plan.pv)
            )  # fmt: skip
        return Forecast(
            t_issue_ns=look.now.t_ns,
            load_kw=load_kw,
            pv_kw=pv_kw,
            spot_per_kwh=told.spot or Curve(),
            pcs_kw=Curve(utc_s, QUARTER_S, tuple(pcs_kw), issued_utc_s=utc_s, valid_until_utc_s=until_s,
                         source=decision.rung.value),
            limits_kw=self._planner.limits_kw(utc_s) if planned else {},
            reason=reason,
        )  # fmt: skip

    def _tell(self, look: Look, spot: float, reason: str) -> None:
        utc_s, plan = look.now.utc_s, self._planner.current
        ahead: tuple[offer.Slot, ...] = ()
        if plan is not None and utc_s - plan.now_s <= AGE_S_MAX:
            ahead = offer.slots(plan, self._planner.plant, self._tariff, utc_s)
        if not ahead:
            buy, _ = prices(self._tariff, np.array([utc_s]), np.array([spot]))
            ahead = offer.without_plan(self._site.grid.import_kw_max, look.load_kw, float(buy[0]), utc_s)
        budget = answer.limited(Budget(ahead, offer.sheds(ahead), reason), self._site, look)
        self._sequence += 1
        self.budget = answer.written(budget, self._site, self._tariff.currency, utc_s, self._sequence)
        if self._out is not None:
            try:
                draft = self._out.with_name(self._out.name + ".new")
                draft.write_text(json.dumps(self.budget), encoding="utf-8")
                draft.replace(self._out)
            except OSError as error:  # who asks at the socket still gets it
                self.view = replace(self.view, trouble=f"{self._out.name} cannot be written: {error}")


def _missing(look: Look, told: Told, utc_s: float) -> str:
    """What a plan cannot do without; empty: it is there."""
    if told.spot is None or told.spot.at(utc_s) is None:
        return "no price is known; see the feeds"
    if not isfinite(look.soc_pct):
        return "the state of charge is not known"
    return "" if isfinite(look.load_kw) and isfinite(look.pv_kw) else "the load is not known"


def _bands(curve: Curve | None, begin_s: float, count: int) -> Floats | None:
    """The four ends of a curve's bands in quarters, as forecast.QUANTILES has them; None: it tells none of them."""
    rows = () if curve is None else (curve.low_95, curve.low_68, curve.high_68, curve.high_95)
    if curve is None or not any(rows):
        return None
    found = [_values(replace(curve, expected=row), begin_s)[:count] for row in rows]
    return np.array(found)


def _values(curve: Curve | None, begin_s: float) -> Floats:
    """A curve that is believed, in quarters from begin_s on (both begin at whole ones); nan where it says nothing."""
    told = np.full(SLOTS_MAX, nan)
    if curve is not None:
        at_s = begin_s + QUARTER_S * np.arange(SLOTS_MAX)
        place = np.floor((at_s - curve.start_utc_s) / curve.step_s).astype(int)
        inside = (place >= 0) & (place < len(curve.expected))
        told[inside] = np.array(curve.expected)[place[inside]]
    return told

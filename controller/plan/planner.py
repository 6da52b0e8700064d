"""One site's slow loop: learns what was, plans what to do, and says what the battery should give now.

The ladder: the LP's plan; the last plan while it lasts; a rule on price and peak; hold. Each with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf, nan

import numpy as np

from controller.config.site import Site
from controller.config.tariff import Tariff
from controller.plan import calendar, demand, horizon, price
from controller.plan.calendar import Floats
from controller.plan.economy import Dispatch, Economist, Plant, Terminal
from controller.plan.forecast import Model, Outlook
from controller.plan.horizon import Horizon, Near, Past
from controller.plan.program import PlanError

HOUR_S = 3600
AGE_S_MAX = 6 * HOUR_S  # a plan older than this has lost touch with the load
SURPRISE_PU = 0.05  # of the last day's highest hour: a load this far from the plan is another load
ENDED_CHANCE = 0.4  # a rise never seen before is over soon: jobs rarely last as long as their time limits say
USUAL_PU = 2 / 3  # of the connection: what a load keeps to, as long as none was seen; the rest carries peaks
AT_LIMIT_KW = 1.0  # planned import this close to its limit is held by the limit


class Rung(StrEnum):
    """Where a decision comes from, best first."""

    LP = "lp"
    LAST = "last plan"
    RULE = "rule"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Feed:
    """What is told from outside at one time. Curves begin with the running slot; spot: known prices alone.

    load_bands_kw: ends of the load's 95 and 68 % bands, four rows as forecast.QUANTILES; nan: not told.
    """

    spot: Floats
    load_kw: Floats | None = None
    pv_kw: Floats | None = None
    load_bands_kw: Floats | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan with its age and what it rests on."""

    now_s: float
    horizon: Horizon
    dispatch: Dispatch
    limits_kw: dict[tuple[str, int], float]  # demand name and period -> mean its windows may reach
    load: Outlook
    pv: Outlook


@dataclass(frozen=True, slots=True)
class Decision:
    """What the battery should give now, kW, > 0 discharges; from which rung and why."""

    pcs_kw: float
    rung: Rung
    reason: str


def plant_of(site: Site, tariff: Tariff, *, reserve: bool = True, capacity_kwh: float | None = None) -> Plant:
    """The plant that the plan may use: converters and SOC window less what fast loop and fallback keep.

    capacity_kwh: what the battery holds, where that is not what the site file says; the reserves stay as many kWh.
    """
    battery = site.battery
    capacity_kwh = battery.capacity_kwh if capacity_kwh is None else capacity_kwh
    kw, kwh, fallback_kwh = (
        (battery.reserve_kw, battery.reserve_kwh, battery.fallback_kwh) if reserve else (0.0, 0.0, 0.0)
    )
    low, high = (capacity_kwh * pct / 100 for pct in (battery.soc_pct_min, battery.soc_pct_max))
    return Plant(
        energy_kwh_min=min(low + kwh + fallback_kwh, high),
        energy_kwh_max=max(high - kwh, min(low + kwh + fallback_kwh, high)),
        charge_kw_max=max(sum(pcs.charge_kw_max for pcs in site.pcs) - kw, 0.0),
        discharge_kw_max=max(sum(pcs.discharge_kw_max for pcs in site.pcs) - kw, 0.0),
        charge_efficiency_pu=battery.charge_efficiency_pu,
        discharge_efficiency_pu=battery.discharge_efficiency_pu,
        import_kw_max=site.grid.import_kw_max,
        export_kw_max=site.grid.export_kw_max,
        wear_per_kwh=tariff.wear_per_kwh,
        standing_pu_per_h=battery.standing_pct_per_h / 100,
        taper_kwh=capacity_kwh * battery.taper_soc_pct / 100,
        full_kwh=capacity_kwh,
    )


class Planner:
    """Holds everything that lasts from plan to plan. slot_s: length of the slots it is told, 900 or 3600."""

    def __init__(self, tariff: Tariff, plant: Plant, slot_s: float, time_limit_s: float = 10.0) -> None:
        self.tariff = tariff
        self.slot_s = slot_s
        self.meter = demand.Meter(tariff)
        self.past = Past(tariff.time_zone)
        self._usual_kw_max = USUAL_PU * plant.import_kw_max
        self.load, self.pv = Model("load", self._usual_kw_max), Model("pv")
        self.current: Plan | None = None
        self.trouble = ""  # why there is no newer plan, empty: there is
        self._economist = Economist(plant, time_limit_s)
        self._hour: list[tuple[float, float, float, float]] = []

    @property
    def plant(self) -> Plant:
        """What the plan may use."""
        return self._economist.plant

    @plant.setter
    def plant(self, plant: Plant) -> None:
        self._economist.plant = plant

    def observe(self, t_s: float, load_kw: float, pv_kw: float, grid_kw: float, spot: float) -> None:
        """Take one finished slot that began at t_s."""
        self.meter.count(t_s, self.slot_s, grid_kw)
        self._hour.append((t_s, load_kw, pv_kw, spot))
        if (t_s + self.slot_s) % HOUR_S == 0:
            begin_s = float(t_s + self.slot_s - HOUR_S)
            rows = np.array([row for row in self._hour if row[0] >= begin_s])  # an hour may have lost its end
            self._hour = []
            mean = rows[:, 1:].mean(0)
            at = calendar.clock(self.tariff.time_zone, np.array([begin_s]))
            where = int(at.hour[0]), int(at.day[0]), bool(at.weekday[0] > horizon.FRIDAY)
            self.load.observe(rows[:, 1], *where)
            self.pv.observe(float(mean[1]), *where)
            self.past.put(np.array([begin_s]), mean[:1], mean[1:2], mean[2:])

    def state(self) -> dict[str, Floats]:
        """What was learned, as arrays; the demand ledger has its own record."""
        days = self.past.days
        own = {
            "hour": np.array(self._hour).reshape(-1, 4),
            "day": np.array(sorted(days), dtype=np.float64),
            "days": np.array([days[day] for day in sorted(days)]).reshape(-1, 3, 24),
        }
        models = ((model.kind, model.state()) for model in (self.load, self.pv))
        return own | {f"{kind}/{name}": part for kind, state in models for name, part in state.items()}

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Go on from what state() gave. Raises ValueError for anything else, and begins anew then."""
        hour, day, days = (np.asarray(state.get(name, ()), np.float64) for name in ("hour", "day", "days"))
        if (
            hour.shape[1:] != (4,)
            or len(hour) > 4
            or days.shape != (day.size, 3, 24)
            or day.size > horizon.DAYS_MAX
        ):
            raise ValueError("the days that were learned have another shape")
        fresh = Model("load", self._usual_kw_max), Model("pv")
        for model in fresh:
            head = f"{model.kind}/"
            model.restore({name[len(head) :]: part for name, part in state.items() if name.startswith(head)})
        self.load, self.pv = fresh
        self.past.days = {int(d): table for d, table in zip(day, days, strict=True)}
        self._hour = [(float(a), float(b), float(c), float(d)) for a, b, c, d in hour]

    def replan(self, now_s: float, energy_kwh: float, feed: Feed, terminal: Terminal | None = None) -> None:
        """Make a new plan, or keep the last one and say why. terminal: the plan's end is the end of all."""
        known = feed.spot.size
        if terminal is None and feed.load_kw is None:  # a peak told too high is no leave for today's
            feed = replace(feed, spot=price.beyond(self.past, now_s, self.slot_s, feed.spot))
        load, pv = self.outlook(now_s, feed)
        hours = ((now_s % HOUR_S + self.slot_s * np.arange(feed.spot.size)) // HOUR_S).astype(int)
        more_kw = horizon.BAD_SIGMA * np.maximum(load.bands_kw[2] - load.expected_kw, 0.0)
        less_kw = np.maximum(pv.expected_kw - pv.bands_kw[:2].mean(0), 0.0)  # a sun's errors lean to one side
        bad_kw = np.hypot(more_kw, less_kw)[hours]  # sun and load err each for itself
        slot = ((now_s % HOUR_S + self.slot_s * np.arange(hours.size)) % HOUR_S // self.slot_s).astype(int)
        load_kw = load.expected_kw[hours] + load.within_kw[hours, slot % load.within_kw.shape[1]]
        news = load.news[hours]
        rise_kw = np.where(news, np.maximum(load_kw - load.usual_kw[hours], 0.0), 0.0)
        bad_kw = np.where(news, self._ended(rise_kw, energy_kwh), bad_kw)
        chance = ENDED_CHANCE if rise_kw.any() else horizon.BAD_CHANCE
        top_kw = float((load.bands_kw[-1] - pv.bands_kw[0]).max())
        near = Near(
            now_s, self.slot_s, load_kw, pv.expected_kw[hours], feed.spot, bad_kw, rise_kw, chance, top_kw, known
        )  # fmt: skip
        opened = self.meter.opened()
        ahead = horizon.build(
            self.tariff, self.past, near, self.meter.ledger, opened, last=terminal is not None
        )
        try:
            dispatch = self._economist.plan(ahead.steps, ahead.charges, energy_kwh, terminal)
        except PlanError as error:
            self.trouble = str(error)
            return
        limits_kw: dict[tuple[str, int], float] = {}
        for charge, limit_kw in zip(ahead.charges, dispatch.limit_kw, strict=True):  # then the bad case's
            limits_kw.setdefault((charge.demand.name, charge.period), limit_kw)
        self.trouble = ""
        self.current = Plan(now_s, ahead, dispatch, limits_kw, load, pv)

    def _ended(self, rise_kw: Floats, energy_kwh: float) -> Floats:
        """The bad case of a rise never seen before: it is over as soon as the battery could have held it down.

        Jobs end before their time limits; then every kW that was not cut is billed for nothing.
        """
        full = self.plant.energy_kwh_max if rise_kw[0] <= 0 else energy_kwh
        room_kwh = max(full - self.plant.energy_kwh_min, 0.0) * self.plant.discharge_efficiency_pu
        used_kwh = np.cumsum(np.minimum(rise_kw, self.plant.discharge_kw_max)) * self.slot_s / HOUR_S
        return np.where(used_kwh > room_kwh, -rise_kw, 0.0)

    def outlook(self, now_s: float, feed: Feed) -> tuple[Outlook, Outlook]:
        """Load and sun ahead, hour by hour; what is told here is what the models are judged by later."""
        first_s = now_s - now_s % HOUR_S
        count = int((now_s - first_s + self.slot_s * feed.spot.size - 1) // HOUR_S) + 1
        at = calendar.clock(self.tariff.time_zone, first_s + HOUR_S * np.arange(count))
        off = at.weekday > horizon.FRIDAY
        gone = round((now_s - first_s) // self.slot_s)
        rows = (
            [self._hourly(row, gone) for row in feed.load_bands_kw] if feed.load_bands_kw is not None else []
        )
        told_kw = np.array([row.mean(1) for row in rows if row is not None]) if rows else None
        return (
            self.load.outlook(self._hourly(feed.load_kw, gone), at.hour, at.day, off, told_kw),
            self.pv.outlook(self._hourly(feed.pv_kw, gone), at.hour, at.day, off),
        )

    def _hourly(self, curve: Floats | None, gone: int) -> Floats | None:
        """One row of slots for each clock hour; what is gone of the running one was as it is now."""
        if curve is None or not curve.size:
            return None
        slots = round(HOUR_S / self.slot_s)
        curve = np.concatenate([np.full(gone, curve[0]), curve])
        whole = curve[: curve.size // slots * slots]
        return np.asarray(whole.reshape(-1, slots), dtype=np.float64)

    def decide(self, t_s: float, net_kw: float, hold_s: float, spot: float = nan) -> Decision:
        """What the battery should give for hold_s from t_s on; net_kw: load less PV as it is now.

        spot: the price now, for the rule that stands in where there is no plan.
        """
        wanted = self._wanted(t_s, net_kw)
        if wanted is None:
            return self._rule(t_s, net_kw, hold_s, spot)
        limits_kw = self.limits_kw(t_s)
        power_kw = self.plant.discharge_kw_max
        fair_kw, must_kw = demand.cap_kw(
            self.meter, limits_kw, t_s, net_kw, power_kw, hold_s, wanted.later, shaped=wanted.shaped
        )
        if wanted.surprised and not (wanted.rising and net_kw - wanted.pcs_kw < wanted.grid_kw):
            fair_kw, _ = demand.cap_kw(self.meter, self._set_kw(t_s), t_s, net_kw, power_kw, hold_s)
        pcs_kw, reason = _balanced(wanted, net_kw)
        if wanted.at_limit and not wanted.surprised:
            pcs_kw, reason = min(net_kw - fair_kw, 0.0), "charging to the peak"
        elif pcs_kw < 0 and net_kw - pcs_kw > fair_kw:
            pcs_kw, reason = min(net_kw - fair_kw, 0.0), "charging less: the peak is near"
        if net_kw - pcs_kw > must_kw:
            pcs_kw, reason = net_kw - must_kw, "keeping the peak"
        pcs_kw = min(
            max(pcs_kw, net_kw - self.plant.import_kw_max), max(net_kw + self.plant.export_kw_max, 0.0)
        )
        return Decision(self._within(pcs_kw), wanted.rung, reason)

    def _rule(self, t_s: float, net_kw: float, hold_s: float, spot: float) -> Decision:
        """Without a plan: the cheapest quarter of the last week buys, the dearest sells, no peak is raised."""
        seen = np.concatenate([t[2] for _, t in sorted(self.past.days.items())[-7:]] or [np.empty(0)])
        seen = seen[np.isfinite(seen)]
        set_kw = {name: kw for name, kw in self._set_kw(t_s).items() if kw > 0}
        reason = self.trouble or "no plan yet"
        if not set_kw and not seen.size:
            return Decision(0.0, Rung.HOLD, reason)
        fair_kw, must_kw = demand.cap_kw(self.meter, set_kw, t_s, net_kw, self.plant.discharge_kw_max, hold_s)
        pcs_kw = 0.0
        if seen.size >= 24 and np.isfinite(spot):
            cheap, dear = np.quantile(seen, [0.25, 0.75])
            lost = self.plant.charge_efficiency_pu * self.plant.discharge_efficiency_pu
            if dear > cheap / lost + self.plant.wear_per_kwh:  # else a cycle costs more than it earns
                pcs_kw = -self.plant.charge_kw_max if spot <= cheap else 0.0
                pcs_kw = min(self.plant.discharge_kw_max, max(net_kw, 0.0)) if spot >= dear else pcs_kw
        pcs_kw = max(pcs_kw, min(net_kw - fair_kw, 0.0)) if pcs_kw < 0 else pcs_kw
        return Decision(self._within(max(pcs_kw, net_kw - must_kw)), Rung.RULE, reason)

    def _within(self, kw: float) -> float:
        return min(max(kw, -self.plant.charge_kw_max), self.plant.discharge_kw_max)

    def limits_kw(self, t_s: float) -> dict[str, float]:
        """Demand name -> mean that the plan lets its windows reach in the period of t_s."""
        if self.current is None:
            return {}
        month = calendar.moment(self.tariff.time_zone, t_s)[0]
        found = {}
        for each in self.tariff.demand:
            key = (each.name, month if each.period == "month" else month // 100)
            if key in self.current.limits_kw:
                found[each.name] = self.current.limits_kw[key]
        return found

    def _limit_kw(self, t_s: float) -> float:
        """The least of the limits whose windows count at t_s; infinite where none does."""
        zone, limits_kw = self.tariff.time_zone, self.limits_kw(t_s)
        counting = (each.name for each in self.tariff.demand if demand.window_at(each, zone, t_s).counts)
        return min((limits_kw[name] for name in counting if name in limits_kw), default=inf)

    def _set_kw(self, t_s: float) -> dict[str, float]:
        """Demand name -> what its peak is already: what may be reached without a plan's licence."""
        month = calendar.moment(self.tariff.time_zone, t_s)[0]
        return {
            each.name: max(self.meter.ledger.seen(each, month).values(), default=0.0)
            for each in self.tariff.demand
        }

    def _wanted(self, t_s: float, net_kw: float) -> _Wanted | None:
        """Planned power of the running hour, with what it rests on; None: there is no plan for it.

        Within an hour the LP is free, so its mean counts; where the load has a shape in it, each slot counts.
        """
        plan = self.current
        if plan is None or not -HOUR_S < t_s - plan.now_s <= AGE_S_MAX:  # nor by a clock that was set back
            return None
        hour_s = t_s - t_s % HOUR_S
        lead = int(hour_s - (plan.now_s - plan.now_s % HOUR_S)) // HOUR_S
        if not 0 <= lead < plan.load.expected_kw.size:
            return None
        load_kw, within_kw = plan.load.expected_kw[lead], plan.load.within_kw[lead]
        shaped = bool(np.ptp(within_kw) > horizon.SHAPED_PU * plan.load.expected_kw.max())
        slot = int(t_s % HOUR_S // self.slot_s) % within_kw.size
        from_s, to_s = (
            (hour_s + slot * self.slot_s, hour_s + (slot + 1) * self.slot_s)
            if shaped
            else (hour_s, hour_s + HOUR_S)
        )
        begin_s, end_s = plan.horizon.near_t_s, plan.horizon.near_t_s + plan.horizon.near_s
        rows = np.flatnonzero((end_s > max(from_s, plan.now_s)) & (begin_s < to_s))
        if not rows.size:
            return None
        weight = np.minimum(end_s, to_s)[rows] - np.maximum(begin_s, from_s)[rows]
        pcs_kw = float(np.average(plan.dispatch.pcs_kw[rows], weights=weight))
        grid_kw = float(np.average(plan.dispatch.grid_kw[rows], weights=weight))
        sun_kw = float(plan.pv.expected_kw[lead])
        off_kw = net_kw - float(load_kw + within_kw[slot]) + sun_kw
        up_kw, sun_kw_low = float(plan.load.bands_kw[2][lead] - load_kw), float(plan.pv.bands_kw[1][lead])
        load_band_kw, sun_band_kw = (
            float(each.bands_kw[-1][lead] - each.bands_kw[0][lead]) / 2 for each in (plan.load, plan.pv)
        )
        band_kw = float(np.hypot(load_band_kw, sun_band_kw))  # sun and load err each for itself
        usual_kw = max(band_kw, SURPRISE_PU * max(self.load.seen_kw[-24:], default=0.0))
        tops_kw = load_kw + plan.load.within_kw_top[lead] + up_kw + max(off_kw, 0.0) - sun_kw_low
        surprised = abs(off_kw) > usual_kw
        at_limit = grid_kw > self._limit_kw(t_s) - AT_LIMIT_KW
        return _Wanted(
            pcs_kw, grid_kw, Rung.LAST if self.trouble else Rung.LP, surprised,
            at_limit and pcs_kw < -AT_LIMIT_KW and not shaped, shaped and not surprised,
            () if surprised else tuple(
                (hour_s + (i + 1) * self.slot_s - t_s, min(net_kw, float(tops_kw[i])))
                for i in range(slot, within_kw.size)
            ),
            bool(plan.load.news[lead:].any()),
        )  # fmt: skip


def _balanced(wanted: _Wanted, net_kw: float) -> tuple[float, str]:
    """The planned power; where the plan neither imports nor exports, or imports, none of it is sold by chance.

    Sun that is kept raises no peak, however much more of it there is than told; a surprise else changes nothing.
    """
    if wanted.surprised and (net_kw >= min(wanted.pcs_kw, 0.0) or wanted.grid_kw <= -AT_LIMIT_KW):
        return wanted.pcs_kw, "as planned"
    if abs(wanted.grid_kw) < AT_LIMIT_KW:
        return net_kw, "balancing sun and load"
    if wanted.grid_kw > 0 and net_kw < wanted.pcs_kw:
        return net_kw, "keeping the sun"
    return wanted.pcs_kw, "as planned"


@dataclass(frozen=True, slots=True)
class _Wanted:
    pcs_kw: float
    grid_kw: float
    rung: Rung
    surprised: bool  # the load is not what the plan rests on: no licence to raise a peak
    at_limit: bool  # only the peak keeps it from charging more
    shaped: bool  # the load moves within the hour as is told, and each slot is planned
    later: tuple[tuple[float, float], ...]  # net power that is expected, see demand.cap_kw
    rising: bool = (
        False  # a rise never seen before is told: less load than planned puts off no preparation for it
    )

"""What the site can carry, when and at which price: the plan turned round, as a scheduler needs it."""

from __future__ import annotations

from dataclasses import dataclass

from controller.config.tariff import Tariff
from controller.plan import calendar, demand
from controller.plan.economy import Plant
from controller.plan.planner import HOUR_S, Plan

SHORT_KW = 1.0  # a smaller lack is rounding


@dataclass(frozen=True, slots=True)
class Slot:
    """One stretch of the plan, UTC s and kW. cheap_kw: load that raises no peak; most_kw: that can be carried.

    per_kwh: price of a kWh drawn; peak_per_kw: what a kW above cheap_kw costs once, until the billing period ends.
    """

    begin_s: float
    end_s: float
    expected_kw: float
    cheap_kw: float
    most_kw: float
    per_kwh: float
    peak_per_kw: float


@dataclass(frozen=True, slots=True)
class Shed:
    """Load that has to go: to_kw at most from begin_s to end_s; it must be down by by_s."""

    begin_s: float
    end_s: float
    by_s: float
    to_kw: float
    reason: str


def slots(plan: Plan, plant: Plant, tariff: Tariff, now_s: float) -> tuple[Slot, ...]:
    """What a plan says from now_s on, as far as prices are known. Battery and sun as planned: they carry besides."""
    near, dispatch, found = plan.horizon.steps.near, plan.dispatch, []
    per_kw = {(c.demand.name, c.period): c.demand.per_kw for c in plan.horizon.charges}
    for i in range(near):
        begin_s = max(float(plan.horizon.near_t_s[i]), now_s)
        end_s = float(plan.horizon.near_t_s[i] + plan.horizon.near_s[i])
        if end_s <= now_s or begin_s >= plan.horizon.known_s:
            continue
        own_kw = float(dispatch.pcs_kw[i] + dispatch.pv_kw[i])
        most_kw = max(plant.import_kw_max + own_kw, 0.0)
        cheap_kw, peak_per_kw = most_kw, 0.0
        for key in _running(tariff, begin_s):
            if key in plan.limits_kw and plan.limits_kw[key] + own_kw < most_kw:
                cheap_kw = max(min(cheap_kw, plan.limits_kw[key] + own_kw), 0.0)
                peak_per_kw += per_kw.get(key, 0.0)
        expected_kw, buy = float(plan.horizon.steps.load_kw[i]), float(plan.horizon.steps.buy[i])
        found.append(Slot(begin_s, end_s, expected_kw, cheap_kw, most_kw, buy, peak_per_kw))
    return tuple(found)


def _running(tariff: Tariff, t_s: float) -> list[tuple[str, int]]:
    """Demand name and billing period of every charge whose windows count at t_s."""
    month = calendar.moment(tariff.time_zone, t_s)[0]
    return [
        (each.name, month if each.period == "month" else month // 100)
        for each in tariff.demand
        if demand.window_at(each, tariff.time_zone, t_s).counts
    ]


def sheds(ahead: tuple[Slot, ...]) -> tuple[Shed, ...]:
    """Where more is expected than can be carried, neighbouring stretches with one limit as one."""
    found: list[Shed] = []
    for slot in ahead:
        if slot.expected_kw <= slot.most_kw + SHORT_KW:
            continue
        last = found[-1] if found else None
        if last is not None and last.end_s == slot.begin_s and abs(last.to_kw - slot.most_kw) < SHORT_KW:
            found[-1] = Shed(last.begin_s, slot.end_s, last.by_s, min(last.to_kw, slot.most_kw), last.reason)
            continue
        reason = (
            f"{slot.expected_kw:.0f} kW are expected; connection, battery and sun carry {slot.most_kw:.0f}"
        )
        found.append(Shed(slot.begin_s, slot.end_s, slot.begin_s, slot.most_kw, reason))
    return tuple(found)


def without_plan(import_kw_max: float, load_kw: float, per_kwh: float, now_s: float) -> tuple[Slot, ...]:
    """The answer where no plan is to be had: the connection alone, for an hour."""
    return (Slot(now_s, now_s + HOUR_S, load_kw, import_kw_max, import_kw_max, per_kwh, 0.0),)

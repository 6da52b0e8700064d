"""The answer to the scheduler: a power budget in the shape of S2's PowerForecast, and requests to shed with a deadline.

Own fields beside S2's: without_new_peak (W), price_per_kwh, new_peak_per_kw, currency; shed: from, until, by, to (W).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from controller.config.site import Site
from controller.feeds.powerforecast import W_PER_KW, iso, message
from controller.image import Mode
from controller.plan.offer import Shed, Slot, sheds
from controller.runtime.gather import Look

FILE = "budget.json"
HOUR_S = 3600.0
VALID_S = 900.0  # a scheduler that hears nothing for longer plans with the connection alone
SOON_S = 24 * HOUR_S  # a stage whose battery lasts longer than this is no request yet


@dataclass(frozen=True, slots=True)
class Budget:
    """What is told, and where it comes from."""

    slots: tuple[Slot, ...]
    sheds: tuple[Shed, ...]
    reason: str


def limited(budget: Budget, site: Site, look: Look) -> Budget:
    """The budget as the site stands: without its battery while that rests; without a grid, what its source carries."""
    if not isfinite(look.budget_kw):
        return budget if look.mode == Mode.GRID_TIED else _resting(budget, site, look)
    now_s = look.now.utc_s
    end_s = now_s + VALID_S
    slot = Slot(now_s, end_s, look.load_kw, look.budget_kw, look.budget_kw, budget.slots[0].per_kwh, 0.0)
    asked: list[Shed] = []
    if look.load_kw > look.budget_kw:
        text = f"{look.mode.name}: its source carries {look.budget_kw:.0f} kW"
        asked.append(Shed(now_s, end_s, now_s, look.budget_kw, text))
    asked += _stages(site, look)
    return replace(budget, slots=(slot,), sheds=tuple(asked), reason=f"the site is in {look.mode.name}")


def _resting(budget: Budget, site: Site, look: Look) -> Budget:
    """The connection alone: what battery and sun would add is not promised."""
    top_kw = site.grid.import_kw_max
    slots = tuple(
        replace(slot, most_kw=min(slot.most_kw, top_kw), cheap_kw=min(slot.cheap_kw, top_kw))
        for slot in budget.slots
    )
    return Budget(slots, sheds(slots), f"{budget.reason}; the battery rests: {look.mode.name}")


def _stages(site: Site, look: Look) -> list[Shed]:
    """Stages that the site itself will open, by the time the battery reaches their SOC."""
    if site.fallback is None or look.mode == Mode.GENSET or not look.pcs_kw > 0:
        return []
    capacity_kwh = look.capacity_kwh(site.battery.capacity_kwh)
    drain_pct_per_h = 100.0 * look.pcs_kw / site.battery.discharge_efficiency_pu / capacity_kwh
    found, to_kw = [], look.load_kw
    for number, stage in enumerate(site.fallback.sheds[look.stage :], look.stage + 1):
        to_kw = max(to_kw - stage.kw, 0.0)
        left_s = max(look.soc_pct_low - stage.soc_pct, 0.0) / drain_pct_per_h * HOUR_S
        if left_s <= SOON_S:  # what is not known is not soon
            by_s = look.now.utc_s + left_s
            text = f"stage {number} ({stage.name}) opens at {stage.soc_pct:g} % SOC"
            found.append(Shed(by_s, by_s + HOUR_S, by_s, to_kw, text))
    return found


def written(budget: Budget, site: Site, currency: str, issued_s: float, sequence: int) -> dict[str, Any]:
    """The message as plain data: powers in W, times in UTC."""
    until_s = min(budget.slots[-1].end_s, issued_s + VALID_S)
    elements = [
        (
            slot.end_s - slot.begin_s,
            {
                "value_upper_limit": slot.most_kw,
                "value_expected": slot.expected_kw if isfinite(slot.expected_kw) else None,
                "value_lower_limit": 0.0,
            },
            {
                "without_new_peak": round(W_PER_KW * slot.cheap_kw),
                "price_per_kwh": round(slot.per_kwh, 5) if isfinite(slot.per_kwh) else None,
                "new_peak_per_kw": round(slot.peak_per_kw, 3),
            },
        )
        for slot in budget.slots
    ]
    told = message(budget.slots[0].begin_s, issued_s, until_s, sequence, f"stillwatt/{site.name}", elements)
    return told | {
        "currency": currency,
        "reason": budget.reason,
        "shed": [
            {
                "from": iso(shed.begin_s),
                "until": iso(shed.end_s),
                "by": iso(shed.by_s),
                "to": round(W_PER_KW * shed.to_kw),
                "reason": shed.reason,
            }
            for shed in budget.sheds
        ],
    }


def spoken(told: dict[str, Any]) -> str:
    """A budget message for a terminal."""
    lines = [
        f"{told['source']}, issued {told['issued_at']}, valid until {told['valid_until']}: {told['reason']}"
    ]
    lines.append(
        f"{'minutes':>8}{'expected kW':>13}{'no new peak':>13}{'at most kW':>12}{told['currency'] + '/kWh':>10}"
        f"{told['currency'] + '/kW above':>14}"
    )
    for element in told["elements"]:
        value = element["power_values"][0]
        expected, price = value["value_expected"], element["price_per_kwh"]
        lines.append(
            f"{element['duration'] / 60_000:>8.0f}{_kw(expected):>13}{_kw(element['without_new_peak']):>13}"
            f"{_kw(value['value_upper_limit']):>12}{'-' if price is None else f'{price:.3f}':>10}"
            f"{element['new_peak_per_kw']:>14.2f}"
        )
    for shed in told["shed"]:
        lines.append(
            f"  shed to {_kw(shed['to'])} kW by {shed['by']}, until {shed['until']}: {shed['reason']}"
        )
    return "\n".join(lines)


def _kw(watts: float | None) -> str:
    return "-" if watts is None else f"{watts / W_PER_KW:.0f}"

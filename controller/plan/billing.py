"""The bill of measured power: energy, peaks by every form of demand charge, wear, diesel; and peaks set so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from controller.config.tariff import Demand, Tariff
from controller.plan.calendar import Floats, Ints, clock

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Windows:
    """The demand windows that count, and which part of which step lies in them.

    step, row, share_s: one entry each overlap, seconds of step `step` inside window `row`.
    start_s (UTC), month (yyyymm), day: one entry each window.
    """

    step: Ints
    row: Ints
    share_s: Floats
    start_s: Floats
    month: Ints
    day: Ints

    def means(self, kw: Floats) -> Floats:
        """Mean of step values over the covered part of each window."""
        total = np.bincount(self.row, kw[self.step] * self.share_s, minlength=self.start_s.size)
        covered = np.bincount(self.row, self.share_s, minlength=self.start_s.size)
        return np.asarray(total / covered, dtype=np.float64)


def windows(demand: Demand, zone: str, t_s: Floats, step_s: Floats) -> Windows:
    """Windows of steps that begin at t_s (UTC) and last step_s; masks go by a window's start on the meter."""
    width_s = float(demand.window_s)
    local = clock(zone, t_s)
    odd_s = (local.second - t_s) % HOUR_S  # zones half an hour off have their own clock hour
    meter_s = t_s + demand.meter_offset_s + odd_s
    end_s = meter_s + step_s
    first = np.floor_divide(meter_s, width_s)
    count = (np.ceil(end_s / width_s) - first).astype(np.int64)
    step = np.repeat(np.arange(t_s.size), count)
    number = first[step] + np.arange(step.size) - np.repeat(np.cumsum(count) - count, count)
    share_s = np.minimum(end_s[step], (number + 1) * width_s) - np.maximum(meter_s[step], number * width_s)
    start_s = number * width_s - odd_s[step]
    at = clock(zone, start_s)
    counts = at.inside(demand)
    kept = np.flatnonzero(counts)
    _, head, row = np.unique(number[kept], return_index=True, return_inverse=True)
    chosen = kept[head]
    return Windows(
        step[kept],
        row,
        share_s[kept],
        start_s[chosen] - demand.meter_offset_s,
        at.month[chosen],
        at.day[chosen],
    )


def group(demand: Demand, start_s: float, month: int, day: int) -> int:
    """What competes for the billed peak as one: a window, its day or its month."""
    return {"windows": int(start_s), "days": day, "months": month}[demand.peaks_of]


def period_of(demand: Demand, month: int) -> int:
    """The billing period of a month yyyymm: itself or its year."""
    return month if demand.period == "month" else month // 100


def billed_kw(demand: Demand, peaks_kw: Iterable[float]) -> float:
    """The peak that is billed: mean of the largest, less what is subscribed."""
    largest = sorted(peaks_kw, reverse=True)[: demand.peaks_count]
    return max(sum(largest) / len(largest) - demand.subscribed_kw, 0.0) if largest else 0.0


def fee(demand: Demand, kw: float) -> float:
    """What a billed peak costs a month."""
    if not demand.steps:
        return demand.per_kw * kw
    return next((step.fee for step in demand.steps if kw <= step.kw), demand.steps[-1].fee)


@dataclass(slots=True)
class Ledger:
    """Peaks already set: demand name and billing period -> group -> kW, the largest alone."""

    peaks: dict[tuple[str, int], dict[int, float]] = field(default_factory=dict)

    def add(self, demand: Demand, start_s: float, month: int, day: int, kw: float) -> None:
        """Take one finished window's mean."""
        seen = self.peaks.setdefault((demand.name, period_of(demand, month)), {})
        key = group(demand, start_s, month, day)
        seen[key] = max(seen.get(key, 0.0), kw)
        if len(seen) > demand.peaks_count + 1:  # one more: today's group may still grow
            smallest = min((k for k in seen if k != key), key=lambda k: seen[k])
            del seen[smallest]

    def seen(self, demand: Demand, month: int) -> Mapping[int, float]:
        """Groups and their peaks of the period a month belongs to."""
        return self.peaks.get((demand.name, period_of(demand, month)), {})


@dataclass(frozen=True, slots=True)
class Peak:
    """One line of the demand part of a bill."""

    month: int
    name: str
    peak_kw: float
    amount: float


@dataclass(frozen=True, slots=True)
class Bill:
    """What a stretch of time costs, in the tariff's currency."""

    energy: float
    demand: float
    wear: float
    fuel: float
    peaks: tuple[Peak, ...]
    import_kwh: float
    export_kwh: float

    @property
    def total(self) -> float:
        """Sum of all parts."""
        return self.energy + self.demand + self.wear + self.fuel


def prices(tariff: Tariff, t_s: Floats, spot: Floats) -> tuple[Floats, Floats]:
    """(buy, sell) per kWh of steps that begin at t_s, from the spot price per kWh in the tariff's currency."""
    buy = spot + tariff.transfer_per_kwh + tariff.tax_per_kwh
    if tariff.energy:
        local = clock(tariff.time_zone, t_s)
        for part in tariff.energy:
            buy = buy + np.where(local.inside(part), part.per_kwh, 0.0)
    return buy, spot - tariff.sell_fee_per_kwh


def demand_peaks(tariff: Tariff, t_s: Floats, step_s: Floats, import_kw: Floats) -> tuple[Peak, ...]:
    """Every line of the demand part, month by month in the order of the tariff."""
    ledger, lines = Ledger(), []
    found = [(demand, windows(demand, tariff.time_zone, t_s, step_s)) for demand in tariff.demand]
    means = [each.means(import_kw) for _, each in found]
    for month in sorted({int(month) for _, each in found for month in each.month}):
        for (demand, each), mean_kw in zip(found, means, strict=True):
            for row in np.flatnonzero(each.month == month):
                ledger.add(demand, float(each.start_s[row]), month, int(each.day[row]), float(mean_kw[row]))
            if seen := ledger.seen(demand, month):
                kw = billed_kw(demand, seen.values())
                lines.append(Peak(month, demand.name, kw, fee(demand, kw)))
    return tuple(lines)


def bill(
    tariff: Tariff,
    t_s: Floats,
    step_s: float,
    grid_kw: Floats,
    spot: Floats,
    pcs_kw: Floats | None = None,
    genset_kw: Floats | None = None,
) -> Bill:
    """Bill equal steps: grid_kw > 0 imports, pcs_kw > 0 discharges; spot per kWh in the tariff's currency."""
    hours = step_s / HOUR_S
    none = np.zeros(t_s.size)
    import_kw, export_kw = np.maximum(grid_kw, 0.0), np.maximum(-grid_kw, 0.0)
    buy, sell = prices(tariff, t_s, spot)
    peaks = demand_peaks(tariff, t_s, np.full(t_s.size, float(step_s)), import_kw)
    discharge_kw = np.maximum(none if pcs_kw is None else pcs_kw, 0.0)
    return Bill(
        energy=float((buy @ import_kw - sell @ export_kw) * hours),
        demand=sum(peak.amount for peak in peaks),
        wear=tariff.wear_per_kwh * float(discharge_kw.sum() * hours),
        fuel=tariff.fuel_per_kwh * float((none if genset_kw is None else genset_kw).sum()) * hours,
        peaks=peaks,
        import_kwh=float(import_kw.sum() * hours),
        export_kwh=float(export_kw.sum() * hours),
    )

"""Demand window control: what the battery must give so that the running window's mean stays within its limit.

The battery is spent as late as it still suffices: what the window forgives by itself costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from controller.config.tariff import Demand, Tariff
from controller.plan import calendar
from controller.plan.billing import Ledger

HOUR_S = 3600.0
EDGE_S = 1e-6  # sums of float seconds end this close to a window's edge


@dataclass(frozen=True, slots=True)
class Window:
    """One charge's window: begin (UTC s), month and day of the bill, whether it counts."""

    start_s: float
    month: int
    day: int
    counts: bool


def window_at(demand: Demand, zone: str, t_s: float) -> Window:
    """The window that holds t_s, by the meter's clock; billing.windows for one moment, at ten cycles a second."""
    odd_s = (calendar.moment(zone, t_s)[3] - t_s) % HOUR_S
    number = (t_s + demand.meter_offset_s + odd_s) // demand.window_s
    begin_s = number * demand.window_s - odd_s
    month, day, weekday, second = calendar.moment(zone, begin_s)
    counts = calendar.covers(demand, month, weekday, second)
    return Window(begin_s - demand.meter_offset_s, month, day, counts)


@dataclass(slots=True)
class Running:
    """A window under way: the energy imported in it, and how much of it was metered; a restart leaves a part out."""

    window: Window
    import_kwh: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True)
class Meter:
    """Follows every charge's windows and keeps the ledger of peaks."""

    tariff: Tariff
    ledger: Ledger = field(default_factory=Ledger)
    open: dict[str, Running] = field(default_factory=dict)

    def count(self, t_s: float, seconds: float, import_kw: float) -> None:
        """Take the mean import of `seconds` from t_s on; it may lie in several windows."""
        for demand in self.tariff.demand:
            begin_s = t_s
            while begin_s < t_s + seconds - EDGE_S:
                window = window_at(demand, self.tariff.time_zone, begin_s)
                over_s = window.start_s + demand.window_s
                part_s = min(t_s + seconds, over_s) - begin_s
                self._add(demand, window, part_s, import_kw)
                begin_s += part_s
                if begin_s >= over_s - EDGE_S:
                    self.close(demand)

    def _add(self, demand: Demand, window: Window, part_s: float, import_kw: float) -> None:
        running = self.open.get(demand.name)
        if running is None or running.window != window:
            self.close(demand)
            running = Running(window)
        if window.counts:
            running.import_kwh += max(import_kw, 0.0) * part_s / HOUR_S
            running.seconds += part_s
            self.open[demand.name] = running

    def close(self, demand: Demand) -> None:
        """Enter a finished window into the ledger; what was not metered counts as the metered mean."""
        running = self.open.pop(demand.name, None)
        if running is not None and running.seconds > 0:
            window, kw = running.window, running.import_kwh * HOUR_S / running.seconds
            self.ledger.add(demand, window.start_s, window.month, window.day, kw)

    def opened(self) -> dict[str, float]:
        """Demand name -> kWh imported so far in its running window."""
        return {name: running.import_kwh for name, running in self.open.items()}


def cap_kw(
    meter: Meter,
    limits_kw: Mapping[str, float],
    t_s: float,
    net_kw: float,
    discharge_kw_max: float,
    hold_s: float,
    later: Sequence[tuple[float, float]] = (),
    *,
    shaped: bool = False,
) -> tuple[float, float]:
    """Two caps on the grid power of the next hold_s, kW; infinite where no window counts.

    The first is what the windows still allow as a mean: charging may fill it, never pass it. In a shaped window,
    whose load falls as `later` tells, it is no less than what that load leaves with the battery at rest. The second
    is looser: above the first by what a full discharge after hold_s would still make good at this net_kw.
    limits_kw: demand name -> mean a window may reach; without an entry it is free. later: net power that is
    expected, as (seconds from t_s on until which it holds, kW); after the last one net_kw holds on.
    """
    fair, must = inf, inf
    for demand in meter.tariff.demand:
        limit_kw = limits_kw.get(demand.name)
        window = window_at(demand, meter.tariff.time_zone, t_s)
        if limit_kw is None or not window.counts:
            continue
        running = meter.open.get(demand.name)
        done_kwh = running.import_kwh if running is not None and running.window == window else 0.0
        left_s = window.start_s + demand.window_s - t_s
        room_kwh = limit_kw * demand.window_s / HOUR_S - done_kwh
        later_kwh = _least_kwh([*later, (inf, net_kw)], discharge_kw_max, hold_s, left_s)
        mean_kw = room_kwh * HOUR_S / left_s
        if shaped:
            served_kwh = _least_kwh([*later, (inf, net_kw)], 0.0, hold_s, left_s)
            mean_kw = max(mean_kw, (room_kwh - served_kwh) * HOUR_S / min(hold_s, left_s))
        fair = min(fair, mean_kw)
        must = min(must, (room_kwh - later_kwh) * HOUR_S / min(hold_s, left_s))
    return fair, must


def _least_kwh(
    net: Sequence[tuple[float, float]], discharge_kw_max: float, from_s: float, to_s: float
) -> float:
    """Import between two moments under full discharge."""
    found = 0.0
    for until_s, kw in net:
        if until_s > from_s:
            found += max(kw - discharge_kw_max, 0.0) * max(min(until_s, to_s) - from_s, 0.0) / HOUR_S
            from_s = until_s
    return found

"""What the slow loop knows of the fast one: means over a second and a quarter hour, and where the site stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite, nan

from controller.devices.check import CheckedSite
from controller.image import Instant, Mode
from controller.plan.billing import Ledger
from controller.plan.demand import Meter
from controller.runtime import survey
from controller.runtime.supervisor import Cycle
from controller.safety import fade

QUARTER_S = 900.0
COVER_PU = 0.5  # a quarter that was measured for less than this says nothing about its mean
HOLE_S_MAX = 5.0  # a longer silence is no measurement
QUARTERS_MAX = 96  # kept for a planner that is late


@dataclass(frozen=True, slots=True)
class Quarter:
    """Measured means of a quarter hour that began at t_s (UTC), kW."""

    t_s: float
    load_kw: float
    pv_kw: float
    grid_kw: float


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the site. Powers are means since the look before; nan: not known. quarters: finished since then."""

    now: Instant
    load_kw: float = nan
    pv_kw: float = nan
    pcs_kw: float = nan
    soc_pct: float = nan
    soc_pct_low: float = nan
    mode: Mode = Mode.INIT
    stage: int = 0  # of load shedding
    budget_kw: float = nan  # what an island or a genset carries
    meter: Meter | None = None
    quarters: tuple[Quarter, ...] = ()
    held_kwh: float = nan  # what the battery holds, where that is less than the site file says (F47)
    clock_unset: bool = False  # the wall clock tells nothing (F76)

    def capacity_kwh(self, stated_kwh: float) -> float:
        """What the battery holds, as far as is known."""
        return self.held_kwh if isfinite(self.held_kwh) else stated_kwh


@dataclass(slots=True)
class _Sum:
    """Powers over time: load, sun, battery."""

    seconds: float = 0.0
    load_kws: float = 0.0
    pv_kws: float = 0.0
    pcs_kws: float = 0.0

    def add(self, seconds: float, load_kw: float, pv_kw: float, pcs_kw: float) -> None:
        self.seconds += seconds
        self.load_kws += load_kw * seconds
        self.pv_kws += pv_kw * seconds
        self.pcs_kws += pcs_kw * seconds

    def means(self) -> tuple[float, float, float]:
        if not self.seconds:
            return nan, nan, nan
        return self.load_kws / self.seconds, self.pv_kws / self.seconds, self.pcs_kws / self.seconds


class Gatherer:
    """Takes every cycle, gives a look when asked for one."""

    def __init__(self, checked: CheckedSite, meter: Meter | None) -> None:
        self._sun = survey.sun(checked)
        self._capacity_kwh = checked.site.battery.capacity_kwh
        self._meter = meter
        self._cycle: Cycle | None = None
        self._since, self._quarter = _Sum(), _Sum()
        self._begin_s = 0.0
        self._done: list[Quarter] = []

    def record(self, cycle: Cycle) -> None:
        """Take one cycle."""
        before, self._cycle = self._cycle, cycle
        begin_s = cycle.now.utc_s - cycle.now.utc_s % QUARTER_S
        if begin_s != self._begin_s:
            self._close()
            self._begin_s = begin_s
        past_s = (cycle.now.t_ns - before.now.t_ns) / 1e9 if before is not None else 0.0
        pv_kw = sum(self._power_kw(cycle, name) for name in self._sun)
        pcs_kw = sum(c.pcs_kw for c in cycle.conditions.converters)
        seen = cycle.telemetry.track.load_kw_mean, pv_kw, pcs_kw
        if 0.0 < past_s <= HOLE_S_MAX and all(map(isfinite, seen)):
            self._since.add(past_s, *seen)
            self._quarter.add(past_s, *seen)

    def take(self, now: Instant) -> Look:
        """What has come together since the last call."""
        cycle, quarters = self._cycle, tuple(self._done)
        load_kw, pv_kw, pcs_kw = self._since.means()
        self._since, self._done = _Sum(), []
        if cycle is None:
            return Look(now)
        battery = cycle.conditions.battery
        return Look(
            now, load_kw, pv_kw, pcs_kw, battery.soc_pct, battery.soc_pct_low, cycle.mode.mode,
            cycle.hall.shed_stage, cycle.hall.budget_kw, _copied(self._meter), quarters,
            fade.held_kwh(self._capacity_kwh, battery.fade), cycle.telemetry.box.clock_unset,
        )  # fmt: skip

    def _close(self) -> None:
        if self._quarter.seconds >= COVER_PU * QUARTER_S:
            load_kw, pv_kw, pcs_kw = self._quarter.means()
            quarter = Quarter(self._begin_s, load_kw, pv_kw, load_kw - pv_kw - pcs_kw)
            self._done = [*self._done[1 - QUARTERS_MAX :], quarter]
        self._quarter = _Sum()

    @staticmethod
    def _power_kw(cycle: Cycle, name: str) -> float:
        device = cycle.telemetry.devices.get(name)
        return device.values.get("power_kw", nan) if device is not None else nan


def _copied(meter: Meter | None) -> Meter | None:
    """The meter as it is now: the supervisor counts on while others read this one."""
    if meter is None:
        return None
    peaks = {key: dict(groups) for key, groups in meter.ledger.peaks.items()}
    return Meter(meter.tariff, Ledger(peaks), {name: replace(run) for name, run in meter.open.items()})

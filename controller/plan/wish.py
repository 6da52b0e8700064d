"""What the slow loop would like: follow the plan, keep the demand windows; without a plan, the SOC at its target."""

from __future__ import annotations

from math import copysign, inf, isfinite, nan

from controller.config.tariff import Tariff
from controller.image import Forecast, Instant, Telemetry, Wish
from controller.plan.demand import Meter, cap_kw
from controller.units import seconds

DEAD_BAND_PCT = 0.5  # SOC within this of its target asks for nothing: many a BMS tells whole per cents
FULL_LEAK_PCT = 0.5  # beyond the dead-band, the SOC error that asks for the whole leak
LEAK_PU_MAX = 0.04  # of the converters' rating: more than they lose at full power, 3 % (M11 of control.md 7)
LEAK_S = 300.0  # from nothing to the whole leak: far below 0.02 Hz, whatever step the BMS tells
DT_S_MAX = 1.0  # a longer cycle moves the leak no farther
GAP_S_MAX = 5.0  # a longer hole in the telemetry is not metered
CALM_S = 60.0  # lag behind the load with which valleys are filled: its swings are the law's
HOLD_S = 60.0  # how long the battery may wait before it must save a window: a slow ramp still fits in


class Wisher:
    """The wish of one site. Holds constants, and the meter of its demand windows where there is a tariff.

    sun: names of the meters that measure PV the load sensors do not see. reserve_kw, soc_pct_low: what a demand window
    leaves of the rating and of the energy, for the fast loop and for the fallback.
    """

    def __init__(
        self,
        soc_pct_target: float,
        rating_kw: float,
        ramp_kw_per_s_max: float,
        tariff: Tariff | None = None,
        sun: tuple[str, ...] = (),
        valley_kw: float = 0.0,
        reserve_kw: float = 0.0,
        soc_pct_low: float = 0.0,
    ) -> None:
        self.soc_pct_target = soc_pct_target
        self.rating_kw = rating_kw
        self.ramp_kw_per_s_max = ramp_kw_per_s_max
        self.meter = Meter(tariff) if tariff is not None and tariff.demand else None
        self.valley_kw = valley_kw
        self.window_kw_max = max(rating_kw - reserve_kw, 0.0)
        self.soc_pct_low = soc_pct_low
        self._sun = sun
        self._last_utc_s: float | None = None
        self._leak_kw = 0.0
        self._t_ns: int | None = None
        self._calm_kw = 0.0
        self._t_calm_ns: int | None = None

    def decide(self, telemetry: Telemetry, forecast: Forecast, now: Instant, fill: bool = False) -> Wish:
        """Leak in kW, > 0 charges: at 2000 kW and 49.25 % of 50 %, (0.75 - 0.5) / 0.5 of 80 kW = 40 kW, after 150 s.

        fill: charge until full, to show where the state of charge stands.
        """
        net_kw = telemetry.track.load_kw_mean - _sum(telemetry, "power_kw", self._sun)
        self._count(telemetry, net_kw, now)
        planned_kw = forecast.pcs_kw.at(now.utc_s)
        self._leak(_soc_pct(telemetry) if planned_kw is None else nan, now)
        pcs_kw = -self._leak_kw if planned_kw is None else planned_kw
        if fill:
            pcs_kw = -LEAK_PU_MAX * self.rating_kw
        if isfinite(net_kw):
            pcs_kw = self._filled(pcs_kw, net_kw, now)
            pcs_kw = self._kept(pcs_kw, net_kw, forecast, _soc_pct(telemetry), now)
        leak_kw = min(max(-pcs_kw, -self.rating_kw), self.rating_kw)
        return Wish(leak_kw, self.ramp_kw_per_s_max, planned_kw=planned_kw or 0.0)

    def _count(self, telemetry: Telemetry, net_kw: float, now: Instant) -> None:
        """Meter the import since the last cycle, as it is now."""
        before_s, self._last_utc_s = self._last_utc_s, now.utc_s
        if self.meter is None or before_s is None or not 0.0 < now.utc_s - before_s <= GAP_S_MAX:
            return
        names = tuple(d.name for d in telemetry.devices.values() if d.kind == "pcs")
        grid_kw = net_kw - _sum(telemetry, "pcs_kw", names)
        if isfinite(grid_kw):
            self.meter.count(before_s, now.utc_s - before_s, grid_kw)

    def _filled(self, pcs_kw: float, net_kw: float, now: Instant) -> float:
        """Battery power that leaves no valley in the grid's: a calm load of 300 kW and a valley of 500 charge 200."""
        past_s = inf if self._t_calm_ns is None else seconds(now.t_ns - self._t_calm_ns)
        self._t_calm_ns = now.t_ns
        share = past_s / (past_s + CALM_S) if 0.0 <= past_s <= GAP_S_MAX else 1.0
        self._calm_kw += (net_kw - self._calm_kw) * share
        return min(pcs_kw, self._calm_kw - self.valley_kw) if self.valley_kw else pcs_kw

    def _kept(self, pcs_kw: float, net_kw: float, forecast: Forecast, soc_pct: float, now: Instant) -> float:
        """Battery power within what the running windows allow: charge less at once, discharge when it must be.

        Never with what the fast loop and the fallback keep.
        """
        if self.meter is None or not forecast.limits_kw:
            return pcs_kw
        fair_kw, must_kw = cap_kw(
            self.meter, forecast.limits_kw, now.utc_s, net_kw, self.window_kw_max, HOLD_S
        )
        if pcs_kw < 0 and net_kw - pcs_kw > fair_kw:
            pcs_kw = min(net_kw - fair_kw, 0.0)
        given_kw_max = 0.0 if soc_pct <= self.soc_pct_low else self.window_kw_max
        return max(pcs_kw, min(net_kw - must_kw, given_kw_max))

    def _leak(self, soc_pct: float, now: Instant) -> None:
        """Move the leak towards what this SOC asks for; nan: towards none."""
        full_kw = LEAK_PU_MAX * self.rating_kw
        error_pct = self.soc_pct_target - soc_pct if isfinite(soc_pct) else 0.0
        share = min(max(abs(error_pct) - DEAD_BAND_PCT, 0.0) / FULL_LEAK_PCT, 1.0)
        past_s = 0.0 if self._t_ns is None else seconds(now.t_ns - self._t_ns)
        self._t_ns, dt_s = now.t_ns, min(max(past_s, 0.0), DT_S_MAX)
        step_kw = full_kw * dt_s / LEAK_S
        self._leak_kw += min(max(copysign(share * full_kw, error_pct) - self._leak_kw, -step_kw), step_kw)


def _sum(telemetry: Telemetry, point: str, names: tuple[str, ...]) -> float:
    return sum(telemetry.devices[n].values.get(point, float("nan")) for n in names if n in telemetry.devices)


def _soc_pct(telemetry: Telemetry) -> float:
    found = [d.values.get("soc_pct", float("nan")) for d in telemetry.devices.values() if d.kind == "bms"]
    return sum(found) / len(found) if found else float("nan")

"""What the slow loop would like: bring the state of charge back, gently, below the band that is smoothed."""

from __future__ import annotations

from math import isfinite

from controller.image import Forecast, Instant, Telemetry, Wish

DEAD_BAND_PCT = 1.0  # SOC within this of its target asks for nothing: no hunting
FULL_LEAK_PCT = 5.0  # beyond the dead-band, the SOC error that asks for the whole leak
LEAK_PU_MAX = 0.02  # of the converters' rating: slow, far below 0.02 Hz


class Wisher:
    """The wish of one site. Pure: holds constants only."""

    def __init__(self, soc_pct_target: float, rating_kw: float, ramp_kw_per_s_max: float) -> None:
        self.soc_pct_target = soc_pct_target
        self.leak_kw_max = LEAK_PU_MAX * rating_kw
        self.ramp_kw_per_s_max = ramp_kw_per_s_max

    def decide(self, telemetry: Telemetry, forecast: Forecast, now: Instant, fill: bool = False) -> Wish:
        """Leak in kW, > 0 charges: at 2000 kW and 47 % of 50 %, (3 - 1) / 5 of 40 kW = 16 kW.

        fill: charge until full, to show where the state of charge stands.
        """
        leak_kw = self.leak_kw_max if fill else self._leak_kw(_soc_pct(telemetry))
        return Wish(leak_kw=leak_kw, ramp_kw_per_s_max=self.ramp_kw_per_s_max)

    def _leak_kw(self, soc_pct: float) -> float:
        if not isfinite(soc_pct):
            return 0.0
        error_pct = self.soc_pct_target - soc_pct
        beyond_pct = max(abs(error_pct) - DEAD_BAND_PCT, 0.0)
        leak_kw = self.leak_kw_max * min(beyond_pct / FULL_LEAK_PCT, 1.0)
        return leak_kw if error_pct > 0 else -leak_kw


def _soc_pct(telemetry: Telemetry) -> float:
    found = [d.values.get("soc_pct", float("nan")) for d in telemetry.devices.values() if d.kind == "bms"]
    return sum(found) / len(found) if found else float("nan")

"""A small site for the safety tests: one converter, one rack, one grid meter, well unless told otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controller.image import Device, Frame, Instant, Telemetry, Track
from controller.safety import conditions
from controller.safety.terms import Part, Terms
from controller.state import Asked, Conditions, ModeState
from controller.units import ns

PCS = Part("pcs-1", "pcs", 0.1, ("7",), discharge_kw_max=1000.0, charge_kw_max=800.0, can_arm=True)
BMS = Part("bms-1", "bms", 0.2)
METER = Part("meter-1", "meter", 0.2, measures="grid")
TERMS = Terms(
    parts=(PCS, BMS, METER),
    voltage_v=230.0,
    frequency_hz=50.0,
    enter_service_s=5.0,
    import_kw_max=3000.0,
    export_kw_max=100.0,
    soc_pct_min=10.0,
    soc_pct_max=90.0,
    ramp_up_kw_per_s_max=50.0,
    ramp_down_kw_per_s_max=40.0,
    lease_s=0.5,
    clear_hold_s=30.0,
)
START_S = 1000.0


def at(seconds: float) -> Instant:
    """An instant `seconds` after the start of the test."""
    return Instant(ns(START_S + seconds), seconds)


def telemetry(seconds: float, frame: dict[str, Any] | None = None, track: dict[str, Any] | None = None,
              **devices: dict[str, Any]) -> Telemetry:  # fmt: skip
    """Healthy telemetry; pcs, bms, meter, frame and track replace fields, `values` replaces points."""
    now = at(seconds)
    found = {
        "pcs-1": Device("pcs-1", "pcs", {"pcs_kw": 0.0}, 0.01, 0, "standby", True, "7", 0.01),
        "bms-1": Device("bms-1", "bms", {"soc_pct": 50.0, "dc_v": 800.0, "dc_a": 0.0, "charge_a_max": 1000.0,
                                         "discharge_a_max": 1500.0, "cell_c_min": 20.0, "cell_c_max": 25.0},
                        0.01, silent_s=0.01),
        "meter-1": Device("meter-1", "meter", {"power_kw": 2000.0}, 0.01, silent_s=0.01),
    }  # fmt: skip
    for kind, changes in devices.items():
        device = found[f"{kind}-1"]
        values = {**device.values, **changes.pop("values", {})}
        found[f"{kind}-1"] = replace(device, values=values, **changes)
    whole = Frame(frames=10, t_ns=now.t_ns, lease_live=True, sample_age_s=0.0)
    seen = Track(t_ns=now.t_ns, load_kw_mean=2000.0, frequency_hz=50.0, voltage_v=230.0)
    return Telemetry(now, replace(seen, **(track or {})), replace(whole, **(frame or {})), found)


class Story:
    """Feeds telemetry into the conditions cycle by cycle and keeps their memory."""

    def __init__(self, state: ModeState | None = None, terms: Terms = TERMS) -> None:
        self.terms = terms
        self.state = state or ModeState()
        self.conditions = Conditions()
        self.asked = Asked()

    def feed(self, seconds: float, **changes: Any) -> set[str]:
        """One cycle at `seconds`; returns the codes of the active conditions."""
        seen = telemetry(seconds, **changes)
        self.conditions = conditions.read(self.terms, self.conditions, self.state, seen, self.asked, seen.now)
        return {c.code for c in self.conditions.active}

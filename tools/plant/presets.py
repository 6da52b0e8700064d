"""Waveform presets of reference/control.md 5.4: how dirty the simulated site's voltages and currents are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waveform:
    """Levels per unit of the fundamental; lines are 1, 5, 7, 11 and 13 times the grid frequency."""

    voltage_line_pu: tuple[float, float, float, float, float]
    current_line_pu: tuple[float, float, float, float, float]
    voltage_unbalance_pu: float
    current_unbalance_pu: float
    offset_pu: float
    noise_pu: float = 0.002
    power_factor: float = 0.98


WAVEFORMS = {
    "clean": Waveform((1, 0, 0, 0, 0), (1, 0, 0, 0, 0), 0.0, 0.0, 0.0),
    "typical": Waveform((1, 0.03, 0.02, 0, 0), (1, 0.04, 0.03, 0.02, 0.015), 0.01, 0.05, 0.005),
    "bad": Waveform((1, 0.03, 0.02, 0, 0), (1, 0.10, 0.06, 0.02, 0.015), 0.02, 0.15, 0.005),
}

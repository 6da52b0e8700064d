"""The windows of voltage and frequency in which the grid counts as there."""

from __future__ import annotations

from controller.image import Telemetry
from controller.safety.terms import Terms

# Windows: low and high in pu, Hz below and above nominal.
STAY_GRID = (0.80, 1.15, 2.5, 1.5)  # F48; EN 50549 has 47.5 to 51.5 Hz
ENTER_GRID = (0.917, 1.05, 0.5, 0.1)  # enter service, IEEE 1547


def grid_inside(terms: Terms, telemetry: Telemetry, window: tuple[float, float, float, float]) -> bool:
    """Whether voltage and frequency lie in the closed window; False where they are not known."""
    return window_holds(terms, telemetry.track.voltage_v, telemetry.track.frequency_hz, window)


def window_holds(
    terms: Terms, voltage_v: float, frequency_hz: float, window: tuple[float, float, float, float]
) -> bool:
    """The same for any reading of voltage and frequency."""
    low_pu, high_pu, below_hz, above_hz = window
    return (
        low_pu * terms.voltage_v <= voltage_v <= high_pu * terms.voltage_v
        and terms.frequency_hz - below_hz <= frequency_hz <= terms.frequency_hz + above_hz
    )

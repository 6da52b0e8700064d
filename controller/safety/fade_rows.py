"""Row of the fault table about a battery that holds less than the site file says: see controller.safety.fade."""

from __future__ import annotations

from controller.safety.fade import FADE_PU, shown_kwh
from controller.safety.look import Look, Row
from controller.state import Effect


def _shown_kwh(look: Look) -> float:
    """What the battery holds at most, less than nothing: less is worse."""
    return -shown_kwh(look.previous.battery.fade)


def _least_kwh(look: Look) -> float:
    return -FADE_PU * look.terms.capacity_kwh


ROWS = (
    Row("F47", "capacity-fade", "site", _shown_kwh, _least_kwh, "A", Effect.NOTE,
        "two discharges in a row show that the battery holds {value:.0f} kWh at most, wanted {limit:.0f} kWh: reserves "
        "are raised",
        "have its racks tested; if they stay, state what it holds as battery.capacity_kwh in the site file",
        clear_s=0.0, sign=-1.0),
)  # fmt: skip

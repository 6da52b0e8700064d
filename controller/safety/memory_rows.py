"""Row of the fault table about the memory that holds the limits."""

from __future__ import annotations

from controller.safety.look import Look, Row, at
from controller.state import Effect


def _flipped(look: Look) -> float:
    return float(look.telemetry.limits_flipped)


ROWS = (
    Row("F81", "limits-flipped", "site", _flipped, at(0.5), "D", Effect.TRIP,
        "a limit in memory is no longer what it was at the start",
        "have the box's memory tested, replace it; acknowledge at the box afterwards"),
)  # fmt: skip

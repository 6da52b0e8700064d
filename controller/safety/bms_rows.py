"""Row of the fault table about a BMS that talks on and tells nothing new."""

from __future__ import annotations

from math import nan

from controller.safety.look import Look, Row, at
from controller.state import Effect

BEAT_S_MAX = 2.5  # F34: SunSpec 802 counts once a second; the first poll beyond it makes three periods


def _still_s(look: Look) -> float:
    """For how long its replies have been the very same, where one of their points is a heartbeat."""
    if look.part is None or look.device is None or "heartbeat" not in look.device.values:
        return nan
    return look.device.alike * look.part.period_s


ROWS = (
    Row("F34", "bms-frozen", "bms", _still_s, at(BEAT_S_MAX), "B", Effect.STOP,
        "{subject} answers, but its heartbeat has stood still for {value:.1f} s, allowed {limit:.1f} s",
        "restart the BMS or the gateway before it; one without a heartbeat needs a profile without that point"),
)  # fmt: skip

"""Rows of the fault table about a BMS that talks on and tells nothing new, and one that has let go of the battery.

F43: with no voltage there is no limit, so power ends with the first reading (envelope). A contactor that opened under
load must not close by itself, so the second reading latches; one alone may be a forged frame (F18). At rest it may be
open: what counts began while a converter ran.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import nan

from controller.image import Telemetry
from controller.safety.look import Look, Row, at
from controller.safety.terms import Terms
from controller.state import Conditions, Effect

BEAT_S_MAX = 2.5  # F34: SunSpec 802 counts once a second; the first poll beyond it makes three periods

GONE_V = 10.0  # F43: no battery of a converter has so little; the lowest have 48 V


def opened_of(terms: Terms, previous: Conditions, telemetry: Telemetry) -> Mapping[str, tuple[int, int]]:
    """Rack: arrival of the newest reading without voltage, and how many there were in a row. Mostly empty."""
    found = {}
    running = any(c.fresh and c.state == "running" for c in previous.converters)
    for part in terms.bms:
        device, before = telemetry.devices.get(part.name), previous.opened.get(part.name)
        if device is None or not abs(device.values.get("dc_v", nan)) < GONE_V:
            continue
        if before is None and running:
            found[part.name] = (device.t_ok_ns, 1)
        elif before is not None:
            newer = device.t_ok_ns > before[0]
            found[part.name] = (device.t_ok_ns, before[1] + 1) if newer else before
    return found


def _opened(look: Look) -> float:
    return float(look.previous.opened.get(look.subject, (0, 0))[1])


def _still_s(look: Look) -> float:
    """For how long its replies have been the very same, where one of their points is a heartbeat."""
    if look.part is None or look.device is None or "heartbeat" not in look.device.values:
        return nan
    return look.device.alike * look.part.period_s


ROWS = (
    Row("F34", "bms-frozen", "bms", _still_s, at(BEAT_S_MAX), "B", Effect.STOP,
        "{subject} answers, but its heartbeat has stood still for {value:.1f} s, allowed {limit:.1f} s",
        "restart the BMS or the gateway before it; one without a heartbeat needs a profile without that point"),
    Row("F43", "contactor-open", "bms", _opened, at(1.0), "C", Effect.STOP,
        "{subject} has lost its voltage while a converter ran: its contactor has opened",
        "read the BMS's own alarms and find out why it opened, before anything closes again"),
)  # fmt: skip

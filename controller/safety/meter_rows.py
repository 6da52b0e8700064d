"""Row of the fault table about a meter whose counters run backwards, and the memory it needs."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan

from controller.image import Telemetry
from controller.safety.look import Look, Row, at
from controller.safety.terms import Terms
from controller.state import Effect

COUNTERS = ("import_kwh", "export_kwh")


def counters_of(
    terms: Terms, before: Mapping[tuple[str, str], float], telemetry: Telemetry
) -> dict[tuple[str, str], float]:
    """What every counter told last; one that has run backwards counts from where it is now."""
    found = dict(before)
    for part in terms.parts:
        device = telemetry.devices.get(part.name)
        if part.kind == "meter" and device is not None:
            found |= {(part.name, name): device.values[name] for name in COUNTERS if name in device.values}
    return found


def _backwards_kwh(look: Look) -> float:
    """How far a counter has run backwards since it told something last."""
    if look.device is None:
        return nan
    last = look.previous.counters_kwh
    back = (last.get((look.subject, name), nan) - look.device.values.get(name, nan) for name in COUNTERS)
    return max((kwh for kwh in back if kwh > 0.0), default=nan)


ROWS = (
    Row("F13", "meter-wrap", "meter", _backwards_kwh, at(0.0), "A", Effect.NOTE,
        "an energy counter of {subject} has run backwards by {value:.1f} kWh",
        "none: it counts on from there, and bills are made of powers; tell whoever reads the counter for a bill",
        clear_s=1.0),
)  # fmt: skip

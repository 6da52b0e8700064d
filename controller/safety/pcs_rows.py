"""Row of the fault table about a converter that says it can do less than its plate."""

from __future__ import annotations

from math import nan

from controller.safety.look import Look, Row, at
from controller.state import Effect

DERATED_PU = 0.05  # F23: less than the plate by more than this is told; any less is a limit (envelope)


def _derated_pu(look: Look) -> float:
    """By how much less than its plate it says it can do, in the direction that lacks most; nan: it says nothing."""
    if look.part is None or look.device is None:
        return nan
    plates = {"discharge_kw_max": look.part.discharge_kw_max, "charge_kw_max": look.part.charge_kw_max}
    lacks = [(kw - look.device.values.get(name, nan)) / kw for name, kw in plates.items() if kw > 0.0]
    return max((pu for pu in lacks if pu > 0.0), default=nan)


ROWS = (
    Row("F23", "pcs-derated", "pcs", _derated_pu, at(DERATED_PU), "A", Effect.NOTE,
        "{subject} says that it can do {value:.0%} less than its plate",
        "see its temperature, fans and filters; until then what it says is the limit", clear_s=1.0),
)  # fmt: skip

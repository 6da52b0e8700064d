"""Rows of the fault table about what a converter says of itself: what it can do, and what it was told.

F30: on a line of our own nobody else writes between the last setpoint that left and the reading of its register, so
it holds what left last, or less where the converter itself has cut it. A setpoint beyond all that left within
REACH_S, twice, comes from another master: a tool at its display, its gateway or its second port. What left is known
for each cycle by its ends, see controller.state.Sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan, nan

from controller.image import Instant, Mode, Telemetry
from controller.safety.look import Look, Row, at
from controller.safety.terms import Part, Terms
from controller.state import Conditions, Effect, ModeState, Sent
from controller.units import ns

DERATED_PU = 0.05  # F23: less than the plate by more than this is told; any less is a limit (envelope)

FOREIGN_PU = 0.02  # F30: of the rating: what scaling and rounding of a register may take away
FOREIGN_S = 10.0  # F30: two such readings within it; one may be a forged frame (F18)
REACH_S = (
    0.3  # F30: of so many seconds before the reading every setpoint may still stand there: replies get lost
)


def foreign_of(
    terms: Terms,
    previous: Conditions,
    state: ModeState,
    telemetry: Telemetry,
    traces: Mapping[str, tuple[Sent, ...]],
    now: Instant,
) -> dict[str, tuple[int, ...]]:
    """Converter: when, in the last FOREIGN_S, its register showed a setpoint that has not left here. Mostly empty."""
    found = {}
    running = {c.name for c in previous.kept if c.state == "running" and c.fresh}
    engaged = state.mode == Mode.GRID_TIED and not state.t_stopping_ns
    for part in terms.pcs:
        kept = tuple(t for t in previous.foreign.get(part.name, ()) if now.t_ns - t < ns(FOREIGN_S))
        device = telemetry.devices.get(part.name)
        if engaged and part.name in running and part.port not in previous.ports_barred and device is not None:
            told_kw, t_ns = device.values.get("setpoint_kw", nan), device.t_setpoint_ns
            new = t_ns > (kept[-1] if kept else state.t_since_ns)
            if new and _stranger(part, told_kw, t_ns, traces.get(part.name, ())):
                kept = (*kept, t_ns)
        if kept:
            found[part.name] = kept
    return found


def _stranger(part: Part, told_kw: float, t_ns: int, trace: tuple[Sent, ...]) -> bool:
    """Whether a setpoint that was read at t_ns lies beyond zero and all that left before. Not known: no."""
    since_ns = t_ns - ns(REACH_S)
    if isnan(told_kw) or not trace or trace[0].t_ns > since_ns:
        return False
    low_kw = high_kw = 0.0
    for sent in trace:
        if sent.t_ns > since_ns:
            low_kw, high_kw = min(low_kw, sent.low_kw), max(high_kw, sent.high_kw)
    margin_kw = FOREIGN_PU * max(part.discharge_kw_max, part.charge_kw_max)
    return not low_kw - margin_kw <= told_kw <= high_kw + margin_kw


def _foreign(look: Look) -> float:
    return float(len(look.previous.foreign.get(look.subject, ())))


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
    Row("F30", "second-master", "pcs", _foreign, at(1.0), "C", Effect.STOP,
        "somebody else gives {subject} setpoints: its register showed what nobody here has sent, {value:.0f} times",
        "find the other master: a service tool, a vendor's gateway or portal, the converter's own display; "
        "one alone may command"),
)  # fmt: skip

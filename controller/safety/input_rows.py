"""Rows of the fault table about hard-wired inputs: pressed, and no longer read."""

from __future__ import annotations

from math import isnan, nan

from controller.image import Mode
from controller.safety.look import Look, Number, Row, at
from controller.state import Effect

LOST_S = 2.0  # longer than a device needs to come back from one lost reply
WELDED_S = 4.8  # F44: with the cycle that drops the health relay and the one that tells, 5 s
UNCOOLED_PU = 0.25  # F46: losses go with the square of the current, so a sixteenth of the heat


def _pressed(name: str) -> Number:
    """1 while the input is active; nan where it is not wired or not known."""
    return lambda look: look.telemetry.inputs.get(name, nan)


def _lost(name: str) -> Number:
    """1 while a wired input is not read; INIT waits for it."""

    def signal(look: Look) -> float:
        if name not in look.terms.inputs or look.state.mode == Mode.INIT:
            return nan
        return float(isnan(look.telemetry.inputs.get(name, nan)))

    return signal


def _welded(look: Look) -> float:
    """1 while the battery's contactors are closed although the health relay and the stop chain hold them open."""
    return _pressed("contactor")(look) if look.state.mode == Mode.LOCKOUT else nan


ROWS = (
    Row("T16", "emergency-stop", "site", _pressed("emergency_stop"), at(0.5), "D", Effect.TRIP,
        "the emergency stop is pressed", "find out who pressed it and why; release it, then acknowledge at the box"),
    Row("T16", "emergency-stop", "site", _lost("emergency_stop"), at(0.5), "B", Effect.STOP,
        "the emergency stop's contact is no longer read", "look at the device that reads it", hold_s=LOST_S),
    Row("F39", "fire-input", "site", _pressed("fire"), at(0.5), "D", Effect.TRIP,
        "the fire or gas panel has tripped", "leave the room to the fire brigade; acknowledge at the box afterwards"),
    Row("F39", "fire-input", "site", _lost("fire"), at(0.5), "B", Effect.STOP,
        "the fire panel's contact is no longer read", "look at the device that reads it", hold_s=LOST_S),
    Row("F44", "contactor-welded", "site", _welded, at(0.5), "D", Effect.TRIP,
        "the contactors of the battery are still closed in LOCKOUT: it cannot be isolated",
        "open the battery's own breaker by hand, touch nothing on the DC side; mend the contactor, then acknowledge",
        hold_s=WELDED_S),
    Row("F44", "contactor-welded", "site", _lost("contactor"), at(0.5), "A", Effect.NOTE,
        "the feedback of the battery's contactors is no longer read: a welded one would not be seen",
        "look at the device that reads it", hold_s=LOST_S),
    Row("F45", "insulation", "site", _pressed("insulation"), at(0.5), "C", Effect.STOP,
        "the insulation monitor reports a fault", "touch nothing on the DC side; mend the fault, then acknowledge"),
    Row("F45", "insulation", "site", _lost("insulation"), at(0.5), "B", Effect.STOP,
        "the insulation monitor's contact is no longer read", "look at the device that reads it", hold_s=LOST_S),
    Row("F46", "cooling-lost", "site", _pressed("cooling"), at(0.5), "A", Effect.NOTE,
        "the cooling of the battery has failed: a quarter of the power",
        "look at the air conditioner or the coolant's pump; full power returns with it", level=1, share_pu=UNCOOLED_PU),
    Row("F46", "cooling-lost", "site", _lost("cooling"), at(0.5), "A", Effect.NOTE,
        "the cooling's contact is no longer read: a quarter of the power", "look at the device that reads it",
        hold_s=LOST_S, level=1, share_pu=UNCOOLED_PU),
    Row("F61", "curtail-lost", "site", _pressed("curtail"), at(0.5), "A", Effect.CURTAIL,
        "the grid operator curtails", "none: what the contract allows returns with the end of it"),
    Row("F61", "curtail-lost", "site", _lost("curtail"), at(0.5), "A", Effect.CURTAIL,
        "the curtailment's contact is no longer read: it counts as active", "look at the device that reads it",
        hold_s=LOST_S, level=1),
)  # fmt: skip

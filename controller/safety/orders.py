"""Which one-shot orders the site wants: arm in STANDBY, start in GRID_TIED, stop at zero, clear to retry."""

from __future__ import annotations

from collections.abc import Mapping

from controller.image import Device, Instant, Mode
from controller.safety import fallback, gensets
from controller.safety.terms import Part, Terms
from controller.safety.transition import ISLANDS, QUIET_PU, RETRY_HOLDS, STOP_S_MAX, View
from controller.state import Conditions, Converter, ModeState
from controller.units import seconds

CLEAR_WINDOW_S = 1.0  # one clear order at each retry, then the fault may speak again


def proposed(view: View, devices: Mapping[str, Device]) -> dict[str, tuple[str, str]]:
    """Device: (kind, order) of converters, gensets and switch; for the switch the position it should take."""
    terms = view.terms
    forms = None if terms.fallback is None else fallback.forms(view)
    own = wanted(terms, view.state, view.conditions, view.now, forms)
    found = {name: ("pcs", order) for name, order in own.items()}
    if terms.fallback is not None and view.state.mode not in (Mode.INIT, Mode.MAINT):
        asked = gensets.requests(terms.fallback, view.hall, devices)
        found |= {name: ("genset", order) for name, order in asked.items()}
        found |= fallback.switch_order(view)
    return found


def wanted(
    terms: Terms, state: ModeState, conditions: Conditions, now: Instant, forms: bool | None = None
) -> dict[str, str]:
    """Converter -> order it needs and takes in its state. Left out: those whose identity is refused.

    forms: whether they should form the bus; None: as they are.
    """
    found = {}
    for part, converter in zip(terms.pcs, conditions.converters, strict=False):
        lost = conditions.losses.get(part.name)
        if not converter.accepted:
            name = ""
        elif lost is not None and state.mode == Mode.GRID_TIED and not state.t_stopping_ns:
            name = _recovery(part, converter, terms, seconds(now.t_ns - lost.t_ns))
        elif lost is not None and not converter.fresh and state.mode in ISLANDS:
            # IL-02: it may have heard what its last reading does not show, and nobody sees what it would do now
            name = "follow" if forms is False and part.can_form else ""
        else:
            name = _order(part, converter, state, terms, now, forms)
        allowed = part.order_states.get(name, ())
        if name and (not allowed or converter.state in allowed):
            found[part.name] = name
    return found


def _order(
    part: Part, converter: Converter, state: ModeState, terms: Terms, now: Instant, forms: bool | None
) -> str:
    active = converter.state in ("running", "starting")
    if state.mode in ISLANDS:
        if part.can_arm and not converter.armed and not active:
            return "arm"
        if forms is not None and forms != converter.forming:
            return "form" if forms else "follow"
        return "" if active else "start"
    if state.mode == Mode.STANDBY:
        if active:
            return "stop"
        if converter.forming:
            return "follow"
        return "arm" if part.can_arm and not converter.armed else ""
    if state.mode == Mode.GRID_TIED and not state.t_stopping_ns:
        if converter.forming:
            return "follow"  # IL-02: heard again after the return, it forms beside the grid
        return "" if active else "start"
    if state.mode == Mode.INIT:
        return ""
    if state.jog is not None and state.jog.device == part.name:
        return "" if active else "start"
    t_stop_ns = state.t_stopping_ns or state.t_since_ns
    if active:
        still = abs(converter.pcs_kw) <= QUIET_PU * max(part.discharge_kw_max, part.charge_kw_max)
        still |= converter.forming  # no setpoint ramps what forms, and beside a source it must not (IL-02)
        return "stop" if still or seconds(now.t_ns - t_stop_ns) >= STOP_S_MAX else ""
    if converter.state == "fault" and not state.latched:
        return "clear" if _in_clear_window(terms, seconds(now.t_ns - t_stop_ns)) else ""
    return ""


def _recovery(part: Part, converter: Converter, terms: Terms, age_s: float) -> str:
    """What brings back a converter that is left out (F27), once it answers again: without power until it is back."""
    if not converter.fresh:
        return ""
    if converter.state == "fault":
        return "clear" if _in_clear_window(terms, age_s) else ""
    if converter.forming:
        return "follow"
    if converter.state in ("running", "starting"):
        return ""
    return "arm" if part.can_arm and not converter.armed else "start"


def _in_clear_window(terms: Terms, age_s: float) -> bool:
    waits_s = (terms.clear_hold_s * holds for holds in RETRY_HOLDS)
    return any(wait_s <= age_s < wait_s + CLEAR_WINDOW_S for wait_s in waits_s)


def heaters(conditions: Conditions) -> tuple[str, ...]:
    """Racks that ask for heat: too cold to be charged, or not yet warm for long enough (F36)."""
    return tuple(c.subject for c in conditions.active if c.code == "F36")

"""Rows of the fault table about switch, gensets and island: told, counted, and used by the interlocks."""

from __future__ import annotations

from math import nan

from controller.image import Mode
from controller.safety.hall import Phase, SetRun, unmoved_s
from controller.safety.look import Look, Row, at
from controller.safety.losses import left_kw
from controller.state import Effect
from controller.units import NS_PER_S

OVERLOAD_PU = 0.9  # F32: of what the source may give; load is shed above it
LOW_LOAD_S = 900.0  # F57
REVERSE_PU = 0.05  # F58
FUEL_PCT = 25.0  # F59: about half a day of the usual tank


def _contradiction(look: Look) -> float:
    """1 while the switch answers and stands nowhere."""
    terms = look.terms.fallback
    if terms is None or look.device is None or look.device.age_s > terms.switch_stale_s:
        return nan
    return float(look.device.state not in terms.positions)


def _stuck(look: Look) -> float:
    """Time since a position was ordered and not reached, s, as the newest reading tells it."""
    terms, hall = look.terms.fallback, look.hall
    t_order_ns = hall.t_aim_ns if hall.aim == "open" else hall.t_closed_ns
    if terms is None or not hall.aim or t_order_ns < hall.t_aim_ns or hall.position == hall.aim:
        return nan
    if look.device is None or terms.positions.get(look.device.state, "") == hall.aim:
        return nan
    return unmoved_s(t_order_ns, look.device.t_ok_ns, terms.switch_stale_s, look.telemetry.now)


def _stuck_s_max(look: Look) -> float:
    return nan if look.terms.fallback is None else look.terms.fallback.close_s_max


def _chatter(look: Look) -> float:
    return float(look.hall.t_chatter_ns != 0)


def _overload_pu(look: Look) -> float:
    modes = (Mode.ISLANDED, Mode.GENSET_START, Mode.RESYNC)
    rating_kw, _ = left_kw(look.terms, look.previous.losses)
    return look.hall.load_kw / rating_kw if look.state.mode in modes and rating_kw else nan


def _run(look: Look) -> SetRun:
    return look.hall.sets.get(look.subject, SetRun())


def _locked(look: Look) -> float:
    return float(_run(look).phase == Phase.LOCKED)


def _low_s(look: Look) -> float:
    run = _run(look)
    return (look.t_ns - run.t_low_ns) / NS_PER_S if run.t_low_ns else nan


def _reverse_pu(look: Look) -> float:
    terms = look.terms.fallback
    if terms is None or look.device is None or look.state.mode != Mode.GENSET:
        return nan
    kw_max = next((part.kw_max for part in terms.sets if part.name == look.subject), nan)
    return -look.device.values.get("power_kw", nan) / kw_max


def _fuel_gone_pct(look: Look) -> float:
    return nan if look.device is None else 100.0 - look.device.values.get("fuel_pct", nan)


ROWS = (
    Row("F15", "aux-contradiction", "ats", _contradiction, at(0.5), "C", Effect.NOTE,
        "{subject} stands at none of its positions", "look at the switch and its position contacts", hold_s=2.0),
    Row("F32", "island-overload", "site", _overload_pu, at(OVERLOAD_PU), "A", Effect.NOTE,
        "the island carries {value:.0%} of what the converters may give, allowed {limit:.0%}",
        "none: load is shed by its stages; often: see which load came back", hold_s=0.2, clear_s=1.0),
    Row("F50", "sag-chatter", "site", _chatter, at(0.5), "A", Effect.NOTE,
        "three transfers within a minute: the present source is held",
        "none: it ends after chatter_hold_s; ask the grid operator what goes on", clear_s=0.0),
    Row("F53", "breaker-stuck", "ats", _stuck, _stuck_s_max, "C", Effect.NOTE,
        "{subject} has not reached its position {value:.1f} s after the order, allowed {limit:.1f} s",
        "look at the switch: lock, local mode, control supply; then acknowledge"),
    Row("F55", "genset-no-start", "genset", _locked, at(0.5), "A", Effect.NOTE,
        "{subject} did not start, or stopped by itself, and is locked",
        "read the genset's own display, cure it, then acknowledge", clear_s=0.0),
    Row("F57", "genset-low-load", "genset", _low_s, at(LOW_LOAD_S), "A", Effect.NOTE,
        "{subject} has carried less than its least load for {value:.0f} s, allowed {limit:.0f} s",
        "lower load_pu_min if the engine bears it, or use a smaller set"),
    Row("F58", "genset-reverse", "genset", _reverse_pu, at(REVERSE_PU), "C", Effect.NOTE,
        "{subject} takes {value:.0%} of its rating, allowed {limit:.0%}",
        "find the source that pushes into it; then acknowledge", hold_s=3.0),
    Row("F59", "fuel-low", "genset", _fuel_gone_pct, at(100.0 - FUEL_PCT), "A", Effect.NOTE,
        "the fuel of {subject} is low", "order fuel; below fuel_pct_min it is not started any more"),
)  # fmt: skip

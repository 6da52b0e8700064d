"""The interlocks IL-01 to IL-20 of reference/safety.md 2.5 as a table: what is checked here, what elsewhere, by whom.

The last look at every order before it leaves the step. A blocked order is told, never repeated blindly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from controller.safety.hall import held_s
from controller.safety.island import PLANNED, forbidden, held, unheard, unheeded
from controller.safety.terms import FallbackTerms
from controller.safety.transition import View

CLOSINGS = ("grid", "genset")  # positions that connect a source
BROKEN = ("F15", "F53", "F54")  # conditions of a switch that must not be closed


@dataclass(frozen=True, slots=True)
class Proposal:
    """One order as it would leave: to the switch its position, to a converter form or another name."""

    view: View
    terms: FallbackTerms
    kind: str  # switch, pcs, genset
    device: str
    order: str


Check = Callable[[Proposal], str]  # empty: may leave; else why not


@dataclass(frozen=True, slots=True)
class Interlock:
    """One rule. held: the place that keeps it where it is not an order that breaks it."""

    id: str
    rule: str
    check: Check | None = None
    held: str = ""


def _one_permissive(it: Proposal) -> str:
    if it.kind != "switch" or it.order not in CLOSINGS:
        return ""
    sync, dead = it.view.hall.sync, it.view.hall.dead
    if sync and dead:
        return "sync-check and dead-bus permissive at once"
    return "" if sync or dead else "neither sync-check nor dead-bus permissive"


def _one_former(it: Proposal) -> str:
    if it.kind == "switch" and it.order in CLOSINGS:
        return unheeded(it.view) or unheard(it.view)
    forms = it.kind == "pcs" and it.order == "form"
    return "the switch is not proven open" if forms and it.view.hall.position != "open" else ""


def _sound_switch(it: Proposal) -> str:
    if it.kind != "switch" or it.order not in CLOSINGS:
        return ""
    hall, now = it.view.hall, it.view.now
    broken = next((c for c in it.view.conditions.active if c.code in BROKEN), None)
    if broken is not None:
        return f"{broken.code} {broken.name}"
    if not hall.position:
        return "its position is not known"
    # while it is under way the same order stands; only a new try has to wait
    again = bool(hall.t_closed_ns) and hall.t_closed_ns < hall.t_aim_ns
    early = held_s(hall.t_closed_ns, now) < it.terms.close_rest_s
    return f"{it.terms.close_rest_s:.0f} s between two closings" if again and early else ""


def _no_island(it: Proposal) -> str:
    leaving = it.kind == "switch" and it.order == "open" and it.view.state.row == PLANNED
    return "the grid operator forbids an island" if leaving and forbidden(it.view) else ""


def _chatter(it: Proposal) -> str:
    return held(it.view) if it.kind == "switch" and it.order in CLOSINGS else ""


ROWS = (
    Interlock("IL-01", "two unsynchronised sources never meet: a closing needs exactly one of sync-check and "
              "dead-bus permissive, 100 ms old at most", _one_permissive),
    Interlock("IL-02", "one source forms the bus: converters form only behind a switch proven open, and no source is "
              "switched to those that could not be told to follow, or are silent and may still form", _one_former),
    Interlock("IL-03", "no closing of a switch whose position is not known, that has failed to close or contradicts "
              "itself; 10 s between two closings", _sound_switch),
    Interlock("IL-04", "no charge below 0 degC, above the limit, or with a silent BMS",
              held="envelope.limit, envelope.shares, cells.rates, F33, F36"),
    Interlock("IL-05", "never beyond the tightest of converter, BMS, cells, contract and lease",
              held="envelope.limit; again in ext.guard on the bytes"),
    Interlock("IL-06", "direction changes pass zero where the profile asks", held="no profile asks for it"),
    Interlock("IL-07", "no setpoint unless the last status is fresh and says running", held="ext.guard"),
    Interlock("IL-08", "no crank at speed, no start of a set that is locked, rests or reports a fault",
              held="gensets.barred; the set's own controller and relay 32"),
    Interlock("IL-09", "a stale meter is judged by its worst case", held="envelope.shares, F12"),
    Interlock("IL-10", "no planned island while the grid operator forbids it, where that contact is wired", _no_island),
    Interlock("IL-11", "converters leave their anti-islanding only behind a switch proven open, read back",
              _one_former),
    Interlock("IL-12", "more authority needs two agreeing readings, less needs one",
              held="facts.battery_of, hall.read"),
    Interlock("IL-13", "fire or gas opens and locks, where that contact is wired",
              held="F39: LOCKOUT, and the health relay drops; what opens is wired"),
    Interlock("IL-14", "the key switch leads to MAINT alone", held="modes.ROWS"),
    Interlock("IL-15", "a command has a sequence and 5 s to live", held="command.settle"),
    Interlock("IL-16", "no change of the configuration while power flows", held="it is read at start alone"),
    Interlock("IL-17", "no update while power flows", held="the update system of the host"),
    Interlock("IL-18", "a forecast moves a wish, never a limit", held="envelope.limit"),
    Interlock("IL-19", "a load that falls takes the discharge with it", held="ext.law"),
    Interlock("IL-20", "three transfers within a minute hold the present source for 10 min", _chatter),
)  # fmt: skip


def screened(
    view: View, proposals: Mapping[str, tuple[str, str]]
) -> tuple[dict[str, str], tuple[tuple[str, str, str], ...]]:
    """Device: (kind, order) -> the orders that may leave, and (id, device, why) of those that may not."""
    terms = view.terms.fallback
    if terms is None:
        return {device: order for device, (_, order) in proposals.items()}, ()
    passed, blocked = {}, []
    for device, (kind, order) in proposals.items():
        faults = [
            (row.id, device, why)
            for row in ROWS
            if row.check is not None and (why := row.check(Proposal(view, terms, kind, device, order)))
        ]
        if faults:
            blocked.append(faults[0])
        else:
            passed[device] = order
    return passed, tuple(blocked)

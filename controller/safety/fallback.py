"""What each mode asks of switch, converters, gensets and load while the site lives without the grid, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

from controller.image import Device, Instant, Mode
from controller.records import replace
from controller.safety import gensets
from controller.safety.hall import HOUR_S, Hall, held_s, unmoved_s
from controller.safety.hall_rows import OVERLOAD_PU
from controller.safety.island import DEAD_S, FAILED, PLANNED, can_form, leaving, unheard, unheeded
from controller.safety.losses import left_kw
from controller.safety.terms import FallbackTerms
from controller.safety.transition import ISLANDS, View, active_names, within
from controller.state import ModeState

BALANCED_S = 2.0  # T03: as long must the grid carry next to nothing before the switch opens
RELIEF_PU = 0.7  # of what the source may give: a stage comes back below it
OVERLOAD_S = 0.2
BACK_OUT_S = 2.0  # F53: as long is a failed closing taken back
CLOSE = (Mode.GENSET_START, Mode.RESYNC)  # modes that close the switch beside converters that form
FORM = (Mode.ISLANDING, Mode.BLACK_START)  # modes on the way to a bus that the converters form


@dataclass(frozen=True, slots=True)
class Duty:
    """One mode. Texts are for people; the functions below do what they say."""

    mode: Mode
    converters: str
    switch: str
    gensets: str
    safe: str  # the mode's safe state, reference/safety.md 2.3


DUTIES = (
    Duty(Mode.INIT, "read alone", "as found", "as found", "nothing is written"),
    Duty(Mode.STANDBY, "rest, follow", "as found; from a dead bus to a healthy grid", "cool down, stop", "zero power"),
    Duty(Mode.GRID_TIED, "follow the grid, steady its power", "grid", "cool down, stop", "zero power within 1 s"),
    Duty(Mode.SAFE_STOP, "ramp to zero, stop", "as found; from a dead bus to a healthy grid", "cool down, stop",
         "zero power; breakers as they are"),
    Duty(Mode.FAULT, "rest", "as found", "cool down, stop", "zero power; breakers as they are"),
    Duty(Mode.LOCKOUT, "rest", "as found; open after a return in which one goes on forming", "cool down, stop",
         "zero power; breakers as they are"),
    Duty(Mode.MAINT, "rest; one may be moved by hand, a little", "as found", "cool down, stop",
         "zero power; nobody but the person there commands"),
    Duty(Mode.ISLANDING, "planned: grid power to zero; then form behind the open switch", "open", "cool down, stop",
         "freeze; the switch stays where it was last sent"),
    Duty(Mode.ISLANDED, "form the bus; follow, should the switch stand at a source", "open", "cool down, stop",
         "keep forming within the BMS limits, shed, start a genset; stop only for what trips"),
    Duty(Mode.GENSET_START, "form the bus until the switch closes", "genset, once warm and permitted", "run",
         "keep forming"),
    Duty(Mode.GENSET, "follow; hold the genset between load_pu_min and load_pu_max", "genset; open to leave", "run",
         "zero converter power, the genset carries; shed above its rating"),
    Duty(Mode.RESYNC, "form until the switch closes, then follow", "grid, once permitted", "cool down, stop",
         "freeze; the switch stays where it was last sent"),
    Duty(Mode.BLACK_START, "form behind the open switch", "open; genset onto a dead bus without a battery",
         "run where the battery cannot form", "freeze"),
)  # fmt: skip


def position_wanted(view: View) -> str:
    """Where the switch should go now; empty: it stays."""
    state, hall, terms = view.state, view.hall, view.terms.fallback
    assert terms is not None
    ready = bool(gensets.ready_kw(terms, hall))
    if state.mode in (Mode.GENSET_START, Mode.GENSET, Mode.RESYNC) and unheeded(view):
        return "" if hall.position == "open" and state.mode != Mode.GENSET else "open"
    if state.mode == Mode.ISLANDING:
        balanced = held_s(hall.t_balanced_ns, view.now) >= BALANCED_S
        return "open" if state.row != PLANNED or balanced or hall.position != "grid" else ""
    if state.mode == Mode.GENSET_START:
        return "genset" if ready and not unheard(view) else ""
    if state.mode == Mode.GENSET:
        return "open" if leaving(view) or _motoring(view) else ""
    if state.mode == Mode.RESYNC:
        # a sync-check that lies is not believed against the other witnesses of the grid (IL-11)
        waits = hall.position == "open" and (unheard(view) or not hall.t_utility_ns)
        return "" if waits else "grid"
    if state.mode == Mode.LOCKOUT and state.row == FAILED:
        # but a person who has closed it by hand with a converter at rest is not undone
        forms = any(
            c.forming and c.state in ("running", "starting", "unknown") for c in view.conditions.heard
        )
        return "open" if hall.position == "grid" and forms else ""
    if state.mode == Mode.BLACK_START:
        return "genset" if can_form(view) and ready and hall.position != "grid" else "open"
    return "grid" if _stranded(view) else ""


def _stranded(view: View) -> bool:
    """At rest on a dead bus, the switch open, and the grid is back."""
    state, hall, terms = view.state, view.hall, view.terms.fallback
    assert terms is not None
    rests = state.mode in (Mode.STANDBY, Mode.SAFE_STOP) and not state.latched
    back = held_s(hall.t_utility_ns, view.now) >= terms.return_s
    dead = held_s(hall.t_dead_ns, view.now) >= DEAD_S
    return rests and back and (dead or hall.aim == "grid") and not active_names(view.conditions)


def forms(view: View) -> bool | None:
    """Whether the converters should form the bus; None: as they are."""
    state, hall, terms = view.state, view.hall, view.terms.fallback
    assert terms is not None
    if state.mode in (Mode.ISLANDING, Mode.ISLANDED, Mode.GENSET):
        if hall.position == "open":
            return True
        # one that a lying contact had form is told to follow as soon as the switch stands at a source again (IL-02)
        return False if hall.position or state.mode == Mode.GENSET else None
    if state.mode in (Mode.GENSET_START, Mode.RESYNC):
        if hall.position != "open":
            return False if hall.position else None
        return terms.closed or not position_wanted(view)  # open transition: the bus must die first
    if state.mode == Mode.BLACK_START:
        return hall.position == "open" and not can_form(view)
    return False


def wanted_kw(view: View) -> float:
    """Load that gensets should carry; nan: none is to run."""
    mode = view.state.mode
    carries = mode == Mode.GENSET and (view.hall.position == "genset" or not leaving(view))
    runs = mode == Mode.GENSET_START or carries
    blind = mode == Mode.BLACK_START and bool(can_form(view))
    return max(view.hall.load_kw, 0.0) if runs or blind else nan


def step(view: View, before: ModeState, devices: Mapping[str, Device]) -> Hall:
    """The memory after this cycle: gensets, aim, transfers, tries, shed stages. `before`: the mode of the last one."""
    terms, hall, now = view.terms.fallback, view.hall, view.now
    if terms is None:
        return hall
    sets = gensets.step(terms, hall, devices, wanted_kw(view), view.conditions.reset, now)
    aim = position_wanted(view)
    hall = replace(
        hall, sets=sets, aim=aim, t_aim_ns=(hall.t_aim_ns if aim == hall.aim and aim else now.t_ns)
    )
    tries = within(hall.t_resyncs_ns, now, HOUR_S)
    if view.state.mode == Mode.RESYNC != before.mode:
        tries = (*tries, now.t_ns)
    vain = within(hall.t_vain_ns, now, HOUR_S)
    if before.mode == Mode.GENSET_START and view.state.mode == Mode.ISLANDED and not hall.t_utility_ns:
        vain = (*vain, now.t_ns)
    hall = replace(hall, t_resyncs_ns=tries, t_vain_ns=vain)
    return _shed(view, _transfers(terms, hall, before, view.state, now))


def switch_order(view: View) -> dict[str, tuple[str, str]]:
    """The position to be ordered now, as a proposal."""
    terms, hall = view.terms.fallback, view.hall
    if terms is None:
        return {}
    if _failed(terms, hall, view.now):
        return {terms.switch: ("switch", "open")}
    if not hall.aim or hall.position == hall.aim:
        return {}
    if hall.aim != "open":
        by_sync = terms.closed and view.state.mode in (Mode.GENSET_START, Mode.RESYNC)
        permitted = hall.sync if by_sync else hall.dead
        if not permitted or hall.position != "open":
            return {}  # from source to source by way of open alone
    return {terms.switch: ("switch", hall.aim)}


def _failed(terms: FallbackTerms, hall: Hall, now: Instant) -> bool:
    """F53: a closing that did not come about is taken back, or a switch that comes free would close out of step.

    For BACK_OUT_S from the first time on: a supervisor that hung over the failure has not taken it back yet. A switch
    that contradicts itself (F15) may still move, and is told the same.
    """
    if (hall.position or hall.told) not in ("", "open"):
        return False
    late_s = unmoved_s(hall.t_closed_ns, hall.t_read_ns, terms.switch_stale_s, now) - terms.close_s_max
    if hall.t_back_ns > hall.t_closed_ns:
        return held_s(hall.t_back_ns, now) <= BACK_OUT_S
    of_this_aim = bool(hall.t_closed_ns) and hall.t_closed_ns >= hall.t_aim_ns
    stands = of_this_aim and hall.aim not in ("", "open")
    return late_s > 0.0 and (stands or late_s <= BACK_OUT_S)


def ordered(terms: FallbackTerms | None, hall: Hall, passed: dict[str, str], now: Instant) -> Hall:
    """Remembers when a closing was first ordered and first taken back, and gives the switch's order its own name."""
    position = passed.get(terms.switch, "") if terms is not None else ""
    if terms is None or not position:
        return hall
    passed[terms.switch] = terms.switch_orders[position]
    if position == "open":
        first = hall.position in ("", "open") and hall.t_back_ns <= hall.t_closed_ns
        return replace(hall, t_back_ns=now.t_ns) if first else hall
    return replace(hall, t_closed_ns=now.t_ns) if hall.t_closed_ns < hall.t_aim_ns else hall


def _motoring(view: View) -> bool:
    return any(c.code == "F58" for c in view.conditions.active)


def _transfers(terms: FallbackTerms, hall: Hall, before: ModeState, state: ModeState, now: Instant) -> Hall:
    """IL-20: losses of a source and returns are counted, and too many hold the present one from its beginning on."""
    old = seen = within(hall.t_transfers_ns, now, terms.chatter_s)
    if before.mode in CLOSE and hall.t_back_ns > before.t_since_ns and hall.t_back_ns not in seen:
        # a closing that was taken back may have come about: to a source and away again
        seen = (*seen, *within((hall.t_back_ns, hall.t_back_ns), now, terms.chatter_s))
    if state.mode != before.mode and _transferred(before, state):
        seen = (*seen, now.t_ns)
    t_chatter_ns = hall.t_chatter_ns
    arrived = before.mode in FORM and state.mode != before.mode  # the bus is formed, or nothing carries it
    if (t_chatter_ns and (arrived or seen != old)) or (not t_chatter_ns and len(seen) >= terms.chatter_max):
        t_chatter_ns = now.t_ns
    elif t_chatter_ns and held_s(t_chatter_ns, now) >= terms.chatter_hold_s:
        t_chatter_ns, seen = 0, ()
    return replace(hall, t_transfers_ns=seen, t_chatter_ns=t_chatter_ns)


def _transferred(before: ModeState, state: ModeState) -> bool:
    """Whether this change of mode is one of the source: a loss, a planned departure, a black start, a return."""
    begun = before.row == PLANNED or before.mode == Mode.BLACK_START
    return state.row in ("T04", "T07", "T08", "T10") or (begun and state.mode in (Mode.ISLANDED, Mode.GENSET))


def _shed(view: View, hall: Hall) -> Hall:
    """Stages one by one: off at once for overload, below their SOC, or more than the source carries; on slowly."""
    terms, now, mode = view.terms.fallback, view.now, view.state.mode
    assert terms is not None
    carries_kw = _carries_kw(view, hall)
    if carries_kw != carries_kw:
        return replace(
            hall, shed_stage=0, t_shed_ns=now.t_ns if hall.shed_stage else hall.t_shed_ns, budget_kw=nan
        )
    stage, soc_pct = hall.shed_stage, view.conditions.battery.soc_pct_low
    starved = sum(1 for shed in terms.sheds if mode != Mode.GENSET and not soc_pct > shed.soc_pct)
    past_s = held_s(hall.t_shed_ns, now) if hall.t_shed_ns else terms.shed_hold_s
    over = hall.load_kw > OVERLOAD_PU * carries_kw
    back_kw = hall.load_kw + sum(shed.kw for shed in terms.sheds[stage - 1 : stage])
    if mode in (Mode.ISLANDING, Mode.BLACK_START):
        stage = len(terms.sheds)
    elif stage < starved or (over and past_s >= OVERLOAD_S):
        stage = max(stage + 1 if over else starved, starved)
    elif stage > starved and back_kw <= RELIEF_PU * carries_kw and past_s >= terms.shed_hold_s:
        stage -= 1
    stage = min(stage, len(terms.sheds))
    t_shed_ns = now.t_ns if stage != hall.shed_stage else hall.t_shed_ns
    return replace(hall, shed_stage=stage, t_shed_ns=t_shed_ns, budget_kw=RELIEF_PU * carries_kw)


def _carries_kw(view: View, hall: Hall) -> float:
    """What the island's source may give; nan: the grid carries, or nothing does."""
    terms, mode = view.terms.fallback, view.state.mode
    assert terms is not None
    if mode == Mode.GENSET and hall.position == "genset":
        return terms.load_pu_max * gensets.ready_kw(terms, hall)
    own_kw, _ = left_kw(view.terms, view.conditions.losses)
    gives_kw = min(own_kw, view.conditions.battery.discharge_kw_max)
    return gives_kw if mode in ISLANDS else nan

"""The part of the mode table that leaves the grid and returns: T03 to T11 of reference/safety.md 2.2.

Decided here where the reference leaves it open: a planned departure that fails returns to GRID_TIED only while
the switch still stands at the grid; a genset that is lost makes an island of its own (T04); the grid's return
ends a start that is under way, and waives the shortest run; a stop that a person asks for acts after the return.
"""

from __future__ import annotations

from controller.image import Mode
from controller.safety import fade
from controller.safety.gensets import ready_kw
from controller.safety.hall import HOUR_S, Phase, SetRun, held_s
from controller.safety.losses import unsure
from controller.safety.terms import FallbackTerms
from controller.safety.transition import STOP_S_MAX, Row, View, within

BUS_S = 1.0  # T05: a bus that holds for so long is formed
DEAD_S = 5.0  # T11
RETRIES_PER_H_MAX = 2  # T07
LOST_S = 0.2  # T04 of an island: a hand-over between its own sources takes most of it
UNPLANNED, PLANNED, FAILED = "T04", "T03", "T10"


def _terms(view: View) -> FallbackTerms:
    assert view.terms.fallback is not None
    return view.terms.fallback


def can_form(view: View) -> str:
    """Whether the converters may take the bus from a source that carries it; else what is missing."""
    return unable(view) or held(view)


def unable(view: View) -> str:
    """Whether the converters may form a bus that nobody carries, else what is missing: there is no source to hold."""
    conditions = view.conditions
    if view.terms.fallback is None:
        return "the site has no fallback"
    follow = [part.name for part in view.terms.pcs if not part.can_form]
    empty = not conditions.battery.soc_pct_low > view.terms.soc_pct_min
    checks = (
        (bool(follow), "no order to form the bus: " + ", ".join(follow)),
        (empty, "battery empty, or its charge not known"),
    )
    return next((text for wrong, text in checks if wrong), "")


def held(view: View) -> str:
    """IL-20: after chatter the present source stays."""
    left_s = _terms(view).chatter_hold_s - held_s(view.hall.t_chatter_ns, view.now)
    return f"transfers are held for {left_s:.0f} s more" if view.hall.t_chatter_ns and left_s > 0 else ""


def forming(view: View) -> bool:
    """Every converter that is not left out runs and forms."""
    converters = view.conditions.kept
    return bool(converters) and all(c.fresh and c.state == "running" and c.forming for c in converters)


def unheeded(view: View) -> str:
    """Why converters that form could not be told to follow a source; empty: they could, or none forms.

    Nothing is written to any while one is not the expected (F28): one left forming beside a source breaks IL-02.
    """
    converters = view.conditions.heard
    refused = [c.name for c in converters if not c.accepted]
    forms = any(c.forming and c.state == "running" for c in converters)
    return f"{', '.join(refused)} may not be told to follow (F28)" if refused and forms else ""


def unheard(view: View) -> str:
    """Which silent converters may still form the bus that a source would be switched to; empty: none.

    Told to follow, one may not have heard it; but one that hears nothing is ended by its own watchdog (IL-11).
    """
    names = unsure(view.terms, view.conditions, view.now)
    return f"{', '.join(names)} may still form, until its own watchdog has ended it" if names else ""


def _bus_formed(view: View) -> bool:
    return held_s(view.hall.t_bus_ns, view.now) >= BUS_S and forming(view)


def _bus_lost(view: View) -> bool:
    """On the grid F48 speaks; in an island the bus itself, for as long."""
    if view.state.mode == Mode.GRID_TIED:
        stops = view.conditions.stops
        return bool(stops) and all(stop.code == "F48" for stop in stops)
    return held_s(view.hall.t_lost_ns, view.now) >= LOST_S


def forbidden(view: View) -> bool:
    """The grid operator's contact says so, or is wired and not read (IL-10)."""
    return view.conditions.inputs.get("no_island", 0.0) != 0.0


def _leave_planned(view: View) -> str:
    if not view.asked.island or view.state.t_stopping_ns:
        return "not asked for"
    if view.conditions.losses:
        return "left out: " + ", ".join(sorted(view.conditions.losses))
    if forbidden(view):
        return "the grid operator forbids an island (IL-10)"
    if why := can_form(view):
        return why
    terms, battery = _terms(view), view.conditions.battery
    left_kw = view.hall.load_kw - sum(shed.kw for shed in terms.sheds)
    if left_kw > terms.forming_pu_max * view.terms.discharge_kw_max:
        return f"load after shedding is {left_kw:.0f} kW, the converters carry less"
    reserve_pct = fade.reserve_pct(terms.reserve_pct, view.terms, battery.fade)
    return "" if battery.soc_pct_low >= reserve_pct else "state of charge below the reserve"


def _grid_gone(view: View) -> str:
    if view.terms.fallback is None or not _bus_lost(view) or view.state.t_stopping_ns:
        return "bus holds"
    return unable(view)


def formed(view: View) -> str:
    """T05: the converters carry the bus behind an open switch; else what is missing."""
    if view.hall.position != "open":
        return "switch not proven open"
    return "" if _bus_formed(view) else "converters do not form the bus yet"


def _planned_over(view: View) -> str:
    terms, at_grid = _terms(view), view.hall.position == "grid"
    late = view.state.row == PLANNED and view.age_s > terms.planned_s_max
    return "" if late and at_grid and view.hall.t_bus_ns else "time"


def _islanding_over(view: View) -> str:
    terms = _terms(view)
    s_max = (
        terms.planned_s_max + terms.islanding_s_max if view.state.row == PLANNED else terms.islanding_s_max
    )
    return "" if view.age_s > s_max else "time"


def _island_lost(view: View) -> str:
    """A bus that dies on the way to a source by an open transition is no loss."""
    return "" if _bus_lost(view) and not view.hall.aim else "bus holds"


def _start_genset(view: View) -> str:
    terms, hall, battery = _terms(view), view.hall, view.conditions.battery
    if hall.t_utility_ns or not terms.sets:
        return "the grid is back, or there is no genset"
    if why := held(view) or unheeded(view) or unheard(view):
        return why
    able = any(hall.sets.get(part.name, SetRun()).phase != Phase.LOCKED for part in terms.sets)
    if not able:
        return "every genset is locked"
    if len(within(hall.t_vain_ns, view.now, HOUR_S)) > RETRIES_PER_H_MAX:
        return f"{RETRIES_PER_H_MAX} retries to go over to a genset within the hour"
    low = not battery.soc_pct_low >= terms.start_pct
    due = view.age_s >= terms.start_delay_s
    hurt = view.conditions.stops or view.conditions.losses
    return "" if low or due or hurt else f"genset {terms.start_delay_s:.0f} s after the loss"


def _genset_carries(view: View) -> str:
    if view.hall.position != "genset":
        return "genset not yet switched on"
    bus = held_s(view.hall.t_bus_ns, view.now) >= BUS_S
    return "" if bus and ready_kw(_terms(view), view.hall) else "its bus does not hold yet"


def _start_over(view: View) -> str:
    terms, hall = _terms(view), view.hall
    if hall.position != "open":
        return "switch not open"
    back = bool(hall.t_utility_ns)
    none = all(hall.sets.get(p.name, SetRun()).phase == Phase.LOCKED for p in terms.sets)
    return "" if back or none or view.age_s > terms.ready_s_max else "time"


def leaving(view: View) -> bool:
    """GENSET: whether the converters should take the bus back."""
    terms, hall, battery = _terms(view), view.hall, view.conditions.battery
    if can_form(view):
        return False
    back = held_s(hall.t_utility_ns, view.now) >= terms.return_s
    ran = view.age_s >= terms.run_s_min
    return back or (ran and battery.soc_pct_high > terms.stop_pct)


def _taken_back(view: View) -> str:
    return formed(view) if leaving(view) or view.hall.aim == "open" else "genset carries the load"


def _may_return(view: View) -> str:
    terms, hall = _terms(view), view.hall
    if why := held(view) or unheeded(view) or unheard(view):
        return why
    if len(within(hall.t_resyncs_ns, view.now, HOUR_S)) >= terms.resyncs_per_h_max:
        return f"{terms.resyncs_per_h_max} tries to return within the hour"
    good_s = held_s(hall.t_utility_ns, view.now)
    return "" if good_s >= terms.return_s else f"grid not yet healthy for {terms.return_s:.0f} s"


def _returned(view: View) -> str:
    if view.hall.position != "grid":
        return "waiting for the sync-check" if _terms(view).closed else "waiting for a dead bus"
    ended = set(view.conditions.losses) - set(unsure(view.terms, view.conditions, view.now))
    followed = not any(c.forming and (c.fresh or c.name not in ended) for c in view.conditions.converters)
    return "" if followed and view.hall.t_bus_ns else "converters do not follow yet"


def _return_failed(view: View) -> str:
    late = held_s(view.hall.t_position_ns, view.now) > _terms(view).handover_s
    return "" if view.hall.position == "grid" and late and _returned(view) else "no failure"


def _return_lost(view: View) -> str:
    """What nobody forms any more can meet no sync-check; an open transition ends the bus itself, and has its time."""
    terms = _terms(view)
    over = terms.closed or view.age_s > terms.resync_s_max
    return "" if over and view.hall.position == "open" and _bus_lost(view) else "bus holds"


def _return_over(view: View) -> str:
    late = view.age_s > _terms(view).resync_s_max
    return "" if late and view.hall.position == "open" and forming(view) else "time"


def _may_black_start(view: View) -> str:
    if view.terms.fallback is None or view.state.latched:
        return "no fallback"
    terms, hall = view.terms.fallback, view.hall
    automatic = terms.auto_black_start and view.state.wanted
    resting = view.state.mode == Mode.STANDBY or view.age_s >= STOP_S_MAX
    checks = (
        (not (view.asked.black_start or automatic), "not asked for"),
        (not all(stop.code == "F48" for stop in view.conditions.stops), "another fault"),
        (held_s(hall.t_dead_ns, view.now) < DEAD_S, "bus not dead for 5 s"),
        (hall.live, "the relay at the switch calls the bus live"),
        (not (hall.utility_dead or hall.position == "open"), "voltage at the grid"),
        (not hall.position, "switch position not known"),
        (bool(can_form(view)) and not terms.sets, "neither battery nor genset"),
        (not resting, "stopping"),
    )
    return next((text for wrong, text in checks if wrong), "")


def declined(view: View, verb: str) -> str:
    """Why an island or a black start that somebody asks for is not begun, in its guard's words; empty: it is, or it is
    another verb."""
    if verb == "island":
        return _leave_planned(view) if view.state.mode == Mode.GRID_TIED else "the site is not on the grid"
    if verb == "black-start":
        resting = view.state.mode in (Mode.STANDBY, Mode.SAFE_STOP)
        return _may_black_start(view) if resting else "the site is neither in STANDBY nor in SAFE_STOP"
    return ""


def _black_start_over(view: View) -> str:
    return "" if view.age_s > _terms(view).black_start_s_max else "time"


def _bus_text(view: View) -> str:
    return next(
        (f"{s.code} {s.name}: {s.cause}" for s in view.conditions.stops if s.code == "F48"), "bus lost"
    )


FIRST = (
    Row(UNPLANNED, (Mode.GRID_TIED, Mode.GENSET), Mode.ISLANDING, "nobody: it happens",
        "the bus left its window for 0.09 s on the grid, 0.2 s behind a genset; nothing else is wrong, and the "
        "converters may form it",
        _grid_gone, _bus_text, waits=False),
    Row("T11", (Mode.STANDBY, Mode.SAFE_STOP), Mode.BLACK_START, "a person at the box; automatic if configured",
        "bus dead for 5 s, and not live by the relay at the switch; no voltage at the grid or switch open, its "
        "position known, nothing latched",
        _may_black_start, lambda view: "dead bus", waits=False),
)  # fmt: skip
ROWS = (
    Row(PLANNED, (Mode.GRID_TIED,), Mode.ISLANDING, "operator",
        "the grid operator does not forbid it; no converter is left out, all can form; SOC low end at the reserve; "
        "load after shedding at forming_pu_max at most",
        _leave_planned, lambda view: "island asked for", waits=False),
    Row("T05", (Mode.ISLANDING,), Mode.ISLANDED, "automatic",
        "switch proven open, every converter forms, bus in its window for 1 s",
        formed, lambda view: "the converters form the bus"),
    Row(PLANNED, (Mode.ISLANDING,), Mode.GRID_TIED, "automatic", "planned, planned_s_max over, still at the grid",
        _planned_over, lambda view: "could not leave the grid in time", waits=False),
    Row("T05", (Mode.ISLANDING,), Mode.SAFE_STOP, "automatic", "islanding_s_max over",
        _islanding_over, lambda view: f"T05: {formed(view)}", waits=False),
    Row("T12", (Mode.ISLANDED, Mode.GENSET_START), Mode.SAFE_STOP, "automatic", "the island's bus is lost",
        _island_lost, _bus_text, waits=False),
    Row("T09", (Mode.ISLANDED,), Mode.RESYNC, "automatic",
        "grid healthy for return_s by two witnesses, fewer than resyncs_per_h_max tries, no chatter, the "
        "converters that form may be told to follow, and no silent one may still form",
        _may_return, lambda view: "the grid is back"),
    Row("T06", (Mode.ISLANDED,), Mode.GENSET_START, "automatic",
        "grid away, a set not locked, at most 2 retries within the hour, no chatter, the converters that form may be "
        "told to follow, no silent one may still form; SOC low end below start_pct, or start_delay_s over, or a "
        "condition that stops, or a converter left out",
        _start_genset, lambda view: "the grid stays away"),
    Row("T07", (Mode.GENSET_START,), Mode.GENSET, "automatic",
        "a set is warm, exactly one of sync-check and dead-bus permissive let the switch close, its bus holds",
        _genset_carries, lambda view: "a genset carries the bus"),
    Row("T07", (Mode.GENSET_START,), Mode.ISLANDED, "automatic",
        "the grid is back, or every set is locked, or ready_s_max over; switch still open",
        _start_over, lambda view: "genset start given up", waits=False),
    Row("T08", (Mode.GENSET,), Mode.ISLANDED, "automatic",
        "grid healthy for return_s, or run_s_min over and SOC high end above stop_pct; then as T05",
        _taken_back, lambda view: "the converters form the bus again", waits=False),
    Row("T12", (Mode.RESYNC,), Mode.SAFE_STOP, "automatic",
        "the island's bus is lost behind the open switch; by an open transition, for longer than resync_s_max",
        _return_lost, _bus_text, waits=False),
    Row(FAILED, (Mode.RESYNC,), Mode.LOCKOUT, "automatic",
        "at the grid, and after handover_s not handed over; the switch opens again while a converter forms there",
        _return_failed, lambda view: f"T10: {_returned(view)}", waits=False),
    Row("T10", (Mode.RESYNC,), Mode.GRID_TIED, "automatic", "switch proven at the grid, converters follow, bus holds",
        _returned, lambda view: "back on the grid"),
    Row("T09", (Mode.RESYNC,), Mode.ISLANDED, "automatic", "resync_s_max over, switch still open",
        _return_over, lambda view: "could not return in time", waits=False),
    Row("N6", (Mode.BLACK_START,), Mode.ISLANDED, "automatic", "as T05",
        formed, lambda view: "the converters form the bus"),
    Row("N6", (Mode.BLACK_START,), Mode.GENSET, "automatic", "as T07",
        _genset_carries, lambda view: "a genset carries the bus", waits=False),
    Row("N6", (Mode.BLACK_START,), Mode.SAFE_STOP, "automatic", "black_start_s_max over",
        _black_start_over, lambda view: f"black start: {formed(view)}", waits=False),
)  # fmt: skip

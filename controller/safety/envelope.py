"""What the frame may do until the lease ends: the tightest of all limits, and nothing where a mode rests."""

from __future__ import annotations

from math import inf, isfinite

from controller.image import Instant, Limits, Mode, Order, Permit, Wish
from controller.safety import cells, jog
from controller.safety.gensets import ready_kw
from controller.safety.hall import Hall
from controller.safety.island import PLANNED
from controller.safety.losses import carried_kw, left_kw
from controller.safety.terms import Part, Terms
from controller.safety.transition import RESTS, STOP_S_MAX, quiet
from controller.state import Conditions, Effect, ModeState
from controller.units import ns, seconds

SOC_TAPER_PCT = 2.0  # limits shrink to zero over the last 2 % before an end of the SOC window
NO_HALL = Hall()
FALL_S = 0.5  # a full-power command reaches zero in this time; safety.md 2.3 allows 1 s
LEVEL_PU = (1.0, 1.0, 0.5, 0.0)  # share of the limits that degradation D0 to D3 leaves


def limit(
    terms: Terms,
    state: ModeState,
    conditions: Conditions,
    wish: Wish,
    orders: tuple[Order, ...],
    now: Instant,
    hall: Hall = NO_HALL,
    before: Limits | None = None,
) -> Limits:
    """The lease of this cycle. The wish moves ramp, leak and gain inside the limits, never the limits.

    before: the one of the last cycle, where there was one. The frame sees the load, not the sun: PV that is measured
    moves the caps it holds at the connection, and so does what a converter that is left out may still carry.
    """
    grid_kw = connection(terms, conditions)
    source_kw = source(terms, state, hall, grid_kw)
    going = source_kw is not None and not state.t_stopping_ns and not conditions.has(Effect.HOLD)
    engaged = going and (conditions.running if state.jog is None else jog.ready(state.jog, conditions))
    lost_kw = carried_kw(terms, conditions, now)
    import_kw_max, export_kw_max = source_kw or grid_kw
    discharge_pu, charge_pu = shares(terms, conditions, lost_kw) if engaged else (0.0, 0.0)
    # D1 and worse: smooth, and want nothing else; but a battery that must show where it stands is charged
    objective = engaged and (
        conditions.level == 0 or (conditions.level == 1 and conditions.battery.anchor_due)
    )
    most_kw = [_most_kw(part, state, conditions, (discharge_pu, charge_pu)) for part in terms.pcs]
    if before is not None and conditions.has(Effect.FREEZE):  # Safety: IL-04, a silent BMS lets nothing grow
        most_kw = _no_more(most_kw, before)
    rating_kw = max(terms.discharge_kw_max, terms.charge_kw_max)
    ramp_kw_per_s = max(_finite(wish.ramp_kw_per_s_max, inf), 0.0)
    return Limits(
        sequence=now.t_ns,
        t_issue_ns=now.t_ns,
        valid_until_ns=now.t_ns + ns(terms.lease_s),
        mode=state.mode,
        permit=permit(terms, state, conditions, now) | bars(terms, conditions),
        discharge_kw_max=tuple(kw for kw, _ in most_kw),
        charge_kw_max=tuple(kw for _, kw in most_kw),
        import_kw_max=import_kw_max + max(0.0, _finite(conditions.pv_kw, 0.0)) + lost_kw[0],
        export_kw_max=export_kw_max - max(0.0, _finite(conditions.pv_kw, 0.0)) - lost_kw[1],
        ramp_up_kw_per_s_max=min(ramp_kw_per_s, terms.ramp_up_kw_per_s_max),
        ramp_down_kw_per_s_max=min(ramp_kw_per_s, terms.ramp_down_kw_per_s_max),
        fall_kw_per_s=rating_kw / FALL_S,
        leak_kw=_leak_kw(state, _finite(wish.leak_kw, 0.0) if objective else 0.0, rating_kw),
        gain=min(max(_finite(wish.gain, 0.0), 0.0), 1.0) if engaged and state.jog is None else 0.0,
        prompt_pu=min(max(_finite(wish.prompt_pu, 0.0), -1.0), 1.0),
        dc_v_max=_finite(min(conditions.battery.dc_v_max, terms.dc_v_max), 0.0),
        orders=orders,
    )


def connection(terms: Terms, conditions: Conditions) -> tuple[float, float]:
    """Most import and export at the connection, kW: of the contract, and of a curtailment while it holds (F61)."""
    if not conditions.has(Effect.CURTAIL):
        return terms.import_kw_max, terms.export_kw_max
    return (
        min(terms.import_kw_max, terms.curtailed_import_kw_max),
        min(terms.export_kw_max, terms.curtailed_export_kw_max),
    )


def source(
    terms: Terms, state: ModeState, hall: Hall, grid_kw: tuple[float, float]
) -> tuple[float, float] | None:
    """Most and least (as export) that may be drawn from what carries the bus, kW; None: no power of ours.

    grid_kw: those of the connection.

    A genset is held inside its load window, so the least is an import: a negative export. On a planned departure
    the grid is brought to zero.
    """
    if state.mode == Mode.GRID_TIED or state.jog is not None:
        return grid_kw
    if state.mode == Mode.GENSET and hall.position == "genset" and terms.fallback is not None:
        kw = ready_kw(terms.fallback, hall)
        return terms.fallback.load_pu_max * kw, -terms.fallback.load_pu_min * kw
    if state.mode == Mode.ISLANDING and state.row == PLANNED and hall.position == "grid":
        return 0.0, 0.0
    return None


def permit(terms: Terms, state: ModeState, conditions: Conditions, now: Instant) -> int:
    """Which writes may leave: none in INIT or to a converter that is not the expected, orders when at rest.

    A frame that fell silent for long rests too, until it sees a lease without the permit for setpoints.
    """
    if state.mode == Mode.INIT or not all(c.accepted for c in conditions.heard):
        return 0  # Safety: INIT is silent
    t_stop_ns = state.t_stopping_ns or state.t_since_ns
    stopped = seconds(now.t_ns - t_stop_ns) >= STOP_S_MAX or quiet(terms, conditions)
    if (state.mode in (Mode.STANDBY, Mode.MAINT) and state.jog is None) or (state.mode in RESTS and stopped):
        return int(Permit.ORDER)
    return int(Permit.ORDER | Permit.SETPOINT)


def bars(terms: Terms, conditions: Conditions) -> int:
    """The bits of the ports on which nothing may be written, not even zero (F79)."""
    return sum(Permit.BAR << i for i, name in enumerate(terms.ports) if name in conditions.ports_barred)


def shares(
    terms: Terms, conditions: Conditions, lost_kw: tuple[float, float] = (0.0, 0.0)
) -> tuple[float, float]:
    """Discharge and charge limit of the site as a share, 0 to 1, of the own limits of those that are not left out.

    lost_kw: least and most that those that are may still carry.
    """
    battery = conditions.battery
    if not isfinite(battery.soc_pct_low) or not isfinite(battery.soc_pct_high):
        return 0.0, 0.0
    level_pu = min(LEVEL_PU[conditions.level], conditions.share_pu)
    discharge_kw = battery.discharge_kw_max * _taper(battery.soc_pct_low - terms.soc_pct_min)
    room_pct = inf if battery.anchor_due else terms.soc_pct_max - battery.soc_pct_high
    charge_kw = battery.charge_kw_max * _taper(room_pct)
    if terms.cells is not None and any(part.tells_cell_c for part in terms.bms):
        known = (battery.cell_c_low, battery.cell_c_high, battery.soc_pct_low, battery.soc_pct_high)
        discharge_pu, charge_pu = cells.rates(terms.cells, *known)
        discharge_kw = min(discharge_kw, discharge_pu * terms.capacity_kwh)
        charge_kw = min(charge_kw, charge_pu * terms.capacity_kwh)
    if conditions.has(Effect.NO_CHARGE):
        charge_kw = 0.0  # Safety: no charge below 0 degC
    if conditions.has(Effect.EXPORT_WORST) or not isfinite(conditions.pv_kw):
        discharge_kw = min(
            discharge_kw,
            _finite(conditions.load_kw, 0.0) + connection(terms, conditions)[1] - terms.pv_kw_max,
        )
    left_discharge_kw, left_charge_kw = left_kw(terms, conditions.losses)
    return (
        min(_share(discharge_kw - lost_kw[1], left_discharge_kw), level_pu),
        min(_share(charge_kw + lost_kw[0], left_charge_kw), level_pu),
    )


def _no_more(most_kw: list[tuple[float, float]], before: Limits) -> list[tuple[float, float]]:
    """Discharge and charge limits no larger than those of the last lease."""
    had_kw = zip(before.discharge_kw_max, before.charge_kw_max, strict=True)
    return [(min(most[0], had[0]), min(most[1], had[1])) for most, had in zip(most_kw, had_kw, strict=True)]


def _most_kw(
    part: Part, state: ModeState, conditions: Conditions, pu: tuple[float, float]
) -> tuple[float, float]:
    """Discharge and charge limit of one converter: none of one that is left out, little of one in a hand.

    Never more than it says it can do now (F23); what it does not say is no limit.
    """
    if part.name in conditions.losses:
        return 0.0, 0.0
    discharge_kw, charge_kw = part.discharge_kw_max * pu[0], part.charge_kw_max * pu[1]
    for own in conditions.converters:
        if own.name == part.name:
            discharge_kw, charge_kw = (
                min(discharge_kw, own.discharge_kw_max),
                min(charge_kw, own.charge_kw_max),
            )
    if state.jog is None:
        return discharge_kw, charge_kw
    hand_kw = jog.caps(state.jog, part)
    return min(discharge_kw, hand_kw[0]), min(charge_kw, hand_kw[1])


def _leak_kw(state: ModeState, wanted_kw: float, rating_kw: float) -> float:
    """What is taken from the source beside the load: of the slow wish, or what a hand asks for."""
    return min(max(wanted_kw, -rating_kw), rating_kw) if state.jog is None else -state.jog.kw


def _taper(room_pct: float) -> float:
    return min(max(room_pct / SOC_TAPER_PCT, 0.0), 1.0)


def _share(allowed_kw: float, own_kw: float) -> float:
    return max(allowed_kw / own_kw, 0.0) if own_kw > 0 and isfinite(allowed_kw) else 0.0


def _finite(value: float, otherwise: float) -> float:
    return value if isfinite(value) else otherwise

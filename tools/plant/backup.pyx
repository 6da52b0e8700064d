"""Gensets and the transfer switch, simple and with the failures that matter: no start, stall, stuck, out of step."""
from libc.math cimport M_PI, fabs, remainder
from libc.stdint cimport int32_t, int64_t

cdef double CRANK_S = 3.0           # to firing speed
cdef double RUN_UP_S = 2.0          # from there to rated speed
cdef double RUN_DOWN_S = 2.0
cdef double DROOP_PU = 0.03         # governor, no load to full load
cdef double GOVERNOR_S = 0.8        # its recovery from a load step
cdef double DIP_PU = 0.08           # speed lost at once to a step of its whole rating
cdef double STALL_PU = 0.90         # below this speed it trips
cdef double MOVE_S = 0.1            # of the switch, from a source to open or from open to a source
cdef double SYNC_RAD = 0.17         # 10 degrees, the usual sync check
cdef double CLASH_RAD = 0.35        # 20 degrees: a closing that hurts
cdef double POLE_PAIRS = 2.0


cdef void genset_init(Genset *g, double kw_max) noexcept nogil:
    """At rest, tank full, preheated."""
    g.kw_max = kw_max
    g.fuel_pct = 90.0
    g.coolant_c = 40.0


cdef void enter(Genset *g, int32_t state, int64_t t_ns) noexcept nogil:
    g.state = state
    g.t_state_ns = t_ns


cdef void genset_order(Genset *g, int32_t start, int64_t t_ns) noexcept nogil:
    """A run request that comes or goes. A fault must be cleared on the spot."""
    if start and g.state == SET_OFF:
        g.starts += 1
        enter(g, SET_STARTING, t_ns)
    elif not start and g.state == SET_STARTING:
        g.failures -= 1 if g.failures > 0 else 0
        enter(g, SET_OFF, t_ns)
    elif not start and g.state == SET_RUNNING:
        enter(g, SET_COOLING, t_ns)


cdef void genset_step(Genset *g, double load_kw, double nominal_hz, double nominal_v, int64_t t_ns,
                      double step_s) noexcept nogil:
    """Speed and state after step_s at a load; a step too large stalls it."""
    cdef double past_s = 1e-9 * (t_ns - g.t_state_ns)
    if g.state == SET_STARTING and g.failures == 0 and past_s >= CRANK_S + RUN_UP_S:
        g.frequency_hz = nominal_hz
        enter(g, SET_RUNNING, t_ns)
    elif g.state == SET_COOLING and past_s >= RUN_DOWN_S:
        enter(g, SET_OFF, t_ns)
    if g.state == SET_RUNNING:
        g.frequency_hz -= nominal_hz * DIP_PU * (load_kw - g.kw) / g.kw_max
        g.frequency_hz += (nominal_hz * (1.0 - DROOP_PU * load_kw / g.kw_max) - g.frequency_hz) * min(
            step_s / GOVERNOR_S, 1.0)
        g.run_h += step_s / 3600.0
        g.fuel_pct -= 0.002 * step_s * load_kw / g.kw_max
        if g.frequency_hz < STALL_PU * nominal_hz:
            enter(g, SET_FAULT, t_ns)
    g.kw = load_kw if g.state == SET_RUNNING else 0.0
    if g.state != SET_RUNNING:
        g.frequency_hz = 0.0
    g.voltage_v = nominal_v if g.state == SET_RUNNING else 0.0
    g.speed_rpm = 60.0 * g.frequency_hz / POLE_PAIRS
    g.load_pct = 100.0 * g.kw / g.kw_max


cdef void switch_order(Switch *w, int32_t aim) noexcept nogil:
    """A position it should take; it goes by way of open."""
    w.aim = aim


cdef void switch_step(Switch *w, int32_t bus_live, int64_t t_ns) noexcept nogil:
    """One movement at a time. A closing onto a live bus out of step is counted."""
    if not w.present or w.stuck or w.aim == w.position:
        w.t_move_ns = 0
        return
    if w.t_move_ns == 0:
        w.t_move_ns = t_ns
    if 1e-9 * (t_ns - w.t_move_ns) < MOVE_S:
        return
    if w.position != AT_OPEN:
        w.position = AT_OPEN
    else:
        if bus_live and fabs(w.angle_rad) > CLASH_RAD:
            w.clashes += 1
        w.position = w.aim
    w.t_move_ns = 0


cdef void switch_watch(Switch *w, double bus_hz, double grid_hz, double genset_hz, double step_s) noexcept nogil:
    """What the relays at the switch see: voltages, and whether both sides are in step."""
    cdef double other_hz = grid_hz if grid_hz > 0.0 and genset_hz == 0.0 else genset_hz
    if grid_hz > 0.0 and genset_hz > 0.0 and w.aim != AT_GENSET:
        other_hz = grid_hz
    w.angle_rad = remainder(w.angle_rad + 2.0 * M_PI * (other_hz - bus_hz) * step_s, 2.0 * M_PI)
    w.grid_word = 1.0 if grid_hz > 0.0 else 0.0
    w.genset_word = 1.0 if genset_hz > 0.0 else 0.0
    w.dead_word = 1.0 if bus_hz == 0.0 else 0.0
    w.sync_word = 1.0 if bus_hz > 0.0 and other_hz > 0.0 and fabs(w.angle_rad) <= SYNC_RAD else 0.0

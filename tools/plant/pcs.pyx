"""Converter dynamics, exact between events: the step may be any length and still lands on the closed form."""
from libc.math cimport exp, fabs
from libc.stdint cimport int32_t, int64_t


cdef void pcs_init(Pcs *p, const PcsSetup *setup, int64_t t_ns) noexcept nogil:
    """A converter in standby: healthy, not running, watchdog not armed."""
    p.setup = setup[0]
    p.state = STATE_STANDBY
    p.t_ns = t_ns
    p.t_start_ns = t_ns
    p.t_fed_ns = t_ns
    p.received_kw = 0.0
    p.watchdog_s = 0.0
    p.fault_word = 0.0
    p.dead_ns = <int64_t>(setup.dead_s * 1e9 + 0.5)
    p.decay_s = 0.0
    p.decay = 1.0
    p.expiries = 0
    pcs_halt(p)


cdef void pcs_halt(Pcs *p) noexcept nogil:
    """No power, nothing on its way."""
    p.queue_head = 0
    p.queue_count = 0
    p.aim_kw = 0.0
    p.internal_kw = 0.0
    p.ac_kw = 0.0


cdef void pcs_trip(Pcs *p, int32_t fault) noexcept nogil:
    """Opens the contactor and stays out until cleared."""
    p.state = STATE_FAULT
    p.fault_word = <double>(<int32_t>p.fault_word | fault)
    pcs_halt(p)


cdef void pcs_setpoint(Pcs *p, double setpoint_kw, int64_t t_ns) noexcept nogil:
    """A setpoint parsed at t_ns: acts one dead time later, while running."""
    cdef double high_kw = p.setup.over_drive * p.setup.discharge_kw_max
    cdef double low_kw = -p.setup.over_drive * p.setup.charge_kw_max
    cdef int32_t place
    p.received_kw = setpoint_kw
    if p.state != STATE_RUNNING:
        return
    if p.queue_count == QUEUE_MAX:
        # A dead time longer than 32 exchanges: the newest replaces the last one waiting.
        p.queue_count -= 1
    place = (p.queue_head + p.queue_count) % QUEUE_MAX
    p.queue_t_ns[place] = t_ns + p.dead_ns
    p.queue_kw[place] = min(max(setpoint_kw, low_kw), high_kw)
    p.queue_count += 1


cdef void pcs_order(Pcs *p, int32_t order, int64_t t_ns) noexcept nogil:
    """Start, stop or clear, as parsed at t_ns. A fault must be cleared before a start."""
    if order == ORDER_START and p.state in (STATE_OFF, STATE_STANDBY):
        p.state = STATE_STARTING
        p.t_start_ns = t_ns
        p.fault_word = 0.0
    elif order == ORDER_STOP and p.state in (STATE_STARTING, STATE_RUNNING):
        p.state = STATE_STANDBY
        pcs_halt(p)
    elif order == ORDER_FORM or order == ORDER_FOLLOW:
        p.form_word = 1.0 if order == ORDER_FORM else 0.0
    elif order == ORDER_CLEAR:
        p.fault_word = 0.0
        if p.state == STATE_FAULT:
            p.state = STATE_STANDBY


cdef void pcs_arm(Pcs *p, double watchdog_s, int64_t t_ns) noexcept nogil:
    """Sets the communication watchdog; 0 disarms it."""
    p.watchdog_s = watchdog_s
    p.t_fed_ns = t_ns


cdef void pcs_heard(Pcs *p, int32_t feed, int64_t t_ns) noexcept nogil:
    """A good request for this unit, of one Feed kind."""
    if p.setup.fed_by & feed:
        p.t_fed_ns = t_ns


cdef void pcs_expire(Pcs *p) noexcept nogil:
    """The bus was silent for too long; the time counts again from here."""
    p.t_fed_ns = p.t_ns
    if p.state not in (STATE_STARTING, STATE_RUNNING):
        return
    p.expiries += 1
    if p.setup.action == ACTION_HOLD:
        return
    p.fault_word = <double>(<int32_t>p.fault_word | FAULT_BUS)
    p.state = STATE_OFF if p.setup.action == ACTION_STOP else STATE_STANDBY
    pcs_halt(p)


cdef double decay_of(Pcs *p, double step_s) noexcept nogil:
    """exp(-step/tau); the whole step's value is kept, since most steps have the same length."""
    if step_s != p.decay_s:
        p.decay_s = step_s
        p.decay = exp(-step_s / p.setup.tau_s)
    return p.decay


cdef void lag(Pcs *p, double step_s, double slope_kw_per_s, double decay) noexcept nogil:
    """First-order answer over step_s to an internal setpoint that moves with a constant slope."""
    cdef double tau_s = p.setup.tau_s
    cdef double start_kw = p.internal_kw
    p.internal_kw += slope_kw_per_s * step_s
    if tau_s <= 0.0:
        p.ac_kw = p.internal_kw
        return
    p.ac_kw = (p.internal_kw - slope_kw_per_s * tau_s
               + (p.ac_kw - start_kw + slope_kw_per_s * tau_s) * decay)


cdef void glide(Pcs *p, double step_s) noexcept nogil:
    """Moves internal and delivered power over step_s with the present aim."""
    cdef double way_kw = p.aim_kw - p.internal_kw
    cdef double slew = p.setup.slew_kw_per_s
    cdef double slope = slew if way_kw > 0.0 else -slew
    cdef double ramp_s
    if slew <= 0.0:
        p.internal_kw = p.aim_kw
        way_kw = 0.0
    if way_kw == 0.0:
        lag(p, step_s, 0.0, decay_of(p, step_s) if p.setup.tau_s > 0.0 else 0.0)
        return
    ramp_s = fabs(way_kw) / slew
    if ramp_s >= step_s:
        lag(p, step_s, slope, decay_of(p, step_s) if p.setup.tau_s > 0.0 else 0.0)
        return
    lag(p, ramp_s, slope, exp(-ramp_s / p.setup.tau_s) if p.setup.tau_s > 0.0 else 0.0)
    p.internal_kw = p.aim_kw
    lag(p, step_s - ramp_s, 0.0, exp(-(step_s - ramp_s) / p.setup.tau_s) if p.setup.tau_s > 0.0 else 0.0)


cdef void pcs_step(Pcs *p, int64_t t_ns) noexcept nogil:
    """Carries the converter to t_ns; setpoints take effect at their own instant inside the step."""
    cdef int64_t t_due_ns
    if p.watchdog_s > 0.0 and t_ns - p.t_fed_ns > <int64_t>(p.watchdog_s * 1e9):
        pcs_expire(p)
    if p.state == STATE_STARTING and t_ns - p.t_start_ns >= <int64_t>(p.setup.start_s * 1e9):
        p.state = STATE_RUNNING
    if p.state == STATE_RUNNING:
        while p.queue_count and p.queue_t_ns[p.queue_head] <= t_ns:
            t_due_ns = p.queue_t_ns[p.queue_head]
            if t_due_ns > p.t_ns:
                glide(p, 1e-9 * (t_due_ns - p.t_ns))
                p.t_ns = t_due_ns
            p.aim_kw = p.queue_kw[p.queue_head]
            p.queue_head = (p.queue_head + 1) % QUEUE_MAX
            p.queue_count -= 1
        glide(p, 1e-9 * (t_ns - p.t_ns))
    p.t_ns = t_ns

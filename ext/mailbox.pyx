"""One slot in, by sequence lock: the newest limits, their lease, and what is left when it ends.

Runs every frame, one bounded try. Limits that shrink fall in a straight line at the lease's fall_kw_per_s, so that a
stop is a ramp and no step. A lapsed lease shrinks to nothing in 0.5 s at most: 2 MW becomes 1 MW after 0.25 s.
"""
from libc.math cimport fabs, isfinite
from libc.stdint cimport int32_t, int64_t, uint32_t
from libc.string cimport memset
from ext.atomic cimport lock_close, lock_open, lock_read, lock_same
from ext.image cimport Limits, ORDER_MAX, PCS_MAX, PERMIT_ORDER, PERMIT_SETPOINT


cdef enum:
    LEASE_NS_MAX = 2_000_000_000    # four usual leases; a longer one would outlive a dead supervisor
    FALL_NS = 500_000_000           # safe state within 0.6 s of the lapse, less one bus exchange


cdef void mailbox_init(Mailbox *m) noexcept nogil:
    """No lease: no permit, no power. The first post carries sequence 1 or higher."""
    cdef int32_t i
    memset(m, 0, sizeof(Mailbox))
    for i in range(ORDER_MAX):
        m.lease.orders[i].poll = -1


cdef void mailbox_post(Mailbox *m, const Limits *limits) noexcept nogil:
    """The supervisor's side; one writer."""
    lock_open(&m.lock)
    m.posted = limits[0]
    lock_close(&m.lock)


cdef int32_t is_amount(double x) noexcept nogil:
    return isfinite(x) and x >= 0


cdef int32_t is_sound(const Limits *x, int64_t now_ns) noexcept nogil:
    """1 when every number is finite and in its range. A limit that is no number limits nothing."""
    cdef int32_t i
    if x.t_issue_ns < 0 or x.t_issue_ns > now_ns + LEASE_NS_MAX or x.valid_until_ns < 0:
        return 0
    for i in range(PCS_MAX):
        if not is_amount(x.discharge_kw_max[i]) or not is_amount(x.charge_kw_max[i]):
            return 0
    # Safety: with a fall of 0 a limit that shrinks would never be followed.
    if not is_amount(x.fall_kw_per_s) or x.fall_kw_per_s == 0:
        return 0
    if not is_amount(x.ramp_up_kw_per_s_max) or not is_amount(x.ramp_down_kw_per_s_max):
        return 0
    if not isfinite(x.import_kw_max) or not isfinite(x.export_kw_max) or not isfinite(x.leak_kw):
        return 0
    return is_amount(x.gain) and x.gain <= 1 and fabs(x.prompt_pu) <= 1 and is_amount(x.dc_v_max)


cdef void take_newest(Mailbox *m, int64_t now_ns) noexcept nogil:
    """One try at the slot. Torn, older or unsound: the present lease stays, until it ends by itself."""
    cdef Limits fresh
    cdef uint32_t before = lock_read(&m.lock)
    if before == m.taken_lock:
        return
    if before & 1:
        m.torn += 1
        return
    fresh = m.posted
    if not lock_same(&m.lock, before):
        m.torn += 1
        return
    m.taken_lock = before
    if fresh.sequence <= m.lease.sequence or not is_sound(&fresh, now_ns):
        m.refused += 1
        return
    # Safety: no lease outlives its longest life, whatever the issuer's arithmetic or clock says.
    fresh.valid_until_ns = min(fresh.valid_until_ns, min(fresh.t_issue_ns, now_ns) + LEASE_NS_MAX)
    m.lease = fresh


cdef int32_t is_barred(Mailbox *m) noexcept nogil:
    """1 while the frame itself refuses the lease, after a hole in its own time."""
    if m.barred == BAR_NONE or m.lease.sequence <= m.barred_sequence:
        return m.barred != BAR_NONE
    if m.barred == BAR_REST and m.lease.permit & PERMIT_SETPOINT:
        return 1
    m.barred = BAR_NONE
    return 0


cdef void mailbox_bar(Mailbox *m, int32_t bar) noexcept nogil:
    """End the present lease now, by Bar; a stronger bar stays."""
    m.barred_sequence = m.lease.sequence
    if bar > m.barred:
        m.barred = bar


cdef void make_safe(Limits *x) noexcept nogil:
    """What a lapsed lease leaves: the permit to send setpoints on their way to zero, and nothing else."""
    cdef int32_t i
    for i in range(PCS_MAX):
        x.fall_kw_per_s = max(x.fall_kw_per_s, max(x.discharge_kw_max[i], x.charge_kw_max[i]) * (1e9 / FALL_NS))
    for i in range(PCS_MAX):
        x.discharge_kw_max[i] = 0
        x.charge_kw_max[i] = 0
    x.leak_kw = 0
    x.permit &= ~PERMIT_ORDER       # a barred port stays barred
    for i in range(ORDER_MAX):
        x.orders[i].poll = -1


cdef inline double followed(double now_kw, double limit_kw, double fall_kw) noexcept nogil:
    """A limit may rise at once; it falls by fall_kw a frame at most."""
    return limit_kw if limit_kw >= now_kw - fall_kw else now_kw - fall_kw


cdef int32_t fall(Mailbox *m, int64_t dt_ns, Limits *limits) noexcept nogil:
    """Follow limits that shrink. 1 while some have still to fall."""
    cdef double fall_kw = limits.fall_kw_per_s * max(0, dt_ns) * 1e-9
    cdef int32_t falling = 0, i
    for i in range(PCS_MAX):
        m.discharge_kw[i] = followed(m.discharge_kw[i], limits.discharge_kw_max[i], fall_kw)
        m.charge_kw[i] = followed(m.charge_kw[i], limits.charge_kw_max[i], fall_kw)
        if m.discharge_kw[i] > limits.discharge_kw_max[i] or m.charge_kw[i] > limits.charge_kw_max[i]:
            falling = 1
        limits.discharge_kw_max[i] = m.discharge_kw[i]
        limits.charge_kw_max[i] = m.charge_kw[i]
    return falling


cdef void mailbox_take(Mailbox *m, int64_t now_ns, Limits *limits) noexcept nogil:
    """limits: the newest lease while it holds, then the safe limits; those that shrink do so at the fall rate.

    The same limits come in and go out, so a frame in which nothing changes touches nothing."""
    cdef int32_t live
    cdef int64_t dt_ns = now_ns - m.t_ns
    m.t_ns = now_ns
    take_newest(m, now_ns)
    if is_barred(m) and m.lease.valid_until_ns > now_ns:
        m.lease.valid_until_ns = now_ns
    live = m.lease.valid_until_ns > now_ns
    if live == m.live and m.lease.sequence == m.shown_sequence and not m.falling:
        return
    if m.live and not live:
        m.lapses += 1
    m.live = live
    m.shown_sequence = m.lease.sequence
    limits[0] = m.lease
    if not live:
        make_safe(limits)
    m.falling = fall(m, dt_ns, limits)

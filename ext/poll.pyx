"""One line of the poll table: when it is due, what it puts into its request, what it keeps of a reply."""
from libc.math cimport fabs, fmax, fmin, isfinite, lround
from libc.stdint cimport int16_t, int32_t, int64_t, uint16_t, uint32_t
from libc.string cimport memset
from ext.image cimport Command, Limits, Order, ORDER_MAX, PCS_MAX, PERMIT_ORDER, PERMIT_SETPOINT
from ext.pdu cimport pdu_build, pdu_put, pdu_shape, pdu_values, VALUE_MAX
from ext.port cimport Port


cdef enum:
    ORDER_WORDS = 4
    RETRIES = 3             # BUS-09
    RETRY_PART = 8          # of a read's period: how soon it is tried again
    BROADCAST_ZEROS = 3     # nobody confirms a broadcast, so its zero is said more than once


cdef int32_t width_of(const PollSetup *s) noexcept nogil:
    """Registers of one value of a setpoint."""
    return s.value_words if s.value_words else s.count


cdef int32_t is_setpoint(const PollSetup *s) noexcept nogil:
    cdef int32_t width = width_of(s)
    if s.function != 6 and s.function != 16 and s.function != 23:
        return 0
    if width < 1 or width > 2 or s.pcs < 0 or s.pcs_count < 1 or s.pcs + s.pcs_count > PCS_MAX:
        return 0
    if s.count != width and s.count != width * s.pcs_count:
        return 0
    return isfinite(s.counts_per_kw) and s.counts_per_kw != 0


cdef int32_t is_sound(const PollSetup *s, const Poll *poll, int32_t port_count) noexcept nogil:
    if s.port < 0 or s.port >= port_count or s.canary_word >= poll.shape.word_count:
        return 0
    if s.canary_word >= 0 and s.function <= 2:
        return 0
    if s.kind == POLL_READ:
        return s.function <= 4
    if s.kind == POLL_ORDER:
        return s.function > 4 and poll.shape.value_count <= ORDER_WORDS
    return s.kind == POLL_SETPOINT and is_setpoint(s)


cdef int32_t poll_make(Poll *poll, const PollSetup *setup, int32_t port_count) noexcept nogil:
    """Never asked, its request a template. 0: the setup is out of range."""
    memset(poll, 0, sizeof(Poll))
    poll.setup = setup[0]
    poll.shape.unit = setup.unit
    poll.shape.function = setup.function
    poll.shape.address = setup.address
    poll.shape.count = setup.count
    poll.shape.read_address = setup.read_address
    poll.shape.read_count = setup.read_count
    if not pdu_shape(&poll.shape) or not is_sound(setup, poll, port_count):
        return 0
    pdu_build(&poll.shape, poll.request)
    return 1


cdef int32_t wanted_counts(const Poll *poll, int32_t pcs, const Limits *limits,
                           const Command *command) noexcept nogil:
    """The newest setpoint, inside this frame's limits, rounded. Without a permit it is zero."""
    cdef double kw = command.setpoint_kw[pcs]
    cdef double top = 32767 if width_of(&poll.setup) == 1 else 2147483647
    if not (limits.permit & PERMIT_SETPOINT) or not isfinite(kw):
        return 0
    kw = fmax(-limits.charge_kw_max[pcs], fmin(kw, limits.discharge_kw_max[pcs]))
    return <int32_t>lround(fmax(-top, fmin(kw * poll.setup.counts_per_kw, top)))


cdef int32_t nearer_zero(int32_t a, int32_t b) noexcept nogil:
    """What two converters can both be told: the smaller of one sign, else nothing."""
    if (a > 0) != (b > 0) or (a < 0) != (b < 0):
        return 0
    return min(a, b) if a > 0 else max(a, b)


cdef int32_t wanted(const Poll *poll, const Limits *limits, const Command *command,
                    int32_t *counts) noexcept nogil:
    """The counts of every converter of a setpoint. 1: they differ from what is on the wire."""
    cdef const PollSetup *s = &poll.setup
    cdef int32_t k, least = wanted_counts(poll, s.pcs, limits, command), is_new = 0
    for k in range(s.pcs_count):
        counts[k] = wanted_counts(poll, s.pcs + k, limits, command)
        least = nearer_zero(least, counts[k])
    for k in range(s.pcs_count):
        if s.count == width_of(s):      # one value for all
            counts[k] = least
        is_new |= counts[k] != poll.raw[k]
    return is_new


cdef void poll_put_setpoint(Poll *poll, const Limits *limits, const Command *command) noexcept nogil:
    cdef int32_t counts[PCS_MAX]
    cdef uint16_t values[VALUE_MAX]
    cdef int32_t k, width = width_of(&poll.setup), low = 1 - poll.setup.low_word_first
    wanted(poll, limits, command, counts)
    for k in range(poll.setup.count // width):
        if width == 1:
            values[k] = counts[k] & 0xFFFF
        else:
            values[2 * k + low] = counts[k] & 0xFFFF
            values[2 * k + 1 - low] = (counts[k] >> 16) & 0xFFFF
    pdu_put(&poll.shape, values, poll.request)


cdef void poll_note_setpoint(Poll *poll, const Port *p, Command *command) noexcept nogil:
    """What has left, which the guard may have changed."""
    cdef const PollSetup *s = &poll.setup
    cdef uint16_t values[VALUE_MAX]
    cdef int32_t k, at, width = width_of(s), low = 1 - s.low_word_first, loud = 0
    pdu_values(&poll.shape, p.tx, values)
    for k in range(s.pcs_count):
        at = k * width if s.count > width else 0
        poll.raw[k] = <int16_t>values[at]
        if width == 2:
            poll.raw[k] = <int32_t>(values[at + low] | <uint32_t>values[at + 1 - low] << 16)
        command.sent_kw[s.pcs + k] = poll.raw[k] / s.counts_per_kw
        command.t_sent_ns[s.pcs + k] = poll.t_request_ns
        loud |= poll.raw[k]
    if s.unit == 0:
        poll.zeros_left = BROADCAST_ZEROS if loud else max(0, poll.zeros_left - 1)


cdef int32_t poll_setpoint_due(const Poll *poll, const Limits *limits, const Command *command,
                               int64_t now_ns) noexcept nogil:
    cdef int32_t counts[PCS_MAX]
    cdef int32_t is_new = wanted(poll, limits, command, counts)
    # Safety: a permit withdrawn lands at zero. A converter never given power hears nothing at all, since a
    # controller that has just started does not know what the converter carries (INIT is silent).
    if not (limits.permit & PERMIT_SETPOINT):
        return is_new or ((poll.misses > 0 or poll.zeros_left > 0) and now_ns >= poll.t_due_ns)
    return is_new or now_ns >= poll.t_due_ns


cdef int32_t poll_setpoint_far(const Poll *poll, const Limits *limits, const Command *command) noexcept nogil:
    """Whether a setpoint differs from what is on the wire by more than the noise that every load has, or it is not sure
    that the device has that, or nothing is allowed any more."""
    cdef int32_t counts[PCS_MAX]
    cdef int32_t k
    if poll.setup.far_counts == 0 or poll.misses > 0 or not (limits.permit & PERMIT_SETPOINT):
        return 1
    wanted(poll, limits, command, counts)
    for k in range(poll.setup.pcs_count):
        if fabs(<double>counts[k] - poll.raw[k]) > poll.setup.far_counts:
            return 1
    return 0


cdef const Order *poll_new_order(const Poll *poll, int32_t index, const Limits *limits) noexcept nogil:
    cdef int32_t i
    if not (limits.permit & PERMIT_ORDER):
        return NULL
    for i in range(ORDER_MAX):
        if limits.orders[i].poll < 0:
            return NULL
        # Only a higher number is new, so that two orders for one poll can never take turns for ever.
        if limits.orders[i].poll == index and <int32_t>(limits.orders[i].sequence - poll.order_done) > 0:
            return &limits.orders[i]
    return NULL


cdef void poll_put_order(Poll *poll, const Order *order) noexcept nogil:
    pdu_put(&poll.shape, order.words, poll.request)
    poll.order_done = order.sequence
    poll.order_result = 0


cdef int64_t poll_read_ns(const Poll *poll) noexcept nogil:
    """From when on a read is due."""
    return min(poll.t_due_ns, poll.t_retry_ns) if poll.t_retry_ns else poll.t_due_ns


cdef int32_t poll_read_due(const Poll *poll, const Command *command, int64_t now_ns) noexcept nogil:
    """Whether it is time for a read. While an edge of the load is expected it waits as long as it may; one that
    would is sent before it, if it may be so early."""
    cdef int64_t t_ns = poll_read_ns(poll)
    if command.edge_from_ns - poll.round_trip_ns - poll.setup.gap_ns <= now_ns < command.edge_until_ns:
        return now_ns >= t_ns + poll.setup.yield_ns
    return now_ns >= t_ns or (
        poll_earliest_ns(poll) <= now_ns < command.edge_from_ns and t_ns < command.edge_until_ns
        and t_ns >= command.edge_from_ns - poll.round_trip_ns - poll.setup.gap_ns
        and command.edge_from_ns - now_ns < poll.setup.early_ns)


cdef void poll_plan_read(Poll *poll, int64_t now_ns) noexcept nogil:
    """The next deadline: on the grid of its periods, however late this request came, or before it by as much as chance
    wills; a load that steps in time with the grid would meet a read with every edge. A request before that leaves
    its deadline as it is."""
    cdef int64_t period_ns = max(1, poll.setup.period_ns)
    cdef int64_t grid_ns = poll.t_due_ns + poll.early_ns
    poll.t_retry_ns = 0
    if now_ns >= poll_earliest_ns(poll):
        grid_ns += period_ns * (1 + max(<int64_t>0, now_ns + poll.setup.early_ns - grid_ns) // period_ns)
        poll.dice = poll.dice * 1664525 + 1013904223    # Numerical Recipes, 2nd ed., 7.1; its high half is used
        poll.early_ns = (poll.dice >> 16) * poll.setup.early_ns >> 16
        poll.t_due_ns = grid_ns - poll.early_ns


cdef void poll_again(Poll *poll, int64_t now_ns) noexcept nogil:
    """A read that met a busy device or a wrong reply is due again soon, three times; then when its period ends."""
    poll.tries += 1
    if poll.tries <= RETRIES:
        poll.t_retry_ns = now_ns + poll.setup.period_ns // RETRY_PART
    else:
        poll.tries = 0


cdef int64_t poll_trip_us(int32_t bin) noexcept nogil:
    """Lower edge of a bin of Poll.trips: 0, 16, 32, 48, then four bins an octave from 64 us on."""
    return 16 * bin if bin < 4 else <int64_t>(4 + bin % 4) << (bin // 4 + 3)


cdef void poll_count_trip(Poll *poll) noexcept nogil:
    cdef int64_t steps = poll.round_trip_ns // 16_000
    cdef int32_t octave = 0
    while steps >= 8 and octave < TRIP_BINS // 4 - 2:
        steps >>= 1
        octave += 1
    poll.trips[min(4 * octave + max(0, steps), TRIP_BINS - 1)] += 1


cdef int32_t poll_canary_holds(const Poll *poll, const Port *p) noexcept nogil:
    cdef int32_t at = 3 + 2 * poll.setup.canary_word
    return poll.setup.canary_word < 0 or p.rx[at] << 8 | p.rx[at + 1] == poll.setup.canary_value

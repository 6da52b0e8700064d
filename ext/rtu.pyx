"""A strict Modbus RTU master: one state machine a port, polled by the frame, never waiting.

Runs every frame; budget 3 us to send, 1 us to receive, 0.5 us idle (BUS-01 to BUS-16 of the fieldbus page).
RTU has no transaction number: only silence until the latest possible answer keeps a late reply from being
taken for the next one, so every timeout or mismatch ends in PORT_QUARANTINE.
"""
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy, memset
from ext.atomic cimport lock_close, lock_open
from ext.image cimport (
    Command, Limits, PERMIT_BAR, PERMIT_ORDER, POLL_MAX, PORT_MAX, RTU_BLOCKED, RTU_CANARY, RTU_EXCEPTION, RTU_IO,
    RTU_TIMEOUT, RTU_UNSOLICITED, WORD_MAX,
)
from ext.pdu cimport pdu_expected, pdu_judge, pdu_words
from ext.poll cimport (
    Poll, poll_again, poll_canary_holds, poll_count_trip, poll_make, poll_new_order, poll_note_setpoint, POLL_ORDER,
    poll_plan_read, poll_put_order, poll_put_setpoint, POLL_READ, poll_read_due, POLL_SETPOINT, poll_setpoint_due,
    PollSetup,
)
from ext.port cimport Port, port_hear, port_is_closed, port_is_offered, port_take, Ports
from ext.trail cimport trail_note


cdef enum:
    NO_UNIT = -1
    BUSY = 6                # exception code
    SILENCES_MIN = 2        # F16: two timeouts make a unit mute
    BACK_OFF_NS = 1_000_000_000     # longest pause of a mute unit

cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF
cdef int64_t LOOK_NS = 20_000           # some 2 us of it are spent on a look


cdef void rtu_init(Rtu *r, int32_t port_count) noexcept nogil:
    """No polls, all ports idle; port_count above PORT_MAX is cut to it."""
    cdef int32_t i
    memset(r, 0, sizeof(Rtu))
    r.port_count = min(port_count, <int32_t>PORT_MAX)
    for i in range(r.port_count):
        r.port[i].active = -1
        r.port[i].last_unit = NO_UNIT
        r.port[i].gap_ns_min = NEVER


cdef int32_t device_of(Rtu *r, int32_t port, int32_t unit) noexcept nogil:
    """Index of a unit of a port; it is new with its first poll."""
    cdef int32_t i
    for i in range(r.device_count):
        if r.device[i].port == port and r.device[i].unit == unit:
            return i
    r.device[r.device_count].port = port
    r.device[r.device_count].unit = unit
    r.device_count += 1
    r.port[port].device_count += 1
    return r.device_count - 1


cdef int32_t rtu_add(Rtu *r, const PollSetup *setup) noexcept nogil:
    """Make the request's template. Returns the poll's index, -1: table full or setup out of range."""
    cdef Poll *poll = &r.poll[min(r.poll_count, POLL_MAX - 1)]
    cdef RtuPort *q
    if r.poll_count >= POLL_MAX or not poll_make(poll, setup, r.port_count):
        return -1
    poll.device = device_of(r, setup.port, setup.unit)
    poll.dice = <uint32_t>r.poll_count * <uint32_t>0x9E3779B1     # 2^32 over the golden ratio: a sequence of its own
    q = &r.port[setup.port]
    q.turnaround_ns_max = max(q.turnaround_ns_max, setup.turnaround_ns)
    q.gap_ns_min = min(q.gap_ns_min, setup.gap_ns)
    q.early_ns_max = max(q.early_ns_max, setup.early_ns)
    q.has_setpoints |= setup.kind == POLL_SETPOINT
    q.poll[q.poll_count] = r.poll_count
    q.poll_count += 1
    r.poll_count += 1
    return r.poll_count - 1


cdef int64_t urgency(const Rtu *r, int32_t index, const Limits *limits, const Command *command,
                     int64_t now_ns, int32_t early) noexcept nogil:
    """Least goes first: of setpoints who waits longest, of reads whose deadline is next; NEVER: nothing to send.

    A unit that is mute rests from its reads and setpoints; an order costs one request and is never repeated."""
    cdef const Poll *poll = &r.poll[index]
    if poll.setup.kind != POLL_READ and limits.permit & PERMIT_BAR << poll.setup.port:
        return NEVER
    if poll.setup.kind == POLL_ORDER:
        return -1 if poll_new_order(poll, index, limits) != NULL else NEVER
    if now_ns < r.device[poll.device].t_back_ns:
        return NEVER
    if poll.setup.kind == POLL_SETPOINT:
        return poll.t_request_ns if poll_setpoint_due(poll, limits, command, now_ns) else NEVER
    if poll.setup.lease_only and now_ns >= limits.valid_until_ns:
        return NEVER
    return poll.t_due_ns + poll.setup.period_ns if early or poll_read_due(poll, command, now_ns) else NEVER


cdef int32_t choose(const Rtu *r, RtuPort *q, const Limits *limits, const Command *command,
                    int64_t now_ns) noexcept nogil:
    """Setpoint first, but after each one a waiting order or read that yields no longer; after an error another unit
    first, and its reads may come early. Index of the poll, -1: none."""
    cdef int64_t t
    cdef int64_t[4] least = [NEVER, NEVER, NEVER, NEVER]
    cdef int32_t[4] best = [-1, -1, -1, -1]
    cdef int32_t i, k, other, rank, kind, reads = q.shun_last or read_near(q, command, now_ns)
    cdef int32_t orders = limits.permit & PERMIT_ORDER and limits.orders[0].poll >= 0
    if reads:
        note_reads(r, q)
    for k in range(q.poll_count):
        i = q.poll[k]
        kind = r.poll[i].setup.kind
        if (kind == POLL_READ and not reads) or (kind == POLL_ORDER and not orders):
            continue
        other = q.shun_last and r.poll[i].setup.unit != q.last_unit
        rank = (0 if other else 2) + ((kind == POLL_SETPOINT) == q.setpoint_turn)
        t = urgency(r, i, limits, command, now_ns, other)
        if t < least[rank]:
            least[rank] = t
            best[rank] = i
    # An edge is answered first, which is worth more than a younger status, noise is not; an order never waits for that.
    if (q.setpoint_turn and best[2] >= 0 and best[3] >= 0 and r.poll[best[2]].setup.kind == POLL_READ
            and now_ns < q.t_yielded_ns and moves_far(r, q, limits, command)):
        best[2] = -1
    for rank in range(4):
        if best[rank] >= 0:
            return best[rank]
    return -1


cdef void start(Rtu *r, RtuPort *q, const Limits *limits, int64_t now_ns, const Command *command,
                Port *p) noexcept nogil:
    """Put the next request into tx when its gap has elapsed too."""
    cdef Poll *poll
    cdef int32_t index
    if now_ns < q.t_quiet_ns + q.gap_ns_min:
        return
    index = choose(r, q, limits, command, now_ns)
    if index < 0 or now_ns < q.t_quiet_ns + r.poll[index].setup.gap_ns:
        return
    poll = &r.poll[index]
    if poll.setup.kind == POLL_SETPOINT:
        poll_put_setpoint(poll, limits, command)
    elif poll.setup.kind == POLL_ORDER:
        poll_put_order(poll, poll_new_order(poll, index, limits))
    else:
        poll_plan_read(poll, now_ns)
        note_reads(r, q)
    memcpy(p.tx, poll.request, poll.shape.request_count)
    p.tx_done = 0
    p.tx_count = poll.shape.request_count
    poll.asked += 1
    poll.t_request_ns = now_ns
    q.active = index
    q.state = PORT_SENDING
    q.setpoint_turn = poll.setup.kind == POLL_SETPOINT
    q.shun_last = 0
    q.t_sent_ns = now_ns + p.tx_count * p.setup.char_ns
    q.t_until_ns = q.t_sent_ns + poll.setup.timeout_ns


cdef void rest(RtuPort *q, Port *p, int32_t state, int64_t t_until_ns) noexcept nogil:
    q.state = state
    q.t_until_ns = t_until_ns
    p.tx_count = p.rx_count = 0


cdef void hears_of(Rtu *r, Device *d) noexcept nogil:
    """A sign of life, late or refusing as it may be: such a unit is not mute, and its reads need not rest."""
    if d.t_back_ns:
        r.port[d.port].t_read_ns = r.port[d.port].t_yielded_ns = 0
    d.silences = d.t_back_ns = 0


cdef void back_off(const RtuPort *q, const Poll *poll, Device *d, int64_t t_over_ns) noexcept nogil:
    """A mute unit takes a quarantine from its neighbours: each further one after twice the time, 1 s at most."""
    cdef int64_t wait_ns = max(poll.setup.turnaround_ns, poll.setup.timeout_ns)
    cdef int32_t _turn
    d.silences = min(d.silences + 1, 64)
    if q.device_count < 2 or d.silences < SILENCES_MIN:
        return
    for _turn in range(SILENCES_MIN - 1, d.silences):
        wait_ns = min(2 * wait_ns, <int64_t>BACK_OFF_NS)
    d.t_back_ns = t_over_ns + wait_ns


cdef void refused(RtuPort *q, Poll *poll, int32_t code, int64_t now_ns) noexcept nogil:
    """An exception. A busy device is read again soon; a write is never sent again for it."""
    poll.exception = code
    if poll.setup.kind == POLL_SETPOINT:
        poll.t_due_ns = now_ns + poll.setup.refresh_ns
    elif poll.setup.kind == POLL_READ and code == BUSY:
        poll_again(poll, now_ns)
        note_read(q, poll, 0)
    else:
        poll.tries = 0


cdef void fail(Rtu *r, RtuPort *q, Poll *poll, Port *p, int32_t error, int64_t now_ns) noexcept nogil:
    """Count, then stay silent as long as the kind of error asks."""
    cdef int64_t t_over_ns = max(q.t_sent_ns, poll.t_request_ns) + poll.setup.turnaround_ns
    poll.errors[error] += 1
    poll.misses += 1
    q.last_unit = poll.setup.unit
    if poll.setup.kind == POLL_ORDER:
        poll.order_result = -1
    elif poll.setup.kind == POLL_SETPOINT:
        poll.t_due_ns = now_ns
    if error == RTU_EXCEPTION:      # a right answer, only not the wanted one
        refused(q, poll, p.rx[2], now_ns)
        hears_of(r, &r.device[poll.device])
        q.t_quiet_ns = p.t_rx_ns
        rest(q, p, PORT_GAP, p.t_rx_ns + poll.setup.gap_ns)
    elif error == RTU_BLOCKED:      # costs as much as silence, else it would be tried again every frame
        rest(q, p, PORT_GAP, now_ns + poll.setup.timeout_ns)
    else:
        if error == RTU_TIMEOUT:
            back_off(q, poll, &r.device[poll.device], max(t_over_ns, now_ns))
        elif poll.setup.kind == POLL_READ:      # F18: the next status must not wait for its period
            poll_again(poll, now_ns)
            note_read(q, poll, 0)
        q.shun_last = 1
        q.late_left = poll.shape.reply_count
        if p.rx_count:
            q.t_quiet_ns = p.t_rx_ns
        rest(q, p, PORT_QUARANTINE, t_over_ns)


cdef void sent(Rtu *r, RtuPort *q, Poll *poll, Port *p, Command *command) noexcept nogil:
    """The request is out; a broadcast has its silence, anything else waits for the reply."""
    cdef int32_t k
    q.t_sent_ns = max(q.t_sent_ns, p.t_tx_ns)
    q.t_until_ns = q.t_sent_ns + poll.setup.timeout_ns
    q.state = PORT_WAITING
    p.tx_count = 0
    if poll.setup.kind == POLL_SETPOINT:
        poll_note_setpoint(poll, p, command)
        for k in range(poll.setup.pcs_count):
            trail_note(&r.trail, poll.setup.pcs + k, command)
    if poll.shape.reply_count:
        return
    if poll.setup.kind == POLL_ORDER:
        poll.order_result = 2
    poll.t_due_ns = poll.t_request_ns + poll.setup.refresh_ns
    q.t_quiet_ns = q.t_sent_ns
    q.unsolicited += p.rx_count
    rest(q, p, PORT_GAP, q.t_sent_ns + max(poll.setup.turnaround_ns, poll.setup.gap_ns))


cdef void watch_sending(Rtu *r, RtuPort *q, Poll *poll, Port *p, const Limits *limits, int64_t now_ns,
                        Command *command) noexcept nogil:
    q.unsolicited += p.strays
    p.strays = 0
    if p.tx_count == 0:
        fail(r, q, poll, p, RTU_BLOCKED, now_ns)
    elif p.tx_done == p.tx_count:
        sent(r, q, poll, p, command)
    elif now_ns >= q.t_until_ns:
        fail(r, q, poll, p, RTU_IO, now_ns)
    elif p.tx_done == 0:                # the tty is full: what leaves later is the newest value then
        poll.t_request_ns = now_ns
        q.t_sent_ns = now_ns + p.tx_count * p.setup.char_ns
        if poll.setup.kind == POLL_SETPOINT:
            poll_put_setpoint(poll, limits, command)
            memcpy(p.tx, poll.request, poll.shape.request_count)


cdef void accept(Rtu *r, RtuPort *q, Poll *poll, Port *p) noexcept nogil:
    cdef uint16_t before[WORD_MAX]
    memcpy(before, poll.words, sizeof(before))
    lock_open(&poll.lock)
    poll.t_ok_ns = p.t_rx_ns
    poll.round_trip_ns = p.t_rx_ns - poll.t_request_ns
    pdu_words(&poll.shape, p.rx, poll.words)
    poll.alike = poll.alike + 1 if poll.answered and memcmp(before, poll.words, sizeof(before)) == 0 else 0
    lock_close(&poll.lock)
    poll_count_trip(poll)
    poll.answered += 1
    poll.misses = poll.exception = poll.tries = 0
    hears_of(r, &r.device[poll.device])
    if poll.setup.kind == POLL_ORDER:
        poll.order_result = 1
    elif poll.setup.kind == POLL_SETPOINT:
        poll.t_due_ns = poll.t_request_ns + poll.setup.refresh_ns
    q.last_unit = poll.setup.unit
    q.t_quiet_ns = p.t_rx_ns
    rest(q, p, PORT_GAP, p.t_rx_ns + poll.setup.gap_ns)


cdef void watch_reply(Rtu *r, RtuPort *q, Poll *poll, Port *p, int64_t now_ns) noexcept nogil:
    """A frame ends with 1.5 characters of silence: a longer one must not pass for a right one."""
    cdef int32_t expected = pdu_expected(&poll.shape, p.rx, p.rx_count)
    cdef int32_t verdict
    if p.rx_count < expected and now_ns < q.t_until_ns:
        return
    if p.rx_count == expected and 2 * (now_ns - p.t_rx_ns) < 3 * p.setup.char_ns:
        return
    verdict = pdu_judge(&poll.shape, p.tx, p.rx, p.rx_count)
    if verdict < 0 and not poll_canary_holds(poll, p):
        verdict = RTU_CANARY
    if verdict < 0:
        accept(r, q, poll, p)
    else:
        fail(r, q, poll, p, verdict, now_ns)


cdef void watch_silence(Rtu *r, RtuPort *q, Port *p, int64_t now_ns) noexcept nogil:
    """Nothing is out. Late bytes, one reply of them, are the asked device's; others babble or a second master's."""
    cdef int32_t late = 0
    if p.rx_count:
        if q.state == PORT_QUARANTINE and q.active >= 0:
            late = min(p.rx_count, q.late_left)
            q.late_left -= late
            r.poll[q.active].errors[<int32_t>RTU_UNSOLICITED] += late
            hears_of(r, &r.device[r.poll[q.active].device])
        q.unsolicited += p.rx_count - late
        p.rx_count = 0
        q.t_quiet_ns = p.t_rx_ns
    if q.state != PORT_IDLE and now_ns >= q.t_until_ns:
        q.state = PORT_IDLE
        q.active = -1


cdef void turned(Rtu *r, RtuPort *q, int32_t port, Port *p, int32_t closed, int64_t now_ns) noexcept nogil:
    """Losing a tty and taking one both end what was under way and start with silence (BUS-14)."""
    cdef int32_t i
    q.closed = closed
    q.t_taken_ns = 0 if closed else now_ns
    if q.state == PORT_SENDING or q.state == PORT_WAITING:
        fail(r, q, &r.poll[q.active], p, RTU_IO, now_ns)
    for i in range(r.device_count):
        if r.device[i].port == port:
            hears_of(r, &r.device[i])
    for i in range(r.poll_count):           # who is behind a new tty is not known: the identity too is due at once
        if r.poll[i].setup.port == port and r.poll[i].setup.kind == POLL_READ:
            if now_ns < r.poll[i].t_due_ns:
                r.poll[i].t_due_ns, r.poll[i].early_ns = now_ns, 0
    q.epoch = p.epoch
    q.t_read_ns = q.t_yielded_ns = 0
    q.active = -1
    rest(q, p, PORT_QUARANTINE, now_ns + q.turnaround_ns_max)


cdef void begin(Rtu *r, int64_t now_ns) noexcept nogil:
    cdef int32_t i
    for i in range(r.poll_count):
        if r.poll[i].setup.kind == POLL_READ:
            r.poll[i].t_due_ns = now_ns + r.poll[i].setup.phase_ns
    r.started = 1


cdef void rtu_step(Rtu *r, const Limits *limits, int64_t now_ns, Command *command,
                   Ports *ports) noexcept nogil:
    """Hear, match, then ask where the wire is free. sent_kw and t_sent_ns follow the bytes that left."""
    cdef int32_t i, closed
    cdef RtuPort *q
    cdef Port *p
    if not r.started:
        begin(r, now_ns)
    for i in range(r.port_count):
        q, p = &r.port[i], &ports.port[i]
        if port_is_offered(p):
            port_take(p)
        if q.state != PORT_IDLE and not port_is_closed(p):
            port_hear(p, now_ns)
        closed = port_is_closed(p)
        if closed != q.closed or q.epoch != p.epoch:
            turned(r, q, i, p, closed, now_ns)
        if closed:
            continue
        if q.state == PORT_SENDING:
            watch_sending(r, q, &r.poll[q.active], p, limits, now_ns, command)
        if q.state == PORT_WAITING:
            watch_reply(r, q, &r.poll[q.active], p, now_ns)
        if q.state != PORT_SENDING and q.state != PORT_WAITING:
            watch_silence(r, q, p, now_ns)
        if q.state == PORT_IDLE:
            start(r, q, limits, now_ns, command, p)


cdef int64_t rtu_wake_ns(const Rtu *r, const Ports *ports, int64_t now_ns) noexcept nogil:
    """The next instant after now_ns at which a wire becomes free or a reply that has begun is whole; else NEVER.

    Bytes that the operating system hands over late are looked for again after LOOK_NS."""
    cdef int64_t wake_ns, next_ns = NEVER
    cdef const RtuPort *q
    cdef const Port *p
    cdef int32_t i, expected
    for i in range(r.port_count):
        q, p = &r.port[i], &ports.port[i]
        if q.state == PORT_GAP or q.state == PORT_QUARANTINE:
            wake_ns = q.t_until_ns
        elif q.state == PORT_WAITING and p.rx_count:
            expected = pdu_expected(&r.poll[q.active].shape, p.rx, p.rx_count)
            wake_ns = max(p.t_first_ns + (2 * expected + 3) * p.setup.char_ns // 2, p.t_read_ns + LOOK_NS)
        else:
            continue
        if now_ns < wake_ns < next_ns:
            next_ns = wake_ns
    return next_ns

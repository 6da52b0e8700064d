"""A strict Modbus RTU master: one state machine a port, polled by the frame, never waiting.

Runs every frame; budget 3 us to send, 1 us to receive, 0.5 us idle (BUS-01 to BUS-16 of the fieldbus page).
RTU has no transaction number: only silence until the latest possible answer keeps a late reply from being
taken for the next one, so every timeout or mismatch ends in PORT_QUARANTINE.
"""
from libc.math cimport fmax, fmin, isfinite, lround
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy, memset
from ext.atomic cimport lock_close, lock_open
from ext.image cimport (
    Command, Limits, Order, ORDER_MAX, PCS_MAX, PERMIT_ORDER, PERMIT_SETPOINT, POLL_MAX, PORT_MAX,
    RTU_BLOCKED, RTU_CRC, RTU_EXCEPTION, RTU_IO, RTU_TIMEOUT, RTU_UNSOLICITED, RTU_WRONG_ECHO,
    RTU_WRONG_FUNCTION, RTU_WRONG_LENGTH, RTU_WRONG_UNIT, WORD_MAX,
)
from ext.port cimport Port, Ports


cdef enum:
    EXCEPTION_BYTES = 5
    WRITE_REPLY_BYTES = 8
    ORDER_WORDS = 4
    NO_UNIT = -1

cdef int64_t NEVER = 0x7FFFFFFFFFFFFFFF
cdef uint16_t crc_table[256]


cdef void fill_crc_table() noexcept nogil:
    """CRC-16/MODBUS: polynomial 0x8005 reflected, one table step a byte."""
    cdef int32_t i, _bit
    cdef uint16_t crc
    for i in range(256):
        crc = <uint16_t>i
        for _bit in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
        crc_table[i] = crc


fill_crc_table()


cdef uint16_t rtu_crc(const uint8_t *bytes, int32_t count) noexcept nogil:
    """On the wire the low byte comes first; over a frame with its own CRC the result is 0."""
    cdef uint16_t crc = 0xFFFF
    cdef int32_t i
    for i in range(count):
        crc = (crc >> 8) ^ crc_table[(crc ^ bytes[i]) & 0xFF]
    return crc


cdef void put_word(uint8_t *bytes, int32_t word) noexcept nogil:
    bytes[0] = (word >> 8) & 0xFF
    bytes[1] = word & 0xFF


cdef uint16_t word_at(const uint8_t *bytes) noexcept nogil:
    return (<uint16_t>bytes[0] << 8) | bytes[1]


cdef void seal(Poll *poll) noexcept nogil:
    cdef uint16_t crc = rtu_crc(poll.request, poll.request_count - 2)
    poll.request[poll.request_count - 2] = crc & 0xFF
    poll.request[poll.request_count - 1] = crc >> 8


cdef int32_t value_at(const Poll *poll) noexcept nogil:
    """Place of a write's first value in the frame."""
    return 4 if poll.setup.function == 6 else 7


cdef void put_counts(Poll *poll, int32_t counts) noexcept nogil:
    cdef int32_t at = value_at(poll)
    cdef int32_t low = 2 if poll.setup.count == 2 and not poll.setup.low_word_first else 0
    put_word(&poll.request[at + low], counts & 0xFFFF)
    if poll.setup.count == 2:
        put_word(&poll.request[at + 2 - low], (counts >> 16) & 0xFFFF)
    seal(poll)


cdef int32_t counts_in(const Poll *poll, const uint8_t *frame) noexcept nogil:
    """The setpoint that a frame carries, which the guard may have changed."""
    cdef const uint8_t *value = &frame[value_at(poll)]
    cdef uint32_t first = word_at(value)
    if poll.setup.count == 1:
        return <int16_t>first
    if poll.setup.low_word_first:
        return <int32_t>(first | <uint32_t>word_at(&value[2]) << 16)
    return <int32_t>(first << 16 | word_at(&value[2]))


cdef void rtu_init(Rtu *r, int32_t port_count) noexcept nogil:
    """No polls, all ports idle; port_count above PORT_MAX is cut to it."""
    cdef int32_t i
    memset(r, 0, sizeof(Rtu))
    r.port_count = min(port_count, <int32_t>PORT_MAX)
    for i in range(r.port_count):
        r.port[i].active = -1
        r.port[i].last_unit = NO_UNIT


cdef int32_t is_sound(const PollSetup *s, int32_t port_count) noexcept nogil:
    cdef int32_t writes = s.function == 6 or s.function == 16
    if s.port < 0 or s.port >= port_count or s.unit < 1 or s.unit > 247:
        return 0
    if s.address < 0 or s.count < 1 or s.address + s.count > 65536:
        return 0
    if s.kind == POLL_READ:
        return (s.function == 3 or s.function == 4) and s.count <= WORD_MAX
    if not writes or (s.function == 6 and s.count != 1):
        return 0
    if s.kind == POLL_ORDER:
        return s.count <= ORDER_WORDS
    if s.kind != POLL_SETPOINT or s.count > 2 or s.pcs < 0 or s.pcs >= PCS_MAX:
        return 0
    return isfinite(s.counts_per_kw) and s.counts_per_kw != 0


cdef int32_t rtu_add(Rtu *r, const PollSetup *setup) noexcept nogil:
    """Make the request's template. Returns the poll's index, -1: table full or setup out of range."""
    cdef Poll *poll
    if r.poll_count >= POLL_MAX or not is_sound(setup, r.port_count):
        return -1
    poll = &r.poll[r.poll_count]
    memset(poll, 0, sizeof(Poll))
    poll.setup = setup[0]
    poll.request[0] = <uint8_t>setup.unit
    poll.request[1] = <uint8_t>setup.function
    put_word(&poll.request[2], setup.address)
    put_word(&poll.request[4], setup.count if setup.function != 6 else 0)
    poll.request[6] = <uint8_t>(2 * setup.count)
    poll.request_count = 9 + 2 * setup.count if setup.function == 16 else 8
    poll.reply_count = 5 + 2 * setup.count if setup.kind == POLL_READ else WRITE_REPLY_BYTES
    seal(poll)
    r.port[setup.port].turnaround_ns_max = max(r.port[setup.port].turnaround_ns_max, setup.turnaround_ns)
    r.poll_count += 1
    return r.poll_count - 1


cdef int32_t wanted_counts(const Poll *poll, const Limits *limits, const Command *command) noexcept nogil:
    """The newest setpoint, inside this frame's limits, rounded. Without a permit it is zero."""
    cdef int32_t pcs = poll.setup.pcs
    cdef double kw = command.setpoint_kw[pcs]
    cdef double top = 32767 if poll.setup.count == 1 else 2147483647
    if not (limits.permit & PERMIT_SETPOINT) or not isfinite(kw):
        return 0
    kw = fmax(-limits.charge_kw_max[pcs], fmin(kw, limits.discharge_kw_max[pcs]))
    return <int32_t>lround(fmax(-top, fmin(kw * poll.setup.counts_per_kw, top)))


cdef int32_t setpoint_due(const Poll *poll, const Limits *limits, const Command *command,
                          int64_t now_ns) noexcept nogil:
    # Safety: a permit withdrawn lands at zero. A converter never given power hears nothing at all, since a
    # controller that has just started does not know what the converter carries (INIT is silent).
    if not (limits.permit & PERMIT_SETPOINT):
        return poll.raw != 0 or (poll.misses > 0 and now_ns >= poll.t_due_ns)
    return now_ns >= poll.t_due_ns or wanted_counts(poll, limits, command) != poll.raw


cdef const Order *new_order(const Poll *poll, int32_t index, const Limits *limits) noexcept nogil:
    cdef int32_t i
    if not (limits.permit & PERMIT_ORDER):
        return NULL
    for i in range(ORDER_MAX):
        # Only a higher number is new, so that two orders for one poll can never take turns for ever.
        if limits.orders[i].poll == index and <int32_t>(limits.orders[i].sequence - poll.order_done) > 0:
            return &limits.orders[i]
    return NULL


cdef int64_t waiting_since(const Rtu *r, int32_t index, const Limits *limits, const Command *command,
                           int64_t now_ns, int32_t early) noexcept nogil:
    """Who waits longest goes first; NEVER: nothing to send."""
    cdef const Poll *poll = &r.poll[index]
    if poll.setup.kind == POLL_SETPOINT:
        return poll.t_request_ns if setpoint_due(poll, limits, command, now_ns) else NEVER
    if poll.setup.kind == POLL_ORDER:
        return -1 if new_order(poll, index, limits) != NULL else NEVER
    return poll.t_due_ns if early or poll.t_due_ns <= now_ns else NEVER


cdef int32_t longest_waiting(const Rtu *r, int32_t port, const Limits *limits, const Command *command,
                             int64_t now_ns, int32_t setpoints, int32_t shunned_unit) noexcept nogil:
    """Index of the poll, -1: none. With a shunned unit the other units' reads may come early."""
    cdef int32_t i, best = -1
    cdef int64_t t, least = NEVER
    for i in range(r.poll_count):
        if r.poll[i].setup.port != port or r.poll[i].setup.unit == shunned_unit:
            continue
        if (r.poll[i].setup.kind == POLL_SETPOINT) != setpoints:
            continue
        t = waiting_since(r, i, limits, command, now_ns, shunned_unit != NO_UNIT)
        if t < least:
            least = t
            best = i
    return best


cdef int32_t choose(const Rtu *r, int32_t port, const Limits *limits, const Command *command,
                    int64_t now_ns) noexcept nogil:
    """Setpoint first, but after each one a waiting order or read; after an error another unit first."""
    cdef const RtuPort *q = &r.port[port]
    cdef int32_t turn, best
    for turn in range(0 if q.shun_last else 2, 4):
        best = longest_waiting(r, port, limits, command, now_ns, q.setpoint_turn == (turn & 1),
                               q.last_unit if turn < 2 else NO_UNIT)
        if best >= 0:
            return best
    return -1


cdef void take_order(Poll *poll, const Order *order) noexcept nogil:
    cdef int32_t i
    for i in range(poll.setup.count):
        put_word(&poll.request[value_at(poll) + 2 * i], order.words[i])
    seal(poll)
    poll.order_done = order.sequence
    poll.order_result = 0


cdef void start(Rtu *r, int32_t port, const Limits *limits, int64_t now_ns, const Command *command,
                Port *p) noexcept nogil:
    """Put the next request into tx when its gap has elapsed too."""
    cdef RtuPort *q = &r.port[port]
    cdef int32_t index = choose(r, port, limits, command, now_ns)
    cdef Poll *poll
    if index < 0 or now_ns < q.t_quiet_ns + r.poll[index].setup.gap_ns:
        return
    poll = &r.poll[index]
    if poll.setup.kind == POLL_SETPOINT:
        put_counts(poll, wanted_counts(poll, limits, command))
    elif poll.setup.kind == POLL_ORDER:
        take_order(poll, new_order(poll, index, limits))
    else:
        poll.t_due_ns = now_ns + poll.setup.period_ns
    memcpy(p.tx, poll.request, poll.request_count)
    p.tx_done = 0
    p.tx_count = poll.request_count
    poll.asked += 1
    poll.t_request_ns = now_ns
    q.active = index
    q.state = PORT_SENDING
    q.setpoint_turn = poll.setup.kind == POLL_SETPOINT
    q.shun_last = 0
    q.t_until_ns = now_ns + poll.request_count * p.setup.char_ns + poll.setup.timeout_ns


cdef void rest(RtuPort *q, Port *p, int32_t state, int64_t t_until_ns) noexcept nogil:
    q.state = state
    q.t_until_ns = t_until_ns
    p.tx_count = 0
    p.rx_count = 0


cdef void fail(RtuPort *q, Poll *poll, Port *p, int32_t error, int64_t now_ns) noexcept nogil:
    """Count, then stay silent as long as the kind of error asks."""
    poll.errors[error] += 1
    poll.misses += 1
    q.last_unit = poll.setup.unit
    if poll.setup.kind == POLL_ORDER:
        poll.order_result = -1
    elif poll.setup.kind == POLL_SETPOINT:
        poll.t_due_ns = now_ns + poll.setup.refresh_ns if error == RTU_EXCEPTION else now_ns
    if error == RTU_EXCEPTION:      # a right answer, only not the wanted one
        poll.exception = p.rx[2]
        q.t_quiet_ns = p.t_rx_ns
        rest(q, p, PORT_GAP, p.t_rx_ns + poll.setup.gap_ns)
    elif error == RTU_BLOCKED:      # costs as much as silence, else it would be tried again every frame
        rest(q, p, PORT_GAP, now_ns + poll.setup.timeout_ns)
    else:
        q.shun_last = 1
        rest(q, p, PORT_QUARANTINE, poll.t_request_ns + poll.setup.turnaround_ns)


cdef void watch_sending(RtuPort *q, Poll *poll, Port *p, const Limits *limits, int64_t now_ns,
                        Command *command) noexcept nogil:
    if p.tx_count == 0:
        fail(q, poll, p, RTU_BLOCKED, now_ns)
    elif p.tx_done == p.tx_count:
        q.state = PORT_WAITING
        q.t_sent_ns = max(poll.t_request_ns + p.tx_count * p.setup.char_ns, now_ns)
        q.t_until_ns = q.t_sent_ns + poll.setup.timeout_ns
        q.unsolicited += p.rx_count     # port reads before it writes: these came before the request
        p.rx_count = 0
        p.tx_count = 0
        if poll.setup.kind == POLL_SETPOINT:
            poll.raw = counts_in(poll, p.tx)
            command.sent_kw[poll.setup.pcs] = poll.raw / poll.setup.counts_per_kw
            command.t_sent_ns[poll.setup.pcs] = poll.t_request_ns
    elif now_ns >= q.t_until_ns:
        fail(q, poll, p, RTU_IO, now_ns)
    elif p.tx_done == 0:                # the tty is full: what leaves later is the newest value then
        poll.t_request_ns = now_ns
        if poll.setup.kind == POLL_SETPOINT:
            put_counts(poll, wanted_counts(poll, limits, command))
            memcpy(p.tx, poll.request, poll.request_count)


cdef int32_t judge(const Poll *poll, const Port *p, int32_t expected) noexcept nogil:
    """-1: the reply to exactly this request; else RtuError (BUS-04, BUS-08)."""
    cdef int32_t count = p.rx_count
    if count == 0:
        return RTU_TIMEOUT
    if count < EXCEPTION_BYTES or rtu_crc(p.rx, count) != 0:
        return RTU_CRC if count == expected else RTU_WRONG_LENGTH
    if p.rx[0] != poll.setup.unit:
        return RTU_WRONG_UNIT
    if p.rx[1] & 0x7F != poll.setup.function:
        return RTU_WRONG_FUNCTION
    if count != expected:
        return RTU_WRONG_LENGTH
    if p.rx[1] & 0x80:
        return RTU_EXCEPTION
    if poll.setup.kind == POLL_READ:
        return -1 if p.rx[2] == 2 * poll.setup.count else RTU_WRONG_LENGTH
    return -1 if memcmp(p.rx, p.tx, 6) == 0 else RTU_WRONG_ECHO     # address and value or count


cdef void accept(RtuPort *q, Poll *poll, Port *p) noexcept nogil:
    cdef int32_t i
    lock_open(&poll.lock)
    poll.t_ok_ns = p.t_rx_ns
    poll.round_trip_ns = p.t_rx_ns - poll.t_request_ns
    if poll.setup.kind == POLL_READ:
        for i in range(poll.setup.count):
            poll.words[i] = word_at(&p.rx[3 + 2 * i])
    lock_close(&poll.lock)
    poll.answered += 1
    poll.misses = 0
    poll.exception = 0
    if poll.setup.kind == POLL_ORDER:
        poll.order_result = 1
    elif poll.setup.kind == POLL_SETPOINT:
        poll.t_due_ns = poll.t_request_ns + poll.setup.refresh_ns
    q.last_unit = poll.setup.unit
    q.t_quiet_ns = p.t_rx_ns
    rest(q, p, PORT_GAP, p.t_rx_ns + poll.setup.gap_ns)


cdef void watch_reply(RtuPort *q, Poll *poll, Port *p, int64_t now_ns) noexcept nogil:
    """A frame ends with 1.5 characters of silence: a longer one must not pass for a right one."""
    cdef int32_t refused = p.rx_count > 1 and p.rx[1] == (poll.setup.function | 0x80)
    cdef int32_t expected = EXCEPTION_BYTES if refused else poll.reply_count
    cdef int32_t verdict
    if p.rx_count < expected and now_ns < q.t_until_ns:
        return
    if p.rx_count == expected and 2 * (now_ns - p.t_rx_ns) < 3 * p.setup.char_ns:
        return
    verdict = judge(poll, p, expected)
    if verdict < 0:
        accept(q, poll, p)
    else:
        fail(q, poll, p, verdict, now_ns)


cdef void watch_silence(Rtu *r, RtuPort *q, Port *p, int64_t now_ns) noexcept nogil:
    """Nothing is out. Late bytes belong to the device that was asked, others to babble or a second master."""
    if p.rx_count:
        if q.state == PORT_QUARANTINE and q.active >= 0:
            r.poll[q.active].errors[<int32_t>RTU_UNSOLICITED] += p.rx_count
        else:
            q.unsolicited += p.rx_count
        p.rx_count = 0
        q.t_quiet_ns = p.t_rx_ns
    if q.state != PORT_IDLE and now_ns >= q.t_until_ns:
        q.state = PORT_IDLE
        q.active = -1


cdef int32_t is_down(Rtu *r, RtuPort *q, Port *p, int64_t now_ns) noexcept nogil:
    """1: no tty. Losing one and taking one both end what was under way and start with silence (BUS-14)."""
    cdef int32_t closed = p.lost or (p.fd < 0 and p.wire_out == NULL)
    if not closed and q.epoch == p.epoch:
        return 0
    if q.state == PORT_SENDING or q.state == PORT_WAITING:
        fail(q, &r.poll[q.active], p, RTU_IO, now_ns)
    q.epoch = p.epoch
    q.active = -1
    rest(q, p, PORT_QUARANTINE, now_ns + q.turnaround_ns_max)
    return closed


cdef void rtu_step(Rtu *r, const Limits *limits, int64_t now_ns, Command *command,
                   Ports *ports) noexcept nogil:
    """Match what came, then ask where the wire is free. sent_kw and t_sent_ns follow the bytes that left."""
    cdef int32_t i
    cdef RtuPort *q
    cdef Port *p
    for i in range(r.port_count):
        q, p = &r.port[i], &ports.port[i]
        if is_down(r, q, p, now_ns):
            continue
        if q.state == PORT_SENDING:
            watch_sending(q, &r.poll[q.active], p, limits, now_ns, command)
        elif q.state == PORT_WAITING:
            watch_reply(q, &r.poll[q.active], p, now_ns)
        else:
            watch_silence(r, q, p, now_ns)
        if q.state == PORT_IDLE:
            start(r, i, limits, now_ns, command, p)

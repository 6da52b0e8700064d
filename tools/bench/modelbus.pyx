"""One bus with its master and a model of its slaves, in virtual time or over a pseudo-terminal; for the benches.

The model numbers every request it hears and puts the number into the words of the reply, so an answer that was
taken for another request is seen for certain. An echo carries no word: there the number of the frame that came
over the wire last tells. Bytes are delivered at the instant at which they end on the wire.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from posix.unistd cimport read, write

from ext.atomic cimport load_i32, store_i32
from ext.clock cimport clock_now_ns, clock_sleep_until
from ext.image cimport BYTE_MAX, Command, Limits, ORDER_MAX, PCS_MAX, PERMIT_SETPOINT, POLL_MAX
from ext.pdu cimport pdu_seal, pdu_word
from ext.poll cimport Poll, POLL_SETPOINT, PollSetup
from ext.port cimport Pipe, pipe_pop, pipe_push, port_init, port_offer, port_step, Ports, PortSetup
from ext.rtu cimport Rtu, rtu_add, rtu_init, rtu_step, rtu_wake_ns


cdef enum:
    REPLIES = 16            # under way at once: late ones and duplicates

cdef int64_t FRAME_NS = 100_000
cdef int64_t SPARE_NS = 10_000      # as in ext.cycle
cdef int64_t LOOK_NS = 20_000
cdef int64_t PARTS = 1_000_000      # shares are given in parts of a million


cdef struct Faults:
    int64_t reply_ns        # usual silence of a slave after it has parsed
    int64_t jitter_ns       # on top, evenly spread
    int64_t late_ns         # longest silence of a late one
    int64_t late_ppm
    int64_t lost_ppm
    int64_t twice_ppm       # the same frame once more, begun within the gap


cdef struct Reply:
    uint8_t bytes[BYTE_MAX]
    int32_t count           # 0: free
    int32_t done
    int64_t t_begin_ns
    uint64_t number


cdef struct Bus:
    Rtu rtu
    Ports ports
    Limits limits
    Command command
    Pipe out
    Pipe back
    Faults faults
    int64_t char_ns
    int64_t gap_ns          # of the slaves: silence that ends a frame
    uint64_t random
    uint64_t number         # of the newest request
    uint8_t heard[BYTE_MAX]
    int32_t heard_count
    int64_t t_free_ns       # end of the newest byte on the wire, whoever sent it
    int64_t t_heard_ns      # end of the request being heard
    uint64_t arrived        # number of the reply whose last byte came last
    Reply reply[REPLIES]
    uint64_t seen[POLL_MAX]     # answers already looked at
    uint64_t stale
    uint64_t early          # requests begun within the gap
    uint64_t late
    uint64_t lost
    uint64_t twice
    int32_t stop


cdef uint64_t draw(Bus *b) noexcept nogil:
    """Xorshift64*."""
    b.random ^= b.random >> 12
    b.random ^= b.random << 25
    b.random ^= b.random >> 27
    return b.random * 2685821657736338717ULL


cdef int64_t upto(Bus *b, int64_t limit) noexcept nogil:
    return <int64_t>(draw(b) % <uint64_t>(limit + 1))


cdef int32_t answer(Bus *b, uint8_t *reply) noexcept nogil:
    """Bytes of the right reply to the request that was heard; a read's words are the request's number."""
    cdef int32_t count, k
    memcpy(reply, b.heard, 6)
    if b.heard[1] > 4:
        pdu_seal(reply, 8)
        return 8
    count = pdu_word(&b.heard[4])
    reply[2] = 2 * count
    for k in range(count):
        reply[3 + 2 * k] = (b.number >> (16 * (k & 1) + 8)) & 0xFF
        reply[4 + 2 * k] = (b.number >> (16 * (k & 1))) & 0xFF
    pdu_seal(reply, 5 + 2 * count)
    return 5 + 2 * count


cdef void put_reply(Bus *b, const uint8_t *bytes, int32_t count, int64_t t_begin_ns) noexcept nogil:
    cdef int32_t i
    for i in range(REPLIES):
        if b.reply[i].count == 0:
            memcpy(b.reply[i].bytes, bytes, count)
            b.reply[i].count = count
            b.reply[i].done = 0
            b.reply[i].t_begin_ns = t_begin_ns
            b.reply[i].number = b.number
            return


cdef void respond(Bus *b) noexcept nogil:
    """The slave has parsed: draw what becomes of its reply."""
    cdef uint8_t reply[BYTE_MAX]
    cdef int32_t count = answer(b, reply)
    cdef Faults *f = &b.faults
    cdef int64_t t_ns = b.t_heard_ns + b.gap_ns + f.reply_ns + upto(b, f.jitter_ns)
    if b.heard[0] == 0 or upto(b, PARTS - 1) < f.lost_ppm:
        b.lost += 1
        return
    if upto(b, PARTS - 1) < f.late_ppm:
        t_ns += upto(b, f.late_ns)
        b.late += 1
    put_reply(b, reply, count, t_ns)
    if upto(b, PARTS - 1) < f.twice_ppm:
        put_reply(b, reply, count, t_ns + count * b.char_ns + upto(b, b.gap_ns - 1))
        b.twice += 1


cdef void hear(Bus *b, const uint8_t *bytes, int32_t count, int64_t now_ns) noexcept nogil:
    """The master begins to send now. A whole request is written at once."""
    if b.heard_count == 0:
        b.early += now_ns < b.t_free_ns + b.gap_ns
        b.t_heard_ns = now_ns
        b.number += 1
    memcpy(&b.heard[b.heard_count], bytes, min(count, BYTE_MAX - b.heard_count))
    b.heard_count = min(b.heard_count + count, <int32_t>BYTE_MAX)
    b.t_heard_ns = max(b.t_heard_ns, now_ns) + count * b.char_ns
    b.t_free_ns = max(b.t_free_ns, b.t_heard_ns)


cdef int32_t deliver(Bus *b, int64_t now_ns, uint8_t *bytes) noexcept nogil:
    """Bytes that have ended on the wire up to now, one frame at a time."""
    cdef Reply *r
    cdef int32_t i, count = 0
    cdef int64_t t_end_ns
    if b.heard_count and b.t_heard_ns + b.gap_ns <= now_ns:
        respond(b)
        b.heard_count = 0
    for i in range(REPLIES):
        r = &b.reply[i]
        if r.count == 0:
            continue
        t_end_ns = r.t_begin_ns + (r.done + 1) * b.char_ns
        while r.done < r.count and t_end_ns <= now_ns and count < BYTE_MAX:
            bytes[count] = r.bytes[r.done]
            count += 1
            r.done += 1
            b.t_free_ns = max(b.t_free_ns, t_end_ns)
            t_end_ns += b.char_ns
        if r.done == r.count:
            b.arrived = r.number
            r.count = 0
    return count


cdef void inspect(Bus *b) noexcept nogil:
    """Every answer that was taken in this frame: is it the one to the newest request?"""
    cdef Poll *p
    cdef int32_t i, wrong
    for i in range(b.rtu.poll_count):
        p = &b.rtu.poll[i]
        if p.answered == b.seen[i]:
            continue
        b.seen[i] = p.answered
        wrong = b.arrived != b.number
        if p.shape.word_count > 1:
            wrong |= (p.words[0] | <uint32_t>p.words[1] << 16) != <uint32_t>b.number
        b.stale += wrong


cdef void new_setpoints(Bus *b, int64_t frame) noexcept nogil:
    cdef int32_t i
    for i in range(PCS_MAX):
        b.command.setpoint_kw[i] = 1 + (frame * 7 + i) % 29_989


cdef uint64_t asked(const Bus *b) noexcept nogil:
    cdef uint64_t total = 0
    cdef int32_t i
    for i in range(b.rtu.poll_count):
        total += b.rtu.poll[i].asked
    return total


cdef class ModelBus:
    """A master with its poll table on one port, and slaves that answer as the faults say.

    polls: dicts of PollSetup. faults: of Faults. char_ns, gap_ns: of the wire and of its slaves. seed: not 0.
    """
    cdef Bus *bus
    cdef int64_t t_ns

    def __cinit__(self):
        self.bus = <Bus *>calloc(1, sizeof(Bus))
        if self.bus == NULL:
            raise MemoryError("no memory for the bus")

    def __dealloc__(self):
        free(self.bus)

    def __init__(self, list polls, dict faults, int64_t char_ns, int64_t gap_ns, uint64_t seed):
        cdef PortSetup port = {"char_ns": char_ns, "echo": 0}
        cdef PollSetup poll
        cdef Bus *b = self.bus
        b.faults = faults
        b.char_ns, b.gap_ns, b.random = char_ns, gap_ns, seed
        b.t_free_ns = -gap_ns
        rtu_init(&b.rtu, 1)
        b.ports.count = 1
        port_init(&b.ports.port[0], &port)
        b.ports.port[0].wire_out = &b.out
        b.ports.port[0].wire_in = &b.back
        for row in polls:
            poll = row
            if rtu_add(&b.rtu, &poll) < 0:
                raise ValueError(f"poll refused: {row}")
        b.limits.permit = PERMIT_SETPOINT
        b.limits.valid_until_ns = 0x7FFFFFFFFFFFFFFF
        for i in range(PCS_MAX):
            b.limits.discharge_kw_max[<int>i] = 30_000
        for i in range(ORDER_MAX):
            b.limits.orders[<int>i].poll = -1

    cdef void frame(self) noexcept nogil:
        """One frame of virtual time, and the instants in it at which the wire becomes free."""
        cdef Bus *b = self.bus
        cdef int64_t due_ns = self.t_ns + FRAME_NS
        new_setpoints(b, self.t_ns // FRAME_NS)
        while self.t_ns < due_ns:
            self.look()
            self.t_ns = min(due_ns, rtu_wake_ns(&b.rtu, &b.ports, self.t_ns))

    cdef void look(self) noexcept nogil:
        """The wire up to now, then the master."""
        cdef Bus *b = self.bus
        cdef uint8_t bytes[BYTE_MAX]
        cdef int32_t count = deliver(b, self.t_ns, bytes)
        pipe_push(&b.back, bytes, count)
        rtu_step(&b.rtu, &b.limits, self.t_ns, &b.command, &b.ports)
        inspect(b)
        port_step(&b.ports, self.t_ns)
        count = pipe_pop(&b.out, bytes, BYTE_MAX)
        if count:
            hear(b, bytes, count, self.t_ns)

    def run(self, uint64_t transactions):
        """Virtual time until that many requests have been sent."""
        with nogil:
            while asked(self.bus) < transactions:
                self.frame()

    def run_for(self, double seconds):
        """Virtual time for that long."""
        cdef int64_t end_ns = self.t_ns + <int64_t>(seconds * 1e9)
        with nogil:
            while self.t_ns < end_ns:
                self.frame()

    def told(self):
        """Counts so far; setpoints: confirmed writes; answered and errors are sums over all polls."""
        cdef Bus *b = self.bus
        cdef Poll *p
        cdef int i
        told = {"requests": b.number, "stale": b.stale, "early": b.early, "late": b.late, "lost": b.lost,
                "twice": b.twice, "virtual_s": self.t_ns * 1e-9, "unsolicited": b.rtu.port[0].unsolicited,
                "answered": 0, "setpoints": 0, "timeouts": 0, "mismatches": 0, "drained": 0}  # fmt: skip
        for i in range(b.rtu.poll_count):
            p = &b.rtu.poll[i]
            told["answered"] += p.answered
            told["setpoints"] += p.answered if p.setup.kind == POLL_SETPOINT else 0
            told["timeouts"] += p.errors[0]
            told["mismatches"] += p.errors[1] + p.errors[2] + p.errors[3] + p.errors[4] + p.errors[5]
            told["drained"] += p.errors[7]
        return told

    def drive(self, int fd, double seconds, int64_t frame_ns=FRAME_NS):
        """The master alone in real time on a non-blocking tty: absolute deadlines, late frames left out."""
        cdef Bus *b = self.bus
        cdef int64_t due_ns = clock_now_ns(), now_ns, wake_ns, end_ns = due_ns + <int64_t>(seconds * 1e9)
        b.ports.port[0].wire_out = b.ports.port[0].wire_in = NULL
        port_offer(&b.ports.port[0], fd)
        with nogil:
            while due_ns < end_ns:
                clock_sleep_until(due_ns)
                now_ns = clock_now_ns()
                due_ns += frame_ns * (1 + max(0, now_ns - due_ns) // frame_ns)
                new_setpoints(b, now_ns // FRAME_NS)
                wake_ns = now_ns
                while wake_ns < due_ns - SPARE_NS:
                    clock_sleep_until(wake_ns)
                    now_ns = clock_now_ns()
                    rtu_step(&b.rtu, &b.limits, now_ns, &b.command, &b.ports)
                    port_step(&b.ports, now_ns)
                    wake_ns = rtu_wake_ns(&b.rtu, &b.ports, now_ns)

    def serve(self, int fd, ModelBus master):
        """The wire and its slaves alone in real time on the other side, until stop(); looks every 20 us.

        A request is on the wire from the instant at which the master wrote it: what the pseudo-terminal needs to
        hand it over is no part of the wire."""
        cdef Bus *b = self.bus
        cdef uint8_t bytes[BYTE_MAX]
        cdef int32_t count
        cdef int64_t now_ns
        with nogil:
            while not load_i32(&b.stop):
                count = <int32_t>read(fd, bytes, BYTE_MAX)
                now_ns = clock_now_ns()
                if count > 0:
                    hear(b, bytes, count, master.bus.ports.port[0].t_tx_ns)
                count = deliver(b, now_ns, bytes)
                if count:
                    write(fd, bytes, count)
                clock_sleep_until(now_ns + LOOK_NS)

    def stop(self):
        """End serve()."""
        store_i32(&self.bus.stop, 1)

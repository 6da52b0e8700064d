"""Drives single stages of the frame from Python, for unit tests and benches; no part of the product."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from ext.clock cimport clock_now_ns, clock_sleep_until
from ext.follow cimport (
    Follow,
    FollowLead,
    FollowSetup,
    follow_after_kw,
    follow_init,
    follow_lead,
    follow_look,
    follow_step,
    lead_init,
)
from ext.guard cimport Guard, guard_add, guard_init, guard_step, GuardRule, GuardSetup
from ext.image cimport Command, Limits, PCS_MAX, PORT_MAX
from ext.mailbox cimport Mailbox, mailbox_bar, mailbox_init, mailbox_post, mailbox_take
from ext.port cimport (
    Pipe, PIPE_BYTES, pipe_pop, pipe_push, Port, port_init, port_offer, port_step, port_take, Ports, PortSetup,
)
from ext.pdu cimport rtu_crc
from ext.poll cimport Poll, poll_trip_us, PollSetup, TRIP_BINS
from ext.rtu cimport Rtu, rtu_add, rtu_init, RtuPort, rtu_reads_by, rtu_step, rtu_wake_ns


def now_ns():
    """CLOCK_MONOTONIC in ns."""
    return clock_now_ns()


def sleep_until(int64_t t_ns):
    """Sleep until CLOCK_MONOTONIC shows t_ns."""
    with nogil:
        clock_sleep_until(t_ns)


def crc(bytes frame):
    """CRC-16/MODBUS of a frame."""
    cdef const uint8_t *data = frame
    return rtu_crc(data, <int32_t>len(frame))


def after_kw(dict setup, double[::1] sent_kw, double told_kw, double wait_s, double end_s):
    """What ext.follow expects of a converter end_s from now, when told_kw leaves in wait_s. setup: of FollowSetup;
    sent_kw (n): what has been sent so far, one a frame of 0.1 ms."""
    cdef FollowSetup shape = setup
    cdef FollowLead lead
    cdef Follow follow
    cdef double kw
    lead_init(&lead, &shape)
    follow_init(&follow, &shape, &lead, 1e-4)
    follow_look(&follow, end_s)
    for kw in sent_kw:
        follow_step(&follow, kw, 1e-4)
    return follow_after_kw(&follow, sent_kw[sent_kw.shape[0] - 1], told_kw, wait_s)


def lead_kw(dict setup, double[::1] sent_kw, double wanted_kw):
    """Command of ext.follow for wanted_kw, and power and internal setpoint of the model behind it, in kW; as above."""
    cdef FollowSetup shape = setup
    cdef FollowLead lead
    cdef Follow follow
    cdef double kw
    lead_init(&lead, &shape)
    follow_init(&follow, &shape, &lead, 1e-4)
    for kw in sent_kw:
        follow_step(&follow, kw, 1e-4)
    return follow_lead(&follow, wanted_kw), follow.model_kw, follow.slew_kw


cdef struct Bus:
    Rtu rtu
    Guard guard
    Ports ports
    Limits limits
    Command command
    Pipe out[PORT_MAX]
    Pipe back[PORT_MAX]


cdef class BusBench:
    """rtu, guard and port on simulated wires. The guard runs only where `rules` are given.

    ports, polls, rules: dicts with the fields of PortSetup, PollSetup, GuardRule; guard: of GuardSetup.
    """
    cdef Bus *bus

    def __cinit__(self):
        self.bus = <Bus *>calloc(1, sizeof(Bus))
        if self.bus == NULL:
            raise MemoryError("no memory for the bus")

    def __dealloc__(self):
        free(self.bus)

    def __init__(self, list ports, list polls, list rules=None, dict guard=None):
        cdef PortSetup port
        cdef GuardSetup setup
        rtu_init(&self.bus.rtu, len(ports))
        self.bus.ports.count = len(ports)
        for i, row in enumerate(ports):
            port = row
            port_init(&self.bus.ports.port[<int>i], &port)
            self.wire(i)
        for row in polls:
            self.add_poll(row)
        setup = guard or {"rise_kw_per_s_max": 0.0, "lapse_ns_max": 600_000_000}
        guard_init(&self.bus.guard, &setup)
        for row in rules or []:
            self.add_rule(row)

    def wire(self, int i):
        """Connect a port to its pair of pipes."""
        self.bus.ports.port[i].wire_out = &self.bus.out[i]
        self.bus.ports.port[i].wire_in = &self.bus.back[i]

    def unwire(self, int i):
        """Leave a port to the tty it is offered."""
        self.bus.ports.port[i].wire_out = NULL
        self.bus.ports.port[i].wire_in = NULL

    def add_poll(self, dict row):
        """Index of the poll; raises ValueError where rtu_add refuses."""
        cdef PollSetup poll = row
        index = rtu_add(&self.bus.rtu, &poll)
        if index < 0:
            raise ValueError(f"poll refused: {row}")
        return index

    def add_rule(self, dict row):
        """Index of the rule; raises ValueError where guard_add refuses."""
        cdef GuardRule rule = row
        index = guard_add(&self.bus.guard, &rule)
        if index < 0:
            raise ValueError(f"rule refused: {row}")
        return index

    def reads_by(self, int64_t t_ns, dict limits, list setpoint_kw=None):
        """Whether a read goes by then on every wire with setpoints."""
        cdef Limits present = limits
        for i, kw in enumerate(setpoint_kw or []):
            self.bus.command.setpoint_kw[<int>i] = kw
        return bool(rtu_reads_by(&self.bus.rtu, &present, &self.bus.command, t_ns))

    def expect(self, int64_t from_ns, int64_t until_ns):
        """From now on an edge of the load is expected then."""
        self.bus.command.edge_from_ns = from_ns
        self.bus.command.edge_until_ns = until_ns

    def wake_ns(self, int64_t t_ns):
        """The instant after t_ns at which a wire becomes free or a reply is whole; None: a frame will tell."""
        wake_ns = rtu_wake_ns(&self.bus.rtu, &self.bus.ports, t_ns)
        return None if wake_ns == 0x7FFFFFFFFFFFFFFF else wake_ns

    def step(self, int64_t t_ns, dict limits, list setpoint_kw=None, bytes late=b""):
        """One frame of rtu, guard, port. late: bytes that reach port 0 between its read and its write."""
        cdef const uint8_t *raw = late
        cdef Limits present = limits
        for i, kw in enumerate(setpoint_kw or []):
            self.bus.command.setpoint_kw[<int>i] = kw
        with nogil:
            rtu_step(&self.bus.rtu, &present, t_ns, &self.bus.command, &self.bus.ports)
            if self.bus.guard.rule_count:
                guard_step(&self.bus.guard, &present, t_ns, &self.bus.rtu, &self.bus.ports)
        pipe_push(&self.bus.back[0], raw, len(late))
        port_step(&self.bus.ports, t_ns)

    def frame_ns(self, int64_t t_ns, dict limits, int count):
        """Mean time of a frame of rtu, guard and port, over count frames at one instant."""
        cdef Limits present = limits
        cdef int64_t began_ns = clock_now_ns()
        cdef int _k
        with nogil:
            for _k in range(count):
                rtu_step(&self.bus.rtu, &present, t_ns, &self.bus.command, &self.bus.ports)
                guard_step(&self.bus.guard, &present, t_ns, &self.bus.rtu, &self.bus.ports)
                port_step(&self.bus.ports, t_ns)
        return (clock_now_ns() - began_ns) / count

    def feed(self, int i, bytes data):
        """Bytes arrive from the wire."""
        cdef const uint8_t *raw = data
        pipe_push(&self.bus.back[i], raw, len(data))

    def take(self, int i):
        """Bytes that left on the wire."""
        cdef uint8_t raw[PIPE_BYTES]
        count = pipe_pop(&self.bus.out[i], raw, PIPE_BYTES)
        return (<const char *>raw)[:count]

    def fill(self, int i, int room=0):
        """Stop the wire: it takes `room` bytes and no more until take()."""
        cdef uint8_t *spare = self.bus.back[i].bytes
        pipe_push(&self.bus.out[i], spare, PIPE_BYTES - room)

    def judge(self, int i, int64_t t_ns, dict limits, bytes frame):
        """What the guard makes of a frame about to leave; b"" where it is dropped."""
        cdef Limits present = limits
        cdef Port *p = &self.bus.ports.port[i]
        memcpy(p.tx, <const char *>frame, len(frame))
        p.tx_count = <int32_t>len(frame)
        p.tx_done = 0
        guard_step(&self.bus.guard, &present, t_ns, &self.bus.rtu, &self.bus.ports)
        left = (<const char *>p.tx)[:p.tx_count]
        p.tx_count = 0
        return left

    def set_words(self, int i, int64_t t_ok_ns, list words):
        """Pretend that a poll was answered."""
        self.bus.rtu.poll[i].t_ok_ns = t_ok_ns
        for k, word in enumerate(words):
            self.bus.rtu.poll[i].words[<int>k] = word

    def poll(self, int i):
        """State and counters of one poll."""
        cdef Poll *p = &self.bus.rtu.poll[i]
        cdef int k
        return {
            "request": bytes([p.request[k] for k in range(p.shape.request_count)]),
            "words": [p.words[k] for k in range(p.shape.word_count)],
            "t_ok_ns": p.t_ok_ns, "t_request_ns": p.t_request_ns, "t_due_ns": p.t_due_ns,
            "asked": p.asked, "answered": p.answered, "errors": list(p.errors), "exception": p.exception,
            "misses": p.misses, "order_done": p.order_done, "order_result": p.order_result,
            "round_trip_ns": p.round_trip_ns, "raw": p.raw[0], "raws": list(p.raw), "lock": p.lock, "tries": p.tries,
            "trips": {poll_trip_us(k): p.trips[k] for k in range(TRIP_BINS) if p.trips[k]},
        }  # fmt: skip

    def port(self, int i):
        """State and counters of one port, its line and its master."""
        cdef RtuPort *q = &self.bus.rtu.port[i]
        p = &self.bus.ports.port[i]
        return {
            "state": q.state, "active": q.active, "unsolicited": q.unsolicited, "t_sent_ns": q.t_sent_ns,
            "t_until_ns": q.t_until_ns, "fd": p.fd, "lost": p.lost, "epoch": p.epoch,
            "bytes_out": p.bytes_out, "bytes_in": p.bytes_in, "io_errors": p.io_errors,
        }  # fmt: skip

    def offer(self, int i, int fd):
        """Hand over a tty, or -2."""
        port_offer(&self.bus.ports.port[i], fd)

    def guard(self):
        """Counters of the guard."""
        cdef Guard *g = &self.bus.guard
        return {"passed": g.passed, "blocked": g.blocked, "blocked_setpoint": g.blocked_setpoint,
                "blocked_order": g.blocked_order, "blocked_unknown": g.blocked_unknown, "reason": g.reason}

    def sent(self):
        """sent_kw and t_sent_ns of all converters."""
        return list(self.bus.command.sent_kw), list(self.bus.command.t_sent_ns)


cdef class PortBench:
    """One port on a real tty."""
    cdef Ports ports

    def __init__(self, dict setup):
        cdef PortSetup port = setup
        self.ports.count = 1
        port_init(&self.ports.port[0], &port)

    def offer(self, int fd):
        """Hand over a tty, or -2."""
        port_offer(&self.ports.port[0], fd)

    def send(self, bytes data):
        """Put a whole request into tx."""
        memcpy(self.ports.port[0].tx, <const char *>data, len(data))
        self.ports.port[0].tx_count = <int32_t>len(data)
        self.ports.port[0].tx_done = 0

    def step(self, int64_t t_ns):
        """One frame."""
        with nogil:
            port_take(&self.ports.port[0])
            port_step(&self.ports, t_ns)

    def received(self):
        """Take what stands in rx."""
        cdef Port *p = &self.ports.port[0]
        data = (<const char *>p.rx)[:p.rx_count]
        p.rx_count = 0
        return data

    def state(self):
        """Fields of the port."""
        cdef Port *p = &self.ports.port[0]
        return {
            "fd": p.fd, "lost": p.lost, "epoch": p.epoch, "tx_done": p.tx_done, "tx_count": p.tx_count,
            "bytes_in": p.bytes_in, "bytes_out": p.bytes_out, "io_errors": p.io_errors, "t_rx_ns": p.t_rx_ns,
        }  # fmt: skip


cdef class MailboxBench:
    """A mailbox and the limits it keeps in force."""
    cdef Mailbox mailbox
    cdef Limits limits

    def __init__(self):
        mailbox_init(&self.mailbox)

    def post(self, dict limits):
        """The supervisor's side."""
        cdef Limits posted = limits
        mailbox_post(&self.mailbox, &posted)

    def hold(self):
        """The writer stops in the middle of a post, or goes on."""
        self.mailbox.lock += 1

    def take(self, int64_t t_ns):
        """The frame's side: the limits in force."""
        with nogil:
            mailbox_take(&self.mailbox, t_ns, &self.limits)
        return self.limits

    def state(self):
        """Counters."""
        return {"torn": self.mailbox.torn, "refused": self.mailbox.refused, "lapses": self.mailbox.lapses,
                "live": self.mailbox.live}

    def post_numbers(self, dict limits, int64_t count):
        """Post leases 1 to count, each limit equal to its sequence; without the GIL."""
        cdef Limits x = limits
        cdef int64_t number
        cdef int k
        with nogil:
            for number in range(1, count + 1):
                x.sequence = <uint64_t>number
                x.import_kw_max = number
                for k in range(PCS_MAX):
                    x.discharge_kw_max[k] = number
                    x.charge_kw_max[k] = number
                mailbox_post(&self.mailbox, &x)

    def mixed_copies(self, int64_t t_ns, int64_t count):
        """Takes whose discharge, charge and import limits differ; without the GIL, beside a writer."""
        cdef int64_t mixed = 0, _k
        cdef Limits *x = &self.limits
        with nogil:
            for _k in range(count):
                mailbox_take(&self.mailbox, t_ns, x)
                if x.discharge_kw_max[0] != x.import_kw_max or x.charge_kw_max[7] != x.import_kw_max:
                    mixed += 1
        return mixed

    def bar(self, int bar):
        """The frame's own refusal: Bar."""
        mailbox_bar(&self.mailbox, bar)

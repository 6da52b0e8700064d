"""A strict Modbus RTU master: one state machine a port, polled by the frame, never waiting."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from ext.image cimport Command, Limits, POLL_MAX, PORT_MAX
from ext.poll cimport Poll, poll_earliest_ns, POLL_READ, poll_read_ns, POLL_SETPOINT, poll_setpoint_far, PollSetup
from ext.port cimport Ports
from ext.trail cimport Trail


cdef enum PortState:
    PORT_IDLE = 0
    PORT_SENDING = 1        # request on the wire
    PORT_WAITING = 2        # for the reply
    PORT_GAP = 3            # silence after a reply or a broadcast
    PORT_QUARANTINE = 4     # after an error: drain until the latest possible reply


cdef struct Device:         # one unit of one port
    int32_t port
    int32_t unit
    int32_t silences        # timeouts since its last sign of life
    int64_t t_back_ns       # of a unit that is silent: not asked before


cdef struct RtuPort:
    int32_t state           # PortState
    int32_t active          # poll under way, -1: none
    int32_t device_count
    int32_t poll_count
    int32_t poll[POLL_MAX]  # its polls, as in the table
    int32_t has_setpoints
    int32_t last_unit
    int32_t shun_last       # 1: after an error, another unit goes first where there is one
    int32_t late_left       # after an error: bytes that may still be the reply to what was asked
    int32_t setpoint_turn   # 1: a setpoint went last, so a due read goes first
    int64_t t_sent_ns       # last byte of the request leaves
    int64_t t_until_ns      # of the present state
    int64_t t_quiet_ns      # since when the line is silent
    int64_t turnaround_ns_max   # of all devices of the port
    int64_t gap_ns_min          # of all requests of the port
    int64_t early_ns_max        # of all reads of the port
    int64_t t_read_ns       # no read is due before
    int64_t t_early_ns      # nor may one stand for its period before
    int64_t t_yielded_ns    # from then on a read that waits goes before setpoints that are far, too
    int64_t t_taken_ns      # since when it has its present tty, 0: it has none
    int32_t closed          # 1: it has no tty, and that is known
    uint32_t epoch
    uint64_t unsolicited    # bytes when no request was out (F84, F30)


cdef struct Rtu:
    int32_t poll_count
    Poll poll[POLL_MAX]
    int32_t device_count
    Device device[POLL_MAX]
    int32_t port_count
    RtuPort port[PORT_MAX]
    int32_t started         # 1: the reads have got their first deadlines
    Trail trail             # of the setpoints that left


cdef void rtu_init(Rtu *r, int32_t port_count) noexcept nogil
cdef int32_t rtu_add(Rtu *r, const PollSetup *setup) noexcept nogil
cdef void rtu_step(Rtu *r, const Limits *limits, int64_t now_ns, Command *command,
                   Ports *ports) noexcept nogil
cdef inline void note_read(RtuPort *q, const Poll *poll, int64_t back_ns) noexcept nogil:
    """When this one may be sent at the earliest, and when it no longer lets setpoints go first."""
    q.t_read_ns = min(q.t_read_ns, max(poll_read_ns(poll), back_ns))
    q.t_early_ns = min(q.t_early_ns, max(poll_earliest_ns(poll), back_ns))
    q.t_yielded_ns = min(q.t_yielded_ns, max(poll_read_ns(poll) + poll.setup.yield_ns, back_ns))


cdef inline void note_reads(const Rtu *r, RtuPort *q) noexcept nogil:
    """The same of all; a unit that is mute rests."""
    cdef const Poll *poll
    cdef int32_t k
    q.t_read_ns = q.t_early_ns = q.t_yielded_ns = 0x7FFFFFFFFFFFFFFF
    for k in range(q.poll_count):
        poll = &r.poll[q.poll[k]]
        if poll.setup.kind == POLL_READ:
            note_read(q, poll, r.device[poll.device].t_back_ns)


cdef inline int32_t read_near(const RtuPort *q, const Command *command, int64_t now_ns) noexcept nogil:
    """1: a read may be due, or go before an edge that is expected."""
    return now_ns >= q.t_read_ns or q.t_early_ns <= now_ns < command.edge_from_ns <= now_ns + q.early_ns_max


cdef inline int32_t moves_far(const Rtu *r, const RtuPort *q, const Limits *limits,
                              const Command *command) noexcept nogil:
    """1: one of the setpoints of a port is far from what is on the wire."""
    cdef const Poll *poll
    cdef int32_t k
    for k in range(q.poll_count):
        poll = &r.poll[q.poll[k]]
        if poll.setup.kind == POLL_SETPOINT and poll_setpoint_far(poll, limits, command):
            return 1
    return 0


cdef inline int32_t rtu_reads_by(const Rtu *r, const Limits *limits, const Command *command,
                                 int64_t t_ns) noexcept nogil:
    """1: on every wire with setpoints a read goes by then, if the command is what it was a frame ago, so the one that
    leaves before it holds longer."""
    cdef int32_t i, some = 0
    cdef const RtuPort *q
    for i in range(r.port_count):
        q = &r.port[i]
        if not q.has_setpoints:
            continue
        if q.t_read_ns > t_ns or q.t_yielded_ns > t_ns and (
                command.edge_from_ns <= t_ns < command.edge_until_ns or moves_far(r, q, limits, command)):
            return 0
        some = 1
    return some


cdef int64_t rtu_wake_ns(const Rtu *r, const Ports *ports, int64_t now_ns) noexcept nogil

"""One line of the poll table: when it is due, what it puts into its request, what it keeps of a reply."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from ext.image cimport BYTE_MAX, Command, ERROR_MAX, Limits, Order, PCS_MAX, WORD_MAX
from ext.pdu cimport Shape
from ext.port cimport Port


cdef enum:
    TRIP_BINS = 60          # of the round-trip histogram: four an octave from 64 us, the last holds the rest


cdef enum PollKind:
    POLL_READ = 0           # every period_ns
    POLL_SETPOINT = 1       # whenever the wire is free and the value is new, or refresh_ns has passed
    POLL_ORDER = 2          # once for each new order


cdef struct PollSetup:
    int32_t port
    int32_t kind            # PollKind
    int32_t unit            # Modbus address; of a write also 0: broadcast
    int32_t function        # 1 to 4: read; 5, 6, 15, 16, 22, 23: order; 6, 16, 23: setpoint
    int32_t address         # first register or coil, as on the wire; of 23: first that is written
    int32_t count           # registers; coils of 1, 2, 5 and 15; of 22 its two masks
    int32_t read_address    # of 23
    int32_t read_count
    int32_t pcs             # converter of a setpoint, the first one of a group, else -1
    int32_t pcs_count       # converters of a setpoint: a block has a value for each, one value goes to all
    int32_t value_words     # registers of one value of a setpoint, 1 or 2; 0: count
    int64_t period_ns       # of a read
    int64_t phase_ns        # of a read: its first deadline is that long after the start
    int64_t early_ns        # of a read: so much before the grid of its periods it comes at most, at random
    int64_t yield_ns        # of a read: so long after its deadline it lets setpoints go first that are far
    int64_t refresh_ns      # longest time between two setpoint writes
    int64_t timeout_ns      # request sent to reply complete
    int64_t turnaround_ns   # request sent to the latest answer; after a broadcast: the silence it needs
    int64_t gap_ns          # silence between frames
    int32_t far_counts      # of a setpoint: one that moves more than this is far, 0: each is
    double counts_per_kw    # of a setpoint; sign turns a device that counts charge positive
    int32_t low_word_first  # of a two-register setpoint
    int32_t status_poll     # poll that tells the run state of a setpoint's converter, else -1
    int32_t lease_only      # 1: a read that feeds the device's watchdog, silent without a lease (BUS-13)
    int32_t canary_word     # index of a word that must hold canary_value in every reply, -1: none
    int32_t canary_value


cdef struct Poll:
    PollSetup setup
    Shape shape             # of the request and its right reply
    int32_t device          # index into Rtu.device
    uint8_t request[BYTE_MAX]
    int64_t t_due_ns        # of a read, or of a setpoint's refresh
    int64_t early_ns        # of a read: so much t_due_ns lies before the grid of its periods
    uint32_t dice           # for the next of it
    int64_t t_retry_ns      # of a read that met a busy device or a wrong reply, 0: none
    int64_t t_request_ns    # first byte of the last request
    int64_t t_ok_ns         # last right reply, 0: never
    uint32_t lock           # odd while t_ok_ns, words or round_trip_ns change
    uint16_t words[WORD_MAX]    # of the last right reply
    int32_t alike           # right replies in a row, before the last, with its very words
    uint64_t asked
    uint64_t answered
    uint64_t errors[ERROR_MAX]
    int32_t exception       # last exception code, 0: none
    int32_t misses          # errors since the last right reply
    int32_t tries           # reads in a row that are tried again soon
    uint32_t order_done     # sequence of the last order that was sent
    int32_t order_result    # of it: 0 under way, 1 confirmed, 2 broadcast, -1 refused or unanswered
    int64_t round_trip_ns   # last request's first byte to reply complete
    uint32_t trips[TRIP_BINS]   # round trips of all right replies (F80)
    int32_t raw[PCS_MAX]    # setpoint last put on the wire, in counts, one a converter
    int32_t zeros_left      # of a broadcast setpoint: times that zero is still repeated


cdef int32_t poll_make(Poll *poll, const PollSetup *setup, int32_t port_count) noexcept nogil
cdef int32_t poll_setpoint_far(const Poll *poll, const Limits *limits, const Command *command) noexcept nogil
cdef int32_t poll_setpoint_due(const Poll *poll, const Limits *limits, const Command *command,
                               int64_t now_ns) noexcept nogil
cdef void poll_put_setpoint(Poll *poll, const Limits *limits, const Command *command) noexcept nogil
cdef void poll_note_setpoint(Poll *poll, const Port *p, Command *command) noexcept nogil
cdef const Order *poll_new_order(const Poll *poll, int32_t index, const Limits *limits) noexcept nogil
cdef void poll_put_order(Poll *poll, const Order *order) noexcept nogil
cdef int64_t poll_read_ns(const Poll *poll) noexcept nogil
cdef int32_t poll_read_due(const Poll *poll, const Command *command, int64_t now_ns) noexcept nogil
cdef void poll_plan_read(Poll *poll, int64_t now_ns) noexcept nogil
cdef void poll_again(Poll *poll, int64_t now_ns) noexcept nogil
cdef int32_t poll_canary_holds(const Poll *poll, const Port *p) noexcept nogil
cdef void poll_count_trip(Poll *poll) noexcept nogil
cdef int64_t poll_trip_us(int32_t bin) noexcept nogil


cdef inline int64_t poll_earliest_ns(const Poll *poll) noexcept nogil:
    """From when on a read may stand for its period."""
    return poll.t_due_ns + poll.early_ns - poll.setup.early_ns

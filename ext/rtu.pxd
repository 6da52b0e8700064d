"""A strict Modbus RTU master: one state machine a port, polled by the frame, never waiting."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from ext.image cimport BYTE_MAX, Command, ERROR_MAX, Limits, POLL_MAX, PORT_MAX, WORD_MAX
from ext.port cimport Ports


cdef enum PollKind:
    POLL_READ = 0           # every period_ns
    POLL_SETPOINT = 1       # whenever the wire is free and the value is new, or refresh_ns has passed
    POLL_ORDER = 2          # once for each new order


cdef enum PortState:
    PORT_IDLE = 0
    PORT_SENDING = 1        # request on the wire
    PORT_WAITING = 2        # for the reply
    PORT_GAP = 3            # silence after a reply
    PORT_QUARANTINE = 4     # after an error: drain until the latest possible reply


cdef struct PollSetup:
    int32_t port
    int32_t kind            # PollKind
    int32_t unit            # Modbus address
    int32_t function        # 3, 4: read; 6, 16: write
    int32_t address         # first register, as on the wire
    int32_t count           # registers
    int32_t pcs             # converter of a setpoint, else -1
    int64_t period_ns       # of a read
    int64_t refresh_ns      # longest time between two setpoint writes
    int64_t timeout_ns      # request sent to reply complete
    int64_t turnaround_ns   # latest instant after the request at which the device may still answer
    int64_t gap_ns          # silence between frames
    double counts_per_kw    # of a setpoint; sign turns a device that counts charge positive
    int32_t low_word_first  # of a two-register setpoint
    int32_t status_poll     # poll that tells the run state of a setpoint's converter, else -1


cdef struct Poll:
    PollSetup setup
    uint8_t request[BYTE_MAX]
    int32_t request_count
    int32_t reply_count     # bytes of a right reply
    int64_t t_due_ns        # of a read, or of a setpoint's refresh
    int64_t t_request_ns    # first byte of the last request
    int64_t t_ok_ns         # last right reply, 0: never
    uint32_t lock           # odd while t_ok_ns, words or round_trip_ns change
    uint16_t words[WORD_MAX]    # of the last right reply
    uint64_t asked
    uint64_t answered
    uint64_t errors[ERROR_MAX]
    int32_t exception       # last exception code, 0: none
    int32_t misses          # errors since the last right reply
    uint32_t order_done     # sequence of the last order that was sent
    int32_t order_result    # of it: 0 under way, 1 confirmed, -1 refused or unanswered
    int64_t round_trip_ns   # last request's first byte to reply complete
    int32_t raw             # setpoint last put on the wire, in counts


cdef struct RtuPort:
    int32_t state           # PortState
    int32_t active          # poll under way, -1: none
    int32_t last_unit
    int32_t shun_last       # 1: after an error, another unit goes first where there is one
    int32_t setpoint_turn   # 1: a setpoint went last, so a due read goes first
    int64_t t_sent_ns       # last byte of the request leaves
    int64_t t_until_ns      # of the present state
    int64_t t_quiet_ns      # since when the line is silent
    int64_t turnaround_ns_max   # of all devices of the port
    uint32_t epoch
    uint64_t unsolicited    # bytes when no request was out (F84, F30)


cdef struct Rtu:
    int32_t poll_count
    Poll poll[POLL_MAX]
    int32_t port_count
    RtuPort port[PORT_MAX]


cdef uint16_t rtu_crc(const uint8_t *bytes, int32_t count) noexcept nogil
cdef void rtu_init(Rtu *r, int32_t port_count) noexcept nogil
cdef int32_t rtu_add(Rtu *r, const PollSetup *setup) noexcept nogil
cdef void rtu_step(Rtu *r, const Limits *limits, int64_t now_ns, Command *command,
                   Ports *ports) noexcept nogil

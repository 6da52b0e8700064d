"""A converter: dead time, slew, lag, rating, run states, its own communication watchdog."""
from libc.stdint cimport int32_t, int64_t


cdef enum:
    QUEUE_MAX = 32          # setpoints parsed and still inside the dead time


cdef enum RunState:         # index of the names in registers.STATES
    STATE_OFF = 0
    STATE_STANDBY = 1
    STATE_STARTING = 2
    STATE_RUNNING = 3
    STATE_FAULT = 4
    STATE_COUNT = 5


cdef enum OrderKind:        # index of the names in registers.ORDER_KINDS
    ORDER_START = 0
    ORDER_STOP = 1
    ORDER_CLEAR = 2
    ORDER_ARM = 3
    ORDER_FORM = 4
    ORDER_FOLLOW = 5
    ORDER_AUTO = 6
    ORDER_GRID = 7          # of a switch: its positions
    ORDER_GENSET = 8
    ORDER_OPEN = 9


cdef enum Feed:             # bits: what restarts the watchdog
    FEED_WRITE = 1
    FEED_READ = 2


cdef enum Action:           # of an expired watchdog; index of the names in registers.ACTIONS
    ACTION_STOP = 0
    ACTION_STANDBY = 1
    ACTION_HOLD = 2


cdef enum FaultBit:
    FAULT_BUS = 1           # watchdog expired
    FAULT_BATTERY = 2       # the BMS opened its contactor
    FAULT_OVERLOAD = 4      # it formed a bus that asked for too much


cdef struct PcsSetup:
    double discharge_kw_max
    double charge_kw_max
    double over_drive       # internal setpoint up to this multiple of the rating
    double dead_s
    double tau_s            # first-order lag, 0: none
    double slew_kw_per_s    # of the internal setpoint, 0: no limit
    double start_s          # from the order to running
    int32_t fed_by          # Feed bits
    int32_t action          # Action


cdef struct Pcs:
    PcsSetup setup
    int32_t state           # RunState
    int64_t t_ns            # the values below hold at this time
    int64_t t_start_ns      # order to start
    int64_t t_fed_ns        # last message that feeds the watchdog
    double received_kw      # setpoint as last parsed
    double aim_kw           # setpoint once the dead time is over
    double internal_kw      # after the slew limit
    double ac_kw            # delivered
    double form_word        # 1: it forms the bus where no source does
    double watchdog_s       # 0: not armed
    double fault_word       # FaultBit
    double dc_v
    double dc_a
    double dc_kw
    int64_t dead_ns
    double decay            # exp(-step/tau) of a whole step
    double decay_s          # the step it belongs to
    int32_t queue_head
    int32_t queue_count
    int64_t queue_t_ns[QUEUE_MAX]
    double queue_kw[QUEUE_MAX]
    int64_t expiries


cdef void pcs_init(Pcs *p, const PcsSetup *setup, int64_t t_ns) noexcept nogil
cdef void pcs_setpoint(Pcs *p, double setpoint_kw, int64_t t_ns) noexcept nogil
cdef void pcs_order(Pcs *p, int32_t order, int64_t t_ns) noexcept nogil
cdef void pcs_arm(Pcs *p, double watchdog_s, int64_t t_ns) noexcept nogil
cdef void pcs_heard(Pcs *p, int32_t feed, int64_t t_ns) noexcept nogil
cdef void pcs_trip(Pcs *p, int32_t fault) noexcept nogil
cdef void pcs_step(Pcs *p, int64_t t_ns) noexcept nogil

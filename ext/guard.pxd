"""The last word: decodes the bytes about to leave and blocks what the lease forbids."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from ext.image cimport Limits, PCS_MAX, RULE_MAX
from ext.port cimport Ports
from ext.rtu cimport Rtu


cdef enum RuleKind:
    RULE_SETPOINT = 0
    RULE_ORDER = 1


cdef struct GuardRule:      # one write that may pass; anything else is blocked
    int32_t port
    int32_t kind            # RuleKind
    int32_t unit
    int32_t function
    int32_t address
    int32_t count
    int32_t pcs             # of a setpoint, the first of a group, else -1
    int32_t pcs_count       # converters of a setpoint; above 1 each is judged by the rule that is its own
    int32_t value_words     # registers of one value of a setpoint, 1 or 2; 0: count
    double kw_per_count     # of a setpoint, sign included
    int32_t low_word_first
    double rating_kw
    int32_t word_low[4]     # allowed values of an order's registers
    int32_t word_high[4]
    int32_t status_poll     # its reply must be fresh and say running; -1: no check
    int32_t status_word     # index of the run-state register in that reply
    int32_t status_mask
    int32_t status_value
    int64_t status_age_ns_max


cdef struct GuardSetup:
    double rise_kw_per_s_max    # growth of a setpoint beyond what the lease already allows, 0: no check
    int64_t lapse_ns_max        # after a lapsed lease only zero may leave, from this age on


cdef struct Guard:
    GuardSetup setup
    int32_t rule_count
    GuardRule rule[RULE_MAX]
    double last_kw[PCS_MAX]     # magnitude basis: last setpoint that passed
    int64_t t_last_ns[PCS_MAX]  # when
    uint64_t passed
    uint64_t blocked            # frames replaced or dropped
    uint64_t blocked_setpoint   # of these: setpoints replaced by zero
    uint64_t blocked_order
    uint64_t blocked_unknown
    int32_t reason              # of the last block, GuardReason


cdef enum GuardReason:
    GUARD_OK = 0
    GUARD_UNKNOWN_WRITE = 1
    GUARD_MALFORMED = 2
    GUARD_NO_PERMIT = 3
    GUARD_OVER_LIMIT = 4
    GUARD_LAPSED = 5
    GUARD_STATUS = 6
    GUARD_WORD_RANGE = 7
    GUARD_NOT_FINITE = 8


cdef void guard_init(Guard *g, const GuardSetup *setup) noexcept nogil
cdef int32_t guard_add(Guard *g, const GuardRule *rule) noexcept nogil
cdef void guard_step(Guard *g, const Limits *limits, int64_t now_ns, const Rtu *rtu,
                     Ports *ports) noexcept nogil

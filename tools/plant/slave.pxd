"""A Modbus RTU slave: registers of one simulated device, encoded when a read asks for them."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t
from tools.plant.backup cimport Genset, Switch
from tools.plant.pcs cimport Pcs, STATE_COUNT


cdef enum:
    SPACE = 65536           # register addresses
    FIELD_MAX = 96
    ORDER_RULE_MAX = 16
    READ_BY_3 = 1           # bits of Slave.known
    READ_BY_4 = 2


cdef enum FieldType:        # index of the names in registers.TYPES
    FIELD_U16 = 0
    FIELD_S16 = 1
    FIELD_U32 = 2
    FIELD_S32 = 3
    FIELD_F32 = 4


cdef struct Field:          # registers that show a value of the plant
    int32_t address
    int32_t type            # FieldType
    int32_t low_word_first
    double scale            # value = raw * scale + offset
    double offset
    const double *value     # NULL: the run state's word
    uint16_t state_word[STATE_COUNT]


cdef struct OrderRule:      # a write the device takes
    int32_t function
    int32_t address
    int32_t count
    int32_t kind            # OrderKind
    uint16_t words[4]       # expected; with arm_scale any
    double arm_s            # watchdog time these words stand for, or
    double arm_scale        # > 0: the written number times this is the watchdog time, s
    int32_t low_word_first


cdef struct SetpointRule:
    int32_t function        # 0: no setpoint
    int32_t address
    int32_t count           # 1: s16, 2: s32
    int32_t low_word_first
    double counts_per_kw
    double kw_low           # a value outside gets exception 3
    double kw_high


cdef struct Slave:
    int32_t unit            # below 0: muted
    int32_t frozen          # 1: its registers stay as they are
    int32_t exception       # every request gets this one; 0: it serves
    int32_t functions       # bit n: function n is served
    int32_t words_per_read_max
    int64_t reply_ns        # silence between the parsed request and the first byte of the reply
    Pcs *pcs                # NULL: no converter behind it
    Genset *genset          # likewise
    Switch *ats
    const int32_t *state    # index into state_word, NULL: always the first
    SetpointRule setpoint
    int32_t field_count
    Field field[FIELD_MAX]
    int32_t order_count
    OrderRule order[ORDER_RULE_MAX]
    uint16_t *word          # SPACE registers
    uint8_t *known          # SPACE flags
    uint64_t answered
    uint64_t exceptions


cdef int32_t sealed(uint8_t *frame, int32_t count) noexcept nogil
cdef int32_t slave_answer(Slave *s, const uint8_t *request, int32_t count, int64_t t_ns,
                          uint8_t *reply) noexcept nogil

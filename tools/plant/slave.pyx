"""Serves functions 3, 4, 6 and 16 the way a strict device does: whole frames, good CRC, exceptions 1, 2, 3.

The CRC is worked out here, bit by bit, and not taken from ext.rtu: master and slave check each other.
"""
from libc.math cimport fabs, isfinite, lrint
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from tools.plant.backup cimport AT_GENSET, AT_GRID, AT_OPEN, genset_order, switch_order
from tools.plant.pcs cimport (
    FEED_READ,
    FEED_WRITE,
    ORDER_ARM,
    ORDER_AUTO,
    ORDER_GRID,
    ORDER_START,
    pcs_arm,
    pcs_heard,
    pcs_order,
    pcs_setpoint,
)

cdef enum:
    BAD_FUNCTION = 1
    BAD_ADDRESS = 2
    BAD_VALUE = 3
    WORDS_PER_WRITE_MAX = 123

cdef int32_t[3] POSITION_OF = [AT_GRID, AT_GENSET, AT_OPEN]     # of the orders from ORDER_GRID on


cdef uint16_t frame_crc(const uint8_t *bytes, int32_t count) noexcept nogil:
    """CRC-16 of Modbus: polynomial 0xA001 reflected, start 0xFFFF; low byte goes first."""
    cdef uint16_t crc = 0xFFFF
    cdef int32_t i, _bit
    for i in range(count):
        crc ^= bytes[i]
        for _bit in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


cdef int32_t sealed(uint8_t *frame, int32_t count) noexcept nogil:
    """Appends the CRC; the whole length."""
    cdef uint16_t crc = frame_crc(frame, count)
    frame[count] = crc & 0xFF
    frame[count + 1] = crc >> 8
    return count + 2


cdef inline int32_t word_at(const uint8_t *bytes) noexcept nogil:
    return (bytes[0] << 8) | bytes[1]


cdef uint32_t encoded(const Field *field) noexcept nogil:
    """The raw number of a field, held inside its type's range."""
    cdef double raw = (field.value[0] - field.offset) / field.scale
    cdef float narrow
    cdef uint32_t bits
    cdef double low = 0.0, high = 65535.0
    if field.type == FIELD_F32:
        narrow = <float>raw
        memcpy(&bits, &narrow, 4)
        return bits
    if field.type == FIELD_S16:
        low, high = -32768.0, 32767.0
    elif field.type == FIELD_U32:
        high = 4294967295.0
    elif field.type == FIELD_S32:
        low, high = -2147483648.0, 2147483647.0
    if not isfinite(raw):
        raw = 0.0
    return <uint32_t><int64_t>lrint(min(max(raw, low), high))


cdef void refresh(Slave *s, int32_t address, int32_t count) noexcept nogil:
    """Brings the registers of a range up to the present values."""
    cdef int32_t i, width
    cdef uint32_t raw
    cdef Field *field
    if s.frozen:
        return
    for i in range(s.field_count):
        field = &s.field[i]
        width = 2 if field.type >= FIELD_U32 else 1
        if field.address + width <= address or field.address >= address + count:
            continue
        if field.value == NULL:
            s.word[field.address] = field.state_word[s.state[0] if s.state != NULL else 0]
            continue
        raw = encoded(field)
        if width == 1:
            s.word[field.address] = <uint16_t>raw
        elif field.low_word_first:
            s.word[field.address] = <uint16_t>raw
            s.word[field.address + 1] = <uint16_t>(raw >> 16)
        else:
            s.word[field.address] = <uint16_t>(raw >> 16)
            s.word[field.address + 1] = <uint16_t>raw


cdef int32_t read_words(Slave *s, const uint8_t *request, uint8_t *reply) noexcept nogil:
    """Answers functions 3 and 4: bytes of the reply before its CRC, or minus an exception code."""
    cdef int32_t address = word_at(request + 2)
    cdef int32_t count = word_at(request + 4)
    cdef uint8_t flag = READ_BY_3 if request[1] == 3 else READ_BY_4
    cdef int32_t i
    if count < 1 or count > s.words_per_read_max:
        return -BAD_VALUE
    if address + count > SPACE:
        return -BAD_ADDRESS
    for i in range(count):
        if not s.known[address + i] & flag:
            return -BAD_ADDRESS
    refresh(s, address, count)
    reply[2] = <uint8_t>(2 * count)
    for i in range(count):
        reply[3 + 2 * i] = s.word[address + i] >> 8
        reply[4 + 2 * i] = s.word[address + i] & 0xFF
    return 3 + 2 * count


cdef int64_t signed_of(const uint16_t *words, int32_t count, int32_t low_word_first) noexcept nogil:
    """A one- or two-register number, two's complement."""
    if count == 1:
        return <int16_t>words[0]
    if low_word_first:
        return <int32_t>(<uint32_t>words[0] | (<uint32_t>words[1] << 16))
    return <int32_t>(<uint32_t>words[1] | (<uint32_t>words[0] << 16))


cdef int32_t take_setpoint(Slave *s, const uint16_t *words, int64_t t_ns) noexcept nogil:
    """0, or an exception code."""
    cdef SetpointRule *rule = &s.setpoint
    cdef double kw = signed_of(words, rule.count, rule.low_word_first) / rule.counts_per_kw
    cdef double half_count_kw = 0.5 / fabs(rule.counts_per_kw)
    if kw < rule.kw_low - half_count_kw or kw > rule.kw_high + half_count_kw:
        return BAD_VALUE
    if s.pcs != NULL:
        pcs_setpoint(s.pcs, kw, t_ns)
    return 0


cdef double arm_time_s(const OrderRule *rule, const uint16_t *words) noexcept nogil:
    """Watchdog time of an order to arm."""
    if rule.arm_scale > 0.0:
        if rule.count == 1:
            return words[0] * rule.arm_scale
        return <uint32_t>signed_of(words, 2, rule.low_word_first) * rule.arm_scale
    return rule.arm_s


cdef bint fits(const OrderRule *rule, const uint16_t *words) noexcept nogil:
    """Whether the written words are the ones the order asks for."""
    cdef int32_t i
    if rule.kind == ORDER_ARM and rule.arm_scale > 0.0:
        return True
    for i in range(rule.count):
        if rule.words[i] != words[i]:
            return False
    return True


cdef int32_t take_write(Slave *s, int32_t function, int32_t address, int32_t count, const uint16_t *words,
                        int64_t t_ns) noexcept nogil:
    """0, or an exception code."""
    cdef int32_t i, result = BAD_ADDRESS
    cdef OrderRule *rule
    if s.setpoint.function == function and s.setpoint.address == address and s.setpoint.count == count:
        return take_setpoint(s, words, t_ns)
    for i in range(s.order_count):
        rule = &s.order[i]
        if rule.function != function or rule.address != address or rule.count != count:
            continue
        result = BAD_VALUE
        if not fits(rule, words):
            continue
        if s.pcs != NULL:
            if rule.kind == ORDER_ARM:
                pcs_arm(s.pcs, arm_time_s(rule, words), t_ns)
            else:
                pcs_order(s.pcs, rule.kind, t_ns)
        if s.genset != NULL and rule.kind != ORDER_AUTO:
            genset_order(s.genset, rule.kind == ORDER_START, t_ns)
        if s.ats != NULL:
            switch_order(s.ats, POSITION_OF[rule.kind - ORDER_GRID])
        return 0
    return result


cdef int32_t write_words(Slave *s, const uint8_t *request, int32_t length, int64_t t_ns,
                         uint8_t *reply) noexcept nogil:
    """Answers functions 6 and 16: bytes of the reply before its CRC, or minus an exception code."""
    cdef int32_t function = request[1], address = word_at(request + 2), count = 1, i, refused
    cdef uint16_t[WORDS_PER_WRITE_MAX] words
    if function == 6:
        words[0] = word_at(request + 4)
    else:
        count = word_at(request + 4)
        if count < 1 or count > WORDS_PER_WRITE_MAX or request[6] != 2 * count or length != 9 + 2 * count:
            return -BAD_VALUE
        for i in range(count):
            words[i] = word_at(request + 7 + 2 * i)
    if address + count > SPACE:
        return -BAD_ADDRESS
    refused = take_write(s, function, address, count, words, t_ns)
    if refused:
        return -refused
    for i in range(count):
        s.word[address + i] = words[i]
    memcpy(reply + 2, request + 2, 4)
    return 6


cdef int32_t answered(Slave *s, const uint8_t *request, int32_t count, int64_t t_ns,
                      uint8_t *reply) noexcept nogil:
    """Bytes of the reply before its CRC, minus an exception code, or 0 for a frame no device would take."""
    cdef int32_t function = request[1], feed = FEED_READ, length
    if function > 31 or not (s.functions >> function) & 1:
        return -BAD_FUNCTION
    if (function != 16 and count != 8) or (function == 16 and count < 11):
        return 0
    if function == 3 or function == 4:
        length = read_words(s, request, reply)
    else:
        length = write_words(s, request, count, t_ns, reply)
        feed = FEED_WRITE
    if length > 0 and s.pcs != NULL:
        pcs_heard(s.pcs, feed, t_ns)
    return length


cdef int32_t slave_answer(Slave *s, const uint8_t *request, int32_t count, int64_t t_ns,
                          uint8_t *reply) noexcept nogil:
    """Takes one whole frame heard at t_ns; bytes of the reply, 0 for silence (wrong unit, CRC, broadcast)."""
    cdef int32_t length
    if s.unit < 0 or count < 4 or count > 256 or (request[0] != s.unit and request[0] != 0):
        return 0
    if frame_crc(request, count - 2) != (request[count - 2] | (request[count - 1] << 8)):
        return 0
    if request[0] == 0 and request[1] != 6 and request[1] != 16:
        return 0
    reply[0] = request[0]
    reply[1] = request[1]
    length = -s.exception if s.exception else answered(s, request, count, t_ns, reply)
    if length == 0 or request[0] == 0:
        return 0
    if length < 0:
        s.exceptions += 1
        reply[1] |= 0x80
        reply[2] = <uint8_t>(-length)
        length = 3
    s.answered += 1
    return sealed(reply, length)

"""Frames of Modbus RTU: how a request is built, and what a reply must look like to answer it.

Bytes only: no time, no port, no state, so a fuzzer can hold every reply against every request. A template is
built once; a write's values are put into it, and each is read back by the guard through the same Shape.
"""
from libc.stdint cimport int32_t, uint8_t, uint16_t
from libc.string cimport memcmp, memset
from ext.image cimport (
    RTU_CRC, RTU_EXCEPTION, RTU_TIMEOUT, RTU_WRONG_ECHO, RTU_WRONG_FUNCTION, RTU_WRONG_LENGTH,
    RTU_WRONG_UNIT, WORD_MAX,
)


cdef enum:
    UNIT_MAX = 247
    SPACE = 65536           # registers or coils of a device
    ECHO_BYTES = 8          # reply to 5, 6, 15 and 16: six bytes of the request and the CRC
    MASK_BYTES = 10         # reply to 22: the whole request

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


cdef int32_t pdu_word(const uint8_t *bytes) noexcept nogil:
    """A register as it stands in a frame: high byte first."""
    return bytes[0] << 8 | bytes[1]


cdef void put_word(uint8_t *bytes, int32_t word) noexcept nogil:
    bytes[0] = (word >> 8) & 0xFF
    bytes[1] = word & 0xFF


cdef void pdu_seal(uint8_t *frame, int32_t count) noexcept nogil:
    """Write the CRC of a frame of count bytes into its last two."""
    cdef uint16_t crc = rtu_crc(frame, count - 2)
    frame[count - 2] = crc & 0xFF
    frame[count - 1] = crc >> 8


cdef void shape_read(Shape *s) noexcept nogil:
    cdef int32_t bits = s.function <= 2
    s.request_count = 8
    s.word_count = (s.count + 15) // 16 if bits else s.count
    s.reply_count = 5 + ((s.count + 7) // 8 if bits else 2 * s.count)


cdef void shape_write(Shape *s) noexcept nogil:
    s.value_count = (s.count + 15) // 16 if s.function == 15 else s.count
    s.request_count = 8
    s.value_at = 4
    s.reply_count = ECHO_BYTES
    if s.function == 22:
        s.request_count = MASK_BYTES
        s.reply_count = MASK_BYTES
    elif s.function == 23:
        s.request_count = 13 + 2 * s.count
        s.value_at = 11
        s.reply_count = 5 + 2 * s.read_count
        s.word_count = s.read_count
    elif s.function == 15 or s.function == 16:
        s.request_count = 9 + ((s.count + 7) // 8 if s.function == 15 else 2 * s.count)
        s.value_at = 7
    s.echo_count = s.reply_count - 2 if s.function != 23 else 0
    if s.unit == 0:
        s.reply_count = 0


cdef int32_t fits(const Shape *s) noexcept nogil:
    """1 when every number is in the range of its function."""
    cdef int32_t last = s.address + (1 if s.function == 22 else s.count)
    if s.unit < 0 or s.unit > UNIT_MAX or s.address < 0 or s.count < 1 or last > SPACE:
        return 0
    if s.function == 1 or s.function == 2:
        return s.count <= COIL_MAX and s.unit > 0
    if s.function == 3 or s.function == 4:
        return s.count <= WORD_MAX and s.unit > 0
    if s.function == 5 or s.function == 6:
        return s.count == 1
    if s.function == 15:
        return s.count <= 16 * VALUE_MAX
    if s.function == 22:
        return s.count == 2
    if s.function == 23:
        if s.read_address < 0 or s.read_count < 1 or s.read_address + s.read_count > SPACE or s.unit == 0:
            return 0
        return s.count <= VALUE_MAX and s.read_count <= WORD_MAX
    return s.function == 16 and s.count <= VALUE_MAX


cdef int32_t pdu_shape(Shape *s) noexcept nogil:
    """Work out the sizes from unit to read_count. 0: no request can look like that."""
    s.value_at = 0
    s.value_count = 0
    s.echo_count = 0
    s.word_count = 0
    if not fits(s):
        return 0
    if s.function <= 4:
        shape_read(s)
    else:
        shape_write(s)
    return 1


cdef void pdu_build(const Shape *s, uint8_t *request) noexcept nogil:
    """The request with all values 0, sealed."""
    memset(request, 0, s.request_count)
    request[0] = <uint8_t>s.unit
    request[1] = <uint8_t>s.function
    put_word(&request[2], s.address)
    if s.function == 23:
        put_word(&request[2], s.read_address)
        put_word(&request[4], s.read_count)
        put_word(&request[6], s.address)
        put_word(&request[8], s.count)
        request[10] = <uint8_t>(2 * s.count)
    elif s.function <= 4 or s.function == 15 or s.function == 16:
        put_word(&request[4], s.count)
        if s.function > 4:
            request[6] = <uint8_t>(s.request_count - 9)
    pdu_seal(request, s.request_count)


cdef void pdu_put(const Shape *s, const uint16_t *values, uint8_t *request) noexcept nogil:
    """Put a write's value_count words into its request and seal it."""
    cdef int32_t i, octets = s.request_count - 9
    if s.function == 15:
        for i in range(octets):
            request[7 + i] = (values[i // 2] >> (8 * (i & 1))) & 0xFF
        request[6 + octets] &= 0xFF >> (8 * octets - s.count)
    else:
        for i in range(s.value_count):
            put_word(&request[s.value_at + 2 * i], values[i])
    pdu_seal(request, s.request_count)


cdef void unpack(const uint8_t *bytes, int32_t coils, uint16_t *words) noexcept nogil:
    """Coils from bytes, least significant bit first, into words; bits beyond the last coil are 0."""
    cdef int32_t i
    for i in range((coils + 7) // 8):
        if i & 1:
            words[i // 2] |= <uint16_t>bytes[i] << 8
        else:
            words[i // 2] = bytes[i]
    if coils & 15:
        words[coils // 16] &= (1 << (coils & 15)) - 1


cdef void pdu_values(const Shape *s, const uint8_t *request, uint16_t *values) noexcept nogil:
    """The value_count words that a write carries, which the guard may have changed."""
    cdef int32_t i
    if s.function == 15:
        unpack(&request[7], s.count, values)
        return
    for i in range(s.value_count):
        values[i] = <uint16_t>pdu_word(&request[s.value_at + 2 * i])


cdef int32_t pdu_expected(const Shape *s, const uint8_t *reply, int32_t count) noexcept nogil:
    """Bytes of the reply that has begun: a right one, or an exception."""
    return EXCEPTION_BYTES if count > 1 and reply[1] == (s.function | 0x80) else s.reply_count


cdef int32_t pdu_judge(const Shape *s, const uint8_t *request, const uint8_t *reply,
                       int32_t count) noexcept nogil:
    """-1: the right reply to exactly this request; else RtuError (BUS-04, BUS-08)."""
    cdef int32_t expected = pdu_expected(s, reply, count)
    if count == 0:
        return RTU_TIMEOUT
    if count < EXCEPTION_BYTES or rtu_crc(reply, count) != 0:
        return RTU_CRC if count == expected else RTU_WRONG_LENGTH
    if reply[0] != s.unit:
        return RTU_WRONG_UNIT
    if reply[1] & 0x7F != s.function:
        return RTU_WRONG_FUNCTION
    if count != expected:
        return RTU_WRONG_LENGTH
    if reply[1] & 0x80:
        return RTU_EXCEPTION
    if s.word_count:
        return -1 if reply[2] == count - 5 else RTU_WRONG_LENGTH
    return -1 if memcmp(reply, request, s.echo_count) == 0 else RTU_WRONG_ECHO


cdef void pdu_words(const Shape *s, const uint8_t *reply, uint16_t *words) noexcept nogil:
    """The word_count words of a right reply."""
    cdef int32_t i
    if s.function <= 2:
        unpack(&reply[3], s.count, words)
        return
    for i in range(s.word_count):
        words[i] = <uint16_t>pdu_word(&reply[3 + 2 * i])

"""Random frames through the judge of ext.pdu, at the speed of C; the oracle shares no code with it."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from ext.image cimport BYTE_MAX, WORD_MAX
from ext.pdu cimport COIL_MAX, pdu_build, pdu_judge, pdu_put, pdu_seal, pdu_shape, pdu_words, Shape, VALUE_MAX


cdef enum:
    EXAMPLES = 64           # requests in use at once
    RENEW_EVERY = 65_536    # frames until they are drawn anew
    KINDS = 9
    VERDICTS = 16


cdef struct Example:
    Shape shape
    uint8_t request[BYTE_MAX]
    uint8_t right[BYTE_MAX]


cdef struct Fuzz:
    uint64_t random
    Example example[EXAMPLES]
    uint8_t reply[BYTE_MAX + 1]
    uint64_t verdicts[VERDICTS]     # by RtuError, the last: accepted
    uint64_t wrong          # accepted, and the oracle says no; or right and refused
    uint16_t words[WORD_MAX]


cdef uint64_t draw(Fuzz *f) noexcept nogil:
    """Xorshift64*."""
    f.random ^= f.random >> 12
    f.random ^= f.random << 25
    f.random ^= f.random >> 27
    return (f.random * 2685821657736338717ULL) >> 16


cdef uint16_t slow_crc(const uint8_t *bytes, int32_t count) noexcept nogil:
    """CRC-16 of Modbus from its definition, bit by bit."""
    cdef uint16_t crc = 0xFFFF
    cdef int32_t i, _bit
    for i in range(count):
        crc ^= bytes[i]
        for _bit in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


cdef void draw_example(Fuzz *f, Example *e) noexcept nogil:
    """A random request, mostly small as in the field, and the reply a right slave gives."""
    cdef int32_t[10] functions = [1, 2, 3, 4, 5, 6, 15, 16, 22, 23]
    cdef uint16_t values[VALUE_MAX]
    cdef Shape *s = &e.shape
    cdef int32_t i, limit, bits
    while True:
        s.function = functions[draw(f) % 10]
        bits = s.function <= 2
        limit = 16 if draw(f) & 15 else (COIL_MAX if bits else WORD_MAX)
        s.unit = 1 + <int32_t>(draw(f) % 247)
        s.address = <int32_t>(draw(f) & 0xFFFF)
        s.count = 1 + <int32_t>(draw(f) % <uint64_t>limit)
        s.read_address = <int32_t>(draw(f) & 0xFFFF)
        s.read_count = 1 + <int32_t>(draw(f) % <uint64_t>limit)
        if s.function == 5 or s.function == 6:
            s.count = 1
        elif s.function == 22:
            s.count = 2
        if pdu_shape(s):
            break
    pdu_build(s, e.request)
    if s.value_count:
        for i in range(s.value_count):
            values[i] = <uint16_t>draw(f)
        pdu_put(s, values, e.request)
    memcpy(e.right, e.request, 8)
    if s.word_count:
        e.right[2] = s.reply_count - 5
        for i in range(3, s.reply_count - 2):
            e.right[i] = <uint8_t>draw(f)
    else:
        memcpy(e.right, e.request, s.echo_count)
    pdu_seal(e.right, s.reply_count)


cdef int32_t spoil(Fuzz *f, const Example *e, int32_t kind) noexcept nogil:
    """Bytes of the frame put into reply: kind 0 is the right one, the others start from it or from nothing."""
    cdef const Example *other = &f.example[draw(f) % EXAMPLES]
    cdef int32_t count = e.shape.reply_count, i, at
    memcpy(f.reply, e.right, count)
    if kind == 1:                           # one to four bits
        for i in range(1 + <int32_t>(draw(f) & 3)):
            f.reply[draw(f) % <uint64_t>count] ^= 1 << (draw(f) & 7)
    elif kind == 2:                         # cut
        count = <int32_t>(draw(f) % <uint64_t>count)
    elif kind == 3 and count < BYTE_MAX:    # a byte more
        f.reply[count] = <uint8_t>draw(f)
        count += 1
    elif kind == 4:                         # one byte changed under a right CRC
        f.reply[draw(f) % <uint64_t>(count - 2)] = <uint8_t>draw(f)
        pdu_seal(f.reply, count)
    elif kind == 5:                         # noise
        count = <int32_t>(draw(f) % 40)
        for i in range(count):
            f.reply[i] = <uint8_t>draw(f)
    elif kind == 6:                         # the answer to another request
        count = other.shape.reply_count
        memcpy(f.reply, other.right, count)
    elif kind == 7:                         # that answer in this one's name
        count = other.shape.reply_count
        memcpy(f.reply, other.right, count)
        memcpy(f.reply, e.right, 2)
        pdu_seal(f.reply, count)
    elif kind == 8:                         # spliced, or an exception
        if draw(f) & 1:
            at = <int32_t>(draw(f) % <uint64_t>min(count, other.shape.reply_count))
            count = other.shape.reply_count
            memcpy(&f.reply[at], &other.right[at], count - at)
        else:
            f.reply[1] |= 0x80
            f.reply[2] = <uint8_t>draw(f)
            count = 5
        pdu_seal(f.reply, count)
    return count


cdef int32_t answers(const Example *e, const uint8_t *reply, int32_t count) noexcept nogil:
    """The oracle: what the standard says a reply to this request looks like."""
    cdef int32_t function = e.request[1], head
    if function <= 4 or function == 23:
        head = 3
        if reply[2] != count - 5:
            return 0
    else:
        head = 8 if function == 22 else 6
    if count != e.shape.reply_count or memcmp(reply, e.right, head):
        return 0
    return slow_crc(reply, count - 2) == (reply[count - 2] | reply[count - 1] << 8)


cdef void one(Fuzz *f, uint8_t *heap) noexcept nogil:
    """Judge one frame. It ends where the heap block ends, so a sanitizer sees every byte read too far."""
    cdef Example *e = &f.example[draw(f) % EXAMPLES]
    cdef int32_t kind = <int32_t>(draw(f) % KINDS)
    cdef int32_t count = spoil(f, e, kind), verdict
    cdef uint8_t *reply = &heap[BYTE_MAX - count]
    memcpy(reply, f.reply, count)
    verdict = pdu_judge(&e.shape, e.request, reply, count)
    f.verdicts[verdict if verdict >= 0 else VERDICTS - 1] += 1
    if verdict < 0:
        pdu_words(&e.shape, reply, f.words)
        f.wrong += not answers(e, reply, count)
    elif kind == 0:
        f.wrong += 1


def fuzz(int64_t count, uint64_t seed):
    """Judge that many frames; {"wrong", "accepted", "verdicts" by RtuError}."""
    cdef Fuzz *f = <Fuzz *>calloc(1, sizeof(Fuzz))
    cdef uint8_t *heap = <uint8_t *>calloc(1, BYTE_MAX)
    cdef int64_t k
    cdef int32_t i
    if f == NULL or heap == NULL:
        raise MemoryError("no memory for the frames")
    f.random = seed
    with nogil:
        for k in range(count):
            if k % RENEW_EVERY == 0:
                for i in range(EXAMPLES):
                    draw_example(f, &f.example[i])
            one(f, heap)
    told = {"wrong": f.wrong, "accepted": f.verdicts[VERDICTS - 1], "verdicts": [f.verdicts[i] for i in range(7)]}
    free(f)
    free(heap)
    return told

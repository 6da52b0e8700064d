"""Frames of Modbus RTU: how a request is built, and what a reply must look like to answer it."""
from libc.stdint cimport int32_t, uint8_t, uint16_t


cdef enum:
    COIL_MAX = 2000         # coils in one reply (Modbus limit)
    VALUE_MAX = 16          # words that one of our writes carries: two for each of eight converters
    EXCEPTION_BYTES = 5


cdef struct Shape:          # of one request and its right reply
    int32_t unit            # 0: to all, and nobody answers
    int32_t function        # 1 to 6, 15, 16, 22, 23
    int32_t address         # first register or coil, as on the wire; of 23: first that is written
    int32_t count           # registers; coils of 1, 2, 5 and 15; masks of 22
    int32_t read_address    # of 23
    int32_t read_count
    int32_t request_count   # from here on: made by pdu_shape; bytes
    int32_t value_at        # place of the first value in the request
    int32_t value_count     # words that a write carries; coils stand 16 in a word, the first in bit 0
    int32_t reply_count     # bytes of a right reply, 0: none comes
    int32_t echo_count      # bytes that the reply repeats from the request
    int32_t word_count      # words that a right reply gives; coils as above


cdef uint16_t rtu_crc(const uint8_t *bytes, int32_t count) noexcept nogil
cdef int32_t pdu_word(const uint8_t *bytes) noexcept nogil
cdef int32_t pdu_shape(Shape *s) noexcept nogil
cdef void pdu_build(const Shape *s, uint8_t *request) noexcept nogil
cdef void pdu_put(const Shape *s, const uint16_t *values, uint8_t *request) noexcept nogil
cdef void pdu_values(const Shape *s, const uint8_t *request, uint16_t *values) noexcept nogil
cdef void pdu_seal(uint8_t *frame, int32_t count) noexcept nogil
cdef int32_t pdu_expected(const Shape *s, const uint8_t *reply, int32_t count) noexcept nogil
cdef int32_t pdu_judge(const Shape *s, const uint8_t *request, const uint8_t *reply,
                       int32_t count) noexcept nogil
cdef void pdu_words(const Shape *s, const uint8_t *reply, uint16_t *words) noexcept nogil

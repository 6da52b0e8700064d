"""The load of the last seconds and the period in which its rises come back."""
from libc.stdint cimport int32_t, int64_t


cdef enum:
    MEMORY_MAX = 131072         # frames of load: 13 s at 10 kHz, a power of two
    RISE_MAX = 4                # rises that a new one is compared with


cdef struct Period:
    float load_kw[MEMORY_MAX]
    int64_t at                  # frames taken
    int64_t rise_at[RISE_MAX]   # frames in which the last rises began, 0: none yet
    int32_t rise_next           # place of the next
    int32_t misfits             # rises in a row that did not fit
    int32_t tried               # which of the last rises gave the period that was tried last
    double frames               # the period, 0: none is known


cdef void period_init(Period *p) noexcept nogil
cdef void period_rise(Period *p, int64_t began_at) noexcept nogil
cdef double period_load_kw(const Period *p, int32_t ahead_frames, double load_kw, double same_kw) noexcept nogil


cdef inline void period_take(Period *p, double load_kw) noexcept nogil:
    p.load_kw[p.at & (MEMORY_MAX - 1)] = <float>load_kw
    p.at += 1

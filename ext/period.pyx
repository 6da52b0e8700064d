"""What a periodic load will do next: what it did a period ago. Runs at 10 kHz; budget 5 ns.

A rise that comes as long after one of the last four as the period says refines it; three in a row that do not, and the
interval to another of the four is tried. Whether the memory is used is not decided here: a guess out of it is judged
like any other (ext.preview), and wins only where the jitter of the period is smaller than what the loop is late by.
"""
from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

cdef double FIT = 0.125             # of the period: a rise this near to it is one of its
cdef double PULL = 0.3              # of the period towards what was met
cdef int32_t MISFITS_MAX = 3


cdef void period_init(Period *p) noexcept nogil:
    memset(p, 0, sizeof(Period))


cdef void period_rise(Period *p, int64_t began_at) noexcept nogil:
    """A rise that has come to rest began in frame began_at."""
    cdef double interval, off = 0.0
    cdef int32_t k
    p.misfits += 1
    for k in range(RISE_MAX):
        interval = <double>(began_at - p.rise_at[k])
        if fabs(interval - p.frames) < FIT * p.frames:
            off = interval - p.frames
            p.misfits = 0
    p.frames += PULL * off
    if p.misfits >= MISFITS_MAX:
        p.tried = (p.tried + 1) & (RISE_MAX - 1)
        p.frames = <double>(began_at - p.rise_at[p.tried])
        p.misfits = 0
    p.rise_at[p.rise_next] = began_at
    p.rise_next = (p.rise_next + 1) & (RISE_MAX - 1)


cdef double period_load_kw(const Period *p, int32_t ahead_frames, double load_kw, double same_kw) noexcept nogil:
    """Load ahead_frames later, kW; load_kw itself where a period ago it was another."""
    cdef int64_t then = p.at - 1 - <int64_t>(p.frames + 0.5)
    if p.frames <= ahead_frames or then < 0 or p.at - then >= MEMORY_MAX:
        return load_kw
    if fabs(p.load_kw[then & (MEMORY_MAX - 1)] - load_kw) > same_kw:
        return load_kw
    return p.load_kw[(then + ahead_frames) & (MEMORY_MAX - 1)]

"""What left and reached a frame of late, for those who look from outside: setpoints with their instants, polls."""
from libc.math cimport INFINITY, fmax, fmin
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

import numpy as np

from ext.atomic cimport lock_read, lock_same
from ext.cycle cimport Executive
from ext.image cimport PCS_MAX
from ext.poll cimport Poll
from ext.trail cimport Trail, TRAIL_MAX


cdef uint64_t copied(const Trail *trail, int pcs, uint64_t known, int64_t *t_ns, double *kw,
                     uint64_t *count) noexcept nogil:
    """Rows beyond number `known`, oldest first; returns how many. Tries again when it meets the writer."""
    cdef uint64_t first, n
    cdef uint32_t before
    while True:
        before = lock_read(&trail.lock)
        count[0] = trail.count[pcs]
        first = max(known, count[0] - TRAIL_MAX if count[0] > TRAIL_MAX else 0)
        for n in range(first, count[0]):
            t_ns[n - first] = trail.row[pcs][n % TRAIL_MAX].t_ns
            kw[n - first] = trail.row[pcs][n % TRAIL_MAX].kw
        if not before & 1 and lock_same(&trail.lock, before):
            return count[0] - first if count[0] > first else 0


def ring_of(Executive executive not None):
    """The memory of the sample ring that the frame reads, None: it has none yet."""
    return executive.ring


def setpoints(Executive executive not None, int pcs, uint64_t known):
    """Setpoints of one converter beyond number `known`: (count so far, times ns (n), kW (n)), oldest first.

    More than TRAIL_MAX since then: the oldest of them are gone. IndexError: no such converter."""
    cdef int64_t[::1] t_ns = np.empty(TRAIL_MAX, np.int64)
    cdef double[::1] kw = np.empty(TRAIL_MAX)
    cdef uint64_t count, n
    if not 0 <= pcs < PCS_MAX:
        raise IndexError(f"converter {pcs}; allowed are 0 to {PCS_MAX - 1}")
    n = copied(&executive.frame.rtu.trail, pcs, known, &t_ns[0], &kw[0], &count)
    return count, np.asarray(t_ns)[:n], np.asarray(kw)[:n]


def reach(Executive executive not None, int pcs, uint64_t known):
    """Least and largest setpoint of one converter beyond number `known`: (count so far, kW, kW).

    None has left: inf and -inf. More than TRAIL_MAX since then: -inf and inf. IndexError: no such converter."""
    cdef int64_t[TRAIL_MAX] t_ns
    cdef double[TRAIL_MAX] kw
    cdef double low_kw = INFINITY, high_kw = -INFINITY
    cdef uint64_t count, n, i
    if not 0 <= pcs < PCS_MAX:
        raise IndexError(f"converter {pcs}; allowed are 0 to {PCS_MAX - 1}")
    n = copied(&executive.frame.rtu.trail, pcs, known, t_ns, kw, &count)
    if count > known + TRAIL_MAX:
        return count, -INFINITY, INFINITY
    for i in range(n):
        low_kw, high_kw = fmin(low_kw, kw[i]), fmax(high_kw, kw[i])
    return count, low_kw, high_kw


cdef class News:
    """Which polls of a frame have changed, for one reader. Far cheaper than reading them all."""

    cdef Executive executive
    cdef Poll *seen         # as they were at the last look

    def __cinit__(self, Executive executive not None):
        self.executive = executive
        self.seen = <Poll *>calloc(max(executive.frame.rtu.poll_count, 1), sizeof(Poll))
        if self.seen == NULL:
            raise MemoryError("no memory for the polls")

    def __dealloc__(self):
        free(self.seen)

    def changed(self):
        """Numbers of the polls of which anything changed since the last call.

        Copied before it is told: what changes while the reader reads is told again."""
        cdef const Poll *poll = self.executive.frame.rtu.poll
        cdef int32_t i
        found = []
        for i in range(self.executive.frame.rtu.poll_count):
            if memcmp(&self.seen[i], &poll[i], sizeof(Poll)):
                memcpy(&self.seen[i], &poll[i], sizeof(Poll))
                found.append(i)
        return found

"""What left a frame of late, for those who judge it from outside: setpoints with their instants."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

import numpy as np

from ext.atomic cimport lock_read, lock_same
from ext.cycle cimport Executive
from ext.image cimport PCS_MAX
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

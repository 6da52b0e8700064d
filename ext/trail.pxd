"""The setpoints that left, each with its instant: what identification holds the measured power against."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from ext.image cimport Command, PCS_MAX


cdef enum:
    TRAIL_MAX = 256         # of each converter; a tenth of a second of the fastest bus


cdef struct Left:           # one setpoint
    int64_t t_ns            # frame in which its first byte left
    double kw               # as it left, by the guard's word


cdef struct Trail:          # one writer; readers by sequence lock
    uint32_t lock
    uint64_t count[PCS_MAX]     # ever noted; number n stands in row n % TRAIL_MAX
    Left row[PCS_MAX][TRAIL_MAX]


cdef void trail_note(Trail *t, int32_t pcs, const Command *command) noexcept nogil

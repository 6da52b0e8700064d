"""The first lines of a load that comes back, each followed by itself."""
from libc.stdint cimport int32_t, int64_t

from ext.dwell cimport DWELL_MAX, Dwells


cdef enum:
    LINES_MAX = 2


cdef struct Line:               # as complex numbers, (real, imaginary)
    double[2] kw                # amplitude now, turning
    double[2] turn              # of a frame, fading included
    double[2][2] ahead          # of what the loop is late; the same where a read follows


cdef struct Lines:
    double frame_s
    double late_s               # of the loop, for slow swings; 0: it follows none
    double exchange_s           # of its wire
    double read_s               # a read of it
    int64_t at                  # frame of the last swing
    double part                 # of the swing that enters in a frame
    double tuned_s              # period that they follow, 0: none
    double drift_s              # by which it changes from visit to visit
    double period_s             # the same while the load is known to come back with it, 0: it is not
    double seen_at              # when it last did, in frames
    int32_t missed              # visits out of time since
    double kept_at              # edge that has been looked at
    double[DWELL_MAX] came_at   # last visit of each level, 0: none
    Line[LINES_MAX] line


cdef void lines_init(Lines *s, double frame_s) noexcept nogil
cdef void lines_turn(Lines *s, double late_s, double exchange_s, double read_s) noexcept nogil
cdef void lines_take(Lines *s, const Dwells *d, double swing_kw) noexcept nogil
cdef double lines_kw(const Lines *s, bint reads_next) noexcept nogil

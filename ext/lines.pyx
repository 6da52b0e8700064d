"""The first lines of a load that comes back, each followed by itself. Runs at 10 kHz; budget 15 ns.

A loop that is too late for edges may still give what comes back with every period. Of a swing x a line at w keeps

    z' = j w z + (x - z) / M,    and is given as  2 Re(z exp(j w L)),

M being a memory of seconds and L what the loop is late, so the grid keeps of a frequency f beside the line f0, with
u = 2 pi (f - f0) M,

    E = 1 - exp(-j 2 pi (f - f0) L) / (1 + j u) :   nothing on the line,  |u| / sqrt(1 + u^2) beside it, and at most
                                                    1 + L / M anywhere, whatever f0 is.

So no frequency is worse for it by more than a hundredth where L is a hundredth of M; a share of it less (control.md
5.6: what is won is narrow, and cheap). The period is the sum of what the load rests at each level until it is back at
the first (ext.dwell); while a part of it is not known the last one stands, for LOST_S.
"""
from libc.math cimport cos, sin
from libc.stdint cimport int32_t
from libc.string cimport memset

from ext.dwell cimport Dwells, dwell_period

cdef double MEMORY_S = 4.0          # M
cdef double PERIOD_S_MAX = 3.0      # a longer one is gone before its lines are known
cdef double RATE_MAX = 0.25         # a line above this share of the rate of exchanges is not followed
cdef double LOST_S = 15.0
cdef double TWO_PI = 6.283185307179586


cdef void lines_init(Lines *s, double frame_s) noexcept nogil:
    memset(s, 0, sizeof(Lines))
    s.frame_s = frame_s
    s.part = frame_s / MEMORY_S
    s.kept_at = -1.0


cdef void lines_turn(Lines *s, double late_s, double exchange_s, double read_s) noexcept nogil:
    """From now on through a loop with these times; what is known of the load stays."""
    s.late_s = late_s
    s.exchange_s, s.read_s = exchange_s, read_s
    retune(s, s.period_s)


cdef void retune(Lines *s, double period_s) noexcept nogil:
    """The same lines at other frequencies: what they hold goes on turning from where it is."""
    cdef double kept = 1.0 - s.part, omega, late_s
    cdef bint near
    cdef Line *line
    cdef int32_t k, reads
    s.period_s = period_s
    for k in range(LINES_MAX if period_s > 0.0 else 0):
        omega = TWO_PI * (k + 1) / period_s
        line = &s.line[k]
        line.turn[0], line.turn[1] = kept * cos(omega * s.frame_s), kept * sin(omega * s.frame_s)
        for reads in range(2):
            late_s = s.late_s + 0.5 * s.read_s * reads
            near = omega * s.exchange_s <= TWO_PI * RATE_MAX
            line.ahead[reads][0], line.ahead[reads][1] = near * cos(omega * late_s), near * sin(omega * late_s)


cdef inline void look(Lines *s, const Dwells *d) noexcept nogil:
    """Once after each edge, and when none has come for long."""
    cdef double period_s
    if d.came_at != s.kept_at:
        s.kept_at = d.came_at
        period_s = s.frame_s * dwell_period(d)
        if 0.0 < period_s <= PERIOD_S_MAX:
            s.came_at = d.came_at
            retune(s, period_s)
    if s.period_s > 0.0 and (d.at - s.came_at) * s.frame_s > LOST_S:
        s.period_s = 0.0


cdef void lines_take(Lines *s, const Dwells *d, double swing_kw, int32_t frames) noexcept nogil:
    """The deviation of this frame, and of those that were left out before it."""
    cdef double real
    cdef Line *line
    cdef int32_t k, _
    look(s, d)
    for k in range(LINES_MAX if s.period_s > 0.0 else 0):
        line = &s.line[k]
        for _ in range(frames):
            real = line.turn[0] * line.kw[0] - line.turn[1] * line.kw[1] + s.part * swing_kw
            line.kw[1] = line.turn[0] * line.kw[1] + line.turn[1] * line.kw[0]
            line.kw[0] = real


cdef double lines_kw(const Lines *s, bint reads_next) noexcept nogil:
    """What they will be when a command that is sent now takes effect, together."""
    cdef double kw = 0.0
    cdef int32_t k
    for k in range(LINES_MAX):
        kw += s.line[k].ahead[reads_next][0] * s.line[k].kw[0] - s.line[k].ahead[reads_next][1] * s.line[k].kw[1]
    return 2.0 * kw

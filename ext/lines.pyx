"""The first lines of a load that comes back, each followed by itself. Runs at 10 kHz; budget 15 ns.

A loop that is too late for edges may still give what comes back with every period. Of a swing x a line at w keeps

    z' = j w z + (x - z) / M,    and is given as  2 Re(z exp(j w L)),

M being a memory of seconds and L what the loop is late, so the grid keeps of a frequency f beside the line f0, with
u = 2 pi (f - f0) M,

    E = 1 - exp(-j 2 pi (f - f0) L) / (1 + j u) :   nothing on the line,  |u| / sqrt(1 + u^2) beside it,

and little more than 1 anywhere: 1 + L / M, and what the mirror image at -f0 and the other line add, together 1.05 of
whole lines, 1.01 of a fifth of them (control.md 5.6: what is won is narrow, and cheap). That is so whatever f0 is, but
only as long as it stays: so the period follows the load slowly, by the time between two visits of a level. When a visit
is out of time, or none comes, the lines go on as they are until they have faded, since a cut would add lines of its
own; then they begin anew, with the period that the load has then (ext.dwell).
"""
from libc.math cimport cos, exp, fabs, sin
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from ext.dwell cimport Dwells, dwell_period

cdef double MEMORY_S = 4.0          # M
cdef double PULL = 0.05             # of the period towards what was met,
cdef double DRIFT = 0.00125         # and of how it drifts: half the square, so that it follows without a swing
cdef double OUT_SHARE = 0.08        # of it: so far off a visit is out of time
cdef double PERIOD_S_MAX = 3.0      # a longer one is gone before its lines are known
cdef int32_t MISSED_MAX = 6         # so often in a row it may be, as where a load comes back from a pause,
cdef double PAUSE_S = 12.0          # of so long at most
cdef double FADED_S = 20.0          # after a loss, until they begin anew
cdef int64_t GAP = 32               # frames without a swing; more are turned by at once
cdef double RATE_WHOLE = 0.2        # share of the rate of exchanges up to which a line is given whole,
cdef double RATE_NONE = 0.25        # and from which on not at all
cdef double TWO_PI = 6.283185307179586


cdef void lines_init(Lines *s, double frame_s) noexcept nogil:
    memset(s, 0, sizeof(Lines))
    s.frame_s = frame_s
    s.part = frame_s / MEMORY_S
    s.kept_at = -1.0


cdef void lines_turn(Lines *s, double late_s, double exchange_s, double read_s) noexcept nogil:
    """From now on through a loop with these times; what is known of the load stays, unless that follows none."""
    s.late_s, s.exchange_s, s.read_s = late_s, exchange_s, read_s
    if late_s <= 0.0:
        lines_init(s, s.frame_s)
    retune(s, s.tuned_s)


cdef void retune(Lines *s, double period_s) noexcept nogil:
    """The same lines at other frequencies: what they hold goes on turning from where it is."""
    cdef double omega, late_s, share
    cdef Line *line
    cdef int32_t k, reads
    s.tuned_s = period_s
    for k in range(LINES_MAX if period_s > 0.0 else 0):
        omega = TWO_PI * (k + 1) / period_s
        line = &s.line[k]
        line.turn[0] = (1.0 - s.part) * cos(omega * s.frame_s)
        line.turn[1] = (1.0 - s.part) * sin(omega * s.frame_s)
        share = (RATE_NONE - omega * s.exchange_s / TWO_PI) / (RATE_NONE - RATE_WHOLE)
        share = min(max(share, 0.0), 1.0)
        for reads in range(2):
            late_s = s.late_s + 0.5 * s.read_s * reads
            line.ahead[reads][0], line.ahead[reads][1] = share * cos(omega * late_s), share * sin(omega * late_s)


cdef void visit(Lines *s, const Dwells *d) noexcept nogil:
    """The load has come to rest at a level: in time, or too early or late for the period; or none is followed yet."""
    cdef double period_s = s.frame_s * dwell_period(d), took_s = 0.0
    if s.came_at[d.level] > 0.0:
        took_s = s.frame_s * (d.came_at - s.came_at[d.level])
    s.came_at[d.level] = d.came_at
    if s.tuned_s == 0.0 and 0.0 < period_s <= PERIOD_S_MAX and fabs(took_s - period_s) <= OUT_SHARE * period_s:
        s.missed = 0
        s.drift_s = 0.0
        retune(s, period_s)
    elif 0.0 < s.period_s <= PERIOD_S_MAX and fabs(took_s - s.tuned_s) <= OUT_SHARE * s.tuned_s:
        s.missed = 0
        took_s -= s.tuned_s + s.drift_s
        s.drift_s += DRIFT * took_s
        retune(s, s.tuned_s + s.drift_s + PULL * took_s)
    else:
        s.missed += 1
    if s.missed == 0:
        s.period_s = s.tuned_s
        s.seen_at = d.came_at
    elif s.missed > MISSED_MAX:
        s.period_s = 0.0


cdef inline void look(Lines *s, const Dwells *d) noexcept nogil:
    """Once after each edge, and when none has come for long."""
    cdef double since_s = (d.at - s.seen_at) * s.frame_s
    if d.came_at != s.kept_at and d.level >= 0:
        s.kept_at = d.came_at
        visit(s, d)
    if since_s > PAUSE_S:
        s.period_s = 0.0
    if s.period_s == 0.0 and s.tuned_s > 0.0 and since_s > FADED_S:
        memset(s.line, 0, sizeof(s.line))
        s.tuned_s = 0.0


cdef inline void turn_by(Line *line, double kept, double angle) noexcept nogil:
    cdef double real = kept * (cos(angle) * line.kw[0] - sin(angle) * line.kw[1])
    line.kw[1] = kept * (cos(angle) * line.kw[1] + sin(angle) * line.kw[0])
    line.kw[0] = real


cdef void lines_take(Lines *s, const Dwells *d, double swing_kw) noexcept nogil:
    """The deviation of this frame, and of those that were left out before it; of many, they hold what they held."""
    cdef int64_t frames = d.at - s.at, _
    cdef double real
    cdef Line *line
    cdef int32_t k
    look(s, d)
    s.at = d.at
    for k in range(LINES_MAX if s.tuned_s > 0.0 else 0):
        line = &s.line[k]
        if frames > GAP:
            turn_by(line, exp(-frames * s.part), TWO_PI * (k + 1) / s.tuned_s * s.frame_s * frames)
            continue
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

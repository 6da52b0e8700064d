"""Open, turned and swapped channels, found by their phasors. Runs in every fourth frame; budget 0.01 us a frame.

One channel a call is multiplied with the lock's phasor, in turn, so a window of WINDOW_ROUNDS gives the phasor of each
for next to nothing. Of a feeder in order the voltages stand 120 degrees apart, a - b - c, and the three powers
S = I conj(V) point the same way; at a load that way is forward. One power the other way round is a current transformer
turned around (F02); powers a third of a turn apart are swapped phases (F03); a current or voltage far below its sisters
is an open circuit (F01). Two windows in a row must agree.

Not to be seen here: both a turned and a swapped connection of all three phases at the grid, where power may flow either
way. The supervisor compares with the meter.
"""
from libc.math cimport fabs, sqrt
from libc.stdint cimport int32_t
from libc.string cimport memset

from ext.image cimport (
    CHANNEL_MAX,
    LOAD_IA,
    PCC_IA,
    QUALITY_ABSENT,
    QUALITY_OPEN,
    QUALITY_REVERSED,
    QUALITY_SWAPPED,
    Sample,
)

cdef enum:
    WINDOW_ROUNDS = 64      # samples of each channel: 0.15 s with one feeder, 0.31 s with two, at 10 kHz

cdef double VOLTAGE_PU_MIN = 0.2    # of the largest against nominal: below it the grid is gone, not a wire
cdef double VOLTAGE_OPEN = 0.5      # of the largest sister
cdef double CURRENT_OPEN = 0.03     # of the largest sister
cdef double LOAD_PU_MIN = 0.05      # of the rating: below it a current tells nothing
cdef double GRID_PU_MIN = 0.25      # the unbalance of the load stays when the battery takes the rest of the current
cdef double TAN_30 = 0.5773502691896258
cdef double SIN_120 = 0.8660254037844386
cdef double PEAK_HALF = 0.7071067811865476      # mean of x cos over RMS of x


cdef void wiring_init(Wiring *w, double voltage_v, double rated_kw) noexcept nogil:
    memset(w, 0, sizeof(Wiring))
    w.voltage_v = voltage_v
    w.rated_a = 1000.0 * rated_kw / (3.0 * voltage_v) if voltage_v > 0.0 else 0.0


cdef void wiring_wire(Wiring *w, const Sample *sample) noexcept nogil:
    """Note which channels there are, once the first sample has come."""
    cdef int32_t k
    w.count = 0
    for k in range(LOAD_IA, PCC_IA + 6):
        if not sample.quality[k] & QUALITY_ABSENT:
            w.channel[w.count] = k
            w.count += 1


cdef int32_t bit_of(double re, double im, double other_re, double other_im) noexcept nogil:
    """How one phasor lies to another that should point the same way: 0, or the Quality bit of the fault."""
    cdef double dot = re * other_re + im * other_im
    cdef double cross = im * other_re - re * other_im
    if dot > 0.0:
        return 0
    return QUALITY_REVERSED if fabs(cross) < -TAN_30 * dot else QUALITY_SWAPPED


cdef int32_t open_bit(const double *length, double share) noexcept nogil:
    """QUALITY_OPEN when one of three is far below the largest."""
    cdef double most = max(length[0], length[1], length[2])
    return QUALITY_OPEN if min(length[0], length[1], length[2]) < share * most else 0


cdef int32_t judged(const Wiring *w, int32_t first, double share_min) noexcept nogil:
    """Quality bits of a feeder whose currents begin at channel `first`."""
    cdef double length[6]
    cdef double p[3]
    cdef double q[3]
    cdef const double *re = &w.re[first]
    cdef const double *im = &w.im[first]
    cdef int32_t k, found
    for k in range(6):
        length[k] = sqrt(re[k] * re[k] + im[k] * im[k]) / (WINDOW_ROUNDS * PEAK_HALF)
    if max(length[3], length[4], length[5]) < VOLTAGE_PU_MIN * w.voltage_v:
        return 0
    found = open_bit(length + 3, VOLTAGE_OPEN)
    if not found:
        found = bit_of(re[4], im[4], -0.5 * re[3] + SIN_120 * im[3], -0.5 * im[3] - SIN_120 * re[3])
        found |= bit_of(re[5], im[5], -0.5 * re[3] - SIN_120 * im[3], -0.5 * im[3] + SIN_120 * re[3])
    if found or length[0] + length[1] + length[2] < 3.0 * share_min * w.rated_a:
        return found
    for k in range(3):
        p[k] = re[k] * re[k + 3] + im[k] * im[k + 3]
        q[k] = im[k] * re[k + 3] - re[k] * im[k + 3]
    found = open_bit(length, CURRENT_OPEN)
    if not found:
        found = bit_of(p[1], q[1], p[0], q[0]) | bit_of(p[2], q[2], p[0], q[0]) | bit_of(p[2], q[2], p[1], q[1])
    if not found and first == LOAD_IA:
        found = bit_of(p[0] + p[1] + p[2], q[0] + q[1] + q[2], 1.0, 0.0)
    return found


cdef void verdict(Wiring *w, int32_t feeder, int32_t seen) noexcept nogil:
    if seen == w.seen[feeder]:
        w.fault[feeder] = seen
    w.seen[feeder] = seen


cdef void wiring_step(Wiring *w, const Sample *sample, double cos1, double sin1) noexcept nogil:
    """One channel of one sample; cos1, sin1: the lock's phasor at its instant."""
    cdef int32_t k = w.channel[w.at], i
    w.re[k] += sample.si[k] * cos1
    w.im[k] -= sample.si[k] * sin1
    w.at += 1
    if w.at < w.count:
        return
    w.at = 0
    w.rounds += 1
    if w.rounds < WINDOW_ROUNDS:
        return
    w.rounds = 0
    verdict(w, 0, judged(w, LOAD_IA, LOAD_PU_MIN))
    verdict(w, 1, judged(w, PCC_IA, GRID_PU_MIN))
    for i in range(CHANNEL_MAX):
        w.re[i] = w.im[i] = 0.0

"""What a loop that is too late to answer a swing at once answers instead. Runs at 10 kHz; budget 30 ns.

    answer = sum over k of taps[k] deviation(k ms ago) + sum over i of lags[i] deviation through lag i

The shares come from controller.runtime.shape, once, at the start.
"""
from libc.stdint cimport int32_t
from libc.string cimport memset


cdef void shape_init(Shape *s, const ShapeSetup *setup) noexcept nogil:
    cdef int32_t i
    memset(s, 0, sizeof(Shape))
    s.setup = setup[0]
    for i in range(LAG_MAX):
        s.part[i] = setup.frame_s / (setup.lags_s[i] + setup.frame_s)


cdef void shape_take(Shape *s, double swing_kw, int32_t frames) noexcept nogil:
    """The deviation of this frame, and of those that were left out before it."""
    cdef int32_t at, i, _
    for _ in range(frames):
        s.at += 1
        at = <int32_t>(s.at & (SWING_MAX - 1))
        s.swing_kw[at] = s.swing_kw[at + SWING_MAX] = swing_kw
        for i in range(LAG_MAX):
            s.lag_kw[i] += (swing_kw - s.lag_kw[i]) * s.part[i]


cdef double shape_kw(const Shape *s) noexcept nogil:
    """The answer now. Four sums side by side: one would wait for itself."""
    cdef double sum_kw[4]
    cdef int32_t back = -s.setup.tap_frames, k, i
    cdef const double *then = &s.swing_kw[SWING_MAX + (s.at & (SWING_MAX - 1))]
    sum_kw[0] = sum_kw[1] = sum_kw[2] = sum_kw[3] = 0.0
    for k in range(0, TAP_MAX, 4):
        for i in range(4):
            sum_kw[i] += s.setup.taps_pu[k + i] * then[i * back]
        then += 4 * back
    for i in range(LAG_MAX):
        sum_kw[i] += s.setup.lags_pu[i] * s.lag_kw[i]
    return (sum_kw[0] + sum_kw[1]) + (sum_kw[2] + sum_kw[3])

"""What a loop that is too late to answer a swing at once answers instead: a filter of what the load has done."""
from libc.stdint cimport int32_t, int64_t


cdef enum:
    TAP_MAX = 24                # shares of the deviation as it was 0, 1, 2 ... ms ago
    LAG_MAX = 3                 # and of it through lags
    SWING_MAX = 4096            # frames of its history: 0.2 s at 20 kHz, a power of two


cdef struct ShapeSetup:
    double frame_s
    int32_t tap_frames          # between two taps,
    int32_t wide_frames         # of the wide filter
    int32_t at_once             # 1: what passes at once is the deviation itself
    int32_t ahead               # 1: what is foreseen passes the late filter too
    double prompt_taps_pu[TAP_MAX]
    double prompt_lags_pu[LAG_MAX]
    double wide_taps_pu[TAP_MAX]
    double wide_lags_pu[LAG_MAX]
    double late_taps_pu[TAP_MAX]
    double late_lags_pu[LAG_MAX]
    double lags_s[LAG_MAX]


cdef struct Shape:
    const ShapeSetup *setup     # kept by the caller
    double swing_kw[2 * SWING_MAX]  # deviation in the last frames, twice: whoever looks back never meets an end
    int64_t at                  # frames taken
    double lag_kw[LAG_MAX]      # deviation through each lag
    double part[LAG_MAX]        # of the way that a lag goes in a frame
    double prompt_pu            # share of which these are the shares of taps and lags, below 0: of none yet
    double taps_pu[TAP_MAX]
    double wide_pu[TAP_MAX]     # of the wide filter, which has its taps at other times
    double lags_pu[LAG_MAX]


cdef void shape_init(Shape *s, const ShapeSetup *setup) noexcept nogil
cdef void shape_turn(Shape *s, const ShapeSetup *setup) noexcept nogil
cdef void shape_mix(Shape *s, double prompt_pu) noexcept nogil


cdef inline bint shape_fits(const ShapeSetup *setup) noexcept nogil:
    """Whether no tap lies before the history: what is read there would be anything."""
    cdef int32_t least = min(setup.tap_frames, setup.wide_frames), most = max(setup.tap_frames, setup.wide_frames)
    return least >= 1 and (TAP_MAX - 1) * most < SWING_MAX


cdef inline void shape_take(Shape *s, double swing_kw, int32_t frames) noexcept nogil:
    """The deviation of this frame, and of those that were left out before it."""
    cdef int32_t at, i, _
    for _ in range(frames):
        s.at += 1
        at = <int32_t>(s.at & (SWING_MAX - 1))
        s.swing_kw[at] = s.swing_kw[at + SWING_MAX] = swing_kw
        for i in range(LAG_MAX):
            s.lag_kw[i] += (swing_kw - s.lag_kw[i]) * s.part[i]


cdef inline double taps_kw(const double *taps_pu, const double *then, int32_t back) noexcept nogil:
    """Shares of the deviation as it was: now at then, and at each tap before. Four sums side by side: one would wait
    for itself."""
    cdef double sum_kw[4]
    cdef int32_t k, i
    sum_kw[0] = sum_kw[1] = sum_kw[2] = sum_kw[3] = 0.0
    for k in range(0, TAP_MAX, 4):
        for i in range(4):
            sum_kw[i] += taps_pu[k + i] * then[-i * back]
        then -= 4 * back
    return (sum_kw[0] + sum_kw[1]) + (sum_kw[2] + sum_kw[3])


cdef inline double shape_kw(const Shape *s) noexcept nogil:
    """The answer now."""
    cdef const double *then = &s.swing_kw[SWING_MAX + (s.at & (SWING_MAX - 1))]
    cdef double kw = taps_kw(s.taps_pu, then, s.setup.tap_frames)
    cdef int32_t i
    if s.prompt_pu < 0.0:
        kw += taps_kw(s.wide_pu, then, s.setup.wide_frames)
    for i in range(LAG_MAX):
        kw += s.lags_pu[i] * s.lag_kw[i]
    return kw


cdef inline double shape_ahead_kw(const Shape *s, double ahead_s) noexcept nogil:
    """By how much the answer of the lags will be another one so much later, if the deviation stays as it is."""
    cdef double swing_kw = s.swing_kw[s.at & (SWING_MAX - 1)], kw = 0.0
    cdef int32_t i
    for i in range(LAG_MAX):
        kw += s.lags_pu[i] * (swing_kw - s.lag_kw[i]) * s.part[i]
    return kw * ahead_s / s.setup.frame_s

"""What a loop that is too late to answer a swing at once answers instead: a filter of what the load has done."""
from libc.stdint cimport int32_t, int64_t


cdef enum:
    TAP_MAX = 24                # shares of the deviation as it was 0, 1, 2 ... ms ago
    LAG_MAX = 3                 # and of it through lags
    SWING_MAX = 512             # frames of its history: 23 ms at 20 kHz, a power of two


cdef struct ShapeSetup:
    double frame_s
    int32_t tap_frames          # between two taps
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
    ShapeSetup setup
    double swing_kw[2 * SWING_MAX]  # deviation in the last frames, twice: whoever looks back never meets an end
    int64_t at                  # frames taken
    double lag_kw[LAG_MAX]      # deviation through each lag
    double part[LAG_MAX]        # of the way that a lag goes in a frame
    double prompt_pu            # share of which these are the shares of taps and lags, below 0: of none yet
    double taps_pu[TAP_MAX]
    double lags_pu[LAG_MAX]


cdef void shape_init(Shape *s, const ShapeSetup *setup) noexcept nogil
cdef void shape_take(Shape *s, double swing_kw, int32_t frames) noexcept nogil
cdef void shape_mix(Shape *s, double prompt_pu) noexcept nogil
cdef double shape_kw(const Shape *s) noexcept nogil

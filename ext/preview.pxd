"""Where the load will be when a command that is sent now takes effect."""
from libc.stdint cimport int32_t, int64_t

from ext.dwell cimport DWELL_MAX, Dwells, DwellSetup


cdef enum:
    BACK_MAX = 128              # frames of load history: 6 ms at 20 kHz, a power of two
    LEVEL_MAX = DWELL_MAX


cdef struct PreviewSetup:
    double frame_s
    double horizon_s            # from the measurement to the middle of the exchange that answers it
    double rating_kw            # of all converters
    DwellSetup dwell


cdef struct Level:              # a power at which the load has rested
    double kw
    double weight               # how often and how lately


cdef enum Guess:
    GUESS_NONE = 0
    GUESS_EDGE = 1              # slope up to a known level
    GUESS_CALM = 2              # half of the slope between edges
    GUESS_KINDS = 3


cdef struct Preview:
    PreviewSetup setup
    double rating_kw            # what powers are measured by: of the converters that take part now
    int32_t short_frames        # the times of preview.pyx
    int32_t long_frames
    int32_t calm_frames
    int32_t settle_frames
    int32_t ahead_frames[GUESS_KINDS]   # how far each kind of guess looks
    double load_kw[BACK_MAX]    # of the last frames
    int64_t at                  # frames seen; 32 bits would run over after 60 h
    int32_t rest_frames         # since the last edge
    int32_t rested_frames       # and before it
    double short_kw2            # mean square of what the load moves between edges in the shorter time
    double long_kw2             # and in the longer one
    double before_kw            # where the present edge began
    int64_t edge_at             # and when, by the clock of the dwells
    double left_kw              # where the load rested last, and
    int64_t left_at             # when it left
    int64_t ended_at            # when the last edge that led anywhere ended
    Dwells dwells
    Level level[LEVEL_MAX]
    double sure_weight          # from which on a level is guessed
    double guess_kw[BACK_MAX]   # of the last frames
    int32_t kind[BACK_MAX]      # Guess
    double missed[GUESS_KINDS]  # squares of what each kind of guess missed, the past fading
    double moved[GUESS_KINDS]   # squares of what the load itself moved in the same time


cdef void preview_init(Preview *v, const PreviewSetup *setup) noexcept nogil
cdef void preview_look(Preview *v, double horizon_s, const DwellSetup *dwell) noexcept nogil
cdef double preview_step(Preview *v, double load_kw) noexcept nogil

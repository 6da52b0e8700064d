"""How long the load rests at each of its levels, where it goes then, and what is due for that before it goes."""
from libc.stdint cimport int32_t, int64_t


cdef enum:
    DWELL_MAX = 8               # levels
    BOX_MAX = 2                 # that of the edge before may still last
    DWELL_SURE = 4              # times that it came true before the next is expected


cdef struct DwellSetup:
    double frame_s
    double late_s               # what the loop leaves of an edge, over the edge; 0: nothing is given
    double exchange_s           # of the wire
    double given_pu             # of an edge that is given at a time, in a wide box


cdef struct Dwell:              # at one level
    double frames               # mean
    double square               # mean square off it
    int32_t count               # met, 0: never
    int32_t next_level
    double edge_frames          # how long the last edge from it took
    int32_t sure                # how often both came true of late


cdef struct Box:                # so much for so long
    double kw
    int64_t begins_at
    int64_t ends_at


cdef struct Dwells:
    int64_t at                  # frames by the clock, those without a sample counted, too
    Dwell of[DWELL_MAX]
    int32_t level               # at which the load rests, -1: none yet
    double came_at              # middle of the edge that led there, in frames
    Box box[BOX_MAX]
    int32_t box_at              # the next to be used
    int64_t until_at            # when all have ended
    int64_t edge_from_at        # the next edge is expected from then on; none: 0, long past
    int64_t edge_until_at       # and until then


cdef void dwell_init(Dwells *d) noexcept nogil
cdef void dwell_forget(Dwells *d, int32_t level) noexcept nogil
cdef bint dwell_came(Dwells *d, int32_t level, int64_t began_at, int64_t ended_at) noexcept nogil
cdef void dwell_expect(Dwells *d, const DwellSetup *setup, double step_kw, double least_kw) noexcept nogil


cdef inline int32_t dwell_next(const Dwells *d) noexcept nogil:
    """Where the load goes from where it rests, -1: nobody knows."""
    return d.of[d.level].next_level if d.level >= 0 and d.of[d.level].sure >= DWELL_SURE else -1


cdef inline double dwell_kw(const Dwells *d, int64_t later) noexcept nogil:
    """What is due for edges that are expected, kW; now, or so many frames later."""
    cdef int64_t at = d.at + later
    cdef double kw = 0.0
    cdef int32_t k
    if at >= d.until_at:
        return 0.0
    for k in range(BOX_MAX):
        if d.box[k].begins_at <= at < d.box[k].ends_at:
            kw += d.box[k].kw
    return kw


cdef inline double dwell_period(const Dwells *d) noexcept nogil:
    """Frames until the load is back at the level at which it rests now, in the mean; 0: not known."""
    cdef double frames = 0.0
    cdef int32_t level = d.level, _
    for _ in range(DWELL_MAX):
        if level < 0 or d.of[level].sure < DWELL_SURE:
            return 0.0
        frames += d.of[level].frames
        level = d.of[level].next_level
        if level == d.level:
            return frames
    return 0.0

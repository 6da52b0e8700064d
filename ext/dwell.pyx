"""What a load that comes back owes, given before it comes. Runs at 10 kHz; budget 5 ns between edges.

A loop that is late by L leaves A L of every edge A on the grid, whatever answers it (control.md 5.2). Where it is known
that the load rests at a level for T, give or take s, the battery gives that area spread about the instant at which the
edge is expected. W being the spectrum of what it is spread over, the grid keeps of the pulse at w, in the mean,

    1 + W^2 - 2 W exp(-(w s)^2 / 2),    least for  W = exp(-(w s)^2 / 2), where it is  1 - exp(-(w s)^2):

next to nothing of what is slow against s, all of what is fast, and never more than all. A memory that repeats the last
period whole loses where s is above L (control.md 5.5); this does not.

It is spread over a box, which leaves the wire free: it begins and it ends. Its half is so many times s and L, and so
long that the wire is free again when an edge comes. W of a box turns below 0 beyond 1 / (2 half), where it would add:
so it is narrow enough for that to lie above 50 Hz, or so wide, against L, that little is added.

For twice s, 40 ms at most, before its beginning and after its middle the wire is kept free: of reads, as far as they
may be early or late, and of what the battery is told at rest.

Worked: 1600 kW, L = 2 ms, s = 5 ms, exchange 2.4 ms: half = 20 ms, so 80 kW from 21 ms before the edge on, for 40 ms.
"""
from libc.math cimport fabs, sqrt
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

cdef double PULL = 0.05             # of a mean towards what was met, once it has been met often
cdef double BUSY_EXCHANGES = 3.0    # that a beginning takes: half is at least as long, and
cdef double BUSY_OFF = 2.0          # so many times s more
cdef double NARROW_S = 0.0105       # half of a narrow box at most: 1 / (2 half) is 48 Hz
cdef double NARROW_OFF = 3.0        # it is at least so many times s,
cdef double NARROW_LATE = 4.0       # and L
cdef double WIDE_OFF = 2.5          # the same of a wide one
cdef double LATE_EXCHANGES = 0.5    # a smaller L is not worth the time that its box takes of the wire
cdef double OUT = 4.0               # times s: this far off it was another edge;
cdef double OUT_SHARE = 0.125       # of the mean: so far, too
cdef double WATCH_S = 0.04          # before and after: a wire may keep its reads away from an edge that long at most,
cdef double SEEN_S = 0.001          # and at least: an edge that has begun is seen so soon
cdef int32_t SURE_MAX = 8
cdef double PRECISE = 0.0005        # of the mean: a second that is so near is hardly chance
cdef int32_t DOUBT = 2              # one that was not expected outweighs so many that were


cdef void dwell_init(Dwells *d) noexcept nogil:
    memset(d, 0, sizeof(Dwells))
    d.level = -1


cdef void dwell_forget(Dwells *d, int32_t level) noexcept nogil:
    """This place stands for another level from now on."""
    cdef int32_t k
    memset(&d.of[level], 0, sizeof(Dwell))
    for k in range(DWELL_MAX):
        if d.of[k].next_level == level:
            d.of[k].count = d.of[k].sure = 0
    if d.level == level:
        d.level = -1


cdef inline void begin(Dwell *of, double frames, int32_t next_level) noexcept nogil:
    of.frames, of.square, of.next_level = frames, 0.0, next_level
    of.count = of.sure = 1


cdef void teach(Dwell *of, double frames, int32_t next_level) noexcept nogil:
    """So long it was, and there the load went. What fits neither counts against what is known; a rest that repeats to a
    hair, as one by a clock does, need not do so often."""
    cdef double off = frames - of.frames, part = max(PULL, 1.0 / (of.count + 1.0))
    cdef bint fits = next_level == of.next_level and (
        off * off <= OUT * OUT * of.square or fabs(off) <= OUT_SHARE * of.frames)
    if not fits:
        of.sure -= DOUBT
        if of.sure <= 0:
            begin(of, frames, next_level)
        return
    of.count += 1
    of.sure = max(min(of.sure + 1, SURE_MAX), DWELL_SURE if fabs(off) <= PRECISE * of.frames else 0)
    of.frames += part * off
    of.square = (1.0 - part) * (of.square + part * off * off)


cdef bint dwell_came(Dwells *d, int32_t level, int64_t began_at, int64_t ended_at) noexcept nogil:
    """The load has come to rest at that level by an edge that began and ended then; its middle counts. False: it is
    back where it was, as from a spike, and its rest goes on. What was due later was due for the edge that has come;
    where that has led elsewhere, what is being given, too, was not meant for it."""
    cdef bint expected = level == dwell_next(d)
    cdef double came_at = 0.5 * <double>(began_at + ended_at)
    cdef int32_t k
    if level == d.level:
        return False
    if d.level >= 0:
        teach(&d.of[d.level], came_at - d.came_at, level)
        d.of[d.level].edge_frames = <double>(ended_at - began_at)
    for k in range(BOX_MAX):
        if not expected or d.box[k].begins_at > d.at:
            d.box[k].ends_at = d.box[k].begins_at
    d.level = level
    d.came_at = came_at
    d.edge_from_at = d.edge_until_at = 0
    return True


cdef inline void give(Dwells *d, double middle, double half, double kw) noexcept nogil:
    """A box more, about that instant."""
    cdef Box *box = &d.box[d.box_at]
    d.box_at = (d.box_at + 1) % BOX_MAX
    box.kw = kw
    box.begins_at = <int64_t>(middle - half + 0.5)
    box.ends_at = <int64_t>(middle + half + 0.5)
    d.until_at = max(d.until_at, box.ends_at)


cdef inline double half_s(double off_s, const DwellSetup *setup) noexcept nogil:
    """Half of a box. off_s: s above."""
    cdef double clear_s = BUSY_OFF * off_s + BUSY_EXCHANGES * setup.exchange_s
    cdef double narrow_s = max(clear_s, NARROW_OFF * off_s, NARROW_LATE * setup.late_s)
    return narrow_s if narrow_s <= NARROW_S else max(clear_s, WIDE_OFF * off_s, 0.5 * setup.late_s / setup.given_pu)


cdef void dwell_expect(Dwells *d, const DwellSetup *setup, double step_kw, double least_kw) noexcept nogil:
    """The box of the next edge, which is step_kw; none below least_kw. And when its beginning is expected: it lasts as
    long as the last one from that level, which was seen a little after it began."""
    cdef double off_s = setup.frame_s * sqrt(d.of[d.level].square)
    cdef double half = half_s(off_s, setup)
    cdef double due = d.came_at + d.of[d.level].frames
    cdef double kw = 0.5 * step_kw * setup.late_s / half
    cdef double watch = max(BUSY_OFF * off_s, SEEN_S) / setup.frame_s
    cdef double most = WATCH_S / setup.frame_s
    d.edge_from_at = <int64_t>(due - min(watch + 0.5 * d.of[d.level].edge_frames, most))
    d.edge_until_at = <int64_t>(due + min(watch, most) + 0.5)
    if setup.late_s > LATE_EXCHANGES * setup.exchange_s and fabs(kw) >= least_kw:
        give(d, due - 0.5 * setup.late_s / setup.frame_s, half / setup.frame_s, kw)

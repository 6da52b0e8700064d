"""Where the load will be when a command that is sent now takes effect. Runs at 10 kHz; budget 20 ns.

GPU sites move between a few powers, along edges of 1 to 50 ms. On an edge the slope is carried on to the horizon, but
never past the level at which such an edge has ended before; without a level that fits, nothing is guessed. What moves
less than noise does is no edge, and noise that passes for one teaches no level. One that lasts goes on at half of what
it began with, and from 1 ms on its slope is that of 1 ms. Every guess is judged when its time
has come, and a kind that has lately missed more than it won is not used. Between edges half of the slope of 2 ms is
carried on, less what may be the waveform's ripple. How long the load rests at each level is learned too, see ext.dwell.
"""
from libc.math cimport fabs
from libc.stdint cimport int32_t
from libc.string cimport memset

from ext.dwell cimport DwellSetup, dwell_came, dwell_expect, dwell_forget, dwell_init, dwell_next

cdef double SHORT_S = 0.0003        # an edge: this much time and
cdef double SHORT_PU = 0.015        # this much power; four times the ripple that the estimator leaves
cdef double LONG_S = 0.001          # or these
cdef double LONG_PU = 0.02
cdef double GOES_ON2 = 0.25        # of these squared, while an edge lasts: noise makes no two of it
cdef double NOISE_MAX2 = 25.0       # and five times what is seen between edges, squared: four are passed each second
cdef double NOISE_PART = 0.0003     # of what is seen in a frame that enters its mean square
cdef double CALM_S = 0.002          # between edges: slope over this time
cdef double CALM_PU = 0.005        # less is ripple
cdef double CALM_SHARE = 1.0
cdef double OVERRUN_S = 0.002       # a slope goes on that much longer: lag and slew hold back what follows an edge
cdef double SETTLE_S = 0.0125       # after an edge: the load has reached its level
cdef double SAME_PU = 0.04          # levels nearer than this are one
cdef double DUE_PU = 0.01           # what is due for an edge that is expected, at least
cdef double SURE = 1.5              # weight of a level that has been met at least twice; enough, too, is
cdef double SURE_SHARE = 0.3        # this share of all weights: a load of two levels is known when each has been met
cdef double FADE = 0.97             # of all weights with every level met
cdef double PULL = 0.3              # of a level towards what was met
cdef double TRUST = 0.9             # a guess that misses less than this share of the load's own way is used
cdef double FORGET = 0.001          # of what is known of the guesses, with each that is judged


cdef int32_t frames(const Preview *v, double seconds) noexcept nogil:
    return min(<int32_t>(seconds / v.setup.frame_s + 0.5), BACK_MAX - 1)


cdef void preview_init(Preview *v, const PreviewSetup *setup) noexcept nogil:
    memset(v, 0, sizeof(Preview))       # all of it is touched now: no page of the memory is missing later
    dwell_init(&v.dwells)
    v.setup = setup[0]
    v.sure_weight = SURE
    v.rating_kw = setup.rating_kw
    v.short_frames = frames(v, SHORT_S)
    v.long_frames = frames(v, LONG_S)
    v.calm_frames = frames(v, CALM_S)
    v.settle_frames = <int32_t>(SETTLE_S / setup.frame_s + 0.5)
    preview_look(v, setup.horizon_s, &setup.dwell)


cdef void preview_look(Preview *v, double horizon_s, const DwellSetup *dwell) noexcept nogil:
    """From now on as far ahead as this; levels and what is known of them and of the guesses stay."""
    v.setup.horizon_s = horizon_s
    v.setup.dwell = dwell[0]
    v.ahead_frames[<int32_t>GUESS_EDGE] = frames(v, horizon_s + OVERRUN_S)
    v.ahead_frames[<int32_t>GUESS_CALM] = frames(v, horizon_s)


cdef inline double back(const Preview *v, int32_t count) noexcept nogil:
    """Load that many frames before the newest."""
    return v.load_kw[(v.at - 1 - count) & (BACK_MAX - 1)]


cdef int32_t learn(Preview *v, double kw) noexcept nogil:
    """The load has come to rest here: strengthen the level that fits, or replace the weakest; which one, -1: none.
    Noise that passed for an edge has led nowhere: what is known already stays as it is."""
    cdef double same_kw = SAME_PU * v.rating_kw
    cdef int32_t k, near = 0, weak = 0, known
    for k in range(LEVEL_MAX):
        if v.level[k].weight < v.level[weak].weight:
            weak = k
        if fabs(v.level[k].kw - kw) < fabs(v.level[near].kw - kw):
            near = k
    known = v.level[near].weight > 0 and fabs(v.level[near].kw - kw) < same_kw
    if known and fabs(kw - v.left_kw) <= 2 * same_kw:
        return -1
    for k in range(LEVEL_MAX):
        v.level[k].weight *= FADE
    if known:
        v.level[near].kw += PULL * (kw - v.level[near].kw)
        v.level[near].weight += 1.0
    else:
        v.level[weak].kw = kw
        v.level[weak].weight = 1.0
        dwell_forget(&v.dwells, weak)
    v.sure_weight = 0.0
    for k in range(LEVEL_MAX):
        v.sure_weight += SURE_SHARE * v.level[k].weight
    v.sure_weight = min(SURE, v.sure_weight)
    return near if known else weak


cdef void settle(Preview *v, int32_t level) noexcept nogil:
    """The load has come to rest at that level, and will go on to another."""
    cdef int32_t then
    if level < 0 or not dwell_came(&v.dwells, level, v.left_at, max(v.left_at, v.ended_at)):
        return
    then = dwell_next(&v.dwells)
    if then >= 0:
        dwell_expect(&v.dwells, &v.setup.dwell, v.level[then].kw - v.level[level].kw, DUE_PU * v.rating_kw)


cdef double carried_on(const Preview *v, double load_kw, double slope_kw_per_s) noexcept nogil:
    """On an edge: the slope up to the horizon, at most to the next known level that is not its beginning."""
    cdef double sign = 1.0 if slope_kw_per_s > 0 else -1.0
    cdef double same_kw = SAME_PU * v.rating_kw
    cdef double way_kw = 1e12, left_kw
    cdef int32_t k
    for k in range(LEVEL_MAX):
        left_kw = sign * (v.level[k].kw - load_kw)
        if v.level[k].weight < v.sure_weight or fabs(v.level[k].kw - v.before_kw) <= 2 * same_kw:
            continue
        if -same_kw < left_kw < way_kw:
            way_kw = left_kw
    if way_kw > 1e11:
        return load_kw
    return load_kw + sign * min(way_kw, fabs(slope_kw_per_s) * (v.setup.horizon_s + OVERRUN_S))


cdef void judge(Preview *v, int32_t kind, double load_kw) noexcept nogil:
    """What was guessed that long ago is the load now, or it is not."""
    cdef int32_t ago = <int32_t>((v.at - 1 - v.ahead_frames[kind]) & (BACK_MAX - 1))
    if v.kind[ago] != kind:
        return
    v.missed[kind] += (load_kw - v.guess_kw[ago]) ** 2 - FORGET * v.missed[kind]
    v.moved[kind] += (load_kw - v.load_kw[ago]) ** 2 - FORGET * v.moved[kind]


cdef double note(Preview *v, int32_t kind, double guess_kw, double load_kw) noexcept nogil:
    """Remember the guess; it is used while its kind has lately been better than the load itself."""
    cdef int32_t at = <int32_t>((v.at - 1) & (BACK_MAX - 1))
    v.kind[at] = kind
    v.guess_kw[at] = guess_kw
    return guess_kw if v.missed[kind] < TRUST * v.moved[kind] else load_kw


cdef double on_edge(Preview *v, double load_kw, double slope_kw_per_s) noexcept nogil:
    cdef double guess_kw
    if v.rest_frames > v.long_frames:
        v.before_kw = back(v, v.long_frames)
        v.edge_at = v.dwells.at
        v.rested_frames = v.rest_frames
        # What noise adds just before an edge is no beginning of it.
        if v.rest_frames >= v.settle_frames or fabs(v.before_kw - v.left_kw) <= LONG_PU * v.rating_kw:
            v.left_kw = v.before_kw
            v.left_at = v.dwells.at
    v.rest_frames = 0
    guess_kw = carried_on(v, load_kw, slope_kw_per_s)
    return note(v, GUESS_EDGE if guess_kw != load_kw else GUESS_NONE, guess_kw, load_kw)


cdef inline bint stands_out(const Preview *v, double kw, double least_pu, double noise_kw2) noexcept nogil:
    cdef double least_kw = least_pu * v.rating_kw
    return kw * kw > (GOES_ON2 if v.rest_frames == 0 else 1.0) * max(least_kw * least_kw, NOISE_MAX2 * noise_kw2)


cdef double preview_step(Preview *v, double load_kw) noexcept nogil:
    """Load power now to load power at the horizon, kW."""
    cdef double short_kw, long_kw, calm_kw
    cdef bint steep
    v.load_kw[v.at & (BACK_MAX - 1)] = load_kw
    v.at += 1
    if v.at < BACK_MAX:
        return load_kw
    judge(v, GUESS_EDGE, load_kw)
    judge(v, GUESS_CALM, load_kw)
    short_kw, long_kw = load_kw - back(v, v.short_frames), load_kw - back(v, v.long_frames)
    steep = stands_out(v, short_kw, SHORT_PU, v.short_kw2)
    if steep and (v.rest_frames > 0 or v.dwells.at - v.edge_at < v.long_frames or short_kw * long_kw < 0.0):
        return on_edge(v, load_kw, short_kw / SHORT_S)
    if steep or stands_out(v, long_kw, LONG_PU, v.long_kw2):
        return on_edge(v, load_kw, long_kw / LONG_S)
    v.short_kw2 += (short_kw * short_kw - v.short_kw2) * NOISE_PART
    v.long_kw2 += (long_kw * long_kw - v.long_kw2) * NOISE_PART
    v.rest_frames += 1
    # Nor is it the end: it has led nowhere. An edge seems to last long_frames more.
    if v.rest_frames == 1 and fabs(load_kw - v.before_kw) > LONG_PU * v.rating_kw:
        v.ended_at = v.dwells.at - v.long_frames
    if v.rest_frames == v.settle_frames:
        settle(v, learn(v, load_kw))
    if v.rest_frames <= v.calm_frames:
        return note(v, GUESS_NONE, load_kw, load_kw)
    calm_kw = load_kw - back(v, v.calm_frames)
    calm_kw -= min(max(calm_kw, -CALM_PU * v.rating_kw), CALM_PU * v.rating_kw)
    calm_kw *= CALM_SHARE * v.setup.horizon_s / CALM_S
    return note(v, GUESS_CALM if calm_kw != 0.0 else GUESS_NONE, load_kw + calm_kw, load_kw)

"""Where a converter will be, and the command that brings it where it is wanted. Runs at 10 kHz; budget 20 ns each.

The model is driven by what was really sent, not by what was wanted. The lead inverts it: with lag T and
a = exp(-lead / T), lead being one exchange, or 0.15 T where that is more, power b and internal setpoint s at the
instant at which a command sent now arrives,

    u = b + (wanted_kw - b) / (1 - a)                  no slew limit
    wanted_kw = a b + (1 - a) u - (u - s) h            with it; h = a (X/2 + X^2/6 + X^3/24), X = |u - s| / (slew T)

solved for u by three steps, which a table has: within 2e-10 of slew T, a fraction of a milliwatt.

Worked: b = 0, wanted_kw = 800 kW, exchange 2.4 ms, T = 5 ms: a = 0.619, u = 2100 kW without slew limit.
"""
from libc.math cimport copysign, exp, fabs
from libc.stdint cimport int32_t
from libc.string cimport memset

cdef enum:
    LEAD_STEPS = 3

cdef double NO_LAG_S = 1e-15        # stands for none where times are counted in lags
cdef double LEAD_LAGS = 0.15        # no lead is quicker: it would overshoot the more in each exchange that comes late


cdef inline double fading(double x) noexcept nogil:
    """exp(-x), x >= 0. Below 1 by the Pade approximant of a quarter of it: 1e-12 off at most, in half the time."""
    cdef double y = 0.25 * x, square = y * y
    cdef double even = 1.0 + square * (0.10714285714285714 + square * 0.0005952380952380953)
    cdef double odd = y * (0.5 + square * 0.011904761904761904)
    if x > 1.0:
        return exp(-x)
    y = (even - odd) / (even + odd)
    y *= y
    return y * y


cdef double lag_of_slew(double decay, double x) noexcept nogil:
    """h of the lead for |u - s| / scale = x."""
    return decay * x * (0.5 + x * (0.16666666666666666 + x * 0.041666666666666664))


cdef double led(double decay, double far, int32_t steps, double *slope) noexcept nogil:
    """|u - s| / scale after so many steps, and its slope over far = |wanted_kw - a b - (1 - a) s| / scale.

    With the h of the last u the lead's equation is linear in u - s: a step is u - s = far / (1 - a - h)."""
    cdef double rest = 1.0 - decay, x = far / rest, left
    cdef int32_t _
    slope[0] = 1.0 / rest
    for _ in range(steps):
        left = rest - lag_of_slew(decay, x)
        slope[0] *= decay * (0.5 + x * (0.3333333333333333 + x * 0.125))
        x = far / left
        slope[0] = (1.0 + x * slope[0]) / left
    return x


cdef inline double lead_s(const FollowSetup *setup) noexcept nogil:
    """In which the lead brings a converter where it is wanted: an exchange, but no less than the lag allows."""
    return max(setup.period_s, LEAD_LAGS * setup.lag_s)


cdef inline double lags_in(const FollowSetup *setup, double time_s) noexcept nogil:
    return time_s * (1.0 / max(setup.lag_s, NO_LAG_S))


cdef void lead_init(FollowLead *lead, const FollowSetup *setup) noexcept nogil:
    """The lead as a table: three divisions that wait for each other would be a fifth of a frame. Without a slew limit
    it needs none.

    No u beyond what the exchange allows is put into h. The steps only grow, so once the last but one is there, so is
    h, and what is left is a straight line."""
    cdef double reach = lags_in(setup, lead_s(setup)), decay = exp(-reach)
    cdef double low = 0.0, high = reach * (1.0 - decay), middle
    cdef double from_x, to_x, from_slope, to_slope
    cdef int32_t k, _
    memset(lead, 0, sizeof(FollowLead))
    if setup.slew_kw_per_s <= 0:
        return
    for _ in range(64):
        middle = 0.5 * (low + high)
        if led(decay, middle, LEAD_STEPS - 1, &to_slope) < reach:
            low = middle
        else:
            high = middle
    lead.far_end = low
    lead.ends = 1.0 / (1.0 - decay - lag_of_slew(decay, reach))
    lead.rows_per_far = LEAD_ROWS / lead.far_end
    from_x = led(decay, 0.0, LEAD_STEPS, &from_slope)
    for k in range(LEAD_ROWS):
        to_x = led(decay, lead.far_end * (k + 1) / LEAD_ROWS, LEAD_STEPS, &to_slope)
        lead.row[k][0] = from_x
        lead.row[k][1] = from_slope / lead.rows_per_far
        lead.row[k][2] = 3.0 * (to_x - from_x) - (2.0 * from_slope + to_slope) / lead.rows_per_far
        lead.row[k][3] = 2.0 * (from_x - to_x) + (from_slope + to_slope) / lead.rows_per_far
        from_x, from_slope = to_x, to_slope


cdef void follow_turn(Follow *c, const FollowSetup *setup, const FollowLead *lead) noexcept nogil:
    """From now on with these times, its power and its past as they are. lead: made for them, and kept by the caller.
    What does not change is reckoned once: a division costs as much as the rest of a line."""
    c.setup = setup[0]
    c.lead = lead
    c.dead_frames = min(<int32_t>(setup.dead_s / c.frame_s + 0.5), PAST_MAX - 1)
    c.per_lag = 1.0 / max(setup.lag_s, NO_LAG_S)
    c.scale_kw = setup.slew_kw_per_s * max(setup.lag_s, NO_LAG_S)
    c.decay = exp(-lead_s(setup) * c.per_lag)
    c.per_rest = 1.0 / (1.0 - c.decay)
    c.per_scale = 1.0 / c.scale_kw if c.scale_kw > 0 else 0.0
    c.reach_late = (lead_s(setup) + c.frame_s) * c.per_lag


cdef double follow_longer(const Follow *c, double more_s) noexcept nogil:
    """Of what the lead asks beyond what is wanted, the share that brings a converter there in more_s more; small
    swings: with a = exp(-lead / T), b = exp(-(lead + more) / T) it is b / (1 - b) over a / (1 - a)."""
    cdef double longer = c.decay * exp(-more_s * c.per_lag)
    return longer / (1.0 - longer) * (1.0 - c.decay) / c.decay if c.decay > 0.0 else 0.0


cdef void follow_init(Follow *c, const FollowSetup *setup, const FollowLead *lead, double frame_s) noexcept nogil:
    """At rest at zero. lead: as lead_init makes it of this setup."""
    memset(c, 0, sizeof(Follow))
    c.frame_s = frame_s
    follow_turn(c, setup, lead)


cdef void follow_each(Follow *c, int32_t count, const double *sent_kw, double dt_s) noexcept nogil:
    """The same for `count` of them; the past only where it is kept."""
    cdef int32_t k
    for k in range(count):
        move(&c[k], sent_kw[k], dt_s)
        if c[k].kept:
            remember(&c[k])


cdef void follow_look(Follow *c, double end_s) noexcept nogil:
    """What follow_after_kw asks after from now on: end_s after a frame."""
    c.ahead_s = end_s - c.setup.dead_s
    c.ahead_lags = c.ahead_s * c.per_lag
    c.ahead_decay = fading(c.ahead_lags) if c.ahead_s > 0 else 1.0


cdef inline double owed_kw(const Follow *c, double *slew_kw, double told_kw, double for_lags, double left_lags,
                           double decay, double then_decay) noexcept nogil:
    """What the lag will still miss, left_lags on, of the internal setpoint's way to told_kw that begins now and has
    for_lags; decay, then_decay: of the lag over left_lags and over what is left of them behind for_lags. A ramp of
    length r leaves slew T (exp(-(left - r) / T) - decay)."""
    cdef double way_kw = told_kw - slew_kw[0]
    cdef double ramp_lags = fabs(way_kw) * c.per_scale
    cdef double scale_kw = copysign(c.scale_kw, way_kw)      # no branch: on a swing the sign turns again and again
    if ramp_lags > for_lags:
        slew_kw[0] += scale_kw * for_lags
        return scale_kw * (then_decay - decay)
    slew_kw[0] = told_kw
    if ramp_lags <= 0:                  # no slew limit
        return way_kw * decay
    return scale_kw * (fading(left_lags - ramp_lags) - decay)


cdef double follow_after_kw(const Follow *c, double sent_kw, double told_kw, double wait_s) noexcept nogil:
    """Its power at the instant of follow_look, when told_kw leaves in wait_s; until then what was sent holds.

    In closed form: a lag misses of each part of its input's way what is left of that by then."""
    cdef double slew_kw = c.slew_kw, left_lags = c.ahead_lags, wait_lags = wait_s * c.per_lag
    cdef double left_decay = 1.0, kw
    if c.ahead_s <= 0:      # what is sent now arrives too late for that
        return c.past_kw[
            (c.past_at - 1 - min(c.dead_frames, <int32_t>(0.5 - c.ahead_s / c.frame_s))) & (PAST_MAX - 1)]
    kw = (c.model_kw - slew_kw) * c.ahead_decay
    if wait_lags < left_lags:
        left_lags -= wait_lags
        left_decay = fading(left_lags)
    else:
        wait_lags, left_lags = left_lags, 0.0
    if sent_kw != slew_kw and wait_lags > 0.0:
        kw -= owed_kw(c, &slew_kw, sent_kw, wait_lags, c.ahead_lags, c.ahead_decay, left_decay)
    if told_kw != slew_kw and left_lags > 0.0:
        kw -= owed_kw(c, &slew_kw, told_kw, left_lags, left_lags, left_decay, 1.0)
    return slew_kw + kw

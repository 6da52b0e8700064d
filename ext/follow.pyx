"""Where a converter will be, and the command that brings it where it is wanted. Runs at 10 kHz; budget 20 ns each.

The model is driven by what was really sent, not by what was wanted. The lead inverts it: with lag T and
a = exp(-period / T), power b and internal setpoint s at the instant at which a command sent now arrives,

    u = b + (wanted_kw - b) / (1 - a)                  no slew limit
    wanted_kw = a b + (1 - a) u - (u - s) h            with it; h = a (X/2 + X^2/6 + X^3/24), X = |u - s| / (slew T)

Worked: b = 0, wanted_kw = 800 kW, period 2.4 ms, T = 5 ms: a = 0.619, u = 2100 kW without slew limit.
"""
from libc.math cimport exp, fabs
from libc.stdint cimport int32_t
from libc.string cimport memset

cdef int32_t NEWTON_STEPS = 3


cdef inline double clip(double x, double low, double high) noexcept nogil:
    return low if x < low else (high if x > high else x)


cdef void follow_init(Follow *c, const FollowSetup *setup, double frame_s) noexcept nogil:
    memset(c, 0, sizeof(Follow))
    c.setup = setup[0]
    c.frame_s = frame_s
    c.decay = exp(-setup.period_s / setup.lag_s) if setup.lag_s > 0 else 0.0
    c.dead_frames = min(<int32_t>(setup.dead_s / frame_s + 0.5), PAST_MAX - 1)


cdef void follow_step(Follow *c, double sent_kw, double dt_s) noexcept nogil:
    """Where the converter will be when a command sent now arrives, and where it is now."""
    cdef double reach_kw = c.setup.slew_kw_per_s * dt_s if c.setup.slew_kw_per_s > 0 else 1e12
    cdef double x
    c.slew_kw += clip(sent_kw - c.slew_kw, -reach_kw, reach_kw)
    if c.setup.lag_s > 0:
        x = dt_s / c.setup.lag_s
        c.model_kw += (c.slew_kw - c.model_kw) * x / (1.0 + 0.5 * x)    # 1 - exp(-x) to third order
    else:
        c.model_kw = c.slew_kw
    c.past_kw[c.past_at & (PAST_MAX - 1)] = c.model_kw
    c.battery_kw = c.past_kw[(c.past_at - c.dead_frames) & (PAST_MAX - 1)]
    c.past_at += 1


cdef double follow_lead(const Follow *c, double wanted_kw) noexcept nogil:
    """The command that brings the converter to wanted_kw one exchange after it arrives; where its slew is too slow for
    that, as far as it comes within it and the frame by which the next one may be late."""
    cdef double a = c.decay
    cdef double b = c.model_kw
    cdef double reach_kw = c.setup.slew_kw_per_s * c.setup.period_s
    cdef double scale = c.setup.slew_kw_per_s * c.setup.lag_s
    cdef double u, x, h
    cdef int32_t _
    if c.setup.lag_s <= 0:
        return wanted_kw
    u = b + (wanted_kw - b) / (1.0 - a)
    if scale <= 0:
        return u
    for _ in range(NEWTON_STEPS):
        u = clip(u, c.slew_kw - reach_kw, c.slew_kw + reach_kw)     # more is not reached within the exchange
        x = fabs(u - c.slew_kw) / scale
        h = a * x * (0.5 + x * (0.16666666666666666 + x * 0.041666666666666664))
        u -= (a * b + (1.0 - a) * u - (u - c.slew_kw) * h - wanted_kw) / (1.0 - a - h)
    reach_kw += c.setup.slew_kw_per_s * c.frame_s       # a converter that stands still until then loses it
    return clip(u, c.slew_kw - reach_kw, c.slew_kw + reach_kw)


cdef void glide(const Follow *c, double *power_kw, double *slew_kw, double told_kw, double for_s) noexcept nogil:
    """Carry both on under one command, in closed form: the internal setpoint on its slew, then at rest."""
    cdef double way_kw = told_kw - slew_kw[0]
    cdef double slope = c.setup.slew_kw_per_s if way_kw > 0 else -c.setup.slew_kw_per_s
    cdef double behind_kw = slope * c.setup.lag_s       # of a lag that follows a ramp
    cdef double ramp_s = min(way_kw / slope, for_s) if slope != 0.0 else 0.0
    if for_s <= 0:
        return
    if ramp_s > 0:
        power_kw[0] += behind_kw - slew_kw[0]
        power_kw[0] *= exp(-ramp_s / c.setup.lag_s) if c.setup.lag_s > 0 else 0.0
        slew_kw[0] += slope * ramp_s
        power_kw[0] += slew_kw[0] - behind_kw
    if ramp_s < for_s:
        slew_kw[0] = told_kw
        power_kw[0] = told_kw + (power_kw[0] - told_kw) * (
            exp((ramp_s - for_s) / c.setup.lag_s) if c.setup.lag_s > 0 else 0.0)


cdef double follow_after_kw(const Follow *c, double sent_kw, double told_kw, double wait_s,
                            double end_s) noexcept nogil:
    """Its power end_s from now, when told_kw leaves in wait_s; until then what was sent holds."""
    cdef double power_kw = c.model_kw, slew_kw = c.slew_kw, for_s = end_s - c.setup.dead_s
    if for_s <= 0:          # what is sent now arrives too late for that
        return c.past_kw[(c.past_at - 1 - min(c.dead_frames, <int32_t>(0.5 - for_s / c.frame_s))) & (PAST_MAX - 1)]
    wait_s = min(wait_s, for_s)
    glide(c, &power_kw, &slew_kw, sent_kw, wait_s)
    glide(c, &power_kw, &slew_kw, told_kw, for_s - wait_s)
    return power_kw

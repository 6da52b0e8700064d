"""Feed-forward on the load power that is coming, towards a ramp-limited grid target. Runs at 10 kHz; budget 0.1 us.

    preview  the load at the instant at which a command sent now takes effect
    target   follows the load through two lags, then a ramp limit (control.md 6, controller C)
    pcs_kw   = shape(load ahead - target), less the dead zone - leak + what the grid's frequency asks, inside the lease
    lead_kw  the command that brings a converter with lag and slew to pcs_kw one exchange later

shape: of what is taken, the prompt share passes at once, or through a filter where the loop is too late for that, and
the rest through another that makes no frequency worse even while nothing is foreseen, see ext.shape. A battery that
rests where it is wanted, to 2 % of the rating, is told something new every ten exchanges only: the wire is free when
an edge comes.

The lead inverts a model of the converters that is driven by what was really sent, not by what was wanted: with lag T,
a = exp(-period / T), battery b and internal setpoint s at the instant a command sent now arrives,

    u = b + (pcs_kw - b) / (1 - a)                     no slew limit
    pcs_kw = a b + (1 - a) u - (u - s) h               with it; h = a (X/2 + X^2/6 + X^3/24), X = |u - s| / (slew T)

Worked: b = 0, pcs_kw = 800 kW, period 2.4 ms, T = 5 ms: a = 0.619, u = 2100 kW without slew limit.
"""
from libc.math cimport exp, fabs
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from ext.image cimport PERMIT_SETPOINT, QUALITY_UNLOCKED, Command, Limits, Track
from ext.preview cimport PreviewSetup, preview_init, preview_step
from ext.shape cimport shape_init, shape_kw, shape_mix, shape_take

cdef double QUIET_PU_MAX = 0.02     # of the rating: a smaller change waits
cdef double QUIET_PU_PER_S = 8.0    # the same for each second of an exchange: a fast wire is soon free again
cdef double QUIET_EXCHANGES = 10.0  # how long it waits at most
cdef int64_t SURE_NS = 250_000      # a larger change lasts this long: what an edge begins with is not worth the wire
cdef int32_t NEWTON_STEPS = 3
cdef int64_t HOLD_NS = 10_000_000   # F06: a lost load measurement is bridged this long


cdef inline double clip(double x, double low, double high) noexcept nogil:
    return low if x < low else (high if x > high else x)


cdef void law_init(Law *w, const LawSetup *setup) noexcept nogil:
    cdef PreviewSetup preview
    memset(w, 0, sizeof(Law))
    w.setup = setup[0]
    w.decay = exp(-setup.period_s / setup.lag_s) if setup.lag_s > 0 else 0.0
    shape_init(&w.shape, &setup.shape)
    w.dead_frames = <int32_t>(setup.dead_s / setup.frame_s + 0.5)
    if w.dead_frames > PAST_MAX - 1:
        w.dead_frames = PAST_MAX - 1
    preview.frame_s = setup.frame_s
    preview.horizon_s = setup.frame_s + setup.dead_s + 0.5 * setup.period_s
    preview.rating_kw = setup.rating_kw
    preview_init(&w.preview, &preview)


cdef void model_step(Law *w, double sent_kw, double dt_s) noexcept nogil:
    """Where the converters will be when a command sent now arrives, and where they are now."""
    cdef double reach_kw = w.setup.slew_kw_per_s * dt_s if w.setup.slew_kw_per_s > 0 else 1e12
    cdef double x
    w.slew_kw += clip(sent_kw - w.slew_kw, -reach_kw, reach_kw)
    if w.setup.lag_s > 0:
        x = dt_s / w.setup.lag_s
        w.model_kw += (w.slew_kw - w.model_kw) * x / (1.0 + 0.5 * x)    # 1 - exp(-x) to third order
    else:
        w.model_kw = w.slew_kw
    w.past_kw[w.past_at & (PAST_MAX - 1)] = w.model_kw
    w.battery_kw = w.past_kw[(w.past_at - w.dead_frames) & (PAST_MAX - 1)]
    w.past_at += 1


cdef void target_step(Law *w, double load_kw, const Limits *limits, double room_low_kw, double room_high_kw,
                      double dt_s) noexcept nogil:
    """Move the target: two lags, ramp limit, never farther from the load than the battery can bridge. The leak has what
    the target leaves of the ramp."""
    cdef double rise_kw = limits.ramp_up_kw_per_s_max * dt_s
    cdef double drop_kw = limits.ramp_down_kw_per_s_max * dt_s
    cdef double part = dt_s / (w.setup.target_lag_s + dt_s)
    cdef double moved_kw
    w.lagged_kw += (load_kw - w.lagged_kw) * part
    w.lagged_kw = clip(w.lagged_kw, load_kw - room_high_kw, load_kw + room_low_kw)
    w.smooth_kw += (w.lagged_kw - w.smooth_kw) * part
    w.smooth_kw = clip(w.smooth_kw, load_kw - room_high_kw, load_kw + room_low_kw)
    moved_kw = clip(w.smooth_kw - w.target_kw, -drop_kw, rise_kw)
    w.target_kw = clip(w.target_kw + moved_kw, load_kw - room_high_kw, load_kw + room_low_kw)
    w.leak_kw += clip(limits.leak_kw - w.leak_kw, -drop_kw - min(moved_kw, 0.0), rise_kw - max(moved_kw, 0.0))


cdef double lead(const Law *w, double wanted_kw) noexcept nogil:
    """The command that brings the modelled converters to wanted_kw one exchange after it arrives; where their slew is
    too slow for that, as far as they come within it and the frame by which the next one may be late."""
    cdef double a = w.decay
    cdef double b = w.model_kw
    cdef double reach_kw = w.setup.slew_kw_per_s * w.setup.period_s
    cdef double scale = w.setup.slew_kw_per_s * w.setup.lag_s
    cdef double u, x, h
    cdef int32_t _
    if w.setup.lag_s <= 0:
        return wanted_kw
    u = b + (wanted_kw - b) / (1.0 - a)
    if scale <= 0:
        return u
    for _ in range(NEWTON_STEPS):
        u = clip(u, w.slew_kw - reach_kw, w.slew_kw + reach_kw)     # more is not reached within the exchange
        x = fabs(u - w.slew_kw) / scale
        h = a * x * (0.5 + x * (0.16666666666666666 + x * 0.041666666666666664))
        u -= (a * b + (1.0 - a) * u - (u - w.slew_kw) * h - wanted_kw) / (1.0 - a - h)
    reach_kw += w.setup.slew_kw_per_s * w.setup.frame_s     # a converter that stands still until then loses it
    return clip(u, w.slew_kw - reach_kw, w.slew_kw + reach_kw)


cdef inline bint foresees(const Law *w, const Command *command) noexcept nogil:
    """Whether the filter takes the load ahead, and its battery may rest."""
    return not w.setup.shape.at_once and (w.setup.shape.ahead or command.prompt_pu > 0.0)


cdef double wish(Law *w, double load_kw, const Command *command, double dt_s) noexcept nogil:
    """Wanted battery power, kW: the shaped deviation of the load that is coming, less the leak."""
    cdef double swing_kw = preview_step(&w.preview, load_kw) - w.target_kw
    cdef int32_t frames = max(1, <int32_t>(dt_s / w.setup.frame_s + 0.5))
    shape_take(&w.shape, swing_kw if foresees(w, command) else load_kw - w.target_kw, frames)
    if command.gain > 0.0 and (command.prompt_pu < 1.0 or not w.setup.shape.at_once):
        shape_mix(&w.shape, 0.0 if w.setup.shape.at_once else command.prompt_pu)
        if w.setup.shape.at_once:
            swing_kw = command.prompt_pu * swing_kw + (1.0 - command.prompt_pu) * shape_kw(&w.shape)
        else:
            swing_kw = shape_kw(&w.shape)
    swing_kw -= clip(swing_kw, -w.setup.dead_zone_kw, w.setup.dead_zone_kw)
    return command.gain * swing_kw - w.leak_kw


cdef double rested(Law *w, const Command *command, double low_kw, double high_kw, int64_t now_ns) noexcept nogil:
    """The command that stands, as long as it is allowed and the battery has come to rest where it is wanted; else a new
    one. At rest without the lead, which is made for one exchange: held for ten it would swing about what is wanted."""
    cdef double wanted_kw = command.pcs_kw
    cdef double quiet_kw = min(QUIET_PU_MAX, QUIET_PU_PER_S * w.setup.period_s) * w.setup.rating_kw
    if fabs(wanted_kw - w.held_kw) < quiet_kw and fabs(w.model_kw - w.held_kw) < quiet_kw:
        w.t_alike_ns = now_ns
    if (now_ns - w.t_alike_ns >= SURE_NS or w.held_kw > high_kw or w.held_kw < -low_kw
            or command.gain > 0.0 and command.prompt_pu < 1.0 and not foresees(w, command)):
        w.held_kw = lead(w, wanted_kw)
        w.t_held_ns = now_ns
    elif now_ns - w.t_held_ns >= QUIET_EXCHANGES * w.setup.period_s * 1e9:
        w.held_kw = wanted_kw
        w.t_held_ns = now_ns
    return w.held_kw


cdef void law_step(Law *w, const Track *track, const Limits *limits, int64_t now_ns, Command *command) noexcept nogil:
    """Track and lease to wanted battery power and the command ahead of the lag."""
    cdef double dt_s = clip((now_ns - w.t_ns) * 1e-9, 0.0, 100.0 * w.setup.frame_s) if w.t_ns else w.setup.frame_s
    cdef double high_kw = 0.0, low_kw = 0.0, sent_kw = 0.0, wanted_kw
    cdef int32_t k
    for k in range(w.setup.pcs_count):
        high_kw += limits.discharge_kw_max[k]
        low_kw += limits.charge_kw_max[k]
        sent_kw += command.sent_kw[k]
    w.t_ns = now_ns
    model_step(w, sent_kw, dt_s)
    command.gain = w.setup.gain_max * limits.gain
    command.prompt_pu = w.setup.prompt_pu * limits.prompt_pu
    if not track.quality & ~QUALITY_UNLOCKED:
        w.t_good_ns = now_ns
        if not limits.permit & PERMIT_SETPOINT or not w.engaged:
            w.lagged_kw = w.smooth_kw = w.target_kw = track.load_kw
            w.leak_kw = 0.0
        if limits.permit & PERMIT_SETPOINT and not w.engaged:
            shape_init(&w.shape, &w.setup.shape)
        w.engaged = (limits.permit & PERMIT_SETPOINT) != 0
        target_step(w, track.load_kw, limits, low_kw, high_kw, dt_s)
        wanted_kw = wish(w, track.load_kw, command, dt_s) + command.support_kw
        if wanted_kw < track.load_kw - limits.import_kw_max:
            wanted_kw = track.load_kw - limits.import_kw_max
        if wanted_kw > track.load_kw + limits.export_kw_max:
            wanted_kw = track.load_kw + limits.export_kw_max
    elif now_ns - w.t_good_ns <= HOLD_NS:
        wanted_kw = command.pcs_kw
    else:
        wanted_kw = command.pcs_kw - clip(command.pcs_kw, -limits.fall_kw_per_s * dt_s, limits.fall_kw_per_s * dt_s)
    command.target_kw = w.target_kw + w.leak_kw - command.support_kw
    command.pcs_kw = clip(wanted_kw, -low_kw, high_kw)
    if now_ns == w.t_good_ns:
        command.lead_kw = clip(rested(w, command, low_kw, high_kw, now_ns), -low_kw, high_kw)
    else:
        w.held_kw = command.lead_kw = command.pcs_kw    # F06: what fades is not led, it would pass zero

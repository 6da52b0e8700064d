"""Feed-forward on the load power that is coming, towards a ramp-limited grid target. Runs at 10 kHz; budget 0.1 us.

    preview  the load at the instant at which a command sent now takes effect
    target   follows the load through two lags, then a ramp limit (control.md 6, controller C)
    pcs_kw   = shape(load ahead - target), less the dead zone - leak + what the grid's frequency asks, inside the lease
    lead_kw  the command that brings the converters, taken as one, to pcs_kw an exchange later, see ext.follow

loop: times, filters and tables of those that take part as one: of all, or of all but the one that is out; made at the
start. When it changes, what that would step by fades.
shape: of what is taken, the prompt share passes at once, or through a filter where the loop is too late for that, and
the rest through another that makes no frequency worse even while nothing is foreseen, see ext.shape. A battery that
rests where it is wanted, to 2 % of the rating, is told something new where it misses 0.4 % in the mean, or after 0.2 s:
the wire is free when an edge comes.
"""
from libc.math cimport fabs, isfinite
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from ext.dwell cimport Dwells, DwellSetup, dwell_kw
from ext.follow cimport FollowSetup, follow_init, follow_lead, follow_longer, follow_step, follow_turn, lead_init
from ext.image cimport PERMIT_SETPOINT, QUALITY_UNLOCKED, Command, Limits, Track
from ext.lines cimport lines_init, lines_kw, lines_take, lines_turn
from ext.preview cimport Preview, PreviewSetup, preview_init, preview_look, preview_step
from ext.shape cimport shape_ahead_kw, shape_fits, shape_init, shape_kw, shape_mix, shape_take, shape_turn

cdef double QUIET_PU_MAX = 0.02     # of the rating: a smaller change waits
cdef double QUIET_PU_PER_S = 8.0    # the same for each second of an exchange: a fast wire is soon free again
cdef double OFF_PU = 0.004          # of the rating: at rest a larger miss in the mean is worth a new command
cdef double OFF_EXCHANGES = 2.0     # that mean: noise alone makes few
cdef int64_t SWING_EXCHANGES = 4    # two commands that come so soon are a swing's, and led,
cdef double SWING_LED = 3.0         # unless the lead is larger than this: it would make more of noise than that is
cdef int64_t QUIET_NS = 200_000_000  # how long it waits at most: replies tell that a converter lives (F16)
cdef int64_t SURE_NS = 250_000      # a larger change lasts this long: what an edge begins with is not worth the wire
cdef double BRIDGE_S = 0.1          # how fast what a change of the loop would have stepped by fades
cdef double BRIDGE_KW_MIN = 0.1
cdef double SHARE_STEP = 0.15       # of the prompt share from one lease to the next: it moves by 0.02 else
cdef double DUE_PROMPT_PU = 0.95    # share from which on what is due is given: a filter on its way is near its limits
cdef double OWED_S = 0.05           # after an edge: the loop has answered it
cdef int32_t TAIL_PARTS = 5         # the last of so many tells what is missed to the end
cdef double OWED_PU_MIN = 0.1       # of the rating: an edge that tells
cdef double OWED_SHARE = 0.8        # that is given ahead: too little harms nothing, twice as much would
cdef double OWED_PULL = 0.1         # towards what it tells
cdef double OWED_MAX = 2.0          # of what the loop was reckoned to leave
cdef int64_t HOLD_NS = 10_000_000   # F06: a lost load measurement is bridged this long


cdef inline double clip(double x, double low, double high) noexcept nogil:
    return low if x < low else (high if x > high else x)


cdef inline FollowSetup as_one(const LoopSetup *loop) noexcept nogil:
    return FollowSetup(loop.lag_s, loop.slew_kw_per_s, loop.dead_s, loop.period_s)


cdef inline double horizon_s(const Law *w) noexcept nogil:
    """From the measurement to the middle of the exchange that answers it."""
    return w.setup.frame_s + w.loop.dead_s + 0.5 * w.loop.period_s


cdef inline DwellSetup dwell_of(const Law *w) noexcept nogil:
    return DwellSetup(w.setup.frame_s, OWED_SHARE * w.loop.owed_s, w.loop.period_s, w.loop.given_pu)


cdef inline void follow_anew(Law *w) noexcept nogil:
    """Filters and lines of a load of which nothing is known."""
    shape_init(&w.shape, &w.loop.shape)
    lines_init(&w.lines, w.setup.frame_s)
    lines_turn(&w.lines, w.loop.lines_late_s, w.loop.period_s, w.loop.read_s)


cdef bint law_fits(const LawSetup *setup) noexcept nogil:
    """Whether every loop's filters find what they ask for."""
    cdef int32_t k
    for k in range(LOOP_MAX):
        if not shape_fits(&setup.loops[k].shape):
            return False
    return True


cdef void law_init(Law *w, const LawSetup *setup) noexcept nogil:
    """The tables of every loop are made here: no frame could."""
    cdef FollowSetup converters
    cdef PreviewSetup preview
    cdef int32_t k
    memset(w, 0, sizeof(Law))
    w.setup = setup[0]
    w.loop = &w.setup.loops[0]
    w.exchange_ns = <int64_t>(w.loop.period_s * 1e9)
    for k in range(LOOP_MAX):
        converters = as_one(&w.setup.loops[k])
        lead_init(&w.leads[k], &converters)
    converters = as_one(w.loop)
    follow_init(&w.all, &converters, &w.leads[0], setup.frame_s)
    w.read_lead = follow_longer(&w.all, w.loop.read_s)
    w.off_part = w.setup.frame_s / (w.setup.frame_s + OFF_EXCHANGES * w.loop.period_s)
    w.owed_frames = <int32_t>(OWED_S / setup.frame_s + 0.5)
    w.tail_frames = max(1, w.owed_frames // TAIL_PARTS)
    follow_anew(w)
    preview.frame_s = setup.frame_s
    preview.horizon_s = horizon_s(w)
    preview.dwell = dwell_of(w)
    preview.rating_kw = w.loop.rating_kw
    preview_init(&w.preview, &preview)


cdef void turn(Law *w, int32_t loop_at) noexcept nogil:
    """Another loop: its times, filters and tables. Target, command, models and all that is known of the load stay."""
    cdef FollowSetup converters = as_one(&w.setup.loops[loop_at])
    cdef DwellSetup dwell
    w.loop = &w.setup.loops[loop_at]
    w.loop_at = loop_at
    w.exchange_ns = <int64_t>(w.loop.period_s * 1e9)
    w.turned = w.engaged
    follow_turn(&w.all, &converters, &w.leads[loop_at])
    w.read_lead = follow_longer(&w.all, w.loop.read_s)
    w.off_part = w.setup.frame_s / (w.setup.frame_s + OFF_EXCHANGES * w.loop.period_s)
    shape_turn(&w.shape, &w.loop.shape)
    lines_turn(&w.lines, w.loop.lines_late_s, w.loop.period_s, w.loop.read_s)
    w.by_lines &= w.lines.tuned_s > 0.0
    dwell = dwell_of(w)
    preview_look(&w.preview, horizon_s(w), &dwell)


cdef void take_turn(Law *w, int32_t living) noexcept nogil:
    """Those that take part are others than before. Nobody: the loop stays, it has nothing to do."""
    cdef int32_t loop_at = w.setup.loop_of[living & (LIVE_SETS - 1)]
    cdef bint from_nobody = w.living == 0
    if living == w.living:
        return
    w.living = living
    if not living or loop_at == w.loop_at or not 0 <= loop_at < LOOP_MAX:
        return
    turn(w, loop_at)
    if from_nobody:     # nothing to bridge: what is asked for is a step, as commissioning asks
        w.turned = 0


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


cdef inline bint foresees(const Law *w, const Command *command) noexcept nogil:
    """Whether the filter takes the load ahead, and its battery may rest."""
    return w.loop.shape.ahead or command.prompt_pu > 0.0


cdef void owe(Law *w, const Track *track, const Command *command, bint due) noexcept nogil:
    """What the loop leaves of an edge, by the area between load and battery: learned of each that has the loop to
    itself, before and after, all of it taken at once and within every limit. What is missed in the end, by a dead zone
    or an error of the battery, is no lateness; what was due has an area of its own."""
    cdef Preview *v = &w.preview
    cdef double missed_kw, step_kw, owed_s
    if v.edge_at == v.dwells.at:
        w.telling = (w.setup.pcs_count == 1 and w.loop.owed_s > 0.0 and w.engaged and command.gain > 0.0
                     and command.prompt_pu >= DUE_PROMPT_PU and v.rested_frames > w.owed_frames)
        w.left_kw = w.tail_kw = 0.0
        w.left_frames = 0
    if not w.telling:
        return
    missed_kw = command.gain * (track.load_kw - w.target_kw) - w.leak_kw + command.support_kw - track.battery_kw
    if due:
        missed_kw += command.gain * dwell_kw(&v.dwells, -<int64_t>(v.setup.dwell.late_s / w.setup.frame_s))
    w.left_kw += missed_kw
    w.left_frames += 1
    if v.rest_frames > w.owed_frames - w.tail_frames:
        w.tail_kw += missed_kw
    if v.rest_frames < w.owed_frames:
        return
    w.telling = 0
    step_kw = track.load_kw - v.before_kw
    owed_s = (w.left_kw - w.tail_kw * w.left_frames / w.tail_frames) * w.setup.frame_s / (command.gain * step_kw)
    if fabs(step_kw) > OWED_PU_MIN * v.rating_kw and isfinite(owed_s):
        owed_s = OWED_SHARE * clip(owed_s, 0.0, OWED_MAX * w.loop.owed_s)
        v.setup.dwell.late_s += OWED_PULL * (owed_s - v.setup.dwell.late_s)


cdef double wish(Law *w, const Track *track, const Command *command, double dt_s) noexcept nogil:
    """Wanted battery power, kW: the shaped deviation of the load that is coming, less the leak."""
    cdef double swing_kw = preview_step(&w.preview, track.load_kw) - w.target_kw
    cdef int32_t frames = max(1, <int32_t>(dt_s / w.setup.frame_s + 0.5))
    cdef bint due = w.engaged and (
        command.prompt_pu >= DUE_PROMPT_PU or command.prompt_pu > 0.0 and w.loop.shape.at_once)
    owe(w, track, command, due)
    if due:
        swing_kw += dwell_kw(&w.preview.dwells, 0)
    if w.loop.lines_late_s > 0.0:
        if command.gain == 0.0:     # as it begins, so it stays: from one to the other it would step
            w.by_lines = w.lines.period_s > 0.0
        lines_take(&w.lines, &w.preview.dwells, track.load_kw - w.target_kw)
    shape_take(&w.shape, swing_kw if foresees(w, command) else track.load_kw - w.target_kw, frames)
    if command.gain > 0.0 and (command.prompt_pu < 1.0 or not w.loop.shape.at_once):
        shape_mix(&w.shape, 0.0 if w.loop.shape.at_once else command.prompt_pu)
        if w.loop.shape.at_once:
            swing_kw = command.prompt_pu * swing_kw + (1.0 - command.prompt_pu) * shape_kw(&w.shape)
        elif w.by_lines and command.prompt_pu == 0.0:
            swing_kw = lines_kw(&w.lines, w.reads_next)
        else:
            swing_kw = shape_kw(&w.shape)
            if w.loop.lines_late_s > 0.0 and w.reads_next and command.prompt_pu == 0.0:
                swing_kw += shape_ahead_kw(&w.shape, 0.5 * w.loop.read_s)
    swing_kw -= clip(swing_kw, -w.setup.dead_zone_kw, w.setup.dead_zone_kw)
    return command.gain * swing_kw - w.leak_kw


cdef double bridged(Law *w, double wished_kw, double dt_s) noexcept nogil:
    """What is wished, without the step that other filters of the same past make: it fades."""
    if w.turned:
        w.turned = 0
        w.bridge_kw = w.wished_kw - wished_kw
    if w.bridge_kw != 0.0:
        w.bridge_kw -= w.bridge_kw * (dt_s / BRIDGE_S) if fabs(w.bridge_kw) > BRIDGE_KW_MIN else w.bridge_kw
        wished_kw += w.bridge_kw
    w.wished_kw = wished_kw
    return wished_kw


cdef inline double hold(Law *w, double kw, int64_t now_ns) noexcept nogil:
    w.held_kw, w.off_kw, w.t_held_ns = kw, 0.0, now_ns
    return kw


cdef inline bint edge_is_near(const Law *w, const Command *command, int64_t now_ns) noexcept nogil:
    """Whether an exchange that begins now meets an edge that is expected."""
    return command.edge_from_ns - w.exchange_ns <= now_ns < command.edge_until_ns


cdef double rested(Law *w, const Command *command, double low_kw, double high_kw, int64_t now_ns) noexcept nogil:
    """The command that stands, as long as it is allowed and the battery has come to rest where it is wanted; else a new
    one. At rest without the lead, which is made for one exchange: held for ten it would swing about what is wanted. An
    edge that comes while the wire is taken is answered an exchange later, so noise does not take it; a small swing
    does, which would be harmed by commands that are seldom."""
    cdef double wanted_kw = command.pcs_kw, lead_kw
    cdef bint swings
    cdef double quiet_kw = min(QUIET_PU_MAX, QUIET_PU_PER_S * w.loop.period_s) * w.preview.rating_kw * command.gain
    if fabs(wanted_kw - w.held_kw) < quiet_kw and fabs(w.all.model_kw - w.held_kw) < quiet_kw:
        w.t_alike_ns = now_ns
        w.off_kw += (wanted_kw - w.held_kw - w.off_kw) * w.off_part
    if (now_ns - w.t_alike_ns >= SURE_NS or w.held_kw > high_kw or w.held_kw < -low_kw
            or command.gain > 0.0 and command.prompt_pu < 1.0 and not foresees(w, command)):
        lead_kw = follow_lead(&w.all, wanted_kw)
        # The wire is never free, and this holds for longer.
        if w.reads_next and command.prompt_pu <= 0.0 and not foresees(w, command):
            lead_kw = wanted_kw + (lead_kw - wanted_kw) * w.read_lead
        hold(w, lead_kw, now_ns)
    elif w.t_alike_ns == now_ns and not edge_is_near(w, command, now_ns) and (
            now_ns - w.t_held_ns >= QUIET_NS or (
            fabs(w.off_kw) > OFF_PU * w.preview.rating_kw and now_ns - w.t_held_ns >= w.exchange_ns)):
        swings = now_ns - w.t_held_ns < SWING_EXCHANGES * w.exchange_ns and w.all.per_rest <= SWING_LED
        hold(w, follow_lead(&w.all, wanted_kw) if swings else wanted_kw, now_ns)
    return w.held_kw


cdef inline void take_shares(Law *w, const Limits *limits, Command *command) noexcept nogil:
    """Gain and prompt share by loop and lease. A prompt share that was begun anew for another loop makes no step."""
    cdef double prompt_pu = w.loop.prompt_pu * limits.prompt_pu
    if w.loop.shape.at_once and prompt_pu < 0.0:
        prompt_pu = 0.0
    if fabs(command.prompt_pu - prompt_pu) > SHARE_STEP:
        w.turned = w.engaged
    command.gain = w.loop.gain_max * limits.gain
    command.prompt_pu = prompt_pu


cdef inline void tell_edge(const Law *w, int64_t now_ns, Command *command) noexcept nogil:
    """When the next edge is expected, by the clock of the wire."""
    cdef const Dwells *d = &w.preview.dwells
    cdef double frame_ns = w.setup.frame_s * 1e9
    command.edge_from_ns = now_ns + <int64_t>((d.edge_from_at - d.at) * frame_ns)
    command.edge_until_ns = now_ns + <int64_t>((d.edge_until_at - d.at) * frame_ns)


cdef void law_step(Law *w, const Track *track, const Limits *limits, int64_t now_ns, Command *command) noexcept nogil:
    """Track and lease to wanted battery power and the command ahead of the lag."""
    cdef double dt_s = clip((now_ns - w.t_ns) * 1e-9, 0.0, 100.0 * w.setup.frame_s) if w.t_ns else w.setup.frame_s
    cdef double high_kw = 0.0, low_kw = 0.0, sent_kw = 0.0, all_kw = 0.0, live_kw = 0.0, wanted_kw
    cdef int32_t living = 0, k
    for k in range(w.setup.pcs_count):
        living |= <int32_t>(limits.discharge_kw_max[k] + limits.charge_kw_max[k] > 0.0) << k
        high_kw += limits.discharge_kw_max[k]
        low_kw += limits.charge_kw_max[k]
        all_kw += command.sent_kw[k]
        sent_kw += command.sent_kw[k] if living >> k & 1 else 0.0
        live_kw += w.setup.each_kw[k] if living >> k & 1 else 0.0
    take_turn(w, living)
    w.preview.rating_kw = live_kw if live_kw > 0.0 else w.loop.rating_kw     # of what still takes part
    w.preview.dwells.at += max(1, <int64_t>((now_ns - w.t_ns) * 1e-9 / w.setup.frame_s + 0.5)) if w.t_ns else 1
    w.t_ns = now_ns
    tell_edge(w, now_ns, command)
    # What one that is out was told last says nothing of those that are left; where all are out they are on their way.
    follow_step(&w.all, sent_kw if living else all_kw, dt_s)
    take_shares(w, limits, command)
    if not track.quality & ~QUALITY_UNLOCKED:
        w.t_good_ns = now_ns
        if not limits.permit & PERMIT_SETPOINT or not w.engaged:
            w.lagged_kw = w.smooth_kw = w.target_kw = track.load_kw
            w.leak_kw = w.bridge_kw = 0.0
            w.turned = 0
        if limits.permit & PERMIT_SETPOINT and not w.engaged:
            follow_anew(w)
        w.engaged = (limits.permit & PERMIT_SETPOINT) != 0
        target_step(w, track.load_kw, limits, low_kw, high_kw, dt_s)
        wanted_kw = bridged(w, wish(w, track, command, dt_s), dt_s) + command.support_kw
        if wanted_kw < track.load_kw - limits.import_kw_max:
            wanted_kw = track.load_kw - limits.import_kw_max
            w.telling = 0
        if wanted_kw > track.load_kw + limits.export_kw_max:
            wanted_kw = track.load_kw + limits.export_kw_max
            w.telling = 0
    elif now_ns - w.t_good_ns <= HOLD_NS:
        wanted_kw = command.pcs_kw
        w.telling = 0
    else:
        wanted_kw = command.pcs_kw - clip(command.pcs_kw, -limits.fall_kw_per_s * dt_s, limits.fall_kw_per_s * dt_s)
    command.target_kw = w.target_kw + w.leak_kw - command.support_kw
    command.pcs_kw = clip(wanted_kw, -low_kw, high_kw)
    if command.pcs_kw != wanted_kw or not w.engaged:
        w.telling = 0
    if now_ns == w.t_good_ns:
        command.lead_kw = clip(rested(w, command, low_kw, high_kw, now_ns), -low_kw, high_kw)
    else:
        command.lead_kw = hold(w, command.pcs_kw, w.t_held_ns)  # F06: what fades is not led, it would pass zero

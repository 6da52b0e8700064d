"""One wanted power to N converters, by what each can still give. Runs at 10 kHz; budget 20 ns; where one covers 10 ns
for each at rest, 80 ns while they come.

setpoint_k = lead_kw * headroom_k / sum of headroom, headroom = the lease's limit in the wanted direction. A converter
that is out has no headroom, so its part moves to the others within the frame.

Where one is clearly faster than the others, it covers for them: what they will miss of their parts of pcs_kw at the end
of its own exchange, by the models of what they were told, is led out of it as far as its limits let it, and no farther
than it can take back within an exchange. It returns to its own part by itself as the slow ones arrive. Not while most
of a swing goes through the filter, which is made for the converters as one (ext.shape). When it is out, the next one
covers where it is clearly faster than those that are left.
"""
from libc.math cimport isfinite
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from ext.follow cimport Follow, follow_after_kw, follow_each, follow_init, follow_lead, follow_look, lead_init
from ext.image cimport PERMIT_SETPOINT, Command, Limits

cdef double PROMPT_PU_MIN = 0.5     # `training-fast` after a loss: M5 +0.67 dB from 0.3 on, +0.39 from here on


cdef inline double lower(double a, double b) noexcept nogil:
    return a if a < b else b


cdef inline double upper(double a, double b) noexcept nogil:
    return a if a > b else b


cdef inline double clip(double x, double low, double high) noexcept nogil:
    return low if x < low else (high if x > high else x)


cdef inline double reply_s(const Share *s, int32_t k) noexcept nogil:
    """From a setpoint's first byte to the end of what follows until the next one."""
    return s.setup.pcs[k].dead_s + s.setup.pcs[k].period_s


cdef void share_init(Share *s, const ShareSetup *setup) noexcept nogil:
    cdef int32_t k, j
    memset(s, 0, sizeof(Share))
    s.setup = setup[0]
    s.fastest = -1
    for k in range(setup.pcs_count):
        lead_init(&s.lead[k], &setup.pcs[k])
        follow_init(&s.pcs[k], &setup.pcs[k], &s.lead[k], setup.frame_s)
        for j in range(setup.pcs_count):
            s.pcs[k].kept |= setup.pcs[k].dead_s >= reply_s(s, j)


cdef void choose(Share *s, int32_t living) noexcept nogil:
    """Who covers among those that live: the one that follows soonest, where that is clearly sooner than their mean."""
    cdef double mean_s = 0.0, sum_kw = 0.0, late_s, least_s = 1e9
    cdef int32_t k, fastest = -1
    s.living = living
    s.fastest = -1
    s.missing = s.slow_count = 0
    for k in range(s.setup.pcs_count):
        if living >> k & 1:
            late_s = reply_s(s, k) + s.setup.pcs[k].lag_s
            mean_s += late_s * s.setup.rating_kw[k]
            sum_kw += s.setup.rating_kw[k]
            if late_s < least_s:
                least_s = late_s
                fastest = k
    if fastest < 0 or least_s * sum_kw > s.setup.faster_pu * mean_s:
        return
    s.fastest = fastest
    s.back_kw = s.setup.pcs[fastest].slew_kw_per_s * s.setup.pcs[fastest].period_s
    if s.back_kw <= 0.0:
        s.back_kw = 1e12
    for k in range(s.setup.pcs_count):
        if k != fastest and living >> k & 1:
            follow_look(&s.pcs[k], reply_s(s, fastest))
            s.slow[s.slow_count] = k
            s.slow_count += 1


cdef inline int32_t living_of(const Share *s, const Limits *limits) noexcept nogil:
    cdef int32_t living = 0, k
    for k in range(s.setup.pcs_count):
        living |= <int32_t>(limits.discharge_kw_max[k] + limits.charge_kw_max[k] > 0.0) << k
    return living


cdef inline const double *headroom_of(const Limits *limits, double kw) noexcept nogil:
    """Of every converter, in the direction of kw."""
    if kw >= 0:
        return &limits.discharge_kw_max[0]
    return &limits.charge_kw_max[0]


cdef inline double per_total(const Share *s, const double *headroom_kw) noexcept nogil:
    """1 / what all can give, 0: nobody can."""
    cdef double total_kw = 0.0
    cdef int32_t k
    for k in range(s.setup.pcs_count):
        total_kw += headroom_kw[k]
    return 1.0 / total_kw if total_kw > 0 else 0.0


cdef inline double part_of(double kw, double per_discharge_kw, double per_charge_kw) noexcept nogil:
    """Share of its headroom that each converter gives, -1 to 1; 0 for what is no number. per_total of both directions:
    the divisions need not wait for kw."""
    cdef double per_kw = per_discharge_kw if kw >= 0 else per_charge_kw
    cdef double part = kw * per_kw if per_kw > 0 else 0.0
    return clip(part, -1.0, 1.0) if isfinite(part) else 0.0


cdef bint may_miss(const Share *s, const Command *command, double part, const double *headroom_kw) noexcept nogil:
    """Whether to look closely: no power leaves the span of where it is and what it is told. At rest the look at three
    others would cost as much as all other stages together."""
    cdef const Follow *c
    cdef double span_kw = 0.0, own_kw, low_kw, high_kw
    cdef int32_t i, k
    for i in range(s.slow_count):
        k = s.slow[i]
        c = &s.pcs[k]
        if headroom_kw[k] > 0.0:
            if c.ahead_s <= 0.0:            # what was told earlier is still on its way
                return True
            low_kw = lower(lower(c.model_kw, c.slew_kw), lower(command.sent_kw[k], command.setpoint_kw[k]))
            high_kw = upper(upper(c.model_kw, c.slew_kw), upper(command.sent_kw[k], command.setpoint_kw[k]))
            own_kw = part * headroom_kw[k]
            span_kw += upper(own_kw - low_kw, high_kw - own_kw)
    return span_kw > s.setup.quiet_kw


cdef double missing_kw(const Share *s, int64_t now_ns, const Command *command, double part,
                       const double *headroom_kw) noexcept nogil:
    """What the others will miss of their parts when the fastest one's exchange ends; a little is none."""
    cdef double kw = 0.0, wait_s
    cdef int32_t i, k
    for i in range(s.slow_count):
        k = s.slow[i]
        if headroom_kw[k] > 0.0:
            wait_s = upper(0.0, s.pcs[k].setup.period_s - 1e-9 * (now_ns - command.t_sent_ns[k]))
            kw += part * headroom_kw[k] - follow_after_kw(
                &s.pcs[k], command.sent_kw[k], command.setpoint_kw[k], wait_s)
    return kw - clip(kw, -s.setup.quiet_kw, s.setup.quiet_kw)


cdef void cover(Share *s, const Limits *limits, int64_t now_ns, double part, Command *command) noexcept nogil:
    """Let the fastest one give what the others cannot yet, beside its own part. part: of their headroom, of what is
    wanted."""
    cdef const double *headroom_kw = headroom_of(limits, command.pcs_kw)
    cdef double *told_kw = &command.setpoint_kw[s.fastest]
    cdef double missed_kw, wanted_kw, kw
    if not s.missing and not may_miss(s, command, part, headroom_kw):
        return
    missed_kw = missing_kw(s, now_ns, command, part, headroom_kw)
    s.missing = missed_kw != 0.0
    if not s.missing:
        return
    wanted_kw = part * headroom_kw[s.fastest] + missed_kw
    kw = clip(follow_lead(&s.pcs[s.fastest], wanted_kw), wanted_kw - s.back_kw, wanted_kw + s.back_kw)
    kw = clip(kw, -limits.charge_kw_max[s.fastest], limits.discharge_kw_max[s.fastest])
    if missed_kw > 0.0 and kw > told_kw[0] or missed_kw < 0.0 and kw < told_kw[0]:
        told_kw[0] = kw


cdef void models_step(Share *s, int64_t now_ns, const Command *command) noexcept nogil:
    cdef double dt_s = clip((now_ns - s.t_ns) * 1e-9, 0.0, 100.0 * s.setup.frame_s) if s.t_ns else s.setup.frame_s
    s.t_ns = now_ns
    follow_each(&s.pcs[0], s.setup.pcs_count, &command.sent_kw[0], dt_s)


cdef void share_step(Share *s, const Limits *limits, int64_t now_ns, Command *command) noexcept nogil:
    """Split command.lead_kw into command.setpoint_kw; all zero without a permit or a finite number."""
    cdef const double *headroom_kw = headroom_of(limits, command.lead_kw)
    cdef double per_discharge_kw = per_total(s, &limits.discharge_kw_max[0])
    cdef double per_charge_kw = per_total(s, &limits.charge_kw_max[0])
    cdef double part = part_of(command.lead_kw, per_discharge_kw, per_charge_kw)
    cdef int32_t k
    if not limits.permit & PERMIT_SETPOINT:
        part = 0.0
    for k in range(s.setup.pcs_count):
        command.setpoint_kw[k] = part * headroom_kw[k]
    if s.setup.faster_pu <= 0.0 or s.setup.pcs_count < 2:
        return
    if living_of(s, limits) != s.living:
        choose(s, living_of(s, limits))
    models_step(s, now_ns, command)
    if (s.fastest >= 0 and command.prompt_pu > PROMPT_PU_MIN and limits.permit & PERMIT_SETPOINT
            and headroom_kw[s.fastest] > 0.0):
        cover(s, limits, now_ns, part_of(command.pcs_kw, per_discharge_kw, per_charge_kw), command)

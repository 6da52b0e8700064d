"""One wanted power to N converters, by what each can still give. Runs at 10 kHz; budget 20 ns; where one covers 10 ns
for each at rest, 0.1 us while they come.

setpoint_k = lead_kw * headroom_k / sum of headroom, headroom = the lease's limit in the wanted direction. A converter
that is out has no headroom, so its part moves to the others within the frame.

Where one is clearly faster than the others, it covers for them: what they will miss of their parts of pcs_kw at the end
of its own exchange, by the models of what they were told, is led out of it as far as its limits let it, and no farther
than it can take back within an exchange. It returns to its own part by itself as the slow ones arrive. Not while most
of a swing goes through the filter, which is made for the converters as one (ext.shape). When it is out, nobody covers:
the next one is late itself.
"""
from libc.math cimport fabs, isfinite
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from ext.follow cimport Follow, follow_after_kw, follow_init, follow_lead, follow_step
from ext.image cimport PERMIT_SETPOINT, Command, Limits

cdef double PROMPT_PU_MIN = 0.5     # `training-fast` after a loss: M5 +0.67 dB from 0.3 on, +0.39 from here on


cdef inline double clip(double x, double low, double high) noexcept nogil:
    return low if x < low else (high if x > high else x)


cdef void share_init(Share *s, const ShareSetup *setup) noexcept nogil:
    cdef int32_t k
    memset(s, 0, sizeof(Share))
    s.setup = setup[0]
    for k in range(setup.pcs_count):
        follow_init(&s.pcs[k], &setup.pcs[k], setup.frame_s)


cdef inline const double *headroom_of(const Limits *limits, double kw) noexcept nogil:
    """Of every converter, in the direction of kw."""
    if kw >= 0:
        return &limits.discharge_kw_max[0]
    return &limits.charge_kw_max[0]


cdef double part_of(const Share *s, const double *headroom_kw, double kw) noexcept nogil:
    """Share of its headroom that each converter gives, -1 to 1; 0 for what is no number."""
    cdef double total_kw = 0.0, part
    cdef int32_t k
    for k in range(s.setup.pcs_count):
        total_kw += headroom_kw[k]
    part = kw / total_kw if total_kw > 0 else 0.0
    return clip(part, -1.0, 1.0) if isfinite(part) else 0.0


cdef bint may_miss(const Share *s, const Command *command, double part, const double *headroom_kw) noexcept nogil:
    """Whether to look closely: no power leaves the span of where it is and what it is told. At rest the look at three
    others would cost as much as all other stages together."""
    cdef const Follow *f = &s.pcs[s.setup.fastest]
    cdef const Follow *c
    cdef double span_kw = 0.0, own_kw
    cdef int32_t k
    for k in range(s.setup.pcs_count):
        c = &s.pcs[k]
        if k != s.setup.fastest and headroom_kw[k] > 0.0:
            own_kw = part * headroom_kw[k]
            if c.setup.dead_s >= f.setup.dead_s + f.setup.period_s:     # what was told earlier is still on its way
                return True
            span_kw += max(max(fabs(own_kw - c.model_kw), fabs(own_kw - c.slew_kw)),
                           max(fabs(own_kw - command.sent_kw[k]), fabs(own_kw - command.setpoint_kw[k])))
    return span_kw > s.setup.quiet_kw


cdef double missing_kw(const Share *s, int64_t now_ns, const Command *command, double part,
                       const double *headroom_kw) noexcept nogil:
    """What the others will miss of their parts when the fastest one's exchange ends; a little is none."""
    cdef const Follow *f = &s.pcs[s.setup.fastest]
    cdef double kw = 0.0, end_s = f.setup.dead_s + f.setup.period_s, wait_s
    cdef int32_t k
    if not may_miss(s, command, part, headroom_kw):
        return 0.0
    for k in range(s.setup.pcs_count):
        if k != s.setup.fastest and headroom_kw[k] > 0.0:
            wait_s = max(0.0, s.pcs[k].setup.period_s - 1e-9 * (now_ns - command.t_sent_ns[k]))
            kw += part * headroom_kw[k] - follow_after_kw(
                &s.pcs[k], command.sent_kw[k], command.setpoint_kw[k], wait_s, end_s)
    return kw - clip(kw, -s.setup.quiet_kw, s.setup.quiet_kw)


cdef void cover(const Share *s, const Limits *limits, int64_t now_ns, Command *command) noexcept nogil:
    """Let the fastest one give what the others cannot yet, beside its own part."""
    cdef const Follow *f = &s.pcs[s.setup.fastest]
    cdef double *told_kw = &command.setpoint_kw[s.setup.fastest]
    cdef double back_kw = f.setup.slew_kw_per_s * f.setup.period_s if f.setup.slew_kw_per_s > 0 else 1e12
    cdef const double *headroom_kw = headroom_of(limits, command.pcs_kw)
    cdef double part = part_of(s, headroom_kw, command.pcs_kw)
    cdef double missed_kw = missing_kw(s, now_ns, command, part, headroom_kw)
    cdef double wanted_kw = part * headroom_kw[s.setup.fastest] + missed_kw
    cdef double kw
    if missed_kw == 0.0:
        return
    kw = clip(follow_lead(f, wanted_kw), wanted_kw - back_kw, wanted_kw + back_kw)
    kw = clip(kw, -limits.charge_kw_max[s.setup.fastest], limits.discharge_kw_max[s.setup.fastest])
    if missed_kw > 0.0 and kw > told_kw[0] or missed_kw < 0.0 and kw < told_kw[0]:
        told_kw[0] = kw


cdef void models_step(Share *s, int64_t now_ns, const Command *command) noexcept nogil:
    cdef double dt_s = clip((now_ns - s.t_ns) * 1e-9, 0.0, 100.0 * s.setup.frame_s) if s.t_ns else s.setup.frame_s
    cdef int32_t k
    s.t_ns = now_ns
    for k in range(s.setup.pcs_count):
        follow_step(&s.pcs[k], command.sent_kw[k], dt_s)


cdef void share_step(Share *s, const Limits *limits, int64_t now_ns, Command *command) noexcept nogil:
    """Split command.lead_kw into command.setpoint_kw; all zero without a permit or a finite number."""
    cdef const double *headroom_kw = headroom_of(limits, command.lead_kw)
    cdef double part = part_of(s, headroom_kw, command.lead_kw)
    cdef int32_t k
    if not limits.permit & PERMIT_SETPOINT:
        part = 0.0
    for k in range(s.setup.pcs_count):
        command.setpoint_kw[k] = part * headroom_kw[k]
    if s.setup.fastest < 0:
        return
    models_step(s, now_ns, command)
    if command.prompt_pu > PROMPT_PU_MIN and limits.permit & PERMIT_SETPOINT and headroom_kw[s.setup.fastest] > 0.0:
        cover(s, limits, now_ns, command)

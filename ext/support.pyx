"""P(f) droop and fast frequency reserve as one number, Command.support_kw. Runs at 10 kHz; budget 0.01 us.

Droop:   kw = -droop_kw_max (f - nominal, less the dead band) / droop_hz, clipped, either way.
Reserve: the Nordic FFR. The frequency falls below one of 49.7, 49.6, 49.5 Hz; full power 1.3, 1.0, 0.7 s later at the
         latest; 5 or 30 s of it; then down by a fifth of it a second, which both lengths may; ready again once the
         frequency has been back, far inside the 15 minutes asked for (svk.se, fingrid.fi; control.md section 2).

The supervisor's 10 Hz would spend a third of the 0.7 s on waiting, so this is a stage of the frame. It stands above the
law: the law adds the number to the battery power it wants, inside the lease, and neither target nor ramp see it. A
frequency without a lock is not believed: droop goes back to zero, a reserve under way runs by its clock.
"""
from libc.stdint cimport int64_t
from libc.string cimport memset

from ext.image cimport QUALITY_STALE, QUALITY_UNLOCKED, Command, Track

cdef double CONFIRM_S = 0.05        # a dip that a switched line leaves in the lock is over by then
cdef double BACK_HZ = 0.05          # above the trigger: the frequency is back
cdef double FALL_PER_S = 0.2        # of the reserve
cdef double DROOP_S = 0.2           # from nothing to all of the droop, at the quickest


cdef inline double clip(double x, double low, double high) noexcept nogil:
    return low if x < low else (high if x > high else x)


cdef void support_init(Support *s, const SupportSetup *setup) noexcept nogil:
    memset(s, 0, sizeof(Support))
    s.setup = setup[0]


cdef double droop_aim(const Support *s, double frequency_hz) noexcept nogil:
    """Power that the frequency asks for, kW; discharge positive."""
    cdef double off_hz = frequency_hz - s.setup.frequency_hz
    off_hz -= clip(off_hz, -s.setup.dead_band_hz, s.setup.dead_band_hz)
    return s.setup.droop_kw_max * clip(-off_hz / s.setup.droop_hz, -1.0, 1.0)


cdef void reserve_step(Support *s, double frequency_hz, int believed, double dt_s) noexcept nogil:
    """Move the reserve along its shape."""
    cdef double full_kw = s.setup.reserve_kw
    s.low_s = s.low_s + dt_s if believed and frequency_hz < s.setup.reserve_hz else 0.0
    if s.state == RESERVE_READY and s.low_s > CONFIRM_S:
        s.state = RESERVE_ACTIVE
        s.held_s = 0.0
    elif s.state == RESERVE_ACTIVE:
        if s.reserve_kw < full_kw:
            s.reserve_kw = clip(s.reserve_kw + full_kw * dt_s / s.setup.rise_s, 0.0, full_kw)
        else:
            s.held_s += dt_s
        if s.held_s > s.setup.hold_s:
            s.state = RESERVE_FALLING
    elif s.state == RESERVE_FALLING:
        s.reserve_kw = clip(s.reserve_kw - full_kw * FALL_PER_S * dt_s, 0.0, full_kw)
        if s.reserve_kw == 0.0:
            s.state = RESERVE_SPENT
    elif s.state == RESERVE_SPENT and believed and frequency_hz > s.setup.reserve_hz + BACK_HZ:
        s.state = RESERVE_READY


cdef void support_step(Support *s, const Track *track, int64_t now_ns, Command *command) noexcept nogil:
    """Track to command.support_kw, to be added to the battery's power."""
    cdef double dt_s = clip((now_ns - s.t_ns) * 1e-9, 0.0, 100.0 * s.setup.frame_s) if s.t_ns else s.setup.frame_s
    cdef int believed = not track.quality & (QUALITY_UNLOCKED | QUALITY_STALE)
    cdef double step_kw
    s.t_ns = now_ns
    if s.setup.droop_kw_max > 0.0:
        step_kw = s.setup.droop_kw_max * dt_s / DROOP_S
        s.droop_kw += clip((droop_aim(s, track.frequency_hz) if believed else 0.0) - s.droop_kw, -step_kw, step_kw)
    if s.setup.reserve_kw > 0.0:
        reserve_step(s, track.frequency_hz, believed, dt_s)
    command.support_kw = s.droop_kw + s.reserve_kw

"""Instantaneous three-phase power, cleaned of waveform ripple, and DC power. Runs at 10 kHz; budget 0.2 us.

p = va ia + vb ib + vc ic is exact after one sample for a balanced sine. Unbalance adds a ripple at 2f, the 5th and
7th harmonics at 6f, the 11th and 13th at 12f, a CT's DC offset at 1f; a command slot would fold it into the band
that must stay still (control.md 5.4). Ripple scales with the load, so the model is

    p_raw = P (1 + sum_k a_k cos k wt + b_k sin k wt) + a_1 cos wt + b_1 sin wt

with wt from a phase-locked loop. The weights are learnt slowly (LMS, 0.4 s) while the load is quiet and used at once:
P = (p_raw - line 1) / (1 + lines 2, 4, 6, 12) follows a load edge in the same sample. The only delay is the short
mean's, (smooth_samples - 1) / 2 samples, and Track.delay_s says so. Without lock the one-cycle mean stands in.
"""
from libc.math cimport M_PI, cos, fabs, sin, sqrt
from libc.stdint cimport int32_t
from libc.string cimport memset

from ext.image cimport (
    DC_A,
    DC_V,
    LOAD_IA,
    PCC_IA,
    QUALITY_ABSENT,
    QUALITY_UNLOCKED,
    Sample,
    Track,
)

cdef double LEARN_S = 0.4           # time constant of a weight: notches 0.4 Hz wide, quiet against load noise
cdef double JUMP_SHARE = 0.02       # beyond this and three times the usual remainder a deviation is load, not ripple
cdef double JUMP_SHARE_MAX = 0.25
cdef double USUAL_S = 0.3           # time constant of the usual remainder while learning
cdef double USUAL_HOLD_S = 3.0      # and while resting: a ripple that has changed is not taken for load for ever
cdef double LOCK_HZ = 6.0           # loop bandwidth: locks in 0.1 s, hardly sees 2f and 6f
cdef double LOCK_ERROR = 0.08       # sine of the phase error below which the phase is believed
cdef double SNAP_ERROR = 0.5        # 30 degrees; harmonics and unbalance of a bad feeder stay below 0.1
cdef double VOLTAGE_S = 0.005       # low-pass of magnitude and phase error
cdef enum:
    TURN_MAX = 8                    # a longer hole is leapt over

cdef double THIRD = 1.0 / 3.0
cdef double ROOT_THIRD = 0.5773502691896258     # 1 / sqrt 3, of the Clarke transform


cdef void feeder_init(Feeder *f, int32_t first) noexcept nogil:
    f.first = first
    f.usual = JUMP_SHARE_MAX        # nothing is known yet


cdef void power_init(Power *p, const PowerSetup *setup) noexcept nogil:
    cdef double step_rad = 2.0 * M_PI * setup.frequency_hz / setup.rate_hz
    memset(p, 0, sizeof(Power))
    p.setup = setup[0]
    p.cycle_samples = <int32_t>(setup.rate_hz / setup.frequency_hz + 0.5)
    if p.cycle_samples > CYCLE_MAX:
        p.cycle_samples = CYCLE_MAX
    if p.setup.smooth_samples < 1:
        p.setup.smooth_samples = 1
    if p.setup.smooth_samples > SMOOTH_MAX:
        p.setup.smooth_samples = SMOOTH_MAX
    p.lock.cos1 = 1.0
    p.lock.omega_rad_per_s = 2.0 * M_PI * setup.frequency_hz
    p.lock.step_cos = cos(step_rad)
    p.lock.step_sin = sin(step_rad)
    feeder_init(&p.load, LOAD_IA)
    feeder_init(&p.pcc, PCC_IA)


cdef void lock_leap(Lock *lock, double turn_rad) noexcept nogil:
    """Carry the phasor over a hole in the samples: a late frame must not look like a fault of the grid."""
    cdef double c = lock.cos1, s = lock.sin1
    lock.cos1 = c * cos(turn_rad) - s * sin(turn_rad)
    lock.sin1 = s * cos(turn_rad) + c * sin(turn_rad)


cdef void lock_turn(Power *p, int32_t samples) noexcept nogil:
    """Advance the unit phasor by `samples`; the deviation from nominal is small: two terms of its series suffice."""
    cdef Lock *lock = &p.lock
    cdef double off_rad = (lock.omega_rad_per_s - 2.0 * M_PI * p.setup.frequency_hz) / p.setup.rate_hz
    cdef double turn_cos = lock.step_cos * (1.0 - 0.5 * off_rad * off_rad) - lock.step_sin * off_rad
    cdef double turn_sin = lock.step_sin * (1.0 - 0.5 * off_rad * off_rad) + lock.step_cos * off_rad
    cdef double c, s, norm
    cdef int32_t _
    for _ in range(samples):
        c = lock.cos1 * turn_cos - lock.sin1 * turn_sin
        s = lock.sin1 * turn_cos + lock.cos1 * turn_sin
        norm = 1.5 - 0.5 * (c * c + s * s)      # one Newton step keeps the phasor on the unit circle
        lock.cos1 = c * norm
        lock.sin1 = s * norm


cdef void lock_step(Power *p, const double *v) noexcept nogil:
    """Second-order loop on the space vector of the phase voltages: damping 0.7 at LOCK_HZ."""
    cdef Lock *lock = &p.lock
    cdef double dt_s = 1.0 / p.setup.rate_hz
    cdef double alpha = (2.0 * v[0] - v[1] - v[2]) * THIRD
    cdef double beta = (v[1] - v[2]) * ROOT_THIRD
    cdef double along = alpha * lock.cos1 + beta * lock.sin1
    cdef double across = beta * lock.cos1 - alpha * lock.sin1
    cdef double magnitude_v = sqrt(along * along + across * across)
    cdef double natural = 2.0 * M_PI * LOCK_HZ
    cdef double low = dt_s / VOLTAGE_S
    cdef double error, limit_rad_per_s, nudge_rad
    lock.voltage_v += low * (magnitude_v * 0.7071067811865476 - lock.voltage_v)
    if magnitude_v < 0.2 * p.setup.voltage_v:
        lock.good_samples = 0
        return
    error = across / magnitude_v
    if along < 0 or fabs(error) > SNAP_ERROR:
        lock.cos1 = alpha / magnitude_v     # too far to glide: the frequency would swing for nothing
        lock.sin1 = beta / magnitude_v
        lock.good_samples = 0
        return
    lock.error += low * (error - lock.error)
    lock.omega_rad_per_s += natural * natural * error * dt_s
    limit_rad_per_s = 2.0 * M_PI * 0.1 * p.setup.frequency_hz
    lock.omega_rad_per_s = clip(lock.omega_rad_per_s, 2.0 * M_PI * p.setup.frequency_hz, limit_rad_per_s)
    nudge_rad = 1.4 * natural * error * dt_s
    lock.cos1, lock.sin1 = lock.cos1 - nudge_rad * lock.sin1, lock.sin1 + nudge_rad * lock.cos1
    if fabs(lock.error) < LOCK_ERROR:
        if lock.good_samples < 1 << 30:
            lock.good_samples += 1
    else:
        lock.good_samples = 0


cdef inline double clip(double x, double middle, double reach) noexcept nogil:
    if x > middle + reach:
        return middle + reach
    if x < middle - reach:
        return middle - reach
    return x


cdef void lines(const Lock *lock, double *c, double *s) noexcept nogil:
    """cos and sin of 1, 2, 4, 6, 12 times the phase, by products."""
    c[0] = lock.cos1
    s[0] = lock.sin1
    c[1] = c[0] * c[0] - s[0] * s[0]
    s[1] = 2.0 * c[0] * s[0]
    c[2] = c[1] * c[1] - s[1] * s[1]
    s[2] = 2.0 * c[1] * s[1]
    c[3] = c[2] * c[1] - s[2] * s[1]
    s[3] = s[2] * c[1] + c[2] * s[1]
    c[4] = c[3] * c[3] - s[3] * s[3]
    s[4] = 2.0 * c[3] * s[3]


cdef int32_t is_load(const Power *p, Feeder *f, double left_kw) noexcept nogil:
    """1 while the deviation from the cycle mean is a load on the move: nothing to learn from."""
    cdef double share = fabs(left_kw) / (fabs(f.kw_mean) + 0.01 * p.setup.rated_kw)
    cdef double jump = JUMP_SHARE + 3.0 * f.usual
    if share > (jump if jump < JUMP_SHARE_MAX else JUMP_SHARE_MAX):
        f.hold_samples = p.cycle_samples + p.cycle_samples // 4     # until the mean has seen the new level whole
    f.usual += (share - f.usual) / (p.setup.rate_hz * (USUAL_HOLD_S if f.hold_samples else USUAL_S))
    if f.hold_samples:
        f.hold_samples -= 1
        return 1
    return 0


cdef double clean(const Power *p, Feeder *f, double raw_kw, const double *c, const double *s) noexcept nogil:
    """Power without the learnt ripple; learns from what is left while the load is quiet."""
    cdef double share = 1.0
    cdef double kw, left, rate
    cdef int32_t k
    for k in range(1, LINE_COUNT):
        share += f.cos_weight[k] * c[k] + f.sin_weight[k] * s[k]
    share = clip(share, 1.0, 0.5)
    kw = (raw_kw - f.cos_weight[0] * c[0] - f.sin_weight[0] * s[0]) / share
    left = kw - f.kw_mean
    if is_load(p, f, left):
        return kw
    if fabs(f.kw_mean) > 0.05 * p.setup.rated_kw:
        rate = 2.0 / (LEARN_S * p.setup.rate_hz)
        f.cos_weight[0] += rate * left * c[0]
        f.sin_weight[0] += rate * left * s[0]
        rate *= left / f.kw_mean
        for k in range(1, LINE_COUNT):
            f.cos_weight[k] += rate * c[k]
            f.sin_weight[k] += rate * s[k]
    return kw


cdef void feeder_step(const Power *p, Feeder *f, const Sample *sample, int32_t locked) noexcept nogil:
    """One feeder: raw power, one-cycle mean, ripple removed, short mean."""
    cdef const double *si = &sample.si[f.first]
    cdef double raw_kw = (si[0] * si[3] + si[1] * si[4] + si[2] * si[5]) * 1e-3
    cdef double c[LINE_COUNT]
    cdef double s[LINE_COUNT]
    cdef double kw
    cdef int32_t k
    if not p.started:
        for k in range(p.cycle_samples):
            f.kw_raw[k] = raw_kw
        f.kw_sum = raw_kw * p.cycle_samples
        for k in range(p.setup.smooth_samples):
            f.smooth_kw[k] = raw_kw
    f.kw_sum += raw_kw - f.kw_raw[f.at]
    f.kw_raw[f.at] = raw_kw
    f.at = f.at + 1 if f.at + 1 < p.cycle_samples else 0
    f.kw_mean = f.kw_sum / p.cycle_samples
    if not locked:
        f.kw = f.kw_mean
        return
    lines(&p.lock, c, s)
    f.smooth_kw[f.smooth_at] = clean(p, f, raw_kw, c, s)
    f.smooth_at = f.smooth_at + 1 if f.smooth_at + 1 < p.setup.smooth_samples else 0
    kw = 0.0
    for k in range(p.setup.smooth_samples):
        kw += f.smooth_kw[k]
    f.kw = kw / p.setup.smooth_samples


cdef void feeder_quality(Feeder *f, const Sample *sample, int32_t locked) noexcept nogil:
    """The worst of the six channels, and whether the phase is known."""
    cdef int32_t k
    f.quality = 0
    for k in range(f.first, f.first + 6):
        f.quality |= sample.quality[k]
    f.wired = not f.quality & QUALITY_ABSENT
    if not locked:
        f.quality |= QUALITY_UNLOCKED


cdef void power_step(Power *p, const Sample *sample, double battery_kw, Track *track) noexcept nogil:
    """Sample to Track. battery_kw: what the battery gives at the instant of the sample, discharge positive; with
    current transformers at one place only it turns load into grid power or back."""
    cdef int32_t locked = p.lock.good_samples > p.cycle_samples
    cdef double steps = (sample.t_ns - p.t_ns) * 1e-9 * p.setup.rate_hz
    feeder_quality(&p.load, sample, locked)
    feeder_quality(&p.pcc, sample, locked)
    if sample.fresh and (p.load.wired or p.pcc.wired):
        if 0.5 < steps < TURN_MAX:
            lock_turn(p, <int32_t>(steps + 0.5))    # whole periods: a time stamp may tremble
        else:
            lock_leap(&p.lock, p.lock.omega_rad_per_s * steps / p.setup.rate_hz)
        p.t_ns = sample.t_ns
        lock_step(p, &sample.si[(p.load.first if p.load.wired else p.pcc.first) + 3])
        if p.load.wired:
            feeder_step(p, &p.load, sample, locked)
        if p.pcc.wired:
            feeder_step(p, &p.pcc, sample, locked)
        p.started = 1
    if not sample.quality[<int32_t>DC_V]:
        track.dc_v = sample.si[<int32_t>DC_V]
        if not sample.quality[<int32_t>DC_A]:
            track.dc_kw = sample.si[<int32_t>DC_V] * sample.si[<int32_t>DC_A] * 1e-3
    track.t_ns = sample.t_ns
    track.load_kw = p.load.kw if p.load.wired else p.pcc.kw + battery_kw
    track.load_kw_mean = p.load.kw_mean if p.load.wired else p.pcc.kw_mean + battery_kw
    track.grid_kw = p.pcc.kw if p.pcc.wired else p.load.kw - battery_kw
    track.quality = p.load.quality if p.load.wired else p.pcc.quality
    track.frequency_hz = p.lock.omega_rad_per_s / (2.0 * M_PI)
    track.voltage_v = p.lock.voltage_v
    track.delay_s = 0.5 * ((p.setup.smooth_samples if locked else p.cycle_samples) - 1) / p.setup.rate_hz

"""Phase-locked loop on the space vector of the phase voltages. Runs at 10 kHz; budget 0.05 us.

The loop sees the mean of half a cycle: in the phasor's own frame unbalance turns at 2f, the 5th and 7th at 6f, the
11th and 13th at 12f, and half a cycle holds whole turns of each. Frequency and its rate are the loop's own states.

A frequency cannot jump, a phase can: a line is switched, a transformer taken over. An error beyond JUMP_ERROR is a
jump. The loop then holds the frequency, waits until the half cycle has seen nothing but the new phase, and takes that
over in one sample. No frequency is made up by the way, and the lock is back after little more than half a cycle.
"""
from libc.math cimport M_PI, cos, fabs, sin, sqrt
from libc.stdint cimport int32_t
from libc.string cimport memset

cdef double NATURAL_RAD_PER_S = 2.0 * M_PI * 6.0    # locks in 0.1 s; 1 Hz/s leaves a phase error of 0.25 degrees
cdef double DAMPING = 0.7
cdef double JUMP_ERROR = 0.1        # tangent of the phase error: 5.7 degrees, more than a ramp of 20 Hz/s leaves
cdef double REACH = 0.1             # of the nominal frequency, either way
cdef double ROCOF_S = 0.1           # time constant of its low-pass

cdef double THIRD = 1.0 / 3.0
cdef double ROOT_THIRD = 0.5773502691896258     # 1 / sqrt 3, of the Clarke transform
cdef double ROOT_HALF = 0.7071067811865476      # RMS of a unit sine


cdef inline double clip(double x, double low, double high) noexcept nogil:
    return low if x < low else (high if x > high else x)


cdef void lock_init(Lock *lock, double rate_hz, double frequency_hz, double voltage_v_min) noexcept nogil:
    memset(lock, 0, sizeof(Lock))
    lock.frequency_hz = frequency_hz
    lock.voltage_v_min = voltage_v_min
    lock.dt_s = 1.0 / rate_hz
    lock.step_cos = cos(2.0 * M_PI * frequency_hz / rate_hz)
    lock.step_sin = sin(2.0 * M_PI * frequency_hz / rate_hz)
    lock.half_samples = min(HALF_MAX, <int32_t>(0.5 * rate_hz / frequency_hz + 0.5))
    lock.rocof_part = lock.dt_s / ROCOF_S
    lock.rms_per_sum = ROOT_HALF / lock.half_samples
    lock.cos1 = 1.0
    lock.omega_rad_per_s = 2.0 * M_PI * frequency_hz
    lock.jump_samples = lock.half_samples
    lock_ahead(lock)


cdef void lines(Lock *lock, double cos1, double sin1) noexcept nogil:
    """cos and sin of 1, 2, 4, 6, 8, 12 times the phase, by products."""
    cdef double *c = &lock.line_cos[0]
    cdef double *s = &lock.line_sin[0]
    c[0] = cos1
    s[0] = sin1
    c[1] = c[0] * c[0] - s[0] * s[0]
    s[1] = 2.0 * c[0] * s[0]
    c[2] = c[1] * c[1] - s[1] * s[1]
    s[2] = 2.0 * c[1] * s[1]
    c[3] = c[2] * c[1] - s[2] * s[1]
    s[3] = s[2] * c[1] + c[2] * s[1]
    c[4] = c[2] * c[2] - s[2] * s[2]
    s[4] = 2.0 * c[2] * s[2]
    c[5] = c[3] * c[3] - s[3] * s[3]
    s[5] = 2.0 * c[3] * s[3]


cdef void turn(Lock *lock, double samples) noexcept nogil:
    """The lines so many samples after where the phasor stands.

    The deviation from nominal is small within a sample: two terms of its series suffice."""
    cdef double off_rad = (lock.omega_rad_per_s - 2.0 * M_PI * lock.frequency_hz) * lock.dt_s
    cdef double turn_cos = lock.step_cos * (1.0 - 0.5 * off_rad * off_rad) - lock.step_sin * off_rad
    cdef double turn_sin = lock.step_sin * (1.0 - 0.5 * off_rad * off_rad) + lock.step_cos * off_rad
    cdef double c = lock.cos1, s = lock.sin1, norm
    cdef int32_t _
    if not 0.5 < samples < TURN_MAX:
        turn_cos = cos(lock.omega_rad_per_s * samples * lock.dt_s)
        turn_sin = sin(lock.omega_rad_per_s * samples * lock.dt_s)
        samples = 1.0
    for _ in range(<int32_t>(samples + 0.5)):
        c, s = c * turn_cos - s * turn_sin, s * turn_cos + c * turn_sin
    norm = 1.5 - 0.5 * (c * c + s * s)      # one Newton step keeps the phasor on the unit circle
    lines(lock, c * norm, s * norm)


cdef void lock_ahead(Lock *lock) noexcept nogil:
    """The lines at the next sample, before it comes: its power need not wait for them."""
    turn(lock, 1.0)


cdef void lock_turn(Lock *lock, double samples) noexcept nogil:
    """Advance the phasor: by whole samples, since a time stamp may tremble, over a hole by its length: that is no fault
    of the grid. The lines stay there until lock_ahead."""
    if not 0.5 < samples < 1.5:
        turn(lock, samples)
    lock.cos1 = lock.line_cos[0]
    lock.sin1 = lock.line_sin[0]


cdef void take_over(Lock *lock) noexcept nogil:
    """Turn the phasor to where the half cycle's mean points, and what it has seen with it."""
    cdef double length = sqrt(lock.along_v_sum * lock.along_v_sum + lock.across_v_sum * lock.across_v_sum)
    cdef double turn_cos = lock.along_v_sum / length, turn_sin = lock.across_v_sum / length
    cdef double c = lock.cos1, s = lock.sin1
    cdef int32_t k
    lock.cos1 = c * turn_cos - s * turn_sin
    lock.sin1 = s * turn_cos + c * turn_sin
    for k in range(lock.half_samples):
        lock.along_v[k] = length / lock.half_samples
        lock.across_v[k] = 0.0
    lock.along_v_sum = length
    lock.across_v_sum = 0.0
    lock.locked = 1


cdef void lock_step(Lock *lock, const double *v) noexcept nogil:
    """One sample of the phase voltages (3), V; the phasor stands at its instant."""
    cdef double alpha = (2.0 * v[0] - v[1] - v[2]) * THIRD
    cdef double beta = (v[1] - v[2]) * ROOT_THIRD
    cdef double along = alpha * lock.cos1 + beta * lock.sin1
    cdef double across = beta * lock.cos1 - alpha * lock.sin1
    cdef double error, nudge_rad, middle = 2.0 * M_PI * lock.frequency_hz
    lock.along_v_sum += along - lock.along_v[lock.at]
    lock.across_v_sum += across - lock.across_v[lock.at]
    lock.along_v_now = along
    lock.along_v[lock.at] = along
    lock.across_v[lock.at] = across
    lock.at = lock.at + 1 if lock.at + 1 < lock.half_samples else 0
    along, across = lock.along_v_sum, lock.across_v_sum
    lock.voltage_v = sqrt(along * along + across * across) * lock.rms_per_sum
    if lock.voltage_v < lock.voltage_v_min:
        lock.locked = 0
        lock.jump_samples = lock.half_samples
        return
    if lock.jump_samples:
        lock.jump_samples -= 1
        if not lock.jump_samples:
            take_over(lock)
        return
    error = across / along
    if along <= 0.0 or fabs(error) > JUMP_ERROR:
        lock.locked = 0
        lock.jump_samples = lock.half_samples
        return
    error *= NATURAL_RAD_PER_S
    nudge_rad = 2.0 * DAMPING * error * lock.dt_s
    lock.cos1, lock.sin1 = lock.cos1 - nudge_rad * lock.sin1, lock.sin1 + nudge_rad * lock.cos1
    error *= NATURAL_RAD_PER_S
    lock.omega_rad_per_s += error * lock.dt_s
    lock.omega_rad_per_s = clip(lock.omega_rad_per_s, (1.0 - REACH) * middle, (1.0 + REACH) * middle)
    lock.rocof_hz_per_s += (error * (0.5 / M_PI) - lock.rocof_hz_per_s) * lock.rocof_part

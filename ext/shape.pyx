"""How much of a swing a loop with this delay may take without making any frequency worse. Runs once, at the start.

The battery answers a share F of the deviation after the delay d, so the grid keeps E = 1 - F exp(-j w d) of it
(control.md 5.4). F = direct + (1 - direct) / (1 + j w slow): what may not pass at once passes slowly. Of all pairs that
keep abs(E) below the limit from 0.1 to 50 Hz the one is taken that leaves the least of a spectrum of edges, which falls
with the square of the frequency, in the band that a utility looks at, 0.1 to 20 Hz.

From 10 ms on the late half of a step adds to the next in the 20 ms mean (M6 of control.md 7): the loop rests.
"""
from libc.math cimport cos, M_PI, sin

cdef double REST_S = 0.010
cdef double HARM_MAX = 1.109        # of abs(E) squared: 0.45 dB, the rest to 0.5 dB is the measurement's
cdef double HARM_HZ = 50.0
cdef double BAND_HZ = 20.0
cdef double STEP_HZ = 0.5
cdef double SLOW_S_MIN = 0.004
cdef double SLOW_S_MAX = 0.1
cdef double HELP_MIN = 0.8          # at least 1 dB of the band, else it is not worth the battery's wear


cdef double left_over(double delay_s, double direct, double slow_s) noexcept nogil:
    """Share of the energy of edges that stays in the band; above 1 where a frequency would be harmed."""
    cdef double hz = 0.25, w, lag, re, im, f_re, f_im, size, left = 0.0, whole = 0.0
    while hz <= HARM_HZ:
        w = 2.0 * M_PI * hz
        lag = w * slow_s
        f_re = direct + (1.0 - direct) / (1.0 + lag * lag)
        f_im = -(1.0 - direct) * lag / (1.0 + lag * lag)
        re = 1.0 - f_re * cos(w * delay_s) - f_im * sin(w * delay_s)
        im = f_re * sin(w * delay_s) - f_im * cos(w * delay_s)
        size = re * re + im * im
        if size > HARM_MAX:
            return 2.0
        if hz <= BAND_HZ:
            left += size / (hz * hz)
            whole += 1.0 / (hz * hz)
        hz += STEP_HZ
    return left / whole


cdef Shape shape_of(double delay_s) noexcept nogil:
    """The best pair for this delay."""
    cdef Shape best = Shape(0.0, 0.0, SLOW_S_MIN)
    cdef double least = HELP_MIN, left, direct = 1.0, slow_s
    if delay_s >= REST_S:
        return best
    if left_over(delay_s, 1.0, SLOW_S_MIN) < HELP_MIN:
        return Shape(1.0, 1.0, SLOW_S_MIN)      # a fast loop is left whole
    while direct > -0.01:
        slow_s = SLOW_S_MIN
        while slow_s < SLOW_S_MAX:
            left = left_over(delay_s, direct, slow_s)
            if left < least:
                least = left
                best = Shape(1.0, direct, slow_s)
            slow_s *= 1.25
        direct -= 0.02
    return best

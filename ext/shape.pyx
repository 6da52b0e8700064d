"""How much of a swing a loop with this delay may take without making any frequency worse. Runs once, at the start.

The battery answers a share F of the deviation after the delay d, so the grid keeps E = 1 - F exp(-j w d) of it
(control.md 5.4). F = gain (prompt + (1 - prompt) / (1 + j w slow)): what may not pass at once passes slowly. Of all
that keep abs(E) below the limit from 0.1 to 50 Hz the one is taken that leaves the least of a spectrum of edges, which
falls with the square of the frequency, in the band that a utility looks at, 0.1 to 20 Hz.

Nor may the 20 ms mean of the grid, over steps in both directions, span more than the load's own (M6 of control.md 7):
from a delay of 10 ms on nothing keeps that, and the loop rests.
"""
from libc.math cimport cos, exp, M_PI, sin
from libc.stdint cimport int32_t

cdef double MEAN_S = 0.020
cdef double STEP_MAX = 0.5          # so that both directions make at most the whole
cdef double HARM_MAX = 1.109        # of abs(E) squared: 0.45 dB, the rest to 0.5 dB is the measurement's
cdef double HARM_HZ = 50.0
cdef double BAND_HZ = 20.0
cdef double STEP_HZ = 0.5
cdef double SLOW_S = 0.025          # of a loop that is left whole, for what is found to harm later
cdef double SLOW_S_MIN = 0.004
cdef double SLOW_FACTOR = 1.5
cdef int32_t SLOW_STEPS = 9
cdef int32_t STEPS = 20             # of gain and of the prompt share
cdef double HELP_MIN = 0.8          # at least 1 dB of the band, else it is not worth the battery's wear


cdef double left_over(double delay_s, double gain, double prompt_pu, double slow_s) noexcept nogil:
    """Share of the energy of edges that stays in the band; above 1 where a frequency would be harmed."""
    cdef double hz = 0.25, w, lag, re, im, f_re, f_im, size, left = 0.0, whole = 0.0
    while hz <= HARM_HZ:
        w = 2.0 * M_PI * hz
        lag = w * slow_s
        f_re = gain * (prompt_pu + (1.0 - prompt_pu) / (1.0 + lag * lag))
        f_im = -gain * (1.0 - prompt_pu) * lag / (1.0 + lag * lag)
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


cdef double step_mean(double delay_s, double prompt_pu, double slow_s) noexcept nogil:
    """Largest 20 ms mean of what a unit step leaves on the grid; steps of both directions make twice that."""
    return (delay_s + (1.0 - prompt_pu) * slow_s * (1.0 - exp((delay_s - MEAN_S) / slow_s))) / MEAN_S


cdef Shape shape_of(double delay_s) noexcept nogil:
    """The best for this delay; a fast loop is left whole."""
    cdef Shape best = Shape(0.0, 1.0, SLOW_S), tried
    cdef double least = HELP_MIN, left
    cdef int32_t i, j, k
    if delay_s < STEP_MAX * MEAN_S and left_over(delay_s, 1.0, 1.0, SLOW_S_MIN) < HELP_MIN:
        return Shape(1.0, 1.0, SLOW_S)
    for i in range(1, STEPS + 1):
        for j in range(STEPS + 1):
            for k in range(SLOW_STEPS):
                tried = Shape(<double>i / STEPS, <double>j / STEPS, SLOW_S_MIN * SLOW_FACTOR ** k)
                if step_mean(delay_s, tried.prompt_pu, tried.slow_s) > STEP_MAX:
                    continue
                left = left_over(delay_s, tried.gain, tried.prompt_pu, tried.slow_s)
                if left < least:
                    least = left
                    best = tried
    return best

"""What a loop that is too late to answer a swing at once answers instead. Runs at 10 kHz; budget 30 ns.

    answer = sum over k of taps[k] deviation(k ms ago) + sum over i of lags[i] deviation through lag i

The shares are those of two such filters, the late one and the prompt or the wide one, as much of each as the lease
says. The taps of the wide one may lie farther apart. All come from controller.runtime.shape, once, at the start.
"""
from libc.math cimport NAN, fabs
from libc.stdint cimport int32_t
from libc.string cimport memset


cdef void shape_init(Shape *s, const ShapeSetup *setup) noexcept nogil:
    memset(s, 0, sizeof(Shape))
    shape_turn(s, setup)


cdef void shape_turn(Shape *s, const ShapeSetup *setup) noexcept nogil:
    """From now on with these filters, of what was taken so far; taps may lie elsewhere, a lag that is another one
    begins anew."""
    cdef double part
    cdef int32_t i
    s.setup = setup
    s.prompt_pu = NAN
    for i in range(LAG_MAX):
        part = setup.frame_s / (setup.lags_s[i] + setup.frame_s)
        if part != s.part[i]:
            s.part[i], s.lag_kw[i] = part, 0.0


cdef void shape_mix(Shape *s, double prompt_pu) noexcept nogil:
    """The shares of a law with this prompt share; below 0: of the wide filter so much."""
    cdef double prompt = max(prompt_pu, 0.0), wide = max(-prompt_pu, 0.0), late = 1.0 - fabs(prompt_pu)
    cdef int32_t k
    if prompt_pu == s.prompt_pu:
        return
    s.prompt_pu = prompt_pu
    for k in range(TAP_MAX):
        s.taps_pu[k] = prompt * s.setup.prompt_taps_pu[k] + late * s.setup.late_taps_pu[k]
        s.wide_pu[k] = wide * s.setup.wide_taps_pu[k]
    for k in range(LAG_MAX):
        s.lags_pu[k] = (prompt * s.setup.prompt_lags_pu[k] + wide * s.setup.wide_lags_pu[k]
                        + late * s.setup.late_lags_pu[k])

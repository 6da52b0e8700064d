"""What cannot wait for the supervisor: DC over-voltage and reverse power narrow the limits inside the frame.

    charge 0     dc_v > dc_v_max of the lease in three samples in a row (F10); 0 there: no limit is known
    discharge 0  more than export_kw_max and reverse_kw flows out of the source for reverse_ns (F58, F63)

A cut lasts HOLD_NS beyond its cause, so that it does not come and go with every lease; by then the supervisor has seen
it and holds it for longer. A value that no sensor tells cuts nothing here: its loss has rows of its own (F06, F09).
"""
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from ext.image cimport DC_V, PCS_MAX, QUALITY_UNLOCKED, Limits, Sample, Track

cdef enum:
    HOLD_NS = 1_000_000_000     # ten cycles of the supervisor


cdef void fast_init(Fast *f, const FastSetup *setup) noexcept nogil:
    memset(f, 0, sizeof(Fast))
    f.setup = setup[0]


cdef void look(Fast *f, const Sample *sample, const Track *track, const Limits *limits) noexcept nogil:
    """Count the samples in a row that lie beyond a limit."""
    cdef int32_t over = (not sample.quality[<int32_t>DC_V] and limits.dc_v_max > 0
                         and sample.si[<int32_t>DC_V] > limits.dc_v_max)
    cdef int32_t back = (not track.quality & ~QUALITY_UNLOCKED
                         and track.grid_kw < -limits.export_kw_max - f.setup.reverse_kw)
    f.over_count = (f.over_count + 1) * over
    f.back_count = (f.back_count + 1) * back
    if f.back_count <= 1:
        f.t_back_ns = sample.t_ns


cdef void fast_step(Fast *f, const Sample *sample, const Track *track, int64_t now_ns, Limits *limits) noexcept nogil:
    """Cut what must be cut. limits: those in force; narrowed here they stay so until the next lease."""
    cdef int32_t i
    if sample.fresh:
        look(f, sample, track, limits)
        if f.over_count >= FAST_SAMPLES:
            f.charge_cuts += now_ns >= f.t_charge_ns
            f.t_charge_ns = now_ns + HOLD_NS
        if f.back_count >= FAST_SAMPLES and sample.t_ns - f.t_back_ns >= f.setup.reverse_ns:
            f.discharge_cuts += now_ns >= f.t_discharge_ns
            f.t_discharge_ns = now_ns + HOLD_NS
    if now_ns < f.t_charge_ns:
        for i in range(PCS_MAX):
            limits.charge_kw_max[i] = 0.0
    if now_ns < f.t_discharge_ns:
        for i in range(PCS_MAX):
            limits.discharge_kw_max[i] = 0.0

"""What cannot wait for the supervisor: DC over-voltage and reverse power narrow the limits inside the frame."""
from libc.stdint cimport int32_t, int64_t, uint64_t

from ext.image cimport Limits, Sample, Track


cdef enum:
    FAST_SAMPLES = 3            # in a row beyond a limit: two may be a spike (F08)


cdef struct FastSetup:
    double reverse_kw           # beyond export_kw_max: what sensors and the law may be off
    int64_t reverse_ns          # how long it must last: the law and the converters need their time


cdef struct Fast:
    FastSetup setup
    int32_t over_count          # samples in a row above dc_v_max
    int32_t back_count          # samples in a row with power out of the source beyond what is allowed
    int64_t t_back_ns           # of the first of them
    int64_t t_charge_ns         # no charge before
    int64_t t_discharge_ns      # no discharge before
    uint64_t charge_cuts        # times that charging was cut
    uint64_t discharge_cuts


cdef void fast_init(Fast *f, const FastSetup *setup) noexcept nogil
cdef void fast_step(Fast *f, const Sample *sample, const Track *track, int64_t now_ns, Limits *limits) noexcept nogil

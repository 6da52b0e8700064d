"""Three-phase power without ripple and almost without delay."""
from libc.stdint cimport int32_t, int64_t
from ext.image cimport Sample, Track


cdef enum:
    HARMONIC_COUNT = 5      # ripple lines at 1, 2, 4, 6 and 12 times the grid frequency
    HALF_CYCLE_MAX = 512    # samples of half a cycle at 20 kHz and 20 Hz
    SMOOTH_MAX = 16


cdef struct PowerSetup:
    double rate_hz              # sample rate
    double frequency_hz         # nominal
    double voltage_v            # nominal, phase to neutral
    int32_t smooth_samples      # length of the short mean; its delay is (smooth_samples - 1) / 2 samples


cdef struct Power:
    PowerSetup setup
    double state[1024]          # owned by power.pyx until it names its fields


cdef void power_init(Power *p, const PowerSetup *setup) noexcept nogil
cdef void power_step(Power *p, const Sample *sample, const double battery_kw, Track *track) noexcept nogil

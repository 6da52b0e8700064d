"""Three-phase power without ripple and almost without delay."""
from libc.stdint cimport int32_t, int64_t

from ext.image cimport Sample, Track


cdef enum:
    LINE_COUNT = 5          # ripple lines at 1, 2, 4, 6 and 12 times the grid frequency
    CYCLE_MAX = 1024        # samples of one cycle at 20 kHz and 20 Hz
    SMOOTH_MAX = 16


cdef struct PowerSetup:
    double rate_hz              # sample rate
    double frequency_hz         # nominal
    double voltage_v            # nominal, phase to neutral
    double rated_kw             # site rating; the canceller learns above a twentieth of it
    int32_t smooth_samples      # length of the short mean; its delay is (smooth_samples - 1) / 2 samples


cdef struct Lock:               # phase-locked loop on the voltages
    double cos1                 # unit phasor of phase a
    double sin1
    double omega_rad_per_s
    double step_cos             # rotation of one nominal sample
    double step_sin
    double error                # sine of the phase error, low-passed
    int32_t good_samples        # consecutive samples with a small error
    double voltage_v            # low-passed magnitude of the space vector, RMS phase to neutral


cdef struct Feeder:             # one three-phase measuring point
    int32_t first               # channel of ia; ib ic va vb vc follow
    int32_t wired
    double cos_weight[LINE_COUNT]   # of ripple in units of the power; line 0 (CT offset) in kW
    double sin_weight[LINE_COUNT]
    double kw_raw[CYCLE_MAX]    # instantaneous power of the last cycle
    double kw_sum
    int32_t at
    double smooth_kw[SMOOTH_MAX]
    int32_t smooth_at
    int32_t hold_samples        # learning rests after a jump
    double usual                # usual remainder of ripple, share of the power
    double kw                   # ripple removed
    double kw_mean              # one-cycle mean
    int32_t quality


cdef struct Power:
    PowerSetup setup
    int32_t cycle_samples
    int32_t started
    int64_t t_ns                # of the last sample
    Lock lock
    Feeder load
    Feeder pcc


cdef void power_init(Power *p, const PowerSetup *setup) noexcept nogil
cdef void power_step(Power *p, const Sample *sample, double battery_kw, Track *track) noexcept nogil

"""Phase, frequency and its rate of change, out of three phase voltages."""
from libc.stdint cimport int32_t


cdef enum:
    HALF_MAX = 256          # samples of half a cycle at 20 kHz and 50 Hz, and a little over
    TURN_MAX = 8            # samples; a longer hole is leapt over
    LINE_COUNT = 6          # lines at 1, 2, 4, 6, 8 and 12 times the grid frequency


cdef struct Lock:
    double frequency_hz         # nominal
    double voltage_v_min        # below this nothing can be locked to, RMS phase to neutral
    double dt_s                 # between two samples
    double step_cos             # rotation of one nominal sample
    double step_sin
    int32_t half_samples        # of a nominal half cycle
    double rms_per_sum          # RMS of one phase for the length of the half cycle's sum
    double rocof_part           # of the way that its low-pass goes in a sample
    double cos1                 # unit phasor of phase a
    double sin1
    double line_cos[LINE_COUNT]     # of so many times the phase at a sample: the present one, then already the next
    double line_sin[LINE_COUNT]
    double omega_rad_per_s
    double along_v[HALF_MAX]    # space vector as the phasor sees it, over the last half cycle
    double across_v[HALF_MAX]
    double along_v_sum
    double across_v_sum
    double along_v_now          # of this sample
    int32_t at
    int32_t jump_samples        # left of the half cycle after which a jump of the phase is taken over; 0: none
    int32_t locked              # 1: the phase may be believed
    double rocof_hz_per_s       # low-passed
    double voltage_v            # half-cycle mean of the space vector, RMS phase to neutral


cdef void lock_init(Lock *lock, double rate_hz, double frequency_hz, double voltage_v_min) noexcept nogil
cdef void lock_turn(Lock *lock, double samples) noexcept nogil
cdef void lock_step(Lock *lock, const double *v) noexcept nogil
cdef void lock_ahead(Lock *lock) noexcept nogil

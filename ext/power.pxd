"""Three-phase power without ripple and almost without delay."""
from libc.stdint cimport int32_t, int64_t

from ext.align cimport Align
from ext.image cimport Sample, Track
from ext.lock cimport LINE_COUNT, Lock
from ext.wiring cimport Wiring


cdef enum:
    CYCLE_MAX = 512         # samples of one cycle at 20 kHz and 50 Hz, and a little over
    MEDIAN_MAX = 5
    TURN_COUNT = 4          # what may be slow takes turns: each is done in one of so many samples, where there are many
    TURN_LOAD = 0           # the load feeder learns its ripple
    TURN_PCC = 1            # the connection learns its
    TURN_WIRING = 2         # one channel is looked at


cdef struct PowerSetup:
    double rate_hz              # sample rate
    double frequency_hz         # nominal
    double voltage_v            # nominal, phase to neutral
    double rated_kw             # site rating; the canceller learns above a twentieth of it
    double battery_kw_max       # rating of all converters
    int32_t median_samples      # length of the short median, 1, 3 or 5; its delay is (median_samples - 1) / 2 samples


cdef struct Ripple:             # weights of the lock's lines
    double cosine[LINE_COUNT]
    double sine[LINE_COUNT]


cdef struct Feeder:             # one three-phase measuring point
    int32_t first               # channel of ia; ib ic va vb vc follow
    int32_t wired
    Ripple load                 # in units of the load's power; line 0 (CT offset) in kW
    Ripple battery              # in units of the battery's power, which a point at the connection sees too
    double past_kw[CYCLE_MAX]   # load power of the last cycle, ripple removed once there is a lock
    double kw_sum
    int32_t at
    double median_kw[MEDIAN_MAX]
    int32_t median_at
    int32_t hold_turns          # learning rests after a jump
    double usual                # usual remainder of ripple, share of the power
    double raw_kw               # power at this point in one sample
    double kw                   # load behind this point, ripple removed
    double kw_mean              # one-cycle mean of the same
    int32_t quality


cdef struct Meter:              # means over whole half cycles of the grid
    double half_kw_sum
    int32_t half_count
    double long_kw_sum
    int32_t long_count
    int32_t halves
    double half_kw              # of the last half cycle
    double long_kw             # of the last 10 cycles of 50 Hz, 12 of 60 Hz (IEC 61000-4-30)


cdef struct Power:
    PowerSetup setup
    int32_t cycle_samples
    int32_t halves_200ms        # half cycles in 200 ms
    double per_cycle            # 1 / cycle_samples
    double delay_s[2]           # of what is told: without a lock, with one
    double learn                # share of what is left that the weights take in one turn
    double usual                # the same of the usual remainder, while learning
    double usual_hold           # and while learning rests
    int32_t hold_turns          # until the one-cycle mean has seen a new level whole
    int32_t turn
    int32_t turn_mask           # TURN_COUNT - 1, or 0 where a cycle has too few samples to leave any out
    int32_t started
    int32_t upper               # 1 in the upper half of the cycle of phase a
    int64_t t_ns                # of the last sample
    int64_t t_dc_ns             # of the last sample whose DC power was counted
    double battery_kw[MEDIAN_MAX]   # of the last samples: delayed like the load
    int32_t battery_at
    Lock lock
    Align align
    Feeder load
    Feeder pcc
    Wiring wiring
    Meter load_meter
    Meter grid_meter


cdef void power_init(Power *p, const PowerSetup *setup) noexcept nogil
cdef void power_step(Power *p, const Sample *sample, double model_kw, Track *track) noexcept nogil

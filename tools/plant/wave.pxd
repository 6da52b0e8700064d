"""Three-phase waveform of the site: what the analogue inputs see, in converter counts."""
from libc.stdint cimport int32_t, int64_t, uint64_t
from ext.image cimport CHANNEL_MAX


cdef enum:
    LINES = 5               # spectral lines: 1, 5, 7, 11 and 13 times the grid frequency
    NOISE_POINTS = 4096     # equal-probability points of the normal distribution


cdef struct WaveSetup:
    double rate_hz
    double frequency_hz
    double voltage_v        # phase to neutral, RMS
    double nominal_kw       # load at which the percentages of offset and noise hold
    double nominal_dc_v
    double nominal_dc_a
    double power_factor
    double voltage_unbalance_pu     # negative sequence against positive
    double current_unbalance_pu
    double voltage_line_pu[LINES]   # amplitude against the fundamental; the first is 1
    double current_line_pu[LINES]
    double offset_pu        # DC of the current transformers, against the nominal amplitude
    double noise_pu         # RMS, against the nominal amplitude
    int32_t present[CHANNEL_MAX]
    double si_per_count[CHANNEL_MAX]    # calibration times the ring's scale
    double offset_counts[CHANNEL_MAX]   # code that means zero
    int32_t rail_counts
    uint64_t seed


cdef struct Spoil:          # what is wrong with the inputs; active 0: nothing
    int32_t active
    int64_t left            # samples that it still lasts, below 0: until it is mended
    double gain[CHANNEL_MAX]
    int32_t shift_counts[CHANNEL_MAX]
    int32_t frozen[CHANNEL_MAX]     # 1: the code no longer changes
    int32_t held_counts[CHANNEL_MAX]
    int32_t swap[2]         # channels that are exchanged; equal: none


cdef struct Wave:
    WaveSetup setup
    Spoil spoil
    uint64_t samples
    double bus_pu           # voltage of the load's bus, of nominal
    double grid_pu          # and of the grid side
    double shift_hz         # of the bus against the grid
    double frequency_hz     # now, slow drift included
    double turn_re          # one sample's turn of the fundamental
    double turn_im
    double angle_re         # fundamental phasor
    double angle_im
    double volts[3][2 * LINES]      # V of each phase: cosine and sine of every line
    double amps[3][2 * LINES]       # A of each phase for 1 kW of mean load power
    double clean[3][2]      # A of each phase for 1 kW from a clean source in phase with the voltage
    int32_t wired_count
    int32_t wired[CHANNEL_MAX]     # channels of the site, in order
    double counts_per_si[CHANNEL_MAX]
    double offset_si[CHANNEL_MAX]
    double noise_si[CHANNEL_MAX]
    uint64_t random[4]
    float noise[NOISE_POINTS]


cdef void wave_init(Wave *w, const WaveSetup *setup)
cdef void wave_mend(Wave *w) noexcept nogil
cdef void wave_step(Wave *w, double load_kw, double storage_kw, double dc_v, double dc_a,
                    int32_t *counts) noexcept nogil

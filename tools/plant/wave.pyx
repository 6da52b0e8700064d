"""Synthesises voltages and currents whose mean three-phase power is exactly the power asked for.

One phasor turns with the grid; the harmonic lines are its powers, so a sample costs no sine. Each channel is
a row of cosine and sine coefficients. The current rows are scaled once so that 1 kW asked gives 1 kW mean,
harmonic power and unbalance included. Levels of the presets: reference/control.md 5.4.
"""
from libc.math cimport M_PI, acos, cos, lrint, sin, sqrt
from libc.stdint cimport int32_t, uint64_t
from libc.string cimport memset

from statistics import NormalDist

from ext.image cimport (
    CHANNEL_MAX,
    DC_A,
    DC_V,
    LOAD_IA,
    LOAD_VA,
    PCC_IA,
    PCC_VA,
)

cdef enum:
    STEER_SAMPLES = 1024    # the drift of the frequency is renewed this often

cdef double DRIFT_HZ = 0.004        # a few mHz, as a large grid shows within minutes
cdef double DRIFT_PERIOD_S = 61.0
cdef int32_t[LINES] ORDER = [1, 5, 7, 11, 13]
# Angles of the lines, rad: with these, and both negative sequences in line, the one-sample power carries the
# ripple measured in reference/control.md 5.4 (typical 7.9 %, bad 16.4 % RMS of the mean).
cdef double[LINES] VOLTAGE_ANGLE = [0.0, 5.2, 5.4, 0.0, 0.0]
cdef double[LINES] CURRENT_ANGLE = [0.0, 0.4, 5.3, 2.9, 0.6]
cdef double[LINES] BARE = [1.0, 0.0, 0.0, 0.0, 0.0]
cdef double[3] OFFSET_SHARE = [1.0, -1.0, 1.0]     # of the three CTs: unequal, so it shows in p


cdef uint64_t mixed(uint64_t *state) noexcept nogil:
    """splitmix64: spreads one seed over the generator's state."""
    cdef uint64_t z
    state[0] += <uint64_t>0x9E3779B97F4A7C15
    z = state[0]
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline uint64_t rotated(uint64_t x, int32_t bits) noexcept nogil:
    return (x << bits) | (x >> (64 - bits))


cdef inline uint64_t drawn(uint64_t *s) noexcept nogil:
    """xoshiro256**, public algorithm of Blackman and Vigna."""
    cdef uint64_t result = rotated(s[1] * 5, 7) * 9
    cdef uint64_t t = s[1] << 17
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = rotated(s[3], 45)
    return result


cdef void rows_of(double[3][2 * LINES] rows, const double *line_pu, const double *line_angle,
                  double unbalance_pu, double shift) noexcept nogil:
    """Cosine and sine coefficients of three phases for unit fundamental, lagging by `shift`."""
    cdef int32_t phase, line
    cdef double angle
    for phase in range(3):
        for line in range(LINES):
            angle = line_angle[line] - ORDER[line] * (phase * 2.0 * M_PI / 3.0 + shift)
            rows[phase][2 * line] = line_pu[line] * cos(angle)
            rows[phase][2 * line + 1] = -line_pu[line] * sin(angle)
        angle = phase * 2.0 * M_PI / 3.0 - shift
        rows[phase][0] += unbalance_pu * cos(angle)
        rows[phase][1] -= unbalance_pu * sin(angle)


cdef double mean_kw(const double[3][2 * LINES] volts, const double[3][2 * LINES] amps) noexcept nogil:
    """Mean three-phase power of two sets of rows, kW."""
    cdef double watts = 0.0
    cdef int32_t phase, k
    for phase in range(3):
        for k in range(2 * LINES):
            watts += 0.5 * volts[phase][k] * amps[phase][k]
    return 0.001 * watts


cdef void fill_rows(Wave *w) noexcept nogil:
    """Voltage in V; load and clean current in A for 1 kW."""
    cdef double shift = acos(w.setup.power_factor)
    cdef double[3][2 * LINES] rows
    cdef double kw
    cdef int32_t phase, k
    rows_of(w.volts, w.setup.voltage_line_pu, VOLTAGE_ANGLE, w.setup.voltage_unbalance_pu, 0.0)
    rows_of(w.amps, w.setup.current_line_pu, CURRENT_ANGLE, w.setup.current_unbalance_pu, shift)
    rows_of(rows, BARE, VOLTAGE_ANGLE, 0.0, 0.0)
    for phase in range(3):
        for k in range(2 * LINES):
            w.volts[phase][k] *= w.setup.voltage_v * sqrt(2.0)
    kw = mean_kw(w.volts, w.amps)
    for phase in range(3):
        for k in range(2 * LINES):
            w.amps[phase][k] /= kw
    kw = mean_kw(w.volts, rows)
    for phase in range(3):
        w.clean[phase][0] = rows[phase][0] / kw
        w.clean[phase][1] = rows[phase][1] / kw


cdef void fill_channels(Wave *w) noexcept nogil:
    """Gain, offset and noise of every wired channel."""
    cdef double volts = w.setup.voltage_v * sqrt(2.0)
    cdef double amps = w.setup.nominal_kw * 2000.0 / (3.0 * volts * w.setup.power_factor)
    cdef int32_t phase, channel
    for phase in range(3):
        w.noise_si[LOAD_VA + phase] = w.noise_si[PCC_VA + phase] = w.setup.noise_pu * volts
        w.noise_si[LOAD_IA + phase] = w.noise_si[PCC_IA + phase] = w.setup.noise_pu * amps
        w.offset_si[LOAD_IA + phase] = OFFSET_SHARE[phase] * w.setup.offset_pu * amps
        w.offset_si[PCC_IA + phase] = w.offset_si[LOAD_IA + phase]
    w.noise_si[<int32_t>DC_V] = w.setup.noise_pu * w.setup.nominal_dc_v
    w.noise_si[<int32_t>DC_A] = w.setup.noise_pu * w.setup.nominal_dc_a
    w.wired_count = 0
    for channel in range(CHANNEL_MAX):
        if w.setup.present[channel]:
            w.counts_per_si[channel] = 1.0 / w.setup.si_per_count[channel]
            w.wired[w.wired_count] = channel
            w.wired_count += 1


cdef void wave_init(Wave *w, const WaveSetup *setup):
    """Works out every row and table; the struct must be zeroed. Needs the interpreter: not for the frame."""
    cdef uint64_t state = setup.seed
    cdef int32_t i
    normal = NormalDist()
    quantiles = [normal.inv_cdf((i + 0.5) / NOISE_POINTS) for i in range(NOISE_POINTS)]
    rms = (sum(q * q for q in quantiles) / NOISE_POINTS) ** 0.5
    for i in range(NOISE_POINTS):
        w.noise[i] = quantiles[i] / rms
    for i in range(4):
        w.random[i] = mixed(&state)
    w.setup = setup[0]
    w.samples = 0
    w.bus_pu = 1.0
    w.grid_pu = 1.0
    w.angle_re = 1.0
    w.angle_im = 0.0
    fill_rows(w)
    fill_channels(w)
    wave_mend(w)


cdef void steer(Wave *w) noexcept nogil:
    """Renews the frequency and takes the rounding out of the phasor's length."""
    cdef double t_s = w.samples / w.setup.rate_hz
    cdef double length = sqrt(w.angle_re * w.angle_re + w.angle_im * w.angle_im)
    cdef double turn
    w.frequency_hz = w.setup.frequency_hz + DRIFT_HZ * sin(2.0 * M_PI * t_s / DRIFT_PERIOD_S)
    w.frequency_hz += w.shift_hz
    turn = 2.0 * M_PI * w.frequency_hz / w.setup.rate_hz
    w.turn_re = cos(turn)
    w.turn_im = sin(turn)
    w.angle_re /= length
    w.angle_im /= length


cdef inline void product(double *out, const double *a, const double *b) noexcept nogil:
    """Complex product of two phasors."""
    out[0] = a[0] * b[0] - a[1] * b[1]
    out[1] = a[0] * b[1] + a[1] * b[0]


cdef inline void lines_of(const Wave *w, double *line) noexcept nogil:
    """Cosine and sine of 1, 5, 7, 11 and 13 times the fundamental's angle."""
    cdef double[2] second
    cdef double[2] fourth
    line[0] = w.angle_re
    line[1] = w.angle_im
    product(second, line, line)
    product(fourth, second, second)
    product(line + 2, fourth, line)
    product(line + 4, line + 2, second)
    product(line + 6, line + 4, fourth)
    product(line + 8, line + 6, second)


cdef inline void turn_on(Wave *w) noexcept nogil:
    """One sample's turn."""
    cdef double re = w.angle_re * w.turn_re - w.angle_im * w.turn_im
    w.angle_im = w.angle_re * w.turn_im + w.angle_im * w.turn_re
    w.angle_re = re
    w.samples += 1


cdef inline double dot(const double *row, const double *line) noexcept nogil:
    cdef double total = 0.0
    cdef int32_t k
    for k in range(2 * LINES):
        total += row[k] * line[k]
    return total


cdef void convert(Wave *w, const double *si, int32_t *counts) noexcept nogil:
    """Adds offset and noise and quantises, clipped at the rails; five 12-bit draws from one random word."""
    cdef int32_t i, channel, code, left = 0
    cdef uint64_t word = 0
    cdef double value
    for i in range(w.wired_count):
        channel = w.wired[i]
        if left == 0:
            word = drawn(w.random)
            left = 5
        value = si[channel] + w.offset_si[channel] + w.noise_si[channel] * w.noise[word & (NOISE_POINTS - 1)]
        word >>= 12
        left -= 1
        code = <int32_t>lrint(value * w.counts_per_si[channel] + w.setup.offset_counts[channel])
        counts[channel] = min(max(code, -w.setup.rail_counts), w.setup.rail_counts)


cdef void wave_mend(Wave *w) noexcept nogil:
    """Nothing is wrong with any input."""
    cdef int32_t i
    memset(&w.spoil, 0, sizeof(Spoil))
    for i in range(CHANNEL_MAX):
        w.spoil.gain[i] = 1.0


cdef void spoil(Wave *w, int32_t *counts) noexcept nogil:
    """Faults of transformers and converter, on the codes as they would be."""
    cdef Spoil *s = &w.spoil
    cdef int32_t i, channel, code
    for i in range(w.wired_count):
        channel = w.wired[i]
        code = <int32_t>lrint(counts[channel] * s.gain[channel]) + s.shift_counts[channel]
        code = min(max(code, -w.setup.rail_counts), w.setup.rail_counts)
        if not s.frozen[channel]:
            s.held_counts[channel] = code
        counts[channel] = s.held_counts[channel]
    code = counts[s.swap[0]]
    counts[s.swap[0]] = counts[s.swap[1]]
    counts[s.swap[1]] = code
    if s.left > 0:
        s.left -= 1
        if s.left == 0:
            wave_mend(w)


cdef void wave_step(Wave *w, double load_kw, double storage_kw, double dc_v, double dc_a,
                    int32_t *counts) noexcept nogil:
    """One sample of every wired channel; storage_kw: all power fed in beside the grid."""
    cdef double[2 * LINES] line
    cdef double[CHANNEL_MAX] si
    cdef double volts, amps
    cdef int32_t phase
    if w.samples % STEER_SAMPLES == 0:
        steer(w)
    lines_of(w, line)
    for phase in range(3):
        volts = dot(w.volts[phase], line)
        amps = load_kw * dot(w.amps[phase], line)
        si[LOAD_VA + phase] = w.bus_pu * volts
        si[LOAD_IA + phase] = amps
        si[PCC_VA + phase] = w.grid_pu * volts
        si[PCC_IA + phase] = amps - storage_kw * (w.clean[phase][0] * line[0] + w.clean[phase][1] * line[1])
    si[<int32_t>DC_V] = dc_v
    si[<int32_t>DC_A] = dc_a
    convert(w, si, counts)
    if w.spoil.active:
        spoil(w, counts)
    turn_on(w)

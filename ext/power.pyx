"""Three-phase power, cleaned of waveform ripple, and DC power. Runs at 10 kHz; budget 0.1 us.

p = va ia + vb ib + vc ic is exact after one sample for a balanced sine. Unbalance adds a ripple at 2f, the 5th and
7th harmonics at 6f, the 11th and 13th at 12f, products of these with unbalance at 4f and 8f, a CT's DC offset at 1f; a
command slot would fold it into the band that must stay still (control.md 5.4). Ripple scales with the power that makes
it, so at a point where load P and battery B meet the model is

    p_raw = P (1 + sum a_k cos k wt + b_k sin k wt) - B (u + sum c_k cos k wt + d_k sin k wt) + a_1 cos wt + b_1 sin wt

with wt from ext.lock, and B = 0 at a load feeder. A converter draws a clean current in step with the voltage, so its
power ripples as the voltage does along the phasor: u, against its mean; c and d are what it adds to that. The weights
are learnt slowly (LMS, 0.4 s) while the load is quiet and used at once: P follows a load edge in the same sample. A
median of the last few samples takes out spikes of up to two (F08); its delay, (median_samples - 1) / 2 samples, is the
only one, and Track.delay_s says so. Without lock the one-cycle mean stands in.
"""
from libc.math cimport M_PI, fabs
from libc.stdint cimport int32_t
from libc.string cimport memset

from ext.align cimport align_init, align_step
from ext.image cimport (
    DC_A,
    DC_V,
    LOAD_IA,
    PCC_IA,
    QUALITY_ABSENT,
    QUALITY_UNLOCKED,
    Sample,
    Track,
)
from ext.lock cimport lock_ahead, lock_init, lock_step, lock_turn
from ext.wiring cimport wiring_init, wiring_step, wiring_wire

cdef double LEARN_S = 0.4           # time constant of a weight: notches 0.4 Hz wide, quiet against load noise
cdef double LEARN_SHARE_MIN = 0.05  # of the site's rating: below it there is nothing to learn from
cdef double JUMP_SHARE = 0.02       # beyond this and three times the usual remainder a deviation is load, not ripple
cdef double USUAL_UNKNOWN = 0.25    # remainder taken for usual before anything is known
cdef double USUAL_S = 0.3           # time constant of the usual remainder while learning
cdef double USUAL_HOLD_S = 3.0      # and while resting: a ripple that has changed is not taken for load for ever
cdef double VOLTAGE_PU_MIN = 0.2    # below this there is no phase to lock to
cdef double PER_HOUR = 1.0 / 3600.0
cdef double FAR_KW = 1e300          # pads a median shorter than five
cdef int64_t HOLE_NS = 2_000_000    # F06: what flowed between samples farther apart is not known


cdef inline double lower(double a, double b) noexcept nogil:
    return a if a < b else b


cdef inline double upper(double a, double b) noexcept nogil:
    return a if a > b else b


cdef inline double median(const double *x) noexcept nogil:
    """Of five."""
    cdef double low = upper(lower(x[0], x[1]), lower(x[2], x[3]))
    cdef double high = lower(upper(x[0], x[1]), upper(x[2], x[3]))
    return upper(lower(low, high), lower(x[4], upper(low, high)))


cdef void feeder_init(Feeder *f, int32_t first, int32_t median_samples) noexcept nogil:
    cdef int32_t k
    f.first = first
    f.usual = USUAL_UNKNOWN
    for k in range(median_samples, MEDIAN_MAX):
        f.median_kw[k] = FAR_KW if k & 1 else -FAR_KW


cdef void power_init(Power *p, const PowerSetup *setup) noexcept nogil:
    """Raises nothing; a median length other than 1, 3, 5 becomes the next lower of these."""
    memset(p, 0, sizeof(Power))
    p.setup = setup[0]
    p.setup.median_samples = 5 if setup.median_samples >= 5 else (3 if setup.median_samples >= 3 else 1)
    p.cycle_samples = min(CYCLE_MAX, <int32_t>(setup.rate_hz / setup.frequency_hz + 0.5))
    p.halves_200ms = <int32_t>(0.4 * setup.frequency_hz + 0.5)
    p.per_cycle = 1.0 / p.cycle_samples
    p.delay_s[0] = 0.5 * (p.cycle_samples - 1) / setup.rate_hz
    p.delay_s[1] = 0.5 * (p.setup.median_samples - 1) / setup.rate_hz
    # The 12th line must not fold onto a lower one in the samples that are learnt from.
    p.turn_mask = TURN_COUNT - 1 if p.cycle_samples >= 25 * TURN_COUNT else 0
    p.learn = (p.turn_mask + 1) * 2.0 / (LEARN_S * setup.rate_hz)
    p.usual = (p.turn_mask + 1) / (USUAL_S * setup.rate_hz)
    p.usual_hold = (p.turn_mask + 1) / (USUAL_HOLD_S * setup.rate_hz)
    p.hold_turns = (p.cycle_samples + p.cycle_samples // 4) // (p.turn_mask + 1)
    lock_init(&p.lock, setup.rate_hz, setup.frequency_hz, VOLTAGE_PU_MIN * setup.voltage_v)
    wiring_init(&p.wiring, setup.voltage_v, setup.rated_kw)
    align_init(&p.align, setup.rate_hz, setup.battery_kw_max)
    feeder_init(&p.load, LOAD_IA, p.setup.median_samples)
    feeder_init(&p.pcc, PCC_IA, p.setup.median_samples)


cdef inline double share(const Ripple *r, double base, const double *c, const double *s) noexcept nogil:
    """Instantaneous against mean power: base and the ripple, never below a half."""
    cdef double along = base, across = 0.0      # two sums: neither waits for the other
    cdef int32_t k
    for k in range(1, LINE_COUNT):
        along += r.cosine[k] * c[k]
        across += r.sine[k] * s[k]
    return upper(along + across, 0.5)


cdef inline void learn(Ripple *r, double step, const double *c, const double *s) noexcept nogil:
    cdef int32_t k
    for k in range(1, LINE_COUNT):
        r.cosine[k] += step * c[k]
        r.sine[k] += step * s[k]


cdef int32_t is_load(const Power *p, Feeder *f, double left) noexcept nogil:
    """1 while the deviation from the cycle mean, as a share of it, is a load on the move: nothing to learn from."""
    if left > JUMP_SHARE + 3.0 * f.usual:
        f.hold_turns = p.hold_turns
    f.usual += (left - f.usual) * (p.usual_hold if f.hold_turns else p.usual)
    if f.hold_turns:
        f.hold_turns -= 1
        return 1
    return 0


cdef void study(const Power *p, Feeder *f, double kw, double battery_kw, const double *c,
                const double *s) noexcept nogil:
    """Learn from what is left of the ripple while the load is quiet. kw: cleaned with the present weights."""
    cdef double left_kw = kw - f.kw_mean
    cdef double left = left_kw / (fabs(f.kw_mean) + 0.01 * p.setup.rated_kw)
    cdef double step
    if is_load(p, f, fabs(left)) or fabs(f.kw_mean) < LEARN_SHARE_MIN * p.setup.rated_kw:
        return
    f.load.cosine[0] += p.learn * left_kw * c[0]
    f.load.sine[0] += p.learn * left_kw * s[0]
    step = p.learn * left if f.kw_mean > 0.0 else -p.learn * left
    learn(&f.load, step, c, s)
    if battery_kw:
        learn(&f.battery, -step * battery_kw / f.kw_mean, c, s)


cdef inline double clean(const Power *p, const Feeder *f, double battery_kw, const double *c,
                         const double *s) noexcept nogil:
    """Load power without the learnt ripple."""
    cdef double kw = f.raw_kw - f.load.cosine[0] * c[0] - f.load.sine[0] * s[0]
    if battery_kw:
        kw += battery_kw * share(&f.battery, p.lock.along_v_now * p.lock.half_samples / p.lock.along_v_sum, c, s)
    return kw * (1.0 / share(&f.load, 1.0, c, s))       # the division need not wait for kw


cdef void feeder_start(const Power *p, Feeder *f, double kw) noexcept nogil:
    """Fill what looks back with the first sample."""
    cdef int32_t k
    for k in range(p.cycle_samples):
        f.past_kw[k] = kw
    f.kw_sum = kw * p.cycle_samples
    for k in range(p.setup.median_samples):
        f.median_kw[k] = kw


cdef void feeder_step(const Power *p, Feeder *f, const Sample *sample, double battery_kw, int32_t locked,
                      int32_t turn, const double *c, const double *s) noexcept nogil:
    """One feeder: raw power, ripple removed, one-cycle mean, short median. battery_kw: fed in behind this point.
    turn: of TURN_COUNT samples the one in which it learns."""
    cdef const double *si = &sample.si[f.first]
    cdef double kw
    f.raw_kw = (si[0] * si[3] + si[1] * si[4] + si[2] * si[5]) * 1e-3
    if not p.started:
        feeder_start(p, f, f.raw_kw + battery_kw)
    kw = f.raw_kw + battery_kw
    if locked:
        kw = clean(p, f, battery_kw, c, s)
        if p.turn == turn & p.turn_mask:
            study(p, f, kw, battery_kw, c, s)
    f.kw_sum += kw - f.past_kw[f.at]
    f.past_kw[f.at] = kw
    f.at = f.at + 1 if f.at + 1 < p.cycle_samples else 0
    f.kw_mean = f.kw_sum * p.per_cycle
    f.median_kw[f.median_at] = kw
    f.median_at = f.median_at + 1 if f.median_at + 1 < p.setup.median_samples else 0
    f.kw = median(f.median_kw) if locked else f.kw_mean


cdef void feeder_quality(Feeder *f, const Sample *sample, int32_t fault, int32_t locked) noexcept nogil:
    """The worst of the six channels, the feeder's wiring fault, and whether the phase is known."""
    cdef const int32_t *q = &sample.quality[f.first]
    f.quality = fault | q[0] | q[1] | q[2] | q[3] | q[4] | q[5]
    f.wired = not f.quality & QUALITY_ABSENT
    if not locked:
        f.quality |= QUALITY_UNLOCKED


cdef void meter_step(const Power *p, Meter *m, double kw, int32_t turned) noexcept nogil:
    """Add one sample of raw power; turned: a half cycle began with it."""
    if turned and m.half_count:
        m.half_kw = m.half_kw_sum / m.half_count
        m.long_kw_sum += m.half_kw_sum
        m.long_count += m.half_count
        m.halves += 1
        m.half_kw_sum = 0.0
        m.half_count = 0
        if m.halves == p.halves_200ms:
            m.long_kw = m.long_kw_sum / m.long_count
            m.long_kw_sum = 0.0
            m.long_count = m.halves = 0
    m.half_kw_sum += kw
    m.half_count += 1


cdef void sample_step(Power *p, const Sample *sample, double battery_kw) noexcept nogil:
    """Lock, feeders and meters over one fresh sample."""
    cdef const double *c = &p.lock.line_cos[0]
    cdef const double *s = &p.lock.line_sin[0]
    cdef int32_t upper_half, locked = p.lock.locked
    if not p.started:
        wiring_wire(&p.wiring, sample)
    lock_turn(&p.lock, (sample.t_ns - p.t_ns) * 1e-9 * p.setup.rate_hz)
    p.t_ns = sample.t_ns
    lock_step(&p.lock, &sample.si[(p.load.first if p.load.wired else p.pcc.first) + 3])
    if p.turn == TURN_WIRING & p.turn_mask:
        wiring_step(&p.wiring, sample, c[0], s[0])
    p.battery_kw[p.battery_at] = battery_kw
    p.battery_at = p.battery_at + 1 if p.battery_at + 1 < MEDIAN_MAX else 0
    if p.load.wired:
        feeder_step(p, &p.load, sample, 0.0, locked, TURN_LOAD, c, s)
    if p.pcc.wired:
        feeder_step(p, &p.pcc, sample, battery_kw, locked, TURN_PCC, c, s)
    upper_half = p.lock.sin1 >= 0.0
    meter_step(p, &p.load_meter, p.load.raw_kw if p.load.wired else p.pcc.raw_kw + battery_kw, upper_half != p.upper)
    meter_step(p, &p.grid_meter, p.pcc.raw_kw if p.pcc.wired else p.load.raw_kw - battery_kw, upper_half != p.upper)
    p.upper = upper_half
    lock_ahead(&p.lock)         # last: the lines of this sample are in use until here
    p.turn = (p.turn + 1) & p.turn_mask
    p.started = 1


cdef inline void count_step(Power *p, int64_t t_ns, Track *track) noexcept nogil:
    """Energy by the DC bus. A slow reader of its power would meet a swing at the same few places again and again."""
    cdef int64_t past_ns = t_ns - p.t_dc_ns
    cdef double past_s = past_ns * 1e-9
    p.t_dc_ns = t_ns
    if 0 < past_ns <= HOLE_NS:
        track.dc_kwh += track.dc_kw * past_s * PER_HOUR
        track.dc_s += past_s


cdef void power_step(Power *p, const Sample *sample, double model_kw, Track *track) noexcept nogil:
    """Sample to Track. model_kw: what the battery gives at the instant of the sample by the law's model, discharge
    positive. The DC bus is believed more; with current transformers at one place only the battery turns load into grid
    power or back."""
    cdef double battery_kw = model_kw
    cdef int32_t delay = (p.setup.median_samples - 1) // 2
    cdef Feeder *f
    feeder_quality(&p.load, sample, p.wiring.fault[0], p.lock.locked)
    feeder_quality(&p.pcc, sample, p.wiring.fault[1], p.lock.locked)
    if not sample.quality[<int32_t>DC_V]:
        track.dc_v = sample.si[<int32_t>DC_V]
        if not sample.quality[<int32_t>DC_A]:
            track.dc_kw = sample.si[<int32_t>DC_V] * sample.si[<int32_t>DC_A] * 1e-3
            if sample.fresh:
                battery_kw = align_step(&p.align, track.dc_kw, model_kw)
                count_step(p, sample.t_ns, track)
    if sample.fresh and (p.load.wired or p.pcc.wired):
        sample_step(p, sample, battery_kw)
    f = &p.load if p.load.wired else &p.pcc
    battery_kw = p.battery_kw[(p.battery_at + 2 * MEDIAN_MAX - 1 - delay) % MEDIAN_MAX]
    track.t_ns = sample.t_ns
    track.load_kw = f.kw
    track.load_kw_mean = f.kw_mean
    track.load_half_kw = p.load_meter.half_kw
    track.load_200ms_kw = p.load_meter.long_kw
    track.grid_kw = (p.pcc.kw if p.pcc.wired else p.load.kw) - battery_kw
    track.grid_200ms_kw = p.grid_meter.long_kw
    track.battery_kw = battery_kw
    track.quality = f.quality
    track.grid_quality = p.pcc.quality
    track.dc_quality = sample.quality[<int32_t>DC_V] | sample.quality[<int32_t>DC_A]
    track.frequency_hz = p.lock.omega_rad_per_s * (0.5 / M_PI)
    track.rocof_hz_per_s = p.lock.rocof_hz_per_s
    track.voltage_v = p.lock.voltage_v
    track.delay_s = p.delay_s[p.lock.locked]

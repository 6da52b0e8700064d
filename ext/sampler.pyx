"""Takes the newest sample from the ring and turns counts into V and A. Runs at 10 kHz; budget 0.1 us.

The ring is shared memory; its byte layout is the contract in sampler.pxd. A frame that comes late takes the
newest sample and counts the ones it missed: control wants the present, not the past.
"""
from libc.math cimport isfinite
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from ext.image cimport (
    CHANNEL_MAX,
    QUALITY_ABSENT,
    QUALITY_NOT_FINITE,
    QUALITY_SATURATED,
    QUALITY_STALE,
    QUALITY_STUCK,
    Sample,
)

cdef extern from *:
    """
    static inline uint64_t ring_load(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    static inline void ring_store(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
    static inline void ring_fence_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }
    static inline void ring_fence_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
    """
    uint64_t ring_load(const uint64_t *p) noexcept nogil
    void ring_store(uint64_t *p, uint64_t v) noexcept nogil
    void ring_fence_release() noexcept nogil
    void ring_fence_acquire() noexcept nogil

cdef enum:
    STUCK_SAMPLES = 200     # F04: a live converter never repeats a code this long under load
    RAIL_SAMPLES = 3        # F05

cdef int64_t FUTURE_NS = 1_000_000      # clocks of one machine agree; a stamp rounded up may be this far ahead

cdef const uint8_t *MAGIC = b"SWRING01"


cdef void ring_init(void *ring, uint32_t rate_hz, uint32_t slot_count, const double *scale,
                    int32_t rail_counts) noexcept nogil:
    """Lay out an empty ring of slot_count (a power of two) slots; ring spans header + slots."""
    cdef RingHeader *header = <RingHeader *>ring
    memset(ring, 0, RING_HEADER_BYTES + <size_t>slot_count * RING_SLOT_BYTES)
    header.version = RING_VERSION
    header.rate_hz = rate_hz
    header.channel_count = CHANNEL_MAX
    header.slot_count = slot_count
    header.rail_counts = rail_counts
    memcpy(header.scale, scale, CHANNEL_MAX * sizeof(double))
    memcpy(header.magic, MAGIC, 8)      # last: a reader that sees the magic sees the rest


cdef void ring_push(RingHeader *header, int64_t t_ns, const int32_t *counts) noexcept nogil:
    """Write one sample of CHANNEL_MAX counts; never waits for the reader."""
    cdef uint64_t sequence = header.head + 1
    cdef RingSlot *slot = <RingSlot *>(<uint8_t *>header + RING_HEADER_BYTES) + (sequence & (header.slot_count - 1))
    ring_store(&slot.sequence, 0)
    ring_fence_release()
    slot.t_ns = t_ns
    memcpy(slot.counts, counts, CHANNEL_MAX * sizeof(int32_t))
    ring_store(&slot.sequence, sequence)
    ring_store(&header.head, sequence)


cdef int32_t ring_take(const RingSlot *slots, uint64_t mask, uint64_t number, RingSlot *slot) noexcept nogil:
    """Copy sample `number`; 0: it is overwritten, or was while it was read."""
    slot[0] = slots[number & mask]
    ring_fence_acquire()
    return slot.sequence == number and ring_load(&slots[number & mask].sequence) == number


cdef uint64_t ring_newest(const RingHeader *header) noexcept nogil:
    """Number of the newest whole sample, 0: none yet."""
    return ring_load(&header.head)


cdef int32_t ring_fault(const RingHeader *header, uint64_t byte_count) noexcept nogil:
    """Why a mapped ring of byte_count bytes cannot be used: 1 size, 2 magic, 3 version or shape; 0: it can."""
    if byte_count < RING_HEADER_BYTES:
        return 1
    if memcmp(header.magic, MAGIC, 8) != 0:
        return 2
    if header.version != RING_VERSION or header.channel_count != CHANNEL_MAX:
        return 3
    if header.slot_count == 0 or header.slot_count & (header.slot_count - 1):
        return 3
    if byte_count < RING_HEADER_BYTES + <uint64_t>header.slot_count * RING_SLOT_BYTES:
        return 1
    return 0


cdef void calibrate(Sampler *s) noexcept nogil:
    """Wired channels and what one count means on each; a factor that is no number marks its channel for good (F07)."""
    cdef int32_t k
    s.rail_counts = s.header.rail_counts
    s.ticks_per_ns = s.header.rate_hz * 1e-9
    s.wired_count = s.skewed_count = 0
    for k in range(CHANNEL_MAX):
        s.fault[k] = 0 if s.setup.present[k] else QUALITY_ABSENT
        if not s.setup.present[k]:
            continue
        s.wired[s.wired_count] = k
        s.wired_count += 1
        s.si_per_count[k] = s.header.scale[k] * s.setup.si_per_v[k]
        s.si_offset[k] = -s.setup.offset_counts[k] * s.si_per_count[k]
        if not isfinite(s.si_per_count[k]) or not isfinite(s.si_offset[k]):
            s.si_per_count[k] = s.si_offset[k] = 0.0
            s.fault[k] = QUALITY_NOT_FINITE
        s.si_per_slope[k] = s.si_per_count[k] * s.setup.skew_s[k] * s.header.rate_hz
        if s.si_per_slope[k] != 0.0:
            s.skewed[s.skewed_count] = k
            s.skewed_count += 1


cdef void sampler_init(Sampler *s, const SamplerSetup *setup, void *ring) noexcept nogil:
    memset(s, 0, sizeof(Sampler))
    s.setup = setup[0]
    s.header = <RingHeader *>ring
    if ring != NULL:
        s.slots = <RingSlot *>(<uint8_t *>ring + RING_HEADER_BYTES)
        s.slot_mask = s.header.slot_count - 1   # a copy: what the producer writes later must not move the reader
        calibrate(s)


cdef void absent(const Sampler *s, Sample *sample) noexcept nogil:
    """Mark the channels that are not wired; the others are marked with every sample."""
    cdef int32_t k
    for k in range(CHANNEL_MAX):
        if not s.setup.present[k]:
            sample.quality[k] = QUALITY_ABSENT


cdef void take(Sampler *s, const RingSlot *slot, Sample *sample) noexcept nogil:
    """Counts of one whole slot to V and A, with what the history of the codes tells about each."""
    cdef int32_t rail = s.rail_counts
    cdef int32_t i, k, counts, quality
    for i in range(s.wired_count):
        k = s.wired[i]
        counts = slot.counts[k]
        quality = s.fault[k]
        if counts != s.last_counts[k]:
            s.same_count[k] = 0
        elif s.same_count[k] < STUCK_SAMPLES - 1:
            s.same_count[k] += 1
        else:
            quality |= QUALITY_STUCK
        if -rail < counts < rail:
            s.rail_count[k] = 0
        elif s.rail_count[k] < RAIL_SAMPLES - 1:
            s.rail_count[k] += 1
        else:
            quality |= QUALITY_SATURATED
        s.last_counts[k] = counts
        sample.quality[k] = quality
        sample.si[k] = counts * s.si_per_count[k] + s.si_offset[k]


cdef void straighten(Sampler *s, const RingSlot *slot, int32_t follows, Sample *sample) noexcept nogil:
    """Move the channels with a skew to the instant of the others along their slope; follows: no sample was lost.

    At 50 Hz and 10 kHz a whole sample of skew leaves an error of 0.1 % of the amplitude, a third of one 0.02 %."""
    cdef int32_t i, k, step
    for i in range(s.skewed_count):
        k = s.skewed[i]
        step = slot.counts[k] - s.skew_counts[k]
        s.skew_counts[k] = slot.counts[k]
        if follows:
            sample.si[k] += step * s.si_per_slope[k]


cdef int64_t missed(const Sampler *s, const RingSlot *slot, int64_t made, int64_t t_before_ns) noexcept nogil:
    """Ticks since the sample of t_before_ns that brought none of the `made` samples (F11): to the nearest tick, so that
    a stamp may be off by half of one."""
    cdef int64_t ticks = <int64_t>((slot.t_ns - t_before_ns) * s.ticks_per_ns + 0.5)
    return max(ticks - made, 0)


cdef void sampler_read(Sampler *s, int64_t now_ns, Sample *sample) noexcept nogil:
    """The newest whole sample, or the last one again with fresh = 0 and, once too old, QUALITY_STALE."""
    cdef RingSlot slot
    cdef uint64_t head
    cdef int32_t k, follows
    sample.fresh = 0
    if s.header != NULL:
        head = ring_newest(s.header)
        if head != s.last_sequence and head != 0:
            if not ring_take(s.slots, s.slot_mask, head, &slot):
                s.torn += 1
            else:
                follows = s.last_sequence != 0 and head == s.last_sequence + 1
                if s.last_sequence != 0 and head > s.last_sequence:
                    sample.lost += head - s.last_sequence - 1
                    sample.missed += missed(s, &slot, <int64_t>(head - s.last_sequence), sample.t_ns)
                    sample.sequence += head - s.last_sequence
                else:                                   # the first, or the producer restarted
                    sample.sequence += 1
                    calibrate(s)
                    absent(s, sample)
                s.last_sequence = head
                sample.t_ns = slot.t_ns
                sample.fresh = 1
                take(s, &slot, sample)
                straighten(s, &slot, follows, sample)
    # Safety: a sample from the future is as little worth as one from the past; whose clock is wrong is not known here.
    if not -FUTURE_NS <= now_ns - sample.t_ns <= <int64_t>(s.setup.stale_s_max * 1e9):
        for k in range(CHANNEL_MAX):
            sample.quality[k] |= QUALITY_STALE

"""The sample ring and its reader. The ring's byte layout is the contract with any producer.

A producer in any language maps the file, fills the header once, and for sample n (1, 2, 3, ...)
writes slot n % slot_count: sequence = 0, then t_ns and counts, then sequence = n, then head = n.
Never truncate a ring in use: its reader would fault. Refill it in place, or rename a new file over it.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from ext.image cimport CHANNEL_MAX, Sample


cdef enum:
    RING_VERSION = 1
    RING_HEADER_BYTES = 256     # the first slot starts here
    RING_SLOT_BYTES = 128


cdef struct RingHeader:
    uint8_t magic[8]            # "SWRING01"
    uint32_t version            # RING_VERSION
    uint32_t rate_hz            # nominal sample rate
    uint32_t channel_count      # always CHANNEL_MAX in version 1; unused channels hold 0
    uint32_t slot_count         # a power of two
    double scale[CHANNEL_MAX]   # V at the converter's input per count
    int32_t rail_counts         # codes at or beyond +-rail are saturated
    int32_t reserved
    uint64_t head               # sequence of the newest complete slot


cdef struct RingSlot:
    uint64_t sequence           # 0 while it is being written
    int64_t t_ns                # CLOCK_MONOTONIC of the sampling instant
    int32_t counts[CHANNEL_MAX]
    uint8_t reserved[48]


cdef struct SamplerSetup:
    int32_t present[CHANNEL_MAX]    # 1: wired on this site
    double si_per_v[CHANNEL_MAX]    # calibration: A or V per volt at the converter's input; sign turns a CT
    double offset_counts[CHANNEL_MAX]
    double skew_s[CHANNEL_MAX]      # how late the channel is against the others, at most one sample; a lead is < 0
    double stale_s_max              # older samples are QUALITY_STALE


cdef struct Sampler:
    SamplerSetup setup
    RingHeader *header
    RingSlot *slots
    uint64_t slot_mask              # of the ring as it was mapped
    int32_t rail_counts
    uint64_t last_sequence
    uint64_t torn                   # slots overwritten while being read
    double ticks_per_ns             # nominal, of the converter's clock
    int32_t last_counts[CHANNEL_MAX]
    int32_t same_count[CHANNEL_MAX]     # consecutive equal codes
    int32_t rail_count[CHANNEL_MAX]     # consecutive codes at the rail
    int32_t wired_count
    int32_t wired[CHANNEL_MAX]      # indices of the channels of this site
    int32_t fault[CHANNEL_MAX]      # Quality bits that calibration gives
    double si_per_count[CHANNEL_MAX]
    double si_offset[CHANNEL_MAX]
    int32_t skewed_count
    int32_t skewed[CHANNEL_MAX]     # wired channels with a skew
    int32_t skew_counts[CHANNEL_MAX]    # their last codes
    double si_per_slope[CHANNEL_MAX]    # what a step of one count between two samples is worth in skew


cdef void ring_init(void *ring, uint32_t rate_hz, uint32_t slot_count, const double *scale,
                    int32_t rail_counts) noexcept nogil
cdef void ring_push(RingHeader *header, int64_t t_ns, const int32_t *counts) noexcept nogil
cdef int32_t ring_take(const RingSlot *slots, uint64_t mask, uint64_t number, RingSlot *slot) noexcept nogil
cdef uint64_t ring_newest(const RingHeader *header) noexcept nogil
cdef int32_t ring_fault(const RingHeader *header, uint64_t byte_count) noexcept nogil    # 0: usable
cdef void sampler_init(Sampler *s, const SamplerSetup *setup, void *ring) noexcept nogil
cdef void sampler_read(Sampler *s, int64_t now_ns, Sample *sample) noexcept nogil

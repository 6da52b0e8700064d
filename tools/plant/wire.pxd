"""A half-duplex RS-485 wire between one master and its slaves, byte by byte in nanoseconds."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from ext.port cimport Pipe
from tools.plant.slave cimport Slave


cdef enum:
    WIRE_SLAVES_MAX = 32
    HEARD_MAX = 300         # bytes of one request, and a few too many
    REPLY_MAX = 2 * HEARD_MAX   # a reply and a second one behind it
    LATE_MAX = 8            # late replies on their way at once; one more is lost


cdef struct WireSetup:
    double baud
    int32_t spec_gap        # 1: gaps fixed above 19200 baud; 0: always 3.5 and 1.5 characters


cdef struct WireFaults:     # all zero: a sound wire. Rates are 0 to 1 of each chance, 1: always
    uint64_t seed
    double bit_error_rate   # of each of the eight data bits, both ways
    double loss_rate        # of each byte, both ways
    double double_rate      # of each byte, both ways: it arrives twice
    double late_rate        # of each reply, by late_ms_min to late_ms_max, evenly spread
    double late_ms_min
    double late_ms_max
    double twice_rate       # of each reply: it comes again after two gaps
    double wrong_unit_rate  # of each reply: another unit, CRC right
    double wrong_length_rate    # of each reply: two bytes less, CRC right
    double splice_rate      # of each reply: the one before it runs into it without a gap
    double babble_per_s     # bytes nobody asked for, at random instants
    double twin_lag_chars   # the second device answers that much later; 0: bit by bit together
    int32_t twin            # 1: a second device, of other values, answers to every address
    int32_t echo            # 1: the master hears its own bytes
    int32_t fifo_trigger    # bytes reach the master this many at once, or 4 characters after the last
    int32_t wrong_baud      # 1: every byte arrives as another one, both ways
    int32_t stuck           # 1: a driver holds the wire, nothing passes


cdef struct WireFaultCounts:
    uint64_t bits
    uint64_t lost
    uint64_t doubled
    uint64_t late
    uint64_t twice
    uint64_t wrong_unit
    uint64_t wrong_length
    uint64_t spliced
    uint64_t babbled
    uint64_t twins
    uint64_t echoed
    uint64_t fifo           # batches handed over
    uint64_t scrambled
    uint64_t held


cdef struct Burst:          # one or two frames on their way to the master
    uint8_t bytes[REPLY_MAX]
    int32_t count
    int32_t second_from     # bytes from this one on come second_ns later
    double second_ns
    double t_ns             # first byte starts


cdef struct Wire:
    WireSetup setup
    double char_ns
    int64_t gap_ns          # silence that ends a frame
    int64_t pause_ns        # longer silence inside a frame spoils it
    int32_t slave_count
    Slave *slave[WIRE_SLAVES_MAX]
    Pipe from_master
    Pipe to_master
    uint8_t heard[HEARD_MAX]
    int32_t heard_count
    int32_t spoiled         # 1: the frame being heard has a pause or a collision in it
    double t_heard_ns       # end of the last byte heard
    Burst reply
    int32_t reply_done      # bytes already with the master
    int32_t garbled_to      # bytes before this one have had their collision
    int64_t t_parsed_ns     # last whole frame
    uint64_t frames
    uint64_t spoiled_frames
    uint64_t collisions     # bytes garbled by two senders
    WireFaults faults
    WireFaultCounts faulty
    uint64_t random         # state of the generator
    Burst late[LATE_MAX]
    int32_t late_count
    uint8_t before[HEARD_MAX]   # the last reply as its slave gave it
    int32_t before_count
    double t_babble_ns      # next byte of babble
    uint8_t echo[HEARD_MAX]     # the master's own bytes, not yet back with it
    double t_echo_ns[HEARD_MAX]
    int32_t echo_count
    int32_t echo_done
    uint8_t fifo[HEARD_MAX]     # of the master's UART
    int32_t fifo_count
    double t_fifo_ns        # its newest byte


cdef void wire_init(Wire *w, const WireSetup *setup) noexcept nogil
cdef void wire_fault(Wire *w, const WireFaults *faults) noexcept nogil
cdef void wire_take(Wire *w, int64_t now_ns) noexcept nogil
cdef void wire_step(Wire *w, int64_t now_ns) noexcept nogil

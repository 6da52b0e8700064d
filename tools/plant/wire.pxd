"""A half-duplex RS-485 wire between one master and its slaves, byte by byte in nanoseconds."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from ext.port cimport Pipe
from tools.plant.slave cimport Slave


cdef enum:
    WIRE_SLAVES_MAX = 32
    HEARD_MAX = 300         # bytes of one request, and a few too many


cdef struct WireSetup:
    double baud
    int32_t spec_gap        # 1: gaps fixed above 19200 baud; 0: always 3.5 and 1.5 characters


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
    uint8_t reply[HEARD_MAX]
    int32_t reply_count
    int32_t reply_done      # bytes already with the master
    int32_t garbled_to      # bytes before this one have had their collision
    double t_reply_ns       # first byte of the reply starts
    int64_t t_parsed_ns     # last whole frame
    uint64_t frames
    uint64_t spoiled_frames
    uint64_t collisions     # bytes garbled by two senders


cdef void wire_init(Wire *w, const WireSetup *setup) noexcept nogil
cdef void wire_take(Wire *w, int64_t now_ns) noexcept nogil
cdef void wire_step(Wire *w, int64_t now_ns) noexcept nogil

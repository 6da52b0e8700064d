"""Bytes out, bytes in, never waiting: a tty, or a pipe to a simulated wire."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from ext.atomic cimport load_i32
from ext.image cimport BYTE_MAX, PORT_MAX


cdef enum:
    PIPE_BYTES = 1024       # a power of two


cdef struct Pipe:           # single producer, single consumer
    uint32_t head           # bytes ever written
    uint32_t tail           # bytes ever read
    uint8_t bytes[PIPE_BYTES]


cdef struct PortSetup:
    int64_t char_ns         # time of one character on the wire
    int32_t echo            # 1: the adapter echoes what it sends


cdef struct Port:
    PortSetup setup
    int32_t fd              # -1: closed
    int32_t fd_offered      # posted by the supervisor: >= 0 take it over, -2 drop the present one, -1 nothing
    Pipe *wire_out          # simulated wire; NULL: a tty
    Pipe *wire_in
    uint8_t tx[BYTE_MAX]    # a whole request, put here by rtu, judged by guard
    int32_t tx_count        # 0: nothing to send
    int32_t tx_done         # bytes already taken by the tty
    uint8_t rx[BYTE_MAX]    # bytes of the reply so far
    int32_t rx_count
    int64_t t_rx_ns         # when the newest byte ended on the wire, at the latest
    int64_t t_first_ns      # when the first byte of rx began on the wire, at the latest
    int64_t t_read_ns       # of the newest read
    int64_t t_tx_ns         # of the newest write
    int32_t heard           # 1: this frame has read already
    uint64_t strays         # bytes that came before a request left and cannot answer it
    int32_t echo_left       # bytes of our own request still to be heard back
    int32_t lost            # 1: the tty answered with an error (unplugged); stays until a new one is taken
    uint64_t bytes_out
    uint64_t bytes_in
    uint64_t io_errors
    uint32_t epoch          # counts the ttys taken


cdef struct Ports:
    int32_t count
    Port port[PORT_MAX]


cdef inline int32_t port_is_closed(const Port *p) noexcept nogil:
    return p.lost or (p.fd < 0 and p.wire_out == NULL)


cdef inline int32_t port_is_offered(const Port *p) noexcept nogil:
    """1: there is something to take over."""
    return load_i32(&p.fd_offered) != -1


cdef uint32_t pipe_push(Pipe *p, const uint8_t *bytes, uint32_t count) noexcept nogil
cdef uint32_t pipe_pop(Pipe *p, uint8_t *bytes, uint32_t count) noexcept nogil
cdef void port_init(Port *p, const PortSetup *setup) noexcept nogil
cdef void port_offer(Port *p, int32_t fd) noexcept nogil
cdef void port_take(Port *p) noexcept nogil
cdef void port_hear(Port *p, int64_t now_ns) noexcept nogil
cdef void port_step(Ports *ports, int64_t now_ns) noexcept nogil

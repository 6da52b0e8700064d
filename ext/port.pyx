"""Bytes out, bytes in, never waiting. Runs every frame: one read a port, two at most, and a write with a request.

Budget: idle 0.5 us a port (an empty tty read is 0.31 us on the reference machine).
Files are opened and closed by the supervisor alone; the frame takes over what it is offered.
"""
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memset
from posix.unistd cimport read, write
from ext.atomic cimport load_u32, store_i32, store_u32, swap_i32
from ext.image cimport BYTE_MAX


cdef uint32_t pipe_push(Pipe *p, const uint8_t *bytes, uint32_t count) noexcept nogil:
    """Bytes taken, 0 to count: what does not fit stays with the caller."""
    cdef uint32_t head = p.head, i
    cdef uint32_t room = PIPE_BYTES - (head - load_u32(&p.tail))
    if count > room:
        count = room
    for i in range(count):
        p.bytes[(head + i) & (PIPE_BYTES - 1)] = bytes[i]
    store_u32(&p.head, head + count)
    return count


cdef uint32_t pipe_pop(Pipe *p, uint8_t *bytes, uint32_t count) noexcept nogil:
    """Bytes given, 0 to count, oldest first."""
    cdef uint32_t tail = p.tail, i
    cdef uint32_t held = load_u32(&p.head) - tail
    if count > held:
        count = held
    for i in range(count):
        bytes[i] = p.bytes[(tail + i) & (PIPE_BYTES - 1)]
    store_u32(&p.tail, tail + count)
    return count


cdef void port_init(Port *p, const PortSetup *setup) noexcept nogil:
    """Closed, nothing offered, no wire."""
    memset(p, 0, sizeof(Port))
    p.setup = setup[0]
    p.fd = -1
    p.fd_offered = -1


cdef void port_offer(Port *p, int32_t fd) noexcept nogil:
    """The supervisor's side: fd >= 0 to take over, -2 to let go of the present one."""
    store_i32(&p.fd_offered, fd)


cdef void port_take(Port *p) noexcept nogil:
    """Exchange the tty for what the supervisor offers, who may close the old one when fd shows another, or -1."""
    cdef int32_t fd = swap_i32(&p.fd_offered, -1)
    if fd == -1:
        return
    p.tx_count = 0
    p.tx_done = 0
    p.rx_count = 0
    p.echo_left = 0
    if fd >= 0:
        p.lost = 0
        p.epoch += 1
    store_i32(&p.fd, fd if fd >= 0 else -1)


cdef int32_t after_error(Port *p) noexcept nogil:
    """0 bytes when the tty only had nothing to say; any other error is an unplugged adapter (F79)."""
    if errno != EAGAIN and errno != EINTR:
        p.lost = 1
        p.io_errors += 1
    return 0


cdef int32_t take_bytes(Port *p, uint8_t *bytes, int32_t room) noexcept nogil:
    cdef ssize_t count
    if p.wire_in != NULL:
        return <int32_t>pipe_pop(p.wire_in, bytes, <uint32_t>room)
    count = read(p.fd, bytes, <size_t>room)     # with VMIN = 0 "nothing yet" is 0, not EAGAIN
    return <int32_t>count if count >= 0 else after_error(p)


cdef int32_t give_bytes(Port *p, const uint8_t *bytes, int32_t count) noexcept nogil:
    cdef ssize_t done
    if p.wire_out != NULL:
        return <int32_t>pipe_push(p.wire_out, bytes, <uint32_t>count)
    done = write(p.fd, bytes, <size_t>count)
    return <int32_t>done if done >= 0 else after_error(p)


cdef void date(Port *p, int32_t fresh, int64_t now_ns) noexcept nogil:
    """Latest instant at which the newest byte can have ended on the wire.

    Bytes of one frame follow each other without a pause, so every read bounds the beginning of the first: the
    instants are finer than the frame, and the next request need not wait for what the frame rounds up. Bytes
    that should have been there at the last read and were not have paused: what was known before is void.
    """
    cdef int64_t began_ns = now_ns - p.rx_count * p.setup.char_ns
    cdef int32_t paused = p.t_first_ns + p.rx_count * p.setup.char_ns <= p.t_read_ns
    if fresh == p.rx_count or paused or began_ns < p.t_first_ns:
        p.t_first_ns = began_ns
    p.t_rx_ns = p.t_first_ns + p.rx_count * p.setup.char_ns


cdef void receive(Port *p, int64_t now_ns) noexcept nogil:
    cdef int32_t count, own, i
    cdef uint8_t *end = &p.rx[p.rx_count]
    if p.rx_count >= BYTE_MAX:
        return
    count = take_bytes(p, end, BYTE_MAX - p.rx_count)
    if count:
        p.bytes_in += count
        own = count if count < p.echo_left else p.echo_left     # our own request, heard on the pair
        p.echo_left -= own
        for i in range(count - own):
            end[i] = end[i + own]
        p.rx_count += count - own
        if count > own:
            date(p, count - own, now_ns)
    p.t_read_ns = now_ns


cdef void send(Port *p, int64_t now_ns) noexcept nogil:
    cdef int32_t count
    if p.tx_done == 0:
        p.echo_left = 0
    count = give_bytes(p, &p.tx[p.tx_done], p.tx_count - p.tx_done)
    p.tx_done += count              # the rest goes with the next frame
    p.t_tx_ns = now_ns
    p.bytes_out += count
    if p.setup.echo:
        p.echo_left += count


cdef void port_hear(Port *p, int64_t now_ns) noexcept nogil:
    """Read at the beginning of a frame, so that an answer need not wait for the next. Of an open port."""
    receive(p, now_ns)
    p.heard = 1


cdef int32_t is_silent(Port *p, int64_t now_ns) noexcept nogil:
    """0: bytes came up to the very instant of a write. They are no answer to it, and the line is not free."""
    receive(p, now_ns)
    p.strays += p.rx_count
    if p.rx_count == 0:
        return not p.lost
    p.rx_count = 0
    return 0


cdef void port_step(Ports *ports, int64_t now_ns) noexcept nogil:
    """Write what the guard has let pass, into a silent line; read where this frame has not."""
    cdef int32_t i
    cdef Port *p
    for i in range(ports.count):
        p = &ports.port[i]
        if port_is_closed(p):
            continue
        if p.tx_done < p.tx_count:
            if p.tx_done > 0 or (p.heard and p.rx_count == 0) or is_silent(p, now_ns):
                send(p, now_ns)
        elif not p.heard:
            receive(p, now_ns)
        p.heard = 0

"""The paced loop of the simulated site in real time: samples into the ring, bytes over pseudo-terminals.

One thread, one period of the site's rate. It sleeps until absolute instants, never busily. When it wakes late
it plays the missed periods one after the other, so the ring has no holes; later than a second it moves on.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t
from posix.unistd cimport read, write

from ext.clock cimport clock_now_ns, clock_sleep_until
from ext.image cimport PORT_MAX
from ext.port cimport pipe_pop, pipe_push
from ext.sampler cimport RING_HEADER_BYTES, RING_SLOT_BYTES, RingHeader, ring_init, ring_push
from tools.plant.physics cimport Site, site_step
from tools.plant.site cimport Plant
from tools.plant.wire cimport Wire, wire_take

cdef extern from *:
    """
    #include <sys/prctl.h>
    static void fine_timers(void) { prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0); }
    static inline int flag_read(const int *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    static inline void flag_set(int *p, int v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
    """
    void fine_timers() noexcept nogil
    int flag_read(const int32_t *p) noexcept nogil
    void flag_set(int32_t *p, int v) noexcept nogil

cdef enum:
    CHUNK = 256             # bytes moved at once

cdef int64_t GIVE_UP_NS = 1_000_000_000     # later than this the missed time is left out
cdef int64_t LATE_NS = 1_000_000

RING_SLOTS = 1024           # 0.1 s at 10 kHz
RING_BYTES = RING_HEADER_BYTES + RING_SLOTS * RING_SLOT_BYTES


cdef class Server:
    """Serves a Plant: `ring` is writable memory of RING_BYTES, `fds` each port's non-blocking master."""

    cdef readonly Plant plant
    cdef object memory
    cdef RingHeader *header
    cdef int32_t[PORT_MAX] fds
    cdef int32_t stopped
    cdef readonly int64_t frames
    cdef readonly int64_t late      # periods begun more than 1 ms late
    cdef readonly int64_t skipped   # periods left out

    def __init__(self, Plant plant, ring, fds):
        cdef uint8_t[::1] memory = ring
        if memory.shape[0] < RING_BYTES:
            raise ValueError(f"the ring has {memory.shape[0]} bytes, {RING_BYTES} are needed")
        self.plant = plant
        self.memory = memory
        self.header = <RingHeader *>&memory[0]
        for i, fd in enumerate(fds):
            self.fds[i] = fd
        ring_init(self.header, plant.rate_hz, RING_SLOTS, plant.ring_scale, plant.rail_counts)

    def run(self):
        """Serves until stop(); releases the interpreter, so call it in a thread of its own."""
        cdef int64_t period_ns = 1_000_000_000 // self.plant.rate_hz
        cdef int64_t next_ns = clock_now_ns() + period_ns, now_ns
        self.plant.start(next_ns)
        with nogil:
            fine_timers()
            while not flag_read(&self.stopped):
                clock_sleep_until(next_ns)
                now_ns = clock_now_ns()
                self.late += now_ns - next_ns > LATE_NS
                if now_ns - next_ns > GIVE_UP_NS:
                    self.skipped += (now_ns - next_ns) // period_ns
                    next_ns += (now_ns - next_ns) // period_ns * period_ns
                self.frame(next_ns, now_ns)
                next_ns += period_ns

    def stop(self):
        """Ends run() within one period; may be called from any thread."""
        flag_set(&self.stopped, 1)

    cdef void frame(self, int64_t t_ns, int64_t now_ns) noexcept nogil:
        """One period: bytes heard since, the site up to t_ns, its sample, bytes due."""
        cdef Site *site = self.plant.site
        cdef int32_t i
        for i in range(site.wire_count):
            hear(&site.wire[i], self.fds[i], now_ns)
        site_step(site, t_ns)
        ring_push(self.header, t_ns, site.counts)
        for i in range(site.wire_count):
            say(&site.wire[i], self.fds[i])
        self.frames += 1


cdef void hear(Wire *wire, int32_t fd, int64_t now_ns) noexcept nogil:
    """What the master has written goes on the wire now, even when the loop is behind."""
    cdef uint8_t[CHUNK] bytes
    cdef ssize_t count = read(fd, bytes, CHUNK)
    if count > 0:
        pipe_push(&wire.from_master, bytes, <unsigned int>count)
        wire_take(wire, now_ns)


cdef void say(Wire *wire, int32_t fd) noexcept nogil:
    """Bytes that have crossed the wire; what the master leaves unread for too long is lost."""
    cdef uint8_t[CHUNK] bytes
    cdef ssize_t count = <ssize_t>pipe_pop(&wire.to_master, bytes, CHUNK)
    if count > 0:
        write(fd, bytes, <size_t>count)

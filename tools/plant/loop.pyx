"""The virtual-time loop: controller frame and simulated site together, as fast as the processor goes."""
from libc.stdint cimport int32_t, int64_t

import numpy as np

from ext.cycle cimport bus_step, Executive, Frame, step
from ext.port cimport Port
from ext.rtu cimport rtu_wake_ns
from ext.sampler cimport RING_HEADER_BYTES, RING_SLOT_BYTES, RingHeader, ring_init, ring_push
from tools.plant.physics cimport Site, site_begin, site_step
from tools.plant.site cimport Plant
from tools.plant.wire cimport wire_step, wire_take

from tools.plant.site import COLUMN_NAMES

RING_SLOTS = 1024               # a tenth of a second: the supervisor may read what came since its last cycle
RING_BYTES = RING_HEADER_BYTES + RING_SLOTS * RING_SLOT_BYTES
cdef int64_t START_NS = 1_000_000_000       # virtual time starts here, so that 0 keeps meaning "never"


cdef class VirtualSite:
    """An Executive whose samples and buses are a Plant's, in virtual time.

    With hold() the load rests at its first value until begin_scene(): time to bring the stack up.
    """

    cdef readonly Executive executive
    cdef readonly Plant plant
    cdef object ring
    cdef RingHeader *header
    cdef readonly int64_t frames    # run so far
    cdef int64_t dropped            # samples that will not arrive; below 0: none will

    def __init__(self, Executive executive, Plant plant):
        cdef unsigned char[::1] ring = np.zeros(RING_BYTES, dtype=np.uint8)
        cdef Frame *frame = executive.frame
        cdef int32_t i
        self.executive = executive
        self.plant = plant
        self.ring = ring
        self.header = <RingHeader *>&ring[0]
        ring_init(self.header, plant.rate_hz, RING_SLOTS, plant.ring_scale, plant.rail_counts)
        executive.map_ring(np.asarray(ring))
        for i in range(frame.ports.count):
            frame.ports.port[i].wire_out = &plant.site.wire[i].from_master
            frame.ports.port[i].wire_in = &plant.site.wire[i].to_master
        plant.start(START_NS)

    def hold(self):
        """Lets the load rest at its first value until begin_scene()."""
        self.plant.site.trace.held = 1

    def begin_scene(self, record_every, record_rows):
        """The next frame is scene time 0: plays the load and records a row every record_every frames.

        record_rows: rows kept, the newest.
        """
        self.plant.record(record_every, record_rows)
        site_begin(self.plant.site, self.time_ns())

    @property
    def now_ns(self):
        """Time of the next frame."""
        return self.time_ns()

    cdef int64_t time_ns(self) noexcept nogil:
        return START_NS + self.frames * 1_000_000_000 // self.plant.rate_hz

    def run(self, int64_t frames):
        """Advances virtual time by `frames` frames."""
        cdef int64_t _
        with nogil:
            for _ in range(frames):
                self.advance()

    def drop(self, samples):
        """Lets so many samples never reach the ring; below 0: none from now on, 0: all again."""
        self.dropped = samples

    def rescale(self, int32_t channel, double si_per_count):
        """Another scale of one channel in the ring's header, taken up as at a start."""
        self.header.scale[channel] = si_per_count
        self.executive.map_ring(np.asarray(self.ring))

    def plug(self, int32_t port, plugged):
        """Pulls out the adapter of a port (its index), or puts one in again: a new tty, nobody behind it verified."""
        cdef Port *p
        if not 0 <= port < self.executive.frame.ports.count:
            raise ValueError(f"port {port}; there are {self.executive.frame.ports.count}")
        p = &self.executive.frame.ports.port[port]
        p.tx_count = p.tx_done = p.rx_count = 0
        p.lost = not plugged
        p.epoch += 1

    def alone(self, int64_t frames):
        """The controller is dead: the site goes on by itself for `frames` frames."""
        cdef int64_t _
        with nogil:
            for _ in range(frames):
                site_step(self.plant.site, self.time_ns())
                self.frames += 1

    cdef void advance(self) noexcept nogil:
        """One frame: the site up to now, the controller's frame, its bytes onto the wires."""
        cdef Site *site = self.plant.site
        cdef Frame *frame = self.executive.frame
        cdef int64_t now_ns = self.time_ns()
        # The sample of the last frame: a converter needs its time, nothing may answer within its own sample.
        if self.dropped == 0:
            ring_push(self.header, site.t_ns, site.counts)
        elif self.dropped > 0:
            self.dropped -= 1
        site_step(site, now_ns)
        frame.t_ns = now_ns
        step(frame)
        self.take(now_ns)
        self.frames += 1
        self.use_free_wires(now_ns, self.time_ns())

    cdef void use_free_wires(self, int64_t now_ns, int64_t due_ns) noexcept nogil:
        """As the real-time thread does between two frames."""
        cdef Site *site = self.plant.site
        cdef Frame *frame = self.executive.frame
        cdef int64_t wake_ns = rtu_wake_ns(&frame.rtu, &frame.ports, now_ns)
        cdef int32_t i
        while wake_ns < due_ns:
            for i in range(site.wire_count):
                wire_step(&site.wire[i], wake_ns)
            bus_step(frame, wake_ns)
            self.take(wake_ns)
            wake_ns = rtu_wake_ns(&frame.rtu, &frame.ports, wake_ns)

    cdef void take(self, int64_t now_ns) noexcept nogil:
        """What the controller has sent goes onto the wires."""
        cdef int32_t i
        for i in range(self.plant.site.wire_count):
            wire_take(&self.plant.site.wire[i], now_ns)

    def mark(self, mode):
        """The controller's mode, for the record rows from now on."""
        self.plant.site.mode = int(mode)

    def record(self):
        """The record so far: {column: array}."""
        rows = self.plant.recorded()
        return {name: rows[:, i].copy() for i, name in enumerate(COLUMN_NAMES)}

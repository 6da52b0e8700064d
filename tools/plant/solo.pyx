"""The simulated site on its own in virtual time: bytes and samples with their instants, for tests."""
from libc.math cimport cos, sin
from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np

from ext.image cimport CHANNEL_MAX
from ext.port cimport pipe_pop, pipe_push
from tools.plant.physics cimport site_step
from tools.plant.site cimport Plant
from tools.plant.wave cimport Wave, wave_step
from tools.plant.wire cimport Wire, wire_take


cdef class Solo:
    """Steps a Plant by step_ns (default: one frame of its rate) from t_ns = 0 on."""

    cdef readonly Plant plant
    cdef readonly int64_t now_ns
    cdef readonly int64_t step_ns
    cdef object arrived     # per port: list of (t_ns, byte)

    def __init__(self, Plant plant, step_ns=None):
        self.plant = plant
        self.step_ns = step_ns or 1_000_000_000 // plant.rate_hz
        self.arrived = {name: [] for name in plant.port_names}
        plant.start(0)

    def run(self, int64_t steps):
        """Advances and returns the converter counts, shape (steps, 16)."""
        cdef int32_t[:, ::1] counts = np.zeros((steps, CHANNEL_MAX), dtype=np.int32)
        cdef int64_t i
        cdef int32_t k
        for i in range(steps):
            self.now_ns += self.step_ns
            site_step(self.plant.site, self.now_ns)
            for k in range(CHANNEL_MAX):
                counts[i, k] = self.plant.site.counts[k]
            self.collect()
        return np.asarray(counts)

    def wave(self, const double[::1] load_kw, const double[::1] turn_rad, storage_kw=None):
        """Counts (n, 16) of the waveform alone: load_kw (n); turn_rad (n): the grid's turn after each sample.

        storage_kw (n): battery power, taken from the connection and shown on the DC bus; None: none."""
        cdef Wave *w = &self.plant.site.wave
        cdef double dc_v = self.plant.site.battery.dc_v
        cdef const double[::1] fed = np.zeros(load_kw.shape[0]) if storage_kw is None else storage_kw
        cdef int32_t[:, ::1] counts = np.zeros((load_kw.shape[0], CHANNEL_MAX), dtype=np.int32)
        cdef double re, im
        cdef int64_t i
        for i in range(load_kw.shape[0]):
            re, im = w.angle_re, w.angle_im
            wave_step(w, load_kw[i], fed[i], dc_v, 1e3 * fed[i] / dc_v, &counts[i, 0])
            w.angle_re = re * cos(turn_rad[i]) - im * sin(turn_rad[i])
            w.angle_im = im * cos(turn_rad[i]) + re * sin(turn_rad[i])
        return np.asarray(counts)

    def spin(self, int64_t steps):
        """Advances without looking at anything: the site's bare speed."""
        cdef int64_t _
        with nogil:
            for _ in range(steps):
                self.now_ns += self.step_ns
                site_step(self.plant.site, self.now_ns)

    cdef int collect(self) except -1:
        cdef uint8_t byte
        cdef Wire *wire
        for i, name in enumerate(self.plant.port_names):
            wire = &self.plant.site.wire[i]
            while pipe_pop(&wire.to_master, &byte, 1):
                self.arrived[name].append((self.now_ns, byte))
        return 0

    def send(self, port, frame):
        """Puts bytes on a wire now."""
        cdef const uint8_t[::1] data = frame
        cdef Wire *wire = &self.plant.site.wire[self.plant.port_names.index(port)]
        pipe_push(&wire.from_master, &data[0], <int>data.shape[0])
        wire_take(wire, self.now_ns)

    def received(self, port):
        """Bytes that reached the master since the last call: list of (t_ns, byte)."""
        found, self.arrived[port] = self.arrived[port], []
        return found

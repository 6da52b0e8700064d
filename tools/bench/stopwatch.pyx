"""Time of single frames of the real executive beside single clock reads; for tools.bench.steps alone."""
from libc.stdint cimport int32_t, int64_t

import numpy as np

from ext.clock cimport clock_now_ns
from ext.cycle cimport Executive, Frame, step
from ext.image cimport CHANNEL_MAX
from ext.sampler cimport RING_HEADER_BYTES, RING_SLOT_BYTES, RingHeader, ring_init, ring_push
from ext.share cimport Share
from ext.thread cimport flush_denormals, set_float_state

cdef enum:
    SLOTS = 64

cdef double TOLD_KW = 1e-6      # of a part: more than rounding


cdef void answer(Frame *f) noexcept nogil:
    """The wires, for a frame without ports: whoever's exchange is over has been told the newest setpoint."""
    cdef Share *s = &f.share
    cdef int32_t k
    for k in range(s.setup.pcs_count):
        if f.t_ns - f.command.t_sent_ns[k] >= <int64_t>(s.setup.pcs[k].period_s * 1e9):
            f.command.sent_kw[k] = f.command.setpoint_kw[k]
            f.command.t_sent_ns[k] = f.t_ns


cdef int32_t covered(const Frame *f) noexcept nogil:
    """1: the fastest converter was told something other than its part of the lead."""
    cdef int32_t fastest = f.share.fastest, other
    cdef double own_kw, their_kw
    if fastest < 0:
        return 0
    other = f.share.slow[0]
    own_kw = f.command.setpoint_kw[fastest] * f.limits.discharge_kw_max[other]
    their_kw = f.command.setpoint_kw[other] * f.limits.discharge_kw_max[fastest]
    return not -TOLD_KW < own_kw - their_kw < TOLD_KW


cdef class Stopwatch:
    """One executive and a ring of its own. si_per_count: V or A a channel, as its setup has it per volt."""
    cdef Executive executive
    cdef unsigned char[::1] ring
    cdef int64_t t_ns

    def __init__(self, Executive executive, double v_per_count):
        cdef double[::1] scale = np.full(CHANNEL_MAX, v_per_count)
        self.executive = executive
        self.ring = np.zeros(RING_HEADER_BYTES + SLOTS * RING_SLOT_BYTES, np.uint8)
        ring_init(&self.ring[0], executive.setup["rate_hz"], SLOTS, &scale[0], 32767)
        executive.map_ring(self.ring.base)
        self.t_ns = 1_000_000_000

    def now_ns(self):
        """Time of the next frame: nobody's clock but the executive's here."""
        return self.t_ns

    def fastest(self):
        """Index of the converter that covers for the others as they live now, -1: none is clearly faster."""
        return self.executive.frame.share.fastest

    def block(self, const int32_t[:, ::1] counts):
        """A frame for each row of counts (n, 16): ns of each frame, of a clock read behind each, and which covered."""
        cdef Py_ssize_t n = counts.shape[0], k
        cdef int64_t[::1] step_ns = np.zeros(n, np.int64), clock_ns = np.zeros(n, np.int64)
        cdef int32_t[::1] cover = np.zeros(n, np.int32)
        cdef int64_t began_ns, ended_ns, period_ns = 1_000_000_000 // <int64_t>self.executive.setup["rate_hz"]
        cdef Frame *f = self.executive.frame
        cdef unsigned long float_state
        with nogil:
            float_state = flush_denormals()
            for k in range(n):
                ring_push(<RingHeader *>&self.ring[0], self.t_ns, &counts[k, 0])
                f.t_ns = self.t_ns
                began_ns = clock_now_ns()
                step(f)
                ended_ns = clock_now_ns()
                clock_ns[k] = clock_now_ns() - ended_ns
                step_ns[k] = ended_ns - began_ns
                cover[k] = covered(f)
                answer(f)
                self.t_ns += period_ns
            set_float_state(float_state)
        return np.asarray(step_ns), np.asarray(clock_ns), np.asarray(cover)

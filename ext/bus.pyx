"""One port, one transaction at a time: what a person asks of a bus goes through the frame's master and guard.

The same strict matching, silence after an error, and decoding of the bytes about to leave as in the frame; no law, no
sampler, no second master.
"""
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from ext.clock cimport clock_now_ns, clock_sleep_until
from ext.guard cimport GuardRule, GuardSetup, RULE_ORDER, guard_add, guard_init, guard_step
from ext.image cimport ERROR_MAX, ORDER_MAX, PERMIT_ORDER
from ext.poll cimport Poll, POLL_ORDER, PollSetup
from ext.port cimport PortSetup, port_init, port_offer, port_step
from ext.rtu cimport PORT_IDLE, RtuPort, rtu_add, rtu_init, rtu_step


cdef enum:
    STEP_NS = 100_000       # of the frame at 10 kHz
    WORDS_MAX = 4           # of a write that the guard can judge

cdef int64_t FOR_EVER_NS = 0x7FFFFFFFFFFFFFFF
cdef int64_t LOST_NS = 10_000_000_000       # far beyond any timeout and silence
ERRORS = ("no answer", "damaged reply", "reply of another unit", "reply to another function",
          "reply of another length", "reply to another write", "exception", "unasked bytes",
          "the port failed", "stopped by the guard")  # fmt: skip


cdef class Bus:
    """A non-blocking tty, owned by the caller. ask() blocks its thread and never more than timeout and silence."""

    def __init__(self, int fd, int64_t char_ns, bint echo):
        cdef PortSetup setup
        setup.char_ns = char_ns
        setup.echo = echo
        self.ports.count = 1
        port_init(&self.ports.port[0], &setup)
        port_offer(&self.ports.port[0], fd)
        rtu_init(&self.rtu, 1)
        memset(&self.limits, 0, sizeof(Limits))
        self.limits.valid_until_ns = FOR_EVER_NS
        self.limits.permit = PERMIT_ORDER

    def ask(self, dict poll, words=()):
        """One transaction. poll: fields of PollSetup, kind POLL_READ, or POLL_ORDER with the words to write.

        Returns {"error": "" when answered, "exception", "words" of a read, "round_trip_ns"}. The line has been silent
        as long as the device needs when this returns. Raises ValueError for a request that no Modbus frame can carry.
        """
        cdef PollSetup setup = poll
        cdef RtuPort before = self.rtu.port[0]
        cdef Poll *asked
        cdef int32_t i
        setup.port = 0
        rtu_init(&self.rtu, 1)
        self.rtu.port[0] = before
        self.rtu.port[0].device_count = self.rtu.port[0].poll_count = 0
        self.rtu.port[0].t_read_ns = 0
        if rtu_add(&self.rtu, &setup) < 0 or len(words) > WORDS_MAX:
            raise ValueError(f"no such request: {poll}")
        self._allow(setup, words)
        with nogil:
            done = self.transact()
        asked = &self.rtu.poll[0]
        if not done:
            return {"error": ERRORS[8], "exception": 0, "words": (), "round_trip_ns": 0}
        error = next((ERRORS[i] for i in range(len(ERRORS)) if i != 7 and asked.errors[i]), "")
        return {"error": error, "exception": asked.exception, "round_trip_ns": asked.round_trip_ns,
                "words": tuple([asked.words[i] for i in range(setup.count)]) if not words else ()}  # fmt: skip

    def _allow(self, PollSetup setup, words):
        """The lease and the guard's one rule: exactly this write, once; a read needs none."""
        cdef GuardSetup guard
        cdef GuardRule rule
        cdef int32_t i
        memset(&guard, 0, sizeof(GuardSetup))
        memset(&rule, 0, sizeof(GuardRule))
        guard_init(&self.guard, &guard)
        for i in range(ORDER_MAX):
            self.limits.orders[i].poll = -1
        if setup.kind != POLL_ORDER:
            return
        rule.kind = RULE_ORDER
        rule.unit, rule.function, rule.address, rule.count = setup.unit, setup.function, setup.address, setup.count
        rule.pcs = rule.status_poll = -1
        rule.pcs_count = 1
        self.limits.orders[0].poll = 0
        self.limits.orders[0].sequence = 1
        for i in range(len(words)):
            self.limits.orders[0].words[i] = rule.word_low[i] = rule.word_high[i] = words[i]
        guard_add(&self.guard, &rule)

    cdef int32_t transact(self) noexcept nogil:
        """1: answered or failed, and the line is at rest; 0: the tty is gone."""
        cdef int64_t now_ns = clock_now_ns()
        cdef int64_t end_ns = now_ns + LOST_NS
        while now_ns < end_ns and not self.ports.port[0].lost:
            rtu_step(&self.rtu, &self.limits, now_ns, &self.command, &self.ports)
            guard_step(&self.guard, &self.limits, now_ns, &self.rtu, &self.ports)
            port_step(&self.ports, now_ns)
            if self.rtu.port[0].state == PORT_IDLE and self.over():
                return 1
            clock_sleep_until(now_ns + STEP_NS)
            now_ns = clock_now_ns()
        return 0

    cdef int32_t over(self) noexcept nogil:
        cdef int32_t i
        if self.rtu.poll[0].answered:
            return 1
        for i in range(ERROR_MAX):
            if self.rtu.poll[0].errors[i]:
                return 1
        return 0

"""The setpoints that left, each with its instant. Runs once a setpoint; budget 20 ns."""
from libc.stdint cimport int32_t

from ext.atomic cimport lock_close, lock_open
from ext.image cimport Command


cdef void trail_note(Trail *t, int32_t pcs, const Command *command) noexcept nogil:
    """Keep the newest setpoint of one converter."""
    cdef Left *row = &t.row[pcs][t.count[pcs] % TRAIL_MAX]
    lock_open(&t.lock)
    row.t_ns = command.t_sent_ns[pcs]
    row.kw = command.sent_kw[pcs]
    t.count[pcs] += 1
    lock_close(&t.lock)

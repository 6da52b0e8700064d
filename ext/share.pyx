"""One wanted power to N converters, by what each can still give. Runs at 10 kHz; budget 20 ns.

setpoint_k = lead_kw * headroom_k / sum of headroom, headroom = the lease's limit in the wanted direction. A converter
that is out has no headroom, so its part moves to the others within the frame.
"""
from libc.math cimport isfinite
from libc.stdint cimport int32_t

from ext.image cimport PERMIT_SETPOINT, Command, Limits


cdef void share_init(Share *s, const ShareSetup *setup) noexcept nogil:
    s.setup = setup[0]


cdef void share_step(Share *s, const Limits *limits, Command *command) noexcept nogil:
    """Split command.lead_kw into command.setpoint_kw; all zero without a permit or a finite number."""
    cdef const double *headroom_kw = limits.charge_kw_max
    cdef double total_kw = 0.0, part
    cdef int32_t k
    if command.lead_kw >= 0:
        headroom_kw = limits.discharge_kw_max
    for k in range(s.setup.pcs_count):
        total_kw += headroom_kw[k]
    part = command.lead_kw / total_kw if total_kw > 0 else 0.0
    if not isfinite(part) or not limits.permit & PERMIT_SETPOINT:
        part = 0.0
    if part > 1.0:
        part = 1.0
    if part < -1.0:
        part = -1.0
    for k in range(s.setup.pcs_count):
        command.setpoint_kw[k] = part * headroom_kw[k]

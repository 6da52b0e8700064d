"""One wanted power to N converters, by what each can still give."""
from libc.stdint cimport int32_t

from ext.image cimport Command, Limits


cdef struct ShareSetup:
    int32_t pcs_count


cdef struct Share:
    ShareSetup setup


cdef void share_init(Share *s, const ShareSetup *setup) noexcept nogil
cdef void share_step(Share *s, const Limits *limits, Command *command) noexcept nogil

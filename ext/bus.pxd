"""One port, one transaction at a time: what a person asks of a bus goes through the frame's master and guard."""
from libc.stdint cimport int32_t

from ext.guard cimport Guard
from ext.image cimport Command, Limits
from ext.port cimport Ports
from ext.rtu cimport Rtu


cdef class Bus:
    cdef Rtu rtu
    cdef Guard guard
    cdef Ports ports
    cdef Limits limits
    cdef Command command

    cdef int32_t transact(self) noexcept nogil
    cdef int32_t over(self) noexcept nogil

"""Monotonic time and sleeping until an absolute instant."""
from libc.stdint cimport int64_t

cdef int64_t clock_now_ns() noexcept nogil
cdef void clock_sleep_until(int64_t t_ns) noexcept nogil

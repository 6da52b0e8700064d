"""Monotonic time and sleeping until an absolute instant; one vDSO read costs about 25 ns."""
from libc.errno cimport EINTR
from libc.stdint cimport int64_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, clock_nanosleep, timespec, TIMER_ABSTIME


cdef int64_t clock_now_ns() noexcept nogil:
    """Nanoseconds of CLOCK_MONOTONIC: the only clock that control knows."""
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <int64_t>t.tv_sec * 1_000_000_000 + t.tv_nsec


cdef void clock_sleep_until(int64_t t_ns) noexcept nogil:
    """Return at t_ns or as soon after as the kernel allows; at once when t_ns has passed."""
    cdef timespec t
    if t_ns <= 0:
        return
    t.tv_sec = t_ns // 1_000_000_000
    t.tv_nsec = t_ns % 1_000_000_000
    # A signal is not a reason to wake early: the instant is absolute, so sleeping again is exact.
    while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR:
        pass

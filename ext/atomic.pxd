"""Ordering between the frame's thread and the others: sequence locks, counters, one slot handed over.

A sequence lock is odd while its one writer writes. A reader copies between `lock_read` (even, else it gives
up) and `lock_same` (else the copy is torn). Nobody ever waits for anybody. GCC __atomic builtins.
"""
from libc.stdint cimport int32_t, uint32_t


cdef extern from *:
    """
    #include <stdint.h>
    static inline void lock_open(uint32_t *lock) {
        __atomic_store_n(lock, *lock + 1, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_RELEASE);
    }
    static inline void lock_close(uint32_t *lock) { __atomic_store_n(lock, *lock + 1, __ATOMIC_RELEASE); }
    static inline uint32_t lock_read(const uint32_t *lock) { return __atomic_load_n(lock, __ATOMIC_ACQUIRE); }
    static inline int32_t lock_same(const uint32_t *lock, uint32_t before) {
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        return __atomic_load_n(lock, __ATOMIC_RELAXED) == before;
    }
    static inline uint32_t load_u32(const uint32_t *x) { return __atomic_load_n(x, __ATOMIC_ACQUIRE); }
    static inline void store_u32(uint32_t *x, uint32_t value) {
        __atomic_store_n(x, value, __ATOMIC_RELEASE);
    }
    static inline int32_t load_i32(const int32_t *x) { return __atomic_load_n(x, __ATOMIC_ACQUIRE); }
    static inline void store_i32(int32_t *x, int32_t value) { __atomic_store_n(x, value, __ATOMIC_RELEASE); }
    static inline int32_t swap_i32(int32_t *x, int32_t value) {
        return __atomic_exchange_n(x, value, __ATOMIC_ACQ_REL);
    }
    """
    void lock_open(uint32_t *lock) noexcept nogil       # the writer, before its first store
    void lock_close(uint32_t *lock) noexcept nogil      # the writer, after its last store
    uint32_t lock_read(const uint32_t *lock) noexcept nogil
    int32_t lock_same(const uint32_t *lock, uint32_t before) noexcept nogil
    uint32_t load_u32(const uint32_t *x) noexcept nogil
    void store_u32(uint32_t *x, uint32_t value) noexcept nogil
    int32_t load_i32(const int32_t *x) noexcept nogil
    void store_i32(int32_t *x, int32_t value) noexcept nogil
    int32_t swap_i32(int32_t *x, int32_t value) noexcept nogil

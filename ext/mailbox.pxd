"""One slot in, by sequence lock: the newest limits, their lease, and what is left when it ends."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from ext.image cimport Limits


cdef struct Mailbox:
    uint32_t lock               # odd while the supervisor writes
    Limits posted               # written by the supervisor
    uint64_t taken_sequence
    Limits lease                # the newest whole copy
    int64_t t_last_ns
    uint64_t torn               # tries that met a writer
    uint64_t lapses             # leases that ran out
    int32_t live                # 1: the lease holds


cdef void mailbox_init(Mailbox *m) noexcept nogil
cdef void mailbox_post(Mailbox *m, const Limits *limits) noexcept nogil
cdef void mailbox_take(Mailbox *m, int64_t now_ns, Limits *limits) noexcept nogil

"""One slot in, by sequence lock: the newest limits, their lease, and what is left when it ends."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from ext.image cimport PCS_MAX, Limits


cdef struct Mailbox:
    uint32_t lock               # odd while the supervisor writes
    Limits posted               # written by the supervisor
    uint32_t taken_lock         # lock behind the newest copy
    Limits lease                # the newest whole copy
    uint64_t torn               # tries that met a writer
    uint64_t refused            # posts that were old, not finite or out of range
    uint64_t lapses             # leases that ran out
    int32_t live                # 1: the lease holds
    int32_t barred              # Bar
    uint64_t barred_sequence    # newest lease when it was barred
    int64_t t_ns                # of the last take
    uint64_t shown_sequence     # lease behind the limits the frame has
    int32_t falling             # 1: some limit in force is still above the lease's
    double discharge_kw[PCS_MAX]    # limits in force: a lease that shrinks is followed at its fall rate
    double charge_kw[PCS_MAX]


cdef enum Bar:
    BAR_NONE = 0
    BAR_RENEW = 1               # until a newer lease
    BAR_REST = 2                # until a newer lease without PERMIT_SETPOINT


cdef void mailbox_init(Mailbox *m) noexcept nogil
cdef void mailbox_post(Mailbox *m, const Limits *limits) noexcept nogil
cdef void mailbox_bar(Mailbox *m, int32_t bar) noexcept nogil
cdef void mailbox_take(Mailbox *m, int64_t now_ns, Limits *limits) noexcept nogil

"""One wanted power to N converters, by what each can still give."""
from libc.stdint cimport int32_t, int64_t

from ext.follow cimport Follow, FollowLead, FollowSetup
from ext.image cimport PCS_MAX, Command, Limits


cdef struct ShareSetup:
    int32_t pcs_count
    double frame_s              # time between two steps
    double quiet_kw             # less than this is missed without a word
    double faster_pu            # of the mean time to follow: who takes less covers for the others; 0: nobody does
    double rating_kw[PCS_MAX]
    FollowSetup pcs[PCS_MAX]


cdef struct Share:
    ShareSetup setup
    Follow pcs[PCS_MAX]
    int64_t t_ns                # of the last step
    int32_t living              # a bit for each converter that has a limit above zero
    int32_t fastest             # of these, the one that gives what the slower ones cannot yet; -1: none is faster
    double back_kw              # what it takes back within an exchange
    int32_t missing             # 1: in the last frame something was missed
    int32_t slow_count
    int32_t slow[PCS_MAX]       # the others
    FollowLead lead[PCS_MAX]


cdef void share_init(Share *s, const ShareSetup *setup) noexcept nogil
cdef void share_step(Share *s, const Limits *limits, int64_t now_ns, Command *command) noexcept nogil

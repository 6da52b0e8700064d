"""How one converter follows what it is told: dead time, slew, first-order lag."""
from libc.stdint cimport int32_t, int64_t


cdef enum:
    PAST_MAX = 2048             # frames of history: 100 ms at 20 kHz


cdef struct FollowSetup:
    double lag_s                # first-order lag, 0: none
    double slew_kw_per_s        # of its internal setpoint, 0: no limit
    double dead_s               # first byte of a setpoint to the start of its effect
    double period_s             # between two setpoints of its own, its turn among those of its bus


cdef struct Follow:
    FollowSetup setup
    double frame_s
    double slew_kw              # its internal setpoint when a command sent now arrives
    double model_kw             # its power at that instant
    double battery_kw           # its power now
    double past_kw[PAST_MAX]    # model_kw of the last frames
    int64_t past_at
    int32_t dead_frames
    double decay                # of the lag over one exchange


cdef void follow_init(Follow *c, const FollowSetup *setup, double frame_s) noexcept nogil
cdef void follow_step(Follow *c, double sent_kw, double dt_s) noexcept nogil
cdef double follow_lead(const Follow *c, double wanted_kw) noexcept nogil
cdef double follow_after_kw(const Follow *c, double sent_kw, double told_kw, double wait_s,
                            double end_s) noexcept nogil

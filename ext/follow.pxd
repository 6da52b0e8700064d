"""How one converter follows what it is told: dead time, slew, first-order lag."""
from libc.stdint cimport int32_t, int64_t


cdef enum:
    PAST_MAX = 2048             # frames of history: 100 ms at 20 kHz
    LEAD_ROWS = 512             # of the table of the lead


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
    int64_t past_at
    int32_t dead_frames
    double decay                # of the lag over one exchange
    double per_rest             # 1 / (1 - decay)
    double scale_kw             # what it slews in the time of its lag, 0: no limit
    double per_scale            # 1 / scale_kw
    double reach_late           # what it slews within an exchange and a frame, of scale_kw
    double far_end              # where the lead becomes a straight line through zero
    double ends                 # its slope from there on
    double rows_per_far         # of the table below
    double ahead_s              # from the arrival of what is sent now to the instant that is looked at, see follow_look
    double ahead_lags           # the same, in lags
    double ahead_decay          # of the lag over that time
    int32_t kept                # 1: follow_each keeps its past
    double per_lag              # 1 / lag_s, very large without a lag
    double lead[LEAD_ROWS][4]   # up to far_end, cubics of the place in the row
    double past_kw[PAST_MAX]    # model_kw of the last frames; the large ones last: all others lie side by side


cdef void follow_init(Follow *c, const FollowSetup *setup, double frame_s) noexcept nogil
cdef void follow_step(Follow *c, double sent_kw, double dt_s) noexcept nogil
cdef void follow_each(Follow *c, int32_t count, const double *sent_kw, double dt_s) noexcept nogil
cdef double follow_lead(const Follow *c, double wanted_kw) noexcept nogil
cdef void follow_look(Follow *c, double end_s) noexcept nogil
cdef double follow_after_kw(const Follow *c, double sent_kw, double told_kw, double wait_s) noexcept nogil

"""How one converter follows what it is told: dead time, slew, first-order lag."""
from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t


cdef enum:
    PAST_MAX = 2048             # frames of history: 100 ms at 20 kHz
    LEAD_ROWS = 512             # of the table of the lead


cdef struct FollowSetup:
    double lag_s                # first-order lag, 0: none
    double slew_kw_per_s        # of its internal setpoint, 0: no limit
    double dead_s               # first byte of a setpoint to the start of its effect
    double period_s             # between two setpoints of its own, its turn among those of its bus


cdef struct FollowLead:         # the lead of one setup as a table: made at the start, read in the frame
    double far_end              # where the lead becomes a straight line through zero
    double ends                 # its slope from there on
    double rows_per_far
    double row[LEAD_ROWS][4]    # up to far_end, cubics of the place in the row


cdef struct Follow:
    FollowSetup setup
    const FollowLead *lead      # of this setup
    double frame_s
    double slew_kw              # its internal setpoint when a command sent now arrives
    double model_kw             # its power at that instant
    double battery_kw           # its power now
    int64_t past_at
    int32_t dead_frames
    double decay                # of the lag over the lead's time
    double per_rest             # 1 / (1 - decay)
    double scale_kw             # what it slews in the time of its lag, 0: no limit
    double per_scale            # 1 / scale_kw
    double reach_late           # what it slews within the lead's time and a frame, of scale_kw
    double ahead_s              # from the arrival of what is sent now to the instant that is looked at, see follow_look
    double ahead_lags           # the same, in lags
    double ahead_decay          # of the lag over that time
    int32_t kept                # 1: follow_each keeps its past
    double per_lag              # 1 / lag_s, very large without a lag
    double past_kw[PAST_MAX]    # model_kw of the last frames; the large one last: all others lie side by side


cdef void lead_init(FollowLead *lead, const FollowSetup *setup) noexcept nogil
cdef double follow_longer(const Follow *c, double more_s) noexcept nogil
cdef void follow_init(Follow *c, const FollowSetup *setup, const FollowLead *lead, double frame_s) noexcept nogil
cdef void follow_turn(Follow *c, const FollowSetup *setup, const FollowLead *lead) noexcept nogil
cdef void follow_each(Follow *c, int32_t count, const double *sent_kw, double dt_s) noexcept nogil
cdef void follow_look(Follow *c, double end_s) noexcept nogil
cdef double follow_after_kw(const Follow *c, double sent_kw, double told_kw, double wait_s) noexcept nogil


cdef inline double clip(double x, double low, double high) noexcept nogil:
    return low if x < low else (high if x > high else x)


cdef inline void move(Follow *c, double sent_kw, double dt_s) noexcept nogil:
    cdef double reach_kw = c.setup.slew_kw_per_s * dt_s if c.setup.slew_kw_per_s > 0 else 1e12
    cdef double x = dt_s * c.per_lag
    c.slew_kw += clip(sent_kw - c.slew_kw, -reach_kw, reach_kw)
    if c.setup.lag_s > 0:
        c.model_kw += (c.slew_kw - c.model_kw) * (x / (1.0 + 0.5 * x))  # 1 - exp(-x) to third order
    else:
        c.model_kw = c.slew_kw


cdef inline void remember(Follow *c) noexcept nogil:
    c.past_kw[c.past_at & (PAST_MAX - 1)] = c.model_kw
    c.battery_kw = c.past_kw[(c.past_at - c.dead_frames) & (PAST_MAX - 1)]
    c.past_at += 1


cdef inline void follow_step(Follow *c, double sent_kw, double dt_s) noexcept nogil:
    """Where the converter will be when a command sent now arrives, and where it is now."""
    move(c, sent_kw, dt_s)
    remember(c)


cdef inline double follow_lead(const Follow *c, double wanted_kw) noexcept nogil:
    """The command that brings the converter to wanted_kw in the lead's time after it arrives; where its slew is too
    slow for that, as far as it comes within it and the frame by which the next one may be late."""
    cdef double way_kw, x
    cdef const double *row
    if c.setup.lag_s <= 0:
        return wanted_kw
    if c.scale_kw <= 0:
        return c.model_kw + (wanted_kw - c.model_kw) * c.per_rest
    way_kw = wanted_kw - c.decay * c.model_kw - (1.0 - c.decay) * c.slew_kw
    x = fabs(way_kw) * c.per_scale
    if x < c.lead.far_end:
        x *= c.lead.rows_per_far
        row = &c.lead.row[min(<int32_t>x, LEAD_ROWS - 1)][0]
        x -= <int32_t>x
        x = row[0] + x * row[1] + x * x * (row[2] + x * row[3])
    else:
        x *= c.lead.ends
    if x > c.reach_late:
        x = c.reach_late
    return c.slew_kw + (c.scale_kw * x if way_kw > 0 else -c.scale_kw * x)

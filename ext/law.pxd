"""What the battery should do: hold the grid to a ramp-limited target, ahead of the converter's lag."""
from libc.stdint cimport int32_t, int64_t

from ext.follow cimport Follow, FollowLead
from ext.image cimport PCS_MAX, Command, Limits, Track
from ext.lines cimport Lines
from ext.preview cimport Preview
from ext.shape cimport Shape, ShapeSetup


cdef enum:
    LOOP_MAX = PCS_MAX + 1      # all converters, and all but each
    LIVE_SETS = 256             # of PCS_MAX converters


cdef struct LoopSetup:          # of those that take part, as one
    double lag_s                # converter's first-order lag, 0: none
    double slew_kw_per_s        # converters' own slew, of the site
    double dead_s               # first byte of a setpoint to the start of its effect
    double period_s             # one setpoint exchange, the mean over their buses
    double read_s               # a read between two of them, in the mean
    double rating_kw            # of all of them
    double delay_s              # effective delay of the whole loop
    double owed_s               # what it leaves of an edge that passes at once, over the edge; 0: none is given ahead
    double given_pu             # of an edge, so much of that at a time
    double lines_late_s         # how late it is for slow swings; 0: lines of a load that comes back are not followed
    double gain_max             # share of a swing that such a loop may take, 0: whatever it did would harm
    double prompt_pu            # of it, the part that may pass at once, 0 or 1; the rest passes through the shape
    ShapeSetup shape


cdef struct LawSetup:
    double frame_s              # time between two steps
    double target_lag_s         # the grid target follows the load through this lag twice, then the ramp limit
    double each_kw[PCS_MAX]     # rating of each converter
    double dead_zone_kw         # of a swing, either way, that is left to the grid
    int32_t pcs_count
    LoopSetup loops[LOOP_MAX]   # the first: of all
    int32_t loop_of[LIVE_SETS]  # which of them for each live set, bit k: converter k takes part


cdef struct Law:
    LawSetup setup
    const LoopSetup *loop       # in use
    int32_t loop_at             # which one
    int32_t living              # a bit for each converter that has a limit above zero
    int32_t engaged             # 1: a target is being held
    Shape shape
    Preview preview
    Lines lines
    int32_t by_lines            # 1: they are given in place of what passes the late filter
    double lagged_kw            # load through the first target lag
    double smooth_kw            # and through the second
    double target_kw            # grid power aimed at, SOC leak not included
    double leak_kw              # SOC leak, ramped like the target
    double held_kw              # command that stands
    double off_kw               # by which it misses what is wanted, in the mean
    double off_part             # of what a frame sees that enters that
    int64_t t_held_ns           # since when
    int64_t exchange_ns         # of the loop in use
    int32_t reads_next          # 1: a read follows what is told now, so it holds for longer
    double read_lead            # share of the lead that is left then, see follow_longer
    int64_t t_alike_ns          # when a new one would last have differed little
    int32_t owed_frames         # after an edge, in which the loop has answered it
    int32_t tail_frames         # the last of them
    int32_t telling             # 1: the present edge tells how late the loop is
    int32_t left_frames         # since it began
    double left_kw              # sum of what the battery has missed in them
    double tail_kw              # and in the last ones
    double wished_kw            # what was wanted of the batteries in the last frame that knew the load
    double bridge_kw            # what is left of the step that a change of the loop would have made in it
    int32_t turned              # 1: the loop has changed since
    Follow all                  # the converters as one
    int64_t t_ns                # of the last step
    int64_t t_good_ns           # when the load was last known
    FollowLead leads[LOOP_MAX]


cdef bint law_fits(const LawSetup *setup) noexcept nogil
cdef void law_init(Law *w, const LawSetup *setup) noexcept nogil
cdef void law_step(Law *w, const Track *track, const Limits *limits, int64_t now_ns, Command *command) noexcept nogil

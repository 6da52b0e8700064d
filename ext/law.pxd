"""What the battery should do: hold the grid to a ramp-limited target, ahead of the converter's lag."""
from libc.stdint cimport int32_t, int64_t

from ext.follow cimport Follow
from ext.image cimport PCS_MAX, Command, Limits, Track
from ext.preview cimport Preview
from ext.shape cimport Shape, ShapeSetup


cdef struct LawSetup:
    double frame_s              # time between two steps
    double target_lag_s         # the grid target follows the load through this lag twice, then the ramp limit
    double lag_s                # converter's first-order lag, 0: none
    double slew_kw_per_s        # converters' own slew, of the site
    double dead_s               # first byte of a setpoint to the start of its effect
    double period_s             # one setpoint exchange on the slowest bus
    double rating_kw            # of all converters
    double each_kw[PCS_MAX]     # of each
    double delay_s              # effective delay of the whole loop
    double dead_zone_kw         # of a swing, either way, that is left to the grid
    double gain_max             # share of a swing that such a loop may take, 0: whatever it did would harm
    double prompt_pu            # of it, the part that may pass at once, 0 or 1; the rest passes through the shape
    ShapeSetup shape
    int32_t pcs_count


cdef struct Law:
    LawSetup setup
    int32_t engaged             # 1: a target is being held
    Shape shape
    Preview preview
    double lagged_kw            # load through the first target lag
    double smooth_kw            # and through the second
    double target_kw            # grid power aimed at, SOC leak not included
    double leak_kw              # SOC leak, ramped like the target
    double held_kw              # command that stands
    int64_t t_held_ns           # since when
    int64_t t_alike_ns          # when a new one would last have differed little
    Follow all                  # the converters as one
    int64_t t_ns                # of the last step
    int64_t t_good_ns           # when the load was last known


cdef void law_init(Law *w, const LawSetup *setup) noexcept nogil
cdef void law_step(Law *w, const Track *track, const Limits *limits, int64_t now_ns, Command *command) noexcept nogil

"""What the battery should do: hold the grid to a ramp-limited target, ahead of the converter's lag."""
from libc.stdint cimport int32_t, int64_t
from ext.image cimport Command, Limits, PCS_MAX, Track


cdef struct LawSetup:
    double frame_s              # time between two steps
    double target_lag_s         # the grid target follows the load with this lag, then the ramp limit
    double lead_s               # converter's first-order lag to invert, 0: none
    double slew_kw_per_s        # converter's own slew, of the site
    double period_s             # command period of the slowest bus
    double over_drive           # command limit in units of the rating while the lead acts, >= 1
    int32_t pcs_count
    double rating_kw[PCS_MAX]   # of each converter


cdef struct Law:
    LawSetup setup
    int32_t started
    double lagged_kw            # load through the target lag
    double model_kw             # battery power when a command sent now would arrive
    int64_t t_ns


cdef void law_init(Law *w, const LawSetup *setup) noexcept nogil
cdef void law_step(Law *w, const Track *track, const Limits *limits, int64_t now_ns, Command *command) noexcept nogil

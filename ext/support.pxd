"""What the grid's frequency asks of the battery: P(f) droop and fast frequency reserve."""
from libc.stdint cimport int32_t, int64_t

from ext.image cimport Command, Track


cdef enum ReserveState:
    RESERVE_READY = 0
    RESERVE_ACTIVE = 1      # rising to its power, then holding it
    RESERVE_FALLING = 2
    RESERVE_SPENT = 3       # given; ready again once the frequency is back


cdef struct SupportSetup:
    double frame_s              # time between two steps
    double frequency_hz         # nominal
    double droop_kw_max         # most that droop gives or takes; 0: no droop
    double droop_hz             # deviation beyond the dead band that asks for all of it
    double dead_band_hz         # either side of nominal
    double reserve_kw           # of the fast frequency reserve; 0: none
    double reserve_hz           # below it the reserve is given
    double rise_s               # to its full power, from the decision
    double hold_s               # at full power


cdef struct Support:
    SupportSetup setup
    int32_t state               # ReserveState
    int64_t t_ns                # of the last step
    double low_s                # how long the frequency has been below the trigger
    double held_s               # how long the reserve has been at full power
    double droop_kw
    double reserve_kw


cdef void support_init(Support *s, const SupportSetup *setup) noexcept nogil
cdef void support_step(Support *s, const Track *track, int64_t now_ns, Command *command) noexcept nogil

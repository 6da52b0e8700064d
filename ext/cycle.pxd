"""One frame, read aloud, and the thread that runs it."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from ext.fast cimport Fast
from ext.guard cimport Guard
from ext.image cimport Command, Limits, Sample, Track
from ext.law cimport Law
from ext.mailbox cimport Mailbox
from ext.port cimport Ports
from ext.power cimport Power
from ext.rtu cimport Rtu
from ext.sampler cimport Sampler
from ext.share cimport Share
from ext.support cimport Support


cdef enum:
    LATE_BINS = 20001       # lateness of the wake-up in us, the last bin holds the rest


cdef struct Pace:           # how well the frame keeps time; written by the thread alone
    uint64_t frames
    uint64_t skipped        # frames left out to keep the phase
    uint64_t overruns       # wake-ups later than one period
    uint64_t late_wakeups   # later than 10 % of the period
    uint64_t holes          # longer than 10 ms: the lease was barred, power ramps to safe
    uint64_t trips          # longer than 100 ms: barred until the supervisor asks for rest
    int64_t late_ns_max
    int64_t step_ns_max
    int64_t step_ns_sum
    int64_t t_start_ns
    int64_t page_faults     # of the thread since its start
    uint32_t late_us[LATE_BINS]


cdef struct Status:         # what one frame publishes, by sequence lock
    uint64_t frames
    int64_t t_ns
    int32_t lease_live
    uint64_t lease_lapses
    uint64_t samples_lost
    uint64_t samples_missed
    uint64_t guard_blocked
    int32_t guard_reason
    int64_t sample_age_ns
    uint64_t charge_cuts    # by the frame itself, see ext.fast
    uint64_t discharge_cuts
    double loop_delay_s     # effective delay of the setpoint path, by the law
    double owed_s           # of each edge that is expected, what is given ahead, over the edge
    double period_s         # with which the load comes back, where its lines are followed; 0: not known
    int32_t loop_at         # which of its loops the law uses, see ext.law.LawSetup
    Track track
    Command command


cdef struct Frame:
    int64_t t_ns            # time of this frame, an argument of everything below
    Sampler sampler
    Sample sample
    Power power
    Track track
    Mailbox mailbox
    Limits limits
    Fast fast
    Support support
    Law law
    Share share
    Command command
    Rtu rtu
    Guard guard
    Ports ports
    uint32_t status_lock
    Status status
    Pace pace


cdef struct Thread:         # of the frame; the Python side starts and joins it
    Frame *frame
    int64_t period_ns
    int32_t paced_by_samples
    int32_t stop            # 1: end after this frame


cdef void step(Frame *f) noexcept nogil
cdef void bus_step(Frame *f, int64_t now_ns) noexcept nogil


cdef class Executive:
    cdef Frame *frame
    cdef Thread thread
    cdef unsigned long handle   # pthread_t
    cdef bint running
    cdef object ring            # keeps the sample ring mapped
    cdef readonly dict setup

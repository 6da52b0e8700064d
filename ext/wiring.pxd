"""What the phasors of the channels tell about their wiring: open, turned around, swapped."""
from libc.stdint cimport int32_t

from ext.image cimport CHANNEL_MAX, Sample


cdef enum:
    FEEDER_MAX = 2          # load, connection


cdef struct Wiring:
    double voltage_v            # nominal, phase to neutral, RMS
    double rated_a              # of one phase at the site's rating, RMS
    int32_t count
    int32_t channel[CHANNEL_MAX]    # wired three-phase channels
    int32_t at                  # the one whose turn it is
    int32_t rounds
    double re[CHANNEL_MAX]      # sums against the lock's phasor
    double im[CHANNEL_MAX]
    int32_t seen[FEEDER_MAX]    # Quality bits of the last window
    int32_t fault[FEEDER_MAX]   # Quality bits that two windows in a row have shown


cdef void wiring_init(Wiring *w, double voltage_v, double rated_kw) noexcept nogil
cdef void wiring_wire(Wiring *w, const Sample *sample) noexcept nogil
cdef void wiring_step(Wiring *w, const Sample *sample, double cos1, double sin1) noexcept nogil

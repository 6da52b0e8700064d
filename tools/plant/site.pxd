"""The Python face of the simulated site."""
from ext.image cimport CHANNEL_MAX
from tools.plant.physics cimport Site


cdef class Plant:
    cdef Site *site
    cdef object held        # arrays whose memory the site points into
    cdef object rows        # of the record
    cdef double[CHANNEL_MAX] ring_scale
    cdef readonly object port_names
    cdef readonly object device_names   # in the order of the slaves
    cdef readonly int rate_hz
    cdef readonly int rail_counts

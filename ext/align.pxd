"""What the battery gives at the instant of a sample, at its AC side."""
from libc.stdint cimport int32_t


cdef struct Align:
    double rating_kw            # of all converters
    int32_t quiet_samples_min
    double learn                # of the factors, a sample
    double discharge_pu         # AC for one DC kW while discharging: the converters' losses are in it
    double charge_pu            # the same while charging
    double quiet_kw             # modelled power when it last moved
    int32_t quiet_samples       # since then


cdef void align_init(Align *a, double rate_hz, double rating_kw) noexcept nogil
cdef double align_step(Align *a, double dc_kw, double model_kw) noexcept nogil

"""Battery power out of its DC bus, in step with the waveform. Runs at 10 kHz; budget 0.01 us.

Without current transformers at the load its power is that of the connection plus the battery's. Any lag between the two
would turn the battery's own answer into load, and feed-forward into positive feedback (control.md 5.2). The DC bus is
sampled with the waveform, so it needs no delay, only the converters' losses. Those are learnt where the model of the
converters is sure: at rest, since they hold the AC power that they were told. An error in the bus sensors' calibration
goes the same way.
"""
from libc.math cimport fabs
from libc.stdint cimport int32_t

cdef double EFFICIENCY = 0.97       # one way, before anything is learnt
cdef double REACH = 0.2             # about the losses: beyond this neither they nor the sensors are to blame
cdef double LEARN_S = 2.0           # of rest with power
cdef double QUIET_S = 0.03          # longer than dead time and lag of a converter that smooths
cdef double QUIET_SHARE = 0.01      # of the rating
cdef double BELIEF_SHARE = 0.25     # of the power: a model farther off is wrong itself (a converter that ignores, F20)
cdef double POWER_SHARE_MIN = 0.1   # of the rating: below it offsets weigh more than losses


cdef inline double clip(double x, double low, double high) noexcept nogil:
    return low if x < low else (high if x > high else x)


cdef void align_init(Align *a, double rate_hz, double rating_kw) noexcept nogil:
    a.rating_kw = rating_kw
    a.quiet_samples_min = <int32_t>(QUIET_S * rate_hz)
    a.learn = 1.0 / (LEARN_S * rate_hz)
    a.discharge_pu = EFFICIENCY
    a.charge_pu = 1.0 / EFFICIENCY
    a.quiet_kw = 0.0
    a.quiet_samples = 0


cdef double align_step(Align *a, double dc_kw, double model_kw) noexcept nogil:
    """AC power of the battery, kW, discharge positive. dc_kw of this sample, model_kw of the law's model now."""
    cdef double *factor = &a.discharge_pu if dc_kw > 0.0 else &a.charge_pu
    cdef double left_kw = model_kw - factor[0] * dc_kw
    if fabs(model_kw - a.quiet_kw) > QUIET_SHARE * a.rating_kw:
        a.quiet_kw = model_kw
        a.quiet_samples = 0
    elif a.quiet_samples < a.quiet_samples_min:
        a.quiet_samples += 1
    elif fabs(dc_kw) > POWER_SHARE_MIN * a.rating_kw and fabs(left_kw) < BELIEF_SHARE * fabs(dc_kw):
        factor[0] += a.learn * left_kw / dc_kw
        a.discharge_pu = clip(a.discharge_pu, EFFICIENCY - REACH, EFFICIENCY + REACH)
        a.charge_pu = clip(a.charge_pu, 1.0 / EFFICIENCY - REACH, 1.0 / EFFICIENCY + REACH)
    return factor[0] * dc_kw

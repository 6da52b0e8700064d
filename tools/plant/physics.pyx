"""Steps load, sun, converters, battery, meter, waveform and wires together, without a Python object.

Sign: power into the site bus is positive; load_kw = grid_kw + pcs_kw + pv_kw + genset_kw in every record row.
"""
from libc.stdint cimport int32_t, int64_t

from tools.plant.battery cimport battery_step
from tools.plant.pcs cimport FAULT_BATTERY, STATE_RUNNING, Pcs, pcs_step, pcs_trip
from tools.plant.wave cimport wave_step
from tools.plant.wire cimport wire_step


cdef double interpolated(const double *points, const Trace *trace, double place) noexcept nogil:
    """Value at a place counted in points of the trace."""
    cdef int64_t index = <int64_t>place
    if trace.loops:
        index %= trace.count
        return points[index] + (place - <int64_t>place) * (points[(index + 1) % trace.count] - points[index])
    if index >= trace.count - 1:
        return points[trace.count - 1]
    return points[index] + (place - index) * (points[index + 1] - points[index])


cdef void step_power(Site *s, int64_t t_ns, double step_s) noexcept nogil:
    """Load, sun, converters, battery and meter up to t_ns."""
    cdef double place = 0.0 if s.trace.held else 1e-9 * (t_ns - s.t_start_ns) * s.trace.rate_hz
    cdef int32_t i
    cdef Pcs *p
    s.load_kw = interpolated(s.trace.load_kw, &s.trace, place)
    s.pv_kw = interpolated(s.trace.pv_kw, &s.trace, place) if s.trace.pv_kw != NULL else 0.0
    s.pcs_kw = 0.0
    for i in range(s.pcs_count):
        p = &s.pcs[i]
        pcs_step(p, t_ns)
        if s.battery.tripped and p.state == STATE_RUNNING:
            pcs_trip(p, FAULT_BATTERY)
        s.pcs_kw += p.ac_kw
    battery_step(&s.battery, s.pcs_kw, step_s)
    for i in range(s.pcs_count):
        p = &s.pcs[i]
        p.dc_v = s.battery.dc_v
        p.dc_kw = s.battery.dc_kw * (p.ac_kw / s.pcs_kw if s.pcs_kw != 0.0 else 0.0)
        p.dc_a = 1000.0 * p.dc_kw / p.dc_v
    s.grid_kw = s.load_kw - s.pcs_kw - s.pv_kw - s.genset_kw
    s.import_kwh += (s.grid_kw if s.grid_kw > 0.0 else 0.0) * step_s / 3600.0
    s.export_kwh -= (s.grid_kw if s.grid_kw < 0.0 else 0.0) * step_s / 3600.0
    s.pv_kwh += s.pv_kw * step_s / 3600.0


cdef void write_row(Site *s) noexcept nogil:
    """One row of true values, all of this very instant."""
    cdef double *row = s.record.rows + COLUMNS * (s.record.written % s.record.capacity)
    cdef int32_t i
    row[0] = 1e-9 * (s.t_ns - s.t_start_ns)
    row[1] = s.load_kw
    row[2] = s.grid_kw
    row[3] = s.pcs_kw
    row[4] = 0.0
    for i in range(s.pcs_count):
        row[4] += s.pcs[i].received_kw
    row[5] = s.battery.soc_pct
    row[6] = s.pv_kw
    row[7] = s.genset_kw
    row[8] = s.mode
    s.record.written += 1


cdef void site_start(Site *s, int64_t t_ns) noexcept nogil:
    """Sets the clock of every part to t_ns, which is scene time 0."""
    cdef int32_t i
    s.t_start_ns = t_ns
    s.t_ns = t_ns
    s.steps = 0
    for i in range(s.pcs_count):
        s.pcs[i].t_ns = t_ns
        s.pcs[i].t_fed_ns = t_ns


cdef void site_begin(Site *s, int64_t t_ns) noexcept nogil:
    """Lets the load go: scene time 0 is t_ns, and the record counts from there."""
    s.trace.held = 0
    s.t_start_ns = t_ns
    s.steps = 0
    s.record.written = 0


cdef void site_step(Site *s, int64_t t_ns) noexcept nogil:
    """Carries everything from the last step to t_ns; that instant's sample is left in counts."""
    cdef int32_t i
    for i in range(s.wire_count):
        wire_step(&s.wire[i], t_ns)
    step_power(s, t_ns, 1e-9 * (t_ns - s.t_ns))
    s.t_ns = t_ns
    wave_step(&s.wave, s.load_kw, s.pcs_kw + s.pv_kw + s.genset_kw, s.battery.dc_v, s.battery.dc_a, s.counts)
    s.frequency_hz = s.wave.frequency_hz
    if s.record.every and s.steps % s.record.every == 0:
        write_row(s)
    s.steps += 1

"""Steps load, sun, converters, battery, meter, waveform and wires together, without a Python object.

Sign: power into the site bus is positive; load_kw = grid_kw + pcs_kw + pv_kw + genset_kw in every record row.
A bus without a source carries nothing: the load is off, converters that follow stop, PV is out.
"""
from libc.stdint cimport int32_t, int64_t

from tools.plant.backup cimport AT_GENSET, AT_GRID, SET_RUNNING, genset_step, switch_step, switch_watch
from tools.plant.battery cimport battery_step
from tools.plant.pcs cimport (
    FAULT_BATTERY,
    FAULT_OVERLOAD,
    ORDER_STOP,
    STATE_RUNNING,
    Pcs,
    pcs_order,
    pcs_step,
    pcs_trip,
)
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


cdef double FORMED_SHIFT_HZ = 0.05     # converters run a little beside the grid: the angle passes all values
cdef double RIDE_S = 3.0                # a converter that follows waits so long on a dead bus
cdef double OVERLOAD_PU = 1.2
cdef double OVERLOAD_S = 1.0


cdef int32_t formed(Site *s) noexcept nogil:
    """Converters that form a bus where nobody else does."""
    cdef int32_t i, count = 0
    for i in range(s.pcs_count):
        count += s.pcs[i].state == STATE_RUNNING and s.pcs[i].form_word == 1.0 and not s.battery.tripped
    return count


cdef int32_t sets_running(Site *s) noexcept nogil:
    cdef int32_t i, count = 0
    for i in range(s.genset_count):
        count += s.genset[i].state == SET_RUNNING
    return count


cdef void find_source(Site *s, int64_t t_ns, double step_s) noexcept nogil:
    """Moves the switch, and finds who carries the bus: grid, genset, converters or nobody."""
    cdef double genset_hz = 0.0
    cdef int32_t i
    s.grid_hz = 0.0 if s.grid_away else s.wave.frequency_hz - s.wave.shift_hz
    s.grid_v = 0.0 if s.grid_away else s.nominal_v
    for i in range(s.genset_count):
        genset_hz = max(genset_hz, s.genset[i].frequency_hz)
    switch_watch(&s.ats, 0.0 if s.source == SOURCE_NONE else s.wave.frequency_hz, s.grid_hz, genset_hz, step_s)
    switch_step(&s.ats, s.source != SOURCE_NONE, t_ns)
    if (s.ats.position == AT_GRID or not s.ats.present) and not s.grid_away:
        s.source = SOURCE_GRID
    elif s.ats.position == AT_GENSET and sets_running(s):
        s.source = SOURCE_GENSET
    elif formed(s):
        s.source = SOURCE_PCS
        s.ats.backfeeds += s.ats.position == AT_GRID or not s.ats.present
    else:
        s.source = SOURCE_NONE
    s.dead_s = s.dead_s + step_s if s.source == SOURCE_NONE else 0.0
    s.voltage_v = 0.0 if s.source == SOURCE_NONE else s.nominal_v
    s.wave.bus_pu = 0.0 if s.source == SOURCE_NONE else 1.0
    s.wave.grid_pu = 0.0 if s.grid_away else 1.0
    s.wave.shift_hz = 0.0
    if s.source == SOURCE_PCS:
        s.wave.shift_hz = FORMED_SHIFT_HZ
    elif s.source == SOURCE_GENSET:
        s.wave.shift_hz = genset_hz - s.nominal_hz


cdef void form_power(Site *s, double step_s) noexcept nogil:
    """Converters that form carry what the load asks; one that follows carries nothing on a dead bus."""
    cdef double rating_kw = 0.0
    cdef int32_t i
    cdef Pcs *p
    for i in range(s.pcs_count):
        p = &s.pcs[i]
        if s.source == SOURCE_PCS and p.state == STATE_RUNNING and p.form_word == 1.0:
            rating_kw += p.setup.discharge_kw_max
        else:
            p.ac_kw = 0.0
            p.internal_kw = 0.0
            if s.dead_s > RIDE_S and p.form_word == 0.0:
                pcs_order(p, ORDER_STOP, s.t_ns)
    s.over_s = s.over_s + step_s if rating_kw > 0.0 and s.load_kw > OVERLOAD_PU * rating_kw else 0.0
    for i in range(s.pcs_count):
        p = &s.pcs[i]
        if rating_kw > 0.0 and p.state == STATE_RUNNING and p.form_word == 1.0:
            p.ac_kw = s.load_kw * p.setup.discharge_kw_max / rating_kw
            p.internal_kw = p.ac_kw
            if s.over_s > OVERLOAD_S:
                pcs_trip(p, FAULT_OVERLOAD)


cdef void carry_gensets(Site *s, int64_t t_ns, double step_s) noexcept nogil:
    """The running sets share what is left, by rating."""
    cdef double rating_kw = 0.0, left_kw = 0.0
    cdef int32_t i
    if s.source == SOURCE_GENSET:
        left_kw = s.load_kw - s.pcs_kw
    for i in range(s.genset_count):
        rating_kw += s.genset[i].kw_max if s.genset[i].state == SET_RUNNING else 0.0
    s.genset_kw = left_kw
    for i in range(s.genset_count):
        genset_step(&s.genset[i], left_kw * s.genset[i].kw_max / rating_kw if rating_kw > 0.0 else 0.0,
                    s.nominal_hz, s.nominal_v, t_ns, step_s)


cdef void step_power(Site *s, int64_t t_ns, double step_s) noexcept nogil:
    """Load, sun, converters, battery and meter up to t_ns."""
    cdef double place = 0.0 if s.trace.held else 1e-9 * (t_ns - s.t_start_ns) * s.trace.rate_hz
    cdef int32_t i
    cdef Pcs *p
    find_source(s, t_ns, step_s)
    s.load_kw = interpolated(s.trace.load_kw, &s.trace, place)
    s.load_kw = 0.0 if s.source == SOURCE_NONE else max(s.load_kw - s.shed_kw, 0.0)
    s.pv_kw = interpolated(s.trace.pv_kw, &s.trace, place) if s.trace.pv_kw != NULL else 0.0
    s.pv_kw = s.pv_kw if s.source == SOURCE_GRID else 0.0
    s.pcs_kw = 0.0
    for i in range(s.pcs_count):
        p = &s.pcs[i]
        pcs_step(p, t_ns)
        if s.battery.tripped and p.state == STATE_RUNNING:
            pcs_trip(p, FAULT_BATTERY)
    if s.source == SOURCE_PCS or s.source == SOURCE_NONE:
        form_power(s, step_s)
    for i in range(s.pcs_count):
        s.pcs_kw += s.pcs[i].ac_kw
    carry_gensets(s, t_ns, step_s)
    battery_step(&s.battery, s.pcs_kw, step_s)
    for i in range(s.pcs_count):
        p = &s.pcs[i]
        p.dc_v = s.battery.dc_v
        p.dc_kw = s.battery.dc_kw * (p.ac_kw / s.pcs_kw if s.pcs_kw != 0.0 else 0.0)
        p.dc_a = 1000.0 * p.dc_kw / p.dc_v
    s.grid_kw = s.load_kw - s.pcs_kw - s.pv_kw - s.genset_kw if s.source == SOURCE_GRID else 0.0
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

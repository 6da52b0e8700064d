"""The whole simulated site in one struct: load, sun, converters, battery, meter, waveform, wires, slaves."""
from libc.stdint cimport int32_t, int64_t
from ext.image cimport CHANNEL_MAX, PCS_MAX, PORT_MAX
from tools.plant.backup cimport Genset, Switch
from tools.plant.battery cimport Battery
from tools.plant.pcs cimport Pcs
from tools.plant.slave cimport Slave
from tools.plant.wave cimport Wave
from tools.plant.wire cimport Wire


cdef enum:
    SLAVE_MAX = 32
    COLUMNS = 9             # of the record, named in site.COLUMN_NAMES
    GENSET_MAX = 8


cdef enum Source:           # what carries the bus; index of the names in registers.SOURCES
    SOURCE_NONE = 0
    SOURCE_GRID = 1
    SOURCE_GENSET = 2
    SOURCE_PCS = 3


cdef struct Trace:          # what the load and the sun do; linear between its points
    const double *load_kw
    const double *pv_kw     # NULL: none
    int64_t count
    double rate_hz
    int32_t loops           # 1: starts again at its end, 0: holds its last value
    int32_t held            # 1: rests at its first value, the scene has not begun


cdef struct Record:         # true values, one row every `every` steps; a ring of `capacity` rows
    double *rows
    int64_t capacity
    int64_t written         # rows ever written
    int64_t every           # 0: no record


cdef struct Site:
    int64_t t_start_ns
    int64_t t_ns
    int64_t steps
    Trace trace
    double load_kw
    double grid_kw          # positive imports
    double pcs_kw           # delivered by all converters, positive discharges
    double pv_kw
    double genset_kw
    double frequency_hz
    double voltage_v        # phase to neutral, RMS
    double nominal_hz
    double nominal_v        # phase to neutral, RMS
    double grid_v           # at the grid side of the switch, phase to neutral
    double grid_hz
    double shed_kw          # load that is shed
    int32_t grid_away       # 1: the grid has failed
    int32_t source          # Source
    double dead_s           # since when the bus has no source
    double over_s           # since when converters form more than they can
    double pcs_v            # the same at the converters' terminals
    double import_kwh
    double export_kwh
    double pv_kwh           # what a meter on the PV feeder counts
    double nothing          # 0, for a register without a value of its own
    double mode             # of the controller, as it was marked
    Battery battery
    int32_t pcs_count
    Pcs pcs[PCS_MAX]
    int32_t genset_count
    Genset genset[GENSET_MAX]
    Switch ats
    Wave wave
    int32_t counts[CHANNEL_MAX]
    int32_t wire_count
    Wire wire[PORT_MAX]
    int32_t slave_count
    Slave slave[SLAVE_MAX]
    Record record


cdef void site_start(Site *s, int64_t t_ns) noexcept nogil
cdef void site_begin(Site *s, int64_t t_ns) noexcept nogil
cdef void site_step(Site *s, int64_t t_ns) noexcept nogil

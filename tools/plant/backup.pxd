"""What carries the site without the grid: gensets, and the transfer switch between grid, genset and neither."""
from libc.stdint cimport int32_t, int64_t


cdef enum SetState:         # index of the names in registers.SET_STATES
    SET_OFF = 0
    SET_STARTING = 1
    SET_RUNNING = 2
    SET_COOLING = 3
    SET_FAULT = 4


cdef enum Position:         # index of the names in registers.POSITIONS
    AT_OPEN = 0
    AT_GRID = 1
    AT_GENSET = 2


cdef struct Genset:
    int32_t state           # SetState
    int64_t t_state_ns      # since when
    int64_t failures        # starts that will fail
    double kw_max
    double kw               # carried now
    double frequency_hz     # of its own terminals, 0: it stands
    double voltage_v        # phase to neutral
    double speed_rpm
    double load_pct
    double fuel_pct
    double coolant_c
    double run_h
    int64_t starts          # cranks since the plant began


cdef struct Switch:
    int32_t present         # 0: the site is tied to the grid for good
    int32_t position        # Position
    int32_t aim             # Position it was last ordered to
    int32_t stuck           # 1: it does not move
    int64_t t_move_ns       # when its present movement began, 0: it rests
    double sync_word        # 1: both sides of the open switch in step
    double dead_word        # 1: bus without voltage
    double grid_word        # 1: voltage at the grid side
    double genset_word
    double angle_rad        # of the aimed source against the bus
    int64_t clashes         # closings onto a live bus out of step
    int64_t backfeeds       # steps in which converters formed a bus that a switch tied to a dead grid


cdef void genset_init(Genset *g, double kw_max) noexcept nogil
cdef void genset_order(Genset *g, int32_t start, int64_t t_ns) noexcept nogil
cdef void genset_step(Genset *g, double load_kw, double nominal_hz, double nominal_v, int64_t t_ns,
                      double step_s) noexcept nogil
cdef void switch_order(Switch *w, int32_t aim) noexcept nogil
cdef void switch_step(Switch *w, int32_t bus_live, int64_t t_ns) noexcept nogil
cdef void switch_watch(Switch *w, double bus_hz, double grid_hz, double genset_hz, double step_s) noexcept nogil

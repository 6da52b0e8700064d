"""The LFP battery of the site: energy, terminal voltage, temperature and what its BMS allows."""
from libc.stdint cimport int32_t


cdef struct BatterySetup:
    double capacity_kwh
    double soc_pct_start
    double cell_c_start


cdef struct Battery:
    BatterySetup setup
    double capacity_ah
    double resistance_ohm
    double heat_j_per_c
    double stored_kwh
    double soc_pct
    double soh_pct
    double ocv_v            # open-circuit voltage of the string
    double dc_kw            # at the terminals, positive discharges
    double dc_v
    double dc_a
    double cell_v_min
    double cell_v_max
    double cell_c_mean
    double cell_c_min
    double cell_c_max
    double allowed_pu       # share of its limits that the BMS allows for reasons of its own
    double charge_a_max     # what the BMS allows now
    double discharge_a_max
    double charge_v_max
    double discharge_v_min
    int32_t tripped         # 1: SOC or voltage outside the limits; the BMS opens its contactor
    double fault_word       # tripped, as a register shows it
    double heartbeat        # seconds counted, as a register shows them
    double slow_s           # time since the slow values were worked out


cdef void battery_init(Battery *b, const BatterySetup *setup) noexcept nogil
cdef void battery_step(Battery *b, double pcs_kw, double step_s) noexcept nogil

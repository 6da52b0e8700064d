"""LFP pack: SOC by energy, open-circuit voltage and resistance, one thermal node, BMS limits.

All conversion losses sit in the one-way efficiency between AC power and DC terminals; the stored energy
falls by exactly the DC energy. The resistance sets the terminal voltage and the heat alone.
"""
from libc.math cimport sqrt
from libc.stdint cimport int32_t

cdef enum:
    OCV_POINTS = 11

# One-way efficiency between AC and DC, an assumption: 0.94 round trip, inside the 0.92 to 0.96 of LFP sites.
cdef double ETA_ONE_WAY = 0.97
# 400 LFP cells in series: 1.28 to 1.34 kV over the working range, the class of 1500 V converters.
cdef double CELLS = 400.0
cdef double CELL_V_NOMINAL = 3.2
cdef double CELL_V_CHARGE_MAX = 3.65
cdef double CELL_V_DISCHARGE_MIN = 2.5
# Open-circuit voltage in steps of 10 % SOC; 10 to 90 % spans 141 mV (reference/safety.md 6.3, R24).
cdef double[OCV_POINTS] OCV_V = [2.80, 3.201, 3.242, 3.270, 3.287, 3.293, 3.302, 3.326, 3.333, 3.342, 3.450]
cdef double DROP_PU_AT_1C = 0.04        # voltage drop at 1 C, share of nominal
cdef double CELL_SPREAD_V = 0.004       # weakest and strongest cell against the mean
cdef double CELL_SPREAD_C = 1.5
cdef double AMBIENT_C = 25.0
cdef double HEAT_J_PER_C_KWH = 6250.0   # 6.25 kg of cells a kWh at 1 kJ/(kg K)
cdef double COOLING_S = 7200.0          # thermal time constant to ambient
cdef double TAPER_PCT = 5.0             # the BMS fades its current limit over the last 5 % of SOC
cdef double HEARTBEAT_END = 60000.0     # the count begins anew, as SunSpec 802 has it
cdef double SLOW_S = 0.1                # temperature and limits move slowly: worked out at 10 Hz


cdef double open_circuit_v(double soc_pct) noexcept nogil:
    """Voltage of one cell, V, linear between the points of the curve."""
    cdef double place = soc_pct / 10.0
    cdef int32_t index
    if place < 0.0:
        place = 0.0
    elif place > OCV_POINTS - 1:
        place = OCV_POINTS - 1
    index = <int32_t>place
    if index > OCV_POINTS - 2:
        index = OCV_POINTS - 2
    return OCV_V[index] + (place - index) * (OCV_V[index + 1] - OCV_V[index])


cdef double charge_rate_c(double cell_c) noexcept nogil:
    """Charge current limit in C by cell temperature (reference/safety.md 6.3, upper end of each row)."""
    if cell_c < 0.0 or cell_c > 60.0:
        return 0.0
    if cell_c < 5.0:
        return 0.1
    if cell_c < 10.0:
        return 0.2
    if cell_c < 25.0:
        return 1.0
    return 0.75 if cell_c < 50.0 else 0.1


cdef double discharge_rate_c(double cell_c) noexcept nogil:
    """Discharge current limit in C by cell temperature (same table)."""
    if cell_c < -40.0 or cell_c > 60.0:
        return 0.0
    if cell_c < -20.0:
        return 0.1
    return 0.5 if cell_c < 0.0 else 1.0


cdef double taper(double room_pct) noexcept nogil:
    """1 with room left, falling to 0 over the last TAPER_PCT of SOC."""
    if room_pct <= 0.0:
        return 0.0
    return room_pct / TAPER_PCT if room_pct < TAPER_PCT else 1.0


cdef void slow_values(Battery *b, double elapsed_s) noexcept nogil:
    """Temperature after elapsed_s, and the limits the BMS draws from it and from the SOC."""
    cdef double heat_w = b.dc_a * b.dc_a * b.resistance_ohm
    cdef double charge_c, discharge_c
    b.cell_c_mean += elapsed_s * (heat_w / b.heat_j_per_c - (b.cell_c_mean - AMBIENT_C) / COOLING_S)
    b.cell_c_min = b.cell_c_mean - CELL_SPREAD_C
    b.cell_c_max = b.cell_c_mean + CELL_SPREAD_C
    charge_c = min(charge_rate_c(b.cell_c_min), charge_rate_c(b.cell_c_max))
    discharge_c = min(discharge_rate_c(b.cell_c_min), discharge_rate_c(b.cell_c_max))
    b.charge_a_max = b.allowed_pu * b.capacity_ah * charge_c * taper(100.0 - b.soc_pct)
    b.discharge_a_max = b.allowed_pu * b.capacity_ah * discharge_c * taper(b.soc_pct)
    b.ocv_v = CELLS * open_circuit_v(b.soc_pct)
    b.heartbeat = (b.heartbeat + elapsed_s) % HEARTBEAT_END


cdef void battery_init(Battery *b, const BatterySetup *setup) noexcept nogil:
    """A pack at rest at its starting SOC and temperature."""
    b.setup = setup[0]
    b.capacity_ah = 1000.0 * setup.capacity_kwh / (CELLS * CELL_V_NOMINAL)
    b.resistance_ohm = DROP_PU_AT_1C * CELLS * CELL_V_NOMINAL / b.capacity_ah
    b.heat_j_per_c = HEAT_J_PER_C_KWH * setup.capacity_kwh
    b.soc_pct = setup.soc_pct_start
    b.soh_pct = 100.0
    b.allowed_pu = 1.0
    b.stored_kwh = 0.01 * b.soc_pct * setup.capacity_kwh
    b.cell_c_mean = setup.cell_c_start
    b.charge_v_max = CELLS * CELL_V_CHARGE_MAX
    b.discharge_v_min = CELLS * CELL_V_DISCHARGE_MIN
    b.dc_a = 0.0
    b.tripped = 0
    b.slow_s = 0.0
    slow_values(b, 0.0)
    battery_step(b, 0.0, 0.0)


cdef void battery_step(Battery *b, double pcs_kw, double step_s) noexcept nogil:
    """Carries the pack over step_s at the AC power pcs_kw of all its converters."""
    cdef double open_v = b.ocv_v
    cdef double room
    b.dc_kw = pcs_kw / ETA_ONE_WAY if pcs_kw > 0.0 else pcs_kw * ETA_ONE_WAY
    b.stored_kwh -= b.dc_kw * step_s / 3600.0
    b.soc_pct = 100.0 * b.stored_kwh / b.setup.capacity_kwh
    # P = (open_v - I R) I has two roots; the pack runs on the one of smaller current.
    room = open_v * open_v - 4000.0 * b.resistance_ohm * b.dc_kw
    b.dc_v = 0.5 * (open_v + sqrt(room if room > 0.0 else 0.0))
    b.dc_a = 1000.0 * b.dc_kw / b.dc_v
    b.cell_v_min = b.dc_v / CELLS - CELL_SPREAD_V
    b.cell_v_max = b.dc_v / CELLS + CELL_SPREAD_V
    b.slow_s += step_s
    if b.slow_s >= SLOW_S:
        slow_values(b, b.slow_s)
        b.slow_s = 0.0
    if b.soc_pct < 0.0 or b.soc_pct > 100.0 or b.dc_v > b.charge_v_max or b.dc_v < b.discharge_v_min:
        b.tripped = 1
    b.fault_word = b.tripped

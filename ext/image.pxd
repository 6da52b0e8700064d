"""The nouns of one frame: plain structs of fixed size, one field a line, unit in the name.

Sign: power into the site bus is positive. grid_kw > 0 imports, pcs_kw > 0 discharges.
Every struct can be filled from a Python dict of the same names before the frame starts.
"""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef enum:
    CHANNEL_MAX = 16    # analogue channels of one sample
    PCS_MAX = 8         # converters of one site
    PORT_MAX = 8        # serial ports of one site
    POLL_MAX = 64       # transactions in the poll table of one site
    ORDER_MAX = 8       # one-shot writes under way, one slot a device
    RULE_MAX = 64       # writes the guard lets pass
    WORD_MAX = 125      # registers in one reply (Modbus limit)
    BYTE_MAX = 260      # bytes of one RTU frame and a little over (limit 256)
    ERROR_MAX = 12      # kinds of bus error, RtuError below


cdef enum Channel:      # index into Sample.si and into a ring slot's counts
    LOAD_IA = 0         # load feeder currents, A
    LOAD_IB = 1
    LOAD_IC = 2
    LOAD_VA = 3         # load feeder phase voltages, V to neutral
    LOAD_VB = 4
    LOAD_VC = 5
    PCC_IA = 6          # the same at the grid connection
    PCC_IB = 7
    PCC_IC = 8
    PCC_VA = 9
    PCC_VB = 10
    PCC_VC = 11
    DC_V = 12           # battery DC bus, V
    DC_A = 13           # battery DC bus, A, positive discharges


cdef enum Quality:      # bits, of one channel or of a track; 0 is good
    QUALITY_ABSENT = 1      # not wired on this site
    QUALITY_STALE = 2       # older than the freshness limit
    QUALITY_SATURATED = 4   # at the converter's rail (F05)
    QUALITY_STUCK = 8       # the same code for 200 samples (F04)
    QUALITY_NOT_FINITE = 16     # NaN or infinity (F07)
    QUALITY_UNLOCKED = 32   # no frequency lock: one-cycle mean in use
    QUALITY_OPEN = 64       # of a feeder: one phase is far below its sisters (F01)
    QUALITY_REVERSED = 128  # a current or voltage transformer turned around (F02)
    QUALITY_SWAPPED = 256   # phases swapped (F03)


cdef enum Mode:
    MODE_INIT = 0
    MODE_STANDBY = 1
    MODE_GRID_TIED = 2
    MODE_SAFE_STOP = 3


cdef enum Permit:       # bits of Limits.permit
    PERMIT_ORDER = 1    # one-shot writes: start, stop, watchdog
    PERMIT_SETPOINT = 2     # power setpoints
    PERMIT_BAR = 256        # shifted by a port's index: no write there until its devices are verified (F79)


cdef enum RtuError:     # index into Poll.errors
    RTU_TIMEOUT = 0
    RTU_CRC = 1
    RTU_WRONG_UNIT = 2
    RTU_WRONG_FUNCTION = 3
    RTU_WRONG_LENGTH = 4
    RTU_WRONG_ECHO = 5
    RTU_EXCEPTION = 6
    RTU_UNSOLICITED = 7
    RTU_IO = 8
    RTU_BLOCKED = 9     # stopped by the guard
    RTU_CANARY = 10     # a word that must hold a value holds another (F17, F18)


cdef struct Sample:
    int64_t t_ns            # when the converter sampled, monotonic clock
    uint64_t sequence       # counts every sample of the source
    uint64_t lost           # samples skipped since start
    uint64_t missed         # ticks of the converter's clock without a sample, since start (F11)
    int32_t fresh           # 1: new in this frame
    int32_t quality[CHANNEL_MAX]    # Quality bits
    double si[CHANNEL_MAX]      # V or A


cdef struct Track:
    int64_t t_ns            # time of the sample behind the values
    double load_kw          # instantaneous three-phase load power, ripple removed
    double load_kw_mean     # one-cycle mean of the same, for the supervisor
    double load_half_kw     # mean of the last whole half cycle, for metering
    double load_200ms_kw    # mean of the last 10 cycles of 50 Hz or 12 of 60 Hz, for metering (IEC 61000-4-30)
    double grid_kw          # power at the grid connection, measured or load minus battery
    double grid_200ms_kw    # mean of the last 200 ms like the load's
    double battery_kw       # AC power of the battery at the same instant: by its DC bus, or the law's model
    double dc_kw            # battery DC power, positive discharges
    double dc_kwh           # energy that has left the battery by its DC bus since start; good samples alone
    double dc_s             # time that is counted in it
    double dc_v             # battery DC voltage
    double frequency_hz     # of the phase voltages
    double rocof_hz_per_s   # rate of change of the frequency
    double voltage_v        # RMS phase to neutral, mean of three
    double delay_s          # declared delay of load_kw against the sample
    int32_t quality         # Quality bits of load_kw
    int32_t grid_quality    # of the connection's channels, QUALITY_ABSENT where there are none
    int32_t dc_quality      # of the DC bus, the same


cdef struct Order:
    int32_t poll            # index of the poll that carries the order, -1: none, nor in what follows
    uint32_t sequence       # a new number is a new order; sent once, never repeated blindly
    uint16_t words[4]       # values of the registers, in address order


cdef struct Limits:
    uint64_t sequence
    int64_t t_issue_ns
    int64_t valid_until_ns      # the lease: later than this the frame goes to the safe state alone
    int32_t mode                # Mode
    int32_t permit              # Permit bits
    double discharge_kw_max[PCS_MAX]    # >= 0
    double charge_kw_max[PCS_MAX]       # >= 0
    double import_kw_max        # at the grid connection
    double export_kw_max
    double ramp_up_kw_per_s_max     # of the grid power
    double ramp_down_kw_per_s_max
    double fall_kw_per_s        # how fast a command may lag behind a limit that shrinks
    double leak_kw              # added to the grid target to bring the SOC back, > 0 charges
    double gain                 # share of the deviation that the battery takes, 0 to 1
    double prompt_pu            # of it, the part that may pass at once, below 0 the wide filter; the rest the late one
    double dc_v_max             # DC bus above it: no charge, at once (F10); 0: no limit is known
    Order orders[ORDER_MAX]


cdef struct Command:
    double support_kw           # what the grid's frequency asks of the battery, discharge positive
    double target_kw            # grid power aimed at
    double gain                 # share of the deviation taken: of the lease and of what the loop delay lets help
    double prompt_pu            # of it, the part that passes at once, likewise
    double pcs_kw               # wanted battery power of the site
    double lead_kw              # what the converters are told in sum, so that pcs_kw arrives in spite of their lag
    int64_t edge_from_ns        # an edge of the load is expected from then
    int64_t edge_until_ns       # until then; none is: both long past
    double setpoint_kw[PCS_MAX]     # the same for each converter; the bus takes the newest
    double sent_kw[PCS_MAX]     # last value that left on the wire
    int64_t t_sent_ns[PCS_MAX]

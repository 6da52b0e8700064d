"""The nouns of one supervisor cycle. Frozen, nothing else; names equal the structs of ext.image.

Sign: power into the site bus is positive. grid_kw > 0 imports, pcs_kw > 0 discharges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from math import inf, nan

from controller.records import quick

CHANNELS = (
    "load_ia", "load_ib", "load_ic", "load_va", "load_vb", "load_vc",
    "pcc_ia", "pcc_ib", "pcc_ic", "pcc_va", "pcc_vb", "pcc_vc",
    "dc_v", "dc_a",
)  # fmt: skip


class Mode(IntEnum):
    """Modes of the site, as an operator says them on the phone. Where each may go: safety.modes."""

    INIT = 0  # devices are read, nothing is written
    STANDBY = 1
    GRID_TIED = 2
    SAFE_STOP = 3  # goes on alone, or becomes FAULT
    FAULT = 4  # class C: waits for an operator
    LOCKOUT = 5  # class D: waits for a person at the box
    MAINT = 6  # key switch: nobody but the person there commands
    ISLANDING = 7  # on the way from a source to a bus that the converters form
    ISLANDED = 8  # the converters form the bus
    GENSET_START = 9  # they form it while a genset starts
    GENSET = 10  # a genset forms it
    RESYNC = 11  # on the way back to the grid
    BLACK_START = 12  # from a dead bus


class Permit(IntEnum):
    """Bits of Limits.permit: which writes may leave."""

    ORDER = 1
    SETPOINT = 2
    BAR = 256  # shifted by a port's index: nothing may be written there


class Quality(IntEnum):
    """Bits of a track's quality, of ext.image; 0 is good."""

    ABSENT = 1
    STALE = 2
    SATURATED = 4
    STUCK = 8
    NOT_FINITE = 16
    UNLOCKED = 32
    OPEN = 64
    REVERSED = 128
    SWAPPED = 256


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on both clocks. Control uses t_ns alone; the wall clock is for tariffs and logs."""

    t_ns: int
    utc_s: float


@quick
@dataclass(frozen=True, slots=True)
class Track:
    """What the waveform says: powers in kW, see ext.image.Track."""

    t_ns: int = 0
    load_kw: float = 0.0
    load_kw_mean: float = 0.0
    load_half_kw: float = 0.0
    load_200ms_kw: float = 0.0
    grid_kw: float = 0.0
    grid_200ms_kw: float = 0.0
    battery_kw: float = 0.0
    dc_kw: float = 0.0
    dc_kwh: float = 0.0
    dc_s: float = 0.0
    dc_v: float = 0.0
    frequency_hz: float = 0.0
    rocof_hz_per_s: float = 0.0
    voltage_v: float = 0.0
    delay_s: float = 0.0
    quality: int = 0  # bits of Quality
    grid_quality: int = Quality.ABSENT
    dc_quality: int = Quality.ABSENT


@quick
@dataclass(frozen=True, slots=True)
class Device:
    """One device as last read. values: canonical point names, house units; age_s of the oldest block."""

    name: str
    kind: str  # pcs, bms, meter
    values: Mapping[str, float]
    age_s: float  # inf: never answered
    misses: int = 0  # bus errors since the last right reply
    state: str = "unknown"  # of a pcs: standby, running, fault, unknown
    armed: bool = False  # its own watchdog read back as armed
    identity: str = ""  # empty: not read yet
    silent_s: float = inf  # since its newest reply of any kind, a confirmed setpoint included
    strange: bool = False  # its map is not the profile's: nothing of it is believed
    t_ok_ns: int = 0  # arrival of its oldest live block, 0: never answered
    alike: int = 0  # replies in a row, before the last, that said the very same
    t_identity_ns: int = 0  # arrival of the reply that told `identity`, 0: none yet
    t_setpoint_ns: int = 0  # and of the one that told its point `setpoint_kw`
    t_able_ns: int = 0  # and of the newest that told what it can do: `discharge_kw_max`, `charge_kw_max`
    late_pct: float = 0.0  # share of its replies of the last minute that took too long (F80)
    round_trips: tuple[int, ...] = ()  # replies since start by round trip: bin k from 2^k to 2^(k+1) us


@quick
@dataclass(frozen=True, slots=True)
class PortLook:
    """One serial port. Counts since start."""

    name: str
    t_taken_ns: int = 0  # since when it has its present tty, 0: it has none
    heard: int = 0  # replies, right or damaged; silence is none
    failed: int = 0  # of these: damaged
    unsolicited: int = 0  # bytes when no request was out


@dataclass(frozen=True, slots=True)
class Feeder:
    """What the connection has carried lately, see runtime.feeder; nan: not known."""

    range_kw: float = float("nan")  # of the 20 ms mean within the utility's window
    line_kw: float = float("nan")  # largest amplitude between 0.1 and 20 Hz
    line_hz: float = float("nan")
    band_pct: float = float("nan")  # of the energy of all motion, what lies between 0.1 and 20 Hz


@quick
@dataclass(frozen=True, slots=True)
class Backstop:
    """Whether the battery amplifies: grid over load, the worst line of 0.1 to 20 Hz."""

    tier: int = 0  # 0 free, 1 reduced gain, 2 hold, 3 safe
    share: float = 1.0  # of the gain that is left
    line_hz: float = 0.0
    excess_db: float = 0.0
    grid_kw: float = 0.0  # amplitude of that line
    prompt_pu: float = 1.0  # of it, the part that may pass at once without harm; below 0: a wide filter
    feeder: Feeder = Feeder()
    blind: bool = False  # one set of sensors only: battery and load cannot be told apart


@quick
@dataclass(frozen=True, slots=True)
class Frame:
    """How the 10 kHz half fares."""

    frames: int = 0
    t_ns: int = 0
    lease_live: bool = False
    lease_lapses: int = 0
    overruns: int = 0
    skipped: int = 0
    holes: int = 0  # times it was silent for more than 10 ms: the lease was barred until renewed
    trips: int = 0  # and for more than 100 ms: barred until the supervisor asks for rest
    samples_lost: int = 0
    samples_missed: int = 0  # ticks of the converter's clock that brought no sample (F11)
    sample_age_s: float = float("inf")
    guard_blocked: int = 0
    charge_cuts: int = 0  # times that the frame itself has cut charging: DC over-voltage
    discharge_cuts: int = 0  # and discharging: power flowed out of the source
    ports_lost: tuple[str, ...] = ()
    ports: tuple[PortLook, ...] = ()
    sent_kw: tuple[float, ...] = ()
    sent_kw_low: tuple[float, ...] = ()  # least setpoint in force since the image before; -inf: not known
    sent_kw_high: tuple[float, ...] = ()  # and the largest
    target_kw: float = 0.0
    gain: float = 0.0  # share of the deviation that the law takes; 0: the loop is too slow to help
    prompt_pu: float = 1.0  # of it, the part that passes at once; below 0: the wide filter's, see ext.shape
    loop_delay_s: float = 0.0  # effective delay of the setpoint path
    period_s: float = 0.0  # with which the load comes back, where its lines are followed; 0: not known
    loop_at: int = 0  # which of its loops the law uses: 0 of all converters, k of all but the k-th
    backstop: Backstop = field(default_factory=Backstop)
    drifts: tuple[
        tuple[str, float], ...
    ] = ()  # converter: its deviation from the dynamics in use, 1: the limit


@quick
@dataclass(frozen=True, slots=True)
class Box:
    """How the computer itself fares; nan: it does not tell."""

    clock_unset: bool = False  # F76: of a year before the program's
    clock_alone: bool = False  # F76: no time source since the start
    cpu_c: float = nan  # F78: hottest sensor of the processor
    stolen_pu: float = nan  # F83: of the last seconds, the part in which others had the processor
    memory_pu: float = nan  # F70: of what the service may have


@quick
@dataclass(frozen=True, slots=True)
class Telemetry:
    """Everything one cycle may know. Nothing in it changes during the cycle."""

    now: Instant
    track: Track
    frame: Frame
    devices: Mapping[str, Device]
    inputs: Mapping[str, float] = field(default_factory=dict)  # wired contact: 1 active, 0 not, nan not known
    disk_full: bool = False  # F71
    limits_flipped: bool = False  # F81
    box: Box = Box()


@quick
@dataclass(frozen=True, slots=True)
class Wish:
    """What the slow loop would like; the envelope decides what it gets."""

    leak_kw: float = 0.0  # added to the grid target, > 0 charges
    ramp_kw_per_s_max: float = 50.0
    gain: float = 1.0
    prompt_pu: float = 1.0  # of what is taken of a swing, the part that passes at once; below 0: likewise
    planned_kw: float = 0.0  # battery power of the plan behind it, 0: none


@dataclass(frozen=True, slots=True)
class Order:
    """A one-shot write for the frame. words in address order; sequence new for each order."""

    poll: int = -1
    sequence: int = 0
    words: tuple[int, ...] = (0, 0, 0, 0)


@quick
@dataclass(frozen=True, slots=True)
class Limits:
    """The lease. Field for field the struct ext.image.Limits."""

    sequence: int
    t_issue_ns: int
    valid_until_ns: int
    mode: Mode
    permit: int
    discharge_kw_max: tuple[float, ...]  # one entry a converter, >= 0
    charge_kw_max: tuple[float, ...]
    import_kw_max: float
    export_kw_max: float
    ramp_up_kw_per_s_max: float
    ramp_down_kw_per_s_max: float
    fall_kw_per_s: float
    leak_kw: float
    gain: float
    prompt_pu: float
    dc_v_max: float = 0.0  # 0: no limit is known
    orders: tuple[Order, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Curve:
    """One quantity over time in equal steps, in the shape of S2's PowerForecast: expected value and bands.

    A band that is not told is empty. Times are UTC seconds; nothing is said before start_utc_s and after the end.
    """

    start_utc_s: float = 0.0
    step_s: float = 900.0
    expected: tuple[float, ...] = ()
    low_68: tuple[float, ...] = ()
    high_68: tuple[float, ...] = ()
    low_95: tuple[float, ...] = ()
    high_95: tuple[float, ...] = ()
    issued_utc_s: float = 0.0
    valid_until_utc_s: float = 0.0
    sequence: int = 0
    source: str = ""

    def at(self, utc_s: float) -> float | None:
        """The expected value of the step that holds utc_s; None outside the curve or its validity."""
        place = (utc_s - self.start_utc_s) / self.step_s
        if not 0.0 <= place < len(self.expected) or utc_s >= self.valid_until_utc_s:
            return None
        return self.expected[int(place)]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the planner expects and would do; empty until a plan exists. Can move a wish, never a limit."""

    t_issue_ns: int = 0
    load_kw: Curve = field(default_factory=Curve)
    pv_kw: Curve = field(default_factory=Curve)
    spot_per_kwh: Curve = field(default_factory=Curve)  # published prices alone, in the tariff's currency
    pcs_kw: Curve = field(default_factory=Curve)  # planned battery power, > 0 discharges
    limits_kw: Mapping[str, float] = field(default_factory=dict)  # demand charge: mean its windows may reach
    reason: str = ""  # rung of the planner's ladder and why


@quick
@dataclass(frozen=True, slots=True)
class PollState:
    """One line of the frame's poll table, as last copied out of ext.rtu.Poll."""

    t_ok_ns: int = 0  # last right reply, 0: never
    words: tuple[int, ...] = ()  # of that reply
    misses: int = 0
    exception: int = 0
    order_done: int = 0
    order_result: int = 0  # 0 under way, 1 confirmed, -1 refused or unanswered
    round_trip_ns: int = 0
    alike: int = 0  # right replies in a row, before the last, with its very words


@quick
@dataclass(frozen=True, slots=True)
class FastImage:
    """What the frame published, in the supervisor's nouns. polls in the order of the bus table."""

    track: Track = field(default_factory=Track)
    frame: Frame = field(default_factory=Frame)
    polls: tuple[PollState, ...] = ()

"""The nouns of one supervisor cycle. Frozen, nothing else; names equal the structs of ext.image.

Sign: power into the site bus is positive. grid_kw > 0 imports, pcs_kw > 0 discharges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from math import inf

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
    dc_v: float = 0.0
    frequency_hz: float = 0.0
    rocof_hz_per_s: float = 0.0
    voltage_v: float = 0.0
    delay_s: float = 0.0
    quality: int = 0  # bits of Quality
    grid_quality: int = Quality.ABSENT
    dc_quality: int = Quality.ABSENT


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
    t_identity_ns: int = 0  # arrival of the reply that told `identity`, 0: none yet
    late_pct: float = 0.0  # share of its replies of the last minute that took too long (F80)
    round_trips: tuple[int, ...] = ()  # replies since start by round trip: bin k from 2^k to 2^(k+1) us


@dataclass(frozen=True, slots=True)
class PortLook:
    """One serial port. Counts since start."""

    name: str
    t_taken_ns: int = 0  # since when it has its present tty, 0: it has none
    asked: int = 0  # requests
    failed: int = 0  # of these: no reply or a wrong one
    unsolicited: int = 0  # bytes when no request was out


@dataclass(frozen=True, slots=True)
class Backstop:
    """Whether the battery amplifies: grid over load, the worst line of 0.1 to 20 Hz."""

    tier: int = 0  # 0 free, 1 reduced gain, 2 hold, 3 safe
    share: float = 1.0  # of the gain that is left
    line_hz: float = 0.0
    excess_db: float = 0.0
    grid_kw: float = 0.0  # amplitude of that line
    blind: bool = False  # one set of sensors only: battery and load cannot be told apart


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
    sample_age_s: float = float("inf")
    guard_blocked: int = 0
    ports_lost: tuple[str, ...] = ()
    ports: tuple[PortLook, ...] = ()
    sent_kw: tuple[float, ...] = ()
    target_kw: float = 0.0
    gain: float = 0.0  # share of the deviation that the law takes; 0: the loop is too slow to help
    loop_delay_s: float = 0.0  # effective delay of the setpoint path
    backstop: Backstop = field(default_factory=Backstop)
    drifts: tuple[
        tuple[str, float], ...
    ] = ()  # converter: its deviation from the dynamics in use, 1: the limit


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Everything one cycle may know. Nothing in it changes during the cycle."""

    now: Instant
    track: Track
    frame: Frame
    devices: Mapping[str, Device]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the slow loop would like; the envelope decides what it gets."""

    leak_kw: float = 0.0  # added to the grid target, > 0 charges
    ramp_kw_per_s_max: float = 50.0
    gain: float = 1.0


@dataclass(frozen=True, slots=True)
class Order:
    """A one-shot write for the frame. words in address order; sequence new for each order."""

    poll: int = -1
    sequence: int = 0
    words: tuple[int, ...] = (0, 0, 0, 0)


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
    ramp_kw_per_s_max: float
    fall_kw_per_s: float
    leak_kw: float
    gain: float
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


class Effect(IntEnum):
    """What a condition takes away. The larger is the more severe."""

    NOTE = 0  # an event and a line in the status, nothing else
    EXPORT_WORST = 1  # the grid meter is not believed: export is judged by its worst case (IL-09)
    NO_CHARGE = 2  # no charging (IL-04)
    FREEZE = 3  # no growth of the battery's limits, no engaging
    HOLD = 4  # no power, nothing written to the port, the mode stays: a short flap of a port (F79)
    STOP = 5  # SAFE_STOP; an island goes on, frozen: zero power would be a blackout
    TRIP = 6  # SAFE_STOP of an island too


@dataclass(frozen=True, slots=True)
class Condition:
    """One row of the fault table on one subject, with the memory its hold times need."""

    code: str  # id in the fault catalogue: F16
    name: str  # pcs-mute
    subject: str  # device, port or "site"
    grade: str  # reset class A, B, C or D of reference/safety.md 2.4
    effect: Effect
    cause: str  # plain words with the value and the limit
    cure: str
    active: bool = False
    t_raw_ns: int = 0  # since when the limit is passed without a break, 0: it is not
    t_gone_ns: int = 0  # since when the cause of an active condition is gone, 0: it is not
    level: int = 0  # degradation D0 to D3 while it is active


@dataclass(frozen=True, slots=True)
class Asked:
    """What people and programs ask of safety in this cycle, as far as they may: see safety.command.

    start, stop, island and black_start are asked once; pressed and key are held.
    """

    start: bool = False
    stop: bool = False
    pressed: str = ""  # the reset button: "operator", "local" (at the box), empty: nobody presses
    reason: str = ""  # of the reset, in the person's words
    key: bool = False  # the maintenance key switch
    island: bool = False  # planned: leave the grid
    black_start: bool = False


@dataclass(frozen=True, slots=True)
class Converter:
    """One PCS, as the modes and the envelope need it."""

    name: str
    pcs_kw: float
    state: str  # of its last reply: off, standby, starting, running, fault, unknown
    fresh: bool
    armed: bool  # its own watchdog, read back
    accepted: bool  # identity read, accepted, and the same as at first
    forming: bool = False  # it forms the bus, or will as soon as no source carries it; read back


@dataclass(frozen=True, slots=True)
class SocBand:
    """The counted state of charge, see safety.soc: between low and high, by all we know."""

    low_pct: float = float("nan")
    high_pct: float = float("nan")
    t_ns: int = 0  # of the newest reading in it
    t_anchor_ns: int = 0  # last proven full or empty; the first reading at first
    t_held_ns: int = 0  # since when the cells look full or empty, 0: they do not
    dc_kw: float = float("nan")  # of that reading, > 0 discharges


@dataclass(frozen=True, slots=True)
class Battery:
    """What the BMS allows now, the whole site. Growth needs two agreeing replies (IL-12)."""

    soc_pct: float = float("nan")  # mean of all racks
    soc_pct_low: float = float("nan")  # low end of the interval: discharge is judged by it
    soc_pct_high: float = float("nan")  # high end: charge is judged by it
    band: SocBand = field(default_factory=SocBand)
    anchor_due: bool = False  # it should be charged until full: the interval is too wide or too old
    cell_c_low: float = float("nan")  # coldest and hottest cell of all racks; nan: a sensor fails
    cell_c_high: float = float("nan")
    charge_kw_max: float = 0.0
    discharge_kw_max: float = 0.0
    charge_kw_read: float = 0.0  # of the last reply alone
    discharge_kw_read: float = 0.0
    replies: int = 0  # of all racks, when the last reading was taken


@dataclass(frozen=True, slots=True)
class Answers:
    """How often a device has answered since start."""

    count: int = 0
    t_ok_ns: int = 0


@dataclass(frozen=True, slots=True)
class Sent:
    """What one converter was told, as seen in one cycle."""

    t_ns: int
    kw: float


@dataclass(frozen=True, slots=True)
class Counts:
    """The ports' counters, as seen in one cycle."""

    t_ns: int
    ports: tuple[PortLook, ...]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is wrong, and what the site can do. The whole memory of the safety step, handed back in."""

    watches: Mapping[tuple[int, str], Condition] = field(default_factory=dict)  # by row and subject
    answers: Mapping[str, Answers] = field(default_factory=dict)
    converters: tuple[Converter, ...] = ()
    battery: Battery = field(default_factory=Battery)
    frame: Frame = field(default_factory=Frame)
    load_kw: float = 0.0
    pv_kw: float = 0.0  # that the load sensors do not see, of all PV meters; nan: not known
    t_fresh_ns: int = 0  # since when every mandatory input is fresh, 0: not now
    t_grid_ns: int = 0  # since when the grid is in the enter-service window, 0: not now
    grid_seen: bool = False  # the grid was once inside the window
    t_frame_misses_ns: tuple[int, ...] = ()  # cycles of the last second in which the frame fell behind
    unanswered: tuple[str, ...] = ()  # mandatory devices with fewer than three replies
    identities: Mapping[str, str] = field(default_factory=dict)  # device: as it first called itself
    ports_barred: tuple[str, ...] = ()  # lost, or back and not yet verified: only reads leave there
    traces: Mapping[str, tuple[Sent, ...]] = field(
        default_factory=dict
    )  # converter: what it was told of late
    counts: tuple[Counts, ...] = ()  # of the ports, over the last seconds
    t_pressed_ns: int = 0  # since when the reset button is held, 0: it is not
    pressed: str = ""  # by whom
    reset: str = ""  # a reset took effect in this cycle: "operator" or "local"
    reset_reason: str = ""  # of the last one, as the person gave it

    @property
    def active(self) -> tuple[Condition, ...]:
        """Active conditions, the most severe first."""
        found = [c for c in self.watches.values() if c.active]
        return tuple(sorted(found, key=lambda c: (-c.effect, c.code, c.subject)))

    def has(self, effect: Effect) -> bool:
        """Whether a condition with this very effect is active."""
        return any(c.active and c.effect == effect for c in self.watches.values())

    @property
    def stops(self) -> tuple[Condition, ...]:
        """Active conditions that ask for SAFE_STOP, the hardest reset class first."""
        found = [c for c in self.active if c.effect >= Effect.STOP]
        return tuple(sorted(found, key=lambda c: c.grade, reverse=True))

    @property
    def level(self) -> int:
        """Degradation D0 to D3 that the active conditions ask for."""
        return max((c.level for c in self.watches.values() if c.active), default=0)

    @property
    def running(self) -> bool:
        """Every converter has a fresh reply that says running."""
        return bool(self.converters) and all(c.fresh and c.state == "running" for c in self.converters)


@dataclass(frozen=True, slots=True)
class ModeState:
    """Where the site stands, since when and why."""

    mode: Mode = Mode.INIT
    t_since_ns: int = 0
    reason: str = "start"  # why this mode was entered
    waiting: str = ""  # what keeps it from going on, empty: nothing
    row: str = ""  # id of the transition that led here
    t_stopping_ns: int = 0  # since when a stop ramps down or has ramped down, 0: none
    t_retries_ns: tuple[int, ...] = ()  # class B stops and holds of the last hour
    t_hold_ns: int = 0  # GRID_TIED: since when a condition holds the power at zero, 0: none does
    latched: bool = False  # waits for a person
    wanted: bool = False  # a start was asked for, and since then no stop; FAULT and LOCKOUT forget it
    t_faults_ns: tuple[int, ...] = ()  # entries into FAULT of the last day
    released: bool = False  # LOCKOUT: a person has reset it, the self-test goes on


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


@dataclass(frozen=True, slots=True)
class FastImage:
    """What the frame published, in the supervisor's nouns. polls in the order of the bus table."""

    track: Track = field(default_factory=Track)
    frame: Frame = field(default_factory=Frame)
    polls: tuple[PollState, ...] = ()

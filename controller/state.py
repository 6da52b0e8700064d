"""What the safety step remembers from cycle to cycle: conditions, what the site can do, where it stands. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeVar

from controller.image import Frame, Mode, PortLook
from controller.records import quick

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Noun = TypeVar("Noun", bound="DataclassInstance")


def updated(noun: Noun, **fields: Any) -> Noun:
    """The noun with these fields; the very same where it has them already, as from cycle to cycle it mostly has."""
    has = all(getattr(noun, name) == value for name, value in fields.items())
    return noun if has else replace(noun, **fields)


class Effect(IntEnum):
    """What a condition takes away. The larger is the more severe."""

    NOTE = 0  # an event and a line in the status, nothing else
    CURTAIL = 1  # import and export are held to what a curtailment leaves (F61)
    EXPORT_WORST = 2  # the grid meter is not believed: export is judged by its worst case (IL-09)
    NO_CHARGE = 3  # no charging (IL-04)
    FREEZE = 4  # no growth of the battery's limits, no engaging
    HOLD = 5  # no power, nothing written to the port, the mode stays: a short flap of a port (F79)
    STOP = 6  # SAFE_STOP; an island goes on, frozen: zero power would be a blackout
    TRIP = 7  # SAFE_STOP of an island too


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
    lone: bool = False  # costs its converter, or those of its port, where the others may carry on (F27)
    share_pu: float = 1.0  # of the power limits that it leaves while it is active


@dataclass(frozen=True, slots=True)
class Jog:
    """A hand at one converter in MAINT. kw > 0 discharges."""

    device: str
    kw: float
    t_held_ns: int  # when it was last told to be on
    t_began_ns: int  # since when it has been on without a break


@quick
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
    jog: Jog | None = None  # of MAINT: the hand that is on


@quick
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
    discharge_kw_max: float = float(
        "inf"
    )  # what it says it can do (F23), twice (IL-12); infinite: it does not say
    charge_kw_max: float = float("inf")
    discharge_kw_read: float = float("inf")  # by its last word alone
    charge_kw_read: float = float("inf")
    t_read_ns: int = 0  # when that came


@quick
@dataclass(frozen=True, slots=True)
class SocBand:
    """The counted state of charge, see safety.soc: between low and high, by all we know."""

    low_pct: float = float("nan")
    high_pct: float = float("nan")
    t_ns: int = 0  # of the newest reading in it
    t_anchor_ns: int = 0  # last proven full or empty; the first reading at first
    t_held_ns: int = 0  # since when the cells look full or empty, 0: they do not
    dc_kw: float = float("nan")  # of that reading, > 0 discharges
    frame_kwh: float = float("nan")  # and what the frame had counted out of the battery by then
    frame_s: float = float("nan")  # in so many seconds
    below_pct: float = float("nan")  # how far low lies below what the BMS says; kept over a restart
    above_pct: float = float("nan")  # and high above


@quick
@dataclass(frozen=True, slots=True)
class Fade:
    """What the battery really holds, see safety.fade. The counts are nan until the cells have proven it full."""

    drawn_kwh: float = float("nan")  # drawn since then, the most it can be, by the frame
    told_kwh: float = float("nan")  # the same by the BMS's current and voltage
    least_kwh: float = float("nan")  # the least it can be, as if nothing were lost in and out again
    most_kwh: float = float("nan")  # the most it can hold by the low readings since then; nan: none was low
    likely_kwh: float = float("nan")  # and what it holds by that reading as it stands
    fits_kwh: tuple[float, ...] = ()  # most_kwh of the last two discharges that have told something


@quick
@dataclass(frozen=True, slots=True)
class Battery:
    """What the BMS allows now, the whole site. Growth needs two agreeing replies (IL-12)."""

    soc_pct: float = float("nan")  # mean of all racks
    soc_pct_low: float = float("nan")  # low end of the interval: discharge is judged by it
    soc_pct_high: float = float("nan")  # high end: charge is judged by it
    band: SocBand = field(default_factory=SocBand)
    fade: Fade = field(default_factory=Fade)
    anchor_due: bool = False  # it should be charged until full: interval too wide or old, or it looks faded
    cell_c_low: float = float("nan")  # coldest and hottest cell of all racks; nan: a sensor fails
    cell_c_high: float = float("nan")
    charge_kw_max: float = 0.0
    discharge_kw_max: float = 0.0
    charge_kw_read: float = 0.0  # of the last reply alone
    discharge_kw_read: float = 0.0
    dc_v_max: float = float(
        "inf"
    )  # of the DC bus, as the strictest rack tells it, with what a sensor may be off
    replies: int = 0  # of all racks, when the last reading was taken


@dataclass(frozen=True, slots=True)
class Warmth:
    """How warm the hottest cell of a rack was, in one reading."""

    t_ns: int
    cell_c: float


@quick
@dataclass(frozen=True, slots=True)
class Answers:
    """How often a device has answered since start."""

    count: int = 0
    t_ok_ns: int = 0


@dataclass(frozen=True, slots=True)
class Sent:
    """What one converter was told from the cycle before to this one."""

    t_ns: int
    low_kw: float
    high_kw: float


@dataclass(frozen=True, slots=True)
class Loss:
    """A converter that is left out while the others carry on (F27). Powers it may still carry by what it was told."""

    t_ns: int  # since when
    low_kw: float
    high_kw: float
    t_mute_ns: int = 0  # since when it is silent, too; 0: it answers


@dataclass(frozen=True, slots=True)
class Counts:
    """Counters of ports and samples, as seen in one cycle."""

    t_ns: int
    ports: tuple[PortLook, ...]
    missed: int = 0  # ticks without a sample


@quick
@dataclass(frozen=True, slots=True)
class Conditions:
    """What is wrong, and what the site can do. The whole memory of the safety step, handed back in."""

    watches: Mapping[tuple[int, str], Condition] = field(default_factory=dict)  # by row and subject
    answers: Mapping[str, Answers] = field(default_factory=dict)
    converters: tuple[Converter, ...] = ()
    losses: Mapping[str, Loss] = field(default_factory=dict)  # converters that are left out (F27)
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
    counters_kwh: Mapping[tuple[str, str], float] = field(
        default_factory=dict
    )  # by meter and point, as last told
    inputs: Mapping[str, float] = field(default_factory=dict)  # wired contact: 1 active, 0 not, nan not known
    ports_barred: tuple[str, ...] = ()  # lost, or back and not yet verified: only reads leave there
    traces: Mapping[str, tuple[Sent, ...]] = field(
        default_factory=dict
    )  # converter: what it was told of late
    foreign: Mapping[str, tuple[int, ...]] = field(
        default_factory=dict
    )  # converter: arrivals of its readings of late that show a setpoint nobody here has sent (F30)
    opened: Mapping[str, tuple[int, int]] = field(
        default_factory=dict
    )  # rack: newest reading without voltage, and how many in a row since a converter ran (F43)
    counts: tuple[Counts, ...] = ()  # over the last seconds
    heats: Mapping[str, tuple[Warmth, ...]] = field(
        default_factory=dict
    )  # rack: its hottest cell of late (F38)
    clock_s: float = float("nan")  # wall clock less monotonic clock; nan: not yet seen
    planned_sign: int = 0  # of the plan's last power that was not zero
    t_reversals_ns: tuple[int, ...] = ()  # of the last minute: the plan changed its direction
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
    def share_pu(self) -> float:
        """Share of the power limits that the active conditions leave, 0 to 1."""
        return min((c.share_pu for c in self.watches.values() if c.active), default=1.0)

    @property
    def kept(self) -> tuple[Converter, ...]:
        """The converters that are not left out."""
        return tuple(c for c in self.converters if c.name not in self.losses)

    @property
    def heard(self) -> tuple[Converter, ...]:
        """Those that are not left out, and of the others those that answer."""
        return tuple(c for c in self.converters if c.fresh or c.name not in self.losses)

    @property
    def running(self) -> bool:
        """Every converter that is not left out has a fresh reply that says running."""
        return bool(self.kept) and all(c.fresh and c.state == "running" for c in self.kept)


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
    jog: Jog | None = None  # MAINT: what a hand may move now
    released: bool = False  # LOCKOUT: a person has reset it, the self-test goes on

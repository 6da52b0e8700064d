"""The nouns of one supervisor cycle. Frozen, nothing else; names equal the structs of ext.image.

Sign: power into the site bus is positive. grid_kw > 0 imports, pcs_kw > 0 discharges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

CHANNELS = (
    "load_ia", "load_ib", "load_ic", "load_va", "load_vb", "load_vc",
    "pcc_ia", "pcc_ib", "pcc_ic", "pcc_va", "pcc_vb", "pcc_vc",
    "dc_v", "dc_a",
)  # fmt: skip


class Mode(IntEnum):
    """Modes of the site, as an operator says them on the phone."""

    INIT = 0
    STANDBY = 1
    GRID_TIED = 2
    SAFE_STOP = 3


class Permit(IntEnum):
    """Bits of Limits.permit: which writes may leave."""

    ORDER = 1
    SETPOINT = 2


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
    grid_kw: float = 0.0
    dc_kw: float = 0.0
    dc_v: float = 0.0
    frequency_hz: float = 0.0
    voltage_v: float = 0.0
    delay_s: float = 0.0
    quality: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    """One device as last read. values: canonical point names, house units; age_s of the oldest block."""

    name: str
    kind: str                    # pcs, bms, meter
    values: Mapping[str, float]
    age_s: float                 # inf: never answered
    misses: int = 0              # bus errors since the last right reply
    state: str = "unknown"       # of a pcs: standby, running, fault, unknown
    armed: bool = False          # its own watchdog read back as armed
    identity: str = ""           # empty: not read yet


@dataclass(frozen=True, slots=True)
class Frame:
    """How the 10 kHz half fares."""

    frames: int = 0
    t_ns: int = 0
    lease_live: bool = False
    lease_lapses: int = 0
    overruns: int = 0
    skipped: int = 0
    samples_lost: int = 0
    sample_age_s: float = float("inf")
    guard_blocked: int = 0
    ports_lost: tuple[str, ...] = ()
    sent_kw: tuple[float, ...] = ()
    target_kw: float = 0.0


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

    leak_kw: float = 0.0             # added to the grid target, > 0 charges
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
    discharge_kw_max: tuple[float, ...]     # one entry a converter, >= 0
    charge_kw_max: tuple[float, ...]
    import_kw_max: float
    export_kw_max: float
    ramp_kw_per_s_max: float
    fall_kw_per_s: float
    leak_kw: float
    gain: float
    orders: tuple[Order, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the planner expects; empty until a plan exists. Can move a wish, never a limit."""

    t_issue_ns: int = 0

"""What one kind of device can say and do, as data: the schema of boards/devices/*.yaml.

Addresses are as on the wire (0-based). Values are in house units (kW, kWh, V, A, Hz, degC, %, s) and in the
house sign (discharge positive, import positive) after `scale`: value = raw * scale + offset.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Address = Annotated[int, Field(ge=0, le=65535)]
Word = Annotated[int, Field(ge=0, le=65535)]
Kind = Literal["pcs", "bms", "meter"]
Type = Literal["u16", "s16", "u32", "s32", "f32", "string"]
State = Literal["off", "standby", "starting", "running", "fault"]


class Part(BaseModel):
    """A section of a profile: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Caveat(Part):
    """What a field engineer must know, and where it was read."""

    text: str
    source: str


class Evidence(Part):
    """How far the profile has been proven."""

    level: Literal["simulated", "from-source", "bench", "site"]
    firmware: str = ""
    date: str = ""
    source: str = ""


class Wire(Part):
    """How the device wants to be spoken to."""

    bauds: tuple[int, ...] = Field(min_length=1)
    timeout_ms: float = Field(gt=0, le=2000)        # request sent to reply complete, beyond the wire time itself
    turnaround_ms: float = Field(gt=0, le=5000)     # latest instant at which it may still answer
    gap_us: float = Field(default=0, ge=0)          # silence it needs beyond the port's rule
    words_per_read_max: int = Field(default=125, ge=1, le=125)


class Read(Part):
    """One read transaction, repeated."""

    function: Literal[3, 4] = 3
    address: Address
    count: int = Field(ge=1, le=125)
    period_ms: float = Field(gt=0)


class Point(Part):
    """One value inside a read: type, scale and the raw words that mean "not there"."""

    read: str                                       # name of the read that carries it
    address: Address | None = None                  # or `sunspec`
    sunspec: str | None = None                      # "701.W": model and point of the published layout
    type: Type | None = None                        # with `address`
    low_word_first: bool = False
    scale: float = 1.0                              # a negative scale turns the sign into the house's
    offset: float = 0.0
    sentinels: tuple[int, ...] = ()                 # raw values (unsigned) that mean "not available"
    low: float | None = None                        # plausible range; outside it the reply is not believed (F18)
    high: float | None = None


class StateRule(Part):
    """The device is in `state` when (word & mask) == value; the first rule that fits wins."""

    state: State
    point: str
    mask: Word = 0xFFFF
    value: Word


class Setpoint(Part):
    """The power setpoint of a PCS: one write."""

    function: Literal[6, 16]
    address: Address | None = None
    sunspec: str | None = None
    type: Literal["s16", "s32"] = "s16"
    low_word_first: bool = False
    counts_per_kw: float                            # negative where the device counts charging positive
    refresh_ms: float = Field(gt=0)                 # longest silence between two writes; a third of the watchdog at most
    volatile: Literal[True] = True                  # a register in flash is never written cyclically (F29)


class Order(Part):
    """A one-shot write."""

    function: Literal[6, 16]
    address: Address | None = None
    sunspec: str | None = None
    words: tuple[Word, ...] = Field(min_length=1, max_length=4)


class Watchdog(Part):
    """What the device does when the bus falls silent (safety.md 6.1)."""

    timeout_s: float = Field(gt=0)                  # written by the order `arm`
    fed_by: Literal["write", "read", "any"]
    action: Literal["stop", "standby", "hold"]
    point: str                                      # read back here: armed when it equals timeout_s


class Identity(Part):
    """A register that must hold an accepted value before the first write (F28, F86)."""

    point: str
    accepted: tuple[str, ...] = Field(min_length=1)     # as text; "*" accepts any value and only records it


class Profile(Part):
    """One device profile."""

    profile: str                                    # equals the file name: class-vendor-model
    kind: Kind
    covers: str
    requirements: tuple[str, ...] = ()
    caveats: tuple[Caveat, ...] = ()
    capabilities: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = Field(min_length=1)
    wire: Wire
    sunspec_base: Address | None = None             # where "SunS" stands
    sunspec_models: tuple[int, ...] = ()            # in the order of the device's map
    scale_factors: dict[str, int] = {}              # "701.W_SF": 1, checked against the device by identity
    reads: dict[str, Read]
    points: dict[str, Point]
    states: tuple[StateRule, ...] = ()              # of a pcs
    setpoint: Setpoint | None = None                # of a pcs
    orders: dict[str, Order] = {}                   # pcs: start, stop, clear, arm
    watchdog: Watchdog | None = None
    identity: Identity | None = None
    rating_kw_max: float | None = None              # largest rating the map can carry or the product line has


# Canonical point names. A profile offers a subset; rooms above know no other names.
PCS_POINTS = ("pcs_kw", "dc_v", "dc_a", "dc_kw", "frequency_hz", "voltage_v", "state_word", "fault_word", "watchdog_s",
              "identity", "soc_pct")  # fmt: skip
BMS_POINTS = ("soc_pct", "soh_pct", "dc_v", "dc_a", "cell_v_min", "cell_v_max", "cell_c_min", "cell_c_max",
              "charge_a_max", "discharge_a_max", "charge_v_max", "discharge_v_min", "state_word", "fault_word",
              "identity")  # fmt: skip
METER_POINTS = ("power_kw", "voltage_v", "frequency_hz", "import_kwh", "export_kwh", "identity")

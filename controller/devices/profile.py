"""What one kind of device can say and do, as data: the schema of boards/devices/*.yaml.

Addresses are as on the wire (0-based). Values are in house units (kW, kWh, V, A, Hz, degC, %, s) and in the
house sign (discharge positive, import positive) after `scale`: value = raw * scale + offset.
A place is an `address`, or `sunspec`: model and point of the published layout, "701.W" or "714.Prt[0].DCV";
`profiles.load` turns the second into the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from controller.config.evidence import Caveat, Evidence
from controller.config.option import REQUIRED, Fault, Path, Section, option
from controller.config.site import Name

__all__ = [
    "CANARY", "ORDERS", "POINTS", "Caveat", "Evidence", "Identity", "Kind", "Member", "Order", "Point",
    "Precondition", "Profile", "Read", "Setpoint", "State", "StateRule", "Type", "Watchdog", "Wire", "Word",
]  # fmt: skip

Word = Annotated[int, Field(ge=0, le=65535)]
Kind = Literal["pcs", "bms", "meter", "genset", "ats"]
Type = Literal["u16", "s16", "u32", "s32", "f32", "string"]
# Of a converter the first five; a genset also cools down; a transfer switch stands at a source or at none.
State = Literal["off", "standby", "starting", "running", "fault", "cooling", "source-1", "source-2", "open"]

WORDS = {"u16": 1, "s16": 1, "u32": 2, "s32": 2, "f32": 2}

# Canonical point names. A profile offers a subset; rooms above know no other names.
PCS_POINTS = ("pcs_kw", "dc_v", "dc_a", "dc_kw", "frequency_hz", "voltage_v", "state_word", "fault_word",
              "enable_word", "mode_word", "watchdog_s", "identity", "soc_pct", "soh_pct", "discharge_kw_max",
              "charge_kw_max", "meter_kw", "form_word", "setpoint_kw")  # fmt: skip
BMS_POINTS = ("soc_pct", "soh_pct", "dc_v", "dc_a", "cell_v_min", "cell_v_max", "cell_c_min", "cell_c_max",
              "charge_a_max", "discharge_a_max", "charge_v_max", "discharge_v_min", "state_word",
              "fault_word", "heartbeat", "identity")  # fmt: skip
METER_POINTS = ("power_kw", "voltage_v", "frequency_hz", "import_kwh", "export_kwh", "identity")
GENSET_POINTS = ("power_kw", "voltage_v", "current_a", "frequency_hz", "energy_kwh", "state_word",
                 "mode_word", "fault_word", "load_pct", "fuel_pct", "coolant_c", "starter_v", "speed_rpm",
                 "oil_kpa", "run_h", "identity")  # fmt: skip
ATS_POINTS = ("position_word", "mode_word", "source_1_word", "source_2_word", "start_relay_word", "test_word",
              "cycles", "sync_word", "dead_word", "identity")  # fmt: skip
POINTS = {"pcs": PCS_POINTS, "bms": BMS_POINTS, "meter": METER_POINTS, "genset": GENSET_POINTS,
          "ats": ATS_POINTS}  # fmt: skip
ORDERS = ("start", "stop", "clear", "arm")
ORDERS_OF: dict[str, tuple[str, ...]] = {"pcs": (*ORDERS, "form", "follow"), "bms": ("clear", "arm"), "meter": (),
                                         "genset": ("start", "stop", "auto"),
                                         "ats": ("source-1", "source-2", "open")}  # fmt: skip
CANARY = (
    "canary_"  # a point of this prefix proves the map; outside its range nothing of the device is believed
)


class Wire(Section):
    """How the device wants to be spoken to."""

    bauds: tuple[int, ...] = option((), "line rates it has", why="a device on TCP alone has none")
    reply_ms: float = option(
        1, "usual silence between request and reply", low=0, high=2000, why="assumption until measured"
    )
    timeout_ms: float = option(
        REQUIRED, "request sent to reply complete, beyond the wire time", low=1, high=2000
    )
    turnaround_ms: float = option(REQUIRED, "latest instant at which it may still answer", low=1, high=5000)
    transports: tuple[Literal["rtu", "tcp"], ...] = option(
        ("rtu",), "how it can be reached", why="RS-485 is the common case", min_length=1
    )
    gap: Literal["port", "spec", "chars", "fixed"] = option(
        "port", "silence it needs: the port's rule; 1.75 ms above 19200 baud; 3.5 characters; gap_us alone",
        why="most devices take what the port has",
    )  # fmt: skip
    gap_us: float = option(0, "silence it needs beyond that rule", low=0, high=100_000, why="most need none")
    words_per_read_max: int = option(125, "registers of one read", low=1, high=125, why="the limit of Modbus")

    def faults(self) -> Iterator[Fault]:
        """RS-485 has line rates, and a fixed gap has a time."""
        if ("rtu" in self.transports) != bool(self.bauds):
            yield Fault(("bauds",), "are there exactly when transports holds rtu. Add or remove them.")
        if self.gap == "fixed" and self.gap_us == 0:
            yield Fault(("gap_us",), "is 0; gap: fixed needs its time. Add it from the data sheet.")


class Read(Section):
    """One read transaction, repeated."""

    function: Literal[3, 4] = option(3, "Modbus function", why="holding registers are the common case")
    address: int = option(-1, "first register; -1: see sunspec", low=-1, high=65535, why="given by sunspec")
    count: int = option(0, "registers; 0: see sunspec", low=0, high=125, why="given by sunspec")
    sunspec: tuple[str, ...] = option(
        (), "first and last point of a published layout", why="given by address"
    )
    period_ms: float = option(REQUIRED, "time between two reads", low=10, high=3_600_000)
    live: bool = option(
        True,
        "counts for the device's age",
        why="false for what control can miss for a while: identity, energy",
    )


class Point(Section):
    """One value inside a read: type, scale and the raw words that mean "not there"."""

    read: str = option(REQUIRED, "name of the read that carries it")
    address: int = option(-1, "first register; -1: see sunspec", low=-1, high=65535, why="given by sunspec")
    sunspec: str = option("", "model and point of the published layout", why="given by address")
    type: Type | None = option(None, "of the registers; sunspec brings its own", why="given by sunspec")
    words: int = option(0, "registers of a string", low=0, high=64, why="only a string has a free length")
    low_word_first: bool = option(False, "order of two registers", why="Modbus is big-endian by habit")
    scale: float = option(1.0, "house unit per count; negative turns the sign", why="many maps are in units")
    offset: float = option(0.0, "added after scale", why="few maps need it")
    sentinels: tuple[int, ...] = option(
        (), "raw unsigned values that mean: not available", why="few maps have any"
    )
    low: float | None = option(None, "least plausible value", why="any value is plausible (F18)")
    high: float | None = option(None, "largest plausible value", why="any value is plausible (F18)")

    @property
    def size(self) -> int:
        """Registers of the point."""
        return self.words if self.type == "string" else WORDS[self.type or "u16"]


class StateRule(Section):
    """The device is in `state` when (word & mask) == value; the first rule that fits wins."""

    state: State = option(REQUIRED, "what it means")
    point: str = option(REQUIRED, "name of a u16 point")
    mask: Word = option(0xFFFF, "bits that count", why="a number, not bits")
    value: Word = option(REQUIRED, "of these bits")


class Precondition(Section):
    """What a register must say before power may be asked for; else the device counts as standing by."""

    point: str = option(REQUIRED, "name of a u16 point")
    mask: Word = option(0xFFFF, "bits that count", why="a number, not bits")
    value: Word = option(REQUIRED, "of these bits")
    says: str = option(REQUIRED, "what it means, in words")


class Member(Section):
    """One number of a write group: registers that belong together and must go in one write."""

    address: int = option(REQUIRED, "first register", low=0, high=65535)
    type: Literal["u16", "s16", "u32", "s32"] = option(REQUIRED, "of the registers")
    carries: Literal["power", "minus-power", "charge", "discharge", "magnitude", "direction", "constant"] = (
        option(REQUIRED, "what it holds; charge and discharge are magnitudes with a register each")
    )
    words: tuple[Word, ...] = option(
        (), "of a direction: charge, discharge, rest; of a constant: its registers", why="a number has none",
        max_length=3,
    )  # fmt: skip

    @property
    def size(self) -> int:
        """Registers of the member."""
        return WORDS[self.type]


class Setpoint(Section):
    """The power setpoint of a PCS: one write."""

    function: Literal[6, 16] = option(REQUIRED, "Modbus function")
    group: tuple[Member, ...] = option(
        (),
        "what the write consists of, where it is more than one signed number",
        why="one number is the rule",
    )
    address: int = option(-1, "first register; -1: see sunspec", low=-1, high=65535, why="given by sunspec")
    sunspec: str = option("", "model and point of the published layout", why="given by address")
    type: Literal["s16", "s32"] = option("s16", "of the registers", why="one register is the fastest write")
    low_word_first: bool = option(False, "order of two registers", why="Modbus is big-endian by habit")
    counts_per_kw: float = option(
        REQUIRED, "negative where charging counts up; for sunspec before its scale factor", low=-1e6, high=1e6
    )
    over_drive: float = option(
        1.0, "largest command in ratings that it takes for milliseconds", low=1, high=2,
        why="a command above the rating is refused by most",
    )  # fmt: skip
    refresh_ms: float = option(
        REQUIRED, "longest silence between two writes, a third of the watchdog at most", low=10, high=60_000
    )
    volatile: Literal[True] = option(
        True, "the register is RAM", why="a register in flash is never written cyclically (F29)"
    )


class Order(Section):
    """A one-shot write; its words are one write group: they leave in one frame or not at all."""

    function: Literal[5, 6, 16] = option(REQUIRED, "Modbus function")
    address: int = option(-1, "first register; -1: see sunspec", low=-1, high=65535, why="given by sunspec")
    sunspec: str = option("", "model and point of the published layout", why="given by address")
    words: tuple[Word, ...] = option(REQUIRED, "values of the registers", min_length=1, max_length=4)
    states: tuple[State, ...] = option(
        (), "run states in which the device takes it; empty: any", why="most take an order in any state"
    )
    volatile: bool = option(
        True, "the device keeps it in RAM", why="a command acts at once and is stored nowhere"
    )
    writes_per_day_max: int | None = option(
        None, "write budget of a register in flash (F29)", low=1, high=1000, why="RAM does not wear"
    )


class Watchdog(Section):
    """What the device does when the bus falls silent (safety.md 6.1)."""

    timeout_s: float = option(
        REQUIRED, "written by the order `arm`, or fixed in the device", low=0.1, high=3600
    )
    fed_by: Literal["write", "read", "any"] = option(REQUIRED, "what restarts it")
    action: Literal["stop", "standby", "hold"] = option(REQUIRED, "what it does then")
    point: str = option(
        "", "read back here: armed when it equals timeout_s", why="some show nothing, so they cannot be armed"
    )


class Identity(Section):
    """A register that must hold an accepted value before the first write (F28, F86)."""

    point: str = option(REQUIRED, "name of the point")
    accepted: tuple[str, ...] = option(REQUIRED, 'as text; "*" accepts any and only records it', min_length=1)


class Profile(Section):
    """One device profile."""

    profile: Name = option(REQUIRED, "equals the file name: class-vendor-model")
    kind: Kind = option(REQUIRED, "what it is")
    covers: str = option(REQUIRED, "which devices this file is right for")
    requirements: tuple[str, ...] = option(
        (), "what must be set on the device first", why="some need nothing"
    )
    caveats: tuple[Caveat, ...] = option((), "what a field engineer must know", why="none known")
    capabilities: tuple[str, ...] = option((), "what it is good for, in words", why="the points say it")
    evidence: tuple[Evidence, ...] = option(REQUIRED, "steps of proof", min_length=1)
    wire: Wire = option(REQUIRED, "how it wants to be spoken to")
    sunspec_base: int = option(
        40000, 'where "SunS" stands', low=0, high=65535, why="the usual of three places"
    )
    sunspec_models: tuple[int, ...] = option((), "models in the order of the device's map", why="not SunSpec")
    sunspec_counts: dict[str, int] = option(
        {}, 'instances of repeating groups: "714.Prt": 1', why="few repeat"
    )
    scale_factors: dict[str, int] = option(
        {}, '"701.W_SF": 2, read back from the device and compared', why="not SunSpec"
    )
    reads: dict[str, Read] = option(REQUIRED, "name: read transaction", min_length=1)
    points: dict[str, Point] = option(REQUIRED, "canonical name: value", min_length=1)
    read_only: str = option(
        "",
        "of a pcs: why the controller reads it but never commands it",
        why="a pcs is there to be commanded",
    )
    states: tuple[StateRule, ...] = option((), "of a pcs, genset or ats", why="a bms or meter has none")
    preconditions: tuple[Precondition, ...] = option(
        (), "of a pcs: modes that it must be in", why="its run state is enough for most"
    )
    setpoint: Setpoint | None = option(None, "of a pcs", why="a bms or meter has none")
    orders: dict[str, Order] = option({}, "of a pcs: start, stop, clear, arm", why="a meter takes none")
    watchdog: Watchdog | None = option(None, "of a pcs", why="a bms or meter has none")
    identity: Identity | None = option(None, "register that names the device", why="some have none")
    rating_kw_max: float | None = option(
        None,
        "largest rating the map can carry or the product line has",
        low=0,
        high=1e6,
        why="no limit known",
    )

    def faults(self) -> Iterator[Fault]:
        """Names are canonical, references exist, places are given once, a PCS is complete."""
        yield from self._names()
        yield from self._places()
        yield from self._writes()
        if self.kind == "pcs" and not self.read_only:
            yield from self._converter()
        elif self.kind != "pcs" and (self.setpoint or self.read_only or self.preconditions):
            yield Fault(
                (), f"is of a {self.kind}; setpoint, read_only, preconditions are of a pcs. Remove them."
            )

    def _names(self) -> Iterator[Fault]:
        known = POINTS[self.kind]
        for name, point in self.points.items():
            if name not in known and not name.startswith(CANARY):
                yield Fault(
                    ("points", name), f"is no point of a {self.kind}; allowed are {', '.join(known)}."
                )
            if point.read not in self.reads:
                yield Fault(("points", name, "read"), f"is {point.read}; reads are {', '.join(self.reads)}.")
        allowed = ORDERS_OF[self.kind]
        for name in self.orders:
            if name not in allowed:
                text = f"is no order of a {self.kind}; allowed are {', '.join(allowed) or 'none'}."
                yield Fault(("orders", name), text)
        yield from self._references()

    def _references(self) -> Iterator[Fault]:
        wanted: list[tuple[Path, str]] = [
            (("states", i, "point"), rule.point) for i, rule in enumerate(self.states)
        ]
        wanted += [(("identity", "point"), self.identity.point)] if self.identity else []
        wanted += (
            [(("watchdog", "point"), self.watchdog.point)] if self.watchdog and self.watchdog.point else []
        )
        wanted += [(("preconditions", i, "point"), it.point) for i, it in enumerate(self.preconditions)]
        for path, name in wanted:
            if name not in self.points:
                yield Fault(path, f"is {name}; points are {', '.join(self.points)}.")

    def _places(self) -> Iterator[Fault]:
        for name, read in self.reads.items():
            if (read.address < 0) == (not read.sunspec) or (read.count == 0) == (not read.sunspec):
                yield Fault(("reads", name), "needs address and count, or sunspec. Give one of the two.")
            elif read.sunspec and len(read.sunspec) != 2:
                yield Fault(("reads", name, "sunspec"), "takes the first and the last point. Name two.")
        for name, point in self.points.items():
            if (point.address < 0) == (not point.sunspec) or (point.type is None) == (not point.sunspec):
                yield Fault(("points", name), "needs address and type, or sunspec. Give one of the two.")
            elif (point.type == "string") != (point.words > 0):
                yield Fault(("points", name), "needs words exactly when it is a string. Add or remove words.")

    def _writes(self) -> Iterator[Fault]:
        """Each write has one place and fits its function; flash has a budget; a group is one stretch."""
        writes: list[tuple[Path, Order | Setpoint]] = [
            (("orders", name), it) for name, it in self.orders.items()
        ]
        writes += [(("setpoint",), self.setpoint)] if self.setpoint else []
        for path, write in writes:
            if (write.address < 0) == (not write.sunspec):
                yield Fault(path, "needs an address or sunspec. Give one of the two.")
            if isinstance(write, Order) and write.function != 16 and len(write.words) != 1:
                text = f"has more than one word; function {write.function} writes one. Use function 16."
                yield Fault((*path, "words"), text)
            if isinstance(write, Order) and not write.volatile and write.writes_per_day_max is None:
                yield Fault(path, "is kept in flash and has no writes_per_day_max. Add the budget (F29).")
        group = self.setpoint.group if self.setpoint else ()
        if group and not self.read_only:
            yield Fault(
                ("setpoint", "group"), "is there; the frame writes one signed number. Say so in read_only."
            )
        for index, (before, after) in enumerate(pairwise(group), 1):
            if after.address != before.address + before.size:
                text = f"is {after.address}; the member before ends at {before.address + before.size - 1}"
                yield Fault(("setpoint", "group", index, "address"), f"{text}. A group has no hole.")

    def _converter(self) -> Iterator[Fault]:
        if self.setpoint is None or self.identity is None:
            yield Fault((), "is of a pcs and needs setpoint and identity. Add them.")
        if self.setpoint and self.setpoint.counts_per_kw == 0:
            yield Fault(
                ("setpoint", "counts_per_kw"), "is 0; any other number is allowed. Take it from the map."
            )
        for needed in ("start", "stop", "arm"):
            if needed not in self.orders:
                yield Fault(("orders",), f"has no {needed}; a pcs needs start, stop and arm. Add it.")
        if not any(rule.state == "running" for rule in self.states):
            yield Fault(("states",), "has no rule for running; the guard needs one. Add it.")
        if self.watchdog is None:
            yield Fault((), "has no watchdog; a pcs that holds its last setpoint is refused. Add it.")
        elif not self.watchdog.point:
            yield Fault(("watchdog",), "has no point; a pcs must show that it is armed. Add it or read_only.")
        elif self.watchdog.action == "hold":
            yield Fault(("watchdog", "action"), "is hold; allowed are stop and standby. Set the unit so.")
        elif self.setpoint and self.setpoint.refresh_ms > self.watchdog.timeout_s * 1000 / 3:
            yield Fault(
                ("setpoint", "refresh_ms"),
                f"is {self.setpoint.refresh_ms:g}; a third of the watchdog is "
                f"{self.watchdog.timeout_s * 1000 / 3:.0f} at most. Lower it.",
            )

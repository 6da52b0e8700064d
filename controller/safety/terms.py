"""What the safety step must know of a site: numbers only, gathered once at start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

PCS_SILENT_S = 0.35  # F16 allows 0.5 s from the last good reply: this, one supervisor cycle and the frame
STALE_S = 0.5  # IL-04: no growth of the limits
LOST_S = 2.0  # IL-04: power to zero
SETTLE_S = 0.5  # F20, where nothing better is known
TOLERANCE_KW = 20.0  # F20: the least deviation that counts
POLLS_STALE = 3  # a slow device is stale after three of its own poll periods


@dataclass(frozen=True, slots=True)
class Part:
    """One device of the site. period_s: its slowest poll."""

    name: str
    kind: str  # pcs, bms, meter
    period_s: float = 0.1
    accepted: tuple[str, ...] = ()  # identities; "*": any that it tells, empty: it has none
    discharge_kw_max: float = 0.0  # of a pcs: the tightest of site file and profile
    charge_kw_max: float = 0.0
    can_form: bool = False  # of a pcs: it has orders to form the bus and to follow again
    can_arm: bool = False  # of a pcs: it has a watchdog and an order that arms it
    measures: str = ""  # of a meter: grid, pv
    tells_cell_c: bool = False  # of a bms: its profile has cell temperatures
    order_states: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # left out: any state
    watchdog_s: float = inf  # of a pcs: its own watchdog ends a command after this; inf: it has none
    port: str = ""  # serial port it hangs on
    settle_s: float = SETTLE_S  # of a pcs: setpoint sent to power there, at full swing
    tolerance_kw: float = TOLERANCE_KW  # of a pcs: measured against told (F20)

    @property
    def stale_s(self) -> float:
        """Age from which the device's values are stale, s."""
        return max(STALE_S, POLLS_STALE * self.period_s)

    @property
    def lost_s(self) -> float:
        """Age from which the device counts as lost, s."""
        return max(LOST_S, POLLS_STALE * self.period_s)


@dataclass(frozen=True, slots=True)
class CellRow:
    """Limits at one cell temperature, share of the capacity an hour, one value a SOC of the table."""

    cell_c: float
    charge_pu: tuple[float, ...]
    discharge_pu: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CellTable:
    """Limits of the cells: rising SOC and rising temperatures, two of each at least."""

    soc_pct: tuple[float, ...]
    rows: tuple[CellRow, ...]


@dataclass(frozen=True, slots=True)
class SetPart:
    """One genset that the site may start."""

    name: str
    kw_max: float
    stale_s: float


@dataclass(frozen=True, slots=True)
class Shed:
    """One stage of load that may be shed: its power, and the SOC below which an island does without it."""

    name: str
    kw: float
    soc_pct: float


@dataclass(frozen=True, slots=True)
class FallbackTerms:
    """How the site lives without the grid; the options are those of `fallback` in the site file."""

    frequency_hz: float
    switch: str  # the transfer switch
    positions: Mapping[str, str]  # state of the switch: grid, genset, open
    switch_orders: Mapping[str, str]  # the other way round: position: order of the switch
    grid_word: str  # point of the switch that tells whether its grid side is there
    switch_stale_s: float
    ports: tuple[str, ...] = ()  # serial ports of switch and gensets
    sets: tuple[SetPart, ...] = ()
    sheds: tuple[Shed, ...] = ()
    closed: bool = True  # transition under the sync-check permissive; else with a dead bus between
    auto_black_start: bool = False
    reserve_pct: float = 30.0
    forming_pu_max: float = 0.8
    balance_pu: float = 0.02
    islanding_s_max: float = 5.0
    planned_s_max: float = 30.0
    return_s: float = 300.0
    resync_s_max: float = 120.0
    resyncs_per_h_max: int = 3
    handover_s: float = 2.0
    black_start_s_max: float = 240.0
    start_delay_s: float = 10.0
    start_pct: float = 40.0
    stop_pct: float = 80.0
    ready_s_max: float = 180.0
    crank_s: float = 10.0
    crank_rest_s: float = 10.0
    attempts_max: int = 3
    warm_up_s: float = 15.0
    warm_up_cold_s: float = 60.0
    cold_c: float = -10.0
    run_s_min: float = 1800.0
    run_s_max: float = 0.0
    cool_down_s: float = 180.0
    off_s_min: float = 300.0
    starts_per_h_max: int = 4
    stage_pu: float = 0.8
    load_pu_min: float = 0.3
    load_pu_max: float = 0.9
    fuel_pct_min: float = 10.0
    close_s_max: float = 0.3
    close_rest_s: float = 10.0
    shed_hold_s: float = 60.0
    chatter_max: int = 3
    chatter_s: float = 60.0
    chatter_hold_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Terms:
    """The site, as far as safety goes. Powers in kW, see controller.image for signs."""

    parts: tuple[Part, ...]
    voltage_v: float  # nominal, phase to neutral
    frequency_hz: float
    enter_service_s: float
    import_kw_max: float
    export_kw_max: float
    soc_pct_min: float
    soc_pct_max: float
    ramp_up_kw_per_s_max: float
    ramp_down_kw_per_s_max: float
    lease_s: float
    clear_hold_s: float
    curtailed_import_kw_max: float = (
        inf  # while the grid operator curtails (F61); the contract's holds as well
    )
    curtailed_export_kw_max: float = inf
    pv_kw_max: float = 0.0
    frame_s: float = 1e-4
    ports: tuple[str, ...] = ()  # in the order of the frame
    capacity_kwh: float = inf
    round_trip_pu: float = 1.0  # of what is charged comes out again at least; converters are in it
    soc_error_pct: float = 0.0  # how far the BMS may be off before its first anchor
    full_cell_v: float = inf  # at rest or nearly
    empty_cell_v: float = -inf
    dc_v_max: float = inf  # of the DC bus, by the site file; the BMS's own limit counts as well
    cells: CellTable | None = None  # None: the BMS speaks alone
    inputs: tuple[str, ...] = ()  # hard-wired contacts that are read
    fallback: FallbackTerms | None = None  # None: without the grid the site rests
    pcs: tuple[Part, ...] = field(init=False)
    bms: tuple[Part, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pcs", tuple(p for p in self.parts if p.kind == "pcs"))
        object.__setattr__(self, "bms", tuple(p for p in self.parts if p.kind == "bms"))

    @property
    def discharge_kw_max(self) -> float:
        """Of all converters together."""
        return sum(p.discharge_kw_max for p in self.pcs)

    @property
    def charge_kw_max(self) -> float:
        """Of all converters together."""
        return sum(p.charge_kw_max for p in self.pcs)

"""What the oracle may look at: plates of the site, what devices told, what is true, what went out. Frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, nan

from controller.config.battery import Cells
from controller.config.site import Meter, Pcs, Site, Unit
from controller.devices.check import CheckedSite
from controller.image import Device, Limits, Mode, Telemetry
from controller.records import quick

STALE_S = 0.5  # IL-04, F12, F16: or three polls of a slow device
POLLS = 3


@dataclass(frozen=True, slots=True)
class Plate:
    """One device as the site file and its profile have it."""

    name: str
    kind: str
    stale_s: float
    discharge_kw_max: float = 0.0
    charge_kw_max: float = 0.0
    kw_max: float = inf  # of a genset
    measures: str = ""


@dataclass(frozen=True, slots=True)
class Plates:
    """The site. positions: state of the switch: grid, genset, open."""

    devices: Mapping[str, Plate]
    import_kw_max: float
    export_kw_max: float
    ramp_kw_per_s_max: tuple[float, float]  # up, down
    lease_s: float
    soc_pct_min: float
    soc_pct_max: float = 100.0
    capacity_kwh: float = inf
    cells: Cells | None = None
    pv_kw_max: float = 0.0
    starts_per_h_max: int = 0
    switch: str = ""
    positions: Mapping[str, str] = field(default_factory=dict)
    kinds: dict[str, tuple[Plate, ...]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for plate in self.devices.values():
            self.kinds[plate.kind] = (*self.of(plate.kind), plate)

    def of(self, kind: str) -> tuple[Plate, ...]:
        """All devices of a kind, in the order of the file."""
        return self.kinds.get(kind, ())


@dataclass(frozen=True, slots=True)
class Order:
    """One command that arrived, as the oracle judges it."""

    verb: str
    rank: int  # the smaller wins; 3 is the person at the box
    sequence: int
    expires_ns: int
    reason: str


@quick
@dataclass(frozen=True, slots=True)
class Truth:
    """What is so, whatever was told. source: grid, genset, pcs, none; honest: no word of the switch was forged."""

    source: str = "grid"
    position: str = "grid"
    clashes: int = 0
    backfeed_s: float = 0.0
    kw: tuple[float, ...] = ()  # of every converter
    forming: tuple[bool, ...] = ()  # runs and forms
    honest: bool = True


@quick
@dataclass(frozen=True, slots=True)
class Scene:
    """One cycle. orders: device: order by the profile's name. neutral: the lease that an empty wish would have got.

    anchoring: it is told that the battery is to be filled, so that its charge is proven (6.3)."""

    t_ns: int
    telemetry: Telemetry
    truth: Truth
    mode: Mode
    limits: Limits
    orders: Mapping[str, str]
    commands: tuple[Order, ...] = ()
    refused: tuple[int, ...] = ()  # places in commands
    neutral: Limits | None = None
    anchoring: bool = False

    def told(self, name: str, point: str) -> float:
        """A value as last told, however old; nan: never."""
        device = self.telemetry.devices.get(name)
        return nan if device is None else device.values.get(point, nan)

    def age_s(self, name: str) -> float:
        """Age of a device's last word, inf: never any."""
        device = self.telemetry.devices.get(name)
        return inf if device is None else device.age_s

    def device(self, name: str) -> Device | None:
        """A device as last read."""
        return self.telemetry.devices.get(name)

    def closing(self, plates: Plates) -> str:
        """The source that the switch is ordered to connect, empty: none."""
        place = plates.positions.get(self.orders.get(plates.switch, ""), "")
        return place if place in ("grid", "genset") else ""

    def position(self, plates: Plates) -> str:
        """Where a fresh word of the switch puts it, empty: not known."""
        device = self.device(plates.switch)
        known = device is not None and device.age_s <= STALE_S
        return plates.positions.get(device.state, "") if known and device is not None else ""


def plates_of(checked: CheckedSite) -> Plates:
    """The plates of a checked site."""
    site = checked.site
    switch = site.switches[0] if site.fallback is not None else None
    positions = (
        {} if switch is None else {"source-1": switch.source_1, "source-2": switch.source_2, "open": "open"}
    )
    return Plates(
        devices={unit.name: _plate(unit, checked) for _, unit in site.units()},
        import_kw_max=site.grid.import_kw_max,
        export_kw_max=site.grid.export_kw_max,
        ramp_kw_per_s_max=_ramps(site),
        lease_s=site.control.lease_s,
        soc_pct_min=site.battery.soc_pct_min,
        soc_pct_max=site.battery.soc_pct_max,
        capacity_kwh=site.battery.capacity_kwh,
        cells=site.battery.cells,
        pv_kw_max=site.pv.kw_max,
        starts_per_h_max=site.fallback.genset.starts_per_h_max if site.fallback is not None else 0,
        switch=switch.name if switch is not None else "",
        positions=positions,
    )


def _ramps(site: Site) -> tuple[float, float]:
    utility, own = site.utility, [site.control.ramp_kw_per_s_max]
    if utility.range_kw_max is not None:
        own.append(utility.range_kw_max / utility.range_s)
    up, down = utility.ramp_up_kw_per_s_max, utility.ramp_down_kw_per_s_max
    return min(own if up is None else [*own, up]), min(own if down is None else [*own, down])


def _plate(unit: Unit, checked: CheckedSite) -> Plate:
    profile = checked.profiles[unit.profile]
    period_s = max(read.period_ms for read in profile.reads.values() if read.live) / 1000.0
    power = (unit.discharge_kw_max, unit.charge_kw_max) if isinstance(unit, Pcs) else (0.0, 0.0)
    return Plate(
        unit.name, profile.kind, max(STALE_S, POLLS * period_s), *power,
        kw_max=getattr(unit, "kw_max", inf), measures=unit.measures if isinstance(unit, Meter) else "",
    )  # fmt: skip

"""A site averaged over the safety cycle: the plant of campaigns, a thousand times faster than the waveform.

Grid, switch, gensets, converters, battery, load and what the devices tell of them. The 10 kHz frame is not in it: in
its place stands the worst that a lease permits, so whatever a lease allows has happened here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from controller.image import Box, Device, Frame, Instant, Limits, Permit, PortLook, Telemetry, Track
from controller.plan.economy import Plant
from controller.records import replace
from controller.safety.terms import Part, Terms
from controller.units import NS_PER_S, ns
from tools.averaged.machines import Converter, Genset, Switch
from tools.season import battery_step

START_S = 1000.0
EPOCH_S = 1_767_225_600.0  # as tools.sim: a run never depends on the day it is made
READ_S = 0.02  # age of a reading when the cycle sees it
BEAT_HZ = 0.05  # converters that form run a little beside the grid
EFFICIENCY_PU = 0.96
DC_V = 800.0
CELL_V, CELL_V_FULL, CELL_V_EMPTY = 3.30, 3.45, 2.90
OVERLOAD_PU = 1.2  # a forming converter trips above it
ABLE = {"discharge_kw_max", "charge_kw_max"}
NEIGHBOURS_PU = 0.1  # of the import limit: what a dead grid takes from converters that form a bus tied to it


@dataclass(slots=True)
class Spoil:
    """What is wrong with the sensors and the wire: what a device tells in place of the truth. Empty: nothing."""

    mute: set[str] = field(default_factory=set)
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)  # of Device: state, identity, age_s
    track: dict[str, Any] = field(default_factory=dict)
    frame: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, float] = field(default_factory=dict)  # hard-wired contacts that are read: 1 active
    disk_full: bool = False
    limits_flipped: bool = False
    box: dict[str, Any] = field(default_factory=dict)  # of Box: what the computer tells of itself
    utc_s: float = 0.0  # the wall clock is wrong by so much
    bms_soc_pct: float = 0.0


class World:
    """The site of `terms`, at rest at the grid. Powers in kW, signs as everywhere."""

    def __init__(self, terms: Terms, load_kw: float = 500.0, soc_pct: float = 50.0) -> None:
        self.terms, self.t_ns = terms, ns(START_S)
        fallback = terms.fallback
        self.pcs = {p.name: Converter(p.discharge_kw_max, p.charge_kw_max) for p in terms.pcs}
        self.gensets = {} if fallback is None else {p.name: Genset(p.kw_max) for p in fallback.sets}
        self.switch = Switch()
        self.spoil = Spoil()
        self.grid_pu, self.grid_hz = 1.0, terms.frequency_hz
        self.load_kw = self.asked_kw = load_kw  # carried; wanted before anything is shed
        self.want_kw = 0.0  # what the law would like of all converters together
        self.capacity_kwh = min(terms.capacity_kwh, 1e6)
        self.battery = Plant(
            energy_kwh_min=0.0, energy_kwh_max=self.capacity_kwh, charge_kw_max=inf, discharge_kw_max=inf,
            charge_efficiency_pu=EFFICIENCY_PU, discharge_efficiency_pu=EFFICIENCY_PU,
            import_kw_max=inf, export_kw_max=inf,
        )  # fmt: skip
        self.energy_kwh = self.capacity_kwh * soc_pct / 100.0
        self.limit_kw = (
            terms.charge_kw_max / 0.8,
            terms.discharge_kw_max / 0.8,
        )  # of the BMS: charge, discharge
        self.cell_c = (20.0, 25.0)
        self.heat_k_per_s = 0.0  # its hottest cell heats up by itself
        self.cell_v_apart = 0.0  # its lowest cell stands below the others
        self.source, self.grid_kw, self.pcs_kw = "grid", load_kw, 0.0
        self.import_kwh, self.export_kwh = 1000.0, 0.0  # of the meter at the connection
        self.dc_kwh = self.dc_s = 0.0  # what the frame has counted out of the battery
        self.backfeed_s = 0.0  # converters have formed a bus that is tied to a dead grid
        self.lapses = self.frames = 0
        self.alone = False  # the supervisor does not come round: nothing is ordered
        names = {part.name: next(iter(part.accepted), "") for part in terms.parts}
        self.identities = {name: f"unit of {name}" if x == "*" else x for name, x in names.items()}
        self.last: dict[str, Device] = {}
        self.told_ns: dict[str, int] = {}

    @property
    def now(self) -> Instant:
        """This instant."""
        return Instant(self.t_ns, EPOCH_S + self.t_ns / NS_PER_S + self.spoil.utc_s)

    @property
    def soc_pct(self) -> float:
        """True state of charge."""
        return 100.0 * self.energy_kwh / self.capacity_kwh

    @property
    def dc_kw(self) -> float:
        """Power out of the battery."""
        return self.pcs_kw * (EFFICIENCY_PU if self.pcs_kw < 0 else 1.0 / EFFICIENCY_PU)

    @property
    def bus_pu(self) -> float:
        """Voltage of the load's bus."""
        return {"grid": self.grid_pu, "none": 0.0}.get(self.source, 1.0)

    @property
    def bus_hz(self) -> float:
        """Its frequency, 0: none."""
        if self.source == "genset":
            return max((g.hz for g in self.gensets.values()), default=0.0)
        beat = {"grid": self.grid_hz, "pcs": self.terms.frequency_hz + BEAT_HZ}
        return beat.get(self.source, 0.0)

    def step(
        self, step_s: float, orders: Mapping[str, str], limits: Limits | None, shed_stage: int = 0
    ) -> None:
        """Orders arrive, then everything moves by step_s, under the lease if that is live when it begins."""
        self._order(orders)
        live = limits if limits is not None and self.t_ns <= limits.valid_until_ns else None
        self.t_ns += ns(step_s)
        self._find_source(step_s)
        fallback = self.terms.fallback
        shed_kw = sum(shed.kw for shed in fallback.sheds[:shed_stage]) if fallback else 0.0
        self.load_kw = max(self.asked_kw - shed_kw, 0.0) if self.source != "none" else 0.0
        self._power(step_s, live)
        if self.heat_k_per_s:
            self.cell_c = (self.cell_c[0], self.cell_c[1] + self.heat_k_per_s * step_s)
        self.frames += round(step_s / self.terms.frame_s)

    def _order(self, orders: Mapping[str, str]) -> None:
        fallback = self.terms.fallback
        for name, order in orders.items():
            if name in self.pcs:
                self.pcs[name].order(order)
            elif name in self.gensets:
                self.gensets[name].order(order)
            elif fallback is not None and name == fallback.switch:
                self.switch.aim = next(p for p, o in fallback.switch_orders.items() if o == order)

    def _find_source(self, step_s: float) -> None:
        grid_hz = self.grid_hz if self.grid_pu > 0.1 else 0.0
        set_hz = max((g.hz for g in self.gensets.values()), default=0.0)
        aimed_hz = {"grid": grid_hz, "genset": set_hz}.get(self._aimed(), 0.0)
        self.switch.step(step_s, self.bus_hz if self.source != "none" else 0.0, aimed_hz, self.alone)
        forms = any(c.forming and c.state == "running" for c in self.pcs.values())
        position = self.switch.position
        if position == "grid" and self.grid_pu > 0.1:
            self.source = "grid"
        elif position == "genset" and set_hz > 0.0:
            self.source = "genset"
        elif forms:
            self.source = "pcs"
        else:
            self.source = "none"
        self.backfeed_s += step_s if forms and position == "grid" and self.grid_pu <= 0.1 else 0.0

    def _aimed(self) -> str:
        """The source that the relays at the open switch hold against the bus: the one it is to close, or could."""
        if self.switch.aim != "open":
            return self.switch.aim
        return "grid" if self.grid_pu > 0.1 else "genset"

    def _power(self, step_s: float, limits: Limits | None) -> None:
        told = self._setpoints(limits)
        for name, converter in self.pcs.items():
            converter.step(told.get(name, 0.0), step_s, self.source != "none")
        if self.source == "pcs":
            self._form()
        self.pcs_kw = sum(c.kw for c in self.pcs.values())
        left_kw = self.load_kw - self.pcs_kw
        running = [g for g in self.gensets.values() if g.state == "running"]
        rating_kw = sum(g.kw_max for g in running)
        for genset in self.gensets.values():
            share = genset.kw_max / rating_kw if self.source == "genset" and genset in running else 0.0
            genset.step(left_kw * share, self.terms.frequency_hz, step_s)
        self.grid_kw = left_kw if self.source == "grid" else -self._leaked_kw()
        self.import_kwh += max(self.grid_kw, 0.0) * step_s / 3600.0
        self.export_kwh -= min(self.grid_kw, 0.0) * step_s / 3600.0
        self.dc_kwh, self.dc_s = self.dc_kwh + self.dc_kw * step_s / 3600.0, self.dc_s + step_s
        given_kw, self.energy_kwh = battery_step(self.battery, self.energy_kwh, self.pcs_kw, step_s / 3600.0)
        if abs(given_kw - self.pcs_kw) > 1.0:  # empty or full: the BMS opens
            for converter in self.pcs.values():
                converter.enter("fault")

    def _leaked_kw(self) -> float:
        """Power of the converters into a grid that is dead and tied to them."""
        tied = self.source == "pcs" and self.switch.position == "grid"
        return NEIGHBOURS_PU * self.terms.import_kw_max if tied else 0.0

    def _form(self) -> None:
        forming = [c for c in self.pcs.values() if c.forming and c.state == "running"]
        rating_kw = sum(c.discharge_kw_max for c in forming)
        kw = self.load_kw + self._leaked_kw()
        for converter in forming:
            if kw > OVERLOAD_PU * rating_kw:
                converter.enter("fault")
                converter.kw = 0.0
            else:
                converter.kw = kw * converter.discharge_kw_max / rating_kw

    def _setpoints(self, limits: Limits | None) -> dict[str, float]:
        """What the frame sends: the wanted power as far as lease, connection and law let it."""
        if limits is None or not limits.permit & Permit.SETPOINT:
            return {}
        low_kw, high_kw = -sum(limits.charge_kw_max), sum(limits.discharge_kw_max)
        want_kw = min(
            max(self.want_kw, self.load_kw - limits.import_kw_max), self.load_kw + limits.export_kw_max
        )
        aim_kw = min(max(want_kw, low_kw), high_kw)
        whole, parts = (high_kw, limits.discharge_kw_max) if aim_kw > 0 else (-low_kw, limits.charge_kw_max)
        return {
            name: aim_kw * part / whole if whole else 0.0 for name, part in zip(self.pcs, parts, strict=False)
        }

    def telemetry(self) -> Telemetry:
        """What the cycle knows now."""
        told = {part.name: self._device(part.name, part.kind, *self._told(part)) for part in self.terms.parts}
        if self.terms.fallback is not None:
            for name, genset in self.gensets.items():
                values = {
                    "frequency_hz": genset.hz, "speed_rpm": 30.0 * genset.hz, "fuel_pct": genset.fuel_pct,
                    "coolant_c": genset.coolant_c, "power_kw": genset.kw,
                }  # fmt: skip
                told[name] = self._device(name, "genset", values, genset.state, False)
            told |= self._switch_told()
        return Telemetry(
            self.now, self._track(), self._frame(), told, dict(self.spoil.inputs), self.spoil.disk_full,
            self.spoil.limits_flipped, Box(**self.spoil.box),
        )  # fmt: skip

    def _track(self) -> Track:
        bus_v = self.bus_pu * self.terms.voltage_v
        track = Track(
            t_ns=self.t_ns, load_kw=self.load_kw, load_kw_mean=self.load_kw, frequency_hz=self.bus_hz,
            voltage_v=bus_v, dc_kw=self.dc_kw, dc_kwh=self.dc_kwh, dc_s=self.dc_s, dc_v=DC_V, dc_quality=0,
        )  # fmt: skip
        return replace(track, **self.spoil.track) if self.spoil.track else track

    def _frame(self) -> Frame:
        looks = tuple(PortLook(name, 1, self.frames // 500) for name in self.terms.ports)
        sent = tuple(c.told_kw for c in self.pcs.values())
        frame = Frame(
            frames=max(self.frames, 1), t_ns=self.t_ns, lease_live=True, lease_lapses=self.lapses,
            sample_age_s=0.0, ports=looks, sent_kw=sent, sent_kw_low=sent, sent_kw_high=sent,
        )  # fmt: skip
        return replace(frame, **self.spoil.frame) if self.spoil.frame else frame

    def _told(self, part: Part) -> tuple[dict[str, float], str, bool]:
        """Values, state and arming of one device of the site proper."""
        if part.kind == "pcs":
            c = self.pcs[part.name]
            told = {"pcs_kw": c.kw, "setpoint_kw": c.told_kw, "form_word": float(c.forming), "dc_v": DC_V}
            return told, c.state, c.armed
        if part.kind == "meter":
            return {
                "power_kw": self.grid_kw, "voltage_v": self.grid_pu * self.terms.voltage_v,
                "frequency_hz": self.grid_hz if self.grid_pu > 0.1 else 0.0,
                "import_kwh": self.import_kwh, "export_kwh": self.export_kwh,
            }, "unknown", False  # fmt: skip
        racks, soc_pct = len(self.terms.bms), self.soc_pct
        cell_v = CELL_V_FULL if soc_pct > 99.0 else CELL_V_EMPTY if soc_pct < 1.0 else CELL_V
        charge_kw, discharge_kw = self.limit_kw if soc_pct < 99.9 else (0.0, self.limit_kw[1])
        return {
            "soc_pct": min(max(soc_pct + self.spoil.bms_soc_pct, 0.0), 100.0), "dc_v": DC_V,
            "dc_a": 1000.0 * self.dc_kw / DC_V / racks, "charge_a_max": 1000.0 * charge_kw / DC_V / racks,
            "discharge_a_max": 1000.0 * discharge_kw / DC_V / racks, "cell_v_min": cell_v - self.cell_v_apart,
            "cell_v_max": cell_v,
            "cell_c_min": self.cell_c[0], "cell_c_max": self.cell_c[1],
        }, "unknown", False  # fmt: skip

    def _switch_told(self) -> dict[str, Device]:
        fallback = self.terms.fallback
        assert fallback is not None
        state = next(s for s, p in fallback.positions.items() if p == self.switch.position)
        grid = float(self.grid_pu > 0.85)
        live = float(any(g.hz > 0.0 for g in self.gensets.values()))
        other = "source_2_word" if fallback.grid_word == "source_1_word" else "source_1_word"
        aimed = {"grid": grid, "genset": live}.get(self._aimed(), 0.0)
        values = {
            fallback.grid_word: grid, other: live, "dead_word": float(self.bus_pu < 0.1),
            "sync_word": float(self.bus_pu > 0.85 and aimed > 0.0 and self.switch.in_step),
        }  # fmt: skip
        return {fallback.switch: self._device(fallback.switch, "ats", values, state, False)}

    def _device(self, name: str, kind: str, values: dict[str, float], state: str, armed: bool) -> Device:
        if name in self.spoil.mute:
            if name not in self.last:
                return Device(name, kind, {}, inf)  # it has never answered
            age_s = (self.t_ns - self.told_ns[name]) / NS_PER_S
            return replace(self.last[name], age_s=age_s, silent_s=age_s, misses=9)
        if name in self.spoil.values:
            values |= self.spoil.values[name]
        self.told_ns[name] = t_ok_ns = self.t_ns - ns(READ_S)
        told = Device(
            name, kind, values, READ_S, state=state, armed=armed, identity=self.identities.get(name, ""),
            silent_s=READ_S, t_ok_ns=t_ok_ns, t_identity_ns=t_ok_ns, t_setpoint_ns=t_ok_ns,
            t_able_ns=t_ok_ns if ABLE & values.keys() else 0,
        )  # fmt: skip
        if name in self.spoil.fields:
            told = replace(told, **self.spoil.fields[name])
        self.last[name] = told
        return told

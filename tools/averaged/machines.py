"""Converter, genset and transfer switch averaged over a step of the safety cycle: states, times, what they refuse.

The states and times are those of tools/plant (pcs.pyx, backup.pyx); what passes within a tenth of a second is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

PCS_START_S = 1.0  # order to running
PCS_RIDE_S = 3.0  # a converter that follows waits so long on a dead bus
CRANK_S = 5.0  # start order to rated speed
MOVE_S = 0.1  # of the switch, from a source to open or from open to a source
CLASH_DEG = 20.0  # a closing further out of step hurts
SYNC_DEG = 10.0  # the usual sync check
FUEL_PCT_PER_H = 7.0  # at rated load


@dataclass(slots=True)
class Converter:
    """A PCS. kw > 0 discharges; told_kw: the setpoint it last took."""

    discharge_kw_max: float
    charge_kw_max: float
    state: str = "standby"  # off, standby, starting, running, fault
    age_s: float = 0.0  # in this state
    forming: bool = False
    armed: bool = False
    told_kw: float = 0.0
    kw: float = 0.0
    deaf: bool = False  # takes no order
    ignores: bool = False  # takes setpoints and does not follow
    sign: float = 1.0  # -1: does the opposite
    stuck: bool = False  # keeps its power whatever it is told
    dead_s: float = 0.0  # since when its bus is dead

    def order(self, name: str) -> None:
        """One order by the profile's name."""
        if self.deaf or (self.state == "fault" and name != "clear"):
            return
        if name == "arm":
            self.armed = True
        elif name in ("form", "follow"):
            self.forming = name == "form"
        elif name == "clear" and self.state == "fault":
            self.enter("standby")
        elif name == "start" and self.state == "standby":
            self.enter("starting")
        elif name == "stop" and self.state in ("starting", "running"):
            self.enter("standby")

    def enter(self, state: str) -> None:
        """Change the state."""
        self.state, self.age_s = state, 0.0

    def step(self, told_kw: float, step_s: float, bus_live: bool) -> None:
        """A step on a bus that others carry: it follows its setpoint within the step."""
        self.age_s += step_s
        if self.state == "starting" and self.age_s >= PCS_START_S:
            self.enter("running")
        self.dead_s = 0.0 if bus_live or self.forming else self.dead_s + step_s
        if self.dead_s > PCS_RIDE_S and self.state in ("starting", "running"):
            self.enter("standby")
        self.told_kw = told_kw
        if self.stuck:
            return
        if self.ignores:
            told_kw = 0.0
        goes = self.state == "running" and bus_live
        self.kw = self.sign * min(max(told_kw, -self.charge_kw_max), self.discharge_kw_max) if goes else 0.0


@dataclass(slots=True)
class Genset:
    """An engine behind its own controller."""

    kw_max: float
    state: str = "off"  # off, starting, running, fault
    age_s: float = 0.0
    kw: float = 0.0
    hz: float = 0.0
    fuel_pct: float = 90.0
    coolant_c: float = 40.0
    failures: int = 0  # starts that come to nothing
    deaf: bool = False
    starts: int = 0

    def order(self, name: str) -> None:
        """A run request that comes or goes."""
        if self.deaf or self.state == "fault":
            return
        if name == "start" and self.state == "off":
            self.state, self.age_s, self.starts = "starting", 0.0, self.starts + 1
        elif name == "stop" and self.state != "off":
            self.failures -= self.failures > 0 and self.state == "starting"
            self.state, self.age_s = "off", 0.0

    def step(self, kw: float, nominal_hz: float, step_s: float) -> None:
        """A step at a load."""
        self.age_s += step_s
        if self.state == "starting" and not self.failures and self.age_s >= CRANK_S:
            self.state, self.age_s = "running", 0.0
        runs = self.state == "running"
        self.kw = kw if runs else 0.0
        self.hz = nominal_hz * (1.0 - 0.03 * self.kw / self.kw_max) if runs else 0.0
        self.fuel_pct = max(
            self.fuel_pct - FUEL_PCT_PER_H * step_s / 3600.0 * abs(self.kw) / self.kw_max, 0.0
        )
        if runs and self.fuel_pct <= 0.0:
            self.state = "fault"


def _turned(angle_deg: float, by_deg: float) -> float:
    """An angle after a turn, -180 to 180."""
    return (angle_deg + by_deg + 180.0) % 360.0 - 180.0


@dataclass(slots=True)
class Switch:
    """The transfer switch: one movement at a time, by way of open."""

    position: str = "grid"  # grid, genset, open
    aim: str = "grid"
    moving_s: float = 0.0
    stuck: bool = False
    angle_deg: float = 0.0  # of the aimed source against the bus
    clashes: int = 0  # closings of a live source onto a live bus out of step

    def step(self, step_s: float, bus_hz: float, source_hz: float, alone: bool = False) -> None:
        """One movement, while the angle turns. bus_hz, source_hz: 0 where there is no voltage.

        alone: the supervisor hangs, and nobody takes an order back. The switch runs alone then (safety.md 2.3), and its
        own sync-check relay in series with the closing coil (IL-01, H: relay 25) gives up a closing out of step. While
        the supervisor lives that relay is left out: what the step should have taken back still counts as a clash.
        """
        deg_per_s = 360.0 * (source_hz - bus_hz) if bus_hz and source_hz else 0.0
        began_deg = self.angle_deg
        self.angle_deg = _turned(began_deg, deg_per_s * step_s)
        if self.stuck or self.aim == self.position:
            return
        spent_s = min(step_s, MOVE_S - self.moving_s)
        self.moving_s += spent_s
        if self.moving_s < MOVE_S - 1e-9:
            return
        self.moving_s = 0.0
        if self.position == "open":
            apart_deg = abs(_turned(began_deg, deg_per_s * spent_s))
            apart = bool(bus_hz and source_hz and apart_deg > CLASH_DEG)
            if apart and alone:
                self.aim = self.position
                return
            self.clashes += apart
            self.position = self.aim
        else:
            self.position = "open"  # and no further: the bus must be looked at anew before it may close

    @property
    def in_step(self) -> bool:
        """What its sync check sees."""
        return abs(self.angle_deg) <= SYNC_DEG

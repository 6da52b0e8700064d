"""One supervisor cycle, read aloud. Runs at 10 Hz; budget 20 ms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from controller.devices.check import CheckedSite
from controller.devices.roster import Roster
from controller.devices.table import BusTable
from controller.devices.tcp import TcpDevices
from controller.image import (
    Conditions,
    FastImage,
    Forecast,
    Instant,
    Limits,
    Mode,
    ModeState,
    Telemetry,
    Wish,
)
from controller.runtime import survey
from controller.runtime.backstop import Backstop
from controller.runtime.desk import Desk
from controller.runtime.events import Event, changes
from controller.runtime.fastlink import FastLink
from controller.runtime.wear import Wear
from controller.safety import conditions, envelope, modes, orders

PERIOD_S = 0.1


@dataclass(frozen=True, slots=True)
class Cycle:
    """Everything one cycle knew, decided and has to tell."""

    now: Instant
    telemetry: Telemetry
    conditions: Conditions
    mode: ModeState
    wish: Wish
    limits: Limits
    events: tuple[Event, ...]


class Supervisor:
    """Holds what lasts from cycle to cycle. watchers get the record of every cycle."""

    def __init__(
        self,
        checked: CheckedSite,
        table: BusTable,
        fastlink: FastLink,
        start: Conditions | None = None,
        wear: Wear | None = None,
    ) -> None:
        self.terms = survey.terms(checked)
        self.wisher = survey.wisher(checked)
        self.roster = Roster(checked, table)
        self.wear = wear or Wear(checked)
        self.desk = Desk(self.roster.order, self.wear.admit)
        self.fastlink = fastlink
        self.tcp = TcpDevices(table.tcp)
        self.conditions = start or Conditions()
        self.backstop = Backstop(checked)
        self.drifts: Mapping[str, float] = {}  # see runtime.refine
        self.mode = ModeState()
        self.forecast = Forecast()
        self.wanted = checked.site.control.auto_start
        self.watchers: list[Callable[[Cycle], None]] = []

    def cycle(self, now: Instant) -> Limits:
        """One cycle at `now`; returns the lease that was published."""
        before, mode_before = self.conditions, self.mode
        telemetry = self.roster.snapshot(now, self.tcp.joined(self.seen(now)))
        self.conditions = conditions.read(self.terms, before, mode_before, telemetry, now)
        self.mode = modes.next_mode(self.terms, mode_before, self.conditions, self.wanted, now)
        wish = self.wisher.decide(telemetry, self.forecast, now)
        wish = replace(wish, gain=wish.gain * self.backstop.share)
        asked = self.desk.fill(orders.wanted(self.terms, self.mode, self.conditions, now), now)
        limits = envelope.limit(self.terms, self.mode, self.conditions, wish, asked, now)
        self.fastlink.publish(limits)
        events = changes(before, self.conditions, mode_before, self.mode, now) + self.wear.events()
        self.record(Cycle(now, telemetry, self.conditions, self.mode, wish, limits, events))
        return limits

    def seen(self, now: Instant) -> FastImage:
        """What the frame has published, and what the backstop makes of its samples."""
        fast = self.fastlink.snapshot()
        engaged = self.mode.mode == Mode.GRID_TIED and self.conditions.running
        backstop = self.backstop.look(now, self.fastlink.ring, engaged)
        return replace(fast, frame=replace(fast.frame, backstop=backstop, drifts=tuple(self.drifts.items())))

    def record(self, cycle: Cycle) -> None:
        """Hand the finished cycle to everyone who keeps or shows it."""
        for watcher in self.watchers:
            watcher(cycle)

    def stop(self) -> None:
        """Ask for a normal stop: ramp to zero, stop order, STANDBY. Lasts until start()."""
        self.wanted = False

    def start(self) -> None:
        """Ask for GRID_TIED as soon as the rules allow it."""
        self.wanted = True

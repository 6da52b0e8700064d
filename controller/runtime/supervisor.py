"""One supervisor cycle, read aloud. Runs at 10 Hz; budget 20 ms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from controller.devices.check import CheckedSite
from controller.devices.roster import Roster
from controller.devices.table import BusTable
from controller.devices.tcp import TcpDevices
from controller.image import Box, FastImage, Forecast, Instant, Limits, Mode, Telemetry, Wish
from controller.records import quick
from controller.runtime import survey
from controller.runtime.backstop import Backstop
from controller.runtime.desk import Desk
from controller.runtime.events import Event, barriers, changes, refusals
from controller.runtime.fastlink import FastLink
from controller.runtime.wear import Wear
from controller.safety.command import Command, Rank, Refused
from controller.safety.hall import Hall
from controller.safety.step import Inputs, State, step
from controller.state import Conditions, ModeState, updated
from controller.units import ns

PERIOD_S = 0.1


@quick
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
    refused: Refused = ()
    hall: Hall = field(default_factory=Hall)
    commands: tuple[Command, ...] = ()

    @property
    def state(self) -> State:
        """What safety remembers of this cycle."""
        return State(self.conditions, self.mode, hall=self.hall)


class Supervisor:
    """Holds what lasts from cycle to cycle. watchers get the record of every cycle; inbox: commands for the next."""

    def __init__(
        self,
        checked: CheckedSite,
        table: BusTable,
        fastlink: FastLink,
        start: State | None = None,
        wear: Wear | None = None,
    ) -> None:
        self.terms = survey.terms(checked)
        self.wisher = survey.wisher(checked)
        self.roster = Roster(checked, table)
        self.wear = wear or Wear(checked)
        self.desk = Desk(self.roster.order, self.wear.admit)
        self.fastlink = fastlink
        self.tcp = TcpDevices(table.tcp)
        start = start or State()
        self.state = replace(start, mode=replace(start.mode, wanted=checked.site.control.auto_start))
        self.backstop = Backstop(checked)
        self.drifts: Mapping[str, float] = {}  # see runtime.refine
        self.forecast = Forecast()
        self.disk_full: Callable[[], bool] = lambda: False  # see runtime.disk
        self.limits_flipped: Callable[[], bool] = lambda: False  # see runtime.seal
        self.box: Callable[[], Box] = Box  # see runtime.box
        self.inbox: list[Command] = []
        self._asked: list[str] = []
        self.watchers: list[Callable[[Cycle], None]] = []

    @property
    def conditions(self) -> Conditions:
        """What is wrong, and what the site can do."""
        return self.state.conditions

    @property
    def mode(self) -> ModeState:
        """Where the site stands."""
        return self.state.mode

    def cycle(self, now: Instant) -> Limits:
        """One cycle at `now`; returns the lease that was published."""
        before = self.state
        telemetry = self.roster.snapshot(now, self.tcp.joined(self.seen(now)))
        telemetry = updated(
            telemetry, disk_full=self.disk_full(), limits_flipped=self.limits_flipped(), box=self.box()
        )
        fill = self.conditions.battery.anchor_due
        wish = self.wisher.decide(telemetry, self.forecast, now, fill)
        wish = updated(wish, gain=wish.gain * self.backstop.gain, prompt_pu=self.backstop.prompt_pu)
        commands = self._commands(now)
        self.state, outputs = step(self.terms, before, Inputs(telemetry, wish, commands), now)
        limits = updated(outputs.limits, orders=self.desk.fill(outputs.orders, now))
        self.fastlink.publish(limits)
        told = refusals(outputs.refused, now) + barriers(outputs.blocked, now) + self.wear.events()
        told += self.backstop.feeder.events()
        events = changes(before, self.state, now) + told
        seen = (self.conditions, self.mode, wish, limits, events, outputs.refused, self.state.hall, commands)
        self.record(Cycle(now, telemetry, *seen))
        return limits

    def rest(self, now: Instant) -> Limits:
        """A cycle has failed (F98): zero at once, not when the lease ends. Asks nothing of what has failed.

        An island's former goes on: it has no power of the lease's (reference/safety.md 2.3).
        """
        none = (0.0,) * len(self.terms.pcs)
        limits = Limits(
            sequence=now.t_ns, t_issue_ns=now.t_ns, valid_until_ns=now.t_ns + ns(self.terms.lease_s),
            mode=self.mode.mode, permit=0, discharge_kw_max=none, charge_kw_max=none,
            import_kw_max=self.terms.import_kw_max, export_kw_max=self.terms.export_kw_max,
            ramp_up_kw_per_s_max=0.0, ramp_down_kw_per_s_max=0.0, fall_kw_per_s=1.0, leak_kw=0.0, gain=0.0,
            prompt_pu=0.0,
        )  # fmt: skip
        self.fastlink.publish(limits)
        return limits

    def seen(self, now: Instant) -> FastImage:
        """What the frame has published, and what the backstop makes of its samples."""
        engaged = self.mode.mode == Mode.GRID_TIED and self.conditions.running
        backstop = self.backstop.look(now, self.fastlink.ring, engaged, self.conditions.frame)
        return self.fastlink.snapshot(backstop, self.drifts)

    def record(self, cycle: Cycle) -> None:
        """Hand the finished cycle to everyone who keeps or shows it."""
        for watcher in self.watchers:
            watcher(cycle)

    def ask(self, verb: str) -> None:
        """Ask for something with the box's own authority: `stop` ramps to zero and ends in STANDBY."""
        self._asked.append(verb)

    def _commands(self, now: Instant) -> tuple[Command, ...]:
        """What has come in since the last cycle."""
        own = [Command(verb, Rank.LOCAL, now.t_ns + i, now.t_ns) for i, verb in enumerate(self._asked)]
        taken = (*self.inbox, *own)
        self.inbox.clear()
        self._asked.clear()
        return taken

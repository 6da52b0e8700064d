"""The real safety step against the averaged site, cycle by cycle; what a campaign and an injector drive."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from controller.devices.check import CheckedSite, check_site
from controller.image import Limits, Mode, Telemetry, Wish
from controller.records import replace
from controller.runtime import survey
from controller.safety.command import Command, Rank
from controller.safety.step import Inputs, Outputs, State, step
from controller.safety.terms import Terms
from controller.state import ModeState
from controller.units import ns
from tools.averaged.world import World

HALL = Path(__file__).with_name("hall.yaml")
CYCLE_S = 0.1
READY_S_MAX = 400.0


class StuckError(Exception):
    """A mode was not reached in time; the message says what held it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One cycle as it was: what went in and what came out."""

    run: AveragedRun
    before: State
    telemetry: Telemetry
    wish: Wish
    commands: tuple[Command, ...]
    outputs: Outputs
    step_s: float


@dataclass(slots=True)
class AveragedRun:
    """World, state and the newest outputs. watchers see every cycle."""

    terms: Terms
    world: World
    state: State = field(default_factory=lambda: State(mode=ModeState(wanted=True)))
    outputs: Outputs | None = None
    wish: Wish = field(default_factory=Wish)
    hung: bool = False  # the supervisor does not come round
    sequence: int = 0
    inbox: list[Command] = field(default_factory=list)  # for the next cycle
    watchers: list[Callable[[Seen], None]] = field(default_factory=list)

    @property
    def mode(self) -> Mode:
        """Present mode."""
        return self.state.mode.mode

    @property
    def limits(self) -> Limits | None:
        """The newest lease."""
        return self.outputs.limits if self.outputs is not None else None

    def drift(self, step_s: float) -> None:
        """The site alone, for part of a cycle."""
        orders = self.outputs.orders if self.outputs is not None else {}
        self.world.alone = self.hung
        self.world.step(step_s, orders, self.limits, self.state.hall.shed_stage)

    def decide(self, step_s: float = CYCLE_S) -> None:
        """The safety step on what the site tells now, with the commands of the inbox."""
        if (
            self.hung
        ):  # an order leaves once, under a live lease (ext.poll): it is not repeated, nor taken back
            self.outputs = replace(self.outputs, orders={}) if self.outputs is not None else None
            return
        commands = tuple(self.inbox)
        self.inbox.clear()
        telemetry = self.world.telemetry()
        inputs, before = Inputs(telemetry, self.wish, commands), self.state
        self.state, self.outputs = step(self.terms, before, inputs, telemetry.now)
        seen = Seen(self, before, telemetry, self.wish, commands, self.outputs, step_s)
        for watcher in self.watchers:
            watcher(seen)

    def cycle(self, step_s: float = CYCLE_S) -> None:
        """The site moves, then the step decides."""
        self.drift(step_s)
        self.decide(step_s)

    def ask(self, verb: str, rank: Rank = Rank.LOCAL) -> None:
        """A right command for the next cycle."""
        self.inbox.append(self.command(verb, rank))

    def command(self, verb: str, rank: Rank = Rank.LOCAL, reason: str = "campaign") -> Command:
        """A right command of now."""
        self.sequence += 1
        return Command(verb, rank, self.sequence, self.world.t_ns + ns(4.0), reason)

    def until(self, mode: Mode, seconds_max: float = READY_S_MAX) -> None:
        """Cycles until a mode is reached. Raises StuckError."""
        for _ in range(round(seconds_max / CYCLE_S)):
            if self.mode == mode:
                return
            self.cycle()
        raise StuckError(f"{self.mode.name} after {seconds_max:.0f} s: {self.state.mode.waiting}")

    def until_ready(self) -> None:
        """From the start to GRID_TIED with running converters."""
        self.until(Mode.GRID_TIED)
        for _ in range(60):
            self.cycle()

    def copied(self) -> AveragedRun:
        """The same site once more, without its watchers; terms and state are frozen and shared."""
        world, old = copy(self.world), self.world
        world.pcs = {name: copy(converter) for name, converter in old.pcs.items()}
        world.gensets = {name: copy(genset) for name, genset in old.gensets.items()}
        world.switch, world.spoil = copy(old.switch), deepcopy(old.spoil)
        world.last, world.told_ns = dict(old.last), dict(old.told_ns)
        return replace(self, world=world, watchers=[], inbox=[])


def averaged(site: Path = HALL) -> AveragedRun:
    """A site of a file, at rest before its start. Raises ConfigError."""
    return of(check_site(site))


def of(checked: CheckedSite) -> AveragedRun:
    """The same for a checked one. The load is a third of what the connection bears."""
    terms = survey.terms(checked)
    return AveragedRun(terms, World(terms, load_kw=round(terms.import_kw_max / 3.0)))

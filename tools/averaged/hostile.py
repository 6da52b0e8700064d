"""A hostile world from a seed: bursts of grid events, faults, loads, commands and wishes, and a person who resets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, nan
from random import Random

from controller.image import Mode, Wish
from controller.records import replace
from controller.safety.command import Command, Rank
from controller.safety.transition import ISLANDS
from controller.units import ns
from tools.averaged.run import AveragedRun
from tools.inject.averaged import ACTS

HOUR_S = 3600.0
BETWEEN_S = 24.0 * HOUR_S  # mean time from burst to burst
BURST = (1, 2, 2, 3, 3, 4, 6)  # events in one
GAPS_S = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # from event to event
LASTS_S = (0.2, 0.7, 2.0, 5.0, 15.0, 60.0, 400.0)  # of what goes again
BACK_CYCLES = 600  # until the site has come back to the grid, or something else is wrong
STOP_CYCLES = 50  # a stop is over, and the key has been seen
PERSON_S = (5.0, 120.0, 900.0)  # until somebody comes to a latched site
DEAD_END = "dead ends"
VAIN = 20  # so many visits without a site that runs are a dead end
OWN_STATE = (
    "F50",
    "F60",
    "F62",
)  # injectors that prepare the controller's own memory or wait for a mode of their own

Event = Callable[[AveragedRun, Random], "Callable[[AveragedRun, Random], None] | None"]


def _fault(code: str) -> Event:
    def event(run: AveragedRun, draw: Random) -> Callable[[AveragedRun, Random], None]:
        ACTS[code].begin(run, draw)
        return ACTS[code].end

    return event


def grid_gone(run: AveragedRun, draw: Random) -> Callable[[AveragedRun, Random], None]:
    """Dead, or outside of its window."""
    run.world.grid_pu = draw.choice((0.0, 0.0, 0.0, 0.5, 0.75))

    def back(run: AveragedRun, draw: Random) -> None:
        run.world.grid_pu = 1.0

    return back


def grid_flaps(run: AveragedRun, draw: Random) -> None:
    """It goes and comes every few seconds."""
    for _ in range(draw.randint(2, 5)):
        for pu in (0.0, 1.0):
            run.world.grid_pu = pu
            for _ in range(draw.randint(1, 40)):
                run.cycle()


def grid_chatters(run: AveragedRun, draw: Random) -> None:
    """It goes again as soon as the site is back on it: three transfers within a minute, and then one more (IL-20)."""
    for _ in range(draw.randint(2, 3)):
        run.world.grid_pu = 0.0
        for _ in range(draw.randint(10, 40)):
            run.cycle()
        run.world.grid_pu = 1.0
        for _ in range(BACK_CYCLES):
            if run.mode == Mode.GRID_TIED:
                break
            run.cycle()


def key_turned(run: AveragedRun, draw: Random) -> Callable[[AveragedRun, Random], None]:
    """A person at the box turns the key, while others command on (IL-14)."""
    for verb in ("stop", "maint"):
        run.ask(verb)
        for _ in range(STOP_CYCLES):
            run.cycle()
    for verb in draw.sample(("start", "reset", "island", "stop"), 3):
        run.ask(verb, draw.choice((Rank.OPERATOR, Rank.SUPERVISOR, Rank.LOCAL)))
        run.cycle()
    for _ in range(draw.randint(0, 30)):  # a hand at the first converter, and too much of it
        word = run.command("jog", draw.choice((Rank.LOCAL, Rank.LOCAL, Rank.OPERATOR)))
        kw = draw.choice((1e9, -1e9, nan, inf, 10.0))
        run.inbox.append(replace(word, device=draw.choice((next(iter(run.world.pcs)), "none")), kw=kw))
        run.cycle()
    return lambda run, draw: run.ask("maint-end")


def load_steps(run: AveragedRun, draw: Random) -> None:
    """A job begins, ends or crashes."""
    run.world.asked_kw = draw.choice((0.0, 30.0, 200.0, 500.0, 700.0, 1000.0, 1400.0))


def law_wants(run: AveragedRun, draw: Random) -> Callable[[AveragedRun, Random], None]:
    """The law wants all it can get, in either direction, or some."""
    run.world.want_kw = draw.choice((-inf, inf, 300.0, -300.0))
    return lambda run, draw: setattr(run.world, "want_kw", 0.0)


def bms_limits(run: AveragedRun, draw: Random) -> Callable[[AveragedRun, Random], None]:
    """The BMS lets less through."""
    run.world.limit_kw = draw.choice(((0.0, 800.0), (300.0, 0.0), (90.0, 120.0)))
    return lambda run, draw: setattr(run.world, "limit_kw", (1250.0, 1250.0))


def bms_blinks(run: AveragedRun, draw: Random) -> None:
    """A single reading allows far more than those around it."""
    kept, run.world.limit_kw = run.world.limit_kw, (5000.0, 5000.0)
    run.cycle()
    run.world.limit_kw = kept


def permissives_lie(run: AveragedRun, draw: Random) -> Callable[[AveragedRun, Random], None]:
    """The relays at the switch say what is not so, or both at once."""
    fallback = run.terms.fallback
    assert fallback is not None
    words = draw.choice(((1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)))
    run.world.spoil.values[fallback.switch] = dict(zip(("sync_word", "dead_word"), words, strict=True))

    def honest(run: AveragedRun, draw: Random) -> None:
        run.world.spoil.values.pop(fallback.switch, None)

    return honest


def switch_silent(run: AveragedRun, draw: Random) -> Callable[[AveragedRun, Random], None]:
    """The switch does not answer."""
    fallback = run.terms.fallback
    assert fallback is not None
    run.world.spoil.mute.add(fallback.switch)
    return lambda run, draw: run.world.spoil.mute.discard(fallback.switch)


def gensets_fail(run: AveragedRun, draw: Random) -> Callable[[AveragedRun, Random], None]:
    """Starts come to nothing, or a set that turns on by itself."""
    for genset in run.world.gensets.values():
        genset.failures = draw.choice((0, 1, 2, 9))
    if draw.random() < 0.3:
        next(iter(run.world.gensets.values())).order("start")

    def sound(run: AveragedRun, draw: Random) -> None:
        for genset in run.world.gensets.values():
            genset.failures = 0

    return sound


def set_trips(run: AveragedRun, draw: Random) -> Callable[[AveragedRun, Random], None]:
    """The set that runs reports a fault; somebody clears it on the spot."""
    for genset in run.world.gensets.values():
        genset.state = "fault"

    def cleared(run: AveragedRun, draw: Random) -> None:
        for genset in run.world.gensets.values():
            genset.state = "off" if genset.state == "fault" else genset.state

    return cleared


def _command(run: AveragedRun, draw: Random) -> Command:
    verb = draw.choice(
        ("start", "start", "stop", "reset", "island", "black-start", "maint", "maint-end", "format")
    )
    rank, now_ns = draw.choice(tuple(Rank)), run.world.t_ns
    sequence, life_s = (
        run.sequence + draw.choice((1, 1, 1, 0, -3)),
        draw.choice((1.0, 1.0, 4.9, -1.0, 6.0, 900.0)),
    )
    run.sequence = max(run.sequence, sequence)
    return Command(verb, rank, sequence, now_ns + ns(life_s), draw.choice(("", "hostile")))


def commands(run: AveragedRun, draw: Random) -> None:
    """People, programs and thieves, some of them with a stale or endless command."""
    for _ in range(draw.randint(1, 4)):
        run.inbox.append(_command(run, draw))
        if draw.random() < 0.6:
            run.cycle()


def leave_in_order(run: AveragedRun, draw: Random) -> None:
    """An operator leaves the grid."""
    run.ask("island", Rank.OPERATOR)


def wishes(run: AveragedRun, draw: Random) -> Callable[[AveragedRun, Random], None]:
    """A supervisor, a plan or a scheduler that wants what is no number, or far too much."""
    numbers = (nan, inf, -inf, 1e12, -1e12, 0.0, 50.0, -1.0)
    run.wish = Wish(draw.choice(numbers), draw.choice(numbers), draw.choice(numbers))
    return lambda run, draw: setattr(run, "wish", Wish())


EVENTS: dict[str, tuple[int, Event]] = {
    "grid gone": (9, grid_gone), "grid flaps": (3, grid_flaps), "grid chatters": (1, grid_chatters),
    "key turned": (1, key_turned), "load steps": (5, load_steps),
    "law wants": (4, law_wants), "bms limits": (3, bms_limits), "bms blinks": (2, bms_blinks),
    "permissives lie": (3, permissives_lie), "switch silent": (2, switch_silent), "gensets fail": (3, gensets_fail),
    "set trips": (1, set_trips), "commands": (4, commands), "leave in order": (2, leave_in_order),
    "hostile wish": (3, wishes),
} | {code: (1, _fault(code)) for code in ACTS if code not in OWN_STATE}  # fmt: skip


@dataclass(slots=True)
class World:
    """What happens next, and what still has to end. counts: events by name."""

    draw: Random
    counts: Counter[str] = field(default_factory=Counter)
    ends: list[tuple[int, Callable[[AveragedRun, Random], None]]] = field(default_factory=list)
    next_ns: int = 0
    left: int = 0  # events of the present burst that are still to come
    person_ns: int = 0
    vain: int = 0  # visits of the person since the site last ran

    def plan(self, run: AveragedRun) -> None:
        """When the next burst begins."""
        self.next_ns = run.world.t_ns + ns(max(self.draw.expovariate(1.0 / BETWEEN_S), 60.0))
        self.left = self.draw.choice(BURST)

    def due_ns(self) -> int:
        """When something happens next."""
        return min(
            [self.next_ns, *(t_ns for t_ns, _ in self.ends), *([self.person_ns] if self.person_ns else [])]
        )

    def act(self, run: AveragedRun) -> bool:
        """What is due now; True: something was."""
        now_ns, acted = run.world.t_ns, False
        for end in [item for item in self.ends if item[0] <= now_ns]:
            self.ends.remove(end)
            end[1](run, self.draw)
            acted = True
        if now_ns >= self.next_ns:
            self.strike(run)
            acted = True
        return self._person(run) or acted

    def strike(self, run: AveragedRun) -> None:
        """One event; the burst's next one soon, or the next burst much later."""
        names = list(EVENTS)
        name = self.draw.choices(names, [EVENTS[n][0] for n in names])[0]
        self.begin(run, name)
        self.left -= 1
        if self.left > 0:
            self.next_ns = run.world.t_ns + ns(self.draw.choice(GAPS_S) + 0.1)
        else:
            self.plan(run)

    def begin(self, run: AveragedRun, name: str) -> None:
        """This event, and its end later."""
        self.counts[name] += 1
        end = EVENTS[name][1](run, self.draw)
        if end is not None:
            self.ends.append((run.world.t_ns + ns(self.draw.choice(LASTS_S)), end))

    def _person(self, run: AveragedRun) -> bool:
        """Somebody comes to a site that waits: cures, acknowledges at the box, starts again."""
        if run.mode == Mode.GRID_TIED:
            self.vain = 0
        latched = any(run_.phase.name == "LOCKED" for run_ in run.state.hall.sets.values())
        told = any(c.grade in "CD" for c in run.state.conditions.active)
        waits = (
            run.mode in (Mode.FAULT, Mode.LOCKOUT, Mode.MAINT) or latched or told or not run.state.mode.wanted
        )
        if not waits:
            self.person_ns = 0
        elif not self.person_ns:
            self.person_ns = run.world.t_ns + ns(self.draw.choice(PERSON_S))
        elif run.world.t_ns >= self.person_ns:
            self.person_ns = 0
            self.cure(run)
            return True
        return False

    def cure(self, run: AveragedRun) -> None:
        """Everything is mended, acknowledged and started."""
        self.counts["person"] += 1
        self.vain += 1
        self.counts[DEAD_END] += self.vain == VAIN
        for _, end in self.ends:
            end(run, self.draw)
        self.ends.clear()
        for code in ACTS:
            if code not in OWN_STATE:
                ACTS[code].end(run, self.draw)
        for converter in run.world.pcs.values():
            if converter.state == "fault":
                converter.enter("standby")
        alone = run.mode not in ISLANDS  # the switch: it is turned by hand, and by nobody else
        if alone and run.world.source == "none":
            run.world.switch.position = run.world.switch.aim = "grid"
        for verb in ("maint-end", "reset", "", "", "start"):
            if verb:
                run.ask(verb)
            run.cycle()

"""Injectors of the averaged site that act on the computer and its plan, not on a device."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from controller.image import Wish
from controller.records import replace
from tools.averaged.run import AveragedRun, Seen

Change = Callable[[AveragedRun, Random], None]
Pair = tuple[Change, Change]  # how it comes, how it goes


def clock(seconds: float) -> Change:
    """The wall clock is wrong by so much."""
    return lambda run, draw: setattr(run.world.spoil, "utc_s", seconds)


def flip(flipped: bool) -> Change:
    """Limits in memory have changed, or not."""
    return lambda run, draw: setattr(run.world.spoil, "limits_flipped", flipped)


def disk(full: bool) -> Change:
    """A disk without room, or with it."""
    return lambda run, draw: setattr(run.world.spoil, "disk_full", full)


def box(**told: object) -> Pair:
    """What the computer tells of itself."""

    def end(run: AveragedRun, draw: Random) -> None:
        for name in told:
            run.world.spoil.box.pop(name, None)

    return lambda run, draw: run.world.spoil.box.update(told), end


def _turned(seen: Seen) -> None:
    """A plan that changes its mind with every cycle."""
    planned_kw = -100.0 if seen.run.wish.planned_kw > 0 else 100.0
    seen.run.wish = replace(seen.run.wish, planned_kw=planned_kw, leak_kw=-planned_kw)


def oscillate(run: AveragedRun, draw: Random) -> None:
    """The plan swings from now on."""
    run.watchers.append(_turned)


def calm(run: AveragedRun, draw: Random) -> None:
    """It swings no more."""
    if _turned in run.watchers:
        run.watchers.remove(_turned)
    run.wish = Wish()


def hang(hung: bool) -> Change:
    return lambda run, draw: setattr(run, "hung", hung)


def fall_behind(run: AveragedRun, draw: Random) -> None:
    """Two frames that are late, and a third."""
    for count in (1, 2):
        run.world.spoil.frame["skipped"] = 100 * count
        run.cycle(0.05)
    run.world.spoil.frame["skipped"] = 300


def catch_up(run: AveragedRun, draw: Random) -> None:
    run.world.spoil.frame.pop("skipped", None)

"""P3: two faults at once, every pair of those the averaged site can have, under the eyes of the oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from math import comb
from random import Random

from controller.devices.check import check_site
from tools.averaged.hostile import OWN_STATE
from tools.averaged.run import HALL
from tools.averaged.scenes import Watcher
from tools.inject.averaged import ACTS
from tools.inject.table import FAULTS
from tools.inject.trial import STARTS, prepared
from tools.oracle.facts import Plates, plates_of
from tools.oracle.watch import Oracle, Violation

APART_S = (0.0, 0.1, 0.5, 2.0)  # between the two
TOGETHER_S = 4.0
AFTER_S = 3.0  # by 0.1 s, and then
LONG_AFTER_S = 20  # by whole seconds
PAIRED = tuple(code for code in ACTS if code not in OWN_STATE)
SITUATIONS = ("grid", "discharging", "genset", "resync")


@dataclass(slots=True)
class Pairs:
    """What all trials showed."""

    trials: int = 0
    exercised: Counter[str] = field(default_factory=Counter)
    found: list[tuple[str, str, int, Violation]] = field(default_factory=list)


@cache
def _plates() -> Plates:
    return plates_of(check_site(HALL))


def pair(one: str, other: str, seed: int) -> Oracle:
    """One pair at one random phase: overlapping, healed in the order they came or the other way round."""
    draw = Random(f"{one} {other} {seed}")
    needed = [
        ACTS[code].start for code in (one, other) if ACTS[code].start in STARTS and ACTS[code].start != "grid"
    ]
    run = prepared(draw.choice(needed or SITUATIONS), HALL).copied()
    oracle = Oracle(_plates())
    run.watchers.append(Watcher(oracle))
    codes = [one, other] if draw.random() < 0.5 else [other, one]
    run.drift(draw.uniform(0.001, 0.099))
    ACTS[codes[0]].begin(run, draw)
    for _ in range(round(draw.choice(APART_S) * 10)):
        run.cycle()
    ACTS[codes[1]].begin(run, draw)
    for _ in range(round(TOGETHER_S * 10)):
        run.cycle()
    for code in draw.sample(codes, 2):
        ACTS[code].end(run, draw)
        for _ in range(round(AFTER_S * 10)):
            run.cycle()
    for _ in range(LONG_AFTER_S):
        run.cycle(1.0)
    return oracle


def all_pairs(seed: int, phases: int) -> Iterator[tuple[str, str, int]]:
    """Names of the pairs and their seeds."""
    for phase in range(phases):
        for one, other in combinations(PAIRED, 2):
            yield one, other, seed + phase


def scope() -> str:
    """What `all` is: faults that need frame, bus or files are in no pair, nor are those with a state of their own."""
    return (
        f"{len(PAIRED)} of the {len(FAULTS)} faults, those of the averaged site: {comb(len(PAIRED), 2):,} pairs of "
        f"{comb(len(FAULTS), 2):,}"
    )


def pairs(seed: int, phases: int, told: Callable[[Pairs], None] = lambda result: None) -> Pairs:
    """All of them. told: called after each."""
    result = Pairs()
    for one, other, number in all_pairs(seed, phases):
        oracle = pair(one, other, number)
        result.trials += 1
        result.exercised.update(oracle.exercised)
        result.found += [(one, other, number, violation) for violation in oracle.found]
        told(result)
    return result

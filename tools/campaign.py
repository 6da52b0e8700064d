"""P1: the safety step in a hostile world for as many hours as are asked for, under the eyes of the oracle.

Steps of 0.1 s around events and 1 s in quiet; what provably changes nothing is left out (tools/averaged/quiet.py).
The same seed gives the same run. Exit 0: no violation, and no site that a person who mends everything cannot
set going again.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from math import inf
from pathlib import Path
from random import Random

from controller.devices.check import check_site
from controller.safety.transition import ISLANDS
from controller.state import ModeState
from controller.units import NS_PER_S, ns
from tools.averaged.hostile import DEAD_END, World
from tools.averaged.pairs import pairs, scope
from tools.averaged.quiet import leap, may_rest, settled
from tools.averaged.run import CYCLE_S, HALL, AveragedRun, Seen, of
from tools.averaged.scenes import Watcher
from tools.oracle.facts import plates_of
from tools.oracle.watch import Oracle, Violation

HOUR_S = 3600.0
NEAR_S = 3.0  # after an event or a change of mode the site is stepped by 0.1 s
ACTING_S = 30.0  # and in an island for as long after an order; one that nobody takes may stand for days
ANCHOR_KW = 900.0  # the wisher's slow charge and discharge in quiet
SOC_LOW_PCT, SOC_HIGH_PCT = 35.0, 75.0
CHUNK_H = 200.0  # one seed's hours, before its battery would be due for a slow anchor charge


@dataclass(slots=True)
class Tally:
    """What a stretch showed; they add up."""

    hours: float = 0.0
    fine: int = 0  # cycles of 0.1 s or less
    coarse: int = 0  # cycles of 1 s
    left_out_h: float = 0.0
    events: Counter[str] = field(default_factory=Counter)
    exercised: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    found: list[tuple[int, Violation]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """The other's numbers on top."""
        self.hours, self.left_out_h = self.hours + other.hours, self.left_out_h + other.left_out_h
        self.fine, self.coarse = self.fine + other.fine, self.coarse + other.coarse
        for name in ("events", "exercised", "violations", "modes", "rows"):
            getattr(self, name).update(getattr(other, name))
        self.found += other.found

    def count(self, seen: Seen) -> None:
        """One cycle."""
        if (mode := changed(seen)) is not None:
            self.modes[mode.mode.name] += 1
            self.rows[mode.row] += 1
        self.fine += seen.step_s < 1.0
        self.coarse += seen.step_s >= 1.0


def changed(seen: Seen) -> ModeState | None:
    """The mode that this cycle has entered; None: it stayed."""
    mode = seen.run.state.mode
    return mode if seen.before.mode.t_since_ns != mode.t_since_ns else None


@cache
def ready(site: Path) -> tuple[AveragedRun, Oracle, Tally]:
    """The site brought up under the eyes of an oracle: the same for every seed, so once a process. To be copied."""
    checked = check_site(site)
    run, oracle, tally = of(checked), Oracle(plates_of(checked)), Tally()
    run.watchers += [Watcher(oracle), tally.count]
    run.until_ready()
    gc.collect()
    gc.freeze()  # what stands by now stays: it need not be looked through again and again
    return run, oracle, tally


class Campaign:
    """One seed."""

    def __init__(self, seed: int, site: Path = HALL) -> None:
        run, oracle, tally = ready(site)
        self.seed, self.run = seed, run.copied()
        self.oracle, self.tally = deepcopy((oracle, tally))
        self.hostile = World(Random(f"campaign {seed}"))
        self.run.watchers += [Watcher(self.oracle), self.tally.count, self._look]
        self.hostile.plan(self.run)
        self.near_ns = 0
        self.orders: Mapping[str, str] = {}
        self.ordered_ns = 0
        self.turn_ns = 0  # a stretch that ends here was seen to change something; past: none is known
        self.start_ns = self.run.world.t_ns

    def _look(self, seen: Seen) -> None:
        if changed(seen) is not None:
            self.near_ns, self.turn_ns = self.run.world.t_ns + ns(NEAR_S), 0
        if seen.outputs.orders != self.orders:
            self.orders, self.ordered_ns = seen.outputs.orders, self.run.world.t_ns

    def hours(self, count: float) -> Tally:
        """Go on for so many simulated hours."""
        end_ns = self.start_ns + ns(count * HOUR_S)
        while self.run.world.t_ns < end_ns:
            self._advance(end_ns)
        tally = self.tally
        tally.hours = (self.run.world.t_ns - self.start_ns) / NS_PER_S / HOUR_S
        tally.events, tally.exercised = self.hostile.counts, Counter(self.oracle.exercised)
        tally.violations = self.oracle.counts
        tally.found = [(self.seed, violation) for violation in self.oracle.found]
        return tally

    def _advance(self, end_ns: int) -> None:
        run = self.run
        if self.hostile.act(run):
            self.near_ns, self.turn_ns = run.world.t_ns + ns(NEAR_S), 0
        due_s = (min(self.hostile.due_ns(), end_ns) - run.world.t_ns) / NS_PER_S
        assert run.outputs is not None
        young = run.world.t_ns - self.ordered_ns < ns(ACTING_S)
        acting = run.mode in ISLANDS and bool(run.outputs.orders) and young
        if run.world.t_ns < self.near_ns or acting or due_s < 1.0:
            run.cycle(min(max(due_s, 0.05), CYCLE_S))
            return
        self._wish()
        before = settled(run)
        run.cycle(1.0)
        due_s -= 1.0
        if settled(run) != before:
            self.turn_ns = 0
        elif may_rest(run):
            self._leave_out(min(due_s, self._room_s()))

    def _leave_out(self, most_s: float) -> None:
        """Up to most_s; where something is known to turn, half the way there, so that hardly a try is in vain."""
        t_ns = self.run.world.t_ns
        if self.turn_ns > t_ns:
            most_s = min(most_s, (self.turn_ns - t_ns) / NS_PER_S / 2.0)
        past_s, turn_s = leap(self.run, most_s)
        if turn_s < inf:
            self.turn_ns = t_ns + ns(turn_s)
        self.tally.left_out_h += past_s / HOUR_S

    def _wish(self) -> None:
        """In quiet the slow wish keeps the battery half full, and full when its charge is to be proven."""
        world, due = self.run.world, self.run.state.conditions.battery.anchor_due
        if due or world.soc_pct < SOC_LOW_PCT:
            world.want_kw = -ANCHOR_KW
        elif world.soc_pct > SOC_HIGH_PCT:
            world.want_kw = ANCHOR_KW
        elif abs(world.soc_pct - 50.0) < 1.0 or abs(world.want_kw) != ANCHOR_KW:
            world.want_kw = 0.0

    def _room_s(self) -> float:
        """A stretch in which power flows ends before the slow wish would turn."""
        world = self.run.world
        if not world.pcs_kw:
            return float("inf")
        target_pct = 100.0 if self.run.state.conditions.battery.anchor_due else 50.0
        left_kwh = abs(world.soc_pct - target_pct) / 100.0 * world.capacity_kwh
        return max(left_kwh / abs(world.pcs_kw) * HOUR_S, 60.0)


def chunk(seed: int, hours: float) -> Tally:
    """One seed's hours, for a worker."""
    return Campaign(seed).hours(hours)


def campaign(
    hours: float, seed: int, jobs: int = 1, told: Callable[[Tally], None] = lambda tally: None
) -> Tally:
    """All hours, in chunks of CHUNK_H with the seeds seed, seed + 1, ... told: called after each."""
    whole, rest = divmod(hours, CHUNK_H)
    parts = [CHUNK_H] * int(whole) + ([rest] if rest else [])
    seeds, total = range(seed, seed + len(parts)), Tally()
    if jobs == 1:
        for part in map(chunk, seeds, parts):
            total.add(part)
            told(total)
        return total
    with ProcessPoolExecutor(jobs) as pool:
        for part in pool.map(chunk, seeds, parts):
            total.add(part)
            told(total)
    return total


def commit() -> str:
    """The commit that runs, with + where the tree has been edited; unknown outside of a repository."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--abbrev=12"], cwd=Path(__file__).parents[1],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return asked.stdout.strip() or "unknown"


def lines(tally: Tally, seed: int, wall_s: float) -> list[str]:
    """The result for people."""
    quiet = 100.0 * tally.left_out_h / max(tally.hours, 1e-9)
    return [
        f"campaign: {tally.hours:,.0f} simulated hours, seeds {seed} and up, commit {commit()}, {wall_s:.0f} s, "
        f"{tally.hours / max(wall_s, 1e-9):,.0f} h/s",
        f"  {tally.fine:,} cycles of 0.1 s around events, {tally.coarse:,} of 1 s; {quiet:.1f} % of the time "
        f"left out, proven to change nothing",
        "  events: " + ", ".join(f"{count} {name}" for name, count in sorted(tally.events.items())),
        "  modes entered: " + ", ".join(f"{count} {name}" for name, count in sorted(tally.modes.items())),
        "  interlocks exercised: " + ", ".join(f"{rule} {count}" for rule, count in sorted(tally.exercised.items())),
        f"  violations: {sum(tally.violations.values())}"
        + "".join(f"\n    seed {s}, {v.t_s:.1f} s, {v.mode}: {v.id}: {v.text}" for s, v in tally.found),
    ]  # fmt: skip


def paired(seed: int, phases: int) -> int:
    """P3: run and tell. The exit status."""
    began_s, result = time.monotonic(), pairs(seed, phases)
    print(
        f"pairs: {result.trials:,} trials, seed {seed}, commit {commit()}, {time.monotonic() - began_s:.0f} s"
    )
    print(f"  {scope()}")
    print(
        "  interlocks exercised: " + ", ".join(f"{rule} {n}" for rule, n in sorted(result.exercised.items()))
    )
    print(f"  violations: {len(result.found)}")
    for one, other, number, v in result.found:
        print(f"    {one} {other} seed {number}, {v.t_s:.1f} s, {v.mode}: {v.id}: {v.text}")
    return 1 if result.found else 0


def main() -> int:
    """Run and tell. Exit 1 on a violation, or with --planted when one was not caught."""
    parser = argparse.ArgumentParser(prog="tools/campaign", description=__doc__)
    parser.add_argument("--hours", type=float, default=5000.0, help="simulated hours, 0.1 or more")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument("--json", action="store_true", help="one line for programs")
    parser.add_argument(
        "--pairs",
        type=int,
        default=0,
        metavar="N",
        help=f"instead: two faults at once, N phases each; {scope()}",
    )
    parser.add_argument(
        "--planted", action="store_true", help="take out one interlock after the other; all are caught?"
    )
    asked = parser.parse_args()
    if asked.hours < 0.1 or asked.jobs < 1:
        parser.error("--hours is at least 0.1, --jobs at least 1")
    if asked.planted:
        from tools.planted import PLANTED, caught

        results = {rule: caught(rule) for rule in PLANTED}
        for rule, count in results.items():
            print(f"  {rule} taken out: {count} violations of it")
        return 0 if all(results.values()) else 1
    if asked.pairs:
        return paired(asked.seed, asked.pairs)
    began_s = time.monotonic()
    tally = campaign(asked.hours, asked.seed, asked.jobs)
    wall_s = time.monotonic() - began_s
    if asked.json:
        plain = {"hours": tally.hours, "seed": asked.seed, "commit": commit(), "wall_s": wall_s, "fine": tally.fine,
                 "coarse": tally.coarse, "left_out_h": tally.left_out_h, "events": tally.events, "modes": tally.modes,
                 "rows": tally.rows, "exercised": tally.exercised, "violations": tally.violations}  # fmt: skip
        print(json.dumps(plain, sort_keys=True))
    else:
        print("\n".join(lines(tally, asked.seed, wall_s)))
    return 1 if tally.violations or tally.events[DEAD_END] else 0


if __name__ == "__main__":
    sys.exit(main())

"""Kills, power cuts and failing disks against the state record: promises P4, P5 and P6.

    python -m tools.bench.record --kills 1000

After each of them the record must be whole, no older than what was confirmed, and a run that begins with it must be
silent: no power and no order in its first lease, no permit either unless a latch has it ask for zero; and no power at
all while a latch waits.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from controller.devices.check import CheckedSite, check_site
from controller.image import Device, Frame, Instant, Mode, Telemetry, Track, Wish
from controller.runtime import keep
from controller.runtime.keeper import Keeper
from controller.runtime.supervisor import Cycle
from controller.runtime.survey import terms
from controller.runtime.writer import Writer
from controller.safety.conditions import latched
from controller.safety.step import Inputs, State, step
from controller.safety.transition import RESTS
from controller.state import Conditions, ModeState
from controller.units import ns
from tools.bench.disks import Cut, Failing, Idle

SITE = Path("boards/sites/reference.yaml")
LATCHES = 6  # that come one by one, then a reset lifts them all
CYCLES = 16  # of one life: two and more rounds of it
PERIOD_S = 0.1
SILENT_CYCLES = 5  # of a new run that are looked at
KILL_S_MAX = 0.15  # a life writes up to 30 records in this time, by the disk
ERRORS = (errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT)
Known = tuple[tuple[str, ...], int]  # latches and FAULTs of a record


class BrokenError(AssertionError):
    """A promise was broken."""


@dataclass(slots=True)
class Told:
    """What a life has confirmed as written, and what it has tried to write since."""

    done: Known | None = None
    wanted: list[Known] = field(default_factory=list)

    def take(self, word: str, what: Known) -> None:
        """`wanted` before a write, `done` once the disk has it."""
        if word == "done":
            self.done = what
            self.wanted.clear()
        else:
            self.wanted.append(what)


class Now(Writer):
    """A writer without a thread: the record is on the disk, or the disk has refused it, when offer() returns."""

    def __init__(self) -> None:
        self.failed = 0

    def offer(self, job: Callable[[], object]) -> bool:
        """Do it now; a failure is counted, as the writer does."""
        try:
            job()
        except OSError:
            self.failed += 1
        return True


class Site:
    """The reference site, and telemetry in which its converters still carry what the dead run told them."""

    def __init__(self, path: Path = SITE) -> None:
        self.checked: CheckedSite = check_site(path)
        self.terms = terms(self.checked)
        self._cycles: dict[tuple[int, int], Cycle] = {}

    def telemetry(self, now: Instant) -> Telemetry:
        """Everything answers, every converter runs and discharges."""
        values = {
            "pcs_kw": 500.0,
            "soc_pct": 50.0,
            "dc_v": 800.0,
            "charge_a_max": 900.0,
            "discharge_a_max": 900.0,
        }
        devices = {
            part.name: Device(
                part.name, part.kind, values, 0.01, 0, "running", True, (part.accepted or ("",))[0], 0.01
            )
            for part in self.terms.parts
        }
        track = Track(t_ns=now.t_ns, load_kw_mean=3000.0, frequency_hz=50.0, voltage_v=self.terms.voltage_v)
        return Telemetry(
            now, track, Frame(frames=10, t_ns=now.t_ns, lease_live=True, sample_age_s=0.0), devices
        )

    def cycle(self, k: int, latches: int) -> Cycle:
        """Cycle k of a life, with that many latches and FAULTs; none: a person has lifted them."""
        found = self._cycles.get((k, latches))
        if found is None:
            found = self._cycles[k, latches] = self._cycle(instant(k), latches)
        return found

    def _cycle(self, now: Instant, latches: int) -> Cycle:
        watches = {
            (i, f"pcs-{i}"): latched("F28", "pcs-map-changed", f"pcs-{i}", "C", "cause", "cure")
            for i in range(latches)
        }
        mode, row = (Mode.FAULT, "T14") if latches else (Mode.STANDBY, "T15")
        state = ModeState(mode, 1, row=row, t_faults_ns=(now.t_ns,) * latches)
        seen = self.telemetry(now)
        _, outputs = step(self.terms, State(), Inputs(seen), now)
        return Cycle(now, seen, Conditions(watches=watches), state, Wish(), outputs.limits, ())


def instant(k: int) -> Instant:
    """Of cycle k of a life."""
    return Instant(ns(1000.0 + PERIOD_S * k), 1e9 + PERIOD_S * k)


def known(record: keep.Record) -> Known:
    """What a life is judged by."""
    return tuple(latch.subject for latch in record.latches), len(record.memory.faults_utc_s)


def life(
    site: Site, folder: Path, disk: keep.Disk, told: Callable[[str, Known], object], cycles: int = CYCLES
) -> None:
    """One run's record from start to its orderly end, every write waited for. Raises OSError when it cannot begin.

    Latches come one by one, with a FAULT each, and are lifted together.
    """
    writer = Now()
    keeper = Keeper(folder, writer, disk)
    told("done", known(keeper.record_now))
    for k in range(cycles):
        latches = k % (LATCHES + 1)
        cycle = site.cycle(k, latches)
        held = () if not latches else known(keeper.record_now)[0]
        came = tuple(f"pcs-{i}" for i in range(latches))
        told("wanted", (tuple(dict.fromkeys((*held, *came))), latches))
        failed = writer.failed
        keeper.record(cycle)
        if writer.failed == failed:
            told("done", known(keeper.record_now))
    keeper.close()
    told("done", known(keeper.record_now))


def judge(site: Site, folder: Path, told: Told) -> keep.Record:
    """The record after a death against what was confirmed; then a new run's first words. Raises BrokenError."""
    record, outcome = keep.read(folder)
    if outcome not in ("good", "new" if told.done is None else "good"):
        raise BrokenError(f"the record is {outcome}")
    if told.done is not None and known(record) not in (told.done, *told.wanted):
        raise BrokenError(
            f"the record says {known(record)}; confirmed was {told.done}, under way {told.wanted}"
        )
    silent(site, folder)
    return record


def silent(site: Site, folder: Path) -> None:
    """A new run on this record: nothing leaves in its first lease, no power while a latch waits. BrokenError."""
    state = Keeper(folder, Now(), Idle()).start(site.terms, instant(0))
    waits = bool(state.conditions.stops)
    for k in range(SILENT_CYCLES):
        state, outputs = step(site.terms, state, Inputs(site.telemetry(instant(k))), instant(k))
        power_kw = sum(outputs.limits.discharge_kw_max) + sum(outputs.limits.charge_kw_max)
        spoke = k == 0 and (outputs.orders or (outputs.limits.permit and not waits))
        if spoke or power_kw or (waits and state.mode.mode not in (Mode.INIT, *RESTS)):
            raise BrokenError(f"cycle {k} after the restart: {state.mode.mode.name}, {outputs.limits}")


def kills(site: Site, folder: Path, count: int, seed: int) -> dict[str, float]:
    """P4: kill -9 at random instants of a forked life on real files, one life after the other in the same folder."""
    dice = random.Random(seed)
    began_s, writes = time.monotonic(), 0
    for _ in range(count):
        told = Told()
        reader, pipe = os.pipe()
        child = os.fork()
        if child == 0:
            _live_on(site, folder, pipe)
        os.close(pipe)
        time.sleep(dice.uniform(0.0, KILL_S_MAX))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(reader) as lines:
            for line in lines:
                if line.endswith("\n"):
                    word, latches, faults = json.loads(line)
                    told.take(word, (tuple(latches), faults))
                    writes += word == "done"
        judge(site, folder, told)
    return {"kills": count, "confirmed_writes": writes, "wall_s": time.monotonic() - began_s}


def _live_on(site: Site, folder: Path, pipe: int) -> None:
    """The child: lives until it is killed."""

    def told(word: str, what: Known) -> None:
        os.write(pipe, (json.dumps([word, *what]) + "\n").encode())

    try:
        while True:
            life(site, folder, os, told)
    finally:
        os._exit(1)


def cuts(site: Site, folder: Path) -> dict[str, float]:
    """P5: a power cut behind every call of a life, in every state it may leave on the disk."""
    told, seen = Told(), set()
    began_s, calls = time.monotonic(), 0
    work = folder / "cut"

    def look(disk: Cut) -> None:
        nonlocal calls
        calls += 1
        for files in disk.states():
            key = (tuple(sorted(files.items())), told.done, tuple(told.wanted))
            if key in seen:
                continue
            seen.add(key)
            work.mkdir(exist_ok=True)
            for old in work.iterdir():
                old.unlink()
            for name, content in files.items():
                (work / name).write_bytes(content)
            judge(site, work, told)

    home = folder / "home"
    home.mkdir()
    life(site, home, Cut(home, look), told.take)
    return {"calls": calls, "states": len(seen), "wall_s": time.monotonic() - began_s}


def failures(
    site: Site, folder: Path, errors: tuple[int, ...] = ERRORS, cycles: int = CYCLES
) -> dict[str, float]:
    """P6: every call of a life fails once, and from there on for ever; then the disk is well again."""
    began_s, runs, refused = time.monotonic(), 0, 0
    for error in errors:
        for lasting in (False, True):
            nth, over = 0, False
            while not over:
                nth, runs = nth + 1, runs + 1
                told, disk = Told(), Failing(nth, error, lasting)
                home = folder / f"{error}-{lasting}-{nth}"
                home.mkdir()
                begun(site, home, told)
                try:
                    life(site, home, disk, told.take, cycles)
                except OSError:
                    refused += 1
                over = disk.count < nth
                judge(site, home, told)
    return {"runs": runs, "ended_by_the_disk": refused, "wall_s": time.monotonic() - began_s}


def begun(site: Site, home: Path, told: Told) -> None:
    """A folder in which a run has left one latch."""
    keeper = Keeper(home, Now(), Idle())
    keeper.record(site.cycle(0, 1))
    told.take("done", known(keeper.record_now))


def main(arguments: list[str] | None = None) -> int:
    """Exit 0: every promise held, 1: one was broken."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.record", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    site = Site()
    with tempfile.TemporaryDirectory(dir=".") as place:
        rows: dict[str, Callable[[Path], dict[str, float]]] = {
            "kill -9 (P4)": lambda folder: kills(site, folder, options.kills, options.seed),
            "power cut (P5)": lambda folder: cuts(site, folder),
            "failing call (P6)": lambda folder: failures(site, folder),
        }
        for name, row in rows.items():
            folder = Path(place) / name.split(" ")[0]
            folder.mkdir()
            try:
                print(
                    f"{name}: " + ", ".join(f"{key} {value:g}" for key, value in row(folder).items()),
                    flush=True,
                )
            except BrokenError as broken:
                print(f"{name}: broken: {broken}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

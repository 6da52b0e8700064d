"""How well this machine keeps the frame's time: the real thread, cyclictest and pure Python, in turn.

On a shared machine absolute numbers say little; ratios measured in the same minutes do. Medians over rounds.
"""

from __future__ import annotations

import json
import mmap
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

import boards
from controller.devices.check import CheckedSite, check_site
from controller.runtime.fastlink import FastLink
from controller.runtime.ladder import Ladder
from controller.units import NS_PER_S
from ext.cycle import Executive
from tools.bench.loop import LATE_BINS, SUPERVISE_S, supervise

SITE = Path(boards.__file__).parent / "sites" / "reference.yaml"
PRIORITY = 80
HOT_STEPS, HOT_TURNS, HOT_PAUSE_S = 5_000, 100, 0.01
# Gates: twice to three times what was measured when the loop was designed, on a two-core cloud machine.
P99_RATIO_MAX = 3.0
MISSED_RATIO_MAX = 4.0
STEP_RATIO_MAX = 10.0
RING = struct.Struct("<8sIIII16diiQ")  # RingHeader of ext.sampler
RING_BYTES, SLOT_COUNT = 256 + 64 * 128, 64
Turn = tuple[float, float]  # ns of a hot step, of a clock read


class LatencyError(Exception):
    """The measurement cannot be made; the text names the cure."""


@dataclass(frozen=True)
class Round:
    """Lateness of the wake-ups of one round, us, and the share of frames left out."""

    p50_us: float
    p99_us: float
    p999_us: float
    missed_ppm: float
    frames: int


@dataclass(frozen=True)
class Gate:
    """One condition of the verdict."""

    name: str
    value: float
    value_max: float

    @property
    def holds(self) -> bool:
        """True when the gate is passed."""
        return self.value <= self.value_max


@dataclass(frozen=True)
class Verdict:
    """Medians by loop, ratios, gates."""

    machine: str
    ladder: list[dict[str, Any]]
    loops: dict[str, Round]
    step_ns: float
    clock_ns: float
    page_faults: int
    gates: list[Gate]


def round_of(late_us: Any, skipped: int) -> Round:
    """Percentiles of a histogram by microsecond, the last bin open; missed = skipped of all frames due."""
    counts = np.asarray(late_us, dtype=np.int64)
    frames = int(counts.sum())
    if frames == 0:
        raise LatencyError("no frame ran. Give it more time: --seconds.")
    p50_us, p99_us, p999_us = np.searchsorted(counts.cumsum(), np.array([0.5, 0.99, 0.999]) * frames)
    return Round(float(p50_us), float(p99_us), float(p999_us), 1e6 * skipped / (frames + skipped), frames)


def empty_ring(rate_hz: int) -> mmap.mmap:
    """A sample ring without producer: the frame runs every stage and finds its samples stale."""
    ring = mmap.mmap(-1, RING_BYTES)
    scale = [1e-4] * 16
    ring[: RING.size] = RING.pack(b"SWRING01", 1, rate_hz, 16, SLOT_COUNT, *scale, 32767, 0, 0)
    return ring


def run_frame(checked: CheckedSite, seconds: float) -> tuple[Round, list[dict[str, Any]], int]:
    """The product's thread beside a Python main thread with 10 Hz work. Also ladder rows and page faults."""
    link = FastLink(checked, checked.table)
    link.executive.map_ring(empty_ring(checked.site.sampling.rate_hz))
    rows = link.start(PRIORITY, -1)
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        time.sleep(SUPERVISE_S)
        supervise()
        link.snapshot()
    link.stop()
    pace = link.executive.pace()
    return round_of(link.executive.late_us(), pace["skipped"]), rows, pace["page_faults"]


def run_python(period_ns: int, seconds: float) -> Round:
    """The same loop in an interpreter of its own."""
    command = [sys.executable, "-m", "tools.bench.loop", str(seconds), str(period_ns), str(PRIORITY)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return round_of(told["late_us"], told["skipped"])


def parse_cyclictest(text: str, period_us: int) -> Round:
    """The histogram cyclictest prints with -h; a wake-up later than n periods has skipped n frames."""
    rows = re.findall(r"^(\d{6}) (\d+)\s*$", text, re.M)
    beyond = re.search(r"Histogram Overflows:\s*(\d+)", text)
    latest = re.search(r"Max Latencies:\s*(\d+)", text)
    if not rows or beyond is None or latest is None:
        raise LatencyError(f"cyclictest said something else: {text.strip()[:200] or 'nothing'}")
    counts = np.zeros(LATE_BINS, dtype=np.int64)
    for us, count in rows:
        counts[min(int(us), LATE_BINS - 1)] += int(count)
    counts[-1] += int(beyond[1])
    skipped = int((np.arange(LATE_BINS - 1) // period_us * counts[:-1]).sum())
    return round_of(counts, skipped + int(beyond[1]) * (int(latest[1]) // period_us))


def run_cyclictest(period_us: int, seconds: float) -> Round:
    """The reference everybody knows: same period and priority, memory locked. LatencyError without it."""
    path = shutil.which("cyclictest")
    if path is None:
        raise LatencyError("cyclictest is missing. Install it: apt-get install rt-tests")
    options = ["-m", "-p", str(PRIORITY), "-t", "1", "-i", str(period_us), "-D", str(max(1, round(seconds)))]
    done = subprocess.run([path, *options, "-q", "-h", str(LATE_BINS - 1)], capture_output=True, text=True)
    if done.returncode:
        raise LatencyError(f"cyclictest: {done.stderr.strip() or done.returncode}. Run as root.")
    return parse_cyclictest(done.stdout, period_us)


def middle(rounds: list[Round]) -> Round:
    """Median of each figure over the rounds."""
    return Round(
        p50_us=median(r.p50_us for r in rounds),
        p99_us=median(r.p99_us for r in rounds),
        p999_us=median(r.p999_us for r in rounds),
        missed_ppm=median(r.missed_ppm for r in rounds),
        frames=round(median(r.frames for r in rounds)),
    )


def gates_of(loops: dict[str, Round], step_ns: float, clock_ns: float, page_faults: int) -> list[Gate]:
    """The conditions. A reference that missed nothing counts as one frame, so that the ratio exists."""
    gates = [
        Gate("page faults of the thread", page_faults, 0),
        Gate("hot step / clock_gettime", step_ns / clock_ns, STEP_RATIO_MAX),
    ]
    if "cyclictest" in loops:
        ours, theirs = loops["frame"], loops["cyclictest"]
        missed_ppm = max(theirs.missed_ppm, 1e6 / theirs.frames)
        gates += [
            Gate("p99 / cyclictest", ours.p99_us / max(theirs.p99_us, 1.0), P99_RATIO_MAX),
            Gate("missed / cyclictest", ours.missed_ppm / missed_ppm, MISSED_RATIO_MAX),
        ]
    return gates


def machine() -> str:
    """This machine in one line."""
    try:
        info = Path("/proc/cpuinfo").read_text()
    except OSError:
        info = ""
    model = re.search(r"^model name\s*:\s*(.+)$", info, re.M)
    name = model[1] if model else platform.machine()
    return f"{name}, {os.cpu_count()} cores, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}"


def run_loops(
    checked: CheckedSite, names: list[str], rounds: int, seconds: float, say: Callable[[str], None]
) -> tuple[dict[str, Round], list[dict[str, Any]], int, Turn]:
    """Every loop once a round, in turn: medians by loop, the thread's ladder rows, its page faults; between them hot
    turns, of which the least."""
    executive = FastLink(checked, checked.table).executive
    hot: Turn = (inf, inf)
    rate_hz = checked.site.sampling.rate_hz
    told: dict[str, list[Round]] = {name: [] for name in names}
    rows: list[dict[str, Any]] = []
    page_faults = 0
    for number in range(1, rounds + 1):
        for name, results in told.items():
            say(f"round {number} of {rounds}: {name}")
            if name == "cyclictest":
                results.append(run_cyclictest(round(1e6 / rate_hz), seconds))
            elif name == "frame":
                result, rows, faults = run_frame(checked, seconds)
                results.append(result)
                page_faults += faults
            else:
                results.append(run_python(NS_PER_S // rate_hz, seconds))
            hot = least(hot, executive)
    return {name: middle(results) for name, results in told.items()}, rows, page_faults, hot


def least(turn: Turn, executive: Executive) -> Turn:
    """A frame and a clock read, ns: the least of `turn` and many short ones: neighbours on the core only add."""
    for _ in range(HOT_TURNS):
        step_ns, clock_ns = executive.hot_step_ns(HOT_STEPS)
        turn = min(turn[0], step_ns), min(turn[1], clock_ns)
        time.sleep(HOT_PAUSE_S)
    return turn


def measure(against: bool, rounds: int, seconds: float, say: Callable[[str], None]) -> Verdict:
    """The whole measurement; say gets one line a step. Raises LatencyError, ConfigError."""
    checked = check_site(SITE)
    names = [*(["cyclictest"] if against else []), "frame", "pure Python"]
    ladder = Ladder(realtime=True)
    try:
        loops, started, page_faults, (step_ns, clock_ns) = run_loops(checked, names, rounds, seconds, say)
    finally:
        ladder.close()
    gates = gates_of(loops, step_ns, clock_ns, page_faults)
    rows = [asdict(rung) for rung in ladder.rungs] + started
    return Verdict(machine(), rows, loops, step_ns, clock_ns, page_faults, gates)


def show(verdict: Verdict, console: Console) -> None:
    """The ladder line by line, one table, the gates."""
    console.print(f"[bold]{verdict.machine}[/]")
    for row in verdict.ladder:
        mark = "[green]ok      [/]" if row["ok"] else "[yellow]degraded[/]"
        console.print(f"  {mark} {row['step']}: {row['detail']}", highlight=False)
    table = Table(
        "loop at 10 kHz", "p50 us", "p99 us", "p99.9 us", "missed ppm", "frames a round", box=SIMPLE
    )
    for name, loop in verdict.loops.items():
        figures = (loop.p50_us, loop.p99_us, loop.p999_us, loop.missed_ppm, loop.frames)
        table.add_row(name, *(f"{figure:.0f}" for figure in figures))
    console.print(table)
    console.print(f"hot step {verdict.step_ns:.0f} ns, one clock_gettime {verdict.clock_ns:.0f} ns")
    for gate in verdict.gates:
        mark = "[green]holds[/]" if gate.holds else "[red]fails[/]"
        console.print(f"  {mark} {gate.name}: {gate.value:.2f}, at most {gate.value_max:g}", highlight=False)


def verdict_json(verdict: Verdict) -> str:
    """The verdict for a program."""
    holds = all(gate.holds for gate in verdict.gates)
    return json.dumps(asdict(verdict) | {"holds": holds}, indent=2)

"""The demo in real time: python -m tools.live --seconds N --out DIR; tools/demo makes the environment."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.live import Live

from controller.image import Mode
from controller.units import NS_PER_S
from tools.live.stage import Stage, StageError, leftovers
from tools.live.view import View, mode_name
from tools.report.latency import slowest
from tools.report.page import told, write_report
from tools.report.table import ReportError, Table, read_table

PATIENCE_S = 120.0  # bring-up takes ten; a SAFE_STOP on a crowded machine may come between
LOOK_S = 0.25
LINE_S = 2.0
ZERO_KW = 5.0  # a converter that rests
Show = Callable[[dict[str, Any], float], None]


@dataclass
class Watch:
    """Looks at the run and keeps when the site was held in GRID_TIED: [from, to], monotonic seconds."""

    stage: Stage
    seconds: float
    held: list[list[float]] = field(default_factory=list)

    def note(self, status: dict[str, Any]) -> float:
        """Takes one status; returns the seconds held so far, over all stretches."""
        if mode_name(status) == Mode.GRID_TIED.name:
            now_s = status["t_ns"] / NS_PER_S
            if not self.held or now_s - status["mode_s"] > self.held[-1][1]:
                self.held.append([now_s - status["mode_s"], now_s])
            self.held[-1][1] = now_s
        return sum(to_s - from_s for from_s, to_s in self.held)

    def run(self, show: Show) -> dict[str, Any]:
        """Shows the run until the site has been held for `seconds`; returns the last status."""
        end_s = time.monotonic() + self.seconds + PATIENCE_S
        while True:
            self.stage.check()
            status = self.stage.status()
            held_s = self.note(status)
            show(status, held_s)
            if held_s >= self.seconds:
                return status
            if time.monotonic() > end_s:
                waiting = status.get("waiting") or status.get("reason") or "no status yet"
                raise StageError(f"{mode_name(status)}, held for {held_s:.0f} s only: {waiting}")
            time.sleep(LOOK_S)


def play(watch: Watch, console: Console) -> dict[str, Any]:
    """Live view on a terminal, a line now and then elsewhere."""
    view = View(watch.seconds)
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:

            def draw(status: dict[str, Any], held_s: float) -> None:
                view.feed(status)
                live.update(view.draw(status, held_s))

            return watch.run(draw)
    next_s = 0.0

    def say(status: dict[str, Any], held_s: float) -> None:
        nonlocal next_s
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + LINE_S
            print(view.line(status, held_s), flush=True)

    return watch.run(say)


def marked(table: Table, end_s: float, held: list[list[float]]) -> Table:
    """The record with the controller's mode, which the plant cannot know: both ran on one monotonic clock.

    end_s: when the plant was told to end; the last row was taken then, to about a tenth of a second.
    """
    t_s = table.t_s - table.t_s[-1] + end_s
    mode = np.full(t_s.size, float(Mode.STANDBY))
    for from_s, to_s in held:
        mode[(t_s >= from_s) & (t_s < to_s)] = Mode.GRID_TIED
    return replace(table, mode=mode)


def facts_of(status: dict[str, Any]) -> dict[str, str]:
    """What the report says about the run."""
    pace = status.get("pace", {})
    rates = {name: port.get("setpoints_per_s", 0) for name, port in status.get("ports", {}).items()}
    bus = [f"{name}: {rate:.0f} setpoints a second" for name, rate in rates.items() if rate]
    return {
        "Site": f"{status.get('site', '-')}, simulated: 2 MW / 4 MWh battery beside a GPU hall",
        "Load": "measured power of one A100 GPU, scaled to 3000 to 4600 kW: a hall that moves together",
        "Loop": f"10 kHz, {pace.get('frames', 0):,.0f} frames, {pace.get('skipped', 0):,.0f} left out, "
        f"late p50 {pace.get('late_us_p50', 0):.0f} us, p99 {pace.get('late_us_p99', 0):.0f} us",
        "Bus": "; ".join(bus) or "-",
    }


def run(seconds: float, out: Path, console: Console) -> None:
    """The whole demo. Raises StageError, ReportError; KeyboardInterrupt passes through after a clean stop."""
    out.mkdir(parents=True, exist_ok=True)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a ring on disk would wait for the disk
    with tempfile.TemporaryDirectory(prefix="stillwatt-", dir=memory) as name:
        folder = Path(name)
        try:
            with Stage(folder, out, seconds) as stage:
                console.print("simulated site and controller start; the site engages in about ten seconds")
                watch = Watch(stage, seconds)
                status = play(watch, console)
                console.print("stopping: the converters go to zero")
        finally:
            left = leftovers(folder)
        if left:
            raise StageError(f"processes left behind: {left}")
    table = marked(read_table(stage.record), stage.stopped_s["plant"], watch.held)
    measures = write_report(
        table, out, "Reference site under an A100 load", facts_of(status), slowest(status.get("latency", {}))
    )
    rest_kw = abs(float(table.pcs_kw[-1]))
    console.print(told(measures), highlight=False)
    console.print(f"battery at the end: {rest_kw:.1f} kW\nreport: {out / 'report.html'}", highlight=False)
    if rest_kw > ZERO_KW:
        raise StageError(f"the converters did not come to rest: {rest_kw:.1f} kW")


def main() -> int:
    """Exit 0 when the run came to its report or Ctrl-C stopped it; 1 when it failed, 2 for wrong use."""
    parser = argparse.ArgumentParser(prog="tools/demo")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a log shows each line as it comes
    console = Console()
    # A background job of a shell starts with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        run(options.seconds, options.out, console)
    except (StageError, ReportError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo stopped: the controller took the converters to zero, nothing runs on")
    return 0


if __name__ == "__main__":
    sys.exit(main())

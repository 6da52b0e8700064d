"""What the demo puts on stage: a load, the simulated site, the controller; all of it off again at the end."""

from __future__ import annotations

import ctypes
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import boards

SITE = Path(boards.__file__).parent / "sites" / "reference.yaml"
TRACE = Path(__file__).resolve().parents[1] / "data" / "a100_tr.csv.gz"
LOAD_KW = (3000.0, 4600.0)  # the trace's smallest and largest value: a hall of GPUs that move together
RUN_ON_S = 120.0  # load beyond the seconds asked for: bring-up and shutdown need some
READY_S_MAX = 20.0
CONTROLLER_STOP_S_MAX = 15.0  # converters ramp to zero and confirm it
PLANT_STOP_S_MAX = 20.0  # the record is written out
PR_SET_PDEATHSIG = 1  # sys/prctl.h
LIBC = ctypes.CDLL(None)


class StageError(Exception):
    """The demo cannot go on; the text names the log to read."""


def site_load(seconds: float) -> np.ndarray:
    """Rows (t_s, load_kw) at the trace's own rate, repeated to `seconds`."""
    with gzip.open(TRACE, "rt") as text:
        t_s, power_w = np.loadtxt(text, delimiter=",", skiprows=1, unpack=True)
    low_kw, high_kw = LOAD_KW
    load_kw = low_kw + (power_w - power_w.min()) / np.ptp(power_w) * (high_kw - low_kw)
    step_s = (t_s[-1] - t_s[0]) / (t_s.size - 1)
    count = round(seconds / step_s)
    return np.column_stack([np.arange(count) * step_s, np.resize(load_kw, count)])


def die_with_parent() -> None:
    """In the child: a demo that is killed leaves no process behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Actor:
    """One process, in a session of its own: Ctrl-C reaches the demo alone, which stops things in order."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raises StageError when the process has ended."""
        code = self.process.poll()
        if code is not None:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])
            raise StageError(f"the {self.name} ended with {code}; its last words ({self.log}):\n{tail}")

    def stop(self, seconds: float) -> None:
        """Asks it to end, and ends it when it does not."""
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(name: str, command: list[str], folder: Path) -> Actor:
    """Starts one process, its output in folder/NAME.log."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    return Actor(name, process, log)


class Stage:
    """The simulated site and the controller in one run directory, logs and record in `out`.

    Use as a context: leaving stops both.
    """

    def __init__(self, folder: Path, out: Path, seconds: float) -> None:
        self.folder = folder
        self.record = out / "result.csv.gz"
        self._out = out
        self._load = folder / "load.csv"
        self._seconds = seconds
        self._actors: list[tuple[Actor, float]] = []
        self.stopped_s: dict[str, float] = {}  # monotonic time at which each was told to end

    def __enter__(self) -> Stage:
        np.savetxt(
            self._load,
            site_load(self._seconds + RUN_ON_S),
            fmt=("%.3f", "%.2f"),
            delimiter=",",
            header="t_s,load_kw",
            comments="",
        )
        try:
            self._open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _open(self) -> None:
        site, folder = str(SITE), str(self.folder)
        plant = [
            "-m",
            "tools.plant",
            site,
            "--load",
            str(self._load),
            "--dir",
            folder,
            "--record",
            str(self.record),
        ]
        self._actors.append((start("plant", plant, self._out), PLANT_STOP_S_MAX))
        self._wait_for_ring()
        run = ["-m", "controller", "run", site, "--dir", folder]
        self._actors.append((start("controller", run, self._out), CONTROLLER_STOP_S_MAX))

    def _wait_for_ring(self) -> None:
        end_s = time.monotonic() + READY_S_MAX
        while not any(self.folder.glob("*ring*")):
            self.check()
            if time.monotonic() > end_s:
                raise StageError(f"the plant made no sample ring in {READY_S_MAX:g} s; see {self._out}")
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        """The controller first, so that the converters go to zero while there is a bus; then the site."""
        while self._actors:
            actor, seconds = self._actors.pop()
            self.stopped_s[actor.name] = time.monotonic()
            actor.stop(seconds)

    def check(self) -> None:
        """Raises StageError when one of them has ended."""
        for actor, _ in self._actors:
            actor.check()

    def status(self) -> dict[str, Any]:
        """The controller's newest status; empty until there is one."""
        try:
            told: dict[str, Any] = json.loads((self.folder / "status.json").read_text())
        except (OSError, ValueError):
            return {}
        return told if told.get("pid") in {actor.process.pid for actor, _ in self._actors} else {}


def leftovers(folder: Path) -> list[int]:
    """Processes that still name the run directory, other than this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(folder) in words and int(entry.parent.name) != os.getpid():
            found.append(int(entry.parent.name))
    return found

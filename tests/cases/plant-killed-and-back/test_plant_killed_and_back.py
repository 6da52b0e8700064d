"""The simulated site dies under the real controller on real pseudo-terminals, and comes back."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

SITE = Path("boards/sites/reference.yaml")
HOLD = "control:\n  clear_hold_s: 3"


class Box:
    """One run directory with a plant and a controller, each its own process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "site.yaml"
        self.site.write_text(
            SITE.read_text().replace("control:", HOLD).replace("enter_service_s: 5", "enter_service_s: 2")
        )
        self.load = folder / "load.csv"
        rows = [f"{k / 10},{4000 if k % 20 < 10 else 3000}" for k in range(200)]
        self.load.write_text("t_s,load_kw\n" + "\n".join(rows) + "\n")
        self.log = folder / "log.jsonl"
        self.errors = folder / "errors.txt"
        self.plant = self.start_plant()
        with self.log.open("w") as out, self.errors.open("w") as errors:
            self.controller = subprocess.Popen(
                [sys.executable, "-m", "controller", "run", str(self.site), "--dir", str(folder)],
                stdout=out, stderr=errors,
            )  # fmt: skip

    def start_plant(self) -> subprocess.Popen[bytes]:
        """The site in its own process."""
        command = [sys.executable, "-m", "tools.plant", str(self.site), "--load", str(self.load)]
        return subprocess.Popen([*command, "--dir", str(self.folder)], stdout=subprocess.DEVNULL)

    def status(self) -> dict[str, Any]:
        """The newest status, empty before the first."""
        path = self.folder / "status.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def wait(self, mode: str, seconds: float) -> None:
        """Until the status says so and power flows, where it should."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            seen = self.status()
            if seen.get("mode") == mode and (mode != "GRID_TIED" or seen["limits"]["discharge_kw_max"] > 0):
                return
            assert self.controller.poll() is None, self.errors.read_text()
            time.sleep(0.05)
        raise AssertionError(
            f"no {mode} within {seconds} s: {self.status().get('reason')}, {self.status().get('waiting')}"
        )

    def events(self) -> list[dict[str, Any]]:
        """The log so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def close(self) -> None:
        """End what still runs."""
        for process in (self.controller, self.plant):
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """A box in GRID_TIED with the load playing."""
    box = Box(tmp_path)
    yield box
    box.close()


def utc_s(event: dict[str, Any]) -> float:
    """Time of an event."""
    return datetime.fromisoformat(event["t"]).timestamp()


@pytest.mark.slow
def test_plant_killed_and_back(box: Box) -> None:
    """Goal: safe 500 ms after the last good reply, events with fault ids, no traceback, back by the rules.
    Method: kill -9 of the plant in GRID_TIED; a new plant 2 s later; SIGTERM at the end."""
    box.wait("GRID_TIED", 40.0)
    time.sleep(2.0)
    box.plant.kill()
    killed_s = time.time()
    box.plant.wait()
    box.wait("SAFE_STOP", 5.0)
    stops = [e for e in box.events() if e["code"] == "T12" and utc_s(e) >= killed_s - 0.001]
    assert utc_s(stops[0]) - killed_s <= 0.5
    codes = {e["code"] for e in box.events() if utc_s(e) >= killed_s}
    assert codes & {"F16", "F79", "F06"}
    time.sleep(2.0)
    box.plant = box.start_plant()
    box.wait("GRID_TIED", 60.0)
    assert [e["code"] for e in box.events() if e["name"] == "mode"] == ["T01", "T02", "T12", "T13", "T02"]
    time.sleep(2.0)
    assert box.status()["mode"] == "GRID_TIED"
    box.controller.send_signal(signal.SIGTERM)
    assert box.controller.wait(15.0) == 0
    assert box.errors.read_text() == ""
    assert any(e["code"] == "N6" for e in box.events())
    assert list(box.folder.glob("blackbox-*.jsonl"))


@pytest.mark.slow
def test_controller_frozen_and_back(box: Box) -> None:
    """Goal: a frame that stood still rests, its converter is stopped, and the site returns (F67).
    Method: SIGSTOP of the controller for 0.3 s in GRID_TIED."""
    box.wait("GRID_TIED", 40.0)
    time.sleep(1.0)
    box.controller.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    box.controller.send_signal(signal.SIGCONT)
    box.wait("SAFE_STOP", 5.0)
    time.sleep(2.5)
    assert box.status()["devices"]["pcs-1"]["state"] == "standby"
    box.wait("GRID_TIED", 60.0)
    time.sleep(2.0)
    assert box.status()["mode"] == "GRID_TIED"
    assert [e["code"] for e in box.events() if e["name"] == "mode"] == ["T01", "T02", "T12", "T13", "T02"]
    assert "F67" in {e["code"] for e in box.events()}

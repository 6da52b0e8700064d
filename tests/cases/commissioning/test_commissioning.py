"""Story: an engineer commissions a site over pseudo-terminals in real time, then runs it with what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from controller.runtime import keep

pytestmark = [pytest.mark.slow, pytest.mark.process]

SITE = "boards/sites/reference.yaml"


def stillwatt(*arguments: str, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
    """A verb as a person gives it."""
    command = [sys.executable, "-m", "tools.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


@pytest.fixture
def folder(tmp_path: Path):
    """A run directory with the simulated site in it, at rest at 3500 kW."""
    load, place = tmp_path / "load.csv", tmp_path / "run"
    load.write_text("t_s,load_kw\n0,3500\n100,3500\n")
    command = [
        sys.executable,
        "-m",
        "tools.plant",
        SITE,
        "--load",
        str(load),
        "--dir",
        str(place),
        "--seconds",
        "180",
    ]
    plant = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        end_s = time.monotonic() + 20.0
        while not list(place.glob("*ring*")) and time.monotonic() < end_s:
            time.sleep(0.1)
        yield place
    finally:
        plant.terminate()
        plant.wait(20.0)


def test_commission_then_run(folder: Path) -> None:
    """Goal: real frame, real ttys, the plant's 0.3 ms, 5 ms and 200 ratings/s come out, are kept and used."""
    refused = stillwatt("commission", SITE, "--dir", str(folder))
    assert (refused.returncode, "not confirmed" in refused.stderr) == (2, True)
    ran = stillwatt("commission", SITE, "--dir", str(folder), "--yes", "--json")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])["found"]["pcs-1"]
    # Both processes share a busy machine: the wire's pace is the scheduler's there, so only the order is held.
    assert -0.001 < found["dead_s"]["value"] - 0.0003 < 0.004
    assert found["lag_s"]["value"] == pytest.approx(0.005, rel=0.3)
    record, outcome = keep.read(folder)
    assert outcome == "good"
    assert record.clean
    assert record.dynamics["pcs-1"].lag_s.value == found["lag_s"]["value"]
    run = stillwatt("run", SITE, "--dir", str(folder), "--seconds", "12")
    events = [json.loads(line) for line in run.stdout.splitlines()]
    told = [event for event in events if event["code"] == "identified"]
    assert [event["unit"] for event in told] == ["pcs-1"]
    assert "take the place of the site file's" in told[0]["event"]
    status = json.loads((folder / "status.json").read_text())
    assert status["follows"]["pcs-1"]["measured"] is True

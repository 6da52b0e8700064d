"""Goal: the demo's parts do their work. Method: the shipped trace, real processes, a fixed status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from controller.image import Mode
from tools.environment import ROOT
from tools.live.__main__ import Watch, marked
from tools.live.stage import LOAD_KW, Stage, StageError, leftovers, site_load, start
from tools.live.view import View, curve
from tools.report.table import make_table, read_table

STATUS = {
    "mode": "GRID_TIED", "reason": "running", "t_ns": 1,
    "load_kw": 4600.0, "grid_kw": 3900.0, "pcs_kw": 700.0, "soc_pct": 49.95,
    "pace": {"frames": 123456, "skipped": 7, "late_us_p50": 3, "late_us_p99": 12, "page_faults": 0},
    "ports": {"rs485-1": {"setpoints_per_s": 398.2, "bytes_out": 1000, "bytes_in": 900, "io_errors": 0,
                          "unsolicited": 2}},
    "events": [{"code": "F44", "text": "answers again"}],
}  # fmt: skip


def test_the_load_is_the_trace_at_site_scale() -> None:
    """50 s: four times 14 s, evenly at 1 kHz, 3000 to 4600 kW, and the second pass equals the first."""
    load = site_load(50.0)
    assert np.diff(load[:, 0]) == pytest.approx(1e-3)
    assert (load[:, 1].min(), load[:, 1].max()) == pytest.approx(LOAD_KW)
    assert load[14_016:28_032, 1] == pytest.approx(load[:14_016, 1])
    assert (np.abs(load[5:, 1] - load[:-5, 1]) > 1200).any(), "a GPU steps within 5 ms"


def test_an_actor_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    """A process that dies: StageError with its name and last line."""
    actor = start("plant", ["-c", "print('no such port'); raise SystemExit(4)"], tmp_path)
    actor.process.wait()
    with pytest.raises(StageError, match=r"(?s)the plant ended with 4.*no such port"):
        actor.check()


def test_an_actor_that_will_not_end_is_ended(tmp_path: Path) -> None:
    """SIGTERM ignored: gone after the time given."""
    ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    actor = start("controller", ["-c", f"{ignore}; print(1, flush=True); time.sleep(60)"], tmp_path)
    while not actor.log.read_text():
        time.sleep(0.01)
    actor.stop(0.2)
    assert actor.process.returncode == -9


def test_a_killed_demo_leaves_no_process(tmp_path: Path) -> None:
    """The parent of an actor is killed outright: the actor follows, and leftovers() sees it only before."""
    command, folder = ["-c", "import time; time.sleep(60)", str(tmp_path)], str(tmp_path)
    parent = f"""
import time
from pathlib import Path
from tools.live.stage import start
start("sleeper", {command!r}, Path({folder!r}))
print(1, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, cwd=ROOT) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"1\n"
        assert len(leftovers(tmp_path)) == 1
        running.kill()
    for _ in range(100):
        if not leftovers(tmp_path):
            break
        time.sleep(0.05)
    assert leftovers(tmp_path) == []


def test_a_status_of_another_process_is_not_believed(tmp_path: Path) -> None:
    """status.json left by an earlier run: no status, until the controller of this run writes its own."""
    (tmp_path / "status.json").write_text('{"pid": 1, "mode": "GRID_TIED"}')
    assert Stage(tmp_path, tmp_path, 1.0).status() == {}
    (tmp_path / "status.json").write_text('{"pid":')
    assert Stage(tmp_path, tmp_path, 1.0).status() == {}


def test_the_stretches_held_add_up_and_mark_the_record(tmp_path: Path) -> None:
    """GRID_TIED from 100 s to 103 s and from 110 s to 112 s: 5 s held, and only those rows carry the mode."""
    watch = Watch(Stage(tmp_path, tmp_path, 60.0), 60.0)
    for t_s, mode, mode_s in ((99, "STANDBY", 5), (101, "GRID_TIED", 1), (103, "GRID_TIED", 3),
                              (105, "SAFE_STOP", 1), (112, "GRID_TIED", 2)):  # fmt: skip
        held_s = watch.note({"t_ns": t_s * 1_000_000_000, "mode": mode, "mode_s": mode_s})
    assert held_s == pytest.approx(5)
    t_s = np.arange(0, 25, 0.01)
    flat = {name: np.zeros(t_s.size) for name in ("load_kw", "grid_kw", "pcs_kw")}
    table = marked(make_table({"t_s": t_s} | flat, "planted"), 114.99, watch.held)  # its first row is at 90 s
    held = t_s[table.mode == Mode.GRID_TIED] + 90
    assert (held.min(), held.max(), held.size) == (pytest.approx(100), pytest.approx(111.99), 500)


@pytest.mark.slow
def test_the_demo_plays_and_leaves_nothing(tmp_path: Path) -> None:
    """Six seconds of the real thing: exit 0, figures on the screen, the report's files, no process left."""
    command = [sys.executable, "-m", "tools.live", "--seconds", "6", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("largest ramp in 1 s", "swing, 0.1 to 20 Hz", "battery at the end: 0.0 kW"):
        assert words in done.stdout
    assert {"report.html", "report.png", "report.json"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert leftovers(tmp_path / "out" / "result.csv.gz") == []


@pytest.mark.slow
def test_ctrl_c_ends_the_demo_cleanly(tmp_path: Path) -> None:
    """SIGINT while the site is up: exit 0, a record that ends at zero, no process left."""
    command = [sys.executable, "-m", "tools.live", "--seconds", "600", "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert any("STANDBY" in line or "GRID_TIED" in line for line in running.stdout)
        running.send_signal(signal.SIGINT)
        said = running.stdout.read()
    assert (
        "demo stopped" in said or "battery at the end" in said
    )  # with a report when there was something to show
    assert running.returncode == 0
    assert abs(read_table(tmp_path / "out" / "result.csv.gz").pcs_kw[-1]) < 5
    assert leftovers(tmp_path / "out" / "result.csv.gz") == []


def test_the_view_says_what_an_operator_wants() -> None:
    """On a full status: mode, powers, SOC, loop and bus; on an empty one it still draws."""
    view = View(60.0)
    view.feed(STATUS)
    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(view.draw(STATUS, 12.0))
    console.print(view.draw({}, 0.0))
    text = console.export_text()
    powers = ("4,600 kW", "3,900 kW", "700 kW", "49.95 %")
    for word in (*powers, "GRID_TIED", "123,456", "3 / 12 us", "398", "F44", "STARTING"):
        assert word in text
    assert "grid  3,900 kW" in view.line(STATUS, 12.0)
    assert "STARTING" in view.line({}, 0.0)


def test_a_curve_spans_its_levels() -> None:
    """Lowest, middle and highest of nine bars; beyond the levels they stay at the ends."""
    assert curve([0, 4, 8, -1, 9], 0, 8) == " ▄█ █"

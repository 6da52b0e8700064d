"""Goal: a running site plans from its feeds and answers its scheduler. Method: the real controller and
the simulated site as processes; prices dropped as a file, a curve told by the verb, the budget asked for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from controller.cli import app

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.stack]

NORDLAB = Path("boards/sites/nordlab.yaml")
FEEDS = "feeds:\n  price: {kind: csv, file: prices.csv, period_s: 1}\n\ncontrol:\n"


def stamp(utc_s: float) -> str:
    """ISO, with Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(utc_s))


class Box:
    """nordlab in a folder: plant and controller, each its own process. Prices: dear now, cheap later."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.site = folder, folder / "nordlab.yaml"
        text = NORDLAB.read_text().replace("enter_service_s: 5", "enter_service_s: 1")
        text = re.sub(
            r"  demand:.*?(?=  wear_per_kwh)", "", text, flags=re.DOTALL
        )  # no peak to keep energy for
        self.site.write_text(text.replace("control:\n", FEEDS))
        load = folder / "load.csv"
        load.write_text("t_s,load_kw\n0,3000\n1,3000\n2,3000\n")
        self.plant = self.start("-m", "tools.plant", self.site, "--load", load, "--dir", folder)
        self.controller = self.start("-m", "controller", "run", self.site, "--dir", folder)

    def start(self, *words: object) -> subprocess.Popen[bytes]:
        """A process of ours; what it says goes to a file."""
        with (self.folder / f"{words[1]}.txt").open("w") as out:
            return subprocess.Popen([sys.executable, *map(str, words)], stdout=out, stderr=out)

    def prices(self) -> None:
        """Quarters from an hour ago on: falling from 5 SEK for three hours, so that now is best; then 0.1."""
        begin_s = time.time() // 900 * 900 - 3600
        rows = "".join(
            f"{stamp(begin_s + 900 * k)},{5.0 - 0.2 * k if k < 12 else 0.1:.2f}\n" for k in range(80)
        )
        (self.folder / "prices.csv").write_text("t_utc,price_sek_kwh\n" + rows)

    def verb(self, *words: object) -> Any:
        """A verb of the command line, from outside the controller's process."""
        return CliRunner().invoke(app, [*map(str, words), "--dir", str(self.folder)])

    def status(self) -> dict[str, Any]:
        """The newest status, empty before the first."""
        path = self.folder / "status.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def until(self, holds: Any) -> dict[str, Any]:
        """Wait until the status holds something; the status."""
        end_s = time.monotonic() + 30
        while not holds(seen := self.status()):
            said = (self.folder / "controller.txt").read_text()[-2000:]
            assert self.controller.poll() is None and time.monotonic() < end_s, f"{seen.get('plan')} {said}"
            time.sleep(0.1)
        return seen


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """A box that has just been started."""
    found = Box(tmp_path)
    yield found
    for process in (found.controller, found.plant):
        process.kill()
        process.wait()


def test_a_site_plans_and_answers(box: Box) -> None:
    """No price: said so. Prices: a plan, and the battery moves. A curve is taken, a late one refused; a budget told."""
    seen = box.until(lambda s: s.get("mode") == "GRID_TIED" and s["limits"]["discharge_kw_max"] > 0)
    assert "no price is known" in seen["plan"]["trouble"]
    box.prices()
    seen = box.until(lambda s: s["plan"]["rung"] == "lp" and s["pcs_kw"] > 50)
    assert seen["plan"]["pcs_kw"] > 100 and seen["plan"]["trouble"] == ""
    assert "lp: " in box.verb("status", box.site).stdout

    now_s = time.time() // 1 - 30
    curve = {"start_time": stamp(now_s), "issued_at": stamp(now_s), "sequence": 2, "elements": [
        {"duration": 7_200_000, "power_values": [{"value_expected": 3_100_000}]}]}  # fmt: skip
    told = box.folder / "told.json"
    told.write_text(json.dumps(curve))
    assert box.verb("forecast", box.site, told).exit_code == 0
    told.write_text(json.dumps(curve | {"sequence": 1}))
    assert "forecast refused: sequence 1 after 2" in str(box.verb("forecast", box.site, told).exception)
    budget = json.loads(box.verb("budget", box.site, "--json").stdout)
    assert budget["elements"][0]["price_per_kwh"] > 3
    assert "SEK/kWh" in box.verb("budget", box.site).stdout
    assert json.loads((box.folder / "budget.json").read_text())["message_type"] == "PowerForecast"

    seen = box.until(lambda s: any(feed["name"] == "curve" for feed in s["plan"]["feeds"]))
    plan = next(task for task in seen["tasks"] if task["name"] == "plan")
    assert plan["overruns"] <= 0.1 * plan["runs"], "its task hands over, it does not work"

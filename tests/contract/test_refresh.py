"""The dead-man of every commanded converter, seen on the wire of the whole stack in virtual time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from controller.config.loader import BOARDS
from controller.devices.profiles import all_names, load
from controller.image import Mode
from tests.cases.virtual import Site

pytestmark = pytest.mark.stack

REFERENCE = (BOARDS / "sites" / "reference.yaml").read_text("utf-8")
COMMANDED = [name for name in all_names() if load(name).kind == "pcs" and not load(name).read_only]


def site_of(name: str, folder: Path) -> Path:
    """The reference site with this converter, small and on a line it has."""
    baud = max(baud for baud in load(name).wire.bauds if baud <= 115200)
    text = REFERENCE.replace("pcs-stillwatt-plant", name).replace("_kw_max: 2000", "_kw_max: 200")
    path = folder / "site.yaml"
    path.write_text(text.replace("{baud: 115200, gap: chars}", f"{{baud: {baud}}}"), "utf-8")
    return path


@pytest.mark.parametrize("name", COMMANDED)
def test_watchdog_is_armed_and_refreshed(name: str, tmp_path: Path) -> None:
    """Goal: the order `arm` reaches the unit, and no silence is longer than a third of its time.
    Method: a load that never changes, so only refreshes move the setpoint; three watchdog times, the write
    confirmed each time looked at; then the supervisor falls silent and the frame keeps the unit at zero."""
    profile = load(name)
    assert profile.watchdog is not None and profile.setpoint is not None
    site = Site(np.full(100, 3000.0), site=site_of(name, tmp_path))
    site.until(Mode.GRID_TIED, 60.0)
    site.run(12.0)
    assert site.plant.truth()["watchdogs_s"] == (profile.watchdog.timeout_s,)
    assert site.plant.truth()["states"] == ("running",)
    poll = site.supervisor.fastlink.snapshot
    index = site.supervisor.roster._polls["pcs-1"][-1]
    silences, writes = [], set()
    for _ in range(round(min(3 * profile.watchdog.timeout_s, 20.0) / 0.1)):
        site.cycle()
        t_ok_ns = poll().polls[index].t_ok_ns
        writes.add(t_ok_ns)
        silences.append((site.virtual.now_ns - t_ok_ns) / 1e9)
    assert max(silences) <= profile.setpoint.refresh_ms / 1000 + 0.15 <= profile.watchdog.timeout_s / 3 + 0.15
    assert len(writes) >= 3
    assert site.plant.truth()["expiries"] == (0,)

"""Goal: the bound of several converters is what its laws do. Method: the reference's plant, and halves of a whole."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from controller.devices.check import check_site
from controller.runtime.frame_setup import setup as frame_of
from tools.bench.fleet import FLEET, SITE, fleet, parts_of
from tools.bench.scored import Scenes, modules
from tools.bench.several import Part, Programme, early, groups

FOLDER = Path(os.environ.get("STILLWATT_SHARED", str(Path(__file__).parents[4] / "shared"))) / "scenes"
WINDOW_S, MEMORY_S = (126.0, 176.0), 0.1


@dataclass(frozen=True)
class Link:
    """The reference's fields."""

    period_s: float = 0.0
    dead_s: float = 0.0
    tau_s: float = 0.0
    slew_pu_s: float = 0.0
    rating_kw: float = 0.0
    overdrive: float = 0.0


def test_taps_cover_the_memory_without_holes() -> None:
    """24 single taps, then blocks: each begins where the last ends, and the last at most a block before the end."""
    starts, widths = groups(SimpleNamespace(TAPS_ALONE=24), 0.0024, 2.5)
    assert starts[0] == 0
    assert (starts[1:] == starts[:-1] + widths[:-1]).all()
    assert (starts[-1] + widths[-1]) * 0.0024 == pytest.approx(2.5, abs=0.05)
    assert (widths[:24] == 1).all()
    assert widths[24] == 2


def test_a_later_turn_sees_what_comes_later() -> None:
    """3 ms at 2 kHz are six samples."""
    assert (early(np.arange(20.0), 0.003, 2000.0)[:14] == np.arange(6.0, 20.0)).all()


def test_each_that_is_left_has_its_own_times_and_limits() -> None:
    """Without the first, 1900 kW are left. The last takes its turn half a period of its port after its neighbour."""
    checked = fleet(check_site(SITE))
    each = frame_of(checked, checked.table)["share"]["pcs"]
    parts = parts_of(each, 0, Link())
    assert [part.link.rating_kw * part.link.overdrive for part in parts] == pytest.approx(
        [kw for kw, *_ in FLEET[1:]]
    )
    assert [part.link.rating_kw * part.link.slew_pu_s for part in parts] == pytest.approx([160e3, 60e3, 50e3])
    assert [part.late_s for part in parts] == pytest.approx([0.0, 0.0, each[3]["period_s"] / 2])
    assert parts[2].link.dead_s == pytest.approx(each[3]["dead_s"] + 1e-4 + each[3]["period_s"] / 2)


@pytest.fixture(scope="module")
def reference() -> tuple[Any, Any]:
    """(bound.py, its reference link without a slew limit and over-drive)."""
    pytest.importorskip("cvxpy")
    if not FOLDER.is_dir():
        pytest.skip("the scenes are not here")
    link = Scenes(FOLDER).link("115200-true", None, np.inf)
    return modules(FOLDER, "bound")[0], replace(link, overdrive=1.0)


def test_the_bound_is_what_its_law_does(reference: tuple[Any, Any]) -> None:
    """Without a slew limit the plant is linear: one converter's M2 as designed, commands within 1.0 but for NEAR.
    Two halves of it have the same bound, and one that knows of slew a worse one."""
    bound, link = reference
    one = Programme(bound, "training", [Part(link, 0.0)], WINDOW_S, MEMORY_S)
    least_db, taps = one.least()
    load_kw, battery_kw = one.simulated(taps, bound.FIT_SEEDS[0])
    cut = slice(*(int(edge_s * bound.scene.RATE_HZ) for edge_s in WINDOW_S))
    found = bound.metrics.band_metrics((load_kw - battery_kw)[cut], load_kw[cut], bound.scene.RATE_HZ)
    assert found["M2_band_db"] == pytest.approx(least_db, abs=0.3)
    assert np.abs(battery_kw[cut]).max() <= 1.05 * link.rating_kw
    half = replace(link, overdrive=0.5)
    halves_db, _ = Programme(bound, "training", [Part(half, 0.0)] * 2, WINDOW_S, MEMORY_S).least()
    assert halves_db == pytest.approx(least_db, abs=0.3)
    slow_db, _ = Programme(
        bound, "training", [Part(replace(link, slew_pu_s=100.0), 0.0)], WINDOW_S, MEMORY_S
    ).least()
    assert slow_db > least_db + 0.5

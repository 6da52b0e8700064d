"""The virtual loop: the real frame against the simulated site."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tools.plant.links
from controller.runtime.harm import Harm
from ext.witness import setpoints
from tools.plant.links import read_link
from tools.plant.loads import Load
from tools.plant.site import COLUMN_NAMES
from tools.sim import Scene, VirtualRun

LINKS = Path(tools.plant.links.__file__).parent / "links.yaml"
pytestmark = pytest.mark.stack


def run_of(checked, load_kw, seed=1):
    """The whole stack on the virtual clock, with a load of 100 points a second."""
    return VirtualRun(checked, Load(load_kw, 100.0), Scene(Path(), Path(), seed=seed))


def scene(checked, load_kw, seed, seconds=5.0):
    """Record of a scene after a bring-up."""
    run = run_of(checked, load_kw, seed)
    run.bring_up()
    return run.scene(seconds)


@pytest.fixture(scope="module")
def load_kw():
    """2.6 MW, then 4 MW after one second."""
    return np.repeat([2600.0, 4000.0], [100, 400])


def test_scene_begins_at_zero_with_the_loads_own_time(site_of, load_kw):
    """Goal: bring-up runs on the first value, then t_s = 0 is the trace's start.
    Method: record against the trace.
    """
    record = scene(site_of("reference"), load_kw, 1)
    assert tuple(record) == COLUMN_NAMES
    assert record["t_s"] == pytest.approx(np.arange(10_000) / 2000.0, abs=1e-9)
    assert record["load_kw"] == pytest.approx(
        np.interp(record["t_s"], np.arange(500) / 100.0, load_kw), abs=1e-6
    )


def test_every_row_balances_and_the_battery_helps(site_of, load_kw):
    """Goal: rows are one instant's truth and the whole stack moves power.
    Method: balance, and the step halved.
    """
    record = scene(site_of("reference"), load_kw, 1)
    balance = record["grid_kw"] + record["pcs_kw"] + record["pv_kw"] + record["genset_kw"] - record["load_kw"]
    assert np.abs(balance).max() < 1e-9
    assert record["pcs_kw"].max() > 1000.0
    late = (record["t_s"] > 1.1) & (record["t_s"] < 2.0)
    assert (record["grid_kw"][late] < 3300.0).all()
    assert (record["mode"] == 2).all()


def test_same_seed_same_record(site_of, load_kw):
    """Goal: the whole stack is reproducible.
    Method: two runs of one seed, bit for bit; another seed differs.
    """
    first, again, other = (scene(site_of("reference"), load_kw, seed, 2.0) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in COLUMN_NAMES)
    assert not np.array_equal(first["pcs_kw"], other["pcs_kw"])


def small_steps(checked, monkeypatch, link):
    """Setpoints of the first converter, of 12 s of small steps through the wide filter: ms to the next, kW moved."""

    def judge(self, law, dt_s):
        self.gain, self.prompt_pu = 1.0, -1.0

    monkeypatch.setattr(Harm, "judge", judge)
    rng = np.random.default_rng(1)
    load_kw = 3000.0 + 60.0 * np.cumsum(rng.integers(-1, 2, 1200) * (rng.random(1200) < 0.3))
    run = VirtualRun(checked, Load(load_kw, 100.0), Scene(Path(), Path(), seed=1, link=link))
    told, known = [], 0

    def look(cycle):
        nonlocal known
        known, t_ns, kw = setpoints(run.fastlink.executive, 0, known)
        told.append(np.array([t_ns, kw]))

    run.supervisor.watchers.append(look)
    run.bring_up()
    run.scene(12.0)
    t_ns, kw = np.concatenate(told, axis=1)
    return 1e-6 * np.diff(t_ns)[1:], np.diff(kw)[:-1]


def test_a_command_before_a_read_is_led_for_as_long_as_it_holds(site_of, monkeypatch):
    """Goal: on a wire that is never free a read follows each 250 ms, and what was told before it holds for a read more.
    Method: setpoints as they left, told apart by what followed; the way to what is wanted, times 2.2 to be there in one
    exchange of 6 ms with 10 ms of lag, is times 1.4 then. The one after a read has its whole lead again.
    """
    link = replace(read_link(LINKS, "115200-spec"), tau_ms=10.0)
    gap_ms, moved_kw = small_steps(site_of("reference"), monkeypatch, link)
    read = (gap_ms > 11.0) & (gap_ms < 20.0)
    after = np.roll(read, 1)
    free = (gap_ms < 7.0) & ~after
    assert 30 < read.sum() < free.sum() / 10
    assert moved_kw[read].std() < 0.85 * moved_kw[free].std()
    assert moved_kw[after].std() > 0.75 * moved_kw[free].std()

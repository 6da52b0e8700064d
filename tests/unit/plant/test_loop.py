"""The virtual loop: the real frame against the simulated site."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tools.plant.loads import Load
from tools.plant.site import COLUMN_NAMES
from tools.sim import Scene, VirtualRun

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

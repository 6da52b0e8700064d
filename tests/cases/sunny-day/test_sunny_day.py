"""Nothing goes wrong: the site comes up by the rules, holds the grid still, and stops at zero when asked."""

from __future__ import annotations

import numpy as np

from controller.image import Mode
from tests.cases.virtual import Site, square_kw


def test_sunny_day() -> None:
    """Goal: INIT, STANDBY, GRID_TIED, a still grid, a clean stop, and not one fault.
    Method: a load of 3 and 4 MW in turn every second for 40 s; then a stop is asked for."""
    site = Site(square_kw(20.0))
    site.engaged()
    site.run(40.0)
    assert site.codes() == ["T01", "T02"]
    load, grid = site.recent("load_kw", 8.0), site.recent("grid_kw", 8.0)
    assert np.ptp(load) > 900.0
    assert np.std(grid) < 0.25 * np.std(load)
    status = site.fastlink.executive.status()
    assert (status["lease_lapses"], status["guard_blocked"]) == (0, 0)
    site.supervisor.ask("stop")
    site.until(Mode.STANDBY, 6.0)
    assert site.codes()[2:] == ["N6", "N6"]
    site.run(2.0)
    assert abs(site.truth("pcs_kw")) < 1.0
    assert site.plant.truth()["states"] == ("standby",)
    site.run(30.0)
    assert site.mode == Mode.STANDBY


def test_nothing_moves_before_it_may() -> None:
    """Goal: silent in INIT, zero until the converter runs.
    Method: true power and received setpoint in every cycle until 1 s after GRID_TIED."""
    site = Site(square_kw(20.0))
    while site.mode != Mode.GRID_TIED or not site.supervisor.conditions.running:
        site.cycle()
        assert abs(site.truth("pcs_kw")) < 1e-9
        assert site.plant.truth()["setpoints_kw"] == (0.0,)
        if site.mode == Mode.INIT:
            assert site.plant.truth()["watchdogs_s"] == (0.0,)
    assert site.plant.truth()["watchdogs_s"] == (2.0,)
    assert site.t_s > 5.0

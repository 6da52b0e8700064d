"""What the slow loop makes of a battery that holds less than the site file says (F47)."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from pathlib import Path

import pytest

from controller.config.fallback import Shed
from controller.image import Instant, Mode
from controller.runtime.answer import _stages
from controller.runtime.gather import Look
from tests.unit.runtime.test_planning import Loop, site_of


def test_a_faded_battery_keeps_its_reserve(tmp_path: Path) -> None:
    """Goal: F47: the reserve stays as many kWh, and what is there counts as what it is; as stated again when that is
    over. Method: 600 kWh of nordlab's 4000 for the fallback, 3000 shown; the plant of the plan, its first energy."""
    battery = site_of().battery.model_copy(update={"fallback_kwh": 600.0})
    loop = Loop(tmp_path, site_of(battery=battery))
    for held_kwh, capacity_kwh in ((nan, 4000.0), (3000.0, 3000.0), (nan, 4000.0)):
        loop.turn(3600.0, held_kwh=held_kwh)
        plant = loop.planning._planner.plant
        low_kwh = battery.soc_pct_min / 100.0 * capacity_kwh
        assert plant.energy_kwh_min == pytest.approx(low_kwh + battery.reserve_kwh + 600.0)
        assert plant.full_kwh == capacity_kwh
        plan = loop.planning._planner.current
        assert plan is not None and abs(plan.dispatch.energy_kwh[0] - capacity_kwh / 2.0) < 600.0


def test_a_faded_battery_sheds_sooner() -> None:
    """Goal: the time that is foretold for a stage is that of what the battery holds. Method: stated, and half of it."""
    site = site_of("island-hall")
    assert site.fallback is not None
    stages = (Shed(name="a", kw=500, soc_pct=40),)
    site = site.model_copy(update={"fallback": site.fallback.model_copy(update={"sheds": stages})})
    here = Look(Instant(0, 0.0), 2000.0, 0.0, 1000.0, 50.0, 49.0, Mode.ISLANDED)
    (stated,), (faded,) = (
        _stages(site, replace(here, held_kwh=kwh)) for kwh in (nan, site.battery.capacity_kwh / 2.0)
    )
    assert faded.by_s == pytest.approx(stated.by_s / 2.0) and faded.by_s > 0.0

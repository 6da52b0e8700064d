"""A service tool commands the converter while we do (F30): the site lets go of it for good, and blames nobody else."""

from __future__ import annotations

import pytest

from controller.image import Mode
from tests.cases.virtual import Site, square_kw

TOOL_KW = -1900.0
WITHIN_S = 1.0  # F30
pytestmark = pytest.mark.stack


def test_a_second_master_is_found_and_yielded_to() -> None:
    """Goal: F30 within a second, then no setpoint of ours but zero. Method: a tool that writes after each of ours."""
    site = Site(square_kw(40.0))
    site.engaged()
    began_s = site.t_s
    while site.mode == Mode.GRID_TIED and site.t_s < began_s + 3.0:
        for _ in range(100):
            site.frames(0.001)
            site.plant.command("pcs-1", TOOL_KW)
        site.supervisor.cycle(site.now)
    assert site.at_s("F30", began_s) - began_s <= WITHIN_S
    assert site.mode == Mode.SAFE_STOP
    site.run(6.0)
    assert site.mode == Mode.FAULT
    assert {"F20", "F21", "F22"}.isdisjoint(site.codes(began_s))


def test_a_wire_that_loses_frames_is_no_second_master() -> None:
    """Goal: what is explained by lost requests and replies accuses nobody. Method: a minute on a noisy wire."""
    site = Site(square_kw(80.0))
    site.engaged()
    began_s = site.t_s
    site.plant.fault("rs485-1", seed=5, bit_error_rate=2e-3)
    site.run(60.0)
    assert "F30" not in site.codes(began_s)
    site.plant.fault("rs485-1")


def test_only_converters_are_commanded() -> None:
    """Goal: the injector names a wrong device. Method: a battery, and nobody."""
    site = Site(square_kw(4.0))
    for name in ("bms-1", "pcs-9"):
        with pytest.raises(ValueError, match=name):
            site.plant.command(name, 1.0)

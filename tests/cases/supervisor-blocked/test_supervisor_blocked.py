"""The supervisor hangs while the frame runs on: the lease ends and power ramps to zero alone (F68)."""

from __future__ import annotations

import pytest

from controller.image import Mode
from tests.cases.virtual import Site, square_kw

LEASE_S = 0.5
RAMP_S = 0.6


@pytest.mark.parametrize("phase_s", [0.0, 0.3, 0.7, 1.1, 1.6])
def test_the_lease_ends_and_power_goes_to_zero(phase_s: float) -> None:
    """Goal: safe 0.6 s after the lease's end, at any phase of the load; the way back is the case supervisor-hung.
    Method: frames without a supervisor for 2 s; power a row a millisecond."""
    site = Site(square_kw(20.0))
    site.engaged()
    site.run(phase_s)
    site.frames(2.0)
    power = abs(site.recent("pcs_kw", 2.0))
    assert power[: round(1000 * LEASE_S)].max() > 50.0
    assert power[round(1000 * (LEASE_S + RAMP_S)) :].max() < 1.0
    assert site.fastlink.executive.status()["lease_lapses"] == 1
    site.cycle()
    assert site.mode == Mode.SAFE_STOP
    assert "F68" in site.codes()


def test_a_short_pause_is_no_fault() -> None:
    """Goal: three missed cycles are inside the lease. Method: 0.35 s more without a supervisor."""
    site = Site(square_kw(20.0))
    site.engaged()
    site.frames(0.35)
    site.run(2.0)
    assert site.mode == Mode.GRID_TIED
    assert site.codes() == ["T01", "T02"]

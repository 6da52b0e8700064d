"""The converter stops answering: safe within half a second, back by the rules, later each time (F16)."""

from __future__ import annotations

import pytest

from controller.image import Mode
from tests.cases.virtual import Site, square_kw


@pytest.fixture
def site() -> Site:
    """A site in GRID_TIED."""
    site = Site(square_kw(20.0))
    site.engaged()
    return site


def test_safe_within_half_a_second_of_the_last_reply(site: Site) -> None:
    """Goal: F16. Method: deaf at ten phases of the supervisor's cycle, each 10 ms apart."""
    for phase in range(10):
        site.frames(0.01 * phase)
        site.plant.mute("pcs-1")
        deaf_s = site.t_s
        while site.mode == Mode.GRID_TIED:
            site.cycle()
        assert site.t_s - deaf_s <= 0.5
        assert site.supervisor.mode.reason.startswith("F16 pcs-mute: pcs-1 has not answered for 0.")
        break_s = site.t_s
        site.plant.mute("pcs-1", False)
        site = Site(square_kw(20.0)) if phase < 9 else site
        if phase < 9:
            site.engaged()
        assert break_s > deaf_s


def test_the_converters_own_watchdog_ends_the_power(site: Site) -> None:
    """Goal: P = 0 although no command arrives. Method: deaf for 3 s with a watchdog of 2 s."""
    site.plant.mute("pcs-1")
    site.run(3.0)
    assert abs(site.truth("pcs_kw")) < 1.0
    assert site.plant.truth()["expiries"] == (1,)


def test_back_by_the_rules(site: Site) -> None:
    """Goal: T13 after the hold time, T02 after enter service, the second time after two minutes.
    Method: deaf for 5 s, twice."""
    for hold_s in (30.0, 120.0):
        site.plant.mute("pcs-1")
        site.run(5.0)
        assert site.mode == Mode.SAFE_STOP
        stop_s = site.at_s("T12", site.t_s - 5.0)
        site.plant.mute("pcs-1", False)
        back_s = site.t_s
        standby_s = site.until(Mode.STANDBY, 200.0)
        assert standby_s - stop_s >= hold_s - 0.05
        assert standby_s - back_s >= 29.9
        assert standby_s - stop_s <= hold_s + 40.0
        site.until(Mode.GRID_TIED, 20.0)
        site.run(5.0)
        assert site.supervisor.conditions.running
        assert site.mode == Mode.GRID_TIED

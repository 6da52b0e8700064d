"""A hand at a converter in MAINT: the whole stack in virtual time, with the oracle's eyes on it."""

from __future__ import annotations

import pytest

from controller.image import Mode
from controller.safety.command import Command, Rank
from controller.units import ns
from tests.cases.virtual import Site, square_kw

pytestmark = pytest.mark.stack


def test_a_converter_is_moved_by_hand() -> None:
    """Goal: N6: 4 % of 2000 kW at most, both ways, off within a second of the hand, nothing before the key is turned.
    Method: a site that was stopped; a person holds on for five seconds, asks for far too much, and lets go."""
    site = Site(square_kw(60.0))

    def hand(seconds: float, kw: float) -> list[float]:
        powers = []
        for _ in range(round(seconds * 10)):
            t_ns = site.virtual.now_ns
            site.supervisor.inbox.append(Command("jog", Rank.LOCAL, t_ns, t_ns + ns(1.0), "", "pcs-1", kw))
            site.cycle()
            powers.append(site.truth("pcs_kw"))
        return powers

    site.until(Mode.GRID_TIED, 30.0)
    site.supervisor.ask("stop")
    site.until(Mode.STANDBY, 10.0)
    assert max(map(abs, hand(1.0, 50.0))) < 1.0, "no key, no hand"
    assert "IL-15" in site.codes()
    site.supervisor.ask("maint")
    site.until(Mode.MAINT, 1.0)
    powers = hand(5.0, 500.0)
    assert powers[-1] == pytest.approx(80.0, abs=1.0) and max(powers) < 82.0
    powers = hand(4.0, -30.0)
    assert powers[-1] == pytest.approx(-30.0, abs=1.0)
    site.run(1.3)
    assert abs(site.truth("pcs_kw")) < 1.0
    site.run(0.5)
    assert site.plant.truth()["states"] == ("standby",)
    assert site.mode == Mode.MAINT

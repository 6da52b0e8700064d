"""Gensets and a transfer switch are seen, and nothing depends on them."""

from __future__ import annotations

from math import inf

from controller.config.loader import BOARDS
from controller.image import Mode
from tests.cases.virtual import Site, square_kw

SITE = BOARDS / "sites" / "genset-hall.yaml"


def test_genset_and_switch_are_shown_and_missed_by_nobody() -> None:
    """Goal: they are read as they are; their silence stops nothing.
    Method: a minute of the genset hall; the switch falls silent, the genset over TCP never spoke."""
    site = Site(square_kw(20.0, 600.0, 900.0), site=SITE)
    seen = []
    site.supervisor.watchers.append(lambda cycle: seen.append(cycle.telemetry.devices))
    site.engaged()
    devices = seen[-1]
    assert (devices["genset-1"].state, devices["genset-1"].values["power_kw"]) == ("off", 0.0)
    assert (devices["ats-1"].state, devices["ats-1"].identity) == ("open", "SOCO")
    assert (devices["genset-2"].values, devices["genset-2"].age_s) == ({}, inf)
    site.plant.mute("ats-1")
    site.run(60.0)
    assert site.mode == Mode.GRID_TIED
    assert seen[-1]["ats-1"].age_s > 55.0
    assert {event.unit for _, event in site.events} <= {"site", "meter-pcc"}

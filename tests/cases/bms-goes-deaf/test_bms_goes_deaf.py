"""The BMS stops answering: limits freeze, then power ends; the meter: export worst case first (F33, F12)."""

from __future__ import annotations

from pathlib import Path

from controller.image import Mode
from controller.state import Effect
from tests.cases.virtual import SITE, Site, square_kw


def test_freeze_then_stop() -> None:
    """Goal: IL-04 scaled with a poll of 0.5 s: freeze at 1.5 s, stop at 2 s. Method: deaf, cycle by cycle."""
    site = Site(square_kw(20.0))
    site.engaged()
    before = site.supervisor.conditions.battery
    site.plant.mute("bms-1")
    deaf_s, frozen_s = site.t_s, 0.0
    while site.mode == Mode.GRID_TIED:
        site.cycle()
        if not frozen_s and site.supervisor.conditions.has(Effect.FREEZE):
            frozen_s = site.t_s
    assert 1.0 <= frozen_s - deaf_s <= 1.7
    assert site.t_s - deaf_s <= 2.2
    assert site.supervisor.mode.reason.startswith("F33 bms-mute")
    assert site.supervisor.conditions.battery.charge_kw_max <= before.charge_kw_read
    site.run(1.0)
    assert abs(site.truth("pcs_kw")) < 1.0
    site.plant.mute("bms-1", False)
    site.until(Mode.GRID_TIED, 60.0)


def test_the_meter_may_be_away_for_a_minute(tmp_path: Path) -> None:
    """Goal: F12: the site goes on with export in its worst case, and stops after 60 s.
    Method: deaf meter on a line of its own: its quarantines starve nobody."""
    text = SITE.read_text().replace("{baud: 19200}", "{baud: 19200}\n  rs485-3: {baud: 19200}")
    head, meters = text.split("\nmeters:")
    own = tmp_path / "own-line.yaml"
    own.write_text(head + "\nmeters:" + meters.replace("rs485-2", "rs485-3"))
    site = Site(square_kw(20.0), site=own)
    site.engaged()
    site.plant.mute("meter-pcc")
    deaf_s = site.t_s
    site.run(20.0)
    assert site.mode == Mode.GRID_TIED
    assert site.supervisor.conditions.has(Effect.EXPORT_WORST)
    site.until(Mode.SAFE_STOP, 60.0)
    assert 58.0 <= site.t_s - deaf_s <= 61.0
    assert site.supervisor.mode.reason.startswith("F12 meter-lost")

"""The island hall in virtual time: grid lost and back, a genset that is locked, a dead bus, planned departure.

Every test ends with the plant's own witness: no closing out of step, no bus formed onto a dead grid.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.config.loader import BOARDS
from controller.image import Mode
from controller.safety.hall import Phase
from tests.cases.virtual import Site, square_kw

HALL = BOARDS / "sites" / "island-hall.yaml"


class Hall(Site):
    """The island hall, its load shed as the controller asks."""

    def __init__(self, low_kw: float = 400.0, high_kw: float = 600.0, site: Path = HALL) -> None:
        super().__init__(square_kw(20.0, low_kw, high_kw), site=site)
        self.modes: list[str] = []
        self.supervisor.watchers.append(lambda cycle: self._follow(cycle.mode.mode, cycle.hall.shed_stage))

    def _follow(self, mode: Mode, stage: int) -> None:
        fallback = self.supervisor.terms.fallback
        assert fallback is not None
        self.plant.shed(sum(shed.kw for shed in fallback.sheds[:stage]))
        if not self.modes or self.modes[-1] != mode.name:
            self.modes.append(mode.name)

    def phase(self, name: str) -> Phase:
        """Where a genset stands."""
        return self.supervisor.state.hall.sets[name].phase

    def unhurt(self) -> None:
        """The plant's witness."""
        truth = self.plant.truth()
        assert (truth["clashes"], truth["backfeeds"]) == (0, 0)


def other_site(folder: Path, *changes: tuple[str, str]) -> Path:
    """The island hall with other times."""
    text = HALL.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "hall.yaml"
    path.write_text(text)
    return path


BACK = "  back:\n    return_s: 30"
QUICK = (BACK, "  genset: {warm_up_s: 2, cool_down_s: 5, crank_rest_s: 3, off_s_min: 20}\n" + BACK)


def test_grid_lost_genset_and_back(tmp_path: Path) -> None:
    """Goal: T04, T05, T06, T07, T08, T09, T10 in this order; the battery rides through; the genset is held at load.
    Method: two minutes without grid; bounds: island within 2 s, least load 30 % once charging, cool-down, then off."""
    site = Hall(site=other_site(tmp_path, QUICK))
    site.engaged()
    site.plant.grid(True)
    lost_s = site.t_s
    assert site.until(Mode.ISLANDED, 3.0) - lost_s < 2.0
    site.until(Mode.GENSET, 60.0)
    site.run(10.0)
    assert site.plant.truth()["source"] == "genset"
    assert site.recent("genset_kw", 4.0).mean() >= 0.28 * 800.0
    assert site.recent("genset_kw", 4.0).max() <= 800.0
    site.plant.grid(False)
    site.until(Mode.GRID_TIED, 90.0)
    site.run(12.0)
    assert site.modes[-8:] == ["GRID_TIED", "ISLANDING", "ISLANDED", "GENSET_START", "GENSET", "ISLANDED",
                               "RESYNC", "GRID_TIED"]  # fmt: skip
    assert site.plant.truth()["gensets"] == ("off", "off")
    assert site.supervisor.conditions.running
    site.unhurt()


def test_a_set_that_never_starts_is_locked_and_the_next_one_takes_over(tmp_path: Path) -> None:
    """Goal: F55; one set in crank at a time; the island carries on. Method: five failing starts of the first."""
    site = Hall(site=other_site(tmp_path, QUICK))
    site.engaged()
    site.plant.genset_fails(0, 5)
    site.plant.grid(True)
    site.until(Mode.GENSET, 120.0)
    assert site.phase("genset-1") == Phase.LOCKED
    assert "F55" in site.codes()
    assert site.plant.truth()["gensets"] == ("off", "running")
    site.unhurt()


def test_a_dead_bus_returns_to_a_healthy_grid(tmp_path: Path) -> None:
    """Goal: a site that could not form an island is not stranded. Method: the converter is silent as the grid goes;
    the grid comes back; the switch closes on the dead bus alone."""
    site = Hall(site=other_site(tmp_path, QUICK))
    site.engaged()
    site.plant.mute("pcs-1")
    site.plant.grid(True)
    site.until(Mode.SAFE_STOP, 12.0)
    site.plant.mute("pcs-1", False)
    site.run(5.0)
    site.plant.grid(False)
    site.run(45.0)
    assert site.plant.truth()["source"] == "grid"
    site.until(Mode.GRID_TIED, 120.0)
    site.unhurt()


@pytest.mark.parametrize("transition", ["closed", "open"])
def test_planned_departure_and_return(tmp_path: Path, transition: str) -> None:
    """Goal: T03: grid power goes to zero before the switch opens; return on request of the grid's health alone.
    Method: island asked for on a healthy grid with either transition; the grid's power at the last moment."""
    change = (BACK, f"  transfer: {{transition: {transition}}}\n" + BACK)
    site = Hall(site=other_site(tmp_path, change))
    site.engaged()
    site.supervisor.ask("island")
    site.run(1.0)
    assert site.mode == Mode.ISLANDING
    while site.plant.truth()["position"] == "source-1":
        assert site.mode == Mode.ISLANDING
        last_kw = site.truth("grid_kw")
        site.cycle()
    assert abs(last_kw) < 40.0
    site.until(Mode.ISLANDED, 5.0)
    site.until(Mode.GRID_TIED, 90.0)
    site.unhurt()


def test_a_switch_that_sticks(tmp_path: Path) -> None:
    """Goal: F53: told, no closing tried again, the island goes on. Method: the switch sticks before the return."""
    site = Hall(site=other_site(tmp_path, QUICK, ("return_s: 30", "return_s: 5")))
    site.engaged()
    site.plant.grid(True)
    site.until(Mode.ISLANDED, 10.0)
    site.plant.switch_sticks()
    site.plant.grid(False)
    site.until(Mode.RESYNC, 20.0)
    site.run(30.0)
    assert "F53" in site.codes()
    assert site.mode == Mode.RESYNC
    assert site.plant.truth()["source"] == "pcs"
    site.unhurt()

"""A converter far slower than its file says, sensors at the connection alone and none on the DC bus: the loop rings,
the backstop ends it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from controller.image import Mode
from tests.cases.virtual import SITE, Site, square_kw


def site_of(
    tmp_path: Path, load_kw: np.ndarray, dead_ms: float, slew: float = 200.0, pcc: bool = True
) -> Site:
    """The reference site with a converter other than its file tells. pcc: CTs at the connection, no DC bus."""
    text = SITE.read_text()
    if pcc:
        text = text.replace("load_i", "pcc_i").replace("load_v", "pcc_v")
        text = "".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("dc_"))
    path = tmp_path / "site.yaml"
    path.write_text(text)
    return Site(load_kw, site=path, dynamics=(dead_ms, 5.0, slew))


def test_a_ring_is_ended(tmp_path: Path) -> None:
    """Goal: over within 3 s of the first swing beyond the load's own, no power left, and told: as F64, or as F21 where
    the ring is faster than the spectrum's 20 Hz and the converter seems to answer with the wrong sign.
    Method: 20 ms of dead time where the file says 0.3; without the backstop it rings on to the rating."""
    ringing = site_of(tmp_path, np.full(400, 3500.0), 20.0)
    ringing.supervisor.backstop.judges = False
    ringing.engaged()
    assert np.ptp(ringing.recent("pcs_kw", 1.0)) > 3000.0
    site = site_of(tmp_path, np.full(400, 3500.0), 20.0)
    site.until(Mode.GRID_TIED, 30.0)
    site.virtual.begin_scene(site.rate_hz // 1000, 20_000)
    site.run(18.0)
    assert {"F64", "F21"} & set(site.codes())
    power_kw = np.abs(site.virtual.record()["pcs_kw"])
    swings = np.flatnonzero(power_kw > 100.0)
    assert swings.size, "it must have rung at all"
    assert (swings[-1] - swings[0]) / 1000.0 < 3.0


@pytest.mark.parametrize(("slew", "tier"), [(200.0, 0), (2.0, 1)])
def test_help_is_left_alone_and_harm_is_not(tmp_path: Path, slew: float, tier: int) -> None:
    """Goal: a minute of training load through a good converter keeps the whole gain; one that left the factory with
    2 ratings a second, where the file says 200, loses half of it or more.
    Method: CTs on the load, squares of 1000 kW."""
    site = site_of(tmp_path, square_kw(8.0), 0.3, slew, pcc=False)
    site.engaged()
    site.run(60.0)
    seen = site.supervisor.conditions.frame.backstop
    assert seen.tier == tier
    assert site.supervisor.backstop.share == 1.0 if tier == 0 else site.supervisor.backstop.share <= 0.5
    assert site.mode == Mode.GRID_TIED

"""Four converters with dynamics of their own; one goes deaf, and the others take its part, none more than its share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from controller.image import Mode
from ext.witness import setpoints
from tests.cases.virtual import SITE, Site, square_kw
from tools.bench.fleet import FLEET, LOST, PORTS

pytestmark = pytest.mark.stack

RATINGS_KW = np.array([rating_kw for rating_kw, *_ in FLEET])
LEFT = [k for k in range(len(FLEET)) if k != LOST]
SLACK_DB = 2.0
NOISE_PU = 0.03  # of a rating: what ripple and ramp move in the time
ALIKE_PU = 0.015  # and from one bus's turn to the other's


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """The reference site with the bench's fleet, at work on squares of 1000 kW."""
    text = yaml.safe_load(SITE.read_text("utf-8"))
    text["ports"] |= {name: dict(text["ports"][PORTS[0]]) for name in PORTS}
    text["pcs"] = [
        {"name": f"pcs-{k + 1}", "profile": "pcs-stillwatt-plant", "port": PORTS[k], "unit": k + 1,
         "discharge_kw_max": rating_kw, "charge_kw_max": rating_kw, "dead_time_ms": dead_ms, "lag_ms": lag_ms,
         "slew_pu_per_s": slew}
        for k, (rating_kw, dead_ms, lag_ms, slew) in enumerate(FLEET)
    ]  # fmt: skip
    place = tmp_path / "site.yaml"
    place.write_text(yaml.safe_dump(text), "utf-8")
    built = Site(square_kw(20.0, period_s=4.0), site=place)
    built.engaged()
    built.run(14.0)
    return built


def test_one_lost_costs_nothing_but_its_rating(site: Site) -> None:
    """Goal: row 10; M2 as before, and no converter steps by more than its share of what the lost one was told.
    Method: deaf at the beginning of a plateau, left out before its end; every setpoint that left in between."""
    before_db = site.band_db(10.0)
    site.run(0.5)
    executive = site.fastlink.executive
    known = [setpoints(executive, k, 0)[0] for k in range(len(FLEET))]
    sent_kw = [list(setpoints(executive, k, known[k] - 1)[2]) for k in range(len(FLEET))]
    was_kw = [kw[-1] for kw in sent_kw]
    site.plant.mute(f"pcs-{LOST + 1}")
    for _ in range(12):
        site.cycle()
        for k in range(len(FLEET)):
            known[k], _, kw = setpoints(executive, k, known[k])
            sent_kw[k] += list(kw)
    assert site.at_s("F27", site.t_s - 1.2) <= site.t_s - 0.4
    assert sent_kw[LOST][-1] == 0.0
    for k in LEFT:
        share_kw = abs(was_kw[LOST]) * RATINGS_KW[k] / RATINGS_KW[LEFT].sum()
        gained_kw = (sent_kw[k][-1] - was_kw[k]) * np.sign(was_kw[LOST])
        assert gained_kw == pytest.approx(share_kw, abs=NOISE_PU * RATINGS_KW[k])
        assert np.abs(np.diff(sent_kw[k])).max() <= share_kw
    assert np.ptp([sent_kw[k][-1] / RATINGS_KW[k] for k in LEFT]) < ALIKE_PU
    site.run(14.3)
    assert site.mode == Mode.GRID_TIED
    assert before_db < -10.0
    assert site.band_db(10.0) <= before_db + SLACK_DB

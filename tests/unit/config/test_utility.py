"""Goal: what the utility asks reaches the lease, the tightest of all. Method: site files with and without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.config.utility import Utility
from controller.devices.check import check_site
from controller.runtime.survey import terms

SITE = Path("boards/sites/reference.yaml")


@pytest.mark.parametrize(
    ("asked", "ramps"),
    [
        ({}, (50.0, 50.0)),
        ({"ramp_up_kw_per_s_max": 60.0, "ramp_down_kw_per_s_max": 60.0}, (50.0, 50.0)),
        ({"ramp_up_kw_per_s_max": 30.0}, (30.0, 50.0)),
        ({"ramp_down_kw_per_s_max": 20.0}, (50.0, 20.0)),
        ({"range_kw_max": 500.0}, (50.0, 50.0)),
        ({"range_kw_max": 499.0}, (49.9, 49.9)),
        ({"range_kw_max": 400.0, "range_s": 20.0, "ramp_up_kw_per_s_max": 10.0}, (10.0, 20.0)),
    ],
)
def test_the_tightest_ramp_counts(asked: dict[str, float], ramps: tuple[float, float]) -> None:
    """A range of 500 kW in 10 s is 50 kW/s; the site's own 50 kW/s are never widened."""
    assert Utility(**asked).ramps_kw_per_s(50.0) == pytest.approx(ramps)


def test_it_reaches_the_lease(tmp_path: Path) -> None:
    """A site file with the section: its terms have it."""
    site = tmp_path / "site.yaml"
    site.write_text(SITE.read_text() + "\nutility:\n  ramp_up_kw_per_s_max: 40\n  range_kw_max: 200\n")
    found = terms(check_site(site))
    assert (found.ramp_up_kw_per_s_max, found.ramp_down_kw_per_s_max) == (20.0, 20.0)
    unasked = terms(check_site(SITE))
    assert (unasked.ramp_up_kw_per_s_max, unasked.ramp_down_kw_per_s_max) == (50.0, 50.0)

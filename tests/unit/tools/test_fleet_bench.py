"""Goal: row 10 is believed only where its figures say so. Method: scores beside every edge, times by hand."""

from __future__ import annotations

import pytest

from controller.devices.check import check_site
from controller.runtime.frame_setup import setup as frame_of
from tools.bench.fleet import SITE, Loss, as_one, fleet, left_of
from tools.bench.scored import Score


def loss(after_db: float, *, before_db: float = -26.0, m5_db: float = 0.5, above_kw: float = 0.1) -> Loss:
    """Both windows harm m5_db."""
    before, after = (Score(m2_db, m5_db, 700.0, 1600.0) for m2_db in (before_db, after_db))
    return Loss(0, before, after, above_kw, True)


@pytest.mark.parametrize(
    ("found", "mean_db", "said"),
    [
        (loss(-24.0), None, "holds"),
        (loss(-23.99), None, "MISSED"),
        (loss(-23.0), -24.0, "as the law found"),
        (loss(-22.99), -24.0, "MISSED"),
        (loss(-9.0, before_db=-10.0), None, "holds"),
        (loss(-9.0, before_db=-9.99), None, "MISSED"),
        (loss(-25.0, m5_db=0.51), -24.0, "MISSED"),
        (loss(-25.0, above_kw=0.11), -24.0, "MISSED"),
    ],
)
def test_two_decibels_or_the_law_found_and_never_harm(found: Loss, mean_db: float | None, said: str) -> None:
    """2 dB beside before, 1 dB beside the law, 10 dB of help, 0.5 dB of harm, a count above the share: all closed."""
    assert found.said(mean_db) == said


def test_those_that_are_left_as_one() -> None:
    """Without the first 800, 600 and 500 kW are left; the quickest of them lags by 4 ms, their mean by 10800 / 1900."""
    checked = fleet(check_site(SITE))
    each = frame_of(checked, checked.table)["share"]["pcs"]
    assert left_of(0) == ([1, 2, 3], 1900.0)
    quick, mean = as_one(each, 0, quick=True), as_one(each, 0, quick=False)
    assert (quick["tau_s"], quick["slew_pu_s"], quick["rating_kw"]) == pytest.approx((0.004, 200.0, 1900.0))
    assert quick["dead_s"] == pytest.approx(each[1]["dead_s"] + 1e-4)
    assert mean["tau_s"] == pytest.approx(0.0108 / 1.9)
    assert mean["slew_pu_s"] == pytest.approx((160e3 + 60e3 + 50e3) / 1900.0)
    assert (quick["overdrive"], mean["overdrive"]) == (1.0, 1.0)

"""Goal: normal operation keeps the numbers current and shows drift. Method: a training load in virtual time."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from controller.devices.check import check_site
from controller.runtime.dynamics import Dynamics, Estimate, Trial
from controller.runtime.refine import Refiner, _prior
from tests.cases.virtual import SITE, Site, square_kw

pytestmark = pytest.mark.stack

CHECKED = check_site(SITE)
VAGUE = Dynamics(
    dead_s=Estimate(0.0005, 0.0001, 0.0009),
    lag_s=Estimate(0.0054, 0.0049, 0.0059),
    slew_kw_per_s=Estimate(380_000.0, 330_000.0, 460_000.0),
    gain=Estimate(1.0, 0.99, 1.01),
    noise_kw=4.0,
    utc_s=1.0,
)


def windows(dynamics: tuple[float, float, float], swing_kw: float = 1000.0) -> tuple[Refiner, list[Trial]]:
    """Three windows of a true converter (dead ms, lag ms, ratings/s) whose file says 0.3, 5, 200."""
    site = Site(square_kw(8.0, 3000.0, 3000.0 + swing_kw), dynamics=dynamics)
    refiner, found = Refiner(CHECKED, site.fastlink, {"pcs-1": VAGUE}), []
    site.supervisor.watchers.append(lambda cycle: found.append(refiner.record(cycle)))
    site.engaged()
    site.run(61.0)
    return refiner, [trial for trial in found if trial is not None]


def test_a_vague_number_becomes_a_good_one() -> None:
    """Commissioned roughly, lag 8 % off: after three windows within 2 %, with a narrower interval, and no drift."""
    refiner, trials = windows((0.3, 5.0, 200.0))
    assert len(trials) == 3
    assert all(refiner.refine(trial, 100.0) for trial in trials)
    found = refiner.found["pcs-1"]
    assert found.lag_s.value == pytest.approx(0.005, rel=0.02)
    assert found.dead_s.value == pytest.approx(0.0003, abs=0.0001)
    assert found.slew_kw_per_s.value == pytest.approx(400_000.0, rel=0.05)
    assert found.lag_s.high - found.lag_s.low < VAGUE.lag_s.high - VAGUE.lag_s.low
    assert (found.utc_s, refiner.drifts) == (100.0, {"pcs-1": 0.0})


def test_a_converter_that_was_set_anew_is_drift_after_three_windows() -> None:
    """Half the slew that is in use: nothing is replaced, and the third window tells it."""
    refiner, trials = windows((0.3, 5.0, 100.0))
    for count, trial in enumerate(trials, start=1):
        assert not refiner.refine(trial, 100.0)
        assert bool(refiner.drifts) == (count == 3)
    assert refiner.drifts["pcs-1"] > 1.0
    assert refiner.found["pcs-1"] == VAGUE


def test_a_still_load_tells_nothing() -> None:
    """A swing below a fifth of the rating: no window."""
    assert windows((0.3, 5.0, 200.0), swing_kw=60.0)[1] == []


def test_two_converters_are_not_told_apart() -> None:
    """Their sum is one signal: nothing is gathered."""
    site = Site(square_kw(8.0))
    pair = replace(CHECKED, table=replace(CHECKED.table, pcs=CHECKED.table.pcs * 2))
    refiner = Refiner(pair, site.fastlink, {})
    site.supervisor.watchers.append(lambda cycle: found.append(refiner.record(cycle)))
    found: list[Trial | None] = []
    site.engaged()
    site.run(25.0)
    assert not any(found)


def test_a_prior_fades_and_is_never_certain() -> None:
    """Nine tenths of its weight, at most half a per cent believed; an open slew has a finite weight."""
    sharp = replace(VAGUE, lag_s=Estimate(0.005, 0.005, 0.005), slew_kw_per_s=Estimate(1e6, 4e5, inf))
    prior = _prior(sharp, 2000.0)
    assert prior.information[1, 1] == pytest.approx(0.9 / (0.005 * 0.005 + 1e-6) ** 2)
    assert prior.information[2, 2] == pytest.approx(0.9 / (0.005 / 3.92) ** 2)

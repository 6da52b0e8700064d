"""Prices beyond the known ones, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from controller.plan.calendar import Floats
from controller.plan.horizon import Past
from controller.plan.price import DAY_FADE, GUESS_H, MEAN_PU, OTHER_TYPE, beyond
from tests.unit.plan.tariffs import STOCKHOLM, hours

SHAPE = np.linspace(0.0, 2.3, 24)


def past(first: str, *levels: float) -> Past:
    """Days of one shape that differ by a level."""
    found = Past(STOCKHOLM)
    spot = np.concatenate([level + SHAPE for level in levels])
    found.put(hours(first, spot.size), np.ones(spot.size), np.zeros(spot.size), spot)
    return found


def test_nothing_seen_guesses_nothing() -> None:
    """Goal: no price from nowhere. Method: a day of which two hours are missing; the known day is one that was seen."""
    now_s = float(hours("2022-01-11T00:00", 1)[0])
    assert beyond(Past(STOCKHOLM), now_s + 7200, 3600.0, 1.0 + SHAPE[2:]).size == 22
    assert beyond(Past(STOCKHOLM), now_s, 3600.0, 1.0 + SHAPE).size == 24 + GUESS_H


def test_the_level_is_between_the_last_day_and_the_mean() -> None:
    """Goal: shape of the like days, 0.7 of the last day's level. Method: ten days at 1.0, a known one at 4.0."""
    seen = past("2022-01-01T00:00", *[1.0] * 10)
    now_s = float(hours("2022-01-11T00:00", 1)[0])
    guess = beyond(seen, now_s, 3600.0, 4.0 + SHAPE)[24:]
    age = np.arange(11, 0, -1)
    off = np.isin(np.arange(1, 12), (1, 2, 8, 9))
    weights = DAY_FADE**age * np.where(off, OTHER_TYPE, 1.0)
    mean = weights @ [*[1.0] * 10, 4.0] / weights.sum()
    assert guess == pytest.approx(SHAPE + MEAN_PU * mean + (1 - MEAN_PU) * 4.0)


def test_a_day_off_is_another_shape() -> None:
    """Goal: like days first. Method: flat days off, working days of 0 and 24; Saturday is asked on a Friday."""
    found = Past(STOCKHOLM)
    work, off = np.repeat([0.0, 24.0], 12), np.full(24, 12.0)
    spot = np.concatenate([off, off, *[work] * 4])  # Saturday to Thursday
    found.put(hours("2022-01-08T00:00", 144), np.ones(144), np.zeros(144), spot)
    guess = beyond(found, float(hours("2022-01-14T00:00", 1)[0]), 3600.0, work)[24:]
    alike, other = (DAY_FADE**6 + DAY_FADE**7), OTHER_TYPE * (DAY_FADE ** np.arange(1, 6)).sum()
    half = 12.0 * other / (alike + other)
    assert guess == pytest.approx(np.repeat([12.0 - half, 12.0 + half], 12))


@pytest.mark.parametrize(("slot_s", "from_hour"), [(900.0, 6), (3600.0, 6), (900.0, 0)])
def test_slots_go_on_without_a_gap(slot_s: float, from_hour: int) -> None:
    """Goal: each slot has its own hour's price. Method: quarters and hours, from morning and from midnight on."""
    slots = round((24 - from_hour) * 3600 / slot_s)
    now_s = float(hours("2022-01-11T00:00", 1)[0]) + 3600 * from_hour
    known: Floats = np.repeat(1.0 + SHAPE[from_hour:], round(3600 / slot_s))
    assert known.size == slots
    told = beyond(past("2022-01-04T00:00", *[1.0] * 7), now_s, slot_s, known)
    assert told[:slots].tolist() == known.tolist()
    assert told[slots:] == pytest.approx(np.repeat(1.0 + SHAPE, round(3600 / slot_s)))

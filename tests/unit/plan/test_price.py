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
    """Goal: no price from nowhere. Method: no day; a day of which two hours are missing."""
    spot = np.ones(24)
    now_s = float(hours("2022-01-11T00:00", 1)[0])
    assert beyond(Past(STOCKHOLM), now_s, 3600.0, spot[:10]).size == 10
    assert beyond(Past(STOCKHOLM), now_s + 7200, 3600.0, spot[:22]).size == 22
    assert beyond(Past(STOCKHOLM), now_s, 3600.0, spot).size == 24 + GUESS_H  # the known day itself was seen


def test_the_level_is_between_the_last_day_and_the_mean() -> None:
    """Goal: shape of the like days, 0.7 of the last day's level. Method: Monday at 1.0, Tuesday, known, at 4.0."""
    now_s = float(hours("2022-01-11T00:00", 1)[0])
    guess = beyond(past("2022-01-10T00:00", 1.0), now_s, 3600.0, 4.0 + SHAPE)[24:]
    weights = np.array([DAY_FADE**2, DAY_FADE])
    mean = weights @ [1.0, 4.0] / weights.sum()
    assert guess == pytest.approx(SHAPE + MEAN_PU * mean + (1 - MEAN_PU) * 4.0)


def test_a_day_off_is_another_shape() -> None:
    """Goal: like days first. Method: a flat Saturday and Sunday before a Monday of 0 and 24, Tuesday is asked."""
    found, monday = past("2022-01-10T00:00", 0.0), np.repeat([0.0, 24.0], 12)
    found.days.clear()
    found.put(hours("2022-01-08T00:00", 48), np.ones(48), np.zeros(48), np.full(48, 12.0))
    guess = beyond(found, float(hours("2022-01-10T00:00", 1)[0]), 3600.0, monday)[24:]
    off = OTHER_TYPE * (DAY_FADE**2 + DAY_FADE**3)
    half = 12.0 * DAY_FADE / (DAY_FADE + off)
    assert guess == pytest.approx(np.repeat([12.0 - half, 12.0 + half], 12))


@pytest.mark.parametrize(("slot_s", "from_hour"), [(900.0, 6), (3600.0, 6), (900.0, 0)])
def test_slots_go_on_without_a_gap(slot_s: float, from_hour: int) -> None:
    """Goal: each slot has its own hour's price. Method: quarters and hours, from morning and from midnight on."""
    slots = round((24 - from_hour) * 3600 / slot_s)
    now_s = float(hours("2022-01-11T00:00", 1)[0]) + 3600 * from_hour
    known: Floats = np.repeat(1.0 + SHAPE[from_hour:], round(3600 / slot_s))
    assert known.size == slots
    told = beyond(past("2022-01-10T00:00", 1.0), now_s, slot_s, known)
    assert told[:slots].tolist() == known.tolist()
    assert told[slots:] == pytest.approx(np.repeat(1.0 + SHAPE, round(3600 / slot_s)))

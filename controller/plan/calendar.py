"""The local clock of a bill: month, day and hour of any moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from controller.config.tariff import Mask

QUARTER_S = 900  # every zone in use changes its offset on a quarter of an hour
DAY_S = 86_400
Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]
Ints = np.ndarray[Any, np.dtype[np.integer[Any]]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Clock:
    """Local calendar of moments, one entry each: month as yyyymm, day as ordinal, hour 0 to 23."""

    month: Ints
    day: Ints
    weekday: Ints
    hour: Ints
    second: Ints  # since local midnight by the wall clock

    def inside(self, mask: Mask) -> Bools:
        """Which moments a calendar mask covers."""
        begin, end = mask.hours
        early, late = self.hour >= begin, self.hour < end
        hours = early & late if begin < end else early | late
        return _listed(self.month % 100, mask.months, 13) & _listed(self.weekday, mask.weekdays, 7) & hours


def _listed(values: Ints, members: tuple[int, ...], size: int) -> Bools:
    table = np.zeros(size, dtype=np.bool_)
    table[list(members)] = True
    return np.asarray(table[values], dtype=np.bool_)


def clock(zone: str, t_s: Floats) -> Clock:
    """Local calendar of UTC seconds t_s."""
    rows = np.array([_local(zone, int(t // QUARTER_S)) for t in t_s], dtype=np.int64).reshape(-1, 4)
    second = rows[:, 3] + np.asarray(t_s, dtype=np.int64) % QUARTER_S
    return Clock(rows[:, 0], rows[:, 1], rows[:, 2], second // 3600, second)


def moment(zone: str, t_s: float) -> tuple[int, int, int, float]:
    """Month as yyyymm, ordinal day, weekday and seconds since local midnight of one moment."""
    month, day, weekday, second = _local(zone, int(t_s // QUARTER_S))
    return month, day, weekday, second + t_s % QUARTER_S


def covers(mask: Mask, month: int, weekday: int, second: float) -> bool:
    """Whether a calendar mask covers a moment; the same as Clock.inside for one."""
    begin, end = mask.hours
    early, late = second >= 3600 * begin, second < 3600 * end
    inside = early and late if begin < end else early or late
    return inside and month % 100 in mask.months and weekday in mask.weekdays


@lru_cache(maxsize=200_000)
def _local(zone: str, quarter: int) -> tuple[int, int, int, int]:
    local = datetime.fromtimestamp(quarter * QUARTER_S, UTC).astimezone(ZoneInfo(zone))
    second = local.hour * 3600 + local.minute * 60 + local.second
    return local.year * 100 + local.month, local.toordinal(), local.weekday(), second


def midnight_s(zone: str, t_s: float, days: int = 0) -> float:
    """UTC seconds of the local midnight that opens the day of t_s, `days` days later."""
    day = datetime.fromtimestamp(t_s, UTC).astimezone(ZoneInfo(zone)).date() + timedelta(days=days)
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp()


def rest_of_month(day: int) -> tuple[date, ...]:
    """The days of a month from an ordinal day on."""
    first = date.fromordinal(day)
    days = [first]
    while (following := days[-1] + timedelta(days=1)).month == first.month:
        days.append(following)
    return tuple(days)

"""Filters of a deviation: what a late loop answers, see runtime.shape, and the loops they are made for. Pure.

    H = sum over k of taps[k] exp(-j w k tap) + sum over i of lags[i] / (1 + j w T[i])

A loop G makes of that what the battery gives, so the grid keeps E = 1 - H G of a deviation (control.md 5.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.floating[Any]]
Answer = NDArray[np.complexfloating[Any]]  # a value a line

TAPS, TAP_S = 24, 1e-3  # of ext.shape
LAGS_S = (0.008, 0.032, 0.128)
HARM_HZ, BAND_HZ, TOP_HZ = 50.0, 20.0, 250.0
OWED_HZ = 1.0
MEAN_S, STEP_MAX = 0.020, 1.25
STEP_S = np.arange(0.0, 0.12, 1e-3)  # after a step
MEAN_BARE = np.minimum(STEP_S / MEAN_S, 1.0) - 0.5  # of a step, about the middle of the load's levels
HZ = np.concatenate(
    [np.geomspace(0.1, 5.0, 20), np.linspace(5.5, HARM_HZ, 90), np.geomspace(52.0, TOP_HZ, 40)]
)
OMEGA = 2.0 * pi * HZ
BAND_W = np.where(HZ <= BAND_HZ, np.gradient(HZ) / HZ**2, 0.0)  # the energy of edges
BAND_W /= BAND_W.sum()
NO_TAPS, NO_LAGS = (0.0,) * TAPS, (0.0,) * len(LAGS_S)


@dataclass(frozen=True, slots=True)
class Filter:
    """One H. tap_s: time between two taps; lags_s: T."""

    tap_s: float
    taps_pu: tuple[float, ...]
    lags_pu: tuple[float, ...]
    lags_s: tuple[float, ...] = LAGS_S

    def answer(self, omega: Column) -> Answer:
        """H at every angular frequency (rad/s)."""
        found: Answer = parts(omega, self.tap_s, self.lags_s) @ np.array([*self.taps_pu, *self.lags_pu])
        return found

    def left(self, loop: Answer) -> Column:
        """abs(E) at HZ; loop: G there."""
        found: Column = abs(1.0 - self.answer(OMEGA) * loop)
        return found

    def owed_s(self, late_s: float) -> float:
        """What a loop that late leaves of an edge, over the edge: slope of E at none."""
        omega = np.array([2.0 * pi * OWED_HZ])
        return float((1.0 - self.answer(omega) * np.exp(-1j * omega * late_s)).imag[0] / omega[0])

    def span(self, late_s: float) -> float:
        """Of the 20 ms mean of the grid, with H that late, over steps both ways; in steps."""
        shares = np.array([*self.taps_pu, *self.lags_pu])
        return float(2.0 * abs(MEAN_BARE - means(self.tap_s, late_s, self.lags_s) @ shares).max())


def whole(tap_s: float) -> Filter:
    """All at once."""
    return Filter(tap_s, (1.0, *NO_TAPS[1:]), NO_LAGS)


def rest(tap_s: float) -> Filter:
    """Nothing."""
    return Filter(tap_s, NO_TAPS, NO_LAGS)


def late(late_s: float) -> Answer:
    """G of a loop that is late, at HZ."""
    found: Answer = np.exp(-1j * OMEGA * late_s)
    return found


def told(dead_s: float, period_s: float, lag_s: float, lead_s: float) -> Answer:
    """G at HZ of converters that are told something new with every exchange, small swings.

    The command holds for an exchange X, arrives dead_s late and passes the lag T; the lead is made to bring power b
    where it is wanted, w, in lead_s (ext.follow): u = b + (w - b) / (1 - exp(-lead / T)), so with z = exp(j 2 pi f X)

        b / w = c / (z - 1 + c),    c = (1 - exp(-X / T)) / (1 - exp(-lead / T)).
    """
    turn = np.exp(1j * OMEGA * period_s)
    leads = 1.0 / (1.0 - np.exp(-lead_s / lag_s)) if lag_s > 0 else 1.0
    there = leads * (1.0 - np.exp(-period_s / lag_s)) if lag_s > 0 else 1.0
    command = leads + (1.0 - leads) * there / (turn - 1.0 + there)
    held = (1.0 - 1.0 / turn) / (1j * OMEGA * period_s)
    found: Answer = command * held * np.exp(-1j * OMEGA * dead_s) / (1.0 + 1j * OMEGA * lag_s)
    return found


def parts(omega: Column, tap_s: float, lags_s: Sequence[float]) -> Answer:
    """Of H: one column a tap and a lag, (lines, shares)."""
    taps = [np.exp(-1j * omega * tap_s * k) for k in range(TAPS)]
    return np.array(taps + [1.0 / (1.0 + 1j * omega * lag_s) for lag_s in lags_s]).T


def means(tap_s: float, late_s: float, lags_s: Sequence[float]) -> Column:
    """Of H: 20 ms mean of the answer to a step, late, about the middle of its levels; (times, shares)."""

    def mean(t_s: Column, lag_s: float) -> Column:
        return (_area(t_s, lag_s) - _area(t_s - MEAN_S, lag_s)) / MEAN_S

    taps = [mean(STEP_S - late_s - tap_s * k, 0.0) for k in range(TAPS)]
    return np.array(taps + [mean(STEP_S - late_s, lag_s) for lag_s in lags_s]).T - 0.5


def _area(t_s: Column, lag_s: float) -> Column:
    """Integral of a step's answer through a lag, s."""
    after_s: Column = np.maximum(t_s, 0.0)
    return after_s - lag_s * (1.0 - np.exp(-after_s / lag_s)) if lag_s > 0 else after_s


def steps(tap_s: float, lags_s: Sequence[float]) -> Column:
    """Of H: command after a step, over all taps at least, (times, shares)."""
    step_s = STEP_S * max(1.0, TAPS * tap_s / STEP_S[-1])
    taps = [(tap_s * k <= step_s + 1e-9) * 1.0 for k in range(TAPS)]
    return np.array(taps + [1.0 - np.exp(-step_s / lag_s) for lag_s in lags_s]).T

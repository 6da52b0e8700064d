"""Filters of a deviation, and their design: what a late loop answers, see runtime.shape. Pure.

    H = sum over k of taps[k] exp(-j w k tap) + sum over i of lags[i] / (1 + j w T[i])

A loop G makes of that what the battery gives, so the grid keeps E = 1 - H G of a deviation (control.md 5.2). Designed
is the H that leaves least of a spectrum of edges, which falls with the square of the frequency, in the band that a
utility looks at, 0.1 to 20 Hz, of all that keep, for each of the loops it is made for,

    abs(E)                                    within what is allowed up to 50 Hz, and within the price above, where it
                                              is paid (control.md 5.6),
    20 ms mean of what steps both ways leave  spanning so much of the load's own, at most (M6),
    command of a step                         within 1.25 of it, and from tap to tap no faster than the converters slew.

This is convex; it is solved by the alternating direction method of multipliers (Boyd and others, Foundations and Trends
in Machine Learning 3, 2011, section 3), over-relaxed by 1.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.floating[Any]]
Answer = NDArray[np.complexfloating[Any]]  # a value a line

TAPS, TAP_S = 24, 1e-3  # of ext.shape
LAGS_S = (0.008, 0.032, 0.128)
HARM_HZ, BAND_HZ, TOP_HZ = 50.0, 20.0, 250.0
LAST_HZ = 36.0
OWED_HZ = 1.0
MEAN_S, STEP_MAX = 0.020, 1.25
HARM_KEPT = 10 ** (0.5 / 20)  # what a design must keep to be used,
SPAN_SLACK = 0.03  # and its span but for this
HELP_MIN = 0.5  # and what it may leave of the band: a shape that takes less is not worth the wear
STEP_S = np.arange(0.0, 0.12, 1e-3)  # after a step
MEAN_BARE = np.minimum(STEP_S / MEAN_S, 1.0) - 0.5  # of a step, about the middle of the load's levels
HZ = np.concatenate(
    [np.geomspace(0.1, 5.0, 20), np.linspace(5.5, HARM_HZ, 90), np.geomspace(52.0, TOP_HZ, 40)]
)
OMEGA = 2.0 * pi * HZ
BAND_W = np.where(HZ <= BAND_HZ, np.gradient(HZ) / HZ**2, 0.0)  # the energy of edges
BAND_W /= BAND_W.sum()
TURN_WEIGHT = 3.0  # of a tap among the limits, so that all are met in about as many rounds
TURNS = TURN_WEIGHT * np.eye(TAPS + len(LAGS_S))[1:TAPS]
RELAX, WEIGHT = 1.6, 30.0  # over the number of rounds
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
        found: Answer = _parts(omega, self.tap_s, self.lags_s) @ np.array([*self.taps_pu, *self.lags_pu])
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
        return float(2.0 * abs(MEAN_BARE - _means(self.tap_s, late_s, self.lags_s) @ shares).max())


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a design. harm: abs(E) up to 50 Hz; price: above; span: of the 20 ms mean, in steps; fold: of what lies up to
    fold_hz beside the rate of exchanges and twice that, which they fold into 0 to fold_hz. inf: any. last: of harm,
    from last_hz to 50 Hz, where a slew adds most that a design knows not. rounds: of the solver; 600 leave 1 to 2 dB
    of what 3000 reach, and filters that are tamer for it: more where the loop is just what it was designed for. step:
    command of a step; more than STEP_MAX where no step is large."""

    harm: float
    price: float
    span: float = inf
    fold: float = inf
    last: float = 1.0
    fold_hz: float = BAND_HZ
    rounds: int = 600
    last_hz: float = LAST_HZ
    step: float = STEP_MAX


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


def designed(
    loops: Sequence[Answer],
    lates_s: Sequence[float],
    limits: Limits,
    turn_pu: float,
    tap_s: float,
    rate_hz: float = 2.0 * TOP_HZ,
    lags_s: tuple[float, ...] = LAGS_S,
) -> tuple[Filter, bool]:
    """The best H for all of those loops, G at HZ each, and whether it does what it was made for, and helps.

    lates_s: for which the span is kept; turn_pu: the most that a step changes from tap to tap; rate_hz: of exchanges,
    above half of it nothing is looked at but what folds.
    """
    shares = _design(_Task(loops, lates_s, limits, turn_pu, tap_s, rate_hz, lags_s))
    made = Filter(tap_s, tuple(shares[:TAPS].tolist()), tuple(shares[TAPS:].tolist()), lags_s)
    left = [made.left(loop) for loop in loops]
    harmless = all(found[HZ <= HARM_HZ].max() <= HARM_KEPT for found in left)
    narrow = all(made.span(late_s) <= limits.span + SPAN_SLACK for late_s in lates_s)
    return made, harmless and narrow and all(BAND_W @ found**2 <= HELP_MIN for found in left)


def _parts(omega: Column, tap_s: float, lags_s: Sequence[float]) -> Answer:
    """Of H: one column a tap and a lag, (lines, shares)."""
    taps = [np.exp(-1j * omega * tap_s * k) for k in range(TAPS)]
    return np.array(taps + [1.0 / (1.0 + 1j * omega * lag_s) for lag_s in lags_s]).T


def _means(tap_s: float, late_s: float, lags_s: Sequence[float]) -> Column:
    """Of H: 20 ms mean of the answer to a step, late, about the middle of its levels; (times, shares)."""

    def mean(t_s: Column, lag_s: float) -> Column:
        return (_area(t_s, lag_s) - _area(t_s - MEAN_S, lag_s)) / MEAN_S

    taps = [mean(STEP_S - late_s - tap_s * k, 0.0) for k in range(TAPS)]
    return np.array(taps + [mean(STEP_S - late_s, lag_s) for lag_s in lags_s]).T - 0.5


def _area(t_s: Column, lag_s: float) -> Column:
    """Integral of a step's answer through a lag, s."""
    after_s: Column = np.maximum(t_s, 0.0)
    return after_s - lag_s * (1.0 - np.exp(-after_s / lag_s)) if lag_s > 0 else after_s


def _steps(tap_s: float, lags_s: Sequence[float]) -> Column:
    """Of H: command after a step, over all taps at least, (times, shares)."""
    step_s = STEP_S * max(1.0, TAPS * tap_s / STEP_S[-1])
    taps = [(tap_s * k <= step_s + 1e-9) * 1.0 for k in range(TAPS)]
    return np.array(taps + [1.0 - np.exp(-step_s / lag_s) for lag_s in lags_s]).T


class _Task:
    """A design as rows of shares: E of the loops and what folds, both complex, then 20 ms means, commands, turns."""

    def __init__(
        self,
        loops: Sequence[Answer],
        lates_s: Sequence[float],
        limits: Limits,
        turn_pu: float,
        tap_s: float,
        rate_hz: float,
        lags_s: Sequence[float],
    ) -> None:
        seen = max(0.5 * rate_hz, HARM_HZ) >= HZ
        parts = _parts(OMEGA[seen], tap_s, lags_s)
        self.ways = [parts * loop[seen, None] for loop in loops]
        folds = [
            _folds(loop, tap_s, lags_s, rate_hz, limits.fold_hz) for loop in loops[: int(limits.fold < inf)]
        ]
        self.weight = BAND_W[seen]
        blocks = self.ways + folds
        self.lines = [block.shape[0] for block in blocks]
        self.rows = np.vstack(
            [part for block in blocks for part in (block.real, block.imag)]
            + [_means(tap_s, late_s, lags_s) for late_s in lates_s]
            + [_steps(tap_s, lags_s), TURNS]
        )
        ones = [part for block in self.ways for part in (np.ones(block.shape[0]), np.zeros(block.shape[0]))]
        nothing = np.zeros(2 * sum(block.shape[0] for block in folds))
        means = [MEAN_BARE] * len(lates_s)
        self.wanted: Column = np.concatenate(
            [*ones, nothing, *means, np.zeros(self.rows.shape[0] - sum(map(len, [*ones, nothing, *means])))]
        )
        harm = limits.harm * np.where(limits.last_hz < HZ, limits.last, 1.0)
        most = np.where(HZ <= HARM_HZ, harm, limits.price)[seen]
        self.most = [most] * len(loops) + [np.full(block.shape[0], limits.fold) for block in folds]
        self.parts = ((0.5 * limits.span, len(means) * STEP_S.size), (limits.step, STEP_S.size))
        self.turn = TURN_WEIGHT * turn_pu
        self.rounds = limits.rounds

    def allowed(self, left: Column) -> Column:
        """The nearest that every limit allows."""
        kept = left.copy()
        at = 0
        for lines, most in zip(self.lines, self.most, strict=True):
            real, imaginary = kept[at : at + lines], kept[at + lines : at + 2 * lines]
            share = np.minimum(1.0, most / np.maximum(np.hypot(real, imaginary), 1e-12))
            real *= share
            imaginary *= share
            at += 2 * lines
        for limit, count in (*self.parts, (self.turn, TAPS - 1)):
            np.clip(kept[at : at + count], -limit, limit, out=kept[at : at + count])
            at += count
        return kept


def _folds(loop: Answer, tap_s: float, lags_s: Sequence[float], rate_hz: float, fold_hz: float) -> Answer:
    """Of H: what exchanges make of 0.1 Hz to fold_hz of what lies beside their rate and twice that, (lines, shares)."""
    band = fold_hz >= HZ
    beside = [k * rate_hz + side * HZ[band] for k in (1, 2) for side in (-1.0, 1.0)]
    return np.vstack([_parts(2.0 * pi * hz, tap_s, lags_s) * abs(loop[band])[:, None] for hz in beside])


def _design(task: _Task) -> Column:
    """Shares of taps and lags, (TAPS + lags)."""
    rows, wanted, weight = task.rows, task.wanted, WEIGHT / task.rounds
    square = sum((way.conj().T * task.weight @ way).real for way in task.ways)
    linear = sum((way.real.T @ task.weight for way in task.ways), np.zeros(rows.shape[1]))
    inverse = np.linalg.inv(square + weight * rows.T @ rows + 1e-9 * np.eye(rows.shape[1]))
    allowed: Column = wanted.copy()
    price: Column = np.zeros(wanted.size)
    shares: Column = np.zeros(rows.shape[1])
    for _ in range(task.rounds):
        shares = inverse @ (linear + weight * (rows.T @ (wanted - allowed + price)))
        left = RELAX * (wanted - rows @ shares) + (1.0 - RELAX) * allowed
        allowed = task.allowed(left + price)
        price += left - allowed
    return shares

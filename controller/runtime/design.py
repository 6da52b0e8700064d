"""The design of a filter for late loops, see runtime.filters and runtime.shape. Pure.

Designed is the H that leaves least of a spectrum of edges, which falls with the square of the frequency, in the band
that a utility looks at, 0.1 to 20 Hz, of all that keep, for each of the loops it is made for,

    abs(E)                                    within what is allowed up to 50 Hz, and within the price above, where it
                                              is paid (control.md 5.6),
    20 ms mean of what steps both ways leave  spanning so much of the load's own, at most (M6),
    command of a step                         within 1.25 of it, and from tap to tap no faster than the converters slew.

Exchanges sample what is wanted, so what lies beside their rate r folds: of edges, at f, over the load there,

    N = sum over k, both sides of abs(H(k r +- f) G(f))^2 (f / (k r +- f))^2.

The load tells nothing of it, so whoever measures abs(E) sees it scatter by sqrt(N / 2 n), n = the independent averages
of a band (Bendat and Piersol, Random Data, 4th ed., 9.2.3). Where `errors` says so, so many of that are kept free below
the limit, line by line, and N counts as left.

All this is convex; it is solved by the alternating direction method of multipliers (Boyd and others, Foundations and
Trends in Machine Learning 3, 2011, section 3), over-relaxed by 1.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, pi

import numpy as np

from controller.runtime.filters import (
    BAND_HZ,
    BAND_W,
    HARM_HZ,
    HZ,
    LAGS_S,
    MEAN_BARE,
    OMEGA,
    STEP_MAX,
    STEP_S,
    TAPS,
    TOP_HZ,
    Answer,
    Column,
    Filter,
    means,
    parts,
    steps,
)

LAST_HZ = 36.0
HARM_KEPT = 10 ** (0.5 / 20)  # what a design must keep to be used,
SPAN_SLACK = 0.03  # and its span but for this,
SOLVED = 1.05  # and what it scatters by, over what is allowed
HELP_MIN = 0.5  # and what it may leave of the band: a shape that takes less is not worth the wear
# Whoever measures does it over so long, in bands of a twelfth of an octave (control.md 7, M5).
MEASURED_S, PARTS = 80.0, 12
KNOWN = 0.85  # of the averages: segments of 20 s that overlap, ends that are weighed less
# N of what a design knows not, the converters' slew and the waveform; below so many Hz a load has more of its own.
MORE_NOISE, MORE_HZ = 0.02, 10.0
# Standard error of abs(E) at HZ, over the root of N; above 50 Hz nobody measures it.
ERRORS = np.where(HZ <= HARM_HZ, 1.0 / np.sqrt(2.0 * (2 ** (1 / PARTS) - 1.0) * HZ * KNOWN * MEASURED_S), 0.0)
FOLDED_HZ_MIN = 0.05  # nearer to a multiple of the rate the hold lets nothing pass
# Times the rate; with two taps an exchange H is the same at each second of them.
FOLDS = (-4, -3, -2, -1, 1, 2, 3, 4)
TURN_WEIGHT = 3.0  # of a tap among the limits, so that all are met in about as many rounds
TURNS = TURN_WEIGHT * np.eye(TAPS + len(LAGS_S))[1:TAPS]
RELAX, WEIGHT = 1.6, 30.0  # over the number of rounds


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a design. harm: abs(E) up to 50 Hz; price: above; span: of the 20 ms mean, in steps; fold: of what lies up to
    fold_hz beside the rate of exchanges and twice that, which they fold into 0 to fold_hz. inf: any. last: of harm,
    from last_hz to 50 Hz, where a slew adds most that a design knows not. rounds: of the solver; 600 leave 1 to 2 dB
    of what 3000 reach, and filters that are tamer for it: more where the loop is just what it was designed for. step:
    command of a step; more than STEP_MAX where no step is large. errors: standard errors of whoever measures abs(E)
    that are kept free below harm."""

    harm: float
    price: float
    span: float = inf
    fold: float = inf
    last: float = 1.0
    fold_hz: float = BAND_HZ
    rounds: int = 600
    last_hz: float = LAST_HZ
    step: float = STEP_MAX
    errors: float = 0.0


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
    task = _Task(loops, lates_s, limits, turn_pu, tap_s, rate_hz, lags_s)
    shares = _solved(task)
    made = Filter(tap_s, tuple(shares[:TAPS].tolist()), tuple(shares[TAPS:].tolist()), lags_s)
    left = [made.left(loop) for loop in loops]
    harmless = all(found[HZ <= HARM_HZ].max() <= HARM_KEPT for found in left)
    harmless = harmless and (not limits.errors or task.worst(shares) <= SOLVED)
    narrow = all(made.span(late_s) <= limits.span + SPAN_SLACK for late_s in lates_s)
    return made, harmless and narrow and all(BAND_W @ found**2 <= HELP_MIN for found in left)


@dataclass(frozen=True, slots=True)
class _Lines:
    """Rows of so many lines, real parts then imaginary ones, of abs(the first part) + abs(the others) within most."""

    parts: tuple[Answer, ...]
    most: Column

    @property
    def count(self) -> int:
        """Of rows."""
        return 2 * len(self.parts) * self.most.size

    @property
    def rows(self) -> Column:
        """Of shares."""
        return np.vstack([side for part in self.parts for side in (part.real, part.imag)])

    def sizes(self, left: Column) -> tuple[Column, Column]:
        """Of the first part and of the others, a value a line; left: (rows)."""
        both = left.reshape(len(self.parts), 2, self.most.size)
        return np.hypot(both[0, 0], both[0, 1]), np.sqrt(np.square(both[1:]).sum(axis=(0, 1)))

    def keep(self, left: Column) -> None:
        """Move what is left, (rows), to the nearest that is allowed."""
        both = left.reshape(len(self.parts), 2, self.most.size)
        first, others = self.sizes(left)
        kept = np.clip(others - 0.5 * np.maximum(first + others - self.most, 0.0), 0.0, self.most)
        both[0] *= np.minimum(1.0, (self.most - kept) / np.maximum(first, 1e-12))
        both[1:] *= kept / np.maximum(others, 1e-12)


class _Task:
    """A design as rows of shares: E of the loops, each with what folds into it, or what folds apart, all complex; then
    20 ms means, commands, turns. square, linear: of shares; what is left of the band is the one less two of the other.
    """

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
        own = parts(OMEGA[seen], tap_s, lags_s)
        ways = [own * loop[seen, None] for loop in loops]
        noises = [folded(loop, tap_s, lags_s, rate_hz)[:, seen] for loop in loops if limits.errors]
        self.rounds, weight = limits.rounds, BAND_W[seen]
        every = [*ways, *(part for noise in noises for part in noise)]
        self.square: Column = sum((way.conj().T * weight @ way).real for way in every)
        self.linear: Column = sum((way.real.T @ weight for way in ways), np.zeros(own.shape[1]))
        errors, most = limits.errors * ERRORS[seen], _most(limits)[seen]
        self.lines = [
            _Lines((way, *(errors[:, None] * part for noise in noises[k : k + 1] for part in noise)), most)
            for k, way in enumerate(ways)
        ]
        if limits.fold < inf:
            folds = _folds(loops[0], tap_s, lags_s, rate_hz, limits.fold_hz)
            self.lines.append(_Lines((folds,), np.full(folds.shape[0], limits.fold)))
        self.parts = (
            (len(lates_s) * STEP_S.size, 0.5 * limits.span),
            (STEP_S.size, limits.step),
            (TAPS - 1, TURN_WEIGHT * turn_pu),
        )
        spans = [means(tap_s, late_s, lags_s) for late_s in lates_s]
        self.rows = np.vstack([*(lines.rows for lines in self.lines), *spans, steps(tap_s, lags_s), TURNS])
        self.wanted = self._wanted(len(loops), len(lates_s))

    def _wanted(self, loops: int, lates: int) -> Column:
        """Of the rows: the load of each loop, and its 20 ms means."""
        wanted: Column = np.zeros(self.rows.shape[0])
        at = 0
        for k, lines in enumerate(self.lines):
            wanted[at : at + lines.most.size] = float(k < loops)
            at += lines.count
        wanted[at : at + lates * STEP_S.size] = np.tile(MEAN_BARE, lates)
        return wanted

    def worst(self, shares: Column) -> float:
        """The largest of what is left of a line and what it scatters by, over what is allowed."""
        left, at, found = self.wanted - self.rows @ shares, 0, 0.0
        for lines in self.lines:
            found = max(found, float((sum(lines.sizes(left[at : at + lines.count])) / lines.most).max()))
            at += lines.count
        return found

    def allowed(self, left: Column) -> Column:
        """The nearest that every limit allows."""
        kept = left.copy()
        at = 0
        for lines in self.lines:
            lines.keep(kept[at : at + lines.count])
            at += lines.count
        for count, limit in self.parts:
            np.clip(kept[at : at + count], -limit, limit, out=kept[at : at + count])
            at += count
        return kept


def _most(limits: Limits) -> Column:
    """abs(E) that is allowed at HZ, what is kept free for noise not reckoned with left out."""
    harm = limits.harm * np.where(limits.last_hz < HZ, limits.last, 1.0)
    more = np.sqrt(MORE_NOISE) * np.minimum(HZ / MORE_HZ, 1.0)
    found: Column = np.where(HZ <= HARM_HZ, harm - limits.errors * ERRORS * more, limits.price)
    return found


def folded(loop: Answer, tap_s: float, lags_s: Sequence[float], rate_hz: float) -> Answer:
    """Of H: what exchanges fold into each of HZ of edges, over the load there, (FOLDS, lines, shares)."""
    beside = [multiple * rate_hz + HZ for multiple in FOLDS]
    over = [abs(loop) * HZ / np.maximum(abs(hz), FOLDED_HZ_MIN) for hz in beside]
    return np.array(
        [parts(2.0 * pi * hz, tap_s, lags_s) * pu[:, None] for hz, pu in zip(beside, over, strict=True)]
    )


def _folds(loop: Answer, tap_s: float, lags_s: Sequence[float], rate_hz: float, fold_hz: float) -> Answer:
    """Of H: what exchanges make of 0.1 Hz to fold_hz of what lies beside their rate and twice that, (lines, shares)."""
    band = fold_hz >= HZ
    beside = [k * rate_hz + side * HZ[band] for k in (1, 2) for side in (-1.0, 1.0)]
    return np.vstack([parts(2.0 * pi * hz, tap_s, lags_s) * abs(loop[band])[:, None] for hz in beside])


def _solved(task: _Task) -> Column:
    """Shares of taps and lags, (TAPS + lags)."""
    rows, wanted, weight = task.rows, task.wanted, WEIGHT / task.rounds
    inverse = np.linalg.inv(task.square + weight * rows.T @ rows + 1e-9 * np.eye(rows.shape[1]))
    allowed: Column = wanted.copy()
    price: Column = np.zeros(wanted.size)
    shares: Column = np.zeros(rows.shape[1])
    for _ in range(task.rounds):
        shares = inverse @ (task.linear + weight * (rows.T @ (wanted - allowed + price)))
        left = RELAX * (wanted - rows @ shares) + (1.0 - RELAX) * allowed
        allowed = task.allowed(left + price)
        price += left - allowed
    return shares

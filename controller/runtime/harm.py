"""What the loop makes of 3 to 50 Hz, measured, and how much of a swing may pass at once without harm.

The law was shaped for the delay of the loop; an edge that is faster than the converters' slew arrives later still, and
a late answer makes the grid swing more than the load (control.md 5.2). Load and battery are followed through the same
lines; the mean of one by the other tells, line by line, how the loop passes what the law asks, D. Of the law's

    F = gain (prompt + (1 - prompt) H),    grid / load = 1 - F D,    H: the shape, see runtime.shape

that pair of gain and prompt share near the present one is taken which leaves least of the load's own lines up to 20 Hz,
of those that keep every line that the load excites below the limit, and the 20 ms mean of the grid within the span of
the load's: where it would span s times a step, or where it is seen to span s times as much, gain (s - 1) must not be
above 0. Where none does, the least harmful of them is taken: a converter on its slew is later for a larger swing, so
that the loop is another one after a few steps, and is measured again.
"""

from __future__ import annotations

from collections import deque
from math import inf, nan, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.image import Frame
from controller.runtime.fastlink import watch
from controller.runtime.shape import Shape
from controller.runtime.waveform import Column

Loop = NDArray[np.complexfloating[Any]]  # a value a line

RATE_HZ = 400.0
LINES_HZ = np.geomspace(3.0, 42.0, 31)  # an eighth of an octave apart; at 50 Hz lies what a CT's offset makes
ABOVE_HZ = np.array([44.0, 46.0, 48.0, 50.0])  # judged by what is seen below,
TREND = 3  # the last lines of it
PERIODS = 8.0  # memory of a line: keeps the waveform's ripple at 100 Hz out of 50
FORGET = 1.0 / (12.0 * RATE_HZ)  # mean over 12 s of a load that moves as it did,
QUIET = 0.1  # at least this share of it while it does not
NEWS = 0.5  # a second with less of it judges nothing: what was measured has been acted upon
WARM_S = 12.0  # of a load that moves, before anything is judged
REACH = (
    0.1  # of gain and of prompt share from the present ones: a larger swing of the battery is another loop
)
FLOOR_PU = 1.5e-3  # of the rating: amplitude below which a line does not count; noise stays below
HARM_SEEN = 10 ** (0.4 / 20)  # grid over load: above it a whole law no longer lets all pass at once,
HARM_AGAIN = 10 ** (1.0 / 20)  # above it one that lets nothing pass at once takes less than all,
HARM_MAX = 10 ** (0.25 / 20)  # and this is kept from then on; utilities look at 0.5 dB
MEAN_S, SPAN_MAX = 0.020, 0.03
SPAN_S, CYCLE_S = 10.0, 0.1  # of what is spanned; of a supervisor cycle
SPAN_FLOOR_PU = 0.1  # of the rating: a load that spans less may have the battery's slow motions beside it
BAND_HZ = 20.0
GAIN_MIN = 0.05  # less is taken of no swing; of a law that takes less nothing is learnt
GAINS, PROMPTS = (x.ravel() for x in np.meshgrid(np.linspace(1.0, GAIN_MIN, 20), np.linspace(1.0, 0.0, 21)))
EVERY_S = 1.0  # between two judgements
FALL_PER_S, RISE_PER_S = 0.05, 0.02  # how fast the shares move: no step of their own

KEEP = np.exp(-LINES_HZ / (RATE_HZ * PERIODS))
TURN = KEEP * np.exp(2j * pi * LINES_HZ / RATE_HZ)
KW_PER_STEP = 1.0 / np.sin(pi * LINES_HZ / RATE_HZ)
OMEGA = 2.0 * pi * np.concatenate([LINES_HZ, ABOVE_HZ])
BELOW_HZ = np.array([0.3, 0.7, 1.5])  # stand for 0.1 to 3 Hz, where most of a load lies,
BELOW_W = np.array([28.3, 3.5, 2.4])  # by the spectrum of edges, in shares of what lies between 3 and 20 Hz


def passed(gain: Any, prompt_pu: Any, answer: Loop) -> Loop:
    """F of the law at every line; gain, prompt_pu: numbers, or columns of them; answer: H there."""
    found: Loop = gain * (prompt_pu + (1.0 - prompt_pu) * answer)
    return found


def carried_on(loop: Loop) -> Loop:
    """D up to 50 Hz: above the highest line it turns as it does over the last TREND lines, and grows where it does: one
    that seems to fade has noise in the load."""
    last, before = loop[-1], loop[-1 - TREND]
    way = np.log(last / before) if last and before else 0j
    ways = (ABOVE_HZ - LINES_HZ[-1]) / (LINES_HZ[-1] - LINES_HZ[-1 - TREND])
    return np.concatenate([loop, last * np.exp((max(way.real, 0.0) + 1j * way.imag) * ways)])


def excess(loop: Loop, gain: Any, prompt_pu: Any, shape: Shape) -> Column:
    """Grid over load at the lines and above them. loop: D at the lines."""
    found: Column = abs(1.0 - passed(gain, prompt_pu, shape.answer(OMEGA)) * carried_on(loop))
    return found


def best(
    loop: Loop, load_w: Column, shape: Shape, gain: float, prompt_pu: float, widened: float = 0.0
) -> tuple[float, float]:
    """The next gain and prompt share for a loop: D (lines) and the square of the load (lines), 0: not excited.

    gain, prompt_pu: the present ones; widened: by how much they widen the span, measured. Of those in reach that harm
    nothing, what leaves least; else the least harmful, less at once before less at all.
    """
    near = (abs(GAINS - gain) <= REACH) & (abs(PROMPTS - prompt_pu) <= REACH) & (shape.prompt_pu >= PROMPTS)
    gains, prompts = GAINS[near], PROMPTS[near]
    grid = excess(loop, gains[:, None], prompts[:, None], shape)
    late_s = lateness_s(loop, load_w)
    spans = 1.0 + np.maximum(wider(gains, prompts, shape, late_s), widened * gains / gain) - SPAN_MAX
    harm = np.maximum(grid[:, _judged(load_w > 0.0)].max(axis=1) / HARM_MAX, spans)
    low_w = np.where(LINES_HZ <= BAND_HZ, load_w, 0.0)
    omega = 2.0 * pi * BELOW_HZ
    taken = passed(gains[:, None], prompts[:, None], shape.answer(omega))
    below = abs(1.0 - taken * np.exp(-1j * omega * late_s))
    left = (grid[:, : LINES_HZ.size] ** 2 * low_w).sum(axis=1) + (below**2 * BELOW_W).sum(
        axis=1
    ) * low_w.sum()
    harmless = harm <= 1.0
    if not harmless.any():
        harmless, left = (
            (prompts == prompts.min()) & ((gains > gain - 0.5 * REACH) | (prompt_pu == 0.0)),
            harm,
        )
    k = int(np.where(harmless, left, np.inf).argmin())
    return float(gains[k]), float(prompts[k])


def lateness_s(loop: Loop, load_w: Column) -> float:
    """How late the loop is for the load's own lines up to 20 Hz, at most MEAN_S."""
    low_w = np.where(LINES_HZ <= BAND_HZ, load_w, 0.0)
    own = OMEGA[: LINES_HZ.size]
    late_s = float(-(low_w * own * np.angle(loop)).sum() / max((low_w * own**2).sum(), 1e-9))
    return min(max(late_s, 0.0), MEAN_S)


def wider(gain: Any, prompt_pu: Any, shape: Shape, late_s: float) -> Any:
    """By how much the 20 ms mean of the grid spans more than that of a load of steps, in steps."""
    span = prompt_pu * 2.0 * late_s / MEAN_S + (1.0 - prompt_pu) * shape.span(late_s)
    return gain * (span - 1.0)


def _judged(loud: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The lines that the load excites; above them all, where it excites the highest."""
    return np.concatenate([loud, np.repeat(loud[-1], ABOVE_HZ.size)])


class Spans:
    """The 20 ms means of load and grid over the last SPAN_S."""

    def __init__(self) -> None:
        self._means = watch.Means(round(MEAN_S * RATE_HZ))
        self._ends: deque[Column] = deque(maxlen=round(SPAN_S / CYCLE_S))

    def take(self, sides_kw: Column) -> None:
        """The next values of both, (2, n), of one supervisor cycle."""
        ends = self._means.take(sides_kw)
        if ends is not None:
            self._ends.append(ends)

    def widened(self, floor_kw: float) -> float:
        """Grid over load, less 1; 0 before SPAN_S are seen and while the load spans less than the floor."""
        if len(self._ends) * CYCLE_S < SPAN_S:
            return 0.0
        ends = np.array(self._ends)
        load_kw, grid_kw = ends[:, 0].max(axis=0) - ends[:, 1].min(axis=0)
        return float(grid_kw / load_kw - 1.0) if load_kw > floor_kw else 0.0


class Harm:
    """As of now: gain, the part of a swing that may be taken, and prompt_pu, of that what may pass at once."""

    def __init__(self, rating_kw: float, shape: Shape) -> None:
        self.gain = self.prompt_pu = 1.0
        self._shape = shape
        self._answer = shape.answer(OMEGA[: LINES_HZ.size])
        self._aim = (1.0, shape.prompt_pu)
        self._law = (0.0, 0.0)  # gain and prompt share of which _inverse holds 1 / F
        self._inverse = np.full(LINES_HZ.size, inf, complex)
        self._since_s = 0.0
        self._floor_kw, self._span_floor_kw = FLOOR_PU * rating_kw, SPAN_FLOOR_PU * rating_kw
        self.reset()

    def reset(self) -> None:
        """Forget what was measured; the share stays."""
        self._state = np.zeros((2, 2, LINES_HZ.size), complex)
        self._square = np.zeros(LINES_HZ.size)
        self._cross: Loop = np.zeros(LINES_HZ.size, complex)
        self._last_kw = np.full(2, nan)
        self._spans = Spans()
        self._moving_s = 0.0
        self._present = (
            0.0  # largest share of what was measured that the load showed since the last judgement
        )

    def take(self, sides_kw: Column, law: Frame) -> None:
        """The next values of both powers, (2, n), 2.5 ms apart: load, grid. law: as it was when they came."""
        if law.gain < 0.5 * GAIN_MIN:
            self._last_kw[:] = nan
            return
        if (law.gain, law.prompt_pu) != self._law:
            self._law = law.gain, law.prompt_pu
            self._inverse = 1.0 / passed(*self._law, self._answer)
        self._spans.take(sides_kw)
        means = self._state, self._square, self._cross
        present = watch.correlate(sides_kw, self._last_kw, KEEP, TURN, FORGET, QUIET, self._inverse, *means)
        self._present = max(self._present, present)

    def judge(self, law: Frame, dt_s: float) -> None:
        """One cycle: move both shares towards the best that harms nothing."""
        self._since_s += dt_s
        if self._since_s >= EVERY_S and law.gain >= 0.5 * GAIN_MIN:
            self._since_s = 0.0
            loud = np.sqrt(self._square) * KW_PER_STEP > self._floor_kw
            self._moving_s += EVERY_S * loud.any()
            if self._moving_s >= WARM_S and loud.any() and self._present > NEWS:
                self._aim = self._aimed(loud, law)
            self._present = 0.0
        self.gain = _moved(self.gain, self._aim[0], dt_s)
        self.prompt_pu = _moved(self.prompt_pu, self._aim[1] if self._shape.prompt_pu else 1.0, dt_s)

    def _aimed(self, loud: NDArray[np.bool_], law: Frame) -> tuple[float, float]:
        """What is best now; a law that takes all of a swing and harms nothing stays as it is."""
        loop: Loop = self._cross / np.maximum(self._square, 1e-9)
        grid = excess(loop, law.gain, law.prompt_pu, self._shape)
        load_w = np.where(loud, self._square * KW_PER_STEP**2, 0.0)
        seen, judged = (
            (HARM_SEEN, _judged(loud)) if self._aim[1] > 0.0 else (HARM_AGAIN, np.flatnonzero(loud))
        )
        widened = self._spans.widened(self._span_floor_kw)
        kept = bool((grid[judged] <= seen).all()) and widened <= SPAN_MAX
        kept &= wider(law.gain, law.prompt_pu, self._shape, lateness_s(loop, load_w)) <= SPAN_MAX
        if self._aim == (1.0, self._shape.prompt_pu) and kept:
            return self._aim
        present = self.gain, self.prompt_pu * self._shape.prompt_pu
        return best(loop, load_w, self._shape, *present, widened)


def _moved(now: float, aim: float, dt_s: float) -> float:
    return now + min(max(aim - now, -FALL_PER_S * dt_s), RISE_PER_S * dt_s)

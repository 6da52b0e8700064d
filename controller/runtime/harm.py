"""What the loop makes of 3 to 50 Hz, measured, and how much of a swing may pass at once without harm.

The law was shaped for the delay of the loop; an edge that is faster than the converters' slew arrives later still, and
a late answer makes the grid swing more than the load (control.md 5.2). Load and battery are followed through the same
lines; the mean of one by the other tells, line by line, how the loop passes what the law asks, D. Of the law's

    F = gain (prompt P + (1 - prompt) H),    grid / load = 1 - F D,    P, H: prompt and late filter, see runtime.shape,

that pair is taken that runtime.choice finds best: of those near the present one that keep every line of the load below
the limit, and the 20 ms mean of the grid within the span of the load's, what leaves least. Where none does, the least
harmful of them: a converter on its slew is later for a larger swing, so that the loop is another one after a few steps,
and is measured again.

Where a trial shows that nothing of the load is foreseen, the prompt share goes below 0: that much of the wide filter
stands in place of P, as far as the span that is seen allows. Many small steps leave it all; a few large ones nothing.
"""

from __future__ import annotations

from math import inf, nan, pi

import numpy as np
from numpy.typing import NDArray

from controller.image import Frame
from controller.runtime.choice import (
    ABOVE_HZ,
    GAIN_MIN,
    LINES_HZ,
    OMEGA,
    REACH,
    Loop,
    answers,
    best,
    excess,
    lateness_s,
    passed,
    prefers_wide,
    told_by,
    wider,
)
from controller.runtime.fastlink import watch
from controller.runtime.manner import UNFORESEEN, manner
from controller.runtime.shape import Shape
from controller.runtime.spans import RATE_HZ, Spans
from controller.runtime.waveform import Column

PERIODS = 8.0  # memory of a line: keeps the waveform's ripple at 100 Hz out of 50
QUIET = 0.03  # share of its memory that a load loses at least while it does not move as it did
NEWS = 0.5  # a second with less of it judges nothing: what was measured has been acted upon
FLOOR_PU = 1.5e-3  # of the rating: amplitude below which a line does not count; noise stays below
HARM_AGAIN = 10 ** (1.0 / 20)  # grid over load: above it a law that lets nothing pass at once takes less
SPAN_FLOOR_PU = 0.1  # of the rating: a load that spans less may have the battery's slow motions beside it
EVERY_S = 1.0  # between two judgements
CALM = 0.9  # grid over load: nothing is near harm, so a late filter without room is moved faster
SURE, SURE_RISE = 0.7, 4.0  # the same, were all taken at once: both shares are moved so much faster
WORSE = 1.1  # of what is reckoned of a whole law: from there on no more of it is taken
FORESEEN_S = 0.0015  # a loop that is no earlier than this for it foresees nothing
TRIAL_S = 10.0  # of a load that moves, from the first that is foreseen to the next judgement
MOSTLY = 0.75  # of the wide filter: a load that leaves less for long may be another one than was tried
SELDOM_PU = 0.5  # of a load that seldom moves, by a late filter without room: few edges may all wait long
# Share of time with news: a load that moves less often shows too little to dare more.
OFTEN, OFTEN_S = 0.4, 15.0
# Below MANY a careful filter is judged by so much news since all was forgotten: of four edges two may meet a read of
# the wire. FAR of harm is none of that.
MANY, FEW_S, FAR = 0.7, 40.0, 10 ** (4.0 / 20)
FALL_PER_S, RISE_PER_S = 0.05, 0.02  # how fast the shares move: no step of their own;
AHEAD_RISE = 2.0  # so much faster where both filters are fed ahead: between them neither is at its best;
FLIGHT_PER_S = 0.1  # while one is shy of harm

KEEP = np.exp(-LINES_HZ / (RATE_HZ * PERIODS))
TURN = KEEP * np.exp(2j * pi * LINES_HZ / RATE_HZ)
KW_PER_STEP = 1.0 / np.sin(pi * LINES_HZ / RATE_HZ)


class Harm:
    """As of now: gain, the part of a swing that may be taken, and prompt_pu, of that what may pass at once; below 0: so
    much of the wide filter."""

    def __init__(self, rating_kw: float, shape: Shape) -> None:
        # A late filter without room.
        self._bare = not shape.at_once and not shape.ahead and shape.begin_pu == 1.0
        self._shape, self._answers = shape, answers(shape, OMEGA[: LINES_HZ.size])
        self._begin()
        self._law = (0.0, 0.0)  # gain and prompt share of which _inverse holds 1 / F
        self._inverse = np.full(LINES_HZ.size, inf, complex)
        self._since_s = 0.0
        self._often = self._still = 0.0  # shares of time with and without news: at first neither is known
        self._floor_kw, self._span_floor_kw = FLOOR_PU * rating_kw, SPAN_FLOOR_PU * rating_kw
        self.reset()

    def _begin(self) -> None:
        shape = self._shape
        self.gain, self.prompt_pu = shape.begin_pu, float(shape.at_once or shape.begin_pu < 1.0)
        self._aim, self._manner = (self.gain, self.prompt_pu * shape.prompt_pu), manner(shape)

    def reset(self) -> None:
        """Forget what was measured; the share stays."""
        self._mean = 1.0
        self._late_s = self._bare_late_s = 0.0  # of the loop now, and the most while nothing was foreseen
        self._trying = self._tried = False  # what is foreseen, for TRIAL_S; and whether it ever was
        self._foresees = False  # whether that has shown something
        self._least_whole = inf  # of what was reckoned of a whole law since
        # Seen by the last judgement: far from harm, were all taken likewise; a span not kept.
        self._calm = self._sure = self._widens = self._wide_leaves_less = False
        self._moving_s, self._due_s, self._shy_s = 0.0, self._manner.warm_s, 0.0
        self._again_s = self._manner.shy_s  # then another trial, unless most of the wide filter is taken
        self._forget()

    def follow(self, before: Harm) -> None:
        """In place of the one of another loop: how often the load moves stays, and the share of a law of one kind."""
        self._begin()
        self.reset()
        if all(getattr(self._shape, n) == getattr(before._shape, n) for n in ("at_once", "begin_pu")):
            self.gain, self.prompt_pu, self._aim = before.gain, before.prompt_pu, before._aim
        self._often, self._still = before._often, before._still
        self._foresees = before._foresees or before.prompt_pu > 0.0  # what the preview knows stays

    def _forget(self) -> None:
        self._forgot_s = self._moving_s
        self._state = np.zeros((2, 2, LINES_HZ.size), complex)
        self._square = np.zeros(LINES_HZ.size)
        self._cross: Loop = np.zeros(LINES_HZ.size, complex)
        self._taken = np.zeros(LINES_HZ.size)
        self._last_kw = np.full(2, nan)
        self._spans = Spans()
        self._present = 0.0  # largest share of what was measured that the load showed since it was judged

    def take(self, sides_kw: Column, law: Frame) -> None:
        """The next values of both powers, (2, n), 2.5 ms apart: load, grid. law: as it was when they came."""
        if law.gain < 0.5 * GAIN_MIN:
            self._last_kw[:] = nan
            return
        if (law.gain, law.prompt_pu) != self._law:
            self._law = law.gain, law.prompt_pu
            self._inverse = 1.0 / passed(self._shape, *self._law, self._answers)
        self._spans.take(sides_kw)
        forget = 1.0 / (self._memory_s() * RATE_HZ)
        means = self._state, self._square, self._cross, self._taken
        present = watch.correlate(sides_kw, self._last_kw, KEEP, TURN, forget, QUIET, self._inverse, *means)
        self._present = max(self._present, present)

    def judge(self, law: Frame, dt_s: float) -> None:
        """One cycle: move both shares towards the best that harms nothing."""
        self._since_s += dt_s
        if self._since_s >= EVERY_S and law.gain >= 0.5 * GAIN_MIN:
            self._since_s = 0.0
            loud = np.sqrt(self._square) * KW_PER_STEP > self._floor_kw
            told = loud.any() and (self._present > NEWS or not self._shape.ahead)
            self._moving_s += EVERY_S * told
            if told and self._moving_s == self._manner.learn_s:
                self._forget()
            if self._moving_s >= self._due_s and loud.any() and self._present > NEWS:
                aimed = self._aimed(loud, law)
                self._aim = self._aim if self._early(aimed[1]) else self._patient(*aimed)
            self._often += (float(self._present > NEWS) - self._often) * EVERY_S / OFTEN_S
            self._still += (float(self._present <= NEWS) - self._still) * EVERY_S / OFTEN_S
            self._present = 0.0
        fall = dt_s * (FLIGHT_PER_S if self._moving_s < self._shy_s else FALL_PER_S)
        seldom = self._bare and self._aim[1] == 0.0 and self._still > 1.0 - OFTEN
        gain_s = (SURE_RISE if self._sure else 1.0) * dt_s
        quick = self._shape.ahead or self._calm or self._manner is UNFORESEEN
        rise_s = max(gain_s, (AHEAD_RISE if quick else 1.0) * dt_s)
        self.gain = _moved(self.gain, min(self._aim[0], SELDOM_PU if seldom else 1.0), fall, gain_s)
        self.prompt_pu = _moved(self.prompt_pu, self._aim[1] if self._shape.prompt_pu else 1.0, fall, rise_s)

    def _memory_s(self) -> float:
        """Of the means."""
        return FEW_S if self._few() else self._manner.memory_s

    def _few(self) -> bool:
        """Whether a careful filter, which harms nothing by design, sees few edges, or none yet."""
        return self._shape.ahead and self._often < MANY

    def _early(self, harm: float) -> bool:
        """Whether so few edges were seen that they are no cause to leave a careful filter, but for harm by far or a
        span that is not kept."""
        widened = self._spans.widened(self._span_floor_kw)
        far = harm > FAR or (widened is not None and widened > self._manner.span_max)
        return self._few() and self._moving_s < self._forgot_s + FEW_S and not far

    def _patient(self, aim: tuple[float, float], harm: float, whole: float) -> tuple[float, float]:
        """What is aimed at in the end, and when it is time for the next.

        No more than now for a while after much was harmed, if a whole law would do it again. Of few edges most may have
        met a busy wire, so a filter with room has patience then too. What is foreseen is taken, after its trial,
        step by step while what is seen is far from harm: the loop gets later on the way, so that what is reckoned of
        all from a little says harm where none is. A filter that has nothing foreseen is fed what is foreseen while the
        load moves often and not much is harmed, the first time even after much was: what the loop is then, nothing
        before it tells, so all is forgotten."""
        if self._foresaw_nothing():
            return self.gain, 0.0
        self._sure = self._bare and whole < SURE
        if self._sure and self._wide_leaves_less and self._aim[1] == 0.0 and self._manner is not UNFORESEEN:
            self._manner, self._again_s = UNFORESEEN, self._moving_s + self._manner.shy_s
            return self.gain, 0.0
        alone = self._bare and self._aim[1] == 0.0 and not (self._manner is UNFORESEEN or self._sure)
        shy = self._moving_s < self._shy_s
        self._calm = self._sure or (self._bare and harm < CALM)
        if self._climbs(whole) and not shy:
            self._due_s = self._moving_s + EVERY_S
            return min(self.gain + GAIN_MIN, 1.0), min(self.prompt_pu + REACH, self._shape.prompt_pu)
        if harm > HARM_AGAIN and (self._often >= MANY or not self._shape.at_once):
            self._shy_s = self._moving_s + self._manner.shy_s
        if (
            aim != self._aim
            and not self._widens
            and (harm <= HARM_AGAIN or (self._shape.ahead and self._often < OFTEN))
        ):
            self._due_s = self._moving_s + (EVERY_S if self._calm else self._manner.patience_s)
        tries = alone and not (shy and self._tried) and self._often >= OFTEN  # the first cannot wait
        if tries and self._shape.prompt_pu and harm <= HARM_AGAIN:
            self._forget()
            self._due_s = self._moving_s + TRIAL_S
            self._bare_late_s, self._trying = max(self._bare_late_s, self._late_s), True
            self._tried = True
            return self.gain, REACH
        if alone:
            aim = aim[0], 0.0
        if self._manner is UNFORESEEN:
            return self._wide(aim)
        if (not shy and harm <= HARM_AGAIN) or whole <= HARM_AGAIN:
            return aim
        return min(aim[0], self.gain), min(aim[1], self.prompt_pu)

    def _climbs(self, whole: float) -> bool:
        """Whether more of what is foreseen may be taken, which a trial has shown to be some: nothing is near harm, and
        on the way what is reckoned of all of it does not get worse."""
        self._least_whole = min(self._least_whole, whole)
        better = whole <= WORSE * self._least_whole
        some = self._foresees and self.prompt_pu > 0.0 and self._manner.climbs
        return some and better and self._calm and not self._widens

    def _foresaw_nothing(self) -> bool:
        """When a trial has told: whether the loop is as late as it was. From then on the wide filter may be taken."""
        trying, self._trying = self._trying, False
        if trying:
            self._foresees = self._bare_late_s - self._late_s >= FORESEEN_S
            self._least_whole = inf
        if not (trying and self._shape.wide_pu) or self._foresees:
            return False
        self._manner = UNFORESEEN
        self._due_s = self._moving_s + self._manner.patience_s
        self._again_s = self._moving_s + self._manner.shy_s
        return True

    def _wide(self, aim: tuple[float, float]) -> tuple[float, float]:
        """What is aimed at with the wide filter. Where that has gone back to the late one alone, or most of it was not
        taken for long, the load may be another one: none of it, and what is foreseen is tried again."""
        if aim[1] <= -MOSTLY:
            self._again_s = self._moving_s + self._manner.shy_s
        overdue = self._moving_s >= self._again_s
        if not (overdue or aim[1] == 0.0 > self._aim[1]):
            return aim
        self._manner = manner(self._shape)
        if self._moving_s >= self._shy_s:
            self._due_s = max(self._due_s, self._moving_s - self.prompt_pu / FALL_PER_S)
        return aim[0], 0.0

    def _aimed(self, loud: NDArray[np.bool_], law: Frame) -> tuple[tuple[float, float], float, float]:
        """What is best now, and the grid over the load where it is largest, with this law and with a whole one; one
        that takes all of a swing and harms nothing stays as it is. What is carried on beyond the lines is no cause to
        flee with a filter: noise of the last lines grows on the way."""
        loop, doubt = self._loop(), self._doubt()
        load_w = np.where(loud, self._square * KW_PER_STEP**2, 0.0)
        self._late_s = lateness_s(loop, load_w)
        grid = excess(loop, law.gain, law.prompt_pu, self._shape, doubt)
        judged, seen = told_by(loud), self._manner.seen
        within = np.concatenate([loud, np.zeros(ABOVE_HZ.size, bool)])
        if self._aim[1] == 0.0 and (self._often < OFTEN or not self._shape.ahead):
            judged, seen = within, HARM_AGAIN
        widened = self._spans.widened(self._span_floor_kw)
        if widened is None:
            widened = wider(law.gain, law.prompt_pu, self._shape, self._late_s)
        self._wide_leaves_less = bool(self._shape.wide_pu) and prefers_wide(loop, load_w, self._shape)
        self._widens = self._bare and widened > self._manner.span_max
        whole = excess(loop, 1.0, self._shape.prompt_pu, self._shape, doubt)
        self._mean += (min(float(grid[judged].max()), HARM_AGAIN) - self._mean) * self._manner.part
        sure = judged if self._shape.at_once else within
        # One line of 33 is an error off soon, and to flee costs much: what is much must be no chance.
        errors = self._doubted(self._manner.doubt) if self._manner.climbs else doubt
        much = excess(loop, law.gain, law.prompt_pu, self._shape, errors)
        harms = float(much[sure].max()), float(whole[sure].max())
        kept = (
            widened <= self._manner.span_max and (self._mean if harms[0] <= HARM_AGAIN else harms[0]) <= seen
        )
        if self._aim == (1.0, self._shape.prompt_pu) and kept:
            return self._aim, *harms
        present = self.gain, self.prompt_pu * self._shape.prompt_pu
        if not self._shape.at_once and harms[0] > HARM_AGAIN and present[1] != 0.0:
            return (present[0], 0.0), *harms
        aim = best(loop, load_w, self._shape, *present, widened, doubt, self._manner)
        return self._held(aim, kept) if self._shape.ahead else aim, *harms

    def _loop(self) -> Loop:
        """D at the lines; with a filter that is fed ahead, of each line and its neighbours."""
        beside = np.ones(3 if self._shape.ahead else 1)
        square = np.convolve(self._square, beside, "same")
        found: Loop = np.convolve(self._cross, beside, "same") / np.maximum(square, 1e-9)
        return found

    def _doubt(self) -> Column:
        """Of D at the lines and above them, what may be chance. Of a load that moves often and meets the late or the
        wide filter, and of one that seldom moves and meets a loop that answers at once, one error at least: these harm
        nothing by design, and what speaks against it must be more than chance."""
        often = self._often >= OFTEN
        return self._doubted(self._manner.doubt * (self._aim[1] <= 0.0 if often else self._shape.at_once))

    def _doubted(self, errors: float) -> Column:
        """So many standard errors of D at the lines and above them."""
        error = errors * self._errors()
        return np.concatenate([error, np.repeat(error[-1], ABOVE_HZ.size)])

    def _errors(self) -> Column:
        """Standard errors of one component of D at the lines. What the battery did that the load does not tell is
        spread over as many means as the memory holds (Bendat and Piersol, Random Data, 4th ed., 9.2.3)."""
        square = np.maximum(self._square, 1e-9)
        rest = np.maximum(self._taken / square - abs(self._cross / square) ** 2, 0.0)
        seen_s = min(self._moving_s - self._forgot_s, self._memory_s())
        errors: Column = np.sqrt(0.5 * rest / np.maximum(seen_s * LINES_HZ / (1.25 * PERIODS), 1.0))
        return errors

    def _held(self, aim: tuple[float, float], kept: bool) -> tuple[float, float]:
        """The aim that few edges allow: all of a swing is taken while no harm is seen, and a load that seldom moves
        shows too little to dare more at once; nor is it dared for a while after much harm."""
        if kept and self._aim[0] == 1.0 > aim[0]:
            return self._aim
        dares = self._often >= OFTEN and self._moving_s >= self._shy_s
        return aim if dares else (aim[0], min(aim[1], self.prompt_pu))


def _moved(now: float, aim: float, fall: float, dt_s: float) -> float:
    """A share on its way: outwards slowly, back to less by at most fall."""
    step = RISE_PER_S * dt_s if abs(aim) > abs(now) else fall
    return now + min(max(aim - now, -step), step)

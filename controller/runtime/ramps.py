"""Slow ramps and small steps through a loop that is too late for large ones: judged by what is seen of the load.

Such a loop rests (runtime.shape), and a battery that does nothing tells nothing of its loop. But a load that has no
line above 5 Hz needs no early answer: with all of it taken L late the grid keeps 2 sin(pi f L) of a line (control.md
5.2), below the load up to 1 / (6 L). So the lines of the load are followed while the battery rests. Where none that is
told could come near harm, were the loop as late as it may be, all of the swing is taken, bit by bit.

Else the wide filter may stand, which no line of any load is worse for, but a large step: the battery is still away from
its middle when the next one comes, and the grid would span more than the load. What it would have spanned is reckoned
while the battery rests, from the load as it was (Trial); where it would have been less by a tenth in the mean, and
never far more, it is taken. The span is convex in the share that is taken, so every smaller share on the way spans
less, too. In a lull between small steps the battery is still on its way from those before, which tells nothing yet.

Large steps that are seldom may pass the late filter, which fades: so slow that its lateness harms little, and the
battery is back before the next one comes. It is taken while a trial of it spans as much as the load and leaves less.
Of those that come back within seconds a part of the first lines is given (ext.lines), which are known ahead.

As soon as a line is harmed or could be, the 20 ms mean of the grid spans more than the load's or would, small steps
become large ones, or seldom ones frequent, nothing is taken; of small steps nothing, too, once the load has stood still
for so long that what comes may be another one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from controller.image import Frame
from controller.runtime.choice import LINES_HZ
from controller.runtime.fastlink import watch
from controller.runtime.filters import Filter
from controller.runtime.harm import CALM, EVERY_S, HARM_AGAIN, KEEP, KW_PER_STEP, QUIET, TURN, Harm
from controller.runtime.shape import LATEST, Shape
from controller.runtime.spans import RATE_HZ, SPAN_S, Spans, Steps
from controller.runtime.waveform import Column

WARM_S = 16.0  # of a load that moves, before any of it is taken
SHY_S = 120.0  # of a load that moves, after harm that was not foreseen
AGAIN_S = 120.0  # before small steps are taken again after a large one: there may be more of them
MEMORY_S = 12.0
RISE_PER_S, FALL_PER_S = 0.08, 0.5
WIDER_MAX = 0.01  # noise of the spans
WINS = -0.1  # so much less, or below, the trial must span in the mean; squares spread over seconds are near 0
WIDER_ONCE_MAX = 0.3  # what ten seconds of small steps may span more by chance
MEAN_S = 30.0  # of what small steps span
SOON_S = 4.0  # in which a trial tells
# Of what the load spans in the mean: less may be a lull, the battery on its way from steps before, but not for so long.
TELLS_SHARE, LULL_S = 1.2, 5.0
# Of the rating: a step of the load that is not small, and one of a load that may begin as one of small steps.
STEP_PU, BEGIN_STEP_PU = 0.6, 0.5
FADED = 12.0  # lags after which nothing is left to say, of shares that nearly cancel
DIRECT = np.ones(LINES_HZ.size, complex)  # what the battery gives, as it is
# Prompt share: of slow ramps all passes at once, else through the wide filter, or the late one.
ALL, WIDE, FADING = 1.0, -1.0, 0.0
# Of the last: how much more the grid may span, and would once at most; and what it may leave of 0.1 to 5 Hz.
FADES_MAX, FADES_FAR, HELPS_MAX = 0.03, 0.15, 0.8
FADES_SOON, FADES_HZ = 0.1, 0.45  # of the last SOON_S alone, and large steps in a second: three in four
# Of the lines of a load that comes back: more would ring on for longer where it stops; and by how much the grid may
# span more, at once, and for so long.
LINES_PU, LINES_FAR, LINES_MAX, LINGER_S = 0.12, 0.15, 0.04, 20.0
LINES_PER_S = 0.05  # slowly: what comes and goes has lines of its own
# Seldom: no longer without a rest, as one drop and the ten seconds that hold it are; and of two, before it begins.
LIVELY_S, SELDOM_S = 18.0, 20.0
SLOW_S = 1.6  # what is slower is below 0.1 Hz


class Ramps(Harm):
    """As Harm; the gain moves, and the prompt share is ALL, WIDE or FADING."""

    def __init__(self, rating_kw: float, shape: Shape) -> None:
        self._rating_kw = rating_kw
        super().__init__(rating_kw, shape)
        # Grid over load at the lines, the loop anything up to as late as it may be.
        self._late: Column = 2.0 * np.sin(np.pi * np.minimum(LINES_HZ * LATEST * shape.delay_s, 0.5))

    def reset(self) -> None:
        """Forget what was measured; so nothing is taken until it is known again."""
        super().reset()
        self._aim, self._due_s, self._fine_s = (0.0, ALL), WARM_S, 0.0
        self._since_s = self._still_s = 0.0  # since the last judgement; since the load does not move
        self._fades_s = self._comes_s = self._linger_s = self._period_s = 0.0
        self._lively_s = 0.0  # since the load last stood still
        self._lines = False  # what passes is theirs
        self._steps = Steps(STEP_PU * self._rating_kw, SOON_S)
        self._seen = Widening()
        late_s = LATEST * self._shape.delay_s
        self._trial = Trial(self._shape.wide, late_s) if self._shape.wide_pu else None
        self._fading = Trial(self._shape.late, late_s) if any(self._shape.late.lags_pu) else None

    def follow(self, before: Harm) -> None:
        """As Harm; what this loop cannot do ends."""
        super().follow(before)
        if isinstance(before, Ramps):
            self._lines, self._comes_s, self._period_s = before._lines, before._comes_s, before._period_s
        if any((way == WIDE and not self._trial) or (way == FADING and not self._fading)
               for way in (self.prompt_pu, self._aim[1])):  # fmt: skip
            self._begin()
            self._aim = 0.0, ALL

    def take(self, sides_kw: Column, law: Frame) -> None:
        """The next values of both powers, (2, n), 2.5 ms apart: load, grid; while the battery rests, too."""
        self._spans.take(sides_kw)
        self._steps.take(self._spans)
        for trial in self._trials:
            trial.take(sides_kw[0], law.target_kw)
        forget = 1.0 / (MEMORY_S * RATE_HZ)
        means = self._state, self._square, self._cross, self._taken
        watch.correlate(sides_kw, self._last_kw, KEEP, TURN, forget, QUIET, DIRECT, *means)

    def judge(self, law: Frame, dt_s: float) -> None:
        """One cycle: move the gain towards all or nothing; by nothing alone from one way to the other."""
        self._since_s += dt_s
        self._period_s = law.period_s
        if self._since_s >= EVERY_S:
            self._since_s = 0.0
            self._seen.take(self._spans.ends_kw(self._span_floor_kw), self.gain == self._aim[0])
            for trial in self._trials:
                trial.judge(self._span_floor_kw)
            self._moving_s += EVERY_S * self._seen.moves
            self._aim = self._next()
        if self.gain == 0.0:
            self._lines = self._aim[0] == LINES_PU
        aim = self._aim[0] if self._aim[1] == self.prompt_pu else 0.0
        slowly = self._lines and self._moving_s >= self._due_s  # else what they do is harm
        step = LINES_PER_S if slowly else FALL_PER_S if aim < self.gain else RISE_PER_S
        self.gain += min(max(aim - self.gain, -step * dt_s), step * dt_s)
        if self.gain == 0.0:
            self.prompt_pu = self._aim[1]

    def _next(self) -> tuple[float, float]:
        """What is aimed at."""
        if not np.isfinite(self._square).all():  # what is no number tells of no harm, either
            self.reset()
            return self._aim
        loud = np.sqrt(self._square) * KW_PER_STEP > self._floor_kw
        worst = float(self._late[loud].max()) if loud.any() else 0.0
        step_pu = self._spans.step_kw(EVERY_S) / self._rating_kw
        small = step_pu <= STEP_PU
        self._see(step_pu <= BEGIN_STEP_PU)
        if self._harms(loud) or (self._seen.moves and self._spans_more()):
            self._due_s = self._moving_s + SHY_S
            return 0.0, self._aim[1]
        if self._aim == (1.0, ALL) and worst > 1.0:
            self._aim, self._fine_s, self._fades_s = (0.0, ALL), 0.0, 0.0  # another load than it was
        if self._aim == (1.0, WIDE) and (not small or self._still_s >= SPAN_S or self._far_more()):
            # What comes may be large steps, and then the grid would span more.
            self._aim, self._fine_s = (0.0, WIDE), 0.0 if small else WARM_S - AGAIN_S
        if self._aim[1] == FADING and self._aim[0] > self._faded_pu():
            self._aim, self._fades_s = (0.0, FADING), 0.0
        if not self._seen.moves or self._moving_s < self._due_s:
            return self._aim
        if worst <= CALM:
            return 1.0, ALL
        return self._aim if self._aim == (1.0, ALL) else self._through_filters()

    def _through_filters(self) -> tuple[float, float]:
        """Where edges are told: what is aimed at."""
        if self._trial and self._fine_s >= WARM_S:
            if self._aim != (1.0, WIDE):
                self._seen.rest()  # it may hold what the battery did on its way out
            return 1.0, WIDE
        if self._aim == (1.0, WIDE):
            return self._aim
        if self._comes_s >= WARM_S:
            return LINES_PU, FADING
        if self._fading and self._fades_s >= SELDOM_S and not self._comes_s:
            return 1.0, FADING
        return self._aim

    def _faded_pu(self) -> float:
        """The most that may pass the late filter, or the lines in its place; small steps that become large ones, and
        seldom ones that become frequent, are seen in the last SOON_S first."""
        if self._lines or self._period_s > 0.0:
            return LINES_PU if self._period_s > 0.0 else 0.0
        frequent = self._steps.hz > FADES_HZ or (self._fading and self._fading.soon_far(FADES_SOON, 1.0))
        return float(self._fades_s > 0.0 and not frequent)

    def _see(self, small: bool) -> None:
        """For how long the filters would have been fine, of a load that moves; the wide one of small steps."""
        step_s = EVERY_S * self._seen.moves
        fine = self._trial and small and self._trial.foreseen.mean <= WINS and not self._far_more()
        self._fine_s = self._fine_s + step_s if fine else min(self._fine_s, 0.0)
        self._lively_s = self._lively_s + step_s if self._seen.moves else 0.0
        seldom = self._fading and self._lively_s <= LIVELY_S
        more = self._fading.foreseen.once if self._fading and seldom else FADES_FAR
        helps = self._fading is not None and self._fading.left <= HELPS_MAX
        fades = helps and more <= FADES_MAX
        self._fades_s = (
            self._fades_s + step_s if fades else self._fades_s if helps and more < FADES_FAR else 0.0
        )
        self._comes_s = self._comes_s + step_s if self._period_s else 0.0
        still = self._spans.known and not self._seen.moves
        self._still_s = self._still_s + EVERY_S if still else 0.0

    def _spans_more(self) -> bool:
        """Whether the grid spans more than it may. On the way out, as was foreseen: that moves the grid, too."""
        more = self._seen.once
        self._linger_s = self._linger_s + EVERY_S if self._lines and more > LINES_MAX else 0.0
        if self._aim[1] == ALL:
            return more > WIDER_MAX
        if self._aim[0] == 0.0:
            return False
        if self._aim[1] == WIDE:
            return self._seen.much
        return self._linger_s > LINGER_S or more > (LINES_FAR if self._lines else FADES_MAX)

    def _far_more(self) -> bool:
        """Whether the trial of the wide filter says so, of ten seconds or of the last ones alone."""
        trial = self._trial
        return trial is not None and (trial.foreseen.much or trial.soon_far(WIDER_ONCE_MAX))

    @property
    def _trials(self) -> list[Trial]:
        return [trial for trial in (self._trial, self._fading) if trial]

    def _harms(self, loud: NDArray[np.bool_]) -> bool:
        """Whether a line of the load is left with more than it had, by more than chance."""
        left = abs(1.0 - self._cross / np.maximum(self._square, 1e-9)) - self._manner.doubt * self._errors()
        return bool((left[loud] > HARM_AGAIN).any())


class Widening:
    """By how much the grid spans more than the load: moves: whether it is known now; once: the last value, grid_kw: of
    the grid; mean: of MEAN_S of a load that moves, what spans more counts for more; load_kw: of the load."""

    def __init__(self) -> None:
        self.moves, self.once, self.grid_kw = False, 0.0, 0.0
        self.load_kw = self._mean_kw = 0.0
        self._more_s = 0.0  # since it is more than small steps may by chance

    def rest(self) -> None:
        """In the mean the battery did nothing."""
        self._mean_kw = self.load_kw

    def take(self, ends_kw: tuple[float, float] | None, counts: bool = True) -> None:
        """What load and grid span now, every EVERY_S; None: not known. counts: in the mean; a share on its way moves
        the grid, too."""
        self.moves = ends_kw is not None
        if ends_kw:
            self.once, self.grid_kw = ends_kw[1] / ends_kw[0] - 1.0, ends_kw[1]
        self._more_s = self._more_s + EVERY_S if ends_kw and self.once > WIDER_ONCE_MAX else 0.0
        if ends_kw and counts:
            self.load_kw += (ends_kw[0] - self.load_kw) * EVERY_S / MEAN_S
            self._mean_kw += (ends_kw[1] - self._mean_kw) * EVERY_S / MEAN_S

    @property
    def mean(self) -> float:
        """0 where nothing is known yet."""
        return self._mean_kw / self.load_kw - 1.0 if self.load_kw else 0.0

    @property
    def much(self) -> bool:
        """More than small steps may."""
        return self.far(self.load_kw) or self.mean > WIDER_MAX

    def far(self, load_kw: float, more: float = WIDER_ONCE_MAX) -> bool:
        """More than may be by chance, that of a load which spans so much in the mean: or for longer."""
        large = self.grid_kw > TELLS_SHARE * load_kw
        return (self.once > more and large) or self._more_s >= LULL_S


class Trial:
    """What the 20 ms mean of the grid would have spanned, had a filter answered that late; a single step counts."""

    def __init__(self, made: Filter, late_s: float) -> None:
        self._answer = _answer(made, late_s)
        self._past_kw: Column = np.empty(0)
        self._spans, self._soon = Spans(spare=0), Spans(0, SOON_S)
        self.foreseen, self.soon = Widening(), Widening()  # of ten seconds, and of the last SOON_S
        self._slow_kw = np.full(2, np.nan)  # of swing and rest
        self._energy = np.zeros(2)

    def take(self, load_kw: Column, target_kw: float) -> None:
        """The next values of the load, 2.5 ms apart, and the target of the grid."""
        if not load_kw.size:
            return
        swing_kw = load_kw - target_kw
        if not self._past_kw.size:
            self._past_kw = np.full(self._answer.size - 1, swing_kw[0])
        swing_kw = np.concatenate([self._past_kw, swing_kw])
        battery_kw = np.convolve(swing_kw, self._answer, "valid")
        self._past_kw = swing_kw[1 - self._answer.size :]
        swing_kw = swing_kw[self._answer.size - 1 :]
        self._weigh(np.array([swing_kw.mean(), (swing_kw - battery_kw).mean()]), load_kw.size / RATE_HZ)
        sides_kw = np.array([load_kw, load_kw - battery_kw])
        self._spans.take(sides_kw)
        self._soon.take(sides_kw)

    def _weigh(self, kw: Column, dt_s: float) -> None:
        """What it would have left, of all that is not slow."""
        self._slow_kw = np.where(np.isnan(self._slow_kw), kw, self._slow_kw)
        self._slow_kw += (kw - self._slow_kw) * (dt_s / SLOW_S)
        self._energy += ((kw - self._slow_kw) ** 2 - self._energy) * (dt_s / MEAN_S)

    @property
    def left(self) -> float:
        """Of the energy of the load from 0.1 to 5 Hz; 1 where nothing is known."""
        return float(self._energy[1] / self._energy[0]) if self._energy[0] else 1.0

    def soon_far(self, more: float, share: float = TELLS_SHARE) -> bool:
        """Whether the last SOON_S would span so much more than the load, and much for that load; or for longer."""
        return self.soon.moves and self.soon.far(share / TELLS_SHARE * self.foreseen.load_kw, more)

    def judge(self, floor_kw: float) -> None:
        """Every EVERY_S: what would have been spanned; large steps are seen in the last SOON_S while ten seconds still
        hold what was before."""
        self.foreseen.take(self._spans.ends_kw(floor_kw))
        self.soon.take(self._soon.ends_kw(floor_kw))


def _answer(made: Filter, late_s: float) -> Column:
    """Of a filter to one value, that late, a value every 2.5 ms."""
    taps_s = late_s + made.tap_s * np.arange(len(made.taps_pu))
    at, part = np.divmod(taps_s * RATE_HZ, 1.0)
    after = np.arange(int(at[-1] + FADED * max(made.lags_s) * RATE_HZ)) - round(late_s * RATE_HZ)
    lags = [
        (after >= 0) * share * -np.expm1(-1.0 / (lag_s * RATE_HZ)) * np.exp(-after / (lag_s * RATE_HZ))
        for lag_s, share in zip(made.lags_s, made.lags_pu, strict=True)
    ]
    answer: Column = np.sum(lags, axis=0)
    np.add.at(answer, at.astype(int), (1.0 - part) * made.taps_pu)
    np.add.at(answer, at.astype(int) + 1, part * made.taps_pu)
    return answer

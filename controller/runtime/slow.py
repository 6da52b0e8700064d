"""How much of a swing a slow converter may take, and which way: judged as runtime.harm does; its gain moves alone.

No filter of it keeps the span of a large step (runtime.shape). Swings that need little of the rating pass through the
late filter: its gain goes up while the whole of a swing would harm nothing, fast where it would harm nothing by far,
else to LITTLE_PU. Where the load makes large steps, often, the prompt filter stands in its place, which asks no more
lead of the converter than its rating has, and what the steps will owe is given before they come (ext.dwell). How much
of them may be taken no design tells: the more, the farther the battery is from the middle when the next one comes. So
the gain goes up as long as the 20 ms mean of the grid spans no more than the load's and no line is harmed, by little
and little from half of a swing on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from controller.image import Frame
from controller.runtime.choice import ABOVE_HZ, Loop, best, excess, lateness_s
from controller.runtime.harm import EVERY_S, HARM_AGAIN, KW_PER_STEP, OFTEN, OFTEN_S, SURE, Harm
from controller.runtime.manner import SLOW, STEPS
from controller.runtime.shape import BEGIN_PU, Shape
from controller.runtime.spans import SPAN_S, Steps
from controller.runtime.waveform import Column

MOVING_S = 12.0  # memory while the gain moves: for every share of a swing it is another loop
LITTLE_PU = 0.2  # of a load that would be harmed if all of it were taken
# Of the rating: what tells of large steps spans more; so much more of it is taken then, until it is judged again.
LARGE_PU, DARE_PU = 0.5, 0.5
STEP_PU, STEPS_HZ = 0.6, 0.2  # larger steps, so many in a second, are frequent;
STEPS_S = 120.0  # so long since they last were so, they may be again
HALF_PU = 0.6  # of such a load may be taken at once: what the battery has left of its way widens no span yet
CHANCE = 0.01  # of a span
NEAR, LESS_PU = -0.1, 0.05  # from here on the grid may soon span more than the load; by so much at a time
THROUGH_LATE, THROUGH_PROMPT = 0.0, 1.0


class Slow(Harm):
    """As Harm. The prompt share is THROUGH_LATE or THROUGH_PROMPT, but on its way."""

    def __init__(self, rating_kw: float, shape: Shape) -> None:
        self._large_kw, self._step_kw = LARGE_PU * rating_kw, STEP_PU * rating_kw
        self._apart = shape.prompt is not shape.late  # there is a way for steps
        self._steps_s = 0.0
        super().__init__(rating_kw, shape)

    def _begin(self) -> None:
        self.gain, self.prompt_pu = self._shape.begin_pu, THROUGH_LATE
        self._aim, self._manner = (self.gain, self.prompt_pu), SLOW

    def reset(self) -> None:
        """Forget what was measured; share and way stay."""
        super().reset()
        self._steps = Steps(self._step_kw, OFTEN_S)
        self._most, self._most_s = 1.0, 0.0  # of gain, until then
        self._widened = 0.0

    def follow(self, before: Harm) -> None:
        """As Harm; how often the load makes large steps stays, too. What has no way for them takes little."""
        super().follow(before)
        if self._apart and isinstance(before, Slow):
            self._manner, self._steps.hz, self._steps_s = before._manner, before._steps.hz, before._steps_s
        elif self.prompt_pu != THROUGH_LATE:
            self._begin()

    def take(self, sides_kw: Column, law: Frame) -> None:
        """As Harm; and whether the load makes large steps."""
        super().take(sides_kw, law)
        if self._apart:
            self._steps.take(self._spans)

    def judge(self, law: Frame, dt_s: float) -> None:
        """One cycle: find the way, and move the gain towards the best that harms nothing."""
        self._steps_s = STEPS_S if self._steps.hz > STEPS_HZ else max(self._steps_s - dt_s, 0.0)
        self._manner = STEPS if self._steps_s > 0.0 else SLOW
        self._aim = self._aim[0], self._way
        super().judge(law, dt_s)
        if self.gain <= BEGIN_PU:  # of so little it makes no step
            self.prompt_pu = self._way

    @property
    def _way(self) -> float:
        return THROUGH_PROMPT if self._manner is STEPS else THROUGH_LATE

    def _memory_s(self) -> float:
        return MOVING_S if self.gain != self._aim[0] else self._manner.memory_s

    def _doubt(self) -> Column:
        """Of few edges one error: these filters harm nothing by design."""
        return self._doubted(self._manner.doubt if self._often >= OFTEN else 1.0)

    def _aimed(self, loud: NDArray[np.bool_], law: Frame) -> tuple[tuple[float, float], float, float]:
        """The best gain now, and the grid over the load where it is largest, with this law and with a whole one."""
        loop, doubt = self._loop(), self._doubt()
        within = np.concatenate([loud, np.zeros(ABOVE_HZ.size, bool)])
        harm, whole = (
            float(excess(loop, *at, self._shape, doubt)[within].max())
            for at in ((law.gain, law.prompt_pu), (1.0, self._way))
        )
        self._mean += (min(harm, HARM_AGAIN) - self._mean) * self._manner.part
        self._widened = self._spans.widened(self._span_floor_kw) or 0.0
        harms = self._mean if harm <= HARM_AGAIN else harm
        if (
            self._aim == (1.0, self._way)
            and self._widened <= self._manner.span_max
            and harms <= self._manner.seen
        ):
            return self._aim, harm, whole
        return self._best(loop, loud, doubt), harm, whole

    def _best(self, loop: Loop, loud: NDArray[np.bool_], doubt: Column) -> tuple[float, float]:
        load_w = np.where(loud, self._square * KW_PER_STEP**2, 0.0)
        self._late_s = lateness_s(loop, load_w)
        return best(loop, load_w, self._shape, self.gain, self._way, self._widened, doubt, self._manner)

    def _patient(self, aim: tuple[float, float], harm: float, whole: float) -> tuple[float, float]:
        """What is aimed at in the end, and when it is time for the next."""
        self._sure = whole < SURE
        shy = self._moving_s < self._shy_s
        if harm > HARM_AGAIN or self._widened > self._manner.span_max + CHANCE:
            self._shy_s = self._moving_s + self._manner.shy_s
        if aim != self._aim and self._widened <= self._manner.span_max and harm <= HARM_AGAIN:
            self._due_s = self._moving_s + (EVERY_S if self._sure else self._manner.patience_s)
        if self._manner is STEPS:
            return self._of_steps(aim[0], whole), self._way
        if whole > self._manner.seen:
            self._shy_s = self._moving_s + self._manner.patience_s
            return min(aim[0], LITTLE_PU), self._way
        if whole <= 1.0 and not shy and aim[0] > self.gain and self._large():
            # All news judge it again on the way; by steps of REACH a load of few edges would take minutes.
            aim = min(self.gain + DARE_PU, 1.0), self._way
        if (not shy and harm <= HARM_AGAIN) or whole <= HARM_AGAIN:
            return aim
        return min(aim[0], self.gain), self._way

    def _of_steps(self, gain: float, whole: float) -> float:
        """The same of large steps. What is spanned is seen SPAN_S later; where it was too much, less is the most for
        long."""
        if self._widened > self._manner.span_max:
            self._due_s = self._moving_s + SPAN_S
            self._most, self._most_s = max(self.gain - LESS_PU, BEGIN_PU), self._moving_s + self._manner.shy_s
        elif self._moving_s >= self._most_s:
            self._most = 1.0
        if self._widened > NEAR and self.gain >= HALF_PU:
            self._due_s = self._moving_s + SPAN_S
            gain = min(gain, self.gain + LESS_PU)
        elif whole <= 1.0:
            gain = max(gain, HALF_PU)
        return min(gain, self._most)

    def _large(self) -> bool:
        """Whether what was seen spans so much that it tells of large steps."""
        return self._spans.ends_kw(self._large_kw) is not None

"""Slow ramps through a loop that is too late for edges: judged by its times and by what load and grid span.

Such a loop rests (runtime.shape), and a battery that does nothing tells nothing of its loop. But a load that has no
line above 5 Hz needs no early answer: with all of it taken L late the grid keeps 2 sin(pi f L) of a line (control.md
5.2), below the load up to 1 / (6 L). So the lines of the load are followed while the battery rests. Where none that is
told could come near harm, were the loop as late as it may be, all of the swing is taken, bit by bit; as soon as one
could harm, or the 20 ms mean of the grid is seen to span more than the load's, none.
"""

from __future__ import annotations

import numpy as np

from controller.image import Frame
from controller.runtime.choice import LINES_HZ
from controller.runtime.fastlink import watch
from controller.runtime.harm import CALM, EVERY_S, KEEP, KW_PER_STEP, QUIET, TURN, Harm
from controller.runtime.shape import LATEST, Shape
from controller.runtime.spans import RATE_HZ
from controller.runtime.waveform import Column

WARM_S = 16.0  # of a load that moves, before any of it is taken
SHY_S = 120.0  # of a load that moves, after harm that was not foreseen
MEMORY_S = 12.0
RISE_PER_S, FALL_PER_S = 0.08, 0.5
WIDER_MAX = 0.01  # noise of the spans
NOTHING = np.zeros(LINES_HZ.size, complex)  # of the battery is asked


class Ramps(Harm):
    """As Harm; the gain is all that moves."""

    def __init__(self, rating_kw: float, shape: Shape) -> None:
        super().__init__(rating_kw, shape)
        # Grid over load at the lines, the loop anything up to as late as it may be.
        self._late: Column = 2.0 * np.sin(np.pi * np.minimum(LINES_HZ * LATEST * shape.delay_s, 0.5))

    def reset(self) -> None:
        """Forget what was measured; so nothing is taken until it is known again."""
        super().reset()
        self._aim, self._due_s = (0.0, 1.0), WARM_S

    def take(self, sides_kw: Column, law: Frame) -> None:
        """The next values of both powers, (2, n), 2.5 ms apart: load, grid; while the battery rests, too."""
        self._spans.take(sides_kw)
        forget = 1.0 / (MEMORY_S * RATE_HZ)
        means = self._state, self._square, self._cross, self._taken
        watch.correlate(sides_kw, self._last_kw, KEEP, TURN, forget, QUIET, NOTHING, *means)

    def judge(self, law: Frame, dt_s: float) -> None:
        """One cycle: move the gain towards all or nothing."""
        self._since_s += dt_s
        if self._since_s >= EVERY_S:
            self._since_s = 0.0
            widened = self._spans.widened(self._span_floor_kw)
            self._moving_s += EVERY_S * (widened is not None)
            self._aim = self._next(widened), 1.0
        step = FALL_PER_S if self._aim[0] < self.gain else RISE_PER_S
        self.gain += min(max(self._aim[0] - self.gain, -step * dt_s), step * dt_s)

    def _next(self, widened: float | None) -> float:
        """What is aimed at. widened: the span of the grid over the load's, less 1; None: it hardly moves."""
        if not np.isfinite(self._square).all():  # what is no number tells of no harm, either
            self.reset()
            return 0.0
        loud = np.sqrt(self._square) * KW_PER_STEP > self._floor_kw
        worst = float(self._late[loud].max()) if loud.any() else 0.0
        if widened is not None and widened > WIDER_MAX:
            self._due_s = self._moving_s + SHY_S
            return 0.0
        if worst > 1.0:
            return 0.0
        begins = widened is not None and worst <= CALM and self._moving_s >= self._due_s
        return 1.0 if begins else self._aim[0]

"""What load and grid span, as the utility sees it: the 20 ms means over the last 10 s. For runtime.harm."""

from __future__ import annotations

from collections import deque

import numpy as np

from controller.runtime.fastlink import watch
from controller.runtime.waveform import Column

RATE_HZ = 400.0
MEAN_S = 0.020
SPAN_SPARE = 2  # of the largest and of the smallest: M6 leaves out a hundredth of 10 s, too
SPAN_S, CYCLE_S = 10.0, 0.1  # of what is spanned; of a supervisor cycle


class Spans:
    """The 20 ms means of load and grid over the last SPAN_S."""

    def __init__(self, spare: int = SPAN_SPARE, span_s: float = SPAN_S) -> None:
        """spare: of the ends of CYCLE_S that are left out on either side; span_s: of what is spanned."""
        self._spare, self._span_s = spare, span_s
        self._means = watch.Means(round(MEAN_S * RATE_HZ))
        self._ends: deque[Column] = deque(maxlen=round(span_s / CYCLE_S))
        self.cycles = 0  # that were seen

    def take(self, sides_kw: Column) -> None:
        """The next values of both, (2, n), of one supervisor cycle."""
        ends = self._means.take(sides_kw)
        if ends is not None:
            self._ends.append(ends)
            self.cycles += 1

    @property
    def known(self) -> bool:
        """Whether span_s are seen."""
        return len(self._ends) * CYCLE_S >= self._span_s

    def ends_kw(self, floor_kw: float) -> tuple[float, float] | None:
        """What load and grid span; None before span_s are seen and while the load spans less than the floor."""
        if not self.known:
            return None
        ends = np.array(self._ends)
        ends.sort(axis=0)
        load_kw, grid_kw = ends[-1 - self._spare, 0] - ends[self._spare, 1]
        return (float(load_kw), float(grid_kw)) if load_kw > floor_kw else None

    def step_kw(self, within_s: float) -> float:
        """The most that the load has moved in two cycles, of so long."""
        ends = np.array(self._ends)[-round(within_s / CYCLE_S) - 1 :]
        if len(ends) < 2:
            return 0.0
        most, least = ends[:, 0, 0], ends[:, 1, 0]
        return float((np.maximum(most[1:], most[:-1]) - np.minimum(least[1:], least[:-1])).max())

    def widened(self, floor_kw: float) -> float | None:
        """Grid over load, less 1; None where ends_kw tells nothing."""
        ends_kw = self.ends_kw(floor_kw)
        return ends_kw[1] / ends_kw[0] - 1.0 if ends_kw else None


class Steps:
    """How many large steps the load makes in a second, in the mean of memory_s."""

    def __init__(self, step_kw: float, memory_s: float) -> None:
        self.hz = 0.0
        self._step_kw, self._memory_s = step_kw, memory_s
        self._passed = self._cycles = 0  # cycles since the last step; seen

    def take(self, spans: Spans) -> None:
        """After each cycle. A step lies within two, wherever their bounds are, so that one may be seen twice."""
        if spans.cycles == self._cycles:
            return
        self._cycles = spans.cycles
        self._passed += 1
        step = self._passed > 1 and spans.step_kw(CYCLE_S) > self._step_kw
        self._passed = 0 if step else self._passed
        self.hz += (step - self.hz * CYCLE_S) / self._memory_s

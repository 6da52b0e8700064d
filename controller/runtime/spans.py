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

    def __init__(self, spare: int = SPAN_SPARE) -> None:
        """spare: of the ends of CYCLE_S that are left out on either side."""
        self._spare = spare
        self._means = watch.Means(round(MEAN_S * RATE_HZ))
        self._ends: deque[Column] = deque(maxlen=round(SPAN_S / CYCLE_S))

    def take(self, sides_kw: Column) -> None:
        """The next values of both, (2, n), of one supervisor cycle."""
        ends = self._means.take(sides_kw)
        if ends is not None:
            self._ends.append(ends)

    def ends_kw(self, floor_kw: float) -> tuple[float, float] | None:
        """What load and grid span; None before SPAN_S are seen and while the load spans less than the floor."""
        if len(self._ends) * CYCLE_S < SPAN_S:
            return None
        ends = np.array(self._ends)
        ends.sort(axis=0)
        load_kw, grid_kw = ends[-1 - self._spare, 0] - ends[self._spare, 1]
        return (float(load_kw), float(grid_kw)) if load_kw > floor_kw else None

    def widened(self, floor_kw: float) -> float | None:
        """Grid over load, less 1; None where ends_kw tells nothing."""
        ends_kw = self.ends_kw(floor_kw)
        return ends_kw[1] / ends_kw[0] - 1.0 if ends_kw else None

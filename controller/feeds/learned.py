"""A power as a sum of counts times figures, each figure corrected step by step by what the site's meters say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

FADE = 0.999  # memory of a quarter hour: half is gone after a week
DOUBT_PU = 0.5  # how far off a first figure may well be
NOISE_PU = 0.03  # what jobs of one kind differ by, of the power they draw
SPAN = (0.2, 3.0)  # a figure beyond these multiples of the first one is a meter's or a person's mistake


class Learned:
    """Recursive least squares with forgetting, each figure held within SPAN of its first value (> 0)."""

    def __init__(self, first_kw: Sequence[float]) -> None:
        self.first_kw = np.array(first_kw, dtype=np.float64)
        self.each_kw = self.first_kw.copy()
        self._doubt = np.diag((DOUBT_PU * self.first_kw) ** 2)
        self.quarters = 0

    def power_kw(self, counts: Floats) -> Floats:
        """counts: one row a figure, any columns."""
        return np.asarray(self.each_kw @ counts, dtype=np.float64)

    def observe(self, counts: Floats, measured_kw: float) -> None:
        """One quarter hour: what was busy, and what the site drew. Nothing is learned from what was not busy."""
        if not np.isfinite(measured_kw) or not np.isfinite(counts).all() or not counts.any():
            return
        expected_kw = float(self.each_kw @ counts)
        noise = (NOISE_PU * max(abs(measured_kw), expected_kw, 1e-3)) ** 2
        moved = self._doubt @ counts
        gain = moved / (noise + float(counts @ moved))
        self.each_kw = np.clip(
            self.each_kw + gain * (measured_kw - expected_kw),
            SPAN[0] * self.first_kw,
            SPAN[1] * self.first_kw,
        )
        kept = (self._doubt - np.outer(gain, moved)) / FADE
        most = (DOUBT_PU * self.first_kw) ** 2
        scale = np.sqrt(np.minimum(most / np.maximum(np.diag(kept), 1e-300), 1.0))
        self._doubt = kept * np.outer(scale, scale)  # what is never busy does not grow without end
        self.quarters += 1

    def state(self) -> Floats:
        """First figures, figures, and the doubt about them, one row each figure."""
        return np.column_stack([self.first_kw, self.each_kw, self._doubt])

    def restore(self, state: Floats) -> None:
        """Go on from what state() gave; figures of another site file, or out of their span, are left."""
        count = self.first_kw.size
        if state.shape != (count, count + 2) or not np.isfinite(state).all():
            return
        first, each, doubt = state[:, 0], state[:, 1], state[:, 2:]
        low, high = SPAN[0] * self.first_kw, SPAN[1] * self.first_kw
        if (first == self.first_kw).all() and (low <= each).all() and (each <= high).all():
            self.each_kw, self._doubt = each.astype(np.float64), doubt.astype(np.float64)

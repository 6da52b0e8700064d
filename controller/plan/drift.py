"""How a deviation from the usual goes on: learned by regression, one for each lead."""

from __future__ import annotations

import numpy as np

from controller.plan.calendar import Floats

SPANS_H = (1, 6, 24)  # the signs: mean deviation of so many hours back
FADE_PER_H = 0.5 ** (1 / (28 * 24))  # memory: half after four weeks
LEVEL_H = 12.0  # what is believed before anything is learned: the last hour's deviation fades so ...
PRIOR_H = 24.0  # ... as firmly as after so many hours of record


class Drift:
    """Ridge regression of what the usual missed, at each of `leads` hours ahead, on the signs when it was told.

    gram: sums of signs x signs; moment: of signs x what was missed; both fade.
    """

    def __init__(self, leads: int) -> None:
        self.gram = np.zeros((leads, len(SPANS_H), len(SPANS_H)))
        self.moment = np.zeros((leads, len(SPANS_H)))
        self._first = np.zeros_like(self.moment)
        self._first[:, 0] = np.exp(-(np.arange(leads) + 1) / LEVEL_H)

    def learn(self, signs_kw: Floats, missed_kw: Floats) -> None:
        """One finished hour: what was missed at leads 0, 1 ..., each with its signs (rows), nan where none was told."""
        good = np.isfinite(signs_kw).all(1) & np.isfinite(missed_kw)
        signs_kw, missed_kw = np.where(good[:, None], signs_kw, 0.0), np.where(good, missed_kw, 0.0)
        self.gram *= FADE_PER_H
        self.moment *= FADE_PER_H
        self.gram[: good.size] += signs_kw[:, :, None] * signs_kw[:, None, :]
        self.moment[: good.size] += signs_kw * missed_kw[:, None]

    def told(self, signs_kw: Floats, usual_kw: float) -> Floats:
        """Deviation at each lead, kW. usual_kw: size of a deviation by which the prior is weighed."""
        firm = PRIOR_H * max(usual_kw, 1e-9) ** 2
        gram = self.gram + firm * np.eye(len(SPANS_H))
        weight = np.linalg.solve(gram, (self.moment + firm * self._first)[:, :, None])[:, :, 0]
        return np.asarray(weight @ signs_kw, dtype=np.float64)


def signs(apart_kw: Floats) -> Floats:
    """Of deviations hour by hour, the last one last."""
    return np.array([apart_kw[-span:].mean() for span in SPANS_H])

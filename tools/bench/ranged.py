"""The linear law of tools.bench.bounds once more, found so that no ten seconds of the grid span more than the load's.

The reference's design looks at frequencies alone; of a load of few large steps such a law widens the largest ten
seconds by two thirds, which the median over all windows (M6) does not tell. Here the grid of a fit seed, sample by
sample of the slots, has to stay within the ends of the load, and RANGE_MORE of what lies between them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

RANGE_MORE = 0.03
SPAN_S = (93.0, 143.0)  # of the fit seed: two changes of a load that seldom does
EVERY = 2  # of so many slots one is kept: neighbours tell the same


class Ranged:
    """Stands for cvxpy in the reference's design, and adds the rules about the range to its problems."""

    def __init__(self, bound: Any, scene: str, link: Any) -> None:
        self._cvxpy = bound.cp
        self._load_kw, self._battery_kw = _seen(bound, scene, link)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cvxpy, name)

    def Problem(self, objective: Any, rules: list[Any]) -> Any:  # noqa: N802
        """As cvxpy's, of the gains of the groups of taps alone."""
        (gains,) = objective.variables()
        low_kw, high_kw = self._load_kw.min(), self._load_kw.max()
        more_kw = 0.5 * RANGE_MORE * (high_kw - low_kw)
        grid_kw = self._load_kw - self._battery_kw @ gains
        kept = [grid_kw <= high_kw + more_kw, grid_kw >= low_kw - more_kw]
        return self._cvxpy.Problem(objective, [*rules, *kept])


def designed(bound: Any, scene: str, link: Any) -> Any:
    """The law that is best on the fit seed."""
    plain = bound.cp
    bound.cp = Ranged(bound, scene, link)
    try:
        return bound.design(scene, link)[1]
    finally:
        bound.cp = plain


def _seen(bound: Any, scene: str, link: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """At slots of SPAN_S of a fit seed: the load (slots), and the battery of each group of taps (slots, groups); kW."""
    from scipy.signal import lfilter  # type: ignore[import-untyped]

    period_s = link.period_s
    starts, widths = bound.tap_groups(period_s)
    load_kw, wanted_kw = bound.deviation(scene, bound.FIT_SEEDS[0])
    first, last = (int(edge_s / period_s) for edge_s in SPAN_S)
    slots = np.arange(first - (starts[-1] + widths[-1]), last)
    total = np.concatenate([[0.0], np.cumsum(bound.at_slots(wanted_kw, link))])
    newest = slots[:, None] + 1 - starts
    commands = (total[newest.clip(0)] - total[(newest - widths).clip(0)]) / widths
    whole, rest_s = divmod(link.dead_s, period_s)
    decay, part = np.exp(-period_s / link.tau_s), np.exp(-(period_s - rest_s) / link.tau_s)
    answer = [*[0.0] * (1 + int(whole)), 1.0 - part, part - decay]
    battery_kw = lfilter(answer, [1.0, -decay], commands, axis=0)
    kept = slice(slots.size - (last - first), None, EVERY)
    t_s = slots[kept] * period_s
    return np.interp(t_s, np.arange(load_kw.size) / bound.scene.RATE_HZ, load_kw), battery_kw[kept]

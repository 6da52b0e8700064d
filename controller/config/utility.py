"""Options of what the utility asks of the feeder, where its specification says something."""

from __future__ import annotations

from math import inf

from controller.config.option import Section, option


class Utility(Section):
    """Limits of the power at the connection (Choukse et al., arXiv 2508.14318, section III-A: form, no numbers)."""

    ramp_up_kw_per_s_max: float | None = option(
        None, "fastest planned rise of grid power", low=0.1, high=100_000, why="control.ramp_kw_per_s_max counts alone"
    )  # fmt: skip
    ramp_down_kw_per_s_max: float | None = option(
        None, "fastest planned fall of grid power", low=0.1, high=100_000, why="control.ramp_kw_per_s_max counts alone"
    )  # fmt: skip
    range_kw_max: float | None = option(
        None, "most that grid power may move within range_s", low=1, high=1_000_000,
        why="no number is common; 10 % of the job is the one example",
    )  # fmt: skip
    range_s: float = option(
        10, "window of range_kw_max", low=1, high=60, why="that of the dynamic range, M6"
    )  # fmt: skip
    band_kw_max: float | None = option(
        None, "largest line of grid power between 0.1 and 20 Hz, amplitude", low=0.1, high=100_000,
        why="no number is common; the resonances of the feeder's generators give it",
    )  # fmt: skip
    band_pct_max: float | None = option(
        None, "share of the energy of all motion of grid power that may lie between 0.1 and 20 Hz", low=1, high=100,
        why="no number is common; 20 is the one example",
    )  # fmt: skip

    def ramps_kw_per_s(self, ramp_kw_per_s_max: float) -> tuple[float, float]:
        """Fastest planned rise and fall: the tightest of these options and the site's own ramp.

        A target that never moves faster than range_kw_max / range_s never leaves that range within the window.
        """
        range_kw_per_s = inf if self.range_kw_max is None else self.range_kw_max / self.range_s
        asked = (self.ramp_up_kw_per_s_max, self.ramp_down_kw_per_s_max)
        up, down = (min(ramp_kw_per_s_max, range_kw_per_s, inf if kw is None else kw) for kw in asked)
        return up, down

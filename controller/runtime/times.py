"""Times of a loop as its design sees them: how late which part of a load meets an answer, see runtime.shape. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

from controller.runtime.filters import STEP_MAX, TAP_S

STEP_SHARE = 0.8  # load step, in ratings, for which the delay of the slew is taken
WAIT_SHARE = 0.25  # of exchange and lag that stays as delay: the wire is mostly free, the lead works
BUSY_SHARE, LAG_SHARE = 0.75, 0.2  # the same of what is not foreseen
LED_BUSY_SHARE, LED_LAG_SHARE = 0.05, 0.35  # and of what is: the rating bounds how much of the lag is led
# Of a slow lag: about what a swing of that share of the rating needs with full lead.
SMALL_LAG_SHARE = 0.08
LEAD_LAGS = 0.15  # of the lag that a lead takes at least, see ext.follow
AHEAD_S = 0.002  # of the slew's delay that the preview of an edge hides
EDGE_SHARE = 0.6  # of it that the largest edges come later than the others
# In which large steps are led: the rating allows no more.
LARGE_LAGS = 0.5
# Command over wanted step: a swing of 0.8 ratings between levels of the battery that are not alike has 1.55 one way and
# 1.95 the other, so a lead below the first makes no edge later, and one above the second every large one.
LEAD_FREE, LEAD_BOUND = 1.4, 2.2


@dataclass(frozen=True, slots=True)
class Times:
    """Of a loop, see ext.law.LoopSetup. slewing_s: delay of the largest step by the converters' slew; reads_s: by which
    commands are older in the mean for the reads of the wire, where every exchange carries a new one."""

    frame_s: float
    dead_s: float
    period_s: float
    lag_s: float
    slewing_s: float
    reads_s: float = 0.0

    @property
    def slow_s(self) -> float:
        """Of the largest steps, exchange and lag left out."""
        return self.frame_s + self.dead_s + max(0.0, self.slewing_s - AHEAD_S)

    @property
    def delay_s(self) -> float:
        """Of a loop that answers at once."""
        return round(self.slow_s + WAIT_SHARE * (self.period_s + self.lag_s), 7)

    @property
    def busy_s(self) -> float:
        """Of one that foresees nothing."""
        return self.slow_s + BUSY_SHARE * self.period_s + LAG_SHARE * self.lag_s

    @property
    def led_s(self) -> float:
        """Of one that foresees."""
        return self.slow_s + LED_BUSY_SHARE * self.period_s + LED_LAG_SHARE * self.lag_s

    @property
    def answer_s(self) -> float:
        """Until a slow converter begins to answer."""
        return self.slow_s + 0.5 * self.period_s

    @property
    def large_s(self) -> float:
        """In which the lead brings a slow converter to where a large step wants it."""
        return max(LARGE_LAGS * self.lag_s, self.lead_s)

    @property
    def small_s(self) -> float:
        """Of small swings, slow converter."""
        return self.slow_s + BUSY_SHARE * self.period_s + SMALL_LAG_SHARE * self.lag_s

    @property
    def edge_s(self) -> float:
        """How much later the largest edges are."""
        return EDGE_SHARE * min(self.slewing_s, AHEAD_S)

    @property
    def led_edge_s(self) -> float:
        """The same of what is foreseen: none while the rating has the lead that the largest edges need."""
        return self.edge_s * min(max((self.lead - LEAD_FREE) / (LEAD_BOUND - LEAD_FREE), 0.0), 1.0)

    @property
    def lead(self) -> float:
        """Command over wanted step, with lag and exchange as they are."""
        return 1.0 / (1.0 - exp(-self.lead_s / self.lag_s)) if self.lag_s > 0.0 else 1.0

    @property
    def lead_s(self) -> float:
        """In which the lead brings a converter where it is wanted, see ext.follow."""
        return max(self.period_s, LEAD_LAGS * self.lag_s)

    @property
    def tap_s(self) -> float:
        """Between two taps."""
        return max(1, round(TAP_S / self.frame_s)) * self.frame_s

    def turn_pu(self, tap_s: float) -> float:
        """The most that a step may change from tap to tap."""
        return min(0.5 * tap_s / self.slewing_s, STEP_MAX) if self.slewing_s > 0 else STEP_MAX


def times_of(
    *,
    frame_s: float,
    dead_s: float,
    period_s: float,
    lag_s: float,
    slew_kw_per_s: float,
    rating_kw: float,
    read_s: float = 0.0,
    reads_s: float = 0.0,
) -> Times:
    """Of a loop as ext.law.LoopSetup has it; slew_kw_per_s 0: none; reads_s: as Times has it, read_s: in it already."""
    return Times(frame_s, dead_s, period_s, lag_s, slewing_of(slew_kw_per_s, rating_kw), reads_s)


def slewing_of(slew_kw_per_s: float, rating_kw: float) -> float:
    """Delay of the largest step by the converters' slew, s."""
    return 0.5 * STEP_SHARE * rating_kw / slew_kw_per_s if slew_kw_per_s > 0 else 0.0

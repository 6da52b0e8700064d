"""The backstop: a sliding spectrum of grid power, 0.1 to 20 Hz, that takes the battery back when it amplifies.

It knows no model of law, bus or converter, so it cannot share their errors. It compares what the grid carries with
what it would carry without the battery, both from the samples themselves, line by line; a law that helps, or rests,
can never show more grid than load. Runs with the supervisor, 10 values a cycle; budget 1 ms. It acts through the
lease: its share multiplies the gain, and its tier is a condition (F64).

Both powers are averaged over 10 ms, which removes ripple at 100 Hz and above, and differenced, which removes level
and ramp. Each line is a pair of damped resonators in a row, tuned to f, with a memory of one period:

    z <- r exp(j w) z + (1 - r) x,   r = exp(-f / 100 Hz);   amplitude = 2 |z| / (2 sin(pi f / 100 Hz))

Two readings of it: the mean of the squares over 10 s tells whether the battery amplifies on the whole, which one late
answer of a disturbed bus does not; the present value tells a ring, once it has lasted longer than an event echoes.
"""

from __future__ import annotations

from math import nan, pi, sqrt
from typing import Any

import numpy as np

from controller.devices.check import CheckedSite
from controller.image import Backstop as Look
from controller.image import Frame, Instant
from controller.runtime.fastlink import watch
from controller.runtime.feeder import Feeder
from controller.runtime.frame_setup import shapes_in
from controller.runtime.harm import Harm
from controller.runtime.ramps import Ramps
from controller.runtime.shape import Shape
from controller.runtime.slow import Slow
from controller.runtime.spans import RATE_HZ as HARM_HZ
from controller.runtime.waveform import Column, Powers, Waveform
from controller.units import seconds

RATE_HZ = 100.0
LINES_HZ = np.geomspace(0.1, 20.0, 31)  # a quarter of an octave apart
PERIODS = 1.0  # memory of a line; a sine between two of them shows 3 dB less, of both powers
WARM_MEMORIES = 4.0  # after a gap a line counts from here on
FLOOR_PU = 0.02  # of the rating, added to both: a target on its way to a new mean stays below it at 0.1 Hz
REDUCE_DB, HOLD_DB, CALM_DB = 1.5, 6.0, 0.75  # grid over load
LIMITS_DB = np.array([REDUCE_DB, HOLD_DB])  # of the mean, of the present value
AVERAGE_S, AVERAGE_PERIODS = 10.0, 8.0  # of the mean, whichever is longer
PERSIST_S = np.maximum(
    [2.0 / LINES_HZ, 6.0 / LINES_HZ], 0.3
)  # how long the mean, the present value must stand above
SHARE_MIN = 0.2  # a share below is no reduced gain any more: hold
SHARE_AGAIN = 0.25  # after a hold
CALM_S, REST_S = 10.0, 60.0  # calm of warm lines before the share doubles; before a hold ends
HOLDS_MAX, HOLDS_WINDOW_S = 3, 3600.0  # as many holds within an hour, and a person has to look
FALL_PER_S, RISE_PER_S = 2.0, 0.05  # how fast the share moves: no step of its own
GAP_S_MAX = 0.05  # a longer hole in the samples starts the spectrum anew
FREE, REDUCED, HOLD, SAFE = range(4)  # tiers


KEEP = np.exp(-LINES_HZ / (RATE_HZ * PERIODS))  # of a line, from value to value
AVERAGE = np.exp(-1.0 / (RATE_HZ * np.maximum(AVERAGE_S, AVERAGE_PERIODS / LINES_HZ)))
KW_PER_STEP = 1.0 / np.sin(pi * LINES_HZ / RATE_HZ)  # 2 |z| over 2 sin
SQUARE_PER_STEP = KW_PER_STEP**2
WARM_S = WARM_MEMORIES * (PERIODS / LINES_HZ)  # the lowest line is the last
TURN = KEEP * np.exp(2j * pi * LINES_HZ / RATE_HZ)


def watcher(rating_kw: float, shape: Shape) -> Harm:
    """Of a loop with that shape: what is taken of a swing."""
    kind = Harm if shape.begin_pu == 1.0 else Slow if shape.begin_pu > 0.0 else Ramps
    return kind(rating_kw, shape)


class Spectrum:
    """Amplitudes (kW) of the lines of two powers, before and grid, as they were lately."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._state = np.zeros((2, 2, LINES_HZ.size), complex)  # (before, grid), resonators in a row, lines
        self._squares = np.zeros((2, 2, LINES_HZ.size))  # (mean, present), (before, grid), lines
        self._last_kw = np.full(2, nan)
        self.age_s = 0.0

    def take(self, powers_kw: Column) -> None:
        """The next values of each power, (2,) or (2, n), 10 ms apart: (before, grid)."""
        values = powers_kw.reshape(2, -1)
        watch.resonate(values, self._last_kw, KEEP, TURN, AVERAGE, self._state, self._squares)
        self.age_s += values.shape[1] / RATE_HZ

    @property
    def amplitudes_kw(self) -> Column:
        """(2, lines): before and grid."""
        found: Column = np.sqrt(self._squares[1]) * KW_PER_STEP
        return found

    def grid_kw(self, line: int) -> float:
        """Amplitude of one line of the grid."""
        return sqrt(self._squares[1, 1, line]) * float(KW_PER_STEP[line])

    def excess_db(self, floor_kw: float) -> Column:
        """(2, lines): grid over before on top of the floor, in the mean and at present; 0 before a line is warm."""
        found: Column = watch.excesses(self._squares, SQUARE_PER_STEP, floor_kw**2, WARM_S, self.age_s)
        return found


class Tiers:
    """What follows from the excess. aim: share of the gain that is left."""

    def __init__(self) -> None:
        self.tier = FREE
        self.aim = 1.0
        self._over_s = np.zeros((2, LINES_HZ.size))  # how long each line has stood above either limit
        self._t_changed_s = 0.0
        self._calm_s = 0.0
        self._warm_s = 0.0  # how long the line that was judged last needs after a change
        self._holds_s: tuple[float, ...] = ()

    def take(self, excess_db: Column, t_s: float, dt_s: float) -> int | None:
        """One cycle; returns the line that stands out, None: none does."""
        line, rings = watch.lasting(excess_db, LIMITS_DB, PERSIST_S, dt_s, self._over_s)
        worst = None if line < 0 else line
        self._calm_s = self._calm_s + dt_s if excess_db[0].max() < CALM_DB else 0.0
        if worst is not None:
            self._warm_s = WARM_MEMORIES * PERIODS / float(LINES_HZ[worst])
        if self.tier == SAFE:
            return worst
        if worst is None:
            self._recover(t_s)
        elif self.tier == HOLD:
            if t_s - self._t_changed_s > 1.0 + self._warm_s:
                self._go(SAFE, 0.0, t_s)  # it does not come from the gain
        elif rings:
            self._hold(t_s)
        elif self.tier == FREE or t_s - self._t_changed_s > max(1.0, self._warm_s):
            if 0.5 * self.aim < SHARE_MIN:
                self._hold(t_s)
            else:
                self._go(REDUCED, 0.5 * self.aim, t_s)
        return worst

    def _hold(self, t_s: float) -> None:
        self._holds_s = (*(at_s for at_s in self._holds_s if t_s - at_s < HOLDS_WINDOW_S), t_s)
        self._go(SAFE if len(self._holds_s) >= HOLDS_MAX else HOLD, 0.0, t_s)

    def _recover(self, t_s: float) -> None:
        if self.tier == REDUCED and self._calm_s >= CALM_S + self._warm_s:
            aim = min(2.0 * self.aim, 1.0)
            self._go(FREE if aim == 1.0 else REDUCED, aim, t_s)
        elif self.tier == HOLD and self._calm_s >= REST_S + self._warm_s:
            self._go(REDUCED, SHARE_AGAIN, t_s)

    def _go(self, tier: int, aim: float, t_s: float) -> None:
        self.tier, self.aim, self._t_changed_s, self._calm_s = tier, aim, t_s, 0.0


class Backstop:
    """The spectrum of one site and what follows from it. judges: False while steps are made on purpose.

    look() once a supervisor cycle; `share` then multiplies the gain of the wish.
    """

    def __init__(self, checked: CheckedSite) -> None:
        self.share = 1.0
        self.judges = True
        self._floor_kw = FLOOR_PU * sum(line.rating_kw for line in checked.table.pcs)
        self._waveform = Waveform(checked)
        self._thinner = watch.Thinner(
            round(checked.site.sampling.rate_hz / HARM_HZ), round(HARM_HZ / RATE_HZ)
        )
        rating_kw = sum(line.rating_kw for line in checked.table.pcs)
        self._harms = [watcher(rating_kw, shape) for shape in shapes_in(checked, checked.table)]
        self._harm = self._harms[0]
        self._spectrum = Spectrum()
        self.feeder = Feeder(checked.site.utility)
        self._tiers = Tiers()
        self._t_last_s = -GAP_S_MAX
        self._engaged = False
        self._t_ns = 0

    @property
    def gain(self) -> float:
        """Share of the law's gain that is left."""
        return self.share * self._harm.gain

    @property
    def prompt_pu(self) -> float:
        """The part of a swing that may pass at once, see runtime.harm."""
        return self._harm.prompt_pu

    def look(self, now: Instant, ring: Any, engaged: bool, law: Frame) -> Look:
        """Take the samples since the last call and say where it stands. law: the frame as it was meanwhile.

        Whatever cuts an oscillation off shows lines of its own for a while: when the battery comes, goes or changes its
        share, the spectrum starts anew."""
        dt_s = min(seconds(now.t_ns - self._t_ns), 1.0) if self._t_ns else 0.0
        self._t_ns = now.t_ns
        if self._harms[law.loop_at] is not self._harm:
            self._harms[law.loop_at].follow(self._harm)
            self._harm = self._harms[law.loop_at]
        if self._waveform.blind or not self.judges:
            return Look(blind=self._waveform.blind)
        if engaged != self._engaged:
            self._harm.reset()
        if engaged != self._engaged or self.share != self._tiers.aim:
            self._spectrum.reset()
        self._engaged = engaged
        self._feed(self._waveform.take(ring), law)
        self.feeder.judge(now)
        if engaged:
            self._harm.judge(law, dt_s)
        excess_db = self._spectrum.excess_db(self._floor_kw)
        worst = self._tiers.take(excess_db, seconds(now.t_ns), dt_s)
        reach = (RISE_PER_S if self._tiers.aim > self.share else FALL_PER_S) * dt_s
        self.share += min(max(self._tiers.aim - self.share, -reach), reach)
        line = int(excess_db[0].argmax()) if worst is None else worst
        mean_db, present_db = excess_db[:, line].tolist()
        told = float(LINES_HZ[line]), max(mean_db, present_db), self._spectrum.grid_kw(line)
        return Look(self._tiers.tier, self.gain, *told, self.prompt_pu, self.feeder.seen)

    def _feed(self, powers: Powers, law: Frame) -> None:
        if powers.t_s.size == 0:
            return
        if powers.t_s[0] - self._t_last_s > GAP_S_MAX:
            self._spectrum.reset()
            self._harm.reset()
            self.feeder.reset()
            self._thinner.reset()
        self._t_last_s = float(powers.t_s[-1])
        fine_kw, coarse_kw = self._thinner.take(*powers.sides)
        self._spectrum.take(coarse_kw)
        self.feeder.take(coarse_kw[1])
        if self._engaged:
            self._harm.take(fine_kw, law)

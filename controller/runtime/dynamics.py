"""How a converter follows its setpoints: dead time, slew, first-order lag, gain; the model and its fit. Pure.

Setpoint u acts one dead time after it was parsed; the internal setpoint s moves towards it by at most the slew; the
power y follows s with the lag; the sensor reads gain * y + offset, with another gain each way (DC and AC differ by the
conversion loss). Between two events s is a straight line of slope k, so with x = t - t0 and lag T

    y = s0 + k x - k T + (y0 - s0 + k T) exp(-x / T)                                     exact, any sampling

Fit: gains and offset are linear and solved for; dead time, lag and ramp time come from a coarse grid and then
Gauss-Newton with Marquardt's damping. Worked: 1000 kW at 10 000 kW/s and 20 ms of lag; after the ramp's 100 ms
y = 1000 - 200 + 200 exp(-5) = 801 kW.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp, inf, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.floating[Any]]

CONFIDENCE = 1.96  # standard deviations of a two-sided 95 % interval
DEAD_S_MAX, LAG_S_MAX = 1.0, 10.0  # as far as the site file goes
RAMP_S_MIN, RAMP_S_MAX = 1e-6, 100.0  # rating over slew
GRID_DEAD_S = np.geomspace(0.0003, 0.1, 20)
GRID_LAG_S = np.geomspace(0.0005, 0.2, 8)
GRID_RAMP_S = np.geomspace(0.001, 1.0, 9)
GRID_OFFSETS = 48  # samples a setpoint that the grid looks at: near the step densely, later hardly
STARTS = 3  # cells of the grid from which the descent begins
ROUNDS = 40
NUDGE_S = 2e-6  # least step of a numeric derivative; a hundredth of a value where that is more
BLOCKS_S = (
    0.0005,
    0.001,
    0.002,
    0.004,
    0.02,
)  # around half periods of ripple at 12, 6 and 2 times 50 Hz; and drift
SEEN_PU = 0.10  # an interval of at most this each way: the value may be used for what it says


class FitError(ValueError):
    """The record cannot tell how the converter follows; the text says why."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def seen(self) -> bool:
        """Whether the interval is narrow; if not, the value hides behind the others or the noise."""
        return (
            self.high - self.value <= SEEN_PU * self.value and self.value - self.low <= SEEN_PU * self.value
        )


@dataclass(frozen=True, slots=True)
class Dynamics:
    """One converter as measured. dead_s: setpoint parsed to power moving; noise_kw: RMS of what is left."""

    dead_s: Estimate
    lag_s: Estimate
    slew_kw_per_s: Estimate
    gain: Estimate
    noise_kw: float
    utc_s: float = 0.0  # when it was measured or last refined

    def theta(self, rating_kw: float) -> Column:
        """(dead time s, lag s, rating over slew s): what the model takes."""
        return np.array([self.dead_s.value, self.lag_s.value, rating_kw / self.slew_kw_per_s.value])


@dataclass(frozen=True, slots=True)
class Trial:
    """Setpoints as they were parsed and the power as it was measured: times s (ascending), powers kW."""

    sent_s: Column
    sent_kw: Column
    t_s: Column
    measured_kw: Column


def internal(
    sent_s: Column, sent_kw: Column, dead_s: float, slew_kw_per_s: float
) -> Iterator[tuple[float, ...]]:
    """The internal setpoint's straight pieces (from s, kW, kW/s). It rests at sent_kw[0] before all."""
    at_kw, aim_kw, t_s = float(sent_kw[0]), float(sent_kw[0]), -inf
    for next_s, next_kw in zip([*(sent_s[1:] + dead_s), inf], [*sent_kw[1:], 0.0], strict=True):
        way_kw = aim_kw - at_kw
        ramp_s = abs(way_kw) / slew_kw_per_s
        if way_kw:
            slope = slew_kw_per_s if way_kw > 0 else -slew_kw_per_s
            yield t_s, at_kw, slope
            if t_s + ramp_s > next_s:
                at_kw += slope * (next_s - t_s)
                t_s, aim_kw = next_s, next_kw
                continue
        yield t_s + ramp_s, aim_kw, 0.0
        at_kw, aim_kw, t_s = aim_kw, next_kw, next_s


def response(trial: Trial, dead_s: float, lag_s: float, slew_kw_per_s: float, t_s: Column) -> Column:
    """Power (kW) at t_s of a converter that rests at the first setpoint before the second is parsed."""
    pieces = list(internal(trial.sent_s, trial.sent_kw, dead_s, slew_kw_per_s))
    from_s, at_kw, slope = (np.array(column) for column in zip(*pieces, strict=True))
    from_s[0] = min(float(t_s[0]), float(from_s[1]) if from_s.size > 1 else inf) - 1.0
    lag = max(lag_s, 1e-7)
    back_kw = np.empty(from_s.size)  # y - s + k T where a piece begins
    back_kw[0] = 0.0
    for i in range(1, from_s.size):
        rest = back_kw[i - 1] * exp(-min((from_s[i] - from_s[i - 1]) / lag, 700.0))
        back_kw[i] = rest + (slope[i] - slope[i - 1]) * lag
    place = np.searchsorted(from_s, t_s, "right") - 1
    x = t_s - from_s[place]
    fading = back_kw[place] * np.exp(-np.minimum(x / lag, 700.0))
    power_kw: Column = at_kw[place] + slope[place] * (x - lag) + fading
    return power_kw


class Problem:
    """One record and one converter's rating. theta: dead time s, lag s, rating over slew s."""

    def __init__(self, trial: Trial, rating_kw: float, picked: NDArray[np.int_] | None = None) -> None:
        self.trial = trial
        self.rating_kw = rating_kw
        self.t_s = trial.t_s if picked is None else trial.t_s[picked]
        self.measured_kw = trial.measured_kw if picked is None else trial.measured_kw[picked]

    def power_kw(self, theta: Column) -> Column:
        """The model's power."""
        return response(self.trial, theta[0], theta[1], self.rating_kw / max(theta[2], RAMP_S_MIN), self.t_s)

    def columns(self, power_kw: Column) -> Column:
        """What the sensor may see of it, (n, 2 or 3): discharge, charge (those that occur), offset."""
        up, down = np.maximum(power_kw, 0.0), np.minimum(power_kw, 0.0)
        return np.column_stack([*(c for c in (up, down) if np.abs(c).max() > 0), np.ones(power_kw.size)])

    def linear(self, theta: Column) -> tuple[Column, Column]:
        """Best gains and offset, and what is left of the measurement (kW)."""
        columns = self.columns(self.power_kw(theta))
        scale: Column = np.linalg.solve(columns.T @ columns, columns.T @ self.measured_kw)
        return scale, self.measured_kw - columns @ scale

    def cost(self, theta: Column) -> float:
        """Sum of squares left, kW^2."""
        try:
            return float((self.linear(theta)[1] ** 2).sum())
        except np.linalg.LinAlgError:  # the model does not move within the record
            return inf

    def slopes(self, theta: Column) -> Column:
        """Derivatives of the reading: (n, 3 + 2 or 3), theta first, then gains and offset."""
        scale, _ = self.linear(theta)
        base = self.columns(self.power_kw(theta))
        found = []
        for i in range(3):
            nudge = max(0.01 * theta[i], NUDGE_S)
            moved = theta.copy()
            moved[i] += nudge
            found.append((self.columns(self.power_kw(moved)) @ scale - base @ scale) / nudge)
        return np.column_stack([*found, base])


@dataclass(frozen=True, slots=True)
class Prior:
    """What was known before: theta and its information (3, 3), 1/s^2."""

    theta: Column
    information: Column


def descend(problem: Problem, theta: Column, prior: Prior | None = None, noise_kw: float = 1.0) -> Column:
    """Gauss-Newton with Marquardt's damping from theta; with a prior, to the most probable of both."""
    most = np.array([DEAD_S_MAX, LAG_S_MAX, RAMP_S_MAX])

    def total(at: Column) -> float:
        away = at - prior.theta if prior else at
        return problem.cost(at) / noise_kw**2 + (float(away @ prior.information @ away) if prior else 0.0)

    best, damping = total(theta), 1e-2
    for _ in range(ROUNDS):
        slopes = problem.slopes(theta)
        _, left = problem.linear(theta)
        normal, pull = slopes.T @ slopes / noise_kw**2, slopes.T @ left / noise_kw**2
        if prior:
            normal[:3, :3] += prior.information
            pull[:3] -= prior.information @ (theta - prior.theta)
        for _ in range(8):
            damped = normal + damping * np.diag(np.diag(normal) + 1e-12)
            step = np.linalg.lstsq(damped, pull, rcond=None)[0][:3]
            moved = np.clip(theta + step, 0.0, most)
            cost = total(moved)
            if cost < best:
                break
            damping *= 4.0
        else:
            return theta
        gained, theta, best, damping = best - cost, moved, cost, damping / 6.0
        if gained < 1e-7 * best:
            return theta
    return theta


def coarse(problem: Problem) -> list[Column]:
    """The best cells of the grid, no two with the same lag and ramp."""
    found = []
    for lag_s in GRID_LAG_S:
        for ramp_s in GRID_RAMP_S:
            cells = [np.array([dead_s, lag_s, ramp_s]) for dead_s in GRID_DEAD_S]
            costs = [problem.cost(cell) for cell in cells]
            best = int(np.argmin(costs))
            found.append((costs[best], cells[best]))
    return [cell for _, cell in sorted(found, key=lambda row: row[0])[:STARTS]]


def picked(trial: Trial) -> NDArray[np.int_]:
    """Samples for the grid: after every setpoint at intervals that grow, and one before it."""
    places = []
    for start_s, end_s in zip(trial.sent_s, [*trial.sent_s[1:], float(trial.t_s[-1])], strict=True):
        if end_s > start_s:
            offsets = np.geomspace(1e-4, max(end_s - start_s, 2e-4), GRID_OFFSETS)
            places.append(np.searchsorted(trial.t_s, start_s + np.concatenate([[0.0], offsets])))
    found = np.unique(np.concatenate(places))
    return found[found < trial.t_s.size]


def spread(left_kw: Column, t_s: Column) -> float:
    """Variance (kW^2) per independent sample: that of means over some time, where ripple or drift makes it larger."""
    period_s = max(float(np.median(np.diff(t_s))), 1e-9)
    found = float(left_kw.var())
    for block_s in BLOCKS_S:
        size = int(block_s / period_s + 0.5)
        count = left_kw.size // max(size, 1)
        if size > 1 and count >= 8:
            means_kw = left_kw[: count * size].reshape(count, size).mean(axis=1)
            found = max(found, float(means_kw.var()) * size)
    return found


def fit(trial: Trial, rating_kw: float, start: Column | None = None, prior: Prior | None = None) -> Dynamics:
    """How the converter follows. start: theta near the truth, which spares the grid.

    Raises FitError: no motion in the record, or it does not follow its setpoints.
    """
    if trial.t_s.size < 100 or trial.sent_s.size < 2 or np.ptp(trial.sent_kw) < 0.02 * rating_kw:
        raise FitError("no setpoint moved by 2 % of the rating, or nothing was measured")
    whole = Problem(trial, rating_kw)
    if start is None:
        few = Problem(trial, rating_kw, picked(trial))
        starts = [descend(few, cell) for cell in coarse(few)]
        start = min(starts, key=whole.cost)
    noise_kw = sqrt(spread(whole.linear(start)[1], trial.t_s)) or 1e-9
    theta = descend(whole, start, prior, noise_kw)
    scale, left = whole.linear(theta)
    moved = trial.measured_kw.var()
    if not left.var() < 0.5 * moved:
        raise FitError(f"it explains only {1 - left.var() / moved:.0%} of what was measured")
    return _told(whole, theta, scale, left, prior)


def _told(problem: Problem, theta: Column, scale: Column, left: Column, prior: Prior | None) -> Dynamics:
    """The estimates with their intervals."""
    information = knowledge(problem, theta, left)
    if prior:
        information[:3, :3] += prior.information
    try:
        deviation = np.sqrt(np.diag(np.linalg.inv(information)))
    except np.linalg.LinAlgError:
        raise FitError("lag and slew cannot be told apart: larger and smaller steps are needed") from None
    reach = CONFIDENCE * deviation
    gains, gain_reach = scale[:-1], reach[3:-1]
    gain = float(np.sqrt(np.prod(np.abs(gains)))) if gains.size == 2 else float(gains[0])
    gain *= 1.0 if gains.sum() > 0 else -1.0
    wide = float(np.sqrt((gain_reach**2).sum()) / gains.size)
    ramp, ramp_reach, kw = max(float(theta[2]), RAMP_S_MIN), float(reach[2]), problem.rating_kw
    fastest = kw / (ramp - ramp_reach) if ramp > ramp_reach else inf
    return Dynamics(
        dead_s=_around(theta[0], reach[0]),
        lag_s=_around(theta[1], reach[1]),
        slew_kw_per_s=Estimate(kw / ramp, kw / (ramp + ramp_reach), fastest),
        gain=Estimate(gain, gain - wide, gain + wide),
        noise_kw=float(left.std()),
    )


def _around(value: float, reach: float) -> Estimate:
    return Estimate(float(value), float(max(value - reach, 0.0)), float(value + reach))


def knowledge(problem: Problem, theta: Column, left: Column) -> Column:
    """Fisher information of theta, gains and offset, (n, n)."""
    slopes = problem.slopes(theta)
    information: Column = slopes.T @ slopes / max(spread(left, problem.t_s), 1e-12)
    return information


def stamped(found: Dynamics, utc_s: float) -> Dynamics:
    """The same, dated."""
    return replace(found, utc_s=utc_s)

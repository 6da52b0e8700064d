"""What the law answers to a swing, designed once at the start from the dynamics in use. Pure.

The battery answers a share F of a deviation after the delay d of the loop, so the grid keeps E = 1 - F exp(-j w d) of
it (control.md 5.2). A fast loop answers at once, F = 1. A later one answers through a filter

    H = sum over k of taps[k] exp(-j w k 1 ms) + sum over i of lags[i] / (1 + j w T[i])

that leaves least of a spectrum of edges, which falls with the square of the frequency, in the band that a utility looks
at, 0.1 to 20 Hz, of all that keep, for either of two delays, of small swings and of those on the converters' slew,

    abs(E)                                    within 0.38 dB up to 50 Hz, the rest to 0.5 dB is the measurement's, and
                                              within the price above, where it is paid (control.md 5.6),
    20 ms mean of what steps both ways leave  spanning 0.97 of the load's own, at most (M6),
    command of a step                         within 1.25 of it, and from tap to tap no faster than the converters slew.

Three such filters are made. The prompt one is for the delay that is left while the preview is right about the edges
(ext.preview); they span less than steps do that come unforeseen, and it may span 1.15 of these. The late one is for a
loop that foresees nothing. The wide one is a late one that need not keep the span, which costs the late one most of
what it could do: it is for a load of many small steps, of which none spans much. What is measured decides between them
(runtime.harm). Where none keeps the span but the delay is nearly the same for every step, as with a slow converter on a
fast wire, there is one filter alone, for small swings, of which the lead takes most of the lag, without the limit on
the span; the law begins with so little of it that no load spans 5 % more.

The late one is careful where that is cheap: 0.4 dB below the load, not 0.38 above it. Near 40 Hz a converter with lead
does up to 1.3 of what it is asked, and few edges tell the rest; up to 6 ms this room costs less than 1 dB of what is
left, later ones have none to give. A careful filter may be fed what is foreseen from the start.

This is convex; it is solved by the alternating direction method of multipliers (Boyd and others, Foundations and Trends
in Machine Learning 3, 2011, section 3), over-relaxed by 1.6. Where nothing else is left, the loop rests but for slow
ramps (runtime.ramps).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import inf, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.floating[Any]]
Answer = NDArray[np.complexfloating[Any]]  # a value a line

TAPS, TAP_S = 24, 1e-3  # of ext.shape
LAGS_S = (0.008, 0.032, 0.128)
STEP_SHARE = 0.8  # load step, in ratings, for which the delay of the slew is taken
WAIT_SHARE = 0.25  # of exchange and lag that stays as delay: the wire is mostly free, the lead works
BUSY_SHARE, LAG_SHARE = 0.75, 0.2  # the same of what is not foreseen
LED_BUSY_SHARE, LED_LAG_SHARE = 0.05, 0.35  # and of what is: the rating bounds how much of the lag is led
# Of a slow lag: about what a swing of that share of the rating needs with full lead.
SMALL_LAG_SHARE = 0.08
AHEAD_S = 0.002  # of the slew's delay that the preview of an edge hides
EDGE_SHARE = 0.6  # of it that the largest edges come later than the others
HARM_HZ, BAND_HZ, TOP_HZ = 50.0, 20.0, 250.0
WHOLE_MAX = 10 ** (0.45 / 20)  # of abs(E): a loop below it answers at once
MEAN_S, STEP_MAX = 0.020, 1.25
HARM_KEPT = 10 ** (0.5 / 20)  # what a design must keep to be used,
SPAN_SLACK = 0.03  # and its span but for this
LATE_S_MAX = 0.010  # half of the 20 ms: from here on nothing keeps the span,
HELP_MIN = 0.5  # and what it may leave of the band: a shape that takes less is not worth the wear
STEP_S = np.arange(0.0, 0.12, 1e-3)  # after a step
MEAN_BARE = np.minimum(STEP_S / MEAN_S, 1.0) - 0.5  # of a step, about the middle of the load's levels
HZ = np.concatenate(
    [np.geomspace(0.1, 5.0, 20), np.linspace(5.5, HARM_HZ, 90), np.geomspace(52.0, TOP_HZ, 40)]
)
BAND_W = np.where(HZ <= BAND_HZ, np.gradient(HZ) / HZ**2, 0.0)  # the energy of edges
BAND_W /= BAND_W.sum()
TURN_WEIGHT = 3.0  # of a tap among the limits, so that all are met in about as many rounds
TURNS = TURN_WEIGHT * np.eye(TAPS + len(LAGS_S))[1:TAPS]
ROUNDS, RELAX, WEIGHT = 600, 1.6, 0.05


@dataclass(frozen=True, slots=True)
class Filter:
    """One H. tap_s: time between two taps."""

    tap_s: float
    taps_pu: tuple[float, ...]
    lags_pu: tuple[float, ...]

    def answer(self, omega: Column) -> Answer:
        """H at every angular frequency (rad/s)."""
        found: Answer = _parts(omega, self.tap_s) @ np.array([*self.taps_pu, *self.lags_pu])
        return found

    def left(self, late_s: float) -> Column:
        """abs(E) with H that late, at HZ."""
        found: Column = abs(1.0 - self.answer(2.0 * pi * HZ) * np.exp(-2j * pi * HZ * late_s))
        return found

    def span(self, late_s: float) -> float:
        """Of the 20 ms mean of the grid, with H that late, over steps both ways; in steps."""
        shares = np.array([*self.taps_pu, *self.lags_pu])
        return float(2.0 * abs(MEAN_BARE - _means(self.tap_s, late_s) @ shares).max())


@dataclass(frozen=True, slots=True)
class Shape:
    """gain: share of a swing taken, 0 or 1; prompt_pu: of it, what may pass the prompt filter, 0 or 1; the rest passes
    the late one. delay_s: effective delay of the loop; where it takes ramps alone, of what is not foreseen. at_once:
    the prompt filter is 1. ahead: else, the late one is careful, and takes what is foreseen from the start. wide: the
    late one itself where that has room to spare, or where there is no other. begin_pu: of gain, what the law begins
    with; below 1: nothing keeps the span; 0: it rests until a load of slow ramps is seen."""

    delay_s: float
    gain: float
    prompt_pu: float
    at_once: bool
    prompt: Filter
    late: Filter
    wide: Filter
    ahead: bool = False
    begin_pu: float = 1.0

    @property
    def wide_pu(self) -> float:
        """How far the wide filter may be taken: 0 where the late one already is it."""
        return float(self.wide is not self.late)

    def parts(self, prompt_pu: Any) -> tuple[Any, Any, Any]:
        """Shares of the prompt, the wide and the late filter; prompt_pu, -1 to 1: a number or an array."""
        share: Any = np.asarray(prompt_pu, float)
        return np.maximum(share, 0.0), np.maximum(-share, 0.0), 1.0 - abs(share)

    def span(self, prompt_pu: Any, late_s: float) -> Any:
        """Of the 20 ms mean of the grid over steps both ways, in steps, the filters that late."""
        filters = self.prompt, self.wide, self.late
        return sum(
            part * made.span(late_s) for part, made in zip(self.parts(prompt_pu), filters, strict=True)
        )

    def fields(self, frame_s: float) -> dict[str, Any]:
        """What ext.law.LoopSetup takes of it."""
        return {
            "delay_s": self.delay_s,
            "gain_max": self.gain,
            "prompt_pu": self.prompt_pu,
            "shape": {
                "frame_s": frame_s,
                "tap_frames": round(self.late.tap_s / frame_s),
                "at_once": int(self.at_once),
                "ahead": int(self.ahead),
                "prompt_taps_pu": self.prompt.taps_pu,
                "prompt_lags_pu": self.prompt.lags_pu,
                "wide_taps_pu": self.wide.taps_pu,
                "wide_lags_pu": self.wide.lags_pu,
                "late_taps_pu": self.late.taps_pu,
                "late_lags_pu": self.late.lags_pu,
                "lags_s": LAGS_S,
            },
        }


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a design. harm: abs(E) up to 50 Hz; price: above; span: of the 20 ms mean, in steps."""

    harm: float
    price: float
    span: float


LATE, PROMPT = Limits(10 ** (0.38 / 20), 3.0, 0.97), Limits(10 ** (-0.4 / 20), 2.7, 1.17)
STEADY_S_MAX = 0.005  # exchange of a wire that leaves the delay nearly the same for every step
BEGIN_PU = 0.05  # of that filter: widens the span of steps by 4.5 % at most
LATEST = 1.2  # times the delay of what is not foreseen: so late a slow ramp may be
RAMPS_S_MAX = 0.055  # so late a loop is below the load up to 3 Hz
WIDE = Limits(10 ** (0.2 / 20), LATE.price, inf)
CAREFUL, CAREFUL_MAX = Limits(PROMPT.harm, LATE.price, LATE.span), 10 ** (1.0 / 10)  # of what LATE leaves


def shape_of(
    *, frame_s: float, dead_s: float, period_s: float, lag_s: float, slew_kw_per_s: float, rating_kw: float
) -> Shape:
    """For a loop with these times, see ext.law.LoopSetup; slew_kw_per_s 0: none."""
    slewing_s = slewing_of(slew_kw_per_s, rating_kw)
    slow_s = frame_s + dead_s + max(0.0, slewing_s - AHEAD_S)
    tap_s = max(1, round(TAP_S / frame_s)) * frame_s
    turn_pu = min(0.5 * tap_s / slewing_s, STEP_MAX) if slewing_s > 0 else STEP_MAX
    return _shape(
        delay_of(
            frame_s=frame_s,
            dead_s=dead_s,
            period_s=period_s,
            lag_s=lag_s,
            slew_kw_per_s=slew_kw_per_s,
            rating_kw=rating_kw,
        ),
        round(slow_s + BUSY_SHARE * period_s + LAG_SHARE * lag_s, 7),
        round(slow_s + LED_BUSY_SHARE * period_s + LED_LAG_SHARE * lag_s, 7),
        round(slow_s + BUSY_SHARE * period_s + SMALL_LAG_SHARE * lag_s, 7),
        round(EDGE_SHARE * min(slewing_s, AHEAD_S), 7),
        round(turn_pu, 4),
        round(tap_s, 7),
        period_s <= STEADY_S_MAX,
    )


def slewing_of(slew_kw_per_s: float, rating_kw: float) -> float:
    """Delay of the largest step by the converters' slew, s."""
    return 0.5 * STEP_SHARE * rating_kw / slew_kw_per_s if slew_kw_per_s > 0 else 0.0


def delay_of(
    *, frame_s: float, dead_s: float, period_s: float, lag_s: float, slew_kw_per_s: float, rating_kw: float
) -> float:
    """Effective delay of such a loop that answers at once, s."""
    slewing_s = slewing_of(slew_kw_per_s, rating_kw)
    slow_s = frame_s + dead_s + max(0.0, slewing_s - AHEAD_S)
    return round(slow_s + WAIT_SHARE * (period_s + lag_s), 7)


@lru_cache(maxsize=64)
def _shape(
    delay_s: float,
    busy_s: float,
    led_s: float,
    small_s: float,
    edge_s: float,
    turn_pu: float,
    tap_s: float,
    steady: bool,
) -> Shape:
    """delay_s: of a loop that answers at once; led_s: of one that foresees; busy_s: of one that does neither; small_s:
    of small swings, slow converter; edge_s: how much later the largest edges are; steady: every step is as late."""
    none, lags = (0.0,) * TAPS, (0.0,) * len(LAGS_S)
    whole = Filter(tap_s, (1.0, *none[1:]), lags)
    if delay_s >= LATE_S_MAX:
        return _slow(delay_s, busy_s, small_s, turn_pu, tap_s, steady)
    late, late_keeps, careful = _late((busy_s, busy_s + edge_s), turn_pu, tap_s)
    if abs(1.0 - np.exp(-2j * pi * HARM_HZ * delay_s)) <= WHOLE_MAX:
        return Shape(delay_s, 1.0, 1.0, True, whole, late, late)
    prompt, prompt_keeps = _filter((led_s, led_s + edge_s), PROMPT, turn_pu, tap_s)
    if not late_keeps:
        return _slow(delay_s, busy_s, small_s, turn_pu, tap_s, steady)
    wide, wide_keeps = _filter((busy_s, busy_s + edge_s), WIDE, turn_pu, tap_s)
    if careful or not (wide_keeps and prompt_keeps):
        wide = late
    return Shape(delay_s, 1.0, float(prompt_keeps), False, prompt, late, wide, careful)


def _slow(delay_s: float, busy_s: float, small_s: float, turn_pu: float, tap_s: float, steady: bool) -> Shape:
    """Of a loop that keeps no span: of a steady one the filter for small swings, begun with a little; else all of slow
    ramps and nothing of edges (runtime.ramps), or rest."""
    made, keeps = _filter((small_s, small_s), WIDE, turn_pu, tap_s)
    if keeps and steady:
        return Shape(delay_s, 1.0, 1.0, False, made, made, made, begin_pu=BEGIN_PU)
    none, lags = (0.0,) * TAPS, (0.0,) * len(LAGS_S)
    rest, whole = Filter(tap_s, none, lags), Filter(tap_s, (1.0, *none[1:]), lags)
    if LATEST * busy_s <= RAMPS_S_MAX:
        return Shape(busy_s, 1.0, 1.0, False, whole, whole, whole, begin_pu=0.0)
    return Shape(delay_s, 0.0, 1.0, True, whole, rest, rest)


def _late(lates_s: tuple[float, float], turn_pu: float, tap_s: float) -> tuple[Filter, bool, bool]:
    """The late filter, whether it does what it was made for, and whether it is careful."""
    late, keeps = _filter(lates_s, LATE, turn_pu, tap_s)
    careful, careful_keeps = _filter(lates_s, CAREFUL, turn_pu, tap_s)
    bare, more = (BAND_W @ made.left(lates_s[1]) ** 2 for made in (late, careful))
    return (careful, True, True) if careful_keeps and more <= CAREFUL_MAX * bare else (late, keeps, False)


def _filter(
    lates_s: tuple[float, float], limits: Limits, turn_pu: float, tap_s: float
) -> tuple[Filter, bool]:
    """The best for both delays, and whether it does what it was made for, and helps."""
    delays_s = sorted(set(lates_s))
    found = _design(delays_s, limits, turn_pu, tap_s)
    made = Filter(tap_s, tuple(found[:TAPS].tolist()), tuple(found[TAPS:].tolist()))
    for late_s in delays_s:
        left = made.left(late_s)
        harmless = left[HZ <= HARM_HZ].max() <= HARM_KEPT and made.span(late_s) <= limits.span + SPAN_SLACK
        if not (harmless and BAND_W @ left**2 <= HELP_MIN):
            return made, False
    return made, True


def _parts(omega: Column, tap_s: float) -> Answer:
    """Of H: one column a tap and a lag, (lines, shares)."""
    taps = [np.exp(-1j * omega * tap_s * k) for k in range(TAPS)]
    return np.array(taps + [1.0 / (1.0 + 1j * omega * lag_s) for lag_s in LAGS_S]).T


def _means(tap_s: float, late_s: float) -> Column:
    """Of H: 20 ms mean of the answer to a step, late, about the middle of its levels; (times, shares)."""

    def mean(t_s: Column, lag_s: float) -> Column:
        return (_area(t_s, lag_s) - _area(t_s - MEAN_S, lag_s)) / MEAN_S

    taps = [mean(STEP_S - late_s - tap_s * k, 0.0) for k in range(TAPS)]
    return np.array(taps + [mean(STEP_S - late_s, lag_s) for lag_s in LAGS_S]).T - 0.5


def _area(t_s: Column, lag_s: float) -> Column:
    """Integral of a step's answer through a lag, s."""
    after_s: Column = np.maximum(t_s, 0.0)
    return after_s - lag_s * (1.0 - np.exp(-after_s / lag_s)) if lag_s > 0 else after_s


def _steps(tap_s: float) -> Column:
    """Of H: command after a step, (times, shares)."""
    taps = [(tap_s * k <= STEP_S + 1e-9) * 1.0 for k in range(TAPS)]
    return np.array(taps + [1.0 - np.exp(-STEP_S / lag_s) for lag_s in LAGS_S]).T


def _design(delays_s: list[float], limits: Limits, turn_pu: float, tap_s: float) -> Column:
    """Shares of taps and lags, (TAPS + lags)."""
    omega = 2.0 * pi * HZ
    parts = _parts(omega, tap_s)
    loops = [parts * np.exp(-1j * omega * late_s)[:, None] for late_s in delays_s]
    square = sum((loop.conj().T * BAND_W @ loop).real for loop in loops)
    linear = sum((loop.real.T @ BAND_W for loop in loops), np.zeros(parts.shape[1]))
    rows = np.vstack(
        [part for loop in loops for part in (loop.real, loop.imag)]
        + [_means(tap_s, late_s) for late_s in delays_s]
        + [_steps(tap_s), TURNS]
    )
    wanted = np.concatenate(
        [np.ones(HZ.size), np.zeros(HZ.size)] * len(loops)
        + [MEAN_BARE] * len(loops)
        + [np.zeros(STEP_S.size + TAPS - 1)]
    )
    inverse = np.linalg.inv(square + WEIGHT * rows.T @ rows + 1e-9 * np.eye(parts.shape[1]))
    allowed: Column = wanted.copy()
    price: Column = np.zeros(wanted.size)
    shares: Column = np.zeros(parts.shape[1])
    for _ in range(ROUNDS):
        shares = inverse @ (linear + WEIGHT * (rows.T @ (wanted - allowed + price)))
        left = RELAX * (wanted - rows @ shares) + (1.0 - RELAX) * allowed
        allowed = _allowed(left + price, len(loops), limits, turn_pu)
        price += left - allowed
    return shares


def _allowed(left: Column, loops: int, limits: Limits, turn_pu: float) -> Column:
    """The nearest that every limit allows: E of each loop (real, imaginary), 20 ms means of each, commands, turns."""
    kept = left.copy()
    for real, imaginary in _pairs(kept, loops):
        size = np.hypot(real, imaginary)
        share = np.minimum(1.0, np.where(HZ <= HARM_HZ, limits.harm, limits.price) / np.maximum(size, 1e-12))
        real *= share
        imaginary *= share
    at = 2 * loops * HZ.size
    means, commands, turns = np.split(kept[at:], np.cumsum([loops * STEP_S.size, STEP_S.size]))
    for part, most in ((means, 0.5 * limits.span), (commands, STEP_MAX), (turns, TURN_WEIGHT * turn_pu)):
        np.clip(part, -most, most, out=part)
    return kept


def _pairs(left: Column, loops: int) -> Iterator[tuple[Column, Column]]:
    for k in range(loops):
        at = 2 * k * HZ.size
        yield left[at : at + HZ.size], left[at + HZ.size : at + 2 * HZ.size]

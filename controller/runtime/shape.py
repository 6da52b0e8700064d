"""What the law answers to a swing, designed once at the start from the dynamics in use. Pure.

The battery answers a share F of a deviation after the delay d of the loop, so the grid keeps E = 1 - F exp(-j w d) of
it (control.md 5.2). A fast loop answers at once, F = 1. A later one answers through a filter (runtime.filters) that
leaves least of edges and makes no frequency up to 50 Hz worse, for either of two delays, of small swings and of those
on the converters' slew: within 0.38 dB, on a busy wire 0.25, the rest to 0.5 dB is the measurement's; nor the span of
the 20 ms mean.

Three such filters are made. The prompt one is for the delay that is left while the preview is right about the edges
(ext.preview); they span less than steps do that come unforeseen, and it may span 1.15 of these. The late one is for a
loop that foresees nothing. The wide one is for a load of many small steps, of which none spans much: it need not keep
the span, which costs the late one most of what it could do; and as the wire is never free then, a command leaves with
every exchange and its taps lie half of one apart, so that it is made for the very loop that there will be, hold, lag
and lead included. What would fold into 0 to 50 Hz is noise to whoever measures harm: of the half decibel as much is
left to that as 80 s of it scatter by; on a slow wire 0.12 of it may pass. What is measured decides between the filters
(runtime.harm). Where none keeps the span but the delay is nearly the same for every step, as with a slow converter on a
fast wire, the late one is made for small swings, of which the lead takes most of the lag, without the limit on the
span, and the prompt one for large steps, of which the rating lets half of the lag be led (runtime.slow); the law begins
with so little of either that no load spans 5 % more.

The late one is careful where that is cheap: 0.4 dB below the load, not above it, of large edges that come as late
as those that meet an exchange under way, and with no turn that the slew, led, could not follow. Near 40 Hz a converter
with lead does up to 1.4 of what it is asked, and few edges tell the rest; later loops have no such room to give. A
careful filter may be fed what is foreseen from the start. Where nothing else is left, the loop rests but for slow ramps
(runtime.ramps).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf, pi
from typing import Any

import numpy as np

from controller.runtime.design import Limits, designed, folded
from controller.runtime.filters import (
    BAND_HZ,
    BAND_W,
    HARM_HZ,
    HZ,
    LAGS_S,
    NO_TAPS,
    OMEGA,
    OWED_HZ,
    STEP_MAX,
    TAP_S,
    TAPS,
    Answer,
    Column,
    Filter,
    late,
    rest,
    told,
    whole,
)
from controller.runtime.times import Times, times_of

WHOLE_MAX = 10 ** (0.45 / 20)  # of abs(E): a loop below it answers at once
LATE_S_MAX = 0.010  # half of the 20 ms: from here on nothing keeps the span
WIDE_TAPS = 2  # in an exchange: so many see what would fold
SMALL_LATE_S = 0.0002, 0.0006  # of small swings: to be measured, and by the slew
GIVEN_PU, SLOW_GIVEN_PU = 0.05, 0.1  # of an edge that is given ahead at a time
# Large steps are led in so many of the times until a slow converter begins to answer, or more: what is late harms, what
# is slow does not.
LARGE_LATES = 4.0
PAST_FRAMES = 4095  # that ext.shape looks back


@dataclass(frozen=True, slots=True)
class Shape:
    """gain: share of a swing taken, 0 or 1; prompt_pu: of it, what may pass the prompt filter, 0 or 1; the rest passes
    the late one. delay_s: effective delay of the loop; where it takes ramps alone, of what is not foreseen. at_once:
    the prompt filter is 1. ahead: else, the late one is careful, and takes what is foreseen from the start. wide: the
    late one itself where that has room to spare, or where there is no other. begin_pu: of gain, what the law begins
    with; below 1: nothing keeps the span; 0: it rests until a load of slow ramps or of small steps is seen."""

    delay_s: float
    gain: float
    prompt_pu: float
    at_once: bool
    prompt: Filter
    late: Filter
    wide: Filter
    ahead: bool = False
    begin_pu: float = 1.0
    owed_s: float = 0.0
    given_pu: float = GIVEN_PU
    lines_late_s: float = 0.0

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
            "owed_s": self.owed_s,
            "given_pu": self.given_pu,
            "lines_late_s": self.lines_late_s,
            "gain_max": self.gain,
            "prompt_pu": self.prompt_pu,
            "shape": {
                "frame_s": frame_s,
                "tap_frames": round(self.late.tap_s / frame_s),
                "wide_frames": round(self.wide.tap_s / frame_s),
                "at_once": int(self.at_once),
                "ahead": int(self.ahead or 0.0 < self.begin_pu < 1.0),
                "prompt_taps_pu": self.prompt.taps_pu,
                "prompt_lags_pu": self.prompt.lags_pu,
                "wide_taps_pu": self.wide.taps_pu,
                "wide_lags_pu": self.wide.lags_pu,
                "late_taps_pu": self.late.taps_pu,
                "late_lags_pu": self.late.lags_pu,
                "lags_s": self.wide.lags_s,
            },
        }


LATE, PROMPT = Limits(10 ** (0.38 / 20), 3.0, 0.97), Limits(10 ** (-0.4 / 20), 2.7, 1.145)
LATE_BUSY_HARM = 10 ** (0.25 / 20)  # of a wire on which edges differ in how late they are answered
SLOW_LAGS_S = 0.5, 0.6, 0.7  # of the filters of a slow wire
# So long after an edge no more than this of it is left by a fading filter: whoever looks at ten seconds without an edge
# sees that alone, and 5 % of an edge are allowed there (M6).
GONE_S, GONE_PU, BACK_PU = 3.7, 0.035, 0.02
FADING_S = np.arange(0.0, 12.0, 0.05)  # after an edge
FADING_MIXES = np.linspace(0.0, pi, 181)
FADING_HARM, FADING_STEP = 10 ** (0.45 / 20), 0.02  # of a fading one
# What is kept free below that: the step of its ramp that a read holds back for an exchange; and a standard error of so
# many edges, no more of which may come while someone measures.
FADING_EDGES = 6
STEADY_S_MAX = 0.005  # exchange of a wire that leaves the delay nearly the same for every step
BEGIN_PU = 0.05  # of that filter: widens the span of steps by 4.5 % at most
LATEST = 1.2  # times the delay of what is not foreseen: so late a slow ramp may be
RAMPS_S_MAX = 0.055  # so late a loop is below the load up to 3 Hz
SMALL = Limits(10 ** (0.1 / 20), LATE.price, last=0.82)
# Of small steps, so it may lead them more; beside a CT's offset, at 50 Hz, a load is told worse.
WIDE = Limits(10 ** (0.5 / 20), LATE.price, last=0.75, last_hz=47.0, rounds=3000, step=2.0, errors=2.7)
# Of a fast wire, on which only a long lag is so late: led by five and more, the slew makes the loop 1.3 of what it
# should be near 45 Hz.
WIDE_FAST = replace(WIDE, last=0.6, last_hz=40.0, step=STEP_MAX)
# Of a small step from tap to tap, and the same over a power of the lead: more overdrive is mostly the slew's noise.
WIDE_TURN, WIDE_LED_TURN, WIDE_LED_POWER = 0.75, 2.2, 1.4
# The same of a slow wire: what folds there, and the reads of the wire, are noise to whoever measures E; what is left of
# 0.5 dB for that grows with what the reads delay. Much less than 0.2 dB leaves no filter that helps.
LATE_WIDE_DB, LATE_WIDE_DB_MIN, READS_DB, LATE_WIDE_FOLD = 0.345, 0.175, 0.7, 0.12
FOLD_SHARE, FOLD_SHARE_MAX = 0.4, 0.55  # of the rate of exchanges: up to there what folds is looked at


@dataclass(frozen=True, slots=True)
class _Careful:
    """A late filter that stays below the load, at a cost of so many dB more of what LATE leaves at most; made for edges
    that are later by so much of Times.edge_s, with so much of a turn, led, at most."""

    costs_db: float
    later: float
    led_turn: float = inf


# The short one where all may pass at once, of which more is left half-way then, or the lag is short: an edge that the
# rating does not let be led is late by most of it.
CAREFUL, CAREFUL_SHORT, CAREFUL_LAG_S = _Careful(6.0, 1.4, 0.9), _Careful(1.0, 1.0), 0.008
CAREFUL_HARM = 10 ** (-0.4 / 20)
CAREFUL_LEFT_MAX = 0.02  # of edges


def shape_of(**times: float) -> Shape:
    """For a loop with these times, see times_of."""
    return _shape(times_of(**times))


def delay_of(**times: float) -> float:
    """Effective delay of such a loop that answers at once, s."""
    return times_of(**times).delay_s


@lru_cache(maxsize=64)
def _shape(times: Times) -> Shape:
    if times.delay_s >= LATE_S_MAX:
        return _slow(times)
    at_once = abs(1.0 - np.exp(-2j * pi * HARM_HZ * times.delay_s)) <= WHOLE_MAX
    short = at_once or times.lag_s < CAREFUL_LAG_S
    made, made_keeps, careful = _late(times, CAREFUL_SHORT if short else CAREFUL)
    all_at_once = whole(times.tap_s)
    if at_once:
        return Shape(times.delay_s, 1.0, 1.0, True, all_at_once, made, made, owed_s=times.delay_s)
    prompt, prompt_keeps = _for_edges(times, times.led_s, times.led_edge_s, PROMPT)
    if not made_keeps:
        return _slow(times)
    wide, wide_keeps = _wide(times, _wide_limits(times))
    if careful or not (wide_keeps and prompt_keeps):
        wide = made
    # What is given ahead keeps a slower wire from the edges themselves, and such a filter is at its limits.
    owed_s = prompt.owed_s(times.led_s) if times.period_s <= STEADY_S_MAX else 0.0
    return Shape(times.delay_s, 1.0, float(prompt_keeps), False, prompt, made, wide, careful, owed_s=owed_s)


def _slow(times: Times) -> Shape:
    """Of a loop that keeps no span: of a steady one the filter for small swings, begun with a little; else all of slow
    ramps and nothing of edges (runtime.ramps), or rest."""
    tap_s = times.tap_s
    made, keeps = designed([late(times.small_s)], (), SMALL, times.turn_pu(tap_s), tap_s)
    if keeps and times.period_s <= STEADY_S_MAX:
        kept = Shape(times.delay_s, 1.0, 1.0, False, made, made, made, begin_pu=BEGIN_PU)
        return replace(kept, **_steps(times)) if times.large_s >= LARGE_LATES * times.answer_s else kept
    nothing, all_at_once = rest(tap_s), whole(tap_s)
    if LATEST * times.busy_s > RAMPS_S_MAX:
        return Shape(times.delay_s, 0.0, 1.0, True, all_at_once, nothing, nothing)
    slow_wire = times.period_s * HARM_HZ >= 0.5
    fading = _fading(times) if slow_wire else nothing
    limits, lags_s = (_late_wide(times), SLOW_LAGS_S) if slow_wire else (_wide_limits(times), LAGS_S)
    wide, helps = _wide(times, limits, lags_s)
    shape = Shape(times.busy_s, 1.0, 1.0, False, all_at_once, fading, wide if helps else fading, begin_pu=0.0)
    return replace(shape, lines_late_s=_lines_late_s(times)) if slow_wire else shape


def _steps(times: Times) -> dict[str, Any]:
    """What a slow converter does with large steps: as if its lead were the longer one, a share at once and the rest
    through a lag of that; and what is given ahead."""
    at_once = times.lead_s / times.large_s
    lags_s = np.array([0.0, *LAGS_S])
    mixed = [(1.0 - at_once) * np.interp(times.large_s, lags_s, one) for one in np.eye(lags_s.size)]
    large = Filter(times.tap_s, (float(at_once + mixed[0]), *NO_TAPS[1:]), tuple(map(float, mixed[1:])))
    return {"prompt": large, "owed_s": times.slow_s + times.large_s, "given_pu": SLOW_GIVEN_PU}


def _fading(times: Times) -> Filter:
    """Of a slow wire, for large steps that are seldom: so slow that its lateness harms little, and gone before the next
    one comes, so that the battery is where it was; three lags that add up to nothing, in the mix that leaves least, as
    much of it as keeps what is left of 0.5 dB for the measurement."""
    lags_s = np.array(SLOW_LAGS_S)
    loop = _told(times, SMALL_LATE_S[-1])
    answer = loop[:, None] / (1.0 + 1j * np.outer(OMEGA, lags_s))
    reads = times.period_s**2 * OMEGA * abs(loop)
    folds = folded(loop, times.tap_s, SLOW_LAGS_S, 1.0 / times.period_s)[..., TAPS:]
    after = 1.0 - np.exp(-FADING_S[:, None] / lags_s)
    best, least = np.zeros(lags_s.size), 1.0
    for mix in FADING_MIXES:
        shares = np.cos(mix) * np.array([1.0, -1.0, 0.0]) + np.sin(mix) * np.array([0.0, 1.0, -1.0])
        shares *= _fades(after @ shares)
        errors = np.sqrt(np.square(abs(folds @ shares)).sum(axis=0) / (2 * FADING_EDGES))
        shares *= _harmless(answer @ shares, errors + reads * abs(shares @ (1.0 / lags_s)))
        left = float(BAND_W @ abs(1.0 - answer @ shares) ** 2)
        if left < least:
            best, least = shares, left
    return Filter(times.tap_s, NO_TAPS, tuple(best.tolist()), SLOW_LAGS_S)


def _fades(way: Column) -> float:
    """The most of that way of the battery after an edge, at FADING_S, that is gone in time, and no more than an edge;
    0: it comes back by too far."""
    way = way / (most := way[abs(way).argmax()])
    gone = way[FADING_S >= GONE_S]
    over = (max(gone.max(), 0.0) - min(gone.min(), 0.0)) / GONE_PU
    return 0.0 if way.min() < -BACK_PU else float(1.0 / (most * max(over, 1.0)))


def _harmless(taken: Answer, scatter: Column) -> float:
    """The most of what is taken of HZ that harms none. scatter: of all of it."""
    band = HZ <= HARM_HZ
    shares = np.arange(1.0, 0.0, -FADING_STEP)
    return float(
        next((pu for pu in shares if (abs(1.0 - pu * taken) + pu * scatter)[band].max() <= FADING_HARM), 0.0)
    )


def _lines_late_s(times: Times) -> float:
    """How late the loop is for slow swings: slope of its turn at none."""
    low = int(abs(HZ - OWED_HZ).argmin())
    return float(-np.angle(_told(replace(times, reads_s=0.0), 0.0)[low]) / OMEGA[low])


def _wide_limits(times: Times) -> Limits:
    """Of the wide filter of a wire that is not slow."""
    return WIDE if times.period_s > STEADY_S_MAX else WIDE_FAST


def _late_wide(times: Times) -> Limits:
    """Of the wide filter of a slow wire."""
    harm_db = max(LATE_WIDE_DB - READS_DB * times.reads_s / times.period_s, LATE_WIDE_DB_MIN)
    fold_hz = min(max(BAND_HZ, FOLD_SHARE / times.period_s), FOLD_SHARE_MAX / times.period_s)
    return Limits(10 ** (harm_db / 20), LATE.price, fold=LATE_WIDE_FOLD, fold_hz=fold_hz, rounds=3000)


def _late(times: Times, how: _Careful) -> tuple[Filter, bool, bool]:
    """The late filter, whether it does what it was made for, and whether it is careful."""
    harm = LATE.harm if times.period_s <= STEADY_S_MAX else LATE_BUSY_HARM
    made, keeps = _for_edges(times, times.busy_s, times.edge_s, replace(LATE, harm=harm))
    loop = late(times.busy_s + times.edge_s)
    bare = float(BAND_W @ made.left(loop) ** 2)
    limits = replace(LATE, harm=CAREFUL_HARM)
    found, found_keeps = _for_edges(
        times, times.busy_s, how.later * times.edge_s, limits, how.led_turn / times.lead
    )
    most = min(10 ** (how.costs_db / 10) * bare, CAREFUL_LEFT_MAX)
    if found_keeps and BAND_W @ found.left(loop) ** 2 <= most:
        return found, True, True
    return made, keeps, False


def _for_edges(
    times: Times, late_s: float, edge_s: float, limits: Limits, turn_pu: float = STEP_MAX
) -> tuple[Filter, bool]:
    """The best for that delay, and for edges that come edge_s later, and whether it does what it was made for."""
    lates_s = sorted({round(late_s, 7), round(late_s + edge_s, 7)})
    turn_pu = min(times.turn_pu(times.tap_s), turn_pu)
    return designed([late(s) for s in lates_s], lates_s, limits, turn_pu, times.tap_s)


def _wide(times: Times, limits: Limits, lags_s: tuple[float, ...] = LAGS_S) -> tuple[Filter, bool]:
    """The best for small swings while the wire is never free, and whether it does what it was made for."""
    tap_frames = round(max(times.period_s / WIDE_TAPS, TAP_S) / times.frame_s)
    tap_frames = min(max(tap_frames, 1), PAST_FRAMES // (TAPS - 1))
    tap_s = tap_frames * times.frame_s
    period_s = max(times.period_s, times.frame_s)
    loops = [_told(times, more_s) for more_s in SMALL_LATE_S]
    turn_pu = min(times.turn_pu(tap_s), WIDE_TURN, WIDE_LED_TURN / times.lead**WIDE_LED_POWER)
    return designed(loops, (), limits, turn_pu, tap_s, 1.0 / period_s, lags_s)


def _told(times: Times, more_s: float) -> Answer:
    """Of a loop that is told something new with every exchange, small swings that come so much later."""
    dead_s = times.frame_s + times.dead_s + times.reads_s + more_s
    period_s = max(times.period_s, times.frame_s)
    return told(dead_s, period_s, times.lag_s, max(times.lead_s, times.frame_s))

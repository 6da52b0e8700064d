"""Goal: what a late loop answers makes no frequency worse, or it rests. Method: the design against formulas of its own.

Loops here have no wire and no lag: their delay is dead time, through the shape too.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from controller.runtime.filters import LAGS_S, STEP_MAX, TAPS
from controller.runtime.filters import late as lately
from controller.runtime.shape import (
    BEGIN_PU,
    LATE_S_MAX,
    STEADY_S_MAX,
    Shape,
    shape_of,
)
from controller.runtime.times import times_of

FAST_MS = 3.533  # 2 asin(10^(0.45 / 20) / 2) / (2 pi 50 Hz) by hand
HZ = np.concatenate([np.geomspace(0.1, 3.0, 30), np.arange(3.0, 50.01, 0.1)])


@cache
def shape(delay_ms: float, slew_kw_per_s: float = 0.0) -> Shape:
    """Of a loop with this dead time, one frame included."""
    return shape_of(frame_s=1e-4, dead_s=1e-3 * delay_ms - 1e-4, period_s=0.0, lag_s=0.0, slew_kw_per_s=slew_kw_per_s,
                    rating_kw=2000.0)  # fmt: skip


def step_answer(found: Shape, late_ms: float, fine_s: np.ndarray) -> np.ndarray:
    """Battery power after a unit step at 0, that late."""
    t_s = fine_s - 1e-3 * late_ms
    taps = sum((t_s >= 1e-3 * k - 1e-9) * share for k, share in enumerate(found.late.taps_pu))
    slow = sum(
        share * (1 - np.exp(-np.maximum(t_s, 0.0) / lag_s))
        for lag_s, share in zip(LAGS_S, found.late.lags_pu, strict=True)
    )
    answer: np.ndarray = taps + slow
    return answer


@pytest.mark.parametrize(
    ("delay_ms", "at_once"), [(0.5, True), (FAST_MS - 0.01, True), (FAST_MS + 0.01, False)]
)
def test_a_fast_loop_answers_at_once(delay_ms: float, at_once: bool) -> None:
    """To the hundredth of a millisecond where 50 Hz would be 0.45 dB worse."""
    found = shape(delay_ms)
    assert (found.gain, found.prompt_pu, found.at_once) == (1.0, 1.0, at_once)
    assert (found.prompt.taps_pu[0] == 1.0 and not any(found.prompt.taps_pu[1:])) == at_once
    assert found.delay_s == pytest.approx(1e-3 * delay_ms)


@pytest.mark.parametrize(("period_s", "rests"), [(STEADY_S_MAX, False), (STEADY_S_MAX + 1e-6, True)])
def test_from_ten_milliseconds_on_a_loop_begins_with_a_little_or_rests(period_s: float, rests: bool) -> None:
    """No share leaves the 20 ms mean of the grid within that of the load: a twentieth of the wide filter widens it by
    5 % at most, which is what the law begins with; where the wait for the wire scatters the delay it rests."""
    found = shape_of(
        frame_s=1e-4, dead_s=LATE_S_MAX, period_s=period_s, lag_s=0.0, slew_kw_per_s=0.0, rating_kw=2000.0
    )
    assert found.gain == 1.0
    assert (found.begin_pu == 0.0 and not any(found.late.taps_pu) and found.prompt.taps_pu[0] == 1.0) == rests
    if not rests:
        late_s = 1e-4 + LATE_S_MAX + 0.75 * period_s
        assert (found.begin_pu, found.prompt_pu, found.wide_pu) == (BEGIN_PU, 1.0, 0.0)
        assert found.prompt is found.late
        assert found.late.span(late_s) > 1.0 and BEGIN_PU * (found.late.span(late_s) - 1.0) <= 0.05
        assert 20 * np.log10(found.late.left(lately(late_s))[:110].max()) <= 0.3


@pytest.mark.parametrize("slew_kw_per_s", [0.0, 400e3])
@pytest.mark.parametrize("delay_ms", [2.0, 3.6, 4.6, 5.4, 6.2, 7.0, 8.0, 9.0, 9.9])
def test_what_is_used_harms_nothing_and_helps(delay_ms: float, slew_kw_per_s: float) -> None:
    """At its delay, and 1.2 ms later where 400 kW/ms hold the largest edges back: 0.5 dB from 0.1 to 50 Hz, and the 20
    ms mean of the grid over steps both ways spans no more than the load's 1; in the time domain, at 0.1 ms."""
    found = shape(delay_ms, slew_kw_per_s)
    if found.begin_pu < 1.0:
        assert delay_ms > 8.0
        return
    fine_s = np.arange(0.0, 1.0, 1e-4)
    for late_ms in {delay_ms, delay_ms + (1.2 if slew_kw_per_s else 0.0)}:
        omega = 2 * np.pi * HZ
        left = abs(1 - found.late.answer(omega) * np.exp(-1e-3j * omega * late_ms))
        assert 20 * np.log10(left.max()) <= 0.5
        grid = 1.0 - step_answer(found, late_ms, fine_s)
        level = 0.5 * (1.0 - sum(found.late.taps_pu + found.late.lags_pu))
        run = np.concatenate([np.full(200, -level), grid - level])
        mean = np.convolve(run, np.full(200, 1 / 200), "valid")
        assert 2 * abs(mean).max() <= 1.02
    assert left[HZ <= 1.0].max() < 0.71  # half of the energy


def test_a_loop_that_is_late_through_its_filter_alone_takes_ramps_alone() -> None:
    """8 ms at once, but exchanges of 20 ms make it 18 ms late through the filter: nothing keeps the span and helps."""
    found = shape_of(
        frame_s=1e-4, dead_s=0.0029, period_s=0.020, lag_s=0.0, slew_kw_per_s=0.0, rating_kw=2000.0
    )
    assert (found.delay_s, found.gain, found.begin_pu) == (pytest.approx(0.018), 1.0, 0.0)


@pytest.mark.parametrize("delay_ms", [4.6, 6.9])
def test_what_is_prompt_takes_more_and_keeps_a_margin(delay_ms: float) -> None:
    """The prompt filter is for the loop as it is while the preview is right: no frequency up to 50 Hz is worse when a
    twentieth of the exchange and 0.35 of the lag are left, and 1.2 ms later, steps may span 1.2 of their own; of the
    energy of edges it leaves less than half of what the late one does in a loop of 6 ms of exchange and 10 ms of lag,
    where that one has 2.5 ms more to bridge."""
    waits = {"period_s": 0.006, "lag_s": 0.010, "slew_kw_per_s": 400e3, "rating_kw": 2000.0}
    found = shape_of(frame_s=1e-4, dead_s=1e-3 * delay_ms - 0.0041, **waits)
    assert found.delay_s == pytest.approx(1e-3 * delay_ms)
    omega = 2 * np.pi * HZ
    led_s = 1e-3 * delay_ms - 0.0040 + 0.05 * 0.006 + 0.35 * 0.010
    for late_s in (led_s, led_s + 0.0012):
        assert 20 * np.log10(abs(1 - found.prompt.answer(omega) * np.exp(-1j * omega * late_s)).max()) < 0.0
        assert found.prompt.span(late_s) <= 1.2
    band = np.geomspace(0.1, 20.0, 2000)
    omega, weight = 2 * np.pi * band, np.gradient(band) / band**2
    prompt, late = (
        weight @ abs(1 - made.answer(omega) * np.exp(-1j * omega * late_s)) ** 2
        for made, late_s in ((found.prompt, found.delay_s), (found.late, found.delay_s + 0.0025))
    )
    assert prompt < 0.5 * late


@pytest.mark.parametrize(
    ("period_ms", "lag_ms", "share"),
    [
        (6.0, 0.0, 0.0),
        (6.0, 2.0, 0.0),
        (6.0, 4.789, 0.0),
        (6.0, 10.0, 1.0),
        (6.0, 9.898, 1.0),
        (2.4, 10.0, 1.0),
        (6.0, 7.399, 0.5),
    ],
)
def test_what_is_foreseen_is_later_where_the_rating_has_not_the_lead(
    period_ms: float, lag_ms: float, share: float
) -> None:
    """By hand: a lead of one exchange asks 1 / (1 - exp(-X / T)) of a step: 1.4 at T = X / 1.2528, 2.2 at X / 0.6061,
    half way at 1.8. The largest edges are 0.6 x 2 ms later than the others where that is more than the rating has."""
    found = times_of(frame_s=1e-4, dead_s=0.0028, period_s=1e-3 * period_ms, lag_s=1e-3 * lag_ms, slew_kw_per_s=400e3,
                     rating_kw=2000.0)  # fmt: skip
    assert found.led_edge_s == pytest.approx(0.0012 * share, abs=2e-6)


@pytest.mark.parametrize(
    ("lag_s", "edges", "ahead"),
    [(0.005, 1.0, False), (0.0079, 1.0, True), (0.008, 1.4, True), (0.0115, 1.4, True), (0.012, None, False)],
)
def test_a_late_filter_is_careful_where_that_is_cheap(lag_s: float, edges: float | None, ahead: bool) -> None:
    """The reference link: at 10 ms of lag the late filter is for 5.3 and 7.0 ms, edges that are later by 1.4 of what
    the slew delays them, and leaves 0.4 dB less than the load up to 50 Hz, so it is fed ahead; from 12 ms on that costs
    too much of what it is for. A short lag needs less; where all may pass at once, no other is made for small steps."""
    found = shape_of(
        frame_s=1e-4, dead_s=0.0014, period_s=0.0024, lag_s=lag_s, slew_kw_per_s=400e3, rating_kw=2000.0
    )
    late_s = 1e-4 + 0.0014 + 0.75 * 0.0024 + 0.2 * lag_s + (edges or 1.0) * 0.0012
    left = abs(1 - found.late.answer(2 * np.pi * HZ) * np.exp(-2j * np.pi * HZ * late_s))
    assert (found.ahead, found.at_once) == (ahead, lag_s == 0.005)
    if edges is None:
        assert 0.3 < 20 * np.log10(left.max()) < 0.5
    else:
        assert 20 * np.log10(left.max()) == pytest.approx(-0.4, abs=0.05)
        assert found.wide is found.late


def test_a_careful_filter_turns_no_faster_than_the_slew_follows_led() -> None:
    """0.9 of a step from tap to tap over what the lead makes of it, at 10 ms of lag 0.9 / 4.7; 3 % is the solver's."""
    times = {"frame_s": 1e-4, "dead_s": 0.0014, "period_s": 0.0024, "lag_s": 0.01, "slew_kw_per_s": 400e3}
    led = 1.0 / (1.0 - np.exp(-0.0024 / 0.01))
    turns = np.abs(shape_of(**times, rating_kw=2000.0).late.taps_pu[1:])
    assert turns.max() <= 1.03 * 0.9 / led < 0.25


def test_the_answer_at_a_frequency_is_the_one_of_the_filter() -> None:
    """H at 7 Hz against the filter run on a sine, 0.1 ms a step."""
    found = shape(5.0)
    t_s = np.arange(0.0, 3.0, 1e-4)
    wave = np.exp(2j * np.pi * 7.0 * t_s)
    out = sum(
        share * np.concatenate([np.zeros(10 * k), wave[: wave.size - 10 * k]])
        for k, share in enumerate(found.late.taps_pu)
    )
    for lag_s, share in zip(LAGS_S, found.late.lags_pu, strict=True):
        part, held, path = 1e-4 / (lag_s + 1e-4), 0j, np.empty_like(wave)
        for k, value in enumerate(wave):
            held += (value - held) * part
            path[k] = held
        out = out + share * path
    assert (out / wave)[-1] == pytest.approx(found.late.answer(np.array([2 * np.pi * 7.0]))[0], abs=0.01)


def test_a_command_turns_no_faster_than_the_converters_slew() -> None:
    """400 kW/ms and steps of 1600 kW: a quarter of the step from one tap to the next, after the first."""
    found = shape(4.6, 400e3)
    assert max(map(abs, found.late.taps_pu[1:])) == pytest.approx(0.25, abs=0.01)
    answer = step_answer(found, 0.0, 1e-3 * np.arange(200))
    assert abs(answer).max() <= STEP_MAX + 0.02
    assert len(found.late.taps_pu) == TAPS


def test_less_is_left_than_by_any_plain_share() -> None:
    """5 ms late, a plain answer harms 50 Hz from a share of 0.9 on and a smaller one leaves (1 - share)^2: the shape
    leaves less than a hundredth of the energy of edges between 0.1 and 20 Hz."""
    found = shape(5.0)
    band = np.geomspace(0.1, 20.0, 2000)
    omega = 2 * np.pi * band
    weight = np.gradient(band) / band**2
    left = abs(1 - found.late.answer(omega) * np.exp(-5e-3j * omega)) ** 2
    assert 10 * np.log10((weight @ left) / weight.sum()) < -20.0


@pytest.mark.parametrize("lag_s", [0.03, 0.05])
def test_a_slow_converters_filter_is_below_the_load_where_it_is_led_most(lag_s: float) -> None:
    """36 to 50 Hz: 1.4 dB below at least; 0.2 dB above at most elsewhere."""
    found = shape_of(
        frame_s=1e-4, dead_s=0.0014, period_s=0.0024, lag_s=lag_s, slew_kw_per_s=400e3, rating_kw=2000.0
    )
    late_s = 1e-4 + 0.0014 + 0.75 * 0.0024 + 0.08 * lag_s
    left = abs(1 - found.late.answer(2 * np.pi * HZ) * np.exp(-2j * np.pi * HZ * late_s))
    assert found.begin_pu == BEGIN_PU
    assert 20 * np.log10(left[HZ > 36.5].max()) < -1.35
    assert 20 * np.log10(left.max()) < 0.25


@pytest.mark.parametrize(("dead_ms", "for_steps"), [(4.949, True), (4.951, False)])
def test_a_slow_lag_is_led_less_for_large_steps(dead_ms: float, for_steps: bool) -> None:
    """25 ms, of 50 ms of lag, of which 7.5 ms are the lead's: 0.3 at once, the rest through a lag of 25 ms, between
    those of 8 and 32 ms; and what steps owe is given ahead, a tenth of them at a time. Where a converter begins to
    answer within a quarter of that, 6.25 ms, to the thousandth of a millisecond: a frame, the dead time, half of an
    exchange; else one filter does for all."""
    found = shape_of(
        frame_s=1e-4,
        dead_s=1e-3 * dead_ms,
        period_s=0.0024,
        lag_s=0.05,
        slew_kw_per_s=0.0,
        rating_kw=2000.0,
    )
    assert found.begin_pu == BEGIN_PU
    assert (found.prompt is not found.late) == for_steps
    if for_steps:
        assert (found.prompt.taps_pu[0], sum(found.prompt.taps_pu)) == pytest.approx((0.3, 0.3))
        assert found.prompt.lags_pu == pytest.approx((0.7 * 7 / 24, 0.7 * 17 / 24, 0.0))
        assert (found.owed_s, found.given_pu) == (pytest.approx(0.0251 + 1e-3 * dead_ms), 0.1)
    else:
        assert (found.owed_s, found.given_pu) == (0.0, 0.05)


@pytest.mark.parametrize("rate_hz", [2_000, 10_000, 20_000])
@pytest.mark.parametrize("period_ms", [0.2, 2.4, 6.0, 27.4])
def test_no_tap_lies_before_what_the_frame_keeps(rate_hz: int, period_ms: float) -> None:
    """4095 frames: 0.2 s at 20 kHz, so that the taps of the slowest wire lie closer there; and all help."""
    found = shape_of(frame_s=1.0 / rate_hz, dead_s=0.0144 if period_ms > 6.0 else 0.0028, period_s=1e-3 * period_ms,
                     lag_s=0.01, slew_kw_per_s=400e3, rating_kw=2000.0)  # fmt: skip
    fields = found.fields(1.0 / rate_hz)["shape"]
    assert 1 <= fields["tap_frames"] <= 4095 // 23
    assert 1 <= fields["wide_frames"] <= 4095 // 23
    assert found.wide_pu == 1.0 or period_ms < 6.0


def test_the_wide_filter_takes_far_more_where_the_span_need_not_be_kept() -> None:
    """A third of what the late one leaves of the energy of edges; that one keeps the span, the wide one does not."""
    found = shape_of(
        frame_s=1e-4, dead_s=0.0028, period_s=0.006, lag_s=0.01, slew_kw_per_s=400e3, rating_kw=2000.0
    )
    omega, late_s = 2 * np.pi * HZ, 0.0029 + 0.75 * 0.006 + 0.2 * 0.01
    weight = np.where(HZ <= 20.0, np.gradient(HZ) / HZ**2, 0.0)
    wide, late = (
        weight @ abs(1 - made.answer(omega) * np.exp(-1j * omega * late_s)) ** 2
        for made in (found.wide, found.late)
    )
    assert wide < late / 3
    assert found.span(-1.0, late_s) > 1.1 > 1.0 >= found.span(0.0, late_s)


def test_the_shares_of_the_filters_add_up() -> None:
    """From the wide one at -1 past the late one at 0 to the prompt one at 1."""
    found = shape(8.0, 400e3)
    for share, parts in ((-1.0, (0, 1, 0)), (-0.25, (0, 0.25, 0.75)), (0.0, (0, 0, 1)), (0.4, (0.4, 0, 0.6))):
        assert found.parts(share) == pytest.approx(parts)

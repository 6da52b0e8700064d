"""Goal: a loop too late for edges takes slow ramps, or small steps, and nothing else. Method: powers made here."""

from __future__ import annotations

import numpy as np
import pytest

from controller.image import Frame
from controller.runtime.choice import LINES_HZ
from controller.runtime.harm import CALM, HARM_AGAIN, Harm
from controller.runtime.ramps import (
    AGAIN_S,
    ALL,
    BEGIN_STEP_PU,
    FALL_PER_S,
    RISE_PER_S,
    SHY_S,
    SOON_S,
    STEP_PU,
    WARM_S,
    WIDE,
    WIDER_MAX,
    WIDER_ONCE_MAX,
    Ramps,
    Trial,
)
from controller.runtime.shape import Shape, shape_of
from controller.runtime.spans import RATE_HZ, SPAN_S
from tests.unit.runtime.test_harm import FAST, LATE

RATING_KW = 2000.0
CYCLE_S = 0.1


def shape(delay_ms: float = 20.0) -> Shape:
    """Of a loop whose delay is all dead time, on a wire that scatters it."""
    return shape_of(
        frame_s=1e-4, dead_s=1e-3 * delay_ms - 0.0151, period_s=0.02, lag_s=0.0, slew_kw_per_s=0.0,
        rating_kw=RATING_KW,
    )  # fmt: skip


def bare_shape() -> Shape:
    """Of a loop that is too late for a wide filter."""
    return shape_of(
        frame_s=1e-4, dead_s=0.037, period_s=0.009, lag_s=0.0, slew_kw_per_s=0.0, rating_kw=RATING_KW,
        reads_s=0.004,
    )  # fmt: skip


def run(ramps: Ramps, load_kw: np.ndarray, grid_share: float = 1.0) -> list[float]:
    """Gains, one a cycle; the grid keeps that share of the load."""
    gains = []
    for part in np.array_split(load_kw, round(load_kw.size / (RATE_HZ * CYCLE_S))):
        ramps.take(np.array([part, grid_share * part]), Frame(gain=ramps.gain, prompt_pu=1.0))
        ramps.judge(Frame(gain=ramps.gain, prompt_pu=1.0), CYCLE_S)
        gains.append(ramps.gain)
    return gains


def sine(hz: float, seconds: float, kw: float = 500.0) -> np.ndarray:
    """A load of one line."""
    return 3000.0 + kw * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


@pytest.mark.parametrize(("delay_ms", "rests"), [(45.83, False), (45.84, True)])
def test_a_loop_that_is_late_for_3_hz_rests_for_good(delay_ms: float, rests: bool) -> None:
    """To the hundredth of a millisecond: 6 x 3 Hz x 1.2 x 45.83 ms is nearly one."""
    found = shape(delay_ms)
    assert rests or found.delay_s == pytest.approx(1e-3 * delay_ms)
    assert (found.gain, found.begin_pu, found.at_once) == ((0.0, 1.0, True) if rests else (1.0, 0.0, False))
    assert found.prompt.taps_pu[0] == 1.0 and not any(found.prompt.taps_pu[1:] + found.prompt.lags_pu)


@pytest.mark.parametrize(("hz", "takes"), [(0.5, True), (3.5, True), (12.0, False)])
def test_slow_motions_are_taken_after_a_while_and_fast_ones_never(hz: float, takes: bool) -> None:
    """24 ms late at most: harmless by far up to 6 Hz. Nothing for WARM_S, then all of it at RISE_PER_S."""
    ramps = Ramps(RATING_KW, shape())
    gains = run(ramps, sine(hz, 60.0))
    begun = round((10.0 + WARM_S) / CYCLE_S)  # the spans are known after 10 s
    assert max(gains[: begun - 12]) == 0.0
    assert gains[-1] == (1.0 if takes else 0.0)
    if takes:
        assert max(np.diff(gains)) == pytest.approx(RISE_PER_S * CYCLE_S)


def test_a_load_that_hardly_moves_is_no_cause_to_begin() -> None:
    """It spans less than a tenth of the rating."""
    assert run(Ramps(RATING_KW, shape()), sine(0.5, 60.0, kw=99.0))[-1] == 0.0


def test_what_begins_to_step_is_left_at_once() -> None:
    """All is taken of a slow load; squares come: within 6 s nothing is taken any more, and while they last."""
    ramps = Ramps(RATING_KW, shape())
    assert run(ramps, sine(0.5, 60.0))[-1] == 1.0
    t_s = np.arange(round(30.0 * RATE_HZ)) / RATE_HZ
    gains = run(ramps, 3000.0 + 800.0 * np.sign(np.sin(np.pi * t_s)))
    assert max(gains[round(6.0 / CYCLE_S) :]) == 0.0
    assert min(np.diff(gains)) == pytest.approx(-FALL_PER_S * CYCLE_S)


@pytest.mark.parametrize(("times", "aim"), [(CALM, 1.0), (CALM + 1e-9, 0.0), (1.0, 0.0), (1.0 + 1e-9, 0.0)])
@pytest.mark.parametrize("now", [0.0, 1.0])
def test_it_begins_far_from_harm_and_ends_before_it(times: float, aim: float, now: float) -> None:
    """At the exact edges: begun at CALM of the load, ended above the load; between them it stays as it is."""
    ramps = Ramps(RATING_KW, shape())
    ramps._late = np.full(LINES_HZ.size, times)
    ramps._square[:], ramps._moving_s, ramps._aim = 1e9, 100.0, (now, 1.0)
    ramps._seen.take((1000.0, 900.0))
    assert ramps._next() == (max(aim, now) if times <= 1.0 else 0.0, ALL)


@pytest.mark.parametrize(("widened", "shy"), [(WIDER_MAX, False), (WIDER_MAX + 1e-9, True)])
def test_where_the_grid_spans_more_it_is_left_for_long(widened: float, shy: bool) -> None:
    """The times may be wrong: what is seen decides, to the edge."""
    ramps = Ramps(RATING_KW, shape())
    ramps._moving_s, ramps._aim = 100.0, (1.0, ALL)

    def aim(widened: float) -> float:
        ramps._seen.take((1000.0, 900.0))
        ramps._seen.once = widened
        ramps._aim = ramps._next()
        assert ramps._aim[1] == ALL
        return ramps._aim[0]

    assert aim(widened) == (0.0 if shy else 1.0)
    ramps._moving_s += SHY_S - 1.0
    assert aim(-0.1) == (0.0 if shy else 1.0)
    ramps._moving_s += 1.0
    assert aim(-0.1) == 1.0


def test_what_is_forgotten_is_no_cause_to_take_more() -> None:
    """After a gap of the samples, or another loop, nothing is aimed at before WARM_S of a load that moves."""
    ramps = Ramps(RATING_KW, shape())
    assert (ramps.gain, ramps.prompt_pu) == (0.0, 1.0)
    ramps.gain, ramps._aim, ramps._moving_s = 0.1, (1.0, 1.0), 500.0
    ramps.reset()
    assert (ramps._aim, ramps._moving_s, ramps._due_s) == ((0.0, 1.0), 0.0, WARM_S)
    assert max(run(ramps, sine(0.5, 20.0))[2:]) == 0.0


def test_after_a_loop_of_another_kind_it_begins_anew() -> None:
    """All of a slow load was taken; a fast loop came between: what was right then is not known to be right now."""
    ramps, fast = Ramps(RATING_KW, shape()), Harm(RATING_KW, FAST)
    assert run(ramps, sine(0.5, 60.0))[-1] == 1.0
    fast.follow(ramps)
    assert (fast.gain, fast.prompt_pu) == (1.0, 1.0)
    ramps.follow(fast)
    assert (ramps.gain, ramps._aim) == (0.0, (0.0, 1.0))


def test_a_line_that_comes_late_by_a_whole_period_is_harm_too() -> None:
    """41.7 Hz and 24 ms are one turn; half of that would double the line."""
    ramps = Ramps(RATING_KW, shape())
    assert min(ramps._late[LINES_HZ > 21.0]) == 2.0
    assert max(np.diff(ramps._late)) >= 0.0 and min(np.diff(ramps._late)) >= 0.0


def test_what_is_no_number_is_no_cause_to_begin() -> None:
    """One of them in the samples, and a load of edges after it: forgotten, and nothing is taken."""
    ramps = Ramps(RATING_KW, shape())
    load_kw = sine(12.0, 60.0)
    load_kw[4000] = np.nan
    assert max(run(ramps, load_kw)) == 0.0


def squares(seconds: float, half_s: float = 1.0, kw: float = 800.0) -> np.ndarray:
    """A load of steps both ways."""
    t_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return 3000.0 + kw * np.sign(np.sin(np.pi * t_s / half_s))


def steps(seconds: float, seed: int = 1) -> np.ndarray:
    """Requests: six begin a second, each takes 100 kW for four seconds or so."""
    rng = np.random.default_rng(seed)
    load_kw = np.full(round(seconds * RATE_HZ), 2000.0)
    for start_s in rng.uniform(-20.0, seconds, round(6.0 * (seconds + 20.0))):
        first, last = (
            int(max(0.0, x) * RATE_HZ) for x in (start_s, start_s + rng.lognormal(np.log(4.0), 0.5))
        )
        load_kw[first:last] += 100.0
    return load_kw


def test_the_trial_is_what_steps_leave() -> None:
    """Squares that settle: the span of the filter's own formula; none before ten seconds are seen, or SOON_S."""
    made = LATE.late
    for late_s in (0.020, 0.030):
        trial = Trial(made, late_s)
        for n, part in enumerate(np.array_split(squares(20.0, half_s=1.5), 200)):
            trial.take(part, 1000.0)
            trial.judge(200.0)
            assert trial.foreseen.moves == (n >= 99)
            assert trial.soon.moves == (n >= round(SOON_S / CYCLE_S) - 1)
        assert trial.soon.once == pytest.approx(trial.foreseen.once, abs=1e-3)
        assert trial.foreseen.load_kw == pytest.approx(1600.0, rel=0.05)
        assert 1.0 + trial.foreseen.once == pytest.approx(made.span(late_s), abs=0.03)
    trial.take(np.empty(0), 1000.0)


def test_small_steps_are_taken_through_the_wide_filter() -> None:
    """Nothing until ten seconds are seen, and WARM_S of a load that moves after that; then all, at RISE_PER_S; of large
    steps nothing."""
    ramps = Ramps(RATING_KW, shape())
    gains = run(ramps, steps(60.0))
    assert max(gains[: round((10.0 + WARM_S) / CYCLE_S) - 12]) == 0.0
    assert (gains[-1], ramps.prompt_pu) == (1.0, WIDE)
    assert max(np.diff(gains)) == pytest.approx(RISE_PER_S * CYCLE_S)
    assert max(run(Ramps(RATING_KW, shape()), squares(60.0))) == 0.0


def test_a_site_whose_filter_does_not_help_takes_ramps_alone() -> None:
    """It is 45 ms late, and more for its reads: a wide one would leave more than half of the energy of edges."""
    found = bare_shape()
    assert (found.gain, found.begin_pu, found.wide_pu) == (1.0, 0.0, 0.0)
    ramps = Ramps(RATING_KW, found)
    assert max(run(ramps, steps(60.0))) == 0.0
    assert run(Ramps(RATING_KW, found), sine(0.5, 60.0))[-1] == 1.0


def test_from_one_way_to_the_other_it_goes_by_nothing() -> None:
    """Small steps become a slow load: the wide filter's share ends before all passes at once."""
    ramps = Ramps(RATING_KW, shape())
    run(ramps, steps(60.0))
    shares = [ramps.gain * ramps.prompt_pu]
    for n, part in enumerate(np.array_split(sine(0.5, 60.0), 600)):
        if n == 40:
            ramps._square[:] = 0.0  # long after the last step
        run(ramps, part)
        shares.append(ramps.gain * ramps.prompt_pu)
    assert (shares[0], shares[-1]) == (-1.0, 1.0)
    assert max(abs(np.diff(shares))) <= FALL_PER_S * CYCLE_S + 1e-9


def wide(moving_s: float = 100.0) -> Ramps:
    """The wide filter is taken, of a load of 12 Hz that spans more than what is left."""
    ramps = Ramps(RATING_KW, shape())
    ramps._late, ramps._square[:] = np.full(LINES_HZ.size, 2.0), 1e9
    ramps._moving_s, ramps._aim, ramps._fine_s = moving_s, (1.0, WIDE), WARM_S
    ramps._seen.take((1000.0, 700.0))
    return ramps


@pytest.mark.parametrize(("widened", "stays"), [(WIDER_ONCE_MAX, True), (WIDER_ONCE_MAX + 1e-9, False)])
def test_it_is_left_for_long_where_the_grid_once_spans_far_more(widened: float, stays: bool) -> None:
    """To the edge."""
    ramps = wide()
    ramps._seen.once = widened
    assert ramps._next() == (float(stays), WIDE)
    assert ramps._due_s == (WARM_S if stays else 100.0 + SHY_S)


def test_it_is_left_for_long_where_the_grid_spans_more_in_the_mean() -> None:
    """5 % more, after 30 % less in the mean: once that is 1 %; a small load counts for little in it, and what moves
    while the share is on its way for nothing."""
    ramps, seen_s = wide(), 0
    for _ in range(100):
        ramps._seen.take((1000.0, 700.0))
    for _ in range(20):
        ramps._seen.take((1000.0, 2000.0), counts=False)
        ramps._seen.take((1.0, 1.2))
        assert ramps._seen.mean == pytest.approx(-0.3, abs=0.01)
    ramps._seen.once = 0.05
    while ramps._next() == (1.0, WIDE):
        ramps._seen.take((1000.0, 1050.0))
        seen_s += 1
    assert ramps._seen.mean > WIDER_MAX
    assert 30 < seen_s < 60 and ramps._due_s == 100.0 + SHY_S


@pytest.mark.parametrize(("tried", "stays"), [(WIDER_ONCE_MAX, True), (WIDER_ONCE_MAX + 1e-9, False)])
def test_it_is_left_where_it_will_span_more(tried: float, stays: bool) -> None:
    """Before the grid does, however long it was well; and taken again once it has been well for WARM_S."""
    ramps = wide()
    for _ in range(100):
        ramps._trial.foreseen.take((1000.0, 700.0))
    ramps._trial.foreseen.grid_kw = 1201.0
    ramps._fine_s, ramps._trial.foreseen.once = 1000.0, tried
    assert ramps._next() == (float(stays), WIDE)
    ramps._aim, ramps._trial.foreseen.once = (float(stays), WIDE), -0.3
    if not stays:
        aims = [ramps._next()[0] for _ in range(round(WARM_S))]
        assert aims.index(1.0) == round(WARM_S) - 1


@pytest.mark.parametrize(("soon", "stays"), [(WIDER_ONCE_MAX, True), (WIDER_ONCE_MAX + 1e-9, False)])
def test_it_is_left_where_the_last_seconds_alone_would_span_more(soon: float, stays: bool) -> None:
    """Ten seconds still hold what was before."""
    ramps = wide()
    ramps._trial.foreseen.take((1000.0, 700.0))
    ramps._trial.soon.take((1000.0, 1201.0))
    ramps._trial.soon.once = soon
    assert ramps._next() == (float(stays), WIDE)


def test_steps_that_come_seldom_are_not_small() -> None:
    """A job of 6.9 s that is on for 4.8 s and off for 2.1: SOON_S hold one of its edges, ten seconds both."""
    on = (np.arange(round(90.0 * RATE_HZ)) / RATE_HZ) % 6.9 < 4.8
    assert max(run(Ramps(RATING_KW, shape()), np.where(on, 4600.0, 3000.0))) == 0.0


@pytest.mark.parametrize(
    ("kw", "stays", "fine_s"),
    [
        (BEGIN_STEP_PU * RATING_KW, True, WARM_S + 1.0),
        (BEGIN_STEP_PU * RATING_KW + 1.0, True, 0.0),
        (STEP_PU * RATING_KW, True, 0.0),
        (STEP_PU * RATING_KW + 1.0, False, WARM_S - AGAIN_S),
    ],
)
def test_one_large_step_ends_it(kw: float, stays: bool, fine_s: float) -> None:
    """Within two cycles, wherever their bounds lie; one that is nearly so is no cause to begin."""
    ramps = wide()
    ramps._trial.foreseen.take((1000.0, 700.0))
    for load_kw in np.split(np.repeat([2000.0, 2000.0 + kw], [500, 300]), 20):
        ramps._spans.take(np.array([load_kw, load_kw]))
    assert ramps._spans.step_kw(1.0) == pytest.approx(kw)
    assert ramps._next() == (float(stays), WIDE)
    assert ramps._fine_s == fine_s
    for load_kw in np.split(np.full(480, 2000.0 + kw), 12):
        ramps._spans.take(np.array([load_kw, load_kw]))
    assert ramps._spans.step_kw(1.0) == 0.0


def test_after_a_large_step_small_ones_must_be_so_for_long() -> None:
    """AGAIN_S of what a trial finds well, not WARM_S; a while that is not is none of them."""
    ramps, aims = wide(), []
    ramps._trial.foreseen.take((1000.0, 700.0))
    ramps._aim, ramps._fine_s = (0.0, WIDE), WARM_S - AGAIN_S
    for n in range(round(AGAIN_S) + 1):
        ramps._trial.foreseen.once = 2.0 if n == 7 else -0.3
        aims.append(ramps._next()[0])
    assert aims.index(1.0) == round(AGAIN_S)


def test_a_load_that_has_stood_still_may_come_back_as_another_one() -> None:
    """SPAN_S after ten seconds have shown nothing, not before; and then it takes WARM_S again."""
    ramps, aims = wide(), []
    ramps._trial.foreseen.take((1000.0, 700.0))
    for _ in range(2 * round(SPAN_S)):  # after a loss nothing is known at first
        ramps._seen.take(None)
        assert ramps._next() == (1.0, WIDE)
    ramps._fine_s = WARM_S
    for _ in range(100):
        ramps._spans.take(np.full((2, 40), 3000.0))
    for _ in range(round(SPAN_S) + 2):
        ramps._seen.take(None)
        aims.append(ramps._next()[0])
        ramps._aim = aims[-1], WIDE
    assert aims.index(0.0) == round(SPAN_S) - 1
    assert ramps._fine_s == 0.0


def test_a_loop_without_a_wide_filter_does_not_go_on_with_one() -> None:
    """A converter is lost, and those that are left have none: the share ends. With one it stays."""
    before, other = Ramps(RATING_KW, shape()), Ramps(RATING_KW, shape())
    run(before, steps(60.0))
    other.follow(before)
    assert (other.gain, other.prompt_pu, other._aim) == (1.0, WIDE, (1.0, WIDE))
    bare = Ramps(RATING_KW, bare_shape())
    bare.follow(before)
    assert (bare.gain, bare.prompt_pu, bare._aim) == (0.0, ALL, (0.0, ALL))


@pytest.mark.parametrize(("grid_kw", "begins"), [(899.9, True), (900.1, False)])
def test_what_wins_little_is_not_begun(grid_kw: float, begins: bool) -> None:
    """A trial that tells in each second less than WINS asks: never."""
    ramps = wide()
    ramps._aim, ramps._fine_s = (0.0, WIDE), 0.0
    for n in range(1, 100):
        ramps._trial.foreseen.take((1000.0, grid_kw))
        assert ramps._next() == (float(begins and n >= WARM_S), WIDE)


@pytest.mark.parametrize(("left", "stays"), [(HARM_AGAIN - 1e-6, True), (HARM_AGAIN + 1e-6, False)])
def test_a_line_that_is_harmed_ends_it_for_long(left: float, stays: bool) -> None:
    """All that the battery does comes from the load, so nothing of it may be chance."""
    ramps = wide()
    ramps._cross[:] = (1.0 - left) * ramps._square
    ramps._taken[:] = abs(ramps._cross) ** 2 / ramps._square
    assert ramps._next() == (float(stays), WIDE)
    assert ramps._due_s == (WARM_S if stays else 100.0 + SHY_S)


def test_a_wire_without_an_exchange_has_a_filter_too() -> None:
    """Dead time alone, so much that nothing keeps the span: no division by nothing on the way."""
    found = shape_of(
        frame_s=1e-4, dead_s=0.0449, period_s=0.0, lag_s=0.0, slew_kw_per_s=0.0, rating_kw=RATING_KW
    )
    assert (found.gain, found.begin_pu, found.prompt_pu) == (1.0, 0.0, 1.0)

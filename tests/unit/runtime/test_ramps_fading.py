"""Goal: seldom large steps pass a slow wire, so slowly that nothing is harmed, and gone before the next one comes.

Method: the filter by its own formula; powers made here."""

from __future__ import annotations

import numpy as np
import pytest

from controller.image import Frame
from controller.runtime.choice import LINES_HZ
from controller.runtime.filters import HARM_HZ, HZ, told
from controller.runtime.ramps import (
    ALL,
    FADES_FAR,
    FADES_HZ,
    FADES_MAX,
    FADES_SOON,
    FADING,
    FALL_PER_S,
    HELPS_MAX,
    LINES_FAR,
    LINES_MAX,
    LINES_PER_S,
    LINES_PU,
    LINGER_S,
    LIVELY_S,
    SELDOM_S,
    SHY_S,
    SLOW_S,
    WARM_S,
    WIDE,
    Ramps,
    Trial,
)
from controller.runtime.shape import SLOW_LAGS_S, shape_of
from controller.runtime.spans import RATE_HZ
from tests.unit.runtime.test_ramps import CYCLE_S, RATING_KW, bare_shape, run, shape, sine, squares, steps


@pytest.mark.parametrize(
    ("period_ms", "lag_ms"), [(10.0, 0.0), (14.2, 2.0), (14.2, 50.0), (27.4, 2.0), (27.4, 10.0)]
)
def test_a_fading_filter_is_gone_in_time_and_harms_little(period_ms: float, lag_ms: float) -> None:
    """After 3.7 s no more than 3.5 % of an edge is left, both ways together, and it never comes back by more than 2 %;
    of 0.45 dB nothing is passed; its lags add up to nothing. One of these limits it: it is as much as may be."""
    dead_s = 0.0005 * period_ms
    made = shape_of(
        frame_s=1e-4,
        dead_s=dead_s,
        period_s=1e-3 * period_ms,
        lag_s=1e-3 * lag_ms,
        slew_kw_per_s=0.0,
        rating_kw=RATING_KW,
    ).late
    lead_s = max(1e-3 * period_ms, 0.15e-3 * lag_ms)
    loop = told(dead_s + 1e-4 + 0.0006, 1e-3 * period_ms, 1e-3 * lag_ms, lead_s)
    harmed_db = 20 * np.log10(made.left(loop)[HZ <= HARM_HZ].max())
    assert 0.1 < harmed_db < 0.45
    assert made.lags_s == SLOW_LAGS_S and not any(made.taps_pu)
    assert sum(made.lags_pu) == pytest.approx(0.0, abs=1e-9)
    t_s = np.arange(0.0, 12.0, 0.01)
    way = sum(pu * -np.expm1(-t_s / lag_s) for pu, lag_s in zip(made.lags_pu, made.lags_s, strict=True))
    assert 0.1 < way.max() <= 1.0
    assert way.min() >= -0.02 * way.max() - 1e-9
    assert np.ptp([0.0, *way[t_s >= 3.7]]) <= 0.035 + 1e-9


def test_what_folds_leaves_less_of_a_fading_filter() -> None:
    """Near the rate of exchanges their steps fold into what is measured. A quick converter lets them pass, a slow one
    does not: 1.3 of its ramp may begin as steeply."""
    steep = []
    for lag_s in (0.002, 0.05):
        loop = {"frame_s": 1e-4, "dead_s": 0.014, "period_s": 0.0274, "lag_s": lag_s, "slew_kw_per_s": 0.0}
        made = shape_of(**loop, rating_kw=RATING_KW).late
        steep.append(sum(pu / lag_s for pu, lag_s in zip(made.lags_pu, made.lags_s, strict=True)))
    assert 0.3 < 1.3 * steep[0] < steep[1]


def test_a_faster_wire_has_none() -> None:
    """Below 10 ms of exchange: what it takes it takes otherwise, or rests."""
    assert not any(bare_shape().late.lags_pu) and not any(bare_shape().late.taps_pu)


def drops(seconds: float, every_s: float = 20.0, for_s: float = 5.0) -> np.ndarray:
    """A load of 4600 kW that falls to 2600 kW."""
    t_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return np.where(t_s % every_s < for_s, 2600.0, 4600.0)


def test_seldom_large_steps_are_taken_and_frequent_ones_are_not() -> None:
    """5 s each 20 s, once they have moved for WARM_S; each second, the battery is away when the next one comes."""
    ramps = Ramps(RATING_KW, shape())
    gains = run(ramps, drops(90.0))
    assert max(gains[: round((WARM_S + 10.0) / CYCLE_S) - 12]) == 0.0
    assert (gains[-1], ramps.prompt_pu) == (1.0, FADING)
    assert max(run(Ramps(RATING_KW, shape()), squares(60.0))) == 0.0


def fading(left: float = 0.5, more: float = 0.0) -> Ramps:
    """It is taken, of a load of 12 Hz; what its trial would leave, and by how much more it would span."""
    ramps = Ramps(RATING_KW, shape())
    ramps._late, ramps._square[:] = np.full(LINES_HZ.size, 2.0), 1e9
    ramps._moving_s, ramps._aim, ramps._fades_s = 100.0, (1.0, FADING), WARM_S
    ramps._seen.take((1000.0, 1000.0))
    assert ramps._fading is not None
    ramps._fading.foreseen.take((1000.0, 1000.0 * (1.0 + more)))
    ramps._fading._energy[:] = 1.0, left
    return ramps


@pytest.mark.parametrize(("once", "stays"), [(FADES_MAX, True), (FADES_MAX + 1e-9, False)])
def test_it_is_left_for_long_where_the_grid_spans_more(once: float, stays: bool) -> None:
    """To the edge; but not on the way out."""
    ramps = fading()
    ramps._seen.once = once
    assert ramps._next() == (float(stays), FADING)
    assert ramps._due_s == (WARM_S if stays else 100.0 + SHY_S)
    ramps._aim, ramps._due_s = (0.0, FADING), WARM_S
    ramps._next()
    assert ramps._due_s == WARM_S


@pytest.mark.parametrize(
    ("more", "left", "seconds"),
    [
        (FADES_MAX - 1e-6, HELPS_MAX, WARM_S + 1.0),
        (FADES_MAX + 1e-6, HELPS_MAX, WARM_S),
        (FADES_FAR - 1e-6, HELPS_MAX, WARM_S),
        (FADES_FAR + 1e-6, HELPS_MAX, 0.0),
        (0.0, HELPS_MAX + 1e-9, 0.0),
    ],
)
def test_a_trial_that_would_span_far_more_ends_it(more: float, left: float, seconds: float) -> None:
    """Or one that would leave more than is worth it; a little more is no cause to begin, nor to end."""
    ramps = fading(left, more)
    assert ramps._next() == (float(seconds > 0.0), FADING)
    assert ramps._fades_s == seconds


def test_slow_ramps_and_small_steps_come_first() -> None:
    """A wide filter that would be fine is taken in its place, and stays; of ramps all, at once."""
    ramps = fading()
    assert ramps._trial is not None
    ramps._trial.foreseen.take((1000.0, 700.0))
    ramps._fine_s = WARM_S
    assert ramps._next() == (1.0, WIDE)
    ramps._aim = 1.0, WIDE
    assert ramps._next() == (1.0, WIDE)
    ramps._square[:] = 0.0
    assert ramps._next() == (1.0, ALL)


def test_a_loop_that_fades_nothing_does_not_go_on_with_it() -> None:
    """A converter is lost, and those that are left are on a faster wire: the share ends. On one alike it stays, until
    its own trial tells."""
    before, other, bare = Ramps(RATING_KW, shape()), Ramps(RATING_KW, shape()), Ramps(RATING_KW, bare_shape())
    before.gain, before.prompt_pu, before._aim = 1.0, FADING, (1.0, FADING)
    other.follow(before)
    assert (other.gain, other.prompt_pu) == (1.0, FADING)
    bare.follow(before)
    assert (bare.gain, bare.prompt_pu, bare._aim) == (0.0, ALL, (0.0, ALL))


@pytest.mark.parametrize("hz", [0.2, 0.5, 1.0])
def test_what_a_trial_leaves_of_a_sine_is_what_its_filter_leaves(hz: float) -> None:
    """And all where nothing is known. In the mean of half a minute; of means of a tenth of a second."""
    made = shape().late
    trial = Trial(made, 0.0)
    assert trial.left == 1.0
    for part in np.array_split(sine(hz, 60.0), 600):
        trial.take(part, 3000.0)
    left = abs(1.0 - made.answer(np.array([2 * np.pi * hz]))[0]) ** 2
    assert trial.left == pytest.approx(left, rel=0.06)


def test_what_is_slow_is_no_part_of_it() -> None:
    """A load that goes on to another power within minutes: next to nothing of the energy of a sine of half a hertz."""
    made = shape().late
    moved = [Trial(made, 0.0), Trial(made, 0.0)]
    ramp_kw = np.linspace(0.0, 1000.0, round(60.0 * RATE_HZ))
    for trial, kw in zip(moved, (sine(0.5, 60.0), sine(0.5, 60.0) + ramp_kw), strict=True):
        for part in np.array_split(kw, 600):
            trial.take(part, 3000.0)
    assert moved[1].left == pytest.approx(moved[0].left, abs=0.02)
    assert 1.0 / (2 * np.pi * SLOW_S) == pytest.approx(0.1, rel=0.01)


def test_small_steps_are_still_taken_through_the_wide_filter() -> None:
    """Through all that judges, the frame's share as it is."""
    ramps = Ramps(RATING_KW, shape())
    for part in np.array_split(steps(60.0), 600):
        ramps.take(np.array([part, 0.7 * part]), Frame(gain=ramps.gain, prompt_pu=ramps.prompt_pu))
        ramps.judge(Frame(gain=ramps.gain, prompt_pu=ramps.prompt_pu), CYCLE_S)
    assert (ramps.gain, ramps.prompt_pu) == (1.0, WIDE)


def coming_back(period_s: float = 0.5) -> Ramps:
    """A load of large steps that come back so soon; in a second its lines will have been known for WARM_S."""
    ramps = fading(left=1.0)
    ramps._aim, ramps._fades_s, ramps._comes_s, ramps._period_s = (0.0, ALL), 0.0, WARM_S - 1.0, period_s
    return ramps


def given(once: float = 0.0) -> Ramps:
    """Their lines are given; by how much more the grid spans."""
    ramps = coming_back()
    ramps._aim, ramps._lines, ramps._seen.once = (LINES_PU, FADING), True, once
    return ramps


def test_of_lines_that_come_back_a_part_is_given() -> None:
    """After WARM_S; as soon as they are not known any more, none, and nothing else through that way."""
    assert coming_back()._next() == (LINES_PU, FADING)
    ramps = given()
    assert ramps._next() == (LINES_PU, FADING)
    ramps._period_s, ramps._fades_s = 0.0, WARM_S
    assert ramps._next() == (0.0, FADING) and ramps._comes_s == ramps._fades_s == 0.0


def test_lines_come_and_go_slowly() -> None:
    """LINES_PER_S both ways, and what passes is theirs until none is left; another way comes and goes as ever."""
    ramps = given()
    ramps._lines, ramps.gain, ramps.prompt_pu = False, 0.0, FADING
    gains = []
    for n in range(90):
        if n == 45:
            ramps._aim = 0.0, FADING
        ramps.judge(Frame(period_s=0.5), 0.1)
        ramps._since_s = 0.0
        gains.append(ramps.gain)
    assert max(abs(np.diff(gains))) == pytest.approx(0.1 * LINES_PER_S)
    assert (max(gains), gains[-1]) == (pytest.approx(LINES_PU), 0.0)


def test_seldom_steps_that_become_frequent_are_left_at_once() -> None:
    """All of what fades was given, of lines it would be too much; and before a period is known, by the last SOON_S."""
    for more, stays in ((FADES_SOON, True), (FADES_SOON + 1e-6, False)):
        ramps = fading()
        assert ramps._next() == (1.0, FADING) and ramps._fading is not None
        ramps._fading.soon.take((1000.0, 1000.0 * (1.0 + more)))
        ramps._fading.soon.once = more
        assert ramps._next() == (float(stays), FADING)
        assert (ramps._fades_s > 0.0) == stays
    ramps = fading()
    ramps._period_s = 2.0
    assert ramps._next() == (0.0, FADING)


@pytest.mark.parametrize(("once", "stays"), [(LINES_FAR, True), (LINES_FAR + 1e-9, False)])
def test_lines_that_ring_on_where_the_load_stops_may_span_so_much_more(once: float, stays: bool) -> None:
    """To the edge; beyond it they are left for long."""
    ramps = given(once)
    assert ramps._next() == (LINES_PU if stays else 0.0, FADING)
    assert (ramps._due_s > 100.0) == (not stays)


@pytest.mark.parametrize(("once", "seconds"), [(LINES_MAX, 100), (LINES_MAX + 1e-9, round(LINGER_S))])
def test_lines_may_not_go_on_spanning_more(once: float, seconds: int) -> None:
    """LINGER_S in a row."""
    ramps, taken = given(once), 0
    while taken < 100 and ramps._next() == (LINES_PU, FADING):
        taken += 1
    assert taken == seconds


def test_all_at_once_stays_while_nothing_is_harmed() -> None:
    """Slow ramps, of which a line comes nearer to harm than they began with: no filter takes their place."""
    ramps = coming_back()
    ramps._late, ramps._aim = np.full(LINES_HZ.size, 0.95), (1.0, ALL)
    assert ramps._next() == (1.0, ALL)
    ramps._aim = 0.0, ALL
    assert ramps._next() == (LINES_PU, FADING)


def test_the_frame_tells_whether_lines_are_known() -> None:
    """By the period with which the load comes back."""
    ramps = Ramps(RATING_KW, shape())
    gains = []
    for part in np.array_split(squares(40.0, half_s=0.5), 400):
        ramps.take(np.array([part, part]), Frame(period_s=1.0))
        ramps.judge(Frame(period_s=1.0), CYCLE_S)
        gains.append(ramps.gain)
    assert (gains[-1], ramps.prompt_pu) == (pytest.approx(LINES_PU), FADING)
    assert max(gains[: round((WARM_S + 10.0) / CYCLE_S) - 12]) == 0.0


@pytest.mark.parametrize("way", [WIDE, FADING])
def test_what_another_loop_was_about_to_begin_ends_where_there_is_none(way: float) -> None:
    """Lost while the way before was still ending."""
    before, bare = Ramps(RATING_KW, shape()), Ramps(RATING_KW, bare_shape())
    before.gain, before.prompt_pu, before._aim = 0.5, ALL, (1.0, way)
    bare.follow(before)
    assert (bare.gain, bare.prompt_pu, bare._aim) == (0.0, ALL, (0.0, ALL))


@pytest.mark.parametrize(("hz", "stays"), [(FADES_HZ, True), (FADES_HZ + 1e-6, False)])
def test_large_steps_that_become_frequent_end_what_fades(hz: float, stays: bool) -> None:
    """Three in SOON_S; two that a drop makes are fewer. Before any trial can tell."""
    ramps = fading()
    ramps._steps.hz = hz
    assert ramps._next() == (float(stays), FADING)
    seldom, frequent = Ramps(RATING_KW, shape()), Ramps(RATING_KW, shape())
    run(seldom, drops(26.0))
    run(frequent, squares(26.0))
    assert 0.2 < seldom._steps.hz < FADES_HZ < frequent._steps.hz


def test_what_the_loop_before_gave_of_lines_is_known_to_the_next() -> None:
    """A converter is lost: the part stays, and what it may span; their way out is slow, but for harm."""
    before, after = given(), Ramps(RATING_KW, shape())
    before.gain, before.prompt_pu = LINES_PU, FADING
    after.follow(before)
    assert (after._lines, after._comes_s, after._period_s) == (True, before._comes_s, 0.5)
    falls = []
    for due_s in (0.0, 1e9):
        after.gain, after._aim, after._due_s = LINES_PU, (0.0, FADING), due_s
        after._since_s = 0.0
        after.judge(Frame(period_s=0.5), 0.1)
        falls.append(LINES_PU - after.gain)
    assert falls == [pytest.approx(0.1 * LINES_PER_S), pytest.approx(0.1 * FALL_PER_S)]


def test_a_load_that_never_stands_still_is_not_seldom() -> None:
    """What one event and the ten seconds that hold it take, to the second; a rest, and it counts anew."""
    ramps = fading()
    for n in range(round(LIVELY_S) + 1):
        assert ramps._next() == (float(n < LIVELY_S), FADING)
    assert ramps._fades_s == 0.0
    ramps._seen.moves = False
    ramps._next()
    assert ramps._lively_s == 0.0 and SELDOM_S > LIVELY_S

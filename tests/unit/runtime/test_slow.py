"""Goal: a slow converter takes what it can of swings and of steps. Method: as in test_harm; loops by their formula."""

from __future__ import annotations

import numpy as np
import pytest

from controller.image import Frame
from controller.runtime.backstop import watcher
from controller.runtime.choice import LINES_HZ, REACH, best
from controller.runtime.harm import OFTEN, OFTEN_S, SURE, SURE_RISE, Harm
from controller.runtime.manner import SLOW, STEPS, manner
from controller.runtime.ramps import Ramps
from controller.runtime.shape import BEGIN_PU, Shape, shape_of
from controller.runtime.slow import (
    CHANCE,
    DARE_PU,
    HALF_PU,
    LESS_PU,
    LITTLE_PU,
    MOVING_S,
    NEAR,
    STEP_PU,
    STEPS_HZ,
    STEPS_S,
    Slow,
)
from controller.runtime.spans import RATE_HZ, SPAN_S
from tests.unit.runtime.test_harm import EDGES_W, FAST, late

MUCH = 10 ** (1.0 / 20)


def slow_converter() -> Shape:
    """7 ms late for small swings, of which its lead takes most of the lag."""
    return shape_of(
        frame_s=1e-4, dead_s=0.0029, period_s=0.0, lag_s=0.05, slew_kw_per_s=0.0, rating_kw=2000.0
    )


def test_a_loop_that_keeps_no_span_begins_with_a_little_and_takes_what_is_seen_to_be_harmless() -> None:
    """Goal: a slow converter helps with small steps. Method: 7 ms late by its filter and in fact, a load that moves
    often: from BEGIN_PU on up, nothing tried; where the span is seen to widen, less, and at least BEGIN_PU."""
    slow = slow_converter()
    harm = Slow(2000.0, slow)
    assert (harm.gain, harm.prompt_pu, manner(slow)) == (BEGIN_PU, 0.0, SLOW)
    harm._often, harm._moving_s = 1.0, 500.0
    assert harm._patient((0.15, 0.0), 1.0, 1.0 + 1e-9) == (0.15, 0.0)
    assert (harm._manner, harm._trying) == (SLOW, False)
    at = best(late(0.007), EDGES_W, slow, BEGIN_PU, 0.0, -0.02)
    assert BEGIN_PU < at[0] <= BEGIN_PU + REACH + 1e-9
    assert at[1] == 0.0
    assert best(late(0.007), EDGES_W, slow, BEGIN_PU, 0.0, 0.01)[0] == pytest.approx(BEGIN_PU)
    assert best(late(0.012), EDGES_W, slow, 0.5, 0.0, 0.01)[0] == pytest.approx(0.5 - REACH)


@pytest.mark.parametrize(("late_s", "stays"), [(0.00725, True), (0.0073, False)])
def test_a_slow_loop_that_takes_all_takes_less_as_soon_as_it_harms(late_s: float, stays: bool) -> None:
    """Goal: the filter taken whole keeps the limit as on its way there. Method: it was made for 7.0 ms; at 7.25 ms
    0.24 dB are harmed, of the 0.25 that pass, at 7.3 ms 0.26, less than the 1 dB that ends a trial."""
    harm = Slow(2000.0, slow_converter())
    harm.gain, harm._aim, harm._often, harm._moving_s = 1.0, (1.0, 0.0), 1.0, 50.0
    harm._square = harm._taken = 1e9 * EDGES_W
    harm._cross = harm._square * late(late_s)
    harm._spans.widened = lambda floor_kw: -0.2  # type: ignore[method-assign]
    for _ in range(20):
        aim, seen, _ = harm._aimed(np.ones(LINES_HZ.size, bool), Frame(gain=1.0, prompt_pu=0.0))
    assert seen < MUCH and (seen <= SLOW.seen) == stays
    assert (aim == (1.0, 0.0)) == stays


@pytest.mark.parametrize(("whole", "aim"), [(SLOW.seen, 0.55), (SLOW.seen + 1e-9, LITTLE_PU)])
def test_of_a_load_that_a_slow_converter_would_harm_as_a_whole_it_takes_little(
    whole: float, aim: float
) -> None:
    """A larger swing is another, later loop: what harms is not on the way to what helps. At the exact edge."""
    harm = Slow(2000.0, slow_converter())
    harm.gain, harm._often, harm._moving_s = 0.5, 1.0, 50.0
    assert harm._patient((0.55, 0.0), 0.9, whole) == (aim, 0.0)


@pytest.mark.parametrize(
    ("best_pu", "whole", "shy_s", "span_kw", "aim"),
    [
        (0.15, 1.0, 0.0, 1000.1, 0.1 + DARE_PU),
        (0.15, 1.0, 0.0, 1000.0, 0.15),
        (0.15, 1.0 + 1e-9, 0.0, 1000.1, 0.15),
        (0.10, 1.0, 0.0, 1000.1, 0.10),
        (0.05, 0.9, 0.0, 1000.1, 0.05),
        (0.15, 1.0, 501.0, 1000.1, 0.15),
    ],
)
def test_what_no_line_speaks_against_a_slow_converter_takes_much_of(
    best_pu: float, whole: float, shy_s: float, span_kw: float, aim: float
) -> None:
    """Were all of a swing taken, no line would be above the load, more than now would be best, and large steps were
    seen, of half the rating: DARE_PU more. Not above the load, not where less is best or nothing more, as where the
    span widens, nor soon after harm, nor of small steps, after which large ones may come."""
    harm = Slow(2000.0, slow_converter())
    harm.gain, harm._often, harm._moving_s, harm._shy_s = 0.1, 1.0, 500.0, shy_s
    harm._spans.ends_kw = lambda floor_kw: (span_kw, span_kw) if span_kw > floor_kw else None  # type: ignore[method-assign]
    assert harm._patient((best_pu, 0.0), 0.9, whole) == (aim, 0.0)
    harm.gain, harm._shy_s = 0.6, 0.0
    assert harm._patient((0.65, 0.0), 0.9, 1.0)[0] == (1.0 if span_kw > 1000.0 else 0.65)


@pytest.mark.parametrize(("whole", "hurries"), [(SURE - 1e-9, True), (SURE, False)])
def test_a_slow_converter_far_from_harm_takes_more_at_once(whole: float, hurries: bool) -> None:
    """A load of slow ramps: all of a swing would leave half of it at most. Its gain moves SURE_RISE as fast then."""
    harm = Slow(2000.0, slow_converter())
    harm._often, harm._moving_s = 1.0, 50.0
    harm._aim = harm._patient((0.15, 0.0), 0.95, whole)
    harm.judge(Frame(gain=BEGIN_PU, prompt_pu=0.0), 0.1)
    assert harm.gain - BEGIN_PU == pytest.approx(0.002 * (SURE_RISE if hurries else 1.0))


@pytest.mark.parametrize(("gain", "memory_s"), [(1.0, SLOW.memory_s), (0.99, MOVING_S)])
def test_while_its_gain_moves_less_is_remembered_of_a_slow_converter(gain: float, memory_s: float) -> None:
    """What is measured on the way belongs to another loop; at rest more is asked, against chance."""
    harm = Slow(2000.0, slow_converter())
    harm.gain, harm._aim = gain, (1.0, 0.0)
    assert harm._memory_s() == memory_s


@pytest.mark.parametrize(("often", "errors"), [(OFTEN, SLOW.doubt), (OFTEN - 0.01, 1.0)])
def test_a_slow_converter_that_sees_few_edges_is_doubted_by_one_error(often: float, errors: float) -> None:
    """Of many, by three."""
    harm = Slow(2000.0, slow_converter())
    harm._often, harm._moving_s = often, 50.0
    harm._square, harm._taken = 1e9 * EDGES_W, 2e9 * EDGES_W
    assert harm._doubt()[0] == pytest.approx(errors * harm._errors()[0]) != 0.0


def moved(harm: Slow, seconds: float, every_s: float = 1e9, kw: float = 1200.1, off_s: float = 0.0) -> None:
    """So long, with an edge of kw at every_s, off_s after a cycle begins; a cycle is 0.1 s."""
    t_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    load_kw = 3000.0 + kw * ((t_s - off_s) // every_s % 2 == 1)
    for part in np.array_split(load_kw, round(seconds / 0.1)):
        law = Frame(gain=harm.gain, prompt_pu=harm.prompt_pu)
        harm.take(np.array([part, part]), law)
        harm.judge(law, 0.1)


@pytest.mark.parametrize("off_s", [0.0, 0.05, 0.085, 0.0925])
@pytest.mark.parametrize(
    ("every_s", "through_prompt"), [(1.0, True), (0.35, True), (3.5, True), (7.0, False)]
)
def test_large_steps_that_are_frequent_pass_through_the_prompt_filter(
    every_s: float, through_prompt: bool, off_s: float
) -> None:
    """One in five seconds and more, wherever in a cycle they lie; at once where little is taken."""
    harm = Slow(2000.0, slow_converter())
    moved(harm, 42.0, every_s, off_s=off_s)
    assert (harm._manner is STEPS, harm.prompt_pu) == (through_prompt, float(through_prompt))


def test_the_way_of_large_steps_stays_while_they_may_come_again() -> None:
    """STEPS_S after they were frequent; where more is taken its filter goes over step by step."""
    harm = Slow(2000.0, slow_converter())
    moved(harm, 20.0, 1.0)
    moved(harm, 2.5 * OFTEN_S)
    harm.gain, harm._aim = 0.5, (0.5, 1.0)
    moved(harm, STEPS_S - 2.5 * OFTEN_S)
    assert harm._manner is STEPS and harm._aim[1] == 1.0
    moved(harm, 3.0 * OFTEN_S)
    assert harm._manner is SLOW and 0.0 <= harm.prompt_pu < 1.0


@pytest.mark.parametrize(("kw", "counts"), [(STEP_PU * 2000.0, False), (STEP_PU * 2000.0 + 0.1, True)])
def test_a_large_step_is_of_so_much_of_the_rating(kw: float, counts: bool) -> None:
    """To the tenth of a kW."""
    harm = Slow(2000.0, slow_converter())
    moved(harm, 20.0, 1.0, kw)
    assert (harm._steps.hz > STEPS_HZ) == (harm._manner is STEPS) == counts


def test_an_edge_is_counted_once() -> None:
    """Nothing is new where no sample comes, and while nothing is taken."""
    harm = Slow(2000.0, slow_converter())
    moved(harm, 2.0, 1.0)
    before = harm._steps.hz
    for sides_kw, law in ((np.empty((2, 0)), Frame(gain=0.05)), (np.full((2, 40), 3000.0), Frame(gain=0.0))):
        for _ in range(50):
            harm.take(sides_kw, law)
            harm.judge(law, 0.1)
    assert harm._steps.hz == before > 0.0


def of_steps(gain: float, widened: float, moving_s: float = 500.0) -> Slow:
    """A converter that meets large steps, with so much of them taken."""
    harm = Slow(2000.0, slow_converter())
    harm._manner, harm.gain, harm._often, harm._moving_s = STEPS, gain, 1.0, moving_s
    harm._steps_s = STEPS_S
    harm._aim, harm._widened = (gain, 1.0), widened
    return harm


@pytest.mark.parametrize(
    ("gain", "widened", "whole", "aim"),
    [
        (0.3, -0.2, 1.0, HALF_PU),
        (0.3, -0.2, 1.0 + 1e-9, 0.4),
        (0.3, -0.05, 1.1, 0.4),
        (HALF_PU, NEAR, 1.1, HALF_PU + 0.1),
        (HALF_PU, NEAR + 1e-9, 1.1, HALF_PU + LESS_PU),
        (HALF_PU - 1e-9, NEAR + 1e-9, 1.1, HALF_PU + 0.1),
        (0.7, STEPS.span_max, 1.0, 0.7 + LESS_PU),
    ],
)
def test_of_large_steps_half_is_taken_at_once_and_more_by_little(
    gain: float, widened: float, whole: float, aim: float
) -> None:
    """While the grid spans far less than the load, as is best; up to half where no line speaks against all; LESS_PU at
    a time where the span may soon be the load's, which is seen ten seconds later."""
    harm = of_steps(gain, widened)
    found = harm._patient((gain + 0.1, 1.0), 0.9, whole)
    assert found == (pytest.approx(aim, abs=1e-6), 1.0)
    assert (harm._due_s >= 500.0 + SPAN_S) == (widened > NEAR and gain >= HALF_PU)


def test_a_span_that_is_not_kept_bounds_the_gain_for_long() -> None:
    """LESS_PU below what it was, at least what the law begins with; more is tried after shy_s of a load that moves."""
    harm = of_steps(0.7, STEPS.span_max + 1e-9)
    assert harm._patient((0.6, 1.0), 0.9, 1.0) == (pytest.approx(0.6), 1.0)
    assert harm._due_s == 500.0 + SPAN_S
    harm._widened = -0.2
    for moving_s, most in ((500.0 + STEPS.shy_s - 0.1, 0.65), (500.0 + STEPS.shy_s, 0.8)):
        harm._moving_s = moving_s
        assert harm._patient((0.8, 1.0), 0.9, 1.1)[0] == pytest.approx(most)
    little = of_steps(BEGIN_PU, 0.1)
    assert little._patient((0.0, 1.0), 0.9, 1.1)[0] == 0.0 and little._most == BEGIN_PU


def test_harm_by_far_makes_shy() -> None:
    """Of lines: the shares are taken back faster for a while, whichever way."""
    harm = of_steps(0.7, -0.2)
    harm._patient((0.6, 1.0), MUCH + 1e-9, 1.1)
    assert harm._shy_s == 500.0 + STEPS.shy_s and harm._due_s < 500.0


def test_what_was_measured_is_forgotten_and_the_way_stays() -> None:
    """As the battery comes and goes."""
    harm = of_steps(0.7, 0.1)
    harm.prompt_pu, harm._most = 1.0, 0.3
    harm.reset()
    harm.judge(Frame(gain=0.7, prompt_pu=1.0), 0.1)
    assert (harm._manner, harm._aim, harm.prompt_pu, harm._most) == (STEPS, (0.7, 1.0), 1.0, 1.0)


def test_a_converter_that_takes_over_meets_the_same_steps() -> None:
    """When another one is out: gain, way and what is known of the load's steps."""
    before = of_steps(0.7, -0.2)
    before.prompt_pu, before._steps.hz, before._steps_s = 1.0, 0.8, 100.0
    after = Slow(2000.0, slow_converter())
    after.follow(before)
    after.judge(Frame(gain=0.7, prompt_pu=1.0), 0.1)
    assert (after.gain, after.prompt_pu, after._manner) == (0.7, 1.0, STEPS)
    fast = Slow(2000.0, slow_converter())
    fast.follow(Harm(2000.0, FAST))
    assert (fast.gain, fast.prompt_pu, fast._manner) == (BEGIN_PU, 0.0, SLOW)


@pytest.mark.parametrize(("begin_pu", "kind"), [(1.0, Harm), (BEGIN_PU, Slow), (0.0, Ramps)])
def test_each_shape_has_its_watcher(begin_pu: float, kind: type[Harm]) -> None:
    """By what its law begins with."""
    period_s = 0.0024 if begin_pu else 0.027
    shape = (
        FAST
        if begin_pu == 1.0
        else shape_of(
            frame_s=1e-4, dead_s=0.0029, period_s=period_s, lag_s=0.05, slew_kw_per_s=0.0, rating_kw=2000.0
        )
    )
    assert shape.begin_pu == begin_pu and type(watcher(2000.0, shape)) is kind


def test_a_converter_without_a_way_for_steps_takes_little_of_them() -> None:
    """One that answers too late for its lag has one filter for all: it begins anew."""
    other = shape_of(
        frame_s=1e-4, dead_s=0.0062, period_s=0.0, lag_s=0.05, slew_kw_per_s=0.0, rating_kw=2000.0
    )
    assert other.begin_pu == BEGIN_PU and other.prompt is other.late
    before = of_steps(0.7, -0.2)
    before.prompt_pu = 1.0
    after = Slow(2000.0, other)
    after.follow(before)
    moved(after, 20.0, 1.0)
    assert (after.gain, after.prompt_pu, after._manner) == (BEGIN_PU, 0.0, SLOW)


@pytest.mark.parametrize(("more", "shy"), [(CHANCE, False), (CHANCE + 1e-9, True)])
def test_a_span_that_was_not_kept_is_not_dared_again_soon(more: float, shy: bool) -> None:
    """Of small swings, too: no DARE_PU for shy_s; but for chance."""
    harm = Slow(2000.0, slow_converter())
    harm.gain, harm._often, harm._moving_s, harm._widened = 0.1, 1.0, 500.0, SLOW.span_max + more
    harm._patient((0.05, 0.0), 0.9, 1.0)
    assert harm._shy_s == (500.0 + SLOW.shy_s if shy else 0.0)

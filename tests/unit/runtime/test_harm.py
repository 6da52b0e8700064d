"""Goal: a loop that harms a frequency is seen and takes less. Method: edges as load, the same edges late as battery."""

from __future__ import annotations

import numpy as np
import pytest

from controller.image import Frame
from controller.runtime.choice import (
    GAIN_MIN,
    LINES_HZ,
    OMEGA,
    REACH,
    answers,
    best,
    carried_on,
    excess,
    lateness_s,
    passed,
    told_by,
    wider,
)
from controller.runtime.harm import EVERY_S, FALL_PER_S, FLIGHT_PER_S, HARM_AGAIN, MANY, OFTEN, Harm
from controller.runtime.manner import AHEAD, AT_ONCE, FILTERED, manner
from controller.runtime.shape import Shape, shape_of
from controller.runtime.spans import RATE_HZ, SPAN_S, SPAN_SPARE, Spans

WHOLE = Frame(gain=1.0, prompt_pu=1.0)
EDGES_W = 1.0 / LINES_HZ**2


def shape(lag_s: float = 0.005, dead_s: float = 0.0014, period_s: float = 0.0024) -> Shape:
    """Of the reference link; with 10 ms of lag what is prompt passes a filter."""
    return shape_of(
        frame_s=1e-4, dead_s=dead_s, period_s=period_s, lag_s=lag_s, slew_kw_per_s=400e3, rating_kw=2000.0
    )


FAST, LATE = shape(), shape(0.010)
SLOW = shape(0.010, 0.0028, 0.006)  # its late filter has no room, so nothing is foreseen in it


def late(seconds: float) -> np.ndarray:
    """D of a pure delay at the lines."""
    return np.exp(-1j * OMEGA[: LINES_HZ.size] * seconds)


def settled(late_s: float, load_w: np.ndarray, made: Shape) -> tuple[float, float]:
    """Gain and prompt share at which a loop with this delay comes to rest, from a whole answer on."""
    at = (1.0, made.prompt_pu)
    for _ in range(60):
        at = best(late(late_s), load_w, made, *at)
    return at


def test_a_delay_is_carried_on_to_50_hz() -> None:
    """Above the highest line its delay and size; what grows goes on growing, what fades does not, silence stays."""
    assert carried_on(0.9 * late(0.004)) == pytest.approx(0.9 * np.exp(-1j * OMEGA * 0.004))
    growing = np.exp(0.02 * OMEGA / (2 * np.pi))
    assert carried_on(growing[: LINES_HZ.size] * late(0.004)) == pytest.approx(
        growing * np.exp(-1j * OMEGA * 0.004)
    )
    fading = carried_on(np.conj(late(0.004)) / growing[: LINES_HZ.size])[LINES_HZ.size :]
    assert abs(fading) == pytest.approx(1.0 / growing[LINES_HZ.size - 1])
    assert not carried_on(np.zeros(LINES_HZ.size, complex)).any()


@pytest.mark.parametrize(
    ("late_ms", "made", "stays"),
    [(3.41, FAST, True), (3.43, FAST, False), (4.6, LATE, True), (6.3, LATE, True), (9.0, LATE, False)],
)
def test_a_law_that_takes_all_stays_until_harm_is_seen(late_ms: float, made: Shape, stays: bool) -> None:
    """A whole answer harms 50 Hz by 0.2 dB from 2 asin(AT_ONCE.seen / 2) / (2 pi 50 Hz) = 3.419 ms on; the prompt
    filter of 10 ms of lag is made for 5.1 to 6.3 ms."""
    assert 2e3 * np.arcsin(AT_ONCE.seen / 2) / OMEGA[-1] == pytest.approx(3.419, abs=0.001)
    harm = Harm(2000.0, made)
    harm._aim = (1.0, 1.0)
    harm._square = 1e9 * EDGES_W
    harm._cross = harm._square * late(1e-3 * late_ms)
    aims = [
        harm._aimed(np.ones(LINES_HZ.size, bool), WHOLE) for _ in range(40)
    ]  # till the mean is what is seen
    seen = aims[0][1]
    assert made is LATE or aims[0][0] == (1.0, 1.0), "one look may be chance"
    assert all(aim == (1.0, 1.0) for aim, *_ in aims) == (seen <= manner(made).seen) == stays


@pytest.mark.parametrize("made", [FAST, LATE])
@pytest.mark.parametrize("late_ms", [4.0, 5.4, 7.0, 9.0, 14.0, 30.0])
def test_where_it_comes_to_rest_nothing_is_harmed(late_ms: float, made: Shape) -> None:
    """Every line of the pair is below the limit, or the least share is taken. A law that lets nothing pass at once
    stays so."""
    judged = told_by(EDGES_W > 0.0)
    gain, prompt_pu = settled(1e-3 * late_ms, EDGES_W, made)
    assert (
        excess(late(1e-3 * late_ms), gain, prompt_pu, made)[judged].max() <= manner(made).kept
        or gain == GAIN_MIN
    )
    assert GAIN_MIN <= gain <= 1.0
    assert prompt_pu <= made.prompt_pu


@pytest.mark.parametrize("late_ms", [5.0, 9.0, 30.0])
def test_a_step_is_small(late_ms: float) -> None:
    """However wrong the present pair is, the next one is at most REACH away each way: beyond lies another loop."""
    for at in ((1.0, 1.0), (0.43, 0.78), (GAIN_MIN, 0.0)):
        assert best(late(1e-3 * late_ms), EDGES_W, FAST, *at) == pytest.approx(at, abs=REACH + 1e-9)


def test_edges_that_come_later_than_they_should_pass_the_shape() -> None:
    """4.6 ms late, as the reference link's largest edges are: nearly all of a swing is still taken, little at once."""
    gain, prompt_pu = settled(0.0046, EDGES_W, FAST)
    assert gain >= 0.9
    assert prompt_pu < 0.4


def test_lines_without_load_are_not_judged() -> None:
    """A load that has nothing above 10 Hz asks for no reduction there: at 6 ms none is left that a share would harm."""
    low_w = np.where(LINES_HZ < 10.0, EDGES_W, 0.0)
    whole, low = (settled(0.008, load_w, LATE)[0] for load_w in (EDGES_W, low_w))
    assert low == 1.0 > whole


@pytest.mark.parametrize(
    ("late_ms", "gain", "wider_by"), [(5.0, 1.0, -0.5), (10.0, 1.0, 0.0), (12.0, 1.0, 0.2), (12.0, 0.5, 0.1)]
)
def test_the_range_of_the_20_ms_mean(late_ms: float, gain: float, wider_by: float) -> None:
    """A whole answer late by d leaves d / 20 ms of a step each way: from 10 ms on the grid spans more."""
    assert lateness_s(late(1e-3 * late_ms), EDGES_W) == pytest.approx(1e-3 * late_ms, abs=1e-5)
    assert wider(gain, 1.0, FAST, 1e-3 * late_ms) == pytest.approx(wider_by)


def test_a_range_that_is_seen_to_widen_takes_from_the_gain() -> None:
    """6 % wider at a gain of 0.4, in a loop that harms no line: span_max is kept at 0.2, two steps of REACH away."""
    loop = late(0.0053)
    assert best(loop, EDGES_W, LATE, 0.4, 0.0, widened=AHEAD.span_max)[0] == pytest.approx(0.4)
    first = best(loop, EDGES_W, LATE, 0.4, 0.0, widened=2.0 * AHEAD.span_max)
    assert first[0] == pytest.approx(0.3)
    assert best(loop, EDGES_W, LATE, *first, widened=1.5 * AHEAD.span_max)[0] == pytest.approx(0.2)


def test_what_harms_passes_less_at_once_before_less_is_taken() -> None:
    """9 ms late, where no pair in reach is harmless: the prompt share falls first, the gain once that is gone."""
    for prompt_pu in (1.0, 0.6, 0.1):
        assert best(late(0.009), EDGES_W, FAST, 1.0, prompt_pu) == pytest.approx((1.0, prompt_pu - REACH))
    assert best(late(0.009), EDGES_W, FAST, 1.0, 0.0) == pytest.approx((1.0 - REACH, 0.0))


@pytest.mark.parametrize("late_ms", [5.0, 20.0])
def test_the_span_of_the_20_ms_mean_is_measured(late_ms: float) -> None:
    """Steps of 1000 kW each 250 ms, answered late: the mean is 5 ms of 20 late, a quarter of a step each way, which is
    half of the load's span; 20 ms late it is twice that. Told once SPAN_S are seen, of a load that spans enough."""
    spans = Spans()
    per_cycle = round(0.1 * RATE_HZ)
    step = np.repeat([0.0, 1000.0], round(0.25 * RATE_HZ))
    load_kw = np.tile(step, round(SPAN_S / 0.5) + 2)
    sides_kw = np.stack([load_kw, load_kw - np.roll(load_kw, round(1e-3 * late_ms * RATE_HZ))])
    for k in range(round(10 * SPAN_S)):
        assert spans.widened(0.0) is None
        spans.take(sides_kw[:, per_cycle * k : per_cycle * (k + 1)].copy())
    assert spans.widened(999.0) == pytest.approx(2 * late_ms / 20.0 - 1.0)
    assert spans.widened(1000.0) is None


@pytest.mark.parametrize("spikes", [SPAN_SPARE, SPAN_SPARE + 1])
def test_what_happens_once_or_twice_in_ten_seconds_is_no_span(spikes: int) -> None:
    """The battery overshoots by 1000 kW for 25 ms as often as M6 leaves out, then once more: only that is told."""
    spans = Spans()
    load_kw = np.tile(np.repeat([0.0, 1000.0], 50), 40)
    grid_kw = load_kw.copy()
    for k in range(spikes):
        grid_kw[1050 + 1000 * k : 1060 + 1000 * k] += 1000.0
    for k in range(0, load_kw.size, 40):
        spans.take(np.stack([load_kw[k : k + 40], grid_kw[k : k + 40]]))
    assert spans.widened(0.0) == pytest.approx(0.0 if spikes == SPAN_SPARE else 1.0)


def test_what_lies_above_the_lines_counts_where_the_highest_line_does() -> None:
    """48 and 50 Hz are judged by what is seen below them, where the load excites it."""
    loud, quiet_top = np.ones(LINES_HZ.size, bool), np.arange(LINES_HZ.size) < LINES_HZ.size - 1
    assert [told_by(case)[LINES_HZ.size :].all() for case in (loud, quiet_top)] == [True, False]


def run(harm: Harm, late_s: float, seconds: float, law: Frame = WHOLE) -> None:
    """1000 kW up and down every 0.25 s at uneven times; the battery gives the same late."""
    rng = np.random.default_rng(1)
    edges_s = np.cumsum(rng.uniform(0.2, 0.3, round(seconds / 0.25) + 9))
    fine_s = np.arange(round(seconds * RATE_HZ) * 8) / (8 * RATE_HZ)

    def level_kw(t_s: np.ndarray) -> np.ndarray:
        fine = 1000.0 * (np.searchsorted(edges_s, t_s) % 2)
        return fine.reshape(-1, 8).mean(axis=1)

    load_kw = level_kw(fine_s)
    sides_kw = np.stack([load_kw, load_kw - level_kw(fine_s - late_s)])
    for k in range(0, sides_kw.shape[1] - 39, 40):
        harm.take(sides_kw[:, k : k + 40].copy(), law)
        harm.judge(law, 0.1)


def test_the_delay_of_a_loop_is_measured() -> None:
    """Edges 5 ms late: at every line D within 0.15 rad and 10 % of that delay."""
    harm = Harm(2000.0, FAST)
    run(harm, 0.005, 40.0)
    loop = harm._cross / harm._square
    assert abs(np.angle(loop * np.conj(late(0.005)))).max() < 0.15
    assert abs(loop) == pytest.approx(1.0, abs=0.1)


def test_what_was_learnt_outlasts_a_quiet_load() -> None:
    """5 ms late, then 60 s of a load that stands still: of the mean over 12 s more than half is still there, D as it
    was; a mean that went on as before would have lost 99 %."""
    harm = Harm(2000.0, FAST)
    run(harm, 0.005, 30.0)
    square, loop = harm._square.copy(), harm._cross / harm._square
    still_kw = np.repeat(harm._last_kw[:, np.newaxis], 40, axis=1)
    for _ in range(600):
        harm.take(still_kw, WHOLE)
    assert (harm._square > 0.5 * square).all()
    assert harm._cross / harm._square == pytest.approx(loop, abs=0.1)


def test_a_late_loop_takes_less_after_a_while() -> None:
    """5.5 ms late is 3.8 dB at 50 Hz: nothing moves before warm_s of a moving load, then at FALL_PER_S at most."""
    harm = Harm(2000.0, FAST)
    run(harm, 0.0055, AT_ONCE.warm_s - 2.0)
    assert (harm.gain, harm.prompt_pu) == (1.0, 1.0)
    run(harm, 0.0055, 6.0)
    assert 1.0 - 6.0 * FALL_PER_S - 1e-9 <= min(harm.gain, harm.prompt_pu) < 1.0


def test_a_loop_in_time_is_left_whole() -> None:
    """3 ms late harms nothing: whole after a minute; so is a constant load, of which nothing is known."""
    harm, calm = Harm(2000.0, FAST), Harm(2000.0, FAST)
    run(harm, 0.003, 60.0)
    for _ in range(600):
        calm.take(np.full((2, 40), 3000.0), WHOLE)
        calm.judge(WHOLE, 0.1)
    assert (harm.gain, harm.prompt_pu, calm.gain, calm.prompt_pu) == (1.0, 1.0, 1.0, 1.0)


def test_a_resting_law_teaches_nothing() -> None:
    """Gain 0: nothing is accumulated, nothing moves."""
    harm = Harm(2000.0, FAST)
    run(harm, 0.006, 40.0, Frame(gain=0.0, prompt_pu=1.0))
    assert not harm._square.any()
    assert (harm.gain, harm.prompt_pu) == (1.0, 1.0)


def test_a_quiet_load_is_judged_once() -> None:
    """Goal: one edge a minute does not take share after share. Method: a late loop, then 60 s of a load that stands
    still: what was aimed at within the last second of its motion is what is aimed at in the end."""
    harm = Harm(2000.0, FAST)
    run(harm, 0.0055, AT_ONCE.warm_s + 6.0)
    still_kw = np.repeat(harm._last_kw[:, np.newaxis], 40, axis=1)
    aims = []
    for _ in range(600):
        harm.take(still_kw, Frame(gain=harm.gain, prompt_pu=harm.prompt_pu))
        harm.judge(Frame(gain=harm.gain, prompt_pu=harm.prompt_pu), 0.1)
        aims.append(harm._aim)
    assert len(set(aims[30:])) == 1
    assert (harm.gain, harm.prompt_pu) == pytest.approx(harm._aim)
    assert min(harm._aim) > 0.5


@pytest.mark.parametrize("made", [LATE, FAST])
def test_what_the_loop_was_before_the_preview_knew_it_is_forgotten(made: Shape) -> None:
    """9 ms late for 6 s of a moving load, 5 ms late from then on: when it is judged first, D is that of 5 ms."""
    harm = Harm(2000.0, made)
    run(harm, 0.009, FILTERED.learn_s + 0.2)
    run(harm, 0.005, FILTERED.warm_s - FILTERED.learn_s)
    loop = harm._cross / harm._square * passed(made, 1.0, 1.0, answers(made, OMEGA[: LINES_HZ.size]))
    assert abs(np.angle(loop * np.conj(late(0.005))))[:10].max() < 0.03


def test_a_little_harm_is_answered_with_patience_and_much_at_once() -> None:
    """One step in patience_s of moving load where less than 1 dB is harmed; more is fled from second by second, but by
    a filter with room only if the load moves often: of few edges most may have met a busy wire."""
    steps = {}
    for name, harmed, often, made in (
        ("little", 1.1, 1.0, LATE),
        ("much", 1.2, OFTEN, LATE),
        ("few", 1.2, OFTEN - 0.01, LATE),
        ("bare", 1.2, OFTEN - 0.01, SLOW),
    ):
        harm = Harm(2000.0, made)
        harm._moving_s, harm._often = 100.0, often
        harm._aim = harm._patient((1.0, 0.9), harmed, 1.0)
        steps[name] = harm._due_s - harm._moving_s
    assert steps["little"] == steps["few"] == FILTERED.patience_s
    assert max(steps["much"], steps["bare"]) <= EVERY_S
    assert FLIGHT_PER_S > FALL_PER_S


def test_after_much_harm_more_is_not_tried_for_a_while() -> None:
    """1.2 times the load was seen: for shy_s of a moving load the aim is at most what is, as long as a whole law would
    do it again."""
    harm = Harm(2000.0, LATE)
    harm.gain, harm.prompt_pu, harm._moving_s, harm._aim = 0.3, 0.2, 50.0, (0.3, 0.2)
    assert harm._patient((0.2, 0.1), 1.2, 1.5) == (0.2, 0.1)
    assert harm._patient((0.4, 0.3), 1.0, 10 ** (1.0 / 20)) == (0.4, 0.3)
    for moving_s, aim in ((50.0 + FILTERED.shy_s - 0.1, (0.3, 0.2)), (50.0 + FILTERED.shy_s, (0.4, 0.3))):
        harm._moving_s = moving_s
        assert harm._patient((0.4, 0.3), 1.0, 1.13) == aim


def test_a_judge_that_follows_another_keeps_shares_of_its_own_kind_only() -> None:
    """Goal: after a loss nothing measured stays, and no share means something else. Method: filters behind each other,
    and behind a law that answers at once."""
    before = Harm(2000.0, SLOW)
    before.gain, before.prompt_pu, before._often = 0.8, 0.7, 0.9
    after = Harm(2000.0, LATE)
    after.follow(before)
    assert (after.gain, after.prompt_pu, after._often) == (0.8, 0.7, 0.9)
    assert after._foresees, "what the preview knows stays"
    before.prompt_pu = 0.0
    after.follow(before)
    assert not after._foresees
    whole = Harm(2000.0, FAST)
    whole._moving_s = 99.0
    whole.follow(before)
    assert (whole.gain, whole.prompt_pu, whole._moving_s) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize(("often", "shy"), [(MANY, True), (MANY - 0.01, False)])
def test_a_load_that_moves_all_the_time_is_not_harmed_again_soon(often: float, shy: bool) -> None:
    """Edges that the slew cannot follow: less of them harms nothing, more does, and again. So for shy_s no more is
    taken; of few edges a single one may have told it."""
    for harmed in (HARM_AGAIN, HARM_AGAIN + 1e-9):
        harm = Harm(2000.0, FAST)
        harm._often, harm._moving_s, harm.gain, harm.prompt_pu = often, 50.0, 0.7, 0.2
        harm._patient((0.6, 0.1), harmed, 1.5)
        assert harm._shy_s == (50.0 + AT_ONCE.shy_s if shy and harmed > HARM_AGAIN else 0.0)
    harm._often, harm._shy_s, harm._moving_s = often, 80.0, 79.0
    assert harm._patient((0.8, 0.3), 1.0, 1.5) == (0.7, 0.2)
    harm._moving_s = 80.0
    assert harm._patient((0.8, 0.3), 1.0, 1.5) == (0.8, 0.3)

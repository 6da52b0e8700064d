"""Goal: a late loop answers through its filters as far as what was measured allows. Method: as in test_harm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controller.image import Frame
from controller.runtime.choice import ABOVE_HZ, LINES_HZ, REACH, best, excess
from controller.runtime.harm import (
    AHEAD_RISE,
    CALM,
    EVERY_S,
    FALL_PER_S,
    FORESEEN_S,
    MOSTLY,
    OFTEN,
    PERIODS,
    RISE_PER_S,
    SELDOM_PU,
    WORSE,
    Harm,
)
from controller.runtime.manner import AHEAD, FILTERED, UNFORESEEN, manner
from controller.runtime.shape import Shape
from tests.unit.runtime.test_harm import EDGES_W, FAST, LATE, SLOW, WHOLE, late, run

MUCH = 10 ** (1.0 / 20)


@pytest.mark.parametrize(
    ("often", "harmed", "tried"),
    [(OFTEN, MUCH, True), (OFTEN - 0.01, 1.0, False), (1.0, MUCH + 1e-9, False)],
)
def test_what_is_foreseen_is_tried_with_a_load_that_moves_often(
    often: float, harmed: float, tried: bool
) -> None:
    """From the late filter alone to REACH of the prompt one while at most 1 dB is harmed, and all that was measured
    is forgotten; else it stays."""
    harm = Harm(2000.0, SLOW)
    harm.gain, harm._square, harm._often, harm._moving_s = 1.0, np.ones(LINES_HZ.size), often, 50.0
    assert harm._patient((1.0, 0.1), harmed, 2.0) == (1.0, REACH if tried else 0.0)
    assert harm._square.any() != tried


@pytest.mark.parametrize(
    ("now", "harmed", "changes", "aim"),
    [
        (0.3, CALM - 1e-9, {}, 0.3 + REACH),
        (0.95, CALM - 1e-9, {}, 1.0),
        (0.3, CALM, {}, 0.2),
        (0.0, CALM - 1e-9, {}, 0.0),
        (0.3, CALM - 1e-9, {"_shy_s": 51.0}, 0.2),
        (0.3, CALM - 1e-9, {"_widens": True}, 0.2),
        (0.3, CALM - 1e-9, {"_manner": UNFORESEEN}, 0.2),
        (0.3, CALM - 1e-9, {"_foresees": False}, 0.2),
        (0.3, CALM - 1e-9, {"_least_whole": 2.0 / WORSE + 1e-9}, 0.3 + REACH),
        (0.3, CALM - 1e-9, {"_least_whole": 2.0 / WORSE - 1e-9}, 0.2),
    ],
)
def test_what_is_foreseen_is_taken_step_by_step_while_nothing_is_near_harm(
    now: float, harmed: float, changes: dict[str, object], aim: float
) -> None:
    """Whatever is reckoned for all of it, here much harm and so less than now; not for a while after harm, nor where
    the span is not kept, nor of the wide filter, nor before a trial has shown some, nor while what is reckoned of all
    gets worse."""
    harm = Harm(2000.0, SLOW)
    harm.gain, harm.prompt_pu, harm._moving_s, harm._aim = 1.0, now, 50.0, (1.0, now)
    harm._foresees = True
    for name, value in changes.items():
        setattr(harm, name, value)
    assert harm._patient((1.0, min(now, 0.2)), harmed, 2.0)[1] == pytest.approx(aim)


@pytest.mark.parametrize(("error", "flees"), [(0.0, True), (0.2, False)])
def test_what_is_much_is_no_chance(error: float, flees: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than 1 dB of harm by all of what is foreseen leaves it at once; within a standard error of that it does
    not."""
    loops = [late(late_s) for late_s in np.linspace(0.0, 0.02, 201)]
    worst = [float(excess(loop, 1.0, 1.0, SLOW)[: LINES_HZ.size].max()) for loop in loops]
    harm = Harm(2000.0, SLOW)
    harm.gain, harm.prompt_pu, harm._aim, harm._often = 1.0, 1.0, (1.0, 1.0), 1.0
    loop = next(loop for loop, found in zip(loops, worst, strict=True) if found > MUCH * 1.02)
    harm._square, harm._cross = np.ones(LINES_HZ.size), loop
    monkeypatch.setattr(Harm, "_errors", lambda _: np.full(LINES_HZ.size, error))
    aim, harmed, _ = harm._aimed(np.ones(LINES_HZ.size, bool), replace(WHOLE, gain=1.0, prompt_pu=1.0))
    assert (harmed > MUCH) == flees
    assert (aim[1] == 0.0) == flees


def test_a_bare_filter_takes_half_of_a_load_that_seldom_moves() -> None:
    """What it harms by the luck of a few edges is half as much then; a load of which nothing is known yet, one that
    moves OFTEN, or of which something is foreseen, is taken whole. The prompt share rises as fast as the gain, of a law
    that is fed ahead twice as fast."""
    still = 1.0 - OFTEN
    for shares, gain in (((0.0, 0.0), 1.0), ((still, 0.0), 1.0), ((still + 0.01, REACH), 1.0)):
        harm = Harm(2000.0, SLOW)
        harm._still, harm._aim = shares[0], (1.0, shares[1])
        harm.judge(WHOLE, 0.1)
        assert harm.gain == gain
        assert harm.prompt_pu == pytest.approx(0.1 * RISE_PER_S * (shares[1] > 0.0))
    seldom = Harm(2000.0, SLOW)
    seldom._still, seldom._aim = still + 0.01, (1.0, 0.0)
    seldom.judge(WHOLE, 0.1)
    assert seldom.gain == pytest.approx(1.0 - 0.1 * FALL_PER_S)
    for _ in range(200):
        seldom.judge(WHOLE, 0.1)
    assert seldom.gain == SELDOM_PU
    room = Harm(2000.0, LATE)
    room._still = 1.0
    room.judge(WHOLE, 0.1)
    assert room.gain == 1.0
    ahead = Harm(2000.0, LATE)
    ahead._aim = (1.0, 0.5)
    ahead.judge(WHOLE, 0.1)
    assert ahead.prompt_pu == pytest.approx(0.1 * AHEAD_RISE * RISE_PER_S)


def test_a_filter_begins_with_nothing_foreseen_and_goes_back_to_it_from_much_harm() -> None:
    """A late loop starts with its late filter; from half of the prompt one, 9 ms late, it goes back to that alone."""
    harm = Harm(2000.0, LATE)
    assert (harm.gain, harm.prompt_pu) == (1.0, 0.0)
    harm.prompt_pu, harm._aim = 0.5, (1.0, 0.5)
    harm._square = 1e9 * EDGES_W
    harm._cross = harm._square * late(0.009)
    aim, seen, _ = harm._aimed(np.ones(LINES_HZ.size, bool), Frame(gain=1.0, prompt_pu=0.5))
    assert seen > 10 ** (1.0 / 20)
    assert aim == (1.0, 0.0)


@pytest.mark.parametrize(("made", "counts"), [(LATE, False), (SLOW, True), (FAST, True)])
def test_a_filter_with_room_waits_until_enough_edges_have_told(made: Shape, counts: bool) -> None:
    """10 s of edges, then 20 s of a load that stands still: none of these count for a law that is fed ahead."""
    assert (manner(made) is AHEAD) != counts
    harm = Harm(2000.0, made)
    run(harm, 0.005, 10.0)
    moving_s = harm._moving_s
    still_kw = np.repeat(harm._last_kw[:, np.newaxis], 40, axis=1)
    for _ in range(200):
        harm.take(still_kw, WHOLE)
        harm.judge(WHOLE, 0.1)
    assert (harm._moving_s - moving_s > 3.0) == counts


@pytest.mark.parametrize(("made", "part"), [(LATE, 1.0 / 3.0), (SLOW, 1.0)])
def test_a_line_is_told_by_its_neighbours_too(made: Shape, part: float) -> None:
    """One line that says twice what the others do: of it a third is believed by a law that is fed ahead."""
    harm = Harm(2000.0, made)
    harm._square = np.ones(LINES_HZ.size)
    harm._cross = np.ones(LINES_HZ.size, complex)
    harm._cross[20] = 2.0
    assert harm._loop()[20] == pytest.approx(1.0 + part)


@pytest.mark.parametrize(("made", "flees"), [(SLOW, False), (FAST, True)])
def test_what_is_carried_on_is_no_cause_to_flee_with_a_filter(made: Shape, flees: bool) -> None:
    """D that grows over the last lines: 1 dB of harm beyond them, not at them."""
    harm = Harm(2000.0, made)
    harm._aim = (1.0, 0.5)
    harm._square = 1e9 * EDGES_W
    for grown in np.linspace(1.0, 3.0, 201):
        loop = late(0.002)
        loop[-4:] *= np.linspace(1.0, grown, 4)
        grid = excess(loop, 1.0, 0.5, made)
        if grid[LINES_HZ.size :].max() > 1.3:
            break
    assert grid[: LINES_HZ.size].max() < 10 ** (1.0 / 20)
    harm._cross = harm._square * loop
    _, seen, _ = harm._aimed(np.ones(LINES_HZ.size, bool), Frame(gain=1.0, prompt_pu=0.5))
    assert (seen > 10 ** (1.0 / 20)) == flees


@pytest.mark.parametrize(("earlier_s", "wide"), [(FORESEEN_S - 1e-6, True), (FORESEEN_S + 1e-6, False)])
def test_a_trial_that_makes_the_loop_no_earlier_opens_the_wide_filter(earlier_s: float, wide: bool) -> None:
    """Goal: small steps of which nothing is foreseen may have the wide filter. Method: the loop 9 ms late, tried, and
    earlier by FORESEEN_S, or not quite; a second trial is held against the latest that the loop was alone."""
    harm = Harm(2000.0, SLOW)
    harm._often, harm._moving_s, harm._late_s = OFTEN, 50.0, 0.009
    assert harm._patient((1.0, 0.0), 1.0, 2.0) == (1.0, REACH)
    harm._late_s, harm._aim = 0.009 - earlier_s, (1.0, REACH)
    assert harm._patient((1.0, 0.2), 1.0, 1.0) == ((1.0, 0.0) if wide else (1.0, 0.2))
    assert (harm._manner is UNFORESEEN) == wide
    assert harm._patient((1.0, 0.3), 1.0, 1.0) == (1.0, 0.3)
    again = Harm(2000.0, SLOW)
    again._often, again._moving_s, again._late_s, again._bare_late_s = OFTEN, 50.0, 0.004, 0.009
    again._patient((1.0, 0.0), 1.0, 2.0)
    assert again._bare_late_s == 0.009


def test_a_filter_with_room_has_no_wide_one() -> None:
    """Nor has a loop that answers at once: what they have already is it."""
    assert (SLOW.wide_pu, LATE.wide_pu, FAST.wide_pu) == (1.0, 0.0, 0.0)
    harm = Harm(2000.0, LATE)
    harm._trying = True
    assert not harm._foresaw_nothing()


def test_back_at_the_late_filter_what_is_foreseen_is_tried_again() -> None:
    """From the wide filter to none of it: the next judgement may begin a trial; before, none is begun."""
    harm = Harm(2000.0, SLOW)
    harm._manner, harm._often, harm._moving_s = UNFORESEEN, 1.0, 50.0
    assert harm._patient((1.0, 0.0), 1.0, 1.0) == (1.0, 0.0)
    assert harm._manner is UNFORESEEN
    harm._aim = (1.0, -0.1)
    assert harm._patient((1.0, 0.0), 1.0, 1.0) == (1.0, 0.0)
    assert harm._manner is FILTERED
    harm._aim = (1.0, 0.0)
    assert harm._patient((1.0, 0.0), 1.0, 1.0) == (1.0, REACH)


@pytest.mark.parametrize(
    ("taken", "later_s", "again"),
    [(0.0, 119.0, False), (0.0, 120.0, True), (0.01 - MOSTLY, 120.0, True), (-MOSTLY, 120.0, False)],
)
def test_a_load_that_leaves_little_of_the_wide_filter_is_tried_again(
    taken: float, later_s: float, again: bool
) -> None:
    """Goal: a load of which nothing was foreseen may give way to one that can be. Method: a trial in vain at 50 s, then
    for UNFORESEEN.shy_s less than MOSTLY of the wide filter: none of it, and when that is reached the next trial."""
    assert UNFORESEEN.shy_s == 120.0
    harm = Harm(2000.0, SLOW)
    harm._often, harm._moving_s, harm._trying = 1.0, 50.0, True
    assert harm._patient((1.0, 0.2), 1.0, 1.0) == (1.0, 0.0)
    harm._moving_s += later_s
    harm._aim, harm.prompt_pu = (1.0, taken), taken
    assert harm._patient((1.0, taken), 1.0, 1.0) == ((1.0, 0.0) if again else (1.0, taken))
    assert (harm._manner is FILTERED) == again
    if again:  # a trial waits until the share is there
        assert harm._due_s >= harm._moving_s - taken / FALL_PER_S
        harm._aim = (1.0, 0.0)
        assert harm._patient((1.0, 0.0), 1.0, 1.0) == (1.0, REACH)
    else:
        harm._moving_s += 119.0
        harm._patient((1.0, 0.01 - MOSTLY), 1.0, 1.0)
        assert (harm._manner is UNFORESEEN) == (taken == -MOSTLY)


def test_a_reset_forgets_when_the_next_trial_was_due() -> None:
    """Times count from there on, and nothing is known to be far from harm."""
    harm = Harm(2000.0, SLOW)
    harm._manner, harm._moving_s, harm._again_s, harm._calm = UNFORESEEN, 500.0, 620.0, True
    harm.reset()
    assert (harm._again_s, harm._calm, harm._manner) == (120.0, False, UNFORESEEN)


@pytest.mark.parametrize("prompt_pu", [-1.0, -0.8, -REACH - 1e-6, -REACH])
def test_what_flees_from_the_wide_filter_is_judged_on_its_way(prompt_pu: float) -> None:
    """Goal: no judgement fails. Method: the wide filter harms by more than 1 dB, a loop twice as strong as it should
    be, and a second later nothing any more: the share, still far out, goes on to none."""
    harm = Harm(2000.0, SLOW)
    harm._manner, harm._often, harm._moving_s, harm._due_s = UNFORESEEN, 1.0, 50.0, 50.0
    harm.prompt_pu, harm._aim, harm._tried = prompt_pu, (1.0, prompt_pu), True
    for strength in (2.2, 1.0):
        loop = strength * late(0.009)
        harm._square = 1e9 * EDGES_W
        harm._cross, harm._taken = harm._square * loop, harm._square * strength**2
        harm._present = 1.0
        harm.judge(Frame(gain=harm.gain, prompt_pu=harm.prompt_pu), EVERY_S)
        assert (harm._aim[1], harm._manner is FILTERED) == (0.0, True)
    assert prompt_pu < harm.prompt_pu <= 0.0


@pytest.mark.parametrize(("tried", "aim"), [(False, REACH), (True, 0.0)])
def test_a_late_filter_that_harms_at_first_has_its_first_trial_at_once(tried: bool, aim: float) -> None:
    """Goal: what harms for small steps that no late filter is made for has the wide one, and does not wait for it.
    Method: shy of harm, and little of it now: whether anything is foreseen is tried, but not a second time."""
    harm = Harm(2000.0, SLOW)
    harm._often, harm._moving_s, harm._due_s, harm._shy_s = 1.0, 50.0, 50.0, 150.0
    harm.gain, harm.prompt_pu, harm._aim, harm._tried = 0.8, 0.0, (0.8, 0.0), tried
    assert harm._patient((0.7, 0.0), 1.05, 1.3)[1] == aim
    assert harm._trying == (aim == REACH)
    harm._trying = False
    assert harm._patient((0.7, 0.0), 1.05, 1.3)[1] == 0.0


@pytest.mark.parametrize(("widened", "goes"), [(-0.5, True), (UNFORESEEN.span_max, False)])
def test_the_wide_filter_is_taken_as_far_as_the_span_allows(widened: float, goes: bool) -> None:
    """A loop 9 ms late: of small steps, which the grid spans half of, ever more of the wide filter; of large ones,
    which it already spans as far as it may, none. Never the prompt one."""
    at = (1.0, 0.0)
    for _ in range(12):
        before, at = at, best(late(0.009), EDGES_W, SLOW, *at, widened, how=UNFORESEEN)
        assert before[1] - REACH - 1e-9 <= at[1] <= 0.0
    assert (at[1] < -MOSTLY) == goes
    assert at[0] >= 0.9 or not goes


@pytest.mark.parametrize(
    ("gain", "widened", "more"), [(0.05, -0.02, False), (0.05, -0.03, True), (1.0, -0.03, True)]
)
def test_a_law_that_takes_little_tells_little_of_a_span(gain: float, widened: float, more: bool) -> None:
    """Goal: large steps get no wide filter by chance. Method: a law that takes a twentieth of a swing, and is seen to
    narrow the span by less than half of that, or by more; and one that takes all."""
    aim = best(late(0.009), EDGES_W, SLOW, gain, -0.5, widened, how=UNFORESEEN)
    assert (aim[0] > gain or aim[1] < -0.5) == more


def test_what_may_be_chance_is_no_harm() -> None:
    """Goal: n means of a line of which half of the battery's answer is scatter are sure to sqrt(0.5 / n) of each
    component; a load that moves less often, or meets the prompt filter, is believed line by line."""
    harm = Harm(2000.0, SLOW)
    harm._square, harm._cross = np.ones(LINES_HZ.size), np.ones(LINES_HZ.size, complex)
    harm._taken = np.full(LINES_HZ.size, 2.0)
    harm._often, harm._moving_s, harm._forgot_s = OFTEN, 10.0, 4.0
    means = 6.0 * LINES_HZ / (1.25 * PERIODS)
    doubt = harm._doubt()
    assert doubt[: LINES_HZ.size] == pytest.approx(np.sqrt(0.5 / np.maximum(means, 1.0)))
    assert (doubt[-ABOVE_HZ.size :] == doubt[LINES_HZ.size - 1]).all()
    plain = excess(late(0.009), 0.5, 0.0, SLOW)
    law = abs(excess(np.zeros(LINES_HZ.size, complex), 0.5, 0.0, SLOW) - plain)
    assert (excess(late(0.009), 0.5, 0.0, SLOW, doubt) < plain).all() and law.any()
    harm._aim = (1.0, REACH)
    assert not harm._doubt().any()
    harm._aim, harm._often = (1.0, 0.0), OFTEN - 0.01
    assert not harm._doubt().any()
    harm._often, harm._taken = OFTEN, np.ones(LINES_HZ.size)
    assert not harm._doubt().any()


@pytest.mark.parametrize(("often", "errors"), [(OFTEN - 0.01, 1.0), (OFTEN, 0.0)])
def test_a_loop_that_answers_at_once_is_doubted_while_few_edges_tell(often: float, errors: float) -> None:
    """Goal: harm at 49 Hz of a load that moves often is seen as it is; a few edges scatter."""
    harm = Harm(2000.0, replace(SLOW, at_once=True))
    harm._square, harm._cross = np.ones(LINES_HZ.size), np.ones(LINES_HZ.size, complex)
    harm._taken, harm._often, harm._moving_s, harm._aim = np.full(LINES_HZ.size, 2.0), often, 10.0, (1.0, 1.0)
    assert harm._doubt()[: LINES_HZ.size] == pytest.approx(errors * harm._errors())
    assert harm._errors().all()


@pytest.mark.parametrize(
    ("harmed", "made", "calm"), [(CALM - 1e-6, SLOW, True), (CALM, SLOW, False), (0.0, LATE, False)]
)
def test_far_from_harm_a_late_filter_is_moved_faster(harmed: float, made: Shape, calm: bool) -> None:
    """Judged each second and moved twice as fast, where the filter has no room that it would wait in."""
    harm = Harm(2000.0, made)
    harm._moving_s, harm._often, harm._aim = 50.0, 1.0, (1.0, 0.1)
    harm._aim = harm._patient((1.0, 0.2), harmed, harmed)
    assert (harm._due_s - harm._moving_s == EVERY_S) == calm
    assert harm._calm == calm


@pytest.mark.parametrize(
    ("now", "aim", "moved"), [(-0.5, -0.6, -0.502), (-0.5, -0.4, -0.495), (-0.5, 0.0, -0.495)]
)
def test_a_share_goes_out_slowly_and_back_fast(now: float, aim: float, moved: float) -> None:
    """In a tenth of a second, of the wide filter too: RISE_PER_S out, FALL_PER_S back."""
    harm = Harm(2000.0, SLOW)
    harm.prompt_pu, harm._aim = now, (1.0, aim)
    harm.judge(WHOLE, 0.1)
    assert harm.prompt_pu == pytest.approx(moved)


@pytest.mark.parametrize(
    ("made", "widened", "hurries"), [(SLOW, 0.031, True), (SLOW, 0.03, False), (LATE, 0.5, False)]
)
def test_where_the_span_is_not_kept_a_filter_without_room_has_no_patience(
    made: Shape, widened: float, hurries: bool
) -> None:
    """Less is taken second by second, where one step in patience_s would take a minute; to the hundredth."""

    class Seen:
        """A span that was measured."""

        def widened(self, _: float) -> float:
            """Grid over load, less 1."""
            return widened

    harm = Harm(2000.0, made)
    harm._moving_s, harm._square = 50.0, 1e9 * EDGES_W
    harm._cross, harm._taken = harm._square * late(0.009), harm._square
    harm._spans = Seen()  # type: ignore[assignment]
    harm._aimed(np.ones(LINES_HZ.size, bool), Frame(gain=1.0, prompt_pu=0.0))
    assert harm._widens == hurries
    harm._due_s = 0.0
    harm._patient((0.9, 0.0), 1.0, 1.0)
    assert (harm._due_s == 0.0) == hurries

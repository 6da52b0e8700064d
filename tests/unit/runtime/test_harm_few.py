"""Goal: a load that seldom moves tells little of its loop. Method: as in test_harm."""

from __future__ import annotations

import pytest

from controller.image import Frame
from controller.runtime.harm import EVERY_S, FAR, FEW_S, MANY, OFTEN, Harm
from controller.runtime.manner import AHEAD
from tests.unit.runtime.test_harm import EDGES_W, FAST, LATE, SLOW, late


@pytest.mark.parametrize(("often", "seen_s"), [(MANY, 0.0), (MANY - 0.01, FEW_S)])
@pytest.mark.parametrize("before_s", [0.0, EVERY_S])
def test_few_edges_are_no_cause_to_leave_a_careful_filter(
    often: float, seen_s: float, before_s: float
) -> None:
    """Of a load that moves for less than MANY of the time so much must have been seen since all was forgotten, and is
    remembered; a second before that, nothing is judged. One that moves more is judged when it is due, as others are."""
    harm = Harm(2000.0, LATE)
    harm._often, harm._forgot_s, harm._due_s, harm._present = often, 7.0, 7.0, 1.0
    harm._square = 1e9 * EDGES_W
    harm._cross = harm._square * late(0.009)
    harm._moving_s = 7.0 + seen_s - EVERY_S - before_s
    assert harm._memory_s() == (AHEAD.memory_s if often >= MANY else FEW_S)
    harm.judge(Frame(gain=1.0, prompt_pu=0.0), EVERY_S)
    assert (harm._aim != (1.0, 0.0)) == (not before_s)
    assert not Harm(2000.0, SLOW)._few() and not Harm(2000.0, FAST)._few()


@pytest.mark.parametrize(
    ("harm", "widened", "early"),
    [(FAR, 0.03, True), (FAR, None, True), (FAR + 1e-9, None, False), (1.0, 0.03 + 1e-9, False)],
)
def test_of_few_edges_harm_by_far_and_a_span_that_is_not_kept_tell(
    harm: float, widened: float | None, early: bool
) -> None:
    """To the edge of each, while FEW_S are not seen; a moment later all tells."""
    few = Harm(2000.0, LATE)
    few._spans.widened = lambda floor_kw: widened  # type: ignore[method-assign]
    few._forgot_s, few._moving_s = 6.0, 6.0 + FEW_S - EVERY_S
    assert few._early(harm) == early
    few._moving_s += EVERY_S
    assert not few._early(harm)


def test_few_edges_are_not_judged_before_it_is_time_for_the_next() -> None:
    """FEW_S are long seen, and patience asks for a second more."""
    harm = Harm(2000.0, LATE)
    harm._moving_s, harm._due_s, harm._present = 100.0, 102.0, 1.0
    harm._square = 1e9 * EDGES_W
    harm._cross = harm._square * late(0.009)
    aims = []
    for _ in range(2):
        harm.judge(Frame(gain=1.0, prompt_pu=0.0), EVERY_S)
        aims.append(harm._aim)
        harm._present = 1.0
    assert aims[0] == (1.0, 0.0) != aims[1]


@pytest.mark.parametrize(
    ("often", "kept", "at", "held"),
    [
        (1.0, True, (1.0, 0.2), (1.0, 0.2)),
        (1.0, False, (1.0, 0.2), (0.9, 0.3)),
        (1.0, True, (0.95, 0.2), (0.9, 0.3)),
        (OFTEN - 0.01, False, (1.0, 0.2), (0.9, 0.2)),
        (OFTEN, False, (1.0, 0.2), (0.9, 0.3)),
    ],
)
def test_few_edges_allow_little(
    often: float, kept: bool, at: tuple[float, float], held: tuple[float, float]
) -> None:
    """(0.9, 0.3) would be best: a law that takes all of a swing stays while no harm is seen, and no more is answered
    promptly to a load that seldom moves, nor while one is shy of harm."""
    harm = Harm(2000.0, LATE)
    harm._often, harm._aim, harm.prompt_pu = often, at, at[1]
    assert harm._held((0.9, 0.3), kept) == held
    harm._shy_s = harm._moving_s + 1.0
    assert harm._held((0.9, 0.3), kept)[1] == 0.2

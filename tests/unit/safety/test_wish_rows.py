"""A plan that changes its direction too often is told, and not followed (F95)."""

from __future__ import annotations

from math import nan

import pytest

from controller.image import Wish
from controller.safety.step import Inputs, State, step
from controller.safety.wish_rows import MINUTE_S, REVERSALS_MAX, counted
from controller.state import Conditions
from tests.unit.safety.sites import TERMS, at, telemetry


def walked(planned_kw: tuple[float, ...], step_s: float = 0.1) -> Conditions:
    """After a plan that said so, cycle by cycle."""
    seen = Conditions()
    for k, kw in enumerate(planned_kw):
        seen = counted(Conditions(), seen, Wish(planned_kw=kw), at(k * step_s))
    return seen


@pytest.mark.parametrize(
    ("planned_kw", "reversals"),
    [
        ((5.0, 9.0, 1e-9), 0),
        ((5.0, -5.0), 1),
        ((-5.0, 5.0), 1),
        ((-5.0, 0.5), 1),
        ((5.0, -0.5), 1),
        ((5.0, 0.0, 5.0), 0),
        ((5.0, 0.0, nan, -5.0), 1),
        ((0.0, -5.0, -1.0), 0),
        ((5.0, -5.0, 5.0, -5.0), 3),
    ],
)
def test_what_a_reversal_is(planned_kw: tuple[float, ...], reversals: int) -> None:
    """Goal: a change of sign, over a rest too; zero and nan are none. Method: a few cycles each."""
    assert len(walked(planned_kw).t_reversals_ns) == reversals


def test_a_minute_is_remembered_and_no_more() -> None:
    """Goal: what is older does not count, and the memory is bounded. Method: the edge; more than a minute can hold."""
    seen = walked((5.0, -5.0))
    for seconds, kept in ((60.099, 1), (60.1, 0)):
        assert len(counted(Conditions(), seen, Wish(), at(seconds)).t_reversals_ns) == kept
    many = walked((5.0, -5.0) * 40)
    assert len(many.t_reversals_ns) == REVERSALS_MAX + 1
    assert many.t_reversals_ns[-1] == at(7.9).t_ns
    assert counted(many, many, Wish(), at(7.9)) is many


def test_told_at_the_twenty_first_and_for_a_calm_minute() -> None:
    """Goal: D2, no stop; ends a minute after the last reversal. Method: 20, then 21; both edges of the minute."""
    state, told = State(), []
    for k in range(REVERSALS_MAX + 3):
        seen = telemetry(0.1 * k)
        state, _ = step(TERMS, state, Inputs(seen, Wish(planned_kw=5.0 if k % 2 else -5.0)), seen.now)
        told.append([c.code for c in state.conditions.active if c.code == "F95"])
    assert told == [[]] * (REVERSALS_MAX + 2) + [["F95"]], (
        "the 21st comes in cycle 21 and is told a cycle later"
    )
    assert state.conditions.level == 2 and state.conditions.stops == ()
    last_s = 0.1 * (REVERSALS_MAX + 2)
    for seconds, active in (
        (last_s + MINUTE_S - 0.01, True),
        (last_s + MINUTE_S, True),
        (last_s + MINUTE_S + 0.1, False),
    ):
        seen = telemetry(seconds)
        state, _ = step(TERMS, state, Inputs(seen, Wish(planned_kw=-5.0)), seen.now)
        assert any(c.code == "F95" for c in state.conditions.active) is active, seconds

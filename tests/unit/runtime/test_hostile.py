"""Hostile feeds: always a plan or a stated fallback, limits untouched, no traceback. The long form: hostile.py."""

from __future__ import annotations

import pytest

from controller.plan.planner import Rung
from tests.unit.runtime.hostile import through

pytestmark = pytest.mark.stack


def test_whatever_is_told_there_is_a_plan_or_a_stated_fallback() -> None:
    """Goal: garbage, missing, late, contradictory feeds move the plan at most. Method: from a seed, all rungs."""
    seen = through(240, 7)
    assert seen["lp"] > 40 and seen["rule"] > 20
    assert {"last plan", "hold"} <= seen.keys()
    assert seen["faults told"] > 5


@pytest.mark.slow
def test_ten_thousand_cases() -> None:
    """Goal: the same, as often as is promised. Method: 10,000 cases of another seed, each rung many times."""
    seen = through(10_000, 11)
    assert sum(seen[rung] for rung in Rung) == 10_000
    assert min(seen[rung] for rung in Rung) > 200

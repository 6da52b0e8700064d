"""The bench of plans: what it measures is measured; a solver that runs out of time says so at once, under load too."""

from __future__ import annotations

import time

import pytest

from controller.plan.economy import Economist
from controller.plan.program import PlanError
from tools.bench.plans import KNOWN_H, Scipy, horizon, lateness_s, make_case, over_limit_s, plan

pytestmark = [pytest.mark.stack, pytest.mark.process]


def test_scipy_finds_the_same_plan() -> None:
    """Goal: a second opinion on the whole program. Method: one plan of 30 days by both solvers, cost to nine digits."""
    pytest.importorskip("scipy")
    case = make_case()
    one, two = (plan(case, Economist(case.plant, solver=solver)) for solver in (None, Scipy()))
    assert one.cost == pytest.approx(two.cost, rel=1e-9)
    assert one.shed_kwh == pytest.approx(0.0, abs=1e-6)


def test_the_time_limit_holds_beside_a_busy_process() -> None:
    """Goal: no plan is late for long. Method: no time at all; the error comes, within half a second."""
    case = make_case()
    ahead = horizon(case, 0, 4 * KNOWN_H, whole=False)
    with pytest.raises(PlanError, match="time limit"):
        Economist(case.plant, 0.0).plan(ahead.steps, ahead.charges, 2000.0)
    assert over_limit_s(case, 0.0) < 0.5


def test_a_solver_leaves_the_interpreter_to_others() -> None:
    """Goal: the tasks beside it keep their time. Method: a tick beside the largest program."""
    case = make_case()
    began_s = time.perf_counter()
    late_s = lateness_s(lambda: plan(case, Economist(case.plant), whole=True))
    assert late_s < (time.perf_counter() - began_s) / 3

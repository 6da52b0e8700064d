"""Goal: where a converter will be is told right, whatever holds it back.

Method: a converter at rest and one command, so that each figure is a line of arithmetic beside it.
"""

from __future__ import annotations

from math import exp, inf

import numpy as np
import pytest

from tools.bench.stages import after_kw, lead_kw

REST = np.zeros(400)
TURN = np.where(np.arange(400) < 360, 0.0, 1000.0)  # 1000 kW were sent 4 ms ago


def expected_kw(
    wait_s: float, end_s: float, *, lag_s: float = 0.0, slew: float = 0.0, dead_s: float = 0.0
) -> float:
    """For 1000 kW, sent to a converter at rest; slew in kW/s."""
    setup = {"lag_s": lag_s, "slew_kw_per_s": slew, "dead_s": dead_s, "period_s": 0.0024}
    return float(after_kw(setup, REST, 1000.0, wait_s, end_s))


@pytest.mark.parametrize(
    ("lag_s", "slew", "dead_s", "kw"),
    [
        (0.0, 0.0, 0.0, 1000.0),
        (0.005, 0.0, 0.0, 1000.0 * (1 - exp(-1))),
        (0.0, 1e5, 0.0, 500.0),  # 5 ms of 100 kW/ms
        (0.005, 1e5, 0.0, 500.0 * exp(-1)),  # behind a ramp: 500 - 500 (1 - 1/e)
        (0.005, 4e5, 0.0, 1000.0 - 2000.0 * (exp(-0.5) - exp(-1))),  # 2.5 ms on the slew, then at rest
        (0.0, 1e5, 0.002, 300.0),  # its dead time is taken off the end
    ],
)
def test_told_in_2_ms_asked_for_7_ms(lag_s: float, slew: float, dead_s: float, kw: float) -> None:
    """Until it leaves nothing moves; then slew and lag have the 5 ms that are left, or 3 ms behind a dead time of 2."""
    assert expected_kw(0.002, 0.007, lag_s=lag_s, slew=slew, dead_s=dead_s) == pytest.approx(kw)


def test_what_leaves_too_late_changes_nothing() -> None:
    """1000 kW were sent a frame ago, zero leaves in 8 ms, and 7 ms are asked for: 7.1 ms of 100 kW/ms."""
    setup = {"lag_s": 0.0, "slew_kw_per_s": 1e5, "dead_s": 0.0, "period_s": 0.0024}
    assert after_kw(setup, np.append(REST, 1000.0), 0.0, 0.008, 0.007) == pytest.approx(710.0)


@pytest.mark.parametrize(("end_s", "kw"), [(0.0060, 0.0), (0.0061, 1000.0)])
def test_what_is_still_on_its_way(end_s: float, kw: float) -> None:
    """Behind a dead time of 10 ms what was sent 4 ms ago takes effect in 6 ms, whatever is told now."""
    setup = {"lag_s": 0.0, "slew_kw_per_s": 0.0, "dead_s": 0.01, "period_s": 0.0024}
    assert after_kw(setup, TURN, -500.0, 0.0, end_s) == kw


def walked_kw(
    setup: dict[str, float], sent_kw: np.ndarray, told_kw: float, wait_s: float, end_s: float
) -> float:
    """The same as after_kw, by steps of a microsecond of the lag's own equation."""
    kw, slew_kw = (float(x) for x in lead_kw(setup, sent_kw, 0.0)[1:])
    step_s = 1e-6
    keeps = exp(-step_s / setup["lag_s"])
    for k in range(round((end_s - setup["dead_s"]) / step_s)):
        aim_kw = told_kw if k * step_s >= wait_s - 1e-9 else sent_kw[-1]
        most_kw = setup["slew_kw_per_s"] * step_s
        before_kw = slew_kw
        slew_kw += min(max(aim_kw - slew_kw, -most_kw), most_kw)
        kw += (0.5 * (before_kw + slew_kw) - kw) * (1.0 - keeps)
    return kw


@pytest.mark.parametrize("told_kw", [-700.0, 0.0, 150.0, 1000.0])
@pytest.mark.parametrize("wait_s", [0.0, 0.0005, 0.0015, 0.009])
@pytest.mark.parametrize("lag_s", [0.001, 0.004, 0.02])
def test_two_ways_one_after_the_other(told_kw: float, wait_s: float, lag_s: float) -> None:
    """Still on its way to 800 kW it is told another; looked at 2 ms later. Against small steps, to 1 kW of 1000."""
    setup = {"lag_s": lag_s, "slew_kw_per_s": 2.5e5, "dead_s": 0.001, "period_s": 0.0024}
    sent_kw = np.append(np.zeros(20), np.full(20, 800.0))
    found_kw = after_kw(setup, sent_kw, told_kw, wait_s, 0.003)
    assert found_kw == pytest.approx(walked_kw(setup, sent_kw, told_kw, wait_s, 0.003), abs=1.0)


def stepped_kw(setup: dict[str, float], kw: float, slew_kw: float, wanted_kw: float) -> float:
    """The lead as its equation has it: three steps from the one without a slew limit, clipped before each."""
    lead_s = max(setup["period_s"], 0.15 * setup["lag_s"])
    a = exp(-lead_s / setup["lag_s"])
    reach_kw = setup["slew_kw_per_s"] * lead_s
    scale_kw = setup["slew_kw_per_s"] * setup["lag_s"]
    u = kw + (wanted_kw - kw) / (1 - a)
    for _ in range(3):
        u = min(max(u, slew_kw - reach_kw), slew_kw + reach_kw)
        x = abs(u - slew_kw) / scale_kw
        h = a * x * (0.5 + x * (1 / 6 + x / 24))
        u -= (a * kw + (1 - a) * u - (u - slew_kw) * h - wanted_kw) / (1 - a - h)
    late_kw = reach_kw + setup["slew_kw_per_s"] * 1e-4
    return min(max(u, slew_kw - late_kw), slew_kw + late_kw)


@pytest.mark.parametrize("period_s", [0.0005, 0.0024, 0.0048, 0.0274])
@pytest.mark.parametrize("lag_s", [0.001, 0.002, 0.005, 0.05])
def test_the_table_of_the_lead_is_its_equation(lag_s: float, period_s: float) -> None:
    """From what is just missed to far more than the slew allows, to 2e-10 of what it slews in a lag; on a wire that is
    quick for the lag the lead takes 0.15 of that."""
    setup = {"lag_s": lag_s, "slew_kw_per_s": 4e5, "dead_s": 0.001, "period_s": period_s}
    sent_kw = np.append(np.zeros(20), np.full(7, 300.0))
    for wanted_kw in np.linspace(-3000.0, 3000.0, 1201):
        found_kw, kw, slew_kw = lead_kw(setup, sent_kw, float(wanted_kw))
        assert found_kw == pytest.approx(
            stepped_kw(setup, kw, slew_kw, float(wanted_kw)), rel=0.0, abs=2e-10 * 4e5 * lag_s
        )


def test_a_lead_without_lag_or_slew_limit() -> None:
    """Without a lag what is wanted; without a slew limit 800 / (1 - exp(-0.48)); beyond all bounds the nearest end."""
    setup = {"lag_s": 0.0, "slew_kw_per_s": 4e5, "dead_s": 0.0, "period_s": 0.0024}
    assert lead_kw(setup, REST, 800.0)[0] == 800.0
    free = setup | {"lag_s": 0.005, "slew_kw_per_s": 0.0}
    assert lead_kw(free, REST, 800.0)[0] == pytest.approx(800.0 / (1.0 - exp(-0.48)))
    assert lead_kw(setup | {"lag_s": 0.005}, REST, -inf)[0] == pytest.approx(-4e5 * 0.0025)

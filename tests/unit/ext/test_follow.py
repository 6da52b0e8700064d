"""Goal: where a converter will be is told right, whatever holds it back.

Method: a converter at rest and one command, so that each figure is a line of arithmetic beside it.
"""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from tools.bench.stages import after_kw

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

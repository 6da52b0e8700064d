"""The samples stop (F06): the setpoint holds for 10 ms and fades to zero; and a battery at rest does not swing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cases.virtual import Site, square_kw

pytestmark = pytest.mark.stack

FALL_KW_PER_S = 4000.0  # both ratings of the reference site in half a second
STALE_MS, HOLD_MS, EXCHANGE_MS = 2.0, 10.0, 2.4


@pytest.mark.parametrize(("phase_s", "sign"), [(0.5, 1.0), (1.5, -1.0)], ids=["discharging", "charging"])
def test_the_setpoint_fades_and_never_passes_zero(phase_s: float, sign: float) -> None:
    """Goal: from the last good value to zero, in one direction, by the frame alone, before any mode changes.
    Method: samples end in the middle of a half period of 3 and 4 MW; every setpoint that left, each ms."""
    site = Site(square_kw(4.0))
    site.engaged()
    site.run(10.0 + phase_s)
    was_kw = sign * site.recent("setpoint_kw", 0.001)[0]
    site.virtual.drop(-1)
    site.frames(0.25)
    sent_kw = sign * site.recent("setpoint_kw", 0.25)
    assert was_kw > 200.0
    assert sent_kw.min() == 0.0 == sent_kw[-1]
    assert np.abs(sent_kw[:12] - was_kw).max() < 40.0  # the law's own last word, without its lead
    assert np.diff(sent_kw[5:]).max() <= 0.0
    falls_ms = 5 + int(np.flatnonzero(sent_kw[5:] < sent_kw[5])[0])
    assert STALE_MS + HOLD_MS <= falls_ms <= STALE_MS + HOLD_MS + EXCHANGE_MS + 1.0
    zero_ms = int(np.flatnonzero(sent_kw == 0.0)[0])
    assert zero_ms == pytest.approx(falls_ms + 1e3 * sent_kw[5] / FALL_KW_PER_S, abs=EXCHANGE_MS + 1.0)


def test_a_battery_at_rest_does_not_swing() -> None:
    """Goal: where the load stands still, so does the setpoint, to what the estimate of the load leaves of a dirty
    feeder's ripple (0.35 % of 3.5 MW). Method: three seconds at rest."""
    site = Site(np.full(400, 3500.0))
    site.engaged()
    site.run(6.0)
    assert site.recent("setpoint_kw", 3.0).std() < 0.0035 * 3500.0 / 2

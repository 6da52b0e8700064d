"""The slow wish: a SOC leak with dead-band and bound."""

from __future__ import annotations

from math import nan

import pytest

from controller.image import Device, Forecast, Frame, Telemetry, Track
from controller.plan.wish import Wisher
from tests.unit.safety.sites import at


def telemetry(*soc_pct: float) -> Telemetry:
    """A site with one BMS a value."""
    devices = {f"bms-{i}": Device(f"bms-{i}", "bms", {"soc_pct": v}, 0.1) for i, v in enumerate(soc_pct)}
    return Telemetry(at(0), Track(), Frame(), devices)


@pytest.mark.parametrize(
    ("soc_pct", "leak_kw"),
    [((50.0,), 0.0), ((49.0,), 0.0), ((51.0,), 0.0), ((47.0,), 16.0), ((53.0,), -16.0), ((44.0,), 40.0),
     ((10.0,), 40.0), ((95.0,), -40.0), ((46.0, 48.0), 16.0), ((nan,), 0.0), ((), 0.0)],
)  # fmt: skip
def test_leak(soc_pct: tuple[float, ...], leak_kw: float) -> None:
    """Goal: back to 50 %, at most 2 % of 2000 kW = 40 kW. Method: (3 - 1) / 5 * 40 = 16 kW at 47 %."""
    wish = Wisher(50.0, 2000.0, 60.0).decide(telemetry(*soc_pct), Forecast(), at(0))
    assert wish.leak_kw == pytest.approx(leak_kw)
    assert (wish.ramp_kw_per_s_max, wish.gain) == (60.0, 1.0)

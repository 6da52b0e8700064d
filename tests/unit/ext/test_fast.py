"""Over-voltage of the DC bus and reverse power act inside the frame, on the third sample and on no spike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ext.cycle import Executive
from tests.unit.ext.frames import NS, SCALE, limits, setup, times, waveform

PERIOD_NS = 100_000
WARM_S = 0.3  # the frequency lock has settled
CALM, HIGH = 10_000, 11_000  # counts of the DC bus


class Bench:
    """A frame with a DC bus and transformers at load and connection; feeds samples and looks at what is left."""

    def __init__(self, load_kw: float = 3000.0, dc: int = 1, **lease: Any) -> None:
        site = setup()
        site["sampler"]["present"] = [1] * 6 + [0] * 6 + [dc, dc, 0, 0]
        self.frame = Executive(site)
        self.at = 0
        self.load_kw = load_kw
        self.lease = {"sequence": 0, "ramp_kw_per_s_max": 1e5} | lease
        self.feed(WARM_S)

    def renew(self, **changes: Any) -> None:
        """The supervisor's next lease."""
        self.lease["sequence"] += 1
        now_ns = self.at * PERIOD_NS
        row = {"t_issue_ns": now_ns, "valid_until_ns": now_ns + NS} | self.lease | changes
        self.frame.publish(limits(**row))

    def feed(self, seconds: float, load_kw: float | None = None, dc: tuple[int, ...] = ()) -> dict[str, Any]:
        """Samples at 10 kHz, a lease at each call; dc: counts of the bus, the rest of the time it is calm."""
        self.load_kw = self.load_kw if load_kw is None else load_kw
        t_ns = times(seconds) + self.at * PERIOD_NS
        counts = waveform(t_ns, np.full(t_ns.size, self.load_kw))
        counts[:, 12] = CALM + np.arange(t_ns.size) % 3  # a bus that stands still would be called stuck
        counts[:, 13] = np.arange(t_ns.size) % 3
        counts[: len(dc), 12] = dc
        self.renew()
        self.frame.replay(t_ns, counts, SCALE)
        self.at += t_ns.size
        found: dict[str, Any] = self.frame.status()
        return found


def test_over_voltage_is_cut_on_the_third_sample() -> None:
    """Goal: F10 within K and F08's two samples. Method: 2, then 3 samples above; equal is allowed; a second later it
    may charge again with the next lease."""
    bench = Bench()
    dc_v_max = 11_000 * SCALE[12] * 250.0
    bench.lease["dc_v_max"] = dc_v_max
    assert bench.feed(0.001, dc=(HIGH + 1,) * 2 + (CALM,))["charge_cuts"] == 0
    assert bench.feed(0.001, dc=(HIGH,) * 9)["charge_cuts"] == 0
    assert bench.feed(0.0003, dc=(HIGH + 1,) * 3)["charge_cuts"] == 1
    for _ in range(9):
        assert bench.feed(0.1)["charge_cuts"] == 1
    assert bench.feed(0.1, dc=(HIGH + 1,) * 3)["charge_cuts"] == 1
    bench.feed(1.0)
    assert bench.feed(0.01, dc=(HIGH + 1,) * 3)["charge_cuts"] == 2


def test_a_cut_charge_is_none_and_discharge_goes_on() -> None:
    """Goal: pcs_kw >= 0 from that frame on. Method: a load step down that asks for charge; with and without the cut."""
    for dc_v_max, low, high in ((0.0, -1010.0, -900.0), (11_000 * SCALE[12] * 250.0, 0.0, 50.0)):
        bench = Bench(4000.0, dc_v_max=dc_v_max, ramp_kw_per_s_max=0.0)
        bench.feed(0.05, dc=(HIGH + 9,) * 3)
        command = bench.feed(0.05, load_kw=3000.0, dc=(HIGH + 9,) * 3)["command"]
        assert low <= command["pcs_kw"] <= high
        assert low <= command["setpoint_kw"][0] <= high
        assert bench.feed(0.05, load_kw=5000.0, dc=(HIGH + 9,) * 3)["command"]["pcs_kw"] > 500.0


def test_what_no_sensor_tells_cuts_nothing() -> None:
    """Goal: a lost DC sensor is F09's matter. Method: no limit known; a limit far below, and no DC input; both."""
    assert Bench().feed(0.1, dc=(HIGH,) * 1000)["charge_cuts"] == 0
    assert Bench(dc=0, dc_v_max=1.0).feed(0.1)["charge_cuts"] == 0
    assert Bench(dc_v_max=1.0).feed(0.1)["charge_cuts"] == 1


@pytest.mark.parametrize(
    ("grid_kw", "last_s", "cuts"),
    [(-601.0, 0.0215, 1), (-601.0, 0.0185, 0), (-599.0, 0.1, 0), (100.0, 0.1, 0)],
)
def test_reverse_power_is_cut_once_it_lasts(grid_kw: float, last_s: float, cuts: int) -> None:
    """Goal: F58, F63 by what is measured, not by what the law believes: 500 kW may flow out, 100 more may be error,
    20 ms may pass. Method: a load that feeds in, at the edges of power and time."""
    bench = Bench(load_kw=200.0, permit=0)
    assert bench.frame.status()["discharge_cuts"] == 0
    assert bench.feed(last_s, load_kw=grid_kw)["discharge_cuts"] == cuts


def test_a_genset_is_held_to_its_least_load() -> None:
    """Goal: a negative export limit is an import: below it the discharge is cut. Method: 400 kW asked for, 250 left."""
    for load_kw, cuts in ((350.0, 0), (250.0, 1)):
        bench = Bench(load_kw=600.0, permit=0, export_kw_max=-400.0)
        assert bench.feed(0.1, load_kw=load_kw)["discharge_cuts"] == cuts


def test_a_cut_discharge_is_none_and_charge_goes_on() -> None:
    """Goal: zero within the frame in which it is cut. Method: power flows out that the law cannot see."""
    bench = Bench(load_kw=200.0, ramp_kw_per_s_max=0.0)
    found = bench.feed(0.0305, load_kw=-700.0)
    assert found["discharge_cuts"] == 1
    assert found["command"]["pcs_kw"] <= 0.0


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(bad: float) -> None:
    """Goal: no lease with a limit that is no number. Method: dc_v_max negative, nan, infinite."""
    bench = Bench(dc_v_max=bad)
    assert not bench.frame.status()["lease_live"]

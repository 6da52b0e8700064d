"""The converter: step response against the closed form, rating, run states, watchdog."""

from __future__ import annotations

import numpy as np
import pytest

from tools.plant.links import Link

CHAR_S = 11 / 115200
PARSED_S = 8 * CHAR_S + 3.5 * CHAR_S  # FC06 at 115200 with 3.5 characters of silence


def closed_form_kw(t_s, target_kw, slew_kw_per_s, tau_s):
    """First-order lag behind a ramp to target_kw that begins at 0."""
    ramp_s = target_kw / slew_kw_per_s
    during = slew_kw_per_s * (t_s - tau_s * (1.0 - np.exp(-t_s / tau_s)))
    at_end = slew_kw_per_s * (ramp_s - tau_s * (1.0 - np.exp(-ramp_s / tau_s)))
    after = target_kw - (target_kw - at_end) * np.exp(-(t_s - ramp_s) / tau_s)
    return np.where(t_s <= 0, 0.0, np.where(t_s < ramp_s, during, after))


@pytest.mark.parametrize(
    ("dead_ms", "tau_ms", "slew_pu_s", "kw"),
    [(0.3, 5.0, 200.0, 1500.0), (1.23, 10.0, 50.0, 2000.0), (7.0, 50.0, 2.0, 400.0)],
)
@pytest.mark.parametrize("step_ns", [100_000, 7_000])
def test_step_response(bench_of, dead_ms, tau_ms, slew_pu_s, kw, step_ns):
    """Goal: dead time from the parsed frame, slew, lag.
    Method: every step's power against the closed form.
    """
    link = Link("test", 115200, "chars", 0.2, dead_ms, tau_ms, slew_pu_s)
    bench = bench_of(link=link, step_ns=step_ns)
    bench.start()
    bench.plant.record(1, 100_000)
    sent_s = bench.plant.truth()["t_s"]
    bench.setpoint(kw, wait_s=0.3)
    rows = bench.plant.recorded()
    t_s = rows[:, 0] - sent_s - PARSED_S - 1e-3 * dead_ms
    expected = closed_form_kw(t_s, kw, slew_pu_s * 2000.0, 1e-3 * tau_ms)
    assert np.abs(rows[:, 3] - expected).max() < 0.01
    assert rows[-1, 4] == kw


def test_setpoints_in_the_dead_time_keep_their_order(bench_of):
    """Goal: a train of setpoints arrives whole and delayed.
    Method: 20 ms dead time, no lag, four writes 3 ms apart.
    """
    bench = bench_of(link=Link("test", 115200, "chars", 0.2, 20.0, 0.0))
    bench.start()
    bench.plant.record(1, 10_000)
    for kw in (100.0, 200.0, 300.0, 400.0):
        bench.setpoint(kw, wait_s=0.003)
    bench.run(0.05)
    power = bench.plant.recorded()[:, 3]
    changes = power[np.flatnonzero(np.diff(power)) + 1]
    assert changes.tolist() == [100.0, 200.0, 300.0, 400.0]


def test_over_drive_is_taken_and_more_is_refused(bench_of):
    """Goal: the register takes 1.2 ratings, the next count gets exception 3.
    Method: both ends, both signs.
    """
    bench = bench_of()
    bench.start()
    for kw in (2400.0, -2400.0):
        bench.setpoint(kw, wait_s=0.2)
        assert bench.plant.truth()["pcs_kw"] == pytest.approx(kw, rel=1e-6)
    for raw in (24_001, -24_001):
        assert bench.ask("rs485-1", 1, 6, 0, 200, *(raw & 0xFFFF).to_bytes(2, "big")) == bytes((1, 0x86, 3))
    assert bench.plant.truth()["setpoints_kw"] == (-2400.0,)


def test_only_running_gives_power(bench_of):
    """Goal: standby and starting give nothing, stop ends power at once.
    Method: setpoint before, during and after.
    """
    bench = bench_of()
    assert bench.plant.truth()["states"] == ("standby",)
    bench.setpoint(500.0, wait_s=0.05)
    bench.write("rs485-1", 1, 201, 1)
    bench.setpoint(500.0, wait_s=0.05)
    assert bench.plant.truth()["states"] == ("starting",)
    bench.run(1.0)
    truth = bench.plant.truth()
    assert (truth["states"], truth["pcs_kw"]) == (("running",), 0.0)
    bench.setpoint(500.0, wait_s=0.1)
    assert bench.plant.truth()["pcs_kw"] == pytest.approx(500.0)
    bench.write("rs485-1", 1, 201, 2)
    truth = bench.plant.truth()
    assert (truth["states"], truth["pcs_kw"]) == (("standby",), 0.0)


def test_silence_stops_an_armed_converter(bench_of):
    """Goal: 2 s without a write stop it; reads do not count (fed_by write).
    Method: arm, feed 5 s, then only read.
    """
    bench = bench_of()
    bench.start()
    bench.write("rs485-1", 1, 104, 2000)
    assert bench.words("rs485-1", 1, 3, 104, 1) == [2000]
    for _ in range(5):
        bench.setpoint(300.0, wait_s=1.0)
    assert bench.plant.truth()["states"] == ("running",)
    bench.setpoint(300.0, wait_s=0.01)
    for _ in range(4):
        bench.words("rs485-1", 1, 3, 100, 6)
    assert bench.plant.truth()["pcs_kw"] == pytest.approx(300.0)
    bench.run(0.389)
    assert bench.plant.truth()["states"] == ("running",)
    bench.run(0.02)
    truth = bench.plant.truth()
    assert (truth["states"], truth["pcs_kw"], truth["expiries"]) == (("off",), 0.0, (1,))
    assert bench.words("rs485-1", 1, 3, 105, 1) == [1]
    bench.start()
    assert bench.words("rs485-1", 1, 3, 105, 1) == [0]


def test_not_armed_holds_its_last_setpoint(bench_of):
    """Goal: without arming it keeps running, as real units do. Method: a minute of silence."""
    bench = bench_of()
    bench.start()
    bench.setpoint(300.0, wait_s=60.0)
    assert bench.plant.truth()["pcs_kw"] == pytest.approx(300.0)


def test_reading_feeds_where_the_profile_says_so(bench_of):
    """Goal: the Sinexcel's watchdog is fed by reads. Method: arm 60 s, read each 50 s, then fall silent."""
    bench = bench_of("two-halls", load_kw=1200.0, step_ns=1_000_000)
    bench.write("rs485-2", 1, 650, 1, wait_s=2.0)
    bench.write("rs485-2", 1, 327, 60, wait_s=0.1)
    for _ in range(3):
        bench.run(50.0)
        bench.words("rs485-2", 1, 3, 32, 1)
    assert bench.plant.truth()["states"][1] == "running"
    bench.run(61.0)
    assert bench.plant.truth()["states"][1] == "off"

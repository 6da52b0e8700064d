"""Goal: the law holds the target, keeps inside the lease and rests where it cannot help.

Method: waveforms through the real frame without a bus; every figure follows by hand from the lease in frames.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from controller.runtime.shape import STEP_MAX
from ext.cycle import Executive
from tests.unit.ext.frames import NS, RATE_HZ, SCALE, limits, setup, times, waveform


def run(
    load_kw: np.ndarray, law: dict[str, Any] | None = None, **lease: Any
) -> tuple[Executive, dict[str, np.ndarray]]:
    """Half a second at the first load to lock and engage, then load_kw (n); arrays of the part after it."""
    frame = Executive(setup(**(law or {})))
    frame.publish(limits(**lease))
    t_ns = times(0.5 + load_kw.size / RATE_HZ)
    load = np.concatenate([np.full(RATE_HZ // 2, load_kw[0]), load_kw])
    out = frame.replay(t_ns, waveform(t_ns, load), SCALE)
    return frame, {name: values[RATE_HZ // 2 :] for name, values in out.items()}


def step(low_kw: float, high_kw: float, seconds: float = 1.0) -> np.ndarray:
    """A tenth of a second low, then high."""
    load = np.full(round(seconds * RATE_HZ), high_kw)
    load[: RATE_HZ // 10] = low_kw
    return load


def test_the_battery_takes_the_step_and_the_target_ramps() -> None:
    """3000 to 4600 kW: the battery is asked for 1600 kW within 0.5 ms; the target climbs 50 kW/s, no faster."""
    _, out = run(step(3000, 4600), {"target_lag_s": 1.0})
    assert out["pcs_kw"][RATE_HZ // 10 + 5] == pytest.approx(1600, abs=20)
    climb = np.diff(out["target_kw"][RATE_HZ // 10 + 200 :]) * RATE_HZ
    assert climb.max() <= 50.0 + 1e-6
    assert climb[-1000:].mean() == pytest.approx(50.0, rel=0.01)


@pytest.mark.parametrize("ramp", [10.0, 200.0])
def test_ramp_limit_is_the_leases(ramp: float) -> None:
    """The limit that holds is the one of the lease in force."""
    _, out = run(step(3000, 4600), {"target_lag_s": 1.0}, ramp_kw_per_s_max=ramp)
    climb = np.diff(out["target_kw"][RATE_HZ // 10 + 200 :]) * RATE_HZ
    assert climb.max() <= ramp + 1e-6


def test_up_and_down_have_a_ramp_each_and_the_leak_what_is_left_of_it() -> None:
    """Goal: what the utility sees never moves faster. Method: a step up at 80 kW/s, one down at 20, each while the leak
    would go the same way at once; before them it goes alone."""
    ramps = {"ramp_up_kw_per_s_max": 80.0, "ramp_down_kw_per_s_max": 20.0}
    for low_kw, high_kw, leak_kw, most in ((3000.0, 4600.0, 500.0, 80.0), (4600.0, 3000.0, -500.0, -20.0)):
        _, out = run(step(low_kw, high_kw), {"target_lag_s": 1.0}, leak_kw=leak_kw, **ramps)
        climb = np.diff(out["target_kw"]) * RATE_HZ * np.sign(most)
        assert climb[: RATE_HZ // 10 - 5].mean() == pytest.approx(abs(most), rel=0.02), "the leak alone"
        assert climb[RATE_HZ // 10 + 200 :].max() <= abs(most) + 1e-6
        assert climb[-1000:].mean() == pytest.approx(abs(most), rel=0.01)


def test_what_lies_in_the_dead_zone_is_left_to_the_grid() -> None:
    """Goal: a small swing costs no losses, a large one is answered less the zone. Method: 100 kW of zone; steps of 95
    and 105 kW, and of 600 either way, before the target has moved."""
    for step_kw, taken_kw in ((95.0, 0.0), (105.0, 5.0), (600.0, 500.0), (-600.0, -500.0)):
        _, out = run(step(4000.0, 4000.0 + step_kw), {"dead_zone_kw": 100.0})
        assert out["pcs_kw"][RATE_HZ // 10 + 50] == pytest.approx(taken_kw, abs=4.0)


def test_the_command_never_leaves_the_lease() -> None:
    """Limits of 700 kW discharge and 300 kW charge against steps of 1600 kW: both are met exactly, never passed."""
    load = np.concatenate([step(3000, 4600, 0.3), step(4600, 3000, 0.3)])
    _, out = run(load, discharge_kw_max=[700.0] + [0.0] * 7, charge_kw_max=[300.0] + [0.0] * 7)
    for name in ("pcs_kw", "lead_kw"):
        assert out[name].max() == pytest.approx(700)
        assert out[name].min() == pytest.approx(-300)


def test_a_target_out_of_reach_moves_to_the_edge_of_reach() -> None:
    """A drop of 4000 kW with a 2000 kW battery: the target follows to load + 2000 kW at once, then ramps from there."""
    _, out = run(step(4600, 600), {"target_lag_s": 1.0})
    assert out["target_kw"][RATE_HZ // 10 + 10] == pytest.approx(2600, abs=10)
    assert out["target_kw"][-1] == pytest.approx(2600 - 50 * 0.9, abs=15)


def test_leak_charges_through_the_target() -> None:
    """leak_kw = 40 at 50 kW/s: after 0.8 s the battery charges with 40 kW and the grid target says so."""
    _, out = run(np.full(RATE_HZ, 4000.0), leak_kw=40.0)
    assert out["pcs_kw"][-1] == pytest.approx(-40, abs=2)
    assert out["target_kw"][-1] == pytest.approx(4040, abs=2)


def test_import_and_export_caps_come_before_the_target() -> None:
    """A cap of 4200 kW import asks for 400 kW at 4600 kW load, whatever the ramp target says after it has settled."""
    _, out = run(step(4000, 4600), ramp_kw_per_s_max=1e6, import_kw_max=4200.0, sequence=2)
    assert out["pcs_kw"][-1] >= 400 - 5
    _, out = run(np.full(RATE_HZ, 100.0), leak_kw=-900.0, ramp_kw_per_s_max=1e6, export_kw_max=500.0)
    assert out["pcs_kw"].max() == pytest.approx(600, abs=2)


@pytest.mark.parametrize(
    ("dead_s", "period_s", "lag_s", "slew_kw_per_s", "gain"),
    [
        (0.0014, 0.0024, 0.005, 400e3, 1.0),
        (0.0245, 0.0273, 0.010, 400e3, 0.0),
        (0.0014, 0.0024, 0.005, 4e3, 0.0),
    ],
)
def test_gain_falls_with_the_loop_delay(
    dead_s: float, period_s: float, lag_s: float, slew_kw_per_s: float, gain: float
) -> None:
    """115200 true: full. 9600 with 10 ms more of dead time, and a factory ramp of 2 pu/s: none, and nothing is asked.

    Delay = frame + dead + (period + lag) / 4 + what a slew of 0.8 * 2000 kW / 2 takes beyond 2 ms.
    """
    law = {"dead_s": dead_s, "period_s": period_s, "lag_s": lag_s, "slew_kw_per_s": slew_kw_per_s}
    frame, out = run(step(3000, 4600, 0.3), law)
    by_hand = 1e-4 + dead_s + (period_s + lag_s) / 4 + max(0.0, 800 / slew_kw_per_s - 0.002)
    assert frame.status()["loop_delay_s"] == pytest.approx(by_hand)
    assert frame.status()["command"]["gain"] == gain
    assert out["pcs_kw"].max() == pytest.approx(gain * 1600, abs=60)


def test_a_loop_between_answers_through_the_shape() -> None:
    """A converter with 10 ms of lag answers through the shape: more than the step at first, the taps' sum when they
    have passed, the step itself in the end; and then the wire is free."""
    frame, out = run(step(3000, 4600, 0.9), {"lag_s": 0.010})
    at = RATE_HZ // 10
    command = frame.status()["command"]
    assert (command["gain"], command["prompt_pu"]) == (1.0, 1.0)
    assert np.count_nonzero(np.diff(out["lead_kw"][at + 5000 :])) < 300
    assert out["pcs_kw"][at + 9 :].max() == pytest.approx(STEP_MAX * 1600, rel=0.03)
    assert out["pcs_kw"][at + 5000] == pytest.approx(1600, abs=60)


def test_a_battery_at_rest_leaves_the_wire_free() -> None:
    """A wobble of 15 kW at 40 Hz, below 2 % of 2000 kW: most of the second the wire is free. Of 300 kW:
    it is followed."""
    for size_kw, commands_max in ((15.0, 120), (300.0, 10_000)):
        load = 4000 + size_kw * np.sin(2 * np.pi * 40 * np.arange(RATE_HZ) / RATE_HZ)
        _, out = run(load)
        commands = np.count_nonzero(np.diff(out["lead_kw"]))
        assert commands <= commands_max
        assert size_kw < 100 or commands > 1000


def test_what_is_small_is_measured_by_the_converters_that_take_part() -> None:
    """A wobble of 34 kW, peak to peak, is below 1.92 % of two converters of 1000 kW, and above it when one is out."""
    two = {"pcs_count": 2, "each_kw": [1000.0, 1000.0] + [0.0] * 6}
    load = 4000 + 17.0 * np.sin(2 * np.pi * 40 * np.arange(RATE_HZ) / RATE_HZ)
    for other_kw, least, most in ((1000.0, 0, 120), (0.0, 1000, 10_000)):
        ends_kw = [1000.0, other_kw] + [0.0] * 6
        _, out = run(load, two, discharge_kw_max=ends_kw, charge_kw_max=ends_kw)
        assert least <= np.count_nonzero(np.diff(out["lead_kw"])) <= most


def test_the_lead_reaches_one_frame_beyond_the_exchange() -> None:
    """400 kW/ms and exchanges of 0.45 ms: a step of 1600 kW is out of reach of the first, which is told 180 kW and the
    40 kW of the frame that the next one may leave late. Without them the converter would stand still until then."""
    fast = {"dead_s": 0.0005, "period_s": 0.00045, "lag_s": 0.002, "slew_kw_per_s": 400e3}
    for low_kw, high_kw, told_kw in ((3000.0, 4600.0, 220.0), (4600.0, 3000.0, -220.0)):
        _, out = run(step(low_kw, high_kw, 0.2), fast)
        lead_kw = out["lead_kw"][RATE_HZ // 10 :]
        assert lead_kw[abs(lead_kw).argmax()] == pytest.approx(told_kw, abs=0.5)


def test_a_lapsed_lease_ramps_to_zero_within_half_a_second() -> None:
    """Discharging 1600 kW when the lease ends: never a rise, zero 0.5 s later."""
    _, out = run(step(3000, 4600, 1.4), ramp_kw_per_s_max=0.0, valid_until_ns=NS, fall_kw_per_s=1.0)
    lapse = RATE_HZ // 2
    assert out["pcs_kw"][lapse - 2] == pytest.approx(1600, abs=10)
    assert out["pcs_kw"][lapse + RATE_HZ // 4] == pytest.approx(1000, abs=20)
    assert abs(out["pcs_kw"][lapse + RATE_HZ // 2 + 2]) == 0.0


def test_without_a_permit_nothing_is_asked_and_the_start_is_gentle() -> None:
    """No permit: zero. The permit in the middle of a swing starts from the load as it is: no jump."""
    frame = Executive(setup())
    t_ns = times(1.0)
    counts = waveform(t_ns, step(3000, 4600))
    frame.publish(limits(permit=0))
    assert not np.any(frame.replay(t_ns[:6000], counts[:6000], SCALE)["lead_kw"] * 0)
    assert frame.status()["command"]["setpoint_kw"] == [0.0] * 8
    frame.publish(limits(sequence=2))
    out = frame.replay(t_ns[6000:], counts[6000:], SCALE)
    assert np.abs(out["pcs_kw"][:50]).max() < 20


def test_a_lost_load_is_held_ten_milliseconds_then_ramped_down() -> None:
    """F06: samples stop while discharging 1600 kW; it holds 10 ms, to the frame, then falls 4000 kW/s; no lead."""
    frame = Executive(setup())
    frame.publish(limits(ramp_kw_per_s_max=0.0, fall_kw_per_s=4000.0))
    t_ns = times(1.0)
    frame.replay(t_ns[:8000], waveform(t_ns, step(3000, 4600))[:8000], SCALE)
    frozen = waveform(t_ns, step(3000, 4600))[7999:8000].repeat(2000, axis=0)
    out = frame.replay(t_ns[8000:], frozen, SCALE)
    held = out["pcs_kw"]
    assert held[200] == pytest.approx(1600, abs=120)  # a frozen code is told after 200 samples, then held
    assert held[199 + 100 + 1000] == pytest.approx(1600 - 400, abs=120)
    falls = int(np.flatnonzero(np.diff(held[200:]) < 0)[0]) + 201
    lost = falls - 100  # the first frame without a load: held 10 ms after the last one with it
    assert np.all(held[lost:falls] == held[lost - 1])
    assert held[falls] == pytest.approx(held[falls - 1] - 0.4)
    assert np.array_equal(out["lead_kw"][lost:], held[lost:])
    assert out["lead_kw"][lost - 1] != held[lost - 1]

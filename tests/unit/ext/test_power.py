"""Goal: power is right, quick and free of ripple. Method: known waveforms through the real frame, numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ext.cycle import Executive
from tests.unit.ext.frames import NS, RATE_HZ, SCALE, limits, setup, times, waveform


def track(load_kw: np.ndarray, **shape: float) -> tuple[Executive, np.ndarray]:
    """The frame's load_kw (n) for a waveform that carries load_kw (n)."""
    frame = Executive(setup())
    t_ns = times(load_kw.size / RATE_HZ)
    out = frame.replay(t_ns, waveform(t_ns, load_kw, **shape), SCALE)
    return frame, out["load_kw"]


def test_a_balanced_sine_is_exact() -> None:
    """Three phases of a balanced sine add up to a constant: 4000 kW stay 4000 kW within the converter's resolution."""
    _, kw = track(np.full(10_000, 4000.0))
    assert np.abs(kw[5000:] - 4000).max() < 4.0


@pytest.mark.parametrize(
    ("shape", "ripple"),
    [({"negative": 0.05}, 0.05), ({"fifth": 0.04, "seventh": 0.03}, 0.07), ({"dc_a": 2.0}, 0.005)],
)
def test_ripple_is_learnt_and_removed(shape: dict[str, float], ripple: float) -> None:
    """Unbalance, 5th and 7th, a CT's offset: raw ripple of `ripple` falls below a twentieth of it in 3 s."""
    _, kw = track(np.full(40_000, 4000.0), **shape)
    raw = ripple * 4000
    assert np.abs(kw[30_000:] - kw[30_000:].mean()).max() < raw / 20
    assert kw[30_000:].mean() == pytest.approx(4000, rel=2e-3)


@pytest.mark.parametrize("rate_hz", [2_000, 4_900, 5_000, 20_000])
@pytest.mark.parametrize("hz", [50.0, 49.3, 60.0, 60.6])
def test_every_board_learns(rate_hz: int, hz: float) -> None:
    """Boards of 2 to 20 kHz on 50 and 60 Hz grids, also where a cycle is a whole number of samples: 0.35 % ripple."""
    board = setup()
    nominal_hz = float(10 * round(hz / 10))
    board["rate_hz"] = rate_hz
    board["power"] |= {
        "rate_hz": rate_hz,
        "frequency_hz": nominal_hz,
        "median_samples": round(0.0005 * rate_hz),
    }
    t_ns = (np.arange(5 * rate_hz) * 1e9 / rate_hz).astype(np.int64)
    counts = waveform(
        t_ns, np.full(t_ns.size, 4000.0), hz=hz, negative=0.05, fifth=0.04, seventh=0.03, noise=0.002
    )
    kw = Executive(board).replay(t_ns, counts, SCALE)["load_kw"][4 * rate_hz :]
    assert kw.std() < 0.0035 * 4000
    assert kw.mean() == pytest.approx(4000, rel=1e-3)


def test_ripple_stays_out_when_frequency_is_off_nominal() -> None:
    """49.5 Hz: without a frequency lock a canceller does nothing (8 % left); with it under 0.4 %."""
    frame, kw = track(np.full(40_000, 4000.0), hz=49.5, negative=0.05, fifth=0.04, seventh=0.03)
    assert np.std(kw[30_000:]) < 0.004 * 4000
    assert frame.status()["track"]["frequency_hz"] == pytest.approx(49.5, abs=0.02)


def test_a_step_is_seen_within_the_declared_delay() -> None:
    """3000 to 4600 kW in one sample, ripple learnt: nothing before the declared 0.2 ms, all of it then."""
    load = np.full(40_000, 3000.0)
    load[30_000:] = 4600.0
    frame, kw = track(load, negative=0.05, fifth=0.04, seventh=0.03, noise=0.002)
    delay = round(frame.status()["track"]["delay_s"] * RATE_HZ)
    assert delay == 2
    assert kw[30_000 + delay - 1] == pytest.approx(3000, abs=40)
    assert kw[30_000 + delay] == pytest.approx(4600, abs=40)


@pytest.mark.parametrize(("samples", "worst_kw"), [(1, 40.0), (2, 40.0), (3, 1500.0)])
def test_a_spike_of_two_samples_is_no_load(samples: int, worst_kw: float) -> None:
    """F08: twice the current for one or two samples leaves no trace; for three it is a load."""
    t_ns = times(3.1)
    counts = waveform(t_ns, np.full(t_ns.size, 3000.0), negative=0.05)
    counts[30_000 : 30_000 + samples, :3] *= 2
    kw = Executive(setup()).replay(t_ns, counts, SCALE)["load_kw"][30_000:]
    assert bool(np.abs(kw - 3000).max() > worst_kw) is (samples == 3)


@pytest.mark.parametrize(("rate_share", "delay_samples"), [(1, 0), (3, 1), (5, 2), (9, 2)])
def test_a_short_median_is_short(rate_share: int, delay_samples: int) -> None:
    """Slower boards take a median of 3 or no median: the step arrives after 1 or 0 samples, delay_s says so."""
    slow = setup()
    slow["power"]["median_samples"] = rate_share
    load = np.full(12_000, 3000.0)
    load[10_000:] = 4600.0
    t_ns = times(1.2)
    frame = Executive(slow)
    kw = frame.replay(t_ns, waveform(t_ns, load), SCALE)["load_kw"]
    assert kw[10_000 + delay_samples] == pytest.approx(4600, abs=10)
    if delay_samples:
        assert kw[10_000 + delay_samples - 1] == pytest.approx(3000, abs=10)
    assert frame.status()["track"]["delay_s"] == pytest.approx(delay_samples * 1e-4)


def test_a_ramp_of_the_frequency_is_followed() -> None:
    """50 Hz, then 2 s of 1 Hz/s: frequency within 0.05 Hz, rate of change within 0.1 Hz/s, ripple under 0.35 %."""
    frame = Executive(setup())
    t_ns = times(5.0)
    t_s = t_ns * 1e-9
    turned_ns = np.round(1e9 * 0.5 * np.clip(t_s - 3.0, 0, None) ** 2 / 50).astype(np.int64)
    counts = waveform(t_ns + turned_ns, np.full(t_ns.size, 4000.0), negative=0.05, fifth=0.04, seventh=0.03)
    kw = frame.replay(t_ns, counts, SCALE)["load_kw"]
    seen = frame.status()["track"]
    assert seen["frequency_hz"] == pytest.approx(52.0, abs=0.05)
    assert seen["rocof_hz_per_s"] == pytest.approx(1.0, abs=0.1)
    assert np.std(kw[30_000:]) < 0.0035 * 4000


def test_values_for_metering_are_whole_half_cycles() -> None:
    """49.5 Hz, 5 % unbalance: the half-cycle value holds 4000 kW to 0.2 %, the 200 ms value to 0.05 %."""
    frame = Executive(setup())
    t_ns = times(1.03)
    counts = waveform(t_ns, np.full(t_ns.size, 4000.0), hz=49.5, negative=0.05)
    halves = []
    for part in np.array_split(np.arange(t_ns.size), 103):
        frame.replay(t_ns[part], counts[part], SCALE)
        halves.append(frame.status()["track"]["load_half_kw"])
    assert np.abs(np.array(halves[10:]) - 4000).max() < 8
    assert frame.status()["track"]["load_200ms_kw"] == pytest.approx(4000, abs=2)
    assert frame.status()["track"]["grid_200ms_kw"] == pytest.approx(4000, abs=2)


def test_the_cycle_mean_stands_in_before_the_lock() -> None:
    """The first cycle has no phase: delay and quality say that the mean is in use."""
    frame, _ = track(np.full(100, 4000.0))
    seen = frame.status()["track"]
    assert seen["quality"] == 32
    assert seen["delay_s"] == pytest.approx(0.00995)


def test_lost_samples_keep_the_phase() -> None:
    """Every tenth sample missing at the source: the canceller still knows the phase, ripple stays under 1 %."""
    frame = Executive(setup())
    t_ns = times(4.0)
    counts = waveform(t_ns, np.full(t_ns.size, 4000.0), negative=0.05)
    kept = np.arange(t_ns.size) % 10 != 9
    frame.publish(limits())
    kw = frame.replay(t_ns[kept], counts[kept], SCALE)["load_kw"]
    assert np.std(kw[-5000:]) < 0.01 * 4000


@pytest.mark.parametrize("lost", [1, 2, 3, 6])
def test_the_first_sample_behind_a_hole_has_its_own_phase(lost: int) -> None:
    """The phase is turned to the next sample beforehand; where that one is lost, 60 kW of ripple would be left."""
    frame = Executive(setup())
    t_ns = times(3.1)
    counts = waveform(t_ns, np.full(t_ns.size, 4000.0), negative=0.05, fifth=0.04, seventh=0.03)
    kept = (np.arange(t_ns.size) < 30_000) | (np.arange(t_ns.size) >= 30_000 + lost)
    kw = frame.replay(t_ns[kept], counts[kept], SCALE)["load_kw"]
    assert np.abs(kw[30_000:30_100] - 4000).max() < 2


@pytest.mark.parametrize("hole_s", [0.0009, 0.005, 0.033, 0.3])
def test_a_hole_in_the_samples_is_no_fault_of_the_grid(hole_s: float) -> None:
    """The frame comes late and misses samples: frequency and ripple stay as they were."""
    frame = Executive(setup())
    t_ns = times(3.5)
    counts = waveform(t_ns, np.full(t_ns.size, 4000.0), hz=50.1, negative=0.05)
    before = np.arange(t_ns.size) < 30_000
    frame.replay(t_ns[before], counts[before], SCALE)
    rest = ~before & (np.arange(t_ns.size) >= 30_000 + round(hole_s * RATE_HZ))
    kw = frame.replay(t_ns[rest], counts[rest], SCALE)["load_kw"]
    assert frame.status()["track"]["frequency_hz"] == pytest.approx(50.1, abs=0.1)
    assert np.abs(kw[5:] - 4000).max() < 40


def test_a_phase_jump_is_no_change_of_frequency() -> None:
    """5 degrees glide, 20 and 90 are taken over: the frequency stays within 0.3 Hz, the lock is back in 30 ms."""
    for degrees in (5, 20, 90):
        frame = Executive(setup())
        t_ns = times(3.03)
        shift = round(degrees / 360 / 50 * 1e9)
        counts = waveform(t_ns + np.where(t_ns > 3e9, shift, 0), np.full(t_ns.size, 4000.0))
        lowest = highest = 50.0
        for part in np.array_split(np.arange(t_ns.size), 303):
            frame.replay(t_ns[part], counts[part], SCALE)
            hz = frame.status()["track"]["frequency_hz"]
            lowest, highest = min(lowest, hz), max(highest, hz)
        assert lowest > 49.7
        assert highest < 50.3
        assert frame.status()["track"]["quality"] == 0


def test_both_feeders_are_kept_apart() -> None:
    """With transformers at both places the load is the load feeder's and the grid is the connection's."""
    both = setup()
    both["sampler"]["present"] = [1] * 12 + [0] * 4
    frame = Executive(both)
    t_ns = times(1.0)
    counts = waveform(t_ns, np.full(t_ns.size, 4000.0))
    counts[:, 6:12] = waveform(t_ns, np.full(t_ns.size, 2500.0))[:, :6]
    frame.replay(t_ns, counts, SCALE)
    seen = frame.status()["track"]
    assert seen["load_kw"] == pytest.approx(4000, abs=8)
    assert seen["grid_kw"] == pytest.approx(2500, abs=8)


def test_stuck_saturated_and_stale_channels_are_told() -> None:
    """F04: 200 equal codes; F05: 3 codes at the rail; F06: a sample older than 2 ms. Each at its exact edge."""
    frame = Executive(setup())
    t_ns = times(0.0202)
    counts = waveform(t_ns, np.full(t_ns.size, 4000.0))
    counts[1:, 0] = counts[1, 0]
    frame.replay(t_ns[:201], counts[:201], SCALE)
    assert not frame.status()["track"]["quality"] & 8
    frame.replay(t_ns, counts, SCALE)
    assert frame.status()["track"]["quality"] & 8
    rail = waveform(t_ns[:8], np.full(8, 4000.0))
    rail[3:, 1] = 32767
    for count, told in ((5, False), (6, True)):
        frame = Executive(setup())
        frame.replay(t_ns[:count], rail[:count], SCALE)
        assert bool(frame.status()["track"]["quality"] & 4) is told
    assert NS == 1_000_000_000


@pytest.mark.parametrize(("ahead_ns", "stale"), [(1_000_000, False), (1_000_001, True)])
def test_a_stamp_from_the_future_is_stale(ahead_ns: int, stale: bool) -> None:
    """A producer that stamps with another clock: 1 ms ahead is rounding, more is not believed."""
    frame = Executive(setup())
    t_ns = times(0.01, start_s=1.0)
    counts = waveform(t_ns, np.full(t_ns.size, 4000.0))
    frame.replay(t_ns, counts, SCALE, ahead_ns)
    assert bool(frame.status()["track"]["quality"] & 2) is stale


@pytest.mark.parametrize(
    ("shift_ns", "missed"),
    [(0, 0), (49_000, 0), (-49_000, 0), (51_000, 1), (100_000, 1), (600_000, 6), (-100_000, 0)],
)
def test_ticks_without_a_sample_are_counted(shift_ns: int, missed: int) -> None:
    """F11: a stamp off by half a tick is none; a clock that jumps ahead brought no sample meanwhile. Method: all stamps
    from the middle on moved; the sequence goes on."""
    frame = Executive(setup())
    t_ns = times(0.02, start_s=1.0)
    counts = waveform(t_ns, np.full(t_ns.size, 4000.0))
    t_ns[t_ns.size // 2 :] += shift_ns
    frame.replay(t_ns, counts, SCALE)
    assert (frame.status()["samples_missed"], frame.status()["samples_lost"]) == (missed, 0)


def dc_frame(t_ns: np.ndarray, kw: np.ndarray) -> tuple[Executive, np.ndarray]:
    """A frame with a DC bus of 1000 V, and counts (n, 16) of a quiet load with this battery power (n)."""
    board = setup()
    board["sampler"]["present"] = [1] * 6 + [0] * 6 + [1] * 2 + [0] * 2
    counts = waveform(t_ns, np.full(t_ns.size, 4000.0))
    flicker = np.arange(t_ns.size) % 2  # no code may stand still for 200 samples
    counts[:, 12] = np.round(1000.0 / 250.0 / SCALE[12]) + flicker
    counts[:, 13] = np.round(kw / 700.0 / SCALE[13]) - flicker
    return Executive(board), counts


def test_energy_out_of_the_battery_is_counted_sample_by_sample() -> None:
    """Goal: no swing is missed. Method: 1400 kW for 0.3 s and -600 kW for 0.4 s in turn, 1.7 s: three and two, 780 kWs;
    the first sample has nothing before it."""
    t_ns = times(1.7)
    kw = np.where(t_ns % 700_000_000 < 300_000_000, 1400.0, -600.0)
    frame, counts = dc_frame(t_ns, kw)
    frame.replay(t_ns, counts, SCALE)
    seen = frame.status()["track"]
    assert seen["dc_s"] == pytest.approx(1.7 - 1e-4)
    assert seen["dc_kwh"] == pytest.approx((3 * 420.0 - 2 * 240.0) / 3600.0, rel=1e-3)


@pytest.mark.parametrize(("hole", "counted_s"), [(19, 0.1999), (20, 0.1978)])
def test_what_flowed_in_a_hole_is_not_counted(hole: int, counted_s: float) -> None:
    """Goal: the supervisor learns how much is missing. Method: 19 and 20 samples lost, 2 and 2.1 ms from one to the
    next; a bus that nobody measures; a current that stands still for 200 samples, as no current does."""
    t_ns = times(0.2)
    frame, counts = dc_frame(t_ns, np.full(t_ns.size, 1000.0))
    kept = np.r_[:1000, 1000 + hole : t_ns.size]
    frame.replay(t_ns[kept], counts[kept], SCALE)
    seen = frame.status()["track"]
    assert seen["dc_s"] == pytest.approx(counted_s)
    assert seen["dc_kwh"] == pytest.approx(counted_s / 3.6, rel=1e-3)
    assert track(np.full(2000, 4000.0))[0].status()["track"]["dc_s"] == 0.0
    counts[:, 13] = counts[0, 13]
    frame = dc_frame(t_ns, np.zeros(t_ns.size))[0]
    frame.replay(t_ns, counts, SCALE)
    assert frame.status()["track"]["dc_s"] == pytest.approx(0.0199)

"""The waveform: mean power, levels of the presets, quantisation, reproducibility."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from controller.image import CHANNELS
from tests.unit.plant.plants import Bench
from tools.plant.presets import WAVEFORMS, Waveform

SCALE_V = 10.0 / 32768


def si_of(bench, counts):
    """{channel: values in V or A} of raw counts."""
    channels = bench.checked.site.sampling.channels
    return {
        name: counts[:, CHANNELS.index(name)] * SCALE_V * (channel.a_per_v or channel.v_per_v)
        for name, channel in channels.items()
    }


def power_kw(si, place):
    return sum(si[f"{place}_v{phase}"] * si[f"{place}_i{phase}"] for phase in "abc") / 1000.0


def line(values, order):
    """Complex amplitude of a harmonic of 50 Hz over whole periods at 10 kHz."""
    turns = np.exp(-2j * np.pi * order * 50.0 * np.arange(len(values)) / 10_000.0)
    return 2.0 * np.mean(values * turns)


@pytest.mark.parametrize("name", ["reference", "two-halls", "nordlab"])
@pytest.mark.parametrize("waveform", sorted(WAVEFORMS))
def test_mean_power_is_the_load(bench_of, name, waveform):
    """Goal: the mean of v*i equals the load to 0.1 %.
    Method: 2 s of samples, whole periods, every preset and site.
    """
    load_kw = 1200.0 if name == "two-halls" else 4000.0
    bench = bench_of(name, load_kw=load_kw, waveform=waveform, seed=3)
    si = si_of(bench, bench.solo.run(20_000))
    assert power_kw(si, "load").mean() == pytest.approx(load_kw, rel=1e-3)


def test_connection_carries_load_minus_sources(bench_of):
    """Goal: PCC channels show load - pcs - pv. Method: nordlab with sun and a discharging converter."""
    bench = bench_of("nordlab", waveform="bad", pv_kw=np.full(2, 700.0))
    bench.start()
    bench.setpoint(1500.0, wait_s=0.2)
    si = si_of(bench, bench.solo.run(20_000))
    assert power_kw(si, "pcc").mean() == pytest.approx(4000.0 - 1500.0 - 700.0, abs=4.0)
    assert power_kw(si, "load").mean() == pytest.approx(4000.0, abs=4.0)
    assert (si["dc_v"] * si["dc_a"]).mean() / 1000.0 == pytest.approx(1500.0 / 0.97, rel=2e-3)


@pytest.mark.parametrize(("waveform", "ripple_pct"), [("clean", 0.3), ("typical", 7.9), ("bad", 16.4)])
def test_ripple_is_that_of_the_reference(bench_of, waveform, ripple_pct):
    """Goal: one-sample power is as hard to read as control.md 5.4 measured. Method: RMS ripple of 2 s."""
    bench = bench_of(waveform=waveform)
    power = power_kw(si_of(bench, bench.solo.run(20_000)), "load")
    assert 100.0 * power.std() / power.mean() == pytest.approx(ripple_pct, abs=0.1)


@pytest.mark.parametrize("waveform", ["typical", "bad"])
def test_levels_of_the_preset(bench_of, waveform):
    """Goal: harmonics, unbalance and CT offset have the preset's levels.
    Method: Fourier lines, symmetrical parts.
    """
    bench, preset = bench_of(waveform=waveform), WAVEFORMS[waveform]
    si = si_of(bench, bench.solo.run(20_000))
    turn = np.exp(2j * np.pi / 3)
    for kind, levels, unbalance in (
        ("v", preset.voltage_line_pu, preset.voltage_unbalance_pu),
        ("i", preset.current_line_pu, preset.current_unbalance_pu),
    ):
        a, b, c = (line(si[f"load_{kind}{phase}"], 1) for phase in "abc")
        positive, negative = (a + turn * b + turn**2 * c) / 3, (a + turn**2 * b + turn * c) / 3
        assert abs(negative / positive) == pytest.approx(unbalance, abs=5e-4)
        for order, level in zip((5, 7, 11, 13), levels[1:], strict=True):
            assert abs(line(si[f"load_{kind}a"], order) / positive) == pytest.approx(level, abs=5e-4)
    fundamental = abs(line(si["load_ia"], 1))
    assert si["load_ia"].mean() / fundamental == pytest.approx(preset.offset_pu, rel=0.15)
    assert abs(si["load_va"].mean()) < 1e-3 * abs(line(si["load_va"], 1))


def test_power_factor(bench_of):
    """Goal: current lags at pf 0.98. Method: angle between the fundamentals of phase a, clean."""
    bench = bench_of(waveform="clean")
    si = si_of(bench, bench.solo.run(10_000))
    assert np.cos(np.angle(line(si["load_va"], 1) / line(si["load_ia"], 1))) == pytest.approx(0.98, abs=2e-4)


def test_quantisation_is_half_a_count(bench_of, monkeypatch):
    """Goal: codes are the nearest of a 16-bit converter.
    Method: a noise-free voltage against its own sine.
    """
    monkeypatch.setitem(WAVEFORMS, "bare", Waveform((1, 0, 0, 0, 0), (1, 0, 0, 0, 0), 0, 0, 0, noise_pu=0))
    bench = bench_of(waveform="bare")
    codes = bench.solo.run(200)[:, CHANNELS.index("load_va")]
    ideal = (
        10_000 / np.sqrt(3) * np.sqrt(2) * np.cos(2 * np.pi * 50 * np.arange(200) / 10_000) / 2500 / SCALE_V
    )
    assert np.abs(codes - ideal).max() <= 0.51
    assert np.abs(codes - ideal).max() > 0.4


def test_rail_clips(site_of):
    """Goal: an input driven beyond +-10 V stays at the rail. Method: a CT calibrated ten times too small."""
    checked = site_of("reference")
    channels = dict(checked.site.sampling.channels)
    channels["load_ia"] = channels["load_ia"].model_copy(update={"a_per_v": 20.0})
    sampling = checked.site.sampling.model_copy(update={"channels": channels})
    site = checked.site.model_copy(update={"sampling": sampling})
    bench = Bench(SimpleNamespace(site=site, profiles=checked.profiles), waveform="typical")
    codes = bench.solo.run(400)[:, CHANNELS.index("load_ia")]
    assert codes.max() == 32767
    assert codes.min() == -32767


def test_same_seed_same_bits(bench_of):
    """Goal: a run is its seed's alone. Method: two runs of one seed, one of another."""
    first, again, other = (bench_of(seed=seed).solo.run(3000) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_noise_has_its_level_and_no_pattern(bench_of):
    """Goal: 0.2 % RMS, white, unlike between channels. Method: the clean voltage minus its fitted sine."""
    bench = bench_of(waveform="clean")
    si = si_of(bench, bench.solo.run(10_000))
    rest = {}
    for phase in "abc":
        values = si[f"load_v{phase}"]
        fitted = line(values, 1) * np.exp(2j * np.pi * 50.0 * np.arange(10_000) / 10_000.0)
        rest[phase] = values - fitted.real
    amplitude = 10_000 / np.sqrt(3) * np.sqrt(2)
    assert rest["a"].std() / amplitude == pytest.approx(0.002, rel=0.05)
    assert abs(np.corrcoef(rest["a"], rest["b"])[0, 1]) < 0.05
    assert abs(np.corrcoef(rest["a"][1:], rest["a"][:-1])[0, 1]) < 0.05

"""Goal: with transformers at the connection alone the load is load, whatever the battery does. Method: known powers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from controller.devices.check import check_site
from ext.cycle import Executive
from tests.cases.virtual import SITE
from tests.unit.ext.frames import SCALE, setup, times
from tools.plant.presets import WAVEFORMS
from tools.plant.site import Plant
from tools.plant.solo import Solo

ETA = 0.97  # assumed until learnt
SI_PER_V = [0.0] * 6 + [300.0] * 3 + [2500.0] * 3 + [250.0, 700.0, 0.0, 0.0]
PRESENT = {"connection": [0] * 6 + [1] * 6 + [0] * 4, "with dc": [0] * 6 + [1] * 8 + [0] * 2}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Path of the reference site with its transformers at the connection."""
    path = tmp_path / "site.yaml"
    path.write_text(SITE.read_text("utf-8").replace("load_i", "pcc_i").replace("load_v", "pcc_v"), "utf-8")
    return path


def counts_of(site: Path, waveform: str, load_kw: np.ndarray, battery_kw: np.ndarray) -> np.ndarray:
    """Counts (n, 16) with this battery power at the connection and on the DC bus alike."""
    solo = Solo(Plant(check_site(site), np.array([4000.0, 4000.0]), 1.0, waveform, 1))
    return np.asarray(solo.wave(load_kw, np.full(load_kw.size, 2e-4 * np.pi * 50.0), battery_kw))


def seen_kw(site: Path, waveform: str, load_kw: np.ndarray, battery_kw: np.ndarray, wired: str) -> np.ndarray:
    """The frame's load_kw (n) for a load (n) and a discharging battery (n) that nobody has sent anything to."""
    counts = counts_of(site, waveform, load_kw, battery_kw)
    counts[:, 12:14] = counts_of(site, waveform, load_kw, battery_kw / ETA)[:, 12:14]
    frame = setup()
    frame["sampler"]["present"] = PRESENT[wired]
    frame["sampler"]["si_per_v"] = SI_PER_V
    return np.asarray(Executive(frame).replay(times(load_kw.size * 1e-4), counts, SCALE)["load_kw"])


@pytest.mark.parametrize("waveform", sorted(WAVEFORMS))
def test_a_battery_step_is_no_load(site: Path, waveform: str) -> None:
    """Load still, battery from 0 to 1500 kW and back every 0.25 s, discharging: load_kw moves by less than 2 %.

    Without the DC bus, and without a model of what nobody sent, the whole step passes for load."""
    t_ns = times(6.0)
    load_kw = np.full(t_ns.size, 4000.0)
    battery_kw = np.where((t_ns // 250_000_000) % 2, 1500.0, 0.0) * (t_ns > 3e9)
    kw = seen_kw(site, waveform, load_kw, battery_kw, "with dc")[30_000:]
    assert np.abs(kw - 4000).max() < 80
    blind = seen_kw(site, waveform, load_kw, battery_kw, "connection")[30_000:]
    assert np.ptp(blind) > 1400


def test_a_load_step_shows_at_once_beside_a_battery_step(site: Path) -> None:
    """Both at the same sample, in opposite directions: the load is there after the declared 0.2 ms."""
    t_ns = times(4.0)
    load_kw = np.where(t_ns < 3_500_000_000, 3000.0, 4600.0)
    battery_kw = np.where(t_ns < 3_500_000_000, 0.0, 1500.0)
    kw = seen_kw(site, "typical", load_kw, battery_kw, "with dc")
    assert kw[35_001] == pytest.approx(3000, abs=60)
    assert kw[35_002] == pytest.approx(4600, abs=90)


def test_grid_power_and_battery_power_are_of_one_instant(site: Path) -> None:
    """A battery step of 1500 kW: the grid's power falls by it in the frame in which the battery's rises."""
    t_ns = times(3.01)
    load_kw, battery_kw = np.full(t_ns.size, 4000.0), np.where(t_ns < 3_000_000_000, 0.0, 1500.0)
    counts = counts_of(site, "clean", load_kw, battery_kw)
    counts[:, 12:14] = counts_of(site, "clean", load_kw, battery_kw / ETA)[:, 12:14]
    built = setup()
    built["sampler"]["present"] = PRESENT["with dc"]
    built["sampler"]["si_per_v"] = SI_PER_V
    frame = Executive(built)
    frame.replay(t_ns[:30_001], counts[:30_001], SCALE)
    for sample, grid_kw in ((30_001, 4000.0), (30_002, 2500.0), (30_003, 2500.0)):
        frame.replay(t_ns[sample : sample + 1], counts[sample : sample + 1], SCALE)
        track = frame.status()["track"]
        assert track["grid_kw"] == pytest.approx(grid_kw, abs=60)
        assert track["battery_kw"] == pytest.approx(4000.0 - grid_kw, abs=60)


def test_a_model_that_is_wrong_teaches_nothing(site: Path) -> None:
    """Power flows though nothing was sent: the model's zero must not become the sensor's calibration in 20 s."""
    t_ns = times(20.0)
    battery_kw = np.full(t_ns.size, 1500.0)
    kw = seen_kw(site, "clean", np.full(t_ns.size, 4000.0), battery_kw, "with dc")
    assert kw[-10_000:].mean() == pytest.approx(4000, abs=10)

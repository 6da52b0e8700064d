"""Goal: inputs wired wrongly are told, sound ones never. Method: known waveforms, wires exchanged, the real frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ext.cycle import Executive
from tests.unit.ext.frames import SCALE, VOLTAGE_V, setup, times, waveform

OPEN, REVERSED, SWAPPED = 64, 128, 256
LOAD, PCC = slice(0, 6), slice(6, 12)
Wires = Callable[[np.ndarray], None]


def turned(*columns: int) -> Wires:
    """These inputs have their two wires exchanged."""

    def change(counts: np.ndarray) -> None:
        counts[:, columns] *= -1

    return change


def swapped(first: int, second: int) -> Wires:
    """These two inputs are exchanged."""

    def change(counts: np.ndarray) -> None:
        counts[:, [first, second]] = counts[:, [second, first]]

    return change


def dead(column: int) -> Wires:
    """This input carries noise alone."""

    def change(counts: np.ndarray) -> None:
        counts[:, column] = np.random.default_rng(3).integers(-20, 20, len(counts))

    return change


def rotated(counts: np.ndarray) -> None:
    """Each current stands at the next phase."""
    counts[:, [0, 1, 2]] = counts[:, [1, 2, 0]]


def track(counts: np.ndarray, t_ns: np.ndarray, both: bool = False) -> dict[str, float]:
    """The newest track of a frame with transformers at the load, or at the load and the connection."""
    site = setup()
    if both:
        site["sampler"]["present"] = [1] * 12 + [0] * 4
    frame = Executive(site)
    frame.replay(t_ns, counts, SCALE)
    found: dict[str, float] = frame.status()["track"]
    return found


def late(load_kw: np.ndarray, t_ns: np.ndarray, angle_deg: float, **shape: float) -> np.ndarray:
    """Counts of a feeder whose current lags by angle_deg."""
    counts = waveform(t_ns, load_kw, **shape)
    counts[:, 0:3] = waveform(t_ns - round(angle_deg / 360 / 50 * 1e9), load_kw, **shape)[:, 0:3]
    return counts


@pytest.mark.parametrize(
    ("wires", "bit"),
    [
        *((dead(column), OPEN) for column in (0, 2, 3, 5)),
        *((turned(column), REVERSED) for column in (0, 1, 2, 3, 4, 5)),
        (turned(0, 1, 2), REVERSED),
        (turned(0, 2), REVERSED),
        *((swapped(a, b), SWAPPED) for a, b in ((0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5))),
        (rotated, SWAPPED),
    ],
)
@pytest.mark.parametrize("angle_deg", [-25.0, 0.0, 25.0])
def test_a_wrong_wire_is_told_within_half_a_second(wires: Wires, bit: int, angle_deg: float) -> None:
    """Each wire in turn, power factor 0.9 lagging to leading, unbalance and harmonics: this bit and no other's."""
    t_ns = times(0.5)
    counts = late(np.full(t_ns.size, 3000.0), t_ns, angle_deg, negative=0.05, fifth=0.04, noise=0.002)
    wires(counts)
    assert int(track(counts, t_ns)["quality"]) & (OPEN | REVERSED | SWAPPED) == bit


@pytest.mark.parametrize("angle_deg", [-70.0, 0.0, 70.0])
@pytest.mark.parametrize("negative", [0.0, 0.15])
def test_a_sound_feeder_is_never_accused(angle_deg: float, negative: float) -> None:
    """Load steps of 1600 kW twice a second, 15 % unbalance, any power factor a site can have: no bit in 3 s."""
    t_ns = times(3.0)
    load_kw = np.where((t_ns // 250_000_000) % 2, 4600.0, 3000.0)
    counts = late(load_kw, t_ns, angle_deg, negative=negative, fifth=0.1, noise=0.002)
    site = setup()
    frame = Executive(site)
    for part in np.array_split(np.arange(t_ns.size), 30):
        frame.replay(t_ns[part], counts[part], SCALE)
        assert not int(frame.status()["track"]["quality"]) & (OPEN | REVERSED | SWAPPED)


@pytest.mark.parametrize(("share", "told"), [(0.045, False), (0.055, True)])
def test_below_a_twentieth_of_the_rating_nothing_is_judged(share: float, told: bool) -> None:
    """An idle hall: current transformers that carry next to nothing prove nothing. Rating 6000 kW."""
    t_ns = times(0.5)
    counts = waveform(t_ns, np.full(t_ns.size, 6000.0 * share))
    counts[:, 0] *= -1
    assert bool(int(track(counts, t_ns)["quality"]) & REVERSED) is told


def test_export_at_the_connection_is_no_fault() -> None:
    """Power may flow either way there; one phase against the others may not."""
    t_ns = times(0.8)
    counts = waveform(t_ns, np.full(t_ns.size, 3000.0))
    counts[:, PCC] = waveform(t_ns, np.full(t_ns.size, -2500.0))[:, LOAD]
    assert int(track(counts, t_ns, both=True)["grid_quality"]) == 0
    counts[:, 7] *= -1
    assert int(track(counts, t_ns, both=True)["grid_quality"]) == REVERSED


def test_a_dead_grid_is_no_wiring_fault() -> None:
    """No voltage at all: that is F48's; the voltage is told as gone."""
    t_ns = times(0.5)
    counts = waveform(t_ns, np.full(t_ns.size, 3000.0))
    counts[:, 3:6] = 0
    found = track(counts, t_ns)
    assert not int(found["quality"]) & (OPEN | REVERSED | SWAPPED)
    assert found["voltage_v"] < 0.01 * VOLTAGE_V


def test_a_mended_wire_is_believed_again() -> None:
    """Turned for 0.5 s, then right for 0.5 s: the bit is gone."""
    t_ns = times(1.0)
    counts = waveform(t_ns, np.full(t_ns.size, 3000.0))
    counts[:5000, 1] *= -1
    assert int(track(counts[:5000], t_ns[:5000])["quality"]) & REVERSED
    assert int(track(counts, t_ns)["quality"]) == 0


@pytest.mark.parametrize("late_us", [-100, -28, 40, 100])
def test_a_skew_is_made_up_for(late_us: int) -> None:
    """Currents sampled late or leading at pf 0.9: power is wrong by tan(phi) times the angle; calibrated, by 0.15 %."""
    t_ns = times(1.0)
    load_kw = np.full(t_ns.size, 3000.0)
    counts = late(load_kw, t_ns, 25.0 + late_us * 360 * 50 / 1e6)
    true_kw = 3000.0 * np.cos(np.deg2rad(25.0))
    assert abs(track(counts, t_ns)["load_kw_mean"] / true_kw - 1) > 0.7 * abs(late_us) / 28 * 0.004
    site = setup()
    site["sampler"]["skew_s"] = [late_us * 1e-6] * 3 + [0.0] * 13
    frame = Executive(site)
    frame.replay(t_ns, counts, SCALE)
    assert frame.status()["track"]["load_kw_mean"] == pytest.approx(true_kw, rel=0.0015)

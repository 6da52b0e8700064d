"""Goal: droop and reserve follow their written shapes, and nothing but the frequency moves them.
Method: a frequency drawn by hand, as voltages, through the real frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ext.cycle import Executive
from tests.unit.ext.frames import SCALE, setup, times, waveform

PART = 100  # frames between two looks
Course = Callable[[np.ndarray], np.ndarray]


def asked_kw(
    seconds: float, hz: Course, voltage: float = 1.0, jump_deg: float = 0.0, **support: Any
) -> np.ndarray:
    """Rows (t_s, frequency_hz as seen, support_kw) every 10 ms. jump_deg at 3 s."""
    built = setup()
    built["support"] |= support
    frame = Executive(built)
    t_ns = times(seconds)
    off_ns = np.cumsum(hz(t_ns * 1e-9) / 50.0 - 1.0) * 1e5 + np.where(
        t_ns > 3e9, jump_deg / 360 / 50 * 1e9, 0
    )
    counts = waveform(
        t_ns + np.round(off_ns).astype(np.int64), np.full(t_ns.size, 4000.0), negative=0.02, noise=0.002
    )
    counts[:, 3:6] = counts[:, 3:6] * voltage
    rows = []
    for first in range(0, t_ns.size - PART + 1, PART):
        here = slice(first, first + PART)
        frame.replay(t_ns[here], counts[here], SCALE)
        seen = frame.status()
        rows.append((t_ns[here][-1] * 1e-9, seen["track"]["frequency_hz"], seen["command"]["support_kw"]))
    return np.array(rows)


def falling(to_hz: float, hz_per_s: float = 1.0, back_s: float = 1e9) -> Course:
    """50 Hz for 2 s, then down to to_hz; 50 Hz again from back_s on."""
    return lambda t_s: np.where(
        t_s < back_s, np.maximum(to_hz, 50 - hz_per_s * np.clip(t_s - 2, 0, None)), 50.0
    )


@pytest.mark.parametrize(("trigger_hz", "full_s"), [(49.7, 1.3), (49.6, 1.0), (49.5, 0.7)])
@pytest.mark.parametrize("hz_per_s", [0.2, 1.0, 5.0])
def test_the_reserve_is_full_in_time(trigger_hz: float, full_s: float, hz_per_s: float) -> None:
    """From the instant at which the true frequency passes the trigger, at any fall; never more than was sold."""
    rows = asked_kw(
        7.0, falling(49.3, hz_per_s), reserve_kw=500.0, reserve_hz=trigger_hz, rise_s=0.5 * full_s
    )
    passed_s = 2 + (50 - trigger_hz) / hz_per_s
    begun, full = rows[rows[:, 2] > 0, 0], rows[rows[:, 2] >= 499.9, 0]
    assert begun[0] > passed_s
    assert full[0] < passed_s + full_s - 0.05
    assert rows[:, 2].max() <= 500.0


@pytest.mark.parametrize("hold_s", [5.0, 30.0])
def test_the_reserve_lasts_and_leaves_gently(hold_s: float) -> None:
    """Full for hold_s although the frequency is back after 1 s; then a fifth of it a second; then ready again."""
    rows = asked_kw(hold_s + 11, falling(49.4, back_s=4.0), reserve_kw=500.0, hold_s=hold_s)
    full = rows[rows[:, 2] >= 499.9, 0]
    assert full[-1] - full[0] == pytest.approx(hold_s, abs=0.05)
    later = rows[np.searchsorted(rows[:, 0], full[-1]) :, 2]
    assert np.diff(later).min() > -500.0 * 0.2 * 0.0101 - 1e-9
    assert rows[-1, 2] == 0.0
    assert (later[::100][:5] - later[::100][1:6]) == pytest.approx(np.full(5, 100.0), abs=1.0)


def test_the_reserve_comes_twice_only_when_the_frequency_was_back() -> None:
    """Held at 49.45 Hz for good: one delivery. Back at 50 Hz after 14 s and down again at 16 s: a second."""
    low = asked_kw(18.0, falling(49.45), reserve_kw=500.0)
    assert np.count_nonzero(np.diff((low[:, 2] > 0).astype(int)) == 1) == 1
    again = asked_kw(18.0, lambda t: np.where((t > 14) & (t < 16), 50.0, falling(49.45)(t)), reserve_kw=500.0)
    assert np.count_nonzero(np.diff((again[:, 2] > 0).astype(int)) == 1) == 2


@pytest.mark.parametrize("jump_deg", [5.0, 20.0, -5.0, -20.0, 60.0])
def test_a_phase_jump_is_no_call_for_help(jump_deg: float) -> None:
    """A switched line turns the phase, not the frequency: neither the reserve at 49.7 Hz nor droop answers."""
    rows = asked_kw(5.0, lambda t: np.full(t.size, 50.0), jump_deg=jump_deg, reserve_kw=500.0, reserve_hz=49.7,
                    droop_kw_max=500.0, dead_band_hz=0.2)  # fmt: skip
    assert np.abs(rows[:, 2]).max() < 20.0


@pytest.mark.parametrize(("trigger_off_hz", "given"), [(0.01, False), (-0.01, True)])
def test_the_trigger_is_sharp(trigger_off_hz: float, given: bool) -> None:
    """10 mHz above the trigger nothing, 10 mHz below all of it."""
    rows = asked_kw(8.0, falling(49.5 + trigger_off_hz, 0.2), reserve_kw=500.0)
    assert bool(rows[-1, 2] > 499) is given


@pytest.mark.parametrize(
    ("hz", "kw"),
    [
        (49.8, 0.0),
        (49.55, 200.0),
        (48.55, 1000.0),
        (48.4, 1000.0),
        (50.2, 0.0),
        (50.45, -200.0),
        (51.6, -1000.0),
    ],
)
def test_droop_is_a_line_between_two_ends(hz: float, kw: float) -> None:
    """1000 kW at 2.5 % beyond 0.2 Hz: 800 kW a hertz, on either side, flat beyond."""
    rows = asked_kw(4.0, lambda t: np.full(t.size, hz), droop_kw_max=1000.0, droop_hz=1.25, dead_band_hz=0.2)
    assert rows[-1, 2] == pytest.approx(kw, abs=10.0)


def test_without_a_voltage_droop_asks_for_nothing() -> None:
    """No lock, no frequency: zero."""
    rows = asked_kw(3.0, lambda t: np.full(t.size, 49.0), voltage=0.1, droop_kw_max=1000.0, reserve_kw=500.0)
    assert rows[-1, 2] == 0.0


def test_nothing_is_asked_for_unless_it_was_ordered() -> None:
    """The defaults: no droop, no reserve, at any frequency."""
    rows = asked_kw(3.0, lambda t: np.full(t.size, 48.0))
    assert np.all(rows[:, 2] == 0.0)

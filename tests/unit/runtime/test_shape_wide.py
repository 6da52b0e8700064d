"""Goal: the filter for many small steps harms nobody who measures. Method: the design against formulas of its own."""

from __future__ import annotations

import numpy as np
import pytest

from controller.runtime.filters import HZ as DESIGN_HZ
from controller.runtime.filters import STEP_MAX, TAPS
from controller.runtime.shape import Shape, _late_wide, _told, shape_of
from controller.runtime.times import times_of


def left_by_exchanges(found: Shape, dead_s: float, period_s: float, lag_s: float, hz: float) -> float:
    """Grid over load, one line: the wide filter, told anew with every exchange, held, and through lead and lag; at
    0.1 ms, by a sine on a converter that is run. Its lead is a dead beat, see control.md 6."""
    step_s, settle_s, seconds = 1e-4, 1.5, 3.5
    t_s = np.arange(0.0, seconds, step_s)
    wanted_kw = np.real(found.wide.answer(np.array([2 * np.pi * hz]))[0] * np.exp(2j * np.pi * hz * t_s))
    decay, now = np.exp(-period_s / lag_s), np.exp(-step_s / lag_s)
    held_kw, power_kw, out_kw = 0.0, 0.0, np.empty(t_s.size)
    for k, next_kw in enumerate(wanted_kw):
        if k % round(period_s / step_s) == 0:
            held_kw = (next_kw - decay * power_kw) / (1.0 - decay)
        power_kw = held_kw + (power_kw - held_kw) * now
        out_kw[k] = power_kw
    late = round(dead_s / step_s)
    kept = t_s >= settle_s
    turn = np.exp(-2j * np.pi * hz * t_s[kept])
    return abs(1.0 - 2.0 * np.mean(np.roll(out_kw, late)[kept] * turn))


@pytest.mark.parametrize(
    ("dead_ms", "period_ms", "lag_ms"),
    [(2.8, 6.0, 2.0), (2.8, 6.0, 10.0), (7.8, 14.2, 10.0), (14.4, 27.4, 10.0), (14.4, 27.4, 50.0)],
)
def test_the_wide_filter_harms_nothing_and_helps(dead_ms: float, period_ms: float, lag_ms: float) -> None:
    """115200, 19200 and 9600 baud with the gaps of the specification: 0.4 dB up to 50 Hz at most, 0.5 ms late for what
    measures, and half of the energy of edges at least is taken; a real converter is told, held and led."""
    found = shape_of(frame_s=1e-4, dead_s=1e-3 * dead_ms, period_s=1e-3 * period_ms, lag_s=1e-3 * lag_ms,
                     slew_kw_per_s=400e3, rating_kw=2000.0)  # fmt: skip
    assert found.wide_pu == 1.0
    lines_hz = np.array([0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 16.5, 20.0, 26.0, 31.0, 37.0, 42.5, 49.0])
    times = 1e-3 * (dead_ms + 0.5), 1e-3 * period_ms, 1e-3 * lag_ms
    left = np.array([left_by_exchanges(found, *times, hz) for hz in lines_hz])
    assert 20 * np.log10(left.max()) <= 0.4
    band = lines_hz <= 20.0
    weight = np.gradient(lines_hz[band]) / lines_hz[band] ** 2
    assert weight @ left[band] ** 2 < 0.5 * weight.sum()


@pytest.mark.parametrize(("dead_ms", "period_ms"), [(7.8, 14.2), (14.4, 27.4)])
def test_what_a_slow_wire_would_fold_is_weakened(dead_ms: float, period_ms: float) -> None:
    """What lies up to 0.4 of their rate beside the rate of exchanges, 20 Hz at least, passes the wide filter by 0.21 at
    most, 14 dB, and near it by 0.14; by a plain one it would come back whole."""
    found = shape_of(frame_s=1e-4, dead_s=1e-3 * dead_ms, period_s=1e-3 * period_ms, lag_s=0.01,
                     slew_kw_per_s=400e3, rating_kw=2000.0)  # fmt: skip
    side_hz = max(400.0 / period_ms, 20.0)
    beside_hz = 1e3 / period_ms + np.arange(-side_hz, side_hz + 0.1, 0.5)
    passed = abs(found.wide.answer(2 * np.pi * beside_hz))
    assert passed.max() <= 0.21 and passed[abs(beside_hz - 1e3 / period_ms) < 6.0].max() <= 0.14
    assert abs(found.wide.answer(2 * np.pi * np.array([0.1]))[0]) > 0.5


@pytest.mark.parametrize("lag_ms", [2.0, 5.0, 10.0, 50.0])
def test_the_filter_for_small_steps_leaves_the_measurement_what_it_scatters_by(lag_ms: float) -> None:
    """What lies beside multiples of the rate of exchanges folds, and the load tells nothing of it. From 80 s, in bands
    of a twelfth of an octave, 0.0595 Hz a Hz, abs(E) is known to sqrt(N / 2 n), n = 0.85 0.0595 80 f: with 2.7 of that
    it is within 0.5 dB, from 47 Hz on within 0.75 of that, 2 % is the solver's. A step is told doubly at most.
    """
    made = {"frame_s": 1e-4, "dead_s": 0.0028, "period_s": 0.006, "lag_s": 1e-3 * lag_ms,
            "slew_kw_per_s": 400e3, "rating_kw": 2000.0}  # fmt: skip
    wide, loop = shape_of(**made).wide, _told(times_of(**made), 0.0004)
    judged = (DESIGN_HZ >= 10.0) & (DESIGN_HZ <= 50.0)
    hz, most = DESIGN_HZ[judged], 10 ** (0.5 / 20)
    beside_hz = np.array([k / 0.006 + side * hz for k in range(1, 6) for side in (-1.0, 1.0)])
    folded = abs(wide.answer(2 * np.pi * beside_hz.ravel())).reshape(beside_hz.shape) * hz / beside_hz
    noise = (folded**2).sum(axis=0) * abs(loop[judged]) ** 2
    measured = wide.left(loop)[judged] + 2.7 * np.sqrt(noise / (2 * 0.85 * 0.0595 * 80.0 * hz))
    assert measured.max() <= most * 1.02
    assert measured[hz > 47.0].max() <= 0.75 * most * 1.02
    taps_s = wide.tap_s * np.arange(TAPS)
    slow = sum(
        part * -np.expm1(-taps_s / lag_s) for part, lag_s in zip(wide.lags_pu, wide.lags_s, strict=True)
    )
    assert max(np.cumsum(wide.taps_pu) + slow) <= 2.0 * 1.03
    assert lag_ms == 50.0 or wide.taps_pu[0] > 1.25, "more than large steps may"


@pytest.mark.parametrize("lag_ms", [12.0, 15.0, 20.0])
def test_a_lag_that_is_led_by_much_has_room_for_the_slew(lag_ms: float) -> None:
    """On a fast wire 2 dB are kept free from 40 Hz on, and no step is told beyond what large ones may be."""
    made = {"frame_s": 1e-4, "dead_s": 0.0014, "period_s": 0.0024, "lag_s": 1e-3 * lag_ms,
            "slew_kw_per_s": 400e3, "rating_kw": 2000.0}  # fmt: skip
    wide, loop = shape_of(**made).wide, _told(times_of(**made), 0.0004)
    assert wide.left(loop)[(DESIGN_HZ > 40.0) & (DESIGN_HZ <= 50.0)].max() <= 10 ** (-2.0 / 20)
    assert 1.0 < max(np.cumsum(wide.taps_pu)) <= STEP_MAX * 1.05


@pytest.mark.parametrize(("reads", "harm_db"), [(0.0, 0.345), (0.1, 0.275), (0.25, 0.175), (0.8, 0.175)])
@pytest.mark.parametrize(("dead_ms", "period_ms"), [(7.8, 10.1), (7.8, 14.2), (14.4, 27.4)])
def test_reads_of_a_slow_wire_leave_the_measurement_more(
    reads: float, harm_db: float, dead_ms: float, period_ms: float
) -> None:
    """0.7 dB less of harm were commands delayed by a whole exchange, as what they do is noise; but so much that there
    is a filter that helps, unless that is too late."""
    made = {"frame_s": 1e-4, "dead_s": 1e-3 * dead_ms, "period_s": 1e-3 * period_ms, "lag_s": 0.01,
            "slew_kw_per_s": 400e3, "rating_kw": 2000.0, "reads_s": 1e-3 * reads * period_ms}  # fmt: skip
    assert 20 * np.log10(_late_wide(times_of(**made)).harm) == pytest.approx(harm_db)
    assert shape_of(**made).wide_pu == 1.0 or (period_ms == 27.4 and reads >= 0.4)


@pytest.mark.parametrize(("period_ms", "up_to_hz"), [(40.0, 13.75), (27.5, 20.0), (20.0, 20.0), (12.5, 32.0)])
def test_what_folds_is_looked_at_up_to_a_part_of_the_rate(period_ms: float, up_to_hz: float) -> None:
    """0.4 of it, 20 Hz at least; 0.55 of it at most, beyond it is what the filter is for."""
    times = times_of(
        frame_s=1e-4,
        dead_s=0.0078,
        period_s=1e-3 * period_ms,
        lag_s=0.01,
        slew_kw_per_s=400e3,
        rating_kw=2000.0,
    )
    assert _late_wide(times).fold_hz == pytest.approx(up_to_hz)

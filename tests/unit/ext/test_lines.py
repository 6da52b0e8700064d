"""Goal: the first lines of a load that comes back are given as they will be when the command takes effect.

Method: square loads through the real frame, against their Fourier series; late and wide filter pass nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ext.cycle import Executive
from tests.unit.ext.frames import NS, RATE_HZ, SCALE, limits, setup, times, waveform
from tests.unit.ext.test_dwell import HIGH_KW, LOW_KW, MS, squares

STEP_KW = HIGH_KW - LOW_KW
ON_MS, OFF_MS = 280.0, 120.0
PERIOD_S = 0.4
LATE_S, MEMORY_S = 0.04, 4.0
TAPS, LAGS = [0.0] * 24, [0.0] * 3
NOTHING = {
    "frame_s": 1e-4,
    "tap_frames": 10,
    "wide_frames": 10,
    "at_once": 0,
    "ahead": 0,
    "lags_s": [0.128, 0.5, 1.5],
}
NOTHING |= {f"{way}_taps_pu": TAPS for way in ("prompt", "wide", "late")}
NOTHING |= {f"{way}_lags_pu": LAGS for way in ("prompt", "wide", "late")}


def given(
    load_kw: np.ndarray, prompt_pu: float = 0.0, kept: np.ndarray | None = None, **law: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Wished power, kW (n), and the known period at the end of each second; the target stands still."""
    fields = {"lines_late_s": LATE_S, "owed_s": 0.0, "prompt_pu": 1.0, "shape": NOTHING} | law
    frame = Executive(setup(target_lag_s=6000.0, **fields))
    t_ns = times(load_kw.size / RATE_HZ)
    counts = waveform(t_ns, load_kw)
    if kept is not None:
        t_ns, counts = t_ns[kept], counts[kept]
    found, periods_s = [], []
    for k, first in enumerate(range(0, t_ns.size, RATE_HZ)):  # a lease lives for two seconds
        issue_ns = int(t_ns[first])
        frame.publish(limits(sequence=k + 1, t_issue_ns=issue_ns, valid_until_ns=issue_ns + 2 * NS,
                             ramp_kw_per_s_max=0.01, prompt_pu=prompt_pu))  # fmt: skip
        found.append(
            frame.replay(t_ns[first : first + RATE_HZ], counts[first : first + RATE_HZ], SCALE)["pcs_kw"]
        )
        periods_s.append(frame.status()["period_s"])
    return np.concatenate(found), np.array(periods_s)


def comes_back(seconds: float, scale: float = 1.0) -> tuple[np.ndarray, int]:
    """A load that does so, and the frame of its last edge up."""
    load_kw, middles = squares([ON_MS * scale, OFF_MS * scale] * round(seconds / (PERIOD_S * scale)))
    return load_kw, int(middles[-2])


def series_kw(last: int, frames: np.ndarray, orders: tuple[int, ...]) -> np.ndarray:
    """Of those orders: of a square that goes up in that frame, at those frames, LATE_S later."""
    found = np.zeros(frames.size)
    for k in orders:
        turn = 2 * np.pi * k / PERIOD_S
        middle_s = (frames - last) / RATE_HZ + LATE_S - 0.5e-3 * ON_MS
        found += 2 * STEP_KW / (np.pi * k) * np.sin(np.pi * k * ON_MS / 400.0) * np.cos(turn * middle_s)
    return found


@pytest.mark.parametrize(("period_ms", "orders"), [(2.4, (1, 2)), (50.0, (1, 2)), (50.1, (1,))])
def test_lines_are_given_as_they_will_be(period_ms: float, orders: tuple[int, ...]) -> None:
    """2.5 and 5 Hz, after five memories, to 3 % of the step, but for what they hold of the mean, which the target does
    not follow here. One above a quarter of the rate of exchanges is not given."""
    load_kw, last = comes_back(5 * MEMORY_S)
    kw, periods_s = given(load_kw, period_s=1e-3 * period_ms)
    assert periods_s[-1] == pytest.approx(PERIOD_S, rel=1e-3)
    frames = np.arange(kw.size - round(2 * PERIOD_S * RATE_HZ), kw.size)
    assert kw[frames] - kw[frames].mean() == pytest.approx(
        series_kw(last, frames, orders), abs=0.03 * STEP_KW
    )


def test_what_they_hold_is_of_the_last_seconds() -> None:
    """From when the period is known on, an exponential of four seconds; frames without a sample count as well."""
    load_kw, last = comes_back(12.0)
    kw, periods_s = given(load_kw)
    known_s = int(np.argmax(periods_s > 0))
    assert 2 <= known_s <= 5 and not kw[: (known_s - 1) * RATE_HZ].any()
    shares = []
    for back_s in (8.0, 4.0, 0.0):
        end = last - round(back_s * RATE_HZ)
        frames = np.arange(end - round(PERIOD_S * RATE_HZ), end)
        whole = series_kw(last, frames, (1, 2))
        shares.append(float((kw[frames] - kw[frames].mean()) @ whole / (whole @ whole)))
    assert (shares[1] - shares[0]) / (shares[2] - shares[1]) == pytest.approx(np.exp(4.0 / MEMORY_S), rel=0.1)
    kept = np.ones(load_kw.size, bool)
    kept[RATE_HZ * 5 : -RATE_HZ : 7] = False
    sparse, _ = given(load_kw, kept=kept)
    assert sparse[-1000:] == pytest.approx(kw[-1000:], abs=0.03 * STEP_KW)


@pytest.mark.parametrize("other", [{"lines_late_s": 0.0}, {"prompt_pu": 0.5}, {"prompt_pu": -1.0}])
def test_no_other_way_gives_them(other: dict[str, float]) -> None:
    """A loop that follows none, and the lease's other filters: they pass nothing here."""
    load_kw, _ = comes_back(8.0)
    kw, periods_s = given(load_kw, **other)  # type: ignore[arg-type]
    assert not kw.any()
    assert bool(periods_s.any()) == ("lines_late_s" not in other)


@pytest.mark.parametrize(("period_s", "is_known"), [(2.95, True), (3.02, False)])
def test_a_load_that_comes_back_late_has_none(period_s: float, is_known: bool) -> None:
    """Up to three seconds."""
    load_kw, _ = comes_back(8 * period_s, period_s / PERIOD_S)
    kw, periods_s = given(load_kw)
    assert periods_s[-1] == pytest.approx(period_s * is_known, rel=0.01)  # the first rest was longer
    assert bool(kw.any()) == is_known


def test_a_load_that_stops_is_forgotten_in_fifteen_seconds() -> None:
    """Until then it may be back; what is given fades meanwhile."""
    load_kw, _ = comes_back(8.0)
    load_kw = np.concatenate([load_kw, np.full(17 * RATE_HZ, load_kw[-1])])
    kw, periods_s = given(load_kw)
    stopped_s = load_kw.size / RATE_HZ - 17.0
    assert [bool(periods_s[int(stopped_s + s)]) for s in (5, 13, 16)] == [True, True, False]
    assert not kw[-RATE_HZ // 2 :].any()
    swing_kw = abs(kw[round((stopped_s + 4.0) * RATE_HZ) : round((stopped_s + 4.4) * RATE_HZ)])
    before_kw = abs(kw[round((stopped_s - 0.4) * RATE_HZ) : round(stopped_s * RATE_HZ)])
    assert np.ptp(swing_kw) < 0.5 * np.ptp(before_kw) and MS == RATE_HZ // 1000

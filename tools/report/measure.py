"""What a result says: the largest change within a second, the swing in the band, before and after."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.image import Mode
from tools.report.table import Column, Table

BAND_HZ = (0.1, 20.0)  # where swings of load disturb generators and neighbours
SETTLE_S = 3.0  # after engaging, before figures count
HANN_BINS = 1.5  # equivalent noise bandwidth of the Hann window, in bins
ENGAGED_KW = 1.0  # without a mode column the battery counts as engaged from here on


@dataclass(frozen=True)
class Side:
    """One power: largest 1 s change of its 100 ms mean, swing in the band, extremes."""

    ramp_kw_per_s: float
    swing_kw: float
    low_kw: float
    high_kw: float


@dataclass(frozen=True)
class Measures:
    """Everything the report states. `before` is the grid without the battery; attenuation > 0 is calmer."""

    from_s: float
    to_s: float
    before: Side
    grid: Side
    attenuation_db: float
    pcs_kw_max: float
    throughput_kwh: float
    soc_pct_first: float
    soc_pct_last: float


def ramp_kw_per_s(power_kw: Column, rate_hz: float) -> float:
    """Largest change over 1 s of the 100 ms mean, kW/s. A 1000 kW step that stays gives 1000."""
    width, second = max(1, round(0.1 * rate_hz)), round(rate_hz)
    mean = np.convolve(power_kw, np.full(width, 1 / width), "valid")
    return float(np.abs(mean[second:] - mean[:-second]).max()) if mean.size > second else 0.0


def spectrum(power_kw: Column, rate_hz: float) -> tuple[Column, Column]:
    """Frequency (Hz) and Hann amplitude (kW): a sine of amplitude a on a bin peaks at a."""
    window = np.hanning(power_kw.size)
    amplitude = 2 / window.sum() * np.abs(np.fft.rfft((power_kw - power_kw.mean()) * window))
    return np.fft.rfftfreq(power_kw.size, 1 / rate_hz), amplitude


def amplitude_between(hz: Column, amplitude: Column, low_hz: float, high_hz: float) -> float:
    """Amplitude (kW) of the one sine that carries all the power between two frequencies, both included."""
    inside = (hz >= low_hz) & (hz <= high_hz)
    return float(np.sqrt((amplitude[inside] ** 2).sum() / HANN_BINS))


def side_of(power_kw: Column, rate_hz: float) -> Side:
    """The figures of one power over the window given."""
    swing_kw = 2 * amplitude_between(*spectrum(power_kw, rate_hz), *BAND_HZ)
    return Side(ramp_kw_per_s(power_kw, rate_hz), swing_kw, float(power_kw.min()), float(power_kw.max()))


def longest_run(flags: Column) -> slice:
    """The longest unbroken stretch of true flags; empty when none is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags, [0]])))
    starts, ends = edges[::2], edges[1::2]
    if starts.size == 0:
        return slice(0, 0)
    best = int((ends - starts).argmax())
    return slice(int(starts[best]), int(ends[best]))


def engaged(table: Table) -> slice:
    """Rows that count: GRID_TIED without its first seconds; the whole record when nothing was engaged."""
    if (table.mode == Mode.GRID_TIED).any():
        run = longest_run((table.mode == Mode.GRID_TIED).astype(float))
    else:
        moving = np.flatnonzero(np.abs(table.pcs_kw) > ENGAGED_KW)
        run = slice(int(moving[0]), int(moving[-1]) + 1) if moving.size else slice(0, 0)
    settled = slice(run.start + round(SETTLE_S * table.rate_hz), run.stop)
    long_enough = 2 * table.rate_hz
    return next((s for s in (settled, run) if s.stop - s.start > long_enough), slice(0, table.t_s.size))


def measure(table: Table) -> Measures:
    """All figures of a result."""
    rows = engaged(table)
    before = side_of(table.before_kw[rows], table.rate_hz)
    grid = side_of(table.grid_kw[rows], table.rate_hz)
    pcs_kw, soc_pct = table.pcs_kw[rows], table.soc_pct[rows]
    return Measures(
        from_s=float(table.t_s[rows][0]),
        to_s=float(table.t_s[rows][-1]),
        before=before,
        grid=grid,
        attenuation_db=float(20 * np.log10(max(before.swing_kw, 1e-9) / max(grid.swing_kw, 1e-9))),
        pcs_kw_max=float(np.abs(pcs_kw).max()),
        throughput_kwh=float(np.abs(pcs_kw).sum() / table.rate_hz / 3600),
        soc_pct_first=float(soc_pct[0]),
        soc_pct_last=float(soc_pct[-1]),
    )

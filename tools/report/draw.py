"""The pictures of a report: record, edge, spectrum, transfer, latency. Orange without the battery, blue with it."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tools.report.latency import AFTER_DEAD_TIME, Budget, delay_and_lag_s, reachable_db
from tools.report.measure import BAND_HZ, Measures, amplitude_between, engaged, spectrum
from tools.report.table import Column, Table

# Blue and orange stay apart in every common colour vision deficiency, and in grey print.
INK, FAINT, BEFORE, GRID, BATTERY = "#1c2b39", "#c9d3dc", "#e69138", "#1261a0", "#2a9d74"
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e8edf1",
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
    "svg.hashsalt": "stillwatt",
}
COLUMNS = 1500  # of a long record; more than a page can show
EDGE_S = (-0.03, 0.12)  # around the largest edge
OCTAVE_PARTS = 6
TOLD_SHARE = 1e-3  # of the load's largest band: below it a quotient says nothing


def band_of(axes: Axes, t_s: Column, power_kw: Column, colour: str, label: str, width: float) -> None:
    """A long record as the range and mean of each page column, so that no peak is lost."""
    size = max(1, power_kw.size // COLUMNS)
    count = power_kw.size // size
    parts = power_kw[: count * size].reshape(count, size)
    middle_s = t_s[: count * size].reshape(count, size).mean(axis=1)
    axes.fill_between(middle_s, parts.min(axis=1), parts.max(axis=1), color=colour, alpha=0.3, linewidth=0)
    axes.plot(middle_s, parts.mean(axis=1), color=colour, linewidth=width, label=label)


def draw_powers(axes: Axes, table: Table, measures: Measures) -> None:
    """Load and grid over the whole record; the part that counts stays white."""
    band_of(axes, table.t_s, table.before_kw, BEFORE, "without battery", 1.0)
    band_of(axes, table.t_s, table.grid_kw, GRID, "grid, with battery", 1.8)
    for left, right in ((table.t_s[0], measures.from_s), (measures.to_s, table.t_s[-1])):
        axes.axvspan(left, right, color="#f1f4f6", zorder=0, linewidth=0)
    axes.set(title="Power at the grid connection", ylabel="kW", xlim=(table.t_s[0], table.t_s[-1]))
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.2)


def draw_battery(axes: Axes, table: Table) -> None:
    """The battery over the whole record, discharge upward."""
    band_of(axes, table.t_s, table.pcs_kw, BATTERY, "battery", 1.2)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.set(title="Battery, discharging upward", ylabel="kW", xlabel="s", xlim=(table.t_s[0], table.t_s[-1]))


def largest_edge(table: Table) -> int:
    """Row where the largest 10 ms change without the battery is steepest, inside the part that counts."""
    rows, step = engaged(table), max(1, round(0.01 * table.rate_hz))
    margin = round(EDGE_S[1] * table.rate_hz)
    change = np.abs(table.before_kw[step:] - table.before_kw[:-step])
    inside = np.zeros(change.size, bool)
    inside[rows.start + margin : max(rows.start + margin + 1, rows.stop - margin)] = True
    first = int(np.argmax(np.where(inside, change, -1.0)))
    return first + int(np.argmax(np.abs(np.diff(table.before_kw[first : first + step + 1]))))


def draw_edge(axes: Axes, table: Table) -> None:
    """The largest edge, in milliseconds: what the load does, what the battery gives, what the grid sees."""
    middle = largest_edge(table)
    first, last = (middle + round(s * table.rate_hz) for s in EDGE_S)
    rows = slice(max(0, first), last)
    t_ms = 1e3 * (table.t_s[rows] - table.t_s[middle])
    rest_kw = float(np.median(table.pcs_kw[rows][t_ms < -5])) if (t_ms < -5).any() else 0.0
    axes.plot(t_ms, table.before_kw[rows], color=BEFORE, linewidth=1.2, label="without battery")
    axes.plot(t_ms, table.grid_kw[rows], color=GRID, linewidth=1.8, label="grid")
    axes.plot(t_ms, table.pcs_kw[rows], color=BATTERY, linewidth=1.4, label="battery")
    if table.setpoint_kw.any():
        axes.step(t_ms, table.setpoint_kw[rows], color=BATTERY, linewidth=0.8, linestyle=":", where="post",
                  label="setpoint on the wire")  # fmt: skip
    axes.axhline(rest_kw, color=FAINT, linewidth=0.8)
    axes.set(title="The largest edge", xlabel="ms", ylabel="kW", xlim=(t_ms[0], t_ms[-1]))
    axes.legend(loc="best", fontsize=8)


def octave_bands(hz: Column, amplitude: Column) -> tuple[Column, Column]:
    """Centre (Hz) and amplitude (kW) of 1/6-octave bands from half the band's low end to 50 Hz."""
    edges = BAND_HZ[0] / 2 * 2 ** (np.arange(0, 10 * OCTAVE_PARTS + 1) / OCTAVE_PARTS)
    rows = [
        (float(np.sqrt(low * high)), amplitude_between(hz, amplitude, low, np.nextafter(high, 0)))
        for low, high in pairwise(edges)
        if ((hz >= low) & (hz < high)).any()
    ]
    table = np.array(rows)
    return table[:, 0], np.maximum(table[:, 1], 1e-3)


def draw_spectrum(axes: Axes, table: Table, measures: Measures) -> None:
    """Where in frequency the swing lies, before and after; the space between the lines is the gain."""
    rows = engaged(table)
    hz, before = octave_bands(*spectrum(table.before_kw[rows], table.rate_hz))
    _, grid = octave_bands(*spectrum(table.grid_kw[rows], table.rate_hz))
    axes.axvspan(*BAND_HZ, color="#f1f4f6", zorder=0, linewidth=0)
    axes.fill_between(hz, grid, before, where=before >= grid, color=BEFORE, alpha=0.18, linewidth=0)
    axes.loglog(hz, before, color=BEFORE, linewidth=1.4, label="without battery")
    axes.loglog(hz, grid, color=GRID, linewidth=1.8, label="grid")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.set(title=f"Swing by frequency: {measures.attenuation_db:.1f} dB less in 0.1 to 20 Hz",
             xlabel="Hz", ylabel="kW in 1/6 octave", xlim=(hz[0], hz[-1]))  # fmt: skip
    axes.legend(loc="upper right", fontsize=8)


def draw_transfer(axes: Axes, table: Table, budget: Budget) -> None:
    """Grid over load by frequency, where the load has anything; below it what the link lets reach."""
    rows = engaged(table)
    hz, before = octave_bands(*spectrum(table.before_kw[rows], table.rate_hz))
    _, grid = octave_bands(*spectrum(table.grid_kw[rows], table.rate_hz))
    told = before > TOLD_SHARE * before.max()
    axes.axvspan(*BAND_HZ, color="#f1f4f6", zorder=0, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.semilogx(
        hz[told], 20 * np.log10(grid[told] / before[told]), color=GRID, linewidth=1.8, label="reached"
    )
    if budget:
        delay_s, lag_s = delay_and_lag_s(budget)
        led, whole = f"{1e3 * delay_s:.1f} ms, lag led", f"{1e3 * delay_s:.1f} + {1e3 * lag_s:.0f} ms of lag"
        for lag, style, what in ((0.0, "-", led), (lag_s, "--", whole)):
            bound = reachable_db(hz, delay_s, lag)
            axes.semilogx(hz, bound, color=BATTERY, linewidth=1.2, linestyle=style, label=f"bound: {what}")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(title="Grid over load", xlabel="Hz", ylabel="dB", xlim=(hz[0], hz[-1]), ylim=(-60, 10))
    axes.legend(loc="lower right", fontsize=8)


def draw_budget(axes: Axes, budget: Budget) -> None:
    """Where the time goes from sample to power, one bar a line, each from where the last ended."""
    ends_ms = np.cumsum([1e3 * line["s"] for line in budget])
    widths_ms = np.diff(ends_ms, prepend=0.0)
    places = np.arange(len(budget))
    colours = [BATTERY if line["name"] in AFTER_DEAD_TIME else GRID for line in budget]
    axes.barh(places, widths_ms, left=ends_ms - widths_ms, color=colours, height=0.6)
    for place, end_ms, width_ms in zip(places, ends_ms, widths_ms, strict=True):
        axes.text(end_ms, float(place), f" {width_ms:.2f}", va="center", fontsize=8)
    axes.set_yticks(places, [line["name"] for line in budget])
    axes.invert_yaxis()
    axes.set(title=f"From sample to power: {ends_ms[-1]:.1f} ms", xlabel="ms", xlim=(0, 1.12 * ends_ms[-1]))


def whole_picture(table: Table, measures: Measures, budget: Budget) -> Figure:
    """All pictures on one sheet; the budget only where it is known."""
    figure = Figure(figsize=(11, 11.2), layout="constrained")
    cells = figure.add_gridspec(4, 2, height_ratios=(2.2, 1.0, 2.2, 2.2))
    top = figure.add_subplot(cells[0, :])
    draw_powers(top, table, measures)
    draw_battery(figure.add_subplot(cells[1, :], sharex=top), table)
    draw_edge(figure.add_subplot(cells[2, 0]), table)
    draw_spectrum(figure.add_subplot(cells[2, 1]), table, measures)
    draw_transfer(figure.add_subplot(cells[3, 0] if budget else cells[3, :]), table, budget)
    if budget:
        draw_budget(figure.add_subplot(cells[3, 1]), budget)
    return figure


def styled(work: Callable[[], bytes]) -> bytes:
    """Draws with our style, leaving the caller's matplotlib as it was."""
    with matplotlib.rc_context(STYLE):
        return work()


def picture(table: Table, measures: Measures, budget: Budget, kind: str) -> bytes:
    """The sheet as `png` or `svg`."""

    def save() -> bytes:
        out = io.BytesIO()
        stamp = {"Date": None} if kind == "svg" else {}
        whole_picture(table, measures, budget).savefig(out, format=kind, dpi=150, metadata=stamp)
        return out.getvalue()

    return styled(save)


def embedded(svg: bytes) -> str:
    """An SVG as the source of an img: the page needs no other file."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()

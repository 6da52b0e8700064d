"""The latency budget of a report: lines name, s, how, as `sim` and the status tell them (controller.runtime.known)."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tools.report.table import Column

Budget = Sequence[Mapping[str, Any]]
AFTER_DEAD_TIME = ("lag", "slew")  # what shapes the power once it moves; all before it is delay


def slowest(latency: Mapping[str, Budget]) -> Budget:
    """The budget of the converter that is last; empty when nothing is known."""
    return max(latency.values(), key=lambda budget: sum(line["s"] for line in budget), default=())


def delay_and_lag_s(budget: Budget) -> tuple[float, float]:
    """Sum of all lines before the power moves, and the lag."""
    delay_s = sum(line["s"] for line in budget if line["name"] not in AFTER_DEAD_TIME)
    return delay_s, sum(line["s"] for line in budget if line["name"] == "lag")


def reachable_db(hz: Column, delay_s: float, lag_s: float) -> Column:
    """Grid over load, dB, that a law without memory reaches behind a delay and a lag that it does not lead.

    Source: abs(1 - exp(-j w L) / (1 + j w T)), reference control.md 5.2."""
    turn = 2j * np.pi * hz
    found: Column = 20 * np.log10(np.abs(1 - np.exp(-turn * delay_s) / (1 + turn * lag_s)))
    return found


def section(budget: Budget) -> str:
    """The budget as a table with its heading; empty without one."""
    if not budget:
        return ""
    rows = "".join(
        f'<tr><td>{html.escape(line["name"])}</td><td class="number">{1e3 * line["s"]:.2f}</td>'
        f"<td>{html.escape(line['how'])}</td></tr>"
        for line in budget
    )
    total_ms = 1e3 * sum(line["s"] for line in budget)
    head, total = '<tr><th></th><th class="number">ms</th><th></th></tr>', f"{total_ms:.2f}"
    return (
        f"<h2>Where the time goes, from sample to power</h2>\n<table>{head}{rows}"
        f'<tr><th>sum</th><th class="number">{total}</th><th></th></tr></table>\n'
    )

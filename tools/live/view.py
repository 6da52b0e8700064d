"""What a person sees while the demo runs: the powers, the mode, the loop and the bus."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from controller.image import Mode

BARS = " ▁▂▃▄▅▆▇█"
TRACK = 64  # values kept for the little curves
COLOURS = {"load": "orange3", "grid": "dodger_blue2", "battery": "sea_green3"}
POWERS = {"load": "load_kw", "grid": "grid_kw", "battery": "pcs_kw"}  # name to the key in status.json
EVENTS = 3


def curve(values: Iterable[float], low: float, high: float) -> str:
    """Values as a row of bars between two levels."""
    span = max(high - low, 1e-9)
    return "".join(BARS[round(min(max((v - low) / span, 0.0), 1.0) * (len(BARS) - 1))] for v in values)


def mode_name(status: dict[str, Any]) -> str:
    """The mode in words; empty status means the controller has not spoken yet."""
    return str(status.get("mode", "STARTING"))


def number(value: float | None, unit: str, digits: int = 0) -> str:
    """A value with its unit; a dash when the controller does not know it."""
    return "-" if value is None else f"{value:,.{digits}f} {unit}"


class View:
    """Keeps the last values for the curves and draws one frame at a time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen_ns: int | None = None
        self._past: dict[str, deque[float]] = {name: deque(maxlen=TRACK) for name in COLOURS}

    def feed(self, status: dict[str, Any]) -> None:
        """Remembers one status for the curves, once."""
        if status.get("t_ns") == self._seen_ns:
            return
        self._seen_ns = status.get("t_ns")
        for name, key in POWERS.items():
            if isinstance(status.get(key), int | float):
                self._past[name].append(status[key])

    def line(self, status: dict[str, Any], held_s: float) -> str:
        """One line for a log."""
        powers = "  ".join(f"{name} {number(status.get(key), 'kW'):>9s}" for name, key in POWERS.items())
        left_out = f"frames left out {status.get('pace', {}).get('skipped', 0)}"
        soc = number(status.get("soc_pct"), "%", 2)
        return f"{held_s:6.1f} s  {mode_name(status):10s}  {powers}  SOC {soc}  {left_out}"

    def draw(self, status: dict[str, Any], held_s: float) -> RenderableType:
        """The whole view."""
        style = "bold green" if mode_name(status) == Mode.GRID_TIED.name else "bold yellow"
        head = Text.assemble((mode_name(status), style), f"  {status.get('reason') or ''}")
        done = ProgressBar(total=self._seconds, completed=min(held_s, self._seconds), width=TRACK)
        below = Columns([self._loop(status), self._bus(status)], padding=(0, 4))
        body = Group(head, self._powers(status), below, *self._events(status), done)
        return Panel(body, title="Stillwatt", subtitle="Ctrl-C stops cleanly")

    def _powers(self, status: dict[str, Any]) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 2))
        site = [*self._past["load"], *self._past["grid"]] or [0.0]
        low, high = min(site), max(site)
        most = max([abs(v) for v in self._past["battery"]] or [1.0])
        for name, key in POWERS.items():
            ends = (-most, most) if name == "battery" else (low, high)
            bars = Text(curve(self._past[name], *ends), style=COLOURS[name])
            value = Text(number(status.get(key), "kW"), justify="right")
            table.add_row(Text(name, style=COLOURS[name]), value, bars)
        table.add_row("SOC", Text(number(status.get("soc_pct"), "%", 2), justify="right"), "")
        return table

    def _loop(self, status: dict[str, Any]) -> Table:
        pace = status.get("pace", {})
        table = Table("10 kHz loop", "", box=SIMPLE_HEAD)
        table.add_row("frames", f"{pace.get('frames', 0):,.0f}")
        table.add_row("left out", f"{pace.get('skipped', 0):,.0f}")
        late = f"{pace.get('late_us_p50', 0):.0f} / {pace.get('late_us_p99', 0):.0f} us"
        table.add_row("late p50 / p99", late)
        table.add_row("page faults", f"{pace.get('page_faults', 0):.0f}")
        return table

    def _bus(self, status: dict[str, Any]) -> Table:
        table = Table("bus", "setpoints/s", "bytes out", "bytes in", "faults", box=SIMPLE_HEAD)
        for name, port in (status.get("ports") or {}).items():
            faults = port.get("io_errors", 0) + port.get("unsolicited", 0)
            counts = (
                port.get("setpoints_per_s", 0),
                port.get("bytes_out", 0),
                port.get("bytes_in", 0),
                faults,
            )
            table.add_row(name, *(f"{count:,.0f}" for count in counts))
        return table

    def _events(self, status: dict[str, Any]) -> list[Text]:
        events = (status.get("events") or [])[-EVENTS:]
        texts = [f"{e.get('code', '')} {e.get('text', '')}" for e in events]
        return [Text(text, style="dim", no_wrap=True, overflow="ellipsis") for text in texts]

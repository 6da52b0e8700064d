"""What the utility measures at the connection: range, largest line and share of the band, against what it asks.

Means of 10 ms of the last minute are looked at every ten seconds, by the formulas of the metrics M3, M4 and M6: the
range of the 20 ms mean within utility.range_s; of a Hann-windowed spectrum with lines 1/60 Hz apart the largest
amplitude between 0.1 and 20 Hz, and the share of that band in the energy of all motion. Nothing acts on it: the law
smooths as well as it can in any case. What is beyond a limit is told when it begins and when it ends (control.md 1.1).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from controller.config.utility import Utility
from controller.image import Feeder as Look
from controller.image import Instant
from controller.runtime.events import Event
from controller.runtime.waveform import Column
from controller.units import seconds

RATE_HZ = 100.0
WINDOW_S, EVERY_S = 60.0, 10.0
SIZE = round(WINDOW_S * RATE_HZ)
MEAN_S = 0.02  # M6
SLOW_HZ = 0.5  # below it the target's own motion, above it the loop's delay leaves what is left

LINES_HZ = np.fft.rfftfreq(SIZE, 1.0 / RATE_HZ)
HANN = np.hanning(SIZE)
PER_BIN = 2.0 / (HANN.sum() * np.sinc(LINES_HZ / RATE_HZ))  # amplitude; the mean of 10 ms has dimmed it
BAND = slice(round(0.1 * WINDOW_S), round(20.0 * WINDOW_S) + 1)  # of the lines: 0.1 to 20 Hz, both ends in it
DEAF = "look at loop_delay_s, gain and slow_law in the status; a faster link or converter leaves less"
LAZY = "lengthen control.target_lag_s, as far as the battery's energy goes"


def spread_kw(past_kw: Column, range_s: float) -> float:
    """Most by which the 20 ms mean moved within range_s, of the windows that ended in the last EVERY_S."""
    means_kw = past_kw.reshape(-1, round(MEAN_S * RATE_HZ)).mean(axis=1)
    windows = sliding_window_view(means_kw, round(range_s / MEAN_S))[-round(EVERY_S / MEAN_S) :]
    return float(np.ptp(windows, axis=1).max())


def lines_kw(past_kw: Column) -> Column:
    """Amplitudes at LINES_HZ."""
    found: Column = np.abs(np.fft.rfft((past_kw - past_kw.mean()) * HANN)) * PER_BIN
    return found


class Feeder:
    """The last minute of one connection."""

    def __init__(self, utility: Utility) -> None:
        self.seen = Look()
        self._utility = utility
        self._past_kw: Column = np.zeros(SIZE)
        self._events: list[Event] = []
        self._beyond: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """A hole in the samples: nothing is known before a minute has passed."""
        self._at = 0
        self._count = 0
        self._t_judged_ns = 0

    def take(self, grid_kw: Column) -> None:
        """The next means of 10 ms, kW."""
        room = min(SIZE - self._at, grid_kw.size)
        self._past_kw[self._at : self._at + room] = grid_kw[:room]
        self._past_kw[: grid_kw.size - room] = grid_kw[room:]
        self._at = (self._at + grid_kw.size) % SIZE
        self._count += grid_kw.size

    def judge(self, now: Instant) -> None:
        """Measure, every EVERY_S of a whole minute, and remember what is to be told."""
        if self._count < SIZE or seconds(now.t_ns - self._t_judged_ns) < EVERY_S:
            return
        self._t_judged_ns = now.t_ns
        past_kw = np.roll(self._past_kw, -self._at)
        amplitudes_kw = lines_kw(past_kw)
        peak = BAND.start + int(amplitudes_kw[BAND].argmax())
        energies = amplitudes_kw**2
        self.seen = Look(
            range_kw=spread_kw(past_kw, self._utility.range_s),
            line_kw=float(amplitudes_kw[peak]),
            line_hz=float(LINES_HZ[peak]),
            band_pct=100.0 * float(energies[BAND].sum() / max(energies[1:].sum(), 1e-9)),
        )
        for limit, text, cure in self._exceeded():
            self._tell(limit, text, cure, now)

    def events(self) -> tuple[Event, ...]:
        """What has begun and ended since the last call."""
        told, self._events = tuple(self._events), []
        return told

    def _exceeded(self) -> Iterator[tuple[str, str, str]]:
        """Rows (limit, text or empty when it is kept, cure) of what is asked."""
        seen, asked = self.seen, self._utility
        slow = LAZY if seen.line_hz < SLOW_HZ else DEAF
        rows = (
            ("range_kw_max", seen.range_kw, asked.range_kw_max,
             f"moved by {seen.range_kw:.0f} kW within {asked.range_s:g} s", DEAF),
            ("band_kw_max", seen.line_kw, asked.band_kw_max,
             f"had a line of {seen.line_kw:.1f} kW at {seen.line_hz:.2f} Hz", slow),
            ("band_pct_max", seen.band_pct, asked.band_pct_max,
             f"had {seen.band_pct:.0f} % of its motion's energy in 0.1 to 20 Hz", slow),
        )  # fmt: skip
        for name, value, most, text, cure in rows:
            if most is not None:
                yield name, f"{text}, allowed {most:g}" if value > most else "", cure

    def _tell(self, limit: str, text: str, cure: str, now: Instant) -> None:
        if bool(text) == (limit in self._beyond):
            return
        self._beyond ^= {limit}
        level = "warning" if text else "info"
        said = f"grid power {text or 'keeps the limit again'} (utility.{limit})"
        stamp = (now.t_ns, now.utc_s, "utility", "utility-limit", "site")
        self._events.append(Event(*stamp, level, said, cure if text else ""))

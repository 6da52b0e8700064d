"""Round trips of one device as the supervisor sees them: a histogram since start, and the late ones of a minute."""

from __future__ import annotations

from collections import deque

from controller.units import NS_PER_S, NS_PER_US

BINS = 24  # bin k: replies after 2^k to 2^(k+1) us; the last holds the rest
WINDOW_NS = 60 * NS_PER_S
LATE_NS = 10_000_000  # beyond wire time and the device's usual silence: a tty's kworker or an adapter's timer
REPLIES_MIN = 20  # fewer in a minute say nothing about a share


class RoundTrips:
    """One reply a poll and supervisor cycle is taken; the frame may have seen more."""

    def __init__(self) -> None:
        self._bins = [0] * BINS
        self._window: deque[tuple[int, bool]] = deque()
        self._late = 0

    def take(self, t_ns: int, round_trip_ns: int, usual_ns: int) -> None:
        """One reply that came at t_ns, with the time it usually takes."""
        self._bins[min(max(round_trip_ns // NS_PER_US, 1).bit_length() - 1, BINS - 1)] += 1
        late = round_trip_ns > usual_ns + LATE_NS
        self._window.append((t_ns, late))
        self._late += late

    @property
    def bins(self) -> tuple[int, ...]:
        """Counts of all replies so far; empty before the first."""
        return tuple(self._bins) if any(self._bins) else ()

    def late_pct(self, now_ns: int) -> float:
        """Share of late replies within the last minute."""
        while self._window and now_ns - self._window[0][0] > WINDOW_NS:
            self._late -= self._window.popleft()[1]
        return 100.0 * self._late / len(self._window) if len(self._window) >= REPLIES_MIN else 0.0

"""Reads the sample ring beside the frame: powers at the full sample rate, for identification and the backstop.

The layout of the ring is the contract in ext/sampler.pxd. A reader takes what came since its last look; samples that
were overwritten meanwhile are missing, never wrong.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.config.site import CHANNEL_SETS
from controller.devices.check import CheckedSite
from controller.image import CHANNELS
from controller.runtime.fastlink import watch

Column = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Powers:
    """Samples at their own rate, times in s, powers in kW; None: not wired. dc_kw > 0 discharges."""

    t_s: Column
    load_kw: Column | None = None
    pcc_kw: Column | None = None
    dc_kw: Column | None = None

    @property
    def battery_kw(self) -> Column:
        """The battery's power by the best signal of signal_of()."""
        if self.dc_kw is not None:
            return self.dc_kw
        assert self.pcc_kw is not None
        return -self.pcc_kw if self.load_kw is None else self.load_kw - self.pcc_kw

    @property
    def sides(self) -> tuple[Column, Column]:
        """What the grid would carry without the battery, and what it carries. Not for a blind site."""
        if self.pcc_kw is None:
            assert self.load_kw is not None and self.dc_kw is not None
            return self.load_kw, self.load_kw - self.dc_kw
        if self.load_kw is not None:
            return self.load_kw, self.pcc_kw
        assert self.dc_kw is not None
        return self.pcc_kw + self.dc_kw, self.pcc_kw


FEEDERS = {  # first channel of the currents, of the voltages, how many of each
    "load": (CHANNELS.index("load_ia"), CHANNELS.index("load_va"), 3),
    "pcc": (CHANNELS.index("pcc_ia"), CHANNELS.index("pcc_va"), 3),
    "dc": (CHANNELS.index("dc_a"), CHANNELS.index("dc_v"), 1),
}
NOTHING = Powers(np.empty(0))


def signal_of(channels: Container[str]) -> str:
    """How the battery's power can be seen, the best first; empty: not at all.

    dc: volts by amperes. difference: load less connection. connection: what the grid gives less; the load's own
    motion stays in it and widens what is found."""
    if wired(channels, "dc"):
        return "dc"
    if wired(channels, "load") and wired(channels, "pcc"):
        return "difference"
    return "connection" if wired(channels, "pcc") else ""


def wired(channels: Container[str], name: str) -> bool:
    """Whether a whole set of channels is there."""
    return all(channel in channels for channel in CHANNEL_SETS[name])


class Waveform:
    """Load, connection and battery of one site, from its sample ring."""

    def __init__(self, checked: CheckedSite) -> None:
        channels = {str(name): channel for name, channel in checked.site.sampling.channels.items()}
        self.signal = signal_of(channels)
        self.sets = tuple(name for name in CHANNEL_SETS if wired(channels, name))
        self._si_per_v, self._offset_counts = np.zeros(len(CHANNELS)), np.zeros(len(CHANNELS))
        for name, channel in channels.items():
            place = CHANNELS.index(name)
            self._si_per_v[place] = channel.a_per_v or channel.v_per_v or 0.0
            self._offset_counts[place] = channel.offset_counts
        self._feeders = np.array([FEEDERS[name] for name in self.sets], np.int32).reshape(-1, 3)
        self._ring: Any = None
        self._seen = 0

    @property
    def blind(self) -> bool:
        """Whether battery and load cannot be told apart: one set of sensors only."""
        return len(self.sets) < 2

    def take(self, ring: Any) -> Powers:
        """Samples since the last call. ring: its memory, or None. The first look at a ring returns nothing."""
        if ring is None:
            return NOTHING
        if ring is not self._ring:
            self._ring, self._seen = ring, watch.newest(ring)
            return NOTHING
        calibration = self._si_per_v, self._offset_counts, self._feeders
        self._seen, t_s, powers_kw = watch.powers(ring, self._seen, *calibration)
        return Powers(t_s, **dict(zip((f"{name}_kw" for name in self.sets), powers_kw, strict=True)))

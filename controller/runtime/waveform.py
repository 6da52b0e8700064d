"""Reads the sample ring beside the frame: the battery's own power at the full sample rate, for identification.

The layout of the ring is the contract in ext/sampler.pxd. A reader takes what came since its last look; samples that
were overwritten meanwhile are missing, never wrong.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.config.site import CHANNEL_SETS
from controller.devices.check import CheckedSite
from controller.image import CHANNELS

Column = NDArray[np.floating[Any]]

HEADER = np.dtype([
    ("magic", "S8"), ("version", "<u4"), ("rate_hz", "<u4"), ("channel_count", "<u4"), ("slot_count", "<u4"),
    ("scale", "<f8", 16), ("rail_counts", "<i4"), ("reserved", "<i4"), ("head", "<u8"),
])  # fmt: skip
HEADER_BYTES = 256
SLOT = np.dtype([("sequence", "<u8"), ("t_ns", "<i8"), ("counts", "<i4", 16), ("reserved", "V48")])


def signal_of(channels: Container[str]) -> str:
    """How the battery's power can be seen, the best first; empty: not at all.

    dc: volts by amperes. difference: load less connection. connection: what the grid gives less; the load's own
    motion stays in it and widens what is found."""

    def wired(name: str) -> bool:
        return all(channel in channels for channel in CHANNEL_SETS[name])

    if wired("dc"):
        return "dc"
    if wired("load") and wired("pcc"):
        return "difference"
    return "connection" if wired("pcc") else ""


class Waveform:
    """The battery's power of one site, from its sample ring."""

    def __init__(self, checked: CheckedSite) -> None:
        channels = {str(name): channel for name, channel in checked.site.sampling.channels.items()}
        self.signal = signal_of(channels)
        self._si_per_v, self._offset_counts = np.zeros(16), np.zeros(16)
        for name, channel in channels.items():
            place = CHANNELS.index(name)
            self._si_per_v[place] = channel.a_per_v or channel.v_per_v or 0.0
            self._offset_counts[place] = channel.offset_counts
        self._ring: Any = None
        self._seen = 0

    def take(self, ring: Any) -> tuple[Column, Column]:
        """Samples since the last call: times s (n), battery power kW (n). ring: its memory, or None.

        The first look at a ring returns nothing."""
        nothing = np.empty(0), np.empty(0)
        if ring is None or not self.signal:
            return nothing
        header = np.frombuffer(ring, HEADER, 1)[0]
        slots = np.frombuffer(ring, SLOT, int(header["slot_count"]), HEADER_BYTES)
        head = int(header["head"])
        if ring is not self._ring:
            self._ring, self._seen = ring, head
            return nothing
        wanted = np.arange(max(self._seen, head - slots.size + 1) + 1, head + 1)
        self._seen = head
        rows = slots[wanted % slots.size]  # a copy
        # Whole before the copy, and not yet overwritten after it.
        oldest = int(np.frombuffer(ring, HEADER, 1)[0]["head"]) - slots.size + 2
        rows = rows[(rows["sequence"] == wanted) & (wanted >= oldest)]
        return rows["t_ns"] * 1e-9, self._power_kw(rows["counts"], np.asarray(header["scale"]))

    def _power_kw(self, counts: NDArray[np.int32], scale: Column) -> Column:
        si = (counts - self._offset_counts) * (scale * self._si_per_v)

        def feeder(name: str) -> Column:
            first = CHANNELS.index(f"{name}_ia")
            power: Column = (si[:, first : first + 3] * si[:, first + 3 : first + 6]).sum(axis=1) * 1e-3
            return power

        if self.signal == "dc":
            power_kw: Column = si[:, CHANNELS.index("dc_v")] * si[:, CHANNELS.index("dc_a")] * 1e-3
            return power_kw
        return (feeder("load") if self.signal == "difference" else 0.0) - feeder("pcc")

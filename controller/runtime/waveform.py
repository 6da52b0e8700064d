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

Column = NDArray[np.floating[Any]]

HEADER = np.dtype([
    ("magic", "S8"), ("version", "<u4"), ("rate_hz", "<u4"), ("channel_count", "<u4"), ("slot_count", "<u4"),
    ("scale", "<f8", 16), ("rail_counts", "<i4"), ("reserved", "<i4"), ("head", "<u8"),
])  # fmt: skip
HEADER_BYTES = 256
SLOT = np.dtype([("sequence", "<u8"), ("t_ns", "<i8"), ("counts", "<i4", 16), ("reserved", "V48")])


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
        self._si_per_v, self._offset_counts = np.zeros(16), np.zeros(16)
        for name, channel in channels.items():
            place = CHANNELS.index(name)
            self._si_per_v[place] = channel.a_per_v or channel.v_per_v or 0.0
            self._offset_counts[place] = channel.offset_counts
        self._ring: Any = None
        self._seen = 0

    @property
    def blind(self) -> bool:
        """Whether battery and load cannot be told apart: one set of sensors only."""
        return len(self.sets) < 2

    def take(self, ring: Any) -> Powers:
        """Samples since the last call. ring: its memory, or None. The first look at a ring returns nothing."""
        if ring is None:
            return Powers(np.empty(0))
        header = np.frombuffer(ring, HEADER, 1)[0]
        slots = np.frombuffer(ring, SLOT, int(header["slot_count"]), HEADER_BYTES)
        head = int(header["head"])
        if ring is not self._ring:
            self._ring, self._seen = ring, head
            return Powers(np.empty(0))
        wanted = np.arange(max(self._seen, head - slots.size + 1) + 1, head + 1)
        self._seen = head
        at = int(wanted[0]) % slots.size if wanted.size else 0
        rows = np.concatenate(
            [slots[at : at + wanted.size], slots[: max(at + wanted.size - slots.size, 0)]]
        )  # a copy
        # Whole before the copy, and not yet overwritten after it.
        oldest = int(np.frombuffer(ring, HEADER, 1)[0]["head"]) - slots.size + 2
        rows = rows[(rows["sequence"] == wanted) & (wanted >= oldest)]
        return self._powers(rows["t_ns"] * 1e-9, rows["counts"], np.asarray(header["scale"]))

    def _powers(self, t_s: Column, counts: NDArray[np.int32], scale: Column) -> Powers:
        factor = scale * self._si_per_v

        def si(first: int, count: int) -> Column:
            place = slice(first, first + count)
            found: Column = (counts[:, place] - self._offset_counts[place]) * factor[place]
            return found

        def feeder(name: str) -> Column:
            first = CHANNELS.index(f"{name}_ia")
            power_kw: Column = np.einsum("nk,nk->n", si(first, 3), si(first + 3, 3)) * 1e-3
            return power_kw

        return Powers(
            t_s,
            feeder("load") if "load" in self.sets else None,
            feeder("pcc") if "pcc" in self.sets else None,
            si(CHANNELS.index("dc_v"), 1)[:, 0] * si(CHANNELS.index("dc_a"), 1)[:, 0] * 1e-3
            if "dc" in self.sets
            else None,
        )

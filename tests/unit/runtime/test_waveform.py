"""Goal: the reader beside the frame sees every sample once and none that is torn. Method: a ring, written by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from controller.devices.check import check_site
from controller.image import CHANNELS
from controller.runtime.waveform import FEEDERS, Powers, Waveform, signal_of

SITE = Path("boards/sites/reference.yaml")
SLOTS = 8
HEADER_BYTES = 256
HEADER = np.dtype([
    ("magic", "S8"), ("version", "<u4"), ("rate_hz", "<u4"), ("channel_count", "<u4"), ("slot_count", "<u4"),
    ("scale", "<f8", 16), ("rail_counts", "<i4"), ("reserved", "<i4"), ("head", "<u8"),
])  # fmt: skip
SLOT = np.dtype([("sequence", "<u8"), ("t_ns", "<i8"), ("counts", "<i4", 16), ("reserved", "V48")])


class Ring:
    """A ring of eight slots."""

    def __init__(self) -> None:
        self.memory = np.zeros(HEADER_BYTES + SLOTS * SLOT.itemsize, np.uint8)
        self.header = np.frombuffer(self.memory, HEADER, 1)
        self.slots = np.frombuffer(self.memory, SLOT, SLOTS, HEADER_BYTES)
        self.header["magic"], self.header["version"], self.header["channel_count"] = b"SWRING01", 1, 16
        self.header["slot_count"], self.header["scale"] = SLOTS, 1e-3

    def push(self, count: int, **codes: int) -> None:
        """Samples 1 ms apart: 3 V and 2 V at the DC inputs, or the codes of these channels."""
        for _ in range(count):
            number = int(self.header["head"][0]) + 1
            slot = self.slots[number % SLOTS : number % SLOTS + 1]
            slot["t_ns"], slot["sequence"] = number * 1_000_000, number
            for channel, code in (codes or {"dc_v": 3000, "dc_a": 2000}).items():
                slot["counts"][0, CHANNELS.index(channel)] = code
            self.header["head"] = number


def test_layout_is_the_contract() -> None:
    """Header and slot have the sizes and places of ext/sampler.pxd."""
    assert (HEADER.itemsize, SLOT.itemsize) == (168, 128)
    assert (HEADER.fields["scale"][1], HEADER.fields["head"][1], SLOT.fields["counts"][1]) == (24, 160, 16)


def test_every_sample_once() -> None:
    """The first look starts the count; 250 V/V by 700 A/V at 3 and 2 V are 1050 kW; times in s."""
    ring, reader = Ring(), Waveform(check_site(SITE))
    ring.push(3)
    assert reader.take(ring.memory).t_s.size == 0
    ring.push(4)
    powers = reader.take(ring.memory)
    assert powers.t_s.tolist() == pytest.approx([0.004, 0.005, 0.006, 0.007])
    assert powers.battery_kw == pytest.approx(1050.0)
    assert reader.take(ring.memory).t_s.size == 0
    assert reader.take(None).t_s.size == 0


def test_overwritten_and_torn_samples_are_left_out() -> None:
    """Twenty samples into eight slots, one of them being written: the newest whole ones."""
    ring, reader = Ring(), Waveform(check_site(SITE))
    reader.take(ring.memory)
    ring.push(20)
    ring.slots[18 % SLOTS]["sequence"] = 0
    t_s = reader.take(ring.memory).t_s
    assert np.round(1e3 * t_s).astype(int).tolist() == [13, 14, 15, 16, 17, 19, 20]


def test_another_ring_starts_anew() -> None:
    """A plant that was started again has its own count."""
    first, second, reader = Ring(), Ring(), Waveform(check_site(SITE))
    reader.take(first.memory)
    first.push(5)
    second.push(3)
    assert reader.take(second.memory).t_s.size == 0
    second.push(2)
    assert reader.take(second.memory).t_s.size == 2


@pytest.mark.parametrize(
    ("sets", "signal"),
    [(("load", "dc"), "dc"), (("load", "pcc"), "difference"), (("pcc",), "connection"), (("load",), "")],
)
def test_the_best_signal_is_taken(sets: tuple[str, ...], signal: str) -> None:
    """DC bus before the difference of two CT sets before the connection alone; the load alone shows nothing."""
    names = {"dc": ("dc_v", "dc_a")} | {
        s: tuple(f"{s}_{q}{p}" for q in "iv" for p in "abc") for s in ("load", "pcc")
    }
    assert signal_of({name: None for s in sets for name in names[s]}) == signal


def test_powers_of_the_feeders() -> None:
    """Three phases at 100 and 200: load 60 kW; half the current at the connection: 30; the battery gives the rest."""
    ring, reader = Ring(), Waveform(check_site(SITE))
    reader.sets = ("load", "pcc")
    reader._feeders = np.array([FEEDERS[name] for name in reader.sets], np.int32)
    reader._si_per_v[:] = 100.0
    reader.take(ring.memory)
    volts = {f"{feeder}_v{phase}": 2000 for feeder in ("load", "pcc") for phase in "abc"}
    amperes = {f"load_i{phase}": 1000 for phase in "abc"} | {f"pcc_i{phase}": 500 for phase in "abc"}
    ring.push(1, **volts, **amperes)
    found = reader.take(ring.memory)
    assert (found.load_kw, found.pcc_kw, found.battery_kw) == (pytest.approx(60.0), pytest.approx(30.0), 30.0)


def test_a_ring_that_is_none_any_more_has_no_samples() -> None:
    """A producer that writes another slot count into its header, larger than its memory: nothing is read beyond it."""
    ring, reader = Ring(), Waveform(check_site(SITE))
    reader.take(ring.memory)
    ring.push(3)
    ring.header["slot_count"] = 2 * SLOTS
    assert reader.take(ring.memory).t_s.size == 0


@pytest.mark.parametrize(
    ("given", "battery_kw", "sides"),
    [
        ({"load_kw": 50.0, "dc_kw": 20.0}, 20.0, (50.0, 30.0)),
        ({"load_kw": 50.0, "pcc_kw": 30.0}, 20.0, (50.0, 30.0)),
        ({"pcc_kw": 30.0, "dc_kw": 20.0}, 20.0, (50.0, 30.0)),
        ({"load_kw": 50.0, "pcc_kw": 31.0, "dc_kw": 20.0}, 20.0, (50.0, 31.0)),
    ],
)
def test_sides_by_what_is_wired(
    given: dict[str, float], battery_kw: float, sides: tuple[float, float]
) -> None:
    """50 kW of load, 20 of them from the battery: seen alike by every pair of sensors; what is measured wins."""
    powers = Powers(np.zeros(1), **{name: np.array([kw]) for name, kw in given.items()})
    assert powers.battery_kw[0] == battery_kw
    assert tuple(float(side[0]) for side in powers.sides) == sides

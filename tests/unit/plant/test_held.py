"""Goal: a setpoint that stands while a device is read is the one for that long.

Method: the whole stack on a slow wire, what passes it set by hand; the same with reads that the law knows nothing of.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tools.plant.links
from controller.devices.check import CheckedSite
from controller.image import Frame
from controller.runtime import frame_setup
from controller.runtime.ramps import FADING, Ramps
from tools.plant.links import read_link
from tools.plant.loads import Load
from tools.sim import Scene, VirtualRun

LINKS = Path(tools.plant.links.__file__).parent / "links.yaml"
LOAD_HZ = 2000.0
SECONDS = 30.0
READS_HZ = 4.0
pytestmark = pytest.mark.stack


def beside_kw(checked: CheckedSite, load: Load, hz: float) -> float:
    """Of the battery's power, the larger of the lines that four reads a second make beside one of the load's."""
    link = read_link(LINKS, "9600-spec")
    run = VirtualRun(checked, load, Scene(Path(), Path(), seed=1, link=link))
    run.bring_up()
    record = run.scene(SECONDS)
    late = record["t_s"] > SECONDS - 16.0
    lines = abs(np.fft.rfft(np.hanning(late.sum()) * record["pcs_kw"][late])) * 4.0 / late.sum()
    at_hz = np.fft.rfftfreq(int(late.sum()), 1.0 / LOAD_HZ)
    return max(float(lines[abs(at_hz - side_hz) < 0.2].max()) for side_hz in (READS_HZ - hz, READS_HZ + hz))


def taken(monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    """So much through the late filter, or the lines in its place."""

    def judge(harm: Ramps, _: Frame, dt_s: float) -> None:
        harm.gain, harm.prompt_pu = min(harm.gain + 0.2 * dt_s, share), FADING

    monkeypatch.setattr(Ramps, "judge", judge)


def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The law knows of no read."""
    setup = frame_setup._loop
    monkeypatch.setattr(frame_setup, "_loop", lambda *loop: setup(*loop) | {"read_s": 0.0})


def test_what_fades_goes_on_while_the_wire_is_read(
    site_of: Callable[[str], CheckedSite], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load of 0.35 Hz: beside the reads' 4 Hz less than a half is left."""
    t_s = np.arange(round(SECONDS * LOAD_HZ)) / LOAD_HZ
    load = Load(3600.0 + 800.0 * np.sin(2 * np.pi * 0.35 * t_s), LOAD_HZ)
    taken(monkeypatch, 1.0)
    known_kw = beside_kw(site_of("reference"), load, 0.35)
    blind(monkeypatch)
    assert known_kw < 0.5 * beside_kw(site_of("reference"), load, 0.35)


def test_lines_go_on_while_the_wire_is_read(
    site_of: Callable[[str], CheckedSite], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load that comes back every 0.8 s, a third of its lines: the same."""
    t_s = np.arange(round(SECONDS * LOAD_HZ)) / LOAD_HZ
    load = Load(np.interp(t_s % 0.8, [0.0, 0.005, 0.4, 0.405], [3000.0, 4600.0, 4600.0, 3000.0]), LOAD_HZ)
    taken(monkeypatch, 0.3)
    known_kw = beside_kw(site_of("reference"), load, 1.25)
    blind(monkeypatch)
    assert known_kw < 0.5 * beside_kw(site_of("reference"), load, 1.25)

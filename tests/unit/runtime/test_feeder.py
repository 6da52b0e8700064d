"""Goal: what the feeder carries is measured as the metrics say, and told when it passes what the utility asks and when
it is back. Method: sines of known size through the minute's window; a second of samples a call."""

from __future__ import annotations

import re
from math import isnan, pi
from pathlib import Path

import numpy as np
import pytest

from controller.config import ConfigError
from controller.config.utility import Utility
from controller.devices.check import check_site
from controller.image import Instant
from controller.runtime.feeder import Feeder, lines_kw
from controller.units import ns

SITE = Path("boards/sites/reference.yaml")


def sine(kw: float, hz: float, seconds: float, level_kw: float = 3000.0) -> np.ndarray:
    """Means of 10 ms of a sine on a level: what averaging leaves of it is np.sinc(hz / 100)."""
    t_s = (np.arange(round(100 * seconds)) + 0.5) / 100
    return level_kw + kw * np.sinc(hz / 100) * np.sin(2 * pi * hz * t_s)


def fed(feeder: Feeder, grid_kw: np.ndarray, start_s: int = 0) -> None:
    """A second a call, from start_s on."""
    for k in range(grid_kw.size // 100):
        feeder.take(grid_kw[100 * k : 100 * k + 100])
        feeder.judge(Instant(ns(start_s + k + 1.0), start_s + k + 1.0))


@pytest.mark.parametrize("hz", [0.1, 0.5, 2.0, 19.9])
def test_a_line_is_as_large_as_it_is(hz: float) -> None:
    """Its amplitude within 2 % and its frequency within a line, at either end of the band too; all motion is in it."""
    feeder = Feeder(Utility())
    fed(feeder, sine(30.0, hz, 60))
    assert feeder.seen.line_kw == pytest.approx(30.0, rel=0.02)
    assert feeder.seen.line_hz == pytest.approx(hz, abs=1 / 60)
    assert feeder.seen.band_pct == pytest.approx(100.0, abs=0.1 if hz > 0.1 else 20.0)


def test_the_share_of_the_band() -> None:
    """Two sines of one size, one at 0.05 Hz: half of the energy; the slower one is no line of the band."""
    feeder = Feeder(Utility())
    fed(feeder, sine(30.0, 0.05, 60) + sine(30.0, 1.0, 60))
    assert feeder.seen.band_pct == pytest.approx(50.0, abs=1.0)
    assert feeder.seen.line_hz == pytest.approx(1.0)


def test_the_range_is_that_of_the_window() -> None:
    """A ramp of 10 kW/s moves by 49.8 kW within the 250 means of 5 s; a jump is seen whole by whatever window."""
    feeder = Feeder(Utility(range_s=5.0))
    fed(feeder, 3000.0 + np.arange(6000) / 10)
    assert feeder.seen.range_kw == pytest.approx(49.8)
    fed(feeder, np.repeat([4000.0, 4500.0], 500), start_s=60)
    assert feeder.seen.range_kw == pytest.approx(500.0)


def test_nothing_is_known_before_a_minute_nor_across_a_hole() -> None:
    """One second less than a minute, and a minute with a hole at its end."""
    feeder = Feeder(Utility(band_kw_max=1.0))
    fed(feeder, sine(30.0, 1.0, 59))
    assert isnan(feeder.seen.line_kw)
    feeder.reset()
    fed(feeder, sine(30.0, 1.0, 59), start_s=59)
    assert isnan(feeder.seen.line_kw) and feeder.events() == ()


@pytest.mark.parametrize(
    ("asked", "text", "cure"),
    [
        (
            {"band_kw_max": 29.0},
            r"a line of 30\.0 kW at 1\.00 Hz, allowed 29 \(utility.band_kw_max\)",
            "faster link",
        ),
        ({"band_pct_max": 90.0}, r"100 % of its motion's energy in 0.1 to 20 Hz, allowed 90 ", "faster link"),
        (
            {"range_kw_max": 50.0},
            r"moved by 6\d kW within 10 s, allowed 50 \(utility.range_kw_max\)",
            "faster link",
        ),
    ],
)
def test_beyond_a_limit_is_told_once_and_its_end_too(asked: dict[str, float], text: str, cure: str) -> None:
    """Goal: one line when it begins, none while it lasts, one when it ends. Method: a sine of 30 kW, then one of 1 kW
    on a slow large one that the range does not see within ten seconds."""
    feeder = Feeder(Utility(**asked))
    fed(feeder, sine(30.0, 1.0, 90))
    (event,) = feeder.events()
    assert (event.code, event.name, event.level) == ("utility", "utility-limit", "warning")
    assert re.search(text, event.text) and cure in event.cure
    fed(feeder, sine(1.0, 1.0, 70) + sine(9.0, 1 / 60, 70, 0.0), start_s=90)
    (event,) = feeder.events()
    assert event.level == "info" and "keeps the limit again" in event.text and event.cure == ""


@pytest.mark.parametrize(("most", "told"), [(30.1, 0), (29.9, 1)])
def test_the_limit_itself_is_allowed(most: float, told: int) -> None:
    """Either side of a line of 30 kW; a slow one names the target's lag as the cure."""
    feeder = Feeder(Utility(band_kw_max=most))
    fed(feeder, sine(30.0, 0.25, 60))
    events = feeder.events()
    assert len(events) == told and all("target_lag_s" in event.cure for event in events)


def test_a_band_that_nobody_sees_is_refused(tmp_path: Path) -> None:
    """Goal: no limit that is never watched. Method: the load's channels alone."""
    text = SITE.read_text()
    kept = "\n".join(line for line in text.splitlines() if not line.strip().startswith(("dc_v:", "dc_a:")))
    site = tmp_path / "site.yaml"
    site.write_text(kept + "\nutility:\n  band_kw_max: 20\n")
    with pytest.raises(
        ConfigError, match=r"band_kw_max.*has load alone: battery and load cannot be told apart"
    ):
        check_site(site)


def test_pieces_that_cross_the_seam_of_the_minute_lose_nothing() -> None:
    """61.6 s in pieces of 0.7 s and of 1 s, then the rest: both have seen the same last minute."""
    grid_kw = np.random.default_rng(1).normal(3000.0, 300.0, 6160)
    ranges = []
    for piece in (70, 100):
        feeder = Feeder(Utility())
        for k in range(0, grid_kw.size, piece):
            feeder.take(grid_kw[k : k + piece])
        feeder.judge(Instant(ns(61.6), 61.6))
        ranges.append((feeder.seen.range_kw, feeder.seen.line_kw))
    assert ranges[0] == ranges[1]
    assert ranges[0][1] == pytest.approx(lines_kw(grid_kw[-6000:])[6:1201].max())

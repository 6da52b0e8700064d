"""Goal: the backstop measures true amplitudes and acts by tiers, at their edges. Method: sines, made excesses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from controller.devices.check import check_site
from controller.image import Frame, Instant
from controller.runtime.backstop import (
    FREE,
    HOLD,
    LINES_HZ,
    RATE_HZ,
    REDUCED,
    REST_S,
    SAFE,
    SHARE_AGAIN,
    Backstop,
    Spectrum,
    Tiers,
)  # fmt: skip
from controller.runtime.harm import Harm
from controller.runtime.ramps import Ramps
from tools.bench.fleet import SITE, fleet

PERIOD_S = 0.1


def spectrum_of(hz: float, before_kw: float, grid_kw: float, seconds: float = 120.0) -> Spectrum:
    """Two sines on a level and a ramp of 50 kW/s."""
    found = Spectrum()
    for t_s in np.arange(0.0, seconds, 1.0 / RATE_HZ):
        wave, rest = np.sin(2 * np.pi * hz * t_s), 3500.0 + 50.0 * t_s
        found.take(np.array([before_kw * wave + rest, grid_kw * wave + rest]))
    return found


@pytest.mark.parametrize("line", [0, 14, 30])
def test_amplitude_of_a_sine(line: int) -> None:
    """On a line: its amplitude, within 3 %, on a level and a ramp. Three octaves away: less than a twentieth."""
    found = spectrum_of(float(LINES_HZ[line]), 300.0, 600.0)
    assert found.amplitudes_kw[:, line] == pytest.approx([300.0, 600.0], rel=0.03)
    assert found.excess_db(1.0)[1, line] == pytest.approx(6.02, abs=0.05)
    far = [k for k in range(31) if abs(k - line) >= 12]
    assert found.amplitudes_kw[0, far].max() < 0.05 * 300.0


def test_ten_values_at_once_are_ten_values() -> None:
    """A cycle's values in one call leave the spectrum where one call a value leaves it."""
    values_kw = np.random.default_rng(1).normal(3000.0, 300.0, (2, 200))
    single, block = Spectrum(), Spectrum()
    for k in range(200):
        single.take(values_kw[:, k])
    for k in range(0, 200, 10):
        block.take(values_kw[:, k : k + 10])
    assert block.age_s == pytest.approx(single.age_s)
    np.testing.assert_array_equal(block.amplitudes_kw, single.amplitudes_kw)
    np.testing.assert_array_equal(block.excess_db(40.0), single.excess_db(40.0))


def test_between_two_lines_the_excess_is_the_same() -> None:
    """A sine in the middle of two lines: both show its excess, the amplitude loses at most 3 dB."""
    hz = float(np.sqrt(LINES_HZ[14] * LINES_HZ[15]))
    found = spectrum_of(hz, 300.0, 600.0, 60.0)
    assert found.excess_db(1.0)[1, 14:16] == pytest.approx(6.02, abs=0.05)
    assert found.amplitudes_kw[0, 14:16].max() > 300.0 * 10 ** (-3 / 20)


def test_below_the_floor_nothing_is_judged() -> None:
    """5 kW over nothing at a floor of 10 kW is 1 dB, 100 kW are 20 dB."""
    small, large = (spectrum_of(5.0, 0.0, kw, 20.0).excess_db(10.0)[1].max() for kw in (5.0, 100.0))
    assert small < 1.0
    assert large > 19.0


def test_a_line_counts_once_it_is_warm() -> None:
    """Four periods: at 0.1 Hz nothing for 40 s, at 20 Hz after 0.2 s."""
    young = spectrum_of(5.0, 1.0, 500.0, 0.19)
    assert not young.excess_db(1.0).any()
    assert spectrum_of(float(LINES_HZ[30]), 1.0, 500.0, 0.21).excess_db(1.0)[1, 30] > 6.0
    assert spectrum_of(0.1, 1.0, 500.0, 39.9).excess_db(1.0)[1, 0] == 0.0
    assert spectrum_of(0.1, 1.0, 500.0, 40.1).excess_db(1.0)[1, 0] > 6.0


def run(tiers: Tiers, excess_db: float, seconds: float, line: int = 20, t_s: float = 0.0) -> float:
    """One line at an excess for some time; returns the time after it."""
    excess = np.zeros((2, 31))
    excess[:, line] = excess_db
    for _ in range(round(seconds / PERIOD_S)):
        t_s += PERIOD_S
        tiers.take(excess, t_s, PERIOD_S)
    return t_s


@pytest.mark.parametrize(
    ("excess_db", "tier", "aim"), [(1.5, FREE, 1.0), (1.51, REDUCED, 0.5), (6.01, REDUCED, 0.5)]
)
def test_tiers_at_their_edges(excess_db: float, tier: int, aim: float) -> None:
    """Just at the limit nothing; above it for two periods (3.4 Hz: 0.6 s) the gain is halved, not before."""
    tiers = Tiers()
    run(tiers, excess_db, 0.5)
    assert tiers.tier == FREE
    run(tiers, excess_db, 0.2, t_s=0.5)
    assert (tiers.tier, tiers.aim) == (tier, aim)


@pytest.mark.parametrize(("excess_db", "tier"), [(6.0, REDUCED), (6.01, HOLD)])
def test_a_ring_is_held_after_six_periods(excess_db: float, tier: int) -> None:
    """Above 6 dB for six periods (3.4 Hz: 1.8 s) the hold, not before; at 6 dB only the gain is reduced."""
    tiers = Tiers()
    t_s = run(tiers, excess_db, 1.7)
    assert tiers.tier == REDUCED
    run(tiers, excess_db, 0.2, t_s=t_s)
    assert tiers.tier == tier


def test_one_late_answer_is_no_ring_and_no_harm() -> None:
    """A load that steps by 1000 kW each second, answered within 10 ms; once only after 30: no tier."""
    found, tiers, highest = Spectrum(), Tiers(), 0
    for k in range(4000):
        edge, past = divmod(k, 100)
        before_kw = 1000.0 * (edge % 2)
        sign = 1.0 if edge % 2 else -1.0
        late = 3 if edge == 20 else 1
        found.take(np.array([before_kw, sign * (1000.0 if late == 3 else 600.0) * (past < late)]))
        if k % 10 == 9:
            tiers.take(found.excess_db(40.0), k / RATE_HZ, PERIOD_S)
            highest = max(highest, tiers.tier)
    assert highest == FREE


def test_reduction_that_does_not_help_becomes_a_hold_then_safe() -> None:
    """3 dB that stay: half, a quarter, hold; still there after the line's memory is over: safe, for good."""
    tiers, seen = Tiers(), []
    t_s = 0.0
    for _ in range(200):
        t_s = run(tiers, 3.0, PERIOD_S, t_s=t_s)
        if not seen or seen[-1] != (tiers.tier, tiers.aim):
            seen.append((tiers.tier, tiers.aim))
    assert seen == [(FREE, 1.0), (REDUCED, 0.5), (REDUCED, 0.25), (HOLD, 0.0), (SAFE, 0.0)]
    run(tiers, 0.0, 300.0, t_s=t_s)
    assert tiers.tier == SAFE


def test_calm_gives_the_gain_back_slowly() -> None:
    """Hysteresis: from 0.75 to 1.5 dB nothing moves; below the share doubles 10 s after the line (3.4 Hz) is warm."""
    tiers = Tiers()
    t_s = run(tiers, 3.0, 0.7)
    t_s = run(tiers, 0.75, 30.0, t_s=t_s)
    assert (tiers.tier, tiers.aim) == (REDUCED, 0.5)
    t_s = run(tiers, 0.74, 11.1, t_s=t_s)
    assert tiers.tier == REDUCED
    run(tiers, 0.74, 0.3, t_s=t_s)
    assert (tiers.tier, tiers.aim) == (FREE, 1.0)


def test_the_third_hold_within_an_hour_waits_for_a_person() -> None:
    """Each hold rests a minute; after the second the gain still returns, the third is safe."""
    tiers, t_s = Tiers(), 0.0
    for expected in (HOLD, HOLD, SAFE):
        t_s = run(tiers, 10.0, 2.0, t_s=t_s)
        assert tiers.tier == expected
        t_s = run(tiers, 0.0, REST_S + 2.0, t_s=t_s)
    assert tiers.tier == SAFE
    other, t_s = Tiers(), 0.0
    for _ in range(4):
        t_s = run(other, 10.0, 2.0, t_s=t_s)
        run(other, 0.0, REST_S + 2.0, t_s=t_s)
        assert (other.tier, other.aim) == (REDUCED, SHARE_AGAIN)
        t_s += 3600.0


def test_a_site_with_one_set_of_sensors_is_blind() -> None:
    """The load alone: it says so, and leaves the gain as it is."""
    checked = check_site(Path("boards/sites/reference.yaml"))
    channels = {k: v for k, v in checked.site.sampling.channels.items() if not k.startswith("dc")}
    sampling = checked.site.sampling.model_copy(update={"channels": channels})
    bare = replace(checked, site=checked.site.model_copy(update={"sampling": sampling}))
    stop = Backstop(bare)
    seen = stop.look(Instant(1, 0.0), None, True, Frame())
    assert (seen.blind, seen.tier, stop.share) == (True, FREE, 1.0)
    assert not Backstop(checked).look(Instant(1, 0.0), None, True, Frame()).blind


def test_another_loop_is_judged_by_its_own_shape() -> None:
    """One lost of the bench's fleet: another judge with the shares of the one before; and back. The reference site's
    single converter has one."""
    stop = Backstop(fleet(check_site(SITE)))
    whole = stop._harm
    whole.prompt_pu, whole.gain = 0.6, 0.9
    for loop_at, judge in ((4, stop._harms[4]), (0, whole)):
        stop.look(Instant(1, 0.0), None, False, Frame(loop_at=loop_at))
        assert stop._harm is judge
        assert (stop.prompt_pu, stop.gain) == (0.6, 0.9)
    assert len(Backstop(check_site(SITE))._harms) == 1


def test_a_loop_too_late_for_edges_is_judged_by_ramps(tmp_path: Path) -> None:
    """The reference site on a wire of 19200 Bd: nothing is taken at first, and its judge is made for slow ramps."""
    slow = tmp_path / "slow.yaml"
    slow.write_text(SITE.read_text().replace("baud: 115200, gap: chars", "baud: 19200"))
    stop = Backstop(check_site(slow))
    assert (type(stop._harm), stop.gain) == (Ramps, 0.0)
    assert (type(Backstop(check_site(SITE))._harm), Backstop(check_site(SITE)).gain) == (Harm, 1.0)


def test_a_blind_site_has_the_judge_of_its_loop_too() -> None:
    """Nothing is measured there, but the share must be one that fits: a late loop begins as late loops do."""
    checked = fleet(check_site(SITE))
    channels = {name: one for name, one in checked.site.sampling.channels.items() if name[:2] != "dc"}
    sampling = checked.site.sampling.model_copy(update={"channels": channels})
    stop = Backstop(replace(checked, site=checked.site.model_copy(update={"sampling": sampling})))
    assert stop.look(Instant(1, 0.0), None, True, Frame(loop_at=1)).blind
    assert stop._harm is stop._harms[1]

"""Goal: the filter of a late loop does exactly what its shares say. Method: steps through the real frame, by hand.

The load of the tests steps by 800 kW; measured power follows within the median's two samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from controller.runtime.shape import LAGS_S, TAPS
from ext.cycle import Executive
from tests.unit.ext.frames import RATE_HZ, SCALE, limits, setup, times, waveform

MS = RATE_HZ // 1000
AT = RATE_HZ // 10  # the step, in what run() returns
STEP_KW = 800.0


def law(
    taps: dict[int, float], lags: tuple[float, ...] = (0.0, 0.0, 0.0), tap_frames: int = MS
) -> dict[str, Any]:
    """Law fields of a loop that answers through these shares alone; its target stands still."""
    shares = [taps.get(k, 0.0) for k in range(TAPS)]
    shape = {
        "frame_s": 1e-4,
        "tap_frames": tap_frames,
        "wide_frames": tap_frames,
        "at_once": 1,
        "ahead": 0,
        "lags_s": LAGS_S,
    }
    shape |= {"prompt_taps_pu": [1.0] + [0.0] * (TAPS - 1), "prompt_lags_pu": (0.0, 0.0, 0.0)}
    shape |= {f"{name}_taps_pu": shares for name in ("late", "wide")}
    shape |= {f"{name}_lags_pu": lags for name in ("late", "wide")}
    return {"gain_max": 1.0, "prompt_pu": 0.0, "shape": shape, "target_lag_s": 600.0}


def run(fields: dict[str, Any], seconds: float = 0.4, **lease: Any) -> np.ndarray:
    """pcs_kw from a tenth of a second before the step on."""
    frame = Executive(setup(**fields))
    frame.publish(limits(ramp_kw_per_s_max=0.01, **lease))
    t_ns = times(0.5 + 0.1 + seconds)
    load_kw = np.where(np.arange(t_ns.size) < RATE_HZ // 2 + AT, 3000.0, 3000.0 + STEP_KW)
    return frame.replay(t_ns, waveform(t_ns, load_kw), SCALE)["pcs_kw"][RATE_HZ // 2 :]


def began(pcs_kw: np.ndarray) -> int:
    """The first frame of more than half of the step."""
    return int(np.argmax(abs(pcs_kw) > 0.5 * STEP_KW))


@pytest.mark.parametrize("tap", [0, 1, TAPS - 1])
@pytest.mark.parametrize("tap_frames", [1, MS, 2 * MS])
def test_a_tap_answers_after_its_time_to_the_frame(tap: int, tap_frames: int) -> None:
    """Tap k alone: what tap 0 says, k tap times later, frame by frame; up to the 460 frames of 20 kHz."""
    at_once = run(law({0: 1.0}, tap_frames=tap_frames))
    later = run(law({tap: 1.0}, tap_frames=tap_frames))
    assert abs(began(at_once) - AT) <= 3
    frames = tap * tap_frames
    assert later[frames:] == pytest.approx(at_once[: at_once.size - frames], abs=1e-9)


def test_taps_add_up() -> None:
    """1.25 at once and half of the step back 2 ms later: 1000 kW, then 600 kW."""
    pcs_kw = run(law({0: 1.25, 2: -0.5}))
    at = began(pcs_kw)
    assert pcs_kw[at + 5] == pytest.approx(1000, abs=10)
    assert pcs_kw[at + 2 * MS + 5] == pytest.approx(600, abs=10)


@pytest.mark.parametrize("lag", range(len(LAGS_S)))
def test_a_lag_has_gone_63_percent_after_its_time(lag: int) -> None:
    """One lag alone: 1 - 1/e of the step after its time, 1 - 1/e^2 after twice of it."""
    shares = tuple(float(k == lag) for k in range(len(LAGS_S)))
    pcs_kw = run(law({}, shares))
    frames = round(LAGS_S[lag] * RATE_HZ)
    for times_ in (1, 2):
        assert pcs_kw[AT + times_ * frames] == pytest.approx((1 - np.exp(-times_)) * STEP_KW, rel=0.02)


def test_the_prompt_share_passes_beside_the_shape() -> None:
    """A quarter at once, three quarters 10 ms later: 200 kW, then all of it; of a gain of a half, half of both."""
    for gain in (1.0, 0.5):
        pcs_kw = run(law({10: 1.0}) | {"prompt_pu": 1.0}, prompt_pu=0.25, gain=gain)
        assert pcs_kw[AT + 5 * MS] == pytest.approx(gain * 0.25 * STEP_KW, abs=10)
        assert pcs_kw[AT + 15 * MS] == pytest.approx(gain * STEP_KW, abs=10)


def test_what_is_prompt_may_pass_a_filter_of_its_own() -> None:
    """Prompt: the tap of 4 ms; late: the tap of 10 ms. A quarter is answered 4 ms after the step, the rest at 10; where
    all is prompt, all at 4; and a lease that changes the share changes it at once."""
    fields = law({10: 1.0}) | {"prompt_pu": 1.0}
    fields["shape"] |= {"at_once": 0, "prompt_taps_pu": [float(k == 4) for k in range(TAPS)]}
    for prompt_pu in (0.25, 1.0):
        pcs_kw = run(fields, prompt_pu=prompt_pu)
        found = [pcs_kw[AT + ms * MS] for ms in (2, 7, 15)]
        assert found == pytest.approx([0.0, prompt_pu * STEP_KW, STEP_KW], abs=10)


def test_below_nothing_at_once_the_wide_filter_takes_its_part() -> None:
    """Wide: the tap of 4 ms; late: the tap of 10 ms; prompt: at once. A quarter of the wide one, then all of it; a loop
    that answers at once has none, and takes 0 for it."""
    fields = law({10: 1.0}) | {"prompt_pu": 1.0}
    fields["shape"] |= {"at_once": 0, "wide_taps_pu": [float(k == 4) for k in range(TAPS)]}
    for prompt_pu in (-0.25, -1.0):
        pcs_kw = run(fields, prompt_pu=prompt_pu)
        found = [pcs_kw[AT + ms * MS] for ms in (2, 7, 15)]
        assert found == pytest.approx([0.0, -prompt_pu * STEP_KW, STEP_KW], abs=10)
    fields["shape"] |= {"at_once": 1}
    pcs_kw = run(fields, prompt_pu=-0.25)
    assert [pcs_kw[AT + ms * MS] for ms in (2, 7, 15)] == pytest.approx([0.0, 0.0, STEP_KW], abs=10)


@pytest.mark.parametrize("name", ["tap_frames", "wide_frames"])
@pytest.mark.parametrize(("frames", "fits"), [(0, False), (1, True), (178, True), (179, False)])
def test_taps_that_reach_beyond_what_is_kept_are_refused(name: str, frames: int, fits: bool) -> None:
    """23 times 178 frames are 4094 of 4096: what lies before them would be anything."""
    fields = law({0: 1.0})
    fields["shape"] |= {name: frames}
    if fits:
        Executive(setup(**fields))
    else:
        with pytest.raises(ValueError, match="farther back than its history"):
            Executive(setup(**fields))


@pytest.mark.parametrize(("wide_ms", "tap"), [(0.5, TAPS - 1), (6.0, 7), (17.8, TAPS - 1)])
def test_the_wide_filter_may_have_its_taps_at_other_times(wide_ms: float, tap: int) -> None:
    """Wide: one tap, up to the 4095 frames that are kept; late: the tap of 10 ms. Half of each, to the frame."""
    frames = round(wide_ms * MS)
    fields = law({10: 1.0}) | {"prompt_pu": 1.0}
    fields["shape"] |= {
        "at_once": 0,
        "wide_taps_pu": [float(k == tap) for k in range(TAPS)],
        "wide_frames": frames,
    }
    pcs_kw = run(fields, seconds=0.5, prompt_pu=-0.5)
    parts = sorted([10 * MS, tap * frames])
    at = began(run(law({0: 1.0})))
    levels = {-10: 0.0, parts[0] - 5: 0.0, parts[0] + 5: 0.5, parts[1] - 5: 0.5, parts[1] + 5: 1.0}
    for frame, level in levels.items():
        assert pcs_kw[at + frame] == pytest.approx(level * STEP_KW, abs=12), frame


@pytest.mark.parametrize(
    ("ahead", "prompt_pu", "fed_ahead"), [(0, 0.25, True), (1, 0.0, True), (0, 0.0, False)]
)
def test_a_late_filter_may_be_fed_what_is_coming(ahead: int, prompt_pu: float, fed_ahead: bool) -> None:
    """A ramp of 10 MW/s, of which the preview carries on what 2 ms show above 10 kW; both filters answer at once. With
    a prompt share, or where the late one is fed ahead, the answer is ahead of the load."""
    fields = law({0: 1.0}) | {"prompt_pu": 1.0}
    fields["shape"] |= {"at_once": 0, "ahead": ahead}
    frame = Executive(setup(**fields))
    frame.publish(limits(ramp_kw_per_s_max=0.01, prompt_pu=prompt_pu))
    t_ns = times(0.7)
    load_kw = 3000.0 + np.clip(1e4 * (1e-9 * (t_ns - t_ns[0]) - 0.6), 0.0, 800.0)
    pcs_kw = frame.replay(t_ns, waveform(t_ns, load_kw), SCALE)["pcs_kw"]
    at = 13 * RATE_HZ // 20
    assert (pcs_kw[at] - (load_kw[at] - 3000.0) > 4.0) == fed_ahead


def test_a_new_start_knows_nothing_of_the_old_one() -> None:
    """The permit is taken 5 ms after the step and given 5 ms later: the tap of 20 ms has nothing to say any more."""
    frame = Executive(setup(**law({20: 1.0})))
    t_ns = times(0.4)
    step_at = RATE_HZ // 5
    counts = waveform(t_ns, np.where(np.arange(t_ns.size) < step_at, 3000.0, 3800.0))
    first, second = step_at + 5 * MS, step_at + 10 * MS
    frame.publish(limits(ramp_kw_per_s_max=0.01))
    frame.replay(t_ns[:first], counts[:first], SCALE)
    frame.publish(limits(sequence=2, permit=0))
    frame.replay(t_ns[first:second], counts[first:second], SCALE)
    frame.publish(limits(sequence=3, ramp_kw_per_s_max=0.01))
    assert abs(frame.replay(t_ns[second:], counts[second:], SCALE)["pcs_kw"]).max() < 20

"""Goal: a loop that harms a frequency is seen and takes less. Method: edges as load, the same edges late as battery."""

from __future__ import annotations

import numpy as np
import pytest

from controller.image import Frame
from controller.runtime.harm import (
    FALL_PER_S,
    GAIN_MIN,
    HARM_MAX,
    LINES_HZ,
    OMEGA,
    RATE_HZ,
    WARM_S,
    Harm,
    best,
    carried_on,
    excess,
)

SLOW_S = 0.025
WHOLE = Frame(gain=1.0, gain_max=1.0, prompt_pu=1.0, slow_s=SLOW_S)
EDGES_W = 1.0 / LINES_HZ**2


def late(seconds: float) -> np.ndarray:
    """D of a pure delay at the lines."""
    return np.exp(-1j * OMEGA[: LINES_HZ.size] * seconds)


def test_a_delay_is_carried_on_to_50_hz() -> None:
    """Above the highest line the same delay and size."""
    assert carried_on(0.9 * late(0.004)) == pytest.approx(0.9 * np.exp(-1j * OMEGA * 0.004))


@pytest.mark.parametrize(("late_ms", "whole"), [(0.5, True), (3.46, True), (3.47, False), (5.4, False)])
def test_a_fast_loop_stays_whole(late_ms: float, whole: bool) -> None:
    """At 50 Hz a whole answer harms by 0.3 dB from 2 asin(HARM_MAX / 2) / (2 pi 50 Hz) = 3.46 ms on."""
    assert 2e3 * np.arcsin(HARM_MAX / 2) / OMEGA[-1] == pytest.approx(3.463, abs=0.001)
    assert (best(late(1e-3 * late_ms), EDGES_W, SLOW_S) == (1.0, 1.0)) == whole


@pytest.mark.parametrize("late_ms", [4.0, 5.4, 7.0, 9.0, 14.0, 30.0])
def test_what_is_chosen_harms_nothing(late_ms: float) -> None:
    """Every line of the chosen pair is below the limit, or nothing is and the least is taken."""
    gain, prompt_pu = best(late(1e-3 * late_ms), EDGES_W, SLOW_S)
    harm = excess(late(1e-3 * late_ms), gain, prompt_pu, SLOW_S).max()
    assert harm <= HARM_MAX or (gain, prompt_pu) == (GAIN_MIN, 1.0)
    assert GAIN_MIN <= gain <= 1.0


def test_lines_without_load_are_not_judged() -> None:
    """A load that has nothing above 10 Hz asks for no reduction there."""
    assert best(late(0.006), np.where(LINES_HZ < 10.0, EDGES_W, 0.0), SLOW_S) == (1.0, 1.0)


def run(harm: Harm, late_s: float, seconds: float, law: Frame = WHOLE) -> None:
    """1000 kW up and down every 0.25 s at uneven times; the battery gives the same late."""
    rng = np.random.default_rng(1)
    edges_s = np.cumsum(rng.uniform(0.2, 0.3, round(seconds / 0.25) + 9))
    fine_s = np.arange(round(seconds * RATE_HZ) * 8) / (8 * RATE_HZ)

    def level_kw(t_s: np.ndarray) -> np.ndarray:
        fine = 1000.0 * (np.searchsorted(edges_s, t_s) % 2)
        return fine.reshape(-1, 8).mean(axis=1)

    both_kw = np.stack([level_kw(fine_s), level_kw(fine_s - late_s)])
    for k in range(0, both_kw.shape[1] - 39, 40):
        harm.take(both_kw[:, k : k + 40], law)
        harm.judge(law, 0.1)


def test_the_delay_of_a_loop_is_measured() -> None:
    """Edges 5 ms late: at every line D within 0.15 rad and 10 % of that delay."""
    harm = Harm(2000.0)
    run(harm, 0.005, 40.0)
    loop = harm._cross / harm._square
    assert abs(np.angle(loop * np.conj(late(0.005)))).max() < 0.15
    assert abs(loop) == pytest.approx(1.0, abs=0.1)


def test_a_late_loop_takes_less_after_a_while() -> None:
    """5.5 ms late is 3.8 dB at 50 Hz: nothing moves before WARM_S of a moving load, then at FALL_PER_S at most."""
    harm = Harm(2000.0)
    run(harm, 0.0055, WARM_S - 2.0)
    assert (harm.gain, harm.prompt_pu) == (1.0, 1.0)
    run(harm, 0.0055, 6.0)
    assert 1.0 - 6.0 * FALL_PER_S - 1e-9 <= min(harm.gain, harm.prompt_pu) < 1.0


def test_a_loop_in_time_is_left_whole() -> None:
    """3 ms late harms nothing: whole after a minute; so is a constant load, of which nothing is known."""
    harm, calm = Harm(2000.0), Harm(2000.0)
    run(harm, 0.003, 60.0)
    for _ in range(600):
        calm.take(np.full((2, 40), 3000.0), WHOLE)
        calm.judge(WHOLE, 0.1)
    assert (harm.gain, harm.prompt_pu, calm.gain, calm.prompt_pu) == (1.0, 1.0, 1.0, 1.0)


def test_a_resting_law_teaches_nothing() -> None:
    """Gain 0: nothing is accumulated, nothing moves."""
    harm = Harm(2000.0)
    run(harm, 0.006, 40.0, Frame(gain=0.0, gain_max=0.0, prompt_pu=1.0, slow_s=SLOW_S))
    assert not harm._square.any()
    assert (harm.gain, harm.prompt_pu) == (1.0, 1.0)

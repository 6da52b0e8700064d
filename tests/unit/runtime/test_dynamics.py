"""Goal: the model is exact, the fit tells the truth with honest intervals. Method: an integrator, known converters."""

from __future__ import annotations

import numpy as np
import pytest

from controller.runtime.dynamics import Dynamics, Estimate, FitError, Prior, Trial, fit, response, spread

pytestmark = pytest.mark.stack

RATING_KW = 2000.0


def steps(
    shares: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0), hold_s: float = 0.6
) -> tuple[np.ndarray, np.ndarray]:
    """Setpoint times and kW: every share up and back, then down and back."""
    levels = [0.0] + [kw for sign in (1, -1) for share in shares for kw in (sign * share * RATING_KW, 0.0)]
    return np.concatenate([[-1.0], hold_s * np.arange(len(levels) - 1)]), np.array(levels)


def trial(
    dead_s: float, lag_s: float, slew_pu_per_s: float, noise_kw: float = 6.0, gain: float = 1.0
) -> Trial:
    """What a sensor at 10 kHz sees of it, behind 3 % of conversion loss each way and an offset of 4 kW."""
    sent_s, sent_kw = steps()
    t_s = np.arange(-0.1, sent_s[-1] + 0.6, 1e-4)
    still = Trial(sent_s, sent_kw, t_s, t_s)
    power_kw = gain * response(still, dead_s, lag_s, slew_pu_per_s * RATING_KW, t_s)
    seen_kw = np.where(power_kw > 0, power_kw * 1.03, power_kw / 1.03) + 4.0
    return Trial(sent_s, sent_kw, t_s, seen_kw + np.random.default_rng(1).normal(0.0, noise_kw, t_s.size))


@pytest.mark.parametrize(
    ("dead_s", "lag_s", "slew_kw_per_s"), [(0.003, 0.005, 4e5), (0.02, 0.05, 4e3), (0.0, 0.0, 1e4)]
)
def test_response_is_the_integral(dead_s: float, lag_s: float, slew_kw_per_s: float) -> None:
    """Setpoints that overtake each other within ramp and lag, against steps of 10 us."""
    sent_s, sent_kw = np.array([-1.0, 0.0, 0.03, 0.04, 0.3]), np.array([100.0, 1500.0, -700.0, 300.0, 0.0])
    t_s = np.arange(0.0, 0.8, 1e-5)
    aim_kw = sent_kw[np.searchsorted(sent_s + dead_s, t_s, "right") - 1]
    internal_kw = power_kw = 100.0
    expected = np.empty(t_s.size)
    for i, aim in enumerate(aim_kw):
        internal_kw += float(np.clip(aim - internal_kw, -slew_kw_per_s * 1e-5, slew_kw_per_s * 1e-5))
        power_kw = internal_kw if lag_s == 0 else power_kw + (internal_kw - power_kw) * 1e-5 / lag_s
        expected[i] = power_kw
    found = response(Trial(sent_s, sent_kw, t_s, t_s), dead_s, lag_s, slew_kw_per_s, t_s)
    assert np.abs(found - expected).max() < max(3e-5 / max(lag_s, 1e-5) * 1500.0, 2e-5 * slew_kw_per_s)


@pytest.mark.parametrize(
    ("dead_s", "lag_s", "slew_pu_per_s"),
    [
        (0.0005, 0.001, 500.0),
        (0.06, 0.1, 2.0),
        (0.0003, 0.005, 200.0),
        (0.02, 0.03, 20.0),
        (0.06, 0.001, 30.0),
    ],
)
def test_fit_finds_the_converter(dead_s: float, lag_s: float, slew_pu_per_s: float) -> None:
    """Corners of row 7: M19's bounds; the intervals are narrow and hold the truth within twice their reach."""
    found = fit(trial(dead_s, lag_s, slew_pu_per_s), RATING_KW)
    assert found.dead_s.value == pytest.approx(dead_s, abs=max(0.0005, 0.05 * dead_s))
    assert found.lag_s.value == pytest.approx(lag_s, rel=0.1)
    assert found.slew_kw_per_s.value == pytest.approx(slew_pu_per_s * RATING_KW, rel=0.1)
    assert found.gain.value == pytest.approx(1.0, abs=0.002)
    assert found.noise_kw == pytest.approx(6.0, rel=0.05)
    for estimate, true in ((found.dead_s, dead_s), (found.lag_s, lag_s)):
        assert abs(estimate.value - true) <= 2 * (estimate.high - estimate.value)


def test_what_cannot_be_seen_is_said() -> None:
    """A lag of 0.2 ms behind a ramp of 2 ratings a second, and a slew of 50 000: their intervals are open."""
    slow = fit(trial(0.005, 0.0002, 2.0, noise_kw=20.0), RATING_KW)
    assert not slow.lag_s.seen
    assert slow.lag_s.low <= 0.0002 <= slow.lag_s.high
    fast = fit(trial(0.005, 0.05, 50_000.0, noise_kw=20.0), RATING_KW)
    assert not fast.slew_kw_per_s.seen
    assert fast.slew_kw_per_s.low > 500 * RATING_KW
    assert fast.lag_s.seen


def test_a_converter_that_turns_the_sign_is_told() -> None:
    """Gain -1: found as such."""
    assert fit(trial(0.005, 0.01, 50.0, gain=-1.0), RATING_KW).gain.value == pytest.approx(-1.0, abs=0.01)


def test_what_does_not_follow_is_refused() -> None:
    """Noise alone, and setpoints that never moved: FitError with the reason."""
    still = trial(0.005, 0.01, 50.0)
    noise = np.random.default_rng(2).normal(0.0, 100.0, still.t_s.size)
    with pytest.raises(FitError, match="explains only"):
        fit(Trial(still.sent_s, still.sent_kw, still.t_s, noise), RATING_KW)
    with pytest.raises(FitError, match="no setpoint moved"):
        fit(Trial(still.sent_s, 0.0099 * still.sent_kw, still.t_s, noise), RATING_KW)


def test_a_prior_holds_what_the_record_does_not_show() -> None:
    """A record of noise-drowned steps moves a strong prior little, and a weak one freely."""
    record = trial(0.005, 0.02, 50.0, noise_kw=200.0)
    theta = np.array([0.005, 0.022, 0.02])
    strong = fit(record, RATING_KW, theta, Prior(theta, np.diag([1e12, 1e12, 1e12])))
    weak = fit(record, RATING_KW, theta, Prior(theta, np.diag([1.0, 1.0, 1.0])))
    assert strong.lag_s.value == pytest.approx(0.022, rel=1e-3)
    assert weak.lag_s.value == pytest.approx(0.02, rel=0.03)
    assert strong.lag_s.high - strong.lag_s.low < weak.lag_s.high - weak.lag_s.low


def test_ripple_and_drift_widen_the_interval() -> None:
    """White noise counts as it is; a ripple of the same variance at 300 Hz five times as much, a drift far more."""
    t_s = np.arange(0.0, 10.0, 1e-4)
    white = np.random.default_rng(3).normal(0.0, 10.0, t_s.size)
    assert spread(white, t_s) == pytest.approx(100.0, rel=0.1)
    assert 5 * 100.0 < spread(10.0 * np.sqrt(2) * np.sin(2 * np.pi * 300.0 * t_s), t_s) < 10 * 100.0
    assert spread(10.0 * np.sqrt(2) * np.sin(2 * np.pi * 1.0 * t_s), t_s) > 150 * 100.0


@pytest.mark.parametrize(("high", "seen"), [(11.0, True), (11.001, False)])
def test_seen_at_its_edge(high: float, seen: bool) -> None:
    """Ten per cent each way are seen, a little more is not."""
    assert Estimate(10.0, 9.0, high).seen == seen
    assert Estimate(10.0, 20.0 - high, 10.0).seen == seen


def test_theta_is_what_the_model_takes() -> None:
    """Slew becomes the time for one rating."""
    point = Estimate(0.01, 0.01, 0.01)
    found = Dynamics(point, point, Estimate(4000.0, 4000.0, 4000.0), point, 1.0)
    assert found.theta(RATING_KW).tolist() == [0.01, 0.01, 0.5]

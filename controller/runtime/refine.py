"""Keeps what is known of a converter current: of every 20 s of normal operation one second is fitted.

The battery's power at the sample rate is held against the setpoints that left, as at commissioning; only the
excitation is the load's. What was known before counts as a prior whose weight fades, so single windows move it little.
A window that contradicts the numbers in use changes nothing; three in a row are drift (F31): the converter was set or
derated anew, and only commissioning, with steps made for it, finds it again from afar.

One converter alone: several take their shares of one command, and their sum cannot be told apart.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from controller.devices.check import CheckedSite
from controller.image import Mode
from controller.runtime.commission import Capture
from controller.runtime.dynamics import CONFIDENCE, Column, Dynamics, FitError, Prior, Trial, fit, stamped
from controller.runtime.fastlink import FastLink
from controller.runtime.known import certain
from controller.runtime.supervisor import Cycle
from controller.runtime.waveform import Waveform
from controller.units import seconds

EVERY_S = 20.0  # between two windows
WINDOW_S = 1.0  # of measurement
WARM_S, WARM_LAGS = 0.5, 6.0  # of setpoints before it: by then the rest before them is forgotten
SAMPLE_HZ_MAX = 2500.0  # enough for a lag of 1 ms, a quarter of the work
SWING_PU_MIN = 0.2  # of the rating: a command that moves less shows nothing
FADE = 0.9  # of the prior's weight from window to window
DEVIATION_PU_MIN = 0.005  # no prior is believed beyond this
DRIFT_PU_MAX = 0.2  # of the numbers in use
DRIFT_S_MIN = 0.001  # a time that moved less is no drift
DRIFT_GAIN_MAX = 0.05
WINDOWS = 3  # in a row


class Refiner:
    """What is known of the site's converter and how far it has drifted. record() with every supervisor cycle.

    found: converter -> dynamics. drifts: converter -> deviation from the numbers in use that each of the last three
    windows proves; 1 is what is allowed. Both are replaced as a whole, so refine() may run on another thread.
    """

    def __init__(self, checked: CheckedSite, fastlink: FastLink, known: Mapping[str, Dynamics]) -> None:
        self.found = dict(known)
        self.drifts: dict[str, float] = {}
        self._fastlink = fastlink
        self._line, pcs = checked.table.pcs[0], checked.site.pcs[0]
        self._in_use = np.array([1e-3 * pcs.dead_time_ms, 1e-3 * pcs.lag_ms, 1.0 / pcs.slew_pu_per_s])
        self._warm_s = max(WARM_S, WARM_LAGS * float(self._in_use[1]))
        self._step = max(1, round(checked.site.sampling.rate_hz / SAMPLE_HZ_MAX))
        self._waveform = Waveform(checked)
        self._able = len(checked.table.pcs) == 1 and self._waveform.signal in ("dc", "difference")
        self._known = 0
        self._capture: Capture | None = None
        self._t_begin_ns = 0
        self._against: list[float] = []

    def record(self, cycle: Cycle) -> Trial | None:
        """Gather one cycle; every 20 s of smoothing a window for refine()."""
        now_ns = cycle.now.t_ns
        engaged = (
            cycle.mode.mode == Mode.GRID_TIED and cycle.conditions.running and not cycle.mode.t_stopping_ns
        )
        if not self._able or not engaged:
            self._capture, self._t_begin_ns = None, now_ns
            return None
        if seconds(now_ns - self._t_begin_ns) < EVERY_S - WINDOW_S - self._warm_s:
            return None
        powers = self._waveform.take(self._fastlink.ring)
        self._known, sent_ns, sent_kw = self._fastlink.setpoints(0, self._known)
        if self._capture is None:  # what came before is of no use
            self._capture = Capture()
            return None
        self._capture.take(powers, sent_ns, sent_kw, self._step)
        if seconds(now_ns - self._t_begin_ns) < EVERY_S:
            return None
        capture, self._capture, self._t_begin_ns = self._capture, None, now_ns
        return self._window(capture)

    def _window(self, capture: Capture) -> Trial | None:
        """The record without its first part, in which the model is not yet where the converter was."""
        sent_kw = np.concatenate(capture.sent_kw)
        if sent_kw.size < 2 or not capture.t_s or np.ptp(sent_kw) < SWING_PU_MIN * self._line.rating_kw:
            return None
        trial = capture.trial(self._line.setpoint_oneway_s, float(sent_kw[0]))
        late = trial.t_s >= self._warm_s
        return Trial(trial.sent_s, trial.sent_kw, trial.t_s[late], trial.measured_kw[late])

    def refine(self, trial: Trial, utc_s: float) -> bool:
        """Fit one window; whether it changed what is known. Takes a tenth of a second or two."""
        name, rating_kw = self._line.name, self._line.rating_kw
        try:
            fresh = fit(trial, rating_kw, self._in_use)
            before = self.found.get(name)
            both = (
                fit(trial, rating_kw, before.theta(rating_kw), _prior(before, rating_kw)) if before else fresh
            )
        except FitError:
            return False
        self._against = [*self._against, self._deviation(fresh)][-WINDOWS:]
        if len(self._against) == WINDOWS:
            self.drifts = {name: min(self._against)}
        if self._against[-1] > 1.0 or not certain(both):
            return False
        self.found = self.found | {name: stamped(both, utc_s)}
        return True

    def _deviation(self, fresh: Dynamics) -> float:
        """Largest deviation from the numbers in use that the window proves, in units of what is allowed."""
        rating_kw = self._line.rating_kw
        dead_s, lag_s, ramp_s = (float(x) for x in self._in_use)
        rows = (
            (fresh.dead_s, dead_s, max(DRIFT_S_MIN, DRIFT_PU_MAX * dead_s)),
            (fresh.lag_s, lag_s, max(DRIFT_S_MIN, DRIFT_PU_MAX * lag_s)),
            (fresh.slew_kw_per_s, rating_kw / ramp_s, DRIFT_PU_MAX * rating_kw / ramp_s),
            (fresh.gain, 1.0, DRIFT_GAIN_MAX),
        )
        found = [0.0]
        for estimate, used, most in rows:
            if estimate.low > used:
                found.append((estimate.low - used) / most)
            elif estimate.high < used:
                found.append((used - estimate.high) / most)
        return max(found)


def _prior(known: Dynamics, rating_kw: float) -> Prior:
    """What was known, a little faded, and never believed to more than half a per cent."""
    slew = known.slew_kw_per_s
    spans = (
        known.dead_s.high - known.dead_s.low,
        known.lag_s.high - known.lag_s.low,
        rating_kw / slew.low - rating_kw / slew.high,
    )
    theta = known.theta(rating_kw)
    deviation: Column = np.maximum(np.array(spans) / (2.0 * CONFIDENCE), DEVIATION_PU_MIN * theta + 1e-6)
    return Prior(theta, np.diag(FADE / deviation**2))

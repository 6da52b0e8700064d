"""Commissioning: a short sequence of power steps, one converter after the other, and what they tell about it.

The steps go the way of every command: lease, law, share, bus master, guard. The lease is only narrowed: gain 0, so the
load moves nothing, and limits that end at the step. What left and when comes from the frame; the answer is the power of
the battery at the sample rate (DC bus, or load less connection), since no register is fast enough to show it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from controller.devices.check import CheckedSite
from controller.image import Instant, Limits, Mode
from controller.runtime.dynamics import Column, Dynamics, FitError, Trial, fit, stamped
from controller.runtime.fastlink import FastLink
from controller.runtime.supervisor import Cycle, Supervisor
from controller.runtime.waveform import Powers, Waveform
from controller.state import Effect

SHARES = (0.1, 0.25, 0.5, 1.0)  # of the largest step: small ones show the lag, large ones the slew
HOLD_S = 0.6  # of a step, and of the rest after it: six lags of a converter at 100 ms
HOLD_LARGE_S = 1.0  # of the largest: full power at 2 ratings a second takes half a second
QUIET_S = 1.5  # before the first and after the last step of a converter
STEP_PU_MIN = 0.2  # a smaller largest step would hardly slew
STEP_RAMP_KW_PER_S = 1e9  # the lease's own ramp must not shape a step
CAP_MARGIN_KW = 50.0  # of load noise, below a cap at the connection
SOC_MARGIN_PCT = 5.0  # inside the window; a sequence moves far less
ENTER_S_MAX = 900.0  # enter-service times of converters end before
# Between two looks at the ring; steps leave then. No multiple of the grid's period: at always the same phase the ripple
# of an unbalanced feeder would pass for a few tenths of a millisecond.
CAPTURE_S = 0.013


class CommissionError(Exception):
    """The sequence cannot begin or go on; the text says why and what to do."""


class StepLink(FastLink):
    """The frame with its lease narrowed to one step of one converter."""

    pcs, step_kw = 0, 0.0
    _lease: Limits | None = None

    def publish(self, limits: Limits) -> None:
        """Post the lease, narrowed: never more than the supervisor allows."""
        self._lease = limits
        super().publish(narrowed(limits, self.pcs, self.step_kw))

    def step(self, step_kw: float) -> None:
        """Let the present lease end at another step, at once."""
        assert self._lease is not None
        self.step_kw = step_kw
        self.publish(replace(self._lease, sequence=self._lease.sequence + 1))


def narrowed(limits: Limits, pcs: int, step_kw: float) -> Limits:
    """Only converter `pcs`, only up to step_kw and only in its direction; the load moves nothing."""

    def only(allowed_kw: tuple[float, ...], most_kw: float) -> tuple[float, ...]:
        return tuple(min(kw, most_kw) if k == pcs else 0.0 for k, kw in enumerate(allowed_kw))

    return replace(
        limits,
        discharge_kw_max=only(limits.discharge_kw_max, max(step_kw, 0.0)),
        charge_kw_max=only(limits.charge_kw_max, max(-step_kw, 0.0)),
        ramp_up_kw_per_s_max=STEP_RAMP_KW_PER_S,
        ramp_down_kw_per_s_max=STEP_RAMP_KW_PER_S,
        leak_kw=-step_kw,
        gain=0.0,
    )


def sequence(up_kw: float, down_kw: float) -> list[tuple[float, float]]:
    """Rows (hold s, kW) of one converter: every amplitude up and back, then down and back."""
    rows = [(QUIET_S, 0.0)]
    for most_kw in (up_kw, -down_kw):
        for share in SHARES:
            hold_s = HOLD_LARGE_S if share == max(SHARES) else HOLD_S
            rows += [(hold_s, share * most_kw), (hold_s, 0.0)] if most_kw else []
    return [*rows, (QUIET_S, 0.0)]


@dataclass
class Capture:
    """What one converter was told and what the battery gave."""

    t_s: list[Column] = field(default_factory=list)
    power_kw: list[Column] = field(default_factory=list)
    sent_s: list[Column] = field(default_factory=list)
    sent_kw: list[Column] = field(default_factory=list)

    def take(self, powers: Powers, sent_ns: NDArray[np.int64], sent_kw: Column, every: int = 1) -> None:
        """Add what came: of the samples each `every`-th."""
        if powers.t_s.size:
            self.t_s.append(powers.t_s[::every])
            self.power_kw.append(powers.battery_kw[::every])
        self.sent_s.append(sent_ns * 1e-9)
        self.sent_kw.append(sent_kw)

    def trial(self, oneway_s: float, rest_kw: float = 0.0) -> Trial:
        """The record with times from its first sample; a setpoint counts from when it could be parsed.

        rest_kw: the setpoint before them all. Raises FitError: nothing was measured."""
        if not self.t_s:
            raise FitError("the sample ring told nothing")
        t_s = np.concatenate(self.t_s)
        sent_s = np.concatenate([[-1.0], np.concatenate(self.sent_s) + oneway_s - t_s[0]])
        sent_kw = np.concatenate([[rest_kw], *self.sent_kw])
        change = np.concatenate([[True], np.diff(sent_kw) != 0])
        return Trial(sent_s[change], sent_kw[change], t_s - t_s[0], np.concatenate(self.power_kw))


class Commission:
    """The course of one run. Give `link` to the stack, attach() to its supervisor, call look() every CAPTURE_S.

    over: the sequence has ended, and the stop was asked for; broken: why it ended early. Then evaluate() fills
    found (converter: how it follows) and failed (converter: why it is not known).
    """

    def __init__(self, checked: CheckedSite) -> None:
        self.link = StepLink(checked, checked.table)
        self.over = False
        self.broken = ""
        self.found: dict[str, Dynamics] = {}
        self.failed: dict[str, str] = {}
        self._checked = checked
        self._waveform = Waveform(checked)
        self._capture = Capture()
        self._captured: list[Capture] = []
        self._t_end_utc_s = 0.0
        self._known = [0] * len(checked.site.pcs)
        self._rows: list[tuple[float, float]] = []
        self._t_next_ns = 0
        self._t_asked_ns = 0
        self._supervisor: Supervisor | None = None
        self._cycle: Cycle | None = None  # the newest, once steps may leave
        self._ask_stop: Callable[[], None] = lambda: None
        if not self._waveform.signal:
            raise CommissionError(
                "nothing measures the battery fast enough: wire dc_v and dc_a, or the pcc_ set."
            )

    @property
    def seconds_max(self) -> float:
        """The sequence of all converters, without bring-up."""
        return len(self._checked.site.pcs) * sum(hold_s for hold_s, _ in sequence(1.0, 1.0))

    def attach(self, supervisor: Supervisor, ask_stop: Callable[[], None]) -> None:
        """Hold the site in STANDBY until it has been looked at. ask_stop: called once at the end."""
        self._supervisor, self._ask_stop = supervisor, ask_stop
        supervisor.ask("stop")
        supervisor.backstop.judges = False  # its steps move the grid, and the load does not
        supervisor.watchers.append(self.record)

    def look(self, now: Instant) -> None:
        """Take what came since the last look, and step when the time has come."""
        self._take()
        if self._cycle is not None and not self.over and now.t_ns >= self._t_next_ns:
            try:
                self._step(self._cycle, now)
            except CommissionError as error:
                self._break(error)

    def _take(self) -> None:
        powers = self._waveform.take(self.link.ring)
        pcs = self.link.pcs
        self._known[pcs], sent_ns, sent_kw = self.link.setpoints(pcs, self._known[pcs])
        self._capture.take(powers, sent_ns, sent_kw)

    def record(self, cycle: Cycle) -> None:
        """One supervisor cycle: look at the site, ask for the start, let the steps go."""
        if self.over:
            return
        try:
            self._go_on(cycle)
        except CommissionError as error:
            self._break(error)

    def _go_on(self, cycle: Cycle) -> None:
        assert self._supervisor is not None
        mode = cycle.mode.mode
        if not self._t_asked_ns:
            if mode not in (Mode.INIT, Mode.STANDBY):
                raise CommissionError(f"the site is in {mode.name}: {cycle.mode.reason}. Cure that first.")
            if mode == Mode.STANDBY and not self._not_yet(cycle):
                self._rows = self._planned(cycle)
                self._supervisor.ask("start")
                self._t_asked_ns = cycle.now.t_ns
        elif mode == Mode.GRID_TIED and cycle.conditions.running:
            self._cycle = cycle
        elif self._t_next_ns or mode == Mode.SAFE_STOP:
            raise CommissionError(f"the sequence broke off: {mode.name}, {cycle.mode.reason}.")
        elif cycle.now.t_ns - self._t_asked_ns > ENTER_S_MAX * 1e9:
            raise CommissionError(f"the site does not engage: {cycle.mode.waiting or cycle.mode.reason}.")

    def _not_yet(self, cycle: Cycle) -> bool:
        """Whether the first two seconds of readings are still missing."""
        return not cycle.conditions.t_fresh_ns or cycle.now.t_ns - cycle.mode.t_since_ns < 2e9

    def _planned(self, cycle: Cycle) -> list[tuple[float, float]]:
        """The present converter's rows, as far as battery, connection and state of charge allow."""
        site, battery = self._checked.site, cycle.conditions.battery
        worse = [c for c in cycle.conditions.active if c.effect >= Effect.NO_CHARGE]
        if worse:
            raise CommissionError(f"{worse[0].code} {worse[0].name}: {worse[0].cause}. {worse[0].cure}.")
        low, high = site.battery.soc_pct_min + SOC_MARGIN_PCT, site.battery.soc_pct_max - SOC_MARGIN_PCT
        if not low <= battery.soc_pct <= high:
            raise CommissionError(
                f"the state of charge is {battery.soc_pct:.0f} %; allowed are {low:.0f} to {high:.0f} %. "
                f"Charge or discharge by hand first."
            )
        pcs, load_kw = site.pcs[self.link.pcs], cycle.conditions.load_kw
        up_kw = min(
            pcs.discharge_kw_max, battery.discharge_kw_max, load_kw + site.grid.export_kw_max - CAP_MARGIN_KW
        )
        down_kw = min(
            pcs.charge_kw_max, battery.charge_kw_max, site.grid.import_kw_max - load_kw - CAP_MARGIN_KW
        )
        rating_kw = self._checked.table.pcs[self.link.pcs].rating_kw
        room = [kw if isfinite(kw) and kw >= STEP_PU_MIN * rating_kw else 0.0 for kw in (up_kw, down_kw)]
        if not any(room):
            raise CommissionError(
                f"{pcs.name} may step {max(up_kw, 0.0):.0f} kW up and {max(down_kw, 0.0):.0f} kW down; at least "
                f"{STEP_PU_MIN * rating_kw:.0f} are needed. Wait for another load or state of charge."
            )
        return sequence(*room)

    def _step(self, cycle: Cycle, now: Instant) -> None:
        """Next row when the present one is over; after the last the next converter or the end."""
        if not self._rows:
            self._captured.append(self._capture)
            if self.link.pcs + 1 == len(self._checked.table.pcs):
                self._t_end_utc_s = now.utc_s
                self._stop()
                return
            self.link.pcs += 1
            self._rows = self._planned(cycle)
            self._t_next_ns = 0
        if not self._t_next_ns:
            self._capture = Capture()
        hold_s, step_kw = self._rows.pop(0)
        self.link.step(step_kw)
        self._t_next_ns = now.t_ns + round(hold_s * 1e9)

    def _break(self, error: CommissionError) -> None:
        self.broken = str(error)
        self._stop()

    def _stop(self) -> None:
        self.over, self.link.step_kw = True, 0.0
        self._ask_stop()

    def evaluate(self) -> None:
        """Fit what was captured: a second or two for each converter, so only after the stop."""
        for line, capture in zip(self._checked.table.pcs, self._captured, strict=False):
            try:
                trial = capture.trial(line.setpoint_oneway_s)
                self.found[line.name] = stamped(fit(trial, line.rating_kw), self._t_end_utc_s)
            except FitError as error:
                self.failed[line.name] = str(error)

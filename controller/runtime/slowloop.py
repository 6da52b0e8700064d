"""The slow loop on a thread of its own: the supervisor hands it looks and takes up what it has published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from controller.devices.check import CheckedSite
from controller.feeds import fetch
from controller.image import Forecast, Instant
from controller.plan.planner import AGE_S_MAX, Rung
from controller.runtime import answer, learned
from controller.runtime.asks import Asks
from controller.runtime.events import Event
from controller.runtime.gather import Gatherer, Look
from controller.runtime.planning import Letter, Planning
from controller.runtime.supervisor import Supervisor
from controller.runtime.writer import Writer
from controller.units import ns

PERIOD_S = 1.0
NO_TARIFF = "the site has no tariff: nothing is planned"


class SlowLoop:
    """Feeds and planner of a running site, where it has a contract to plan for; without one letters are refused."""

    def __init__(
        self,
        checked: CheckedSite,
        folder: Path,
        supervisor: Supervisor,
        asks: Asks,
        tell: Callable[[Event], object],
        state: Path | None = None,
    ) -> None:
        site = checked.site
        self._supervisor, self._asks, self._tell = supervisor, asks, tell
        self._rung = ""  # of the last event
        self._thread = Writer()  # a slow feed or solver holds nobody else
        self._busy = False  # a turn is under way
        self.planning: Planning | None = None
        if site.tariff is not None:
            keep = None if state is None else state / learned.FILE
            self.planning = Planning(site, site.tariff, fetch.bring(folder), folder / answer.FILE, keep)
            self._gatherer = Gatherer(checked, supervisor.wisher.meter)
            supervisor.watchers.append(self._gatherer.record)

    def step(self, now: Instant) -> None:
        """Take up what the last turn found, begin the next. Never waits."""
        if self.planning is None:
            for _, reply in self._asks.letters():
                reply(NO_TARIFF)
            return
        self._take_up(self.planning, now)
        if self._busy:
            return
        self._busy = True  # before the offer: the turn may be over before offer() returns
        job = partial(self._turn, self.planning, self._gatherer.take(now), self._asks.letters())
        if not self._thread.offer(job):
            self._busy = False

    def view(self, utc_s: float) -> dict[str, Any] | None:
        """The slow loop for the status; None: there is none."""
        return self.planning.view.at(utc_s) if self.planning is not None else None

    def close(self) -> None:
        """No turn begins any more; one under way is waited for, not for long."""
        self._thread.close()

    def _take_up(self, planning: Planning, now: Instant) -> None:
        """The newest forecast, while it is young: peaks of a plan that nobody renews bind no longer than the plan."""
        forecast, view = planning.forecast, planning.view
        young = now.t_ns - forecast.t_issue_ns <= ns(AGE_S_MAX)
        self._supervisor.forecast = forecast if young else Forecast(reason="the slow loop is silent")
        if view.rung != self._rung and view.t_s:
            self._rung = view.rung
            level = "info" if view.rung == Rung.LP else "warning"
            self._tell(Event(now.t_ns, now.utc_s, "plan", view.rung, "site", level, view.reason))

    def _turn(self, planning: Planning, look: Look, letters: list[Letter]) -> None:
        try:
            planning.step(look, letters)
        except Exception as error:  # what was published stays valid for its time, and the next turn comes
            planning.view = replace(planning.view, trouble=f"a turn failed: {type(error).__name__}: {error}")
        finally:
            self._busy = False

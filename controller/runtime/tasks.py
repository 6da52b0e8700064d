"""The task table of the Python half: absolute deadlines, late ones skipped and counted, runs measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from controller.image import Instant
from controller.units import NS_PER_MS, NS_PER_S, ns


@dataclass(slots=True)
class Task:
    """One row: what runs how often, how long it may take, and how it fared."""

    name: str
    period_s: float
    budget_ms: float
    function: Callable[[Instant], object]
    due_ns: int = field(default=0, init=False)
    runs: int = field(default=0, init=False)
    overruns: int = field(default=0, init=False)  # runs that took longer than the budget
    skipped: int = field(default=0, init=False)  # deadlines left out to keep the phase
    longest_ms: float = field(default=0.0, init=False)


class Table:
    """Runs tasks by deadline, in the order of the table. clock gives the instant, sleep takes seconds."""

    def __init__(
        self, tasks: Iterable[Task], clock: Callable[[], Instant], sleep: Callable[[float], object]
    ) -> None:
        self.tasks = tuple(tasks)
        self._clock = clock
        self._sleep = sleep

    def run(self, go_on: Callable[[], bool]) -> None:
        """Run until go_on() is false; it is asked before every pass."""
        start_ns = self._clock().t_ns
        for task in self.tasks:
            task.due_ns = start_ns
        while go_on():
            self.run_due()
            wait_ns = min(task.due_ns for task in self.tasks) - self._clock().t_ns
            if wait_ns > 0:
                self._sleep(wait_ns / NS_PER_S)

    def run_due(self) -> None:
        """One pass: every task that is due runs once."""
        for task in self.tasks:
            now = self._clock()
            if now.t_ns >= task.due_ns:
                task.function(now)
                self._account(task, now.t_ns, self._clock().t_ns)

    def _account(self, task: Task, began_ns: int, ended_ns: int) -> None:
        period_ns = ns(task.period_s)
        took_ms = (ended_ns - began_ns) / NS_PER_MS
        task.runs += 1
        task.overruns += took_ms > task.budget_ms
        task.longest_ms = max(task.longest_ms, took_ms)
        task.due_ns += period_ns
        if task.due_ns < ended_ns:
            missed = (ended_ns - task.due_ns) // period_ns + 1
            task.skipped += missed
            task.due_ns += missed * period_ns

"""The task table on an injected clock: deadlines, skipped ones, overruns, phase."""

from __future__ import annotations

from controller.image import Instant
from controller.runtime.tasks import Table, Task
from controller.units import NS_PER_MS, ns


class Clock:
    """Time that moves only when a task works or the table sleeps."""

    def __init__(self) -> None:
        self.t_ns = ns(100.0)

    def __call__(self) -> Instant:
        return Instant(self.t_ns, 0.0)

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.t_ns += ns(seconds)


class Work:
    """A task's function that takes the given times and notes when it ran."""

    def __init__(self, clock: Clock, *took_s: float) -> None:
        self.clock = clock
        self.took_s = list(took_s)
        self.at_ms: list[int] = []

    def __call__(self, now: Instant) -> None:
        self.at_ms.append((now.t_ns - ns(100.0)) // NS_PER_MS)
        self.clock.pass_s(self.took_s.pop(0) if self.took_s else 0.0)


def run(clock: Clock, *tasks: Task, seconds: float) -> None:
    """Run the tasks for some time."""
    end_ns = clock.t_ns + ns(seconds)
    Table(tasks, clock, clock.pass_s).run(lambda: clock.t_ns < end_ns)


def test_absolute_deadlines() -> None:
    """Goal: no drift. Method: 30 ms of work every 100 ms; runs at 0, 100, 200, 300, 400 ms."""
    clock = Clock()
    work = Work(clock, *[0.03] * 9)
    run(clock, task := Task("t", 0.1, 50, work), seconds=0.45)
    assert work.at_ms == [0, 100, 200, 300, 400]
    assert (task.runs, task.overruns, task.skipped, task.longest_ms) == (5, 0, 0, 30.0)


def test_an_overrun_skips_and_keeps_the_phase() -> None:
    """Goal: skip and count.
    Method: 250 ms of work at 0: the deadlines 100 and 200 are gone, next is 300 ms."""
    clock = Clock()
    work = Work(clock, 0.25)
    run(clock, task := Task("t", 0.1, 20, work), seconds=0.45)
    assert work.at_ms == [0, 300, 400]
    assert (task.overruns, task.skipped, task.longest_ms) == (1, 2, 250.0)


def test_work_that_ends_on_the_deadline_misses_nothing() -> None:
    """Goal: the edge of a skip. Method: exactly 100 ms of work, then 101 ms."""
    clock = Clock()
    work = Work(clock, 0.1, 0.101)
    run(clock, task := Task("t", 0.1, 200, work), seconds=0.45)
    assert work.at_ms == [0, 100, 300, 400]
    assert task.skipped == 1


def test_budget_edge() -> None:
    """Goal: exactly the budget is no overrun. Method: 20.000 ms and 20.001 ms on a budget of 20."""
    clock = Clock()
    run(clock, task := Task("t", 0.1, 20, Work(clock, 0.02, 0.020001)), seconds=0.15)
    assert (task.runs, task.overruns) == (2, 1)


def test_a_slow_task_delays_and_does_not_drop_another() -> None:
    """Goal: the table's order is the priority. Method: the second task takes 150 ms once."""
    clock = Clock()
    first, second = Work(clock), Work(clock, 0.15)
    run(clock, Task("first", 0.1, 20, first), Task("second", 0.5, 200, second), seconds=0.4)
    assert first.at_ms == [0, 150, 200, 300]
    assert second.at_ms == [0]

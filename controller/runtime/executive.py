"""The process of a site: ladder, record, frame, ports, task table; ends with the converters at zero."""

from __future__ import annotations

import gc
import os
import signal
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType

from controller.devices.check import CheckedSite
from controller.image import Instant, Mode
from controller.runtime import (
    books,
    box,
    disk,
    health,
    keeper,
    known,
    pulse,
    seal,
    slowloop,
    supervisor,
    survey,
)
from controller.runtime.asks import Asks
from controller.runtime.blackbox import Blackbox
from controller.runtime.box import BoxWatch
from controller.runtime.commission import CAPTURE_S, Commission
from controller.runtime.disk import Disk
from controller.runtime.events import Event
from controller.runtime.fastlink import FastLink
from controller.runtime.health import Health
from controller.runtime.keep import Latch
from controller.runtime.keeper import Keeper
from controller.runtime.ladder import Ladder, Rung
from controller.runtime.lock import lock
from controller.runtime.log import Log
from controller.runtime.ports import Line, Ports
from controller.runtime.pulse import Pulse, notify
from controller.runtime.refine import Refiner
from controller.runtime.seal import Seal
from controller.runtime.slowloop import SlowLoop
from controller.runtime.supervisor import Cycle, Supervisor
from controller.runtime.tasks import Table, Task
from controller.runtime.wear import Wear
from controller.runtime.writer import Writer
from controller.safety.transition import RESTS, quiet
from controller.units import ns

STOP_S_MAX = 6.0  # a stop that the converters do not confirm by then ends without them
REST_S = 0.3  # after the last setpoint: the wire empties
LAPSE_S = 1.2  # lease, ramp and one exchange: what a process that dies in order still waits for
COLLECT_S = 5.0  # what came to be since start is swept in a few ms; left to itself it grows by whole arenas
PORTS_S = 0.1
WHY_MAX = 200  # characters of a failure's own words: it goes into the record
AT_ZERO = "the power is at zero; send the blackbox with the report"
UNLOCK = "after that, at the box: stillwatt acknowledge SITE --reason TEXT"


def clock() -> Instant:
    """Now, on both clocks."""
    return Instant(time.monotonic_ns(), time.time())


class CycleError(Exception):
    """The supervisor's cycle has failed (F98); why stands in its cause."""


class Executive:
    """Everything one run owns. commission: the run that measures the converters, and ends after it.
    record_folder: of the state record, where the run directory does not outlive a power cut.

    Raises AlreadyRunningError, OSError (folder, record)."""

    def __init__(
        self,
        checked: CheckedSite,
        folder: Path,
        realtime: bool,
        commission: Commission | None = None,
        record_folder: Path | None = None,
    ) -> None:
        self._realtime, self._lock = realtime, lock(folder)
        self._ring = Ring(folder / checked.host.adc.ring)
        self._log = Log()
        self._writer = Writer()
        self._keeper = Keeper(record_folder or folder, self._writer)
        self._file, self._commission = checked, commission
        self._checked = checked = known.applied(checked, self._keeper.record_now.dynamics)
        self._fastlink = commission.link if commission else FastLink(checked, checked.table)
        wear = Wear(checked, self._keeper.record_now.writes)
        self._keeper.spent = wear.spent
        start = self._keeper.start(survey.terms(checked), clock())
        self._supervisor = Supervisor(checked, checked.table, self._fastlink, start, wear)
        meter = self._supervisor.wisher.meter
        if meter is not None:
            books.reopen(meter, self._keeper.record_now.books)
            self._keeper.books = partial(books.rows, meter)
        self._ports = Ports(checked, self._fastlink, folder)
        self._ports.told.append(self._tell_line)
        self._health = Health(folder, self._file, checked, self._fastlink, self._ports, self._writer)
        self._pulse = self._health.pulse = Pulse(checked.host, self._fastlink.frames)
        self._blackbox = Blackbox(folder, self._writer)
        self._watch_box((folder, record_folder or folder))
        self._supervisor.watchers += [
            self._tell_cycle,
            self._pulse.record,
            self._keeper.record,
            self._blackbox.record,
            self._health.record,
            lambda cycle: self._asks.answer(cycle.refused),
        ]
        self._asks = Asks(folder)
        self._slow = SlowLoop(checked, folder, self._supervisor, self._asks, self._tell, self._keeper.folder)
        self._health.plan = self._slow.view
        self._until_ns = self._stop_ns = 0  # end of --seconds; since when a stop is asked for; 0: none
        self._fitter = Writer()  # a latch must not wait for a fit
        self._refiner = Refiner(checked, self._fastlink, self._keeper.record_now.dynamics)
        self._health.dynamics = self._refiner.found
        if commission:
            commission.attach(self._supervisor, self._ask_stop)
        else:
            self._supervisor.watchers.append(self._refine)

    def _watch_box(self, folders: tuple[Path, ...]) -> None:
        """The supervisor is told of a full disk (F71), of limits that changed in memory (F81), of the box."""
        self._disk = Disk(folders, self._writer, self._blackbox.make_room)
        self._supervisor.disk_full = lambda: self._disk.full
        self._seal = Seal(self._supervisor.terms)
        self._supervisor.limits_flipped = lambda: self._seal.broken
        self._box = BoxWatch(self._writer)
        self._supervisor.box = lambda: self._box.seen

    def run(self, seconds: float | None) -> int:
        """Run until a signal or for `seconds`; 0: ended as asked, 1: ended in a fault."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        ladder = self._climb()
        if seconds is not None:
            self._until_ns = clock().t_ns + ns(seconds)
        table = Table(self._tasks(), clock, time.sleep)
        self._health.tasks = table.tasks
        notify("READY=1")
        try:
            table.run(self._go_on)
            time.sleep(REST_S)
            fault = self._supervisor.mode.mode in RESTS
        except Exception as error:  # Safety: were this lease to fail too, the frame ramps to zero by itself
            self._supervisor.rest(clock())
            self._fail(error)
            time.sleep(LAPSE_S)
            fault = True
        self._end(ladder)
        return int(fault)

    def _climb(self) -> Ladder:
        now = clock()
        self._tell(*self._keeper.events(now))
        self._tell(*known.events(self._file, self._keeper.record_now.dynamics, now))
        ladder = Ladder(self._realtime)
        host = self._checked.host.realtime
        self._supervisor.tcp.start()
        rows = self._fastlink.start(host.priority if self._realtime else 0, host.cpu)
        self._pulse.open()
        granted = [Rung(row["step"], bool(row["ok"]), row["detail"]) for row in rows]
        self._health.rungs = ladder.rungs + granted + self._pulse.rungs
        self._tell(*(_rung_event(rung, now) for rung in self._health.rungs))
        for name in self._checked.unproven:
            text = f"profile {name} has been proven on no bench and no site"
            self._tell(Event(now.t_ns, now.utc_s, "profile", name, "site", "warning", text))
        return ladder

    def _tasks(self) -> tuple[Task, ...]:
        commission = self._commission
        return (
            *([Task("capture", CAPTURE_S, 5, commission.look)] if commission else []),
            Task("supervisor", supervisor.PERIOD_S, 20, self._supervise),
            Task("pulse", pulse.PERIOD_S, 5, self._pulse.step),
            Task("ports", PORTS_S, 10, self._look_outside),
            Task("health", health.PERIOD_S, 20, self._health.step),
            Task("keep", keeper.PERIOD_S, 5, self._keeper.step),
            Task("disk", disk.PERIOD_S, 5, self._disk.step),
            Task("seal", seal.PERIOD_S, 5, self._seal.step),
            Task("box", box.PERIOD_S, 5, self._box.step),
            Task("plan", slowloop.PERIOD_S, 5, self._slow.step),
            Task("collect", COLLECT_S, 20, lambda now: gc.collect()),
        )

    def _supervise(self, now: Instant) -> None:
        self._supervisor.inbox += self._asks.take()
        try:
            self._supervisor.cycle(now)
        except Exception as error:
            raise CycleError from error

    def _fail(self, error: Exception) -> None:
        """Told and dumped. Safety: after a cycle that failed the next start is in LOCKOUT (F98, T16)."""
        now, where = clock(), _place(error.__cause__ or error)
        told = Event(now.t_ns, now.utc_s, "process", "task-failed", "site", "error", where, AT_ZERO)
        if isinstance(error, CycleError):
            told = replace(told, code="F98", name="kernel-assert", cure=f"{AT_ZERO}; {UNLOCK}")
            self._keeper.lock(Latch(told.code, told.name, told.unit, where, UNLOCK, now.utc_s))
        self._tell(told)
        self._blackbox.dump()

    def _look_outside(self, now: Instant) -> None:
        self._ports.step(now)
        self._ring.step(self._fastlink)

    def _go_on(self) -> bool:
        now_ns = clock().t_ns
        if self._until_ns and now_ns >= self._until_ns and not self._stop_ns:
            self._ask_stop()
        if not self._stop_ns:
            return True
        return not self._at_rest() and now_ns - self._stop_ns < ns(STOP_S_MAX)

    def _at_rest(self) -> bool:
        conditions, mode = self._supervisor.conditions, self._supervisor.mode.mode
        return mode in (Mode.INIT, Mode.STANDBY, Mode.MAINT) or (
            mode in RESTS and quiet(self._supervisor.terms, conditions)
        )

    def _ask_stop(self) -> None:
        self._stop_ns = clock().t_ns
        self._supervisor.ask("stop")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._stop_ns:
            self._ask_stop()

    def _end(self, ladder: Ladder) -> None:
        notify("STOPPING=1")
        self._fastlink.stop()
        self._supervisor.tcp.stop()
        self._ports.close()
        self._fitter.close()
        self._slow.close()
        self._asks.close()
        self._writer.close()
        ladder.close()
        self._pulse.close()
        try:
            if self._commission:
                self._commission.evaluate()
                self._keeper.learn(self._commission.found)
            self._keeper.close()
        finally:
            os.close(self._lock)

    def _refine(self, cycle: Cycle) -> None:
        """Have a window of normal operation fitted on a thread of its own; take up what earlier ones told."""
        trial = self._refiner.record(cycle)
        if trial is not None:
            self._fitter.offer(partial(self._refiner.refine, trial, cycle.now.utc_s))
        self._supervisor.drifts = self._refiner.drifts
        if self._health.dynamics is not self._refiner.found:
            self._health.dynamics = self._refiner.found
            self._keeper.learn(self._refiner.found)

    def _tell_cycle(self, cycle: Cycle) -> None:
        self._tell(*cycle.events)

    def _tell_line(self, line: Line) -> None:
        now = clock()
        self._tell(*(_rung_event(rung, now, line.name) for rung in line.rungs))

    def _tell(self, *events: Event) -> None:
        for line in filter(None, map(self._log.admit, events)):
            self._writer.offer(partial(self._log.write, line))


class Ring:
    """The sample ring's file: mapped when it appears, mapped anew when another file takes its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mapped: tuple[int, int] | None = None

    def step(self, fastlink: FastLink) -> None:
        """One look. The frame rests for a moment while its ring is exchanged."""
        try:
            found = self._path.stat()
        except OSError:
            return
        identity = (found.st_dev, found.st_ino)
        if identity == self._mapped:
            return
        try:
            fastlink.map_ring(self._path)
        except (OSError, ValueError):
            return  # not yet filled in; F06 and INIT speak of it
        self._mapped = identity


def _rung_event(rung: Rung, now: Instant, unit: str = "site") -> Event:
    level = "info" if rung.ok else "warning"
    return Event(now.t_ns, now.utc_s, "ladder", rung.step, unit, level, rung.detail)


def _place(error: BaseException) -> str:
    """What failed and where, in one line."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place else "?"
    why = next(iter(str(error).splitlines()), "")[:WHY_MAX]
    return f"the supervisor failed: {type(error).__name__} at {where}: {why}"

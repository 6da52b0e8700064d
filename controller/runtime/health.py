"""What the process shows of itself twice a second: status.json in the run directory."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from controller.devices.check import CheckedSite
from controller.image import Instant, Mode
from controller.runtime import known
from controller.runtime.dynamics import Dynamics
from controller.runtime.events import Event
from controller.runtime.fastlink import FastLink
from controller.runtime.ladder import Rung
from controller.runtime.plain import plain
from controller.runtime.ports import Ports
from controller.runtime.pulse import Pulse
from controller.runtime.supervisor import Cycle
from controller.runtime.tasks import Task
from controller.runtime.writer import Writer
from controller.safety.hall import Hall
from controller.safety.orders import heaters

FILE = "status.json"
PERIOD_S = 0.5
STALE_S = 2.0  # older than this, the process is taken for dead
EVENTS = 20  # of late
PORT_FIELDS = ("state", "bytes_out", "bytes_in", "io_errors", "unsolicited", "lost")
TASK_FIELDS = ("name", "period_s", "budget_ms", "runs", "overruns", "skipped", "longest_ms")
LIMIT_FIELDS = ("discharge_kw_max", "charge_kw_max")
HALL_FIELDS = ("position", "aim", "sync", "dead", "load_kw", "shed_stage", "budget_kw")
DEVICE_FIELDS = (
    "kind",
    "age_s",
    "silent_s",
    "misses",
    "state",
    "armed",
    "identity",
    "late_pct",
    "round_trips",
)


class Health:
    """Gathers the newest cycle and writes it out. Reads nothing that the frame has to wait for."""

    def __init__(
        self,
        folder: Path,
        file: CheckedSite,
        checked: CheckedSite,
        fastlink: FastLink,
        ports: Ports,
        writer: Writer,
    ) -> None:
        self._folder = folder
        self._file = file  # the site as it is written
        self._checked = checked  # and as it is run, with what was measured
        self._site = checked.site.name
        self._fastlink = fastlink
        self._ports = ports
        self._writer = writer
        self._cycle: Cycle | None = None
        self._events: deque[Event] = deque(maxlen=EVENTS)
        self._before: tuple[int, tuple[int, ...]] = (0, ())
        self._writing = False
        self.tasks: tuple[Task, ...] = ()
        self.rungs: list[Rung] = []
        self.pulse: Pulse | None = None
        self.dynamics: Mapping[str, Dynamics] = {}
        self.plan: Callable[[float], Mapping[str, Any] | None] = lambda utc_s: None  # of the slow loop

    def record(self, cycle: Cycle) -> None:
        """Take one cycle."""
        self._cycle = cycle
        self._events.extend(cycle.events)

    def step(self, now: Instant) -> None:
        """Write the status."""
        if self._cycle is None or self._writing:
            return
        text = json.dumps(plain(self.status(self._cycle, now)), allow_nan=False)
        self._writing = True  # before the offer: the job may be done before offer() returns
        if not self._writer.offer(lambda: self._write(text)):
            self._writing = False

    def status(self, cycle: Cycle, now: Instant) -> dict[str, Any]:
        """All that status.json holds; powers in kW, ages in s."""
        track, frame, mode = cycle.telemetry.track, cycle.telemetry.frame, cycle.mode
        tied = mode.mode == Mode.GRID_TIED and cycle.conditions.running
        return {
            "site": self._site,
            "pid": os.getpid(),
            "t_ns": now.t_ns,
            "utc_s": now.utc_s,
            "mode": mode.mode,
            "mode_s": (now.t_ns - mode.t_since_ns) / 1e9,
            "reason": mode.reason,
            "waiting": mode.waiting,
            "latched": mode.latched,
            "conditions": [
                {"code": c.code, "name": c.name, "unit": c.subject, "cause": c.cause, "cure": c.cure}
                for c in cycle.conditions.active
            ],
            "load_kw": track.load_kw,
            "grid_kw": track.grid_kw,
            "pcs_kw": sum(c.pcs_kw for c in cycle.conditions.converters),
            "target_kw": frame.target_kw,
            "gain": frame.gain,
            "loop_delay_s": frame.loop_delay_s,
            "slow_law": known.why(self._checked, frame) if tied else "",
            "backstop": frame.backstop,  # with what the connection has carried lately
            "latency": known.budget(self._checked),
            "follows": known.rows(self._file, self._checked, self.dynamics),
            "sent_kw": frame.sent_kw[: len(cycle.conditions.converters)],
            "soc_pct": cycle.conditions.battery.soc_pct,
            "soc_pct_low": cycle.conditions.battery.soc_pct_low,
            "soc_pct_high": cycle.conditions.battery.soc_pct_high,
            "level": cycle.conditions.level,
            "heaters": heaters(cycle.conditions),
            "hall": _hall(cycle.hall),
            "limits": {name: sum(getattr(cycle.limits, name)) for name in LIMIT_FIELDS},
            "frame": frame,
            "pace": self._fastlink.pace_summary(),
            "devices": {
                name: _fields(device, DEVICE_FIELDS) for name, device in cycle.telemetry.devices.items()
            },
            "ports": self._port_rows(now),
            "tasks": [_fields(task, TASK_FIELDS) for task in self.tasks],
            "writer": _fields(self._writer, ("dropped", "failed", "fault")),
            "plan": self.plan(now.utc_s),
            "ladder": self.rungs,
            "pulse": {} if self.pulse is None else _fields(self.pulse, ("edges", "trouble")),
            "events": list(self._events),
        }

    def _port_rows(self, now: Instant) -> dict[str, Any]:
        t_before_ns, counts_before = self._before
        counts = self._fastlink.setpoints_answered()
        rates = [0.0] * len(counts)
        if counts_before and now.t_ns > t_before_ns:
            past_s = (now.t_ns - t_before_ns) / 1e9
            rates = [(a - b) / past_s for a, b in zip(counts, counts_before, strict=True)]
        self._before = (now.t_ns, counts)
        rows = {}
        for index, line in enumerate(self._ports.lines):
            port = self._fastlink.port(index)
            row = {name: port[name] for name in PORT_FIELDS}
            own = {"path": str(line.path), "fault": line.fault, "settings": line.rungs}
            rows[line.name] = row | own | {"setpoints_per_s": rates[index]}
        return rows

    def _write(self, text: str) -> None:
        try:
            draft = self._folder / (FILE + ".new")
            draft.write_text(text, encoding="utf-8")
            draft.replace(self._folder / FILE)
        finally:
            self._writing = False


def _hall(hall: Hall) -> dict[str, Any]:
    return _fields(hall, HALL_FIELDS) | {"gensets": {name: run.phase for name, run in hall.sets.items()}}


def _fields(thing: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in names}

"""Carries the record that must survive: latches, energy, SOC, lapses. Latches are written at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from controller.image import Instant, Mode
from controller.runtime import keep
from controller.runtime.dynamics import Dynamics
from controller.runtime.events import Event
from controller.runtime.keep import Latch, Record
from controller.runtime.mistakes import MistakeError
from controller.runtime.supervisor import Cycle
from controller.runtime.writer import Writer
from controller.safety.conditions import latched
from controller.state import Conditions
from controller.units import NS_PER_S

RELEASES = ("T15", "T17")  # transitions by which a person has lifted the latches
PERIOD_S = 10.0  # between two writes without a new latch: flash lives for years (F74)
GAP_S_MAX = 1.0  # energy is not counted over a longer hole
UNREADABLE = Latch(
    code="F73",
    name="torn-write",
    subject="site",
    cause="no slot of the state record is whole: latches of earlier runs are lost",
    cure="look for what stopped the site last, then: stillwatt acknowledge SITE --reason TEXT",
    utc_s=0.0,
)


class Keeper:
    """One run's hold on the record in `folder`. Raises OSError when the first write fails.

    spent: the write counts of runtime.wear as they are now.
    """

    def __init__(self, folder: Path, writer: Writer) -> None:
        self.spent: dict[str, tuple[int, int]] | None = None
        self._folder = folder
        self._writer = writer
        before, self.outcome = keep.read(folder)
        self.died = not before.clean
        latches = (*before.latches, UNREADABLE) if self.outcome == "unreadable" else before.latches
        self.record_now = replace(before, starts=before.starts + 1, clean=False, latches=latches)
        self._lapses_before = before.lease_lapses
        self._t_ns = 0
        self._write_now(self.record_now)

    def start(self) -> Conditions:
        """Conditions to start with: what waits for a person."""
        latches = self.record_now.latches
        return Conditions(
            watches={
                (-1 - i, x.subject): latched(x.code, x.name, x.subject, x.grade, x.cause, x.cure)
                for i, x in enumerate(latches)
            }
        )

    def events(self, now: Instant) -> tuple[Event, ...]:
        """What the record tells about the run before."""
        found = [
            Event(
                now.t_ns, now.utc_s, x.code, x.name, x.subject, "error", f"still latched: {x.cause}", x.cure
            )
            for x in self.record_now.latches
        ]
        if self.died:
            text, cure = "the last run did not end by itself", "look into the blackbox and the system's log"
            found.append(Event(now.t_ns, now.utc_s, "F65", "process-dead", "site", "warning", text, cure))
        if self.outcome == "older":
            text = "one slot of the state record was torn; the other one is used"
            found.append(
                Event(now.t_ns, now.utc_s, "F73", "torn-write", "site", "warning", text, "none needed")
            )
        return tuple(found)

    def record(self, cycle: Cycle) -> None:
        """Take one cycle; a latch that comes or is lifted is written at once."""
        self._count(cycle)
        before = self.record_now.latches
        latches = _merged(() if cycle.mode.row in RELEASES else before, _latches(cycle), cycle.mode.mode)
        worn = self.spent is not None and self.spent != self.record_now.writes
        if worn and self.spent is not None:
            self.record_now = replace(self.record_now, writes=dict(self.spent))
        if latches != before:
            self.record_now = replace(self.record_now, latches=latches)
        if latches != before or worn:
            self.step(cycle.now)

    def learn(self, dynamics: Mapping[str, Dynamics]) -> None:
        """Keep what was measured; written with the next record."""
        self.record_now = replace(self.record_now, dynamics=self.record_now.dynamics | dict(dynamics))

    def step(self, now: Instant) -> None:
        """Write what has been gathered, on the writer's thread."""
        self.record_now = replace(self.record_now, sequence=self.record_now.sequence + 1)
        record = self.record_now
        self._writer.offer(lambda: keep.write(self._folder, record))

    def close(self) -> None:
        """The last write of a run that ends by itself."""
        self._write_now(replace(self.record_now, clean=True))

    def _write_now(self, record: Record) -> None:
        self.record_now = replace(record, sequence=record.sequence + 1)
        keep.write(self._folder, self.record_now)

    def _count(self, cycle: Cycle) -> None:
        now_ns, before_ns = cycle.now.t_ns, self._t_ns
        self._t_ns = now_ns
        hours = (now_ns - before_ns) / NS_PER_S / 3600.0
        if not before_ns or hours * 3600.0 > GAP_S_MAX:
            hours = 0.0
        power_kw = sum(c.pcs_kw for c in cycle.conditions.converters if c.fresh)
        energy_kwh = power_kw * hours if power_kw == power_kw else 0.0
        soc_pct = cycle.conditions.battery.soc_pct
        self.record_now = replace(
            self.record_now,
            charge_kwh=self.record_now.charge_kwh + max(-energy_kwh, 0.0),
            discharge_kwh=self.record_now.discharge_kwh + max(energy_kwh, 0.0),
            soc_pct=soc_pct if soc_pct == soc_pct else self.record_now.soc_pct,
            lease_lapses=self._lapses_before + cycle.telemetry.frame.lease_lapses,
        )


def acknowledge(folder: Path, reason: str, local: bool) -> tuple[Latch, ...]:
    """Clear the latches of a site that does not run; returns them. Starts nothing.

    Raises OSError, and MistakeError without a reason or for a class D latch from afar.
    """
    record, outcome = keep.read(folder)
    cleared = (*record.latches, UNREADABLE) if outcome == "unreadable" else record.latches
    if cleared and not reason:
        raise MistakeError("a reset needs its reason in words. Give --reason TEXT.")
    if not local and any(latch.grade == "D" for latch in cleared):
        raise MistakeError("the site is in LOCKOUT; it is unlocked at the box itself, not from afar.")
    if cleared:
        keep.write(folder, replace(record, sequence=record.sequence + 1, latches=()))
    return cleared


def _latches(cycle: Cycle) -> tuple[Latch, ...]:
    """Class C and D conditions, and the cause of a stop whose retries are used up."""
    stops = cycle.conditions.stops
    kept = stops if cycle.mode.latched else tuple(c for c in stops if c.grade in "CD")
    return tuple(
        Latch(c.code, c.name, c.subject, c.cause, c.cure, cycle.now.utc_s, "D" if c.grade == "D" else "C")
        for c in kept
    )


def _merged(before: tuple[Latch, ...], found: tuple[Latch, ...], mode: Mode) -> tuple[Latch, ...]:
    """Each once, as first seen. In LOCKOUT every latch is class D: a power cycle does not soften it."""
    known = {(x.code, x.subject) for x in before}
    merged = (*before, *(x for x in found if (x.code, x.subject) not in known))
    return tuple(replace(x, grade="D") for x in merged) if mode == Mode.LOCKOUT else merged

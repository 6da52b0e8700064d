"""Carries the record that must survive: latches, counts, energy, charge, ledger. Latches are written at once, twice.

A latch stands in both slots before the next write, so a slot that rots never takes one with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from controller.image import Instant, Mode
from controller.runtime import keep, memory
from controller.runtime.dynamics import Dynamics
from controller.runtime.events import Event
from controller.runtime.keep import Books, Latch, Memory, Outcome, Record
from controller.runtime.mistakes import MistakeError
from controller.runtime.supervisor import Cycle
from controller.runtime.writer import Writer
from controller.safety.conditions import latched
from controller.safety.step import State
from controller.safety.terms import Terms
from controller.state import Conditions, Effect
from controller.units import NS_PER_S

RELEASES = ("T15", "T17")  # transitions by which a person has lifted the latches
PERIOD_S = 10.0  # between two writes without a new latch: flash lives for years (F74)
RETRY_NS = NS_PER_S  # after a write that failed: it may have been a latch
GAP_S_MAX = 1.0  # energy is not counted over a longer hole
UNREADABLE = Latch(
    code="F73",
    name="torn-write",
    subject="site",
    cause="no slot of the state record is whole: latches of earlier runs are lost",
    cure="look for what stopped the site last, then: stillwatt acknowledge SITE --reason TEXT",
    utc_s=0.0,
    effect="STOP",  # a torn record is no reason for a blackout
)
FOREIGN = replace(
    UNREADABLE,
    cause="a later version wrote the state record: its latches are not known to this one",
    cure="install that version again, or look for what stopped the site last and acknowledge",
)
LOST: Mapping[Outcome, Latch] = {"unreadable": UNREADABLE, "foreign": FOREIGN}


class Keeper:
    """One run's hold on the record in `folder`. Raises OSError when the first write fails.

    spent: the write counts of runtime.wear as they are now. books: gives the demand ledger as it is now.
    """

    def __init__(self, folder: Path, writer: Writer, disk: keep.Disk = os) -> None:
        self.spent: dict[str, tuple[int, int]] | None = None
        self.books: Callable[[], Books] | None = None
        self.folder = folder
        self._writer = writer
        self._disk = disk
        before, self.outcome = keep.read(folder, disk)
        self.died = not before.clean
        latches = _with_lost(before.latches, self.outcome)
        self.record_now = replace(before, starts=before.starts + 1, clean=False, latches=latches)
        self._lapses_before = before.lease_lapses
        self._t_ns = 0
        self._urgent: tuple[object, ...] = ()
        self._owed = False  # a write that the writer had no room for
        self._failed = False  # the newest write is under way, or the disk refused it
        self._t_offered_ns = 0
        self._cycle: Cycle | None = None
        self._write_now(self.record_now)
        if self.outcome in LOST:
            self._write_now(self.record_now)

    def start(self, terms: Terms, now: Instant) -> State:
        """The state to start with: INIT, what waits for a person, and what was counted."""
        latches = self.record_now.latches
        watches = {
            (-1 - i, x.subject): latched(
                x.code, x.name, x.subject, x.grade, x.cause, x.cure, Effect[x.effect]
            )
            for i, x in enumerate(latches)
        }
        return memory.restored(self.record_now.memory, Conditions(watches=watches), terms, now)

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
        """Take one cycle; what must not be forgotten is written at once, a latch into both slots."""
        self._count(cycle)
        self._cycle = cycle
        before = self.record_now.latches
        latches = _merged(() if cycle.mode.row in RELEASES else before, _latches(cycle), cycle.mode.mode)
        if self.spent is not None and self.spent != self.record_now.writes:
            self.record_now = replace(self.record_now, writes=dict(self.spent))
            self._owed = True
        urgent = memory.urgent(cycle.state)
        if urgent != self._urgent:
            self._urgent, self._owed = urgent, True
        if latches != before:
            self.record_now = replace(self.record_now, latches=latches)
            self._owed = not self._offer(2)
        elif self._owed:
            self._owed = not self._offer(1)
        elif self._failed and cycle.now.t_ns - self._t_offered_ns > RETRY_NS:
            self._offer(2)

    def lock(self, latch: Latch) -> None:
        """A class D latch that no cycle can tell any more, for it was the cycle that failed. Asks nothing of it."""
        self.record_now = replace(
            self.record_now, latches=_merged(self.record_now.latches, (latch,), Mode.LOCKOUT)
        )
        self._queue(2)

    def learn(self, dynamics: Mapping[str, Dynamics]) -> None:
        """Keep what was measured; written with the next record."""
        self.record_now = replace(self.record_now, dynamics=self.record_now.dynamics | dict(dynamics))

    def step(self, now: Instant) -> None:
        """Write what has been gathered, on the writer's thread."""
        self._offer(1)

    def close(self) -> None:
        """The last write of a run that ends by itself."""
        self._gather()
        self._write_now(replace(self.record_now, clean=True))

    def _gather(self) -> None:
        if self._cycle is not None:
            taken = memory.taken(self._cycle.state, self._cycle.now)
            self.record_now = replace(self.record_now, memory=taken)
        if self.books is not None:
            self.record_now = replace(self.record_now, books=self.books())

    def _offer(self, slots: int) -> bool:
        """Gather, and have the record written into one slot or both; False: there was no room."""
        self._gather()
        return self._queue(slots)

    def _queue(self, slots: int) -> bool:
        self._t_offered_ns = self._t_ns
        records = [replace(self.record_now, sequence=self.record_now.sequence + 1 + i) for i in range(slots)]
        self.record_now = records[-1]
        return self._writer.offer(lambda: self._write_all(records))

    def _write_all(self, records: list[Record]) -> None:
        """On the writer's thread. What the disk refuses is tried again a while later."""
        self._failed = True
        for record in records:
            keep.write(self.folder, record, self._disk)
        self._failed = False

    def _write_now(self, record: Record) -> None:
        self.record_now = replace(record, sequence=record.sequence + 1)
        keep.write(self.folder, self.record_now, self._disk)

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
    cleared = (*_with_lost(record.latches, outcome), *_locked_sets(record.memory))
    if cleared and not reason:
        raise MistakeError("a reset needs its reason in words. Give --reason TEXT.")
    if not local and any(latch.grade == "D" for latch in cleared):
        raise MistakeError("the site is in LOCKOUT; it is unlocked at the box itself, not from afar.")
    forgiven = memory.forgiven(record.memory, unlocks=any(latch.grade == "D" for latch in cleared))
    for i in (1, 2) if cleared else ():  # both slots: an old one must not bring the latch back
        keep.write(folder, replace(record, sequence=record.sequence + i, latches=(), memory=forgiven))
    return cleared


def _locked_sets(kept: Memory) -> tuple[Latch, ...]:
    """Gensets that wait for a person: as latches, to be told."""
    cure = "read the genset's own display, cure it, then acknowledge"
    return tuple(
        Latch("F55", "genset-no-start", name, run.locked, cure, kept.utc_s)
        for name, run in kept.gensets.items()
        if run.locked
    )


def _with_lost(latches: tuple[Latch, ...], outcome: Outcome) -> tuple[Latch, ...]:
    """The latches of a record, and that one about the record itself where it cannot be believed."""
    lost = LOST.get(outcome)
    return latches if lost is None or lost in latches else (*latches, lost)


def _latches(cycle: Cycle) -> tuple[Latch, ...]:
    """Class C and D conditions, and the cause of a stop whose retries are used up."""
    stops = cycle.conditions.stops
    kept = stops if cycle.mode.latched else tuple(c for c in stops if c.grade in "CD")
    return tuple(
        Latch(
            *(c.code, c.name, c.subject, c.cause, c.cure, cycle.now.utc_s),
            grade="D" if c.grade == "D" else "C",
            effect=c.effect.name,
        )
        for c in kept
    )


def _merged(before: tuple[Latch, ...], found: tuple[Latch, ...], mode: Mode) -> tuple[Latch, ...]:
    """Each once, as first seen. In LOCKOUT every latch is class D: a power cycle does not soften it."""
    known = {(x.code, x.subject) for x in before}
    merged = (*before, *(x for x in found if (x.code, x.subject) not in known))
    return tuple(replace(x, grade="D") for x in merged) if mode == Mode.LOCKOUT else merged

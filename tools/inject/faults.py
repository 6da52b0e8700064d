"""Injects faults of the catalogue into a simulated site and tells their reaction times: the verb `stillwatt inject`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any

from controller.devices.check import check_site
from controller.runtime.mistakes import MistakeError
from tools.inject.stack import stack_trial
from tools.inject.table import FAULTS, Fault, Room
from tools.inject.trial import LackingError, Result, trial

BINS_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 60.0, 1000.0, 259_200.0, inf)  # upper ends of the histogram


@dataclass(frozen=True, slots=True)
class Row:
    """All trials of one fault. lacks: why the site cannot have it; then there are none."""

    fault: Fault
    results: tuple[Result, ...]
    lacks: str = ""

    @property
    def worst_s(self) -> float:
        """Longest reaction; -1 where none is expected and none came."""
        return max((result.reaction_s for result in self.results), default=-1.0)

    @property
    def holds(self) -> bool:
        """Every trial in time."""
        return all(result.holds for result in self.results)


def strapped(site: Path) -> None:
    """Raises MistakeError unless the site's host carries the bench strap."""
    host = check_site(site).host
    if not host.bench:
        raise MistakeError(
            f"{site}: its host {host.name} has no bench strap; faults are injected on bench hosts alone. "
            f"Name hosts/laptop as the site's host, or set bench: true in the host file of a bench box."
        )


def chosen(words: Iterable[str]) -> list[Fault]:
    """Faults by id or name; `all`: those that have an injector. Raises MistakeError for another word."""
    found = []
    for word in words:
        hits = [
            f for f in FAULTS.values() if word in (f.code, f.name) or (word == "all" and f.room in INJECTED)
        ]
        if not hits:
            raise MistakeError(
                f"inject: there is no fault {word!r}; allowed are F01 to F98, their names, and all."
            )
        found += hits
    for fault in found:
        if fault.room == Room.TEST:
            raise MistakeError(
                f"inject: {fault.code} {fault.name} is no fault of a site; run pytest {fault.place}"
            )
    return found


INJECTED: dict[Room, Callable[[str, int, Path], Result]] = {Room.AVERAGED: trial, Room.STACK: stack_trial}


def run_faults(
    faults: Iterable[Fault],
    site: Path,
    seed: int,
    phases: int,
    told: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """Every fault at `phases` random phases. told: called with each finished row.

    Raises MistakeError where the site can have none of them.
    """
    strapped(site)
    rows = []
    for fault in faults:
        try:
            row = Row(fault, tuple(INJECTED[fault.room](fault.code, seed + k, site) for k in range(phases)))
        except LackingError as error:
            row = Row(fault, (), str(error))
        rows.append(row)
        told(row)
    if rows and not any(row.results for row in rows):
        raise MistakeError(rows[0].lacks)
    return rows


def line_of(row: Row) -> str:
    """A row for people."""
    fault, worst_s = row.fault, row.worst_s
    if row.lacks:
        return f"{fault.code} {fault.name:20} not here: {row.lacks}"
    took = "nothing, as it should" if worst_s < 0 else f"{worst_s:9.3f} s" if worst_s < inf else "no reaction"
    bound = f"{fault.within_s:g} s" if isfinite(fault.within_s) else fault.told or "-"
    wrong = next((result.broken for result in row.results if result.broken), "")
    verdict = "BROKEN" if wrong else "in time" if row.holds else "LATE"
    return f"{fault.code} {fault.name:20} {took:>22} of {bound:<10} {verdict:8} {wrong or fault.expects}"


def histogram(rows: Iterable[Row]) -> dict[str, int]:
    """Reactions by their time; those that must not react are left out."""
    counts = dict.fromkeys((f"<= {end:g} s" if isfinite(end) else "none" for end in BINS_S), 0)
    for row in rows:
        for result in row.results:
            if result.reaction_s >= 0:
                place = next(i for i, end in enumerate(BINS_S) if result.reaction_s <= end)
                counts[list(counts)[place]] += 1
    return counts


def report(rows: Iterable[Row], seed: int) -> dict[str, Any]:
    """The rows as plain data."""
    kept = list(rows)
    return {
        "seed": seed,
        "faults": [
            {"code": r.fault.code, "name": r.fault.name, "room": r.fault.room.value, "expects": r.fault.expects,
             "within_s": r.fault.within_s if isfinite(r.fault.within_s) else None, "told": r.fault.told,
             "worst_s": r.worst_s if isfinite(r.worst_s) else None, "holds": r.holds, "lacks": r.lacks,
             "trials": [asdict(result) | {"reaction_s": result.reaction_s if isfinite(result.reaction_s) else None,
                                          "within_s": None} for result in r.results]}
            for r in kept
        ],
        "histogram": histogram(kept),
    }  # fmt: skip


def report_json(rows: Iterable[Row], seed: int) -> str:
    """The same as one line."""
    return json.dumps(report(rows, seed), sort_keys=True)

"""The last word of a service that died: power zero to every converter, by the frame's own strict master (F65)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from controller.config.site import Pcs
from controller.devices.check import CheckedSite
from controller.runtime import field, keep
from controller.runtime.executive import AlreadyRunningError, lock
from controller.runtime.fastlink import BusLink
from controller.runtime.keeper import LOST
from controller.runtime.mistakes import MistakeError, SilentError
from controller.safety.transition import ISLANDS

TRIES = 2  # zero is the same twice
FORM = "form_word"  # point of a converter that can form a bus: 1 while it does
ISLAND_NAMES = tuple(mode.name for mode in ISLANDS)


@dataclass(frozen=True, slots=True)
class Told:
    """One converter, and what became of it. good: it is at zero, or rightly left alone."""

    name: str
    good: bool
    text: str


def zero(checked: CheckedSite, folder: Path, record_folder: Path) -> list[Told]:
    """Tell every converter zero. An island's former is left alone: its zero would be a blackout (safety.md N4).

    Raises MistakeError while a live controller runs the site.
    """
    try:
        held = lock(folder)
    except AlreadyRunningError:
        text = (
            f"{checked.site.name} is running and keeps its converters itself. Stop it: stillwatt stop SITE."
        )
        raise MistakeError(text) from None
    try:
        record, outcome = keep.read(record_folder)
        island = record.memory.mode in ISLAND_NAMES or outcome in LOST
        by_port = groupby(sorted(checked.site.pcs, key=lambda pcs: pcs.port), key=lambda pcs: pcs.port)
        return [
            told for port, units in by_port for told in _on_port(checked, port, list(units), folder, island)
        ]
    finally:
        os.close(held)


def _on_port(checked: CheckedSite, port: str, units: list[Pcs], folder: Path, island: bool) -> Iterator[Told]:
    try:
        with field.opened(field.site_port(checked, port, folder)) as bus:
            for unit in units:
                yield _one(checked, bus, unit, island)
    except MistakeError as error:
        yield from (Told(unit.name, False, str(error)) for unit in units)


def _one(checked: CheckedSite, bus: BusLink, unit: Pcs, island: bool) -> Told:
    """island: by the record the run before may have been without the grid; it counts where the unit cannot be asked."""
    if FORM in checked.profiles[unit.profile].points:
        try:
            forms = field.read_points(bus, unit.unit, checked.profiles[unit.profile], [FORM])[0].value == 1.0
        except SilentError:
            forms = island
        if forms:
            return Told(unit.name, True, "forms the bus: left alone")
    wanted = field.named_write(checked, unit.name, "setpoint", 0.0)
    fault = ""
    for _ in range(TRIES):
        try:
            doubt = field.write(bus, wanted)
            return Told(unit.name, not doubt.startswith("reads"), f"told 0 kW; {doubt or 'read back right'}")
        except SilentError as error:
            fault = str(error)
    return Told(unit.name, False, f"not told 0 kW: {fault}")

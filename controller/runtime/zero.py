"""The last word of a service that died: power zero to every converter, by the frame's own strict master (F65).

It has a second in all, so it takes what `run` has written down for it (runtime.zeroplan) and reads neither site file
nor profiles; the schema is loaded only where no plan is found.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from controller.runtime.fastlink import BusLink, Question
from controller.runtime.folders import record_folder, run_folder
from controller.runtime.lock import AlreadyRunningError, lock
from controller.runtime.mistakes import MistakeError, SilentError
from controller.runtime.tty import Settings, Way
from controller.runtime.wire import Write, ask, opened, write

PLAN, FORMAT = "zero.json", 1
TRIES = 2  # zero is the same twice
NAME = re.compile(r"^name:[ \t]*([A-Za-z0-9._-]+)[ \t]*(?:#.*)?$", re.MULTILINE)
Row = Mapping[str, Any]  # of the plan, see runtime.zeroplan


@dataclass(frozen=True, slots=True)
class Told:
    """One converter, and what became of it. good: it is at zero, or rightly left alone."""

    name: str
    good: bool
    text: str


def quick(words: Sequence[str]) -> int | None:
    """The verb by the plan of the last run; its exit code, None: the words or the plan ask for the whole command."""
    if not 1 <= len(words) <= 3 or words[0].startswith("-") or (len(words) > 1 and words[1:2] != ["--dir"]):
        return None
    given = Path(words[2]) if len(words) == 3 else None
    try:
        found = NAME.search(Path(words[0]).read_text("utf-8"))
        if found is None or len(words) == 2:
            return None
        folder, record = run_folder(found[1], given), record_folder(found[1], given)
        plan = json.loads((record / PLAN).read_text("utf-8"))
        if plan["format"] != FORMAT or plan["site"] != found[1]:
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    try:
        return tell(zero(plan, folder, record))
    except MistakeError as error:
        print(error, file=sys.stderr)
        return 2


def tell(told: Sequence[Told]) -> int:
    """Print them; 0: all are at zero or rightly left alone, 1: one is not."""
    for one in told:
        print(f"{one.name}: {one.text}")
    return 0 if all(one.good for one in told) else 1


def zero(plan: Row, folder: Path, record_folder: Path) -> list[Told]:
    """Tell every converter zero. An island's former is left alone: its zero would be a blackout (safety.md N4).

    Raises MistakeError while a live controller runs the site.
    """
    try:
        held = lock(folder)
    except AlreadyRunningError:
        text = f"{plan['site']} is running and keeps its converters itself. Stop it: stillwatt stop SITE."
        raise MistakeError(text) from None
    try:
        return [told for port in plan["ports"] for told in _on_port(port, folder, record_folder)]
    finally:
        os.close(held)


def _on_port(port: Row, folder: Path, record_folder: Path) -> Iterator[Told]:
    try:
        if port["fault"]:
            raise MistakeError(port["fault"])
        way = cast(Way, SimpleNamespace(**port["way"]))
        with opened(Settings(folder / port["path"], way, port["baud"], port["parity"])) as bus:
            for unit in port["units"]:
                yield _one(bus, unit, record_folder)
    except MistakeError as error:
        yield from (Told(unit["name"], False, str(error)) for unit in port["units"])


def _one(bus: BusLink, unit: Row, record_folder: Path) -> Told:
    if unit["form"] and _forms(bus, unit["form"], record_folder):
        return Told(unit["name"], True, "forms the bus: left alone")
    wanted = Write(**{**unit["write"], "words": tuple(unit["write"]["words"])})
    fault = ""
    for _ in range(TRIES):
        try:
            doubt = write(bus, wanted)
            good = not doubt.startswith("reads")
            return Told(unit["name"], good, f"told 0 kW; {doubt or 'read back right'}")
        except SilentError as error:
            fault = str(error)
    return Told(unit["name"], False, f"not told 0 kW: {fault}")


def _forms(bus: BusLink, form: Row, record_folder: Path) -> bool:
    """Whether the unit forms the bus; by the record where it cannot be asked: the run before may have had no grid."""
    try:
        return ask(bus, Question(**form["question"])).words == tuple(form["words"])
    except SilentError:
        from controller.runtime import keep
        from controller.safety.transition import ISLANDS

        record, outcome = keep.read(record_folder)
        return record.memory.mode in {mode.name for mode in ISLANDS} or outcome in ("unreadable", "foreign")

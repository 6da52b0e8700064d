"""What every id means, out of the tables that act on it: for `stillwatt explain` and for boards/operation.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from controller.image import Mode
from controller.runtime.deviates import DEVIATES
from controller.runtime.elsewhere import MET
from controller.runtime.mistakes import MistakeError
from controller.safety import conditions, fallback, gensets, interlocks, modes
from controller.safety.look import LEVELS
from controller.safety.transition import Row
from controller.state import Effect

PLACE = re.compile(r"\{(value|limit)[^}]*\}")
EFFECTS = {
    Effect.NOTE: "is told, nothing else",
    Effect.CURTAIL: "import and export are held to grid.curtailed_import_kw_max and curtailed_export_kw_max",
    Effect.EXPORT_WORST: "export is judged by its worst case",
    Effect.NO_CHARGE: "no charging",
    Effect.FREEZE: "limits of the battery do not grow, no start",
    Effect.HOLD: "no power, the mode stays",
    Effect.STOP: "SAFE_STOP; an island goes on, frozen",
    Effect.TRIP: "SAFE_STOP, of an island too",
}
RESETS = {
    "A": "ends by itself when the cause has been gone for its hold time",
    "B": "tried again after 30 s, 2 min and 10 min; the fourth within an hour becomes class C",
    "C": "waits for an operator: stillwatt acknowledge SITE --reason TEXT",
    "D": "waits for a person at the box: stillwatt acknowledge SITE --reason TEXT, there",
}


@dataclass(frozen=True, slots=True)
class Told:
    """One condition of the fault catalogue, in words. cause keeps its places: {value}, {limit}, {subject}."""

    code: str
    name: str
    cause: str
    effect: str
    level: int
    reset: str
    cure: str


def told() -> Iterator[Told]:
    """Every row of the fault tables, by code."""
    for row in sorted(conditions.ROWS, key=lambda row: row.code):
        level = LEVELS[row.effect] if row.level is None else row.level
        cause = plain_cause(row.cause)
        effect = EFFECTS[row.effect] if row.share_pu == 1.0 else f"power is limited to {row.share_pu:.0%}"
        yield Told(row.code, row.name, cause, effect, level, row.grade, row.cure)


def plain_cause(cause: str) -> str:
    """The text of a row with its places in words: {value:.2f} s becomes <value> s."""
    return PLACE.sub(r"<\1>", cause.replace("{subject}", "the device"))


def elsewhere() -> Iterator[tuple[str, str, str]]:
    """Every other fault of the catalogue: id, name and what becomes of it, by code."""
    for code, (name, what) in sorted(MET.items()):
        yield code, name, what


def deviations() -> Iterator[tuple[str, str, str]]:
    """Every fault that is met otherwise than the reference has it: id, name and why, by code."""
    names = {it.code: it.name for it in told()} | {code: name for code, name, _ in elsewhere()}
    for code, why in sorted(DEVIATES.items()):
        yield code, names[code], why


def transitions() -> Iterator[tuple[str, str, Row]]:
    """Every row of the mode table with its sources in words, in the order in which they are tried."""
    for row in modes.ROWS:
        absent = [mode.name for mode in Mode if mode not in row.sources]
        many = len(row.sources) > len(Mode) / 2
        sources = "any but " + ", ".join(absent) if many else ", ".join(mode.name for mode in row.sources)
        yield row.id, sources, row


def explain(word: str) -> list[str]:
    """Lines about an id (F37, T06, IL-01) or a mode. Raises MistakeError with what is known."""
    asked = word.upper()
    lines = [
        f"{it.code} {it.name} (class {it.reset}, D{it.level}): {it.cause}. Effect: {it.effect}. "
        f"Reset: {RESETS[it.reset]}. Cure: {it.cure}."
        for it in told()
        if it.code == asked
    ]
    lines += [
        f"{code}: {sources} -> {row.target.name}, when {row.needs}. May ask: {row.who}."
        for code, sources, row in transitions()
        if asked in (code, row.target.name, *(mode.name for mode in row.sources if len(row.sources) < 4))
    ]
    lines += [
        f"{lock.id}: {lock.rule}. Held by {lock.held or 'the safety step, on every order'}."
        for lock in interlocks.ROWS
        if lock.id == asked
    ]
    lines += [
        f"{duty.mode.name}: converters {duty.converters}; switch {duty.switch}; gensets {duty.gensets}. "
        f"Safe state: {duty.safe}."
        for duty in fallback.DUTIES
        if duty.mode.name == asked
    ]
    lines += [f"{code} {name}: {what}." for code, name, what in elsewhere() if code == asked]
    lines += [
        f"{code} {name}, otherwise than the reference: {why}."
        for code, name, why in deviations()
        if code == asked
    ]
    if not lines:
        raise MistakeError(f"{word} is not known; known are {', '.join(known())}.")
    return lines


def known() -> list[str]:
    """Every word that `explain` answers to."""
    faults = sorted({it.code for it in told()} | {code for code, _, _ in elsewhere()})
    codes = faults + [code for code, _, _ in transitions()]
    return list(dict.fromkeys([*codes, *(lock.id for lock in interlocks.ROWS), *Mode.__members__]))


def page() -> str:
    """The operator's page, as Markdown."""
    lines = [
        "# Operation", "",
        "Made by `python -m tools.reference` out of the tables of `controller/safety`; not written by hand.",
        "`stillwatt explain F37` tells one line of it. Ids are those of the event log.", "",
        "## Modes", "", "| mode | converters | switch | gensets | safe state |", "|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {d.mode.name} | {d.converters} | {d.switch} | {d.gensets} | {d.safe} |" for d in fallback.DUTIES
    ]
    lines += ["", "## Transitions, in the order in which they are tried", "",
              "| id | from | to | who may ask | what must hold |", "|---|---|---|---|---|"]  # fmt: skip
    lines += [f"| {code} | {sources} | {row.target.name} | {row.who} | {row.needs} |"
              for code, sources, row in transitions()]  # fmt: skip
    lines += ["", "## Conditions, and what to do", ""]
    lines += [f"- Class {grade}: {text}." for grade, text in RESETS.items()]
    lines += [
        "",
        "| id | name | what it says | effect | level | class | what to do |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [f"| {it.code} | {it.name} | {it.cause} | {it.effect} | D{it.level} | {it.reset} | {it.cure} |"
              for it in told()]  # fmt: skip
    lines += [
        "",
        "## Other faults of the catalogue",
        "",
        "| id | name | what becomes of it |",
        "|---|---|---|",
    ]
    lines += [f"| {code} | {name} | {what} |" for code, name, what in elsewhere()]
    lines += [
        "",
        "## Otherwise than the reference, and why",
        "",
        "| id | name | what and why |",
        "|---|---|---|",
    ]
    lines += [f"| {code} | {name} | {why} |" for code, name, why in deviations()]
    lines += ["", "## Gensets: phases", "", "| from | to | when |", "|---|---|---|"]
    lines += [
        f"| {', '.join(p.name for p in row.source)} | {row.target.name} | {row.needs} |"
        for row in gensets.ROWS
    ]
    lines += ["", "## Interlocks", "", "| id | rule | held by |", "|---|---|---|"]
    lines += [f"| {lock.id} | {lock.rule} | {lock.held or 'the safety step, on every order'} |"
              for lock in interlocks.ROWS]  # fmt: skip
    return "\n".join(lines) + "\n"

"""The reader's test: tables, code and the generated page say the same, and every id can be asked for."""

from __future__ import annotations

import re

import pytest

from controller.config.loader import BOARDS
from controller.image import Mode
from controller.runtime.deviates import DEVIATES
from controller.runtime.explain import EFFECTS, RESETS, elsewhere, explain, known, page, plain_cause, told
from controller.runtime.mistakes import MistakeError
from controller.safety import conditions, fallback, gensets, interlocks, modes
from controller.safety.terms import FallbackTerms
from controller.state import Effect
from tools.inject.table import FAULTS

PAGE = (BOARDS / "operation.md").read_text("utf-8")


def rows_of(title: str) -> list[list[str]]:
    """The cells of the table under a heading of the page."""
    part = PAGE.split(f"## {title}")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def page_transitions() -> list[tuple[str, Mode, Mode]]:
    """Id, from and to of every line of the page, a line with several sources once for each."""
    found = []
    for code, sources, target, *_ in rows_of("Transitions, in the order in which they are tried"):
        named = {mode for mode in Mode if re.search(rf"\b{mode.name}\b", sources)}
        among = set(Mode) - named if sources.startswith("any but") else named
        found += [(code, mode, Mode[target]) for mode in Mode if mode in among]
    return found


def test_the_page_is_the_tables() -> None:
    """Goal: row 10: one line of the page a row of the tables, in order, with its words. Method: both read."""
    assert page() == PAGE
    transitions = rows_of("Transitions, in the order in which they are tried")
    assert [(r[0], r[2], r[3], r[4]) for r in transitions] == [
        (row.id, row.target.name, row.who, row.needs) for row in modes.ROWS
    ]
    assert page_transitions() == [
        (row.id, mode, row.target) for row in modes.ROWS for mode in Mode if mode in row.sources
    ]
    told_rows = rows_of("Conditions, and what to do")
    assert sorted((r[0], r[1], r[5], r[6]) for r in told_rows) == sorted(
        (row.code, row.name, row.grade, row.cure) for row in conditions.ROWS
    )
    assert [r[0] for r in rows_of("Modes")] == [duty.mode.name for duty in fallback.DUTIES]
    assert {r[0]: r[2] for r in rows_of("Otherwise than the reference, and why")} == DEVIATES
    assert [r[2] for r in rows_of("Gensets: phases")] == [row.needs for row in gensets.ROWS]
    assert [r[0] for r in rows_of("Interlocks")] == [lock.id for lock in interlocks.ROWS]


def test_every_mode_has_its_duties() -> None:
    """Goal: no mode without a line. Method: the set; and the options named in the texts exist."""
    assert {duty.mode for duty in fallback.DUTIES} == set(Mode)
    names = {
        name
        for row in (*modes.ROWS, *gensets.ROWS)
        for name in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", row.needs)
    }
    assert names <= {*FallbackTerms.__dataclass_fields__, "enter_service_s"}


@pytest.mark.parametrize("word", known())
def test_every_id_can_be_asked_for(word: str) -> None:
    """Goal: `stillwatt explain` knows each word. Method: all of them, in small letters too."""
    assert explain(word) == explain(word.lower()) != []


def test_every_fault_of_the_catalogue_is_explained_once() -> None:
    """Goal: no id of an event, a test or the catalogue is an unknown word. Method: F01 to F98; the names of the
    injectors; a row of the step and a line of what is met elsewhere never speak of one fault."""
    assert sorted(FAULTS) == [f"F{number:02}" for number in range(1, 99)]
    for code, fault in FAULTS.items():
        assert all(line.startswith(f"{code} {fault.name}") for line in explain(code)), code
    others = [code for code, _, _ in elsewhere()]
    assert len(others) == len(set(others)) and not {it.code for it in told()} & set(others)
    assert [r[0] for r in rows_of("Other faults of the catalogue")] == others


def test_one_answer_in_words() -> None:
    """Goal: cause, effect, class and cure in one line; in another why it is otherwise than the reference.
    Method: F37; F36, which is not; an unknown word lists the known."""
    line, latch, why = explain("f37")
    assert "class C" in latch
    for part in ("cell-hot", "SAFE_STOP", "class A", "<value>", "check the cooling"):
        assert part in line
    assert why == f"F37 cell-hot, otherwise than the reference: {DEVIATES['F37']}."
    assert len(explain("F36")) == 1
    with pytest.raises(MistakeError, match=r"F99 is not known; known are .*F37"):
        explain("F99")
    assert plain_cause("no places") == "no places"
    assert not any("{" in it.cause or "}" in it.cause for it in told())
    assert set(EFFECTS) == set(Effect)
    assert set(RESETS) == set("ABCD")

"""The mutator: what it breaks, what it leaves, that it sees a hole, and the list of survivors."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import mutate
from tools.mutate import Mutant, killed, mutants, reasons

PLANTED = """
from dataclasses import dataclass
LIMIT_S = 2.0

@dataclass(frozen=True, slots=True)
class Box:
    size: int = 3

def inside(x: float | None, box: Box) -> bool:
    text = f"{x + 1}"
    return not (x < LIMIT_S and min(x, 1.0) > 0) or x - 1 == 4
"""
CHANGES = [
    "LIMIT_S: 2.0 -> 3.0", "Box.size: 3 -> 4", "inside: x < LIMIT_S -> x <= LIMIT_S",
    "inside: min(x, 1.0) -> max(x, 1.0)", "inside: min(x, 1.0) > 0 -> min(x, 1.0) >= 0",
    "inside: x - 1 -> x + 1", "inside: x - 1 == 4 -> x - 1 != 4",
    "inside: not (x < LIMIT_S and min(x, 1.0) > 0) -> x < LIMIT_S and min(x, 1.0) > 0",
    "inside: x < LIMIT_S and min(x, 1.0) > 0 -> x < LIMIT_S or min(x, 1.0) > 0",
]  # fmt: skip


def test_what_is_broken_and_what_is_left(tmp_path: Path) -> None:
    """Goal: every kind of change, none in texts or annotations; the source stays. Method: a planted file."""
    path = tmp_path / "planted.py"
    path.write_text(PLANTED)
    found = [mutant.change for mutant in mutants(path)]
    assert set(CHANGES) <= set(found)
    assert not any("text" in change or "None" in change or "slots" in change for change in found)
    assert path.read_text() == PLANTED
    assert all(mutant.key.startswith("planted: ") for mutant in mutants(path))


def named(module: str, part: str) -> Mutant:
    """The first mutant of a module with this in its change."""
    return next(m for m in mutants(mutate.ROOM / f"{module}.py") if part in m.change)


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_mutant_dies_and_a_harmless_one_lives() -> None:
    """Goal: the verdict is of the tests, not of the tool. Method: the edge of plating; an unchanged module."""
    assert killed(named("cells", "coldest_c >= CHARGE_C_MIN"))
    source = mutate.ROOM / "window.py"
    same = Mutant("window", 1, "nothing", compile(source.read_text(), str(source), "exec"))
    assert not killed(same)


def test_every_survivor_has_a_reason() -> None:
    """Goal: no listed survivor without words. Method: the list."""
    assert all(reasons().values())

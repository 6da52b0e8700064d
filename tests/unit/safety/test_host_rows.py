"""What the computer tells of itself: told at its limits, and nothing stops (F70, F76, F78, F83)."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from controller.image import Box
from controller.safety import conditions
from controller.state import Asked, Conditions, Effect, ModeState
from tests.unit.safety.sites import TERMS, telemetry


def read(seconds: float, before: Conditions, **told: Any) -> Conditions:
    """One cycle on a computer that tells this."""
    seen = replace(telemetry(seconds), box=Box(**told))
    return conditions.read(TERMS, before, ModeState(), seen, Asked(), seen.now)


@pytest.mark.parametrize(
    ("code", "grade", "name", "sound", "bad"),
    [
        ("F70", "B", "memory_pu", 0.7, 0.7001),
        ("F76", "A", "clock_unset", False, True),
        ("F76", "A", "clock_alone", False, True),
        ("F78", "A", "cpu_c", 85.0, 85.001),
        ("F83", "A", "stolen_pu", 0.05, 0.0501),
    ],
)
def test_told_at_its_limit(code: str, grade: str, name: str, sound: Any, bad: Any) -> None:
    """Goal: D1 above the limit or told alone, nothing at it, nothing where it is not known.
    Method: each edge, in one cycle."""
    for value in (sound, nan) if code != "F76" else (sound,):
        assert read(0.0, Conditions(), **{name: value}).active == ()
    found = read(0.0, Conditions(), **{name: bad})
    assert [(c.code, c.grade, c.effect) for c in found.active] == [(code, grade, Effect.NOTE)]
    assert (found.level, found.stops) == (int(code in ("F70", "F78")), ())
    for seconds, told in ((1.0, True), (30.9, True), (31.0, False)):
        found = read(seconds, found, **{name: False if code == "F76" else 0.0})
        assert bool(found.active) is told, seconds


def test_a_processor_that_cools_down() -> None:
    """Goal: no chatter around the limit. Method: 80 degC ends it, a little more does not."""
    for cpu_c, told in ((80.0, False), (80.001, True)):
        found = read(0.0, Conditions(), cpu_c=86.0)
        for seconds in (1.0, 31.0):
            found = read(seconds, found, cpu_c=cpu_c)
        assert bool(found.active) is told

"""The limits in memory, held against what they were at the start (F81)."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.devices.check import check_site
from controller.runtime.seal import Seal
from controller.runtime.survey import terms
from controller.safety.terms import Terms
from tests.unit.safety.sites import at

SITE = Path("boards/sites/island-hall.yaml")


def put(limits: Terms, name: str, value: object) -> object:
    """Change one value, wherever it stands and frozen or not; returns what it was."""
    owner: object = limits
    *steps, last = name.split(".")
    for step in steps:
        owner = owner[int(step)] if step.isdigit() else getattr(owner, step)  # type: ignore[index]
    before: object = getattr(owner, last)
    object.__setattr__(owner, last, value)
    return before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("import_kw_max", 1600.0000001),
        ("pcs.0.discharge_kw_max", 5e9),
        ("cells.rows.0.charge_pu", (1.0,)),
        ("fallback.sheds.0.kw", 0.0),
        ("fallback.closed", 1),
    ],
)
def test_one_number_that_changes_is_seen(name: str, value: object) -> None:
    """Goal: no limit is left out, none may come back unseen. Method: one after the other, at the outside and deep
    within; then as it was."""
    limits = terms(check_site(SITE))
    seal = Seal(limits)
    seal.step(at(0.0))
    assert not seal.broken
    before = put(limits, name, value)
    seal.step(at(0.5))
    assert seal.broken
    put(limits, name, before)
    seal.step(at(1.0))
    assert seal.broken

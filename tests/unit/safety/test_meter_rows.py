"""F13: an energy counter that runs backwards is told once, and counts on from where it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.safety import meter_rows
from controller.state import Conditions
from tests.unit.safety.sites import TERMS, Story, telemetry


@pytest.mark.parametrize("name", ["import_kwh", "export_kwh"])
@pytest.mark.parametrize(
    ("first", "second", "told"), [(5.0, 5.0, False), (5.0, 5.1, False), (5.0, 4.9, True), (5.0, None, False),
                                  (None, 4.0, False), (9.0, 0.0, True)]
)  # fmt: skip
def test_backwards_is_told(name: str, first: float | None, second: float | None, told: bool) -> None:
    """Goal: F13 for either counter, at a standstill not. Method: two readings; one of them without the point."""
    story = Story()
    for k, kwh in enumerate((first, second)):
        values = {} if kwh is None else {name: kwh}
        assert ("F13" in story.feed(float(k), meter={"values": values})) is (told and k == 1)


def test_it_counts_on_from_there() -> None:
    """Goal: re-based, and over after a second. Method: a reset to zero, then onwards; a reading that is missing between
    two does not hide it."""
    story = Story()
    kwh: list[Any] = [100.0, None, 0.0, 1.0, 2.0, 3.0]
    found = [
        story.feed(0.5 * k, meter={"values": {} if x is None else {"import_kwh": x}})
        for k, x in enumerate(kwh)
    ]
    assert ["F13" in codes for codes in found] == [False, False, True, True, True, False]
    assert story.conditions.counters_kwh == {("meter-1", "import_kwh"): 3.0}


def test_the_larger_of_both_is_said_and_no_other_kind_counts() -> None:
    """Goal: the text has the worst; a converter's point of that name is none. Method: both back at once."""
    story = Story()
    for import_kwh, export_kwh in ((10.0, 10.0), (9.0, 7.0)):
        values = {"import_kwh": import_kwh, "export_kwh": export_kwh}
        story.feed(import_kwh, meter={"values": values}, pcs={"values": values})
    (told,) = (c for c in story.conditions.active if c.code == "F13")
    assert (told.subject, "3.0 kWh" in told.cause) == ("meter-1", True)
    bare = telemetry(0.0)
    gone = {name: device for name, device in bare.devices.items() if name != "meter-1"}
    kept = {("meter-1", "import_kwh"): 1.0}
    assert meter_rows.counters_of(TERMS, kept, replace(bare, devices=gone)) == kept
    assert Conditions().counters_kwh == {}

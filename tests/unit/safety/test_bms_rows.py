"""F43: a contactor that opens under load. F37: a rack that was too hot to go on by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.image import Mode
from controller.safety import bms_rows
from controller.state import Conditions, Converter
from tests.unit.safety.sites import TERMS, Story, at, telemetry
from tests.unit.safety.test_envelope import GRID_TIED

RUNS = Converter("pcs-1", 0.0, "running", fresh=True, armed=True, accepted=True)
OPENED = {"bms-1": (5, 1)}


def opened(dc_v: float | None = 0.0, t_ok_ns: int = 7, **before: object) -> dict[str, tuple[int, int]]:
    """Readings without voltage after one more."""
    values = {} if dc_v is None else {"dc_v": dc_v}
    seen = telemetry(1.0, bms={"values": values, "t_ok_ns": t_ok_ns})
    if dc_v is None:
        del seen.devices["bms-1"].values["dc_v"]  # type: ignore[attr-defined]
    return dict(bms_rows.opened_of(TERMS, replace(Conditions(converters=(RUNS,)), **before), seen))


@pytest.mark.parametrize(
    ("dc_v", "gone"), [(0.0, True), (9.9, True), (-9.9, True), (10.0, False), (None, False)]
)
def test_no_voltage_while_a_converter_runs(dc_v: float | None, gone: bool) -> None:
    """Goal: F43 below 10 V either way, not where nothing is told. Method: both edges; it also ends what there was."""
    assert opened(dc_v) == ({"bms-1": (7, 1)} if gone else {})
    assert opened(dc_v, opened=OPENED) == ({"bms-1": (7, 2)} if gone else {})


def test_at_rest_it_may_be_open() -> None:
    """Goal: what counts began under load, and goes on when the converter has tripped for it. Method: each state."""
    for other in ({"state": "standby"}, {"fresh": False}):
        rests = {"converters": (replace(RUNS, **other),)}
        assert opened(**rests) == {}
        assert opened(opened=OPENED, **rests) == {"bms-1": (7, 2)}
    assert opened(converters=(replace(RUNS, state="fault"), replace(RUNS, name="pcs-2"))) == {"bms-1": (7, 1)}
    assert opened(converters=()) == {}
    gone = replace(telemetry(1.0), devices={})
    assert bms_rows.opened_of(TERMS, Conditions(converters=(RUNS,), opened=OPENED), gone) == {}


def test_each_reading_counts_once() -> None:
    """Goal: two readings, not one seen twice. Method: the same, an older and a newer arrival."""
    assert opened(t_ok_ns=5, opened=OPENED) == OPENED
    assert opened(t_ok_ns=4, opened=OPENED) == OPENED
    assert opened(t_ok_ns=6, opened=OPENED) == {"bms-1": (6, 2)}


def test_an_opened_contactor_latches_with_its_second_reading() -> None:
    """Goal: class C, no closing by itself: the voltage that returns lifts nothing. Method: cycle by cycle."""
    story, running = Story(GRID_TIED), {"state": "running"}
    for cycle, (dc_v, latched) in enumerate(
        zip((800, 0, 800, 0, 0, 800, 800), (0, 0, 0, 0, 0, 1, 1), strict=True)
    ):
        now_s = 1.0 + 0.1 * cycle
        codes = story.feed(
            now_s, pcs=dict(running), bms={"values": {"dc_v": dc_v}, "t_ok_ns": at(now_s).t_ns}
        )
        assert ("F43" in codes) is bool(latched), cycle
    (found,) = [c for c in story.conditions.stops if c.code == "F43"]
    assert (found.grade, story.state.mode) == ("C", Mode.GRID_TIED)


@pytest.mark.parametrize(
    ("cell_c", "held_s", "latched"), [(60.0, 9.0, False), (60.1, 0.9, False), (60.1, 1.0, True)]
)
def test_too_hot_for_a_second_waits_for_a_person(cell_c: float, held_s: float, latched: bool) -> None:
    """Goal: F37 is class C above 60 degC, by more than one wild reading. Method: both edges, then cold again."""
    story = Story(GRID_TIED)
    for now_s in (1.0, 1.0 + held_s):
        assert "F37" in story.feed(now_s, bms={"values": {"cell_c_max": cell_c}})
    for now_s in (20.0, 51.0):
        codes = story.feed(now_s, bms={"values": {"cell_c_max": 30.0}})
    assert ("F37" in codes) is latched

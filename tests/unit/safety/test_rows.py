"""What rows of the fault table need to know before they speak: fresh, there, started, counted since."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isnan, nan
from typing import Any

import pytest

from controller.image import Frame, Mode, PortLook
from controller.safety import conditions, table
from controller.safety.look import Look
from controller.state import Asked, Conditions, Counts, ModeState, Sent
from tests.unit.safety.sites import BMS, METER, PCS, TERMS, Story, at, telemetry

GRID_TIED = ModeState(mode=Mode.GRID_TIED, t_since_ns=at(0).t_ns)
RUNS = {"state": "running"}
OPPOSED = {"grid_quality": 0, "grid_200ms_kw": -900.0}
DRIFTS = {"dc_v": 900.0, "dc_quality": 0}
SILENT: list[Any] = [
    ("F02", {"track": {**OPPOSED, "grid_quality": 1}}, {}),
    ("F02", {"track": OPPOSED, "meter": {"values": {"power_kw": nan}}}, {}),
    ("F02", {"track": OPPOSED, "meter": {"age_s": 0.601}}, {}),
    ("F02", {"track": OPPOSED}, {"meter": replace(METER, measures="pv")}),
    ("F09", {"track": DRIFTS, "pcs": {"values": {"dc_v": 800.0}, "age_s": 0.501}}, {}),
    ("F09", {"track": {**DRIFTS, "dc_quality": 2}, "pcs": {"values": {"dc_v": 800.0}}}, {}),
    ("F09", {"track": DRIFTS, "pcs": {"values": {"dc_v": 0.0}}}, {}),
    ("F10", {"track": DRIFTS, "bms": {"values": {"charge_v_max": 800.0}, "age_s": 0.601}}, {}),
    ("F10", {"track": {**DRIFTS, "dc_quality": 2}, "bms": {"values": {"charge_v_max": 800.0}}}, {}),
    ("F10", {"track": DRIFTS, "bms": {"values": {"charge_v_max": 0.0}}}, {}),
    ("F12", {"meter": {"age_s": 60.1}}, {"meter": replace(METER, measures="pv")}),
    ("F14", {"bms": {"values": {"cell_c_min": nan}}}, {}),
    (
        "F14",
        {"bms": {"values": {"cell_c_min": nan}, "age_s": 0.601}},
        {"bms": replace(BMS, tells_cell_c=True)},
    ),
    ("F22", {"pcs": {"values": {"pcs_kw": -500.0}, "age_s": 0.501}}, {}),
    ("F34", {"bms": {"alike": 99}}, {}),
    ("F34", {"bms": {"alike": 5, "values": {"heartbeat": 7.0}}}, {"bms": replace(BMS, period_s=0.5)}),
]
SPOKEN: list[Any] = [
    ("F09", {"track": DRIFTS, "pcs": {"values": {"dc_v": 1.0}}}, {}),
    ("F10", {"track": DRIFTS, "bms": {"values": {"charge_v_max": 1.0}}}, {}),
    ("F14", {"bms": {"values": {"cell_c_min": nan}}}, {"bms": replace(BMS, tells_cell_c=True)}),
    ("F14", {"bms": {"values": {"cell_c_max": nan}}}, {"bms": replace(BMS, tells_cell_c=True)}),
    ("F34", {"bms": {"alike": 6, "values": {"heartbeat": 0.0}}}, {"bms": replace(BMS, period_s=0.5)}),
]


def told(changes: dict[str, Any], parts: dict[str, Any], state: ModeState = GRID_TIED) -> set[str]:
    """Codes after 4 s of the same telemetry on a site with other parts."""
    own = {"pcs": PCS, "bms": BMS, "meter": METER} | parts
    story = Story(state, replace(TERMS, parts=tuple(own.values())))
    found: set[str] = set()
    for k in range(11):
        copied = {kind: dict(change) for kind, change in changes.items()}
        copied["pcs"] = RUNS | copied.get("pcs", {})
        found = story.feed(10.0 + 0.4 * k, **copied)
    return found


@pytest.mark.parametrize(("code", "changes", "parts"), SILENT)
def test_what_is_not_known_is_not_told(code: str, changes: dict[str, Any], parts: dict[str, Any]) -> None:
    """Goal: a stale, absent or senseless instrument accuses nobody. Method: a clear fault, one input of it missing."""
    assert code not in told(changes, parts)


@pytest.mark.parametrize(("code", "changes", "parts"), SPOKEN)
def test_what_is_known_is_told(code: str, changes: dict[str, Any], parts: dict[str, Any]) -> None:
    """Goal: the same faults with everything known. Method: the smallest voltage that is one; either temperature."""
    assert code in told(changes, parts)


def look(frame: dict[str, Any] | None = None, before: Conditions | None = None, seconds: float = 1.0,
         mode: ModeState = GRID_TIED, **pcs: Any) -> Look:  # fmt: skip
    """A row's view of the converter."""
    seen = telemetry(seconds, frame=frame, pcs=RUNS | pcs)
    device = seen.devices["pcs-1"]
    return Look(TERMS, before or Conditions(), mode, seen, at(seconds).t_ns, "pcs-1", PCS, device)


def test_a_frame_that_has_not_begun_has_no_age() -> None:
    """Goal: waiting is no fault, one frame is enough to speak. Method: no frame, one."""
    for frames, known in ((0, False), (1, True)):
        view = look({"frames": frames, "sample_age_s": 0.5, "t_ns": at(0.5).t_ns})
        assert (not isnan(table._sample_age_s(view)), not isnan(table._frame_age_s(view))) == (known, known)
    assert isnan(table._sample_age_s(look({"sample_age_s": inf})))


def test_counters_count_since_the_last_cycle() -> None:
    """Goal: what was counted before is not told again. Method: every counter of the frame begins at 5."""
    before = Conditions(frame=Frame(trips=5, holes=5, lease_lapses=20))
    assert table._frame_trips(look({"trips": 7}, before)) == 2.0
    assert table._lease_lapses(look({"trips": 7, "holes": 6, "lease_lapses": 25}, before)) == 5 - 2 - 1


def test_bus_counters_count_since_the_window_began() -> None:
    """Goal: F84, F85 over their window alone. Method: counters that begin at 40; too few replies."""
    first = PortLook("p", 1, unsolicited=40, heard=40, failed=4)
    counts = (Counts(at(-2.0).t_ns, (first,)), Counts(at(-0.5).t_ns, (first,)))
    now = replace(first, unsolicited=100, heard=50, failed=6)
    view = replace(look({"ports": (now,)}, Conditions(counts=counts), 0.0), subject="p")
    assert table._babble_bytes(view) == 60.0
    assert table._noise_pu(view) == pytest.approx(2 / 10)
    few = replace(look({"ports": (replace(now, heard=49),)}, Conditions(counts=counts), 0.0), subject="p")
    assert isnan(table._noise_pu(few))


@pytest.mark.parametrize(("missed", "seconds", "told"), [(5, 1.0, False), (6, 1.0, True), (6, 0.999, False)])
def test_ticks_without_a_sample_within_a_second(missed: int, seconds: float, told: bool) -> None:
    """Goal: F11 from the sixth on, within one second, not before it has been watched for one. Method: the
    counter begins at 40, and moved before the window as well."""
    counts = (
        Counts(at(-2.0).t_ns, (), 7),
        Counts(at(0.0).t_ns, (), 40),
        Counts(at(0.5).t_ns, (), 40 + missed),
    )
    before = Conditions(counts=counts if seconds >= 1.0 else counts[1:])
    seen = telemetry(seconds, frame={"samples_missed": 40 + missed})
    found = conditions.read(TERMS, before, GRID_TIED, seen, Asked(), at(seconds))
    assert ("F11" in {c.code for c in found.active}) is told
    assert found.level == 0
    assert found.counts[-1].missed == 40 + missed


def test_a_converter_that_synchronises_has_its_enter_service_time() -> None:
    """Goal: F20 waits 600 s for one that says starting, and for one that is to stop for ever. Method: the ages."""
    assert table._pcs_start_s(look(seconds=615.0, state="starting")) == 15.0
    assert table._pcs_start_s(look(seconds=15.0, state="standby")) == 15.0
    stopping = replace(GRID_TIED, t_stopping_ns=1)
    assert isnan(table._pcs_start_s(look(seconds=15.0, mode=stopping, state="standby")))


@pytest.mark.parametrize(
    ("seconds", "stopping_s", "known"),
    [(4.8, 0.0, False), (4.9, 0.0, True), (4.9, 4.0, False), (8.9, 4.0, True)],
)
def test_a_stop_has_five_seconds(seconds: float, stopping_s: float, known: bool) -> None:
    """Goal: F22 from 4.8 s after the stop was asked for, not after the mode began. Method: both edges."""
    for since_s in (0.0, -100.0) if stopping_s else (0.0,):
        asked_ns = at(stopping_s).t_ns if stopping_s else 0
        state = ModeState(mode=Mode.SAFE_STOP, t_since_ns=at(since_s).t_ns, t_stopping_ns=asked_ns)
        view = look(seconds=seconds, mode=state, values={"pcs_kw": -500.0})
        assert table._pcs_stuck_pu(view) == pytest.approx(0.5 if known else nan, nan_ok=True)


def trace(*sent: tuple[float, float]) -> Conditions:
    """What the converter was told: seconds and kW."""
    return Conditions(traces={"pcs-1": tuple(Sent(at(t_s).t_ns, kw - 1.0, kw + 1.0) for t_s, kw in sent)})


STEPS = ((0.0, 10.0), (0.4, 20.0), (0.5, 30.0), (0.8, 40.0), (1.1, 50.0), (1.2, 60.0))
TOLD: list[Any] = [
    # read at 1.0 s: what was in force 0.5 s before, and all that was told until 0.1 s after
    (STEPS, {}, (29.0, 51.0)),
    (STEPS, {"t_ok_ns": at(1.0).t_ns - 1}, (19.0, 41.0)),
    (((0.5, 30.0), (0.8, 40.0)), {}, (29.0, 41.0)),
    (((0.501, 30.0), (0.8, 40.0)), {}, None),
    ((), {}, None),
    (STEPS, {"state": "standby"}, None),
    (STEPS, {"age_s": 0.501}, None),
]


@pytest.mark.parametrize(("sent", "pcs", "expected"), TOLD)
def test_the_setpoints_that_may_explain_a_power(
    sent: Any, pcs: dict[str, Any], expected: tuple[float, float] | None
) -> None:
    """Goal: F20, F21: the one in force when the settling time began, and all since. Method: each edge."""
    view = look(before=trace(*sent), seconds=1.2, **{"t_ok_ns": at(1.0).t_ns, "age_s": 0.2, **pcs})
    assert table.told_kw(view) == expected


def test_nobody_is_blamed_while_no_power_may_flow() -> None:
    """Goal: no setpoint counts outside GRID_TIED, in a stop, behind a barred port or for no converter at all."""
    view = look(before=trace(*STEPS), seconds=1.2, t_ok_ns=at(1.0).t_ns, age_s=0.2)
    assert table.told_kw(view) is not None
    for state in (ModeState(mode=Mode.STANDBY), replace(GRID_TIED, t_stopping_ns=1)):
        assert table.told_kw(replace(view, state=state)) is None
    assert table.told_kw(replace(view, part=replace(PCS, port="p"), barred=("p",))) is None
    assert table.told_kw(replace(view, device=None)) is None
    assert table.told_kw(replace(view, part=None)) is None
    assert not replace(view, part=None).fresh


@pytest.mark.parametrize(
    ("sent_kw", "power_kw", "ignored_kw", "opposed"),
    [
        (100.0, 100.0, 0.0, 0.0), (100.0, 69.0, 30.0, 0.0), (100.0, 101.5, 0.5, 0.0), (100.0, 99.0, 0.0, 0.0),
        (22.0, -20.0, 41.0, 0.0), (22.0, -20.1, 41.1, 1.0), (21.0, -21.0, 41.0, 0.0),
        (-22.0, 20.0, 41.0, 0.0), (-22.0, 20.1, 41.1, 1.0), (-21.0, 21.0, 41.0, 0.0),
    ],
)  # fmt: skip
def test_how_far_a_converter_is_off(
    sent_kw: float, power_kw: float, ignored_kw: float, opposed: float
) -> None:
    """Goal: the distance to what was told, and whether both are clearly of opposite sign. Method: 20 kW both ways
    of what the converter was told between two cycles, 1 kW more or less."""
    view = look(before=trace((0.0, sent_kw)), seconds=1.0, t_ok_ns=at(1.0).t_ns, values={"pcs_kw": power_kw})
    assert table._ignored_kw(view) == pytest.approx(ignored_kw)
    assert table._opposed(view) == opposed


def test_a_value_of_nobody_is_not_known() -> None:
    """Goal: a row about a value waits for its device; a sign turns it around. Method: none, both signs."""
    view = look(values={"pcs_kw": 4.0})
    assert (table._value("pcs_kw")(view), table._value("pcs_kw", -1.0)(view)) == (4.0, -4.0)
    assert isnan(table._value("pcs_kw")(replace(view, device=None)))

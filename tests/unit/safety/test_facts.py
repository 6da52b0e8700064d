"""Facts at their rare edges: a sun that is not told, a device that is not there, a meter that is silent."""

from __future__ import annotations

from dataclasses import replace
from math import isnan
from typing import Any

import pytest

from controller.image import Device, PortLook, Telemetry, Track
from controller.safety import facts, hall
from controller.safety.hall import Hall
from controller.safety.terms import Part
from controller.state import Answers, Battery, Conditions, Counts, Sent
from controller.units import ns
from tests.unit.safety.halls import HALL_TERMS, seen
from tests.unit.safety.sites import BMS, TERMS, at, telemetry
from tests.unit.safety.test_modes import READY

SUN = Part("sun", "meter", 0.2, measures="pv")
SUNNY = replace(TERMS, parts=(*TERMS.parts, SUN), pv_kw_max=500.0)


def with_sun(age_s: float, **values: float) -> Telemetry:
    """Telemetry with a PV meter."""
    base = telemetry(0.0)
    return replace(base, devices={**base.devices, "sun": Device("sun", "meter", values, age_s)})


def test_the_sun() -> None:
    """Goal: IL-09: known only from a fresh meter. Method: no sun, no meter, silent, at the edge, no value."""
    assert facts.pv_of(TERMS, telemetry(0.0)) == 0.0
    assert isnan(facts.pv_of(replace(TERMS, pv_kw_max=5.0), telemetry(0.0)))
    assert isnan(facts.pv_of(SUNNY, telemetry(0.0)))
    assert facts.pv_of(SUNNY, with_sun(SUN.stale_s, power_kw=80.0)) == 80.0
    assert isnan(facts.pv_of(SUNNY, with_sun(SUN.stale_s + 0.01, power_kw=80.0)))
    assert isnan(facts.pv_of(SUNNY, with_sun(0.0)))


def test_a_converter_that_is_not_there() -> None:
    """Goal: it is neither fresh nor accepted. Method: telemetry without it."""
    base = telemetry(0.0)
    gone = replace(base, devices={k: v for k, v in base.devices.items() if k != "pcs-1"})
    (found,) = facts.converters_of(TERMS, Conditions(), gone)
    assert (found.state, found.pcs_kw) == ("unknown", 0.0)
    assert not (found.fresh or found.armed or found.accepted)
    assert facts.unanswered(TERMS, {}) == ("pcs-1", "bms-1", "meter-1")


@pytest.mark.parametrize(("t_ok_s", "opened"), [(0.5, False), (0.51, True)])
def test_a_port_opens_by_a_read_after_its_return(t_ok_s: float, opened: bool) -> None:
    """Goal: BUS-14 for a device without identity. Method: its last reply just at and after the port's return."""
    terms = replace(
        TERMS, parts=(*TERMS.parts[:1], replace(TERMS.parts[1], port="p"), TERMS.parts[2]), ports=("p",)
    )
    base = telemetry(1.0)
    rack = replace(base.devices["bms-1"], t_ok_ns=at(t_ok_s).t_ns)
    look = PortLook("p", at(0.5).t_ns)
    now = replace(base, devices={**base.devices, "bms-1": rack}, frame=replace(base.frame, ports=(look,)))
    before = Conditions(ports_barred=("p",))
    assert facts.barred_of(terms, before, now) == (() if opened else ("p",))


def test_a_silent_meter_tells_nothing_of_the_grid() -> None:
    """Goal: no number out of a stale meter. Method: no meter among the parts."""
    blind = replace(HALL_TERMS, parts=HALL_TERMS.parts[:2])
    found = hall.read(blind, Hall(), READY, seen(0.0), at(0.0))
    assert isnan(found.grid_kw)
    assert found.t_utility_ns == 0


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({"frame": {"sample_age_s": 0.010}}, True),
        ({"frame": {"sample_age_s": 0.0101}}, False),
        ({"frame": {"sample_age_s": -0.0101}}, False),
        ({"pcs": {"age_s": 0.5}}, True),
        ({"pcs": {"age_s": 0.501}}, False),
        ({"bms": {"age_s": 0.601}}, False),
        ({"meter": {"age_s": 0.601}}, False),
        ({"gone": "bms-1"}, False),
    ],
)
def test_inputs_are_fresh_together(changes: dict[str, Any], good: bool) -> None:
    """Goal: every mandatory input at its edge; one that is not there is not fresh. Method: the table."""
    gone = changes.pop("gone", "") if "gone" in changes else ""
    told = telemetry(0.0, **{kind: dict(change) for kind, change in changes.items()})
    told = replace(told, devices={name: it for name, it in told.devices.items() if name != gone})
    assert facts.fresh(TERMS, told) is good


@pytest.mark.parametrize(("age_s", "count"), [(0.109, 1), (0.1089, 2)])
def test_a_reply_is_newer_by_more_than_a_millisecond(age_s: float, count: int) -> None:
    """Goal: the jitter of one reply is no second one. Method: 1 ms and more after the first."""
    first = facts.answers_of(TERMS, Conditions(), telemetry(0.0), at(0.0))
    told = telemetry(0.1, pcs={"age_s": age_s})
    assert facts.answers_of(TERMS, Conditions(answers=first), told, at(0.1))["pcs-1"].count == count


TWO = replace(
    TERMS,
    parts=(
        replace(TERMS.parts[0], port="p"),
        replace(TERMS.parts[0], name="pcs-2", port="p"),
        *TERMS.parts[1:],
    ),
    ports=("p",),
)


@pytest.mark.parametrize(
    ("t_taken_ns", "first", "second", "opened"),
    [
        (at(0.5).t_ns, (0.6, 0.6), (0.6, 0.6), True),
        (at(0.5).t_ns, (0.6, 0.6), (0.6, 0.5), False),
        (at(0.5).t_ns, (0.6, 0.5), (0.6, 0.6), False),
        (at(0.5).t_ns, (0.6, 0.6), (0.5, 0.6), False),
        (1, (0.6, 0.6), (0.6, 0.6), True),
        (0, (0.6, 0.6), (0.6, 0.6), False),
    ],
)
def test_every_device_of_a_port_is_verified_before_it_opens(
    t_taken_ns: int, first: tuple[float, float], second: tuple[float, float], opened: bool
) -> None:
    """Goal: BUS-14: status and identity read after the port's return, of each. Method: two converters on one port."""
    base = telemetry(1.0)
    pcs = {
        name: replace(base.devices["pcs-1"], name=name, t_ok_ns=at(ok_s).t_ns, t_identity_ns=at(known_s).t_ns)
        for name, (ok_s, known_s) in (("pcs-1", first), ("pcs-2", second))
    }
    now = replace(
        base, devices={**base.devices, **pcs}, frame=replace(base.frame, ports=(PortLook("p", t_taken_ns),))
    )
    assert facts.barred_of(TWO, Conditions(ports_barred=("p",)), now) == (() if opened else ("p",))


def test_how_far_back_is_remembered() -> None:
    """Goal: setpoints for 0.5 + 0.5 + 0.2 s, counters for 2.0 s, misses for 1 s; no longer, no shorter.
    Method: one entry at the edge, one a nanosecond older."""
    now = at(10.0)

    def back(age_s: float) -> tuple[int, int]:
        return now.t_ns - ns(age_s), now.t_ns - ns(age_s) - 1

    sent = tuple(Sent(t_ns, 5.0, 5.0) for t_ns in back(1.2))
    told = telemetry(
        10.0,
        frame={"sent_kw_low": (6.0,), "sent_kw_high": (7.0,), "ports": (PortLook("p", 1),), "skipped": 51},
    )
    traces = facts.traces_of(TERMS, Conditions(traces={"pcs-1": sent}), told, now)
    assert traces == {"pcs-1": (sent[0], Sent(now.t_ns, 6.0, 7.0))}
    counts = tuple(Counts(t_ns, ()) for t_ns in back(2.0))
    found = facts.counts_of(Conditions(counts=counts), told, now)
    assert found == (counts[0], Counts(now.t_ns, told.frame.ports))
    young = now.t_ns - ns(1.0) + 1
    misses = facts.frame_misses_of(TERMS, Conditions(t_frame_misses_ns=(young - 1, young)), told, now)
    assert misses == (young, now.t_ns)


@pytest.mark.parametrize(("age_s", "word", "expected"), [
    (0.5, 1.0, (True, True)), (0.501, 1.0, (False, True)), (0.0, 0.0, (True, False)), (0.0, None, (True, False)),
])  # fmt: skip
def test_a_converter_as_read(age_s: float, word: float | None, expected: tuple[bool, bool]) -> None:
    """Goal: fresh until its edge; it forms only where it says so. Method: ages and words."""
    values = {} if word is None else {"form_word": word}
    (found,) = facts.converters_of(
        TERMS, Conditions(), telemetry(0.0, pcs={"age_s": age_s, "values": values})
    )
    assert (found.fresh, found.forming) == expected


RACK = telemetry(0.0).devices["bms-1"]
RACKS = replace(TERMS, parts=(*TERMS.parts, replace(TERMS.parts[1], name="bms-2")))


@pytest.mark.parametrize(("age_s", "taken"), [(BMS.stale_s, True), (0.601, False)])
def test_one_stale_rack_freezes_the_battery(age_s: float, taken: bool) -> None:
    """Goal: IL-04: no new numbers while one of two racks is stale. Method: its age at the edge."""
    base = telemetry(0.0)
    racks = {"bms-1": RACK, "bms-2": replace(RACK, name="bms-2", age_s=age_s)}
    told = replace(base, devices={**base.devices, **racks})
    answers = {name: Answers(1, 1) for name in ("bms-1", "bms-2")}
    found = facts.battery_of(RACKS, Battery(), told, answers, at(0.0))
    assert (repr(found) != repr(Battery())) is taken  # nan is not equal to itself


def test_what_several_racks_say_together() -> None:
    """Goal: power is the sum, SOC the ends; one that is silent about a number makes it unknown. Method: two racks."""
    one = replace(
        RACK, values={"soc_pct": 40.0, "dc_a": 100.0, "dc_v": 800.0, "cell_v_min": 3.1, "cell_v_max": 3.2,
                      "cell_c_min": 21.0}
    )  # fmt: skip
    two = replace(
        RACK, values={"soc_pct": 60.0, "dc_a": -50.0, "dc_v": 700.0, "cell_v_min": 3.2, "cell_v_max": 3.4,
                      "cell_c_min": 12.0}
    )  # fmt: skip
    found = facts.reading_of([one, two], Track(dc_kwh=7.0, dc_s=3.0))
    assert (found.soc_pct_low, found.soc_pct_high, found.dc_kw) == (40.0, 60.0, 45.0)
    assert (found.cell_v_low, found.cell_v_high) == (3.2, 3.2)
    assert (found.frame_kwh, found.frame_s, found.cell_c_low) == (7.0, 3.0, 12.0)
    silent = facts.reading_of([one, replace(two, values={"dc_a": 1.0, "dc_v": 700.0})], Track())
    assert isnan(silent.soc_pct_low)
    assert isnan(silent.cell_v_high)

"""Facts at their rare edges: a sun that is not told, a device that is not there, a meter that is silent."""

from __future__ import annotations

from dataclasses import replace
from math import isnan

import pytest

from controller.image import Device, PortLook, Telemetry
from controller.safety import facts, hall
from controller.safety.hall import Hall
from controller.safety.terms import Part
from controller.state import Conditions
from tests.unit.safety.halls import HALL_TERMS, seen
from tests.unit.safety.sites import TERMS, at, telemetry
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

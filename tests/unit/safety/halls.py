"""A hall with two gensets and a switch for the tests of life without the grid, healthy unless told otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controller.image import Device, Mode, Telemetry
from controller.safety.hall import Hall, Phase, SetRun
from controller.safety.terms import FallbackTerms, SetPart, Shed
from controller.safety.transition import View
from controller.state import Asked, Conditions, Converter, ModeState
from tests.unit.safety.sites import TERMS, at, telemetry
from tests.unit.safety.test_modes import READY, fault, with_faults

FALLBACK = FallbackTerms(
    frequency_hz=50.0,
    switch="ats-1",
    positions={"source-1": "grid", "source-2": "genset", "open": "open"},
    switch_orders={"grid": "source-1", "genset": "source-2", "open": "open"},
    grid_word="source_1_word",
    switch_stale_s=0.5,
    sets=(SetPart("genset-1", 800.0, 3.0), SetPart("genset-2", 600.0, 3.0)),
    sheds=(Shed("queue", 150.0, 40.0), Shed("training", 250.0, 25.0)),
)
HALL_TERMS = replace(
    TERMS,
    parts=(replace(TERMS.parts[0], can_form=True), *TERMS.parts[1:]),
    fallback=FALLBACK,
)
SET = {"frequency_hz": 50.0, "speed_rpm": 1500.0, "fuel_pct": 80.0, "coolant_c": 40.0, "power_kw": 300.0}


def running(name: str = "genset-1", **values: float) -> Device:
    """A genset that runs."""
    return Device(name, "genset", {**SET, **values}, 0.1, state="running")


def standing(name: str = "genset-1", state: str = "off", **values: float) -> Device:
    """A genset that stands."""
    still = {"frequency_hz": 0.0, "speed_rpm": 0.0, "fuel_pct": 80.0, "coolant_c": 40.0, "power_kw": 0.0}
    return Device(name, "genset", {**still, **values}, 0.1, state=state)


def switch(state: str, seconds: float, age_s: float = 0.02, **values: float) -> Device:
    """The switch as read age_s before `seconds`."""
    words = {"source_1_word": 1.0, "sync_word": 0.0, "dead_word": 0.0}
    return Device("ats-1", "ats", {**words, **values}, age_s, state=state, t_ok_ns=at(seconds - age_s).t_ns)


def seen(seconds: float, *devices: Device, track: dict[str, Any] | None = None, **meter: float) -> Telemetry:
    """Telemetry of the hall: the healthy site, a meter that tells the grid, and these devices."""
    told = {"voltage_v": 230.0, "frequency_hz": 50.0, **meter}
    base = telemetry(seconds, track=track, meter={"values": told})
    return replace(base, devices={**base.devices, **{device.name: device for device in devices}})


def view(mode: Mode, hall: Hall, seconds: float = 0.0, *, conditions: Conditions = READY, asked: Asked | None = None,
         terms: Any = HALL_TERMS, **state: Any) -> View:  # fmt: skip
    """A view of the hall in a mode since 10 s."""
    here = ModeState(mode=mode, **{"t_since_ns": at(-10.0).t_ns, "wanted": True, **state})
    return View(terms, here, conditions, asked or Asked(), at(seconds), hall)


def since(seconds: float) -> int:
    """An instant."""
    return at(seconds).t_ns


FORMS = replace(
    READY,
    converters=(Converter("pcs-1", 400.0, "running", fresh=True, armed=True, accepted=True, forming=True),),
)
FOLLOWS = replace(FORMS, converters=(replace(FORMS.converters[0], forming=False),))
LONG = at(-400.0).t_ns
HEALTHY = Hall(position="grid", t_bus_ns=LONG, t_utility_ns=LONG, t_position_ns=LONG, load_kw=500.0)
ISLAND = Hall(position="open", t_bus_ns=LONG, t_position_ns=LONG, load_kw=500.0)
READY_SET = {"genset-1": SetRun(phase=Phase.READY, t_on_ns=LONG)}
LOCKED = {name: SetRun(phase=Phase.LOCKED) for name in ("genset-1", "genset-2")}
LOST = with_faults(replace(fault("A"), code="F48"))


def soc(low: float, high: float = 60.0, base: Conditions = FORMS) -> Conditions:
    """The same with another state of charge."""
    return replace(base, battery=replace(base.battery, soc_pct_low=low, soc_pct_high=high))


DARK = Hall(position="open", t_dead_ns=since(-5.0), utility_dead=True)

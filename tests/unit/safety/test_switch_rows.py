"""F54: a switch whose contacts say one thing and the power another, and all that must not be taken for it."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from controller.image import Mode
from controller.safety import conditions, switch_rows
from controller.safety.hall import Hall
from controller.state import Asked, Conditions, Converter, Loss, ModeState
from tests.unit.safety.halls import HALL_TERMS, ISLAND, LONG, running, seen, since, switch
from tests.unit.safety.sites import METER, TERMS, at

STATE = ModeState(mode=Mode.GRID_TIED, t_since_ns=LONG)
AT_GRID, AT_GENSET = replace(ISLAND, position="grid"), replace(ISLAND, position="genset")
UNMETERED = replace(HALL_TERMS, parts=HALL_TERMS.parts[:2])
SUN = replace(HALL_TERMS, parts=(*HALL_TERMS.parts, replace(METER, name="meter-2", measures="pv")))
DEAD = replace(ISLAND, t_bus_ns=0)  # no bus lives behind the switch
PCS_2 = replace(HALL_TERMS.parts[0], name="pcs-2")
TWO = replace(HALL_TERMS, parts=(*HALL_TERMS.parts, PCS_2))
FEW_S = 0.01  # age of what is read


def without_2(low_kw: float, high_kw: float, *, forming: bool = False, fresh: bool = False) -> dict[str, Any]:
    """The second converter is left out and may carry this; the first gives nothing. fresh: it is heard again."""
    told = [Converter(part.name, nan, "running", fresh=False, armed=False, accepted=True) for part in TWO.pcs]
    converters = (told[0], replace(told[1], forming=forming, fresh=fresh))
    losses = {"pcs-2": Loss(LONG, low_kw, high_kw)}
    return {"terms": TWO, "before": Conditions(pv_kw=0.0, converters=converters, losses=losses)}


def judged(hall: Hall = ISLAND, word: str = "open", load_kw: float = 200.0, pcs_kw: float = 0.0, grid_kw: float = 200.0,
           set_kw: tuple[float, float] = (0.0, 0.0), pv_kw: float = 0.0, terms: Any = HALL_TERMS,
           before: Conditions | None = None, silent: bool = False, second_kw: float = nan,
           ages_s: tuple[float, float, float] = (FEW_S, FEW_S, FEW_S), **ats: float) -> bool:  # fmt: skip
    """Whether the row speaks in one cycle. ages_s: of converter, meter and gensets."""
    sets = [running(f"genset-{k + 1}", power_kw=kw) for k, kw in enumerate(set_kw)]
    told = seen(0.0, switch(word, 0.0, **ats), *sets, track={"load_kw_mean": load_kw}, power_kw=grid_kw)
    devices = dict(told.devices)
    devices["pcs-1"] = replace(devices["pcs-1"], values={"pcs_kw": pcs_kw})
    devices["pcs-2"] = replace(
        devices["pcs-1"], name="pcs-2", values={"pcs_kw": second_kw}, t_ok_ns=at(-FEW_S).t_ns
    )
    names = {"pcs-1": ages_s[0], "meter-1": ages_s[1], "genset-1": ages_s[2], "genset-2": ages_s[2]}
    for name, age_s in names.items():
        devices[name] = replace(devices[name], age_s=age_s, t_ok_ns=at(-age_s).t_ns)
    if silent:
        devices["meter-1"] = replace(devices["meter-1"], age_s=0.601)
    before = before or Conditions(pv_kw=pv_kw)
    found = conditions.read(terms, before, STATE, replace(told, devices=devices), Asked(), at(0.0), hall)
    return "F54" in {c.code for c in found.active}


FORMED = {
    "before": Conditions(
        pv_kw=0.0,
        converters=(Converter("pcs-1", 0.0, "running", fresh=True, armed=True, accepted=True, forming=True),),
    )
}
EDGES: list[Any] = [
    ("5 % of the connection, 3000 kW, are borne", {"grid_kw": 150.0}, False),
    ("more are not", {"grid_kw": 150.1}, True),
    ("nor more into the grid", {"grid_kw": -150.1}, True),
    ("the bus is fed by 5 %, and something is tapped off before the switch", {"load_kw": 150.0}, False),
    ("by more", {"load_kw": 150.1}, True),
    ("converters carry it all", {"pcs_kw": 200.0}, False),
    ("converters carry some", {"pcs_kw": 49.9}, True),
    ("converters charge from it", {"load_kw": 0.0, "pcs_kw": -150.1, "grid_kw": 151.0}, True),
    ("5 % of a set of 800 kW", {"grid_kw": 0.0, "set_kw": (40.0, 0.0)}, False),
    ("more", {"grid_kw": 0.0, "set_kw": (40.1, 0.0)}, True),
    ("of the other, 600 kW", {"grid_kw": 0.0, "set_kw": (0.0, 30.1)}, True),
    ("the larger of all counts", {"grid_kw": 150.1, "set_kw": (1.0, 1.0)}, True),
    ("a set on a bench, the bus carried by converters", {"pcs_kw": 200.0, "set_kw": (400.0, 0.0)}, False),
    ("at the grid, and the grid gives", {"hall": AT_GRID, "word": "source-1"}, False),
    ("at the grid, and a set gives while the grid gives nothing",
     {"hall": AT_GRID, "word": "source-1", "grid_kw": 150.0, "set_kw": (200.0, 0.0)}, True),
    ("and the grid gives, too", {"hall": AT_GRID, "word": "source-1", "grid_kw": 150.1, "set_kw": (200.0, 0.0)}, False),
    ("at the grid, of which no meter tells",
     {"hall": AT_GRID, "word": "source-1", "set_kw": (200.0, 0.0), "terms": UNMETERED}, False),
    ("open, and no meter of the grid", {"set_kw": (200.0, 0.0), "terms": UNMETERED}, True),
    ("at the genset, and the grid gives", {"hall": AT_GENSET, "word": "source-2"}, True),
    ("at the genset, and it gives", {"hall": AT_GENSET, "word": "source-2", "set_kw": (40.1, 0.0)}, False),
    ("not proven", {"hall": replace(ISLAND, position="", t_position_ns=0)}, False),
    ("proven, and the newest word is another", {"word": "source-1"}, False),
    ("of no known word and not proven", {"word": "between", "hall": replace(ISLAND, position="")}, False),
    ("a site that knows no fallback", {"terms": TERMS}, False),
    ("the sun feeds the bus", {"load_kw": 200.0, "pv_kw": 200.0, "terms": SUN}, False),
    ("or it comes in before the switch", {"load_kw": 0.0, "grid_kw": -200.0, "pv_kw": 200.0, "terms": SUN}, False),
    ("it does not feed all", {"load_kw": 400.0, "pv_kw": 200.0, "terms": SUN}, True),
    ("the sun is not known", {"hall": DEAD, "pv_kw": nan, "terms": SUN}, False),
    ("the load is not known", {"hall": DEAD, "load_kw": nan}, False),
    ("but the bus lives by itself", {"load_kw": nan}, True),
    ("with no more than 5 % at the meter", {"load_kw": nan, "grid_kw": 150.0}, False),
    ("or nothing told by the meter", {"load_kw": nan, "silent": True}, False),
    ("or a converter forms it", FORMED | {"load_kw": nan}, False),
    ("the meter tells no number", {"grid_kw": nan}, False),
    ("the meter is silent, and a converter forms the bus", FORMED | {"silent": True}, False),
    ("nobody forms it, and it lives", {"silent": True}, True),
    ("by 5 %", {"silent": True, "load_kw": 150.0}, False),
    ("by more", {"silent": True, "load_kw": 150.1}, True),
    ("into the connection", {"silent": True, "load_kw": 0.0, "pcs_kw": 150.1}, True),
    ("it does not live", {"silent": True, "hall": replace(ISLAND, t_bus_ns=0)}, False),
    ("a genset keeps it alive", {"silent": True, "hall": AT_GENSET, "word": "source-2"}, False),
    ("a set tells nothing either", {"grid_kw": 0.0, "set_kw": (nan, nan)}, False),
    ("nor the converter", {"hall": DEAD, "pcs_kw": nan}, False),
    ("nor the second", {"hall": DEAD, "terms": TWO}, False),
    ("that is left out at rest", without_2(0.0, 0.0), True),
    ("or may carry what leaves 5 %", without_2(-50.0, 50.0), False),
    ("or more", without_2(-50.0, 49.9), True),
    ("or some of what flows into the grid",
     {"pcs_kw": 400.0, "grid_kw": -200.0} | without_2(-50.0, 50.0), False),
    ("and leaves more", {"pcs_kw": 400.0, "grid_kw": -200.0} | without_2(-49.9, 50.0), True),
    ("or all", without_2(0.0, 999.0), False),
    ("or all that flows into the grid", {"pcs_kw": 400.0, "grid_kw": -200.0} | without_2(-999.0, 0.0), False),
    ("or formed the bus when it was last heard", without_2(0.0, 0.0, forming=True), False),
    ("or is heard again, and forms the bus",
     {"second_kw": 49.9} | without_2(-999.0, 999.0, forming=True, fresh=True), True),
    ("and carries it", {"second_kw": 50.0} | without_2(-999.0, 999.0, forming=True, fresh=True), False),
    ("or is heard again and tells no number",
     {"hall": DEAD, "second_kw": nan} | without_2(0.0, 0.0, fresh=True), False),
    ("a converter at its stale age", {"ages_s": (0.5, FEW_S, FEW_S)}, True),
    ("beyond it", {"hall": DEAD, "ages_s": (0.501, FEW_S, FEW_S)}, False),
    ("a meter at its stale age", {"ages_s": (FEW_S, 0.6, FEW_S)}, True),
    ("and it tells that nothing flows", {"grid_kw": 0.0, "ages_s": (FEW_S, METER.stale_s, FEW_S)}, False),
    ("beyond it, and a converter forms the bus", FORMED | {"ages_s": (FEW_S, 0.601, FEW_S)}, False),
    ("beyond it, and it lives by itself", {"ages_s": (FEW_S, 0.601, FEW_S)}, True),
    ("a set at its stale age", {"grid_kw": 0.0, "set_kw": (400.0, 0.0), "ages_s": (FEW_S, FEW_S, 3.0)}, True),
    ("beyond it", {"grid_kw": 0.0, "set_kw": (400.0, 0.0), "ages_s": (FEW_S, FEW_S, 3.001)}, False),
]  # fmt: skip


@pytest.mark.parametrize(("what", "changes", "told"), EDGES, ids=[f"{k}" for k in range(len(EDGES))])
def test_power_against_position(what: str, changes: dict[str, Any], told: bool) -> None:
    """Goal: F54 at both sides of every limit, and silent on one witness or on what is not known. Method: the table."""
    assert judged(**changes) is told, what


@pytest.mark.parametrize("which", [0, 1])
def test_a_power_of_before_the_movement_accuses_nobody(which: int) -> None:
    """Goal: a reading counts from 50 ms after the position was proven. Method: converter and meter at both sides."""
    proven = replace(DEAD, t_position_ns=since(-0.15))
    for age_s, told in ((0.1, True), (0.101, False)):
        ages_s = [FEW_S, FEW_S, FEW_S]
        ages_s[which] = age_s
        assert judged(proven, ages_s=(ages_s[0], ages_s[1], ages_s[2])) is told


def test_it_waits_for_a_person_at_the_box() -> None:
    """Goal: the class D lock-out has a cure in words. Method: the row."""
    (row,) = switch_rows.ROWS
    assert (row.subjects, row.lone, row.islands) == ("ats", False, True)
    assert "position contacts" in row.cure

"""What each mode asks of switch, converters, gensets and load; what the interlocks let through."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan
from typing import Any

import pytest

from controller.image import Mode
from controller.safety import envelope, fallback, interlocks, orders
from controller.safety.hall import Hall, Phase, SetRun
from controller.state import Conditions, Effect
from tests.unit.safety.halls import (
    DARK,
    FALLBACK,
    FOLLOWS,
    FORMS,
    HALL_TERMS,
    HEALTHY,
    ISLAND,
    LONG,
    READY_SET,
    running,
    since,
    soc,
    standing,
    view,
)
from tests.unit.safety.sites import TERMS, at
from tests.unit.safety.test_modes import fault, with_faults

POSITIONS: list[Any] = [
    (Mode.GRID_TIED, HEALTHY, {}, "", False),
    (Mode.ISLANDING, HEALTHY, {"row": "T04"}, "open", False),
    (Mode.ISLANDING, replace(HEALTHY, t_balanced_ns=since(-1.9)), {"row": "T03"}, "", False),
    (Mode.ISLANDING, replace(HEALTHY, t_balanced_ns=since(-2.0)), {"row": "T03"}, "open", False),
    (Mode.ISLANDING, replace(HEALTHY, position=""), {"row": "T04"}, "open", None),
    (Mode.ISLANDING, replace(HEALTHY, position="genset"), {"row": "T04"}, "open", False),
    (Mode.ISLANDING, ISLAND, {"row": "T03"}, "open", True),
    (Mode.ISLANDED, ISLAND, {}, "", True),
    (Mode.ISLANDED, replace(ISLAND, position=""), {}, "", None),
    (Mode.ISLANDED, replace(ISLAND, position="grid"), {}, "", False),
    (Mode.ISLANDED, replace(ISLAND, position="genset"), {}, "", False),
    (Mode.GENSET_START, ISLAND, {}, "", True),
    (Mode.GENSET_START, replace(ISLAND, sets=READY_SET), {}, "genset", True),
    (Mode.GENSET_START, replace(ISLAND, position=""), {}, "", None),
    (Mode.GENSET_START, replace(ISLAND, position="genset"), {}, "", False),
    (Mode.GENSET, replace(ISLAND, position="genset"), {}, "", False),
    (Mode.GENSET, replace(ISLAND, position="genset", t_utility_ns=LONG), {}, "open", False),
    (Mode.GENSET, replace(ISLAND, t_utility_ns=LONG), {}, "open", True),
    (Mode.GENSET, replace(ISLAND, position="genset"), {"conditions": with_faults(replace(fault("C",
     Effect.NOTE), code="F58"))}, "open", False),
    (Mode.RESYNC, replace(ISLAND, t_utility_ns=LONG), {}, "grid", True),
    (Mode.RESYNC, ISLAND, {}, "", True),
    (Mode.RESYNC, replace(ISLAND, position=""), {}, "grid", None),
    (Mode.RESYNC, replace(ISLAND, position="grid"), {}, "grid", False),
    (Mode.RESYNC, HEALTHY, {}, "grid", False),
    (Mode.LOCKOUT, HEALTHY, {"row": "T10", "conditions": FORMS}, "open", False),
    (Mode.LOCKOUT, HEALTHY, {"row": "T10", "conditions": FOLLOWS}, "", False),
    (Mode.LOCKOUT, HEALTHY, {"row": "T10", "conditions": replace(FOLLOWS, converters=(*FOLLOWS.converters,
     *FORMS.converters))}, "open", False),
    *((Mode.LOCKOUT, HEALTHY, {"row": "T10", "conditions": replace(FORMS, converters=(replace(FORMS.converters[0],
      state=state),))}, position, False) for state, position in (("starting", "open"), ("unknown", "open"),
      ("standby", ""), ("fault", ""))),
    (Mode.LOCKOUT, HEALTHY, {"row": "T16", "conditions": FORMS}, "", False),
    (Mode.LOCKOUT, ISLAND, {"row": "T10", "conditions": FORMS}, "", False),
    (Mode.RESYNC, HEALTHY, {"row": "T10", "conditions": FORMS}, "grid", False),
    (Mode.BLACK_START, replace(DARK, position="grid"), {}, "open", False),
    (Mode.BLACK_START, DARK, {}, "open", True),
    (Mode.BLACK_START, DARK, {"conditions": soc(5.0)}, "open", False),
    (Mode.BLACK_START, replace(DARK, sets=READY_SET), {"conditions": soc(5.0)}, "genset", False),
    (Mode.SAFE_STOP, replace(DARK, t_utility_ns=since(-300.0)), {}, "grid", False),
    (Mode.SAFE_STOP, replace(DARK, t_utility_ns=since(-299.9)), {}, "", False),
    (Mode.STANDBY, replace(DARK, t_utility_ns=LONG, t_dead_ns=since(-4.9)), {}, "", False),
    (Mode.STANDBY, replace(HEALTHY, aim="grid"), {}, "grid", False),
    (Mode.SAFE_STOP, replace(DARK, t_utility_ns=LONG), {"latched": True}, "", False),
    (Mode.SAFE_STOP, replace(DARK, t_utility_ns=LONG), {"conditions": FORMS}, "", False),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "here", "more", "position", "forms"), POSITIONS)
def test_what_a_mode_wants_of_switch_and_converters(
    mode: Mode, here: Hall, more: dict[str, Any], position: str, forms: bool | None
) -> None:
    """Goal: the table of duties. Method: each mode, each step of its sequence."""
    look = view(mode, here, **more)
    assert (fallback.position_wanted(look), fallback.forms(look)) == (position, forms)


def test_an_open_transition_lets_the_bus_die_first() -> None:
    """Goal: open transition: converters follow, the dead-bus permissive lets the switch close. Method: RESYNC and
    GENSET_START in the open form, permissives in turn."""
    rule = replace(HALL_TERMS, fallback=replace(FALLBACK, closed=False))
    for mode, here, aim in (
        (Mode.RESYNC, replace(ISLAND, t_utility_ns=LONG), "grid"),
        (Mode.GENSET_START, replace(ISLAND, sets=READY_SET), "genset"),
    ):
        look = view(mode, replace(here, aim=aim), terms=rule)
        assert fallback.forms(look) is False
        assert fallback.switch_order(look) == {}
        assert fallback.switch_order(replace(look, hall=replace(look.hall, sync=True))) == {}
        dead = replace(look, hall=replace(look.hall, dead=True))
        assert fallback.switch_order(dead) == {"ats-1": ("switch", aim)}
    waits = view(Mode.GENSET_START, ISLAND, terms=rule)
    assert fallback.forms(waits) is True


@pytest.mark.parametrize(
    ("mode", "here", "order"),
    [
        (Mode.RESYNC, replace(ISLAND, aim="grid", sync=True), "grid"),
        (Mode.RESYNC, replace(ISLAND, aim="grid", dead=True), ""),
        (Mode.RESYNC, replace(ISLAND, aim="grid", sync=True, position=""), ""),
        (Mode.RESYNC, replace(ISLAND, aim="grid", sync=True, position="genset"), ""),
        (Mode.RESYNC, replace(HEALTHY, aim="grid", sync=True), ""),
        (Mode.SAFE_STOP, replace(DARK, aim="grid", dead=True), "grid"),
        (Mode.BLACK_START, replace(DARK, aim="genset", dead=True), "genset"),
        (Mode.BLACK_START, replace(DARK, aim="genset", sync=True), ""),
        (Mode.ISLANDING, replace(HEALTHY, aim="open"), "open"),
        (Mode.ISLANDING, replace(HEALTHY, aim="open", position=""), "open"),
        (Mode.ISLANDED, ISLAND, ""),
    ],
)  # fmt: skip
def test_when_the_switch_is_ordered(mode: Mode, here: Hall, order: str) -> None:
    """Goal: a closing from open alone and by its permissive; an opening always. Method: the table."""
    expected = {"ats-1": ("switch", order)} if order else {}
    assert fallback.switch_order(view(mode, here)) == expected
    assert fallback.switch_order(view(mode, here, terms=TERMS)) == {}


REFUSED = replace(FORMS, converters=(replace(FORMS.converters[0], accepted=False),))
LOCKS: list[Any] = [
    ("IL-01", "switch", "grid", replace(ISLAND, sync=True), {}, ""),
    ("IL-01", "switch", "grid", replace(ISLAND, dead=True), {}, ""),
    ("IL-01", "switch", "genset", ISLAND, {}, "neither"),
    ("IL-01", "switch", "grid", replace(ISLAND, sync=True, dead=True), {}, "at once"),
    ("IL-01", "switch", "open", ISLAND, {}, ""),
    ("IL-02", "pcs", "form", ISLAND, {}, ""),
    ("IL-02", "pcs", "form", HEALTHY, {}, "not proven open"),
    ("IL-02", "pcs", "form", replace(ISLAND, position=""), {}, "not proven open"),
    ("IL-02", "pcs", "follow", HEALTHY, {}, ""),
    ("IL-02", "switch", "grid", replace(ISLAND, sync=True), {"conditions": REFUSED}, "may not be told to follow"),
    ("IL-02", "switch", "genset", replace(ISLAND, dead=True), {"conditions": REFUSED}, "may not be told to follow"),
    ("IL-02", "switch", "open", ISLAND, {"conditions": REFUSED}, ""),
    ("IL-02", "switch", "grid", replace(ISLAND, sync=True), {"conditions": FORMS}, ""),
    ("IL-03", "switch", "grid", replace(ISLAND, sync=True, position=""), {}, "not known"),
    ("IL-03", "switch", "grid", replace(ISLAND, sync=True), {"conditions": with_faults(replace(fault("C",
     Effect.NOTE), code="F53"))}, "F53"),
    ("IL-03", "switch", "grid", replace(ISLAND, sync=True, t_closed_ns=since(-9.9), t_aim_ns=since(-1.0)),
     {}, "10 s between"),
    ("IL-03", "switch", "grid", replace(ISLAND, sync=True, t_closed_ns=since(-10.0), t_aim_ns=since(-1.0)),
     {}, ""),
    ("IL-03", "switch", "grid", replace(ISLAND, sync=True, t_closed_ns=since(-1.0), t_aim_ns=since(-2.0)),
     {}, ""),
    ("IL-03", "switch", "grid", replace(ISLAND, sync=True, t_closed_ns=since(-1.0), t_aim_ns=since(-1.0)),
     {}, ""),
    ("IL-03", "switch", "open", ISLAND, {"conditions": with_faults(replace(fault("C", Effect.NOTE), code="F53"))},
     ""),
    ("IL-03", "pcs", "grid", ISLAND, {"conditions": with_faults(replace(fault("C", Effect.NOTE), code="F53"))}, ""),
    ("IL-20", "switch", "grid", replace(ISLAND, sync=True, t_chatter_ns=since(-599.9)), {}, "held"),
    ("IL-20", "switch", "open", replace(HEALTHY, t_chatter_ns=since(-1.0)), {}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("lock", "kind", "order", "here", "more", "why"), LOCKS)
def test_interlocks(lock: str, kind: str, order: str, here: Hall, more: dict[str, Any], why: str) -> None:
    """Goal: an order that breaks a rule does not leave and is told with the rule. Method: each rule at its edge."""
    passed, blocked = interlocks.screened(view(Mode.RESYNC, here, **more), {"x": (kind, order)})
    assert passed == ({} if why else {"x": order})
    assert bool(blocked) is bool(why)
    if why:
        assert blocked[0][:2] == (lock, "x")
        assert why in blocked[0][2]


def test_without_fallback_every_order_passes_as_it_was() -> None:
    """Goal: other sites work as before. Method: a converter's order."""
    assert interlocks.screened(view(Mode.STANDBY, Hall(), terms=TERMS), {"pcs-1": ("pcs", "arm")}) == (
        {"pcs-1": "arm"},
        (),
    )


def test_the_interlock_table_is_whole() -> None:
    """Goal: IL-01 to IL-20, each checked here or held somewhere. Method: the ids."""
    assert [row.id for row in interlocks.ROWS] == [f"IL-{k:02}" for k in range(1, 21)]
    assert all((row.check is None) is bool(row.held) for row in interlocks.ROWS)


def test_orders_of_an_island() -> None:
    """Goal: arm, form, start; follow; gensets and switch beside. Method: a converter in each state."""

    def wanted(here: Hall, mode: Mode = Mode.ISLANDED, **pcs: Any) -> dict[str, tuple[str, str]]:
        conditions = replace(FORMS, converters=(replace(FORMS.converters[0], **pcs),))
        return orders.proposed(view(mode, here, conditions=conditions), {"genset-1": standing()})

    assert wanted(ISLAND) == {}
    assert wanted(ISLAND, state="standby", armed=False, forming=False) == {"pcs-1": ("pcs", "arm")}
    assert wanted(ISLAND, state="standby", forming=False) == {"pcs-1": ("pcs", "form")}
    assert wanted(ISLAND, state="standby") == {"pcs-1": ("pcs", "start")}
    assert wanted(HEALTHY, Mode.RESYNC) == {"pcs-1": ("pcs", "follow")}
    assert wanted(HEALTHY, Mode.STANDBY, state="standby") == {"pcs-1": ("pcs", "follow")}
    both = replace(ISLAND, sets={"genset-1": SetRun(phase=Phase.CRANK)}, aim="grid", sync=True)
    assert wanted(both, Mode.RESYNC) == {"genset-1": ("genset", "start"), "ats-1": ("switch", "grid")}
    assert wanted(both, Mode.MAINT, state="standby", forming=False) == {}


def test_the_switch_order_gets_its_own_name_and_is_remembered() -> None:
    """Goal: position to order of the profile; the first order of an aim and its first taking back are timed.
    Method: close twice, open, none; take back twice, and a later closing."""
    here = replace(ISLAND, t_aim_ns=since(-5.0))
    passed = {"ats-1": "grid"}
    once = fallback.ordered(FALLBACK, here, passed, at(0.0))
    assert (passed, once.t_closed_ns) == ({"ats-1": "source-1"}, since(0.0))
    for aimed_s in (-5.0, 0.0):
        again = fallback.ordered(FALLBACK, replace(once, t_aim_ns=since(aimed_s)), {"ats-1": "grid"}, at(1.0))
        assert again.t_closed_ns == since(0.0)
    opened, leaves = {"ats-1": "open"}, replace(here, position="grid")
    assert fallback.ordered(FALLBACK, leaves, opened, at(0.0)) == leaves
    assert opened == {"ats-1": "open"}
    back = fallback.ordered(FALLBACK, once, {"ats-1": "open"}, at(2.0))
    assert repr(back) == repr(replace(once, t_back_ns=since(2.0)))  # by word: nan equals nothing
    assert fallback.ordered(FALLBACK, back, {"ats-1": "open"}, at(3.0)) == back
    anew = replace(back, t_closed_ns=since(2.0))
    assert fallback.ordered(FALLBACK, anew, {"ats-1": "open"}, at(4.0)).t_back_ns == since(4.0)
    assert fallback.ordered(None, here, {"pcs-1": "arm"}, at(0.0)) == here


def limits(mode: Mode, here: Hall, conditions: Conditions = FOLLOWS, **state: Any) -> Any:
    """The lease in the hall."""
    look = view(mode, here, conditions=conditions, **state)
    return envelope.limit(look.terms, look.state, conditions, envelope.Wish(), (), look.now, here)


def test_the_envelope_of_genset_and_departure() -> None:
    """Goal: a genset between 30 and 90 %, the grid to zero before the switch opens, nothing elsewhere.
    Method: 800 kW ready; caps by hand; a stop condition takes the power."""
    here = replace(ISLAND, position="genset", sets=READY_SET)
    found = limits(Mode.GENSET, here)
    assert (found.import_kw_max, found.export_kw_max, sum(found.charge_kw_max)) == (720.0, -240.0, 800.0)
    assert sum(limits(Mode.GENSET, ISLAND).charge_kw_max) == 0.0
    stopped = with_faults(replace(fault(), level=3), base=FOLLOWS)
    assert sum(limits(Mode.GENSET, here, stopped).charge_kw_max) == 0.0
    found = limits(Mode.ISLANDING, HEALTHY, row="T03")
    assert (found.import_kw_max, found.export_kw_max, sum(found.discharge_kw_max)) == (0.0, 0.0, 1000.0)
    assert sum(limits(Mode.ISLANDING, HEALTHY, row="T04").discharge_kw_max) == 0.0
    assert sum(limits(Mode.ISLANDING, ISLAND, row="T03").discharge_kw_max) == 0.0
    assert limits(Mode.ISLANDED, ISLAND).permit == 3


SHEDS: list[Any] = [
    (Mode.ISLANDING, 100.0, 50.0, 0, 999.0, 2),
    (Mode.BLACK_START, 100.0, 50.0, 0, 999.0, 2),
    (Mode.GRID_TIED, 5000.0, 5.0, 2, 999.0, 0),
    (Mode.ISLANDED, 900.0, 50.0, 0, 999.0, 0),
    (Mode.ISLANDED, 900.1, 50.0, 0, 999.0, 1),
    (Mode.ISLANDED, 900.1, 50.0, 1, 0.2, 2),
    (Mode.ISLANDED, 900.1, 50.0, 1, 0.1, 1),
    (Mode.ISLANDED, 900.1, 50.0, 2, 999.0, 2),
    (Mode.ISLANDED, 900.1, 50.0, 0, 0.1, 0),
    (Mode.ISLANDED, 900.1, 50.0, 0, 0.2, 1),
    (Mode.ISLANDED, 500.0, 40.1, 0, 999.0, 0),
    (Mode.ISLANDED, 500.0, 40.0, 0, 999.0, 1),
    (Mode.ISLANDED, 500.0, 25.0, 0, 999.0, 2),
    (Mode.ISLANDED, 950.0, 25.0, 0, 999.0, 2),
    (Mode.ISLANDED, 450.0, 50.0, 2, 60.0, 1),
    (Mode.ISLANDED, 450.1, 50.0, 2, 60.0, 2),
    (Mode.ISLANDED, 450.0, 50.0, 2, 59.9, 2),
    (Mode.ISLANDED, 450.0, 40.0, 1, 60.0, 1),
    (Mode.GENSET, 648.0, 5.0, 0, 999.0, 0),
    (Mode.GENSET, 648.1, 5.0, 0, 999.0, 1),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "load_kw", "low", "stage", "past_s", "after_stage"), SHEDS)
def test_shedding(
    mode: Mode, load_kw: float, low: float, stage: int, past_s: float, after_stage: int
) -> None:
    """Goal: off at once and stage by stage, back slowly, by what the source carries (1000 kW; 0.9 of 800 kW) and by
    SOC (40, 25 %). Method: each edge; stages of 150 and 250 kW."""
    position = "genset" if mode == Mode.GENSET else "open"
    here = replace(ISLAND, load_kw=load_kw, shed_stage=stage, t_shed_ns=since(-past_s), position=position,
                   sets={"genset-1": SetRun(phase=Phase.READY, t_since_ns=LONG, t_on_ns=LONG)})  # fmt: skip
    look = view(mode, here, conditions=soc(low, base=FOLLOWS))
    found = fallback.step(look, look.state, {"genset-1": running()})
    assert found.shed_stage == after_stage
    assert (found.t_shed_ns == since(0.0)) is (after_stage != stage)
    assert isnan(found.budget_kw) is (mode == Mode.GRID_TIED)
    if mode == Mode.ISLANDED:
        assert found.budget_kw == pytest.approx(700.0)


def test_the_first_shedding_need_not_wait() -> None:
    """Goal: no hold before the first. Method: never shed before."""
    look = view(Mode.ISLANDED, replace(ISLAND, load_kw=950.0, t_shed_ns=0))
    assert fallback.step(look, look.state, {}).shed_stage == 1


def test_an_aim_keeps_its_time() -> None:
    """Goal: how long a position is aimed at. Method: the same aim, another."""
    look = view(Mode.RESYNC, replace(ISLAND, aim="grid", t_aim_ns=since(-7.0), t_utility_ns=LONG))
    assert fallback.step(look, look.state, {}).t_aim_ns == since(-7.0)
    fresh = replace(look, hall=replace(look.hall, aim="open"))
    assert fallback.step(fresh, look.state, {}).t_aim_ns == since(0.0)


@pytest.mark.parametrize(
    ("mode", "here", "low", "expected"),
    [(Mode.GENSET_START, ISLAND, 50.0, 500.0),
     (Mode.GENSET, replace(ISLAND, position="genset", t_utility_ns=LONG), 50.0, 500.0),
     (Mode.GENSET, replace(ISLAND, t_utility_ns=LONG), 50.0, nan), (Mode.GENSET, ISLAND, 50.0, 500.0),
     (Mode.ISLANDED, ISLAND, 50.0, nan), (Mode.BLACK_START, DARK, 50.0, nan), (Mode.BLACK_START, DARK, 5.0,
     0.0)],
)  # fmt: skip
def test_when_gensets_are_wanted(mode: Mode, here: Hall, low: float, expected: float) -> None:
    """Goal: run while starting and carrying, also while the switch has not opened yet. Method: the table."""
    assert fallback.wanted_kw(view(mode, here, conditions=soc(low))) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("mode", "position", "battery_kw", "carries_kw"),
    [
        (Mode.GENSET, "genset", 500.0, 720.0),
        (Mode.GENSET, "open", 500.0, 500.0),
        (Mode.GENSET_START, "genset", 500.0, 500.0),
        (Mode.ISLANDED, "open", 5000.0, 1000.0),
    ],
)
def test_what_the_load_may_draw(mode: Mode, position: str, battery_kw: float, carries_kw: float) -> None:
    """Goal: the budget is 70 % of what the present source may give: 0.9 of the set, or the weaker of converters and
    battery. Method: each source."""
    here = replace(ISLAND, position=position, sets=READY_SET)
    weak = replace(FOLLOWS, battery=replace(FOLLOWS.battery, discharge_kw_max=battery_kw))
    look = view(mode, here, conditions=weak)
    assert fallback.step(look, look.state, {"genset-1": running()}).budget_kw == pytest.approx(
        0.7 * carries_kw
    )

"""F23: a converter that says it can do less, its limit and when that is told. F30: one that somebody else commands."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from controller.image import Mode, Wish
from controller.safety import facts, pcs_rows
from controller.safety.envelope import limit
from controller.safety.look import Look
from controller.state import Conditions, Converter, Loss, ModeState, Sent
from controller.units import ns
from tests.unit.safety.sites import PCS, TERMS, Story, at, telemetry
from tests.unit.safety.test_envelope import GRID_TIED, RUNNING, limits


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, False),
        ({"discharge_kw_max": 950.0}, False),
        ({"discharge_kw_max": 949.9}, True),
        ({"charge_kw_max": 760.0}, False),
        ({"charge_kw_max": 759.9}, True),
        ({"discharge_kw_max": 2000.0, "charge_kw_max": 759.9}, True),
        ({"discharge_kw_max": 2000.0, "charge_kw_max": 2000.0}, False),
        ({"discharge_kw_max": nan, "charge_kw_max": nan}, False),
    ],
)
def test_it_is_told_from_a_twentieth_of_the_plate_on(values: dict[str, float], told: bool) -> None:
    """Goal: F23 at both sides of 5 % of 1000 and of 800 kW, and nothing where nothing is said. Method: the table."""
    assert ("F23" in Story(GRID_TIED).feed(1.0, pcs={"state": "running", "values": values})) is told


def test_what_it_lacks_most_is_said() -> None:
    """Goal: the larger of the two, and no share of a plate of nothing. Method: the signal."""
    seen = telemetry(1.0, pcs={"values": {"discharge_kw_max": 900.0, "charge_kw_max": 400.0}})
    view = Look(TERMS, Conditions(), GRID_TIED, seen, at(1.0).t_ns, "pcs-1", PCS, seen.devices["pcs-1"])
    row = next(row for row in pcs_rows.ROWS if row.code == "F23")
    assert row.signal(view) == 0.5
    assert row.signal(replace(view, part=replace(PCS, charge_kw_max=0.0))) == 0.1
    assert row.signal(replace(view, device=None)) != row.signal(view)


@pytest.mark.parametrize(
    ("said", "given"),
    [((inf, inf), (1000.0, 800.0)), ((300.0, inf), (300.0, 800.0)), ((inf, 200.0), (1000.0, 200.0)),
     ((0.0, 0.0), (0.0, 0.0)), ((2000.0, 2000.0), (1000.0, 800.0))],
)  # fmt: skip
def test_its_word_is_a_limit(said: tuple[float, float], given: tuple[float, float]) -> None:
    """Goal: never more than it says, never more than its plate. Method: either direction; it may be said of another."""
    own = replace(RUNNING.converters[0], discharge_kw_max=said[0], charge_kw_max=said[1])
    found = limits(replace(RUNNING, converters=(own,)))
    assert (found.discharge_kw_max, found.charge_kw_max) == ((given[0],), (given[1],))
    others = (RUNNING.converters[0], replace(own, name="pcs-2"))
    two = replace(TERMS, parts=(*TERMS.parts, replace(PCS, name="pcs-2")))
    both = limit(two, GRID_TIED, replace(RUNNING, converters=others), Wish(), (), at(1.0))
    assert (both.discharge_kw_max, both.charge_kw_max) == ((1000.0, given[0]), (800.0, given[1]))


def test_more_than_it_said_counts_when_it_says_so_twice() -> None:
    """Goal: IL-12: less with one word, more with two that agree at least on that; nothing new changes nothing, and a
    word that is no longer told is no longer a limit only when it was left out twice. Method: word by word."""
    words = (
        (100.0, 1, 100.0), (500.0, 2, 100.0), (500.0, 2, 100.0), (100.0, 3, 100.0), (500.0, 4, 100.0),
        (400.0, 5, 400.0), (600.0, 6, 400.0), (None, 6, 400.0), (None, 7, 600.0), (None, 8, inf), (50.0, 9, 50.0),
    )  # fmt: skip
    found = Conditions()
    for told, number, counts in words:
        values = {} if told is None else {"discharge_kw_max": told, "charge_kw_max": told / 2.0}
        seen = telemetry(1.0, pcs={"values": values, "t_able_ns": number})
        found = replace(found, converters=facts.converters_of(TERMS, found, seen))
        own = found.converters[0]
        assert (own.discharge_kw_max, own.charge_kw_max) == (counts, counts / 2.0), (told, number)


def test_one_that_never_says_what_it_can_do() -> None:
    """Goal: no limit of its own. Method: two cycles."""
    found = Conditions()
    for _ in range(2):
        found = replace(found, converters=facts.converters_of(TERMS, found, telemetry(1.0)))
        assert (found.converters[0].discharge_kw_max, found.converters[0].charge_kw_max) == (inf, inf)


@pytest.mark.parametrize(("told", "read"), [(120.0, 120.0), (-5.0, 0.0), (nan, nan), (None, inf)])
def test_its_word_as_read(told: float | None, read: float) -> None:
    """Goal: no negative limit, and no limit where it has no such point. Method: both points of one reply."""
    values = {} if told is None else {"discharge_kw_max": told, "charge_kw_max": told}
    (found,) = facts.converters_of(
        TERMS, Conditions(), telemetry(1.0, pcs={"values": values, "t_able_ns": 1})
    )
    assert [found.discharge_kw_max, found.charge_kw_max] == pytest.approx([read, read], nan_ok=True)
    assert limits(replace(RUNNING, converters=(replace(found, state="running"),))).mode == Mode.GRID_TIED


RUNS = Converter("pcs-1", 0.0, "running", fresh=True, armed=True, accepted=True)
READ = at(1.0).t_ns  # when the register was read; it is seen 50 ms later
SENT = (
    (0.7, -900.0, 900.0),  # at the edge: 0.3 s before the reading
    (0.8, 100.0, 300.0),
    (1.0, 50.0, 200.0),
    (1.05, 200.0, 400.0),
)


def foreign(
    told_kw: float,
    *,
    sent: Any = SENT,
    state: ModeState = GRID_TIED,
    seen_s: float = 1.05,
    pcs: Any = None,
    **before: Any,
) -> tuple[int, ...]:
    """Readings that nobody here explains, after one that says told_kw."""
    values = {"values": {"setpoint_kw": told_kw}, "t_setpoint_ns": READ, **(pcs or {})}
    traces = {"pcs-1": tuple(Sent(at(t_s).t_ns, low, high) for t_s, low, high in sent)}
    previous = replace(Conditions(converters=(RUNS,)), **before)
    seen = telemetry(seen_s, pcs=values)
    found = pcs_rows.foreign_of(TERMS, previous, state, seen, traces, seen.now)
    assert set(found) <= {"pcs-1"} and () not in found.values()
    return found.get("pcs-1", ())


@pytest.mark.parametrize(
    ("told_kw", "strange"),
    [
        (420.0, False),
        (420.1, True),
        (300.0, False),
        (0.0, False),
        (-20.0, False),
        (-20.1, True),
        (nan, False),
    ],
)
def test_a_setpoint_that_has_not_left_here(told_kw: float, strange: bool) -> None:
    """Goal: F30 beyond all that left in 0.3 s, zero, and 2 % of 1000 kW. Method: each edge."""
    assert foreign(told_kw) == ((READ,) if strange else ())


@pytest.mark.parametrize(
    ("told_kw", "strange"), [(20.0, False), (20.1, True), (-420.0, False), (-420.1, True)]
)
def test_the_same_while_it_charges(told_kw: float, strange: bool) -> None:
    """Goal: zero is always explained. Method: only charging has left."""
    sent = [(t_s, -high, -low) for t_s, low, high in SENT]
    assert bool(foreign(told_kw, sent=sent)) is strange


def test_how_far_back_a_setpoint_explains_it() -> None:
    """Goal: what left within 0.3 s, and nothing is said where less is known. Method: the edge to a nanosecond."""
    assert foreign(800.0) and foreign(-800.0)
    later = ((0.7 + 1e-9, -900.0, 900.0), *SENT[1:])
    assert not foreign(800.0, sent=later) and not foreign(950.0, sent=later)
    assert not foreign(950.0, sent=())
    assert not foreign(950.0, sent=SENT[1:])
    assert [bool(foreign(kw, sent=SENT[:1])) for kw in (-20.5, -19.5, 19.5, 20.5)] == [
        True,
        False,
        False,
        True,
    ]
    assert not foreign(950.0, sent=(SENT[0], (0.8, -inf, inf)))  # a cycle of which not all is known


def test_whom_it_is_asked_of() -> None:
    """Goal: a running converter that is ours to command, and a reading that is new. Method: one thing missing."""
    assert foreign(950.0) == (READ,)
    for mode in set(Mode) - {Mode.GRID_TIED}:
        assert not foreign(950.0, state=replace(GRID_TIED, mode=mode))
    assert not foreign(950.0, state=replace(GRID_TIED, t_stopping_ns=1))
    assert not foreign(950.0, state=replace(GRID_TIED, t_since_ns=READ))
    assert foreign(950.0, state=replace(GRID_TIED, t_since_ns=READ - 1))
    for other in ({"state": "standby"}, {"fresh": False}, {"name": "pcs-2"}):
        assert not foreign(950.0, converters=(replace(RUNS, **other),))
    assert not foreign(950.0, losses={"pcs-1": Loss(1, 0.0, 0.0)})
    assert not foreign(950.0, ports_barred=(PCS.port,))
    assert not foreign(950.0, pcs={"values": {}})
    seen = telemetry(1.05)
    gone = replace(seen, devices={})
    previous = Conditions(converters=(RUNS,))
    assert pcs_rows.foreign_of(TERMS, previous, GRID_TIED, gone, {}, gone.now) == {}


def test_each_reading_counts_once_and_for_ten_seconds() -> None:
    """Goal: two readings, not one seen twice; forgotten after 10 s. Method: the edges."""
    assert foreign(950.0, foreign={"pcs-1": (READ,)}) == (READ,)
    assert foreign(950.0, foreign={"pcs-1": (READ - 1,)}) == (READ - 1, READ)
    edge = at(1.05).t_ns - ns(10.0)
    assert foreign(0.0, foreign={"pcs-1": (edge, edge + 1)}) == (edge + 1,)
    assert foreign(0.0, foreign={"pcs-1": (edge,)}) == ()
    assert foreign(0.0, state=replace(GRID_TIED, mode=Mode.FAULT), foreign={"pcs-1": (READ,)}) == (READ,)


def test_two_strange_readings_stop_the_site_for_good() -> None:
    """Goal: F30 is class C from the second on, and one alone is a forged frame. Method: cycle by cycle."""
    story = Story(GRID_TIED)
    for cycle in range(16):
        kw = {8: 500.0, 12: 500.0}.get(cycle, 100.0)
        now_s = 0.1 * cycle
        codes = story.feed(
            now_s,
            frame={"sent_kw_low": (90.0,), "sent_kw_high": (100.0,)},
            pcs={
                "state": "running",
                "values": {"setpoint_kw": kw, "pcs_kw": 95.0},
                "t_setpoint_ns": at(now_s).t_ns,
            },
        )
        assert ("F30" in codes) is (cycle > 12)
    (found,) = [c for c in story.conditions.stops if c.code == "F30"]
    assert found.grade == "C" and "2 times" in found.cause

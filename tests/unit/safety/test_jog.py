"""The hand in MAINT: one converter, small, at most a minute, and only while it is held on; the envelope stays on."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from controller.image import Limits, Mode, Permit, Wish
from controller.safety import jog, orders
from controller.safety.command import Command, Desk, Rank, settle
from controller.safety.envelope import limit
from controller.safety.modes import next_mode
from controller.state import Asked, Conditions, Converter, Effect, Jog, Loss, ModeState
from tests.unit.safety.halls import HALL_TERMS, HEALTHY, ISLAND
from tests.unit.safety.sites import TERMS, at
from tests.unit.safety.test_envelope import RUNNING
from tests.unit.safety.test_losses import TWO
from tests.unit.safety.test_modes import fault, with_faults

HAND = Jog("pcs-1", 20.0, at(0.0).t_ns, at(0.0).t_ns)
IDLE = replace(
    RUNNING, t_grid_ns=1,
    converters=(Converter("pcs-1", 0.0, "standby", fresh=True, armed=True, accepted=True),),
)  # fmt: skip
PAIR = replace(
    IDLE, converters=(replace(IDLE.converters[0], state="running"), replace(IDLE.converters[0], name="pcs-2"))
)
MAINT = ModeState(mode=Mode.MAINT, t_since_ns=at(-100.0).t_ns)


def command(seconds: float = 0.0, **changes: Any) -> Command:
    """A person at the box says that the hand is on."""
    word = Command("jog", Rank.LOCAL, at(seconds).t_ns, at(seconds + 2.0).t_ns, "", "pcs-1", 20.0)
    return replace(word, **changes)


@pytest.mark.parametrize(
    ("changes", "mode", "why"),
    [
        ({}, Mode.MAINT, ""), ({}, Mode.STANDBY, "in MAINT alone"), ({"device": ""}, Mode.MAINT, "names a converter"),
        ({"kw": nan}, Mode.MAINT, "names a converter"), ({"kw": -inf}, Mode.MAINT, "names a converter"),
        ({"rank": Rank.OPERATOR}, Mode.MAINT, "only reduce"), ({"expires_ns": 1}, Mode.MAINT, "late"),
    ],
)  # fmt: skip
def test_who_may_hold_on(changes: dict[str, Any], mode: Mode, why: str) -> None:
    """Goal: a person at the box, in MAINT, with a converter and a power. Method: each of them wrong."""
    desk, asked, refused = settle(Desk(), (command(**changes),), at(0.0), mode)
    assert (asked.jog, desk.jog) == ((HAND, HAND) if not why else (None, None))
    assert [why in text for _, text in refused] == ([] if not why else [True])


def test_a_command_moves_nothing_unless_it_says_so() -> None:
    """Goal: no power that nobody gave. Method: the defaults of a command."""
    assert (Command("stop", Rank.LOCAL, 1, 1).device, Command("stop", Rank.LOCAL, 1, 1).kw) == ("", 0.0)


def test_the_hand_comes_off_by_itself() -> None:
    """Goal: one second after the last word, and not before; a hand that stays keeps its begin. Method: the edges."""
    desk = settle(Desk(), (command(),), at(0.0), Mode.MAINT)[0]
    assert settle(desk, (), at(1.0), Mode.MAINT)[1].jog == HAND
    assert settle(desk, (), at(1.001), Mode.MAINT)[1].jog is None
    again = settle(desk, (command(0.9, kw=-5.0),), at(0.9), Mode.MAINT)[1].jog
    assert again == Jog("pcs-1", -5.0, at(0.9).t_ns, at(0.0).t_ns)
    off = settle(desk, (), at(1.5), Mode.MAINT)[0]
    fresh = settle(off, (command(2.0),), at(2.0), Mode.MAINT)[1].jog
    assert fresh is not None and fresh.t_began_ns == at(2.0).t_ns


@pytest.mark.parametrize(
    ("changes", "seconds", "at_grid", "acts"),
    [
        ({}, 60.0, True, True), ({}, 60.001, True, False), ({}, 1.0, False, False),
        ({"t_grid_ns": 0}, 1.0, True, False),
        ({"converters": (replace(IDLE.converters[0], fresh=False),)}, 1.0, True, False),
        ({"converters": (replace(IDLE.converters[0], accepted=False),)}, 1.0, True, False),
        ({"converters": (replace(IDLE.converters[0], armed=False),)}, 1.0, True, False),
        ({"watches": with_faults(fault("B", Effect.FREEZE)).watches}, 1.0, True, False),
        ({"watches": with_faults(fault("B", Effect.HOLD)).watches}, 1.0, True, False),
    ],
)  # fmt: skip
def test_when_the_hand_acts(changes: dict[str, Any], seconds: float, at_grid: bool, acts: bool) -> None:
    """Goal: a minute, a grid, a converter that is there, a BMS that is heard. Method: each missing; the edge."""
    found = jog.acting(HAND, TERMS, replace(IDLE, **changes), at_grid, at(seconds))
    assert found == (HAND if acts else None)
    assert jog.acting(None, TERMS, IDLE, True, at(1.0)) is None
    assert jog.acting(replace(HAND, device="pcs-9"), TERMS, IDLE, True, at(1.0)) is None


@pytest.mark.parametrize(
    ("kw", "small"), [(40.0, 40.0), (40.1, 40.0), (1e9, 40.0), (-32.0, -32.0), (-32.1, -32.0), (0.0, 0.0)]
)
def test_it_is_small(kw: float, small: float) -> None:
    """Goal: 4 % of 1000 kW and of 800 kW. Method: both edges."""
    found = jog.acting(replace(HAND, kw=kw), TERMS, IDLE, True, at(1.0))
    assert found is not None and found.kw == small


def test_only_maint_has_a_hand() -> None:
    """Goal: the mode keeps it in MAINT alone, and only with the switch at the grid. Method: three modes, two sites."""
    asked = Asked(key=True, jog=HAND)
    assert next_mode(TERMS, MAINT, IDLE, asked, at(1.0)).jog == HAND
    assert next_mode(TERMS, replace(MAINT, jog=HAND), IDLE, Asked(key=True), at(1.0)).jog is None
    for mode in (Mode.GRID_TIED, Mode.FAULT):
        assert next_mode(TERMS, replace(MAINT, mode=mode), IDLE, asked, at(1.0)).jog is None
    here = replace(HEALTHY, sets={})
    assert next_mode(HALL_TERMS, MAINT, IDLE, asked, at(1.0), here).jog == HAND
    assert next_mode(HALL_TERMS, MAINT, IDLE, asked, at(1.0), ISLAND).jog is None


def lease(hand: Jog | None, here: Conditions = PAIR, **state: Any) -> Limits:
    """The lease of MAINT on a site of two."""
    return limit(TWO, replace(MAINT, jog=hand, **state), here, Wish(leak_kw=9.0), (), at(1.0))


def test_the_lease_of_a_hand() -> None:
    """Goal: this power and no other, of this converter and no other; off it is nothing at all. Method: both signs, a
    converter that does not run yet, a weak battery, one that is left out, no hand."""
    given = lease(HAND)
    assert (given.discharge_kw_max, given.charge_kw_max) == ((20.0, 0.0), (0.0, 0.0))
    assert (given.leak_kw, given.gain, given.permit) == (-20.0, 0.0, Permit.ORDER | Permit.SETPOINT)
    taken = lease(replace(HAND, kw=-30.0))
    assert (taken.discharge_kw_max, taken.charge_kw_max, taken.leak_kw) == ((0.0, 0.0), (30.0, 0.0), 30.0)
    assert (given.import_kw_max, given.export_kw_max) == (3000.0, 100.0)
    for other in (
        lease(replace(HAND, device="pcs-2")),
        lease(HAND, replace(PAIR, losses={"pcs-1": Loss(1, 0.0, 0.0)})),
    ):
        assert sum(other.discharge_kw_max) + sum(other.charge_kw_max) == 0.0
    weak = replace(PAIR, battery=replace(PAIR.battery, discharge_kw_max=15.0))
    assert lease(HAND, weak).discharge_kw_max == (10.0, 0.0)
    assert jog.caps(replace(HAND, kw=nan), TWO.pcs[0]) == (0.0, 0.0)
    off = lease(None)
    assert (sum(off.discharge_kw_max), off.leak_kw, off.permit) == (0.0, 0.0, Permit.ORDER)
    stale = replace(PAIR, converters=(replace(PAIR.converters[0], fresh=False), PAIR.converters[1]))
    assert not jog.ready(HAND, stale) and jog.ready(HAND, PAIR) and not jog.ready(None, PAIR)


@pytest.mark.parametrize(
    ("hand", "state", "order"),
    [(HAND, "standby", "start"), (HAND, "running", ""), (HAND, "starting", ""), (None, "running", "stop"),
     (None, "standby", ""), (replace(HAND, device="pcs-2"), "running", "stop")],
)  # fmt: skip
def test_it_is_started_and_stopped(hand: Jog | None, state: str, order: str) -> None:
    """Goal: only the one in the hand runs. Method: each state, with the hand, without, and at another one."""
    here = replace(IDLE, converters=(replace(IDLE.converters[0], state=state),))
    found = orders.wanted(TERMS, replace(MAINT, jog=hand), here, at(1.0))
    assert found == ({"pcs-1": order} if order else {})

"""Emergency stop, fire, no-island and key: what each does, when it is released, and when it is no longer read."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import pytest

from controller.image import Mode
from controller.safety import conditions
from controller.safety.command import turned
from controller.safety.interlocks import screened
from controller.safety.island import forbidden
from controller.safety.step import Inputs, State, step
from controller.state import Asked, Effect, ModeState
from tests.unit.safety.halls import HEALTHY, view
from tests.unit.safety.sites import TERMS, Story, at, telemetry

WIRED = replace(TERMS, inputs=("emergency_stop", "fire", "insulation", "cooling", "contactor", "curtail"))


class Told(Story):
    """A story with wired inputs."""

    def __init__(self, seconds: float = 0.0, mode: Mode = Mode.STANDBY) -> None:
        super().__init__(ModeState(mode, t_since_ns=1), WIRED)

    def feed(self, seconds: float, **inputs: Any) -> set[str]:
        """One cycle."""
        every = dict.fromkeys(WIRED.inputs, 0.0) | inputs
        seen = replace(telemetry(seconds), inputs=every)
        self.conditions = conditions.read(self.terms, self.conditions, self.state, seen, self.asked, seen.now)
        return {c.code for c in self.conditions.active}


@pytest.mark.parametrize(("name", "code"), [("emergency_stop", "T16"), ("fire", "F39")])
def test_pressed_is_a_lockout_at_once(name: str, code: str) -> None:
    """Goal: class D within one cycle, island or not; released it still waits. Method: pressed for one cycle."""
    story = Told()
    assert story.feed(0.0) == set()
    assert story.feed(0.1, **{name: 1.0}) == {code}
    found = story.conditions.active[0]
    assert (found.grade, found.effect.name, found.level) == ("D", "TRIP", 3)
    assert story.feed(0.2) == {code} == story.feed(60.0)


def test_an_insulation_fault_waits_for_a_person() -> None:
    """Goal: F45: SAFE_STOP at once, class C; an island is not put out for it. Method: reported for one cycle."""
    story = Told()
    assert story.feed(0.0) == set()
    assert story.feed(0.1, insulation=1.0) == {"F45"}
    found = story.conditions.active[0]
    assert (found.grade, found.effect.name, found.level) == ("C", "STOP", 3)
    assert story.feed(0.2) == {"F45"} == story.feed(60.0)


@pytest.mark.parametrize("mode", Mode)
def test_contactors_that_stay_closed_in_a_lockout(mode: Mode) -> None:
    """Goal: F44 within 5 s, class D, in LOCKOUT alone; no reset lifts it before they are open. Method: closed at the
    edge of the hold in every mode; a key in vain; open; the key again."""
    story = Told(mode=mode)
    assert "F44" not in story.feed(0.0, contactor=1.0) | story.feed(4.7, contactor=1.0)
    assert ("F44" in story.feed(4.8, contactor=1.0)) == (mode == Mode.LOCKOUT)
    if mode == Mode.LOCKOUT:
        found = story.conditions.active[0]
        assert (found.grade, found.effect.name, found.level) == ("D", "TRIP", 3)
        for s, contactor, expected in ((60.0, 1.0, {"F44"}), (120.0, 0.0, set())):
            assert story.feed(s, contactor=contactor) == {"F44"}
            story.asked = Asked(pressed="local", reason="looked at it")
            assert story.feed(s + 1.0, contactor=contactor) == {"F44"}
            story.asked = Asked()
            assert story.feed(s + 2.0, contactor=contactor) == expected


def test_a_feedback_that_is_no_longer_read() -> None:
    """Goal: told after 2 s, and nothing else. Method: at its edge; power is left as it is."""
    story = Told()
    assert story.feed(0.0, contactor=nan) == story.feed(1.9, contactor=nan) == set()
    assert story.feed(2.0, contactor=nan) == {"F44"}
    found = story.conditions.active[0]
    assert (found.grade, found.effect.name, found.level, found.share_pu) == ("A", "NOTE", 0, 1.0)


@pytest.mark.parametrize(("cooling", "hold_s"), [(1.0, 0.0), (nan, 2.0)])
def test_without_cooling_a_quarter_of_the_power(cooling: float, hold_s: float) -> None:
    """Goal: F46: D1 and 25 % at once, for a contact that is not read after 2 s; no stop; back when it has been well
    for 30 s. Method: each edge."""
    story = Told()
    assert story.feed(0.0) == set()
    if hold_s:
        assert story.feed(1.0, cooling=cooling) == story.feed(0.9 + hold_s, cooling=cooling) == set()
    assert story.feed(1.0 + hold_s, cooling=cooling) == {"F46"}
    found = story.conditions.active[0]
    assert (found.grade, found.effect.name, found.level, found.share_pu) == ("A", "NOTE", 1, 0.25)
    assert story.conditions.share_pu == 0.25 and not story.conditions.stops
    assert story.feed(10.0) == {"F46"} == story.feed(39.9)
    assert story.feed(40.0) == set() and story.conditions.share_pu == 1.0


def test_a_cooling_that_is_not_wired_is_not_missed() -> None:
    """Goal: no derating where nobody said so, nor in INIT. Method: a site without the contact; the start."""
    for story in (Told(), Told(mode=Mode.INIT)):
        if story.state.mode != Mode.INIT:
            story.terms = TERMS
        assert story.feed(0.0, cooling=nan) == story.feed(5.0, cooling=nan) == set()


@pytest.mark.parametrize(("curtail", "hold_s", "level"), [(1.0, 0.0, 0), (nan, 2.0, 1)])
def test_a_curtailment_holds_until_it_is_read_to_have_ended(
    curtail: float, hold_s: float, level: int
) -> None:
    """Goal: F61: the limits hold at once, for a contact that is not read after 2 s, D1; no stop, all the power; they
    hold while the contact is lost during a curtailment, and end 30 s after it is read open. Method: each edge."""
    story = Told()
    assert story.feed(0.0) == set()
    if hold_s:
        assert story.feed(1.0, curtail=curtail) == story.feed(0.9 + hold_s, curtail=curtail) == set()
    assert story.feed(1.0 + hold_s, curtail=curtail) == {"F61"}
    found = story.conditions.active[0]
    assert (found.grade, found.effect.name, found.level) == ("A", "CURTAIL", level)
    assert story.conditions.share_pu == 1.0 and not story.conditions.stops
    for s in (4.0, 5.9, 6.0, 33.9, 34.0, 40.0):
        assert story.feed(s, curtail=nan) == {"F61"} and story.conditions.has(Effect.CURTAIL)
    assert story.feed(50.0) == {"F61"} == story.feed(79.9)
    assert story.feed(80.0) == set() and not story.conditions.has(Effect.CURTAIL)


def test_a_curtailment_that_is_not_wired_is_not_missed() -> None:
    """Goal: no limit where no contract says so, nor in INIT. Method: a site without the contact; the start."""
    for story in (Told(), Told(mode=Mode.INIT)):
        if story.state.mode != Mode.INIT:
            story.terms = TERMS
        assert story.feed(0.0, curtail=nan) == story.feed(5.0, curtail=nan) == set()


@pytest.mark.parametrize(
    ("name", "code"), [("emergency_stop", "T16"), ("fire", "F39"), ("insulation", "F45")]
)
def test_no_longer_read_is_a_stop(name: str, code: str) -> None:
    """Goal: fail-safe without a lock-out for a lost reply: class B after 2 s, not in INIT, not where it is not wired.
    Method: at its edge."""
    story = Told()
    assert story.feed(0.0, **{name: nan}) == story.feed(1.9, **{name: nan}) == set()
    assert story.feed(2.0, **{name: nan}) == {code}
    assert (story.conditions.active[0].grade, story.conditions.active[0].effect.name) == ("B", "STOP")
    quiet = Told(mode=Mode.INIT)
    assert quiet.feed(0.0, **{name: nan}) == quiet.feed(5.0, **{name: nan}) == set()
    plain = Told()
    plain.terms = TERMS
    assert plain.feed(0.0, **{name: nan}) == plain.feed(5.0, **{name: nan}) == set()


def test_a_start_waits_for_its_inputs() -> None:
    """Goal: T02 with every wired contact known. Method: a site that is ready but for the fire panel."""
    known = dict.fromkeys(WIRED.inputs, 0.0)
    seen = replace(telemetry(0.0), inputs=known | {"fire": nan})
    state = State(mode=ModeState(Mode.STANDBY, 1, wanted=True))
    state, _ = step(WIRED, state, Inputs(seen), at(0.0))
    assert "waiting for the input fire" in state.mode.waiting
    state, _ = step(WIRED, state, Inputs(replace(telemetry(0.1), inputs=known)), at(0.1))
    assert "the input" not in state.mode.waiting


@pytest.mark.parametrize(
    ("value", "mode", "on"),
    [
        (1.0, Mode.GRID_TIED, True),
        (0.0, Mode.GRID_TIED, False),
        (nan, Mode.GRID_TIED, False),
        (nan, Mode.MAINT, True),
        (0.0, Mode.MAINT, False),
    ],
)
def test_the_key(value: float, mode: Mode, on: bool) -> None:
    """Goal: IL-14: the key stops and holds, and leaves MAINT only when it is seen turned back. Method: the table."""
    found = turned(Asked(start=True), {"key": value}, mode)
    assert (found.key, found.stop) == (on, on)
    assert turned(Asked(), {}, mode) == Asked()
    assert turned(Asked(key=True), {"key": 0.0}, mode).key


def test_the_key_leads_to_maint_and_back() -> None:
    """Goal: nothing starts with the key on, nor by turning it off. Method: from STANDBY with a start asked."""
    terms = replace(TERMS, inputs=("key",))
    state = State(mode=ModeState(Mode.STANDBY, 1, wanted=True))
    modes = []
    for k, key in enumerate((0.0, 1.0, 1.0, 0.0, 0.0)):
        seen = replace(telemetry(0.1 * k), inputs={"key": key})
        state, _ = step(terms, state, Inputs(seen), at(0.1 * k))
        modes.append(state.mode.mode)
    assert Mode.MAINT in modes and not state.mode.wanted


@pytest.mark.parametrize(("value", "blocked"), [(1.0, True), (nan, True), (0.0, False), (None, False)])
def test_no_island_by_order_of_the_grid(value: float | None, blocked: bool) -> None:
    """Goal: IL-10: neither begun nor gone through with; a grid that is lost asks nobody. Method: T03's guard and the
    order that opens the switch, planned and unplanned."""
    inputs = {} if value is None else {"no_island": value}
    for row in ("T03", "T04"):
        look = view(Mode.ISLANDING, HEALTHY)
        look = replace(
            look, state=replace(look.state, row=row), conditions=replace(look.conditions, inputs=inputs)
        )
        assert forbidden(look) == blocked
        passed, told = screened(look, {"ats-1": ("switch", "open")})
        assert [(lock, device) for lock, device, _ in told] == (
            [("IL-10", "ats-1")] if blocked and row == "T03" else []
        )
        assert bool(passed) != bool(told)

"""The reset button and what it lifts: classes C and D, edges, a stuck button, the reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.image import Mode
from controller.safety.conditions import PRESSED_S_MAX, latched
from controller.state import Asked, Condition, Conditions, Effect, ModeState
from tests.unit.safety.sites import Story, at

STRANGER = {"identity": "8"}  # F28, class C


def pressed(who: str = "operator", reason: str = "unit checked") -> Asked:
    """The button held down."""
    return Asked(pressed=who, reason=reason)


def story(*found: Condition) -> Story:
    """A story in FAULT with these latches."""
    begun = Story(ModeState(mode=Mode.FAULT, t_since_ns=1))
    begun.conditions = Conditions(watches={(-1 - i, c.subject): c for i, c in enumerate(found)})
    return begun


def press(begun: Story, seconds: float, asked: Asked, held_s: float = 0.1) -> set[str]:
    """Press at `seconds` and let go held_s later; the codes left after that cycle."""
    begun.asked = asked
    begun.feed(seconds)
    assert begun.conditions.reset == ""
    begun.asked = Asked()
    return begun.feed(seconds + held_s)


def latch(grade: str) -> Condition:
    """A latch of an earlier run."""
    return latched("F28", "pcs-map-changed", "pcs-1", grade, "cause", "cure")


@pytest.mark.parametrize(
    ("grade", "who", "left"),
    [("C", "operator", set()), ("C", "local", set()), ("D", "operator", {"F28"}), ("D", "local", set())],
)
def test_who_lifts_what(grade: str, who: str, left: set[str]) -> None:
    """Goal: C an operator, D a person at the box. Method: both resets on a latch of either class."""
    begun = story(latch(grade))
    assert begun.feed(0.0) == {"F28"}
    assert press(begun, 1.0, pressed(who)) == left
    assert (begun.conditions.reset, begun.conditions.reset_reason) == (who, "unit checked")
    begun.feed(1.2)
    assert begun.conditions.reset == ""


@pytest.mark.parametrize(("held_s", "left"), [(PRESSED_S_MAX, set()), (PRESSED_S_MAX + 0.1, {"F28"})])
def test_a_stuck_button_does_nothing(held_s: float, left: set[str]) -> None:
    """Goal: held for more than 10 s is ignored. Method: let go at 10.0 and at 10.1 s."""
    assert press(story(latch("C")), 1.0, pressed(), held_s) == left


def test_a_reset_needs_its_reason() -> None:
    """Goal: no reset without words. Method: the same press, empty reason."""
    begun = story(latch("C"))
    assert press(begun, 1.0, pressed(reason="")) == {"F28"}
    assert begun.conditions.reset == ""


def test_a_cause_that_is_still_there_latches_on() -> None:
    """Goal: the reset lifts only what is over. Method: a refused identity during the press, then right, then again."""
    begun = Story(ModeState(mode=Mode.FAULT, t_since_ns=1))
    begun.feed(0.0, pcs=dict(STRANGER))
    begun.asked = pressed()
    begun.feed(1.0, pcs=dict(STRANGER))
    begun.asked = Asked()
    assert begun.feed(1.1, pcs=dict(STRANGER)) == {"F28"}
    assert begun.feed(2.0) == {"F28"}
    assert press(begun, 3.0, pressed()) == set()


def test_two_hands_on_the_button() -> None:
    """Goal: an operator's press does not become a local one. Method: the second hand joins, both let go."""
    begun = story(latch("D"))
    begun.asked = pressed("operator")
    begun.feed(1.0)
    assert press(begun, 1.1, pressed("local")) == {"F28"}


def test_a_local_reset_of_a_lockout_begins_the_self_test() -> None:
    """Goal: T17: every device must answer three times again; in FAULT nothing is asked anew. Method: both modes."""
    for mode, left in ((Mode.LOCKOUT, ("pcs-1", "bms-1", "meter-1")), (Mode.FAULT, ())):
        begun = story(latch("D"))
        begun.state = replace(begun.state, mode=mode)
        for k in range(3):
            begun.feed(0.1 * k)
        assert begun.conditions.unanswered == ()
        press(begun, 1.0, pressed("local"))
        assert begun.conditions.unanswered == left
        begun.feed(1.2)
        begun.feed(1.3)
        assert begun.conditions.unanswered == ()


def test_a_latch_stops_an_island_too() -> None:
    """Goal: what waited for a person before the start comes up in no mode. Method: its effect."""
    assert latch("C").effect == Effect.TRIP


def test_a_reset_lifts_latches_and_nothing_else() -> None:
    """Goal: class A keeps its own hold time, of the first row of the table too. Method: F01 gone for a moment, reset
    at the box."""
    story = Story()
    story.feed(0.0, track={"quality": 64})
    assert story.feed(1.0) == {"F01"}
    story.asked = Asked(pressed="local", reason="looked at it")
    story.feed(1.1)
    story.asked = Asked()
    assert story.feed(1.2) == {"F01"}
    assert story.feed(31.0) == set()


def test_since_when() -> None:
    """Goal: the memory tells since when a limit is passed, and 0 while it is not. Method: F28 and F16, bad and good."""
    story = Story()
    bad = {"identity": "8", "silent_s": 0.6}
    story.feed(1.0, pcs=dict(bad))
    story.feed(2.0, pcs=dict(bad))
    assert {c.t_raw_ns for c in story.conditions.active} == {at(1.0).t_ns}
    story.feed(3.0)
    assert {(c.code, c.t_raw_ns, c.t_gone_ns, c.level) for c in story.conditions.active} == {
        ("F28", 0, 0, 3),
        ("F16", 0, at(3.0).t_ns, 3),
    }
    story.feed(4.0, pcs={"silent_s": 0.6})
    assert {(c.code, c.t_raw_ns, c.t_gone_ns) for c in story.conditions.active if c.code == "F16"} == {
        ("F16", at(4.0).t_ns, 0)
    }
    assert latched("F73", "torn-write", "site", "C", "cause", "cure").level == 3


def test_inputs_are_good_since_their_first_good_cycle() -> None:
    """Goal: the 2 s of the entry run on. Method: three good cycles, a bad one, a good one."""
    story = Story()
    for seconds in (0.0, 0.1, 0.2):
        story.feed(seconds)
        assert (story.conditions.t_fresh_ns, story.conditions.t_grid_ns) == (at(0.0).t_ns, at(0.0).t_ns)
    story.feed(0.3, frame={"sample_age_s": 1.0}, track={"voltage_v": 0.0})
    assert (story.conditions.t_fresh_ns, story.conditions.t_grid_ns) == (0, 0)
    story.feed(0.4)
    assert (story.conditions.t_fresh_ns, story.conditions.t_grid_ns) == (at(0.4).t_ns, at(0.4).t_ns)

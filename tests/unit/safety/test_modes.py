"""The mode table: complete, without dead ends, and every guard at its edge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.image import Mode
from controller.safety import modes
from controller.safety.modes import INIT_S_MAX, ROWS, next_mode
from controller.safety.transition import ISLANDS, RESTS
from controller.state import Asked, Battery, Condition, Conditions, Converter, Effect, ModeState
from tests.examples import few
from tests.unit.safety.sites import TERMS, at

NOTHING = Asked()
READY = Conditions(
    converters=(Converter("pcs-1", 0.0, "standby", fresh=True, armed=True, accepted=True),),
    battery=Battery(
        soc_pct=50.0, soc_pct_low=50.0, soc_pct_high=50.0, charge_kw_max=800.0, discharge_kw_max=1000.0
    ),
    t_fresh_ns=at(-10).t_ns,
    t_grid_ns=at(-10).t_ns,
    grid_seen=True,
)


def fault(grade: str = "B", effect: Effect = Effect.STOP) -> Condition:
    """An active condition."""
    return Condition("F16", "pcs-mute", "pcs-1", grade, effect, "cause", "cure", active=True)


def with_faults(*found: Condition, base: Conditions = READY) -> Conditions:
    """READY with active conditions."""
    return replace(base, watches={(i, c.subject): c for i, c in enumerate(found)})


def converter(**changes: Any) -> Conditions:
    """READY with another converter state."""
    return replace(READY, converters=(replace(READY.converters[0], **changes),))


def step(
    state: ModeState,
    conditions: Conditions,
    seconds: float = 0.0,
    wanted: bool = True,
    asked: Asked = NOTHING,
) -> ModeState:
    """One step at `seconds`."""
    return next_mode(TERMS, replace(state, wanted=wanted), conditions, asked, at(seconds))


def reset(conditions: Conditions, who: str = "operator") -> Conditions:
    """The same with a reset that takes effect now."""
    return replace(conditions, reset=who, reset_reason="cable mended")


def in_mode(mode: Mode, seconds: float = -1.0, **changes: Any) -> ModeState:
    """A state that has lasted since `seconds`."""
    return ModeState(mode=mode, t_since_ns=at(seconds).t_ns, **changes)


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode not in RESTS])
@pytest.mark.parametrize("grade", ["A", "B", "C"])
@pytest.mark.parametrize("wanted", [True, False])
def test_every_mode_reaches_safe_stop_in_one_step(mode: Mode, grade: str, wanted: bool) -> None:
    """Goal: P10. Method: any mode, any stopping fault, one step; an island stops for what trips it alone."""
    effect = Effect.TRIP if mode in ISLANDS else Effect.STOP
    after = step(in_mode(mode), with_faults(fault(grade, effect)), wanted=wanted)
    assert (after.mode, after.row) == (Mode.SAFE_STOP, "T12")
    assert after.reason == "F16 pcs-mute: cause"


def test_no_dead_end() -> None:
    """Goal: every mode can be entered and left. Method: the graph of the rows."""
    edges = {(source, row.target) for row in ROWS for source in row.sources}
    for mode in Mode:
        assert any(source == mode and target != mode for source, target in edges)
        assert mode == Mode.INIT or any(target == mode and source != mode for source, target in edges)


def test_the_way_up() -> None:
    """Goal: INIT, STANDBY, GRID_TIED by the rules. Method: a ready site, three steps."""
    state = step(ModeState(), READY)
    assert (state.mode, state.row) == (Mode.STANDBY, "T01")
    state = step(state, READY, 0.1)
    assert (state.mode, state.row) == (Mode.GRID_TIED, "T02")
    assert step(state, READY, 0.2) == state


def test_init_waits_and_then_gives_up() -> None:
    """Goal: T01 and its time-out. Method: one device missing at exactly 120 s and a moment later."""
    missing = replace(READY, unanswered=("bms-1",))
    state = step(in_mode(Mode.INIT, 0.0), missing, INIT_S_MAX)
    assert (state.mode, state.waiting) == (Mode.INIT, "waiting for three replies of bms-1")
    state = step(state, missing, INIT_S_MAX + 0.1)
    assert state.mode == Mode.SAFE_STOP
    assert "bms-1" in state.reason
    assert step(state, READY, INIT_S_MAX + 0.2).mode == Mode.STANDBY


BLOCKS = [
    ("no start asked for", READY, False),
    ("arming", converter(armed=False), True),
    ("stopping pcs-1", converter(state="running"), True),
    ("state of charge", replace(READY, battery=Battery()), True),
    ("stale", with_faults(fault(effect=Effect.FREEZE)), True),
    ("inputs", replace(READY, t_fresh_ns=0), True),
    ("inputs", replace(READY, t_fresh_ns=at(-1.9).t_ns), True),
    ("grid", replace(READY, t_grid_ns=0), True),
    ("grid", replace(READY, t_grid_ns=at(-4.9).t_ns), True),
]


@pytest.mark.parametrize(("waiting", "conditions", "wanted"), BLOCKS)
def test_what_keeps_a_site_in_standby(waiting: str, conditions: Conditions, wanted: bool) -> None:
    """Goal: each check of T02 blocks alone and says so. Method: one thing wrong at a time."""
    state = step(in_mode(Mode.STANDBY), conditions, wanted=wanted)
    assert state.mode == Mode.STANDBY
    assert waiting in state.waiting


def test_entry_edges() -> None:
    """Goal: 2 s of fresh inputs and 5 s of good grid are enough. Method: exactly these times."""
    just = replace(READY, t_fresh_ns=at(-2.0).t_ns, t_grid_ns=at(-5.0).t_ns)
    assert step(in_mode(Mode.STANDBY), just).mode == Mode.GRID_TIED


def test_a_normal_stop_ramps_first() -> None:
    """Goal: N6.
    Method: running until the converter is in standby; a deaf one after 4 s; no way back in between."""
    running = converter(state="running", pcs_kw=500.0)
    state = step(in_mode(Mode.GRID_TIED), running, wanted=False)
    assert (state.mode, state.t_stopping_ns) == (Mode.GRID_TIED, at(0.0).t_ns)
    assert step(state, running, 3.9, wanted=True).mode == Mode.GRID_TIED
    assert step(state, READY, 1.0, wanted=False).mode == Mode.STANDBY
    after = step(state, running, 4.0, wanted=False)
    assert (after.mode, after.t_stopping_ns) == (Mode.STANDBY, at(0.0).t_ns)  # F22 counts from the stop


def test_return_after_class_a() -> None:
    """Goal: T13. Method: cause gone and power zero: back at once; power left: not."""
    stop = step(in_mode(Mode.GRID_TIED), with_faults(fault("A")))
    assert stop.t_retries_ns == ()
    assert step(stop, with_faults(fault("A")), 100.0).mode == Mode.SAFE_STOP
    assert step(stop, converter(pcs_kw=20.1), 100.0).waiting == "power not yet zero"
    assert step(stop, converter(pcs_kw=20.0), 100.0).mode == Mode.STANDBY


def test_retry_budget_of_class_b() -> None:
    """Goal: 30 s, 2 min, 10 min, then a person. Method: four stops within an hour, each at its edge."""
    state, t = in_mode(Mode.GRID_TIED), 0.0
    for wait_s in (30.0, 120.0, 600.0):
        state = step(state, with_faults(fault()), t)
        assert step(state, READY, t + wait_s - 0.1).mode == Mode.SAFE_STOP
        state = step(state, READY, t + wait_s)
        assert (state.mode, state.latched) == (Mode.STANDBY, False)
        t += wait_s + 1.0
    state = step(state, with_faults(fault()), t)
    assert state.latched
    state = step(state, READY, t + 86_400.0)
    assert (state.mode, state.row) == (Mode.FAULT, "T14")
    assert step(state, READY, t + 2 * 86_400.0) == replace(
        state, waiting="waits for an operator to acknowledge"
    )


def test_retries_are_forgotten_after_an_hour() -> None:
    """Goal: three within an hour. Method: three old stops, the fourth an hour after the first."""
    old = tuple(at(t).t_ns for t in (0.0, 100.0, 200.0))
    state = in_mode(Mode.GRID_TIED, 300.0, t_retries_ns=old)
    assert step(state, with_faults(fault()), 3599.9).latched
    assert not step(state, with_faults(fault()), 3600.0).latched


def test_class_c_latches() -> None:
    """Goal: a class C fault waits for a person, one that comes while the site stops too.
    Method: from STANDBY, and beside a class A stop; then fault gone and a day passes."""
    state = step(in_mode(Mode.STANDBY), with_faults(fault("C")))
    assert state.latched
    late = step(in_mode(Mode.STANDBY), with_faults(fault("A")))
    assert not late.latched
    for before in (state, late):
        after = step(before, with_faults(fault("C")), 0.1)
        assert (after.mode, after.reason) == (Mode.FAULT, "F16 pcs-mute: cause")
        assert step(after, READY, 86_400.0).mode == Mode.FAULT


def test_fault_waits_for_the_ramp() -> None:
    """Goal: T14 leaves SAFE_STOP its time. Method: 20.1 kW at 1.9 and 2.0 s, 20 kW at once."""
    stop = step(in_mode(Mode.GRID_TIED), with_faults(fault("C")))
    assert step(stop, converter(pcs_kw=20.1), 1.9).mode == Mode.SAFE_STOP
    assert step(stop, converter(pcs_kw=20.1), 2.0).mode == Mode.FAULT
    assert step(stop, converter(pcs_kw=20.0), 0.1).mode == Mode.FAULT


def test_a_stop_without_effect() -> None:
    """Goal: T14, stop not confirmed. Method: class A; fresh 50.1 kW at 2.4 and 2.5 s (2 s and 0.5 s to settle),
    50 kW, and a stale reading, which is no proof."""
    stop = step(in_mode(Mode.GRID_TIED), with_faults(fault("A")))
    assert step(stop, converter(pcs_kw=50.1), 2.4).mode == Mode.SAFE_STOP
    assert step(stop, converter(pcs_kw=-50.1), 2.5).reason == "T14: stop not confirmed by pcs-1"
    assert step(stop, converter(pcs_kw=50.0), 2.5).mode == Mode.SAFE_STOP
    assert step(stop, converter(pcs_kw=50.1, fresh=False), 2.5).mode == Mode.SAFE_STOP


def test_an_operator_acknowledges_a_fault() -> None:
    """Goal: T15: cause gone, reset, and the reset is not a start.
    Method: reset with the cause there, without an answer, with power left; then right; then a start."""
    state = in_mode(Mode.FAULT, latched=True, t_retries_ns=(1, 2, 3), t_faults_ns=(at(-1.0).t_ns,))
    assert step(state, reset(with_faults(fault("C")))).waiting == "cause not yet gone: F16 pcs-mute: cause"
    assert step(state, reset(replace(READY, unanswered=("bms-1",)))).mode == Mode.FAULT
    assert step(state, reset(converter(pcs_kw=20.1))).waiting == "power not yet zero"
    assert step(state, READY).waiting == "waits for an operator to acknowledge"
    after = step(state, reset(READY), asked=Asked(start=True))
    assert (after.mode, after.row, after.wanted, after.latched) == (Mode.STANDBY, "T15", False, False)
    assert (after.t_retries_ns, after.t_faults_ns) == ((), (at(-1.0).t_ns,))
    assert after.reason == "acknowledged: cable mended"
    assert step(after, READY, 60.0, wanted=False).waiting == "no start asked for"
    assert step(after, READY, 60.0, wanted=False, asked=Asked(start=True)).mode == Mode.GRID_TIED
    both = Asked(start=True, stop=True)
    assert step(after, READY, 60.0, wanted=True, asked=both).waiting == "no start asked for"


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode != Mode.LOCKOUT])
def test_class_d_locks_from_everywhere(mode: Mode) -> None:
    """Goal: T16. Method: a class D condition in every mode, one step; LOCKOUT stays itself."""
    hard = with_faults(fault("D", Effect.TRIP))
    after = step(in_mode(mode), hard)
    assert (after.mode, after.row, after.latched, after.wanted) == (Mode.LOCKOUT, "T16", True, False)
    assert step(after, hard, 1.0).mode == Mode.LOCKOUT


def test_three_faults_within_a_day_lock() -> None:
    """Goal: T16. Method: two old FAULTs and a new one; the oldest just within and just outside of a day."""
    for age_s, mode in ((86_399.9, Mode.LOCKOUT), (86_400.0, Mode.FAULT)):
        old = (at(-age_s).t_ns, at(-100.0).t_ns)
        state = in_mode(Mode.SAFE_STOP, latched=True, t_faults_ns=old)
        state = step(state, READY, -0.0)
        assert (state.mode, len(state.t_faults_ns)) == (Mode.FAULT, 3 if mode == Mode.LOCKOUT else 2)
        assert step(state, READY, 0.0).mode == mode


def test_only_a_person_at_the_box_unlocks() -> None:
    """Goal: T17: operator's reset does nothing; a local one begins the self-test, which must pass.
    Method: both resets; devices silent, then there; a class D that comes meanwhile takes the reset away."""
    state = in_mode(Mode.LOCKOUT, latched=True)
    assert step(state, reset(READY)).waiting == "waits for a person at the box to acknowledge"
    held = step(state, reset(READY, "local"))
    assert (held.mode, held.released) == (Mode.LOCKOUT, True)
    assert step(held, replace(READY, unanswered=("bms-1",)), 5.0).waiting.startswith("waiting for three")
    assert step(held, with_faults(fault("A")), 5.0).waiting == "cause not yet gone: F16 pcs-mute: cause"
    assert not step(held, with_faults(fault("D")), 5.0).released
    after = step(held, READY, 5.0)
    assert (after.mode, after.row, after.wanted, after.t_faults_ns) == (Mode.STANDBY, "T17", False, ())


def test_maintenance_by_the_key() -> None:
    """Goal: IL-14, N6. Method: key on from STANDBY alone; a start does nothing; key off with power left, without."""
    key = Asked(key=True)
    assert step(in_mode(Mode.GRID_TIED), converter(state="running"), asked=key).mode == Mode.GRID_TIED
    state = step(in_mode(Mode.STANDBY), replace(READY, t_grid_ns=0), asked=key)
    assert (state.mode, state.row) == (Mode.MAINT, "N6")
    assert step(state, READY, 9.0, asked=replace(key, start=True)).waiting == "key switch on"
    assert step(state, converter(pcs_kw=20.1), 9.0).waiting == "power not yet zero"
    assert step(state, READY, 9.0).mode == Mode.STANDBY


@settings(max_examples=few(300), deadline=None, derandomize=True)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["", "A", "B", "C", "D"]),
            st.sampled_from(["off", "standby", "starting", "running", "fault", "unknown"]),
            st.booleans(), st.booleans(), st.booleans(), st.sampled_from([0.1, 5.0, 31.0, 700.0]),
        ),
        max_size=40,
    )
)  # fmt: skip
def test_any_walk_keeps_the_rules(steps: list[tuple[str, str, bool, bool, bool, float]]) -> None:
    """Goal: no walk through the table breaks a rule.
    Method: random conditions; a fault always ends at rest, GRID_TIED is entered from STANDBY alone and
    armed, a latched site stays at rest without a reset."""
    state, t = ModeState(), 0.0
    for grade, run_state, armed, known, wanted, dt in steps:
        t += dt
        base = converter(state=run_state, armed=armed)
        base = replace(base, unanswered=() if known else ("pcs-1",), t_fresh_ns=at(t - 5).t_ns)
        after = step(state, with_faults(*([fault(grade)] if grade else []), base=base), t, wanted)
        if grade:
            assert after.mode in RESTS
        if after.mode == Mode.GRID_TIED != state.mode:
            assert state.mode == Mode.STANDBY
            assert armed
            assert wanted
        if state.latched:
            assert after.mode in RESTS
        if state.mode == Mode.LOCKOUT or grade == "D":
            assert after.mode == Mode.LOCKOUT
        state = after


def test_rows_are_known() -> None:
    """Goal: ids of the reference only. Method: the set."""
    assert {row.id for row in ROWS} == {f"T{k:02}" for k in range(1, 18)} | {"N6"}
    assert modes.retry_s(TERMS, ModeState()) == 0.0


def test_what_init_waits_for_is_named() -> None:
    """Goal: a converter of an unknown identity is told by its name. Method: one refused."""
    assert step(ModeState(), converter(accepted=False)).waiting == "waiting for the identity of pcs-1"


def test_retries_that_are_used_up_stop_nothing_by_themselves() -> None:
    """Goal: the fourth hold stops, not the third's memory. Method: three retries of the hour, no hold."""
    full = tuple(at(-10.0 - k).t_ns for k in range(3))
    assert step(in_mode(Mode.GRID_TIED, t_retries_ns=full), READY).mode == Mode.GRID_TIED


def test_a_fault_keeps_the_reason_of_its_stop() -> None:
    """Goal: FAULT says what stopped the site, or who did not follow the stop; the stop's time runs on.
    Method: latched and confirmed; latched with power left; power left alone."""
    stopped = in_mode(Mode.SAFE_STOP, -10.0, reason="why", t_stopping_ns=at(-9.0).t_ns)
    latched = step(replace(stopped, latched=True), READY)
    assert (latched.mode, latched.reason, latched.t_stopping_ns) == (Mode.FAULT, "why", at(-9.0).t_ns)
    power = converter(pcs_kw=500.0, state="running")
    assert step(replace(stopped, latched=True), power).reason == "why"
    assert step(stopped, power).reason == "T14: stop not confirmed by pcs-1"
    begun = step(in_mode(Mode.GRID_TIED), with_faults(fault()))
    assert begun.t_stopping_ns == at(0.0).t_ns


def test_every_converter_must_be_quiet() -> None:
    """Goal: one converter with power is enough to wait. Method: the second of two, at the key's end."""
    one = replace(
        READY, converters=(READY.converters[0], replace(READY.converters[0], name="pcs-2", pcs_kw=900.0))
    )
    two = replace(TERMS, parts=(TERMS.parts[0], replace(TERMS.parts[0], name="pcs-2"), *TERMS.parts[1:]))
    at_rest = next_mode(two, in_mode(Mode.MAINT), one, NOTHING, at(0.0))
    assert (at_rest.mode, at_rest.waiting) == (Mode.MAINT, "power not yet zero")

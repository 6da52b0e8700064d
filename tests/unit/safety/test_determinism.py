"""P10 and P11: every mode and row is reached by exploration; equal runs and equal builds give equal traces."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from controller.image import Mode
from controller.safety import modes
from controller.safety.hall import Hall
from controller.safety.transition import ISLANDS, RESTS
from controller.state import Asked, Conditions, Effect, ModeState
from tests.unit.runtime.test_explain import page_transitions
from tests.unit.safety.halls import DARK, FOLLOWS, FORMS, HALL_TERMS, HEALTHY, ISLAND, LOST, READY_SET
from tests.unit.safety.sites import at
from tests.unit.safety.test_modes import READY, fault, with_faults
from tests.unit.safety.traces import trace

pytestmark = pytest.mark.stack

HOUSE = Path(__file__).resolve().parents[3]
COMPILED = HOUSE / "build" / "compiled"


def test_equal_seeds_give_equal_traces() -> None:
    """Goal: P11, and a trace worth comparing. Method: one seed twice, another; the modes it visits."""
    first, seen = trace(1, 1000)
    assert trace(1, 1000)[0] == first
    other, more = trace(2, 1000)
    assert other != first
    assert seen | more == set(Mode.__members__)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_compiled_and_interpreted_traces_are_equal() -> None:
    """Goal: P11: one file, two builds, one trace. Method: compile the room aside, the same seeds in both."""
    build = [sys.executable, "setup.py", "-q", "build_ext", "--build-lib", str(COMPILED)]
    env = os.environ | {"STILLWATT_ONLY": "controller.safety"}
    subprocess.run(build, cwd=HOUSE, env=env, check=True, capture_output=True)
    folder = str(COMPILED / "controller" / "safety")
    for seed in (1, 2):
        command = [sys.executable, "-m", "tests.unit.safety.traces", str(seed), "1000"]
        run = [subprocess.run(c, cwd=HOUSE, capture_output=True, text=True, check=True)
               for c in (command, [*command, folder])]  # fmt: skip
        assert run[0].stdout == run[1].stdout != ""


GIVEN: tuple[Conditions, ...] = (
    READY, FOLLOWS, FORMS, LOST, with_faults(fault("B")), with_faults(fault("C"), base=FORMS),
    with_faults(fault("D", Effect.TRIP)), with_faults(fault("A", Effect.TRIP), base=FORMS),
    replace(READY, reset="local", reset_reason="why"), replace(READY, unanswered=("bms-1",)),
    replace(READY, battery=replace(READY.battery, soc_pct_low=5.0)),
)  # fmt: skip
HALLS: tuple[Hall, ...] = (
    HEALTHY, ISLAND, DARK, replace(ISLAND, t_utility_ns=at(-400.0).t_ns),
    replace(ISLAND, position="genset", sets=READY_SET), replace(ISLAND, position=""),
    replace(ISLAND, t_lost_ns=at(-1.0).t_ns, t_bus_ns=0), replace(HEALTHY, t_position_ns=at(-1.0).t_ns),
)  # fmt: skip
WISHES = (
    Asked(),
    Asked(start=True),
    Asked(stop=True),
    Asked(island=True),
    Asked(black_start=True),
    Asked(key=True),
)


def key(state: ModeState) -> tuple[object, ...]:
    """What tells two states apart, times left out."""
    return (state.mode, state.row, state.latched, state.wanted, state.t_stopping_ns > 0, state.released,
            len(state.t_retries_ns), len(state.t_faults_ns), state.t_hold_ns > 0)  # fmt: skip


def explored() -> tuple[dict[tuple[object, ...], ModeState], set[tuple[str, Mode, Mode]]]:
    """Every state that can be reached from the start, and every transition on the way."""
    first = ModeState(wanted=True, t_since_ns=at(0.0).t_ns)
    found, edges, open_states = {key(first): first}, set(), deque([first])
    while open_states:
        state = open_states.popleft()
        for given, here, asked, past_s in product(GIVEN, HALLS, WISHES, (0.1, 2500.0)):
            now = at(state.t_since_ns / 1e9 - 1000.0 + past_s)
            after = modes.next_mode(HALL_TERMS, state, given, asked, now, here)
            if after.mode != state.mode:
                edges.add((after.row, state.mode, after.mode))
            after = replace(after, t_since_ns=at(0.0).t_ns)
            if key(after) not in found:
                found[key(after)] = after
                open_states.append(after)
    return found, edges


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_mode_machine_is_sound() -> None:
    """Goal: P10 and row 10: all modes reached, every row from every of its sources, and nothing else: what the machine
    does, the table has and the page says are one. No dead-lock; every mode stops within one step.
    Method: explicit-state exploration over the product of conditions, hall, wishes and times."""
    states, edges = explored()
    assert {state.mode for state in states.values()} == set(Mode)
    rows = {
        (row.id, source, row.target) for row in modes.ROWS for source in row.sources if source != row.target
    }
    assert edges == rows == {edge for edge in page_transitions() if edge[1] != edge[2]}
    back = {Mode.STANDBY}
    while grown := {source for _, source, target in edges if target in back} - back:
        back |= grown
    assert back == set(Mode)
    trip, lock = with_faults(fault("A", Effect.TRIP)), with_faults(fault("D", Effect.TRIP))
    for state in states.values():
        now = at(0.1)
        stopped = modes.next_mode(HALL_TERMS, state, trip, Asked(), now, ISLAND)
        assert stopped.mode in RESTS
        assert modes.next_mode(HALL_TERMS, state, lock, Asked(), now, ISLAND).mode == Mode.LOCKOUT
    assert set(ISLANDS) < {state.mode for state in states.values()}

"""Which orders are wanted when: arm, start, stop, clear."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.image import Mode
from controller.safety.orders import wanted
from controller.state import ModeState
from tests.unit.safety.sites import TERMS, at
from tests.unit.safety.test_modes import READY

STOPPING = {"t_stopping_ns": at(0.0).t_ns}
TABLE: list[tuple[Mode, dict[str, Any], dict[str, Any], float, str]] = [
    (Mode.INIT, {}, {"armed": False, "state": "running"}, 1.0, ""),
    (Mode.STANDBY, {}, {"armed": False}, 1.0, "arm"),
    (Mode.STANDBY, {}, {"armed": True}, 1.0, ""),
    (Mode.STANDBY, {}, {"armed": False, "state": "running"}, 1.0, "stop"),
    (Mode.GRID_TIED, {}, {"state": "standby"}, 1.0, "start"),
    (Mode.GRID_TIED, {}, {"state": "starting"}, 1.0, ""),
    (Mode.GRID_TIED, {}, {"state": "running"}, 1.0, ""),
    (Mode.GRID_TIED, {}, {"state": "running", "forming": True}, 1.0, "follow"),
    (Mode.GRID_TIED, STOPPING, {"state": "running", "pcs_kw": 20.1}, 1.0, ""),
    (Mode.GRID_TIED, STOPPING, {"state": "running", "pcs_kw": -20.0}, 1.0, "stop"),
    (Mode.SAFE_STOP, {}, {"state": "running", "pcs_kw": 500.0}, 1.9, ""),
    (Mode.SAFE_STOP, {}, {"state": "running", "pcs_kw": 500.0}, 2.0, "stop"),
    (Mode.SAFE_STOP, {}, {"state": "running", "pcs_kw": 0.0}, 0.1, "stop"),
    (Mode.SAFE_STOP, {}, {"state": "running", "pcs_kw": 500.0, "forming": True}, 0.1, "stop"),
    (Mode.LOCKOUT, {}, {"state": "running", "pcs_kw": 500.0, "forming": True}, 0.1, "stop"),
    (Mode.SAFE_STOP, {}, {"state": "standby"}, 30.5, ""),
    (Mode.SAFE_STOP, {}, {"state": "fault"}, 29.9, ""),
    (Mode.SAFE_STOP, {}, {"state": "fault"}, 30.0, "clear"),
    (Mode.SAFE_STOP, {}, {"state": "fault"}, 31.0, ""),
    (Mode.SAFE_STOP, {}, {"state": "fault"}, 120.5, "clear"),
    (Mode.SAFE_STOP, {}, {"state": "fault"}, 600.5, "clear"),
    (Mode.SAFE_STOP, {"latched": True}, {"state": "fault"}, 30.5, ""),
]


@pytest.mark.parametrize(("mode", "state", "converter", "seconds", "expected"), TABLE)
def test_orders(
    mode: Mode, state: dict[str, Any], converter: dict[str, Any], seconds: float, expected: str
) -> None:
    """Goal: the right order at the right time. Method: the table; rating 1000 kW, so 20 kW counts as none."""
    here = ModeState(mode=mode, t_since_ns=at(0.0).t_ns, **state)
    conditions = replace(READY, converters=(replace(READY.converters[0], **converter),))
    found = wanted(TERMS, here, conditions, at(seconds))
    assert found == ({"pcs-1": expected} if expected else {})


def test_no_order_to_a_stranger() -> None:
    """Goal: F28. Method: a converter whose identity is refused gets no order in any mode."""
    strange = replace(READY, converters=(replace(READY.converters[0], accepted=False, state="running"),))
    for mode in Mode:
        state = ModeState(mode=mode, t_since_ns=at(0.0).t_ns)
        assert wanted(TERMS, state, strange, at(60.0)) == {}


@pytest.mark.parametrize(("state", "expected"), [("running", {"pcs-1": "stop"}), ("starting", {})])
def test_an_order_goes_to_the_states_that_take_it(state: str, expected: dict[str, str]) -> None:
    """Goal: a converter gets what it can take in its state. Method: stop, taken while running alone."""
    terms = replace(
        TERMS, parts=(replace(TERMS.parts[0], order_states={"stop": ("running",)}), *TERMS.parts[1:])
    )
    conditions = replace(READY, converters=(replace(READY.converters[0], state=state),))
    stopped = ModeState(mode=Mode.SAFE_STOP, t_since_ns=at(-1.0).t_ns)
    assert wanted(terms, stopped, conditions, at(0.0)) == expected

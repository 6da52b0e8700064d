"""Rows about the bus: a port that flaps (F79), a converter that does not follow (F20, F21), F80, F84, F85."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.image import Limits, Mode, Permit, PortLook, Wish
from controller.safety import envelope, modes
from controller.safety.orders import wanted
from controller.safety.table import (
    BABBLE_BYTES_MAX,
    IGNORED_S,
    LATE_PCT_MAX,
    NOISE_HEARD_MIN,
    OPPOSED_S,
    PORT_HOLD_S,
)
from controller.state import Conditions, Effect, ModeState
from tests.unit.safety.sites import BMS, METER, PCS, TERMS, Story, at

PORTS = ("rs485-1", "rs485-2")
ON_PORTS = replace(
    TERMS,
    parts=(replace(PCS, port=PORTS[0]), replace(BMS, port=PORTS[1]), replace(METER, port=PORTS[1])),
    ports=PORTS,
)
GRID_TIED = ModeState(mode=Mode.GRID_TIED, t_since_ns=at(-100).t_ns, wanted=True)
BAR_1, BAR_2 = Permit.BAR, Permit.BAR << 1


class Bus(Story):
    """A story whose devices answer at every cycle, on two ports; the port times are in s of the story."""

    def __init__(self) -> None:
        super().__init__(GRID_TIED, ON_PORTS)
        self.taken_s = dict.fromkeys(PORTS, -50.0)
        self.identity_s = -49.0
        self.lost: tuple[str, ...] = ()

    def cycle(self, seconds: float, identity: str = "7", fresh: bool = True, **pcs: Any) -> set[str]:
        """One cycle; the converter runs and was last read 10 ms ago where fresh, else just before the loss."""
        looks = tuple(
            PortLook(name, 0 if name in self.lost else at(self.taken_s[name]).t_ns) for name in PORTS
        )
        t_ok_ns = at(seconds - 0.01).t_ns if fresh else at(-0.05).t_ns
        age_s = 0.01 if fresh else seconds + 0.05
        own = {
            "state": "running", "identity": identity, "t_identity_ns": at(self.identity_s).t_ns,
            "t_ok_ns": t_ok_ns, "age_s": age_s, "silent_s": age_s,
        }  # fmt: skip
        frame = {"ports": looks, "ports_lost": self.lost, "sent_kw_low": (0.0,), "sent_kw_high": (0.0,)}
        rack = {"t_ok_ns": at(seconds - 0.01).t_ns}
        return self.feed(seconds, frame=frame, pcs=own | pcs, bms=rack)

    def limits(self, seconds: float) -> Limits:
        """The lease of this cycle, after the mode has moved."""
        self.state = modes.next_mode(self.terms, self.state, self.conditions, self.asked, at(seconds))
        return envelope.limit(self.terms, self.state, self.conditions, Wish(), (), at(seconds))


def lost_at_zero() -> Bus:
    """The converter's port has gone at 0 s; setpoints had flowed before."""
    bus = Bus()
    for k in range(10):
        assert bus.cycle(-1.0 + 0.1 * k) == set()
        assert bus.limits(-1.0 + 0.1 * k).permit == Permit.ORDER | Permit.SETPOINT
    bus.lost = PORTS[:1]
    return bus


def test_a_lost_port_holds_power_and_bars_itself() -> None:
    """Goal: F79: no power in the same cycle, no write to that port, no SAFE_STOP, F16 leaves the word to F79.
    Method: a port lost for just the hold time, then one cycle more."""
    bus = lost_at_zero()
    for k in range(round(PORT_HOLD_S / 0.1)):
        assert bus.cycle(0.1 * k, fresh=False) == {"F79"}
        assert bus.conditions.has(Effect.HOLD)
        limits = bus.limits(0.1 * k)
        assert (sum(limits.discharge_kw_max), sum(limits.charge_kw_max)) == (0.0, 0.0)
        assert limits.permit == Permit.ORDER | Permit.SETPOINT | BAR_1
        assert bus.state.mode == Mode.GRID_TIED
    bus.cycle(PORT_HOLD_S, fresh=False)
    bus.limits(PORT_HOLD_S)
    assert (bus.state.mode, bus.state.latched) == (Mode.SAFE_STOP, False)
    assert bus.state.reason.startswith("F79")
    assert len(bus.state.t_retries_ns) == 1, "a hold that became a stop is one retry, not two"


def test_the_port_opens_only_for_the_same_device() -> None:
    """Goal: BUS-14. Method: back at 0.5 s; status first, identity later; then power in the same cycle."""
    bus = lost_at_zero()
    bus.cycle(0.0, fresh=False)
    bus.limits(0.0)
    bus.lost, bus.taken_s[PORTS[0]] = (), 0.5
    for seconds, fresh in ((0.6, False), (0.7, True)):
        bus.cycle(seconds, fresh=fresh)
        assert bus.limits(seconds).permit & BAR_1
    bus.identity_s = 0.75
    assert bus.cycle(0.8) == set()
    limits = bus.limits(0.8)
    assert limits.permit == Permit.ORDER | Permit.SETPOINT
    assert sum(limits.discharge_kw_max) >= 0
    assert bus.state.mode == Mode.GRID_TIED


def test_another_identity_is_refused_for_good() -> None:
    """Goal: F28 after a replug, also for a name that the profile would accept. Method: 7 becomes 8, both accepted."""
    bus = lost_at_zero()
    bus.terms = replace(ON_PORTS, parts=(replace(ON_PORTS.parts[0], accepted=("*",)), *ON_PORTS.parts[1:]))
    bus.cycle(0.0, fresh=False)
    bus.limits(0.0)
    bus.lost, bus.taken_s[PORTS[0]], bus.identity_s = (), 0.5, 0.6
    assert "F28" in bus.cycle(0.7, identity="8")
    assert bus.limits(0.7).permit == BAR_1
    assert (bus.state.mode, bus.state.latched) == (Mode.SAFE_STOP, True)
    assert wanted(bus.terms, bus.state, bus.conditions, at(0.7)) == {}
    bus.cycle(60.0, identity="8")
    assert bus.limits(60.0).permit == BAR_1


def test_a_tty_exchanged_unseen_bars_too() -> None:
    """Goal: no gap in the watch. Method: another taking time without a lost port between two cycles."""
    bus = lost_at_zero()
    bus.lost, bus.taken_s[PORTS[0]] = (), -0.02
    bus.cycle(0.0)
    assert bus.limits(0.0).permit & BAR_1


def test_the_battery_port_bars_only_itself() -> None:
    """Goal: the converter still gets its zero. Method: the rack's port lost."""
    bus = lost_at_zero()
    bus.lost = PORTS[1:]
    bus.cycle(0.0)
    limits = bus.limits(0.0)
    assert limits.permit == Permit.ORDER | Permit.SETPOINT | BAR_2
    assert sum(limits.discharge_kw_max) == 0


@pytest.mark.parametrize(("earlier", "mode"), [(2, Mode.GRID_TIED), (3, Mode.SAFE_STOP)])
def test_flaps_use_up_the_retries_of_the_hour(earlier: int, mode: Mode) -> None:
    """Goal: class B stays three an hour. Method: the third and the fourth flap."""
    bus = lost_at_zero()
    bus.state = replace(bus.state, t_retries_ns=tuple(at(-100.0 - k).t_ns for k in range(earlier)))
    bus.cycle(0.0, fresh=False)
    bus.limits(0.0)
    assert bus.state.mode == mode
    assert len(bus.state.t_retries_ns) == earlier + 1
    assert bus.state.latched is (mode == Mode.SAFE_STOP)


def test_no_engaging_while_a_port_is_not_verified() -> None:
    """Goal: STANDBY waits. Method: a hold in STANDBY."""
    bus = lost_at_zero()
    bus.state = ModeState(mode=Mode.STANDBY, t_since_ns=at(-10).t_ns, wanted=True)
    bus.cycle(0.0, fresh=False, state="standby")
    assert bus.limits(0.0).permit == Permit.ORDER | BAR_1
    assert bus.state.waiting == "a port's devices are not yet verified"


def follow(told_kw: list[float], power_kw: float, seconds: float, age_s: float = 0.01) -> set[str]:
    """Setpoints told cycle by cycle (the last one goes on), the power measured after 3 s of truth."""
    bus = Bus()
    codes: set[str] = set()
    for k in range(round((3.0 + seconds) / 0.1) + 1):
        now_s = 0.1 * k
        kw = told_kw[min(k, len(told_kw) - 1)]
        measured = kw if now_s < 3.0 else power_kw
        own = {
            "state": "running",
            "t_ok_ns": at(now_s - age_s).t_ns,
            "age_s": age_s,
            "values": {"pcs_kw": measured},
        }
        codes = bus.feed(now_s, frame={"sent_kw_low": (kw,), "sent_kw_high": (kw,)}, pcs=own)
    return codes


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_converter_that_ignores(sign: float) -> None:
    """Goal: F20 at its exact edges: 20 kW here, 2 s. Method: constant setpoint, power off by the limit and beyond."""
    assert follow([500.0], 500.0 + 20.0 * sign, IGNORED_S + 1.0) == set()
    assert follow([500.0], 500.0 + 20.1 * sign, IGNORED_S - 0.1) == set()
    assert follow([500.0], 500.0 + 20.1 * sign, IGNORED_S) == {"F20"}


def test_a_converter_that_follows_late_is_not_blamed() -> None:
    """Goal: no false alarm in a swinging load. Method: the setpoint jumps every cycle, the power shows any of them."""
    swing = [300.0 if k % 2 else -300.0 for k in range(100)]
    for power_kw in (-300.0, 0.0, 300.0):
        assert follow(swing, power_kw, 4.0, age_s=0.3) == set()
    assert follow(swing, 321.0, 4.0) == {"F20"}


def test_a_converter_of_the_wrong_sign() -> None:
    """Goal: F21 within half a second, latched. Method: told 500 kW and 20 kW, it takes what it should give."""
    assert "F21" in follow([500.0], -500.0, OPPOSED_S)
    assert "F21" not in follow([500.0], -500.0, OPPOSED_S - 0.1)
    assert "F21" not in follow([20.0], -500.0, OPPOSED_S)
    assert "F21" in follow([-500.0], 500.0, OPPOSED_S)


def test_late_replies() -> None:
    """Goal: F80 beyond 5 %. Method: both sides of the edge."""
    assert Bus().cycle(0.0, late_pct=LATE_PCT_MAX) == set()
    assert Bus().cycle(0.0, late_pct=LATE_PCT_MAX + 0.1) == {"F80"}


def counted(before: PortLook, after: PortLook, seconds: float) -> Conditions:
    """Two looks at one port's counters, `seconds` apart."""
    story = Story(GRID_TIED, ON_PORTS)
    for now_s, look in ((0.0, before), (seconds, after)):
        story.feed(now_s, frame={"ports": (look,)}, pcs={"state": "running"})
    return story.conditions


@pytest.mark.parametrize(
    ("after", "seconds", "code"),
    [
        ({"unsolicited": BABBLE_BYTES_MAX}, 0.5, ""),
        ({"unsolicited": BABBLE_BYTES_MAX + 1}, 0.5, "F84"),
        ({"heard": 100, "failed": 20}, 1.8, ""),
        ({"heard": 100, "failed": 21}, 1.8, "F85"),
        ({"heard": NOISE_HEARD_MIN - 1, "failed": NOISE_HEARD_MIN - 1}, 1.8, ""),
        ({"heard": NOISE_HEARD_MIN, "failed": 3}, 1.8, "F85"),
        ({"heard": 100, "failed": 100}, 1.7, ""),
    ],
)
def test_babble_and_noise(after: dict[str, int], seconds: float, code: str) -> None:
    """Goal: F84, F85 at their edges, told but not stopping. Method: counters before and after the window."""
    look = PortLook(PORTS[0], at(-50).t_ns)
    found = counted(look, replace(look, **after), seconds).active
    assert {c.code for c in found} == ({code} if code else set())
    assert all(c.effect == Effect.NOTE for c in found)

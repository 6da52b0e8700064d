"""F27 and F79 at the start and at rest: one converter or one port that is away does not hold the whole site."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest

from controller.devices.check import check_site
from controller.image import Mode, Permit, Wish
from controller.runtime.survey import terms
from controller.safety import losses
from controller.safety.conditions import ROWS
from controller.safety.envelope import limit, permit
from controller.safety.island import unheeded
from controller.safety.modes import next_mode
from controller.safety.table import ABSENT
from controller.safety.transition import active_names, quiet
from controller.state import Asked, Conditions, Effect, ModeState
from tests.unit.safety.halls import FALLBACK, FORMS, ISLAND, view
from tests.unit.safety.sites import BMS, METER, TERMS, at
from tests.unit.safety.test_losses import BOTH, FIRST, GRID_TIED, LOSS, SECOND, TWO, Pair, mute

SITES = sorted((Path(__file__).parents[3] / "boards" / "sites").glob("*.yaml"))
INIT = ModeState(t_since_ns=at(0.0).t_ns, wanted=True)
STANDBY = replace(GRID_TIED, mode=Mode.STANDBY)
NEVER: dict[str, Any] = {
    "age_s": inf, "silent_s": inf, "state": "unknown", "armed": False, "identity": "", "values": {}, "t_ok_ns": 0,
}  # fmt: skip
RESTS: dict[str, Any] = {"state": "standby", "values": {"pcs_kw": 0.0}}
PORTS = replace(
    TWO, ports=("a", "b"), parts=(replace(FIRST, port="a"), replace(SECOND, port="b"), replace(BMS, port="c"), METER)
)  # fmt: skip
GONE = {"ports_lost": ("b",)}


def fed(pair: Pair, seconds: float, **changes: Any) -> ModeState:
    """The next mode after one cycle."""
    pair.feed(seconds, **changes)
    pair.state = next_mode(pair.terms, pair.state, pair.conditions, Asked(), at(seconds))
    return pair.state


def test_a_converter_that_never_answered_is_left_out() -> None:
    """Goal: T01 waits 120 s for all, then goes on without the one; T02 engages the other at D1; it comes back 30 s
    after it is heard. Method: INIT at 119.9 and 120.0 s; every part of the hold, then its first reply."""
    pair = Pair(state=INIT)
    for k in range(5):
        assert fed(pair, 0.1 * k, one=RESTS, two=NEVER).mode == Mode.INIT
    assert fed(pair, 119.9, one=RESTS, two=NEVER).waiting == "waiting for three replies of pcs-2"
    assert (pair.lost, pair.conditions.losses) == ((), {})
    assert fed(pair, 120.0, one=RESTS, two=NEVER).mode == Mode.STANDBY
    assert pair.lost == ("pcs-2",) and pair.conditions.unanswered == ()
    state = replace(pair.state, wanted=True)
    seen = replace(pair.conditions, t_fresh_ns=at(0.0).t_ns, t_grid_ns=at(0.0).t_ns)
    assert next_mode(TWO, state, seen, Asked(), at(122.0)).mode == Mode.GRID_TIED
    assert (pair.conditions.level, pair.conditions.stops) == (1, ())
    pair.feed(200.0, one=RESTS, two=RESTS)
    pair.feed(229.9, one=RESTS, two=RESTS)
    assert pair.lost == ("pcs-2",)
    pair.feed(230.0, one=RESTS, two=RESTS)
    assert pair.lost == ()


@pytest.mark.parametrize(("watchdog_s", "lost"), [(80.0, True), (80.1, False), (inf, False)])
def test_its_watchdog_must_have_ended_what_it_was_told(watchdog_s: float, lost: bool) -> None:
    """Goal: 1.5 times its watchdog lies within the silence of INIT, or the site waits for it as before; what it carries
    then is nothing. Method: both sides of the edge; none; what the lease leaves the other one."""
    pair = Pair(replace(TWO, parts=(FIRST, replace(SECOND, watchdog_s=watchdog_s), BMS, METER)), INIT)
    for seconds in (0.0, 0.1, 0.2, 120.0):
        fed(pair, seconds, one=RESTS, two=NEVER)
    assert (pair.lost, pair.state.mode) == ((("pcs-2",), Mode.STANDBY) if lost else ((), Mode.INIT))
    assert losses.carried_kw(pair.terms, pair.conditions, at(120.0)) == (0.0, 0.0)
    assert fed(pair, 120.1, one=RESTS, two=NEVER).mode == (Mode.STANDBY if lost else Mode.SAFE_STOP)


def test_none_there_is_a_wait_and_then_a_stop() -> None:
    """Goal: T01 as before where no converter is left, or a rack is away. Method: both; one and the rack, 120.1 s."""
    pair = Pair(state=INIT)
    for seconds in (0.0, 0.1, 0.2, 120.0):
        assert fed(pair, seconds, one=NEVER, two=NEVER).mode == Mode.INIT
    assert fed(pair, 120.1, one=NEVER, two=NEVER).row == "T01"
    assert (pair.state.mode, pair.lost) == (Mode.SAFE_STOP, ())
    assert "pcs-1, pcs-2" in pair.state.reason
    away = replace(BOTH, unanswered=("bms-1",), losses={"pcs-2": LOSS})
    assert next_mode(TWO, INIT, away, Asked(), at(120.0)).mode == Mode.INIT


def test_it_is_no_late_starter() -> None:
    """Goal: F16 alone names it; F20 times only what has answered. Method: ten minutes of GRID_TIED."""
    pair = Pair()
    for seconds in (0.0, 120.0, 600.0):
        codes = pair.feed(seconds, two=NEVER)
    assert codes == {"F16 pcs-2", "F27 pcs-2"}
    assert ABSENT.lone and ABSENT.effect == Effect.NOTE


@pytest.mark.parametrize(
    ("armed", "lost", "mode"), [(True, ("pcs-2",), Mode.GRID_TIED), (False, (), Mode.STANDBY)]
)
def test_a_start_does_not_wait_for_the_one_that_is_left_out(
    armed: bool, lost: tuple[str, ...], mode: Mode
) -> None:
    """Goal: T02: arming, freshness and rest are asked of those that are not left out; one without a watchdog in force
    still stops all. Method: silent in STANDBY since half a second, its last word running at 50 kW."""
    pair = Pair(state=STANDBY)
    last = {"armed": armed, "state": "running", "values": {"pcs_kw": 50.0}}
    pair.feed(0.0, one=RESTS, two=last)
    pair.feed(0.1, one=RESTS, two=last | mute(0.51))
    pair.feed(2.1, one=RESTS, two=last | mute(2.5))
    assert pair.lost == lost
    seen = replace(pair.conditions, t_grid_ns=at(-9.0).t_ns)
    assert bool(seen.t_fresh_ns) is bool(lost)
    assert bool(seen.stops) is not bool(lost)
    if lost:
        assert next_mode(TWO, STANDBY, seen, Asked(), at(1.9)).waiting == "inputs not yet fresh for 2 s"
        assert next_mode(TWO, STANDBY, seen, Asked(), at(2.0)).mode == mode


def test_what_is_silent_and_left_out_measures_nothing() -> None:
    """Goal: rest and stops ask those that answer; left out but heard it counts; silent but not left out too.
    Method: running with 300 kW by its last word, in all four ways."""
    last = replace(BOTH.converters[1], pcs_kw=300.0)
    idle = replace(BOTH.converters[0], pcs_kw=0.0, state="standby")
    for fresh in (True, False):
        for gone in ({"pcs-2": LOSS}, {}):
            here = replace(BOTH, converters=(idle, replace(last, fresh=fresh)), losses=gone)
            counts = fresh or not gone
            assert quiet(TWO, here) is not counts
            assert active_names(here) == ("pcs-2" if counts else "")
            assert [c.name for c in here.heard] == ["pcs-1", *(["pcs-2"] if counts else [])]


def test_a_stranger_bars_the_site_only_when_it_answers() -> None:
    """Goal: F28: nothing is written while one that answers is not the expected; one never heard bars nothing.
    Method: the permit, T01 and the islands' way back, silent and heard."""
    for fresh in (True, False):
        stranger = replace(BOTH.converters[1], accepted=False, fresh=fresh)
        here = replace(BOTH, converters=(BOTH.converters[0], stranger), losses={"pcs-2": LOSS})
        both = int(Permit.ORDER | Permit.SETPOINT)
        assert permit(TWO, GRID_TIED, here, at(0.0)) == (0 if fresh else both)
        forms = replace(here, converters=(FORMS.converters[0], stranger))
        told = unheeded(view(Mode.ISLANDED, ISLAND, conditions=forms))
        assert told == ("pcs-2 may not be told to follow (F28)" if fresh else "")
    assert next_mode(TWO, INIT, here, Asked(), at(1.0)).mode == Mode.STANDBY


def test_the_converters_of_a_port_are_lost_with_it() -> None:
    """Goal: F79 of a port with converters alone costs those: the mode stays, the others have power, the port is told
    and nothing is written there. Method: it goes, stays away beyond 2 s, and a port that is both converters'."""
    pair = Pair(PORTS)
    pair.feed(0.0)
    assert pair.feed(0.1, frame=GONE) == {"F79 b"}
    assert (pair.lost, pair.conditions.level, pair.conditions.stops) == (("pcs-2",), 1, ())
    assert not pair.conditions.has(Effect.HOLD)
    lease = limit(PORTS, GRID_TIED, pair.conditions, Wish(), (), at(0.1))
    assert lease.discharge_kw_max[0] > 0.0 and lease.discharge_kw_max[1] == 0.0
    assert lease.permit & (Permit.BAR << 1) and not lease.permit & Permit.BAR
    pair.feed(2.1, frame=GONE)
    assert (pair.lost, pair.conditions.stops) == (("pcs-2",), ())
    shared = Pair(replace(PORTS, parts=(replace(FIRST, port="b"), replace(SECOND, port="b"), BMS, METER)))
    shared.feed(0.0)
    shared.feed(0.1, frame=GONE)
    assert shared.lost == () and shared.conditions.has(Effect.HOLD)


def test_a_port_that_is_away_at_the_start_is_waited_for_too() -> None:
    """Goal: what was never heard is given T01's time, port or no port. Method: away from the first cycle, 119.9, 120 s;
    a port is spared only while all of its converters are left out."""
    pair = Pair(PORTS, INIT)
    for seconds, lost in ((0.0, ()), (0.1, ()), (119.9, ()), (120.0, ("pcs-2",))):
        pair.feed(seconds, two=NEVER, frame=GONE)
        assert pair.lost == lost
    both = replace(PORTS, parts=(replace(FIRST, port="b"), replace(SECOND, port="b"), BMS, METER))
    found = losses.spared(both, ROWS, pair.conditions.watches, {"pcs-2": LOSS})
    assert {w.effect for w in found.values() if w.code == "F79"} == {Effect.HOLD, Effect.STOP}


def test_a_port_that_carries_more_holds_the_site() -> None:
    """Goal: racks, meters, switch and gensets are no converter's loss. Method: who stands at the port."""
    port = next(row for row in ROWS if row.subjects == "port" and row.lone)
    assert losses.costs(PORTS, port, "b") == ("pcs-2",)
    assert losses.costs(PORTS, port, "c") == ()
    mixed = replace(PORTS, parts=(*PORTS.parts[:2], replace(BMS, port="b"), METER))
    assert losses.costs(mixed, port, "b") == ()
    for ports, lost in ((("b",), ()), (("a",), ("pcs-2",)), ((), ("pcs-2",))):
        hall = replace(PORTS, fallback=replace(FALLBACK, ports=ports))
        assert losses.costs(hall, port, "b") == lost
    assert losses.costs(PORTS, ABSENT, "pcs-1") == ("pcs-1",)
    pair = Pair(mixed)
    pair.feed(0.0)
    pair.feed(0.1, frame=GONE)
    assert pair.lost == () and pair.conditions.has(Effect.HOLD)


def test_behind_a_port_that_is_away_the_told_counts() -> None:
    """Goal: a reading from before the loss is older than the last command. Method: fresh by its age, 70 kW told;
    barred, and not; its watchdog's end."""
    here = replace(BOTH, losses={"pcs-2": LOSS})
    assert losses.carried_kw(PORTS, here, at(1.0)) == (0.0, 50.0)
    away = replace(here, ports_barred=("b",))
    assert losses.carried_kw(PORTS, away, at(2.999)) == (-30.0, 70.0)
    assert losses.carried_kw(PORTS, away, at(3.0)) == (0.0, 0.0)
    unarmed = replace(away, converters=(BOTH.converters[0], replace(BOTH.converters[1], armed=False)))
    assert losses.carried_kw(PORTS, unarmed, at(999.0)) == (-30.0, 70.0)
    endless = replace(PORTS, parts=(PORTS.parts[0], replace(PORTS.parts[1], watchdog_s=inf), BMS, METER))
    assert losses.carried_kw(endless, away, at(999.0)) == (-30.0, 70.0)


def test_a_site_of_one_converter_is_as_it_was() -> None:
    """Goal: with none to carry on, a port that is away holds. Method: the small site."""
    pair = Pair(replace(TERMS, parts=(replace(FIRST, port="b"), BMS, METER)))
    pair.feed(0.0)
    pair.feed(0.1, frame=GONE)
    assert isinstance(pair.conditions, Conditions) and pair.conditions.has(Effect.HOLD)


def test_a_watchdog_that_reads_feed_ends_nothing() -> None:
    """Goal: a converter that hears us and is not heard is fed by our polls (6.1): its watchdog bounds nothing.
    Method: every converter of the shipped sites, by what feeds its watchdog."""
    found = set()
    for path in SITES:
        checked = check_site(path)
        for part, unit in zip(terms(checked).pcs, checked.site.pcs, strict=True):
            watchdog = checked.profiles[unit.profile].watchdog
            fed_by = watchdog.fed_by if watchdog is not None else "none"
            bound_s = watchdog.timeout_s if watchdog is not None and fed_by == "write" else inf
            assert part.watchdog_s == bound_s, (path.name, unit.name)
            found.add(fed_by)
    assert {"write", "any"} <= found

"""The oracle's own test: one interlock taken out of the safety step, and a situation that then breaks it.

Each is caught by its rule with the interlock out, and by none with it in: an oracle that never fires proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from unittest.mock import patch

from controller.devices.check import check_site
from controller.image import Mode, Wish
from controller.safety import (
    cells,
    command,
    conditions,
    envelope,
    facts,
    fallback,
    gensets,
    interlocks,
    island,
    modes,
)
from controller.safety.command import Command, Rank
from controller.state import Conditions
from controller.units import ns
from tools.averaged.run import HALL, AveragedRun
from tools.averaged.scenes import Watcher
from tools.inject.averaged import ACTS
from tools.inject.trial import prepared
from tools.oracle.facts import plates_of
from tools.oracle.watch import Oracle

Patch = tuple[Any, str, Any]  # module, name, what stands there instead


@dataclass(frozen=True, slots=True)
class Planted:
    """start: the situation; out: what is taken out; provoke: what then breaks the rule."""

    start: str
    out: Callable[[], tuple[Patch, ...]]
    provoke: Callable[[AveragedRun], None]


def cycles(run: AveragedRun, seconds: float, each: Callable[[], None] = lambda: None) -> None:
    """Cycles of a tenth of a second."""
    for _ in range(round(seconds * 10)):
        each()
        run.cycle()


def _begin(code: str, seconds: float) -> Callable[[AveragedRun], None]:
    def provoke(run: AveragedRun) -> None:
        ACTS[code].begin(run, Random(code))
        cycles(run, seconds)

    return provoke


def _without(*ids: str) -> Patch:
    rows = tuple(replace(row, check=None) if row.id in ids else row for row in interlocks.ROWS)
    return interlocks, "ROWS", rows


def _unwatched(code: str) -> Patch:
    return conditions, "ROWS", tuple(row for row in conditions.ROWS if row.code != code)


def _open_guard(*rows: str, target: Mode) -> Patch:
    def opened(row: Any) -> Any:
        return replace(row, guard=lambda view: "") if row.id in rows and row.target == target else row

    return modes, "ROWS", tuple(opened(row) for row in modes.ROWS)


def _limit(change: Callable[..., Any]) -> Patch:
    """The envelope's last word, changed. change: limits, terms, wish."""
    whole = envelope.limit

    def changed(terms: Any, state: Any, seen: Any, wish: Wish, *rest: Any) -> Any:
        return change(whole(terms, state, seen, wish, *rest), terms, wish)

    return envelope, "limit", changed


def _once() -> tuple[Patch, ...]:
    """Growth by one reading."""
    whole = facts.battery_of

    def read(*given: Any) -> Any:
        battery = whole(*given)
        return replace(
            battery, charge_kw_max=battery.charge_kw_read, discharge_kw_max=battery.discharge_kw_read
        )

    return ((conditions, "battery_of", read),)


def _full(limits: Any, terms: Any, wish: Wish) -> Any:
    return replace(limits, discharge_kw_max=tuple(p.discharge_kw_max for p in terms.pcs))


def _wished(limits: Any, terms: Any, wish: Wish) -> Any:
    return replace(limits, import_kw_max=limits.import_kw_max - wish.leak_kw)


def _always_forms() -> tuple[Patch, ...]:
    return _without("IL-02", "IL-11"), (fallback, "forms", lambda view: True)


def _never_cold() -> tuple[Patch, ...]:
    return _unwatched("F36"), (cells, "rates", lambda *given: (1.0, 1.0))


def _both_permissives(run: AveragedRun) -> None:
    assert run.terms.fallback is not None
    run.world.spoil.values[run.terms.fallback.switch] = {"sync_word": 1.0, "dead_word": 1.0}
    cycles(run, 2.0)


def _stuck_open(run: AveragedRun) -> None:
    run.world.switch.stuck = True
    cycles(run, 5.0, lambda: setattr(run.world.switch, "angle_deg", 0.0))


def _turning(run: AveragedRun) -> None:
    for name in run.world.gensets:
        run.world.spoil.values[name] = {"speed_rpm": 300.0}
    run.world.grid_pu = 0.0
    cycles(run, 20.0)


def _back_and_forth(run: AveragedRun) -> None:
    for _ in range(3):
        run.world.grid_pu = 0.0
        run.until(Mode.ISLANDED)
        run.world.grid_pu = 1.0
        cycles(run, 33.0, lambda: setattr(run.world.switch, "angle_deg", 0.0))


def _small_battery(run: AveragedRun) -> None:
    run.world.limit_kw = (90.0, 120.0)
    cycles(run, 1.0)


def _blink(run: AveragedRun) -> None:
    _small_battery(run)
    run.world.limit_kw = (5000.0, 5000.0)
    run.cycle()
    _small_battery(run)


def _again(run: AveragedRun) -> None:
    run.ask("stop")
    run.until(Mode.STANDBY)
    run.ask("start")
    cycles(run, 10.0)


def _stop(run: AveragedRun) -> None:
    run.ask("stop")
    cycles(run, 8.0)


def _thief(run: AveragedRun) -> None:
    now_ns = run.world.t_ns
    run.inbox += [
        Command("stop", Rank.OPERATOR, 900, now_ns - ns(1.0)),
        Command("stop", Rank.GRID, 900, now_ns + ns(60.0)),
    ]
    run.cycle()


def _wishes(run: AveragedRun) -> None:
    run.wish = Wish(100.0, 10.0, 0.5)
    cycles(run, 1.0)


PLANTED: dict[str, Planted] = {
    "IL-01": Planted("resync", lambda: (_without("IL-01"),), _both_permissives),
    "IL-02": Planted("grid", _always_forms, _begin("F48", 2.0)),
    "IL-03": Planted("resync", lambda: (_without("IL-03", "IL-20"),), _stuck_open),  # the hold would keep it open too
    "IL-08": Planted("grid", lambda: ((gensets, "barred", lambda look: ""),), _turning),
    "IL-11": Planted("grid", _always_forms, _begin("F51", 6.0)),
    "IL-20": Planted("grid", lambda: (_without("IL-20"), (island, "held", lambda view: "")), _back_and_forth),
    "IL-04": Planted("grid", _never_cold, _begin("F36", 1.0)),
    "IL-05": Planted("grid", lambda: ((envelope, "shares", lambda terms, seen, lost_kw: (1.0, 1.0)),), _small_battery),
    "2.3": Planted("grid", lambda: (_limit(_full),), _stop),
    "IL-07": Planted("grid", lambda: ((Conditions, "running", True),), _again),
    "IL-09": Planted("grid", lambda: (_unwatched("F12"),), _begin("F12", 3.0)),
    "IL-12": Planted("grid", _once, _blink),
    "IL-18": Planted("grid", lambda: (_limit(_wished),), _wishes),
    "IL-15": Planted("grid", lambda: ((command, "_fault", lambda desk, order, now, mode: ""),), _thief),
    "IL-14": Planted("grid", lambda: (_open_guard("N6", target=Mode.MAINT),), _stop),
    "2.4": Planted("discharging", lambda: (_open_guard("T17", target=Mode.STANDBY),), _begin("F21", 3.0)),
}  # fmt: skip


@contextmanager
def taken_out(rule: str) -> Iterator[None]:
    """The safety step without this interlock."""
    with ExitStack() as stack:
        for module, name, other in PLANTED[rule].out():
            stack.enter_context(patch.object(module, name, other))
        yield


def provoked(rule: str) -> Oracle:
    """The situation under the eyes of the oracle, with the step as it is now."""
    run = prepared(PLANTED[rule].start, HALL).copied()
    oracle = Oracle(plates_of(check_site(HALL)))
    run.watchers.append(Watcher(oracle))
    PLANTED[rule].provoke(run)
    return oracle


def caught(rule: str) -> int:
    """Violations of this rule with its interlock taken out. Raises AssertionError when it is broken with it in."""
    prepared(PLANTED[rule].start, HALL)  # with the interlock in
    assert provoked(rule).violations == 0, (rule, provoked(rule).found)
    with taken_out(rule):
        return provoked(rule).counts[rule]

"""The write budget of registers in non-volatile memory (F29): counted, blocked, told, kept over restarts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from controller.devices.check import CheckedSite, check_site
from controller.image import Instant, Order
from controller.runtime import keep
from controller.runtime.desk import RENEW_S, Desk
from controller.runtime.keeper import Keeper
from controller.runtime.wear import DAY_S, Wear
from controller.runtime.writer import Writer
from controller.units import ns
from tests.unit.runtime.test_telling import cycle

BUDGET = 3
KEY = "pcs-1.104"


def worn_site() -> CheckedSite:
    """The reference site; the converter keeps its watchdog setting in flash."""
    checked = check_site(Path("boards/sites/reference.yaml"))
    name = "pcs-stillwatt-plant"
    profile = checked.profiles[name]
    arm = profile.orders["arm"].model_copy(update={"writes_per_day_max": BUDGET})
    changed = profile.model_copy(update={"orders": {**profile.orders, "arm": arm}})
    return replace(checked, profiles={**checked.profiles, name: changed})


def at(seconds: float) -> Instant:
    """An instant of the story; the day begins at 0 s."""
    return Instant(ns(1000.0 + seconds), 20_000 * DAY_S + seconds)


def test_the_budget_is_a_days() -> None:
    """Goal: exactly BUDGET writes a day, the next day as many; a clock that steps back brings none.
    Method: orders at edges of days."""
    wear = Wear(worn_site())
    assert [wear.admit("pcs-1", "arm", at(k)) for k in range(BUDGET + 1)] == [True] * BUDGET + [False]
    assert not wear.admit("pcs-1", "arm", at(DAY_S - 0.001))
    assert wear.admit("pcs-1", "arm", at(DAY_S))
    assert wear.spent == {KEY: (20_001, 1)}
    assert [wear.admit("pcs-1", "arm", at(0.0)) for _ in range(BUDGET)] == [True, True, False]
    assert all(wear.admit("pcs-1", "start", at(k)) for k in range(100))


def test_a_blocked_order_is_told_once_an_hour() -> None:
    """Goal: an event with id and cure, no flood. Method: blocked ten times within an hour and once after."""
    wear = Wear(worn_site(), {KEY: (20_000, BUDGET)})
    for k in range(10):
        assert not wear.admit("pcs-1", "arm", at(k))
    first = wear.events()
    assert [(e.code, e.name, e.unit) for e in first] == [("F29", "eeprom-wear", "pcs-1")]
    assert first[0].cure
    assert wear.events() == ()
    wear.admit("pcs-1", "arm", at(3600.0))
    assert len(wear.events()) == 1


def test_the_desk_sends_no_order_that_is_not_admitted() -> None:
    """Goal: blocked means not sent; a renewal counts as a write. Method: one order wanted for ever."""
    wear = Wear(worn_site())
    desk = Desk(lambda device, name: Order(poll=1, sequence=1), wear.admit)
    sent = [desk.fill({"pcs-1": "arm"}, at(k * RENEW_S)) for k in range(BUDGET + 2)]
    assert [len(orders) for orders in sent] == [1] * BUDGET + [0, 0]
    assert desk.fill({"pcs-1": "stop"}, at(60.0)) != ()


def test_the_counts_survive_a_restart(tmp_path: Path) -> None:
    """Goal: a new process goes on counting, even after a kill. Method: the record without a close; older records."""
    writer = Writer()
    keeper, wear = Keeper(tmp_path, writer), Wear(worn_site())
    keeper.spent = wear.spent
    for k in range(BUDGET):
        wear.admit("pcs-1", "arm", at(k))
    keeper.record(cycle(0.0))
    writer.close()
    found, outcome = keep.read(tmp_path)
    assert outcome == "good"
    assert found.writes == {KEY: (20_000, BUDGET)}
    assert not Wear(worn_site(), found.writes).admit("pcs-1", "arm", at(10.0))
    assert Keeper(tmp_path, Writer()).record_now.writes == found.writes

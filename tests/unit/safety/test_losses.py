"""F27: one converter lost of several is left out and named, the others carry on; all stops where they may not."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from controller.image import Mode, Wish
from controller.safety import conditions, fallback, hall_rows, island, losses, orders
from controller.safety.envelope import limit, shares
from controller.safety.look import Look
from controller.safety.table import ROWS as TABLE
from controller.state import Asked, Conditions, Converter, Effect, Loss, ModeState, Sent
from tests.unit.safety.halls import FORMS, HALL_TERMS, HEALTHY, ISLAND, view
from tests.unit.safety.sites import BMS, METER, PCS, TERMS, at, telemetry
from tests.unit.safety.test_envelope import RUNNING
from tests.unit.safety.test_modes import READY, fault, with_faults

FIRST = replace(PCS, watchdog_s=2.0)
SECOND = replace(FIRST, name="pcs-2", discharge_kw_max=500.0, charge_kw_max=400.0)
TWO = replace(TERMS, parts=(FIRST, SECOND, BMS, METER))
GRID_TIED = ModeState(mode=Mode.GRID_TIED, t_since_ns=at(0).t_ns, wanted=True)
LOSS = Loss(at(0.0).t_ns, -30.0, 70.0)
RUNS = Converter("pcs-1", 50.0, "running", fresh=True, armed=True, accepted=True)
BOTH = replace(RUNNING, converters=(RUNS, replace(RUNS, name="pcs-2")))


class Pair:
    """Two converters through the conditions, cycle by cycle; `one` and `two` replace fields of their telemetry."""

    def __init__(self, terms: Any = TWO, state: ModeState = GRID_TIED) -> None:
        self.terms, self.state, self.conditions = terms, state, Conditions()

    def feed(
        self,
        seconds: float,
        one: dict[str, Any] | None = None,
        two: dict[str, Any] | None = None,
        sent: tuple[float, ...] = (50.0, -40.0),
        frame: dict[str, Any] | None = None,
    ) -> set[str]:
        """Codes with their subjects after one cycle."""
        seen = telemetry(
            seconds,
            pcs={"state": "running", "values": {"pcs_kw": 50.0}},
            frame={"sent_kw_low": sent, "sent_kw_high": sent, **(frame or {})},
        )
        first = seen.devices["pcs-1"]
        told = {"pcs-1": replace(first, **(one or {})), "pcs-2": replace(first, name="pcs-2", **(two or {}))}
        seen = replace(seen, devices={**seen.devices, **told})
        self.conditions = conditions.read(self.terms, self.conditions, self.state, seen, Asked(), seen.now)
        return {f"{c.code} {c.subject}" for c in self.conditions.active}

    @property
    def lost(self) -> tuple[str, ...]:
        """Names of those that are left out."""
        return tuple(self.conditions.losses)


def mute(silent_s: float) -> dict[str, Any]:
    """A converter that has said nothing for so long."""
    return {"silent_s": silent_s, "age_s": silent_s}


def test_one_of_two_is_left_out_and_returns() -> None:
    """Goal: F16 of one stops nothing: it is named by F27 at D1, and is back 30 s after its cause has gone.
    Method: silent at 0.351 s, heard again at 2 s."""
    pair = Pair()
    pair.feed(0.0)
    assert pair.feed(1.0, two=mute(0.35)) == set()
    assert pair.feed(1.1, two=mute(0.351)) == {"F16 pcs-2"}
    assert pair.lost == ("pcs-2",)
    assert pair.conditions.stops == ()
    assert (pair.conditions.level, pair.conditions.running) == (1, True)
    assert pair.feed(1.2, two=mute(0.45)) == {"F16 pcs-2", "F27 pcs-2"}
    assert pair.feed(2.0) == {"F16 pcs-2", "F27 pcs-2"}
    assert pair.conditions.losses["pcs-2"].t_ns == at(1.1).t_ns
    assert pair.feed(31.9) == {"F16 pcs-2", "F27 pcs-2"}
    assert pair.feed(32.0) == {"F27 pcs-2"}
    assert pair.lost == ()
    assert pair.feed(32.1) == set()


def test_none_left_is_a_stop() -> None:
    """Goal: the second loss stops the site, and a spared condition has its own effect again. Method: one, then both."""
    pair = Pair()
    pair.feed(0.0)
    pair.feed(1.0, two=mute(0.4))
    assert not pair.conditions.stops
    pair.feed(1.1, one=mute(0.4), two=mute(0.5))
    assert (pair.lost, {c.subject for c in pair.conditions.stops}) == ((), {"pcs-1", "pcs-2"})
    assert pair.conditions.level == 3
    assert not pair.conditions.running or pair.conditions.stops


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({"state": "fault"}, True),  # F26
        ({"state": "standby"}, True),  # F24
        ({"state": "fault", "armed": False}, True),  # at rest by its own fresh word
        ({"armed": False}, False),  # F24: runs on, and nobody would end it
        ({"identity": "8"}, False),  # F28 stops all
        ({"state": "off", "armed": False}, True),
        ({"state": "unknown", "armed": False}, False),
    ],
)
def test_what_costs_one_alone(changes: dict[str, Any], lost: bool) -> None:
    """Goal: a loss is spared where its power is surely ended. Method: one cycle of each, and whether all stops."""
    pair = Pair()
    pair.feed(0.0)
    pair.feed(0.1, two=changes)
    assert (pair.lost == ("pcs-2",), not pair.conditions.stops) == (lost, lost)


def test_without_a_watchdog_all_stops() -> None:
    """Goal: what is silent and has no watchdog keeps its command: the site stops. Method: none; none in force."""
    for second, armed in ((replace(SECOND, watchdog_s=inf), True), (SECOND, False)):
        pair = Pair(replace(TWO, parts=(FIRST, second, BMS, METER)))
        pair.feed(0.0, two={"armed": armed})
        pair.feed(1.0, two=mute(0.4) | {"armed": armed})
        assert pair.lost == ()
        assert pair.conditions.stops


def test_what_the_lost_may_carry_is_what_it_was_told() -> None:
    """Goal: hull of zero, the told and the read. Method: told 50 and -40, read 50; of the first and of the second."""
    pair = Pair()
    pair.feed(0.0)
    pair.feed(0.1, one=mute(0.4))
    assert pair.conditions.losses == {"pcs-1": Loss(at(0.1).t_ns, 0.0, 50.0)}
    pair = Pair()
    pair.feed(0.0)
    pair.feed(0.1, two=mute(0.4))
    assert pair.conditions.losses == {"pcs-2": Loss(at(0.1).t_ns, -40.0, 50.0)}
    assert losses._hull((nan, -1.0)) == (-1.0, 0.0)


@pytest.mark.parametrize(
    ("fresh", "seconds", "expected"),
    [(False, 2.999, (-30.0, 70.0)), (False, 3.0, (0.0, 0.0)), (True, 1.0, (0.0, 50.0))],
)
def test_carried_until_its_own_watchdog_has_ended_it(
    fresh: bool, seconds: float, expected: tuple[float, float]
) -> None:
    """Goal: 1.5 times the watchdog's 2 s; a fresh reading speaks for itself. Method: both sides of the edge."""
    here = replace(BOTH, converters=(RUNS, replace(BOTH.converters[1], fresh=fresh)), losses={"pcs-2": LOSS})
    assert losses.carried_kw(TWO, here, at(seconds)) == expected
    assert losses.carried_kw(TWO, replace(here, losses={}), at(seconds)) == (0.0, 0.0)
    assert losses.left_kw(TWO, here.losses) == (1000.0, 800.0)
    assert losses.left_kw(TWO, {}) == (1500.0, 1200.0)


def test_two_losses_add() -> None:
    """Goal: what several may carry is their sum. Method: two of two, both silent."""
    stale = tuple(replace(c, fresh=False) for c in BOTH.converters)
    here = replace(BOTH, converters=stale, losses={"pcs-1": LOSS, "pcs-2": Loss(at(0.0).t_ns, -1.0, 2.0)})
    assert losses.carried_kw(TWO, here, at(1.0)) == (-31.0, 72.0)


def test_the_envelope_is_what_is_left() -> None:
    """Goal: nothing for the lost, its share of the others; battery and connection less what it may still carry.
    Method: the lease before and after, with a weak battery."""
    gone = replace(BOTH, converters=(RUNS, replace(BOTH.converters[1], fresh=False)), losses={"pcs-2": LOSS})

    def lease(here: Conditions) -> Any:
        return limit(TWO, GRID_TIED, here, Wish(), (), at(1.0))

    assert lease(BOTH).discharge_kw_max == (1000.0, 500.0)
    found = lease(gone)
    assert (found.discharge_kw_max, found.charge_kw_max) == ((1000.0, 0.0), (800.0, 0.0))
    assert (found.import_kw_max, found.export_kw_max) == (2970.0, 30.0)
    weak = replace(gone, battery=replace(gone.battery, discharge_kw_max=570.0, charge_kw_max=430.0))
    assert shares(TWO, weak, (-30.0, 70.0)) == (0.5, 0.5)
    assert lease(weak).discharge_kw_max == (500.0, 0.0)


def test_the_left_must_run() -> None:
    """Goal: no power unless every one that is left is fresh and running; none left is none. Method: each state."""
    gone = {"pcs-2": LOSS}
    assert replace(BOTH, converters=(RUNS, replace(RUNS, name="pcs-2", state="fault")), losses=gone).running
    assert not replace(
        BOTH, converters=(replace(RUNS, state="standby"), BOTH.converters[1]), losses=gone
    ).running
    assert not replace(BOTH, losses={"pcs-1": LOSS, "pcs-2": LOSS}).running


RECOVERY = [
    ({"state": "running"}, 1.0, ""), ({"state": "starting"}, 1.0, ""), ({"fresh": False, "state": "standby"}, 1.0, ""),
    ({"state": "standby"}, 1.0, "start"), ({"state": "standby", "armed": False}, 1.0, "arm"),
    ({"state": "standby", "forming": True}, 1.0, "follow"), ({"state": "running", "forming": True}, 1.0, "follow"),
    ({"state": "running", "forming": True, "fresh": False}, 1.0, ""), ({"state": "fault"}, 29.9, ""),
    ({"state": "fault"}, 30.0, "clear"), ({"state": "fault", "accepted": False}, 30.0, ""),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "seconds", "order"), RECOVERY)
def test_the_lost_is_brought_back(changes: dict[str, Any], seconds: float, order: str) -> None:
    """Goal: armed before it is started, cleared only when class B tries again. Method: each state it can be in."""
    here = replace(BOTH, converters=(RUNS, replace(BOTH.converters[1], **changes)), losses={"pcs-2": LOSS})
    expected = {"pcs-2": order} if order else {}
    assert orders.wanted(TWO, GRID_TIED, here, at(seconds)) == expected


def test_without_an_arm_order_it_is_started() -> None:
    """Goal: a converter that arms itself is not waited for. Method: no such order."""
    bare = replace(TWO, parts=(FIRST, replace(SECOND, can_arm=False), BMS, METER))
    lost = replace(BOTH.converters[1], state="standby", armed=False)
    here = replace(BOTH, converters=(RUNS, lost), losses={"pcs-2": LOSS})
    assert orders.wanted(bare, GRID_TIED, here, at(1.0)) == {"pcs-2": "start"}


def test_a_stop_asked_for_stops_the_lost_too() -> None:
    """Goal: the ordinary stop holds for all. Method: a stop under way, and a mode at rest."""
    here = replace(
        BOTH, converters=tuple(replace(c, pcs_kw=0.0) for c in BOTH.converters), losses={"pcs-2": LOSS}
    )
    stops = {"pcs-1": "stop", "pcs-2": "stop"}
    assert orders.wanted(TWO, replace(GRID_TIED, t_stopping_ns=at(0.0).t_ns), here, at(1.0)) == stops
    assert orders.wanted(TWO, replace(GRID_TIED, mode=Mode.STANDBY), here, at(1.0)) == stops


def _signal(code: str, place: int, seconds: float, here: Conditions, **device: Any) -> float:
    """What a row's signal says of pcs-2."""
    row = [row for row in TABLE if row.code == code][place]
    seen = telemetry(seconds, pcs=device).devices["pcs-1"]
    look = Look(TWO, here, GRID_TIED, telemetry(seconds), at(seconds).t_ns, "pcs-2", SECOND, seen)
    return row.signal(look)


def test_a_lost_one_that_keeps_its_power_stops_the_site() -> None:
    """Goal: F20 sees that it does not come down once it is heard again. Method: 50 of its 40 kW kept, zero told."""
    pair = Pair()
    for k in range(80):
        silent = mute(min(0.1 * k, 4.0)) if k < 50 else {"t_ok_ns": at(0.1 * k).t_ns}
        codes = pair.feed(0.1 * k, two=silent, sent=(50.0, 0.0))
        assert ("F20 pcs-2" in codes) == (k >= 70)
    assert [stop.code for stop in pair.conditions.stops] == ["F20"]


def test_its_start_is_timed_from_the_loss() -> None:
    """Goal: F20 says how long it has not run since it was lost, or since the mode began. Method: a loss at 4 s."""
    lost = Conditions(losses={"pcs-2": replace(LOSS, t_ns=at(4.0).t_ns)})
    assert _signal("F20", 0, 10.0, lost, state="standby") == 6.0
    assert _signal("F20", 0, 10.0, Conditions(), state="standby") == 10.0


def test_an_island_goes_on_with_those_that_are_left() -> None:
    """Goal: the others form; load and overload are judged by what they may give; none leaves in order with one lost.
    Method: a hall with two converters, one lost."""
    hall = replace(
        HALL_TERMS, parts=(replace(FIRST, can_form=True), replace(SECOND, can_form=True), BMS, METER)
    )
    deaf = replace(FORMS.converters[0], name="pcs-2", fresh=False)
    gone = replace(FORMS, converters=(*FORMS.converters, deaf), losses={"pcs-2": LOSS})
    gone = replace(gone, battery=replace(gone.battery, discharge_kw_max=9000.0))
    assert island.forming(view(Mode.ISLANDED, ISLAND, conditions=gone, terms=hall))
    assert not island.forming(view(Mode.ISLANDED, ISLAND, conditions=replace(gone, losses={}), terms=hall))
    assert fallback._carries_kw(view(Mode.ISLANDED, ISLAND, conditions=gone, terms=hall), ISLAND) == 1000.0
    row = next(row for row in hall_rows.ROWS if row.code == "F32")
    state = ModeState(mode=Mode.ISLANDED)
    look = Look(hall, gone, state, telemetry(0.0), at(0.0).t_ns, "site", hall=ISLAND)
    assert row.signal(look) == 0.5
    young = {"conditions": gone, "terms": hall, "t_since_ns": at(-1.0).t_ns}
    assert island._start_genset(view(Mode.ISLANDED, ISLAND, **young)) == "", "a genset is asked for at once"
    assert island._start_genset(view(Mode.ISLANDED, ISLAND, **{**young, "conditions": FORMS})) != ""
    asked = Asked(island=True)
    why = island._leave_planned(view(Mode.GRID_TIED, HEALTHY, conditions=gone, asked=asked, terms=hall))
    assert why == "left out: pcs-2"


def test_only_its_own_rows_are_spared() -> None:
    """Goal: a stop of another kind on the same converter stays one; latches of an earlier run are left alone.
    Method: F21 beside F16, and a latch without a row."""
    rows = conditions.ROWS
    silent = next(k for k, row in enumerate(rows) if row.code == "F16")
    lone = [(row.code, row.hold_s) for row in rows if row.lone]
    own = [("F16", 0.0), ("F16", 0.0), ("F16", 120.0), ("F20", 0.0), ("F24", 0.0), ("F26", 0.0)]
    assert lone == [*own, ("F79", 0.0), ("F79", 2.0)], "F20: only the start"
    alone = replace(fault(), subject="pcs-2", lone=True)
    watches = {(silent, "pcs-2"): alone, (0, "pcs-2"): fault("D", Effect.TRIP), (-1, "pcs-2"): fault("C")}
    found = losses.spared(TWO, rows, watches, {"pcs-2": LOSS})
    assert [w.effect for w in found.values()] == [Effect.NOTE, Effect.TRIP, Effect.STOP]
    assert found[silent, "pcs-2"].level == 1
    assert losses.spared(TWO, rows, watches, {})[silent, "pcs-2"].level == 3
    assert losses.alone(watches) == [(silent, "pcs-2")]
    asleep = {(silent, "pcs-2"): replace(alone, active=False), (0, "pcs-1"): fault()}
    assert losses.alone(asleep) == []


def test_the_told_of_the_last_cycles_count() -> None:
    """Goal: the hull is over the trace of that converter alone. Method: traces of both."""
    before = Conditions(
        traces={"pcs-1": (Sent(1, -500.0, -500.0),), "pcs-2": (Sent(1, 5.0, 7.0), Sent(2, 6.0, 9.0))}
    )
    pair = (RUNS, replace(RUNS, name="pcs-2", pcs_kw=nan))
    watches = {
        (next(k for k, row in enumerate(TABLE) if row.code == "F16"), "pcs-2"): replace(fault(), lone=True)
    }

    def of(before: Conditions, seen: Any = watches) -> Any:
        return losses.losses_of(TWO, TABLE, before, seen, pair, at(1.0))

    found = of(before)
    assert found == {"pcs-2": Loss(at(1.0).t_ns, 0.0, 9.0)}
    assert of(replace(before, losses={"pcs-2": LOSS})) == {"pcs-2": LOSS}
    assert of(before, {}) == {}
    assert with_faults(base=READY).losses == {}

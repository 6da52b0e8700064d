"""What the oracle's rules count and what they do not, scene by scene, at the exact edge."""

from __future__ import annotations

from collections.abc import Iterable
from math import nan
from typing import Any

import pytest

from controller.records import replace
from tools.averaged.run import HALL
from tools.averaged.scenes import scene_of
from tools.campaign import Campaign
from tools.inject.trial import prepared, trial
from tools.oracle.facts import Order, Scene, Truth
from tools.oracle.power import Charging, Envelope, Export
from tools.oracle.switching import Chatter, Engines, Permissive, SoundSwitch
from tools.planted import taken_out

pytestmark = pytest.mark.stack

NS = 1_000_000_000


class Scenes:
    """A real scene of the averaged hall, told anew."""

    def __init__(self) -> None:
        campaign, found = Campaign(1), []
        campaign.run.watchers.append(lambda seen: found.append(scene_of(seen)))
        campaign.run.cycle()
        self.plates, self.scene = campaign.oracle.rules[0].plates, found[0]

    def at(self, seconds: float, orders: dict[str, str] | None = None, **truth: Any) -> Scene:
        """The scene at another time, with another truth."""
        t_ns = round((1000.0 + seconds) * NS)
        return replace(self.scene, t_ns=t_ns, truth=Truth(**truth), orders=orders or {})

    def limited(self, **limits: Any) -> Scene:
        """The scene with other limits in its lease."""
        return replace(self.scene, limits=replace(self.scene.limits, **limits))


def telling(scene: Scene, name: str, values: dict[str, float] | None = None, **fields: Any) -> Scene:
    """The scene in which one device tells something else."""
    devices = dict(scene.telemetry.devices)
    devices[name] = replace(devices[name], values={**devices[name].values, **(values or {})}, **fields)
    return replace(scene, telemetry=replace(scene.telemetry, devices=devices))


@pytest.mark.parametrize(("seconds", "counts"), [(0.5, False), (0.501, True)])
def test_a_closing_that_a_forged_word_ordered_is_not_ours(seconds: float, counts: bool) -> None:
    """Goal: IL-01 judges what honest relays let through. Method: out of step half a second after a forged word."""
    scenes = Scenes()
    rule = Permissive(scenes.plates)
    assert not rule.take(scenes.at(-9.0)) and not rule.take(scenes.at(0.0, honest=False))
    assert bool(rule.take(scenes.at(seconds, clashes=1))) is counts


@pytest.mark.parametrize(("position", "held"), [("grid", False), ("open", True)])
def test_a_sag_in_the_hand_over_is_no_transfer(position: str, held: bool) -> None:
    """Goal: IL-20 counts changes of the source, not a bus that its formers carry for a moment at the closed switch.
    Method: the third change within a minute at either position, then an order to close."""
    scenes = Scenes()
    rule = Chatter(scenes.plates)
    for seconds, source, place in ((0.0, "grid", "grid"), (1.0, "pcs", "open"), (30.0, "grid", "grid"),
                                   (31.0, "pcs", position)):  # fmt: skip
        assert not rule.take(scenes.at(seconds, source=source, position=place))
    closing = {scenes.plates.switch: next(o for o, p in scenes.plates.positions.items() if p == "grid")}
    assert bool(rule.take(scenes.at(32.0, closing, source="pcs", position="open"))) is held
    for seconds in (630.4, 630.5) if held else ():  # it ends 10 min after 31 s, told within half a second
        told = rule.take(scenes.at(seconds, closing, source="pcs", position="open"))
        assert bool(told) is (seconds < 630.5)


CLOSE = "source-1"  # the order that closes the switch to the grid, and the state that tells so


class Tries:
    """Closings of the switch that stands open, under the eyes of IL-03."""

    def __init__(self) -> None:
        self.scenes = Scenes()
        self.rule = SoundSwitch(self.scenes.plates)

    def look(
        self, seconds: float, closing: bool, state: str = "open", reset: bool = False, order: str = ""
    ) -> str:
        """One scene; order: another than to close."""
        switch, order = self.scenes.plates.switch, CLOSE if closing else order
        scene = telling(self.scenes.at(seconds, {switch: order} if order else {}), switch, state=state)
        commands = (Order("reset", 3, 1, scene.t_ns, "looked at it"),) if reset else ()
        return self.rule.take(replace(scene, commands=commands))

    def closing(self, tenths: Iterable[int]) -> list[str]:
        """An order that stands for these tenths of a second."""
        return [text for k in tenths if (text := self.look(k / 10.0, True))]


@pytest.mark.parametrize(
    ("arrives_s", "stands_s", "again"), [(2.0, 1.5, False), (2.1, 1.5, True), (2.1, 0.1, True)]
)
def test_a_closing_has_failed_however_short_its_order(arrives_s: float, stands_s: float, again: bool) -> None:
    """Goal: IL-03: a closing that has not come about within 2 s has failed, also where its order ends before. Method:
    an order shorter than that, the switch arriving in time and late; the next order after the rest."""
    tries = Tries()
    for k in range(120):
        state = CLOSE if k / 10.0 >= arrives_s and arrives_s <= 2.0 else "open"
        assert not tries.look(k / 10.0, k / 10.0 < stands_s, state)
    assert bool(tries.look(12.0, True)) is again


def test_a_failed_closing_waits_for_a_person() -> None:
    """Goal: IL-03: five orders of 1.5 s, 12 s apart, at a switch that never moves: the first alone may be. Method: the
    orders; then a reset, after which one more may be."""
    tries = Tries()
    found = [bool(tries.closing(range(120 * n, 120 * n + 15))) for n in range(5)]
    assert found == [False, True, True, True, True]
    tries.look(60.0, False, reset=True)
    assert not tries.look(72.0, True)


@pytest.mark.parametrize(("opened_s", "again"), [(2.0, False), (2.2, True)])
def test_a_closing_that_an_opening_answers_is_not_judged(opened_s: float, again: bool) -> None:
    """Goal: IL-03: sent back before its 2 s are over, a switch that never told its aim has not failed. Method: closed
    for 0.3 s, opened before the 2 s end and after, closed again after the rest."""
    tries = Tries()
    for k in range(120):
        order = "open" if opened_s <= k / 10.0 < opened_s + 2.0 else ""
        assert not tries.look(k / 10.0, k < 3, order=order)
    assert bool(tries.look(12.0, True)) is again


def test_a_closing_that_goes_on_has_failed() -> None:
    """Goal: IL-03 beside an order that does not end. Method: at 2 s it may stand, a tenth later not."""
    tries = Tries()
    assert not tries.closing(range(21))
    assert tries.closing((21,))


@pytest.mark.parametrize(
    ("state", "order", "silent", "seconds", "beside"),
    [("off", "start", False, 1.0, True), ("starting", "", False, 90.0, True), ("starting", "", True, 60.0, True),
     ("starting", "", True, 60.1, False), ("running", "", False, 1.0, False), ("fault", "", False, 1.0, False),
     ("off", "", False, 1.0, False), ("starting", "stop", False, 1.0, False)],
)  # fmt: skip
def test_one_genset_in_crank_at_a_time(
    state: str, order: str, silent: bool, seconds: float, beside: bool
) -> None:
    """Goal: IL-08: no set is started while another that was ordered to start may still crank. Method: one is ordered;
    then the other, while the first says what it does; or nothing, until all of its own tries are over."""
    scenes = Scenes()
    rule = Engines(scenes.plates)
    one, other = (genset.name for genset in scenes.plates.of("genset"))
    assert not rule.take(scenes.at(0.0, {one: "start"}))
    orders = {other: "start"} | ({one: order} if order else {})
    age_s = scenes.plates.devices[one].stale_s + (0.1 if silent else -0.1)
    found = rule.take(telling(scenes.at(seconds, orders), one, state=state, age_s=age_s))
    assert ("beside" in found) is beside


@pytest.mark.parametrize(("load_kw", "most_kw"), [(500.0, 100.0), (300.0, 0.0), (nan, 0.0)])
def test_blind_at_the_connection_the_sun_is_at_its_most(load_kw: float, most_kw: float) -> None:
    """Goal: IL-09: 400 kW of sun beside the load, or a load that is not known. Method: the most, and a little more."""
    scenes = Scenes()
    plates = replace(scenes.plates, pv_kw_max=400.0)
    (meter,) = (m for m in plates.of("meter") if m.measures == "grid")
    for more_kw, broken in ((0.0, False), (0.01, True)):
        scene = telling(
            scenes.limited(discharge_kw_max=(most_kw + more_kw, 0.0)), meter.name, age_s=meter.stale_s + 0.1
        )
        track = replace(scene.telemetry.track, load_kw_mean=load_kw)
        scene = replace(scene, telemetry=replace(scene.telemetry, track=track))
        assert bool(Export(plates).take(scene)) is broken


@pytest.mark.parametrize(
    ("coldest_c", "hottest_c", "gives_kw", "takes_kw", "broken"),
    [(20.0, 60.0, 9.0, 9.0, False), (20.0, 60.1, 0.1, 0.0, True), (20.0, 60.1, 0.0, 0.1, True),
     (20.0, 60.1, 0.0, 0.0, False), (0.0, 25.0, 9.0, 9.0, False), (-0.1, 25.0, 9.0, 0.1, True),
     (-0.1, 25.0, 9.0, 0.0, False)],
)  # fmt: skip
def test_cells_beyond_their_temperatures(
    coldest_c: float, hottest_c: float, gives_kw: float, takes_kw: float, broken: bool
) -> None:
    """Goal: IL-04 at 0 and at 60 degC (6.3). Method: at the edge and a tenth beyond, giving and taking."""
    scenes = Scenes()
    (rack,) = scenes.plates.of("bms")
    scene = scenes.limited(discharge_kw_max=(gives_kw, 0.0), charge_kw_max=(takes_kw, 0.0))
    scene = telling(scene, rack.name, {"cell_c_min": coldest_c, "cell_c_max": hottest_c})
    assert bool(Charging(scenes.plates).take(scene)) is broken


@pytest.mark.parametrize(
    ("soc_pct", "takes_kw", "anchoring", "broken"),
    [(94.9, 500.0, False, False), (95.0, 0.1, False, True), (100.0, 500.0, False, True), (95.0, 0.0, False, False),
     (100.0, 500.0, True, False)],
)  # fmt: skip
def test_no_charge_above_the_window(soc_pct: float, takes_kw: float, anchoring: bool, broken: bool) -> None:
    """Goal: IL-05: the window's upper end, 95 %, is passed only to prove the charge. Method: at it, below and above."""
    scenes = Scenes()
    (rack,) = scenes.plates.of("bms")
    scene = telling(scenes.limited(charge_kw_max=(takes_kw, 0.0)), rack.name, {"soc_pct": soc_pct})
    assert bool(Envelope(scenes.plates).take(replace(scene, anchoring=anchoring))) is broken


@pytest.mark.parametrize(
    ("coldest_c", "hottest_c", "takes_kw", "gives_kw"),
    [(2.5, 25.0, 100.0, 1000.0), (0.0, 25.0, 0.0, 1000.0), (-10.0, 25.0, 0.0, 600.0), (-30.0, 25.0, 0.0, 200.0),
     (-40.1, 25.0, 0.0, 0.0), (25.0, 53.75, 400.0, 1000.0), (25.0, 58.0, 80.0, 800.0), (25.0, 60.1, 0.0, 0.0),
     (nan, 25.0, 0.0, 0.0), (25.0, 90.1, 0.0, 0.0)],
)  # fmt: skip
def test_never_beyond_the_table_of_the_cells(
    coldest_c: float, hottest_c: float, takes_kw: float, gives_kw: float
) -> None:
    """Goal: IL-05: the table of 6.3 as the site file has it, linear between its points, 2000 kWh; a sensor that tells
    nothing allows nothing (F14). Method: the most either way, and a little more."""
    scenes = Scenes()
    (rack,) = scenes.plates.of("bms")
    told = {"cell_c_min": coldest_c, "cell_c_max": hottest_c}
    for more_kw in (0.0, 0.01):
        for kw in ((takes_kw + more_kw, 0.0), (0.0, gives_kw + more_kw)):
            limits = scenes.limited(charge_kw_max=(kw[0] / 2,) * 2, discharge_kw_max=(kw[1] / 2,) * 2)
            found = Envelope(scenes.plates).take(telling(limits, rack.name, told))
            assert bool(found) is bool(more_kw), found


@pytest.mark.parametrize(("fall_kw_per_s", "broken"), [(1000.0, False), (999.0, True), (nan, True)])
def test_no_ramp_holds_a_reduction(fall_kw_per_s: float, broken: bool) -> None:
    """Goal: IL-05: all 1000 kW are gone within the second of 2.3. Method: a fall that just is so, and a slower one."""
    scenes = Scenes()
    assert bool(Envelope(scenes.plates).take(scenes.limited(fall_kw_per_s=fall_kw_per_s))) is broken


def test_a_trial_of_a_fault_is_watched() -> None:
    """Goal: an interlock that breaks on the way is told by the trial. Method: cold cells, IL-04 taken out."""
    prepared("grid", HALL)  # with the interlock in
    assert not trial("F36", 1).broken
    with taken_out("IL-04"):
        result = trial("F36", 1)
    assert result.broken.startswith("IL-04 is broken at ") and not result.holds

"""Looks out of cycles, letters through the socket, and the slow loop on its own thread beside a busy supervisor."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from math import isnan
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from controller.config.feeds import Feeds
from controller.devices.check import check_site
from controller.image import Device, Forecast, Frame, Instant, Mode, Telemetry, Track
from controller.plan.demand import Meter
from controller.runtime import asks, slowloop
from controller.runtime.asks import LETTERS_MAX, Asks, say
from controller.runtime.gather import Gatherer
from controller.runtime.mistakes import MistakeError, SilentError
from controller.runtime.slowloop import SlowLoop
from controller.runtime.supervisor import Cycle
from controller.safety.hall import Hall
from controller.state import Battery, Conditions, Converter, Fade, ModeState

NOW = 1_800_000_000.0
NORDLAB = check_site(Path("boards/sites/nordlab.yaml"))


def cycle(t_s: float, load_kw: float = 3000.0, pv_kw: float = 500.0, pcs_kw: float = 200.0) -> Cycle:
    """One cycle of nordlab with these powers."""
    now = Instant(int(t_s * 1e9) + 10**12, NOW + t_s)
    devices = {"meter-pv": Device("meter-pv", "meter", {"power_kw": pv_kw}, 0.1)}
    told = Telemetry(now, Track(load_kw_mean=load_kw), Frame(), devices)
    conditions = Conditions(
        battery=Battery(soc_pct=60.0, soc_pct_low=58.0),
        converters=(Converter("pcs-1", pcs_kw, "running", True, True, True),),
    )
    nothing: Any = None
    return Cycle(
        now, told, conditions, ModeState(mode=Mode.GRID_TIED), nothing, nothing, (), hall=Hall(shed_stage=1)
    )


def test_a_look_holds_means_and_whole_quarters() -> None:
    """Goal: what the planner learns is what was measured. Method: two quarters by hand, a hole, a bad value."""
    gatherer = Gatherer(NORDLAB, None)
    for k in range(1001):
        gatherer.record(cycle(k, load_kw=3000.0 if k < 900 else 4000.0))
    look = gatherer.take(Instant(0, 0.0))
    (quarter,) = look.quarters
    assert (quarter.t_s, quarter.load_kw, quarter.pv_kw) == (NOW, 3000.0, 500.0)
    assert quarter.grid_kw == pytest.approx(2300.0)
    assert look.load_kw == pytest.approx((899 * 3000 + 101 * 4000) / 1000)
    assert (look.soc_pct, look.soc_pct_low, look.mode, look.stage) == (60.0, 58.0, Mode.GRID_TIED, 1)
    gatherer.record(cycle(1001, load_kw=float("nan")))
    assert isnan(gatherer.take(Instant(0, 0.0)).load_kw)


def test_a_look_tells_what_a_faded_battery_holds() -> None:
    """Goal: the plan's capacity is the one that was shown. Method: two fits of nordlab's 4000 kWh; none."""
    gatherer, seen = Gatherer(NORDLAB, None), cycle(0.0)
    gatherer.record(seen)
    assert gatherer.take(Instant(0, 0.0)).capacity_kwh(4000.0) == 4000.0
    battery = replace(seen.conditions.battery, fade=Fade(fits_kwh=(3500.0, 3000.0)))
    gatherer.record(replace(seen, conditions=replace(seen.conditions, battery=battery)))
    look = gatherer.take(Instant(0, 0.0))
    assert (look.held_kwh, look.capacity_kwh(4000.0), look.clock_unset) == (3500.0, 3500.0, False)


@pytest.mark.parametrize(("begin", "counts"), [(449, True), (450, False)])
def test_a_quarter_that_was_hardly_measured_says_nothing(begin: int, counts: bool) -> None:
    """Goal: half of it is enough, less is not. Method: a hole of 450 s, and of a second more."""
    gatherer = Gatherer(NORDLAB, None)
    for k in (0, *range(begin, 901)):
        gatherer.record(cycle(k))
    assert len(gatherer.take(Instant(0, 0.0)).quarters) == counts


def test_the_meter_of_a_look_stands_still() -> None:
    """Goal: the supervisor counts on while the planner reads. Method: count after the look."""
    assert NORDLAB.site.tariff is not None
    meter = Meter(NORDLAB.site.tariff)
    meter.count(NOW, 4000.0, 3000.0)
    gatherer = Gatherer(NORDLAB, meter)
    gatherer.record(cycle(0))
    seen = gatherer.take(Instant(0, 0.0)).meter
    assert seen is not None and seen.opened() == meter.opened() and seen.ledger == meter.ledger
    meter.count(NOW + 4000.0, 8000.0, 5000.0)
    assert seen.opened() != meter.opened() and seen.ledger != meter.ledger


def test_letters_are_laid_aside(tmp_path: Path) -> None:
    """Goal: curves of many kB pass, commands stay commands, a flood is dropped. Method: the real socket."""
    door = Asks(tmp_path)

    def serve() -> None:
        for _ in range(200):
            assert door.take() == []
            for text, reply in door.letters():
                reply(f"{len(text)} bytes")
            time.sleep(0.005)

    thread = threading.Thread(target=serve)
    thread.start()
    assert say(tmp_path, {"verb": "forecast", "curve": "x" * 100_000}) == "100033 bytes"
    thread.join()
    with pytest.raises(MistakeError, match="at most 131072"):
        say(tmp_path, {"curve": "x" * 131_072})
    for _ in range(LETTERS_MAX + 5):
        with pytest.raises(SilentError):
            say(tmp_path, {"verb": "budget"}, 0.0001)
        door.take()
    assert len(door.letters()) == LETTERS_MAX
    door.close()


def fake_site(tmp_path: Path, forecast: Forecast) -> tuple[SlowLoop, Asks, Any]:
    """A slow loop beside a stand-in for the supervisor that only holds what the loop touches."""
    supervisor: Any = SimpleNamespace(wisher=SimpleNamespace(meter=None), watchers=[], forecast=forecast)
    door = Asks(tmp_path)
    site = NORDLAB.site.model_copy(update={"feeds": Feeds()})
    checked: Any = SimpleNamespace(site=site)
    supervisor.told = []
    return SlowLoop(checked, tmp_path, supervisor, door, supervisor.told.append), door, supervisor


def test_the_loop_turns_on_its_own_thread(tmp_path: Path) -> None:
    """Goal: a step never waits, its result is taken up, a turn that fails is told. Method: both kinds."""
    loop, door, supervisor = fake_site(tmp_path, Forecast())
    (record,) = supervisor.watchers
    for k in range(12):
        record(cycle(k / 10))
    until_s = time.monotonic() + 20
    while not (supervisor.forecast.reason == "lp: as planned" and (tmp_path / "budget.json").exists()):
        assert time.monotonic() < until_s
        record(cycle(2.0))
        loop.step(Instant(10**12 + int(time.monotonic() * 1e9), NOW + 2))
        time.sleep(0.01)
    assert json.loads((tmp_path / "budget.json").read_text())["reason"] == "lp: as planned"
    assert [(event.code, event.name, event.level) for event in supervisor.told] == [("plan", "lp", "info")]
    issued_ns = supervisor.forecast.t_issue_ns
    for age_s, reason in ((6 * 3600, "lp: as planned"), (6 * 3600 + 0.1, "the slow loop is silent")):
        loop._busy = True  # as if its turn hung
        loop.step(Instant(issued_ns + int(age_s * 1e9), NOW + age_s))
        assert supervisor.forecast.reason == reason
    loop._busy = False
    assert loop.planning is not None
    gate = threading.Event()

    def broken(*_: object) -> None:
        gate.wait(5)
        raise OSError("no space left")

    loop.planning.step = broken  # type: ignore[method-assign]
    time.sleep(0.1)
    began_s = time.monotonic()
    for _ in range(100):
        loop.step(Instant(0, NOW))
    assert time.monotonic() - began_s < 0.5
    gate.set()
    loop.close()
    told = loop.view(NOW + 60)
    assert told is not None and told["trouble"] == "a turn failed: OSError: no space left"
    door.close()


def test_without_a_contract_letters_are_answered(tmp_path: Path) -> None:
    """Goal: a word instead of silence. Method: a site without a tariff."""
    loop, door, _ = fake_site(tmp_path, Forecast())
    loop.planning = None
    heard: list[str] = []
    door._letters.append((b"{}", heard.append))
    loop.step(Instant(0, NOW))
    assert heard == [slowloop.NO_TARIFF]
    assert loop.view(NOW) is None
    loop.close()
    door.close()
    assert not (tmp_path / asks.FILE).exists()

"""Run requests and their supervision: every line of the phase table at its edge, staging, rotation, limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isnan, nan

import pytest

from controller.image import Device, Instant
from controller.safety import gensets
from controller.safety.gensets import ROWS, Look, _next, choose, ready_kw, requests, step
from controller.safety.hall import Hall, Phase, SetRun
from controller.safety.terms import FallbackTerms
from controller.units import ns
from tests.unit.safety.halls import FALLBACK, running, standing
from tests.unit.safety.sites import at

ONE = replace(FALLBACK, sets=FALLBACK.sets[:1])


def run_of(phase: Phase, seconds: float, device: Device, since_s: float = 0.0, wanted_kw: float = 100.0,
           reset: str = "", terms: FallbackTerms = ONE, **memory: object) -> SetRun:  # fmt: skip
    """The set's next state at `seconds`, in `phase` since since_s."""
    before = SetRun(phase=phase, t_since_ns=at(since_s).t_ns, **memory)  # type: ignore[arg-type]
    devices = {device.name: device}
    return step(terms, Hall(sets={"genset-1": before}), devices, wanted_kw, reset, at(seconds))["genset-1"]


OFF = standing()
ON = running()
EDGES = [
    (Phase.OFF, OFF, 100.0, 0.0, Phase.CRANK),
    (Phase.OFF, OFF, nan, 0.0, Phase.OFF),
    (Phase.OFF, standing(fuel_pct=10.0), 100.0, 0.0, Phase.CRANK),
    (Phase.OFF, standing(fuel_pct=9.9), 100.0, 0.0, Phase.OFF),
    (Phase.OFF, standing(speed_rpm=1.0), 100.0, 0.0, Phase.OFF),
    (Phase.OFF, standing(state="fault"), 100.0, 0.0, Phase.OFF),
    (Phase.OFF, standing(state="cooling"), 100.0, 0.0, Phase.OFF),
    (Phase.OFF, replace(OFF, age_s=3.1), 100.0, 0.0, Phase.OFF),
    (Phase.CRANK, OFF, nan, 1.0, Phase.OFF),
    (Phase.CRANK, ON, nan, 1.0, Phase.COOL),
    (Phase.CRANK, ON, 100.0, 1.0, Phase.WARM),
    (Phase.CRANK, running(frequency_hz=44.9), 100.0, 1.0, Phase.CRANK),
    (Phase.CRANK, running(frequency_hz=45.0), 100.0, 1.0, Phase.WARM),
    (Phase.CRANK, replace(ON, age_s=3.1), 100.0, 1.0, Phase.CRANK),
    (Phase.CRANK, standing(state="starting"), 100.0, 9.9, Phase.CRANK),
    (Phase.CRANK, standing(state="starting"), 100.0, 10.0, Phase.PAUSE),
    (Phase.PAUSE, OFF, 100.0, 9.9, Phase.PAUSE),
    (Phase.PAUSE, OFF, 100.0, 10.0, Phase.CRANK),
    (Phase.PAUSE, standing(speed_rpm=40.0), 100.0, 19.9, Phase.PAUSE),
    (Phase.PAUSE, standing(speed_rpm=40.0), 100.0, 20.0, Phase.LOCKED),
    (Phase.PAUSE, standing(speed_rpm=40.0), nan, 20.0, Phase.OFF),
    (Phase.PAUSE, OFF, nan, 1.0, Phase.OFF),
    (Phase.WARM, ON, 100.0, 14.9, Phase.WARM),
    (Phase.WARM, ON, 100.0, 15.0, Phase.READY),
    (Phase.WARM, running(coolant_c=-10.0), 100.0, 15.0, Phase.READY),
    (Phase.WARM, running(coolant_c=-10.1), 100.0, 59.9, Phase.WARM),
    (Phase.WARM, running(coolant_c=-10.1), 100.0, 60.0, Phase.READY),
    (Phase.WARM, ON, nan, 1.0, Phase.COOL),
    (Phase.WARM, OFF, 100.0, 1.0, Phase.LOCKED),
    (Phase.READY, ON, 100.0, 99.0, Phase.READY),
    (Phase.READY, OFF, 100.0, 99.0, Phase.LOCKED),
    (Phase.READY, replace(OFF, age_s=3.1), 100.0, 99.0, Phase.READY),
    (Phase.READY, ON, nan, 1.0, Phase.COOL),
    (Phase.COOL, ON, 100.0, 1.0, Phase.READY),
    (Phase.COOL, ON, nan, 179.9, Phase.COOL),
    (Phase.COOL, ON, nan, 180.0, Phase.OFF),
    (Phase.COOL, OFF, nan, 1.0, Phase.LOCKED),
    (Phase.LOCKED, OFF, 100.0, 9999.0, Phase.LOCKED),
]


@pytest.mark.parametrize(("phase", "device", "wanted_kw", "seconds", "after"), EDGES)
def test_every_line_at_its_edge(
    phase: Phase, device: Device, wanted_kw: float, seconds: float, after: Phase
) -> None:
    """Goal: the phase table does what it says. Method: last and first value of each line."""
    assert run_of(phase, seconds, device, wanted_kw=wanted_kw).phase == after


def test_a_set_nobody_knows_stays_off() -> None:
    """Goal: no reading, no start. Method: a set without device."""
    assert step(ONE, Hall(), {}, 100.0, "", at(0.0))["genset-1"] == SetRun()
    assert requests(ONE, Hall(sets={"genset-1": SetRun(phase=Phase.CRANK)}), {}) == {}


def test_three_cranks_and_a_lock() -> None:
    """Goal: crank, rest, crank, rest, crank, locked; a person unlocks and nothing else. Method: a set that never
    fires, every 0.1 s; times of each phase."""
    runs = {"genset-1": SetRun()}
    seen: list[tuple[float, Phase]] = []
    for k in range(700):
        phase = runs["genset-1"].phase
        device = standing(state="starting" if phase == Phase.CRANK else "off")
        runs = step(ONE, Hall(sets=runs), {"genset-1": device}, 100.0, "", at(0.1 * k))
        if runs["genset-1"].phase != phase:
            seen.append((round(0.1 * k, 1), runs["genset-1"].phase))
    assert seen == [(0.0, Phase.CRANK), (10.0, Phase.PAUSE), (20.0, Phase.CRANK), (30.0, Phase.PAUSE),
                    (40.0, Phase.CRANK), (50.0, Phase.LOCKED)]  # fmt: skip
    locked = runs["genset-1"]
    assert locked.why == "did not start in 3 attempts"
    freed = step(ONE, Hall(sets=runs), {"genset-1": OFF}, nan, "operator", at(80.0))["genset-1"]
    assert (freed.phase, freed.t_starts_ns) == (Phase.OFF, locked.t_starts_ns)


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (standing(state="fault"), "reports a fault"),
        (replace(OFF, age_s=9.0), "does not answer"),
        (standing(state="starting"), "does not stand still"),
    ],
)
def test_a_set_that_cannot_be_tried_again_gives_way(after: Device, why: str) -> None:
    """Goal: F55: a failed start that ends in the set's own fault, in silence or in a crank without end holds no other
    set. Method: the first is wanted and never fires; both, every 0.1 s, until the second cranks."""
    runs: dict[str, SetRun] = {}
    devices = {"genset-1": OFF, "genset-2": standing("genset-2")}
    for k in range(302):
        runs = step(FALLBACK, Hall(sets=runs), devices, 100.0, "", at(0.1 * k))
        assert (runs["genset-2"].phase == Phase.CRANK) is (k == 301), k
        devices["genset-1"] = after
    assert (runs["genset-1"].phase, runs["genset-1"].why) == (Phase.LOCKED, f"after a failed start it {why}")


def test_starts_per_hour_and_rest_after_a_run() -> None:
    """Goal: F60: four starts within an hour, 5 min of rest. Method: each limit at its edge; a reset forgets neither."""
    starts = tuple(at(-100.0 * k).t_ns for k in range(1, 5))
    assert run_of(Phase.OFF, 0.0, OFF, t_starts_ns=starts).phase == Phase.OFF
    assert run_of(Phase.OFF, 0.0, OFF, t_starts_ns=starts[1:]).phase == Phase.CRANK
    assert run_of(Phase.OFF, 3200.0 - 0.1, OFF, t_starts_ns=starts).phase == Phase.OFF
    assert run_of(Phase.OFF, 3200.0, OFF, t_starts_ns=starts).phase == Phase.CRANK
    assert run_of(Phase.OFF, 299.9, OFF, t_off_ns=at(0.0).t_ns).phase == Phase.OFF
    after = run_of(Phase.OFF, 300.0, OFF, t_off_ns=at(0.0).t_ns, t_starts_ns=(at(-4000.0).t_ns, at(0.0).t_ns))
    assert (after.phase, after.t_starts_ns) == (Phase.CRANK, (at(0.0).t_ns, at(300.0).t_ns))
    locked = run_of(
        Phase.LOCKED, 0.0, OFF, wanted_kw=nan, reset="local", t_starts_ns=starts, t_off_ns=7, run_s=9.0
    )
    assert (locked.phase, locked.t_starts_ns, locked.t_off_ns, locked.run_s) == (Phase.OFF, starts, 7, 9.0)
    assert run_of(Phase.READY, 1.0, ON, reset="local").phase == Phase.READY


def test_hours_are_counted_and_memories_kept() -> None:
    """Goal: a run ends with its hours, an own stop with its reason. Method: 100 s of run; a stall at 50 s."""
    after = run_of(Phase.COOL, 200.0, ON, wanted_kw=nan, t_on_ns=at(100.0).t_ns, run_s=5.0, attempts=2)
    assert (after.run_s, after.t_on_ns, after.t_off_ns, after.attempts) == (105.0, 0, at(200.0).t_ns, 0)
    lost = run_of(Phase.READY, 50.0, OFF, t_on_ns=at(0.0).t_ns)
    assert (lost.run_s, lost.why) == (50.0, "stopped by itself")
    warm = run_of(Phase.CRANK, 3.0, ON, attempts=1)
    assert (warm.t_on_ns, warm.attempts) == (at(3.0).t_ns, 0)


def test_low_load_is_timed() -> None:
    """Goal: F57 counts READY below 30 %. Method: 240 kW of 800 is enough, 239 is not; other phases do not count."""
    assert run_of(Phase.READY, 50.0, running(power_kw=240.0)).t_low_ns == 0
    low = run_of(Phase.READY, 50.0, running(power_kw=239.0))
    assert low.t_low_ns == at(50.0).t_ns
    assert run_of(Phase.READY, 60.0, running(power_kw=239.0), t_low_ns=low.t_low_ns).t_low_ns == low.t_low_ns
    assert run_of(Phase.COOL, 50.0, running(power_kw=0.0), wanted_kw=nan).t_low_ns == 0


def looks(wanted_kw: float, *runs: SetRun, hours: tuple[float, float] = (nan, nan), now_s: float = 0.0,
          **terms: float) -> tuple[str, ...]:  # fmt: skip
    """Who is chosen of the two sets, 800 and 600 kW."""
    rule = replace(FALLBACK, **terms)
    found = []
    for part, run, run_h in zip(rule.sets, runs, hours, strict=True):
        make: Callable[..., Device] = standing if run.phase in (Phase.OFF, Phase.LOCKED) else running
        found.append(gensets.Look(rule, part, run, make(part.name, run_h=run_h), False, at(now_s)))
    return choose(found, wanted_kw)


CALM = SetRun()
CARRIES = SetRun(phase=Phase.READY, t_on_ns=at(-2000.0).t_ns)


def test_staging_by_kw() -> None:
    """Goal: a second set at 80 % of the first. Method: 640 and 641 kW of 800; nobody for nan; one for nothing."""
    assert looks(640.0, CALM, CALM) == ("genset-1",)
    assert looks(641.0, CALM, CALM) == ("genset-1", "genset-2")
    assert looks(9999.0, CALM, CALM) == ("genset-1", "genset-2")
    assert looks(0.0, CALM, CALM) == ("genset-1",)
    assert looks(nan, CALM, CALM) == ()
    assert choose([], 5.0) == ()


def test_rotation() -> None:
    """Goal: the least used first, by its own hour meter, else by our count; what runs stays first.
    Method: hours of both kinds; a running set."""
    assert looks(100.0, CALM, CALM, hours=(10.0, 5.0)) == ("genset-2",)
    assert looks(100.0, replace(CALM, run_s=7200.0), CALM) == ("genset-2",)
    assert looks(100.0, CARRIES, CALM, hours=(10.0, 5.0)) == ("genset-1",)
    assert looks(100.0, replace(CALM, phase=Phase.LOCKED), CALM) == ("genset-2",)


def test_a_set_stays_for_its_shortest_run() -> None:
    """Goal: a set that is no longer needed runs on until run_s_min. Method: both carry 100 kW; 1799.9 and 1800 s."""
    young = replace(CARRIES, t_on_ns=at(0.0).t_ns)
    assert looks(100.0, CARRIES, young, hours=(1.0, 2.0), now_s=1799.9) == ("genset-1", "genset-2")
    assert looks(100.0, CARRIES, young, hours=(1.0, 2.0), now_s=1800.0) == ("genset-1",)


def test_longest_run_hands_over() -> None:
    """Goal: maximum run: the other set starts, and the old one carries until it is ready. Method: at the edge;
    the new one cold, then ready; none without another."""
    assert looks(100.0, CARRIES, CALM, run_s_max=2000.1) == ("genset-1",)
    assert looks(100.0, CARRIES, CALM, run_s_max=1.0) == ("genset-2", "genset-1")
    assert looks(100.0, CARRIES, CALM, run_s_max=2000.0) == ("genset-2", "genset-1")
    assert looks(100.0, CARRIES, replace(CARRIES, t_on_ns=at(-10.0).t_ns), run_s_max=2000.0) == ("genset-2",)
    assert looks(100.0, CARRIES, replace(CALM, phase=Phase.LOCKED), run_s_max=2000.0) == ("genset-1",)


def test_one_set_in_crank_at_a_time() -> None:
    """Goal: starters and batteries are spared. Method: both wanted; the second waits until the first runs."""
    devices = {name: standing(name) for name in ("genset-1", "genset-2")}
    runs = step(FALLBACK, Hall(), devices, 9999.0, "", at(0.0))
    assert [run.phase for run in runs.values()] == [Phase.CRANK, Phase.OFF]
    runs = step(FALLBACK, Hall(sets=runs), devices, 9999.0, "", at(1.0))
    assert [run.phase for run in runs.values()] == [Phase.CRANK, Phase.OFF]
    devices["genset-1"] = running()
    runs = step(FALLBACK, Hall(sets=runs), devices, 9999.0, "", at(2.0))
    runs = step(FALLBACK, Hall(sets=runs), devices, 9999.0, "", at(2.1))
    assert [run.phase for run in runs.values()] == [Phase.WARM, Phase.CRANK]


@pytest.mark.parametrize(
    ("phase", "device", "order"),
    [
        (Phase.CRANK, standing(), "start"),
        (Phase.CRANK, standing(state="starting"), ""),
        (Phase.READY, running(), ""),
        (Phase.COOL, running(), ""),
        (Phase.PAUSE, standing(state="starting"), "stop"),
        (Phase.OFF, running(), "stop"),
        (Phase.LOCKED, running(), "stop"),
        (Phase.OFF, standing(), ""),
        (Phase.OFF, replace(running(), age_s=3.1), ""),
        (Phase.CRANK, replace(standing(), age_s=3.1), ""),
    ],
)
def test_requests(phase: Phase, device: Device, order: str) -> None:
    """Goal: the order follows phase and reading; a stale reading orders nothing. Method: the table."""
    run = SetRun(phase=phase, asked=True)
    found = requests(ONE, Hall(sets={"genset-1": run}), {"genset-1": device})
    assert found == ({"genset-1": order} if order else {})


def test_a_set_that_runs_by_itself_is_left_alone() -> None:
    """Goal: no blackout after a restart, no quarrel with a person.
    Method: a set never started here, and one whose start an earlier run remembers; one asked by this run, and reset."""
    began = SetRun(t_starts_ns=(at(-50.0).t_ns,))
    for run in (SetRun(), began):
        assert requests(ONE, Hall(sets={"genset-1": run}), {"genset-1": running()}) == {}
    asked = run_of(Phase.OFF, 0.0, OFF)
    assert (asked.phase, asked.asked) == (Phase.CRANK, True)
    locked = run_of(Phase.LOCKED, 0.0, ON, wanted_kw=nan, reset="local", asked=True)
    assert (locked.phase, locked.asked) == (Phase.OFF, True)


def test_a_rest_that_began_before_the_boot_still_counts() -> None:
    """Goal: off_s_min holds over a reboot. Method: the last run's end at a negative instant, 300 s ago at its edge."""
    ended_ns = -5
    for now_ns, phase in ((ns(300.0) - 6, Phase.OFF), (ns(300.0) - 5, Phase.CRANK)):
        look = Look(ONE, ONE.sets[0], SetRun(t_off_ns=ended_ns), OFF, True, Instant(now_ns, 0.0))
        assert _next(look).phase == phase


def test_ready_power() -> None:
    """Goal: only READY sets count. Method: one ready, one warm, one unknown."""
    both = Hall(sets={"genset-1": SetRun(phase=Phase.READY), "genset-2": SetRun(phase=Phase.WARM)})
    assert (ready_kw(FALLBACK, both), ready_kw(FALLBACK, Hall())) == (800.0, 0.0)


def test_every_phase_is_left_and_entered() -> None:
    """Goal: no dead end but the lock. Method: the graph of the table."""
    left = {phase for row in ROWS for phase in row.source}
    assert left == set(Phase) - {Phase.LOCKED}
    assert {row.target for row in ROWS} == set(Phase)
    assert all(row.needs for row in ROWS)


def test_staging_at_its_exact_edges() -> None:
    """Goal: nothing is counted that does not carry: a set that warms up adds to what is coming, not to what is there.
    Method: both ready, one a little short of the load; one warm; a load of half a kilowatt."""
    old = replace(CARRIES, t_on_ns=at(-5000.0).t_ns)
    assert looks(640.0, old, CARRIES, hours=(1.0, 2.0)) == ("genset-1",)
    assert looks(640.5, old, CARRIES, hours=(1.0, 2.0)) == ("genset-1", "genset-2")
    warm = replace(CALM, phase=Phase.WARM, t_on_ns=at(-1.0).t_ns)
    assert looks(640.0, warm, old, hours=(1.0, 2.0)) == ("genset-1", "genset-2")
    assert looks(0.5, warm, old, hours=(1.0, 2.0)) == ("genset-1", "genset-2")
    assert looks(0.0, warm, old, hours=(1.0, 2.0)) == ("genset-1",)


def test_hours_of_both_kinds_compare() -> None:
    """Goal: our count of seconds and a set's own hour meter are one measure; the present run counts.
    Method: half an hour against one; 1.5 h of which half an hour runs against 1.2 h."""
    assert looks(100.0, replace(CALM, run_s=1800.0), CALM, hours=(nan, 1.0)) == ("genset-1",)
    assert looks(100.0, replace(CALM, run_s=1800.0), CALM, hours=(nan, 0.4)) == ("genset-2",)
    runs = replace(CARRIES, run_s=3600.0, t_on_ns=at(-1800.0).t_ns)
    other = replace(CARRIES, t_on_ns=at(-1800.0).t_ns)
    assert looks(100.0, runs, other, hours=(nan, 1.2)) == ("genset-2",)
    assert looks(100.0, runs, other, hours=(nan, 1.6)) == ("genset-1",)


def test_a_reading_counts_until_its_age() -> None:
    """Goal: 3 s for this set, no longer, and no value without one. Method: the edge; a set that is not there."""
    for age_s, known in ((3.0, True), (3.001, False)):
        device = replace(running(), age_s=age_s)
        seen = gensets.Look(ONE, ONE.sets[0], CARRIES, device, False, at(0.0))
        assert (seen.fresh, seen.runs, seen.value("power_kw") == 300.0) == (known, known, known)
        still = {"genset-1": replace(standing(), age_s=age_s)}
        hall = Hall(sets={"genset-1": SetRun(phase=Phase.CRANK)})
        assert requests(ONE, hall, still) == ({"genset-1": "start"} if known else {})
    assert isnan(gensets.Look(ONE, ONE.sets[0], CARRIES, None, False, at(0.0)).value("power_kw"))


def test_giving_up_is_counted() -> None:
    """Goal: the third failure locks, and says how many there were. Method: a crank that times out after two."""
    after = run_of(Phase.CRANK, 10.0, OFF, attempts=2)
    assert (after.phase, after.attempts, after.why) == (Phase.LOCKED, 3, "did not start in 3 attempts")


def test_the_first_set_waits_while_the_second_cranks() -> None:
    """Goal: one in crank at a time, whichever it is. Method: the second cranks, the first is wanted too."""
    sets = {"genset-1": SetRun(), "genset-2": SetRun(phase=Phase.CRANK, t_since_ns=at(0.0).t_ns)}
    devices = {name: standing(name) for name in sets}
    runs = step(FALLBACK, Hall(sets=sets), devices, 9999.0, "", at(1.0))
    assert [run.phase for run in runs.values()] == [Phase.OFF, Phase.CRANK]

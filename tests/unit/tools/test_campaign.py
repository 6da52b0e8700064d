"""P1 and P3: the campaign, its oracle that bites, and the proof that what it leaves out is quiet."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from math import inf
from pathlib import Path
from random import Random

import pytest

from controller.image import Mode, Wish
from tests.tidy.source import imports
from tools import campaign
from tools.averaged import hostile
from tools.averaged.hostile import DEAD_END, VAIN
from tools.averaged.machines import Switch
from tools.averaged.pairs import all_pairs, pair, scope
from tools.averaged.quiet import SHORTEST_S, clears_in_s, leap, may_rest, settled
from tools.averaged.run import HALL, AveragedRun
from tools.inject.averaged import ACTS
from tools.inject.trial import prepared
from tools.oracle.watch import RULES
from tools.planted import PLANTED, caught, cycles

pytestmark = pytest.mark.stack

HOUSE = Path(__file__).parents[3]
SEED = 1
PART_H, PARTS = 1000.0, 5  # of the check: P1 on both cores


def test_the_oracle_knows_nothing_of_the_code() -> None:
    """Goal: independence. Method: every import of the room."""
    for path in (HOUSE / "tools" / "oracle").glob("*.py"):
        seen = [target for _, target in imports(HOUSE, path)]
        assert not [
            t for t in seen if t.startswith(("controller.safety", "controller.state", "tools.averaged"))
        ], path


def test_every_rule_has_a_planted_bug() -> None:
    """Goal: no rule that was never seen to fire. Method: both lists."""
    assert sorted(PLANTED) == sorted(rule.id for rule in RULES)
    assert len({rule.id for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", PLANTED)
def test_an_interlock_that_is_taken_out_is_caught(rule: str) -> None:
    """Goal: P15: the oracle bites, and not without reason. Method: one situation, with the interlock and without."""
    assert caught(rule) > 0


@pytest.mark.parametrize(("event", "rule"), [("key turned", "IL-14"), ("grid chatters", "IL-20")])
def test_the_campaign_visits_what_only_planted_bugs_visited(event: str, rule: str) -> None:
    """Goal: IL-14 and IL-20 are near in the campaign's own world. Method: the event alone, two seeds, then ten quiet
    minutes with the person who mends; nothing is broken."""
    for seed in (1, 2):
        world = campaign.Campaign(seed)
        world.hostile.begin(world.run, event)
        tally = world.hours(0.2)
        assert world.oracle.exercised[rule] > 0, seed
        assert not tally.violations


def recorded(
    seed: int, hours: float, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[AveragedRun, float, AveragedRun]]:
    """Stretches that a campaign left out: the site before, how long, and the site after."""
    found = []

    def watched(run: AveragedRun, most_s: float) -> tuple[float, float]:
        before = run.copied()
        past_s, turn_s = leap(run, min(most_s, 900.0))
        if past_s:
            found.append((before, past_s, run.copied()))
        return past_s, turn_s

    monkeypatch.setattr(campaign, "leap", watched)
    campaign.Campaign(seed).hours(hours)
    return found


def test_what_is_left_out_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: a stretch may be left out only where stepping gives the same. Method: stretches of a campaign, stepped
    second by second; state, orders and limits equal, charge within rounding; then the same loss of the grid."""
    found = recorded(11, 40.0, monkeypatch)
    kept = found[:: max(len(found) // 6, 1)]
    assert len(kept) >= 5
    for before, past_s, after in kept:
        for _ in range(int(past_s)):
            before.cycle(1.0)
        before.cycle(past_s - int(past_s) or 0.1)
        if past_s == int(past_s):
            after.cycle(0.1)
        assert settled(before) == settled(after)
        for name in ("soc_pct_low", "soc_pct_high", "soc_pct"):
            assert getattr(before.state.conditions.battery, name) == pytest.approx(
                getattr(after.state.conditions.battery, name), abs=1e-6
            )
        for run in (before, after):
            run.world.grid_pu = 0.0
            cycles(run, 15.0)
        assert (before.mode, before.state.mode.row) == (after.mode, after.state.mode.row)
        assert before.world.source == after.world.source


def test_what_is_left_out_is_counted() -> None:
    """Goal: what a discharge shows of the battery is the same with leaps and without (F47). Method: a faded battery is
    emptied for an hour and a half by whole seconds and with leaps; counts, bounds and the interval within rounding."""
    found = []
    for leaps in (False, True):
        run = prepared("proven", HALL).copied()
        ACTS["F47"].begin(run, Random(1))
        run.world.want_kw = 500.0
        end_ns = run.world.t_ns + round(5600e9)
        while run.world.t_ns < end_ns:
            if leaps and may_rest(run):
                leap(run, min((end_ns - run.world.t_ns) / 1e9, 900.0))
            else:
                run.cycle(1.0)
            if leaps and run.world.t_ns < end_ns:
                run.cycle(1.0)
        battery, fade = run.state.conditions.battery, run.state.conditions.battery.fade
        found.append((fade.drawn_kwh, fade.told_kwh, fade.least_kwh, fade.most_kwh, fade.likely_kwh,
                      battery.soc_pct_low, battery.soc_pct_high, battery.band.above_pct))  # fmt: skip
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert 0.0 < found[0][3] < 1800.0


def test_a_stretch_in_which_something_is_due_is_not_left_out() -> None:
    """Goal: no timer is jumped over. Method: a stop that goes on alone after 30 s; leaps before it, never across, and
    what was seen to turn is told; a stretch before it tells nothing."""
    run = campaign.Campaign(SEED).run
    run.world.spoil.frame["trips"] = 1
    run.cycle()
    run.world.spoil.frame.clear()
    cycles(run, 5.0)
    assert run.mode.name == "SAFE_STOP"
    began_ns = run.world.t_ns
    past_s, turn_s = leap(run, 3600.0)
    assert past_s < 30.0 and past_s < turn_s <= 4.0 * max(past_s, SHORTEST_S)
    assert leap(run, SHORTEST_S) == (SHORTEST_S, inf)
    while run.mode.name == "SAFE_STOP":
        if not leap(run, 3600.0)[0]:
            run.cycle(1.0)
    assert 20e9 < run.world.t_ns - began_ns < 32e9


def test_no_window_of_a_fault_is_left_out() -> None:
    """Goal: a converter that stays in fault is told to clear as often as ever, and after that rests. Method: a deaf one
    that is left out (F27), eleven minutes by whole seconds and with leaps: the same seconds of orders."""
    ready = campaign.Campaign(SEED).run
    next(iter(ready.world.pcs.values())).enter("fault")
    next(iter(ready.world.pcs.values())).deaf = True
    cycles(ready, 3.0)
    assert ready.mode.name == "GRID_TIED" and ready.state.conditions.losses
    told: list[set[int]] = [set(), set()]
    stepped, leaping = ready.copied(), ready.copied()
    end_ns, tries = ready.world.t_ns + round(660e9), 0
    for run, seconds in ((stepped, told[0]), (leaping, told[1])):
        run.watchers.append(
            lambda seen, seconds=seconds: (
                seconds.add(round(seen.telemetry.now.t_ns / 1e9))
                if "clear" in seen.outputs.orders.values()
                else None
            )
        )
    while stepped.world.t_ns < end_ns:
        stepped.cycle(1.0)
    while leaping.world.t_ns < end_ns:
        tries += 1
        left_s = (end_ns - leaping.world.t_ns) / 1e9
        if not (may_rest(leaping) and leap(leaping, left_s)[0]):
            leaping.cycle(1.0)
    assert len(told[0]) >= 3 and told[0] == told[1]
    assert tries < 60 and clears_in_s(leaping) == inf


def test_equal_seeds_give_equal_campaigns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: a violation can be found again. Method: the same hours twice, another seed."""
    monkeypatch.setattr(hostile, "BETWEEN_S", 3600.0)
    first, again, other = (campaign.chunk(seed, 4.0) for seed in (5, 5, 6))
    assert first == again != other
    assert first.events and first.left_out_h > 3.0


def test_hours_are_split_among_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: hours add up and each seed's own are bounded. Method: a little more than one chunk."""
    monkeypatch.setattr(campaign, "CHUNK_H", 4.0)
    told: list[float] = []
    total = campaign.campaign(campaign.CHUNK_H + 1.0, 3, told=lambda tally: told.append(tally.hours))
    assert len(told) == 2
    assert total.hours == pytest.approx(campaign.CHUNK_H + 1.0, abs=0.1)
    assert not total.violations
    assert "violations: 0" in "\n".join(campaign.lines(total, 3, 1.0))


def test_a_violation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: seed, time, mode, rule and words. Method: a campaign whose limits grow with the wish."""
    from controller.safety import envelope

    whole = envelope.limit

    def moved(*given: object) -> object:
        limits = whole(*given)  # type: ignore[arg-type]
        wish = next(x for x in given if isinstance(x, Wish))
        return limits if wish == Wish() else replace(limits, export_kw_max=limits.export_kw_max + 1.0)

    monkeypatch.setattr(envelope, "limit", moved)
    run = campaign.Campaign(SEED)
    run.run.wish = Wish(1.0, 2.0, 0.5)
    run.run.cycle()
    tally = run.hours(0.0)
    assert tally.violations["IL-05"] == 1
    assert "IL-05" in "\n".join(campaign.lines(tally, SEED, 1.0))


@pytest.mark.parametrize(("angle_deg", "clashes"), [(19.0, 0), (21.0, 1), (-19.0, 0), (-21.0, 1), (180.0, 1)])
def test_a_closing_out_of_step_is_counted(angle_deg: float, clashes: int) -> None:
    """Goal: the witness of the averaged site. Method: angles around the edge; a dead bus; a step of a whole second."""
    switch = Switch("open", "grid", angle_deg=angle_deg)
    switch.step(0.1, 50.0, 50.0)
    assert (switch.position, switch.clashes) == ("grid", clashes)
    alone = Switch("open", "grid", angle_deg=angle_deg)
    alone.step(0.1, 50.0, 50.0, alone=True)  # nobody takes the order back: the relay in the coil does
    assert (alone.position, alone.aim, alone.clashes) == (
        ("open", "open", 0) if clashes else ("grid", "grid", 0)
    )
    dead = Switch("open", "grid", angle_deg=angle_deg)
    dead.step(1.0, 0.0, 50.0)
    assert dead.clashes == 0


NEVER_NS = round(1e9 * 3600.0 * 1e6)


def test_a_dead_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: a site that nobody can set going again does not pass for a quiet one. Method: an alarm that latches, and a
    person whose commands are lost; the same with a person who is heard."""
    found = []
    for heard in (True, False):
        world = campaign.Campaign(SEED)
        world.hostile.next_ns = NEVER_NS
        world.run.world.spoil.inputs["fire"] = 1.0
        if not heard:
            monkeypatch.setattr(AveragedRun, "ask", lambda run, verb: None)
        tally = world.hours(6.0)
        found.append((tally.events[DEAD_END], world.run.mode.name, tally.events["person"] >= VAIN))
    assert found == [(0, "GRID_TIED", False), (1, "LOCKOUT", True)]


@pytest.mark.parametrize(("mode", "position"), [(Mode.ISLANDING, "open"), (Mode.LOCKOUT, "grid")])
def test_the_person_turns_no_switch_that_is_moved(mode: Mode, position: str) -> None:
    """Goal: a closing by hand under a controller that wants it open would count as a transfer (IL-20), and is nobody's.
    Method: the person at a dead bus, in a mode that moves the switch and in one that leaves it alone."""
    world = campaign.Campaign(SEED)
    site = world.run.world
    site.source, site.switch.position, site.switch.aim = "none", "open", "open"
    for converter in site.pcs.values():
        converter.enter("standby")
    world.run.state = replace(world.run.state, mode=replace(world.run.state.mode, mode=mode))
    world.run.hung = True  # what the safety step would do next is not asked
    world.hostile.cure(world.run)
    assert site.switch.position == position


def test_an_order_that_nobody_takes_is_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: hours are not stepped through tenth by tenth. Method: a deaf converter that rests in an island."""
    monkeypatch.setattr(hostile.World, "_person", lambda world, run: False)
    world = campaign.Campaign(SEED)
    world.hostile.next_ns, site = NEVER_NS, world.run.world
    site.grid_pu, site.load_kw = 0.0, 100.0
    for genset in site.gensets.values():
        genset.deaf = True
    world.run.until(Mode.ISLANDED)
    site.pcs["pcs-1"].enter("standby")
    site.pcs["pcs-1"].deaf = True
    for _ in range(600):
        world.run.cycle(1.0)  # until no genset is asked any more
    assert world.run.outputs is not None and world.run.outputs.orders == {"pcs-1": "start"}
    fine, until_ns = world.tally.fine, world.run.world.t_ns + round(60e9)
    while world.run.world.t_ns < until_ns:
        world._advance(until_ns)
    assert world.run.outputs.orders == {"pcs-1": "start"} and world.tally.fine - fine <= 10


def test_pairs_are_all_pairs() -> None:
    """Goal: P3; what is told of their number is true. Method: each pair once a phase, counted; one pair run."""
    found = list(all_pairs(1, 2))
    assert len(found) == len(set(found)) == 2 * len({pair[:2] for pair in found})
    faults = {code for one, other, _ in found for code in (one, other)}
    assert scope().startswith(f"{len(faults)} of the 98 faults, ")
    assert scope().endswith(f": {len(found) // 2:,} pairs of 4,753")
    assert pair("F16", "F48", SEED).violations == 0


@pytest.mark.parametrize(("one", "other"), [("F28", "F52"), ("F53", "F68")])
def test_pairs_that_once_broke_an_interlock(one: str, other: str) -> None:
    """Goal: a former that may not be told to follow meets no source (IL-02); an order that nobody takes back is the
    sync-check relay's (IL-01, H). Method: both pairs at the phases that showed it."""
    for seed in (SEED, SEED + 1):
        assert pair(one, other, seed).violations == 0


@pytest.mark.stack
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_five_thousand_hours_without_a_violation(part: int) -> None:
    """Goal: P1 in the check: 0 violations. Method: a fifth of the hours each, seeds of their own."""
    tally = campaign.campaign(PART_H, 1 + part * round(PART_H / campaign.CHUNK_H))
    assert tally.hours >= PART_H
    assert not tally.violations and not tally.events[DEAD_END], campaign.lines(tally, 1, 1.0)
    assert sum(tally.events.values()) > 50


@pytest.mark.process
def test_the_command() -> None:
    """Goal: tools/campaign as a person calls it. Method: two hours as JSON; too few are refused; its help."""
    command = [sys.executable, "-m", "tools.campaign", "--json", "--hours"]
    done = subprocess.run([*command, "2"], cwd=HOUSE, capture_output=True, text=True, check=True)
    assert '"violations": {}' in done.stdout
    assert subprocess.run([*command, "0"], cwd=HOUSE, capture_output=True, check=False).returncode == 2
    told = subprocess.run(
        [*command[:3], "--help"], cwd=HOUSE, capture_output=True, text=True, check=True
    ).stdout
    assert scope() in " ".join(told.split())

"""The injectors: one for every line of the fault catalogue, each in time at a random phase; who may inject at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from controller.runtime.mistakes import MistakeError
from controller.safety.conditions import ROWS
from tools.averaged.quiet import leap, may_rest
from tools.averaged.run import HALL, AveragedRun
from tools.cli import app
from tools.inject import averaged, stack
from tools.inject.battery import cycled
from tools.inject.faults import Row, chosen, histogram, line_of, report, run_faults, strapped
from tools.inject.table import FAULTS, Room
from tools.inject.trial import LEAP_S_MAX, Result, prepared, trial

pytestmark = pytest.mark.stack

HOUSE = Path(__file__).parents[3]
SEED = 1
BY_ROOM = {room: [f.code for f in FAULTS.values() if f.room == room] for room in Room}


def test_every_fault_has_exactly_one_injector() -> None:
    """Goal: F01 to F98, each once; each in one room, with its act or its test; the README counts as many. Method:
    count them."""
    sites, tests = len(FAULTS) - len(BY_ROOM[Room.TEST]), len(BY_ROOM[Room.TEST])
    assert f"{sites} of the 98, for {tests} are judged by tests" in (HOUSE / "README.md").read_text("utf-8")
    assert list(FAULTS) == [f"F{k:02}" for k in range(1, 99)]
    assert sorted(averaged.ACTS) == BY_ROOM[Room.AVERAGED]
    assert sorted(stack.ACTS) == BY_ROOM[Room.STACK]
    assert not averaged.ACTS.keys() & stack.ACTS.keys()
    for fault in FAULTS.values():
        assert bool(fault.place) is (fault.room == Room.TEST), fault.code
        assert fault.expects, fault.code
        assert fault.within_s > 0


def test_the_tests_that_inject_exist() -> None:
    """Goal: a name of a test is no excuse. Method: look for the function in the file."""
    for code in BY_ROOM[Room.TEST]:
        file, _, name = FAULTS[code].place.partition("::")
        assert f"def {name}(" in (HOUSE / file).read_text(), code


def test_every_condition_can_be_injected() -> None:
    """Goal: no row of the fault table without an injector. Method: both tables by id."""
    assert {row.code for row in ROWS if row.code.startswith("F")} <= {
        f.code for f in FAULTS.values() if f.room in (Room.AVERAGED, Room.STACK)
    }


@pytest.mark.parametrize("code", BY_ROOM[Room.AVERAGED])
def test_in_time_on_the_averaged_site(code: str) -> None:
    """Goal: P2, one random phase. Method: the injector; the reaction within the catalogue's time."""
    result = trial(code, SEED)
    assert result.holds, line_of(Row(FAULTS[code], (result,)))


@pytest.mark.stack
@pytest.mark.parametrize("code", BY_ROOM[Room.STACK])
def test_in_time_with_the_whole_stack(code: str) -> None:
    """Goal: P2, one random phase. Method: the whole stack in virtual time, the fault in transformer, wire or slave."""
    result = stack.stack_trial(code, SEED)
    assert result.holds, line_of(Row(FAULTS[code], (result,)))


def test_a_blind_product_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: a trial sees red. Method: F48 has no row; a fire where nothing must."""
    from controller.safety import conditions

    monkeypatch.setattr(conditions, "ROWS", tuple(row for row in ROWS if row.code != "F48"))
    assert not trial("F48", SEED).holds
    monkeypatch.setattr(conditions, "ROWS", ROWS)
    always = averaged.ACTS["F49"]
    monkeypatch.setitem(
        averaged.ACTS, "F49", averaged.Act(averaged.ACTS["F39"].begin, always.end, always.seen, still=True)
    )
    assert not trial("F49", SEED).holds


def test_new_racks_end_the_fade() -> None:
    """Goal: F47 is told of a battery that holds less, and lifted by what a whole one shows; new racks alone show
    nothing. Method: the injector, its end, the same use for two days more."""
    act, run, draw = averaged.ACTS["F47"], prepared("proven", HALL).copied(), Random(1)
    act.begin(run, draw)
    run.watchers.append(cycled)
    used(run, 2.0, lambda: act.seen(run))
    assert act.seen(run)
    act.end(run, draw)
    run.cycle(1.0)
    assert act.seen(run)
    # known as it is, it is filled by the window, and every 14 days: here the world waits no longer
    run.terms = replace(run.terms, soc_pct_max=100.0)
    used(run, 2.0, lambda: not act.seen(run))
    assert not act.seen(run) and run.state.conditions.level == 0


def used(run: AveragedRun, days: float, over: Callable[[], bool]) -> None:
    """The site in use for so long, or until it is over."""
    end_ns = run.world.t_ns + round(86_400e9 * days)
    while run.world.t_ns < end_ns and not over():
        if may_rest(run):
            leap(run, LEAP_S_MAX)
        run.cycle(1.0)


def test_equal_seeds_give_equal_trials() -> None:
    """Goal: a late trial can be repeated. Method: the same seed twice, another."""
    assert trial("F16", 3) == trial("F16", 3)
    assert trial("F16", 3).phase_s != trial("F16", 4).phase_s


def test_words() -> None:
    """Goal: ids, names and all; the rest is refused with its cure. Method: each kind."""
    assert [f.code for f in chosen(["F37", "cell-cold"])] == ["F37", "F36"]
    assert len(chosen(["all"])) == len(averaged.ACTS) + len(stack.ACTS)
    for word, text in (("F99", "F01 to F98"), ("F73", "run pytest tests/")):
        with pytest.raises(MistakeError, match=text):
            chosen([word])


def test_no_strap_no_fault(tmp_path: Path) -> None:
    """Goal: DR-09. Method: the hall on a host of the field; place, fault and cure are named."""
    site = tmp_path / "hall.yaml"
    text = (
        (HOUSE / "boards" / "sites" / "reference.yaml")
        .read_text()
        .replace("host: laptop", "host: siemens-iot2050")
    )
    text = text.replace("  rs485-2: {baud: 19200}\n", "").replace("port: rs485-2", "port: rs485-1")
    site.write_text(text.replace("rs485-1: {baud: 115200, gap: chars}", "rs485-1: {baud: 19200}"))
    with pytest.raises(MistakeError, match=r"host siemens-iot2050 has no bench strap.*bench: true"):
        strapped(site)
    strapped(HALL)


def test_a_site_that_cannot_have_the_fault() -> None:
    """Goal: told, not crashed, and no hindrance to the others. Method: a genset's fault at a site without, alone and
    beside one that the site can have; a heartbeat that its BMS has not."""
    reference = HOUSE / "boards" / "sites" / "reference.yaml"
    without, late = run_faults([FAULTS["F34"], FAULTS["F07"]], reference, SEED, 1)
    assert (
        without.holds and "not here: " in line_of(without) and "no BMS of it tells heartbeat" in without.lacks
    )
    assert late.holds and len(late.results) == 1 and report([without, late], SEED)["faults"][0]["lacks"]
    with pytest.raises(MistakeError, match="no BMS of it tells heartbeat"):
        run_faults([FAULTS["F34"]], reference, SEED, 1)
    with pytest.raises(MistakeError, match=r"has no fallback; this fault needs genset"):
        trial("F58", SEED, reference)
    for site in ("reference", "two-halls"):  # one converter; two, of which the second has no watchdog
        with pytest.raises(MistakeError, match=r"has no second converter that a watchdog of its own ends"):
            trial("F27", SEED, HOUSE / "boards" / "sites" / f"{site}.yaml")


def test_table_and_histogram() -> None:
    """Goal: a row and a bin each, whatever came. Method: in time, late, none, and rightly none."""
    times = (0.05, 0.06, float("inf"), -1.0)
    rows = [Row(FAULTS["F26"], (Result("F26", 1, 0.05, s, 0.1),)) for s in times]
    assert [row.holds for row in rows] == [True, True, False, True]
    assert sum(histogram(rows).values()) == 3
    assert histogram(rows)["<= 0.05 s"] == histogram(rows)["<= 0.1 s"] == histogram(rows)["none"] == 1
    for code, name in (
        ("F57", "<= 1000 s"),
        ("F47", "<= 259200 s"),
    ):  # a quarter of an hour; the longest of all
        bound_s = FAULTS[code].within_s
        slow = Row(FAULTS[code], (Result(code, 1, 0.05, bound_s, bound_s),))
        assert (histogram([slow])[name], histogram([slow])["none"]) == (1, 0)
    assert "LATE" in line_of(rows[2]) and "no reaction" in line_of(rows[2])
    assert json.dumps(report(rows, 1))


def test_the_verb() -> None:
    """Goal: `stillwatt inject`. Method: one fault as text and as JSON, exit codes."""
    done = CliRunner().invoke(app, ["inject", str(HALL), "F26", "--phases", "2"])
    assert done.exit_code == 0 and "F26 pcs-fault-bit" in done.output and "reactions: " in done.output
    done = CliRunner().invoke(app, ["inject", str(HALL), "F26", "--json"])
    assert json.loads(done.output)["faults"][0]["holds"] is True
    assert len(run_faults(chosen(["F26"]), HALL, 1, 3)[0].results) == 3

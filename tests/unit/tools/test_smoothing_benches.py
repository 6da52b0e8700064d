"""The benches of the smoothing rows: what they believe of a site, and what they refuse. Their runs are by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.devices.check import check_site
from tools.bench.scored import PARTS, Scenes, ended, modules, verdict
from tools.bench.soc import CYCLE_S, RATE_HZ, blind, coarse
from tools.bench.topology import ERRORS, Error, topologies
from tools.plant.loads import InputError
from tools.plant.loop import RING_SLOTS

CHECKED = check_site(Path("boards/sites/reference.yaml"))


def test_an_error_is_in_what_the_controller_holds_and_nowhere_else() -> None:
    """Goal: row 8 measures the errors that its table names. Method: each factor in the believed site, by hand."""
    held = Error(dc=1.1, ct=0.9, answer=1.25, delay=0.7).believed(CHECKED)
    channels, pcs = held.site.sampling.channels, held.site.pcs[0]
    assert channels["dc_a"].a_per_v == pytest.approx(770)
    assert channels["load_ib"].a_per_v == pytest.approx(270)
    assert channels["load_va"] == CHECKED.site.sampling.channels["load_va"]
    assert (pcs.dead_time_ms, pcs.lag_ms) == pytest.approx((0.21, 3.5))
    profile = held.profiles[pcs.profile]
    assert profile.setpoint is not None
    assert profile.setpoint.counts_per_kw == pytest.approx(12.5)  # told 100 kW it gives 125,
    assert profile.points["pcs_kw"].scale == pytest.approx(0.08)  # and tells that it gives 100
    assert ERRORS[0].believed(CHECKED).site == CHECKED.site
    assert str(Error(answer=0.9, delay=1.3)) == "converter -10 %, delay +30 %"


def test_three_places_of_the_transformers() -> None:
    """Goal: the same inputs under other names. Method: the channels of each topology."""
    load, pcc, model = (set(site.site.sampling.channels) for site in topologies(CHECKED).values())
    assert {name.replace("load", "pcc") for name in load} == pcc
    assert pcc - model == {"dc_v", "dc_a"}


def test_coarse_clocks_lose_no_sample() -> None:
    """Goal: a cycle sees every sample since the last one. Method: its samples against the ring."""
    assert coarse(CHECKED).site.sampling.rate_hz * CYCLE_S == RATE_HZ * CYCLE_S <= RING_SLOTS


def test_another_folder_is_refused(tmp_path: Path) -> None:
    """Goal: a wrong folder is told with its cure. Method: an empty one, after one that had the module."""
    (tmp_path / "empty").mkdir()
    for name in PARTS:
        (tmp_path / f"{name}.py").touch()
    modules(tmp_path, *PARTS)
    tmp_path /= "empty"
    with pytest.raises(InputError, match=r"needed are scene\.py, score\.py, links\.py, baselines\.py"):
        Scenes(tmp_path)


def test_a_site_without_a_dc_bus_has_all_else() -> None:
    """Goal: the same day, counted another way. Method: the channels that are left."""
    gone = set(CHECKED.site.sampling.channels) - set(blind(CHECKED).site.sampling.channels)
    assert gone == {"dc_v", "dc_a"}


@pytest.mark.parametrize(
    ("at_work", "good", "line"),
    [
        (True, True, "at work all the time; holds"),
        (True, False, "at work all the time; MISSED"),
        (False, True, "LEFT GRID_TIED; MISSED"),
    ],
)
def test_the_last_line_and_the_exit_status_say_the_same(
    at_work: bool, good: bool, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Goal: a site that stopped has not held its bounds. Method: each case, and what is printed."""
    assert verdict(at_work, good) == int(not (at_work and good))
    assert capsys.readouterr().out == f"{line}\n"


def test_a_bench_ends_with_its_status_or_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: no traceback for a wrong folder. Method: a bench that returns 1, one that refuses what it was given."""

    def refuses(arguments: list[str]) -> int:
        raise InputError(f"{arguments[0]}: none")

    monkeypatch.setattr("sys.argv", ["bench", "here"])
    with pytest.raises(SystemExit, match=r"^1$"):
        ended(lambda arguments: len(arguments), "bench")
    with pytest.raises(SystemExit, match=r"^bench: here: none$"):
        ended(refuses, "bench")

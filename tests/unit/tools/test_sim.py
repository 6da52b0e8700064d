"""Goal: `sim` is the whole stack, repeatable from its seed. Method: short scenes through the real verb."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from controller.safety import envelope
from tools.cli import app

pytestmark = pytest.mark.stack

SITE = "boards/sites/reference.yaml"
HEADER = "t_s,load_kw,grid_kw,pcs_kw,setpoint_kw,soc_pct,pv_kw,genset_kw,mode"


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of a load between 3000 and 4600 kW: up at 1 s, down at 2 s, edges of 10 ms."""
    path = tmp_path_factory.mktemp("sim") / "load.csv"
    t_s = np.arange(0, 3, 0.0005)
    load_kw = 3000 + 1600 * np.clip((t_s - 1) / 0.01, 0, 1) - 1600 * np.clip((t_s - 2) / 0.01, 0, 1)
    path.write_text(
        "t_s,load_kw\n" + "".join(f"{t:.4f},{kw:.2f}\n" for t, kw in zip(t_s, load_kw, strict=True))
    )
    return path


def sim(load: Path, out: Path, *options: str, code: int = 0) -> str:
    """Standard output of one run of the verb, or its error output when another exit code is expected."""
    ran = CliRunner().invoke(app, ["sim", SITE, "--load", str(load), "--out", str(out), *options])
    assert ran.exit_code == code, ran.output
    return ran.stdout


def test_the_result_holds_the_contract(load: Path, tmp_path: Path) -> None:
    """Columns, 2000 rows a second from t = 0, balance in every row, the summary as one JSON line last."""
    out = tmp_path / "result.csv"
    summary = json.loads(sim(load, out, "--seed", "3").splitlines()[-1])
    lines = out.read_text().splitlines()
    assert lines[0] == HEADER
    table = np.array([[float(x) for x in row] for row in csv.reader(lines[1:])])
    t_s, load_kw, grid_kw, pcs_kw, _, _, pv_kw, genset_kw, mode = table.T
    assert np.allclose(t_s, np.arange(6000) / 2000)
    assert np.abs(load_kw - grid_kw - pcs_kw - pv_kw - genset_kw).max() < 0.01
    assert set(mode) == {2}
    assert summary["seed"] == 3
    assert summary["mode"] == "GRID_TIED"
    assert summary["times_real_time"] > 0
    assert summary["guard_blocked"] == 0
    quiet, swing = grid_kw[(t_s > 1.1) & (t_s < 1.9)], load_kw[(t_s > 1.1) & (t_s < 1.9)]
    assert swing.mean() - 3000 == pytest.approx(1600)
    assert quiet.mean() - 3000 < 150  # 50 kW/s, seen for a second at most


def test_a_seed_gives_the_same_bytes_again_and_another_seed_others(load: Path, tmp_path: Path) -> None:
    """Same seed, same commit: identical file; another seed: another file."""
    digests = []
    for number, seed in enumerate(("1", "1", "2")):
        out = tmp_path / f"{number}.csv.gz"
        sim(load, out, "--seed", seed)
        assert out.read_bytes()[:2] == b"\x1f\x8b"
        digests.append(hashlib.sha256(out.read_bytes()).hexdigest())
    assert digests[0] == digests[1] != digests[2]


def test_a_link_too_slow_to_help_is_left_alone(load: Path, tmp_path: Path) -> None:
    """At 9600 baud a late answer would double the swing: the law rests, says why, and the grid is the load."""
    out = tmp_path / "slow.csv.gz"
    summary = json.loads(sim(load, out, "--link", "9600-spec").splitlines()[-1])
    assert summary["gain"] == 0
    assert summary["loop_delay_ms"] > 12
    with gzip.open(out, "rt") as text:
        table = np.loadtxt(text, delimiter=",", skiprows=1)
    assert np.abs(table[:, 3]).max() < 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--link", "fast"), "no link 'fast'; it has: 115200-spec"),
        (("--link", "115200-true", "--links", "absent.yaml"), "absent.yaml"),
    ],
)
def test_a_wrong_link_is_named_with_its_cure(
    load: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    """The verb refuses with place, fault and what is allowed; nothing is written."""
    from controller.cli import MistakeError

    out = tmp_path / "none.csv"
    ran = CliRunner().invoke(app, ["sim", SITE, "--load", str(load), "--out", str(out), *options])
    assert isinstance(ran.exception, MistakeError)
    assert said in str(ran.exception)
    assert not out.exists()


@pytest.mark.parametrize("place", ["", "no/such/result.csv"])
def test_a_place_that_takes_no_result_is_refused_before_the_work(tmp_path: Path, place: str) -> None:
    """Goal: nothing is lost to a slip in --out. Method: a folder, and a folder that is not there; the load is not
    even read: there is none."""
    from controller.cli import MistakeError

    told = ["sim", SITE, "--load", str(tmp_path / "none.csv"), "--out", str(tmp_path / place)]
    ran = CliRunner().invoke(app, told)
    assert isinstance(ran.exception, MistakeError)
    assert str(ran.exception) == (
        f"{tmp_path / place}: a file in a folder that is there and may be written is wanted. Name one."
    )


def test_a_broken_interlock_is_a_fault_in_operation(
    load: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goal: exit 1, and one line with rule, time and where to look; the result is there all the same.
    Method: an envelope that allows a fifth more than the converters have."""
    monkeypatch.setattr(envelope, "shares", lambda *_: (1.2, 1.2))
    out = tmp_path / "result.csv"
    ran = CliRunner().invoke(app, ["sim", SITE, "--load", str(load), "--out", str(out), "--seconds", "1"])
    assert ran.exit_code == 1
    assert json.loads(ran.stdout.splitlines()[-1])["interlocks_broken"] > 0
    assert re.search(r"sim: .*reference\.yaml: IL-05 is broken at -?\d+\.\d s in GRID_TIED: .*kW", ran.stderr)
    assert "stillwatt explain IL-05" in ran.stderr
    assert out.read_text().startswith(HEADER)


def test_a_site_with_a_contract_plans_in_virtual_time(load: Path, tmp_path: Path) -> None:
    """Goal: feeds from files beside the site, the same run twice. Method: dear hours now, cheap ones later; no file."""
    site = tmp_path / "nordlab.yaml"
    text = Path("boards/sites/nordlab.yaml").read_text()
    site.write_text(
        text.replace("control:\n", "feeds:\n  price: {kind: csv, file: prices.csv}\n\ncontrol:\n")
    )
    said = []
    for name in ("none", "one", "two"):
        if name != "none":
            hours = [f"2026-01-01T{h:02d}:00Z,{3.0 - 0.1 * h if h < 4 else 0.1:.1f}" for h in range(24)]
            (tmp_path / "prices.csv").write_text("\n".join(["t_utc,price_sek_kwh", *hours]) + "\n")
        out = tmp_path / f"{name}.csv"
        ran = CliRunner().invoke(app, ["sim", str(site), "--load", str(load), "--out", str(out)])
        assert ran.exit_code == 0, ran.output
        said.append((json.loads(ran.stdout.splitlines()[-1])["plan"], out.read_bytes()))
    assert said[0][0] == "hold: no price is known; see the feeds"
    assert said[1][0] == "lp: as planned"
    assert said[1] == said[2] != said[0]

"""`stillwatt season`, `plan` and `bill` as a person calls them; against the dispatch reference where it is at hand."""

from __future__ import annotations

import csv
import gzip
import importlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from controller.config.loader import load_site
from controller.plan.billing import bill
from tests.unit.plan.tariffs import DISPATCH, hours
from tools.cli import app
from tools.tables import TableError, known_slots, read_tables

pytestmark = pytest.mark.stack

SITES = Path(__file__).parents[3] / "boards" / "sites"
NORDLAB = SITES / "nordlab.yaml"
SEASONS = [name for name in ("winter", "summer") if (DISPATCH / name / "input_15min.csv.gz").exists()]
needs_reference = pytest.mark.skipif(not SEASONS, reason="the dispatch reference is not at hand")


def write_tables(folder: Path, days: int = 3) -> Path:
    """A small season from 31 January on: a hall of 3 MW with an evening peak, prices in EUR."""
    t_s = hours("2022-01-31T00:00", 96 * days, 900.0)
    hour = np.arange(t_s.size) / 4 % 24
    load_kw = 3000 + 800 * (np.abs(hour - 18) < 2)
    price = 80 + 60 * np.sin((hour - 9) / 12 * np.pi)
    folder.mkdir(exist_ok=True)
    with gzip.open(folder / "input_15min.csv.gz", "wt", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["t_utc", "load_kw", "pv_kw", "price_eur_mwh"])
        for begin_s, kw, eur in zip(t_s, load_kw, price, strict=True):
            stamp = datetime.fromtimestamp(float(begin_s), UTC).strftime("%Y-%m-%dT%H:%MZ")
            rows.writerow([stamp, kw, 0.0, round(float(eur), 2)])
    return folder


def call(*words: Any) -> tuple[int, str]:
    """Exit code and output of the command."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    return result.exit_code, result.output


def test_a_season_from_the_command(tmp_path: Path) -> None:
    """Goal: the whole verb. Method: three days; the result balances, the summary's bill is the bill verb's."""
    tables = write_tables(tmp_path / "tables")
    out = tmp_path / "result.csv.gz"
    code, said = call("season", NORDLAB, "--tables", tables, "--forecast", "own", "--out", out)
    assert code == 0, said
    summary = json.loads(said.splitlines()[-1])
    assert summary["bill"]["total"] < summary["no_battery"]["total"]
    assert summary["decisions"].keys() <= {"lp", "last plan", "rule", "hold"}
    with gzip.open(out, "rt") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 288
    balance = [float(r["grid_kw"]) + float(r["pcs_kw"]) + float(r["pv_kw"]) for r in rows]
    assert balance == pytest.approx(read_tables(tables, _tariff()).load_kw.tolist(), abs=0.01)
    code, said = call("bill", NORDLAB, out, "--tables", tables, "--json")
    assert code == 0, said
    assert json.loads(said)["total"] == pytest.approx(summary["bill"]["total"], abs=1)


def test_a_plan_is_told_with_what_binds(tmp_path: Path) -> None:
    """Goal: the plan at a time, for people and for programs. Method: day eight at six, the ninth is guessed."""
    tables = write_tables(tmp_path / "tables", days=9)
    words = ("plan", NORDLAB, "--tables", tables, "--forecast", "own", "--at", "2022-02-07T06:00")
    code, said = call(*words)
    assert code == 0, said
    assert "2022-02-07 06:00" in said
    assert "month 202202" in said
    assert "~ the price is not known yet" in said
    code, said = call(*words, "--json")
    view = json.loads(said)
    assert view["steps"][0]["at"] == "2022-02-07 06:00"
    assert any(row["binds"] for row in view["steps"])
    guessed = [row["at"] for row in view["steps"] if row["guessed"]]
    assert guessed[0] == "2022-02-08 00:00"
    assert guessed[-1] == "2022-02-08 23:00"
    assert {peak["name"] for peak in view["peaks"]} == {"month", "high"}


def test_hourly_home_tables_in_local_time(tmp_path: Path) -> None:
    """Goal: loads, day-ahead and time-of-use files are a season. Method: two days, the price is their sum."""
    for name, value in (("loads", 3.0), ("da_prices", 0.5), ("tou_prices", 0.25)):
        lines = [f"2022-01-{1 + k // 24:02d} {k % 24:02d}:00:00,{value}" for k in range(48)]
        (tmp_path / f"{name}.csv").write_text("\n".join([",value", *lines]) + "\n")
    site = load_site(SITES / "home.yaml")
    assert site.tariff is not None
    tables = read_tables(tmp_path, site.tariff)
    assert (tables.step_s, tables.t_s.size) == (3600.0, 48)
    assert datetime.fromtimestamp(float(tables.t_s[0]), UTC).isoformat() == "2021-12-31T23:00:00+00:00"
    assert tables.spot.tolist() == [0.75] * 48
    code, said = call("season", SITES / "home.yaml", "--tables", tmp_path, "--forecast", "own",
                      "--out", tmp_path / "r.csv")  # fmt: skip
    assert code == 0, said
    assert json.loads(said.splitlines()[-1])["bill"]["peaks"][0]["name"] == "capacity"


@pytest.mark.parametrize(
    ("day", "hour", "count"),
    [("2022-01-11", 12, 48), ("2022-01-11", 13, 140), ("2022-03-27", 0, 92), ("2022-10-30", 0, 100)],
)
def test_prices_are_known_as_published(day: str, hour: int, count: int) -> None:
    """Goal: today before 13, tomorrow from 13 on; 23 and 25 hours on the days of the clock. Method: slots."""
    t_s = float(hours(f"{day}T{hour:02d}:00", 1)[0])
    assert known_slots(_tariff(), t_s, 900.0) == count


@pytest.mark.parametrize(
    ("text", "told"),
    [("t_utc,load_kw\n2022-01-01T00:00Z,1\n2022-01-01T00:15Z,x\n", ":3: load_kw is \"x\""),
     ("t_utc,load_kw\n2022-01-01T00:00Z,1\n2022-01-01T00:15Z,2\n2022-01-01T00:45Z,3\n", ":4: time does not"),
     ("t_utc,load_kw\nyesterday,1\n2022-01-01T00:15Z,2\n", ':2: the time is "yesterday"'),
     ("t_utc,load_kw\n2022-01-01T00:00Z,1\n2022-01-01T00:07Z,2\n", "its step is 420 s"),
     ("t_utc,load_kw\n2022-01-01T00:00Z\n2022-01-01T00:15Z,2\n", ":2: has 1 cells"),
     ("a,b\n1,2\n3,4\n", "no column t_utc"), ("", "has 0 lines")],
)  # fmt: skip
def test_a_wrong_table_is_told_by_line(tmp_path: Path, text: str, told: str) -> None:
    """Goal: place, fault, cure. Method: one mistake each; the command ends with 2 and no traceback."""
    (tmp_path / "input.csv").write_text(text)
    with pytest.raises(TableError, match=".*" + told.replace("(", r"\(")):
        read_tables(tmp_path, _tariff())


def test_a_site_without_tariff_is_told(tmp_path: Path) -> None:
    """Goal: a mistake, not a traceback. Method: a site that names none."""
    result = CliRunner().invoke(
        app, ["bill", str(SITES / "reference.yaml"), str(tmp_path / "x.csv")], standalone_mode=False
    )
    assert "has no tariff" in str(result.exception)


@needs_reference
@pytest.mark.parametrize("name", SEASONS)
def test_the_bill_is_the_references(name: str) -> None:
    """Goal: equal to the independent bill. Method: no battery, and a random battery, on the real season."""
    model = reference("model")
    site, season = model.load_site(), model.load_season(DISPATCH / name, model.load_site())
    pcs_kw = np.random.default_rng(1).uniform(-500, 500, len(season))
    for battery_kw in (np.zeros(len(season)), pcs_kw):
        grid_kw = season.load - season.pv - battery_kw
        theirs = model.bill(season, site, grid_kw, battery_kw)
        ours = bill(_tariff(), season.t, 900.0, grid_kw, season.spot, battery_kw)
        for part in ("energy", "demand", "wear", "fuel"):
            assert f"{getattr(ours, part):.6f}" == f"{theirs[f'{part}_sek']:.6f}"
        assert [round(p.peak_kw, 6) for p in ours.peaks] == [round(p["peak_kw"], 6) for p in theirs["peaks"]]


@needs_reference
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "least_pct"),
    [
        ("winter", "scheduler", 85.0),
        ("summer", "scheduler", 92.0),
        ("winter", "none", 73.1),
        ("summer", "none", 74.9),
    ],
)
def test_the_capture_of_the_reference_seasons(tmp_path: Path, name: str, kind: str, least_pct: float) -> None:
    """Goal: near perfect foresight. Method: the verb, then the independent scorer; a season within 120 s."""
    out = tmp_path / "result.csv.gz"
    code, said = call("season", NORDLAB, "--tables", DISPATCH / name, "--forecast", kind, "--out", out)
    assert code == 0, said
    found = reference("score").score(str(DISPATCH / name), str(out))
    assert found["valid"], found
    assert found["cost_capture_pct"] >= least_pct
    assert json.loads(said.splitlines()[-1])["wall_s"] <= 120


def reference(name: str) -> Any:
    """A module of the dispatch reference; nothing is written beside it."""
    before = sys.dont_write_bytecode
    sys.path.insert(0, str(DISPATCH))
    sys.dont_write_bytecode = True
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(DISPATCH))
        sys.dont_write_bytecode = before


def _tariff() -> Any:
    return load_site(NORDLAB).tariff

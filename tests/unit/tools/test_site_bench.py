"""The short form of `python -m tools.bench.sites` (P8): mutated site files; and that its truths can see red."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.config.loader import BOARDS
from controller.config.problem import Problem
from controller.devices import check
from controller.devices.check import check_site
from tools.bench import sites
from tools.bench.sites import judge, mutant, run, unhelpful
from tools.bench.truths import untrue

pytestmark = pytest.mark.stack

REFERENCE = BOARDS / "sites" / "reference.yaml"
RAW = REFERENCE.read_bytes()


@pytest.mark.stack
def test_mutants_are_refused_or_sound(tmp_path: Path) -> None:
    """Goal: P8. Method: 1000 mutants of the examples; both kinds occur; the same seed gives the same file."""
    counts, broken = run(1000, 0, tmp_path)
    assert broken == []
    assert counts["loaded"] > 30 and counts["refused"] > 500
    assert mutant(5) == mutant(5) != mutant(6)


@pytest.mark.parametrize("path", sites.SITES)
def test_examples_are_true(path: Path) -> None:
    """Goal: what is shipped holds every truth. Method: each example site."""
    assert untrue(path.read_bytes(), check_site(path)) == ""


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("discharge_kw_max: 2000", "discharge_kw_max: 200", "written as 200"),
        ("  target_lag_s: 9", "  target_lag_s: 9\n  lease: 1", "was dropped"),
        ("import_kw_max: 6000", "import_kw_max: 0x1000", "written as 4096"),
        ("measures: grid", "measures: pv", "written as 'pv'"),
    ],
)
def test_a_value_that_is_not_what_was_written(old: str, new: str, fault: str) -> None:
    """Goal: the truths see a silent override. Method: the reference site held against another text."""
    text = RAW.decode().replace(old, new, 1)
    assert text != RAW.decode() and fault in untrue(text.encode(), check_site(REFERENCE))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("_transport", "baud: 19200", "baud: 921600"),
        ("_rating", "discharge_kw_max: 2000", "discharge_kw_max: 90000"),
        ("_box", "host: laptop", "host: siemens-iot2050"),
    ],
)
def test_a_loader_that_looks_away_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str
) -> None:
    """Goal: a cross-check that is lost is found. Method: one taken away, and a site that it alone refuses."""
    raw = RAW.decode().replace(old, new).replace("rate_hz: 10000", "rate_hz: 20000").encode()
    assert judge(raw, tmp_path / "site.yaml") == ("refused", "")
    monkeypatch.setattr(check, name, lambda *_: ())
    kind, fault = judge(raw, tmp_path / "site.yaml")
    assert (kind, bool(fault)) == ("loaded", True)


def test_an_unhelpful_message_is_seen() -> None:
    """Goal: file, place and cure are asked for. Method: a good message, and each part taken away."""
    good = Problem("s.yaml", 3, 1, "grid.voltage_v is 5; 100 is the least. Raise it.")
    path = Path("s.yaml")
    assert unhelpful(good, path, RAW) == ""
    for changes in ({"file": "other"}, {"line": 0}, {"line": 9999}, {"column": 0}, {"message": "is 5"}):
        worse: dict[str, Any] = changes
        assert unhelpful(replace(good, **worse), path, RAW) != ""


def test_a_traceback_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: no exception but ConfigError passes. Method: a loader that divides by zero."""
    monkeypatch.setattr(sites, "check_site", lambda path: 1 / 0)
    assert "ZeroDivisionError" in judge(RAW, tmp_path / "site.yaml")[1]

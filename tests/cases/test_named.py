"""The named cases: every folder with bounds.yaml is played, whole stack in virtual time, and its bounds hold."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from controller.devices.check import check_site
from tests.cases.story import CASES, KINDS, PLANT, PLOT, Case, Story, digest, draw, faults, read

FOLDERS = sorted(path.parent for path in CASES.glob("*/bounds.yaml"))
NAMED = {
    "grid-lost-battery-rides-through", "grid-lost-genset-fails-twice", "grid-back-during-crank", "chatter",
    "black-start", "bms-limit-zero-at-full-power", "minus-20-degc-morning", "pcs-deaf-at-2-mw", "ct-reversed",
    "two-of-four-pcs-gone", "supervisor-hung", "clock-stepped-by-an-hour", "disk-full", "job-crashes-in-island",
    "job-crashes-on-genset", "one-of-two-ports-flaps",
}  # fmt: skip


@pytest.mark.stack
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_bounds_hold(folder: Path, tmp_path: Path) -> None:
    """Goal: every bound of the case, and the plant's own witness. Method: its files, played once."""
    story = Story(read(folder), tmp_path)
    story.play()
    assert faults(story) == []


def test_every_case_is_whole(tmp_path: Path) -> None:
    """Goal: the cases that were asked for are there, on sites that load, of known words, with the plot of these very
    files. Method: the files."""
    assert {folder.name for folder in FOLDERS} >= NAMED
    own = {"ask", "hang", "clock", "disk", "load", "plug"}
    for folder in FOLDERS:
        case = read(folder)
        for path in case.sites(tmp_path):
            check_site(path)
        assert {event["do"] for event in case.events["events"]} <= {*PLANT, *own}
        assert all(len({*bound} & {*KINDS}) == 1 for bound in case.bounds)
        assert all("unit" in bound for bound in case.bounds if "of" in bound)
        assert (folder / "site.yaml").read_text("utf-8").startswith("# "), "the first line says what happens"
        drawn = digest(folder).encode() in (folder / PLOT).read_bytes()
        assert drawn, f"{folder.name}: {PLOT} is of other files; draw it with tests.cases.story --plot"


SHORT = Case(
    "short",
    {"of": "reference"},
    {"load": {"low_kw": 3000, "high_kw": 4000, "period_s": 0.5}, "seconds": 1.0,
     "events": [{"t_s": 0.25, "do": "mute", "name": "pcs-1"}]},
    (),
)  # fmt: skip
HELD = [
    {"of": "load_kw", "at_least": 2999, "at_most": 4001}, {"mode": "SAFE_STOP", "by_s": 1.0},
    {"modes": ["GRID_TIED", "SAFE_STOP"]}, {"told": "F16", "by_s": 1.0}, {"only": ["F16", "T12"]},
    {"ends": {"source": "grid"}}, {"genset": "genset-1", "phases": []},
]  # fmt: skip
BROKEN = [
    {"of": "load_kw", "at_most": 2999}, {"of": "load_kw", "deviation_at_most": 1}, {"mode": "SAFE_STOP", "by_s": 0.3},
    {"mode": "LOCKOUT", "by_s": 9.0}, {"modes": ["GRID_TIED"]}, {"told": "F16", "by_s": 0.3},
    {"told": "F48", "by_s": 9.0}, {"only": ["F16"]}, {"ends": {"source": "pcs"}},
    {"genset": "genset-1", "phases": ["CRANK"]},
]  # fmt: skip


@pytest.mark.stack
def test_a_bound_that_does_not_hold_is_told(tmp_path: Path) -> None:
    """Goal: the judge can say no, of every kind of bound; the plot is made. Method: one second, a deaf converter."""
    story = Story(SHORT, tmp_path)
    story.play()
    story.case = replace(SHORT, bounds=HELD)
    assert faults(story) == []
    for bound in BROKEN:
        story.case = replace(SHORT, bounds=(bound,))
        assert len(faults(story)) == 1, bound
    draw(story, tmp_path / "short.png")
    assert (tmp_path / "short.png").stat().st_size > 10_000


TABLE = CASES / "island-hall" / "README.md"
UNITS = Path("tests/unit/safety")


def test_every_feature_of_the_genset_table_names_a_test_that_is_there() -> None:
    """Goal: row 9: no feature without a test. Method: each `test_x.py::test_y` and each case of the table."""
    rows = [line.split("|")[1:3] for line in TABLE.read_text("utf-8").splitlines() if line.startswith("| ")][
        1:
    ]
    assert len(rows) >= 14
    for feature, told in rows:
        units = re.findall(r"`(test_\w+\.py)::(test_\w+)`", told)
        cases = re.findall(r"case `([a-z0-9-]+)`", told)
        assert units or cases, feature
        for file, test in units:
            folder = TABLE.parent if file == "test_island_hall.py" else UNITS
            assert f"def {test}(" in (folder / file).read_text("utf-8"), f"{file}::{test}"
        assert all((CASES / case / "bounds.yaml").exists() for case in cases), told

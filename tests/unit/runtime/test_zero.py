"""The zero that a dead service leaves behind, on the plant's pseudo-terminals and on slaves of a test."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from controller.devices.check import CheckedSite, check_site
from controller.runtime import keep, zero
from controller.runtime.keep import Memory, Record
from controller.runtime.lock import lock
from controller.runtime.zeroplan import keep_plan, plan_of
from tests.unit.ext.bus import sealed
from tests.unit.runtime.test_field import Slave, box, call  # noqa: F401 - box is a fixture

pytestmark = pytest.mark.process

SITE = Path("boards/sites/reference.yaml")
ISLAND = Path("boards/sites/island-hall.yaml")


def test_every_converter_is_told_zero(box: Path) -> None:  # noqa: F811
    """Goal: exit 0, read back. Method: a setpoint of 700 kW, then the verb, on the plant."""
    checked = check_site(SITE)
    assert call("write", SITE, "pcs-1.setpoint", 700, "--yes", "--dir", box).returncode == 0
    told = zero.zero(plan_of(checked), box, box)
    assert [(one.name, one.good) for one in told] == [("pcs-1", True)]
    done = call("zero", SITE, "--dir", box)
    assert (done.returncode, done.stderr) == (0, "")
    assert "pcs-1: told 0 kW" in done.stdout


def test_a_live_controller_is_not_disturbed(box: Path) -> None:  # noqa: F811
    """Goal: exit 2 with the cure while the site runs. Method: its lock held."""
    held = lock(box)
    done = call("zero", SITE, "--dir", box)
    os.close(held)
    assert (done.returncode, done.stdout) == (2, "")
    assert "reference is running" in done.stderr and "stillwatt stop SITE" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    """Goal: exit 1 and the name of the one that was not told; exit 2 for no site. Method: a box without ports."""
    done = call("zero", SITE, "--dir", tmp_path)
    assert done.returncode == 1 and done.stdout.startswith("pcs-1: ")
    assert "Traceback" not in done.stderr
    assert call("zero", tmp_path / "no.yaml", "--dir", tmp_path).returncode == 2


def former(forms: int | None) -> Slave:
    """A converter that tells whether it forms the bus, or is mute about it, and takes every write."""
    point = checked_island().profiles["pcs-stillwatt-forming"].points["form_word"]

    def reply(request: bytes) -> bytes:
        if request[1] in (3, 4):
            asked = int.from_bytes(request[2:4], "big") == point.address
            word = forms if asked else 0
            return b"" if word is None else sealed(request[0], request[1], 2, *word.to_bytes(2, "big"))
        return request

    return Slave(reply)


def checked_island() -> CheckedSite:
    """The example with a converter that can form."""
    return check_site(ISLAND)


@pytest.mark.parametrize(
    ("forms", "mode", "writes"),
    [
        (1, "GRID_TIED", 0),
        (0, "ISLANDED", 1),
        (None, "ISLANDED", 0),
        (None, "GENSET", 0),
        (None, "torn", 0),
        (None, "GRID_TIED", 1),
    ],
)
def test_the_former_of_an_island_is_left_alone(
    tmp_path: Path, forms: int | None, mode: str, writes: int
) -> None:
    """Goal: N4, no blackout by the zero-writer: what the unit says counts, else the record. Method: the table."""
    checked = checked_island()
    slave = former(forms)
    (tmp_path / "rs485-1").symlink_to(slave.path)
    keep.write(tmp_path, Record(sequence=1, memory=Memory(mode=mode)))
    if mode == "torn":
        for slot in keep.SLOTS:
            (tmp_path / slot).write_bytes(b"torn")
    told = zero.zero(plan_of(checked), tmp_path, tmp_path)
    slave.close()
    written = [request for request in slave.requests if request[1] in (6, 16)]
    assert [one.good for one in told] == [True]
    assert len(written) == writes
    assert all(not any(request[4:-2]) or request[1] == 16 for request in written)


def test_a_mute_converter_is_tried_twice(tmp_path: Path) -> None:
    """Goal: exit 1 after two tries. Method: a slave that never answers."""
    slave = Slave(lambda request: b"")
    (tmp_path / "rs485-1").symlink_to(slave.path)
    told = zero.zero(plan_of(check_site(SITE)), tmp_path, tmp_path)
    slave.close()
    assert [one.good for one in told] == [False]
    assert len([request for request in slave.requests if request[1] in (6, 16)]) == 2


def test_a_port_in_other_hands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: one port that cannot be had does not keep zero from the others. Method: two converters, the first port
    busy."""
    checked = check_site(SITE)
    first = checked.site.pcs[0]
    second = first.model_copy(update={"name": "pcs-2", "port": "rs485-2"})
    pair = replace(checked, site=checked.site.model_copy(update={"pcs": (first, second)}))
    slave = Slave(lambda request: request)
    (tmp_path / "rs485-2").symlink_to(slave.path)
    told = zero.zero(plan_of(pair), tmp_path, tmp_path)
    slave.close()
    assert [one.name for one in told] == ["pcs-1", "pcs-2"] and not told[0].good
    assert any(request[1] in (6, 16) for request in slave.requests)


def test_the_last_run_has_left_a_plan(box: Path, tmp_path: Path) -> None:  # noqa: F811
    """Goal: by the plan the same is done and told, without the site's content. Method: the plan of the reference, and
    a site file that has but its name."""
    bare = tmp_path / "reference.yaml"
    bare.write_text("name: reference   # and nothing else\n")
    assert call("zero", bare, "--dir", box).returncode == 2, "no plan: the file is read, and refused"
    keep_plan(check_site(SITE), box)
    done = call("zero", bare, "--dir", box)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("pcs-1: told 0 kW")
    held = lock(box)
    done = call("zero", bare, "--dir", box)
    os.close(held)
    assert (done.returncode, done.stdout) == (2, "") and "reference is running" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        [],
        ["s.yaml", "--di", "x"],
        ["s.yaml", "--dir"],
        ["s.yaml", "--dir", "x", "y"],
        ["no.yaml"],
    ],
)
def test_what_the_plan_cannot_answer_is_left_to_the_whole_command(words: list[str]) -> None:
    """Goal: no word is guessed. Method: other words, a file that is not there."""
    assert zero.quick(words) is None


@pytest.mark.parametrize("plan", ["", "[]", '{"format": 0}', '{"format": 1, "site": "other", "ports": []}'])
def test_a_plan_that_is_none(plan: str, tmp_path: Path) -> None:
    """Goal: torn, of another version or of another site: the site file is read. Method: each."""
    (tmp_path / "zero.json").write_text(plan)
    assert zero.quick([str(SITE), "--dir", str(tmp_path)]) is None


def test_a_port_that_no_plan_can_have(tmp_path: Path) -> None:
    """Goal: exit 1 and the reason for a converter whose port is none of the box. Method: a port that is not there."""
    checked = check_site(SITE)
    first = checked.site.pcs[0].model_copy(update={"port": "tcp-1"})
    plan = plan_of(replace(checked, site=checked.site.model_copy(update={"pcs": (first,)})))
    told = zero.zero(plan, tmp_path, tmp_path)
    assert [(one.name, one.good) for one in told] == [("pcs-1", False)]
    assert "no serial port" in told[0].text


def test_it_loads_nothing_that_it_does_not_need() -> None:
    """Goal: zero within a second (F65). Method: what its door has imported."""
    code = "import sys, controller.runtime.zero; print({'pydantic', 'yaml', 'typer', 'highspy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

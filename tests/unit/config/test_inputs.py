"""Contacts of a site file: who reads them, and every way in which that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.config import ConfigError
from controller.config.loader import BOARDS
from controller.devices.check import check_site
from controller.runtime import survey

REFERENCE = (BOARDS / "sites" / "reference.yaml").read_text("utf-8")


def with_input(folder: Path, text: str) -> Path:
    """The reference site with one contact; it stands in line 69."""
    path = folder / "site.yaml"
    path.write_text(REFERENCE.replace("lease_s: 0.5", f"lease_s: 0.5\ninputs:\n  {text}"), "utf-8")
    return path


def test_contacts_by_name(tmp_path: Path) -> None:
    """Goal: every input with its reader and what counts as yes. Method: a register, a bit, the default."""
    path = with_input(
        tmp_path,
        "fire: {device: pcs-1, point: fault_word, bit: 15, active: closed}\n"
        "  key: {device: bms-1, point: dc_v}",
    )
    wired = dict(check_site(path).site.inputs.wired())
    assert (wired["fire"].bit, wired["fire"].active) == (15, "closed")
    assert (wired["key"].bit, wired["key"].active) == (None, "open")
    assert list(wired) == ["fire", "key"]


@pytest.mark.parametrize(
    ("text", "column", "fault", "cure"),
    [
        ("fire: {contact: di-1}", 19, "di-1; host laptop has none", "Name one"),
        ("fire: {device: bms-1}", 9, "contact alone, or device with point", "Name who"),
        (
            "fire: {contact: di-1, device: bms-1, point: dc_v}",
            9,
            "contact alone, or device with point",
            "Name who",
        ),
        ("fire: {device: io-1, point: dc_v}", 18, "io-1; the devices are pcs-1, bms-1", "Name one"),
        ("fire: {device: pcs-1, point: door}", 32, "door; pcs-1 tells state_word", "Name one"),
        ("key: {device: pcs-1, point: state_word, bit: 16}", 48, "bits 0 to 15", "Name one"),
        ("key: {device: pcs-1, point: identity}", 31, "500 ms are allowed", "faster"),
        ("stop: {device: pcs-1, point: dc_v}", 3, "stop", "emergency_stop"),
    ],
)
def test_a_contact_that_nobody_can_read(
    tmp_path: Path, text: str, column: int, fault: str, cure: str
) -> None:
    """Goal: place, fault and cure. Method: one mistake each."""
    with pytest.raises(ConfigError) as caught:
        check_site(with_input(tmp_path, text))
    here = [p for p in caught.value.problems if (p.line, p.column) == (69, column)]
    assert here, str(caught.value)
    assert fault in here[0].message and cure in here[0].message


CONTACT = "inputs:\n  curtail: {device: bms-1, point: dc_v}\ngrid:"


@pytest.mark.parametrize(
    ("grid", "place", "fault", "cure"),
    [
        ("curtailed_import_kw_max: 6000.1", (15, 28), "is 6000.1; import_kw_max is 6000", "Lower it"),
        ("curtailed_export_kw_max: 500.1", (15, 28), "is 500.1; export_kw_max is 500", "Lower it"),
        ("", (9, 12), "curtails nothing", "Add what"),
    ],
)
def test_a_curtailment_that_leaves_more_or_says_nothing(
    tmp_path: Path, grid: str, place: tuple[int, int], fault: str, cure: str
) -> None:
    """Goal: place, fault and cure. Method: above the contract; a contact without a limit."""
    with pytest.raises(ConfigError) as caught:
        check_site(curtailed(tmp_path, grid))
    here = [p for p in caught.value.problems if (p.line, p.column) == place]
    assert here, str(caught.value)
    assert fault in here[0].message and cure in here[0].message


@pytest.mark.parametrize("name", ["curtailed_import_kw_max", "curtailed_export_kw_max"])
def test_a_curtailment_without_its_contact(tmp_path: Path, name: str) -> None:
    """Goal: no limit that silently never holds. Method: each of the two without inputs.curtail."""
    with pytest.raises(ConfigError, match=r"site.yaml:13:28: .*never holds: inputs has no curtail. Wire"):
        check_site(curtailed(tmp_path, f"{name}: 100", contact="grid:"))


@pytest.mark.parametrize(
    ("grid", "left_kw"),
    [
        ("curtailed_import_kw_max: 6000", (6000.0, 500.0)),
        ("curtailed_export_kw_max: 500", (6000.0, 500.0)),
        ("curtailed_export_kw_max: 0", (6000.0, 0.0)),
        ("curtailed_import_kw_max: 0", (0.0, 500.0)),
    ],
)
def test_what_a_curtailment_leaves(tmp_path: Path, grid: str, left_kw: tuple[float, float]) -> None:
    """Goal: YAML to Terms; the contract's where a way is not stated. Method: each way, the edge, nothing."""
    found = survey.terms(check_site(curtailed(tmp_path, grid)))
    assert (found.curtailed_import_kw_max, found.curtailed_export_kw_max) == left_kw
    assert found.inputs == ("curtail",)


def curtailed(folder: Path, grid: str, contact: str = CONTACT) -> Path:
    """The reference site with a curtailment's contact, and a line after export_kw_max."""
    path = folder / "site.yaml"
    text = REFERENCE.replace("grid:", contact, 1)
    path.write_text(text.replace("export_kw_max: 500", f"export_kw_max: 500\n  {grid}"), "utf-8")
    return path


def test_true_is_no_number(tmp_path: Path) -> None:
    """Goal: `version: true` equals 1 for Python and no one else. Method: the one number that a literal holds."""
    path = tmp_path / "site.yaml"
    path.write_text(REFERENCE.replace("version: 1", "version: true", 1), "utf-8")
    with pytest.raises(ConfigError, match=r"site.yaml:4:10: version"):
        check_site(path)

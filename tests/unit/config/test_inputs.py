"""Contacts of a site file: who reads them, and every way in which that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.config import ConfigError
from controller.config.loader import BOARDS
from controller.devices.check import check_site

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

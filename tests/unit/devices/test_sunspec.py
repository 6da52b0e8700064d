"""SunSpec addresses out of the published layouts, against numbers counted by hand and against pysunspec2."""

from __future__ import annotations

import hashlib
import re
import struct
from pathlib import Path

import pytest

from controller.config import ConfigError
from controller.config.loader import BOARDS
from controller.devices.profiles import load, load_file
from controller.devices.sunspec import layout

PROFILE = (BOARDS / "devices" / "pcs-sunspec-704.yaml").read_text("utf-8")
CHAIN = (1, 701, 704, 713, 714, 715)


def test_addresses_counted_by_hand() -> None:
    """Goal: the chain of models. Method: lengths with header 68, 155, 67, 9, 20 + 25 a port, 9 from 40002."""
    spots = layout(40000, CHAIN, {"714.Prt": 1})
    starts = {name: spots[f"{name}.ID"].address for name in CHAIN}
    assert starts == {1: 40002, 701: 40070, 704: 40225, 713: 40292, 714: 40301, 715: 40346}
    assert spots["704.WSet"].address == 40225 + 24  # measured, fieldbus.md 8.1
    assert spots["704.WSet"].factor == "704.WSet_SF"
    assert (spots["1.Md"].address, spots["1.Md"].size, spots["1.Md"].type) == (40020, 16, "string")
    assert spots["714.Prt[0].DCW"].address == 40333


def test_repeating_groups_move_what_follows() -> None:
    """Goal: more DC ports, other addresses. Method: two ports of 25 registers."""
    spots = layout(40000, CHAIN, {"714.Prt": 2})
    assert spots["714.Prt[1].DCV"].address == 40332 + 25
    assert spots["715.ID"].address == 40346 + 25


def test_profile_writes_where_the_layout_says() -> None:
    """Goal: orders and setpoint resolve like points. Method: addresses by hand."""
    profile = load("pcs-sunspec-704")
    assert profile.setpoint is not None
    assert (profile.setpoint.address, profile.setpoint.counts_per_kw) == (40301, 100.0)
    addresses = {name: order.address for name, order in profile.orders.items()}
    assert addresses == {"start": 40299, "stop": 40299, "clear": 40405, "arm": 40307}


@pytest.mark.parametrize("model", (*CHAIN, 103, 120, 121, 122, 123, 124, 702, 802))
def test_addresses_equal_those_of_pysunspec2(model: int) -> None:
    """Goal: an independent reader agrees. Method: offset of every point in pysunspec2's own model object."""
    device = pytest.importorskip("sunspec2.device")
    one_port = struct.pack(">5H", 714, 43, 0, 0, 1) + bytes(80)  # NPrt is 1
    theirs = device.Model(model, data=one_port if model == 714 else None)
    groups = {"": theirs}
    groups |= {f"{name}[0].": group[0] for name, group in theirs.groups.items() if isinstance(group, list)}
    offsets = {
        f"{model}.{prefix}{name}": (point.offset, point.pdef["size"])
        for prefix, group in groups.items()
        for name, point in group.points.items()
    }
    ours = layout(0, (model,), {"714.Prt": 1})
    assert len(offsets) >= 7
    for name, place in offsets.items():
        assert (ours[name].address - 2, ours[name].size) == place, name


def test_published_files_are_unchanged() -> None:
    """Goal: vendored means unchanged. Method: the same bytes as in the installed package."""
    package = pytest.importorskip("sunspec2")
    folder = Path(package.__file__).parent / "models" / "json"
    for path in (BOARDS / "sunspec").glob("*.json"):
        ours, theirs = (hashlib.sha256(p.read_bytes()).hexdigest() for p in (path, folder / path.name))
        assert ours == theirs, path.name


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sunspec: 701.InvSt", "sunspec: 701.InvSts", "701.InvSts is no point"),
        ("  701.W_SF: 2\n", "", "scale_factors has no 701.W_SF"),
        ("713, 714, 715]", "713, 714, 799]", "sunspec_models has 799"),
        ('sunspec_counts: {"714.Prt": 1}\n', "", "sunspec_counts has no 714.Prt"),
        ("[701.V_SF, 701.W_SF]", "[701.V_SF, 701.Hz_SF]", "no read holds 701.W_SF"),
        ("[701.ID, 701.Hz]", "[701.ID, 701.W]", "outside its read"),
        ("refresh_ms: 2000", "refresh_ms: 2001", "a third of the watchdog is 2000"),
        ("action: stop", "action: hold", "allowed are stop and standby"),
        ("profile: pcs-sunspec-704", "profile: pcs-other", "Give both the same name"),
        ("  arm: {", "  armm: {", "is no order"),
        ("state: running", "state: starting", "no rule for running"),
        ("words: [1]}", "words: [1, 2]}", "function 6 writes one"),
        ("words: [1]}", "words: [1], volatile: false}", "no writes_per_day_max"),
        ("  reply_ms: 5", "  transports: [tcp]", "are there exactly when transports holds rtu"),
        ("  reply_ms: 5", "  gap: fixed", "gap: fixed needs its time"),
        (
            "fed_by: write, action: stop, point: watchdog_s",
            "fed_by: write, action: stop",
            "must show that it is armed",
        ),
        (
            "refresh_ms: 2000}",
            "refresh_ms: 2000, group: [{address: 1, type: u16, carries: magnitude}]}",
            "the frame writes one signed number",
        ),
        ("kind: pcs", "kind: bms", "is no order of a bms"),
        (
            "orders:\n",
            "preconditions: [{point: mode_word, value: 1, says: x}]\norders:\n",
            "is mode_word; points",
        ),
    ],
)
def test_broken_profile_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    """Goal: a profile that lies about its map or its dead-man does not load. Method: one edit each."""
    assert old in PROFILE
    path = tmp_path / "pcs-sunspec-704.yaml"
    path.write_text(PROFILE.replace(old, new, 1), "utf-8")
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_file(path)


def test_a_write_group_has_no_hole(tmp_path: Path) -> None:
    """Goal: a group is one stretch of registers, written at once. Method: SMA's second member one further."""
    name = "pcs-sma-sunny-island.yaml"
    text = (BOARDS / "devices" / name).read_text("utf-8")
    path = tmp_path / name
    path.write_text(text.replace("{address: 40151,", "{address: 40152,"), "utf-8")
    with pytest.raises(ConfigError, match=r"is 40152; the member before ends at 40150. A group has no hole"):
        load_file(path)

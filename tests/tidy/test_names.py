"""Numbers carry their unit in the name, from YAML to struct."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from controller.units import SUFFIXES
from tests.tidy.source import HOUSE, files, plant, read

QUALIFIERS = {"max", "min", "mean", "sum", "target", "nominal", "now"}  # may follow the unit
# Without a unit by nature: counts, shares, addresses, factors whose two units the comment names.
DIMENSIONLESS = {"version", "unit", "input", "baud", "priority", "cpu", "count", "line", "column",
                 "gain", "over_drive", "si", "scale", "words", "tcp_port",
                 "rx_trigger_bytes", "attempts_max", "starts_per_h_max", "resyncs_per_h_max",
                 "chatter_max", "peaks_count", "fee", "bit"}  # fmt: skip
FIELD = re.compile(r"^\s+(double|float|int64_t)\s+([\w, \[\]]+?)\s*(?:#.*)?$")


def has_unit(name: str) -> bool:
    """True when the name ends in a unit of controller.units, qualifiers apart: `discharge_kw_max`, `t_ns`."""
    words = name.split("_")
    while len(words) > 1 and words[-1] in QUALIFIERS:
        words.pop()
    bare = "_".join(words)
    return name in DIMENSIONLESS or any(bare == unit or bare.endswith("_" + unit) for unit in SUFFIXES)


def struct_fields(path: Path) -> list[tuple[int, str]]:
    """Rows (line, name) of the double and 64-bit fields of image's structs, and of every Setup."""
    rows, struct = [], ""
    for number, line in enumerate(read(path).splitlines(), 1):
        if line.startswith("cdef"):
            struct = line.rstrip(":").split()[-1]
        elif (path.stem == "image" or struct.endswith("Setup")) and (hit := FIELD.match(line)):
            rows += [(number, re.sub(r"\[.*", "", name).strip()) for name in hit[2].split(",")]
    return rows


def option_fields(path: Path) -> list[tuple[int, str]]:
    """Rows (line, name) of the numeric options a configuration class declares."""
    return [
        (node.lineno, node.target.id)
        for group in ast.walk(ast.parse(read(path)))
        if isinstance(group, ast.ClassDef)
        for node in group.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        and re.search(r"\b(int|float)\b", ast.unparse(node.annotation))
    ]  # fmt: skip


def nameless_numbers(root: Path) -> list[str]:
    """`file:line: name` of each struct field and option without a unit."""
    rows = [(path, struct_fields(path)) for path in files(root / "ext", ".pxd")]
    rows += [(path, option_fields(path)) for path in files(root / "controller" / "config", ".py")]
    return [
        f"{path.relative_to(root)}:{line}: {name}"
        for path, fields in rows
        for line, name in fields
        if not has_unit(name)
    ]


def test_the_house_names_its_units() -> None:
    """Goal: every number says what it counts. Method: the structs of ext and the options of config."""
    assert len(struct_fields(HOUSE / "ext" / "image.pxd")) > 20, "the reader must see the structs at all"
    assert nameless_numbers(HOUSE) == []


def test_a_number_without_unit_is_caught(tmp_path: Path) -> None:
    """Goal: the rule bites in both places. Method: a struct of image, a Setup, an option; state is free."""
    image = "cdef struct A:\n    double power[3]     # of three\n    double soc_pct\n    int64_t t_ns\n"
    law = "cdef struct LawSetup:\n    double lead\n\ncdef struct Law:\n    double state\n"
    option = "class A:\n    timeout: float = 1.0\n    lease_s: float = 0.5\n    name: str\n"
    plant(tmp_path, "ext/image.pxd", image)
    plant(tmp_path, "ext/law.pxd", law)
    plant(tmp_path, "controller/config/a.py", option)
    assert nameless_numbers(tmp_path) == [
        "ext/image.pxd:2: power",
        "ext/law.pxd:2: lead",
        "controller/config/a.py:2: timeout",
    ]


@pytest.mark.parametrize(
    "name", ["discharge_kw_max", "kw_max", "slew_pu_per_s", "t_ns", "soc_pct", "sent_kw"]
)
def test_names_with_unit_pass(name: str) -> None:
    """Goal: the names of the design are accepted. Method: its own examples."""
    assert has_unit(name)


@pytest.mark.parametrize("name", ["power", "max_latency", "timeout", "kw_latest", "window"])
def test_names_without_unit_fail(name: str) -> None:
    """Goal: the unit stands last, then a qualifier. Method: names that break it."""
    assert not has_unit(name)

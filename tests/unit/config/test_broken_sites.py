"""Broken site files: each is refused with line, column, fault and cure, and without a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from controller.config import ConfigError
from controller.config.loader import BOARDS, load_site
from controller.devices.check import check_site, device_faults
from controller.devices.profiles import all_names, load

REFERENCE = (BOARDS / "sites" / "reference.yaml").read_text("utf-8")


class Broken(NamedTuple):
    """One edit of the reference site, and what the message must say."""

    name: str
    old: str
    new: str
    line: int  # counted by hand in the edited file
    column: int
    fault: str
    cure: str


CASES = (
    # Text that YAML readers take for different things.
    # Hard-wired inputs.
    Broken(
        "input-device",
        "lease_s: 0.5",
        "lease_s: 0.5\ninputs:\n  fire: {device: io-1, point: dc_v}",
        69,
        18,
        "io-1",
        "Name one",
    ),
    Broken(
        "input-point",
        "lease_s: 0.5",
        "lease_s: 0.5\ninputs:\n  fire: {device: pcs-1, point: door}",
        69,
        32,
        "door",
        "Name one",
    ),
    Broken(
        "input-bit",
        "lease_s: 0.5",
        "lease_s: 0.5\ninputs:\n  key: {device: pcs-1, point: state_word, bit: 16}",
        69,
        48,
        "bits 0 to 15",
        "Name one",
    ),
    Broken(
        "input-slow",
        "lease_s: 0.5",
        "lease_s: 0.5\ninputs:\n  key: {device: pcs-1, point: identity}",
        69,
        31,
        "500 ms are allowed",
        "faster",
    ),
    Broken("exponent", "import_kw_max: 6000", "import_kw_max: 1e3", 11, 18, "exponent", "Write all digits"),
    Broken("word-no", "name: reference", "name: no", 5, 7, "yes-or-no", "quote it"),
    Broken("word-on", "export_kw_max: 500", "export_kw_max: on", 12, 18, "yes-or-no", "true or false"),
    Broken("word-off", "kw_max: 0", "kw_max: off", 62, 11, "yes-or-no", "true or false"),
    Broken(
        "word-yes", "lease_s: 0.5", "lease_s: 0.5\n  auto_start: yes", 68, 15, "yes-or-no", "true or false"
    ),
    Broken(
        "capital-true",
        "lease_s: 0.5",
        "lease_s: 0.5\n  auto_start: True",
        68,
        15,
        "yes-or-no",
        "small letters",
    ),
    Broken("sexagesimal", "lease_s: 0.5", "lease_s: 12:30", 67, 12, "base 60", "unit of the name"),
    Broken(
        "leading-zero", "capacity_kwh: 4000", "capacity_kwh: 010", 32, 17, "leading zero", "decimal number"
    ),
    Broken("octal", "capacity_kwh: 4000", "capacity_kwh: 0o10", 32, 17, "octal", "decimal number"),
    Broken("underscore", "capacity_kwh: 4000", "capacity_kwh: 4_000", 32, 17, "underscores", "digits alone"),
    Broken("date", "unit: 1\n", "unit: 2026-11-22\n", 41, 11, "date", "Quote it"),
    Broken("tilde", "target_lag_s: 9", "target_lag_s: ~", 66, 17, "is empty", "remove the line"),
    Broken("null", "target_lag_s: 9", "target_lag_s: null", 66, 17, "is empty", "remove the line"),
    Broken("empty", "pv:\n  kw_max: 0", "pv:", 61, 4, "is empty", "remove the line"),
    Broken("infinity", "kw_max: 0", "kw_max: .inf", 62, 11, "not a plain number", "finite"),
    Broken("half-number", "lease_s: 0.5", "lease_s: .5", 67, 12, "not a plain number", "both sides"),
    Broken(
        "skew-beyond-a-sample",
        "load_ia: {input: 0, a_per_v: 300",
        "load_ia: {input: 0, a_per_v: 300, skew_us: 101",
        18,
        48,
        "is 101; one sample at rate_hz 10000 is 100",
        "sampled with the others",
    ),
    Broken(
        "reserve-of-no-product",
        "lease_s: 0.5",
        "lease_s: 0.5\nsupport:\n  reserve_hz: 49.55",
        69,
        15,
        "is 49.55; allowed are 49.5, 49.6 and 49.7",
        "Choose one",
    ),
    Broken(
        "support-beyond-the-converters",
        "lease_s: 0.5",
        "lease_s: 0.5\nsupport:\n  reserve_kw: 1500\n  droop_kw_max: 501",
        69,
        3,
        "asks for 2001 kW",
        "Lower reserve_kw or droop_kw_max",
    ),
    Broken(
        "reserve-on-60-hz",
        "grid:\n  voltage_v: 10000          # line to line at the connection\n  frequency_hz: 50",
        "support: {reserve_kw: 100}\ngrid:\n  voltage_v: 10000\n  frequency_hz: 60",
        8,
        23,
        "50 Hz grid",
        "Set it to 0",
    ),
    # What plain YAML allows and a site file does not.
    Broken(
        "duplicate-key",
        "soc_pct_min: 10",
        "soc_pct_min: 10\n  soc_pct_min: 11",
        34,
        3,
        "repeated",
        "Remove one",
    ),
    Broken("anchor", "grid:", "grid: &g", 8, 7, "anchor &g", "Remove it"),
    Broken("alias", "name: reference", "name: *g", 5, 7, "alias *g", "Write it out"),
    Broken("tag", "name: reference", "name: !!str reference", 5, 7, "tag", "Remove it"),
    Broken("tab", "battery:", "\tbattery:", 31, 1, "tab", "spaces"),
    Broken("second-document", "pv:\n", "---\npv:\n", 61, 1, "second document", "Remove"),
    Broken("open-bracket", "grid:\n", "grid: [1\n", 9, 12, "broken", "brackets"),
    # What does not fit the schema.
    Broken("unknown-key", "soc_pct_min: 10", "soc_pct_mn: 10", 33, 3, "unknown", "soc_pct_min?"),
    Broken("wrong-unit", "import_kw_max: 6000", "import_mw_max: 6", 11, 3, "unknown", "import_kw_max?"),
    Broken("missing-key", "  capacity_kwh: 4000\n", "", 31, 1, "capacity_kwh is missing", "Add it"),
    Broken("missing-section", "battery:", "meters2:", 4, 1, "battery is missing", "Add it"),
    Broken("number-in-quotes", "voltage_v: 10000", 'voltage_v: "10000"', 9, 14, '"10000"', "without quotes"),
    Broken("unit-in-value", "import_kw_max: 6000", "import_kw_max: 6 MW", 11, 18, "6 MW", "alone"),
    Broken("decimal-comma", "lease_s: 0.5", "lease_s: 0,5", 67, 12, "0,5", "comma"),
    Broken("true-for-number", "rate_hz: 10000", "rate_hz: true", 16, 12, "is true", "whole number"),
    Broken("rate-too-high", "rate_hz: 10000", "rate_hz: 50000", 16, 12, "50000", "from 2000 to 20000 Hz"),
    Broken("negative", "capacity_kwh: 4000", "capacity_kwh: -1", 32, 17, "is -1", "from 1 to"),
    Broken("baud", "baud: 19200", "baud: 12345", 29, 19, "12345", "one of 9600, 19200"),
    Broken("gap", "gap: chars", "gap: char", 28, 32, '"char"', "chars?"),
    Broken("choice", "measures: grid", "measures: girld", 59, 15, '"girld"', "grid?"),
    Broken("name", "name: pcs-1", "name: PCS 1", 38, 11, '"PCS 1"', "small letters"),
    Broken("unit-range", "unit: 2", "unit: 300", 52, 11, "300", "from 1 to 247"),
    Broken("no-pcs", "pcs:", "pcs: []\npcss:", 37, 6, "a list of 0", "1 to 8"),
    Broken("channel-name", "dc_v:", "dc_w:", 24, 5, "unknown", "dc_v?"),
    Broken("version", "version: 1", "version: 2", 4, 10, "is 2", "only 1"),
    # What no single option shows.
    Broken("input-twice", "{input: 1,", "{input: 0,", 19, 22, "load_ia has that input", "its own"),
    Broken(
        "set-incomplete",
        "    load_vc: {input: 5, v_per_v: 2500}\n",
        "",
        18,
        14,
        "without load_vc",
        "Add the missing",
    ),
    Broken(
        "calibration",
        "load_va: {input: 3, v_per_v",
        "load_va: {input: 3, a_per_v",
        21,
        34,
        "a_per_v",
        "v_per_v",
    ),
    Broken("soc-order", "soc_pct_max: 95", "soc_pct_max: 9", 33, 16, "below soc_pct_max (9)", "Lower it"),
    Broken("soc-target", "soc_pct_target: 50", "soc_pct_target: 96", 35, 19, "is 96", "Move it"),
    Broken("port-undeclared", "port: rs485-1", "port: rs485-9", 40, 11, "declared are", "declare it"),
    Broken("unit-twice", "unit: 3", "unit: 2", 58, 11, "bms-1 answers", "Give each"),
    Broken("name-twice", "name: bms-1", "name: pcs-1", 49, 11, "pcs[0] has that name", "Choose another"),
    # What the host or a profile does not allow.
    Broken("host", "host: laptop", "host: labtop", 6, 7, "hosts are", "laptop?"),
    Broken("port-not-on-host", "rs485-2", "rs485-7", 29, 12, "is not on host laptop", "rs485"),
    Broken(
        "profile", "pcs-stillwatt-plant", "pcs-stillwat-plant", 39, 14, "profiles are", "pcs-stillwatt-plant?"
    ),
    Broken("limit", "discharge_kw_max: 2000", "discharge_kw_max: 3000", 42, 23, "at most 2600", "Lower it"),
    Broken("device-baud", "baud: 19200", "baud: 115200", 29, 19, "bms-1", "9600, 19200"),
    Broken(
        "kind", "profile: meter-carlogavazzi-em24", "profile: pcs-stillwatt-plant", 56, 14, "a pcs", "meter-"
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_broken_site_is_refused(case: Broken, tmp_path: Path) -> None:
    """Goal: place, fault and cure of every kind of mistake. Method: one edit of the reference site each."""
    assert case.old in REFERENCE
    path = tmp_path / "site.yaml"
    path.write_text(REFERENCE.replace(case.old, case.new), "utf-8")
    with pytest.raises(ConfigError) as caught:
        check_site(path)
    here = [p for p in caught.value.problems if (p.line, p.column) == (case.line, case.column)]
    assert here, str(caught.value)
    message = " ".join(problem.message for problem in here)
    assert case.fault in message
    assert case.cure in message
    assert str(here[0]).startswith(f"{path}:{case.line}:{case.column}: ")


def test_all_problems_in_file_order(tmp_path: Path) -> None:
    """Goal: one run shows every mistake.
    Method: faults of text, schema and type in one file, out of order."""
    path = tmp_path / "site.yaml"
    text = REFERENCE.replace("lease_s: 0.5", "lease_s: 9").replace("unit: 2", "unit: 0")
    path.write_text(
        text.replace("name: reference", "name: no").replace("rate_hz: 10000", "rate_hz: 1"), "utf-8"
    )
    with pytest.raises(ConfigError) as caught:
        check_site(path)
    assert [problem.line for problem in caught.value.problems] == [5, 16, 52, 67]


def test_mistakes_of_sections_are_reported_together(tmp_path: Path) -> None:
    """Goal: cross-checks do not stop at the first.
    Method: one in the battery, one in the channels, one device."""
    path = tmp_path / "site.yaml"
    text = REFERENCE.replace("soc_pct_max: 95", "soc_pct_max: 5").replace("{input: 1,", "{input: 0,")
    path.write_text(text.replace("port: rs485-1", "port: rs485-9"), "utf-8")
    with pytest.raises(ConfigError) as caught:
        check_site(path)
    assert [problem.line for problem in caught.value.problems] == [19, 33, 40]


def test_reads_fill_the_wire(tmp_path: Path) -> None:
    """Goal: a port too slow for its reads is refused.
    Method: three more racks on the slow port of the reference
    site, now at 9600 baud; their reads alone need more than 60 % of the time."""
    more = "".join(
        f"  - {{name: bms-{n}, profile: bms-soltaro-single-rack-b, port: rs485-2, unit: {n}}}\n"
        for n in (10, 11, 12)
    )
    path = tmp_path / "site.yaml"
    path.write_text(
        REFERENCE.replace("baud: 19200", "baud: 9600").replace("bms:\n", "bms:\n" + more), "utf-8"
    )
    with pytest.raises(ConfigError, match=r"ports.rs485-2 is busy with reads for \d+ %; 60 % are allowed"):
        check_site(path)


HALL = (BOARDS / "sites" / "genset-hall.yaml").read_text("utf-8")


class Spoiled(NamedTuple):
    """One edit of the genset hall and what the message at that line says."""

    name: str
    old: str
    new: str
    fault: str
    cure: str


SPOILED = (
    Spoiled(
        "tcp-host",
        "host: 192.0.2.10",
        'host: "192.0.2.10:502"',
        "an IP address or a host name",
        "in tcp_port",
    ),
    Spoiled(
        "tcp-scheme", "host: 192.0.2.10", 'host: "tcp://x"', "an IP address or a host name", "in tcp_port"
    ),
    Spoiled("tcp-port", "tcp_port: 502", "tcp_port: 70000", "is 70000", "from 1 to 65535"),
    Spoiled("tcp-key", "tcp_port: 502", "port: 502", "unknown here", "tcp_port?"),
    Spoiled("tcp-and-serial", "genset-gateway: {", "rs485-2: {", "serial port too", "Rename one"),
    Spoiled("tcp-undeclared", "port: genset-gateway", "port: gateway", "declared are", "declare it"),
    Spoiled(
        "tcp-only",
        "port: genset-gateway\n    unit: 1",
        "port: rs485-2\n    unit: 9",
        "is reached over `tcp` alone",
        "Name one of `tcp`",
    ),
    Spoiled(
        "serial-only",
        "port: rs485-3\n    unit: 5",
        "port: genset-gateway\n    unit: 5",
        "is reached over `ports` alone",
        "Name one of `ports`",
    ),
    Spoiled("genset-rating", "unit: 1\n    kw_max: 800", "unit: 1\n    kw_max: 0", "is 0", "from 1 to"),
    Spoiled(
        "genset-kind",
        "profile: genset-dse-gencomm",
        "profile: ats-socomec-atys",
        "a genset is needed",
        "genset-",
    ),
    Spoiled(
        "switch-kind", "profile: ats-socomec-atys", "profile: genset-dse-gencomm", "a ats is needed", "ats-"
    ),
    Spoiled(
        "switch-sources",
        "port: rs485-3\n    unit: 5",
        "port: rs485-3\n    unit: 5\n    source_2: grid",
        "source_1 is that already",
        "the other source",
    ),
    Spoiled("switch-source-name", "unit: 5", "unit: 5\n    source_1: gird", '"gird"', "grid?"),
    Spoiled("genset-address", "unit: 10", "unit: 1", "meter-pcc answers to it", "Give each"),
    Spoiled("genset-name", "name: genset-1", "name: ats-1", "has that name", "Choose another"),
    Spoiled(
        "read-only",
        "profile: pcs-stillwatt-plant",
        "profile: pcs-sungrow-sh",
        "can be read but not commanded",
        "Choose another converter",
    ),
    Spoiled(
        "no-layout",
        "profile: pcs-stillwatt-plant",
        "profile: pcs-kaco-gridsave",
        "64201 and 64202",
        "ask KACO",
    ),
    Spoiled(
        "meter-baud", "rs485-3: {baud: 19200}", "rs485-3: {baud: 57600}", "has 9600, 19200, 38400", "all have"
    ),
)


@pytest.mark.parametrize("case", SPOILED, ids=lambda case: case.name)
def test_broken_hall_is_refused(case: Spoiled, tmp_path: Path) -> None:
    """Goal: the same for TCP, gensets, switches and profiles that are read alone. Method: one edit each."""
    assert HALL.count(case.old) == 1
    path = tmp_path / "site.yaml"
    path.write_text(HALL.replace(case.old, case.new), "utf-8")
    with pytest.raises(ConfigError) as caught:
        check_site(path)
    messages = [problem for problem in caught.value.problems if case.fault in problem.message]
    assert messages, str(caught.value)
    assert case.cure in messages[0].message
    line = path.read_text("utf-8").splitlines()[messages[0].line - 1]
    assert any(part.split(":")[0].strip() in line for part in (*case.new.splitlines(), "ats-1"))


def test_a_switch_to_no_genset(tmp_path: Path) -> None:
    """Goal: a transfer switch needs what it switches to. Method: the hall without its gensets."""
    path = tmp_path / "site.yaml"
    gensets = HALL[HALL.index("gensets:") : HALL.index("switches:")]
    path.write_text(HALL.replace(gensets, ""), "utf-8")
    with pytest.raises(ConfigError, match=r"switches to a genset; the site has none. Add it under gensets"):
        check_site(path)


@pytest.mark.parametrize("name", sorted(name for name in all_names() if load(name).read_only))
def test_a_converter_over_tcp_or_read_only_is_refused(name: str, tmp_path: Path) -> None:
    """Goal: no setpoint past the guard. Method: each profile that is read alone, on TCP where it can be."""
    port = "genset-gateway" if "tcp" in load(name).wire.transports else "rs485-1"
    old = "profile: pcs-stillwatt-plant\n    port: rs485-1\n    unit: 1"
    assert old in HALL
    text = HALL.replace(old, f"profile: {name}\n    port: {port}\n    unit: 99")
    path = tmp_path / "site.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match="can be read but not commanded"):
        check_site(path)


def test_a_commanded_converter_over_tcp_is_refused(tmp_path: Path) -> None:
    """Goal: the reason is told where only the port is wrong. Method: a profile that could speak TCP too."""
    plant = load("pcs-stillwatt-plant")
    wire = plant.wire.model_copy(update={"transports": ("rtu", "tcp")})
    site = load_site(BOARDS / "sites" / "genset-hall.yaml")
    pcs = site.pcs[0].model_copy(update={"port": "genset-gateway"})
    site = site.model_copy(update={"pcs": (pcs,)})
    profiles = {name: load(name) for name in all_names()} | {
        "pcs-stillwatt-plant": plant.model_copy(update={"wire": wire})
    }
    (fault,) = device_faults(site, profiles)
    assert fault.path == ("pcs", 0, "port")
    assert "a setpoint over TCP passes no guard" in fault.text

"""The bus table: field names of the frame's structs, times of the protocol, load of the ports."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from controller.config.loader import BOARDS
from controller.config.site import CHANNEL_MAX, PCS_MAX, PORT_MAX, Port
from controller.devices.check import check_site
from controller.devices.profiles import load
from controller.devices.table import POLL_MAX, RULE_MAX, compile
from controller.devices.timing import char_ns, exchange_ns, frame_bytes, gap_ns
from controller.units import NS_PER_MS

TABLE = check_site(BOARDS / "sites" / "reference.yaml").table
PLANT = load("pcs-stillwatt-plant")


def fields_of(module: str, struct: str) -> set[str]:
    """Field names of a struct, out of the declaration file."""
    text = (files("ext") / f"{module}.pxd").read_text("utf-8")
    body = text.partition(f"cdef struct {struct}:")[2].partition("\n\n\n")[0]
    return set(re.findall(r"^    \w+ (\w+)(?:\[\w+\])?\s*(?:#.*)?$", body, re.MULTILINE))


@pytest.mark.parametrize(
    ("module", "struct", "rows"),
    [
        ("poll", "PollSetup", TABLE.polls),
        ("guard", "GuardRule", TABLE.rules),
        ("port", "PortSetup", TABLE.ports),
    ],
)
def test_rows_have_the_struct_fields(module: str, struct: str, rows: list[dict[str, object]]) -> None:
    """Goal: a dict fills its struct. Method: keys against the declaration, both ways."""
    assert rows
    for row in rows:
        assert set(row) == fields_of(module, struct)


def test_bounds_are_those_of_the_frame() -> None:
    """Goal: one truth for the table sizes. Method: the enum of ext.image."""
    text = (files("ext") / "image.pxd").read_text("utf-8")
    sizes = {name: int(value) for name, value in re.findall(r"^    (\w+_MAX) = (\d+)", text, re.MULTILINE)}
    assert (sizes["POLL_MAX"], sizes["RULE_MAX"], sizes["PCS_MAX"]) == (POLL_MAX, RULE_MAX, PCS_MAX)
    assert (sizes["PORT_MAX"], sizes["CHANNEL_MAX"]) == (PORT_MAX, CHANNEL_MAX)


@pytest.mark.parametrize(
    ("baud", "gap", "function", "count", "ms"),
    [   # fieldbus.md 2.1, with a slave that answers at once
        (9600, "spec", 6, 1, 26.4), (19200, "spec", 6, 1, 13.2), (115200, "spec", 6, 1, 5.03),
        (115200, "chars", 6, 1, 2.20), (115200, "chars", 16, 2, 2.67), (115200, "spec", 16, 2, 5.51),
        (115200, "spec", 3, 10, 6.65), (115200, "chars", 3, 10, 3.82), (1000000, "chars", 6, 1, 0.253),
        (19200, "spec", 3, 125, 155), (38400, "chars", 3, 20, 17.2),
    ],
)  # fmt: skip
def test_exchange_times_are_those_of_the_protocol(
    baud: int, gap: str, function: int, count: int, ms: float
) -> None:
    """Goal: timing from first principles. Method: the published table, 0.5 % for its rounding."""
    wire = PLANT.wire.model_copy(update={"reply_ms": 0.0})
    profile = PLANT.model_copy(update={"wire": wire})
    port = Port(baud=baud, gap=gap)
    assert exchange_ns(port, profile, function, count) / NS_PER_MS == pytest.approx(ms, rel=5e-3)


def test_reference_link_times() -> None:
    """Goal: the times of the link `115200-true`.
    Method: Tc = 2 frame + 2 gap + 0.2 ms = 2.40, one way 1.10."""
    line = TABLE.pcs[0]
    assert line.setpoint_period_s == pytest.approx(2.40e-3, rel=5e-3)
    assert line.setpoint_oneway_s == pytest.approx(1.10e-3, rel=5e-3)
    assert (line.rating_kw, line.over_drive) == (2000, 1.2)


def test_gap_adds_what_the_device_needs() -> None:
    """Goal: a slow device on a fast port. Method: 200 us beyond 3.5 characters of 95.486 us."""
    profile = PLANT.model_copy(update={"wire": PLANT.wire.model_copy(update={"gap_us": 200.0})})
    assert char_ns(115200) == 95486
    assert gap_ns(Port(baud=115200, gap="chars"), profile) == 334201 + 200_000
    assert gap_ns(Port(baud=19200), PLANT) == round(3.5 * char_ns(19200))


def test_load_of_the_ports_by_hand() -> None:
    """Goal: what the reads leave. Method: status (27 bytes) each 250 ms and identity (15 bytes) each 5 s."""
    fast, slow = TABLE.rows()
    both_gaps_ms = 2 * 0.3342
    steps_ms = 3 * 0.1  # of the master, a frame each
    status_ms = 27 * 0.095486 + both_gaps_ms + 0.2 + steps_ms
    identity_ms = 15 * 0.095486 + both_gaps_ms + 0.2 + steps_ms
    assert fast["read_load_pct"] == pytest.approx(100 * (status_ms / 250 + identity_ms / 5000), rel=1e-3)
    free = 1 - fast["read_load_pct"] / 100
    assert fast["setpoints_per_s"] == pytest.approx(free / (TABLE.pcs[0].setpoint_period_s + 3e-4))
    assert slow["setpoints_per_s"] == 0
    assert slow["devices"] == 2


def test_timeouts_start_after_the_request() -> None:
    """Goal: a long reply is not called late.
    Method: timeout and turnaround of a read of 13 registers at 19200."""
    bms = TABLE.polls[TABLE.reads["bms-1"]["state"]]
    reply_ns = frame_bytes(3, 13)[1] * char_ns(19200)
    assert bms["timeout_ns"] == 200 * NS_PER_MS + reply_ns
    assert bms["turnaround_ns"] == 500 * NS_PER_MS + reply_ns
    assert bms["count"] == 13


def test_echo_is_the_hosts() -> None:
    """Goal: an adapter that hears itself reaches the frame. Method: the laptop with one echoing port."""
    checked = check_site(BOARDS / "sites" / "reference.yaml")
    port = checked.host.ports["rs485-1"].model_copy(update={"echo": True})
    host = checked.host.model_copy(update={"ports": checked.host.ports | {"rs485-1": port}})
    table = compile(checked.site, checked.profiles, host)
    assert [row["echo"] for row in table.ports] == [1, 0]


def test_each_converter_has_its_own_lines() -> None:
    """Goal: two converters never share a line. Method: the table of two-halls."""
    table = check_site(BOARDS / "sites" / "two-halls.yaml").table
    assert [table.polls[line.setpoint_poll]["pcs"] for line in table.pcs] == [0, 1]
    assert [table.polls[line.status_poll]["port"] for line in table.pcs] == [0, 1]
    places = [index for line in table.pcs for index, _ in line.orders.values()]
    assert len(places) == len(set(places)) == 8
    assert table.pcs[1].rating_kw == 250

"""The wire: timing against reference/fieldbus.md 2, gaps, pauses, collisions, several slaves."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tests.unit.plant.plants import Bench, seal
from tools.plant.links import Link

FC06 = {      # whole transaction with both gaps and no slave time, ms: spec, 3.5 characters (fieldbus.md 2.1)
    9600: (26.4, 26.4), 19200: (13.2, 13.2), 38400: (8.1, 6.6), 57600: (6.6, 4.4), 115200: (5.03, 2.20),
    230400: (4.26, 1.10), 460800: (3.88, 0.55), 1_000_000: (3.68, 0.25),
}  # fmt: skip
STEP_NS = 500


def gap_s(baud, rule):
    """Silence that ends a frame."""
    return 1.75e-3 if rule == "spec" and baud > 19200 else 3.5 * 11 / baud


@pytest.mark.parametrize("baud", sorted(FC06))
@pytest.mark.parametrize("rule", ["spec", "chars"])
def test_transaction_time(bench_of, baud, rule):
    """Goal: FC06 takes what the table says, to one bit time. Method: last reply byte plus the closing gap."""
    bench = bench_of(link=Link("test", baud, rule, 0.0, 0.3, 5.0), step_ns=STEP_NS)
    began_ns = bench.solo.now_ns
    bench.solo.send("rs485-1", seal((1, 6, 0, 200, 0, 0)))
    bench.solo.run(round(0.05e9 / STEP_NS))
    arrived = bench.solo.received("rs485-1")
    assert len(arrived) == 8
    took_s = 1e-9 * (arrived[-1][0] - began_ns) + gap_s(baud, rule)
    exact_s = 2 * 88 / baud + 2 * gap_s(baud, rule)
    assert abs(took_s - exact_s) <= 1 / baud
    table_ms = FC06[baud][0 if rule == "spec" else 1]
    assert 1e3 * took_s == pytest.approx(table_ms, abs=0.06 if table_ms > 6 else 0.006 + 1e3 / baud)
    spacing = np.diff([t_ns for t_ns, _ in arrived])
    assert np.abs(spacing - 11e9 / baud).max() <= STEP_NS


def test_slave_time_is_added(bench_of):
    """Goal: slave_ms stands between request and reply. Method: 0 and 3 ms."""
    ends = []
    for slave_ms in (0.0, 3.0):
        bench = bench_of(link=Link("test", 115200, "chars", slave_ms, 0.3, 5.0), step_ns=STEP_NS)
        bench.solo.send("rs485-1", seal((1, 6, 0, 200, 0, 0)))
        bench.solo.run(round(0.01e9 / STEP_NS))
        ends.append(bench.solo.received("rs485-1")[-1][0])
    assert ends[1] - ends[0] == pytest.approx(3e6, abs=STEP_NS)


@pytest.mark.parametrize(("pause_chars", "answered"), [(1.3, True), (1.8, False), (3.0, False), (4.0, False)])
def test_pause_inside_a_frame(bench_of, pause_chars, answered):
    """Goal: more than 1.5 characters of silence spoil a frame.
    Method: four bytes, a pause, the other four.
    """
    bench = bench_of(step_ns=STEP_NS)
    char_ns = 11e9 / 115200
    frame = seal((1, 6, 0, 200, 0, 0))
    bench.solo.send("rs485-1", frame[:4])
    bench.solo.run(round((4 + pause_chars) * char_ns / STEP_NS))
    bench.solo.send("rs485-1", frame[4:])
    bench.solo.run(20_000)
    assert bool(bench.solo.received("rs485-1")) == answered
    assert bench.words("rs485-1", 1, 3, 100, 1) == [1]


def test_frames_without_a_gap_run_together(bench_of):
    """Goal: two requests back to back are one bad frame. Method: both in one write, then one alone."""
    bench = bench_of()
    frame = seal((1, 6, 0, 200, 0, 0))
    assert bench.raw("rs485-1", frame + frame) == b""
    assert bench.raw("rs485-1", frame) == frame


def test_talking_into_a_reply_garbles_both(bench_of):
    """Goal: half duplex. Method: a second request while the first reply is on the wire."""
    bench = bench_of(step_ns=STEP_NS)
    bench.solo.send("rs485-1", seal((1, 3, 0, 100, 0, 6)))
    bench.solo.run(round(1.6e6 / STEP_NS))
    reply = bench.raw("rs485-1", seal((1, 6, 0, 200, 0, 50)))
    assert len(reply) == 14, "three bytes had arrived before"
    whole = bench.words("rs485-1", 1, 3, 100, 6)
    clear = seal((1, 3, 12, *(byte for word in whole for byte in word.to_bytes(2, "big"))))[-14:]
    met = [index for index in range(14) if reply[index] != clear[index]]
    assert met == list(range(met[0], met[0] + 9)), "eight bytes, not in step, meet nine"
    assert bench.plant.truth()["setpoints_kw"] == (0.0,)
    assert bench.plant.bus()["rs485-1"]["collisions"] > 0
    bench.setpoint(5.0)
    assert bench.plant.truth()["setpoints_kw"] == (5.0,)


def test_many_slaves_on_one_wire(site_of):
    """Goal: each answers for itself. Method: four converters on one port, four setpoints."""
    checked = site_of("reference")
    pcs = tuple(checked.site.pcs[0].model_copy(update={"name": f"pcs-{n}", "unit": n}) for n in (1, 2, 3, 4))
    site = checked.site.model_copy(update={"pcs": pcs})
    bench = Bench(SimpleNamespace(site=site, profiles=checked.profiles))
    for unit in (1, 2, 3, 4):
        bench.write("rs485-1", unit, 200, 100 * unit)
    assert bench.plant.truth()["setpoints_kw"] == (10.0, 20.0, 30.0, 40.0)


def test_link_changes_only_ports_with_converters(bench_of):
    """Goal: --link leaves the meter's bus alone. Method: a link at 9600; the meter still answers at 19200."""
    bench = bench_of(link=Link("test", 9600, "spec", 1.0, 0.3, 5.0), step_ns=10_000)
    took = {}
    for port, body in (("rs485-1", (1, 3, 0, 100, 0, 1)), ("rs485-2", (3, 4, 0, 0x28, 0, 2))):
        began_ns = bench.solo.now_ns
        bench.solo.send(port, seal(body))
        bench.solo.run(10_000)
        arrived = bench.solo.received(port)
        took[port] = 1e-9 * (arrived[-1][0] - began_ns), len(arrived)
    assert took["rs485-1"][0] == pytest.approx(
        (8 + took["rs485-1"][1]) * 11 / 9600 + gap_s(9600, "spec") + 1e-3, abs=1e-4
    )
    assert took["rs485-2"][0] == pytest.approx(
        (8 + took["rs485-2"][1]) * 11 / 19200 + gap_s(19200, "spec") + 20e-3, abs=1e-4
    )

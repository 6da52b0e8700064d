"""The master: when it asks, what it sends, and that the newest value is what leaves."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from tests.examples import few
from tests.unit.ext.bus import (
    BLOCKED,
    CHAR_NS,
    FRAME_NS,
    IDLE,
    IO,
    MS,
    ORDER,
    PERMIT_ORDER,
    PERMIT_SETPOINT,
    PORT,
    QUARANTINE,
    TIMEOUT,
    Line,
    answer,
    limits,
    order,
    poll,
    rule,
    sealed,
    setpoint,
)
from tools.bench.stages import BusBench, crc


def value(request: bytes) -> int:
    """The setpoint in a function 6 request, in counts."""
    return int.from_bytes(request[4:6], "big", signed=True)


def built(pdu: ModbusPDU) -> bytes:
    """The frame pymodbus makes of it."""
    return bytes(FramerRTU(DecodePDU(False)).buildFrame(pdu))


def test_crc_of_the_standard() -> None:
    """Goal: CRC-16/MODBUS. Method: the check value 0x4B37 of "123456789"."""
    assert crc(b"123456789") == 0x4B37


@given(unit=st.integers(1, 247), address=st.integers(0, 65535 - 125), count=st.integers(1, 125))
@settings(max_examples=few(60), deadline=None)
def test_reads_are_byte_equal_to_pymodbus(unit: int, address: int, count: int) -> None:
    """Goal: frames as another master makes them. Method: functions 3 and 4 over all units and addresses."""
    for function, kind in ((3, ReadHoldingRegistersRequest), (4, ReadInputRegistersRequest)):
        line = Line(poll(unit=unit, function=function, address=address, count=count))
        assert line.until_request() == built(kind(address=address, count=count, dev_id=unit))


@given(unit=st.integers(1, 247), address=st.integers(0, 65533), counts=st.integers(-32767, 32767))
@settings(max_examples=few(60), deadline=None)
def test_writes_are_byte_equal_to_pymodbus(unit: int, address: int, counts: int) -> None:
    """Goal: the same for functions 6 and 16, one register and two in either order."""
    word, pair = counts & 0xFFFF, (counts * 7 & 0xFFFFFFFF)
    high, low = pair >> 16, pair & 0xFFFF
    single = WriteSingleRegisterRequest(address=address, registers=[word], dev_id=unit)
    cases: list[tuple[dict[str, Any], float, ModbusPDU]] = [({"function": 6}, counts, single)]
    for words, row, kw in (
        ([word], {"count": 1}, counts),
        ([high, low], {"count": 2}, counts * 7),
        ([low, high], {"count": 2, "low_word_first": 1}, counts * 7),
    ):
        many = WriteMultipleRegistersRequest(address=address, registers=words, dev_id=unit)
        cases.append(({"function": 16, **row}, kw, many))
    for row, kw, pdu in cases:
        line = Line(setpoint(unit=unit, address=address, **row))
        line.limits = limits(discharge_kw_max=[1e9] * 8, charge_kw_max=[1e9] * 8)
        line.kw[0] = kw
        assert line.until_request() == built(pdu)


@pytest.mark.parametrize(
    "bad",
    [
        {"port": 1}, {"port": -1}, {"unit": 0}, {"unit": 248}, {"address": -1}, {"address": 65533},
        {"count": 0},
        {"count": 126}, {"function": 6}, {"function": 16}, {"function": 7}, {"function": 0}, {"kind": 3},
        {"function": 1, "count": 2001}, {"function": 2, "address": 65532, "count": 5}, {"function": 23},
        {"canary_word": 4}, {"function": 2, "canary_word": 0}, {"kind": 2, "function": 5, "count": 2},
        {"kind": 2, "function": 15, "count": 65}, {"kind": 2, "function": 22, "count": 1},
        {"kind": 2, "function": 23, "count": 1, "read_count": 126},
        {"kind": 2, "function": 23, "count": 1, "read_count": 0},
        {"kind": 2, "unit": 0, "function": 23, "count": 1, "read_count": 1},
        {"kind": 1, "function": 16, "count": 3, "pcs": 0, "pcs_count": 2, "value_words": 1},
        {"kind": 1, "function": 16, "count": 2, "pcs": 7, "pcs_count": 2, "value_words": 1},
        {"kind": 1, "function": 16, "count": 3, "pcs": 0, "value_words": 3},
        {"kind": 1, "function": 16, "count": 1, "pcs": 0, "pcs_count": 0},
        {"kind": 1, "function": 6, "count": 2, "pcs": 0}, {"kind": 1, "function": 16, "count": 3, "pcs": 0},
        {"kind": 1, "function": 6, "count": 1, "pcs": -1}, {"kind": 1, "function": 6, "count": 1, "pcs": 8},
        {"kind": 1, "function": 6, "count": 1, "pcs": 0, "counts_per_kw": 0.0},
        {"kind": 1, "function": 6, "count": 1, "pcs": 0, "counts_per_kw": math.nan},
        {"kind": 1, "function": 3, "count": 1, "pcs": 0}, {"kind": 2, "function": 16, "count": 5},
        {"kind": 2, "function": 4, "count": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_poll_out_of_range_is_refused(bad: dict[str, Any]) -> None:
    """Goal: the table holds only what can be asked. Method: one bad field each, at its exact edge."""
    with pytest.raises(ValueError, match="refused"):
        BusBench([PORT], [poll(**bad)])


def test_the_table_is_full_at_64() -> None:
    """Goal: fixed size. Method: the 65th poll."""
    bench = BusBench([PORT], [poll(address=n) for n in range(64)])
    with pytest.raises(ValueError, match="refused"):
        bench.add_poll(poll())


def test_a_read_keeps_its_period_and_gives_its_words() -> None:
    """Goal: period and payload. Method: 10 ms for 1 s; 100 requests within the frame grid, words as
    served."""
    line = Line(poll(period_ns=10 * MS))
    line.run(10_000)
    assert 95 <= len(line.requests) <= 100
    state = line.bench.poll(0)
    assert state["words"] == [100, 101, 102, 103]
    assert state["asked"] - state["answered"] in (0, 1)
    assert sum(state["errors"]) == 0
    wire_ns = (8 + 13) * CHAR_NS + line.delay_ns
    assert wire_ns <= state["round_trip_ns"] <= wire_ns + 2 * FRAME_NS
    assert state["lock"] % 2 == 0


def test_the_next_request_waits_for_both_gaps() -> None:
    """Goal: silence between frames, the longer of the two polls' rules. Method: gaps 0.5 and 2 ms
    alternate."""
    line = Line(poll(gap_ns=500_000, period_ns=MS), poll(unit=2, gap_ns=2 * MS, period_ns=MS))
    ends = []
    for _ in range(2000):
        fed = [t for t, _ in line.pending if t <= line.t_ns]
        if fed:
            ends.append(line.t_ns)
        line.step()
    starts = [t for t, _ in line.requests][1:]
    gaps = [start - end for start, end in zip(starts, ends, strict=False)]
    assert len(gaps) > 40
    assert min(gaps) >= 2 * MS, "one neighbour always asks for 2 ms"
    assert max(gaps) <= 2 * MS + 2 * FRAME_NS


def test_the_newest_setpoint_takes_the_free_wire() -> None:
    """Goal: no queue. Method: the value moves every frame; each request carries the value of its own
    frame."""
    line = Line(setpoint(), poll(unit=2))
    for n in range(3000):
        line.kw[0] = float(n % 700)
        wanted = line.kw[0]
        request = line.step()
        if request and request[1] == 6:
            assert value(request) == wanted
    writes = sum(request[1] == 6 for _, request in line.requests)
    assert writes > 70


@given(
    kw=st.lists(st.floats(-1200, 1200), min_size=300, max_size=300),
    full=st.lists(st.booleans(), min_size=300, max_size=300),
    delay_ns=st.integers(0, 3 * MS),
)
@settings(max_examples=few(40), deadline=None)
def test_the_value_is_the_newest_at_its_first_byte(kw: list[float], full: list[bool], delay_ns: int) -> None:
    """Goal: the property of the bus. Method: any values, any slave delay, a wire that stalls now and then."""
    line = Line(setpoint(counts_per_kw=10.0))
    line.delay_ns = delay_ns
    for n, wanted in enumerate(kw):
        line.kw[0] = wanted
        if full[n]:
            line.bench.fill(0)
        line.bench.step(line.t_ns, line.limits, line.kw)
        request = line.bench.take(0)[-8:] if not full[n] else line.bench.take(0) and b""
        if len(request) == 8:
            inside = max(-1000.0, min(1000.0, wanted))
            assert abs(value(request) - 10 * inside) <= 0.5
            line.pending.append((line.t_ns + 16 * CHAR_NS + delay_ns, answer(request)))
        for row in [row for row in line.pending if row[0] <= line.t_ns]:
            line.bench.feed(0, row[1])
            line.pending.remove(row)
        line.t_ns += FRAME_NS


@pytest.mark.parametrize(
    ("kw", "counts_per_kw", "counts"),
    [
        (999.4, 1.0, 999), (999.6, 1.0, 1000), (5000.0, 1.0, 1000), (-5000.0, 1.0, -1000),
        (100.0, -10.0, -1000),
        (1000.0, 100.0, 32767), (-1000.0, 100.0, -32767), (math.nan, 1.0, 0), (math.inf, 1.0, 0),
        (0.4, 1.0, 0),
    ],
)  # fmt: skip
def test_rounding_limits_and_sign(kw: float, counts_per_kw: float, counts: int) -> None:
    """Goal: inside the lease and the register. Method: edges by hand; no number is zero."""
    line = Line(setpoint(counts_per_kw=counts_per_kw))
    line.kw[0] = kw
    assert value(line.until_request()) == counts
    line.step()
    sent_kw, t_sent_ns = line.bench.sent()
    assert sent_kw[0] == counts / counts_per_kw
    assert t_sent_ns[0] == line.requests[0][0]
    assert line.bench.poll(0)["raw"] == counts


def test_a_still_setpoint_is_only_refreshed() -> None:
    """Goal: skip writes that change nothing, except for the device's watchdog. Method: 3 s at 300 ms."""
    line = Line(setpoint(refresh_ns=300 * MS))
    line.kw[0] = 500.0
    line.run(30_000)
    times = [t for t, _ in line.requests]
    assert len(times) == 10
    assert all(299 * MS <= b - a <= 301 * MS for a, b in itertools.pairwise(times))


def test_reads_and_setpoints_take_turns() -> None:
    """Goal: neither starves. Method: a setpoint new in every frame, two reads always due: strict
    alternation."""
    line = Line(setpoint(), poll(unit=2, period_ns=MS), poll(unit=3, period_ns=MS))
    for n in range(5000):
        line.kw[0] = float(n % 900)
        line.step()
    units = [request[0] for _, request in line.requests]
    assert units[0] == 1, "setpoint first"
    assert all((a == 1) != (b == 1) for a, b in itertools.pairwise(units))
    assert abs(units.count(2) - units.count(3)) <= 1


def test_converters_on_one_port_take_turns() -> None:
    """Goal: fair rotation. Method: three converters, all new in every frame, two seconds."""
    line = Line(*[setpoint(unit=n + 1, pcs=n) for n in range(3)])
    for n in range(20_000):
        line.kw[:3] = [float(n % 900)] * 3
        line.step()
    units = [request[0] for _, request in line.requests]
    assert max(units.count(n) for n in (1, 2, 3)) - min(units.count(n) for n in (1, 2, 3)) <= 1


def test_a_mute_converter_does_not_silence_its_neighbour() -> None:
    """Goal: another unit first after an error (BUS-07). Method: unit 1 never answers; unit 2 gets its turn
    after every quarantine."""
    line = Line(setpoint(), setpoint(unit=2, pcs=1))
    line.reply = lambda request: answer(request) if request[0] == 2 else b""
    for n in range(10_000):
        line.kw[:2] = [float(n % 900)] * 2
        line.step()
    units = [request[0] for _, request in line.requests]
    assert all(b == 2 for a, b in itertools.pairwise(units) if a == 1)
    assert line.bench.poll(1)["errors"] == [0] * 12


def test_after_an_error_another_unit_is_asked_even_before_its_time() -> None:
    """Goal: a late reply then fails the unit match. Method: unit 1 is mute, unit 2 is due once a second."""
    line = Line(setpoint(), poll(unit=2, period_ns=1000 * MS))
    line.reply = lambda request: answer(request) if request[0] == 2 else b""
    line.run(3000)
    units = [request[0] for _, request in line.requests]
    assert units.count(2) >= 3
    assert all(b == 2 for a, b in itertools.pairwise(units) if a == 1)


def test_an_order_leaves_once() -> None:
    """Goal: sent once for each new number, never repeated. Method: it stays in the lease for a second."""
    line = Line(poll(kind=ORDER, function=16, address=300, count=2))
    line.limits = limits(orders=order(0, 5, 0x1234, 0xABCD))
    line.run(10_000)
    assert [request for _, request in line.requests] == [
        sealed(1, 16, 1, 44, 0, 2, 4, 0x12, 0x34, 0xAB, 0xCD)
    ]
    state = line.bench.poll(0)
    assert (state["order_done"], state["order_result"]) == (5, 1)
    line.limits = limits(orders=order(0, 4, 1))
    line.run(100)
    assert len(line.requests) == 1, "an older number is no new order"
    line.limits = limits(orders=order(0, 6, 1))
    line.run(100)
    assert len(line.requests) == 2


@pytest.mark.parametrize(
    "reply", [b"", sealed(1, 0x86, 4), sealed(1, 6, 1, 44, 0, 9)], ids=["mute", "refused", "echo"]
)
def test_a_failed_order_is_not_repeated(reply: bytes) -> None:
    """Goal: no blind retry of a write (BUS-09). Method: silence, an exception, a wrong echo."""
    line = Line(poll(kind=ORDER, function=6, address=300, count=1))
    line.limits = limits(orders=order(0, 1, 1))
    line.reply = lambda _: reply
    line.run(5000)
    assert len(line.requests) == 1
    assert line.bench.poll(0)["order_result"] == -1


def test_permits() -> None:
    """Goal: no permit, no write. Method: orders and setpoints each need their own bit; reads need none."""
    for permit, functions in ((0, {3}), (PERMIT_ORDER, {3, 16}), (PERMIT_SETPOINT, {3, 6}), (3, {3, 6, 16})):
        line = Line(poll(), setpoint(), poll(kind=ORDER, function=16, address=300, count=1))
        line.limits = limits(permit=permit, orders=order(2, 1, 1))
        line.kw[0] = 500.0
        line.run(1000)
        assert {request[1] for _, request in line.requests} == functions


def test_a_permit_withdrawn_lands_at_zero() -> None:
    """Goal: a converter with power is told zero, one without hears nothing. Method: withdraw the permit."""
    line = Line(setpoint(), setpoint(unit=2, pcs=1))
    line.kw[:2] = [500.0, 0.0]
    line.run(200)
    line.limits = limits(permit=0)
    before = len(line.requests)
    line.run(10_000)
    after = [request for _, request in line.requests[before:]]
    assert [(request[0], value(request)) for request in after] == [(1, 0)]


def test_that_zero_is_repeated_until_it_is_confirmed() -> None:
    """Goal: zero arrives. Method: the slave is mute for 100 ms, then answers; one confirmed zero ends it."""
    line = Line(setpoint())
    line.kw[0] = 500.0
    line.run(200)
    line.limits = limits(permit=0)
    line.reply = lambda _: b""
    line.run(1000)
    assert line.bench.poll(0)["misses"] >= 4
    line.reply = answer
    line.run(1000)
    settled = len(line.requests)
    line.run(5000)
    assert len(line.requests) == settled
    assert value(line.requests[-1][1]) == 0
    assert line.bench.poll(0)["misses"] == 0


def test_the_deadline_is_kept_to_a_frame() -> None:
    """Goal: dead slave, deadline error at most one frame. Method: timeout 5 ms after the last request
    byte."""
    line = Line(poll(period_ns=1000 * MS))
    line.reply = lambda _: b""
    line.until_request()
    began = line.requests[0][0]
    while line.bench.poll(0)["errors"][TIMEOUT] == 0:
        line.step()
    late_ns = (line.t_ns - FRAME_NS) - (began + 8 * CHAR_NS + 5 * MS)
    assert 0 <= late_ns <= FRAME_NS
    while line.bench.port(0)["state"] == QUARANTINE:
        line.step()
    late_ns = (line.t_ns - FRAME_NS) - (began + 8 * CHAR_NS + 20 * MS)
    assert 0 <= late_ns <= FRAME_NS
    assert line.bench.port(0)["state"] == IDLE


def test_a_stuck_tty_is_an_io_error() -> None:
    """Goal: nothing waits for ever. Method: the wire takes no byte for 50 ms."""
    line = Line(poll())
    line.bench.fill(0)
    for _ in range(500):
        line.bench.step(line.t_ns, line.limits, line.kw)
        line.t_ns += FRAME_NS
    assert line.bench.poll(0)["errors"][IO] >= 2


def test_a_blocked_write_is_learnt_and_not_hammered() -> None:
    """Goal: the master learns of the guard. Method: an order no rule knows; a setpoint no rule knows."""
    line = Line(
        poll(kind=ORDER, function=6, address=300, count=1), setpoint(), poll(unit=2), rules=[rule(unit=9)]
    )
    line.limits = limits(orders=order(0, 1, 1))
    line.kw[0] = 5.0
    line.run(1000)
    assert line.bench.poll(0)["errors"][BLOCKED] == 1
    assert line.bench.poll(0)["order_result"] == -1
    assert 2 <= line.bench.poll(1)["errors"][BLOCKED] <= 20
    assert {request[0] for _, request in line.requests} == {2}, "and reads go on"

"""The guard: every reason to block, each limit at its exact edge, judged on bytes alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import few
from tests.unit.ext.bus import (
    BLOCKED,
    FRAME_NS,
    MS,
    ORDER,
    PERMIT_ORDER,
    PERMIT_SETPOINT,
    PORT,
    Line,
    limits,
    order,
    poll,
    rule,
    sealed,
    setpoint,
)
from tools.bench.stages import BusBench

(OK, UNKNOWN_WRITE, MALFORMED, NO_PERMIT, OVER_LIMIT, LAPSED, STATUS, WORD_RANGE, NOT_FINITE) = range(9)
T0 = 1_000_000_000
LAPSE_NS = 600 * MS


START = rule(kind=1, address=300, pcs=-1, word_low=[1, 0, 0, 0], word_high=[2, 0, 0, 0])
PAIR = rule(function=16, address=400, count=2, kw_per_count=0.001, pcs=1)
SWAPPED = PAIR | {"address": 500, "low_word_first": 1, "pcs": 2, "kw_per_count": -0.001}
CHECKED = rule(address=210, pcs=3, status_poll=0, status_word=2, status_mask=0x00F0, status_value=0x0040,
               status_age_ns_max=300 * MS)  # fmt: skip


def guarded(rise_kw_per_s_max: float = 0.0) -> BusBench:
    """A bench with all rules above and one status poll."""
    return BusBench([PORT] * 2, [poll()], rules=[rule(), START, PAIR, SWAPPED, CHECKED],
                    guard={"rise_kw_per_s_max": rise_kw_per_s_max, "lapse_ns_max": LAPSE_NS})  # fmt: skip


def write(counts: int, address: int = 200, unit: int = 1) -> bytes:
    """Function 6."""
    return sealed(unit, 6, *address.to_bytes(2, "big"), *(counts & 0xFFFF).to_bytes(2, "big"))


def write_pair(counts: int, address: int = 400, swapped: bool = False) -> bytes:
    """Function 16 with two registers."""
    words = (counts & 0xFFFFFFFF).to_bytes(4, "big")
    words = words[2:] + words[:2] if swapped else words
    return sealed(1, 16, *address.to_bytes(2, "big"), 0, 2, 4, *words)


RULED = (b"\1\6\1\x2c", b"\1\x10\1\x90", b"\1\x10\1\xf4", b"\1\6\0\xd2")


def judged(
    frame: bytes, bench: BusBench | None = None, t_ns: int = T0, port: int = 0, **lease: Any
) -> tuple[bytes, int]:
    """(bytes that leave, reason of a block)."""
    bench = bench or guarded()
    before = bench.guard()["blocked"]
    left = bench.judge(port, t_ns, limits(**{"valid_until_ns": T0 + 500 * MS, **lease}), frame)
    return left, bench.guard()["reason"] if bench.guard()["blocked"] > before else OK


@pytest.mark.parametrize("function", [1, 2, 3, 4])
def test_reads_pass(function: int) -> None:
    """Goal: the guard judges writes. Method: all reading functions, without permit and after the lapse."""
    frame = sealed(9, function, 0, 1, 0, 2)
    assert judged(frame, permit=0, valid_until_ns=0) == (frame, OK)


@pytest.mark.parametrize(
    ("kw", "left", "reason"),
    [
        (1000, 1000, OK), (1001, 0, OVER_LIMIT), (-800, -800, OK), (-801, 0, OVER_LIMIT), (0, 0, OK),
        (1, 1, OK),
        (32767, 0, OVER_LIMIT), (-32768, 0, OVER_LIMIT),
    ],
)  # fmt: skip
def test_the_lease_at_its_edge(kw: int, left: int, reason: int) -> None:
    """Goal: limits by direction. Method: 1000 kW to discharge, 800 to charge; one count beyond is zero."""
    assert judged(write(kw), charge_kw_max=[800.0] * 8) == (write(left), reason)


@pytest.mark.parametrize(("limit_kw", "reason"), [(1000.5, OK), (1000.49, OVER_LIMIT), (0.0, OVER_LIMIT)])
def test_rounding_is_tolerated_and_no_more(limit_kw: float, reason: int) -> None:
    """Goal: half a count. Method: 1001 counts against limits that round to it and that do not."""
    assert judged(write(1001), discharge_kw_max=[limit_kw] * 8)[1] == reason


@pytest.mark.parametrize(("kw", "reason"), [(1500, OK), (1501, OVER_LIMIT), (-1500, OK), (-1501, OVER_LIMIT)])
def test_the_rating_holds_whatever_the_lease_says(kw: int, reason: int) -> None:
    """Goal: a second wall. Method: a lease of 9999 kW."""
    assert judged(write(kw), discharge_kw_max=[9999.0] * 8, charge_kw_max=[9999.0] * 8)[1] == reason


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(
    ("watts", "reason"), [(1_000_000, OK), (1_000_001, OVER_LIMIT), (-1_000_001, OVER_LIMIT)]
)
def test_two_registers_either_order_and_sign(watts: int, reason: int, swapped: bool) -> None:
    """Goal: the value is read as the device reads it. Method: W in 32 bits; the second device counts
    charging."""
    frame = write_pair(watts, 500 if swapped else 400, swapped)
    zero = write_pair(0, 500 if swapped else 400)
    assert judged(frame) == (frame if reason == OK else zero, reason)


def test_charge_and_discharge_follow_the_sign_of_the_device() -> None:
    """Goal: a device that counts charging positive. Method: +900 kW in its counts is 900 kW of charge."""
    frame = write_pair(900_000, 500, swapped=True)
    assert judged(frame, charge_kw_max=[900.0] * 8, discharge_kw_max=[0.0] * 8) == (frame, OK)
    assert judged(frame, charge_kw_max=[899.0] * 8)[1] == OVER_LIMIT


def test_without_permit_only_zero_leaves() -> None:
    """Goal: permits. Method: each permit alone; zero passes always."""
    assert judged(write(5), permit=PERMIT_ORDER) == (write(0), NO_PERMIT)
    assert judged(write(5), permit=PERMIT_SETPOINT) == (write(5), OK)
    assert judged(write(0), permit=0) == (write(0), OK)
    assert judged(write(1, 300), permit=PERMIT_SETPOINT) == (b"", NO_PERMIT)
    assert judged(write(1, 300), permit=PERMIT_ORDER) == (write(1, 300), OK)


def test_the_lapse_at_its_edge() -> None:
    """Goal: after lapse_ns_max only zero; orders end with the lease itself. Method: one nanosecond around
    both."""
    end = T0 + 500 * MS
    assert judged(write(5), t_ns=end + LAPSE_NS - 1)[1] == OK
    assert judged(write(5), t_ns=end + LAPSE_NS) == (write(0), LAPSED)
    assert judged(write(0), t_ns=end + LAPSE_NS) == (write(0), OK)
    assert judged(write(1, 300), t_ns=end - 1)[1] == OK
    assert judged(write(1, 300), t_ns=end) == (b"", LAPSED)


@pytest.mark.parametrize(
    ("word", "reason"), [(0, WORD_RANGE), (1, OK), (2, OK), (3, WORD_RANGE), (65535, WORD_RANGE)]
)
def test_the_words_of_an_order(word: int, reason: int) -> None:
    """Goal: an order carries only what its rule knows. Method: the edges of 1 to 2."""
    assert judged(write(word, 300)) == (write(word, 300) if reason == OK else b"", reason)


def test_orders_that_share_a_register() -> None:
    """Goal: start and stop may be words of one register. Method: words 1, 2 and 7 have rules."""
    bench = guarded()
    bench.add_rule(START | {"word_low": [7, 0, 0, 0], "word_high": [7, 0, 0, 0]})
    reasons = {word: judged(write(word, 300), bench)[1] for word in (1, 2, 3, 6, 7, 8)}
    assert reasons == {1: OK, 2: OK, 3: WORD_RANGE, 6: WORD_RANGE, 7: OK, 8: WORD_RANGE}


@pytest.mark.parametrize(
    ("t_ok_ns", "word", "reason"),
    [
        (T0 - 300 * MS, 0x0040, OK), (T0 - 300 * MS - 1, 0x0040, STATUS), (0, 0x0040, STATUS),
        (T0, 0xFF4F, OK), (T0, 0x0050, STATUS), (T0, 0x0000, STATUS),
    ],
)  # fmt: skip
def test_power_only_to_a_converter_that_runs(t_ok_ns: int, word: int, reason: int) -> None:
    """Goal: IL-07. Method: age and state at their edges; zero needs no status."""
    bench = guarded()
    bench.set_words(0, t_ok_ns, [0, 0, word])
    assert judged(write(5, 210), bench) == (write(5 if reason == OK else 0, 210), reason)
    assert judged(write(0, 210), bench)[1] == OK


def test_a_status_never_read_is_not_fresh() -> None:
    """Goal: no answer yet is no answer. Method: the right word, 100 ms after the clock's zero."""
    bench = guarded()
    bench.set_words(0, 0, [0, 0, 0x0040])
    assert judged(write(5, 210), bench, t_ns=100 * MS)[1] == STATUS


@pytest.mark.parametrize(
    "lease", [{"discharge_kw_max": [float("nan")] * 8}, {"discharge_kw_max": [float("inf")] * 8}]
)
def test_a_limit_that_is_no_number_lets_only_zero_out(lease: dict[str, Any]) -> None:
    """Goal: not finite is no limit. Method: past the mailbox's own check."""
    assert judged(write(5), **lease) == (write(0), NOT_FINITE)


@pytest.mark.parametrize(
    "frame",
    [
        write(5, 201), write(5, unit=2), write(5, unit=0), sealed(1, 16, 0, 200, 0, 1, 2, 0, 5),
        write_pair(5, 401),
        sealed(1, 5, 0, 200, 255, 0), sealed(1, 15, 0, 0, 0, 8, 1, 255), sealed(1, 22, 0, 200, 0, 1, 0, 2),
        sealed(1, 23, 0, 0, 0, 1, 0, 200, 0, 1, 2, 0, 5), sealed(1, 16, 1, 144, 0, 1, 2, 0, 5),
        sealed(1, 0x2B, 14, 1, 0),
    ],
    ids=bytes.hex,
)  # fmt: skip
def test_an_unknown_write_never_leaves(frame: bytes) -> None:
    """Goal: anything without a rule is stopped. Method: other register, unit, broadcast, function, count,
    port."""
    assert judged(frame) == (b"", UNKNOWN_WRITE)
    assert judged(write(5), port=1) == (b"", UNKNOWN_WRITE)


@pytest.mark.parametrize(
    "frame",
    [
        write(5)[:-1], write(5) + b"\0", write(5)[:-1] + b"\0", sealed(1, 6, 0, 200, 0),
        sealed(1, 3, 0, 1, 0, 2, 0),
        sealed(1, 16, 1, 144, 0, 2, 2, 0, 0, 0, 5), sealed(1, 16, 1, 144, 0, 2, 4, 0, 0, 0),
        sealed(1, 16, 1, 144, 0, 0, 0),
        write_pair(5)[:-2] + b"\0\0", b"\x01", sealed(1, 3, 0, 1, 0, 2)[:-1] + b"\0",
    ],
    ids=bytes.hex,
)  # fmt: skip
def test_a_malformed_frame_never_leaves(frame: bytes) -> None:
    """Goal: what cannot be decoded cannot be allowed. Method: length, byte count and CRC wrong by one."""
    left, reason = judged(frame)
    assert left == b""
    assert reason == MALFORMED


def test_a_setpoint_may_rise_as_fast_as_set_and_fall_at_once() -> None:
    """Goal: step from the last value. Method: 1000 kW/s; 100 ms after 200 kW at most 300 kW and a count."""
    bench = guarded(1000.0)
    later = {"valid_until_ns": 10 * T0}
    assert judged(write(200), bench, t_ns=T0, **later)[1] == OK
    assert judged(write(302), bench, t_ns=T0 + 100 * MS, **later) == (write(0), OVER_LIMIT)
    assert judged(write(200), bench, t_ns=2 * T0, **later)[1] == OK
    assert judged(write(301), bench, t_ns=2 * T0 + 100 * MS, **later)[1] == OK
    assert judged(write(1), bench, t_ns=2 * T0 + 100 * MS + 1, **later)[1] == OK


@pytest.mark.parametrize(
    "bad",
    [
        {"pcs": -1}, {"pcs": 8}, {"kw_per_count": 0.0}, {"kw_per_count": float("nan")}, {"count": 0},
        {"count": 3},
        {"kind": 2}, {"kind": 1, "count": 5}, {"status_poll": 64}, {"status_poll": 0, "status_word": 125},
    ],
    ids=str,
)  # fmt: skip
def test_a_rule_out_of_range_is_refused(bad: dict[str, Any]) -> None:
    """Goal: a rule that cannot judge is none. Method: one bad field each."""
    with pytest.raises(ValueError, match="refused"):
        BusBench([PORT], [], rules=[rule(**bad)])


def test_the_table_is_full_at_64() -> None:
    """Goal: fixed size. Method: the 65th rule."""
    bench = BusBench([PORT], [], rules=[rule(address=n) for n in range(64)])
    with pytest.raises(ValueError, match="refused"):
        bench.add_rule(rule())


def test_it_counts_what_it_blocks() -> None:
    """Goal: every block is seen. Method: one of each kind."""
    bench = guarded()
    for frame in (write(5), write(2000), write(7, 300), write(5, 201), b"\x01"):
        judged(frame, bench)
    assert bench.guard() == {"passed": 1, "blocked": 4, "blocked_setpoint": 1, "blocked_order": 1,
                             "blocked_unknown": 2, "reason": MALFORMED}  # fmt: skip


@given(frame=st.binary(min_size=1, max_size=255), permit=st.integers(0, 3), kw=st.floats(0, 2000))
@settings(max_examples=few(300), deadline=None)
def test_no_bytes_get_past_the_rules(frame: bytes, permit: int, kw: float) -> None:
    """Goal: whatever the master makes, what leaves is a read, an allowed value or nothing. Method: random
    bytes, raw and sealed, and random setpoints."""
    frames = [frame, sealed(*frame[:253]), write(int.from_bytes(frame[:2], "big"))]
    for one in frames:
        left, _ = judged(one, permit=permit, discharge_kw_max=[kw] * 8, charge_kw_max=[kw] * 8)
        if left and left[1] == 6 and left[2:4] == b"\x00\xc8":
            counts = int.from_bytes(left[4:6], "big", signed=True)
            assert counts == 0 or (permit & PERMIT_SETPOINT and abs(counts) <= min(kw + 0.51, 1500))
        else:
            assert left == b"" or left[1] <= 4 or left[:4] in RULED


def test_a_replaced_setpoint_is_what_the_master_believes_it_sent() -> None:
    """Goal: one truth on the wire. Method: the rule's rating is below the lease; the master sends 1000 kW,
    the guard zero, the echo of zero is right and sent_kw says 0."""
    line = Line(setpoint(), rules=[rule(rating_kw=600.0)])
    line.kw[0] = 1000.0
    line.run(100)
    assert {request for _, request in line.requests} == {write(0)}
    assert line.bench.sent()[0][0] == 0
    assert line.bench.poll(0)["errors"] == [0] * 12
    assert line.bench.poll(0)["answered"] >= 2
    line.kw[0] = 600.0
    line.run(30)
    assert line.requests[-1][1] == write(600)


def test_what_waits_in_the_port_is_judged_by_the_newest_limits() -> None:
    """Goal: no frame leaves on old permission. Method: the wire is full; the permit goes; the wire frees."""
    line = Line(poll(kind=ORDER, function=6, address=300, count=1), rules=[START])
    line.limits = limits(orders=order(0, 1, 1), valid_until_ns=50 * MS)
    line.bench.fill(0)
    while line.t_ns < 50 * MS - FRAME_NS and line.bench.port(0)["state"] != 1:
        line.bench.step(line.t_ns, line.limits, line.kw)
        line.t_ns += FRAME_NS
    assert line.bench.port(0)["state"] == 1
    line.limits = limits(permit=0)
    line.bench.step(line.t_ns, line.limits, line.kw)
    line.t_ns += FRAME_NS
    line.bench.take(0)
    line.run(20)
    assert line.requests == []
    assert line.bench.poll(0)["errors"][BLOCKED] == 1
    assert line.bench.poll(0)["order_result"] == -1


def test_what_has_begun_to_leave_is_left_whole() -> None:
    """Goal: no frame changes between its bytes. Method: 3 of 8 bytes fit; the permit goes; then the rest."""
    line = Line(setpoint(), rules=[rule()])
    line.kw[0] = 500.0
    line.bench.fill(0, room=3)
    while line.bench.port(0)["bytes_out"] < 3:
        line.bench.step(line.t_ns, line.limits, line.kw)
        line.t_ns += FRAME_NS
    begun = line.bench.take(0)[-3:]
    line.limits = limits(permit=0)
    line.bench.step(line.t_ns, line.limits, line.kw)
    assert begun + line.bench.take(0) == write(500)
    assert line.bench.guard()["blocked"] == 0

"""Setpoints of several converters in one frame, and writes to all: what leaves, what the guard makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import few
from tests.unit.ext.bus import (
    CHAR_NS,
    FRAME_NS,
    MS,
    ORDER,
    PERMIT_ORDER,
    Line,
    answer,
    limits,
    order,
    poll,
    rule,
    sealed,
    setpoint,
)

BLOCK = {"function": 16, "count": 3, "pcs_count": 3, "value_words": 1}
WIDE = {"function": 16, "count": 6, "pcs_count": 3, "value_words": 2}
SHARED = {"function": 6, "count": 1, "pcs_count": 3, "value_words": 1}
TO_ALL = {"unit": 0, "turnaround_ns": 5 * MS}


def values(request: bytes, row: dict[str, Any]) -> list[int]:
    """The setpoints in a request, in counts, one a converter."""
    width = 2 * row["value_words"]
    data = request[4:6] if request[1] == 6 else request[7:-2]
    told = [int.from_bytes(data[k : k + width], "big", signed=True) for k in range(0, len(data), width)]
    return told if len(told) > 1 else told * row["pcs_count"]


@pytest.mark.parametrize("row", [BLOCK, WIDE], ids=["one register", "two registers"])
def test_a_block_carries_each_its_own(row: dict[str, Any]) -> None:
    """Goal: one frame, three converters. Method: three values; sent_kw and raw of all follow the bytes."""
    line = Line(setpoint(**row))
    line.kw[:3] = [100.0, -200.0, 1500.0]
    assert values(line.until_request(), row) == [100, -200, 1000]
    line.run(100)
    assert line.bench.sent()[0][:3] == [100.0, -200.0, 1000.0]
    assert line.bench.poll(0)["raws"][:3] == [100, -200, 1000]
    assert (line.bench.poll(0)["asked"], line.bench.poll(0)["answered"]) == (1, 1)
    line.kw[2] = 7.0
    assert values(line.until_request(), row) == [100, -200, 7], "one new value is enough"


@pytest.mark.parametrize(
    ("kw", "told"),
    [([100, 200, 300], 100), ([-100, -50, -300], -50), ([100, -1, 300], 0), ([100, 0, 300], 0)],
)
def test_one_value_for_all_is_one_that_all_may_carry(kw: list[int], told: int) -> None:
    """Goal: a shared register never asks more of one than it may give. Method: smallest of one sign, else 0."""
    line = Line(setpoint(**SHARED))
    line.limits = limits(discharge_kw_max=[1000.0, 1000.0, 1000.0] + [0.0] * 5)
    line.kw[:3] = [float(x) for x in kw]
    line.run(40)
    line.kw[:3] = [5.0, 5.0, 5.0]
    line.run(200)
    line.kw[:3] = [float(x) for x in kw]
    assert values(line.until_request(), SHARED) == [told] * 3


@given(
    kw=st.lists(st.tuples(*[st.floats(-1200, 1200)] * 3), min_size=200, max_size=200),
    full=st.lists(st.booleans(), min_size=200, max_size=200),
    delay_ns=st.integers(0, 3 * MS),
    row=st.sampled_from([BLOCK, WIDE, SHARED, BLOCK | TO_ALL, WIDE | TO_ALL, SHARED | TO_ALL]),
)
@settings(max_examples=few(60), deadline=None, suppress_health_check=list(HealthCheck))
def test_every_value_is_the_newest_at_the_first_byte(
    kw: list[tuple[float, ...]], full: list[bool], delay_ns: int, row: dict[str, Any]
) -> None:
    """Goal: the property of the bus, for groups. Method: any values, any delay, a wire that stalls now and
    then, with an answer and as a broadcast; every value that leaves is the one of its own frame."""
    line, seen = Line(setpoint(counts_per_kw=10.0, **row)), 0
    for n, wanted in enumerate(kw):
        line.kw[:3] = wanted
        if full[n]:
            line.bench.fill(0)
        line.bench.step(line.t_ns, line.limits, line.kw)
        left = line.bench.take(0)
        if left and not full[n]:
            inside = [10 * max(-1000.0, min(1000.0, x)) for x in wanted]
            told = values(left, row)
            if row["count"] == row["value_words"]:
                same = all(x > 0.5 for x in inside) or all(x < -0.5 for x in inside)
                inside = [min(inside, key=abs) if same else told[0] * (abs(told[0]) <= 1)] * 3
            assert all(abs(a - b) <= 0.5 for a, b in zip(told, inside, strict=True))
            if row.get("unit", 1) != 0:
                line.pending.append((line.t_ns + 24 * CHAR_NS + delay_ns, answer(left)))
            seen += 1
        for item in [item for item in line.pending if item[0] <= line.t_ns]:
            line.bench.feed(0, item[1])
            line.pending.remove(item)
        line.t_ns += FRAME_NS
    assert seen or sum(full) > 150


def test_a_broadcast_has_its_silence_and_no_reply() -> None:
    """Goal: unit 0. Method: 5 ms of silence after the last byte; nothing is waited for, nothing is an error."""
    line = Line(setpoint(**SHARED, **TO_ALL), poll(unit=2, period_ns=MS))
    line.reply = lambda request: b"" if request[0] == 0 else answer(request)
    for n in range(10_000):
        line.kw[:3] = [float(n % 900 + 1)] * 3
        line.step()
    after = [
        b - a
        for (a, request), (b, _) in zip(line.requests, line.requests[1:], strict=False)
        if request[0] == 0
    ]
    quiet_ns = 8 * CHAR_NS + 5 * MS
    assert len(after) > 80
    assert all(quiet_ns <= gap_ns < quiet_ns + FRAME_NS for gap_ns in after)
    state = line.bench.poll(0)
    assert (sum(state["errors"]), state["misses"], state["answered"]) == (0, 0, 0)
    assert line.bench.sent()[0][:3] != [0.0] * 3


def test_a_broadcast_zero_is_said_three_times() -> None:
    """Goal: nobody confirms, so zero is repeated. Method: withdraw the permit; three zeros, then silence."""
    line = Line(setpoint(**SHARED, **TO_ALL, refresh_ns=50 * MS))
    line.reply = lambda _: b""
    line.kw[:3] = [500.0] * 3
    line.run(200)
    line.limits = limits(permit=PERMIT_ORDER)
    before = len(line.requests)
    line.run(10_000)
    assert [values(request, SHARED)[0] for _, request in line.requests[before:]] == [0, 0, 0]


def test_a_broadcast_order_says_that_nobody_answered() -> None:
    """Goal: sent is not confirmed. Method: order_result 2, once."""
    line = Line(poll(kind=ORDER, unit=0, function=6, count=1, turnaround_ns=5 * MS))
    line.reply = lambda _: b""
    line.limits = limits(orders=order(0, 1, 7))
    line.run(1000)
    assert [request for _, request in line.requests] == [sealed(0, 6, 0, 100, 0, 7)]
    assert line.bench.poll(0)["order_result"] == 2


def group(**changes: Any) -> dict[str, Any]:
    """The guard's rule of the block, whose converters have rules of their own."""
    return rule(function=16, address=400, count=3, pcs_count=3, value_words=1, rating_kw=0.0) | changes


OWN = [rule(pcs=k, unit=k + 1, rating_kw=300.0 * (k + 1)) for k in range(3)]


def block(*counts: int, unit: int = 1) -> bytes:
    """The frame of a block write."""
    return sealed(unit, 16, 1, 144, 0, 3, 6, *b"".join((x & 0xFFFF).to_bytes(2, "big") for x in counts))


@pytest.mark.parametrize(
    ("counts", "left"),
    [
        ((300, 600, -900), (300, 600, -900)), ((301, 600, 900), (0, 600, 900)),
        ((300, -601, 901), (300, 0, 0)), ((0, 0, 0), (0, 0, 0)),
    ],
)  # fmt: skip
def test_the_guard_judges_each_value_by_its_own_rule(counts: tuple[int, ...], left: tuple[int, ...]) -> None:
    """Goal: one forbidden value leaves as zero, the others as they are. Method: ratings 300, 600, 900 kW."""
    bench = Line(poll(), rules=[group(), *OWN]).bench
    assert bench.judge(0, MS, limits(), block(*counts)) == block(*left)
    assert bench.guard()["blocked_setpoint"] == (counts != left)


def test_a_group_without_own_rules_carries_nothing() -> None:
    """Goal: no rating, no power. Method: leave out the rule of the second converter."""
    bench = Line(poll(), rules=[group(), OWN[0], OWN[2]]).bench
    assert bench.judge(0, MS, limits(), block(10, 10, 10)) == block(10, 0, 10)


def test_a_shared_value_is_judged_for_all() -> None:
    """Goal: one converter that may not stops it for all. Method: limits of 500, 500 and 100 kW."""
    shared = rule(unit=0, address=400, pcs_count=3, value_words=1)
    bench = Line(poll(), rules=[shared, *OWN]).bench
    lease = limits(discharge_kw_max=[500.0, 500.0, 100.0] + [0.0] * 5)
    for kw, left in ((100, 100), (101, 0)):
        frame = sealed(0, 6, 1, 144, *kw.to_bytes(2, "big"))
        assert bench.judge(0, MS, lease, frame) == sealed(0, 6, 1, 144, *left.to_bytes(2, "big"))

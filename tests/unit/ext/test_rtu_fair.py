"""Fairness: a mute unit leaves its neighbours their rate, a busy one is asked again, reads keep phase and lease."""

from __future__ import annotations

import itertools

import pytest

from tests.unit.ext.bus import (
    EXCEPTION,
    FRAME_NS,
    MS,
    ORDER,
    QUARANTINE,
    TIMEOUT,
    Line,
    answer,
    limits,
    order,
    poll,
    sealed,
    setpoint,
)

CANARY = 10


def mute(unit: int, line: Line) -> None:
    """That unit no longer answers."""
    line.reply = lambda request: b"" if request[0] == unit else answer(request)


def rate(line: Line, unit: int, seconds: float) -> float:
    """Requests to a unit each second while every setpoint is new in every frame."""
    before = len(line.requests)
    for n in range(round(seconds * 10_000)):
        line.kw[:2] = [float(n % 900 + 1)] * 2
        line.step()
    return sum(request[0] == unit for _, request in line.requests[before:]) / seconds


def test_a_mute_unit_leaves_its_neighbour_the_rate() -> None:
    """Goal: one quarantine each growing interval, 1 s at most, refresh included. Method: unit 1 has a setpoint
    and a read and dies; unit 2 keeps nine tenths of what it has beside nobody."""
    alone = rate(Line(setpoint(unit=2, pcs=1, turnaround_ns=60 * MS)), 2, 1.0)
    rows = {"turnaround_ns": 60 * MS}
    line = Line(setpoint(**rows), poll(**rows), setpoint(unit=2, pcs=1, **rows))
    mute(1, line)
    rate(line, 2, 2.5)
    began_ns = line.t_ns
    assert rate(line, 2, 5.0) >= 0.9 * alone
    asked = [t for t, request in line.requests if request[0] == 1 and t >= began_ns]
    assert 4 <= len(asked) <= 6
    assert all(MS * 1000 <= b - a <= MS * 1100 for a, b in itertools.pairwise(asked))


def test_the_interval_grows_from_two_timeouts_on() -> None:
    """Goal: one lost reply costs nothing more; then doubling. Method: pauses between requests to the mute unit."""
    line = Line(poll(period_ns=MS), poll(unit=2, period_ns=MS))
    mute(1, line)
    line.run(60_000)
    asked = [t for t, request in line.requests if request[0] == 1]
    pauses = [(b - a) / MS for a, b in itertools.pairwise(asked)]
    assert pauses[0] < 30
    assert all(0.9 < b / (2 * a) * (1 + 20 / a) < 1.6 for a, b in itertools.pairwise(pauses[1:5]))
    assert all(1000 <= pause <= 1060 for pause in pauses[8:])


def test_a_unit_that_speaks_again_is_asked_again() -> None:
    """Goal: back within the longest pause, at full rate at once. Method: mute for 5 s, then well."""
    line = Line(poll(period_ns=10 * MS), poll(unit=2, period_ns=10 * MS))
    mute(1, line)
    line.run(50_000)
    line.reply = answer
    before = line.bench.poll(0)["answered"]
    line.run(11_000)
    assert line.bench.poll(0)["answered"] > before
    before = line.bench.poll(0)["answered"]
    line.run(10_000)
    assert line.bench.poll(0)["answered"] - before >= 98


def test_alone_on_its_port_a_mute_unit_is_asked_all_the_time() -> None:
    """Goal: nobody is kept waiting, so nothing rests. Method: one unit, mute for 2 s."""
    line = Line(poll(period_ns=10 * MS))
    mute(1, line)
    line.run(20_000)
    assert len(line.requests) >= 60


def test_a_unit_that_is_late_is_not_mute() -> None:
    """Goal: late bytes are a sign of life. Method: every answer 8 ms after its timeout: no back-off."""
    line = Line(poll(period_ns=10 * MS), poll(unit=2, period_ns=10 * MS))
    line.delay_ns = 12 * MS
    line.run(20_000)
    assert line.bench.poll(0)["errors"][TIMEOUT] >= 30
    assert line.bench.poll(0)["answered"] == 0


def test_an_order_reaches_a_resting_unit() -> None:
    """Goal: a stop never waits for a back-off. Method: the unit rests; the order leaves within 200 ms."""
    line = Line(
        poll(period_ns=MS), poll(kind=ORDER, function=6, address=300, count=1), poll(unit=2, period_ns=MS)
    )
    mute(1, line)
    line.run(40_000)
    line.limits = limits(orders=order(1, 1, 1))
    began_ns = line.t_ns
    line.run(2000)
    sent = [t for t, request in line.requests if request[1] == 6]
    assert len(sent) == 1
    assert sent[0] - began_ns <= 200 * MS


def test_a_busy_device_is_read_again_three_times() -> None:
    """Goal: BUS-09. Method: exception 6 for ever: four requests in each period of 200 ms; then one that helps."""
    line = Line(poll(period_ns=200 * MS))
    line.reply = lambda _: sealed(1, 0x83, 6)
    line.run(9_990)
    assert len(line.requests) == 5 * 4
    assert line.bench.poll(0)["errors"][EXCEPTION] == 20
    line = Line(poll(period_ns=200 * MS))
    line.reply = lambda request: answer(request) if len(line.requests) % 2 == 0 else sealed(1, 0x83, 6)
    line.run(9_990)
    assert (line.bench.poll(0)["answered"], len(line.requests)) == (5, 10)


@pytest.mark.parametrize(
    "wrong", [sealed(9, 3, 2, 0, 7), sealed(1, 3, 4, 0, 7, 0, 7), b"\x01\x03\x02\x00\x07\x00\x00"]
)
def test_a_wrong_reply_is_asked_for_again_three_times(wrong: bytes) -> None:
    """Goal: F18: the status does not wait a period for each discarded reply. Method: another unit's, another length,
    another CRC for ever: four requests in each period of 200 ms; then one reply that is right; then silence: once."""
    line = Line(poll(period_ns=200 * MS))
    line.reply = lambda _: wrong
    line.run(9_990)
    assert len(line.requests) == 5 * 4
    line = Line(poll(period_ns=200 * MS))
    line.reply = lambda request: answer(request) if len(line.requests) % 2 == 0 else wrong
    line.run(9_990)
    assert (line.bench.poll(0)["answered"], len(line.requests)) == (5, 10)
    line = Line(poll(period_ns=200 * MS))
    line.reply = lambda _: b""
    line.run(9_990)
    assert len(line.requests) == 5


def test_a_read_that_came_early_and_met_a_busy_device_is_tried_soon() -> None:
    """Goal: an eighth of a period after the answer, long before its deadline. Method: unit 1 dies at 1 s, so unit 2,
    whose next read is due at 1.5 s, is read in its place, and is busy."""
    line = Line(poll(period_ns=1000 * MS), poll(unit=2, period_ns=1000 * MS, phase_ns=500 * MS))
    line.run(9_990)
    line.reply = lambda request: sealed(2, 0x83, 6) if request[0] == 2 else b""
    line.run(3_000)
    asked = [t for t, request in line.requests if request[0] == 2 and t >= 1000 * MS]
    assert asked[0] < 1100 * MS
    assert asked[1] - asked[0] == pytest.approx(125 * MS, abs=10 * MS)


def test_an_exception_is_an_answer() -> None:
    """Goal: known, counted, no quarantine. Method: exception 4, then the device recovers."""
    line = Line(poll())
    line.reply = lambda request: sealed(1, 0x83, 4)
    line.run(500)
    state = line.bench.poll(0)
    assert state["exception"] == 4
    assert state["errors"][EXCEPTION] == state["asked"] == state["misses"]
    assert state["answered"] == 0
    assert state["asked"] >= 4, "the period goes on without quarantine"
    line.reply = answer
    line.run(200)
    assert (line.bench.poll(0)["exception"], line.bench.poll(0)["misses"]) == (0, 0)


@pytest.mark.parametrize("code", [1, 4, 5])
def test_other_exceptions_wait_for_the_period(code: int) -> None:
    """Goal: only "busy" is asked again. Method: other codes are asked once a period."""
    line = Line(poll(period_ns=200 * MS))
    line.reply = lambda _: sealed(1, 0x83, code)
    line.run(9_990)
    assert len(line.requests) == 5


def test_a_busy_write_is_not_sent_again() -> None:
    """Goal: no blind retry of a write. Method: exception 6 to an order and to a setpoint that stands still."""
    line = Line(poll(kind=ORDER, function=6, address=300, count=1), setpoint(unit=2))
    line.reply = lambda request: sealed(request[0], 0x86, 6)
    line.limits = limits(orders=order(0, 1, 1))
    line.kw[0] = 5.0
    line.run(2_500)
    assert [request[0] for _, request in line.requests] == [2, 1], "the setpoint's refresh comes after 300 ms"


def test_the_nearest_deadline_is_read_first() -> None:
    """Goal: reads by deadline. Method: both due in one frame; the one with the short period goes first."""
    line = Line(poll(unit=2, period_ns=1000 * MS), poll(unit=3, period_ns=20 * MS))
    line.run(100)
    assert [request[0] for _, request in line.requests][:2] == [3, 2]


def test_reads_that_feed_a_watchdog_stop_with_the_lease() -> None:
    """Goal: BUS-13. Method: two reads, one marked; the lease ends after 100 ms, to the frame."""
    line = Line(poll(unit=2, period_ns=10 * MS), poll(unit=3, period_ns=10 * MS, lease_only=1))
    line.limits = limits(valid_until_ns=100 * MS)
    line.run(3000)
    assert max(t for t, request in line.requests if request[0] == 3) < 100 * MS
    assert max(t for t, request in line.requests if request[0] == 2) > 280 * MS


def test_a_dead_canary_is_no_reply() -> None:
    """Goal: a swapped block is seen (F17). Method: word 2 must hold 102; 103 is refused, with quarantine."""
    line = Line(poll(canary_word=2, canary_value=102, period_ns=1000 * MS))
    line.run(100)
    assert line.bench.poll(0)["answered"] == 1
    line = Line(poll(canary_word=2, canary_value=103, period_ns=1000 * MS))
    line.until_request()
    while not line.bench.poll(0)["errors"][CANARY]:
        line.step()
    assert (line.bench.poll(0)["answered"], line.bench.port(0)["state"]) == (0, QUARANTINE)
    assert line.bench.poll(0)["words"] == [0] * 4


@pytest.mark.parametrize(("delay_us", "floor_us"), [(0, 2048), (1000, 3072), (3000, 4096)])
def test_round_trips_are_counted(delay_us: int, floor_us: int) -> None:
    """Goal: the histogram of F80. Method: known delays; 8 + 13 characters are 2005 us."""
    line = Line(poll())
    line.delay_ns = delay_us * 1000
    line.run(5000)
    state = line.bench.poll(0)
    assert sum(state["trips"].values()) == state["answered"] > 40
    assert set(state["trips"]) == {floor_us}


@pytest.mark.parametrize(("baud", "late_us_mean"), [(9600, 65), (19200, 75), (115200, 145), (1_000_000, 105)])
def test_the_gap_begins_with_the_last_byte_not_with_the_frame(baud: int, late_us_mean: int) -> None:
    """Goal: the frame costs half a frame a gap, not one and a half. Method: bytes come one by one between the
    frames, as on the wire; the gap is never shorter than the rule, and longer by what is stated in the mean."""
    char_ns = round(11e9 / baud)
    gap_ns = round(3.5 * char_ns)
    line = Line(
        setpoint(gap_ns=gap_ns, timeout_ns=50 * MS, turnaround_ns=60 * MS),
        port={"char_ns": char_ns, "echo": 0},
    )
    line.reply = lambda _: b""
    starts, ends, queue = [], [], list[tuple[int, int]]()
    for n in range(20_000):
        line.kw[0] = float(n % 900 + 1)
        while queue and queue[0][0] <= line.t_ns:
            line.bench.feed(0, bytes([queue.pop(0)[1]]))
        request = line.step()
        if request:
            at = line.t_ns - FRAME_NS
            starts.append(at)
            begin = at + 8 * char_ns + 400_000 + 13_700 * (len(starts) % 23)
            queue = [(begin + (k + 1) * char_ns, byte) for k, byte in enumerate(answer(request))]
            ends.append(queue[-1][0])
    late = [b - a - gap_ns for a, b in zip(ends, starts[1:], strict=False)]
    assert len(late) > 60
    assert min(late) >= 0
    assert sum(late) / len(late) <= 1000 * late_us_mean
    assert line.bench.poll(0)["errors"] == [0] * 12


@pytest.mark.parametrize(
    "rows",
    [
        [{"period_ns": 50 * MS}],
        [{"period_ns": 50 * MS, "early_ns": 12 * MS, "yield_ns": 6 * MS}],
        [
            {"period_ns": 50 * MS, "yield_ns": 6 * MS},
            {"period_ns": 400 * MS, "yield_ns": 30 * MS, "address": 7},
        ],
        [
            {"period_ns": 250 * MS, "yield_ns": 30 * MS, "phase_ns": 30 * k * MS, "address": k}
            for k in range(6)
        ],
    ],
)
@pytest.mark.parametrize("far_counts", [0, 1000])
def test_whether_a_read_follows_a_setpoint_is_known_before_it_leaves(
    rows: list[dict[str, int]], far_counts: int
) -> None:
    """Goal: such a setpoint holds for longer, and no other does. Method: a setpoint in every exchange, far or near, a
    read each 50 ms; what was told when a setpoint left, and what left next. A read that is due as an exchange ends may
    be missed."""
    line = Line(setpoint(far_counts=far_counts), *[poll(**row) for row in rows])
    told: list[tuple[bool, bool]] = []
    for n in range(20_000):
        line.kw[0] = float(n % 900 + 1)
        soon = line.bench.reads_by(line.t_ns + 2_400_000, line.limits, line.kw)
        request = line.step()
        if request and told and request[1] == 3:
            told[-1] = (told[-1][0], True)
        if request and request[1] == 6:
            told.append((soon, False))
    after = told[20:-1]
    assert sum(read for _, read in after) >= 35
    assert sum(soon != read for soon, read in after) <= 4


def test_a_read_that_gives_way_to_an_edge_is_none_to_come() -> None:
    """Goal: an edge after noise is not led for a read. Method: one that is due, beside what moves by 100
    counts, as noise does, or more; when its 30 ms are over it goes either way."""
    line = Line(setpoint(far_counts=100), poll(period_ns=250 * MS, phase_ns=20 * MS, yield_ns=30 * MS))
    line.run(199)
    for t_ms, kw, follows in ((21, 100.0, True), (21, 101.0, False), (49, -101.0, False), (50, 101.0, True)):
        assert line.bench.reads_by(t_ms * MS, line.limits, [kw]) == follows
    assert not line.bench.reads_by(19 * MS, line.limits, [0.0])


def test_no_wire_with_setpoints_waits_for_no_read() -> None:
    """Nobody is told anything: no command holds for longer."""
    line = Line(poll(period_ns=MS))
    line.run(100)
    assert not line.bench.reads_by(line.t_ns + 10**9, line.limits)


def test_what_is_due_to_a_mute_unit_is_no_read_to_come() -> None:
    """Goal: as long as it rests no setpoint holds for it. Method: unit 2 dies; between two tries a second apart."""
    line = Line(setpoint(), poll(unit=2, period_ns=10 * MS))
    line.run(1000)
    assert line.bench.reads_by(line.t_ns + 11 * MS, line.limits)
    mute(2, line)
    line.run(60_000)
    due = [
        line.bench.reads_by(line.t_ns + 3 * MS, line.limits) for _ in range(20_000) if not line.step() or True
    ]
    assert sum(due) < 0.1 * len(due)


def test_the_reads_of_a_unit_that_answers_an_order_need_not_rest() -> None:
    """Goal: a sign of life ends the rest. Method: mute for 6 s, so that it is tried once a second; an order is answered
    in the middle of that: its read is back in 50 ms."""
    rows = {"turnaround_ns": 20 * MS}
    line = Line(poll(period_ns=10 * MS, **rows), poll(kind=ORDER, function=6, address=300, count=1, **rows),
                poll(unit=2, period_ns=10 * MS, **rows))  # fmt: skip
    mute(1, line)
    line.run(60_000)
    while line.step()[:1] != b"\x01":
        pass
    line.run(3_000)
    line.reply = answer
    before = line.bench.poll(0)["answered"]
    line.limits = limits(orders=order(1, 1, 5))
    line.run(500)
    assert line.bench.poll(1)["answered"] == 1
    assert line.bench.poll(0)["answered"] > before

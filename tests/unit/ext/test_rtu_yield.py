"""Reads beside setpoints: they come early by chance, and let setpoints go first for a while, but each only once."""

from __future__ import annotations

import itertools
import random
import statistics

import pytest

from tests.unit.ext.bus import MS, Line, answer, poll, setpoint


def test_reads_keep_their_phases() -> None:
    """Goal: neither lateness nor what comes early adds up. Method: four reads of 40 ms, 10 ms apart, beside a busy
    setpoint: each 10 ms early at most, and late by 5 ms that it lets setpoints go first, three reads and four of
    those."""
    line = Line(
        *[
            poll(
                unit=2,
                address=100 * k,
                period_ns=40 * MS,
                phase_ns=10 * k * MS,
                early_ns=10 * MS,
                yield_ns=5 * MS,
            )
            for k in range(4)
        ],
        setpoint(),
    )
    for n in range(50_000):
        line.kw[0] = float(n % 900)
        line.step()
    late_ns = []
    for k in range(4):
        times = [
            t
            for t, request in line.requests
            if request[1] == 3 and request[2:4] == (100 * k).to_bytes(2, "big")
        ]
        assert len(times) == pytest.approx(125, abs=1)
        late_ns += [t - (10 * k + 40 * n) * MS for n, t in enumerate(times)]
    assert min(late_ns) >= -10 * MS and max(late_ns) <= 25 * MS
    assert statistics.pstdev(late_ns) > 2 * MS, "they are scattered"


@pytest.mark.parametrize("early_ms", [0, 60])
def test_a_read_may_be_scattered(early_ms: int) -> None:
    """Goal: a load that steps with the reads' own period meets not one at every edge. Method: a free wire for 100 s;
    else a read keeps its phase to the frame, but for the refresh of the setpoint."""
    line = Line(setpoint(unit=9), poll(unit=2, period_ns=250 * MS, early_ns=early_ms * MS))
    line.run(1_000_000)
    times = [t for t, request in line.requests if request[0] == 2]
    seen_ms = [250 * n - t / MS for n, t in enumerate(times)]
    assert len(times) == pytest.approx(400, abs=1)
    assert max(seen_ms) - min(seen_ms) == pytest.approx(early_ms, abs=4.0)


@pytest.mark.parametrize(("period_ms", "waits_ms"), [(250, 30.0), (80, 10.0)])
def test_a_read_lets_setpoints_go_first_for_a_while(period_ms: int, waits_ms: float) -> None:
    """Goal: an edge is answered before a status is read. Method: a setpoint new in every frame from before the read is
    due on: it goes so long after that, and one exchange; on a free wire at once."""
    row = poll(unit=2, period_ns=period_ms * MS, phase_ns=20 * MS, yield_ns=round(waits_ms * MS))
    line = Line(setpoint(), row)
    for n in range(2000):
        line.kw[0] = float(n % 900)
        line.step()
    first_ns = next(t for t, request in line.requests if request[0] == 2)
    assert waits_ms <= first_ns / MS - 20.0 <= waits_ms + 5.0
    free = Line(setpoint(), row)
    free.run(2000)
    assert next(t for t, request in free.requests if request[0] == 2) <= 20 * MS + 100_000


@pytest.mark.parametrize(
    ("counts_per_kw", "moves_kw", "waits"),
    [(10, 2.0, False), (10, 2.1, True), (-1, 20.0, False), (-1, 21.0, True)],
)
def test_noise_is_no_edge(counts_per_kw: float, moves_kw: float, waits: bool) -> None:
    """Goal: what a load's noise asks for does not use up the time that a read gives to an edge. Method: a setpoint that
    moves to and fro with every exchange, by 20 counts or more, 20 are noise, beside a read that is due: that goes after
    the exchange under way, or waits its 30 ms."""
    line = Line(
        setpoint(counts_per_kw=counts_per_kw, far_counts=20),
        poll(unit=2, period_ns=250 * MS, phase_ns=20 * MS, yield_ns=30 * MS),
    )
    written = 0
    for _ in range(2000):
        line.kw[0] = 100.0 + moves_kw * (written % 2)
        line.step()
        written = sum(request[1] != 3 for _, request in line.requests)
    first_ns = next(t for t, request in line.requests if request[0] == 2)
    assert (first_ns / MS - 20.0 >= 30.0) == waits
    assert waits or first_ns / MS - 20.0 <= 5.0


@pytest.mark.parametrize(("permit", "lost", "first"), [(3, False, 3), (0, False, 6), (3, True, 6)])
def test_what_is_withdrawn_or_lost_is_no_noise(permit: int, lost: bool, first: int) -> None:
    """Goal: a zero for want of a permit goes before a read, near as it is, and so does what nobody confirmed. Method:
    a read falls due while 17 kW are told, and then 5 kW are wanted, or nothing is allowed, or that reply is lost."""
    line = Line(setpoint(far_counts=20), poll(unit=1, period_ns=250 * MS, phase_ns=20 * MS, yield_ns=60 * MS))
    line.run(195)
    line.kw[0] = 17.0
    if lost:
        line.reply = lambda request: b""
    line.step()
    sent = len(line.requests)
    assert line.requests[-1][1][1] == 6
    line.kw[0], line.reply, line.limits = 5.0, answer, line.limits | {"permit": permit}
    line.run(400)
    assert [request[1] for _, request in line.requests[sent : sent + 2]] == [first, 9 - first]


@pytest.mark.parametrize("busy", [0, 1])
def test_an_edge_of_any_converter_of_the_port_goes_first(busy: int) -> None:
    """Goal: noise of a neighbour does not let a read in before an edge. Method: two converters, one of which moves far
    with every exchange, beside a read that is due: it waits its 30 ms, whichever of them waits longer."""
    line = Line(
        setpoint(unit=1, pcs=0, far_counts=20),
        setpoint(unit=2, pcs=1, far_counts=20),
        poll(unit=3, period_ns=250 * MS, phase_ns=20 * MS, yield_ns=30 * MS),
    )
    for n in range(2000):
        line.kw[busy], line.kw[1 - busy] = float(100 * n % 900), float(n % 2)
        line.step()
    first_ns = next(t for t, request in line.requests if request[0] == 3)
    assert 30.0 <= first_ns / MS - 20.0 <= 36.0


@pytest.mark.parametrize("fast", [1, 8])
def test_what_gives_way_waits_once(fast: int) -> None:
    """Goal: reads do not take turns in giving way. Method: fast reads of 250 ms, one after the other, beside a slow one
    of 2 s and a setpoint that is always new: the slow one is never later than 30 ms, and one of each."""
    rows = [poll(unit=2, address=100 * k, period_ns=250 * MS, phase_ns=30 * k * MS, yield_ns=30 * MS)
            for k in range(fast)]  # fmt: skip
    line = Line(setpoint(), *rows, poll(unit=3, period_ns=2000 * MS, phase_ns=100 * MS, yield_ns=30 * MS))
    for n in range(100_000):
        line.kw[0] = float(n % 900)
        line.step()
    times = [t for t, request in line.requests if request[0] == 3]
    late_ms = [t / MS - 100 - 2000 * n for n, t in enumerate(times)]
    assert len(times) == 5 and min(late_ms) >= 0 and max(late_ms) <= 30 + 6 * (fast + 1)


def test_a_late_read_is_not_sent_again_at_once() -> None:
    """Goal: what comes early is early for its own turn. Method: a neighbour's silences make a read of 250 ms late by up
    to 245; twice within 20 ms it is sent once in four minutes, where that one's error lets it go first."""
    line = Line(setpoint(), poll(unit=2, period_ns=250 * MS, early_ns=60 * MS),
                poll(unit=3, period_ns=260 * MS, turnaround_ns=245 * MS))  # fmt: skip
    chance = random.Random(1)
    line.reply = lambda request: answer(request) if request[0] != 3 or chance.random() > 0.3 else b""
    line.run(600_000)
    times = [t for t, request in line.requests if request[0] == 2]
    assert len(times) > 200
    assert sum(b - a < 20 * MS for a, b in itertools.pairwise(times)) <= 1


def reads_ms(*edge_ms: float, seconds: float = 1.0, **read: int) -> list[float]:
    """When a read of 250 ms goes, 3.4 ms a time; of an edge that is expected from one time to the other."""
    row = {"period_ns": 250 * MS, "phase_ns": 100 * MS, "early_ns": 60 * MS, "yield_ns": 30 * MS} | read
    line = Line(poll(unit=2, **row), setpoint())
    line.bench.expect(*[round(at * MS) for at in edge_ms])
    line.run(round(10_000 * seconds))
    return [t / MS for t, request in line.requests if request[1] == 3]


@pytest.mark.parametrize(
    ("from_ms", "until_ms", "first_ms"), [(90, 120, 120), (90, 129, 129), (90, 131, 130)]
)
def test_a_read_waits_while_an_edge_is_expected(from_ms: float, until_ms: float, first_ms: float) -> None:
    """Goal: an edge that is foreseen meets no read. Method: one that is due in 100 ms, too early for it to come before:
    it waits as long as that lasts, and 30 ms at most; what comes after it keeps its grid."""
    found = reads_ms(from_ms, until_ms, early_ns=0)
    assert found[0] == pytest.approx(first_ms, abs=0.3)
    assert found[1] == pytest.approx(350.0, abs=0.3)


@pytest.mark.parametrize(
    ("from_ms", "until_ms", "index", "goes_ms"),
    [
        (95, 102, 0, 40),
        (60, 102, 0, 40),
        (39, 102, 0, 102),
        (297, 352, 1, 290),
        (292, 352, 1, 352),
        (297, 330, 1, 336),
    ],
)
def test_a_read_goes_before_an_edge_that_is_expected(
    from_ms: float, until_ms: float, index: int, goes_ms: float
) -> None:
    """Goal: the same. Method: reads of 100 and 350 ms, the second early by chance in 336, that may be 60 ms early: they
    are where there is time for one, 2.5 ms as seen of the first, and would else fall into that. None goes twice."""
    found = reads_ms(from_ms, until_ms, seconds=1.6)
    assert found[index] == pytest.approx(goes_ms, abs=0.4)
    for n, at_ms in enumerate(found):
        assert -60.3 <= at_ms - (100.0 + 250.0 * n) <= 5.0
    assert len(found) in (6, 7)


def test_edges_that_are_expected_at_every_read_cost_no_read() -> None:
    """Goal: values stay as young as is promised. Method: an edge is expected for 80 ms in every 90, beside setpoints
    that are always new: each read is within 60 ms before its time and 30, and an exchange of each, after it."""
    line = Line(poll(unit=2, period_ns=250 * MS, early_ns=60 * MS, yield_ns=30 * MS), setpoint())
    for n in range(50_000):
        line.bench.expect((n // 900 * 90 + 5) * MS, (n // 900 * 90 + 85) * MS)
        line.kw[0] = float(n % 900)
        line.step()
    times = [t for t, request in line.requests if request[1] == 3]
    late_ms = [t / MS - 250 * n for n, t in enumerate(times)]
    assert len(times) == pytest.approx(20, abs=1) and min(late_ms) >= -60.0 and max(late_ms) <= 37.0

"""The master against wrong, late and torn replies: none of them may ever become a value."""

from __future__ import annotations

import itertools
import os
import random
import tty
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import few
from tests.unit.ext.bus import (
    CHAR_NS,
    CRC,
    EXCEPTION,
    FRAME_NS,
    GAP,
    IDLE,
    IO,
    MS,
    QUARANTINE,
    TIMEOUT,
    UNSOLICITED,
    WRONG_ECHO,
    WRONG_FUNCTION,
    WRONG_LENGTH,
    WRONG_UNIT,
    Line,
    answer,
    poll,
    sealed,
    setpoint,
)

READ4 = bytes.fromhex("01030064000405d6")
RIGHT = answer(READ4)


def verdict(reply: bytes, request: str = "read") -> tuple[int | None, bool, int]:
    """(error, accepted, state right after) of one reply to a read of four words or to a setpoint of 500."""
    line = Line(poll(period_ns=1000 * MS) if request == "read" else setpoint(refresh_ns=1000 * MS))
    line.kw[0] = 500.0
    line.reply = lambda _: reply
    line.until_request()
    for _ in range(200):
        line.step()
        state = line.bench.poll(0)
        if state["answered"] or any(state["errors"][:UNSOLICITED]):
            break
    errors = [kind for kind, count in enumerate(state["errors"][:UNSOLICITED]) if count]
    return (errors[0] if errors else None), bool(state["answered"]), line.bench.port(0)["state"]


def test_the_right_reply_is_accepted() -> None:
    """Goal: the measure for all tests below. Method: the right bytes, for a read and for a write."""
    assert verdict(RIGHT) == (None, True, GAP)
    assert verdict(sealed(1, 6, 0, 200, 1, 244), "write") == (None, True, GAP)


@pytest.mark.parametrize("request_kind", ["read", "write"])
def test_no_flipped_bit_is_accepted(request_kind: str) -> None:
    """Goal: strictness. Method: every single bit of a right reply, one at a time; then quarantine."""
    right = RIGHT if request_kind == "read" else sealed(1, 6, 0, 200, 1, 244)
    kinds: Counter[int | None] = Counter()
    for bit in range(8 * len(right)):
        reply = bytearray(right)
        reply[bit // 8] ^= 1 << bit % 8
        error, accepted, state = verdict(bytes(reply), request_kind)
        assert not accepted
        assert state == QUARANTINE
        kinds[error] += 1
    assert kinds == {CRC: 8 * len(right) - 1, WRONG_LENGTH: 1}, "the one: function | 0x80 makes it too long"


@pytest.mark.parametrize("size", range(len(RIGHT)))
def test_no_cut_reply_is_accepted(size: int) -> None:
    """Goal: exact length. Method: every prefix; none at all is a timeout."""
    error, accepted, state = verdict(RIGHT[:size])
    assert (error, accepted, state) == (WRONG_LENGTH if size else TIMEOUT, False, QUARANTINE)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (RIGHT + RIGHT, WRONG_LENGTH), (RIGHT + b"\0", WRONG_LENGTH), (b"\0" + RIGHT, WRONG_LENGTH),
        (sealed(2, *RIGHT[1:-2]), WRONG_UNIT), (sealed(1, 4, *RIGHT[2:-2]), WRONG_FUNCTION),
        (sealed(1, 3, 6, *RIGHT[3:-2]), WRONG_LENGTH), (answer(READ4, [1, 2, 3]), WRONG_LENGTH),
        (answer(READ4, [1, 2, 3, 4, 5]), WRONG_LENGTH), (sealed(2, 3, 2, 0, 1), WRONG_UNIT),
        (sealed(1, 6, 0, 100, 0, 4), WRONG_FUNCTION), (bytes(13), CRC), (b"\xff" * 30, WRONG_LENGTH),
        (sealed(1, 0x84, 2), WRONG_FUNCTION), (sealed(2, 0x83, 2), WRONG_UNIT),
        (sealed(1, 0x83, 2, 0), WRONG_LENGTH),
        (sealed(1, 0x83, 2)[:-1] + b"\0", CRC),
    ],
    ids=lambda x: x.hex()[:20] if isinstance(x, bytes) else str(x),
)  # fmt: skip
def test_wrong_replies_to_a_read(reply: bytes, error: int) -> None:
    """Goal: distinct codes (BUS-08). Method: doubled, padded, alien, misshapen; all end in quarantine."""
    assert verdict(reply) == (error, False, QUARANTINE)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (sealed(1, 6, 0, 200, 1, 245), WRONG_ECHO), (sealed(1, 6, 0, 201, 1, 244), WRONG_ECHO),
        (sealed(3, 6, 0, 200, 1, 244), WRONG_UNIT), (sealed(1, 16, 0, 200, 1, 244), WRONG_FUNCTION),
    ],
    ids=["value", "address", "unit", "function"],
)  # fmt: skip
def test_wrong_replies_to_a_write(reply: bytes, error: int) -> None:
    """Goal: the echo of another write is no success. Method: value, address, unit, function."""
    assert verdict(reply, "write") == (error, False, QUARANTINE)


@pytest.mark.parametrize("code", [1, 2, 4, 6, 255])
def test_exceptions(code: int) -> None:
    """Goal: 5 bytes and the known function | 0x80 are an answer. Method: codes; the port goes on at once."""
    assert verdict(sealed(1, 0x83, code)) == (EXCEPTION, False, GAP)
    assert verdict(sealed(1, 0x86, code), "write") == (EXCEPTION, False, GAP)


@given(cuts=st.lists(st.integers(1, 12), max_size=4))
@settings(max_examples=few(30), deadline=None)
def test_a_reply_in_pieces_is_one_reply(cuts: list[int]) -> None:
    """Goal: adapters deliver in bursts. Method: the right reply cut anywhere, a frame between the pieces."""
    line = Line(poll(period_ns=1000 * MS))
    line.reply = lambda _: b""
    line.until_request()
    line.run(10)
    edges = [0, *sorted(set(cuts)), len(RIGHT)]
    for start, end in itertools.pairwise(edges):
        line.bench.feed(0, RIGHT[start:end])
        line.step()
    line.run(5)
    assert line.bench.poll(0)["answered"] == 1


def test_a_late_reply_is_drained_and_never_taken_for_the_next() -> None:
    """Goal: the stale-reply finding. Method: two blocks of one shape and one unit; A answers 12 ms late,
    after its timeout of 5 ms; B must read its own words, and the late bytes are counted."""
    line = Line(poll(address=100, period_ns=1000 * MS), poll(address=500, period_ns=1000 * MS))
    line.delay_ns = 12 * MS
    line.until_request()
    line.delay_ns = 400_000
    line.run(1000)
    late, other = line.bench.poll(0), line.bench.poll(1)
    assert late["errors"][TIMEOUT] == 1
    assert late["errors"][UNSOLICITED] == len(RIGHT)
    assert late["answered"] == 0
    assert other["words"] == [500, 501, 502, 503]
    assert line.requests[1][0] - line.requests[0][0] >= 20 * MS, "silent until the latest possible answer"


@pytest.mark.parametrize("seed", range(4))
def test_random_delays_give_no_stale_value(seed: int) -> None:
    """Goal: 0 stale values accepted. Method: 4 blocks of one shape on two units, delays of 0 to 19 ms around
    a timeout of 5 ms, 20 s; the words of every accepted reply name their own address."""
    rng = random.Random(seed)
    blocks = [(1, 100), (1, 200), (2, 100), (2, 300)]
    line = Line(*[poll(unit=u, address=a, period_ns=7 * MS) for u, a in blocks])

    def serve(request: bytes) -> bytes:
        line.delay_ns = int(rng.choice([0.3, 1, 3, 4.9, 5.1, 8, 12, 16]) * MS)
        address = int.from_bytes(request[2:4], "big")
        return answer(request, [(address + 1000 * request[0] + i) & 0xFFFF for i in range(4)])

    line.reply = serve
    for n in range(200_000):
        line.step()
        if n % 50 == 0:
            for i, (unit, address) in enumerate(blocks):
                words = line.bench.poll(i)["words"]
                assert words in ([0] * 4, [address + 1000 * unit + k for k in range(4)])
    done = [line.bench.poll(i) for i in range(4)]
    assert sum(state["answered"] for state in done) > 300
    assert sum(state["errors"][TIMEOUT] for state in done) > 100
    assert all(sum(state["errors"][k] for k in (CRC, WRONG_UNIT, WRONG_LENGTH)) == 0 for state in done)


def test_babble_is_counted_and_not_read() -> None:
    """Goal: F84 and F30 seen. Method: 50 bytes on an idle line; then they stop and the port works again."""
    line = Line(poll(period_ns=1000 * MS))
    line.run(100)
    for _ in range(50):
        line.bench.feed(0, b"\x55")
        line.step()
    line.step()
    assert line.bench.port(0)["unsolicited"] == 50
    assert line.bench.port(0)["state"] == IDLE
    line.run(10_000)
    assert line.bench.poll(0)["answered"] == 2
    assert sum(line.bench.poll(0)["errors"]) == 0


def test_babble_after_an_error_is_more_than_a_late_reply() -> None:
    """Goal: F84 is seen where every exchange fails. Method: silence, then bytes in quarantine: as many as a
    reply has count as late, one more as babble."""
    line = Line(poll(period_ns=1000 * MS))
    line.reply = lambda _: b""
    while line.bench.port(0)["state"] != QUARANTINE:
        line.step()
    for _ in range(len(RIGHT)):
        line.bench.feed(0, b"\x55")
        line.step()
    assert (line.bench.port(0)["unsolicited"], line.bench.poll(0)["errors"][UNSOLICITED]) == (0, len(RIGHT))
    line.bench.feed(0, b"\x55")
    line.step()
    line.step()
    assert (line.bench.port(0)["unsolicited"], line.bench.poll(0)["errors"][UNSOLICITED]) == (1, len(RIGHT))


def test_no_request_talks_into_babble() -> None:
    """Goal: the gap counts from the last byte heard, whoever sent it. Method: babble while a read is due."""
    line = Line(poll(period_ns=10 * MS))
    line.run(50)
    asked = len(line.requests)
    for _ in range(500):
        line.bench.feed(0, b"\x55")
        line.step()
    assert len(line.requests) == asked
    line.run(20)
    assert len(line.requests) == asked + 1


def test_a_reply_that_was_there_before_the_request_is_none() -> None:
    """Goal: what came before cannot answer. Method: the right bytes between the frame's read and its write;
    and in the frame before, where the line is then not silent."""
    line = Line(poll(period_ns=1000 * MS))
    line.reply = lambda _: b""
    line.run(4)
    line.bench.step(line.t_ns, line.limits, line.kw, RIGHT)
    assert line.bench.take(0) == b"", (
        "the first request would leave after 334 us of silence: in the fifth frame"
    )
    line.t_ns += FRAME_NS
    assert line.step() == READ4
    line.run(100)
    assert line.bench.port(0)["unsolicited"] == len(RIGHT)
    assert line.bench.poll(0)["answered"] == 0
    line = Line(poll(period_ns=1000 * MS))
    line.run(4)
    line.bench.feed(0, RIGHT)
    assert line.step() == b"", "not into a line that is busy"


@given(noise=st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=40)), max_size=60))
@settings(max_examples=few(80), deadline=None)
def test_any_bytes_at_any_time_end_in_service(noise: list[tuple[int, bytes]]) -> None:
    """Goal: no state without an end. Method: random bytes at random frames, then silence: the port
    answers."""
    line = Line(poll(period_ns=10 * MS), setpoint())
    line.kw[0] = 100.0
    for frames, data in noise:
        line.run(frames)
        line.bench.feed(0, data)
    line.pending.clear()
    line.run(600)
    before = line.bench.poll(0)["answered"]
    line.run(600)
    assert line.bench.poll(0)["answered"] > before
    assert line.bench.poll(0)["words"] == [100, 101, 102, 103]
    assert line.bench.poll(1)["misses"] == 0


def test_the_tty_is_pulled_in_the_middle_of_an_exchange() -> None:
    """Goal: BUS-14. Method: a real pseudo-terminal closes while a reply is out; a new one is offered: first
    quarantine, then service."""
    line = Line(poll(period_ns=10 * MS))
    line.bench.unwire(0)
    ends = []
    for _ in range(2):
        far, near = _terminal()
        line.bench.offer(0, near)
        offered_ns = line.t_ns
        while not (request := _available(far)):
            line.step()
            assert line.t_ns < offered_ns + 100 * MS
        assert line.t_ns - offered_ns >= 20 * MS
        ends.append((far, near))
        if len(ends) == 1:
            os.close(far)
            line.run(500)
            assert line.bench.poll(0)["errors"][TIMEOUT] + line.bench.poll(0)["errors"][IO] >= 1
            assert line.bench.port(0)["lost"] == 1
    os.write(ends[1][0], answer(request))
    line.run(5)
    assert line.bench.poll(0)["answered"] == 1
    assert line.bench.port(0)["epoch"] == 2
    for fd in (ends[0][1], *ends[1]):
        os.close(fd)


def test_behind_a_new_tty_every_read_is_due() -> None:
    """Goal: who is behind it is asked at once. Method: a read of 10 s, and another tty while the line rests."""
    line, ends = Line(poll(period_ns=10_000 * MS)), [_terminal(), _terminal()]
    line.bench.unwire(0)
    for far, near in ends:
        line.bench.offer(0, near)
        line.run(210)
        os.write(far, answer(_available(far)))
        line.run(500)
    assert line.bench.poll(0)["answered"] == 2
    for fd in itertools.chain(*ends):
        os.close(fd)


def _terminal() -> tuple[int, int]:
    """A raw pseudo-terminal that never blocks: far and near end."""
    ends = os.openpty()
    for fd in ends:
        tty.setraw(fd)
        os.set_blocking(fd, False)
    return ends


def _available(fd: int) -> bytes:
    """What the far side has received."""
    try:
        return os.read(fd, 99)
    except BlockingIOError:
        return b""


def test_a_frame_ends_with_silence() -> None:
    """Goal: a longer frame does not pass for a right one. Method: one more byte within a character time."""
    line = Line(poll(period_ns=1000 * MS))
    line.reply = lambda _: b""
    line.until_request()
    line.run(10)
    line.bench.feed(0, RIGHT)
    line.step()
    line.bench.feed(0, b"\0")
    line.run(5)
    assert line.bench.poll(0)["answered"] == 0
    assert line.bench.poll(0)["errors"][WRONG_LENGTH] == 1
    assert 2 * FRAME_NS >= 1.5 * CHAR_NS, "the silence fits two frames"

"""The port on a real pseudo-terminal: never waiting, never losing a byte, honest about a lost adapter."""

from __future__ import annotations

import os
import tty
from collections.abc import Iterator

import pytest

from tools.bench.stages import PortBench

BYTE_MAX = 260


class Pair:
    """A pseudo-terminal: our side as the supervisor opens it, the far side as the device has it."""

    def __init__(self) -> None:
        self.far, self.near = os.openpty()
        for fd in (self.far, self.near):
            tty.setraw(fd)
            os.set_blocking(fd, False)

    def close(self) -> None:
        """Both sides, whatever is still open."""
        for fd in (self.far, self.near):
            try:
                os.close(fd)
            except OSError:
                continue


@pytest.fixture
def pair() -> Iterator[Pair]:
    """One open pseudo-terminal."""
    made = Pair()
    yield made
    made.close()


def taken(pair: Pair, echo: int = 0) -> PortBench:
    """A port that has taken over the near side."""
    bench = PortBench({"char_ns": 95_486, "echo": echo})
    bench.offer(pair.near)
    bench.step(0)
    assert bench.state()["fd"] == pair.near
    return bench


def test_bytes_go_both_ways(pair: Pair) -> None:
    """Goal: one frame out, one frame in. Method: a request and an answer, each seen in the same step."""
    bench = taken(pair)
    bench.send(b"\x01\x03\x00\x00")
    bench.step(100)
    assert os.read(pair.far, 99) == b"\x01\x03\x00\x00"
    os.write(pair.far, b"answer")
    bench.step(200)
    assert bench.received() == b"answer"
    state = bench.state()
    assert (state["bytes_out"], state["bytes_in"], state["t_rx_ns"]) == (4, 6, 200)


def test_nothing_yet_is_no_error(pair: Pair) -> None:
    """Goal: an empty tty is no lost tty (BUS-01). Method: with VMIN 0 a read gives 0, with VMIN 1 EAGAIN."""
    bench = taken(pair)
    for vmin in (0, 1):
        mode = tty.tcgetattr(pair.near)
        mode[6][tty.VMIN] = vmin
        tty.tcsetattr(pair.near, tty.TCSANOW, mode)
        for t_ns in range(100):
            bench.step(t_ns)
    state = bench.state()
    assert (state["lost"], state["io_errors"], state["bytes_in"]) == (0, 0, 0)


def test_a_short_write_keeps_the_rest(pair: Pair) -> None:
    """Goal: no byte lost, none twice. Method: nobody reads until the tty is full; then all comes in order."""
    bench = taken(pair)
    sent = b""
    for n in range(2000):
        data = bytes((n + k) & 0xFF for k in range(200))
        bench.send(data)
        bench.step(n)
        sent += data
        if bench.state()["tx_done"] < 200:
            break
    else:
        raise AssertionError("the tty never filled")
    assert bench.state()["lost"] == 0
    got = b""
    for n in range(10_000):
        try:
            got += os.read(pair.far, 4096)
        except BlockingIOError:
            if bench.state()["tx_done"] == 200:
                break
        bench.step(n)
    assert got == sent


def test_a_step_reads_no_more_than_it_can_hold(pair: Pair) -> None:
    """Goal: babble cannot overrun the buffer. Method: 600 bytes arrive and nobody takes them."""
    bench = taken(pair)
    os.write(pair.far, bytes(600))
    for t_ns in range(5):
        bench.step(t_ns)
    assert len(bench.received()) == BYTE_MAX
    bench.step(6)
    assert len(bench.received()) == BYTE_MAX
    bench.step(7)
    assert len(bench.received()) == 600 - 2 * BYTE_MAX


def test_the_adapter_is_pulled_and_comes_back(pair: Pair) -> None:
    """Goal: F79 seen, and healed only by a new tty. Method: close the far side, send, offer another pair."""
    bench = taken(pair)
    os.close(pair.far)
    bench.send(b"request")
    for t_ns in range(3):
        bench.step(t_ns)
    state = bench.state()
    assert (state["lost"], state["io_errors"], state["epoch"]) == (1, 1, 1)
    bench.offer(-2)
    bench.step(4)
    assert (bench.state()["fd"], bench.state()["lost"]) == (-1, 1), "still lost while closed"
    again = Pair()
    bench.offer(again.near)
    bench.step(5)
    state = bench.state()
    assert (state["lost"], state["epoch"], state["tx_count"]) == (0, 2, 0), "the old request is gone"
    os.write(again.far, b"x")
    bench.step(6)
    assert bench.received() == b"x"
    again.close()


def test_the_frame_opens_and_closes_nothing(pair: Pair) -> None:
    """Goal: the supervisor owns the files. Method: let go; the descriptor must still be open and usable."""
    bench = taken(pair)
    bench.offer(-2)
    bench.step(1)
    assert bench.state()["fd"] == -1
    assert os.write(pair.near, b"still here") == 10


def test_nothing_moves_without_a_tty() -> None:
    """Goal: a port that was never offered a tty is quiet. Method: step with a request in tx."""
    bench = PortBench({"char_ns": 95_486, "echo": 0})
    bench.send(b"request")
    bench.step(0)
    state = bench.state()
    assert (state["tx_done"], state["lost"], state["io_errors"]) == (0, 0, 0)


def test_a_closed_descriptor_is_a_lost_port(pair: Pair) -> None:
    """Goal: no error is taken for silence. Method: an offered number that is no open file."""
    bench = PortBench({"char_ns": 95_486, "echo": 0})
    os.close(pair.near)
    bench.offer(pair.near)
    bench.step(0)
    assert bench.state()["lost"] == 1


@pytest.mark.parametrize("pieces", [[11], [3, 8], [8, 3], [1] * 11])
def test_an_echoing_adapter(pair: Pair, pieces: list[int]) -> None:
    """Goal: our own 8 bytes never look like a reply. Method: echo plus 3 bytes of answer, cut anywhere."""
    bench = taken(pair, echo=1)
    for turn in range(3):
        request = bytes(range(turn, turn + 8))
        bench.send(request)
        bench.step(1)
        stream = os.read(pair.far, 99) + b"abc"
        got = b""
        for size in pieces:
            os.write(pair.far, stream[:size])
            stream = stream[size:]
            bench.step(2)
            got += bench.received()
        assert got == b"abc"

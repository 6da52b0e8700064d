"""Modbus TCP devices: a real pymodbus server and one that lies, on real sockets; no lie is taken."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from controller.config.loader import BOARDS
from controller.devices.check import check_site
from controller.devices.roster import Roster
from controller.devices.table import TcpRead
from controller.devices.tcp import BACK_OFF_S_MIN, TcpDevices, judge
from controller.image import FastImage, Instant, PollState

pytestmark = pytest.mark.process

HOST = "127.0.0.1"
GOOD = bytes.fromhex("0007 0000 0007 0B 03 04 0102 0304")  # transaction 7, unit 11, registers 0x0102, 0x0304
READ = TcpRead("genset-2", HOST, 0, 11, 3, 100, 2, 0.02, 0.2, 0.4)
Answer = Callable[[bytes], list[tuple[float, bytes]]]  # request -> [(delay in s, bytes)]


def read_at(port: int, **changes: float) -> TcpRead:
    """The read of this file at a port."""
    return replace(READ, tcp_port=port, **changes)


def right(request: bytes) -> bytes:
    """The reply a device owes: registers hold their own address."""
    address, count = int.from_bytes(request[8:10], "big"), int.from_bytes(request[10:12], "big")
    words = b"".join((address + i).to_bytes(2, "big") for i in range(count))
    body = bytes((request[6], request[7], 2 * count)) + words
    return request[:4] + len(body).to_bytes(2, "big") + body


@contextmanager
def liar(answer: Answer, met: list[float] | None = None) -> Iterator[int]:
    """A server that answers each request as told; yields its port. met: when each connection came."""
    ready, stop = threading.Event(), threading.Event()
    place: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if met is not None:
            met.append(time.monotonic())
        while request := await reader.read(12):
            for delay_s, reply in answer(request):
                await asyncio.sleep(delay_s)
                writer.write(reply)
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(talk, HOST, 0)
        place.append(server.sockets[0].getsockname()[1])
        ready.set()
        while not stop.is_set():
            await asyncio.sleep(0.01)
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield place[0]
    finally:
        stop.set()
        thread.join(5)


@contextmanager
def polled(*reads: TcpRead) -> Iterator[Callable[[], tuple[PollState, ...]]]:
    """The devices being read; yields what is known of them now."""
    devices = TcpDevices(reads)
    devices.start()
    try:
        yield lambda: devices.joined(FastImage()).polls
    finally:
        devices.stop()


def until(
    polls: Callable[[], tuple[PollState, ...]], said: Callable[[PollState], bool], seconds: float = 5.0
) -> PollState:
    """The first poll once it says so."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        if said(polls()[0]):
            return polls()[0]
        time.sleep(0.005)
    raise AssertionError(polls()[0])


def test_right_bytes_are_words() -> None:
    """Goal: the one reply that is taken. Method: hand-made bytes."""
    verdict = judge(GOOD, 7, READ)
    assert (verdict.fault, verdict.words) == ("", (0x0102, 0x0304))


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        ("", "timeout"),
        ("0008 0000 0007 0B 03 04 0102 0304", "wrong-transaction"),
        ("0000 0000 0007 0B 03 04 0102 0304", "wrong-transaction"),
        ("0007 0001 0007 0B 03 04 0102 0304", "wrong-transaction"),
        ("0007 0000 0007 0C 03 04 0102 0304", "wrong-unit"),
        ("0007 0000 0007 0B 04 04 0102 0304", "wrong-function"),
        ("0007 0000 0005 0B 03 02 0102", "wrong-length"),
        ("0007 0000 0009 0B 03 06 0102 0304 0506", "wrong-length"),
        ("0007 0000 0007 0B 03 02 0102 0304", "wrong-length"),
        ("0007 0000 0008 0B 03 04 0102 0304", "wrong-length"),
        ("0007 0000 0007 0B 03 04 0102 03", "wrong-length"),
        ("0007 0000 0007 0B 03 04 0102 0304 0007 0000 0007 0B 03 04 0102 0304", "wrong-length"),
        ("0007", "wrong-length"),
        ("0007 0000 0003 0B 83 02", "exception"),
        ("0007 0000 0004 0B 83 02 00", "wrong-function"),
    ],
)  # fmt: skip
def test_every_other_reply_is_refused(reply: str, fault: str) -> None:
    """Goal: transaction, unit, function and every length must fit. Method: one byte wrong each."""
    verdict = judge(bytes.fromhex(reply), 7, READ)
    assert (verdict.fault, verdict.words) == (fault, ())


def test_every_flipped_bit_of_head_is_refused() -> None:
    """Goal: nine bytes prove a reply. Method: each of their bits turned over."""
    for bit in range(9 * 8):
        changed = bytearray(GOOD)
        changed[bit // 8] ^= 1 << bit % 8
        assert judge(bytes(changed), 7, READ).words == (), bit


def test_a_real_server_is_read() -> None:
    """Goal: pymodbus' own server as an independent peer.
    Method: registers 100 and 101 by function 3; then a register it does not have: exception 2."""
    ready: list[int] = []

    async def serve() -> None:
        data = SimData(100, values=[0x1234, 0xFFFE], datatype=DataType.REGISTERS)
        server = ModbusTcpServer(SimDevice(11, [data]), address=(HOST, free_port()))
        await server.listen()
        ready.append(server.transport.sockets[0].getsockname()[1])
        while len(ready) < 2:
            await asyncio.sleep(0.01)
        await server.shutdown()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    while not ready:
        time.sleep(0.01)
    absent = read_at(ready[0], address=500)
    with polled(read_at(ready[0]), absent) as polls:
        poll = until(polls, lambda p: p.t_ok_ns > 0)
        assert poll.words == (0x1234, 0xFFFE)
        assert 0 < poll.round_trip_ns < 2e9
        until(lambda: polls()[1:], lambda p: p.exception == 2)
        until(polls, lambda p: p.t_ok_ns > poll.t_ok_ns)  # an exception does not close the line
    ready.append(0)
    thread.join(5)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def test_a_late_reply_is_never_taken() -> None:
    """Goal: F88, the stale-reply finding over TCP.
    Method: every third reply comes after the deadline; each register holds its own address, so the words of
    the other read would show."""
    asked = 0

    def answer(request: bytes) -> list[tuple[float, bytes]]:
        nonlocal asked
        asked += 1
        return [(0.12 if asked % 3 == 0 else 0.0, right(request))]

    with liar(answer) as port:
        times = {"timeout_s": 0.06, "turnaround_s": 0.1}
        first, second = read_at(port, **times), read_at(port, address=300, **times)
        with polled(first, second) as polls:
            end_s = time.monotonic() + 3.0
            while time.monotonic() < end_s:
                for poll, address in zip(polls(), (100, 300), strict=True):
                    assert poll.words in ((), (address, address + 1))
                time.sleep(0.001)
            assert asked > 15
            assert all(poll.t_ok_ns for poll in polls())


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("transaction", lambda r: bytes((r[0], r[1] ^ 1)) + r[2:]),
        ("transaction-zero", lambda r: b"\0\0" + r[2:]),
        ("unit", lambda r: r[:6] + bytes((r[6] ^ 1,)) + r[7:]),
        ("function", lambda r: r[:7] + bytes((4,)) + r[8:]),
        ("short", lambda r: r[:5] + bytes((r[5] - 2,)) + r[6:8] + bytes((2,)) + r[9:-2]),
        ("long", lambda r: r[:5] + bytes((r[5] + 2,)) + r[6:8] + bytes((6,)) + r[9:] + b"\1\2"),
        ("twice", lambda r: r + r),
        ("noise", lambda r: bytes(range(40))),
        ("nothing", lambda r: b""),
    ],
)
def test_a_lie_is_a_miss_and_the_truth_returns(name: str, spoil: Callable[[bytes], bytes]) -> None:
    """Goal: no wrong reply is taken, and the line comes back by itself (F87).
    Method: the first three replies spoiled one way, then right ones."""
    asked: list[float] = []
    met: list[float] = []

    def answer(request: bytes) -> list[tuple[float, bytes]]:
        asked.append(time.monotonic())
        return [(0.0, spoil(right(request)) if len(asked) <= 3 else right(request))]

    with liar(answer, met) as port, polled(read_at(port, timeout_s=0.05, turnaround_s=0.1)) as polls:
        poll = until(polls, lambda p: p.t_ok_ns > 0)
        assert poll.words == (100, 101)
        assert (poll.misses, len(asked) >= 4) == (0, True)
        assert len(met) == 4  # each lie ended its connection
        assert asked[1] - asked[0] >= 0.09  # silence until the device cannot answer any more


def test_replies_that_say_the_very_same_are_counted() -> None:
    """Goal: F34 behind a gateway, too. Method: a server of one word; it stands still, and moves once."""
    said = [7]

    def answer(request: bytes) -> list[tuple[float, bytes]]:
        body = bytes((request[6], request[7], 2)) + said[0].to_bytes(2, "big")
        return [(0.0, request[:4] + len(body).to_bytes(2, "big") + body)]

    with liar(answer) as port, polled(read_at(port, count=1, period_s=0.01)) as polls:
        until(polls, lambda p: p.words == (7,) and p.alike >= 20)
        said[0] = 8
        assert until(polls, lambda p: p.words == (8,)).alike < 20
        until(polls, lambda p: p.alike >= 20)


def test_a_dead_endpoint_is_tried_with_back_off_and_found_again() -> None:
    """Goal: F87, reconnecting. Method: a port without listener; misses count slowly; then one listens."""
    port = free_port()
    began_s = time.monotonic()
    with polled(read_at(port, timeout_s=0.05)) as polls:
        until(polls, lambda p: p.misses >= 2)
        assert time.monotonic() - began_s >= BACK_OFF_S_MIN
        time.sleep(1.0)
        assert polls()[0].misses <= 4
        assert polls()[0].t_ok_ns == 0


def test_a_site_reads_its_tcp_device(tmp_path: Path) -> None:
    """Goal: the same decoded image as from the frame.
    Method: the example with a ComAp behind TCP, its registers from a server, the roster's genset."""
    registers = {1020: 0xFFF6, 1298: 8, 1036: 500}

    def answer(request: bytes) -> list[tuple[float, bytes]]:
        address, count = int.from_bytes(request[8:10], "big"), int.from_bytes(request[10:12], "big")
        words = [registers.get(address + i, 0) for i in range(count)]
        body = bytes((1, 3, 2 * count)) + b"".join(word.to_bytes(2, "big") for word in words)
        return [(0.0, request[:4] + len(body).to_bytes(2, "big") + body)]

    with liar(answer) as port:
        text = (BOARDS / "sites" / "genset-hall.yaml").read_text("utf-8")
        path = tmp_path / "genset-hall.yaml"
        path.write_text(text.replace("192.0.2.10, tcp_port: 502", f"{HOST}, tcp_port: {port}"), "utf-8")
        checked = check_site(path)
        roster, devices = Roster(checked, checked.table), TcpDevices(checked.table.tcp)
        frame = FastImage(polls=(PollState(),) * len(checked.table.polls))
        assert roster.snapshot(Instant(0, 0.0), devices.joined(frame)).devices["genset-2"].values == {}
        devices.start()
        try:
            end_s = time.monotonic() + 5.0
            while time.monotonic() < end_s and not all(p.t_ok_ns for p in devices.joined(frame).polls[-8:]):
                time.sleep(0.01)
            genset = roster.snapshot(Instant(time.monotonic_ns(), 0.0), devices.joined(frame)).devices[
                "genset-2"
            ]
        finally:
            devices.stop()
    assert (genset.kind, genset.state) == ("genset", "running")
    assert (genset.values["power_kw"], genset.values["frequency_hz"]) == (-10.0, 50.0)
    assert genset.age_s < 2.0

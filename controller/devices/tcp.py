"""Modbus TCP devices: read through pymodbus, judged by our own rule, published like the frame's polls.

One connection an endpoint, one request at a time. pymodbus lets a reply with transaction id 0, of another
function or of another length pass, so every byte of a reply is compared with what this request must get.
After silence or a wrong reply the connection is closed, and the next one waits until the device cannot answer
any more: what comes late arrives nowhere (F87, F88). Nothing is ever written: it would pass no guard.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from controller.devices.table import TcpRead
from controller.image import FastImage, PollState
from controller.units import NS_PER_S, ns, seconds

BACK_OFF_S_MIN, BACK_OFF_S_MAX = 0.5, 30.0  # between two attempts to connect, doubled each time
TRANSACTION_MAX = 65000  # where pymodbus itself begins again
HEADER_BYTES = 7  # transaction, protocol, length, unit


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the bytes of a reply mean. fault: empty for a right reply, else timeout, exception, wrong-..."""

    fault: str
    words: tuple[int, ...] = ()
    exception: int = 0


def judge(reply: bytes, transaction: int, read: TcpRead) -> Verdict:
    """The reply to exactly this request, or why it is not: transaction, unit, function, every length."""
    if not reply:
        return Verdict("timeout")
    if len(reply) < HEADER_BYTES + 2 or int.from_bytes(reply[4:6], "big") != len(reply) - 6:
        return Verdict("wrong-length")
    if int.from_bytes(reply[:2], "big") != transaction or reply[2:4] != b"\0\0":
        return Verdict("wrong-transaction")
    if reply[6] != read.unit:
        return Verdict("wrong-unit")
    body = reply[HEADER_BYTES:]
    if body[0] == read.function | 0x80 and len(body) == 2:
        return Verdict("exception", exception=body[1])
    if body[0] != read.function:
        return Verdict("wrong-function")
    if body[1] != 2 * read.count or len(body) != 2 + 2 * read.count:
        return Verdict("wrong-length")
    words = tuple(int.from_bytes(body[i : i + 2], "big") for i in range(2, len(body), 2))
    return Verdict("", words)


class Line:
    """One connection, and what its last request and reply looked like. The only user of pymodbus' client."""

    def __init__(self, host: str, tcp_port: int, timeout_s: float) -> None:
        self._client = AsyncModbusTcpClient(
            host, port=tcp_port, timeout=timeout_s, retries=0, reconnect_delay=0,
            trace_packet=self._hear, trace_pdu=self._note,
        )  # fmt: skip
        self._transaction = 0
        self._reply = b""

    async def connect(self) -> bool:
        """Whether there is a connection now."""
        return bool(self._client.connected) or bool(await self._client.connect())

    def close(self) -> None:
        """Whatever is still on its way arrives nowhere."""
        self._client.close()

    async def ask(self, read: TcpRead, transaction: int) -> Verdict:
        """One request under this transaction id; never longer than the device's timeout."""
        self._reply = b""
        self._client.ctx.next_tid = transaction - 1
        call = (
            self._client.read_holding_registers if read.function == 3 else self._client.read_input_registers
        )
        with suppress(ModbusException, TimeoutError, OSError):
            await asyncio.wait_for(call(read.address, count=read.count, device_id=read.unit), read.timeout_s)
        return judge(self._reply, self._transaction, read)

    def _hear(self, sending: bool, data: bytes) -> bytes:
        if not sending:
            self._reply = bytes(data)
        return data

    def _note(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        if sending:
            self._transaction = pdu.transaction_id
        return pdu


class TcpDevices:
    """Every Modbus TCP device of a site, read in a thread of its own; times are those of `clock`."""

    def __init__(self, reads: Sequence[TcpRead], clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._reads = tuple(reads)
        self._clock = clock
        self._polls = [PollState() for _ in self._reads]
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def joined(self, fast: FastImage) -> FastImage:
        """The frame's image with the TCP polls behind its own, as the bus table numbers them."""
        return replace(fast, polls=fast.polls + tuple(self._polls)) if self._polls else fast

    def start(self) -> None:
        """Begin to poll. Without TCP devices nothing starts."""
        if self._reads:
            logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # what fails is counted, not told
            self._thread = threading.Thread(
                target=lambda: asyncio.run(self._serve()), name="tcp", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """End the polls; returns when the connections are closed."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=2 * max(read.timeout_s for read in self._reads))

    async def _serve(self) -> None:
        places: dict[tuple[str, int], list[int]] = {}
        for index, read in enumerate(self._reads):
            places.setdefault((read.host, read.tcp_port), []).append(index)
        await asyncio.gather(*(self._endpoint(*place, indices) for place, indices in places.items()))

    async def _endpoint(self, host: str, tcp_port: int, indices: Sequence[int]) -> None:
        """Asks one endpoint for what is due, the longest waiting first, until stop()."""
        line = Line(host, tcp_port, max(self._reads[i].timeout_s for i in indices))
        due_ns = dict.fromkeys(indices, self._clock())
        transaction, back_off_s = 0, BACK_OFF_S_MIN
        while not self._stopping.is_set():
            index = min(indices, key=lambda i: due_ns[i])
            if not await self._rest(seconds(due_ns[index] - self._clock())):
                break
            due_ns[index] = self._clock() + ns(self._reads[index].period_s)
            if not await line.connect():
                self._miss(index)
                await self._rest(back_off_s)
                back_off_s = min(2 * back_off_s, BACK_OFF_S_MAX)
                continue
            back_off_s = BACK_OFF_S_MIN
            transaction = transaction % TRANSACTION_MAX + 1
            await self._exchange(line, index, transaction)
        line.close()

    async def _exchange(self, line: Line, index: int, transaction: int) -> None:
        read, t_request_ns = self._reads[index], self._clock()
        verdict = await line.ask(read, transaction)
        now_ns = self._clock()
        if not verdict.fault:
            before, took_ns = self._polls[index], now_ns - t_request_ns
            alike = before.alike + 1 if before.t_ok_ns and before.words == verdict.words else 0
            self._polls[index] = PollState(now_ns, verdict.words, round_trip_ns=took_ns, alike=alike)
            return
        self._miss(index, verdict.exception)
        if verdict.fault != "exception":  # that is a right answer, only not the wanted one
            line.close()
            await self._rest(seconds(t_request_ns + ns(read.turnaround_s) - now_ns))

    def _miss(self, index: int, exception: int = 0) -> None:
        before = self._polls[index]
        self._polls[index] = replace(before, misses=before.misses + 1, exception=exception)

    async def _rest(self, rest_s: float) -> bool:
        """Waits; False when stop() came first."""
        until_ns = self._clock() + round(max(rest_s, 0.0) * NS_PER_S)
        while (left_s := seconds(until_ns - self._clock())) > 0 and not self._stopping.is_set():
            await asyncio.sleep(min(left_s, 0.05))
        return not self._stopping.is_set()

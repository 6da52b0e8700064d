"""Listens to a bus and never speaks: frames decoded, with the silences before and inside them."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

from controller.devices.timing import GAP_CHARS, SPEC_GAP_NS, char_ns
from controller.runtime.tty import Settings
from controller.runtime.wire import open_port
from controller.units import NS_PER_MS, NS_PER_S

FRAME_BYTES_MAX = 256
READS = (1, 2, 3, 4)
HOLE_CHARS, HOLE_NS = 1.5, 750_000  # longest silence inside a frame; fixed above 19200 baud
LOOK_S = 0.05
BLUR_NS = 30_000_000  # a FIFO or an adapter hands a frame over in pieces, up to this far apart
CHUNK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Heard:
    """One frame, or bytes that are none. t_s since the first look; silences in ms."""

    t_s: float
    gap_ms: float  # silence before it; of a reply: the device's time to answer
    kind: str  # request, reply, exception, damaged
    octets: str
    unit: int = 0
    function: int = 0
    address: int | None = None
    count: int | None = None
    words: tuple[int, ...] = ()
    exception: int = 0
    violations: tuple[str, ...] = ()


@dataclass(slots=True)
class Decoder:
    """Bytes with their times in, frames out. t_start_ns: what t_s counts from."""

    baud: int
    t_start_ns: int
    _octets: bytearray = field(default_factory=bytearray)
    _ends_ns: list[int] = field(default_factory=list)  # when each of them had come
    _t_last_ns: int = 0  # end of what was told last, 0: nothing yet
    _asked: Heard | None = None  # a request whose reply may come

    @property
    def gap_ns(self) -> int:
        """Least silence between two frames."""
        return SPEC_GAP_NS if self.baud > 19200 else round(GAP_CHARS * char_ns(self.baud))

    @property
    def hole_ns(self) -> int:
        """Longest silence inside a frame."""
        return HOLE_NS if self.baud > 19200 else round(HOLE_CHARS * char_ns(self.baud))

    def feed(self, t_ns: int, octets: bytes) -> list[Heard]:
        """A chunk whose last byte was there at t_ns; the others are taken to have come without a hole."""
        one_ns, count = char_ns(self.baud), len(octets)
        before_ns = self._ends_ns[-1] if self._ends_ns else self._t_last_ns
        silent_ns = t_ns - count * one_ns - before_ns
        found = self.flush() if self._octets and silent_ns > self.gap_ns else []
        self._octets += octets
        self._ends_ns += [max(t_ns - (count - 1 - i) * one_ns, before_ns) for i in range(count)]
        while size := self._size(0):
            found.append(self._frame(size))
        return found + (self.flush() if len(self._octets) > FRAME_BYTES_MAX else [])

    def flush(self) -> list[Heard]:
        """The line is silent: what is left is no frame from its first byte on, but one may stand inside."""
        found, skipped = [], 0
        while skipped < len(self._octets):
            size = self._size(skipped)
            if not size:
                skipped += 1
                continue
            found += [self._damaged(skipped)] if skipped else []
            found.append(self._frame(size))
            skipped = 0
        return found + ([self._damaged(skipped)] if skipped else [])

    def _size(self, first: int) -> int:
        """Length of the whole frame that starts there, 0: none. After a request a reply is the likelier."""
        octets = self._octets[first:]
        if len(octets) < 5:
            return 0
        sizes = _sizes(octets, self._awaits(octets))
        return next((n for n in sizes if n <= len(octets) and not _crc(octets[:n])), 0)

    def _awaits(self, octets: bytes | bytearray) -> bool:
        asked = self._asked
        return asked is not None and asked.unit == octets[0] and asked.function == octets[1] & 0x7F

    def _cut(self, count: int) -> tuple[bytes, float, float, list[str]]:
        """Octets, start in s, silence before in ms, holes inside."""
        octets, ends_ns = bytes(self._octets[:count]), self._ends_ns[:count]
        del self._octets[:count], self._ends_ns[:count]
        one_ns = char_ns(self.baud)
        start_ns = ends_ns[0] - one_ns
        gap_ns = max(start_ns - self._t_last_ns, 0) if self._t_last_ns else 0
        hole_ns = max((b - a - one_ns for a, b in pairwise(ends_ns)), default=0)
        violations = []
        if hole_ns > self.hole_ns:
            allowed = f"{self.hole_ns / NS_PER_MS:.2f} allowed"
            violations.append(f"{hole_ns / NS_PER_MS:.2f} ms of silence inside, {allowed}")
        if self._t_last_ns and gap_ns < self.gap_ns:
            text = f"{gap_ns / NS_PER_MS:.2f} ms of silence before, {self.gap_ns / NS_PER_MS:.2f} needed"
            violations.append(text)
        self._t_last_ns = ends_ns[-1]
        return octets, (start_ns - self.t_start_ns) / NS_PER_S, gap_ns / NS_PER_MS, violations

    def _damaged(self, count: int) -> Heard:
        octets, t_s, gap_ms, violations = self._cut(count)
        self._asked = None
        return Heard(t_s, gap_ms, "damaged", octets.hex(" "), violations=tuple(violations))

    def _frame(self, count: int) -> Heard:
        answers = self._awaits(self._octets)
        octets, t_s, gap_ms, violations = self._cut(count)
        unit, function = octets[0], octets[1]
        head = (octets.hex(" "), unit, function & 0x7F)
        if function & 0x80:
            self._asked = None
            return Heard(t_s, gap_ms, "exception", *head, exception=octets[2], violations=tuple(violations))
        is_reply = answers and count == _sizes(octets, True)[0]
        address, number, words = _content(octets, is_reply)
        if is_reply and self._asked is not None and address is None:
            address = self._asked.address
        kind = "reply" if is_reply else "request"
        heard = Heard(t_s, gap_ms, kind, *head, address, number, words, violations=tuple(violations))
        self._asked = None if is_reply else heard
        return heard


def _sizes(octets: bytes | bytearray, reply_first: bool) -> list[int]:
    """Lengths that a frame with these first octets may have, the likelier first."""
    function = octets[1]
    if function & 0x80:
        return [5]
    reply = 5 + octets[2] if function in (*READS, 23) else {22: 10}.get(function, 8)
    request = {22: 10}.get(function, 8)
    if function in (15, 16):
        request = 9 + octets[6] if len(octets) > 6 else FRAME_BYTES_MAX
    elif function == 23:
        request = 13 + octets[10] if len(octets) > 10 else FRAME_BYTES_MAX
    return [reply, request] if reply_first else [request, reply]


def _content(octets: bytes, is_reply: bool) -> tuple[int | None, int | None, tuple[int, ...]]:
    """Address, count and registers, as far as such a frame tells them."""
    function = octets[1]
    if is_reply and function in (*READS, 23):
        words = _words(octets[3:-2]) if function in (3, 4, 23) else ()
        return None, len(words) or None, words
    address, second = _words(octets[2:6])
    if function in (5, 6):
        return address, 1, (second,)
    if function == 22:
        return address, 1, _words(octets[4:8])
    start = {15: 7, 16: 7, 23: 11}.get(function)
    words = _words(octets[start:-2]) if start and not is_reply and function != 15 else ()
    return address, second, words


def _words(octets: bytes) -> tuple[int, ...]:
    return tuple(octets[i] << 8 | octets[i + 1] for i in range(0, len(octets) - 1, 2))


def _crc_table() -> list[int]:
    """CRC-16/MODBUS, one entry an octet."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0xA001 if value & 1 else 0)
        table.append(value)
    return table


TABLE = _crc_table()


def _crc(octets: bytes | bytearray) -> int:
    """0 over a whole frame with its own CRC."""
    crc = 0xFFFF
    for octet in octets:
        crc = crc >> 8 ^ TABLE[(crc ^ octet) & 0xFF]
    return crc


def listen(settings: Settings, seconds: float | None) -> Iterator[Heard]:
    """Frames as they come, until the time is over (None: until interrupted). Raises MistakeError, OSError."""
    with open_port(settings) as device:
        start_ns = time.monotonic_ns()
        decoder = Decoder(settings.baud, start_ns)
        last_ns = start_ns
        while seconds is None or time.monotonic_ns() - start_ns < seconds * NS_PER_S:
            select.select([device.fd], [], [], LOOK_S)
            octets = b""
            with suppress(BlockingIOError):
                octets = os.read(device.fd, CHUNK_BYTES)
            now_ns = time.monotonic_ns()
            if octets:
                last_ns = now_ns
                yield from decoder.feed(now_ns, octets)
            elif now_ns - last_ns > decoder.gap_ns + BLUR_NS:
                yield from decoder.flush()
        yield from decoder.flush()

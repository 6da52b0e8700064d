"""The listener's decoder: frames, damaged bytes and silences out of timed bytes."""

from __future__ import annotations

import random

import pytest

from controller.runtime.sniff import Decoder
from tests.unit.ext.bus import sealed

BAUD = 19200
CHAR_NS = 572_917
MS = 1_000_000
ASK = sealed(1, 3, 0, 100, 0, 2)
REPLY = sealed(1, 3, 4, 0, 7, 0xFF, 0xFE)
WRITE = sealed(2, 16, 0, 10, 0, 2, 4, 1, 2, 3, 4)
ECHO = sealed(2, 16, 0, 10, 0, 2)
REFUSED = sealed(1, 0x83, 2)


class Line:
    """Bytes on a line with true times."""

    def __init__(self) -> None:
        self.decoder = Decoder(BAUD, 0)
        self.now_ns = 1_000 * MS
        self.heard = []

    def say(self, octets: bytes, silence_ms: float = 5.0, pieces: int = 1) -> None:
        """Silence, then the octets without a hole, handed over in pieces."""
        self.now_ns += round(silence_ms * MS)
        size = -(-len(octets) // pieces)
        for first in range(0, len(octets), size):
            piece = octets[first : first + size]
            self.now_ns += len(piece) * CHAR_NS
            self.heard += self.decoder.feed(self.now_ns, piece)


@pytest.mark.parametrize("pieces", [1, 2, 4, 11])
def test_frames_are_told_apart(pieces: int) -> None:
    """Goal: requests, replies, exceptions, with address, count and registers. Method: five frames in pieces."""
    line = Line()
    for frame in (ASK, REPLY, WRITE, ECHO, ASK, REFUSED):
        line.say(frame, pieces=pieces)
    kinds = [(h.kind, h.unit, h.function, h.address, h.count, h.words) for h in line.heard]
    assert kinds == [
        ("request", 1, 3, 100, 2, ()),
        ("reply", 1, 3, 100, 2, (7, 0xFFFE)),
        ("request", 2, 16, 10, 2, (0x102, 0x304)),
        ("reply", 2, 16, 10, 2, ()),
        ("request", 1, 3, 100, 2, ()),
        ("exception", 1, 3, None, None, ()),
    ]
    assert line.heard[-1].exception == 2
    assert all(h.violations == () for h in line.heard)
    assert line.heard[1].gap_ms == pytest.approx(5.0, abs=0.01)


def test_silences_at_their_edges() -> None:
    """Goal: too short a gap and a hole are violations, at 3.5 and 1.5 characters. Method: just enough and just not."""
    for gap_chars, hole_chars, count in ((3.51, 0.0, 0), (3.49, 0.0, 1), (5.0, 1.49, 0), (5.0, 1.51, 1)):
        line = Line()
        line.say(ASK)
        line.say(REPLY[:4], gap_chars * CHAR_NS / MS)
        line.say(REPLY[4:], hole_chars * CHAR_NS / MS)
        assert [h.kind for h in line.heard] == ["request", "reply"]
        assert len(line.heard[1].violations) == count, (gap_chars, hole_chars)


def test_a_frame_inside_rubbish_is_found() -> None:
    """Goal: resync. Method: noise, a frame, noise, then silence."""
    line = Line()
    line.say(b"\x07\x99" + ASK + b"\x55")
    line.say(ASK, silence_ms=50.0)
    assert [h.kind for h in line.heard] == ["damaged", "request", "damaged", "request"]
    assert line.heard[0].octets == "07 99"


def test_any_bytes() -> None:
    """Goal: no input breaks it, none is lost or told twice. Method: 300 random streams in random pieces, seed 5."""
    rng = random.Random(5)
    for _ in range(300):
        line, said = Line(), b""
        for _ in range(rng.randrange(1, 12)):
            piece = rng.choice([ASK, REPLY, WRITE, ECHO, REFUSED, rng.randbytes(rng.randrange(1, 30))])
            line.say(piece, rng.uniform(0.0, 6.0), rng.randrange(1, 5))
            said += piece
        told = line.heard + line.decoder.flush()
        assert bytes.fromhex("".join(h.octets for h in told)) == said

"""Registers to values: type, word order, scale, sign, sentinels."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from controller.devices.profile import Point


def raw_of(point: Point, words: Sequence[int]) -> int:
    """The point's registers as one unsigned number."""
    ordered = reversed(words) if point.low_word_first else words
    raw = 0
    for word in ordered:
        raw = raw << 16 | word
    return raw


def value_of(point: Point, words: Sequence[int]) -> float | None:
    """The point in house units and house sign; None where its registers mean "not available".

    `words` are exactly the point's registers. -151.2 kW in a register of 0.1 kW is 0xFA18, s16 -1512.
    """
    raw = raw_of(point, words)
    if raw in point.sentinels:
        return None
    if point.type == "f32":
        number = float(struct.unpack(">f", raw.to_bytes(4, "big"))[0])
        return (
            number * point.scale + point.offset if number - number == 0 else None
        )  # neither NaN nor infinite
    bits = 16 * point.size
    if point.type in ("s16", "s32") and raw >> (bits - 1):
        raw -= 1 << bits
    return raw * point.scale + point.offset


def text_of(words: Sequence[int]) -> str:
    """Two characters a register, as far as they can be printed."""
    raw = b"".join(word.to_bytes(2, "big") for word in words).split(b"\0")[0]
    return "".join(char for char in raw.decode("ascii", "ignore") if char.isprintable()).strip()

"""Holds the limits in memory against what they were at the start (F81)."""

from __future__ import annotations

import zlib

from controller.image import Instant
from controller.safety.terms import Terms

PERIOD_S = 0.5  # with the cycle that acts, within the second that F81 allows


def checksum(terms: Terms) -> int:
    """CRC-32 of every number and name in them, as they are written out."""
    return zlib.crc32(repr(terms).encode())


class Seal:
    """Nothing changes the limits of a running site; broken, once they have changed all the same."""

    def __init__(self, terms: Terms) -> None:
        self.broken = False
        self._terms, self._sum = terms, checksum(terms)

    def step(self, now: Instant) -> None:
        """One look. What is broken stays so: a second flip may hide the first."""
        self.broken = self.broken or checksum(self._terms) != self._sum

"""How far a piece of equipment has been proven, and what its engineer must know."""

from __future__ import annotations

from typing import Literal

from controller.config.option import REQUIRED, Section, option


class Caveat(Section):
    """What a field engineer must know, and where it was read."""

    text: str = option(REQUIRED, "the fact, one sentence")
    source: str = option(REQUIRED, "where it was read or measured")


class Evidence(Section):
    """One step of proof."""

    level: Literal["simulated", "from-source", "bench", "site"] = option(REQUIRED, "how it was proven")
    firmware: str = option("", "firmware it was proven on", why="unknown unless tested on hardware")
    date: str = option("", "day of the proof, quoted", why="unknown unless tested on hardware")
    source: str = option("", "what was read, for from-source", why="hardware needs no other source")

"""Hard-wired inputs that the safety step listens to, by name: which device reads them, and what counts as active."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from controller.config.option import REQUIRED, Section, option


class Input(Section):
    """One contact, read by a device of this site."""

    device: str = option(REQUIRED, "name of the device that reads it", min_length=1)
    point: str = option(REQUIRED, "point of that device's profile", min_length=1)
    bit: int | None = option(
        None, "bit of that point, 0 the lowest; the whole point where it is left out", low=0, high=31,
        why="a point of its own is common",
    )  # fmt: skip
    active: Literal["open", "closed"] = option(
        "open",
        "the contact that means yes",
        why="a loop that is closed while all is well: a cut wire counts as yes",
    )


class Inputs(Section):
    """What a person or a panel says without this software. None replaces its hard-wired path."""

    emergency_stop: Input | None = option(
        None, "stop button: LOCKOUT", why="it is hard-wired; reading it is more"
    )
    fire: Input | None = option(None, "fire or gas panel: LOCKOUT (F39, IL-13)", why="as above")
    no_island: Input | None = option(
        None, "the grid operator forbids an island (IL-10)", why="most contracts have no such contact"
    )
    key: Input | None = option(
        None,
        "maintenance key or door switch: MAINT alone (IL-14)",
        why="`stillwatt maint` at the box does it too",
    )

    def wired(self) -> Iterator[tuple[str, Input]]:
        """Those that the site has, by name."""
        for name in type(self).model_fields:
            if (found := getattr(self, name)) is not None:
                yield name, found

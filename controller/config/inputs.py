"""Hard-wired inputs that the safety step listens to, by name: which device reads them, and what counts as active."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from controller.config.option import Fault, Section, option


class Input(Section):
    """One contact, read by the box or by a device of this site."""

    contact: str | None = option(
        None,
        "one of the host's `inputs`; else device and point",
        why="many boxes have no inputs of their own",
    )
    device: str | None = option(None, "name of the device that reads it", why="the box may read it itself")
    point: str | None = option(None, "point of that device's profile", why="the box may read it itself")
    bit: int | None = option(
        None, "bit of that point, 0 the lowest; the whole point where it is left out", low=0, high=31,
        why="a point of its own is common",
    )  # fmt: skip
    active: Literal["open", "closed"] = option(
        "open",
        "the contact that means yes",
        why="a loop that is closed while all is well: a cut wire counts as yes",
    )

    def faults(self) -> Iterator[Fault]:
        """It has one reader."""
        by_device = self.device is not None and self.point is not None
        alone = self.device is None and self.point is None and self.bit is None
        if not (alone if self.contact is not None else by_device):
            yield Fault((), "needs contact alone, or device with point. Name who reads it.")


class Inputs(Section):
    """What a person or a panel says without this software. None replaces its hard-wired path."""

    emergency_stop: Input | None = option(
        None, "stop button: LOCKOUT", why="the button is hard-wired; reading it is more"
    )
    fire: Input | None = option(
        None, "fire or gas panel: LOCKOUT (F39, IL-13)", why="the panel is hard-wired; reading it is more"
    )
    insulation: Input | None = option(
        None,
        "insulation monitor: SAFE_STOP, latched (F45)",
        why="the monitor trips by itself; reading it is more",
    )
    contactor: Input | None = option(
        None,
        "the battery's contactors are closed, by mirror contact; LOCKOUT where they are 5 s after one (F44)",
        why="state it where health relay or stop chain opens them; else LOCKOUT leaves them closed",
    )
    cooling: Input | None = option(
        None,
        "the battery's cooling has failed: a quarter of the power (F46)",
        why="the BMS sees its effect, later",
    )
    curtail: Input | None = option(
        None,
        "the grid operator curtails: `grid.curtailed_import_kw_max` and `curtailed_export_kw_max` hold (F61)",
        why="most contracts have no such contact",
    )
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

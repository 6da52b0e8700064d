"""Options of the help that a battery gives to the grid's frequency."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from controller.config.option import Fault, Section, option

RESERVE_FULL_S = {49.5: 0.7, 49.6: 1.0, 49.7: 1.3}  # Nordic FFR: Hz below which, s until full power (svk.se)


class Support(Section):
    """What the battery does for the grid's frequency, beside and above everything else."""

    droop_kw_max: float = option(
        0,
        "most that P(f) droop gives or takes; 0: no droop",
        low=0,
        high=100_000,
        why="nobody has asked for it",
    )
    droop_pct: float = option(
        5, "deviation beyond the dead band, of the nominal frequency, that asks for droop_kw_max", low=0.2, high=12,
        why="EN 50549 allows 2 to 12; 0.2 of 50 Hz is 0.1 Hz, what FCR-N asks for",
    )  # fmt: skip
    droop_dead_band_hz: float = option(
        0.2, "either side of nominal", low=0, high=1, why="EN 50549: help begins where the grid is in trouble"
    )
    reserve_kw: float = option(
        0,
        "fast frequency reserve that is sold, discharging; 0: none",
        low=0,
        high=100_000,
        why="needs a contract",
    )
    reserve_hz: float = option(
        49.5, "frequency below which the reserve is given: 49.5, 49.6 or 49.7", low=49.5, high=49.7,
        why="full power within 0.7, 1.0, 1.3 s; the lowest is asked for least often",
    )  # fmt: skip
    reserve_s: Literal[5, 30] = option(
        30, "how long full power is held", why="the longer of the two Nordic products"
    )

    def faults(self) -> Iterator[Fault]:
        """The trigger is one of the product's."""
        if self.reserve_hz not in RESERVE_FULL_S:
            yield Fault(
                ("reserve_hz",),
                f"is {self.reserve_hz:g}; allowed are 49.5, 49.6 and 49.7. Choose one of these.",
            )

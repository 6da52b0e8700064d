"""What the battery may be used for: its SOC window, its losses, and what the plan leaves to others."""

from __future__ import annotations

from collections.abc import Iterator

from controller.config.option import REQUIRED, Fault, Section, option


class Battery(Section):
    """What the battery may be used for."""

    capacity_kwh: float = option(REQUIRED, "usable energy", low=1, high=10_000_000)
    soc_pct_min: float = option(10, "lowest state of charge in use", low=0, high=100, why="LFP cell reserve")
    soc_pct_max: float = option(
        95, "highest state of charge in use", low=0, high=100, why="top balancing apart"
    )
    soc_pct_target: float = option(
        50, "where the SOC returns to", low=0, high=100, why="equal room for a rise and a fall of the load"
    )
    charge_efficiency_pu: float = option(
        0.96,
        "share of the energy taken that is stored",
        low=0.5,
        high=1,
        why="LFP with its converter, one way",
    )
    discharge_efficiency_pu: float = option(
        0.96,
        "share of the energy drawn that is given",
        low=0.5,
        high=1,
        why="LFP with its converter, one way",
    )
    standing_pct_per_h: float = option(
        0, "share of its energy it loses each hour at rest", low=0, high=1, why="LFP loses 2 % a month"
    )
    taper_soc_pct: float = option(
        100, "above this SOC the charge power falls in a straight line to zero at 100 %", low=50, high=100,
        why="none within the window; the BMS's live limit rules in any case",
    )  # fmt: skip
    reserve_kw: float = option(
        0, "power the plan leaves to the fast loop, both ways", low=0, high=100_000,
        why="the plan moves slowly: the fast loop may use what is left; state it where the hall swings",
    )  # fmt: skip
    reserve_kwh: float = option(
        0, "energy the plan leaves to the fast loop, at both ends of the SOC window", low=0, high=10_000_000,
        why="a 2 MW step taken to 50 kW/s needs 11 kWh",
    )  # fmt: skip
    fallback_kwh: float = option(
        0, "energy the plan never uses, for the minutes until the genset runs", low=0, high=10_000_000,
        why="a site without a genset has nothing to bridge to",
    )  # fmt: skip

    def faults(self) -> Iterator[Fault]:
        """The window is in order."""
        if self.soc_pct_min >= self.soc_pct_max:
            yield Fault(
                ("soc_pct_min",),
                f"is {self.soc_pct_min:g}; it must be below soc_pct_max ({self.soc_pct_max:g}). Lower it.",
            )
        elif not self.soc_pct_min < self.soc_pct_target < self.soc_pct_max:
            yield Fault(
                ("soc_pct_target",),
                f"is {self.soc_pct_target:g}; allowed is between soc_pct_min ({self.soc_pct_min:g}) and "
                f"soc_pct_max ({self.soc_pct_max:g}), both excluded. Move it inside.",
            )

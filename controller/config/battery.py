"""The battery of a site: its window, its losses, how well its charge is known, what its cells can bear."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from controller.config.option import REQUIRED, Fault, Section, option


class CellRow(Section):
    """What the cells may do at one temperature, at each SOC of `cells.soc_pct`; 1 is the capacity in an hour."""

    cell_c: float = option(REQUIRED, "cell temperature", low=-55, high=90)
    charge_pu: tuple[float, ...] = option(REQUIRED, "charge, share of the capacity an hour", min_length=2)
    discharge_pu: tuple[float, ...] = option(REQUIRED, "discharge", min_length=2)


CELL_ROWS = tuple(
    CellRow(cell_c=cell_c, charge_pu=(charge,) * 3, discharge_pu=(discharge,) * 3)
    for cell_c, charge, discharge in (
        (-40, 0, 0.1), (-20, 0, 0.1), (0, 0, 0.5), (5, 0.1, 1), (10, 0.2, 1), (25, 1, 1), (45, 0.75, 1),
        (50, 0.5, 1), (55, 0.1, 1), (60, 0, 0),
    )
)  # fmt: skip


class Cells(Section):
    """Limits of the cells over temperature and SOC, linear between; nothing outside, no charge below 0 degC."""

    soc_pct: tuple[float, ...] = option(
        (0, 80, 100), "SOC of the values in each row", min_length=2, why="some makers charge less above 80 %"
    )
    rows: tuple[CellRow, ...] = option(
        CELL_ROWS, "rising temperatures", min_length=2, why="Alpha APL48-50LFP, the lower end of each range"
    )

    def faults(self) -> Iterator[Fault]:
        """Knots rise, and every row has a value for each."""
        for name, knots in (("soc_pct", self.soc_pct), ("rows", tuple(row.cell_c for row in self.rows))):
            if any(low >= high for low, high in pairwise(knots)):
                yield Fault((name,), "does not rise from value to value. Put it in order.")
        for index, row in enumerate(self.rows):
            for name in ("charge_pu", "discharge_pu"):
                values = getattr(row, name)
                if len(values) != len(self.soc_pct) or min(values) < 0:
                    text = f"has {len(values)} values; {len(self.soc_pct)} are needed, one a soc_pct, none below 0."
                    yield Fault(("rows", index, name), f"{text} Correct it.")


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

    soc_error_pct: float = option(
        4, "how far the BMS's SOC may be off until the cells have proven it once", low=0, high=50,
        why="of a rack that was filled of late; the field knows +-15 %, and from 5 on it is filled at once",
    )  # fmt: skip
    full_cell_v: float = option(
        3.42, "every cell above it at small current: full", low=2, high=5, why="LFP at rest: above 97 %"
    )
    empty_cell_v: float = option(
        2.95, "every cell below it at small current: empty", low=1, high=5, why="LFP at rest: below 4 %"
    )
    dc_v_max: float | None = option(
        None, "voltage of its DC bus above which nothing is charged, within one frame", low=10, high=5000,
        why="the BMS's own limit and 2 % counts, where it tells one; the tighter of the two is used",
    )  # fmt: skip
    cells: Cells = option(Cells(), "limits of the cells", why="LFP; the BMS's own live limit always wins")
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
        if self.empty_cell_v >= self.full_cell_v:
            yield Fault(
                ("empty_cell_v",),
                f"is {self.empty_cell_v:g}; it must be below full_cell_v ({self.full_cell_v:g}). Lower it.",
            )
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

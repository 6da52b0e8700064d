"""What holding a month's peak is worth: ours beside the least cost under perfect foresight, bound more and more.

python -m tools.bench.bursts --reference DIR FOLDER... FOLDER: a season of the reference's tables or of its
build_tables.build; a burst of 5 MW for 90 minutes a day from hour h on 0.5 MW is build(name, SEASONS["winter"],
(where((arange(62 * 96) - 4 * h) % 96 < 6, 5000, 500) - 1400) / 0.9, OUT), one folder for each h. Every policy is
billed by the reference. A row: our share of the prescient saving and by how much our monthly peaks are lower than
without a battery; the same peaks of the cheapest plan of all; and the share that perfect foresight keeps

cut    when no monthly peak may be less than --cut per cent lower (and how much lower they are then: where it is less
       the battery cannot do it); below --share the two cannot hold together, for anyone,
first  with the peaks paid that ours set on the first day, which begins without any experience of the load,
paid   with all our peaks paid: what it lacks of 100 was lost by peaks, what ours lacks of it was lost by day.

Exit 0 when ours has --share per cent in each, and the cut wherever the cheapest plan of all has it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from controller.config.loader import load_site
from controller.plan.calendar import Floats
from tools.bench.dispatch import SITE, Reference, season_run
from tools.tables import read_curves, read_tables

DEAR = 1e4  # money per kW above a bound: no plan passes it that can keep it
DAY_H = 24
COLUMNS = ("", "ours %", "peaks lower %", "cheapest, peaks lower %", "cut % (lower)", "first %", "paid %", "")


@dataclass(frozen=True)
class Bound:
    """Perfect foresight in one season with peaks bound: kW from which each item of the bill is paid, or kept to."""

    reference: Reference

    def items(self) -> list[Any]:
        """Of the bill: month, kind, price per kW, clock hours."""
        return list(self.reference.model.peak_items(self.reference.season, self.reference.site))

    def plan(self, paid_kw: Sequence[float], most_kw: Sequence[float]) -> dict[str, Floats]:
        """The cheapest plan with peaks paid up to paid_kw and none above most_kw; infinite: free."""
        season, site = self.reference.season, self.reference.site
        charges = [(item[2], item[3], floor_kw) for item, floor_kw in zip(self.items(), paid_kw, strict=True)]
        charges += [
            (DEAR, item[3], kw) for item, kw in zip(self.items(), most_kw, strict=True) if np.isfinite(kw)
        ]
        start_kwh = self.reference.model.energy_limits(site)[2]
        solved: dict[str, Floats] = self.reference.oracle.solve(
            season.load, season.pv, season.buy, season.sell, season.hour, charges, site, start_kwh,
            e_end_min=start_kwh,
        )  # fmt: skip
        return solved

    def peaks_kw(self, grid_kw: Floats, hours: int | None = None) -> list[float]:
        """Highest clock hour of each item; hours: of the first so many alone."""
        means = self.reference.model.hour_means(np.maximum(grid_kw, 0.0), self.reference.season)
        return [
            float(means[item[3][item[3] < (hours or means.size)]].max(initial=0.0)) for item in self.items()
        ]

    def share_pct(self, result: dict[str, Floats]) -> float:
        """Of the prescient saving."""
        told, none = self.reference.billed(result)["total_sek"], self.reference.none["total_sek"]
        return float(
            100 * (none - told) / (none - self.reference.billed(self.reference.best.result)["total_sek"])
        )


def lower_pct(bound: Bound, grid_kw: Floats) -> list[float]:
    """By how much the monthly peaks are lower than without a battery, per cent."""
    none = [peak["peak_kw"] for peak in bound.reference.none["peaks"]]
    pairs = zip(bound.items(), bound.peaks_kw(grid_kw), none, strict=True)
    return [100 * (1 - kw / none_kw) for item, kw, none_kw in pairs if item[1] == "month"]


def row(folder: Path, words: argparse.Namespace) -> tuple[list[str], bool]:
    """One season's row; whether ours holds its bounds."""
    site = load_site(words.site)
    assert site.tariff is not None
    tables = read_tables(folder, site.tariff)
    bound = Bound(Reference(words.reference, folder))
    curves = read_curves(folder, words.kind, site.tariff, tables)
    ours = season_run("ours", site, site.tariff, tables, curves).result
    free = [np.inf] * len(bound.items())
    nothing = [0.0] * len(free)
    most_kw = [
        (1 - words.cut / 100) * peak["peak_kw"] if item[1] == "month" else np.inf
        for item, peak in zip(bound.items(), bound.reference.none["peaks"], strict=True)
    ]
    bounds = (
        bound.plan(nothing, most_kw),
        bound.plan(bound.peaks_kw(ours["grid"], DAY_H), free),
        bound.plan(bound.peaks_kw(ours["grid"]), free),
    )
    share_pct = bound.share_pct(ours)
    mine, best, cut = (
        lower_pct(bound, each["grid"]) for each in (ours, bound.reference.best.result, bounds[0])
    )
    kept = all(a >= words.cut for a, b in zip(mine, best, strict=True) if b >= words.cut)
    fine = share_pct >= words.share and kept
    shares = [f"{bound.share_pct(each):.2f}" for each in bounds]
    cells = [_listed(mine), _listed(best), f"{shares[0]} ({_listed(cut)})", *shares[1:]]
    return [folder.name, f"{share_pct:.2f}", *cells, "" if fine else "MISSED"], fine


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:.1f}" for number in numbers)


def main(arguments: list[str]) -> int:
    """Prints the table. Exit status: 0 all bounds hold, 1 not."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.bursts", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--site", type=Path, default=SITE)
    parser.add_argument("--kind", default="scheduler")
    parser.add_argument("--cut", type=float, default=38.0)
    parser.add_argument("--share", type=float, default=95.0)
    words = parser.parse_args(arguments)
    sys.dont_write_bytecode = True  # the reference is not ours to write beside
    table, good = Table(*COLUMNS, box=SIMPLE), True
    for folder in words.folders:
        cells, fine = row(folder, words)
        good &= fine
        table.add_row(*cells)
        print(*cells, sep=" | ", file=sys.stderr, flush=True)  # a season takes half a minute
    Console(width=150).print(table)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

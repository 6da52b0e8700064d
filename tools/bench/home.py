"""Hourly home tables with a fee by steps of the mean of three daily peaks: ours beside perfect foresight, by our bill.

python -m tools.bench.home FOLDER... [--site SITE.yaml] [--begin DATE] [--days N]. A folder holds loads.csv,
da_prices.csv and tou_prices.csv in hourly local time. --begin: the published plan was billed for a year and had its
forecast from the years before; so the six weeks before DATE are learned, with the battery at rest, and what is billed
begins there. A fee of part of a month counts whole: bill whole months. Rows: no battery; ours, which learns its
forecasts as it goes (kind own), planned with the three peaks that are billed, and planned with one; and the least cost
with the whole season known, which ends as full as it began. Energy missing at the end is bought at the mean price.
Exit 0 when ours keeps at least 90.5 % of the prescient saving, the figure published for a mixed-integer plan on a
year of one home (arXiv 2307.07580).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

import boards
from controller.config.loader import load_site
from controller.config.site import Site
from controller.config.tariff import Tariff
from controller.plan import calendar
from controller.plan.billing import Ledger, bill
from controller.plan.calendar import Floats
from controller.plan.charge import Charge
from controller.plan.economy import Economist, Terminal
from controller.plan.horizon import Near, Past, build
from controller.plan.planner import Feed, Planner, plant_of
from tools.season import Season
from tools.tables import OWN, Tables, read_curves, read_tables

SITE = Path(boards.__file__).parent / "sites" / "home.yaml"
SHARE_PCT_MIN = 90.5
SOLVER_S, MISSING_PER_KWH = 120.0, 1000.0
EXACT_PCT = 1e-4  # who knows all keeps no more from a fee step than a solver's rounding
LEARNED_D = 42  # days before what is billed that are learned
AHEAD_H = 48  # hours that are foreseen while learning


@dataclass(frozen=True)
class Cost:
    """What a season costs, the peaks' part, and the billed peaks, kW."""

    total: float
    demand: float
    peaks_kw: tuple[float, ...]


def priced(tariff: Tariff, tables: Tables, pcs_kw: Floats, missing_kwh: float = 0.0) -> Cost:
    """A battery's power through a season."""
    grid_kw = tables.load_kw - tables.pv_kw - pcs_kw
    found = bill(tariff, tables.t_s, tables.step_s, grid_kw, tables.spot, pcs_kw)
    missing = max(missing_kwh, 0.0) * float(tables.spot.mean())
    return Cost(found.total + missing, found.demand, tuple(peak.peak_kw for peak in found.peaks))


def foresight(site: Site, tariff: Tariff, tables: Tables) -> Cost:
    """The least cost with all of it known. Fee steps month by month, the others held: months hardly touch."""
    none, start_kwh = np.zeros(tables.t_s.size), site.battery.capacity_kwh * site.battery.soc_pct_target / 100
    near = Near(float(tables.t_s[0]), tables.step_s, tables.load_kw, tables.pv_kw, tables.spot, none)
    exact = [each.model_copy(update={"meter_error_pct": EXACT_PCT}) for each in tariff.demand]
    known = tariff.model_copy(update={"demand": tuple(exact)})
    ahead = build(known, Past(tariff.time_zone), near, Ledger(), {}, last=True)
    economist, terminal = Economist(plant_of(site, tariff), SOLVER_S), Terminal(start_kwh, MISSING_PER_KWH)

    def cost(charges: list[Charge]) -> tuple[float, Floats]:
        found = economist.plan(ahead.steps, charges, start_kwh, terminal)
        return found.cost, found.pcs_kw[: tables.t_s.size]

    charges = [
        replace(charge, ceiling=charge.demand.steps[-1] if charge.demand.steps else None)
        for charge in ahead.charges
    ]
    best, pcs_kw = cost(charges)
    for index, charge in enumerate(charges):
        for step in reversed(charge.demand.steps[:-1]):
            trial = [*charges[:index], replace(charge, ceiling=step), *charges[index + 1 :]]
            found, trial_kw = cost(trial)
            if found < best:
                best, pcs_kw, charges = found, trial_kw, trial
    return priced(tariff, tables, pcs_kw)


def parted(tables: Tables, zone: str, begin: date | None, days: int | None) -> tuple[Tables, Tables]:
    """What is learned before `begin`, and what is billed: `days` from there on, or all that follows."""
    local_day = calendar.clock(zone, tables.t_s).day
    first = int(local_day[0]) if begin is None else begin.toordinal()
    last = int(local_day[-1]) if days is None else first + days - 1
    cuts = np.searchsorted(local_day, [first - LEARNED_D, first, last + 1])
    before, billed = (_cut(tables, *ends) for ends in pairwise(cuts.tolist()))
    return before, billed


def _cut(tables: Tables, begin: int, end: int) -> Tables:
    part = slice(begin, end)
    return replace(
        tables,
        t_s=tables.t_s[part],
        load_kw=tables.load_kw[part],
        pv_kw=tables.pv_kw[part],
        spot=tables.spot[part],
    )


def learn(planner: Planner, tables: Tables) -> None:
    """Let hours pass with the battery at rest: each is foreseen as it would have been, then seen."""
    for k, t_s in enumerate(tables.t_s):
        load_kw, pv_kw = float(tables.load_kw[k]), float(tables.pv_kw[k])
        planner.outlook(float(t_s), Feed(np.zeros(AHEAD_H)))
        planner.observe(float(t_s), load_kw, pv_kw, load_kw - pv_kw, float(tables.spot[k]))


def ours(
    site: Site, tariff: Tariff, tables: Tables, folder: Path, peaks_count: int, before: Tables | None = None
) -> Cost:
    """A season of ours, planned with so many peaks, billed as the tariff says. before: what is learned first."""
    demand = tuple(each.model_copy(update={"peaks_count": peaks_count}) for each in tariff.demand)
    thought = tariff.model_copy(update={"demand": demand})
    season = Season(site, thought, tables, read_curves(folder, OWN, tariff, tables))
    if before is not None:
        learn(season.planner, before)
    result = season.run()
    missing_kwh = (season.start_kwh - season.energy_kwh) / season.planner.plant.charge_efficiency_pu
    return priced(tariff, tables, result.pcs_kw, missing_kwh)


def main(arguments: list[str]) -> int:
    """Prints the table. Exit status: 0 the bound holds, 1 not."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.home", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--site", type=Path, default=SITE)
    parser.add_argument("--begin", type=date.fromisoformat, help="first day that is billed, 2022-01-01")
    parser.add_argument("--days", type=int, help="so many are billed; without it all that follow")
    words = parser.parse_args(arguments)
    site = load_site(words.site)
    assert site.tariff is not None
    table, good = (
        Table("folder", "policy", "total", "peaks", "share %", "gap %", "billed kW", "", box=SIMPLE),
        True,
    )
    for folder in words.folders:
        whole = read_tables(folder, site.tariff)
        before, tables = parted(whole, site.tariff.time_zone, words.begin, words.days)
        none, best = (
            priced(site.tariff, tables, np.zeros(tables.t_s.size)),
            foresight(site, site.tariff, tables),
        )
        counts = sorted({1, *(each.peaks_count for each in site.tariff.demand)}, reverse=True)
        mine = [(f"ours, {n} peaks", ours(site, site.tariff, tables, folder, n, before)) for n in counts]
        for name, found in (("no battery", none), *mine, ("perfect foresight", best)):
            share_pct = 100 * (none.total - found.total) / (none.total - best.total)
            fine = name != mine[0][0] or share_pct >= SHARE_PCT_MIN
            good &= fine
            peaks = " ".join(f"{kw:.1f}" for kw in found.peaks_kw)
            table.add_row(folder.name, name, f"{found.total:.0f}", f"{found.demand:.0f}", f"{share_pct:.2f}",
                          f"{100 * (found.total / best.total - 1):.2f}", peaks, "" if fine else "MISSED")  # fmt: skip
    Console(width=130).print(table)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

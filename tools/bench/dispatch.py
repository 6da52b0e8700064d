"""Seasons through the planner beside the policies of an independent reference, in one run: money, peaks, months.

python -m tools.bench.dispatch --reference DIR FOLDER... DIR holds oracle.py, score.py and model.py of the dispatch
reference (they need scipy); each FOLDER is a season of its tables, or one that its build_tables.build has made from
another load. Every policy is billed and checked by the reference, none by us. Rows: no battery, the rule and the MPCs
of oracle.py (not with --fast), the least cost under perfect foresight, and ours with each forecast kind. --reserve KW
KWH adds ours with that much left to the fast loop; --errors PCT... adds ours with the true future times an error that
grows with its lead to so many per cent, one draw a target time. Exit 0 when ours is valid, dearer than no battery in
no month, and with the first kind above every row without foresight.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

import boards
from controller.config.loader import load_site
from controller.config.site import Site
from controller.config.tariff import Tariff
from controller.plan import calendar
from controller.plan.billing import bill
from controller.plan.calendar import Floats
from tools.season import Season
from tools.tables import Curves, Tables, read_curves, read_tables

SITE = Path(boards.__file__).parent / "sites" / "nordlab.yaml"
PARTS = ("model", "oracle", "score")
ERROR_LAG_H, ERROR_GROWS_H = 6.0, 12.0  # as the scheduler's errors in the reference


@dataclass(frozen=True)
class Run:
    """One policy through a season, one entry each step; energy at the step's end."""

    name: str
    result: dict[str, Floats]  # grid, pcs, pv in kW, energy in kWh
    seconds: float
    ours: bool = True


class Reference:
    """The modules of the dispatch reference, and one season as they read it."""

    def __init__(self, folder: Path, season: Path) -> None:
        sys.path.insert(0, str(folder))
        try:
            self.model, self.oracle, self.score = (importlib.import_module(name) for name in PARTS)
        finally:
            sys.path.remove(str(folder))
        self.site = self.model.load_site()
        self.season = self.model.load_season(season, self.site)
        self.none = self.billed(self.oracle.no_battery(self.season, self.site))
        began_s = time.perf_counter()
        best = self.oracle.season_lp(self.season, self.site)
        self.best = Run("perfect foresight", best, time.perf_counter() - began_s, ours=False)

    def billed(self, result: dict[str, Floats]) -> Any:
        """Bill of a policy, as the reference's bill."""
        end_kwh = result["energy"][-1]
        return self.model.bill(self.season, self.site, result["grid"], result["pcs"], soc_end_kwh=end_kwh)

    def runs(self, folder: Path) -> Iterator[Run]:
        """The policies without foresight."""
        per_eur = self.oracle.sek_per_eur(folder)
        began_s = time.perf_counter()
        rule = self.oracle.peak_shaving(self.season, self.site)
        yield Run("threshold, tuned in hindsight", rule, time.perf_counter() - began_s, ours=False)
        for kind, steps, spread in self.oracle.MPC_RUNS:
            if kind == "perfect":
                continue
            began_s = time.perf_counter()
            told = self.model.load_forecast(folder, kind)
            found = self.oracle.mpc(self.season, self.site, told, per_eur, steps, spread)
            name = f"MPC {steps // 4} h{' spread' if spread else ''}, {kind}"
            yield Run(name, found, time.perf_counter() - began_s, ours=False)

    def told(self, run: Run) -> dict[str, Any]:
        """Bill, share of the prescient saving and peaks, kW; how many checks of the scorer it fails."""
        found: dict[str, Any] = self.billed(run.result)
        room = self.none["total_sek"] - self.billed(self.best.result)["total_sek"]
        soc_pct = 100 * run.result["energy"] / self.site["battery"]["capacity_kwh"]
        rows = {"grid_kw": run.result["grid"], "pcs_kw": run.result["pcs"], "pv_kw": run.result["pv"]}
        checks = self.score.violations(
            rows | {"soc_pct": soc_pct, "genset_kw": np.zeros(soc_pct.size)}, 0.25, self.season, self.site
        )
        return found | {
            "capture_pct": 100 * (self.none["total_sek"] - found["total_sek"]) / room,
            "faults": sum(checks.values()),
        }


def season_run(name: str, site: Site, tariff: Tariff, tables: Tables, curves: Curves) -> Run:
    """Ours."""
    began_s = time.perf_counter()
    found = Season(site, tariff, tables, curves).run()
    result = {"grid": found.grid_kw, "pcs": found.pcs_kw, "pv": found.pv_kw, "energy": found.energy_kwh}
    return Run(name, result, time.perf_counter() - began_s)


def months(tariff: Tariff, tables: Tables, run: Run) -> list[tuple[int, float, float]]:
    """(month, total cost with the battery, without it) of each calendar month, as billed."""
    month = calendar.clock(tariff.time_zone, tables.t_s).month
    found = []
    for each in sorted({int(m) for m in month}):
        at = month == each
        when = tables.t_s[at], tables.step_s
        with_it = bill(tariff, *when, run.result["grid"][at], tables.spot[at], run.result["pcs"][at])
        idle_kw = tables.load_kw[at] - tables.pv_kw[at]
        found.append((each, with_it.total, bill(tariff, *when, idle_kw, tables.spot[at]).total))
    return found


def erring(folder: Path, tariff: Tariff, tables: Tables, error_pct: float, seed: int = 1) -> Curves:
    """The true future of load and sun, wrong by a relative error with one draw a target time; published prices."""
    true = read_curves(folder, "perfect", tariff, tables)
    known = read_curves(folder, "scheduler", tariff, tables)
    assert true.load_kw is not None
    assert true.pv_kw is not None
    rows, ahead = true.load_kw.shape
    rng, keep = np.random.default_rng(seed), np.exp(-0.25 / ERROR_LAG_H)
    noise = np.zeros((2, 4 * rows + ahead))
    for k in range(1, noise.shape[1]):
        noise[:, k] = keep * noise[:, k - 1] + np.sqrt(1 - keep**2) * rng.standard_normal(2)
    lead_h = (np.arange(ahead) + 0.5) / 4
    grown = error_pct / 100 * np.sqrt(1 - np.exp(-2 * lead_h / ERROR_GROWS_H))
    target = 4 * np.arange(rows)[:, None] + np.arange(ahead)
    load_kw, pv_kw = (
        np.maximum(curve * (1 + grown * each[target]), 0.0)
        for curve, each in zip((true.load_kw, true.pv_kw), noise, strict=True)
    )
    return Curves(load_kw, pv_kw, known.spot, False)


def print_folder(console: Console, folder: Path, words: argparse.Namespace) -> bool:
    """One season's table; whether all bounds hold."""
    site = load_site(words.site)
    assert site.tariff is not None
    tariff, tables = site.tariff, read_tables(folder, site.tariff)
    reference = Reference(words.reference, folder)
    plain = [
        season_run(f"ours, {k}", site, tariff, tables, read_curves(folder, k, tariff, tables))
        for k in words.kinds
    ]
    runs = [*([] if words.fast else reference.runs(folder)), *plain]
    if words.reserve:
        kw, kwh = words.reserve
        kept = site.battery.model_copy(update={"reserve_kw": kw, "reserve_kwh": kwh})
        curves = read_curves(folder, words.kinds[0], tariff, tables)
        name = f"ours, {words.kinds[0]}, {kw:g} kW and {kwh:g} kWh kept"
        runs.append(season_run(name, site.model_copy(update={"battery": kept}), tariff, tables, curves))
    for error_pct in words.errors:
        curves = erring(folder, tariff, tables, error_pct)
        runs.append(season_run(f"ours, error {error_pct:g} %", site, tariff, tables, curves))
    table = Table(
        folder.name, "total", "demand", "capture %", "peaks kW (less than without)", "s", "", box=SIMPLE
    )
    good = True
    first_pct = reference.told(plain[0])["capture_pct"]
    for run in [*runs, reference.best]:
        told = reference.told(run)
        pairs = zip(told["peaks"], reference.none["peaks"], strict=True)
        peaks = ", ".join(
            f"{p['peak_kw']:.0f} ({100 - 100 * p['peak_kw'] / n['peak_kw']:.0f} %)" for p, n in pairs
        )
        fine = _fine(run, told, tariff, tables, first_pct) if run is not reference.best else True
        good &= fine
        table.add_row(run.name, f"{told['total_sek']:.0f}", f"{told['demand_sek']:.0f}", f"{told['capture_pct']:.2f}",
                      peaks, f"{run.seconds:.0f}", "" if fine else "MISSED")  # fmt: skip
    console.print(table)
    console.print(f"no battery: {reference.none['total_sek']:.0f}, demand {reference.none['demand_sek']:.0f}")
    for run in plain:
        rows = (f"{m}: {a:.0f} for {b:.0f}" for m, a, b in months(tariff, tables, run))
        console.print(f"{run.name}, months as billed: {', '.join(rows)}")
    return good


def _fine(run: Run, told: dict[str, Any], tariff: Tariff, tables: Tables, first_pct: float) -> bool:
    if not run.ours:
        return bool(told["capture_pct"] < first_pct)
    return told["faults"] == 0 and all(mine < none for _, mine, none in months(tariff, tables, run))


def main(arguments: list[str]) -> int:
    """Prints the tables. Exit status: 0 all bounds hold, 1 not."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.dispatch", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--site", type=Path, default=SITE)
    parser.add_argument("--kinds", nargs="+", default=["scheduler", "none", "own"])
    parser.add_argument("--fast", action="store_true", help="leave out the policies of oracle.py")
    parser.add_argument("--reserve", nargs=2, type=float, metavar=("KW", "KWH"))
    parser.add_argument("--errors", nargs="*", type=float, default=[], metavar="PCT")
    words = parser.parse_args(arguments)
    sys.dont_write_bytecode = True  # the reference is not ours to write beside
    console = Console(width=150)
    found = [print_folder(console, folder, words) for folder in words.folders]
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

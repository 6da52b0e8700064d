"""A season through the planner: every hour a new plan from what was known then, every step one decision.

The plant is averaged over a step: the battery gives what it can, the grid takes the rest.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from controller.config.site import Site
from controller.config.tariff import Tariff
from controller.plan.billing import Bill, bill, prices
from controller.plan.calendar import Floats
from controller.plan.economy import Plant, Terminal
from controller.plan.planner import Feed, Planner, plant_of
from tools.tables import HOUR_S, Curves, Tables, known_slots, read_curves, read_tables

REPLAN_S = 3600
HORIZON_S = 48 * HOUR_S
Progress = Callable[[float], None]


@dataclass(slots=True)
class Result:
    """A run through a season, one entry each step; energy at the step's end."""

    grid_kw: Floats
    pcs_kw: Floats
    pv_kw: Floats
    energy_kwh: Floats
    rungs: dict[str, int]
    plan_ms: list[float]


class Season:
    """One site in one season, step by step."""

    def __init__(
        self, site: Site, tariff: Tariff, tables: Tables, curves: Curves, *, reserve: bool = True
    ) -> None:
        self.site, self.tariff, self.tables, self.curves = site, tariff, tables, curves
        self.planner = Planner(tariff, plant_of(site, tariff, reserve=reserve), tables.step_s)
        self.start_kwh = site.battery.capacity_kwh * site.battery.soc_pct_target / 100
        self.energy_kwh = self.start_kwh
        buy, _ = prices(tariff, tables.t_s, tables.spot)
        self._buy_mean = np.cumsum(buy) / np.arange(1, buy.size + 1)  # entry k: what is known at step k

    def run(self, stop: int | None = None, progress: Progress | None = None) -> Result:
        """Go through the first `stop` steps, or all."""
        count = self.tables.t_s.size if stop is None else min(stop, self.tables.t_s.size)
        grid_kw, pcs_kw, pv_kw, energy_kwh = np.zeros((4, count))
        result = Result(grid_kw, pcs_kw, pv_kw, energy_kwh, {}, [])
        for k in range(count):
            self.replan(k, result)
            self._step(k, result)
            if progress and k % 96 == 0:
                progress(k / count)
        return result

    def replan(self, k: int, result: Result | None = None) -> None:
        """Plan at step k, where it is time for it, from what is known then."""
        if k and self.tables.t_s[k] % REPLAN_S:
            return
        began_s = time.perf_counter()
        feed = self.feed(k)
        last = k + feed.spot.size >= self.tables.t_s.size
        missing = float(self._buy_mean[k]) / self.planner.plant.charge_efficiency_pu
        terminal = Terminal(self.start_kwh, missing) if last else None
        self.planner.replan(float(self.tables.t_s[k]), self.energy_kwh, feed, terminal)
        if result is not None:
            result.plan_ms.append(1e3 * (time.perf_counter() - began_s))

    def feed(self, k: int) -> Feed:
        """What is told at step k: published prices, and the curves issued at the last full hour."""
        tables, curves = self.tables, self.curves
        per_hour = round(HOUR_S / tables.step_s)
        row, skip = divmod(k, per_hour)
        if curves.spot is None:
            count = known_slots(self.tariff, float(tables.t_s[k]), tables.step_s)
            spot = tables.spot[k : k + count]
        else:
            told = curves.spot[row, skip:]
            known = known_slots(self.tariff, float(tables.t_s[k]), tables.step_s)
            spot = told if curves.all_known else told[:known]
        spot = spot[: tables.t_s.size - k]
        load, pv = (None if c is None else c[row, skip:] for c in (curves.load_kw, curves.pv_kw))
        return Feed(spot, load, pv)

    def _step(self, k: int, result: Result) -> None:
        """Decide on the power of step k, let it act, and tell the planner what came of it."""
        tables, t_s, step_s = self.tables, float(self.tables.t_s[k]), self.tables.step_s
        load_kw, pv_kw, spot = float(tables.load_kw[k]), float(tables.pv_kw[k]), float(tables.spot[k])
        decision = self.planner.decide(t_s, load_kw - pv_kw, step_s, spot)
        pcs_kw, self.energy_kwh = battery_step(
            self.planner.plant, self.energy_kwh, decision.pcs_kw, step_s / HOUR_S
        )
        spilled_kw = min(max(pcs_kw + pv_kw - load_kw - self.site.grid.export_kw_max, 0.0), pv_kw)
        grid_kw = load_kw - (pv_kw - spilled_kw) - pcs_kw
        self.planner.observe(t_s, load_kw, pv_kw, grid_kw, spot)
        result.grid_kw[k], result.pcs_kw[k] = grid_kw, pcs_kw
        result.pv_kw[k], result.energy_kwh[k] = pv_kw - spilled_kw, self.energy_kwh
        result.rungs[decision.rung.value] = result.rungs.get(decision.rung.value, 0) + 1


def battery_step(plant: Plant, energy_kwh: float, pcs_kw: float, hours: float) -> tuple[float, float]:
    """What the battery gives of pcs_kw for `hours`, and its energy after it."""
    kept_kwh = energy_kwh * (1.0 - plant.standing_pu_per_h * hours)
    if pcs_kw > 0:
        room_kw = max(kept_kwh - plant.energy_kwh_min, 0.0) * plant.discharge_efficiency_pu / hours
        pcs_kw = min(pcs_kw, plant.discharge_kw_max, room_kw)
        return pcs_kw, kept_kwh - pcs_kw / plant.discharge_efficiency_pu * hours
    room_kw = max(plant.energy_kwh_max - kept_kwh, 0.0) / (plant.charge_efficiency_pu * hours)
    pcs_kw = max(pcs_kw, -plant.charge_kw_max, -room_kw)
    return pcs_kw, kept_kwh - pcs_kw * plant.charge_efficiency_pu * hours


def write_result(path: Path, season: Season, result: Result) -> None:
    """CSV t_utc, grid_kw, pcs_kw, soc_pct, pv_kw, packed unless the name ends in .csv."""
    capacity_kwh = season.site.battery.capacity_kwh
    lines = ["t_utc,grid_kw,pcs_kw,soc_pct,pv_kw\n"]
    for k, t_s in enumerate(season.tables.t_s[: result.grid_kw.size]):
        stamp = datetime.fromtimestamp(float(t_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        soc_pct = 100 * result.energy_kwh[k] / capacity_kwh
        lines.append(
            f"{stamp},{result.grid_kw[k]:.3f},{result.pcs_kw[k]:.3f},{soc_pct:.4f},{result.pv_kw[k]:.3f}\n"
        )
    raw = "".join(lines).encode()
    path.write_bytes(raw if path.suffix == ".csv" else gzip.compress(raw, 6, mtime=0))


def told(found: Bill) -> dict[str, Any]:
    """A bill as plain data."""
    return {
        "total": round(found.total, 2), "energy": round(found.energy, 2), "demand": round(found.demand, 2),
        "wear": round(found.wear, 2), "fuel": round(found.fuel, 2),
        "import_kwh": round(found.import_kwh, 1), "export_kwh": round(found.export_kwh, 1),
        "peaks": [
            {"month": p.month, "name": p.name, "peak_kw": round(p.peak_kw, 1), "amount": round(p.amount, 2)}
            for p in found.peaks
        ],
    }  # fmt: skip


def run_season(
    site: Site, tariff: Tariff, folder: Path, kind: str, out: Path, *, reserve: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Run a folder's season, write the result, return the summary. Raises TableError, OSError for `out`."""
    began_s = time.perf_counter()
    tables = read_tables(folder, tariff)
    season = Season(site, tariff, tables, read_curves(folder, kind, tariff, tables), reserve=reserve)
    result = season.run(progress=progress)
    write_result(out, season, result)
    idle_kw = tables.load_kw - tables.pv_kw
    mine = bill(tariff, tables.t_s, tables.step_s, result.grid_kw, tables.spot, result.pcs_kw)
    none = bill(tariff, tables.t_s, tables.step_s, idle_kw, tables.spot)
    plan_ms = np.array(result.plan_ms)
    return {
        "site": site.name, "forecast": kind, "steps": int(tables.t_s.size), "currency": tariff.currency,
        "reserve_kw": site.battery.reserve_kw if reserve else 0.0,
        "reserve_kwh": site.battery.reserve_kwh if reserve else 0.0,
        "bill": told(mine), "no_battery": told(none),
        "saving_pct": round(100 * (1 - mine.total / none.total), 3) if none.total else 0.0,
        "soc_pct_end": round(100 * season.energy_kwh / site.battery.capacity_kwh, 2),
        "decisions": result.rungs, "trouble": season.planner.trouble, "plans": int(plan_ms.size),
        "plan_ms_median": round(float(np.median(plan_ms)), 1), "plan_ms_max": round(float(plan_ms.max()), 1),
        "load_forecast": {k: round(v, 3) for k, v in season.planner.load.skill().items()},
        "wall_s": round(time.perf_counter() - began_s, 1), "out": str(out),
    }  # fmt: skip


def summary_line(summary: dict[str, Any]) -> str:
    """The one JSON line that a program may read."""
    return json.dumps(summary, sort_keys=True)

"""A plan for people: `stillwatt plan` shows the hours, the peaks, and what holds the plan where it is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from controller.config.site import Site
from controller.config.tariff import Tariff
from controller.plan.economy import Plant
from controller.plan.planner import Plan
from tools.season import Season
from tools.tables import TableError, read_curves, read_tables

CLOSE_KW, CLOSE_KWH, CLOSE_MONEY = 0.5, 0.5, 1e-4


def plan_at(site: Site, tariff: Tariff, folder: Path, kind: str, at: str) -> dict[str, Any]:
    """Run a season up to `at` and tell the plan made then, as plain data. Raises TableError."""
    tables = read_tables(folder, tariff)
    k = round((_moment(at, tariff) - float(tables.t_s[0])) / tables.step_s)
    if not 0 <= k < tables.t_s.size:
        first, last = (_stamp(float(t), tariff) for t in tables.t_s[[0, -1]])
        raise TableError(f"--at {at}: the tables go from {first} to {last}. Choose a time between.")
    k -= round(float(tables.t_s[k]) % 3600 / tables.step_s)
    season = Season(site, tariff, tables, read_curves(folder, kind, tariff, tables))
    if k:
        season.run(stop=k)
    season.replan(max(k, 0))
    plan = season.planner.current
    if plan is None:
        raise TableError(f"--at {at}: there is no plan: {season.planner.trouble}.")
    return told(plan, season, tariff)


def _moment(at: str, tariff: Tariff) -> float:
    try:
        stamp = datetime.fromisoformat(at.strip().replace("Z", "+00:00"))
    except ValueError:
        raise TableError(f'--at "{at}": a time like 2022-01-17T06:00Z is needed.') from None
    return (stamp if stamp.tzinfo else stamp.replace(tzinfo=ZoneInfo(tariff.time_zone))).timestamp()


def _stamp(t_s: float, tariff: Tariff) -> str:
    return datetime.fromtimestamp(t_s, UTC).astimezone(ZoneInfo(tariff.time_zone)).strftime("%Y-%m-%d %H:%M")


def told(plan: Plan, season: Season, tariff: Tariff) -> dict[str, Any]:
    """A plan as plain data: near steps, peaks with what they rest on, and the energy now."""
    steps, dispatch, plant = plan.horizon.steps, plan.dispatch, season.planner.plant
    rows = [
        {
            "at": _stamp(float(plan.horizon.near_t_s[i]), tariff),
            "minutes": round(60 * float(steps.hours[i])),
            "load_kw": round(float(steps.load_kw[i]), 1), "pv_kw": round(float(steps.pv_kw[i]), 1),
            "grid_kw": round(float(dispatch.grid_kw[i]), 1), "pcs_kw": round(float(dispatch.pcs_kw[i]), 1),
            "energy_kwh": round(float(dispatch.energy_kwh[i]), 1), "buy": round(float(steps.buy[i]), 4),
            "guessed": bool(plan.horizon.near_t_s[i] >= plan.horizon.known_s),
            "binds": binding(plan, plant, i),
        }
        for i in range(steps.near)
    ]  # fmt: skip
    peaks: list[dict[str, Any]] = []
    for charge, peak_kw, limit_kw in zip(
        plan.horizon.charges, dispatch.peak_kw, dispatch.limit_kw, strict=True
    ):
        if any((charge.demand.name, charge.period) == (p["name"], p["period"]) for p in peaks):
            continue  # the same in the bad case
        set_kw = max([*charge.seen_kw, *charge.floor_kw], default=0.0)
        peaks.append({
            "name": charge.demand.name, "period": charge.period, "planned_kw": round(peak_kw, 1),
            "window_limit_kw": round(limit_kw, 1), "set_kw": round(set_kw, 1), "why": _why(peak_kw, set_kw),
        })  # fmt: skip
    return {
        "site": season.site.name, "at": _stamp(plan.now_s, tariff), "currency": tariff.currency,
        "energy_kwh": round(season.energy_kwh, 1), "typical_days": int(steps.ends.size),
        "peaks": peaks, "fees": dict(dispatch.fees), "steps": rows, "warm": dispatch.warm,
    }  # fmt: skip


def _why(peak_kw: float, set_kw: float) -> str:
    if peak_kw > set_kw + CLOSE_KW:
        return "to be raised: what it saves over the rest of the period is worth more than it costs"
    return "set already: more would cost, less would save nothing"


def binding(plan: Plan, plant: Plant, i: int) -> list[str]:
    """What holds step i of a plan where it is."""
    dispatch = plan.dispatch
    pcs_kw, energy_kwh = float(dispatch.pcs_kw[i]), float(dispatch.energy_kwh[i])
    found = (
        (dispatch.worth[i] > CLOSE_MONEY, f"peak: a kW less there would save {dispatch.worth[i]:.2f}"),
        (pcs_kw > plant.discharge_kw_max - CLOSE_KW, "converters: discharging in full"),
        (pcs_kw < -plant.charge_kw_max + CLOSE_KW, "converters: charging in full"),
        (energy_kwh < plant.energy_kwh_min + CLOSE_KWH, "battery: empty but for its reserve"),
        (energy_kwh > plant.energy_kwh_max - CLOSE_KWH, "battery: full but for its reserve"),
        (float(dispatch.grid_kw[i]) > plant.import_kw_max - CLOSE_KW, "connection: import"),
        (float(dispatch.grid_kw[i]) < -plant.export_kw_max + CLOSE_KW, "connection: export"),
        (float(plan.horizon.steps.pv_kw[i] - dispatch.pv_kw[i]) > CLOSE_KW, "sun: spilled"),
    )
    return [text for holds, text in found if holds]


def shown(view: dict[str, Any]) -> str:
    """A plan for a terminal."""
    lines = [
        f"{view['site']} at {view['at']}: {view['energy_kwh']:.0f} kWh stored, "
        f"{len(view['steps'])} steps ahead, then {view['typical_days']} typical days"
    ]
    for peak in view["peaks"]:
        lines.append(
            f"  {peak['name']} {peak['period']}: planned {peak['planned_kw']:.0f} kW, set {peak['set_kw']:.0f} kW; "
            f"{peak['why']}"
        )
    lines += [f"  fee {name}: {fee:.2f} {view['currency']}" for name, fee in view["fees"].items()]
    lines.append(
        f"{'from':<17}{'min':>4}{'load':>9}{'pv':>8}{'battery':>9}{'grid':>9}{'kWh':>8}{'price':>8}  binding"
    )
    for row in view["steps"]:
        lines.append(
            f"{row['at']:<17}{row['minutes']:>4}{row['load_kw']:>9.0f}{row['pv_kw']:>8.0f}{row['pcs_kw']:>9.0f}"
            f"{row['grid_kw']:>9.0f}{row['energy_kwh']:>8.0f}{'~' * row['guessed'] + format(row['buy'], '.3f'):>8}"
            f"  {'; '.join(row['binds'])}"
        )
    lines += ["~ the price is not known yet: a guess from the days before"] * any(
        row["guessed"] for row in view["steps"]
    )
    return "\n".join(lines)


def draw(view: dict[str, Any], path: Path) -> None:
    """The plan as a picture. Raises ModuleNotFoundError without matplotlib."""
    from matplotlib.figure import Figure

    rows = view["steps"]
    hour = np.cumsum([0.0, *(row["minutes"] / 60 for row in rows)])
    figure = Figure(figsize=(9, 6), layout="constrained")
    power, energy = figure.subplots(2, 1, sharex=True)
    for name, label in (("load_kw", "load"), ("grid_kw", "grid"), ("pcs_kw", "battery"), ("pv_kw", "sun")):
        power.stairs([row[name] for row in rows], hour, label=label, linewidth=1.5)
    for peak in view["peaks"]:
        power.axhline(peak["planned_kw"], linestyle=":", color="grey", linewidth=1)
    power.set_ylabel("kW")
    power.legend(ncols=4)
    energy.stairs([row["energy_kwh"] for row in rows], hour, label="stored", color="tab:green")
    energy.set_ylabel("kWh")
    price = energy.twinx()
    price.stairs([row["buy"] for row in rows], hour, color="tab:red")
    price.set_ylabel(f"{view['currency']}/kWh")
    energy.set_xlabel(f"hours from {view['at']}")
    figure.suptitle(view["site"])
    figure.savefig(path, dpi=110)

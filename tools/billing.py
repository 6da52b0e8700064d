"""The bill of a measured table: `stillwatt bill`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from controller.config.tariff import Tariff
from controller.plan.billing import bill
from controller.plan.calendar import Floats
from tools.season import told
from tools.tables import TableError, numbers, read_csv, read_tables, spot_of, times


def bill_table(tariff: Tariff, path: Path, folder: Path | None = None) -> dict[str, Any]:
    """Bill a CSV with t_utc, grid_kw and, where known, pcs_kw, genset_kw and a price. Raises TableError.

    Prices come from `folder`, else from the table; without any, the tariff's own prices are all there is.
    """
    columns = read_csv(path)
    if "t_utc" not in columns:
        raise TableError(f"{path}: has no column t_utc; there are {', '.join(columns)}. Add it.")
    t_s, step_s = times(path, columns["t_utc"])
    if step_s > 3600:
        raise TableError(f"{path}: its step is {step_s:g} s; at most 3600 is allowed. Take finer means.")
    grid_kw = numbers(path, columns, "grid_kw")
    pcs_kw, genset_kw = (
        numbers(path, columns, name) if name in columns else None for name in ("pcs_kw", "genset_kw")
    )
    spot = spot_of(path, columns, tariff) if folder is None else _from(folder, tariff, t_s)
    found = bill(
        tariff, t_s, step_s, grid_kw, np.zeros(t_s.size) if spot is None else spot, pcs_kw, genset_kw
    )
    return told(found) | {"currency": tariff.currency, "priced": spot is not None}


def _from(folder: Path, tariff: Tariff, t_s: Floats) -> Floats:
    """The spot price that was in force at each moment."""
    tables = read_tables(folder, tariff)
    place = np.floor_divide(t_s - tables.t_s[0], tables.step_s).astype(int)
    if place[0] < 0 or place[-1] >= tables.t_s.size:
        raise TableError(f"{folder}: its prices do not span the table. Choose the folder of that time.")
    return np.asarray(tables.spot[place], dtype=np.float64)


def shown(found: dict[str, Any]) -> str:
    """A bill for people."""
    currency = found["currency"]
    lines = [
        f"imported {found['import_kwh']:.1f} kWh, exported {found['export_kwh']:.1f} kWh",
        *(f"{name:<28} {found[name]:>14.2f} {currency}" for name in ("energy", "demand")),
        *(
            f"  {p['month'] // 100}-{p['month'] % 100:02d} {p['name']:<18} {p['peak_kw']:>9.1f} kW {p['amount']:>13.2f}"
            for p in found["peaks"]
        ),
        *(f"{name:<28} {found[name]:>14.2f} {currency}" for name in ("wear", "fuel", "total")),
    ]
    if not found["priced"]:
        lines.append("no price column: the energy part holds fees and taxes alone")
    return "\n".join(lines)

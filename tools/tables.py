"""Season tables: measured load, sun and prices in equal steps, and the forecasts that were at hand each hour.

A folder holds `input*.csv[.gz]` (t_utc, load_kw, and pv_kw, price_<currency>_kwh or price_eur_mwh where there
are any) with `forecast_<kind>_{load,pv}_kw` and `forecast_{<kind>,published}_price_eur_mwh` (issue_utc, then one
column each step ahead); or loads.csv, da_prices.csv, tou_prices.csv, hourly in local time.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from controller.config.tariff import Tariff
from controller.plan import calendar
from controller.plan.calendar import Floats

HOUR_S = 3600
STEPS_S = (900, 1800, 3600)
OWN = "own"  # no feed: the learned models alone


class TableError(Exception):
    """A table cannot be used; the message says where, what is allowed and the cure."""


@dataclass(frozen=True, slots=True)
class Curves:
    """Forecasts of one kind: one row an hour from the first step on, one column each step ahead."""

    load_kw: Floats | None
    pv_kw: Floats | None
    spot: Floats | None
    all_known: bool  # every price told is known, not only what the market has published


@dataclass(frozen=True, slots=True)
class Tables:
    """A season, one entry each step: begin (UTC s), kW, kW available, spot per kWh in the tariff's currency."""

    t_s: Floats
    step_s: float
    load_kw: Floats
    pv_kw: Floats
    spot: Floats


def read_csv(path: Path) -> dict[str, list[str]]:
    """Columns of a CSV or CSV.gz by name. Raises TableError."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        rows = list(csv.reader(raw.decode("utf-8-sig").splitlines()))
    except (OSError, EOFError, ValueError, csv.Error) as error:
        raise TableError(f"{path}: cannot be read ({error}). Name a CSV or CSV.gz file.") from None
    if len(rows) < 3:
        raise TableError(
            f"{path}: has {len(rows)} lines; a head and two rows are needed. Choose another file."
        )
    head = [name.strip() for name in rows[0]]
    for number, row in enumerate(rows, 1):
        if len(row) != len(head):
            raise TableError(
                f"{path}:{number}: has {len(row)} cells; the head has {len(head)}. Mend the row."
            )
    return dict(zip(head, map(list, zip(*rows[1:], strict=True)), strict=True))


def numbers(path: Path, columns: dict[str, list[str]], name: str) -> Floats:
    """One column as finite numbers. Raises TableError with the line."""
    if name not in columns:
        raise TableError(f"{path}: has no column {name}; there are {', '.join(list(columns)[:12])}. Add it.")
    try:
        found = np.array(columns[name], dtype=np.float64)
    except ValueError:
        found = np.array([_number(cell) for cell in columns[name]])
    if not np.isfinite(found).all():
        line = int(np.flatnonzero(~np.isfinite(found))[0])
        raise TableError(
            f'{path}:{line + 2}: {name} is "{columns[name][line]}"; a number is needed. Mend it.'
        )
    return found


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def times(path: Path, cells: list[str]) -> tuple[Floats, float]:
    """UTC seconds of a column of ISO time stamps, and their step. Raises TableError for gaps."""
    found = np.empty(len(cells))
    for i, cell in enumerate(cells):
        try:
            stamp = datetime.fromisoformat(cell.strip().replace("Z", "+00:00"))
        except ValueError:
            raise TableError(f'{path}:{i + 2}: the time is "{cell}"; 2022-01-31T23:00Z is allowed.') from None
        found[i] = (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()
    step_s = float(found[1] - found[0])
    odd = np.flatnonzero(np.diff(found) != step_s)
    if odd.size or step_s <= 0:
        raise TableError(
            f"{path}:{int(odd[0]) + 3 if odd.size else 3}: time does not go on by {step_s:g} s. Fill the gap."
        )
    return found, step_s


def spot_of(path: Path, columns: dict[str, list[str]], tariff: Tariff) -> Floats | None:
    """Spot price per kWh in the tariff's currency, from whichever price column there is; None: none."""
    own = f"price_{tariff.currency.lower()}_kwh"
    if own in columns:
        return numbers(path, columns, own)
    if "price_eur_mwh" in columns:
        return numbers(path, columns, "price_eur_mwh") * tariff.per_eur / 1000
    return None


def read_tables(folder: Path, tariff: Tariff) -> Tables:
    """The measured part of a folder. Raises TableError."""
    if (folder / "loads.csv").exists():
        return _home_tables(folder, tariff)
    found = sorted([*folder.glob("input*.csv.gz"), *folder.glob("input*.csv")])
    if not found:
        raise TableError(f"{folder}: holds neither input*.csv[.gz] nor loads.csv. Name a folder of tables.")
    path = found[0]
    columns = read_csv(path)
    if "t_utc" not in columns:
        raise TableError(f"{path}: has no column t_utc; there are {', '.join(columns)}. Add it.")
    t_s, step_s = times(path, columns["t_utc"])
    if step_s not in STEPS_S or t_s[0] % step_s:
        raise TableError(f"{path}: its step is {step_s:g} s; 900, 1800 or 3600 on the clock are allowed.")
    load_kw = numbers(path, columns, "load_kw")
    pv_kw = numbers(path, columns, "pv_kw") if "pv_kw" in columns else np.zeros(t_s.size)
    spot = spot_of(path, columns, tariff)
    return Tables(t_s, step_s, load_kw, pv_kw, np.zeros(t_s.size) if spot is None else spot)


def _home_tables(folder: Path, tariff: Tariff) -> Tables:
    """Hourly local tables: load, day-ahead price, and the time-of-use price, which is part of the spot here."""
    series = []
    for name in ("loads.csv", "da_prices.csv", "tou_prices.csv"):
        path = folder / name
        if name == "tou_prices.csv" and not path.exists():
            continue
        columns = read_csv(path)
        stamp, value = list(columns)[:2]
        series.append((path, columns[stamp], numbers(path, columns, value)))
    count = min(values.size for _, _, values in series)
    path, cells, load_kw = series[0]
    try:
        first = datetime.fromisoformat(cells[0].strip()).replace(tzinfo=ZoneInfo(tariff.time_zone))
    except ValueError:
        raise TableError(f'{path}:2: the time is "{cells[0]}"; 2022-01-01 00:00 is allowed.') from None
    t_s = first.timestamp() + HOUR_S * np.arange(count)
    spot = np.sum([values[:count] for _, _, values in series[1:]], axis=0)
    return Tables(t_s, float(HOUR_S), load_kw[:count], np.zeros(count), spot)


def read_curves(folder: Path, kind: str, tariff: Tariff, tables: Tables) -> Curves:
    """The forecasts of one kind. Raises TableError where there are none of that name."""
    if kind == OWN:
        return Curves(None, None, None, False)
    load = _wide(folder, f"forecast_{kind}_load_kw")
    if load is None:
        known = sorted({p.name.split("_")[1] for p in folder.glob("forecast_*_load_kw.csv*")} | {OWN})
        raise TableError(f"{folder}: has no forecast {kind}; there are {', '.join(known)}. Choose one.")
    own = _wide(folder, f"forecast_{kind}_price_eur_mwh")
    price = own if own is not None else _wide(folder, "forecast_published_price_eur_mwh")
    spot = (
        None if price is None else price.repeat(round(HOUR_S / tables.step_s), axis=1) * tariff.per_eur / 1000
    )
    return Curves(load, _wide(folder, f"forecast_{kind}_pv_kw"), spot, own is not None)


def _wide(folder: Path, name: str) -> Floats | None:
    path = next((p for p in (folder / f"{name}.csv.gz", folder / f"{name}.csv") if p.exists()), None)
    if path is None:
        return None
    columns = read_csv(path)
    return np.array([numbers(path, columns, column) for column in list(columns)[1:]]).T


def known_slots(tariff: Tariff, t_s: float, step_s: float) -> int:
    """Slots whose spot price is published at t_s: to midnight, from `published_h` on to the next one."""
    local = calendar.clock(tariff.time_zone, np.array([t_s]))
    days = 2 if local.second[0] >= tariff.published_h * HOUR_S else 1
    return round((calendar.midnight_s(tariff.time_zone, t_s, days) - t_s) / step_s)

"""Tariffs and clocks for the tests of the plan."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from controller.config.tariff import Demand, Tariff
from controller.plan.calendar import Floats
from controller.plan.economy import Plant

STOCKHOLM = "Europe/Stockholm"
SHARED = os.environ.get("STILLWATT_SHARED", str(Path(__file__).parents[4] / "shared"))
DISPATCH = Path(SHARED) / "dispatch"  # beside a checkout; what needs it skips without it


def tariff(*demand: Demand, **more: Any) -> Tariff:
    """A tariff in Stockholm's time without energy fees."""
    return Tariff(time_zone=STOCKHOLM, currency="SEK", demand=demand, **{"wear_per_kwh": 0.0} | more)


def utc_s(text: str, zone: str = STOCKHOLM) -> float:
    """UTC seconds of a local time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def hours(start: str, count: int, step_s: float = 3600.0) -> Floats:
    """Begin of `count` steps from a local time on."""
    return utc_s(start) + step_s * np.arange(count)


def plant(**more: Any) -> Plant:
    """The battery of the dispatch site: 4 MWh from 10 to 95 %, 2 MW."""
    return Plant(**{
        "energy_kwh_min": 400.0, "energy_kwh_max": 3800.0, "charge_kw_max": 2000.0, "discharge_kw_max": 2000.0,
        "charge_efficiency_pu": 0.96, "discharge_efficiency_pu": 0.96,
        "import_kw_max": 6000.0, "export_kw_max": 2000.0,
    } | more)  # fmt: skip

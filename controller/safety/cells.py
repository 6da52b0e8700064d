"""What LFP cells may take and give over temperature and state of charge, as a table of the site file."""

from __future__ import annotations

from bisect import bisect_right
from math import isfinite, nan

from controller.safety.terms import CellRow, CellTable

CHARGE_C_MIN = 0.0  # lithium plates on a colder cell, whatever a table says
CELL_C_MIN, CELL_C_MAX = -55.0, 90.0  # F14: outside, the sensor is open or shorted


def readable(cell_c: float) -> float:
    """The temperature where a sensor can have it, else nan."""
    return cell_c if CELL_C_MIN <= cell_c <= CELL_C_MAX else nan


def rates(
    table: CellTable, coldest_c: float, hottest_c: float, low_pct: float, high_pct: float
) -> tuple[float, float]:
    """Discharge and charge limit, share of the capacity an hour; 0 where a number is missing (F14).

    Both by the coldest and by the hottest cell; discharge by the low end of the SOC, charge by the high end.
    Linear between the table's points, nothing outside of its temperatures.
    """
    if not all(isfinite(x) for x in (coldest_c, hottest_c, low_pct, high_pct)):
        return 0.0, 0.0
    discharge_pu = min(_rate(table, cell_c, low_pct, False) for cell_c in (coldest_c, hottest_c))
    charge_pu = min(_rate(table, cell_c, high_pct, True) for cell_c in (coldest_c, hottest_c))
    return discharge_pu, charge_pu if coldest_c >= CHARGE_C_MIN else 0.0


def _rate(table: CellTable, cell_c: float, soc_pct: float, charges: bool) -> float:
    temperatures = [row.cell_c for row in table.rows]
    if not temperatures[0] <= cell_c <= temperatures[-1]:
        return 0.0
    upper = min(bisect_right(temperatures, cell_c), len(temperatures) - 1)
    share = (cell_c - temperatures[upper - 1]) / (temperatures[upper] - temperatures[upper - 1])
    below, above = (_at(table, table.rows[i], soc_pct, charges) for i in (upper - 1, upper))
    return below + share * (above - below)


def _at(table: CellTable, row: CellRow, soc_pct: float, charges: bool) -> float:
    knots, values = table.soc_pct, row.charge_pu if charges else row.discharge_pu
    soc_pct = min(max(soc_pct, knots[0]), knots[-1])
    upper = min(bisect_right(knots, soc_pct), len(knots) - 1)
    share = (soc_pct - knots[upper - 1]) / (knots[upper] - knots[upper - 1])
    return values[upper - 1] + share * (values[upper] - values[upper - 1])

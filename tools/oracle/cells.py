"""What the cells may take and give by the table of the site file: reference/safety.md 6.3, "our table"; F14."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from controller.config.battery import Cells
from tools.oracle.facts import Plates, Scene

READABLE_C = (-55.0, 90.0)  # F14: outside, the sensor is open or shorted


def between(at: float, knots: Sequence[float], values: Sequence[float]) -> float:
    """The straight line from knot to knot; beside them the end's own value."""
    if at <= knots[0]:
        return values[0]
    for x0, x1, y0, y1 in zip(knots, knots[1:], values, values[1:], strict=False):
        if at <= x1:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return values[-1]


def rates(cells: Cells, cell_c: float, soc_pct: float) -> tuple[float, float]:
    """Charge and discharge of one cell, share of the capacity an hour: nothing outside of the table's temperatures."""
    knots = [row.cell_c for row in cells.rows]
    readable = READABLE_C[0] <= cell_c <= READABLE_C[1]  # not so for nan
    if not readable or not knots[0] <= cell_c <= knots[-1]:
        return 0.0, 0.0
    charge = [between(soc_pct, cells.soc_pct, row.charge_pu) for row in cells.rows]
    discharge = [between(soc_pct, cells.soc_pct, row.discharge_pu) for row in cells.rows]
    return between(cell_c, knots, charge), between(cell_c, knots, discharge)


def most_kw(scene: Scene, plates: Plates) -> tuple[float, float]:
    """Charge and discharge that the worst cell of all racks allows the site, kW; inf: none is told."""
    charge_kw = discharge_kw = inf
    if plates.cells is None:
        return charge_kw, discharge_kw
    for rack in plates.of("bms"):
        device = scene.device(rack.name)
        values = device.values if device is not None else {}
        for point in ("cell_c_min", "cell_c_max"):
            if point in values:
                charge, discharge = rates(plates.cells, values[point], scene.told(rack.name, "soc_pct"))
                charge_kw = min(charge_kw, charge * plates.capacity_kwh)
                discharge_kw = min(discharge_kw, discharge * plates.capacity_kwh)
    return charge_kw, discharge_kw

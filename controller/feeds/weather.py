"""Weather in the shape of Open-Meteo's JSON as power of the panels.

A radiation at t is the mean of the interval that ends there (Open-Meteo, "preceding hour"). Cells are warmer than the
air by 0.03 K per W/m2 (Ross, 1976) and lose 0.37 %/K; 14 % are lost on the way. What the panels truly give is learned.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from controller.feeds.policy import FeedError
from controller.feeds.series import Segment, entries, members, number, parsed

BLOCKS = (("minutely_15", 900.0), ("hourly", 3600.0))
RADIATION = ("global_tilted_irradiance", "shortwave_radiation")
W_PER_M2_MAX = 1500.0  # cloud edges reach 1400 for minutes
AIR_C = (-60.0, 60.0)
MILD_C = 10.0  # where no temperature is told
STANDARD_C, PER_K, ROSS_K, LOSS_PU = 25.0, 0.0037, 0.03, 0.14


def read(data: bytes, panel_kw: float) -> list[Segment]:
    """kW of the panels, before what is learned of them. Raises FeedError."""
    told = parsed(data)
    if told.get("error"):
        raise FeedError(f"the source says: {str(told.get('reason'))[:100]}")
    offset_s = number(told.get("utc_offset_seconds", 0), "utc_offset_seconds")
    for name, step_s in BLOCKS:
        block = told.get(name)
        column = next((c for c in RADIATION if isinstance(block, dict) and c in block), None)
        if column is not None:
            return _segments(members(block, name), column, step_s, offset_s, panel_kw)
    raise FeedError(f"neither {' nor '.join(RADIATION)} is in {' or '.join(n for n, _ in BLOCKS)}")


def _segments(
    block: dict[str, Any], column: str, step_s: float, offset_s: float, panel_kw: float
) -> list[Segment]:
    times, light = entries(block.get("time"), "time"), entries(block[column], column)
    air = block.get("temperature_2m")
    warmth = entries(air, "temperature_2m") if air is not None else [MILD_C] * len(times)
    if not len(times) == len(light) == len(warmth):
        raise FeedError(f"time, {column} and temperature_2m differ in length")
    found = []
    for when, w_per_m2, air_c in zip(times, light, warmth, strict=True):
        if w_per_m2 is None:
            continue  # the model run ends here
        end_s = _moment(when, offset_s)
        at = number(w_per_m2, column), number(MILD_C if air_c is None else air_c, "temperature_2m")
        found.append(Segment(end_s - step_s, end_s, power_kw(*at, panel_kw)))
    return found


def _moment(when: object, offset_s: float) -> float:
    if isinstance(when, str):
        try:
            return datetime.fromisoformat(when).replace(tzinfo=UTC).timestamp() - offset_s
        except (ValueError, OverflowError):
            raise FeedError(f"{when[:40]!r} is no time; 2026-01-31T13:00 is allowed") from None
    return number(when, "a time")


def power_kw(w_per_m2: float, air_c: float, panel_kw: float) -> float:
    """Power of panels at this radiation and air. Raises FeedError for weather of no place on Earth."""
    if not -1.0 <= w_per_m2 <= W_PER_M2_MAX or not AIR_C[0] <= air_c <= AIR_C[1]:
        raise FeedError(f"{w_per_m2:g} W/m2 at {air_c:g} degC; such weather does not exist")
    light = max(w_per_m2, 0.0)
    heat_k = air_c + ROSS_K * light - STANDARD_C
    return panel_kw * light / 1000.0 * (1.0 - PER_K * heat_k) * (1.0 - LOSS_PU)

"""The numbers of the reference, written a second time: a constant that drifts takes its imported edge with it."""

from __future__ import annotations

from typing import Any

import pytest

from controller.image import Mode
from controller.safety import (
    cells,
    command,
    conditions,
    envelope,
    facts,
    fallback,
    gensets,
    hall,
    hall_rows,
    island,
    modes,
    orders,
    soc,
    table,
    terms,
    transition,
    window,
)

NUMBERS: dict[Any, dict[str, Any]] = {
    cells: {"CHARGE_C_MIN": 0.0, "CELL_C_MIN": -55.0, "CELL_C_MAX": 90.0},
    command: {"EXPIRY_S_MAX": 5.0},
    conditions: {"PRESSED_S_MAX": 10.0},
    envelope: {"SOC_TAPER_PCT": 2.0, "FALL_S": 0.5, "LEVEL_PU": (1.0, 1.0, 0.5, 0.0)},
    facts: {"ANSWERS_MIN": 3, "DISCHARGE_AC_PER_DC": 0.96},
    fallback: {"BALANCED_S": 2.0, "RELIEF_PU": 0.7, "OVERLOAD_S": 0.2, "BACK_OUT_S": 2.0},
    gensets: {"SPEED_PU_MIN": 0.9},
    hall: {"HOUR_S": 3600.0, "DEAD_PU": 0.1, "PERMISSIVE_S_MAX": 0.1, "AGREE_MIN": 2},
    hall_rows: {"OVERLOAD_PU": 0.9, "LOW_LOAD_S": 900.0, "REVERSE_PU": 0.05, "FUEL_PCT": 25.0},
    island: {"BUS_S": 1.0, "DEAD_S": 5.0},
    modes: {"INIT_S_MAX": 120.0, "FAULTS_MAX": 3, "FAULTS_S": 86_400.0},
    orders: {"CLEAR_WINDOW_S": 1.0},
    soc: {"CYCLE_PCT": 0.5, "DAY_PCT": 0.2, "WIDTH_PCT_MAX": 10.0, "ANCHOR_DAYS_MAX": 14.0, "ANCHOR_PCT": 2.0,
          "HELD_S": 60.0, "SMALL_C": 0.05, "GAP_S_MAX": 10.0, "DAY_S": 86_400.0},
    table: {"SAMPLE_AGE_S_MAX": 0.01, "FRAME_AGE_S_MAX": 0.1, "FRAME_MISS_S": 0.005, "FRAME_MISSES_MAX": 2,
            "METER_LOST_S": 60.0, "GRID_LOST_S": 0.09, "START_S_MAX": 10.0, "ENTER_SERVICE_S_MAX": 600.0,
            "STRANGE_S": 1.0, "STUCK_S": 5.0, "STUCK_PU": 0.05, "CYCLE_S": 0.1, "IGNORED_S": 2.0, "OPPOSED_S": 0.5,
            "PORT_HOLD_S": 2.0, "BABBLE_BYTES_MAX": 50, "BABBLE_S": 0.5, "NOISE_PU": 0.2, "NOISE_S": 2.0,
            "NOISE_ASKED_MIN": 10, "LATE_PCT_MAX": 5.0, "TEMPERATURE_S": 2.0, "CELL_C_MIN": 0.0,
            "CELL_C_MIN_CLEAR": 2.0, "CELL_C_MIN_CLEAR_S": 600.0, "CELL_C_MAX": 55.0, "CELL_C_MAX_CLEAR": 50.0},
    terms: {"PCS_SILENT_S": 0.35, "STALE_S": 0.5, "LOST_S": 2.0, "SETTLE_S": 0.5, "TOLERANCE_KW": 20.0,
            "POLLS_STALE": 3},
    transition: {"FRESH_S_MIN": 2.0, "STOP_S_MAX": 2.0, "QUIET_PU": 0.02, "RETRY_HOLDS": (1.0, 4.0, 20.0),
                 "RETRY_WINDOW_S": 3600.0},
    window: {"STAY_GRID": (0.80, 1.15, 2.5, 1.5), "ENTER_GRID": (0.917, 1.05, 0.5, 0.1)},
}  # fmt: skip


@pytest.mark.parametrize("module", NUMBERS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_numbers(module: Any) -> None:
    """Goal: every number is the reference's, and none is forgotten here. Method: a second copy, typed apart."""
    found = {
        name: value
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, int | float | tuple) and name in NUMBERS[module]
    }
    assert found == NUMBERS[module]


def test_ranks() -> None:
    """Goal: 2.6, the order of who may command. Method: the numbers."""
    assert {rank.name: int(rank) for rank in command.Rank} == {
        "LOCAL": 3, "GRID": 4, "OPERATOR": 5, "SUPERVISOR": 6, "SCHEDULER": 7,
    }  # fmt: skip


def test_what_a_mode_says_it_waits_for() -> None:
    """Goal: the words shown are of the way forward, not of a time-out or a fault. Method: the rows that wait."""
    waits = {(row.id, mode.name) for row in modes.ROWS if row.waits for mode in row.sources}
    assert waits == {
        ("T05", "ISLANDING"), ("T09", "ISLANDED"), ("T06", "ISLANDED"), ("T07", "GENSET_START"), ("T10", "RESYNC"),
        ("N6", "BLACK_START"), ("T01", "INIT"), ("T02", "STANDBY"), ("N6", "GRID_TIED"), ("T13", "SAFE_STOP"),
        ("T15", "FAULT"), ("T17", "LOCKOUT"), ("N6", "MAINT"),
    }  # fmt: skip
    told = {mode for _, mode in waits}
    assert set(Mode.__members__) - told == {"GENSET"}, "a genset that carries the load waits for nothing"

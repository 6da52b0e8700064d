"""The numbers of the reference, written a second time: a constant that drifts takes its imported edge with it."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from controller.image import Mode
from controller.safety import (
    bms_rows,
    cell_rows,
    cells,
    command,
    conditions,
    envelope,
    facts,
    fade,
    fallback,
    gensets,
    hall,
    hall_rows,
    input_rows,
    island,
    look,
    modes,
    orders,
    pcs_rows,
    soc,
    switch_rows,
    table,
    terms,
    transition,
    waveform,
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
    island: {"BUS_S": 1.0, "DEAD_S": 5.0, "LOST_S": 0.2},
    modes: {"INIT_S_MAX": 120.0, "FAULTS_MAX": 3, "FAULTS_S": 86_400.0},
    orders: {"CLEAR_WINDOW_S": 1.0},
    soc: {"CYCLE_PCT": 0.5, "DAY_PCT": 0.2, "WIDTH_PCT_MAX": 10.0, "ANCHOR_DAYS_MAX": 14.0, "ANCHOR_PCT": 2.0,
          "HELD_S": 60.0, "SMALL_C": 0.05, "GAP_S_MAX": 10.0, "DAY_S": 86_400.0},
    table: {"SAMPLE_AGE_S_MAX": 0.01, "FRAME_AGE_S_MAX": 0.1, "FRAME_MISS_S": 0.005, "FRAME_MISSES_MAX": 2,
            "METER_LOST_S": 60.0, "GRID_LOST_S": 0.09, "START_S_MAX": 10.0, "ENTER_SERVICE_S_MAX": 600.0,
            "STRANGE_S": 1.0, "STUCK_S": 4.8, "STUCK_PU": 0.05, "CYCLE_S": 0.1, "IGNORED_S": 2.0, "OPPOSED_S": 0.5,
            "PORT_HOLD_S": 2.0, "BABBLE_BYTES_MAX": 50, "BABBLE_S": 0.5, "NOISE_PU": 0.2, "NOISE_S": 1.8,
            "NOISE_HEARD_MIN": 10, "LATE_PCT_MAX": 5.0, "TEMPERATURE_S": 2.0, "CLOCK_STEP_S_MAX": 1.0,
            "CELL_C_MIN": 0.0, "CELL_C_MIN_CLEAR": 2.0, "CELL_C_MIN_CLEAR_S": 600.0, "CELL_C_MAX": 55.0,
            "CELL_C_MAX_CLEAR": 50.0},
    terms: {"PCS_SILENT_S": 0.35, "STALE_S": 0.5, "LOST_S": 2.0, "SETTLE_S": 0.5, "TOLERANCE_KW": 20.0,
            "POLLS_STALE": 3},
    transition: {"FRESH_S_MIN": 2.0, "STOP_S_MAX": 2.0, "QUIET_PU": 0.02, "RETRY_HOLDS": (1.0, 4.0, 20.0),
                 "RETRY_WINDOW_S": 3600.0},
    waveform: {"WIRED_PU_MIN": 0.1, "TURNED_S": 3.0, "DC_DRIFT_PU": 0.02, "DC_OVER_PU": 1.02,
               "MISSED_MAX": 5, "MISSED_S": 1.0},
    switch_rows: {"FLOW_PU": 0.05, "AFTER_S": 0.05},
    pcs_rows: {"DERATED_PU": 0.05},
    bms_rows: {"BEAT_S_MAX": 2.5},
    input_rows: {"LOST_S": 2.0, "WELDED_S": 4.8, "UNCOOLED_PU": 0.25},
    cell_rows: {"HEAT_K_MAX": 3.0, "HEAT_S": 180.0, "HEAT_HOLD_S": 1.5, "HEAT_C_MIN": 30.0,
                "HEAT_SLOT_NS": 10_000_000_000, "APART_V_MAX": 0.3, "APART_V_CLEAR": 0.2, "APART_S": 9.8,
                "APART_PU": 0.5},
    fade: {"FADE_PU": 0.9, "FITS": 2, "DEPTH_PCT_MIN": 50.0, "FULL_PCT": 98.0, "METER_PU": 1.03, "COLD_C": 10.0,
           "JUMP_PCT_MIN": 2.0},
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
    waits = [(row.id, mode.name, row.target.name) for row in modes.ROWS if row.waits for mode in row.sources]
    assert waits == [
        ("T05", "ISLANDING", "ISLANDED"), ("T09", "ISLANDED", "RESYNC"), ("T06", "ISLANDED", "GENSET_START"),
        ("T07", "GENSET_START", "GENSET"), ("T10", "RESYNC", "GRID_TIED"), ("N6", "BLACK_START", "ISLANDED"),
        ("T01", "INIT", "STANDBY"), ("T02", "STANDBY", "GRID_TIED"), ("N6", "GRID_TIED", "STANDBY"),
        ("T13", "SAFE_STOP", "STANDBY"), ("T15", "FAULT", "STANDBY"), ("T17", "LOCKOUT", "STANDBY"),
        ("N6", "MAINT", "STANDBY"),
    ]  # fmt: skip
    told = {mode for _, mode, _ in waits}
    assert set(Mode.__members__) - told == {"GENSET"}, "a genset that carries the load waits for nothing"


# Code: (effect, class, hold s, clear s, level) of each row, None: the site's clear hold. The product's own, so that no
# cell drifts unseen; against safety.md 4 they are held in test_catalogue.
REACTIONS = {
    "F01": [("STOP", "A", 0.0, None, 3)], "F02": [("STOP", "C", 0.0, None, 3), ("STOP", "C", 3.0, None, 3)],
    "F03": [("STOP", "C", 0.0, None, 3)], "F04": [("STOP", "A", 0.0, None, 3)], "F05": [("NOTE", "A", 0.0, 1.0, 0)],
    "F06": [("STOP", "A", 0.2, None, 3)], "F07": [("STOP", "A", 0.0, None, 3)], "F09": [("NOTE", "A", 1.0, None, 0)],
    "F10": [("NO_CHARGE", "B", 0.0, None, 0), ("NO_CHARGE", "B", 0.0, None, 0)],
    "F11": [("NOTE", "A", 0.0, None, 0)],
    "F12": [("EXPORT_WORST", "A", 0.0, 1.0, 2), ("STOP", "A", 0.0, None, 3)],
    "F13": [("NOTE", "A", 0.0, 1.0, 0)],
    "F14": [("NO_CHARGE", "A", 2.0, None, 0)], "F15": [("NOTE", "C", 2.0, None, 0)],
    "F16": [("STOP", "B", 0.0, None, 3), ("STOP", "B", 0.0, None, 3), ("NOTE", "B", 120.0, None, 0)],
    "F20": [("STOP", "B", 0.0, None, 3), ("STOP", "B", 2.0, None, 3)], "F21": [("TRIP", "D", 0.5, None, 3)],
    "F22": [("TRIP", "D", 0.0, None, 3)],
    "F23": [("NOTE", "A", 0.0, 1.0, 0)], "F24": [("STOP", "B", 0.0, None, 3)], "F26": [("STOP", "B", 0.0, None, 3)],
    "F27": [("NOTE", "A", 0.0, 0.0, 1)],
    "F28": [("STOP", "C", 0.0, None, 3), ("STOP", "C", 1.0, None, 3)],
    "F30": [("STOP", "C", 0.0, None, 3)], "F31": [("NOTE", "A", 0.0, None, 0)],
    "F32": [("NOTE", "A", 0.2, 1.0, 0)], "F33": [("FREEZE", "B", 0.0, 1.0, 1), ("STOP", "B", 0.0, None, 3)],
    "F34": [("STOP", "B", 0.0, None, 3)], "F45": [("STOP", "C", 0.0, None, 3), ("STOP", "B", 2.0, None, 3)],
    "F44": [("TRIP", "D", 4.8, None, 3), ("NOTE", "A", 2.0, None, 0)],
    "F46": [("NOTE", "A", 0.0, None, 1), ("NOTE", "A", 2.0, None, 1)],
    "F61": [("CURTAIL", "A", 0.0, None, 0), ("CURTAIL", "A", 2.0, None, 1)],
    "F36": [("NO_CHARGE", "A", 0.0, 600.0, 0)], "F37": [("TRIP", "A", 0.0, None, 3), ("TRIP", "C", 1.0, None, 3)],
    "F43": [("STOP", "C", 0.0, None, 3)],
    "F38": [("TRIP", "C", 1.5, None, 3)], "F40": [("NOTE", "A", 9.8, None, 1)],
    "F47": [("NOTE", "A", 0.0, 0.0, 0)],
    "F39": [("TRIP", "D", 0.0, None, 3), ("STOP", "B", 2.0, None, 3)],
    "F63": [("NOTE", "A", 0.0, 1.0, 0)],
    "T16": [("TRIP", "D", 0.0, None, 3), ("STOP", "B", 2.0, None, 3)],
    "F41": [("NOTE", "A", 0.0, 0.0, 1)], "F48": [("STOP", "A", 0.09, None, 3)], "F50": [("NOTE", "A", 0.0, 0.0, 0)],
    "F53": [("NOTE", "C", 0.0, None, 0)], "F54": [("TRIP", "D", 0.0, None, 3)],
    "F55": [("NOTE", "A", 0.0, 0.0, 0)], "F57": [("NOTE", "A", 0.0, None, 0)],
    "F58": [("NOTE", "C", 3.0, None, 0)], "F59": [("NOTE", "A", 0.0, None, 0)],
    "F64": [("NOTE", "A", 0.0, 1.0, 0), ("STOP", "B", 0.0, None, 3)], "F66": [("NOTE", "B", 0.0, 1.0, 2)],
    "F67": [("STOP", "B", 0.1, None, 3), ("STOP", "B", 0.0, None, 3)], "F68": [("STOP", "A", 0.0, None, 3)],
    "F70": [("NOTE", "B", 0.0, None, 1)], "F76": [("NOTE", "A", 0.0, None, 0)] * 2,
    "F71": [("NOTE", "A", 0.0, None, 1)], "F75": [("NOTE", "A", 0.0, None, 1)],
    "F95": [("NOTE", "A", 0.0, 0.0, 2)],
    "F78": [("NOTE", "A", 0.0, None, 1)], "F83": [("NOTE", "A", 0.0, None, 0)],
    "F79": [("HOLD", "B", 0.0, 0.0, 3), ("STOP", "B", 2.0, None, 3)], "F80": [("NOTE", "A", 0.0, 1.0, 1)],
    "F81": [("TRIP", "D", 0.0, None, 3)], "F84": [("NOTE", "B", 0.0, 1.0, 0)], "F85": [("NOTE", "A", 0.0, 1.0, 2)],
}  # fmt: skip


def test_what_every_row_does_and_for_how_long() -> None:
    """Goal: effect, class, times and level of no row drift. Method: a second copy; see test_catalogue for safety.md."""
    found: dict[str, list[tuple[str, str, float, float | None, int]]] = {}
    for row in conditions.ROWS:
        level = look.LEVELS[row.effect] if row.level is None else row.level
        found.setdefault(row.code, []).append((row.effect.name, row.grade, row.hold_s, row.clear_s, level))
    assert found == REACTIONS


def test_at_the_start_nothing_is_known() -> None:
    """Goal: no memory, no right and no power that nobody gave. Method: every default of the hall, a set and a part."""
    for blank in (hall.Hall(), hall.SetRun(), terms.Part("pcs-1", "pcs")):
        usual = {
            "name": "pcs-1",
            "kind": "pcs",
            "period_s": 0.1,
            "settle_s": 0.5,
            "tolerance_kw": 20.0,
            "watchdog_s": inf,
        }
        for name in type(blank).__dataclass_fields__:
            value = getattr(blank, name)
            assert not value or value != value or usual.get(name) == value, name
    assert {phase.name: int(phase) for phase in hall.Phase} == {
        "OFF": 0, "CRANK": 1, "PAUSE": 2, "WARM": 3, "READY": 4, "COOL": 5, "LOCKED": 6,
    }  # fmt: skip


# Product defaults of safety.md 6.2 and 2.2, typed apart.
FALLBACK = {
    "closed": True, "auto_black_start": False, "reserve_pct": 30.0, "forming_pu_max": 0.8, "balance_pu": 0.02,
    "islanding_s_max": 5.0, "planned_s_max": 30.0, "return_s": 300.0, "resync_s_max": 120.0,
    "resyncs_per_h_max": 3, "handover_s": 2.0, "black_start_s_max": 240.0, "start_delay_s": 10.0,
    "start_pct": 40.0, "stop_pct": 80.0, "ready_s_max": 180.0, "crank_s": 10.0, "crank_rest_s": 10.0,
    "attempts_max": 3, "warm_up_s": 15.0, "warm_up_cold_s": 60.0, "cold_c": -10.0,
    "run_s_min": 1800.0, "run_s_max": 0.0,
    "cool_down_s": 180.0, "off_s_min": 300.0, "starts_per_h_max": 4, "stage_pu": 0.8, "load_pu_min": 0.3,
    "load_pu_max": 0.9, "fuel_pct_min": 10.0, "close_s_max": 0.3, "close_rest_s": 10.0, "shed_hold_s": 60.0,
    "chatter_max": 3, "chatter_s": 60.0, "chatter_hold_s": 600.0,
}  # fmt: skip


def test_how_a_site_lives_without_the_grid_unless_told() -> None:
    """Goal: cranks, rests, runs and times of an unconfigured fallback are the reference's. Method: a second copy."""
    blank = terms.FallbackTerms(50.0, "ats-1", {}, {}, "word", 0.5)
    found = {name: getattr(blank, name) for name in terms.FallbackTerms.__dataclass_fields__}
    assert {name: value for name, value in found.items() if isinstance(value, int | float)} == {
        "frequency_hz": 50.0, "switch_stale_s": 0.5, **FALLBACK,
    }  # fmt: skip
    site = terms.Terms((), 230.0, 50.0, 5.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    assert (site.pv_kw_max, site.frame_s, site.soc_error_pct) == (0.0, 1e-4, 0.0)

"""Literal registers of the profiles that came from sources alone, and their values counted by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tests.contract.devices import text


class Literal(NamedTuple):
    """Words of each read, the values they mean, and how the device calls itself."""

    replies: dict[str, Sequence[int]]
    values: dict[str, float]
    identity: str = ""


NONE16, NONE32 = 0xFFFF, [0xFFFF, 0xFFFF]
COMMON = [1, 66, *text("Maker", 16), *text("Model 12", 16)]
# Floats counted by hand: sign, 8 bits of exponent + 127, 23 of fraction.
F_50, F_230, F_M1500 = [0x4248, 0], [0x4366, 0], [0xC4BB, 0x8000]
F_1E6, F_250E3 = [0x4974, 0x2400], [0x4874, 0x2400]
# 103: ID, L, A (4), A_SF, PPV (3), PhV (3), V_SF, W, W_SF, Hz, Hz_SF; DCV, SF, DCW, SF, Tmp (4), SF, St
AC_103 = [103, 50, 0, 0, 0, 0, 0, 0, 0, 0, 2301, 2302, 2303, 0xFFFF, 0xFF9C, 1, 5002, 0xFFFE]
STATE_103 = [7654, 0xFFFF, 0, 0, 0, 0, 0, 0, 0, 4]
VALUES_103 = {"pcs_kw": -1.0, "voltage_v": 230.1, "frequency_hz": 50.02, "dc_v": 765.4, "state_word": 4.0}

CONVERTERS: dict[str, Literal] = {
    "pcs-kaco-gridsave": Literal(
        {"ac": AC_103, "state": STATE_103, "common": COMMON}, VALUES_103, "Model 12"
    ),
    "pcs-sunspec-124": Literal(
        {
            "ac": AC_103, "state": STATE_103, "common": COMMON,
            # ID, L, WChaMax, gradients (2), StorCtl_Mod, VA, MinRsv, ChaState, 3, Out, In, Win, Rvrt, 2, SFs
            "storage": [124, 24, 10000, 0, 0, 3, 0, 0, 5550, 0, 0, 4, 0, 0, 0, 60, 0, 1,
                        0, 0, 0, 0, 0xFFFE, 0, 0, 0],
        },
        VALUES_103 | {"mode_word": 3, "soc_pct": 55.5, "charge_kw_max": 10.0, "watchdog_s": 60},
        "Model 12",
    ),
    "pcs-sma-sunny-island": Literal(
        {
            "condition": [0, 307], "power": [0xFFFF, 0xEC78], "grid": [0, 5001],
            # battery A in mA, SoC, 2 others, V in 0.01
            "battery": [0xFFFF, 0xB1E0, 0, 55, 0, 0, 0, 0, 0, 5120],
        },
        {"state_word": 307, "pcs_kw": -5.0, "frequency_hz": 50.01, "dc_a": -20.0, "soc_pct": 55,
         "dc_v": 51.2},
    ),
    "pcs-sungrow-sh": Literal(
        {
            "battery": [0xEC78, 0xFFFF], "current": [0xFF9C],
            "state": [0x0800, *[0] * 9, 2000, 0, *[0] * 8, 2305, 0, 0, 555, 980],
            "power": [0x3A98, 0x0000], "mode": [2],
        },
        {
            "dc_kw": -5.0, "dc_a": -10.0, "state_word": 0x0800, "meter_kw": -2.0, "dc_v": 230.5,
            "soc_pct": 55.5, "soh_pct": 98.0, "mode_word": 2, "pcs_kw": 15.0,
        },
    ),
    "pcs-huawei-luna": Literal(
        {
            "power": [0, 5000], "battery": [555, 0, 2, 0, 0, 0, 5000], "meter": [0xFFFF, 0xF830],
            "command": [1, 0],
        },
        {"pcs_kw": 5.0, "soc_pct": 55.5, "state_word": 2, "dc_kw": -5.0, "meter_kw": 2.0, "mode_word": 1},
    ),
    "pcs-victron-gx": Literal(
        {"battery": [512, 100, 512, 55, 1], "grid": [0xFF9C, 0, 0]},
        {"dc_v": 51.2, "dc_a": -10.0, "pcs_kw": -0.512, "soc_pct": 55, "state_word": 1, "meter_kw": -0.1},
    ),
}  # fmt: skip

RACKS: dict[str, Literal] = {
    "bms-sunspec-802": Literal(
        {
            # SoC, DoD, SoH, NCyc (2), ChaSt, LocRemCtl, Hb, CtrlHb, AlmRst, Typ, State
            "state": [555, 0, 980, 0, 7, 3, 0, 9, 0, 0, 4, 3],
            # Evt (8), V, VMax, VMin, CellVMax, 2, CellVMin, 2, Avg, A, AChaMax, ADisChaMax
            "values": [0, 16, 0, 0, 0, 0, 0, 0, 8123, 8640, 6720, 3345, 1, 2, 3301, 3, 4, 3320, 0xFF9C,
                       1500, 1200],
            "model": [802, 62], "common": COMMON,
            # SoC_SF, DoD_SF, SoH_SF, V_SF, CellV_SF, A_SF, AMax_SF
            "scale": [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFD, 0xFFFF, 0xFFFF],
        },
        {
            "soc_pct": 55.5, "soh_pct": 98.0, "state_word": 3, "heartbeat": 9, "fault_word": 16, "dc_v": 812.3,
            "charge_v_max": 864.0, "discharge_v_min": 672.0, "cell_v_max": 3.345, "cell_v_min": 3.301,
            "dc_a": -10.0, "charge_a_max": 150.0, "discharge_a_max": 120.0,
        },
        "Model 12",
    ),
    "bms-pylontech-powercube-m2": Literal(
        {
            "state": [3, 0, 0, 7654, 0xFFFF, 0xFC18, 250, 55, 12, 8100, 0, 15000, 6300, 0xFFFF, 0xD120],
            "cells": [3345, 3301, 0, 0, 251, 0xFFCE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99],
        },
        {
            "state_word": 3, "fault_word": 0, "dc_v": 765.4, "dc_a": -10.0, "soc_pct": 55,
            "charge_v_max": 810.0, "charge_a_max": 150.0, "discharge_v_min": 630.0,
            "discharge_a_max": 120.0, "cell_v_max": 3.345, "cell_v_min": 3.301, "cell_c_max": 25.1,
            "cell_c_min": -5.0,
            "soh_pct": 99,
        },
    ),
}  # fmt: skip

FLOATS = {"voltage_v": 230.0, "power_kw": -1.5, "frequency_hz": 50.0}
METERS: dict[str, Literal] = {
    "meter-janitza-umg604": Literal(
        {"power": [*F_230, *[0] * 50, *F_M1500], "frequency": F_50, "energy": [*F_1E6, *[0] * 10, *F_250E3]},
        FLOATS | {"import_kwh": 1000.0, "export_kwh": 250.0},
    ),
    "meter-janitza-umg96rm": Literal(
        {
            "power": F_M1500, "voltage": F_230,
            "energy": [*F_50, *[0] * 16, *F_1E6, *[0] * 6, *F_250E3],
        },
        FLOATS | {"import_kwh": 1000.0, "export_kwh": 250.0},
    ),
    "meter-eastron-sdm630": Literal(
        {"power": F_M1500, "voltage": F_230, "energy": [*F_50, *F_1E6, *F_250E3]},
        FLOATS | {"import_kwh": 1e6, "export_kwh": 250e3},
    ),
    "meter-schneider-pm5xxx": Literal(
        {"power": F_M1500, "voltage": F_230, "frequency": F_50, "energy": [0, 0, 0x000F, 0x4240]},
        FLOATS | {"power_kw": -1500.0, "import_kwh": 1000.0},
    ),
    "meter-socomec-countis-e": Literal(
        {
            "power": [0, 23010, *[0] * 4, 0, 50010, *[0] * 8, 0xFFFF, 0xFF6A],
            "energy": [1, 2, 0, 0, 0, 0, 0, 250],
        },
        {"voltage_v": 230.1, "frequency_hz": 50.01, "power_kw": -1.5, "import_kwh": 65538, "export_kwh": 250},
    ),
    "meter-acrel-adw300": Literal(
        {"power": [0xFFFF, 0xFA24], "voltage": [2301], "energy": [1, 2, 0, 25000]},
        {"voltage_v": 230.1, "power_kw": -1.5, "import_kwh": 655.38, "export_kwh": 250.0},
    ),
}  # fmt: skip

OTHERS: dict[str, Literal] = {
    "genset-dse-gencomm": Literal(
        {
            "identity": [1, 0x0123, 0, 77, 1],
            # oil, coolant, -, fuel, -, battery, rpm, Hz, V (2), ..., A (2) at 1044
            "engine": [400, 0xFFF6, NONE16, 80, NONE16, 243, 1500, 500, 0, 2301, *[0xFF] * 10, 0, 1234],
            "state": [3], "power": [0x0007, 0xA120, *[0] * 20, 625], "hours": [0, 7200, 1, 0],
        },
        {
            "mode_word": 1, "oil_kpa": 400, "coolant_c": -10, "fuel_pct": 80, "starter_v": 24.3,
            "speed_rpm": 1500, "frequency_hz": 50.0, "voltage_v": 230.1, "current_a": 123.4,
            "state_word": 3, "power_kw": 500.0, "load_pct": 62.5, "run_h": 2.0, "energy_kwh": 6553.6,
            "identity": 0x0123,
        },
        "291",
    ),
    "genset-comap-intelilite4": Literal(
        {
            "engine": [1500, 0, 0xFFF6, 0, 45, 0, 62, 0, 0, 1, 0],"power": [0xFFF6],
            "ac": [500, 231, 0, 0, 0, 0, 0, 120], "supply": [243, 0, 80], "energy": [1, 2], "state": [8],
            "identity": text("IL4 AMF25", 16), "mode": [2],
        },
        {
            "speed_rpm": 1500, "coolant_c": -1.0, "load_pct": 62, "run_h": 65536 / 600, "power_kw": -10,
            "frequency_hz": 50.0, "voltage_v": 231, "current_a": 120, "starter_v": 24.3, "fuel_pct": 80,
            "energy_kwh": 65538, "state_word": 8, "mode_word": 2,
        },
        "IL4 AMF25",
    ),
    "ats-socomec-atys": Literal(
        {"state": [0x10, 2, 0, 0, 0, 2, 1, 0, 321], "identity": [0x534F, 0x434F]},
        {
            "mode_word": 0x10, "position_word": 2, "start_relay_word": 0, "source_1_word": 2,
            "source_2_word": 1, "test_word": 0, "cycles": 321,
        },
        "SOCO",
    ),
    "ats-stillwatt-plant": Literal(
        {"state": [2, 1, 1, 0, 1], "identity": [0x5359]},
        {"position_word": 2, "source_1_word": 1, "source_2_word": 1, "sync_word": 0, "dead_word": 1,
         "identity": 0x5359},
        "21337",
    ),
}  # fmt: skip
LITERALS = CONVERTERS | RACKS | METERS | OTHERS
STATES = {
    "pcs-kaco-gridsave": "running", "pcs-sunspec-124": "running", "pcs-sma-sunny-island": "running",
    "pcs-sungrow-sh": "running", "pcs-huawei-luna": "running", "pcs-victron-gx": "running",
    "genset-dse-gencomm": "running", "genset-comap-intelilite4": "running", "ats-socomec-atys": "source-1",
    "ats-stillwatt-plant": "source-2",
}  # fmt: skip

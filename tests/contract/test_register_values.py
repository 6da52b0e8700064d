"""Literal registers to values, and setpoints to literal registers, for every profile. Counted by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from controller.devices.decode import value_of
from controller.devices.profiles import all_names, load
from tests.contract.devices import T_NS, device_of, site_with, text
from tests.contract.literals import LITERALS, STATES

ZEROS = [0] * 64
SUNSPEC = {
    # 701: ID, L, ACType, St, InvSt, ConnSt, Alrm (2), DERMode (2), W, VA, Var, PF, A, LLV, LNV, Hz (2)
    "ac": [701, 153, 2, 1, 3, 1, 0, 16, 0, 0, 0xFFF6, 0, 0, 0, 0, 4000, 2309, 0, 5001],
    # 704 from WSetEna: Ena, Mod, WSet (2), WSetRvrt (2), Pct, PctRvrt, EnaRvrt, RvrtTms (2)
    "control": [1, 1, 0xFFFF, 0xFF9C, 0, 0, 0, 0, 1, 0, 6],
    # 713: ID, L, WHRtg, WHAvail, SoC, SoH, Sta, WH_SF, Pct_SF
    "storage": [713, 7, 400, 200, 555, 980, 0, 3, 0xFFFF],
    # 714: ID, L, 13 words, DCA_SF, DCV_SF, DCW_SF, DCWH_SF, Tmp_SF, PrtTyp, ID, IDStr (8), DCA, DCV, DCW
    "dc": [714, 43, *ZEROS[:13], 0xFFFF, 0xFFFF, 2, 0, 0, 5, 1, *ZEROS[:8], 0xFF9C, 8000, 0xFFB0],
    "common": [1, 66, *text("Maker", 16), *text("Model 12", 16)],
    "scale_ac": [0xFFFF, 0xFFFE, 2],  # V_SF -1, Hz_SF -2, W_SF 2
    "scale_control": [1],  # WSet_SF 1
    "model_control": [704, 65],
    # 702: ID, L, 32 words, WChaRteMax, WDisChaRteMax
    "capacity": [702, 50, *ZEROS[:32], 1000, 1200],
    "scale_capacity": [2],
    "operation": [715, 7, *ZEROS[:7]],
}
SOLTARO = {
    "state": [8123, 0xFF9C, 2, 55, 99, 7, 3345, 9, 3301, 1, 251, 3, 0xFFCE],
    "currents": [1500, 1200],
    "voltages": [8640, 0, 0, 0, 0, 0, 6720],
}
REPLIES: dict[str, dict[str, Sequence[int]]] = {
    "pcs-stillwatt-plant": {"status": [3, 0xFA18, 13105, 0xFF38, 2000, 0, 0xFA20], "identity": [0x5357]},
    "pcs-stillwatt-forming": {"status": [3, 0xFA18, 13105, 0xFF38, 2000, 0, 1, 0xFA20], "identity": [0x5358]},
    "pcs-sinexcel-pws1": {
        "status": [0x0044], "power": [0xFB2E], "ac": [2301, 2302, 2303, 10, 10, 10, 5002],
        "dc": [0xFF85, 7654, 0xFFF0], "faults": [0x20], "watchdog": [60],
        "identity": text("Sinexcel PWS1-500K", 16),
    },
    "pcs-sunspec-704": SUNSPEC,
    "bms-soltaro-single-rack-b": SOLTARO,
    "meter-carlogavazzi-em24": {
        "power": [0xCFC7, 0xFFFF], "voltage": [2301, 0], "frequency": [500, 0xE240, 1], "export": [10, 0],
        "identity": [1650],
    },
}  # fmt: skip
VALUES: dict[str, dict[str, float]] = {
    "pcs-stillwatt-plant": {
        "state_word": 3, "pcs_kw": -151.2, "dc_v": 1310.5, "dc_a": -20.0, "watchdog_s": 2.0, "fault_word": 0,
        "identity": 21335, "setpoint_kw": -150.4,
    },
    "pcs-stillwatt-forming": {
        "state_word": 3, "pcs_kw": -151.2, "dc_v": 1310.5, "dc_a": -20.0, "watchdog_s": 2.0, "fault_word": 0,
        "identity": 21336, "form_word": 1, "setpoint_kw": -150.4,
    },
    "pcs-sinexcel-pws1": {
        "state_word": 0x44, "pcs_kw": -12.34, "voltage_v": 230.1, "frequency_hz": 50.02, "dc_kw": -1.23,
        "dc_v": 765.4, "dc_a": -1.6, "fault_word": 0x20, "watchdog_s": 60,
    },
    "pcs-sunspec-704": {
        "state_word": 3, "fault_word": 16, "pcs_kw": -1.0, "voltage_v": 230.9, "frequency_hz": 50.01,
        "enable_word": 1, "watchdog_s": 6, "soc_pct": 55.5, "soh_pct": 98.0, "dc_a": -10.0, "dc_v": 800.0,
        "dc_kw": -8.0, "charge_kw_max": 100.0, "discharge_kw_max": 120.0, "setpoint_kw": -1.0,
    },
    "bms-soltaro-single-rack-b": {
        "dc_v": 812.3, "dc_a": -10.0, "state_word": 2, "soc_pct": 55, "soh_pct": 99, "cell_v_max": 3.345,
        "cell_v_min": 3.301, "cell_c_max": 25.1, "cell_c_min": -5.0, "charge_a_max": 150.0,
        "discharge_a_max": 120.0, "charge_v_max": 864.0, "discharge_v_min": 672.0,
    },
    "meter-carlogavazzi-em24": {
        "power_kw": -1.2345, "voltage_v": 230.1, "frequency_hz": 50.0, "import_kwh": 12345.6,
        "export_kwh": 1.0,
        "identity": 1650,
    },
}  # fmt: skip
IDENTITIES = {
    "pcs-stillwatt-plant": "21335", "pcs-stillwatt-forming": "21336",
    "pcs-sinexcel-pws1": "Sinexcel PWS1-500K", "pcs-sunspec-704": "Model 12",
    "meter-carlogavazzi-em24": "1650", "bms-soltaro-single-rack-b": "",
}  # fmt: skip
REPLIES |= {name: literal.replies for name, literal in LITERALS.items()}
VALUES |= {name: literal.values for name, literal in LITERALS.items()}
IDENTITIES |= {name: literal.identity for name, literal in LITERALS.items()}
COMMANDED = [name for name in all_names() if load(name).kind == "pcs" and not load(name).read_only]


def test_every_profile_has_literal_registers() -> None:
    """Goal: a new profile cannot come without its numbers.
    Method: the lists of this file against the folder."""
    assert set(REPLIES) == set(VALUES) == set(IDENTITIES) == set(all_names())


@pytest.mark.parametrize("name", sorted(REPLIES))
def test_registers_become_values(name: str) -> None:
    """Goal: type, scale, sign and word order of every point.
    Method: literal words, values counted by hand."""
    device = device_of(name, REPLIES[name])
    assert dict(device.values) == pytest.approx(VALUES[name])
    assert device.identity == IDENTITIES[name]
    assert device.age_s == 0


@pytest.mark.parametrize("name", COMMANDED)
def test_converter_is_running_and_armed(name: str) -> None:
    """Goal: run state and armed watchdog. Method: the same words; then one with another watchdog time."""
    device = device_of(name, REPLIES[name])
    assert (device.state, device.armed) == ("running", True)
    unarmed = {
        "pcs-stillwatt-plant": {"status": [3, 0, 0, 0, 0, 0, 0]},
        "pcs-stillwatt-forming": {"status": [3, 0, 0, 0, 0, 0, 0, 0]},
        "pcs-sinexcel-pws1": {"watchdog": [0]},
        "pcs-sunspec-704": {"control": [1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 7]},
    }
    assert not device_of(name, REPLIES[name] | unarmed[name]).armed


@pytest.mark.parametrize(
    ("name", "kw", "words"),
    [
        ("pcs-stillwatt-plant", -2000.0, [0xB1E0]),  # -20000
        ("pcs-stillwatt-plant", 2400.0, [0x5DC0]),  # 24000: 2000 kW with 20 % over-drive
        ("pcs-sinexcel-pws1", 100.0, [0x03E8]),  # 1000 of 100 W
        ("pcs-sinexcel-pws1", -250.0, [0xF63C]),  # -2500
        ("pcs-sunspec-704", 100.0, [0x0000, 0x2710]),  # 10000 of 10 W
        ("pcs-sunspec-704", -150.0, [0xFFFF, 0xC568]),  # -15000
    ],
)
def test_setpoint_becomes_registers(name: str, kw: float, words: list[int]) -> None:
    """Goal: scale, sign and order of the one write that moves power.
    Method: counts by hand, from the table."""
    table = site_with(name).table
    poll = table.polls[table.pcs[0].setpoint_poll]
    raw = round(kw * poll["counts_per_kw"]) & (0xFFFF if poll["count"] == 1 else 0xFFFFFFFF)
    high_first = [raw] if poll["count"] == 1 else [raw >> 16, raw & 0xFFFF]
    assert (high_first[::-1] if poll["low_word_first"] else high_first) == words
    assert table.rules[-1]["kw_per_count"] * poll["counts_per_kw"] == pytest.approx(1.0)


@pytest.mark.parametrize("name", sorted(STATES))
def test_registers_become_a_state(name: str) -> None:
    """Goal: the run state of devices that are read alone. Method: the literal words."""
    assert device_of(name, REPLIES[name]).state == STATES[name]


@pytest.mark.parametrize(
    ("name", "read", "words"),
    [("pcs-sunspec-124", "storage", [124, 24, 0, 0, 0, 1]), ("pcs-sungrow-sh", "mode", [0])],
)
def test_running_outside_its_mode_is_standing_by(name: str, read: str, words: list[int]) -> None:
    """Goal: a mode precondition is honoured.
    Method: one of two limits in force; self-consumption instead of forced mode."""
    whole = [*words, *REPLIES[name][read][len(words) :]]
    assert device_of(name, REPLIES[name] | {read: whole}).state == "standby"


@pytest.mark.parametrize("name", [name for name in sorted(REPLIES) if any(
    point.sentinels for point in load(name).points.values())])  # fmt: skip
def test_every_sentinel_is_absence(name: str) -> None:
    """Goal: no sentinel of any profile becomes a number.
    Method: each in the registers of its point; the number one below is one."""
    for key, point in load(name).points.items():
        for raw in point.sentinels:
            words = [raw] if point.size == 1 else [raw >> 16, raw & 0xFFFF]
            assert value_of(point, words[::-1] if point.low_word_first else words) is None, key
        if point.sentinels:
            below = min(point.sentinels) - 1
            words = [below] if point.size == 1 else [below >> 16, below & 0xFFFF]
            assert value_of(point, words[::-1] if point.low_word_first else words) is not None, key


def test_sentinel_is_absence() -> None:
    """Goal: "not implemented" is never a number.
    Method: SunSpec's LNV 0xFFFF and W 0x8000 in a good reply."""
    words = list(SUNSPEC["ac"])
    words[16], words[10] = 0xFFFF, 0x8000
    device = device_of("pcs-sunspec-704", SUNSPEC | {"ac": words})
    assert "voltage_v" not in device.values
    assert "pcs_kw" not in device.values
    assert device.values["frequency_hz"] == pytest.approx(50.01)


def test_sinexcel_fault_bit_wins() -> None:
    """Goal: the first rule that fits. Method: fault, on and standby bits together; then none."""
    replies = REPLIES["pcs-sinexcel-pws1"]
    assert device_of("pcs-sinexcel-pws1", replies | {"status": [0x0085]}).state == "fault"
    assert device_of("pcs-sinexcel-pws1", replies | {"status": [0x0084]}).state == "standby"
    assert device_of("pcs-sinexcel-pws1", replies | {"status": [0x0040]}).state == "off"


def test_sunspec_unit_that_is_not_enabled_stands_by() -> None:
    """Goal: RUNNING on its own account is not running for us. Method: InvSt 3 with WSetEna 0; THROTTLED."""
    control = [0, *SUNSPEC["control"][1:]]
    assert device_of("pcs-sunspec-704", SUNSPEC | {"control": control}).state == "standby"
    throttled = [*SUNSPEC["ac"][:4], 4, *SUNSPEC["ac"][5:]]
    assert device_of("pcs-sunspec-704", SUNSPEC | {"ac": throttled}).state == "unknown"


@pytest.mark.parametrize(
    ("read", "index", "word"),
    [("ac", 0, 702), ("scale_ac", 2, 3), ("scale_control", 0, 0), ("model_control", 0, 705),
     ("capacity", 0, 703), ("scale_capacity", 0, 1),
     ("control", 5, 1),
     ("dc", 16, 0x8000)],
)  # fmt: skip
def test_another_map_is_not_believed(read: str, index: int, word: int) -> None:
    """Goal: no value out of a map that is not the profile's (F28).
    Method: one canary wrong: a model id, a scale
    factor, a fallback power other than zero, a scale factor that is not there."""
    words = list(SUNSPEC[read])
    words[index] = word
    device = device_of("pcs-sunspec-704", SUNSPEC | {read: words}, now_ns=T_NS)
    assert (device.values, device.state, device.armed, device.identity) == ({}, "unknown", False, "")
    assert device.age_s == float("inf")

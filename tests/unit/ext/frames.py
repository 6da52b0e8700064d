"""A frame without a bus, and waveforms made in numpy, for the tests of the signal stages."""

from __future__ import annotations

from typing import Any

import numpy as np

from controller.runtime.shape import shape_of

RATE_HZ = 10_000
VOLTAGE_V = 10_000 / 3**0.5
SCALE = np.full(16, 10.0 / 32768)  # V per count: a 16 bit converter of +-10 V
V_PER_V = 2500.0
A_PER_V = 100.0
NS = 1_000_000_000


def setup(**law: Any) -> dict[str, Any]:
    """Executive setup of one 2000 kW converter with current transformers on the load; law fields may be changed."""
    times = {"frame_s": 1e-4, "lag_s": 0.005, "slew_kw_per_s": 400e3, "dead_s": 0.0014, "period_s": 0.0024,
             "rating_kw": 2000.0}  # fmt: skip
    times |= {name: law[name] for name in times if name in law}
    loop = times | {"read_s": 0.0024} | shape_of(**times).fields(1e-4)
    loop = {name: law.pop(name, value) for name, value in loop.items() if name != "frame_s"}
    si_per_v = [A_PER_V] * 3 + [V_PER_V] * 3 + [A_PER_V] * 3 + [V_PER_V] * 3 + [250.0, 700.0, 0.0, 0.0]
    return {
        "rate_hz": RATE_HZ,
        "sampler": {"present": [1] * 6 + [0] * 10, "si_per_v": si_per_v, "offset_counts": [0.0] * 16,
                    "skew_s": [0.0] * 16, "stale_s_max": 0.002},
        "power": {"rate_hz": RATE_HZ, "frequency_hz": 50.0, "voltage_v": VOLTAGE_V, "rated_kw": 6000.0,
                  "battery_kw_max": 2000.0, "median_samples": 5},
        "fast": {"reverse_kw": 100.0, "reverse_ns": 20_000_000},
        "support": {"frame_s": 1e-4, "frequency_hz": 50.0, "droop_kw_max": 0.0, "droop_hz": 2.5, "dead_band_hz": 0.2,
                    "reserve_kw": 0.0, "reserve_hz": 49.5, "rise_s": 0.35, "hold_s": 5.0},
        "law": {"frame_s": 1e-4, "target_lag_s": 9.0, "dead_zone_kw": 0.0, "pcs_count": 1,
                "each_kw": [2000.0] + [0.0] * 7, "loops": [loop] * 9, "loop_of": [0] * 256} | law,
        "share": {"pcs_count": 1, "frame_s": 1e-4, "quiet_kw": 40.0, "faster_pu": 0.0,
                  "rating_kw": [2000.0] + [0.0] * 7,
                  "pcs": [{"lag_s": 0.0, "slew_kw_per_s": 0.0, "dead_s": 0.0, "period_s": 0.0}] * 8},
        "guard": {"rise_kw_per_s_max": 0.0, "lapse_ns_max": NS},
        "ports": [], "polls": [], "rules": [],
    }  # fmt: skip


def limits(ramp_kw_per_s_max: float = 50.0, **changes: Any) -> dict[str, Any]:
    """A lease of 2000 kW both ways, valid from t = 0 for 2 s unless changed. ramp_kw_per_s_max: up and down."""
    none = {"poll": -1, "sequence": 0, "words": [0, 0, 0, 0]}
    return {
        "sequence": 1, "t_issue_ns": 0, "valid_until_ns": 2 * NS, "mode": 2, "permit": 3,
        "discharge_kw_max": [2000.0] + [0.0] * 7, "charge_kw_max": [2000.0] + [0.0] * 7,
        "import_kw_max": 6000.0, "export_kw_max": 500.0, "fall_kw_per_s": 4000.0,
        "ramp_up_kw_per_s_max": ramp_kw_per_s_max, "ramp_down_kw_per_s_max": ramp_kw_per_s_max,
        "leak_kw": 0.0, "gain": 1.0, "prompt_pu": 1.0, "dc_v_max": 0.0, "orders": [none] * 8,
    } | changes  # fmt: skip


def times(seconds: float, start_s: float = 0.0) -> np.ndarray:
    """Sample times (n) in ns."""
    return (np.arange(round(seconds * RATE_HZ)) * (NS // RATE_HZ) + round(start_s * NS)).astype(np.int64)


def waveform(t_ns: np.ndarray, load_kw: np.ndarray, *, hz: float = 50.0, negative: float = 0.0, fifth: float = 0.0,
             seventh: float = 0.0, dc_a: float = 0.0, noise: float = 0.0, seed: int = 1) -> np.ndarray:  # fmt: skip
    """Counts (n, 16) of a feeder at unity power factor that carries load_kw (n) as its fundamental positive sequence.

    negative, fifth, seventh: share of the current; dc_a: offset of phase a; noise: share of full load current, rms.
    """
    phase = 2 * np.pi * hz * t_ns[:, None] * 1e-9 - 2 * np.pi / 3 * np.arange(3)
    peak_a = (load_kw * 1e3 / (1.5 * VOLTAGE_V * 2**0.5))[:, None]
    volt = VOLTAGE_V * 2**0.5 * np.cos(phase)
    mirror = 2 * np.pi * hz * t_ns[:, None] * 1e-9 + 2 * np.pi / 3 * np.arange(3)
    amp = peak_a * (np.cos(phase) + negative * np.cos(mirror + 0.7)
                    + fifth * np.cos(5 * phase) + seventh * np.cos(7 * phase))  # fmt: skip
    amp[:, 0] += dc_a
    amp += noise * peak_a.max() * np.random.default_rng(seed).standard_normal(amp.shape)
    counts = np.zeros((t_ns.size, 16), np.int32)
    counts[:, 0:3] = np.round(amp / A_PER_V / SCALE[0])
    counts[:, 3:6] = np.round(volt / V_PER_V / SCALE[0])
    return counts

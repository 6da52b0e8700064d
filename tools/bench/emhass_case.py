"""One day of a case through EMHASS, run by the Python of an environment that has it; see tools.bench.oneday.

python emhass_case.py CASE.json: load_kw, price a kWh, per_kw and the battery. Prints one JSON line: what the grid gives
each hour in kW, the wall time of the optimisation and of the same once more, the version.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import emhass  # type: ignore[import-not-found]
import pandas as pd  # type: ignore[import-untyped,unused-ignore]
from emhass.optimization import Optimization  # type: ignore[import-not-found]

W = 1000.0  # EMHASS speaks W and Wh


def settings(case: dict[str, Any]) -> dict[str, Any]:
    """EMHASS's own defaults with the case's battery and prices, no load to shift, an exact optimum."""
    defaults: dict[str, Any] = json.loads(
        (Path(emhass.__file__).parent / "data" / "config_defaults.json").read_text()
    )
    for name, value in defaults.items():
        if isinstance(value, list) and len(value) == defaults["number_of_deferrable_loads"]:
            defaults[name] = []
    battery = case["battery"]
    return defaults | {
        "number_of_deferrable_loads": 0, "lp_solver_mip_rel_gap": 0.0, "num_threads": 1,
        "optimization_time_step": pd.Timedelta("1h"),
        "time_zone": "UTC", "set_use_battery": True, "set_nodischarge_to_grid": True,
        "capacity_cost_per_kw": case["per_kw"],
        "sensor_power_photovoltaics": "pv", "sensor_power_load_no_var_loads": "load",
        "maximum_power_from_grid": W * case["import_kw_max"], "maximum_power_to_grid": W * case["import_kw_max"],
        "battery_discharge_power_max": W * battery["kw"], "battery_charge_power_max": W * battery["kw"],
        "battery_discharge_efficiency": battery["efficiency_pu"], "battery_charge_efficiency": battery["efficiency_pu"],
        "battery_nominal_energy_capacity": W * battery["capacity_kwh"],
        "battery_minimum_state_of_charge": battery["soc_pu_min"],
        "battery_maximum_state_of_charge": battery["soc_pu_max"],
        "battery_target_state_of_charge": battery["soc_pu"],
    }  # fmt: skip


def main(path: str) -> None:
    """Prints the line."""
    case = json.loads(Path(path).read_text())
    conf, hours = settings(case), len(case["load_kw"])
    index = pd.date_range("2022-07-12", periods=hours, freq="1h", tz="UTC")
    frame = pd.DataFrame({"unit_load_cost": case["price"], "unit_prod_price": [0.0] * hours}, index=index)
    load_w, pv_w = pd.Series([W * kw for kw in case["load_kw"]], index), pd.Series([0.0] * hours, index)
    log = logging.getLogger("emhass")
    log.setLevel(logging.CRITICAL)
    planner = Optimization(
        conf, conf, conf, "unit_load_cost", "unit_prod_price", "cost", {}, log, opt_time_delta=hours
    )
    seconds, soc = [], case["battery"]["soc_pu"]
    for _ in range(2):
        began_s = time.perf_counter()
        found = planner.perform_dayahead_forecast_optim(frame, pv_w, load_w, soc_init=soc, soc_final=soc)
        seconds.append(time.perf_counter() - began_s)
    grid_kw = [float(w) / W for w in found["P_grid"]]
    print(json.dumps({"grid_kw": grid_kw, "seconds": seconds, "version": version("emhass")}))


if __name__ == "__main__":
    main(sys.argv[1])

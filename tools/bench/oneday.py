"""One day with an optimum by hand, through our plan and through EMHASS in an environment of its own.

python -m tools.bench.oneday --python VENV/bin/python, where `pip install emhass` has been done; without --python ours
stands beside the hand alone. Battery 4 MWh from 10 to 95 %, 2 MW, 0.96 each way, ends as it began. Cases: 1000 kW with
one hour of 3000 kW at a flat price of 1 a kWh and 21 a kW, whose least peak z replaces in 23 hours what the peak hour
gave, z = (1000 + 3000 s) / (1 + s) with s = 1 / (0.96^2 x 23); and the same with 12 hours at 0.2, 12 at 1.4, for which
EMHASS alone is the other opinion. Exit 0 when cost and peak are no digit above the hand's and EMHASS's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from controller.config.tariff import Demand, Tariff
from controller.plan.billing import Ledger
from controller.plan.calendar import Floats
from controller.plan.economy import Economist, Plant, Terminal
from controller.plan.horizon import Near, Past, build

SCRIPT = Path(__file__).with_name("emhass_case.py")
BEGIN_UTC_S = 1_657_584_000.0  # 12 July 2022
HOURS, PER_KW, KW, EFFICIENCY_PU, CAPACITY_KWH, IMPORT_KW_MAX = 24, 21.0, 2000.0, 0.96, 4000.0, 6000.0
SOC_PU, SOC_PU_MIN, SOC_PU_MAX = 0.5, 0.1, 0.95
MISSING_PER_KWH = 1000.0  # the day ends as it began, at any price


@dataclass(frozen=True)
class Found:
    """Cost of energy and peak, the peak, and the wall time cold and once more."""

    by: str
    cost: float
    peak_kw: float
    seconds: tuple[float, ...] = ()


def burst() -> Floats:
    """1000 kW with one hour of 3000 kW at noon."""
    load_kw = np.full(HOURS, 1000.0)
    load_kw[12] = 3000.0
    return load_kw


def by_hand() -> Found:
    """The optimum at a flat price of 1."""
    share = 1 / (EFFICIENCY_PU**2 * 23)
    peak_kw = (1000 + 3000 * share) / (1 + share)
    return Found("hand", HOURS * peak_kw + PER_KW * peak_kw, peak_kw)


def ours(price: Floats) -> Found:
    """Our LP, its horizon included."""
    tariff = Tariff(
        time_zone="UTC", currency="SEK", wear_per_kwh=0.0, demand=(Demand(name="day", per_kw=PER_KW),)
    )
    plant = Plant(
        energy_kwh_min=SOC_PU_MIN * CAPACITY_KWH, energy_kwh_max=SOC_PU_MAX * CAPACITY_KWH, charge_kw_max=KW,
        discharge_kw_max=KW, charge_efficiency_pu=EFFICIENCY_PU, discharge_efficiency_pu=EFFICIENCY_PU,
        import_kw_max=IMPORT_KW_MAX, export_kw_max=0.0,
    )  # fmt: skip
    economist, seconds, none, start_kwh = Economist(plant), [], np.zeros(HOURS), SOC_PU * CAPACITY_KWH
    for _ in range(2):
        began_s = time.perf_counter()
        near = Near(BEGIN_UTC_S, 3600.0, burst(), none, price, none)
        ahead = build(tariff, Past("UTC"), near, Ledger(), {}, last=True)
        found = economist.plan(ahead.steps, ahead.charges, start_kwh, Terminal(start_kwh, MISSING_PER_KWH))
        seconds.append(time.perf_counter() - began_s)
    return priced("ours", found.grid_kw[:HOURS], price, seconds)


def priced(by: str, grid_kw: Floats, price: Floats, seconds: list[float]) -> Found:
    """A plan by its import alone."""
    import_kw, peak_kw = np.maximum(grid_kw, 0.0), float(grid_kw.max())
    return Found(by, float(price @ import_kw) + PER_KW * peak_kw, peak_kw, tuple(seconds))


def theirs(python: Path, price: Floats) -> Found:
    """EMHASS. Raises RuntimeError with its last words."""
    case: dict[str, Any] = {
        "load_kw": burst().tolist(), "price": price.tolist(), "per_kw": PER_KW, "import_kw_max": IMPORT_KW_MAX,
        "battery": {"kw": KW, "efficiency_pu": EFFICIENCY_PU, "capacity_kwh": CAPACITY_KWH, "soc_pu": SOC_PU,
                    "soc_pu_min": SOC_PU_MIN, "soc_pu_max": SOC_PU_MAX},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.json"
        path.write_text(json.dumps(case))
        ran = subprocess.run(
            [python, "-P", SCRIPT, path], capture_output=True, text=True, timeout=300, check=False
        )
    if ran.returncode:
        raise RuntimeError(ran.stderr.strip().splitlines()[-1])
    told = json.loads(ran.stdout.strip().splitlines()[-1])
    return priced(f"EMHASS {told['version']}", np.array(told["grid_kw"]), price, told["seconds"])


def no_worse(mine: Found, other: Found, *, sharp: bool) -> bool:
    """By the printed digit; the peak only where it alone makes the optimum sharp."""
    return round(mine.cost, 2) <= round(other.cost, 2) and (
        not sharp or round(mine.peak_kw, 2) <= round(other.peak_kw, 2)
    )


def main(arguments: list[str]) -> int:
    """Prints the table. Exit status: 0 no digit worse, 1 worse, 2 EMHASS does not run."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.oneday", description=__doc__)
    parser.add_argument("--python", type=Path, help="of an environment that has emhass")
    python = parser.parse_args(arguments).python
    table, good = Table("case", "by", "cost", "peak kW", "cold ms", "again ms", "", box=SIMPLE), True
    for name, price in (("one burst", np.ones(HOURS)), ("and a spread", np.repeat([0.2, 1.4], HOURS // 2))):
        mine, others = ours(price), [by_hand()] if name == "one burst" else []
        try:
            others += [theirs(python, price)] if python else []
        except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"--python {python}: EMHASS does not run there ({error}). Install it: pip install emhass.")
            return 2
        for found in (*others, mine):
            fine = found is not mine or all(
                no_worse(mine, other, sharp=name == "one burst") for other in others
            )
            good &= fine
            times = [f"{1e3 * s:.1f}" for s in found.seconds] or ["", ""]
            table.add_row(
                name, found.by, f"{found.cost:.2f}", f"{found.peak_kw:.2f}", *times, "" if fine else "WORSE"
            )
    Console(width=110).print(table)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

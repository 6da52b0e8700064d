"""Four converters that differ, one of them lost on the way: python -m tools.bench.fleet DIR [--seed 1].

Row 10 of the smoothing goals. DIR: the folder of the scenes; `training` goes through the whole stack. Dead times of
0.3 to 1.5 ms, lags of 2 to 8 ms, slews of 100 and 200 ratings/s, ratings of 500 to 900 kW on three buses; the one of
800 kW hears nothing any more from 117 s on, and the 2000 kW of the reference site are left. Held: at least 10 dB of
smoothing before; M2 of the 50 s after within 2 dB of the 50 s before, and M5 of both at most +0.5 dB; no setpoint
that left above its converter's share, which is its limit in the lease. Exit 0 when all hold.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import boards
from controller.devices.check import CheckedSite, check_site
from controller.devices.table import compile as compile_table
from controller.image import Limits
from controller.runtime.supervisor import Cycle
from ext.witness import setpoints
from tools.bench.scored import Scenes, ended, played, verdict
from tools.sim import Scene, VirtualRun

SITE = Path(boards.__file__).parent / "sites" / "reference.yaml"
PORTS = ("rs485-1", "rs485-3", "rs485-4", "rs485-4")
# Rating kW, dead time ms, lag ms, slew in ratings/s; one for each of PORTS.
FLEET = (
    (900.0, 0.3, 2.0, 200.0),
    (800.0, 0.5, 4.0, 200.0),
    (600.0, 1.0, 6.0, 100.0),
    (500.0, 1.5, 8.0, 100.0),
)
LOST, LOST_S = 1, 117.0
BEFORE_S, AFTER_S = (66.0, 116.0), (126.0, 176.0)  # each begins after a checkpoint, and has none in it
HELP_DB, SLACK_DB, HARM_DB = -10.0, 2.0, 0.5
COUNT_KW = 0.1  # of a setpoint on the wire


def fleet(checked: CheckedSite) -> CheckedSite:
    """The reference site with FLEET in place of its one converter."""
    site = checked.site
    pcs = tuple(
        site.pcs[0].model_copy(update={
            "name": f"pcs-{k + 1}", "port": PORTS[k], "unit": k + 1, "discharge_kw_max": rating_kw,
            "charge_kw_max": rating_kw, "dead_time_ms": dead_ms, "lag_ms": lag_ms, "slew_pu_per_s": slew_pu_per_s,
        })
        for k, (rating_kw, dead_ms, lag_ms, slew_pu_per_s) in enumerate(FLEET)
    )  # fmt: skip
    ports = {**site.ports, **dict.fromkeys(PORTS, site.ports[PORTS[0]])}
    site = site.model_copy(update={"pcs": pcs, "ports": ports})
    return replace(checked, site=site, table=compile_table(site, checked.profiles, checked.host))


class Shares:
    """Watches every cycle: the most that a setpoint which left was above its converter's limit, kW."""

    def __init__(self, run: VirtualRun) -> None:
        self.above_kw = 0.0
        self._executive = run.fastlink.executive
        self._known = [0] * len(FLEET)
        self._before: Limits | None = None
        run.supervisor.watchers.append(self._take)

    def _take(self, cycle: Cycle) -> None:
        """Setpoints since the last cycle left under its lease, or under one that was still falling towards it."""
        for k in range(len(FLEET)):
            self._known[k], _, kw = setpoints(self._executive, k, self._known[k])
            if self._before is None or not kw.size:
                continue
            ends_kw = (self._before.discharge_kw_max[k], self._before.charge_kw_max[k])
            if min(ends_kw) > 0:  # one that is left out is still on its way to zero
                self.above_kw = max(
                    self.above_kw, float(kw.max()) - ends_kw[0], float(-kw.min()) - ends_kw[1]
                )
        self._before = cycle.limits


def main(arguments: list[str]) -> int:
    """Prints both windows. Exit status: 0 the bounds hold, 1 not."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.fleet", description=__doc__)
    parser.add_argument("scenes", type=Path, metavar="DIR")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    scenes = Scenes(options.scenes)
    checked = fleet(check_site(SITE))
    run = VirtualRun(checked, scenes.load("training", options.seed), Scene(SITE, SITE, seed=options.seed))
    shares, name = Shares(run), checked.site.pcs[LOST].name
    columns, at_work = played(run, AFTER_S[1], {LOST_S: lambda it: it.plant.mute(name)})
    left_kw = sum(rating_kw for rating_kw, *_ in FLEET) - FLEET[LOST][0]
    before, after = (scenes.judge(columns, window, left_kw) for window in (BEFORE_S, AFTER_S))
    for when, score in (("before", before), ("after", after)):
        print(f"{when:7} M2 {score.m2_db:6.2f} dB  M5 {score.m5_db:+5.2f} dB  M6 {score.m6_kw:5.0f} kW")
    print(f"most that a setpoint was above its share: {shares.above_kw:.2f} kW")
    good = before.m2_db <= HELP_DB and after.m2_db <= before.m2_db + SLACK_DB
    good = good and max(before.m5_db, after.m5_db) <= HARM_DB and shares.above_kw <= COUNT_KW
    return verdict(at_work, good)


if __name__ == "__main__":
    ended(main, "fleet")

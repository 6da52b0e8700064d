"""Where the state of charge goes over a day of smoothing (M11): python -m tools.bench.soc DIR [--hours 24].

Row 9 of the smoothing goals. DIR: the folder of the scenes; `training` again and again, each time with another seed
and after a pause of its own, so that no sample of the BMS meets the same moment twice; job starts and stops included;
through the whole stack in virtual time. The clocks are coarser than a site's, which moves no energy: the waveform at
2 kHz, a supervisor cycle each 0.5 s with a lease of 2 s. --fine: the site's own clocks, for a comparison of the first
hour. Held: the mean distance from the target within 1 %, the drift from start to end too, never outside of the SOC
window, and the truth always within what safety counts. Exit 0 when all hold.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

import boards
from controller.config.site import CHANNEL_SETS
from controller.devices.check import CheckedSite, check_site
from controller.devices.table import compile as compile_table
from controller.image import Mode
from tools.bench.scored import Scenes, ended, verdict
from tools.plant.loads import Load
from tools.sim import Scene, VirtualRun

SITE = Path(boards.__file__).parent / "sites" / "reference.yaml"
RATE_HZ, CYCLE_S, LEASE_S = 2000, 0.5, 2.0
LOAD_HZ = 100.0  # edges of 10 ms are whole steps
LOOK_S, PAUSE_S_MAX = 60.0, 2.0
DRIFT_PCT_MAX = 1.0


def coarse(checked: CheckedSite) -> CheckedSite:
    """The site with slower clocks."""
    site = checked.site
    sampling = site.sampling.model_copy(update={"rate_hz": RATE_HZ})
    control = site.control.model_copy(update={"lease_s": LEASE_S})
    site = site.model_copy(update={"sampling": sampling, "control": control})
    return replace(checked, site=site, table=compile_table(site, checked.profiles, checked.host))


def blind(checked: CheckedSite) -> CheckedSite:
    """The site without the two channels of its DC bus."""
    channels = checked.site.sampling.channels
    left = {name: channel for name, channel in channels.items() if name not in CHANNEL_SETS["dc"]}
    sampling = checked.site.sampling.model_copy(update={"channels": left})
    return replace(checked, site=checked.site.model_copy(update={"sampling": sampling}))


def day(scenes: Scenes, seed: int, hours: float) -> Load:
    """Scenes one after the other, each held at its end for a part of PAUSE_S_MAX."""
    rng, count = np.random.default_rng(seed), 0
    parts: list[np.ndarray] = []
    while count < 3600 * hours * LOAD_HZ:
        scene = scenes.load("training", seed + len(parts))
        once_kw = scene.load_kw[:: round(scene.rate_hz / LOAD_HZ)]
        pause = round(rng.uniform(0.0, PAUSE_S_MAX) * LOAD_HZ)
        parts.append(np.concatenate([once_kw, np.full(pause, once_kw[-1])]))
        count += parts[-1].size
    return Load(np.concatenate(parts), LOAD_HZ)


def minutes(run: VirtualRun, hours: float, cycle_s: float) -> np.ndarray:
    """Rows (SOC %, mean of abs(battery power) kW, 1 at work, 1 inside of the count, 1 anchor charge), one a minute."""
    rate_hz = run.checked.site.sampling.rate_hz
    run.frames_per_cycle = round(cycle_s * rate_hz)
    run.bring_up()
    run.site.begin_scene(rate_hz // 10, round(10 * LOOK_S))
    rows, cycles = [], round(LOOK_S / cycle_s)
    for minute in range(round(60 * hours)):
        at_work = True
        for _ in range(cycles):
            run.cycle()
            at_work &= run.supervisor.mode.mode == Mode.GRID_TIED
        record, battery = run.site.record(), run.supervisor.conditions.battery
        soc_pct, used_kw = record["soc_pct"][-1], np.abs(record["pcs_kw"]).mean()
        low_pct, high_pct = battery.band.low_pct, battery.band.high_pct
        inside = low_pct <= soc_pct <= high_pct
        rows.append((soc_pct, used_kw, float(at_work), float(inside), float(battery.anchor_due)))
        if minute % 60 == 59:
            print(
                f"{(minute + 1) / 60:4.0f} h: SOC {soc_pct:6.2f} %, by the count {low_pct:.2f} to {high_pct:.2f}"
                f"{', anchor charge' if battery.anchor_due else ''}",
                flush=True,
            )
    return np.array(rows)


def main(arguments: list[str]) -> int:
    """Prints a line an hour and the figures. Exit status: 0 the bounds hold, 1 not."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.soc", description=__doc__)
    parser.add_argument("scenes", type=Path, metavar="DIR")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fine", action="store_true", help="the site's own clocks")
    parser.add_argument(
        "--blind", action="store_true", help="without the DC bus: by the BMS's readings alone"
    )
    options = parser.parse_args(arguments)
    load = day(Scenes(options.scenes), options.seed, options.hours)
    checked = blind(check_site(SITE)) if options.blind else check_site(SITE)
    run = VirtualRun(checked if options.fine else coarse(checked), load, Scene(SITE, SITE, seed=options.seed))
    soc_pct, used_kw, at_work, inside, anchor = minutes(
        run, options.hours, 0.1 if options.fine else CYCLE_S
    ).T
    battery = checked.site.battery
    off_pct, drift_pct = np.abs(soc_pct - battery.soc_pct_target).mean(), soc_pct[-1] - battery.soc_pct_target
    outside_s = LOOK_S * ((soc_pct < battery.soc_pct_min) | (soc_pct > battery.soc_pct_max)).sum()
    print(
        f"{options.hours:g} h, mean of abs(pcs) {used_kw.mean():.0f} kW: mean distance {off_pct:.2f} %, drift "
        f"{drift_pct:+.2f} %, {soc_pct.min():.2f} to {soc_pct.max():.2f} %, outside {outside_s:.0f} s"
    )
    print(f"outside of the count {60 * (1 - inside).sum():.0f} s, anchor charge {60 * anchor.sum():.0f} s")
    good = inside.all() and max(off_pct, abs(drift_pct)) <= DRIFT_PCT_MAX and not outside_s
    return verdict(bool(at_work.all()), bool(good))


if __name__ == "__main__":
    ended(main, "soc")

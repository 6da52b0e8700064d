"""A site in virtual time: the real frame, bus master and supervisor against the simulated site, from a seed.

The whole stack is brought up first, on the load's first value; t = 0 of the result is the load's own t = 0.
"""

from __future__ import annotations

import gzip
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from controller.config.site import Site
from controller.devices.check import CheckedSite, check_site
from controller.devices.table import compile as compile_table
from controller.feeds.fetch import bring_files
from controller.image import Instant, Mode
from controller.runtime import slowloop
from controller.runtime.fastlink import FastLink
from controller.runtime.gather import Gatherer
from controller.runtime.known import budget
from controller.runtime.plain import plain
from controller.runtime.planning import Planning
from controller.runtime.supervisor import PERIOD_S, Cycle, Supervisor
from controller.units import NS_PER_S
from tools.oracle import facts
from tools.oracle.watch import SIGHT, Oracle, broken
from tools.plant.links import Link
from tools.plant.loads import Load, read_load
from tools.plant.loop import VirtualSite
from tools.plant.site import Plant

RECORD_HZ = 2000  # rows a second: the rate of the load scenes
BRING_UP_S_MAX = 600.0  # a site that is not running by then will not run
SETTLE_S = 5.0  # after that: filters, canceller and SOC leak are at rest
EPOCH_S = (
    1_767_225_600.0  # virtual wall clock starts 2026-01-01T00:00Z: a run never depends on the day it is made
)
CYCLES_PER_TURN = round(slowloop.PERIOD_S / PERIOD_S)
Progress = Callable[[float], None]
Belief = Callable[[CheckedSite], CheckedSite]
Act = Callable[["VirtualRun"], None]
NO_ACTS: Mapping[float, Act] = MappingProxyType({})


class NotRunningError(Exception):
    """The site did not reach GRID_TIED; the message says what held it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What to simulate."""

    site: Path
    load: Path
    waveform: str = "typical"
    seed: int = 1
    seconds: float | None = None  # default: the load's length
    link: Link | None = None


def with_bus(site: Site, link: Link) -> Site:
    """The site with the link's bus on every port that carries a converter."""
    bus, on = {"baud": round(link.baud), "gap": link.gap}, {pcs.port for pcs in site.pcs}
    ports = {name: port.model_copy(update=bus) if name in on else port for name, port in site.ports.items()}
    return site.model_copy(update={"ports": ports})


def with_link(checked: CheckedSite, link: Link) -> CheckedSite:
    """The site with the link's bus on every port that carries a converter, and its dynamics in every converter.

    This is what commissioning would have measured and written into the YAML."""
    site, profiles = with_bus(checked.site, link), dict(checked.profiles)
    dynamics = {"dead_time_ms": link.dead_ms, "lag_ms": link.tau_ms, "slew_pu_per_s": link.slew_pu_s}
    site = site.model_copy(update={"pcs": tuple(pcs.model_copy(update=dynamics) for pcs in site.pcs)})
    for name in {pcs.profile for pcs in site.pcs}:
        wire = profiles[name].wire.model_copy(update={"reply_ms": link.slave_ms})
        profiles[name] = profiles[name].model_copy(update={"wire": wire})
    return replace(checked, site=site, profiles=profiles, table=compile_table(site, profiles, checked.host))


def watched(checked: CheckedSite, supervisor: Supervisor, plant: Plant) -> Oracle:
    """An oracle that sees every cycle from now on, beside what is true of the plant."""
    oracle = Oracle(facts.plates_of(checked), SIGHT)

    def look(cycle: Cycle) -> None:
        true = plant.truth()
        backfeed_s = true["backfeeds"] / checked.site.sampling.rate_hz
        truth = facts.Truth(true["source"], true["position"], true["clashes"], backfeed_s, true["powers_kw"])
        refused = [command for command, _ in cycle.refused]
        places = tuple(k for k, it in enumerate(cycle.commands) if any(it is other for other in refused))
        asked = tuple(facts.Order(c.verb, c.rank, c.sequence, c.expires_ns, c.reason) for c in cycle.commands)
        mode, limits = cycle.mode.mode, cycle.limits
        due = cycle.conditions.battery.anchor_due
        oracle.take(
            facts.Scene(cycle.now.t_ns, cycle.telemetry, truth, mode, limits, {}, asked, places, None, due)
        )

    supervisor.watchers.append(look)
    return oracle


class VirtualRun:
    """The stack of one site on the virtual clock: bring_up(), then scene().

    belief: what the controller holds for the site, where that is not the truth."""

    def __init__(
        self, checked: CheckedSite, load: Load, scene: Scene, belief: Belief = lambda it: it
    ) -> None:
        truth = with_link(checked, scene.link) if scene.link else checked
        self.checked = belief(truth)
        self.fastlink = FastLink(self.checked, self.checked.table)
        self.supervisor = Supervisor(self.checked, self.checked.table, self.fastlink)
        self.plant = Plant(
            truth, load.load_kw, load.rate_hz, scene.waveform, scene.seed, scene.link, load.pv_kw
        )
        self._slow_loop(scene.site.parent)
        self.site = VirtualSite(self.fastlink.executive, self.plant)
        self.site.hold()
        self.cycles = self.t_scene_ns = 0
        self.frames_per_cycle = round(PERIOD_S * self.checked.site.sampling.rate_hz)
        self.oracle = watched(self.checked, self.supervisor, self.plant)

    def _slow_loop(self, folder: Path) -> None:
        """Planning on the virtual clock, with feeds from files beside the site's own."""
        site = self.checked.site
        self.planning: Planning | None = None
        if site.tariff is not None:
            self.planning = Planning(site, site.tariff, bring_files(folder))
            self.gatherer = Gatherer(self.checked, self.supervisor.wisher.meter)
            self.supervisor.watchers.append(self.gatherer.record)

    def cycle(self) -> None:
        """A tenth of a second: frames, then one supervisor cycle."""
        self.site.run(self.frames_per_cycle)
        self.decide()

    def decide(self) -> None:
        """One supervisor cycle, now; with every tenth a turn of the slow loop."""
        now = Instant(t_ns=self.site.now_ns, utc_s=EPOCH_S + self.site.now_ns / NS_PER_S)
        self.supervisor.cycle(now)
        self.cycles += 1
        if self.planning is not None and self.cycles % CYCLES_PER_TURN == 0:
            self.planning.step(self.gatherer.take(now))
            self.supervisor.forecast = self.planning.forecast
        self.site.mark(self.supervisor.mode.mode)

    def bring_up(self) -> float:
        """Run until the site is GRID_TIED and at rest; returns the virtual seconds it took.

        Raises NotRunningError with the supervisor's reason."""
        settled = 0.0
        while settled < SETTLE_S:
            if self.site.now_ns > BRING_UP_S_MAX * NS_PER_S:
                raise NotRunningError(
                    f"still {self.supervisor.mode.mode.name} after {BRING_UP_S_MAX:.0f} s: "
                    f"{self.supervisor.mode.waiting or self.supervisor.mode.reason}"
                )
            self.cycle()
            settled = settled + PERIOD_S if self.supervisor.mode.mode == Mode.GRID_TIED else 0.0
        return float(self.site.now_ns / NS_PER_S)

    def scene(
        self, seconds: float, progress: Progress | None = None, acts: Mapping[float, Act] = NO_ACTS
    ) -> dict[str, np.ndarray]:
        """Play the load from its start for `seconds`; returns the result's columns, RECORD_HZ rows a second.

        acts: what happens besides, each before the cycle at its time in s.
        """
        rate_hz = self.checked.site.sampling.rate_hz
        self.t_scene_ns = self.site.now_ns
        every = max(1, rate_hz // RECORD_HZ)
        self.site.begin_scene(every, round(seconds * rate_hz / every))
        cycles = round(seconds / PERIOD_S)
        due = {round(at_s / PERIOD_S): act for at_s, act in acts.items()}
        for k in range(cycles):
            if k in due:
                due[k](self)
            self.cycle()
            if progress and k % 10 == 0:
                progress(k / cycles)
        columns: dict[str, np.ndarray] = self.site.record()
        return columns


def rows(columns: Mapping[str, np.ndarray]) -> Iterator[str]:
    """The result as CSV lines: t_s with 4 decimals, mode whole, the rest with 3."""
    yield ",".join(columns) + "\n"
    formats = ["%.4f" if name == "t_s" else "%d" if name == "mode" else "%.3f" for name in columns]
    line = (",".join(formats) + "\n").__mod__
    yield from map(line, zip(*(column.tolist() for column in columns.values()), strict=True))


def write_result(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """CSV, packed unless the name ends in .csv; the same columns give the same bytes."""
    text = io.StringIO()
    text.writelines(rows(columns))
    raw = text.getvalue().encode()
    path.write_bytes(raw if path.suffix == ".csv" else gzip.compress(raw, 3, mtime=0))


def simulate(scene: Scene, out: Path, progress: Progress | None = None) -> dict[str, Any]:
    """Simulate a scene and write its result; returns the summary.

    Raises ConfigError, InputError for a wrong site, load or link, NotRunningError, OSError for `out`.
    """
    load = read_load(scene.load)
    run = VirtualRun(check_site(scene.site), load, scene)
    seconds = scene.seconds or load.load_kw.size / load.rate_hz
    began_s = time.perf_counter()
    bring_up_s = run.bring_up()
    columns = run.scene(seconds, progress)
    wall_s = time.perf_counter() - began_s
    write_result(out, columns)
    status = run.fastlink.executive.status()
    return {
        "site": run.checked.site.name, "link": scene.link.name if scene.link else None,
        "waveform": scene.waveform, "seed": scene.seed, "seconds": seconds, "bring_up_s": round(bring_up_s, 1),
        "wall_s": round(wall_s, 2), "times_real_time": round((seconds + bring_up_s) / wall_s, 1),
        "mode": run.supervisor.mode.mode.name, "loop_delay_ms": round(1e3 * status["loop_delay_s"], 2),
        "gain": round(status["command"]["gain"], 3), "guard_blocked": status["guard_blocked"],
        "lease_lapses": status["lease_lapses"], "interlocks_broken": run.oracle.violations,
        "broken": broken(run.oracle, run.t_scene_ns),
        "plan": run.supervisor.forecast.reason,
        "out": str(out), "latency": plain(budget(run.checked)),
    }  # fmt: skip


def summary_line(summary: Mapping[str, Any]) -> str:
    """The one JSON line that a program may read."""
    return json.dumps(summary, sort_keys=True)

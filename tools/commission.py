"""Commissioning in virtual time: the whole stack against converters that the controller does not know."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

import numpy as np

from controller.devices.check import CheckedSite
from controller.devices.table import compile as compile_table
from controller.image import Instant
from controller.runtime.commission import CAPTURE_S, Commission
from controller.runtime.plain import plain
from controller.runtime.supervisor import PERIOD_S, Supervisor
from controller.units import NS_PER_S
from tools.plant.links import Link
from tools.plant.loop import VirtualSite
from tools.plant.presets import Waveform
from tools.plant.site import Plant
from tools.sim import EPOCH_S, with_bus


@dataclass(frozen=True, slots=True)
class Scene:
    """What the simulated site is like. link: its bus and its true dynamics; None: those of the site file."""

    link: Link | None = None
    waveform: str | Waveform = "typical"
    load_kw: float = 3500.0
    seed: int = 1


def simulate(checked: CheckedSite, scene: Scene) -> Commission:
    """Run the sequence against the simulated site and evaluate it. Raises CommissionError: no fast signal."""
    if scene.link:
        site = with_bus(checked.site, scene.link)
        checked = replace(checked, site=site, table=compile_table(site, checked.profiles, checked.host))
    commission = Commission(checked)
    supervisor = Supervisor(checked, checked.table, commission.link)
    load_kw = np.full(2, scene.load_kw)
    plant = Plant(checked, load_kw, 1.0, scene.waveform, scene.seed, scene.link)
    virtual = VirtualSite(commission.link.executive, plant)
    commission.attach(supervisor, lambda: supervisor.ask("stop"))
    while not commission.over:
        turn(virtual, supervisor, commission)
    commission.evaluate()
    return commission


def turn(virtual: VirtualSite, supervisor: Supervisor, commission: Commission) -> None:
    """Up to the next supervisor cycle or the next look at the ring, whichever comes first."""
    rate_hz = virtual.plant.rate_hz
    cycle, look = round(PERIOD_S * rate_hz), round(CAPTURE_S * rate_hz)
    virtual.run(min(cycle - virtual.frames % cycle, look - virtual.frames % look))
    if virtual.frames % look == 0:
        commission.look(_now(virtual))
    if virtual.frames % cycle == 0:
        supervisor.cycle(_now(virtual))


def _now(virtual: VirtualSite) -> Instant:
    return Instant(virtual.now_ns, EPOCH_S + virtual.now_ns / NS_PER_S)


def result_json(commission: Commission) -> str:
    """Everything that was found, for a program: null where there is no bound."""
    return json.dumps(plain({
        "found": {name: asdict(found) for name, found in commission.found.items()},
        "failed": commission.failed,
        "broken": commission.broken,
    }))  # fmt: skip

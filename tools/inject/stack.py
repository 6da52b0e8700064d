"""The injectors of Room.STACK: the whole stack in virtual time, with faults in transformers, wires and slaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite, nan
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from controller.devices.check import check_site
from controller.image import CHANNELS, Mode
from controller.runtime.mistakes import MistakeError
from controller.runtime.supervisor import PERIOD_S
from tools.inject.table import FAULTS
from tools.inject.trial import LackingError, Result
from tools.oracle.watch import broken
from tools.plant.loads import Load
from tools.sim import NotRunningError, Scene, VirtualRun

SITES = Path(__file__).parents[2] / "boards" / "sites"
SITE = SITES / "reference.yaml"
STILL_S = 3.0
LOAD_HZ = 100.0
LOOK_S = 0.001  # as often the site is looked at
SWING_CYCLES = 60  # of the load before the fault
LOW_PU, HIGH_PU, PERIOD_LOAD_S = 0.5, 2.0 / 3.0, 2.0  # of the import limit: a training load
LATE = 3.0
UNBOUND_S = 30.0  # how long a reaction without a bound is waited for

Begin = Callable[[VirtualRun, Random], None]
Look = Callable[[VirtualRun], bool]


@dataclass(frozen=True, slots=True)
class Act:
    """One injector. still: nothing may happen. needs: analogue inputs that the site must have; tells: a point that
    its BMS must tell; site: one that has them."""

    begin: Begin
    seen: Look
    still: bool = False
    needs: tuple[str, ...] = ()
    tells: str = "soc_pct"
    site: Path = SITE
    dead: bool = False  # the controller does not run any more


def _sensor(*names: str, **spoil: Any) -> Begin:
    return lambda run, draw: run.plant.sensor(names, **spoil)


def _wire(**faults: float) -> Begin:
    def begin(run: VirtualRun, draw: Random) -> None:
        run.plant.fault(run.checked.site.pcs[0].port, seed=draw.randrange(2**31), **faults)

    return begin


def _told(code: str) -> Look:
    return lambda run: any(c.code == code for c in run.supervisor.conditions.active)


def _told_or_rests(*codes: str) -> Look:
    return lambda run: _rests(run) or any(_told(code)(run) for code in codes)


def _rests(run: VirtualRun) -> bool:
    return run.supervisor.mode.mode in (Mode.SAFE_STOP, Mode.FAULT, Mode.LOCKOUT)


def _goes_on(run: VirtualRun) -> bool:
    return run.supervisor.mode.mode == Mode.GRID_TIED


def _no_charge(run: VirtualRun) -> bool:
    """Told, and the converters have got no charging setpoint."""
    return _told("F10")(run) and all(kw >= 0.0 for kw in run.plant.truth()["setpoints_kw"])


def _at_zero(run: VirtualRun) -> bool:
    return bool(run.fastlink.executive.status()["command"]["pcs_kw"] == 0.0)


def _follows_down(run: VirtualRun) -> bool:
    """What is discharged is no more than a hundredth of the rating beyond the load that is left."""
    truth, rating_kw = run.plant.truth(), sum(pcs.discharge_kw_max for pcs in run.checked.site.pcs)
    return bool(truth["pcs_kw"] <= 0.01 * rating_kw)


def _reject(run: VirtualRun, draw: Random) -> None:
    run.plant.shed(0.9 * run.plant.truth()["load_kw"])


def _unscaled(run: VirtualRun, draw: Random) -> None:
    run.site.rescale(CHANNELS.index("load_ia"), nan)


def _refuse(run: VirtualRun, draw: Random) -> None:
    run.plant.refuse(run.checked.site.pcs[0].name, 4)


def _freeze(run: VirtualRun, draw: Random) -> None:
    run.plant.freeze(run.checked.site.bms[0].name)


def _watchdog_ended(run: VirtualRun) -> bool:
    return all(count > 0 for count in run.plant.truth()["expiries"][: len(run.checked.site.pcs)])


def _nothing(run: VirtualRun, draw: Random) -> None:
    """The controller just ends."""


LOAD_A = ("load_ia",)
ACTS: dict[str, Act] = {
    "F01": Act(_sensor("load_ia", gain=0.0), _told("F01"), needs=LOAD_A),
    "F02": Act(_sensor("load_ia", gain=-1.0), _told("F02"), needs=LOAD_A),
    "F03": Act(lambda run, draw: run.plant.swap("load_ia", "load_ib"), _told("F03"), needs=LOAD_A),
    "F04": Act(_sensor("load_ia", frozen=True), _told("F04"), needs=LOAD_A),
    "F05": Act(_sensor("load_ia", gain=50.0), _told("F05"), needs=LOAD_A),
    "F06": Act(lambda run, draw: run.site.drop(-1), _at_zero),
    "F07": Act(_unscaled, _told("F07"), needs=LOAD_A),
    "F08": Act(_sensor("load_ia", shift_counts=20000, samples=2), _goes_on, still=True, needs=LOAD_A),
    "F09": Act(_sensor("dc_v", gain=0.96), _told("F09"), needs=("dc_v",)),
    "F10": Act(_sensor("dc_v", gain=1.3), _no_charge, needs=("dc_v",)),
    "F11": Act(lambda run, draw: run.site.drop(6), _told("F11")),
    "F17": Act(_wire(late_rate=0.05, late_ms_min=1, late_ms_max=60), _goes_on, still=True),
    "F18": Act(_wire(wrong_unit_rate=0.1), _goes_on, still=True),
    "F19": Act(_refuse, _rests),
    "F34": Act(_freeze, _rests, tells="heartbeat", site=SITES / "island-hall.yaml"),
    "F63": Act(_reject, _follows_down),
    "F65": Act(_nothing, _watchdog_ended, dead=True),
    "F84": Act(_wire(babble_per_s=2000), _told_or_rests("F84")),
    "F85": Act(_wire(bit_error_rate=8e-3), _told_or_rests("F85")),
    "F86": Act(_wire(twin=1), _rests),
}


def engaged(site: Path, seed: int) -> VirtualRun:
    """The site GRID_TIED on a training load. Raises MistakeError."""
    checked = check_site(site)
    top_kw = checked.site.grid.import_kw_max
    t_s = np.arange(round(PERIOD_LOAD_S * LOAD_HZ)) / LOAD_HZ
    load_kw = np.where(t_s < PERIOD_LOAD_S / 2, HIGH_PU * top_kw, LOW_PU * top_kw)
    whole = np.tile(load_kw, 60)
    run = VirtualRun(checked, Load(whole, LOAD_HZ), Scene(site, site, seed=seed))
    try:
        run.bring_up()
    except NotRunningError as error:
        raise MistakeError(f"{site}: {error}") from None
    rate_hz = checked.site.sampling.rate_hz
    run.site.begin_scene(rate_hz, 4)
    return run


def lacking(code: str, site: Path) -> str:
    """What a site lacks for this fault; empty: nothing."""
    checked, act = check_site(site), ACTS[code]
    for name in act.needs:
        if name not in checked.site.sampling.channels:
            return f"sampling.channels has no {name}"
    told = [name for bms in checked.site.bms for name in checked.profiles[bms.profile].points]
    return "" if act.tells in told else f"no BMS of it tells {act.tells}"


def stack_trial(code: str, seed: int, site: Path | None = None) -> Result:
    """One trial of a fault of Room.STACK; site: None: one that can have it. Raises LackingError for one that cannot."""
    fault, act, draw = FAULTS[code], ACTS[code], Random(f"{code} {seed}")
    site = site or act.site
    if lacks := lacking(code, site):
        raise LackingError(f"{site}: {lacks}; {code} needs it. Choose another site.")
    run = engaged(site, seed)
    rate_hz = run.checked.site.sampling.rate_hz
    look, cycle = round(LOOK_S * rate_hz), round(PERIOD_S * rate_hz)
    for _ in range(SWING_CYCLES):
        run.cycle()
    phase_s = draw.randrange(1, cycle) / rate_hz
    run.site.run(round(phase_s * rate_hz))
    since, began = round(phase_s * rate_hz), run.site.frames
    act.begin(run, draw)
    most_s = STILL_S if act.still else LATE * fault.within_s if isfinite(fault.within_s) else UNBOUND_S
    while (past_s := (run.site.frames - began) / rate_hz) <= most_s:
        if past_s and act.seen(run) is not act.still:
            within_s = -1.0 if act.still else fault.within_s
            return Result(code, seed, phase_s, past_s, within_s, broken(run.oracle))
        frames = min(look, cycle - since)
        if act.dead:
            run.site.alone(frames)
            continue
        run.site.run(frames)
        since += frames
        if since == cycle:
            run.decide()
            since = 0
    return Result(code, seed, phase_s, -1.0 if act.still else inf, fault.within_s, broken(run.oracle))

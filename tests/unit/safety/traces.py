"""A long hostile trace of the safety step from a seed, as one hash: equal runs and equal builds must agree on it.

`python -m tests.unit.safety.traces SEED CYCLES [FOLDER]` prints it; FOLDER holds compiled modules to be used.
"""

from __future__ import annotations

import hashlib
import random
import sys
from dataclasses import replace
from math import inf, nan
from typing import Any


def trace(seed: int, cycles: int) -> tuple[str, set[str]]:
    """The hash of every state and output, and the modes that came by."""
    from controller.image import Mode, Wish
    from controller.safety.command import Command, Rank
    from controller.safety.step import Inputs, State, step
    from controller.state import ModeState
    from tests.unit.safety.halls import HALL_TERMS, running, seen, standing, switch
    from tests.unit.safety.sites import at

    draw = random.Random(seed)
    state, t_s, digest, modes = State(mode=ModeState(wanted=True)), 0.0, hashlib.sha256(), set()
    states = ("off", "standby", "standby", "starting", "running", "running", "running", "fault", "unknown")
    position, pcs, voltage_v, grid_v, forms = "source-1", "standby", 230.0, 230.0, 0.0
    for cycle in range(cycles):
        t_s += draw.choice((0.1, 0.1, 0.1, 0.5, 1.0, 40.0))
        if cycle % 50 == 49:  # from every mode, also those that a hostile world hardly ever reaches
            here = ModeState(mode=draw.choice(list(Mode)), wanted=True, t_since_ns=at(t_s).t_ns)
            state = State(mode=here, hall=state.hall)
        if draw.random() < 0.05:
            position = draw.choice(("source-1", "source-1", "open", "open", "source-2", "between"))
            voltage_v, grid_v = draw.choice((230.0, 230.0, 0.0, 200.0, nan)), draw.choice((230.0, 0.0))
            pcs, forms = draw.choice(states), draw.choice((0.0, 1.0))
        sets = [draw.choice((running, standing))(name) for name in ("genset-1", "genset-2")]
        words = {"sync_word": draw.choice((0.0, 1.0)), "dead_word": draw.choice((0.0, 1.0))}
        telemetry = seen(
            t_s, switch(position, t_s, **words), *sets, track={"voltage_v": voltage_v}, voltage_v=grid_v
        )
        values = {"pcs_kw": draw.choice((0.0, 0.0, 500.0, -900.0, nan)), "form_word": forms}
        device: Any = telemetry.devices["pcs-1"]
        changed = {"state": pcs, "values": values, "age_s": draw.choice((0.01,) * 30 + (0.6, inf))}
        devices = {**telemetry.devices, "pcs-1": replace(device, **changed)}
        verb = draw.choice(
            ("", "", "", "start", "stop", "reset", "island", "black-start", "maint", "maint-end")
        )
        commands = (Command(verb, draw.choice(list(Rank)), cycle + 1, at(t_s).t_ns, "why"),) if verb else ()
        inputs = Inputs(
            replace(telemetry, devices=devices), Wish(draw.choice((0.0, 1e9, nan)), 50.0, 1.0), commands
        )
        state, outputs = step(HALL_TERMS, state, inputs, at(t_s))
        modes.add(Mode(state.mode.mode).name)
        digest.update(repr((state, outputs)).encode())
    return digest.hexdigest(), modes


def main(seed: int, cycles: int, folder: str = "") -> None:
    """Print the hash; with a folder, prove that its modules were used."""
    import controller.safety

    if folder:
        controller.safety.__path__.insert(0, folder)
    found, _ = trace(seed, cycles)
    from controller.safety import step

    assert bool(folder) is step.__file__.endswith(".so"), step.__file__
    print(found)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])

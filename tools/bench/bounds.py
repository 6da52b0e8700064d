"""Where no linear law reaches what the table of cells asks: python -m tools.bench.bounds DIR [--seed 1] [--scenes ...].

Row 4 of the smoothing goals, every scene on every link of the reference. The reference designs its no-harm law with a
converter that may be driven to 1.2 of its rating, and publishes a part of the cells. A setpoint beyond the envelope
would stand if the frame died, so ours is at most 1.0; it may not widen the range of the 20 ms mean, which the
reference's law does not look at; and the status of a converter is read on the same wire, which makes commands older.
DIR: the folder of the scenes; its bound.py (which needs cvxpy) looks for the best linear law at 1.0 on such a wire for
each cell alone, with 2.5 s of memory and a load known without noise or delay. Beside it the dead-beat lead D2 and the
oracle E, which knows the load ahead, both at 1.0, all simulated on the reference's plant, and the whole stack.

A cell is answered where the stack is within 1 dB of the law found at 1.0, or where that law harms itself. Where it is
not, the design is made again so that the grid spans no ten seconds more than the load does (tools.bench.ranged), and
the row tells that figure: the median of M6 does not see what the widest ten seconds are. It stays missed. Under a slew
limit the design is a heuristic: what it finds is evidence of a bound, no proof.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from controller.devices.check import check_site
from tools.bench.cells import (
    BOUND_DB,
    CONVERTERS,
    FILE,
    HARM_DB,
    PRESETS,
    RANGE_MAX,
    SITE,
    SLACK_DB,
    WINDOW_S,
    behind,
    chosen,
    judged,
)
from tools.bench.ranged import designed
from tools.bench.scored import Scenes, Score, modules
from tools.plant.links import Link, read_link
from tools.plant.loads import InputError
from tools.sim import Scene, VirtualRun

OVER_DRIVE = 1.0


def linear(bound: Any, scene: str, link: Any, seed: int, ranged: bool = False) -> Score:
    """The best linear law found that harms no frequency, on the reference's plant; ranged: nor any range."""
    load_kw, wanted_kw = bound.deviation(scene, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the solver, where it gives up and is asked again
        law = designed(bound, scene, link) if ranged else bound.design(scene, link)[1]
    at = ("M2_band_db", "M5_noharm_db", "M6_range_kw")
    battery_kw = bound.simulate(wanted_kw, link, law.taps)
    found, none = (bound.judge(load_kw, kw, link.rating_kw) for kw in (battery_kw, np.zeros_like(load_kw)))
    m2_db, m5_db, m6_kw = (found[key] for key in at)
    return Score(m2_db, m5_db, m6_kw, none[at[-1]])


def with_reads(scenes: Scenes, link: Link, plain: Any) -> Any:
    """The reference's link, its commands older in the mean by what the reads of our wire do: half a period is."""
    run = VirtualRun(check_site(SITE), scenes.load("training", 1), Scene(SITE, SITE, link=link))
    late_ms = max(load.read_late_ms for load in run.checked.table.loads)
    return replace(plain, period_s=plain.period_s + 2e-3 * late_ms)


def harms(score: Score) -> str:
    """What a law harms; empty: nothing."""
    beyond = {"M5": score.m5_db > HARM_DB, "M6": 0.0 < RANGE_MAX * score.m6_none_kw < score.m6_kw}
    return " ".join(name for name, is_beyond in beyond.items() if is_beyond)


def answer(ours: Score, linear: Score, bound_db: float | None) -> str:
    """Whether the stack reaches the reference's law, the best one at 1.0, or why there is none."""
    if harms(ours):
        return f"MISSED: harms {harms(ours)}"
    if bound_db is not None and ours.m2_db <= bound_db + SLACK_DB:
        return "reached"
    if harms(linear):
        return f"the law found at {OVER_DRIVE:.1f} harms {harms(linear)}"
    return "as the law found" if ours.m2_db <= linear.m2_db + SLACK_DB else "MISSED"


def main(arguments: list[str]) -> int:
    """Prints the table, a row as soon as it is known. Exit status: 0 all cells answered, 1 not, 2 a wrong folder."""
    options = chosen("bounds", __doc__, arguments)
    try:
        scenes, bound = Scenes(options.folder), modules(options.folder, "bound", needs="cvxpy")[0]
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"M2 dB, M5 dB, M6 kW; over-drive {OVER_DRIVE:.1f}, seed {options.seed}")
    print(
        f"{'scene':14}{'link':12}{'converter':10}{'ours':>21} |{'D2':>21} |{'E':>21} |{'linear':>21} |{'at 1.2':>7}"
    )
    good = True
    cells = ((scene, *preset) for scene in options.scenes for preset in PRESETS)
    for scene, name, converter in cells:
        if name in options.links and converter in options.converters:
            real, bound_db = behind(read_link(FILE, name), converter), BOUND_DB.get((scene, name, converter))
            link = replace(scenes.link(name, *CONVERTERS[converter]), overdrive=OVER_DRIVE)
            load = scenes.load(scene, options.seed)
            ours = judged(scenes, scene, real, options.seed)
            lead, oracle = (scenes.baseline(law, load, link, WINDOW_S) for law in ("D2", "E"))
            best = linear(bound, scene, with_reads(scenes, real, link), options.seed)
            said = answer(ours, best, bound_db)
            if said == "MISSED":
                kept = linear(bound, scene, with_reads(scenes, real, link), options.seed, ranged=True)
                said = f"MISSED; the law found that keeps every range has {kept.m2_db:.1f}"
            figures = (f"{s.m2_db:7.1f}{s.m5_db:+6.1f}{s.m6_kw:8.0f}" for s in (ours, lead, oracle, best))
            known = f"{bound_db:7.1f}" if bound_db is not None else f"{'-':>7}"
            print(f"{scene:14}{name:12}{converter:10}{' |'.join(figures)} |{known}  {said}", flush=True)
            good &= not said.startswith("MISSED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

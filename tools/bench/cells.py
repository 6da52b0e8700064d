"""No harm in any cell of scene, link and converter, beside the best linear law: python -m tools.bench.cells DIR.

Rows 3 and 4 of the smoothing goals. DIR: the folder of the scenes. Every scene goes through the whole stack on every
link, with converters of 2, 5, 10 and 50 ms of lag at 200 ratings/s, and of 2 ratings/s. Held in each cell: M5 at most
+0.5 dB, M6 at most 5 % above no battery's, and M2 within 1 dB of the no-harm linear law where the reference has
designed one for the cell, driven to 1.2 of the rating (`tools.bench.bounds` says what is left of it at 1.0). Beside it
stand the reference's lead D2 and its oracle E, which knows the load ahead. Exit 0 when all hold. `--scenes`, `--links`,
`--converters` choose a part of the table.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import boards
from controller.devices.check import check_site
from tools.bench.scored import Scenes, Score, played
from tools.plant.links import Link, read_link
from tools.plant.loads import InputError
from tools.sim import Scene, VirtualRun

SITE = Path(boards.__file__).parent / "sites" / "reference.yaml"
FILE = Path(__file__).parents[1] / "plant" / "links.yaml"
WINDOW_S = (90.0, 170.0)
HARM_DB, RANGE_MAX, SLACK_DB = 0.5, 1.05, 1.0
SCENES = ("training", "training-fast", "training-slow", "checkpoints", "inference")
LINKS = ("9600-spec", "19200-spec", "115200-spec", "115200-true", "1M-true")
CONVERTERS: Mapping[str, tuple[float | None, float]] = MappingProxyType(
    {f"lag {lag_ms:g}": (lag_ms, 200.0) for lag_ms in (2.0, 5.0, 10.0, 50.0)} | {"slew 2": (None, 2.0)}
)  # lag in ms, None: the link's own; slew in ratings/s
# The reference's own links: a wire, and the converter at its end.
PRESETS = (
    ("9600-spec", "lag 10"),
    ("19200-spec", "lag 10"),
    ("115200-spec", "lag 10"),
    ("115200-true", "lag 5"),
    ("115200-true", "lag 10"),
    ("115200-true", "lag 50"),
    ("115200-true", "slew 2"),
    ("1M-true", "lag 2"),
)
# M2 in dB, no-harm rows of the reference's table "The bound of a linear law", each designed for its cell alone.
BOUND_DB: Mapping[tuple[str, str, str], float] = MappingProxyType(
    {
        ("training", "9600-spec", "lag 10"): -2.3,
        ("training", "19200-spec", "lag 10"): -8.2,
        ("training", "115200-spec", "lag 10"): -15.9,
        ("training", "115200-true", "lag 5"): -30.0,
        ("training", "115200-true", "lag 10"): -24.9,
        ("training", "115200-true", "lag 50"): -9.8,
        ("training", "115200-true", "slew 2"): 0.0,
        ("training", "1M-true", "lag 2"): -37.4,
        ("training-fast", "9600-spec", "lag 10"): -2.0,
        ("training-fast", "115200-true", "lag 5"): 0.0,
        ("training-fast", "1M-true", "lag 2"): -24.7,
        ("checkpoints", "9600-spec", "lag 10"): -6.6,
        ("checkpoints", "115200-true", "lag 5"): -29.7,
        ("checkpoints", "1M-true", "lag 2"): -33.3,
        ("inference", "9600-spec", "lag 10"): -3.7,
        ("inference", "115200-true", "lag 5"): -20.5,
        ("inference", "1M-true", "lag 2"): -20.6,
    }
)


def behind(link: Link, converter: str) -> Link:
    """The link with that converter at its end."""
    lag_ms, slew_pu_s = CONVERTERS[converter]
    return replace(link, tau_ms=link.tau_ms if lag_ms is None else lag_ms, slew_pu_s=slew_pu_s)


def missed(score: Score, bound_db: float | None) -> str:
    """The bounds that a cell is beyond; empty when it holds. A median range of nothing bounds nothing."""
    beyond = {
        "M5": score.m5_db > HARM_DB,
        "M6": 0.0 < RANGE_MAX * score.m6_none_kw < score.m6_kw,
        "M2": bound_db is not None and score.m2_db > bound_db + SLACK_DB,
    }
    return " ".join(name for name, is_beyond in beyond.items() if is_beyond)


def judged(scenes: Scenes, scene: str, link: Link, seed: int) -> Score:
    """One run."""
    checked = check_site(SITE)
    run = VirtualRun(checked, scenes.load(scene, seed), Scene(SITE, SITE, seed=seed, link=link))
    columns, _ = played(run, WINDOW_S[1])
    return scenes.judge(columns, WINDOW_S, sum(p.discharge_kw_max for p in checked.site.pcs))


def beside(scenes: Scenes, scene: str, name: str, converter: str, seed: int) -> tuple[float, float]:
    """M2 of the lead and of the oracle."""
    load, link = scenes.load(scene, seed), scenes.link(name, *CONVERTERS[converter])
    lead, oracle = (scenes.baseline(law, load, link, WINDOW_S).m2_db for law in ("D2", "E"))
    return lead, oracle


def shown(score: Score, bound_db: float | None, lead_db: float, oracle_db: float) -> str:
    """One cell's figures."""
    bound = f"{bound_db:8.1f}" if bound_db is not None else f"{'-':>8}"
    fault = missed(score, bound_db)
    return (
        f"{score.m2_db:7.1f}{lead_db:7.1f}{bound}{oracle_db:8.1f}{score.m5_db:+7.1f}{score.m6_kw:8.0f}"
        f"{score.m6_none_kw:8.0f}  {'misses ' + fault if fault else 'holds'}"
    )


def chosen(bench: str, about: str | None, arguments: list[str]) -> argparse.Namespace:
    """The folder, the seed, and the part of the table that is asked for."""
    parser = argparse.ArgumentParser(prog=f"python -m tools.bench.{bench}", description=about)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--seed", type=int, default=1)
    for name, values in (("scenes", SCENES), ("links", LINKS), ("converters", tuple(CONVERTERS))):
        parser.add_argument(f"--{name}", nargs="+", choices=values, default=values)
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Prints the table, a row as soon as it is known. Exit status: 0 all cells hold, 1 not, 2 a wrong folder."""
    options = chosen("cells", __doc__, arguments)
    try:
        scenes = Scenes(options.folder)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"whole stack in virtual time, seed {options.seed}, {platform.machine()}, Python {platform.python_version()}"
    )
    print(f"{'scene':14}{'link':12}{'converter':10}     M2     D2 no-harm  oracle     M5      M6    none")
    good = True
    for scene in options.scenes:
        for name in options.links:
            for converter in options.converters:
                link = behind(read_link(FILE, name), converter)
                bound_db = BOUND_DB.get((scene, name, converter))
                score = judged(scenes, scene, link, options.seed)
                good &= not missed(score, bound_db)
                others = beside(scenes, scene, name, converter, options.seed)
                print(f"{scene:14}{name:12}{converter:10}{shown(score, bound_db, *others)}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

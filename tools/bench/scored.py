"""A scene of the smoothing reference through the whole stack, judged by the reference's own scorer."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from controller.image import Mode
from tools.plant.loads import InputError, Load
from tools.sim import NO_ACTS, Act, VirtualRun

PARTS = ("scene", "score", "links", "baselines")
LATE_S = 2.0  # played beyond the last window
Window = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Score:
    """One window. M2: grid over load in 0.1 to 20 Hz; M5: worst band of 0.1 to 50 Hz; M6: range of the 20 ms mean."""

    m2_db: float
    m5_db: float
    m6_kw: float
    m6_none_kw: float  # of the same load without a battery


def modules(folder: Path, *names: str, needs: str = "") -> list[Any]:
    """Modules of the scenes' folder, whatever was taken from another one before.

    Raises InputError: one is not there, or what it imports; needs: packages."""
    for name in names:
        taken_from = getattr(sys.modules.get(name), "__file__", None)
        if taken_from and Path(taken_from).parent.resolve() != folder.resolve():
            del sys.modules[name]
    sys.path.insert(0, str(folder))
    try:
        return [importlib.import_module(name) for name in names]
    except ModuleNotFoundError as error:
        needed = ", ".join([*(f"{name}.py" for name in names), *([f"the package {needs}"] if needs else [])])
        cure = f"Name the scenes' folder{', install the package' if needs else ''}."
        raise InputError(f"{folder}: {error}; needed are {needed}. {cure}") from error
    finally:
        sys.path.remove(str(folder))


class Scenes:
    """The reference's folder: scene.py makes the loads, score.py judges, baselines.py has laws.

    Raises InputError: it is another folder."""

    def __init__(self, folder: Path) -> None:
        self._scene, self._score, self._links, self._laws = modules(folder, *PARTS)

    def load(self, name: str, seed: int) -> Load:
        """A scene by name. Raises InputError: there is none of that name."""
        if name not in self._scene.NAMES:
            raise InputError(
                f"no scene {name!r}; there are: {', '.join(self._scene.NAMES)}. Choose one of them."
            )
        t_s, load_kw = self._scene.make(name, seed)
        return Load(np.asarray(load_kw, float), 1.0 / float(t_s[1] - t_s[0]))

    def link(self, name: str, lag_ms: float | None, slew_pu_s: float) -> Any:
        """The reference's own link with that converter at its end; lag None: the link's own."""
        found = self._links.load()[name]
        return replace(found, tau_s=found.tau_s if lag_ms is None else 1e-3 * lag_ms, slew_pu_s=slew_pu_s)

    def baseline(self, name: str, load: Load, link: Any, window: Window) -> Score:
        """A law of the reference on its own plant: the lead D2, or E, which knows the load ahead."""
        battery_kw = self._laws.run(load.load_kw, load.rate_hz, link, (name,))[name]
        t_s = np.arange(load.load_kw.size) / load.rate_hz
        columns = {
            "t_s": t_s,
            "load_kw": load.load_kw,
            "pcs_kw": battery_kw,
            "grid_kw": load.load_kw - battery_kw,
        }
        return self.judge(columns, window, link.rating_kw)

    def judge(self, columns: Mapping[str, np.ndarray], window: Window, rating_kw: float) -> Score:
        """The scorer's figures of a result."""
        report: dict[str, Any] = self._score.score(dict(columns), window, rating_kw)
        found, none = report["result"], report["no_battery"]
        m6_kw, none_kw = found["M6_range_kw"], none["M6_range_kw"]
        return Score(found["M2_band_db"], found["M5_noharm_db"], m6_kw, none_kw)


def played(
    run: VirtualRun, until_s: float, acts: Mapping[float, Act] = NO_ACTS
) -> tuple[dict[str, np.ndarray], bool]:
    """The result's columns up to a little after until_s, and whether the site stayed at work all the time."""
    run.bring_up()
    columns = run.scene(until_s + LATE_S, acts=acts)
    return columns, bool((columns["mode"] == Mode.GRID_TIED).all())


def verdict(at_work: bool, good: bool) -> int:
    """A bench's last line. Returns its exit status: 0 the site stayed at work and its bounds hold, 1 not."""
    holds = at_work and good
    print(f"{'at work all the time' if at_work else 'LEFT GRID_TIED'}; {'holds' if holds else 'MISSED'}")
    return 0 if holds else 1


def ended(main: Callable[[list[str]], int], name: str) -> NoReturn:
    """A bench from the command line, with its exit status; a wrong folder or scene is told in one line."""
    try:
        sys.exit(main(sys.argv[1:]))
    except InputError as error:
        sys.exit(f"{name}: {error}")

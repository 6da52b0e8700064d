"""Plays a named case: a folder with site.yaml, events.yaml and bounds.yaml, the whole stack in virtual time.

`python -m tests.cases.story tests/cases/chatter --plot` tells whether its bounds hold, and draws plot.png beside them.
Time is in s since the site came into service, or since power-up where the case says so. Words: README.md beside.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import FileIO, TextIOWrapper
from itertools import pairwise
from math import inf
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import yaml

from controller.config.loader import BOARDS
from controller.devices.check import check_site
from controller.image import Instant, Mode
from controller.runtime.blackbox import FILES_MAX, Blackbox
from controller.runtime.disk import PERIOD_S as DISK_S
from controller.runtime.disk import Disk
from controller.runtime.keep import SLOTS
from controller.runtime.keeper import PERIOD_S as KEEP_S
from controller.runtime.keeper import Keeper
from controller.runtime.log import Log
from controller.runtime.supervisor import PERIOD_S, Cycle
from controller.runtime.writer import Writer
from controller.safety.orders import heaters
from tests.cases.virtual import LOAD_HZ, Site, square_kw

CASES = Path(__file__).parent
# Words of events that are the simulated site's own methods.
PLANT = ("mute", "fault", "grid", "genset_fails", "switch_sticks", "bms_allows")
FILES = ("site", "events", "bounds")
PLOT, PLOT_DPI = "plot.png", 72
SERVICE_S_MAX = 60.0
WRITTEN_S_MAX = 60.0  # of the host's clock
RECORD_HZ = 1000


def merged(base: Any, changes: Any) -> Any:
    """The mapping with these changes in it, key by key; anything else is replaced."""
    if not isinstance(base, Mapping) or not isinstance(changes, Mapping):
        return changes
    return {**base, **{key: merged(base.get(key), value) for key, value in changes.items()}}


@dataclass(frozen=True, slots=True)
class Case:
    """The three files as read."""

    name: str
    site: Mapping[str, Any]
    events: Mapping[str, Any]
    bounds: Sequence[Mapping[str, Any]]

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return float(self.events["seconds"])

    def sites(self, folder: Path) -> tuple[Path, Path]:
        """The site as it is and as the controller holds it to be, written into a folder."""
        true = merged(yaml.safe_load((BOARDS / "sites" / f"{self.site['of']}.yaml").read_text("utf-8")),
                      self.site.get("changes", {}))  # fmt: skip
        found = []
        for name, content in (("site", true), ("believed", merged(true, self.site.get("believed", {})))):
            found.append(folder / f"{name}.yaml")
            found[-1].write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
        return found[0], found[1]

    def load_kw(self) -> np.ndarray:
        """The load over the whole case; an event `load` holds it from its time on."""
        load = square_kw(self.seconds, **self.events["load"])
        for event in self.events["events"]:
            if event["do"] == "load":
                load[round(event["t_s"] * LOAD_HZ) :] = event["kw"]
        return load


def read(folder: Path) -> Case:
    """The case of a folder."""
    site, events, bounds = (yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8")) for name in FILES)
    return Case(folder.name, site, events, bounds)


def digest(folder: Path) -> str:
    """Of the case's files: a plot carries it, so that an old one shows."""
    return hashlib.sha256(b"".join((folder / f"{name}.yaml").read_bytes() for name in FILES)).hexdigest()


@dataclass(slots=True)
class Rows:
    """What every supervisor cycle knew, column by column."""

    t_s: list[float] = field(default_factory=list)
    modes: list[Mode] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)
    told: list[tuple[float, str, str]] = field(default_factory=list)  # time, id, unit and text


class Story(Site):
    """One case, played."""

    def __init__(self, case: Case, folder: Path) -> None:
        true, believed = case.sites(folder)
        cell_c = float(case.site.get("cell_c", 25.0))
        super().__init__(case.load_kw(), site=true, belief=lambda _: check_site(believed), cell_c=cell_c)
        self.case, self.folder, self.rows = case, folder, Rows()
        self._zero_s = self._utc_step_s = self._hung_until_s = 0.0
        self._writer = Writer()
        self.keeper = Keeper(folder, self._writer)
        ends = (folder / "log", Path("/dev/full"))
        self._streams = [TextIOWrapper(FileIO(str(path), "w"), "utf-8", write_through=True) for path in ends]
        self._logs = [Log(stream) for stream in self._streams]
        self._full = False
        self._blackbox = Blackbox(folder, self._writer)
        self._disks = Disk((folder,), self._writer, self._blackbox.make_room)
        self.supervisor.disk_full = lambda: self._disks.full
        self.supervisor.watchers += [self._look, self.keeper.record, self._blackbox.record, self._tell]

    @property
    def now_s(self) -> float:
        """Time of the case."""
        return self.t_s - self._zero_s

    def play(self) -> None:
        """From the beginning to the end."""
        if self.case.events.get("from", "service") == "service":
            self.until(Mode.GRID_TIED, SERVICE_S_MAX)
        self._zero_s, self.rows = self.t_s, Rows()
        self.virtual.begin_scene(self.rate_hz // RECORD_HZ, round(self.case.seconds * RECORD_HZ))
        waiting = sorted(self.case.events["events"], key=lambda event: float(event["t_s"]))
        for k in range(round(self.case.seconds / PERIOD_S)):
            ends_s = (k + 1) * PERIOD_S
            while waiting and waiting[0]["t_s"] < ends_s:
                self.frames(max(waiting[0]["t_s"] - self.now_s, 0.0))
                self._do(**waiting.pop(0))
            self.frames(ends_s - self.now_s)
            now = Instant(self.virtual.now_ns, self.t_s + self._utc_step_s)
            if self.now_s >= self._hung_until_s:
                self.supervisor.cycle(now)
                self.virtual.mark(self.mode)
            for step, period_s in ((self._disks.step, DISK_S), (self.keeper.step, KEEP_S)):
                if (k + 1) % round(period_s / PERIOD_S) == 0:
                    step(now)
            self._written()
        self._writer.close()
        for stream in self._streams:
            stream.close()

    def _written(self) -> None:
        """The writer works on a clock that the story's outruns: what is queued is done before the next cycle."""
        done = Event()
        assert self._writer.offer(done.set) and done.wait(WRITTEN_S_MAX), "the writer's thread hangs"

    def _do(self, t_s: float, do: str, **words: Any) -> None:
        """One event of events.yaml."""
        if do in PLANT:
            getattr(self.plant, do)(**words)
        elif do == "ask":
            self.supervisor.ask(words["verb"])
        elif do == "hang":
            self._hung_until_s = t_s + words["seconds"]
        elif do == "clock":
            self._utc_step_s += words["step_s"]
        elif do == "plug":
            self.virtual.plug(self.fastlink.port_names.index(words["port"]), words["plugged"])
        elif do == "disk":
            self._disk(words["full"])
        else:
            assert do == "load", (
                f"{self.case.name}: an event does {do!r}; known are {PLANT} and those of README.md"
            )

    def _disk(self, full: bool) -> None:
        """Every write of record, log and black box meets a device without space, or the folder again."""
        self._full = full
        names = [f"{slot}.new" for slot in SLOTS] + [f"blackbox-{k}.new" for k in range(FILES_MAX)]
        for draft in (self.folder / name for name in names):
            draft.unlink(missing_ok=True)
            if full:
                draft.symlink_to("/dev/full")

    def _tell(self, cycle: Cycle) -> None:
        """The log, as the process writes it."""
        log = self._logs[self._full]
        for line in filter(None, map(log.admit, cycle.events)):
            self._writer.offer(partial(log.write, line))

    def _look(self, cycle: Cycle) -> None:
        rows, limits, fallback = self.rows, cycle.limits, self.supervisor.terms.fallback
        if fallback is not None:
            self.plant.shed(sum(shed.kw for shed in fallback.sheds[: cycle.hall.shed_stage]))
        rows.t_s.append(self.now_s)
        rows.modes.append(cycle.mode.mode)
        rows.told += [(self.now_s, it.code, f"{it.unit} {it.text}") for it in cycle.events]
        truth = self.plant.truth()
        found = {
            "level": cycle.conditions.level, "shed_stage": cycle.hall.shed_stage, "budget_kw": cycle.hall.budget_kw,
            "discharge_kw_max": sum(limits.discharge_kw_max), "charge_kw_max": sum(limits.charge_kw_max),
            "heaters": len(heaters(cycle.conditions)), "setpoint_sum_kw": sum(truth["setpoints_kw"]),
            "writes_failed": self._writer.failed, "writes_refused": self._writer.refused,
        }  # fmt: skip
        for name, value in found.items():
            rows.values.setdefault(name, []).append(float(value))

    def series(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Time and values of a column of the plant's record, a row a ms, or of the supervisor's cycles."""
        if name in self.rows.values:
            return np.array(self.rows.t_s), np.array(self.rows.values[name])
        record = self.virtual.record()
        return np.arange(len(record[name])) / RECORD_HZ, record[name]


def faults(story: Story) -> list[str]:
    """Bounds that do not hold, in words. The plant's witness is one of every case."""
    truth = story.plant.truth()
    found = [f"{name}: {truth[name]}" for name in ("clashes", "backfeeds") if truth[name]]
    for place, bound in enumerate(story.case.bounds, start=1):
        (kind,) = {*bound} & {*KINDS}
        if fault := KINDS[kind](story, bound):
            found.append(f"bound {place} {dict(bound)}: {fault}")
    return found


def _range(story: Story, bound: Mapping[str, Any]) -> str:
    """of: every value of a column within from_s and to_s lies in at_least and at_most; or its deviation does."""
    t_s, values = story.series(bound["of"])
    inside = (t_s >= bound.get("from_s", -inf) - 1e-9) & (t_s <= bound.get("to_s", inf) + 1e-9)
    t_s, values = t_s[inside], values[inside]
    assert len(values), "no value in that time"
    if "deviation_at_most" in bound:
        deviation = float(np.std(values))
        return f"it deviates by {deviation:.0f}" if deviation > bound["deviation_at_most"] else ""
    outside = (values < bound.get("at_least", -inf)) | (values > bound.get("at_most", inf))
    if not outside.any():
        return ""
    first = int(np.argmax(outside))
    return f"{values[first]:.1f} at {t_s[first]:.3f} s; from {values.min():.1f} to {values.max():.1f} in all"


def _mode(story: Story, bound: Mapping[str, Any]) -> str:
    """mode: reached within from_s and by_s."""
    times = [
        t for t, mode in zip(story.rows.t_s, story.rows.modes, strict=True) if mode.name == bound["mode"]
    ]
    times = [t for t in times if t >= bound.get("from_s", 0.0)]
    if not times:
        return "never"
    return f"at {times[0]:.1f} s" if times[0] > bound["by_s"] + 1e-6 else ""


def _modes(story: Story, bound: Mapping[str, Any]) -> str:
    """modes: exactly these, in this order."""
    names = [mode.name for mode in story.rows.modes]
    changes = [name for k, name in enumerate(names) if k == 0 or name != names[k - 1]]
    return "" if changes == bound["modes"] else f"they were {changes}"


def _told(story: Story, bound: Mapping[str, Any]) -> str:
    """told: an event with this id within from_s and by_s."""
    times = [t for t, code, _ in story.rows.told if code == bound["told"] and t >= bound.get("from_s", 0.0)]
    if not times:
        return f"told were {sorted({code for _, code, _ in story.rows.told})}"
    return f"at {times[0]:.1f} s" if times[0] > bound["by_s"] + 1e-6 else ""


def _only(story: Story, bound: Mapping[str, Any]) -> str:
    """only: no event has another id."""
    others = sorted({code for _, code, _ in story.rows.told} - set(bound["only"]))
    return f"told were {others} too" if others else ""


def _phases(story: Story, bound: Mapping[str, Any]) -> str:
    """phases: those a genset went through, with the least and the most time it stayed in some of them."""
    told = [
        (t, text.split(" ")[-1]) for t, _, text in story.rows.told if text.startswith(bound["genset"] + " ")
    ]
    if [name for _, name in told] != bound["phases"]:
        return f"they were {[name for _, name in told]}"
    allowed = bound.get("stay_s", {})
    stays = [(name, after - t) for (t, name), (after, _) in pairwise(told) if name in allowed]
    wrong = [(name, round(s, 2)) for name, s in stays if not allowed[name][0] <= s + 1e-6 <= allowed[name][1]]
    return f"stays of {wrong}" if wrong else ""


def _ends(story: Story, bound: Mapping[str, Any]) -> str:
    """ends: true values of the simulated site at the end."""
    truth = story.plant.truth()
    seen = {
        name: list(truth[name]) if isinstance(truth[name], tuple) else truth[name] for name in bound["ends"]
    }
    return "" if seen == bound["ends"] else f"they are {seen}"


KINDS: Mapping[str, Callable[[Story, Mapping[str, Any]], str]] = {
    "of": _range, "mode": _mode, "modes": _modes, "told": _told, "only": _only, "phases": _phases, "ends": _ends,
}  # fmt: skip


def draw(story: Story, path: Path, source: str = "") -> None:
    """Powers, limits and modes over time, with the events that were told; source: kept in the picture's own text."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for name in ("load_kw", "grid_kw", "pcs_kw", "genset_kw"):
        above.plot(*story.series(name), label=name, linewidth=0.8)
    for name, sign in (("discharge_kw_max", 1.0), ("charge_kw_max", -1.0)):
        t_s, values = story.series(name)
        above.step(t_s, sign * values, label=name, linewidth=0.6, linestyle="--", where="post")
    for event in story.case.events["events"]:
        above.axvline(event["t_s"], color="black", linewidth=0.5)
    below.step(story.rows.t_s, [int(mode) for mode in story.rows.modes], where="post")
    seen = sorted({int(mode) for mode in story.rows.modes})
    below.set_yticks(seen, [Mode(value).name for value in seen])
    for t_s, code, _ in story.rows.told:
        below.annotate(code, (t_s, seen[0]), rotation=90, fontsize=6)
    above.set(title=story.case.name, ylabel="kW, into the bus is positive")
    above.legend(ncols=3, fontsize="small", loc="upper right")
    below.set(xlabel="s")
    figure.savefig(path, dpi=PLOT_DPI, metadata={"Source": source})


def main(arguments: Sequence[str]) -> int:
    """Exit 1 when a bound does not hold."""
    parser = argparse.ArgumentParser(prog="tests.cases.story", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--plot", action="store_true", help=f"draw {PLOT} into each folder")
    asked = parser.parse_args(arguments)
    wrong = 0
    for folder in asked.folders:
        with tempfile.TemporaryDirectory() as scratch:
            story = Story(read(folder), Path(scratch))
            story.play()
        found = faults(story)
        wrong += bool(found)
        print(folder.name, "holds" if not found else "\n  ".join(["does not hold:", *found]))
        if asked.plot:
            draw(story, folder / PLOT, digest(folder))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

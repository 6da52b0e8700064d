"""A whole site in virtual time for the cases: real frame, bus and supervisor against the simulated site."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from controller.devices.check import CheckedSite, check_site
from controller.image import Instant, Mode
from controller.runtime.events import Event
from controller.runtime.fastlink import FastLink
from controller.runtime.supervisor import PERIOD_S, Cycle, Supervisor
from tools.oracle.watch import broken
from tools.plant.links import Link
from tools.plant.loop import VirtualSite
from tools.plant.site import Plant
from tools.sim import watched

SITE = Path("boards/sites/reference.yaml")
LOAD_HZ = 100.0
MILLISECOND = 10  # frames


def square_kw(
    seconds: float, low_kw: float = 3000.0, high_kw: float = 4000.0, period_s: float = 2.0
) -> NDArray[np.float64]:
    """A training load: high and low in turn."""
    t_s = np.arange(round(seconds * LOAD_HZ)) / LOAD_HZ
    return np.where(t_s % period_s < period_s / 2, high_kw, low_kw)


class Site:
    """The reference site, or another. Time in s since its start; powers as the plant truly has them.

    An interlock that the oracle sees broken fails the test on the spot.

    belief: what the controller holds for the site, where that is not the truth."""

    def __init__(
        self,
        load_kw: NDArray[np.float64],
        seed: int = 1,
        site: Path = SITE,
        dynamics: tuple[float, float, float] | None = None,
        belief: Callable[[CheckedSite], CheckedSite] = lambda checked: checked,
        cell_c: float = 25.0,
    ) -> None:
        truth = check_site(site)
        checked = belief(truth)
        self.rate_hz = checked.site.sampling.rate_hz
        self.table = checked.table
        self.fastlink = FastLink(checked, checked.table)
        self.supervisor = Supervisor(checked, checked.table, self.fastlink)
        # dynamics: dead time ms, lag ms, slew ratings/s of the true converters, where the file has others.
        link = Link("true", 115200, "chars", 0.2, *dynamics) if dynamics else None
        self.plant = Plant(truth, load_kw, LOAD_HZ, "typical", seed, link, None, loops=True, cell_c=cell_c)
        self.virtual = VirtualSite(self.fastlink.executive, self.plant)
        self.start_ns = self.virtual.now_ns
        self.events: list[tuple[float, Event]] = []
        self.supervisor.watchers.append(
            lambda cycle: self.events.extend((self.t_s, event) for event in cycle.events)
        )
        self.oracle = watched(checked, self.supervisor, self.plant)
        self.supervisor.watchers.append(self._judge)

    @property
    def t_s(self) -> float:
        """Story time."""
        return float(self.virtual.now_ns - self.start_ns) / 1e9

    @property
    def now(self) -> Instant:
        """Story time on both clocks, as a cycle takes it."""
        return Instant(self.virtual.now_ns, self.t_s)

    @property
    def mode(self) -> Mode:
        """Present mode."""
        return self.supervisor.mode.mode

    def _judge(self, cycle: Cycle) -> None:
        assert not self.oracle.violations, broken(self.oracle, self.start_ns)

    def codes(self, since_s: float = 0.0) -> list[str]:
        """Codes of the events since then, in order."""
        return [event.code for t_s, event in self.events if t_s >= since_s]

    def at_s(self, code: str, since_s: float = 0.0) -> float:
        """When an event with this code came first."""
        return next(t_s for t_s, event in self.events if event.code == code and t_s >= since_s)

    def frames(self, seconds: float) -> None:
        """Only the frame and the site: the supervisor is blocked."""
        self.virtual.run(round(seconds * self.rate_hz))

    def cycle(self) -> None:
        """A tenth of a second with its supervisor cycle."""
        self.frames(PERIOD_S)
        self.supervisor.cycle(self.now)

    def run(self, seconds: float) -> None:
        """Cycles for some time."""
        for _ in range(round(seconds / PERIOD_S)):
            self.cycle()

    def until(self, mode: Mode, seconds_max: float) -> float:
        """Run until a mode is reached; returns story time. Fails after seconds_max."""
        for _ in range(round(seconds_max / PERIOD_S)):
            if self.mode == mode:
                return self.t_s
            self.cycle()
        raise AssertionError(f"{self.mode.name} after {seconds_max} s, {self.supervisor.mode.waiting}")

    def engaged(self) -> None:
        """Bring the site up, play the load, and let it settle."""
        self.until(Mode.GRID_TIED, 30.0)
        self.virtual.begin_scene(self.rate_hz // 1000, 10_000)
        self.run(6.0)
        assert self.supervisor.conditions.running

    def truth(self, name: str) -> float:
        """One true value of the simulated site."""
        return float(self.plant.truth()[name])

    def recent(self, name: str, seconds: float) -> NDArray[np.float64]:
        """A column of the plant's record, the last seconds, a row a millisecond."""
        return self.virtual.record()[name][-round(seconds * 1000) :]

    def band_db(self, seconds: float) -> float:
        """Grid against load in 0.1 to 20 Hz over the last seconds, dB."""
        power = {}
        for name in ("grid_kw", "load_kw"):
            kw = self.recent(name, seconds)
            lines = np.abs(np.fft.rfft((kw - kw.mean()) * np.hanning(kw.size))) ** 2
            hz = np.fft.rfftfreq(kw.size, 1e-3)
            power[name] = lines[(hz >= 0.1) & (hz <= 20)].sum()
        return float(10 * np.log10(power["grid_kw"] / power["load_kw"]))

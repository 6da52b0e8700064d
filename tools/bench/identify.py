"""Row 7 of the smoothing goals (M19): python -m tools.bench.identify [--converters 50] [--seed 1] [--signal dc].

Random converters behind the real stack in virtual time; the controller knows none of them. Drawn by their logarithms:
dead time 0.5 to 60 ms, lag 1 to 100 ms, slew 2 to 500 ratings/s, sensor noise 0.1 to 1 % of nominal on each channel;
one of the three waveforms. Held: dead time within 0.5 ms or 5 %, lag and slew within 10 %.

A value that the result itself calls unseen (95 % interval wider than 10 %) is held by what it does: the largest
difference between the answers of the true and the found converter, over steps of 2 to 100 % of the rating from rest
and from full charge to full discharge. At most 0.5 % of the rating counts as hidden: no step within the rating tells
the two apart by more.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import boards
from controller.config.site import CHANNEL_SETS
from controller.devices.check import CheckedSite, check_site
from controller.runtime.dynamics import Dynamics, Trial, response
from tools.commission import Scene, simulate
from tools.plant.links import Link
from tools.plant.presets import WAVEFORMS

SITE = Path(boards.__file__).parent / "sites" / "reference.yaml"
DEAD_MS, LAG_MS, SLEW_PU_PER_S, NOISE_PU = (0.5, 60.0), (1.0, 100.0), (2.0, 500.0), (0.001, 0.01)
DEAD_MS_MAX, DEAD_PU_MAX, TIME_PU_MAX = 0.5, 0.05, 0.10
HIDDEN_PU_MAX = 0.005
STEPS_PU = ((0.0, 0.02), (0.0, 0.1), (0.0, 0.3), (0.0, 1.0), (-1.0, 1.0))


@dataclass(frozen=True, slots=True)
class Row:
    """One converter: true and found, and how far apart they answer (of the rating)."""

    seed: int
    waveform: str
    noise_pu: float
    link: Link
    rating_kw: float
    found: Dynamics | None

    @property
    def true(self) -> tuple[float, float, float]:
        """Dead time ms, lag ms, slew ratings/s."""
        return self.link.dead_ms, self.link.tau_ms, self.link.slew_pu_s

    @property
    def measured(self) -> tuple[float, float, float]:
        """The same as found."""
        assert self.found is not None
        slew_pu_per_s = self.found.slew_kw_per_s.value / self.rating_kw
        return 1e3 * self.found.dead_s.value, 1e3 * self.found.lag_s.value, slew_pu_per_s

    @property
    def misses(self) -> list[str]:
        """Which of the three values lie outside of their bound."""
        pairs = dict(zip(("dead", "lag", "slew"), zip(self.true, self.measured, strict=True), strict=True))
        wide = {"dead": max(DEAD_MS_MAX, DEAD_PU_MAX * self.true[0])}
        return [name for name, (true, found) in pairs.items()
                if abs(found - true) > wide.get(name, TIME_PU_MAX * true)]  # fmt: skip

    @property
    def apart_pu(self) -> float:
        """Largest difference of the two answers to any of STEPS_PU."""
        most = 0.0
        for from_pu, to_pu in STEPS_PU:
            t_s = np.arange(0.0, 2.0, 1e-4)
            step = Trial(np.array([-1.0, 0.0]), np.array([from_pu, to_pu]), t_s, t_s)
            true, found = (
                response(step, 1e-3 * dead_ms, 1e-3 * lag_ms, slew_pu_per_s, t_s)
                for dead_ms, lag_ms, slew_pu_per_s in (self.true, self.measured)
            )
            most = max(most, float(np.abs(true - found).max()))
        return most

    @property
    def verdict(self) -> str:
        """good, hidden (outside, told as unseen and without effect) or what is missed."""
        if self.found is None:
            return "nothing found"
        unseen = {"lag": not self.found.lag_s.seen, "slew": not self.found.slew_kw_per_s.seen}
        if all(unseen.get(name, False) for name in self.misses) and self.misses:
            return "hidden" if self.apart_pu <= HIDDEN_PU_MAX else "unseen " + " ".join(self.misses)
        return " ".join(self.misses) or "good"


def drawn(seed: int, number: int) -> tuple[Link, str, float]:
    """The converter of this number behind the reference bus, a waveform and a noise level."""
    rng = np.random.default_rng((seed, number))
    dead_ms, lag_ms, slew, noise_pu = (
        float(np.exp(rng.uniform(*np.log(span)))) for span in (DEAD_MS, LAG_MS, SLEW_PU_PER_S, NOISE_PU)
    )
    waveform = str(rng.choice(sorted(WAVEFORMS)))
    return Link("bench", 115200, "chars", 0.2, dead_ms, lag_ms, slew), waveform, noise_pu


def sensed(checked: CheckedSite, signal: str) -> CheckedSite:
    """The site with the sensors of one signal: dc, or difference (a second CT set and no DC channels)."""
    if signal == "dc":
        return checked
    channels = {str(name): channel for name, channel in checked.site.sampling.channels.items()}
    for load, pcc in zip(CHANNEL_SETS["load"], CHANNEL_SETS["pcc"], strict=True):
        channels[pcc] = channels[load].model_copy(update={"input": channels[load].input + 6})
    for name in CHANNEL_SETS["dc"]:
        del channels[name]
    sampling = checked.site.sampling.model_copy(update={"channels": channels})
    return replace(checked, site=checked.site.model_copy(update={"sampling": sampling}))


def measure(checked: CheckedSite, seed: int, number: int) -> Row:
    """Commission one converter."""
    link, waveform, noise_pu = drawn(seed, number)
    preset = replace(WAVEFORMS[waveform], noise_pu=noise_pu)
    run = simulate(checked, Scene(link, preset, seed=1000 * seed + number))
    line = checked.table.pcs[0]
    return Row(seed, waveform, noise_pu, link, line.rating_kw, run.found.get(line.name))


def show(number: int, row: Row) -> str:
    """One line of the table."""
    if row.found is None:
        return f"{number:3d} {row.verdict}"
    values = " ".join(f"{true:8.2f} {found:8.2f}" for true, found in zip(row.true, row.measured, strict=True))
    noise = f"{row.waveform:7s} {100 * row.noise_pu:5.2f}"
    return f"{number:3d} {noise}  {values}  {100 * row.apart_pu:6.2f}  {row.verdict}"


def main() -> int:
    """Print the table; 0 when every row holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--converters", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--signal", choices=("dc", "difference"), default="dc")
    options = parser.parse_args()
    checked = sensed(check_site(SITE), options.signal)
    print(f"seed {options.seed}, signal {options.signal}; true and found beside each other")
    print("  n waveform noise_pct  dead_ms         lag_ms          slew_pu_per_s   apart_pct verdict")
    verdicts = []
    for number in range(options.converters):
        row = measure(checked, options.seed, number)
        verdicts.append(row.verdict)
        print(show(number, row), flush=True)
    good, hidden = verdicts.count("good"), verdicts.count("hidden")
    print(f"{good} good, {hidden} hidden, {len(verdicts) - good - hidden} missed of {len(verdicts)}")
    return int(good + hidden < len(verdicts))


if __name__ == "__main__":
    sys.exit(main())

"""What a whole frame costs, in clock reads of the same run: python -m tools.bench.steps [--blocks 60].

Row 12 of the smoothing goals: at most ten times one clock_gettime. The real step without a tty, from sample to
published status, under a lease with all power, one frame after the other; behind every frame one clock read is timed
in the same way, and both hold one more, which is taken off the frame. Cases: the reference site's one converter and the
four of tools.bench.fleet, under a load that stands still and under one that swings by 1600 kW eighty times a second; of
the four then only the frames count in which the fastest one covers for the others. Every case has its turn in every
round. A block's median, p99 and share of frames above ten come first, then the medians over the blocks: the neighbours
of a shared machine only add, and to some blocks. Exit 0: no median is above ten clock reads.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.devices.check import CheckedSite, check_site
from controller.image import CHANNELS
from controller.runtime.fastlink import FastLink
from tools.bench.fleet import SITE, fleet
from tools.bench.latency import STEP_RATIO_MAX
from tools.bench.stopwatch import Stopwatch

FRAMES = 4000  # a block
SETTLE_BLOCKS = 3  # the lock holds, the levels of the load are known
V_PER_COUNT = 10.0 / 32768
LOAD_KW, SWING_KW, SWING_FRAMES, NOISE = 4000.0, 800.0, 60, 0.002
NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one block or the middle of many: clock reads a frame, and shares of frames."""

    middle: float
    p99: float
    above: float
    frames: float
    clock_ns: float


def cost_of(step_ns: NDArray[Any], clock_ns: NDArray[Any], counted: NDArray[np.bool_]) -> Cost:
    """The counted frames of one block. Every figure in step_ns holds one clock read, which is taken off."""
    if not counted.any():
        raise ValueError("no frame counts: the state that is asked for never came")
    clock = float(np.median(clock_ns))
    reads = (step_ns[counted] - clock) / clock
    return Cost(
        middle=float(np.median(reads)),
        p99=float(np.percentile(reads, 99)),
        above=float((reads > STEP_RATIO_MAX).mean()),
        frames=float(counted.mean()),
        clock_ns=clock,
    )


def verdict_of(costs: dict[str, Cost]) -> int:
    """Exit status: 0 no median is above the bound, 1 one is."""
    return 0 if max(cost.middle for cost in costs.values()) <= STEP_RATIO_MAX else 1


def middle_of(blocks: list[Cost]) -> Cost:
    """The median of every figure."""
    return Cost(*(median(getattr(b, name) for b in blocks) for name in Cost.__slots__))


def lease(setup: dict[str, Any], number: int, t_ns: int) -> dict[str, Any]:
    """All power of every converter for two seconds."""
    each_kw = list(setup["law"]["each_kw"])
    none = {"poll": -1, "sequence": 0, "words": [0, 0, 0, 0]}
    return {
        "sequence": number, "t_issue_ns": t_ns, "valid_until_ns": t_ns + 2 * NS, "mode": 2, "permit": 3,
        "discharge_kw_max": each_kw, "charge_kw_max": each_kw, "import_kw_max": setup["power"]["rated_kw"],
        "export_kw_max": 500.0, "fall_kw_per_s": 4000.0, "ramp_up_kw_per_s_max": 50.0, "ramp_down_kw_per_s_max": 50.0,
        "leak_kw": 0.0, "gain": 1.0, "prompt_pu": 1.0, "dc_v_max": 0.0, "orders": [none] * 8,
    }  # fmt: skip


def counts_of(setup: dict[str, Any], swing_kw: float) -> NDArray[np.int32]:
    """FRAMES samples (n, 16) of whole cycles: a load that stands still or moves swing_kw up and down in long edges."""
    index = np.arange(FRAMES)
    phase = 2 * np.pi * index[:, None] / 200 - 2 * np.pi / 3 * np.arange(3)
    course = np.abs((index + SWING_FRAMES / 2) % (2 * SWING_FRAMES) - SWING_FRAMES) / SWING_FRAMES - 0.5
    load_kw = LOAD_KW + 2 * swing_kw * course
    peak_v = setup["power"]["voltage_v"] * 2**0.5
    amp = load_kw[:, None] * 1e3 / (1.5 * peak_v) * np.cos(phase)
    amp += NOISE * amp.max() * np.random.default_rng(1).standard_normal(amp.shape)
    si = dict(zip(CHANNELS, np.zeros((len(CHANNELS), FRAMES)), strict=True))
    si |= {f"load_i{p}": amp[:, k] for k, p in enumerate("abc")}
    si |= {f"load_v{p}": peak_v * np.cos(phase[:, k]) for k, p in enumerate("abc")}
    si |= {"dc_v": np.full(FRAMES, 800.0), "dc_a": np.zeros(FRAMES)}
    counts = np.zeros((FRAMES, 16), np.int32)
    for k, name in enumerate(CHANNELS):
        if setup["sampler"]["present"][k]:
            counts[:, k] = np.round(si[name] / setup["sampler"]["si_per_v"][k] / V_PER_COUNT)
    return counts


class Case:
    """One site under one load, block after block."""

    def __init__(self, name: str, checked: CheckedSite, swing_kw: float, covering: bool) -> None:
        self.name, self.blocks, self._covering = name, list[Cost](), covering
        self._executive = FastLink(checked, checked.table).executive
        self._watch = Stopwatch(self._executive, V_PER_COUNT)
        self._counts = counts_of(self._executive.setup, swing_kw)
        self._number = 0
        for _ in range(SETTLE_BLOCKS):
            self.block()

    def block(self) -> Cost:
        """FRAMES more frames under a fresh lease."""
        self._number += 1
        self._executive.publish(lease(self._executive.setup, self._number, self._watch.now_ns()))
        step_ns, clock_ns, covered = self._watch.block(self._counts)
        return cost_of(step_ns, clock_ns, (covered != 0) | (not self._covering))


def main(arguments: list[str]) -> int:
    """Prints a row a case. Exit status of verdict_of."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.steps", description=__doc__)
    parser.add_argument("--blocks", type=int, default=60)
    options = parser.parse_args(arguments)
    one = check_site(SITE)
    four = fleet(one)
    cases = [
        Case("one, at rest", one, 0.0, covering=False),
        Case("one, swinging", one, SWING_KW, covering=False),
        Case("four, at rest", four, 0.0, covering=False),
        Case("four, covering", four, SWING_KW, covering=True),
    ]
    for _ in range(options.blocks):
        for case in cases:
            case.blocks.append(case.block())
    print(f"{'clock reads a frame':20}{'median':>8}{'p99':>8}{'above 10':>10}{'frames':>10}{'clock ns':>10}")
    costs = {case.name: middle_of(case.blocks) for case in cases}
    for name, cost in costs.items():
        print(
            f"{name:20}{cost.middle:8.2f}{cost.p99:8.2f}{cost.above:10.2%}{cost.frames:10.1%}{cost.clock_ns:10.1f}"
        )
    return verdict_of(costs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

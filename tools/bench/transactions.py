"""A million transactions with random delays, losses and duplicates: is a reply ever taken for another request?

python -m tools.bench.transactions [--count N] [--seed S]. Exit 0 when the strict master took none and the
weakened one, which does not wait for the latest possible answer, was caught.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from typing import Any

from tools.bench.modelbus import ModelBus

CHAR_NS = 95_486  # 11 bits at 115200 baud
GAP_NS = 334_201  # 3.5 characters
MS = 1_000_000
TIMEOUT_NS, TURNAROUND_NS = 5 * MS, 20 * MS
FAULTS = {
    "reply_ns": 300_000, "jitter_ns": 4 * MS, "late_ns": 13 * MS, "late_ppm": 60_000, "lost_ppm": 20_000,
    "twice_ppm": 50_000,
}  # fmt: skip
READ, SETPOINT = 0, 1
# Three units; the reads of one unit have one shape, and function 16 echoes neither value nor number.
READS = ((1, 100), (1, 200), (1, 300), (2, 100), (2, 200), (3, 100))
SETPOINTS = ((1, 6, 0, 1), (2, 16, 1, 1), (3, 16, 2, 3))  # unit, function, first converter, converters


def row(**changes: Any) -> dict[str, Any]:
    """One line of the poll table."""
    return {
        "port": 0, "kind": READ, "unit": 1, "function": 3, "address": 0, "count": 4, "read_address": 0,
        "read_count": 0, "pcs": -1, "pcs_count": 1, "value_words": 0, "period_ns": 20 * MS, "phase_ns": 0,
        "early_ns": 0, "yield_ns": 0, "far_counts": 0,
        "refresh_ns": 300 * MS, "timeout_ns": TIMEOUT_NS, "turnaround_ns": TURNAROUND_NS, "gap_ns": GAP_NS,
        "counts_per_kw": 1.0, "low_word_first": 0, "status_poll": -1, "lease_only": 0, "canary_word": -1,
        "canary_value": 0,
    } | changes  # fmt: skip


def table(**changes: Any) -> list[dict[str, Any]]:
    """Reads of one shape on three units, setpoints by 6, by 16 and as a group."""
    reads = [row(unit=unit, address=address, **changes) for unit, address in READS]
    writes = [
        row(kind=SETPOINT, unit=unit, function=function, address=500, count=count, pcs=pcs, pcs_count=count,
            value_words=1, **changes)
        for unit, function, pcs, count in SETPOINTS
    ]  # fmt: skip
    return reads + writes


def bus(seed: int, weakened: bool) -> ModelBus:
    """The same wire and slaves for both; the weakened master sends again as soon as its timeout has passed."""
    polls = table(turnaround_ns=0) if weakened else table()
    return ModelBus(polls, FAULTS, CHAR_NS, GAP_NS, seed)


def campaign(count: int, seed: int, weakened: bool) -> dict[str, Any]:
    """That many transactions; what the model and the master have counted."""
    made = bus(seed, weakened)
    made.run(count)
    told: dict[str, Any] = made.told()
    return told


def main() -> int:
    """One campaign of each master, printed; 1 when the strict one erred or the weak one was not seen to."""
    parser = argparse.ArgumentParser(prog="transactions", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 2**31))
    chosen = parser.parse_args()
    stale = {}
    for name, weakened in (("strict", False), ("weakened", True)):
        began_s = time.monotonic()
        told = campaign(chosen.count, chosen.seed, weakened)
        stale[name] = told["stale"]
        shown = ", ".join(f"{key} {value:.0f}" for key, value in told.items())
        print(f"{name}: seed {chosen.seed}, {shown}; {time.monotonic() - began_s:.1f} s", flush=True)
    holds = stale["strict"] == 0 and stale["weakened"] > 0
    print(f"holds: {holds} (stale replies taken: strict {stale['strict']}, weakened {stale['weakened']})")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())

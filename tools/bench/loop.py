"""The frame's loop in pure Python, for comparison: python -m tools.bench.loop SECONDS PERIOD_NS PRIORITY.

Same absolute deadlines, same skip-and-count rule, a law of three lines, and the same 10 Hz work in a second
thread. Prints one JSON object: late_us (counts by microsecond, the last holds the rest) and skipped.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

LATE_BINS = 20_001  # as ext.cycle
SUPERVISE_S = 0.1


def supervise() -> str:
    """A tenth of a second's share of supervisor work: thousands of objects, some in rings, and text."""
    rows: list[dict[str, object]] = [{"name": f"device-{k}", "kw": k * 0.1, "ring": []} for k in range(3000)]
    for row in rows[:1000]:
        ring = row["ring"]
        assert isinstance(ring, list)
        ring.append(ring)
    return json.dumps([row["kw"] for row in rows])


def supervise_until(stop: threading.Event) -> None:
    """supervise() at 10 Hz."""
    while not stop.wait(SUPERVISE_S):
        supervise()


def run(seconds: float, period_ns: int) -> tuple[list[int], int]:
    """Runs the loop; returns the histogram of lateness and the frames skipped."""
    late_us, skipped = [0] * LATE_BINS, 0
    lagged_kw = target_kw = 3000.0
    due_ns = time.monotonic_ns()
    end_ns = due_ns + round(seconds * 1e9)
    while due_ns < end_ns:
        due_ns += period_ns
        wait_ns = due_ns - time.monotonic_ns()
        if wait_ns > 0:
            time.sleep(wait_ns * 1e-9)
        late_ns = max(0, time.monotonic_ns() - due_ns)
        late_us[min(late_ns // 1000, LATE_BINS - 1)] += 1
        skipped += late_ns // period_ns
        due_ns += late_ns // period_ns * period_ns
        lagged_kw += (4000.0 - lagged_kw) * 3.3e-5
        target_kw += min(max(lagged_kw - target_kw, -0.005), 0.005)
    return late_us, skipped


def main() -> None:
    """Raises itself to SCHED_FIFO where that is allowed; the supervisor's thread stays ordinary."""
    seconds, period_ns, priority = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    stop = threading.Event()
    worker = threading.Thread(target=supervise_until, args=(stop,))
    worker.start()
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except PermissionError:
        print("SCHED_FIFO refused: ordinary scheduler", file=sys.stderr)
    late_us, skipped = run(seconds, period_ns)
    stop.set()
    worker.join()
    print(json.dumps({"late_us": late_us, "skipped": skipped}))


if __name__ == "__main__":
    main()

"""How the controller's process fares over time: memory, descriptors, frames left out. `python -m tools.bench.soak`.

Method: the real controller against the simulated site on pseudo-terminals, as in the demo; /proc is read once a
minute. Gates: resident memory grows less than 1 MiB after the first minute, no descriptor is added.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tools.live.stage import Stage, StageError

GROWTH_KIB_MAX = 1024
BRING_UP_S_MAX = 60.0


class Look(NamedTuple):
    """One reading of the controller's process."""

    minute: int
    resident_kib: int
    descriptors: int
    mode: str
    frames: int
    skipped: int
    overruns: int
    page_faults: int


def look(minute: int, pid: int, stage: Stage) -> Look:
    """The process now, from /proc and its own status."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    status = stage.status()
    pace = status["pace"]
    return Look(
        minute=minute,
        resident_kib=pages * os.sysconf("SC_PAGE_SIZE") // 1024,
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        mode=status["mode"],
        frames=pace["frames"],
        skipped=pace["skipped"],
        overruns=pace["overruns"],
        page_faults=pace["page_faults"],
    )


def controller_pid(stage: Stage) -> int:
    """Process id of the running controller. Raises StageError when it does not come up."""
    end_s = time.monotonic() + BRING_UP_S_MAX
    while not (status := stage.status()):
        stage.check()
        if time.monotonic() > end_s:
            raise StageError(f"the controller wrote no status in {BRING_UP_S_MAX:.0f} s")
        time.sleep(0.2)
    return int(status["pid"])


def soak(minutes: int, out: Path) -> list[Look]:
    """Readings at minute 1 to `minutes`; logs and the record of the site stay in `out`."""
    seen = []
    with tempfile.TemporaryDirectory(prefix="stillwatt-soak-") as folder:
        out.mkdir(parents=True, exist_ok=True)
        with Stage(Path(folder), out, 60.0 * minutes) as stage:
            pid = controller_pid(stage)
            for minute in range(1, minutes + 1):
                time.sleep(60.0)
                stage.check()
                seen.append(look(minute, pid, stage))
                print("  ".join(f"{value!s:>12}" for value in seen[-1]), flush=True)
    return seen


def main() -> int:
    """Exit 0 when the gates hold, 1 when one does not."""
    parser = argparse.ArgumentParser(prog="tools.bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("reports/soak"), help="folder for the logs")
    options = parser.parse_args()
    minutes = max(2, options.minutes)
    print(f"{__doc__}\nmachine: {platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}")
    print("  ".join(f"{name:>12}" for name in Look._fields))
    try:
        seen = soak(minutes, options.out.absolute())
    except StageError as error:
        print(error, file=sys.stderr)
        return 1
    growth_kib = seen[-1].resident_kib - seen[0].resident_kib
    added = seen[-1].descriptors - seen[0].descriptors
    good = growth_kib < GROWTH_KIB_MAX and added <= 0
    print(
        f"grown after the first minute: {growth_kib} KiB (below {GROWTH_KIB_MAX}), descriptors {added:+d} (none)"
    )
    print("holds" if good else "does not hold")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

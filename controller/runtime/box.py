"""How the computer itself fares, off the frame: its clock (F76), memory (F70), heat (F78), stolen time (F83)."""

from __future__ import annotations

import ctypes
import os
from collections import deque
from collections.abc import Callable
from math import isfinite, nan
from pathlib import Path

from controller.image import Box, Instant
from controller.runtime.writer import Writer
from controller.units import NS_PER_S, ns

PERIOD_S = 0.5  # with the cycle that tells, within the second that F78 and F83 allow
BUILT_UTC_S = 1_767_225_600.0  # 2026-01-01, before the first release: an earlier clock has lost its battery
TIME_ERROR = 5  # adjtimex(2): the kernel's clock is not synchronised
TIMEX_BYTES = 256  # more than struct timex takes on any machine
ZONES = ("cpu", "soc", "x86_pkg", "mpu", "main")  # words in the types of zones that stand for the processor
CHIP_C = (-60.0, 150.0)  # what a sensor on a chip can say
STOLEN_S = 10.0  # over which stolen time is counted


def clock_state() -> int:
    """What adjtimex(2) says of the kernel's clock, without touching it; -1: it does not say."""
    return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)))


class BoxWatch:
    """Looks on the writer's thread, for a sensor may be slow. root: where /proc and /sys are."""

    def __init__(
        self, writer: Writer, root: Path = Path("/"), clock: Callable[[], int] = clock_state
    ) -> None:
        self.seen = Box()
        self._writer, self._root, self._clock = writer, root, clock
        self._set = False  # once set, a crystal keeps it well enough for weeks; what jumps later is F75
        self._shares = (Share(lambda: waited_s(root)), Share(lambda: steal_s(root)))

    def step(self, now: Instant) -> None:
        """Have a look made."""
        self._writer.offer(lambda: self.look(now))

    def look(self, now: Instant) -> None:
        """One look. A clock of which the kernel tells nothing is taken for set."""
        self._set = self._set or self._clock() != TIME_ERROR
        stolen = [share for share in (each.look(now) for each in self._shares) if isfinite(share)]
        unset = now.utc_s < BUILT_UTC_S
        self.seen = Box(
            unset, not self._set, cpu_c(self._root), max(stolen, default=nan), memory_pu(self._root)
        )


class Share:
    """Of the last STOLEN_S, the part by which a counter of seconds has grown."""

    def __init__(self, count_s: Callable[[], float]) -> None:
        self._count_s = count_s
        self._seen: deque[tuple[int, float]] = deque()

    def look(self, now: Instant) -> float:
        """One look; nan: not watched for long enough, or nothing is told."""
        try:
            self._seen.append((now.t_ns, self._count_s()))
        except (OSError, ValueError, IndexError):
            self._seen.clear()
            return nan
        since_ns = now.t_ns - ns(STOLEN_S)
        if self._seen[0][0] > since_ns:
            return nan
        while len(self._seen) > 1 and self._seen[1][0] <= since_ns:
            self._seen.popleft()
        (t_ns, first_s), (t_now_ns, last_s) = self._seen[0], self._seen[-1]
        return (last_s - first_s) / ((t_now_ns - t_ns) / NS_PER_S)


def waited_s(root: Path) -> float:
    """For how long the supervisor's thread was ready and had no processor, s. Raises OSError, ValueError."""
    return int((root / "proc/self/schedstat").read_text("ascii").split()[1]) / NS_PER_S


def steal_s(root: Path) -> float:
    """For how long the host gave this machine's processors to others, s of one. Raises OSError, ValueError."""
    lines = (root / "proc/stat").read_text("ascii").splitlines()
    count = sum(line.startswith("cpu") for line in lines) - 1
    return int(lines[0].split()[8]) / os.sysconf("SC_CLK_TCK") / max(count, 1)


def cpu_c(root: Path) -> float:
    """Hottest sensor of the processor, degC; nan: there is none."""
    found = []
    for zone in (root / "sys/class/thermal").glob("thermal_zone*"):
        try:
            kind = (zone / "type").read_text("ascii").lower()
            zone_c = int((zone / "temp").read_text("ascii")) / 1000.0
        except (OSError, ValueError):  # asleep, or of a driver that has nothing to say
            continue
        if any(word in kind for word in ZONES) and CHIP_C[0] <= zone_c <= CHIP_C[1]:
            found.append(zone_c)
    return max(found, default=nan)


def memory_pu(root: Path) -> float:
    """Memory that cannot be given back, of what the service may have (MemoryMax); nan: there is no such limit.

    Read of the group nearest to this process that has a limit (cgroup v2); file pages are no need of ours."""
    try:
        told = (root / "proc/self/cgroup").read_text("ascii").splitlines()
        place = Path(next(line for line in told if line.startswith("0::"))[3:].lstrip("/"))
        for group in (place, *place.parents):
            here = root / "sys/fs/cgroup" / group
            most = (here / "memory.max").read_text("ascii").strip()
            if most != "max":
                rows = dict(line.split() for line in (here / "memory.stat").read_text("ascii").splitlines())
                used = int((here / "memory.current").read_text("ascii"))
                return (used - int(rows["inactive_file"]) - int(rows["active_file"])) / int(most)
    except (OSError, ValueError, KeyError, StopIteration, ZeroDivisionError):
        return nan
    return nan

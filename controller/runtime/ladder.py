"""The start-up ladder: what the box gives a real-time process, one row a step. Nothing stops the start."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import resource
from dataclasses import dataclass
from pathlib import Path

MCL_CURRENT, MCL_FUTURE = 1, 2  # sys/mman.h
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
HEAP_MIB = 4  # Python's allocator asks for 1 MiB at a time; ten minutes of running need less than one more
BLOCK_BYTES = 512  # the largest that this allocator serves itself
DMA_LATENCY = Path("/dev/cpu_dma_latency")
RT_FLAG = Path("/sys/kernel/realtime")
RT_BUDGET = Path("/proc/sys/kernel/sched_rt_runtime_us")


@dataclass(frozen=True, slots=True)
class Rung:
    """One step. ok false: the site runs on, visibly degraded."""

    step: str
    ok: bool
    detail: str


class Ladder:
    """Climbs once. Keeps /dev/cpu_dma_latency open as long as it lives."""

    def __init__(self, realtime: bool) -> None:
        self._latency_fd = -1
        self._anchors: list[bytes] = []
        climb = (
            (self._lock_memory, self._keep_heap, self._reserve_heap, self._hold_latency) if realtime else ()
        )
        self.rungs = [*(step() for step in climb), self._kernel(), self._budget(), self._freeze()]

    def close(self) -> None:
        """Let the processor sleep again."""
        if self._latency_fd >= 0:
            os.close(self._latency_fd)
            self._latency_fd = -1

    def _lock_memory(self) -> Rung:
        libc = ctypes.CDLL(None, use_errno=True)
        soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        limit = "unlimited" if soft == resource.RLIM_INFINITY else f"{soft // 1024} KiB"
        if libc.mlockall(MCL_CURRENT | MCL_FUTURE) == 0:
            return Rung("mlockall", True, f"memory is locked, limit {limit}")
        return Rung("mlockall", False, f"{os.strerror(ctypes.get_errno())}; raise LimitMEMLOCK ({limit})")

    def _keep_heap(self) -> Rung:
        libc = ctypes.CDLL(None)
        if not hasattr(libc, "mallopt"):
            return Rung("mallopt", False, "not in this C library")
        done = libc.mallopt(M_TRIM_THRESHOLD, -1) and libc.mallopt(M_MMAP_MAX, 0)
        return Rung("mallopt", bool(done), "heap is never given back")

    def _reserve_heap(self) -> Rung:
        """Ask for memory now, so that none has to be asked for later: one block a MiB keeps the rest of it."""
        count = HEAP_MIB * 2**20 // BLOCK_BYTES
        blocks = [bytes(BLOCK_BYTES - 40) for _ in range(count)]  # less the header of a bytes object
        self._anchors = blocks[:: count // (2 * HEAP_MIB)]
        return Rung("heap reserve", True, f"{HEAP_MIB} MiB touched and kept for Python's objects")

    def _hold_latency(self) -> Rung:
        try:
            self._latency_fd = os.open(DMA_LATENCY, os.O_WRONLY | os.O_CLOEXEC)
            os.write(self._latency_fd, (0).to_bytes(4, "little"))
        except OSError as fault:
            return Rung("cpu_dma_latency", False, f"{fault.strerror}: the processor may sleep deeply")
        return Rung("cpu_dma_latency", True, "held at 0 us")

    def _kernel(self) -> Rung:
        ok = "PREEMPT_RT" in platform.version() or _text(RT_FLAG) == "1"
        return Rung("kernel", ok, f"{platform.release()} {'is' if ok else 'is not'} PREEMPT_RT")

    def _budget(self) -> Rung:
        budget = _text(RT_BUDGET)
        return Rung("rt budget", bool(budget), f"sched_rt_runtime_us {budget or 'not readable'}")

    def _freeze(self) -> Rung:
        gc.collect()
        gc.freeze()
        return Rung("gc.freeze", True, f"{gc.get_freeze_count()} objects left alone by the collector")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""

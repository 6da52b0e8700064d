"""Does the slow writes on its own thread: a full disk or a slow pipe never holds the supervisor (F71)."""

from __future__ import annotations

import errno
import queue
import threading
from collections.abc import Callable

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
JOBS_MAX = 256  # waiting; more are dropped and counted


class Writer:
    """A bounded queue and one thread. Jobs that raise are counted; the newest fault is kept."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[Callable[[], object] | None] = queue.Queue(JOBS_MAX)
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self.dropped = 0
        self.failed = 0
        self.refused = 0  # of the failed: by a full disk
        self.fault = ""
        self._thread.start()

    def offer(self, job: Callable[[], object]) -> bool:
        """Queue a job; False when it was dropped. Never waits."""
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            self.dropped += 1
            return False
        return True

    def close(self, wait_s: float = 2.0) -> None:
        """Finish what is queued, for wait_s at most."""
        try:
            self._jobs.put(None, timeout=wait_s)
        except queue.Full:
            return
        self._thread.join(wait_s)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception as fault:  # whatever it was, the next job still has its turn
                self.failed += 1
                self.refused += isinstance(fault, OSError) and fault.errno in NO_SPACE
                self.fault = f"{type(fault).__name__}: {fault}"

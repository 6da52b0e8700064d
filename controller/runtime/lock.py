"""The run directory belongs to one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

LOCK = "run.lock"


class AlreadyRunningError(Exception):
    """Another process runs this site in this folder."""


def lock(folder: Path) -> int:
    """Take the folder for this process; the descriptor holds it. Raises AlreadyRunningError, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise AlreadyRunningError(
            f"{folder}: another process runs this site. Stop it, or give --dir."
        ) from None
    return fd

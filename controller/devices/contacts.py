"""Contacts that the box itself reads: one file each that tells 0 or 1, as the value of a GPIO line does."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from math import nan
from pathlib import Path

VALUES = {b"0": 0.0, b"1": 1.0}


class Contacts:
    """paths: contact: file. A file that is not there, or tells something else, is not known; it is looked for anew."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = dict(paths)
        self._fds: dict[str, int] = {}

    def read(self) -> dict[str, float]:
        """Contact: 1 closed, 0 open, nan not known. Never waits."""
        return {name: self._read(name, path) for name, path in self._paths.items()}

    def close(self) -> None:
        """Let the files go."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()

    def _read(self, name: str, path: Path) -> float:
        try:
            if name not in self._fds:
                self._fds[name] = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            return VALUES.get(os.pread(self._fds[name], 8, 0).strip(), nan)
        except OSError:
            with contextlib.suppress(OSError):
                os.close(self._fds.pop(name, -1))
            return nan

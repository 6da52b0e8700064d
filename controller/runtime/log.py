"""Events as JSON lines on standard output, at most one a second of each kind (F97)."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog

from controller.runtime.events import Event
from controller.units import NS_PER_S


class Log:
    """One line an event: t, level, code, name, unit, text, cure. A flood is dropped and its count told."""

    def __init__(self, stream: TextIO | None = None) -> None:
        out = structlog.PrintLogger(stream or sys.stdout)
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
        self._out = structlog.wrap_logger(out, processors=[renderer], wrapper_class=structlog.BoundLogger)
        self._last_ns: dict[tuple[str, str, str], int] = {}
        self._dropped: dict[tuple[str, str, str], int] = {}

    def admit(self, event: Event) -> dict[str, Any] | None:
        """The line of an event, or None when its kind has spoken within the last second."""
        key = (event.code, event.name, event.unit)
        last_ns = self._last_ns.get(key)
        if last_ns is not None and event.t_ns - last_ns < NS_PER_S:
            self._dropped[key] = self._dropped.get(key, 0) + 1
            return None
        self._last_ns[key] = event.t_ns
        line = {
            "t": datetime.fromtimestamp(event.utc_s, UTC).isoformat(timespec="milliseconds"),
            "level": event.level,
            "code": event.code,
            "name": event.name,
            "unit": event.unit,
            "event": event.text,
        }
        if event.cure:
            line["cure"] = event.cure
        dropped = self._dropped.pop(key, 0)
        return line | {"dropped": dropped} if dropped else line

    def write(self, line: dict[str, Any]) -> None:
        """Print one line. Raises OSError when standard output is gone."""
        self._out.msg(**line)

"""Signs of life: the health relay's square wave, systemd's watchdog, the box's own. All stop with frame or supervisor.

The relay hangs on a retriggerable one-shot (DR-05 of reference/safety.md): an output that stands still, high or low,
drops it. What it does then is wired: the converters' enable opens, or they fall back to their own mode.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
from collections.abc import Callable
from math import ceil
from pathlib import Path

from controller.config.host import HealthRelay, Host, Watchdog
from controller.image import Instant, Mode
from controller.runtime.ladder import Rung
from controller.runtime.supervisor import Cycle
from controller.safety.transition import ISLANDS
from controller.units import ns

PERIOD_S = (
    0.05  # half a period of the relay's wave: a one-shot of 0.2 to 0.4 s drops within 500 ms of the last edge
)
FEED_S = 0.5  # a quarter of the service's WatchdogSec
CYCLE_S_MAX = 0.3  # three supervisor cycles: an older one is no life
SILENT_MODES = (Mode.INIT, Mode.LOCKOUT)  # the relay is off in these
WDIOC_SETTIMEOUT = 0xC0045706  # linux/watchdog.h
KICK, MAGIC_CLOSE = b"\0", b"V"  # Documentation/watchdog/watchdog-api.rst


class Pulse:
    """frames gives the frame's own counter. rungs: what the box has granted; trouble: what failed since."""

    def __init__(self, host: Host, frames: Callable[[], int]) -> None:
        self.rungs: list[Rung] = []
        self.trouble = ""
        self.edges = 0  # of the relay
        self._frames = frames
        self._seen = frames()
        self._cycle: Cycle | None = None
        self._t_fed_ns = 0
        self._host = host
        self._relay_fd = self._watchdog_fd = -1

    def open(self) -> None:
        """Take relay and watchdog into hand, once the frame runs: a start that fails must not reset the box."""
        self._relay_fd = self._held(self._host.health_relay)
        self._watchdog_fd = self._armed(self._host.watchdog)

    def record(self, cycle: Cycle) -> None:
        """Take the supervisor's newest cycle."""
        self._cycle = cycle

    def step(self, now: Instant) -> None:
        """One edge and, now and then, one feeding; nothing where the frame or the supervisor stands still."""
        frames, before = self._frames(), self._seen
        self._seen = frames
        if frames == before or self._cycle is None or now.t_ns - self._cycle.now.t_ns > ns(CYCLE_S_MAX):
            return
        if healthy(self._cycle):
            self.edges += 1
            self._relay_fd = self._write(self._relay_fd, b"01"[self.edges % 2 :][:1])
        if now.t_ns - self._t_fed_ns >= ns(FEED_S):
            self._t_fed_ns = now.t_ns
            notify("WATCHDOG=1")
            self._watchdog_fd = self._write(self._watchdog_fd, KICK)

    def close(self) -> None:
        """An orderly end: the box is not reset. The relay drops by itself."""
        self._watchdog_fd = self._write(self._watchdog_fd, MAGIC_CLOSE)
        for fd in (self._watchdog_fd, self._relay_fd):
            if fd >= 0:
                os.close(fd)
        self._watchdog_fd = self._relay_fd = -1

    def _held(self, relay: HealthRelay | None) -> int:
        return -1 if relay is None else self._opened("health relay", relay.path, "toggled while all is well")

    def _armed(self, watchdog: Watchdog | None) -> int:
        """The box's watchdog runs from here on: whoever dies without MAGIC_CLOSE is followed by a reset."""
        if watchdog is None:
            return -1
        fd = self._opened("watchdog", watchdog.path, f"resets the box after {watchdog.timeout_s:g} s")
        if fd >= 0 and not watchdog.fixed:
            try:
                fcntl.ioctl(fd, WDIOC_SETTIMEOUT, struct.pack("i", ceil(watchdog.timeout_s)))
            except OSError as fault:
                text = f"{watchdog.path}: its time cannot be set ({fault.strerror}); name it with fixed: true"
                self.rungs[-1] = Rung("watchdog", False, text)
        return fd

    def _opened(self, step: str, path: str, detail: str) -> int:
        try:
            fd = os.open(Path(path), os.O_WRONLY | os.O_CLOEXEC)
        except OSError as fault:
            self.rungs.append(Rung(step, False, f"{path}: {fault.strerror}; the site runs without it"))
            return -1
        self.rungs.append(Rung(step, True, f"{path}: {detail}"))
        return fd

    def _write(self, fd: int, content: bytes) -> int:
        """The descriptor, or -1 where it failed: then the relay drops, or the box is reset, as if we were dead."""
        if fd < 0:
            return -1
        try:
            os.write(fd, content)
        except OSError as fault:
            self.trouble = f"a sign of life was refused: {fault.strerror}"
            os.close(fd)
            return -1
        return fd


def healthy(cycle: Cycle) -> bool:
    """Whether the relay may be held: not in INIT or LOCKOUT, nor with a mute converter where the grid carries (F16)."""
    mode = cycle.mode.mode
    mute = mode not in ISLANDS and any(c.code == "F16" for c in cycle.conditions.stops)
    return mode not in SILENT_MODES and not mute


def notify(message: str) -> None:
    """One datagram to the service manager, where there is one (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    address = "\0" + address[1:] if address.startswith("@") else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.setblocking(False)
        out.sendto(message.encode(), address)

"""Opens the serial ports by path, hands them to the frame, and opens them again when they are lost (F79)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import serial

from controller.devices.check import CheckedSite
from controller.image import Instant
from controller.runtime.fastlink import FastLink
from controller.runtime.ladder import Rung
from controller.runtime.tty import Settings, Tool, open_tty, tune
from controller.units import NS_PER_S, ns

BACK_OFF_S = (0.1, 1.0)  # first and longest wait before a port is opened again
DROP = -2  # to the frame: let go of the port


@dataclass(slots=True)
class Line:
    """One serial port on its way between closed, offered and dropped."""

    name: str
    settings: Settings
    tool: Tool | None = None
    device: serial.Serial | None = None
    epoch: int = 0  # of the frame's port when the device was offered
    dropping: bool = False
    retry_ns: int = 0
    wait_s: float = BACK_OFF_S[0]
    fault: str = ""  # why it is not open, empty: it is
    rungs: list[Rung] = field(default_factory=list)  # what the system granted at the last opening

    @property
    def path(self) -> Path:
        """Where it is looked for, always under the same name."""
        return self.settings.path


class Ports:
    """All serial ports of a site. step() never waits; it runs in the supervisor's thread at 10 Hz."""

    def __init__(
        self,
        checked: CheckedSite,
        fastlink: FastLink,
        folder: Path,
        open_device: Callable[[Settings], serial.Serial] = open_tty,
    ) -> None:
        self._fastlink = fastlink
        self._open = open_device
        self.lines = tuple(_line(checked, name, folder) for name in fastlink.port_names)
        self.told: list[Callable[[Line], None]] = []  # called with each line that was opened

    def step(self, now: Instant) -> None:
        """One look at every port: drop the lost, open the closed."""
        for index, line in enumerate(self.lines):
            if line.device is None:
                self._reopen(index, line, now)
            else:
                self._watch(index, line, line.device, now)

    def close(self) -> None:
        """Close what is open; only after the frame's thread has ended."""
        for line in self.lines:
            if line.tool is not None:
                line.tool.close()
            if line.device is not None:
                line.device.close()
                line.device = None

    def _reopen(self, index: int, line: Line, now: Instant) -> None:
        """A port that was lost is offered only once the lease in force keeps every write away from it."""
        if now.t_ns < line.retry_ns or (line.dropping and not self._fastlink.is_barred(index)):
            return
        fault = line.tool.step(now.t_ns / NS_PER_S) if line.tool is not None else ""
        if fault is None:
            return
        try:
            if fault:
                raise OSError(fault)
            line.device = self._open(line.settings)
        except (OSError, ValueError) as error:
            line.fault = f"{line.path}: {getattr(error, 'strerror', None) or error}"
            line.retry_ns = now.t_ns + ns(line.wait_s)
            line.wait_s = min(2 * line.wait_s, BACK_OFF_S[1])
            return
        line.rungs = tune(line.device, line.settings)
        line.fault, line.wait_s, line.dropping = "", BACK_OFF_S[0], False
        line.epoch = self._fastlink.port(index)["epoch"]
        self._fastlink.offer_port(index, line.device.fileno())
        for tell in self.told:
            tell(line)

    def _watch(self, index: int, line: Line, device: serial.Serial, now: Instant) -> None:
        port = self._fastlink.port(index)
        if line.dropping:
            if port["fd"] < 0:
                device.close()
                line.device = None
                line.retry_ns = now.t_ns + ns(line.wait_s)
        elif port["lost"] and port["epoch"] != line.epoch:
            line.fault, line.dropping = f"{line.path}: lost", True
            self._fastlink.offer_port(index, DROP)


def _line(checked: CheckedSite, name: str, folder: Path) -> Line:
    host, port = checked.host.ports[name], checked.site.ports[name]
    settings = Settings(folder / host.path, host, port.baud, port.parity)
    return Line(name, settings, Tool(host.tool) if host.rs485 == "tool" else None)

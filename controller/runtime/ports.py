"""Opens the serial ports by path, hands them to the frame, and opens them again when they are lost (F79)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import serial
import serial.rs485

from controller.devices.check import CheckedSite
from controller.image import Instant
from controller.runtime.fastlink import FastLink
from controller.units import ns

BACK_OFF_S = (0.1, 1.0)  # first and longest wait before a port is opened again
DROP = -2  # to the frame: let go of the port


@dataclass(slots=True)
class Line:
    """One serial port on its way between closed, offered and dropped."""

    name: str
    path: Path
    baud: int
    kernel_rs485: bool
    device: serial.Serial | None = None
    epoch: int = 0  # of the frame's port when the device was offered
    dropping: bool = False
    retry_ns: int = 0
    wait_s: float = BACK_OFF_S[0]
    fault: str = ""  # why it is not open, empty: it is


def open_line(line: Line) -> serial.Serial:
    """Open exclusively, raw, without blocking. Raises OSError (serial.SerialException is one)."""
    device = serial.Serial(
        str(line.path), line.baud, exclusive=True, timeout=0, write_timeout=0, xonxoff=False, rtscts=False
    )
    if line.kernel_rs485:
        device.rs485_mode = serial.rs485.RS485Settings()
    return device


class Ports:
    """All serial ports of a site. step() never waits; it runs in the supervisor's thread at 10 Hz."""

    def __init__(
        self,
        checked: CheckedSite,
        fastlink: FastLink,
        folder: Path,
        open_device: Callable[[Line], serial.Serial] = open_line,
    ) -> None:
        self._fastlink = fastlink
        self._open = open_device
        self.lines = tuple(_line(checked, name, folder) for name in fastlink.port_names)

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
            if line.device is not None:
                line.device.close()
                line.device = None

    def _reopen(self, index: int, line: Line, now: Instant) -> None:
        if now.t_ns < line.retry_ns:
            return
        try:
            line.device = self._open(line)
        except (OSError, ValueError) as fault:
            line.fault = f"{line.path}: {getattr(fault, 'strerror', None) or fault}"
            line.retry_ns = now.t_ns + ns(line.wait_s)
            line.wait_s = min(2 * line.wait_s, BACK_OFF_S[1])
            return
        line.fault, line.wait_s, line.dropping = "", BACK_OFF_S[0], False
        line.epoch = self._fastlink.port(index)["epoch"]
        self._fastlink.offer_port(index, line.device.fileno())

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
    host = checked.host.ports[name]
    return Line(name, folder / host.path, checked.site.ports[name].baud, host.rs485 == "kernel")

"""Opens one serial port as the host file says, and tells row by row what the system granted."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import termios
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import serial
import serial.rs485

from controller.runtime.ladder import Rung

TIOCGRS485 = 0x542E  # asm-generic/ioctls.h
RS485_ENABLED, RTS_ON_SEND, RX_DURING_TX = 1, 2, 16  # linux/serial.h
RS485_BYTES = 32  # struct serial_rs485
PTS_MAJORS = range(136, 144)  # Unix98 pseudo-terminals, Documentation/admin-guide/devices.txt
LATENCY_MS = 1  # an FTDI adapter holds short replies back for 16 ms by itself
PASSING_NAMES = ("ttyUSB", "ttyACM")  # numbered in the order of plugging in
SYS_TTY = Path("/sys/class/tty")
PARITIES = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}


class Way(Protocol):
    """How a line is turned and heard: a port of the host file, or what a plan has kept of one."""

    @property
    def rs485(self) -> str:
        """Who turns it."""

    @property
    def rts_on_send(self) -> bool:
        """Level of RTS while sending."""

    @property
    def rx_trigger_bytes(self) -> int:
        """Bytes that a UART gathers."""

    @property
    def echo(self) -> bool:
        """It hears what it sends."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a port is to be opened. path absolute, or relative to the present directory."""

    path: Path
    host: Way
    baud: int
    parity: str = "none"


def open_tty(settings: Settings) -> serial.Serial:
    """Open exclusively, raw, without ever blocking. Raises OSError (SerialException is one), ValueError.

    A character has 11 bits: without parity a second stop bit takes its place (Modbus serial line 2.5.1).
    """
    device = serial.Serial(
        str(settings.path),
        settings.baud,
        parity=PARITIES[settings.parity],
        stopbits=serial.STOPBITS_TWO if settings.parity == "none" else serial.STOPBITS_ONE,
        exclusive=True,
        timeout=0,
        write_timeout=0,
        xonxoff=False,
        rtscts=False,
    )
    # A pseudo-terminal whose far side stays open would keep this lock after its owner's death.
    if os.major(os.fstat(device.fd).st_rdev) not in PTS_MAJORS:
        fcntl.ioctl(device.fd, termios.TIOCEXCL)
    return device


def tune(device: serial.Serial, settings: Settings, sys_tty: Path = SYS_TTY) -> list[Rung]:
    """Direction control, receive trigger, latency timer, name: what was asked and what is in force."""
    name = Path(settings.path).resolve().name
    rungs = [_direction(device, settings.host)]
    for file, wanted in (
        ("rx_trig_bytes", settings.host.rx_trigger_bytes),
        ("device/latency_timer", LATENCY_MS),
    ):
        path = sys_tty / name / file
        if path.exists():
            rungs.append(_set(path, wanted))
    if settings.path.name.startswith(PASSING_NAMES):
        text = f"{settings.path} changes with the order of plugging in; name it below /dev/serial/by-path"
        rungs.append(Rung("name", False, text))
    return rungs


def _direction(device: serial.Serial, host: Way) -> Rung:
    """Who turns the line. The kernel trims what a driver cannot do, so it is read back."""
    if host.rs485 != "kernel":
        how = {"none": "no RS-485 driver to turn", "auto": "by the hardware", "tool": "by the vendor's tool"}
        return Rung("rs485", True, how[host.rs485])
    try:
        device.rs485_mode = serial.rs485.RS485Settings(
            rts_level_for_tx=host.rts_on_send, rts_level_for_rx=not host.rts_on_send, loopback=host.echo
        )
        raw = fcntl.ioctl(device.fd, TIOCGRS485, bytes(RS485_BYTES))
    except (OSError, ValueError) as fault:
        return Rung("rs485", False, f"TIOCSRS485 refused: {fault}; choose auto or tool in the host file")
    flags = struct.unpack_from("I", raw)[0]
    wanted = RS485_ENABLED | RTS_ON_SEND * host.rts_on_send | RX_DURING_TX * host.echo
    in_force = flags & (RS485_ENABLED | RTS_ON_SEND | RX_DURING_TX)
    if in_force == wanted:
        return Rung("rs485", True, "by the kernel, read back")
    return Rung("rs485", False, f"the driver made flags {in_force:#x} of {wanted:#x}; test its turnaround")


def _set(path: Path, wanted: int) -> Rung:
    """Write a number into sysfs where it differs, and read it back."""
    try:
        if path.read_text("ascii").strip() != str(wanted):
            path.write_text(f"{wanted}\n", "ascii")
        found = path.read_text("ascii").strip()
    except OSError as fault:
        return Rung(path.name, False, f"{fault.strerror}; replies come late. Write {wanted} into {path}")
    return Rung(path.name, found == str(wanted), f"{found}, asked for {wanted}")


class Tool:
    """The vendor's command that turns a port to RS-485: run before each opening, never through a shell."""

    SECONDS_MAX = 5.0

    def __init__(self, command: tuple[str, ...]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._end_s = 0.0

    def step(self, now_s: float) -> str | None:
        """None: still at work; empty: done well; else its fault. The call after an answer starts anew."""
        if self._process is None:
            self._end_s = now_s + self.SECONDS_MAX
            try:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            except OSError as fault:
                return f"{self._command[0]}: {fault.strerror}"
        code = self._process.poll()
        if code is None and now_s < self._end_s:
            return None
        if code is None:
            self.close()
            return f"{self._command[0]}: not done after {self.SECONDS_MAX:.0f} s"
        self._process = None
        return f"{self._command[0]}: exit status {code}" if code else ""

    def close(self) -> None:
        """End it if it is still at work."""
        if self._process is not None:
            with suppress(OSError):
                self._process.kill()
            self._process.wait()
            self._process = None

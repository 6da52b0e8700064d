"""One edge box: its serial ports, the sample ring's place, real time, and how far it has been proven."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from controller.config.evidence import Caveat, Evidence
from controller.config.option import REQUIRED, Fault, Section, option
from controller.config.site import PORT_MAX, Name


class HostPort(Section):
    """One serial port of the box."""

    path: str = option(REQUIRED, "device file; relative ones stand in the run directory", min_length=1)
    rs485: Literal["none", "auto", "kernel", "tool"] = option(
        "auto", "who turns the line: hardware, kernel (TIOCSRS485), a vendor tool before start; none",
        why="hardware direction control is the only kind without a turnaround fault",
    )  # fmt: skip
    tool: tuple[str, ...] = option(
        (), "the vendor's command for rs485: tool, one word an entry, run before each opening",
        why="most boxes need none",
    )  # fmt: skip
    rts_on_send: bool = option(
        True, "level of RTS while sending, for rs485: kernel", why="most drivers are wired so"
    )
    rx_trigger_bytes: int = option(
        1, "bytes a UART gathers before it tells, where the driver lets it be set", low=1, high=112,
        why="at 8 a reply comes up to 4 characters late",
    )  # fmt: skip
    echo: bool = option(False, "the adapter hears what it sends", why="industrial ports mute their receiver")

    def faults(self) -> Iterator[Fault]:
        """A tool is named exactly when it is used."""
        if (self.rs485 == "tool") != bool(self.tool):
            yield Fault(("tool",), "is needed exactly with rs485: tool. Name the command or change rs485.")


class Adc(Section):
    """Where samples come from."""

    ring: str = option(
        REQUIRED, "file of the sample ring; relative ones stand in the run directory", min_length=1
    )
    route: str = option(REQUIRED, "the program or board that fills it")
    rate_hz_max: int = option(REQUIRED, "honest highest rate of that route", low=100, high=1_000_000)


class Realtime(Section):
    """What the frame's thread may ask of the system."""

    priority: int = option(80, "SCHED_FIFO priority", low=1, high=98, why="above IRQ threads at 50, below 99")
    cpu: int = option(
        -1, "isolated core for the frame, -1: none", low=-1, high=1023, why="only a tuned box has one"
    )


class Watchdog(Section):
    """The box's own watchdog."""

    path: str = option(REQUIRED, "device file")
    timeout_s: float = option(REQUIRED, "time until it resets the box", low=0.1, high=3600)
    fixed: bool = option(False, "the time cannot be changed after start", why="most can")


class HealthRelay(Section):
    """The output that a retriggerable one-shot turns into the health relay: no edge for half a second drops it."""

    path: str = option(
        REQUIRED, "file that takes 0 and 1: value of a GPIO, brightness of a LED driver's line", min_length=1
    )


class Host(Section):
    """One host file."""

    version: Literal[1] = option(REQUIRED, "format of this file")
    name: Name = option(REQUIRED, "equals the folder's name")
    covers: str = option(REQUIRED, "which boxes this file is right for")
    match: str = option(
        "", "text in /proc/device-tree/model that proves the box", why="a PC has no device tree"
    )
    ports: dict[Name, HostPort] = option(REQUIRED, "serial ports", min_length=1, max_length=PORT_MAX)
    adc: Adc = option(REQUIRED, "sample source")
    realtime: Realtime = option(Realtime(), "real time", why="the defaults run on any box")
    health_relay: HealthRelay | None = option(
        None, "output of the health relay", why="a converter's own watchdog is the other way down"
    )
    watchdog: Watchdog | None = option(None, "hardware watchdog", why="a PC may have none")
    bench: bool = option(
        False,
        "the bench strap: faults may be injected into its sites",
        why="a box in the field has no injectors",
    )
    caveats: tuple[Caveat, ...] = option((), "what the engineer must know", why="none known")
    evidence: tuple[Evidence, ...] = option(REQUIRED, "steps of proof", min_length=1)

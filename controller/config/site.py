"""One site, as its engineer describes it: connection, sensors, buses, battery, equipment, limits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from controller.config.battery import Battery
from controller.config.fallback import Fallback
from controller.config.feeds import Feeds
from controller.config.grid import Grid
from controller.config.inputs import Inputs
from controller.config.option import REQUIRED, Fault, Path, Section, option
from controller.config.support import Support
from controller.config.tariff import Tariff
from controller.config.utility import Utility

# Bounds of the frame's fixed tables, ext.image: PCS_MAX, PORT_MAX, CHANNEL_MAX.
PCS_MAX = 8
PORT_MAX = 8
CHANNEL_MAX = 16

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
ChannelName = Literal[
    "load_ia", "load_ib", "load_ic", "load_va", "load_vb", "load_vc",
    "pcc_ia", "pcc_ib", "pcc_ic", "pcc_va", "pcc_vb", "pcc_vc",
    "dc_v", "dc_a",
]  # fmt: skip
CHANNEL_SETS = {
    "load": ("load_ia", "load_ib", "load_ic", "load_va", "load_vb", "load_vc"),
    "pcc": ("pcc_ia", "pcc_ib", "pcc_ic", "pcc_va", "pcc_vb", "pcc_vc"),
    "dc": ("dc_v", "dc_a"),
}
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*")
CURRENTS = ("load_ia", "load_ib", "load_ic", "pcc_ia", "pcc_ib", "pcc_ic", "dc_a")


class Channel(Section):
    """One analogue input: where it is wired and what one volt there means."""

    input: int = option(REQUIRED, "input of the converter", low=0, high=CHANNEL_MAX - 1)
    a_per_v: float | None = option(
        None, "of a current: A per volt at the input, negative turns a CT around", low=-1e6, high=1e6,
        why="a voltage has none",
    )  # fmt: skip
    v_per_v: float | None = option(
        None, "of a voltage: V per volt at the input", low=-1e6, high=1e6, why="a current has none"
    )
    offset_counts: float = option(
        0, "code that means zero", low=-32768, high=32767, why="a bipolar converter has none until calibrated"
    )
    skew_us: float = option(
        0, "how late the channel is against the others, at most one sample; a transformer that leads is negative",
        low=-500, high=500,
        why="converters that sample all inputs at once and good transformers have none; 30 minutes of arc are 28 us",
    )  # fmt: skip


class Sampling(Section):
    """The waveform's way in."""

    rate_hz: int = option(
        10_000, "samples and frames per second", low=2_000, high=20_000,
        why="200 samples a 50 Hz period: the 40th harmonic with margin; slower boards say less",
    )  # fmt: skip
    channels: dict[ChannelName, Channel] = option(REQUIRED, "name: input and calibration")

    def faults(self) -> Iterator[Fault]:
        """Whole sets, the right calibration for each name, no input twice."""
        if not self.channels.keys() & {"load_ia", "pcc_ia"}:
            yield Fault(
                ("channels",), "has no three-phase set; the load_ or the pcc_ set is needed. Wire one."
            )
        for members in CHANNEL_SETS.values():
            present = [name for name in members if name in self.channels]
            missing = [name for name in members if name not in self.channels]
            if present and missing:
                yield Fault(
                    ("channels", present[0]),
                    f"is part of a set without {', '.join(missing)}; a set is whole or absent. "
                    f"Add the missing or remove the set.",
                )
        seen: dict[int, str] = {}
        for name, channel in self.channels.items():
            yield from _calibration(name, channel)
            if abs(channel.skew_us) * self.rate_hz > 1e6:
                yield Fault(
                    ("channels", name, "skew_us"),
                    f"is {channel.skew_us:g}; one sample at rate_hz {self.rate_hz} is {1e6 / self.rate_hz:g}, and no "
                    f"more can be made up for. Wire the channel so that it is sampled with the others.",
                )
            if channel.input in seen:
                yield Fault(
                    ("channels", name, "input"),
                    f"is {channel.input}; {seen[channel.input]} has that input already. Give each its own.",
                )
            seen.setdefault(channel.input, name)


class Port(Section):
    """One RS-485 port of the site; its name is one of the host's."""

    baud: Literal[9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1000000] = option(
        19200, "line rate", why="the default of the Modbus serial line specification"
    )
    parity: Literal["none", "even", "odd"] = option(
        "none", "none is sent with two stop bits, which devices at 8N1 read too",
        why="what most devices are shipped with; the specification's default is even",
    )  # fmt: skip
    gap: Literal["spec", "chars"] = option(
        "spec", "silence between frames: spec = 1.75 ms above 19200 baud, chars = 3.5 characters always",
        why="spec is safe with any device; chars only where every device on the port keeps up",
    )  # fmt: skip


class TcpPort(Section):
    """One Modbus TCP device or gateway. The controller connects to it; nothing listens."""

    host: str = option(REQUIRED, "address or name, without port", min_length=1, max_length=253)
    tcp_port: int = option(502, "TCP port", low=1, high=65535, why="registered for Modbus")

    def faults(self) -> Iterator[Fault]:
        """A host is a bare address or name."""
        if not HOST.fullmatch(self.host):
            yield Fault(
                ("host",),
                f'is "{self.host}"; an IP address or a host name is allowed. Put the port in tcp_port.',
            )


class Unit(Section):
    """One device on a bus."""

    name: Name = option(REQUIRED, "how events and logs call it")
    profile: Name = option(REQUIRED, "file of boards/devices without .yaml")
    port: Name = option(REQUIRED, "one of `ports` or `tcp`")
    unit: int = option(REQUIRED, "Modbus address", low=1, high=247)


class Pcs(Unit):
    """One converter, with its limits and how fast it follows."""

    discharge_kw_max: float = option(REQUIRED, "most it may give", low=0, high=100_000)
    charge_kw_max: float = option(REQUIRED, "most it may take", low=0, high=100_000)
    dead_time_ms: float = option(
        1.2,
        "setpoint parsed to power moving",
        low=0,
        high=1000,
        why="assumption until commissioning measures it",
    )
    lag_ms: float = option(
        10,
        "first-order lag of its power",
        low=0,
        high=10_000,
        why="assumption until commissioning measures it",
    )
    slew_pu_per_s: float = option(
        200, "its own ramp, ratings per second", low=0.01, high=10_000,
        why="full power in 5 ms; many leave the factory with 2, read it from the unit",
    )  # fmt: skip

    def faults(self) -> Iterator[Fault]:
        """It can do something."""
        if self.discharge_kw_max == self.charge_kw_max == 0:
            yield Fault(
                ("discharge_kw_max",),
                "and charge_kw_max are both 0; one must be above. Raise it or remove the pcs.",
            )


class Bms(Unit):
    """One battery management system."""


class Meter(Unit):
    """One meter and what stands behind it."""

    measures: Literal["grid", "pv"] = option(
        "grid", "what it measures", why="most sites have one, at the PCC"
    )


class Genset(Unit):
    """One generating set. It is read and shown; with `fallback` it is started and stopped."""

    kw_max: float = option(REQUIRED, "rated power", low=1, high=100_000)


class Switch(Unit):
    """One automatic transfer switch. It is read and shown; with `fallback` commanded; the interlock is hard-wired."""

    source_1: Literal["grid", "genset"] = option("grid", "what feeds position I", why="the usual wiring")
    source_2: Literal["grid", "genset"] = option("genset", "what feeds position II", why="the usual wiring")

    def faults(self) -> Iterator[Fault]:
        """It has something to choose between."""
        if self.source_1 == self.source_2:
            yield Fault(
                ("source_2",), f"is {self.source_2}; source_1 is that already. Name the other source."
            )


class Pv(Section):
    """Photovoltaics on the site bus."""

    kw_max: float = option(0, "AC rating of its inverters", low=0, high=1_000_000, why="most sites have none")


class Control(Section):
    """How the site should behave."""

    ramp_kw_per_s_max: float = option(
        50, "fastest planned change of grid power", low=0.1, high=100_000,
        why="1 % of a 5 MW hall a second, below what flicker and governors notice",
    )  # fmt: skip
    target_lag_s: float = option(
        9, "lag of the grid target behind the load, passed through twice", low=0.1, high=600,
        why="longer than training steps of 2 to 7 s; a step of 2 MW then takes 10 kWh",
    )  # fmt: skip
    dead_zone_kw: float = option(
        0, "swing of the load, either way, that is left to the grid", low=0, high=100_000,
        why="smoothing first; where a converter's losses and wear cost more, 2 % of its rating saves most of them",
    )  # fmt: skip
    valley_kw: float = option(
        0, "grid power below which the battery charges; 0: none", low=0, high=1_000_000,
        why="a tariff's plan fills the valleys that pay",
    )  # fmt: skip
    lease_s: float = option(
        0.5, "life of what the supervisor allows", low=0.2, high=5, why="five missed cycles of 100 ms (P08)"
    )
    clear_hold_s: float = option(
        30, "how long a cause must be gone before power returns", low=0, high=3600, why="reset class A"
    )
    auto_start: bool = option(True, "start by itself when the site is healthy", why="an unattended site")


class Site(Section):
    """One site file."""

    version: int = option(REQUIRED, "format of this file", low=1, high=1)
    name: Name = option(REQUIRED, "name of the site")
    host: Name = option(REQUIRED, "folder of boards/hosts: the box the controller runs on")
    grid: Grid = option(REQUIRED, "the connection")
    sampling: Sampling = option(REQUIRED, "the waveform's way in")
    ports: dict[Name, Port] = option(
        REQUIRED, "name of the host's port: how it is used", min_length=1, max_length=PORT_MAX
    )
    tcp: dict[Name, TcpPort] = option(
        {}, "name: Modbus TCP device or gateway", why="RS-485 alone is common", max_length=PORT_MAX
    )
    battery: Battery = option(REQUIRED, "the battery")
    pcs: tuple[Pcs, ...] = option(REQUIRED, "converters", min_length=1, max_length=PCS_MAX)
    bms: tuple[Bms, ...] = option(REQUIRED, "battery management systems", min_length=1, max_length=PCS_MAX)
    meters: tuple[Meter, ...] = option((), "meters", why="CTs at the PCC can do without", max_length=PCS_MAX)
    gensets: tuple[Genset, ...] = option(
        (), "generating sets", why="many sites have none", max_length=PCS_MAX
    )
    switches: tuple[Switch, ...] = option(
        (), "transfer switches", why="many sites have none", max_length=PCS_MAX
    )
    pv: Pv = option(Pv(), "photovoltaics", why="most sites have none")
    utility: Utility = option(
        Utility(), "what the utility asks of the feeder", why="many specifications are silent"
    )
    support: Support = option(
        Support(), "help for the grid's frequency", why="a contract asks for it, or nobody"
    )
    control: Control = option(Control(), "behaviour", why="the defaults suit a first start")
    inputs: Inputs = option(
        Inputs(), "hard-wired inputs that are read", why="many sites wire them past this box"
    )
    fallback: Fallback | None = option(None, "life without the grid", why="most sites rest without it")
    tariff: Tariff | None = option(None, "the contract in figures", why="without one nothing is planned")
    feeds: Feeds = option(Feeds(), "knowledge from outside", why="the site learns from itself alone")

    def units(self) -> Iterator[tuple[Path, Unit]]:
        """Every device of the site with its path in the file, converters first."""
        kinds: tuple[tuple[str, tuple[Unit, ...]], ...] = (
            *(("pcs", self.pcs), ("bms", self.bms), ("meters", self.meters)),
            *(("gensets", self.gensets), ("switches", self.switches)),
        )
        for kind, members in kinds:
            for index, unit in enumerate(members):
                yield (kind, index), unit

    def faults(self) -> Iterator[Fault]:
        """Ports exist, names and addresses are unique, one meter a place."""
        names: dict[str, str] = {}
        addresses: dict[tuple[str, int], str] = {}
        for path, unit in self.units():
            here = f"{path[0]}[{path[1]}]"
            declared = (*self.ports, *self.tcp)
            if unit.port not in declared:
                yield Fault(
                    (*path, "port"),
                    f"is {unit.port}; declared are {', '.join(declared)}. Name one of these or declare it.",
                )
            if unit.name in names:
                yield Fault(
                    (*path, "name"), f"is {unit.name}; {names[unit.name]} has that name. Choose another."
                )
            key = (unit.port, unit.unit)
            if key in addresses:
                yield Fault(
                    (*path, "unit"),
                    f"is {unit.unit}; {addresses[key]} answers to it on {unit.port}. Give each its own.",
                )
            names.setdefault(unit.name, here)
            addresses.setdefault(key, unit.name)
        for name, contact in self.inputs.wired():
            if contact.device is not None and contact.device not in names:
                text = f"is {contact.device}; the devices are {', '.join(names)}. Name one of these."
                yield Fault(("inputs", name, "device"), text)
        yield from self.grid.curtailment_faults(self.inputs.curtail is not None)
        yield from self._meters_apart()
        yield from self._support_fits()
        yield from self._band_is_seen()
        for name in self.tcp:
            if name in self.ports:
                yield Fault(
                    ("tcp", name), "is a serial port too; a name stands for one. Rename one of the two."
                )
        for index, switch in enumerate(self.switches):
            if "genset" in (switch.source_1, switch.source_2) and not self.gensets:
                yield Fault(
                    ("switches", index), "switches to a genset; the site has none. Add it under gensets."
                )

    def _band_is_seen(self) -> Iterator[Fault]:
        wired = [
            name for name, channels in CHANNEL_SETS.items() if set(channels) <= set(self.sampling.channels)
        ]
        for name in ("band_kw_max", "band_pct_max"):
            if getattr(self.utility, name) is not None and len(wired) < 2:
                yield Fault(
                    ("utility", name),
                    f"is asked, and sampling.channels has {' and '.join(wired)} alone: battery and load cannot be told "
                    f"apart. Add dc_v and dc_a, or the connection's channels, or leave it out.",
                )

    def _support_fits(self) -> Iterator[Fault]:
        kw_max = sum(p.discharge_kw_max for p in self.pcs)
        asked_kw = self.support.reserve_kw + self.support.droop_kw_max
        if asked_kw > kw_max:
            yield Fault(
                ("support",),
                f"asks for {asked_kw:g} kW, reserve and droop together; the converters discharge at most {kw_max:g}. "
                f"Lower reserve_kw or droop_kw_max.",
            )
        if self.support.reserve_kw > 0 and self.grid.frequency_hz != 50:
            yield Fault(
                ("support", "reserve_kw"),
                f"is {self.support.reserve_kw:g}; the reserve is a product of a 50 Hz grid, frequency_hz is "
                f"{self.grid.frequency_hz}. Set it to 0.",
            )

    def _meters_apart(self) -> Iterator[Fault]:
        seen: dict[str, str] = {}
        for index, meter in enumerate(self.meters):
            if meter.measures in seen:
                yield Fault(
                    ("meters", index, "measures"),
                    f"is {meter.measures}; {seen[meter.measures]} measures it; one is allowed. Remove one.",
                )
            seen.setdefault(meter.measures, meter.name)


def _calibration(name: str, channel: Channel) -> Iterator[Fault]:
    wanted, other = ("a_per_v", "v_per_v") if name in CURRENTS else ("v_per_v", "a_per_v")
    if getattr(channel, other) is not None:
        yield Fault(
            ("channels", name, other),
            f"does not fit: {name} is calibrated by {wanted}. Rename it to {wanted}.",
        )
    elif getattr(channel, wanted) in (None, 0):
        yield Fault(("channels", name), f"needs {wanted}, other than 0. Add it from the sensor's data sheet.")

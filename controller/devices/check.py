"""A site file against its host and its profiles: what no single file can show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath

from controller.config.host import Host
from controller.config.loader import host_names, load_host, read
from controller.config.option import Fault, Path
from controller.config.problem import ConfigError, Problem, meant
from controller.config.site import Pcs, Site, Unit
from controller.devices.budget import cure, unfit
from controller.devices.profile import Profile
from controller.devices.profiles import all_names, load
from controller.devices.table import POLL_MAX, RULE_MAX, BusTable, compile

KINDS = {"pcs": "pcs", "bms": "bms", "meters": "meter", "gensets": "genset", "switches": "ats"}
COUNTS_MAX = {"s16": 32767, "s32": 2147483647}
FALLBACK_ORDERS = {
    "pcs": ("form", "follow"), "gensets": ("start", "stop"), "switches": ("source-1", "source-2", "open"),
}  # fmt: skip
INPUT_MS_MAX = 500  # of an input: seen, and the site at rest, within a second
LIMITS = ("discharge_kw_max", "charge_kw_max")


@dataclass(frozen=True, slots=True)
class CheckedSite:
    """A site that can run: the file, its box, the profiles of its devices by name, its bus table."""

    site: Site
    host: Host
    profiles: Mapping[str, Profile]
    table: BusTable

    @property
    def unproven(self) -> tuple[str, ...]:
        """Profiles in use that no bench and no site has proven."""
        proven = ("bench", "site")
        return tuple(n for n, p in self.profiles.items() if not any(e.level in proven for e in p.evidence))

    @property
    def notes(self) -> tuple[str, ...]:
        """What works and should be known: unproven profiles, devices that a dead neighbour makes stale."""
        found = [f"profile {name} has been proven on no bench and no site" for name in self.unproven]
        for age in self.table.ages:
            if age.live and age.age_dead_s_max > age.stale_s:
                found.append(
                    f"{age.device}.{age.read} is up to {age.age_dead_s_max:.1f} s old while a neighbour on "
                    f"{age.port} is dead; from {age.stale_s:.1f} s on it is stale. Give it another port."
                )
        return tuple(found)


def check_site(path: FilePath) -> CheckedSite:
    """Read and cross-check a site. Raises ConfigError with every problem, in the order of the file."""
    loaded = read(path, Site)
    site, document = loaded.value, loaded.document
    faults: list[Fault] = []
    foreign: list[Problem] = []  # in files that the site names
    host = _host(site, faults, foreign)
    profiles = _profiles(site, faults, foreign)
    faults += device_faults(site, profiles)
    if host is not None:
        faults += _box(site, host)
    if not faults and not foreign and host is not None:
        table = compile(site, profiles, host)
        faults += _buses(site, profiles, table)
        if not faults:
            return CheckedSite(site, host, profiles, table)
    raise ConfigError([document.problem(fault.path, fault.text) for fault in faults] + foreign)


def _host(site: Site, faults: list[Fault], foreign: list[Problem]) -> Host | None:
    known = host_names()
    if site.host not in known:
        cure = meant(site.host, known) or " Choose one of these."
        faults.append(Fault(("host",), f"is {site.host}; hosts are {', '.join(known)}.{cure}"))
        return None
    try:
        return load_host(site.host)
    except ConfigError as error:
        foreign += error.problems
        return None


def _profiles(site: Site, faults: list[Fault], foreign: list[Problem]) -> dict[str, Profile]:
    known = all_names()
    found: dict[str, Profile] = {}
    for path, unit in site.units():
        if unit.profile not in known:
            cure = meant(unit.profile, known) or " Choose one of these."
            faults.append(
                Fault((*path, "profile"), f"is {unit.profile}; profiles are {', '.join(known)}.{cure}")
            )
            continue
        try:
            found[unit.profile] = load(unit.profile)
        except ConfigError as error:
            foreign += error.problems
    return found


def _box(site: Site, host: Host) -> Iterator[Fault]:
    for name in site.ports:
        if name not in host.ports:
            cure = meant(name, host.ports) or " Rename it or choose another host."
            yield Fault(
                ("ports", name), f"is not on host {host.name}; its ports are {', '.join(host.ports)}.{cure}"
            )
    for name, contact in site.inputs.wired():
        if contact.contact is not None and contact.contact not in host.inputs:
            known = ", ".join(host.inputs) or "none"
            text = f"is {contact.contact}; host {host.name} has {known}. Name one of these, or a device with point."
            yield Fault(("inputs", name, "contact"), text)
    if site.sampling.rate_hz > host.adc.rate_hz_max:
        yield Fault(
            ("sampling", "rate_hz"),
            f"is {site.sampling.rate_hz}; host {host.name} allows {host.adc.rate_hz_max}. Lower it.",
        )
    if site.fallback is not None and not host.bench:
        yield from (Fault(("fallback", *path), text) for path, text in site.fallback.loosened())


def device_faults(site: Site, profiles: Mapping[str, Profile]) -> Iterator[Fault]:
    """Every device against its profile: kind, transport, baud, rating."""
    for path, unit in site.units():
        profile = profiles.get(unit.profile)
        if profile is None:
            continue
        kind = KINDS[str(path[0])]
        if profile.kind != kind:
            yield Fault(
                (*path, "profile"),
                f"is {unit.profile}, a {profile.kind}; a {kind} is needed. Choose one named {kind}-.",
            )
            continue
        yield from _transport(path, unit, profile, site)
        if isinstance(unit, Pcs):
            yield from _commanded(path, unit, profile, site)
    if site.fallback is not None:
        yield from _fallback(site, profiles)
    yield from _inputs(site, profiles)


def _inputs(site: Site, profiles: Mapping[str, Profile]) -> Iterator[Fault]:
    """Every input is a number that its device is asked for often enough."""
    units = {unit.name: unit for _, unit in site.units()}
    for name, contact in site.inputs.wired():
        profile = profiles.get(units[contact.device].profile) if contact.device is not None else None
        if profile is None or contact.point is None:
            continue
        point = profile.points.get(contact.point)
        if point is None or point.type in ("string", "f32"):
            known = [key for key, each in profile.points.items() if each.type not in ("string", "f32")]
            text = f"is {contact.point}; {contact.device} tells {', '.join(known)}. Name one of these."
            yield Fault(("inputs", name, "point"), text)
            continue
        period_ms = profile.reads[point.read].period_ms
        if period_ms > INPUT_MS_MAX:
            text = f"is {contact.point}, read every {period_ms:g} ms; {INPUT_MS_MAX} ms are allowed. Name a faster one."
            yield Fault(("inputs", name, "point"), text)
        if contact.bit is not None and contact.bit >= 16 * point.size:
            text = f"is {contact.bit}; {contact.point} has the bits 0 to {16 * point.size - 1}. Name one of these."
            yield Fault(("inputs", name, "bit"), text)


def _fallback(site: Site, profiles: Mapping[str, Profile]) -> Iterator[Fault]:
    """Everything that the sequences command takes the orders, over RS-485."""
    if len(site.switches) != 1:
        text = f"needs exactly one switch; the site has {len(site.switches)}. Name one under switches."
        yield Fault(("fallback",), text)
    for path, unit in site.units():
        profile = profiles.get(unit.profile)
        missing = [
            name for name in FALLBACK_ORDERS.get(str(path[0]), ()) if profile and name not in profile.orders
        ]
        if missing:
            text = f"is {unit.profile}, which has no order {', '.join(missing)}; `fallback` needs it."
            yield Fault((*path, "profile"), f"{text} Choose another or remove fallback.")
        elif path[0] in FALLBACK_ORDERS and unit.port in site.tcp:
            text = f"is {unit.port}, one of `tcp`; an order over TCP passes no guard. Name one of `ports`."
            yield Fault((*path, "port"), text)


def _transport(path: Path, unit: Unit, profile: Profile, site: Site) -> Iterator[Fault]:
    """The device can be reached on that kind of port."""
    wanted = "tcp" if unit.port in site.tcp else "rtu"
    port = site.ports.get(unit.port)
    if wanted not in profile.wire.transports:
        place, other = ("`ports`", "`tcp`") if wanted == "rtu" else ("`tcp`", "`ports`")
        text = f"is {unit.port}, one of {place}; {unit.profile} is reached over {other} alone."
        yield Fault((*path, "port"), f"{text} Name one of {other}.")
    elif port and port.baud not in profile.wire.bauds:
        bauds = ", ".join(str(baud) for baud in profile.wire.bauds)
        yield Fault(
            ("ports", unit.port, "baud"),
            f"is {port.baud}; {unit.name} ({unit.profile}) has {bauds}. Choose one that all have.",
        )


def _commanded(path: Path, unit: Pcs, profile: Profile, site: Site) -> Iterator[Fault]:
    """A converter is commanded by the frame, under its guard, within its rating."""
    if profile.read_only:
        text = f"is {unit.profile}, which can be read but not commanded: {profile.read_only}."
        yield Fault((*path, "profile"), f"{text} Choose another converter.")
    elif unit.port in site.tcp:
        text = f"is {unit.port}, one of `tcp`; a setpoint over TCP passes no guard, so a pcs needs RS-485."
        yield Fault((*path, "port"), f"{text} Name one of `ports`.")
    else:
        yield from _rating(path, unit, profile)


def _rating(path: Path, unit: Pcs, profile: Profile) -> Iterator[Fault]:
    setpoint = profile.setpoint
    assert setpoint is not None  # the schema refuses a pcs without
    carried_kw = COUNTS_MAX[setpoint.type] / abs(setpoint.counts_per_kw) / setpoint.over_drive
    allowed_kw = min(carried_kw, profile.rating_kw_max or carried_kw)
    for name in LIMITS:
        if getattr(unit, name) > allowed_kw:
            yield Fault(
                (*path, name),
                f"is {getattr(unit, name):g}; profile {profile.profile} allows at most {allowed_kw:.0f}. "
                f"Lower it or choose another profile.",
            )


def _buses(site: Site, profiles: Mapping[str, Profile], table: BusTable) -> Iterator[Fault]:
    for row in table.loads:
        ages = [age for age in table.ages if age.port == row.port]
        if text := unfit(row, ages):
            remedy = cure(site, profiles, row.port, site.ports[row.port])
            yield Fault(("ports", row.port), f"{text}. {remedy}")
    for rows, most, what in ((table.polls, POLL_MAX, "transactions"), (table.rules, RULE_MAX, "writes")):
        if len(rows) > most:
            yield Fault((), f"the site has {len(rows)} {what}; {most} are allowed. Remove devices.")

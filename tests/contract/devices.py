"""Shared by the contract tests: one device on one port, with literal registers in its replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controller.config.host import Host
from controller.config.loader import BOARDS, load_host, load_site
from controller.config.site import Bms, Genset, Meter, Pcs, Port, Site, Switch, Unit
from controller.devices.check import CheckedSite
from controller.devices.profiles import load
from controller.devices.roster import Roster
from controller.devices.table import compile
from controller.image import Device, FastImage, Instant, PollState

NAME = "device-1"
WIRED = {"name": NAME, "port": "rs485-1", "unit": 7}
PLACES: dict[str, tuple[str, type[Unit]]] = {
    "bms": ("bms", Bms), "meter": ("meters", Meter), "genset": ("gensets", Genset),
    "ats": ("switches", Switch),
}  # fmt: skip
T_NS = 1_000_000_000  # when every reply arrived


def site_with(
    profile_name: str, discharge_kw_max: float = 200.0, charge_kw_max: float = 250.0
) -> CheckedSite:
    """A site of one device; rating and unit are easy to spot in the table."""
    profile = load(profile_name)
    host: Host = load_host("laptop")
    base: Site = load_site(BOARDS / "sites" / "reference.yaml")
    wired = {**WIRED, "profile": profile_name}
    units: dict[str, object] = {"pcs": (), "bms": (), "meters": ()}
    if profile.kind == "pcs":
        units["pcs"] = (Pcs(**wired, discharge_kw_max=discharge_kw_max, charge_kw_max=charge_kw_max),)
    else:
        place, section = PLACES[profile.kind]
        units[place] = (section(**wired, **({"kw_max": 800} if section is Genset else {})),)
    ports = {"rs485-1": Port(baud=19200 if 115200 not in profile.wire.bauds else 115200)}
    site = base.model_copy(update={**units, "ports": ports})
    profiles = {profile_name: profile}
    return CheckedSite(site, host, profiles, compile(site, profiles, host))


def device_of(
    profile_name: str, replies: Mapping[str, Sequence[int]], now_ns: int = T_NS, misses: int = 0
) -> Device:
    """The device after one reply for each named read; reads without words were never answered."""
    checked = site_with(profile_name)
    return (
        Roster(checked, checked.table)
        .snapshot(Instant(now_ns, 0.0), image(checked, replies, misses))
        .devices[NAME]
    )


def image(
    checked: CheckedSite, replies: Mapping[str, Sequence[int]], misses: int = 0, t_ok_ns: int = T_NS
) -> FastImage:
    """The frame's poll table with literal words. The master lets no other number of words pass."""
    polls = [PollState() for _ in checked.table.polls]
    for name, words in replies.items():
        index = checked.table.reads[NAME][name]
        assert len(words) == checked.table.polls[index]["count"], name
        polls[index] = PollState(t_ok_ns=t_ok_ns, words=tuple(words), misses=misses)
    return FastImage(polls=tuple(polls))


def text(value: str, size: int) -> list[int]:
    """Registers of a text, zero-padded."""
    raw = value.encode("ascii").ljust(2 * size, b"\0")
    return [raw[2 * i] << 8 | raw[2 * i + 1] for i in range(size)]

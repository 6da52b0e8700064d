"""What must be true of every site that loads, written from reference/safety.md and the file, not from the loader.

Site and profiles are read here by PyYAML's own safe loader; of the product only its results are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from math import isfinite
from typing import Any

import yaml

from controller.config.loader import BOARDS
from controller.devices.check import CheckedSite
from controller.runtime.frame_setup import setup
from controller.runtime.survey import terms
from ext.cycle import Executive

KIND_OF = {"pcs": "pcs", "bms": "bms", "meters": "meter", "gensets": "genset", "switches": "ats"}
SETS = (("load_i", "load_v"), ("pcc_i", "pcc_v"))
REGISTER_MAX = {"s16": 2**15 - 1, "s32": 2**31 - 1}
BITS_PER_CHAR = 11  # with parity, or with two stop bits
SETPOINT_S_MAX = 0.1  # W of safety.md: the slowest write period that is allowed
LEASE_S = (0.2, 5.0)  # safety.md 3.1
TABLE_MAX = 64  # ext.image: POLL_MAX, RULE_MAX


def untrue(raw: bytes, checked: CheckedSite) -> str:
    """The first of the truths that this site breaks; empty: it breaks none."""
    try:
        tree = yaml.load(raw, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        return f"another reader cannot read it: {error}"
    return next(
        (
            fault
            for look in (_said, _devices, _powers, _wires, _inputs, _frame)
            for fault in look(tree, checked)
        ),
        "",
    )


@cache
def _profile(name: str) -> Any:
    return yaml.load((BOARDS / "devices" / f"{name}.yaml").read_bytes(), Loader=yaml.CSafeLoader)


@cache
def _host(name: str) -> Any:
    return yaml.load((BOARDS / "hosts" / name / "host.yaml").read_bytes(), Loader=yaml.CSafeLoader)


def _units(tree: Any) -> Iterator[tuple[str, Any]]:
    for kind in KIND_OF:
        for unit in tree.get(kind) or ():
            yield kind, unit


def _said(tree: Any, checked: CheckedSite) -> Iterator[str]:
    """Every value of the file is in the site as it was written, and every number is finite."""
    whole = checked.site.model_dump()
    yield from _differing(tree, whole, "")
    yield from (f"{name} is not finite" for name, value in _leaves(whole, "") if not isfinite(value))


def _differing(said: Any, held: Any, name: str) -> Iterator[str]:
    if isinstance(said, dict) and isinstance(held, Mapping):
        for key, value in said.items():
            if key not in held:
                yield f"{name}.{key} was dropped"
            else:
                yield from _differing(value, held[key], f"{name}.{key}")
    elif isinstance(said, list) and isinstance(held, list | tuple):
        if len(said) != len(held):
            yield f"{name} has another length"
        for index, (one, other) in enumerate(zip(said, held, strict=False)):
            yield from _differing(one, other, f"{name}[{index}]")
    elif said != held or isinstance(said, bool) != isinstance(held, bool):
        yield f"{name} is {held!r}, written as {said!r}"


def _leaves(held: Any, name: str) -> Iterator[tuple[str, float]]:
    if isinstance(held, Mapping):
        for key, value in held.items():
            yield from _leaves(value, f"{name}.{key}")
    elif isinstance(held, list | tuple):
        for index, value in enumerate(held):
            yield from _leaves(value, f"{name}[{index}]")
    elif isinstance(held, float | int):
        yield name, float(held)


def _devices(tree: Any, checked: CheckedSite) -> Iterator[str]:
    """Names and addresses are unique, kinds right, ports there, and no converter is commanded past its guard."""
    names = [unit["name"] for _, unit in _units(tree)]
    places = [(unit["port"], unit["unit"]) for _, unit in _units(tree)]
    if len(set(names)) != len(names) or len(set(places)) != len(places):
        yield "two devices share a name or an address"
    for kind, unit in _units(tree):
        profile = _profile(unit["profile"])
        serial = unit["port"] in tree["ports"]
        if profile["kind"] != KIND_OF[kind] or not 1 <= unit["unit"] <= 247:
            yield f"{unit['name']} is no {kind} at an address"
        if serial == (unit["port"] in (tree.get("tcp") or {})):
            yield f"the port of {unit['name']} is not one thing"
        if serial and tree["ports"][unit["port"]].get("baud", 19200) not in profile["wire"]["bauds"]:
            yield f"{unit['name']} does not have that baud"
        if kind == "pcs" and (profile.get("read_only") or not serial):
            yield f"{unit['name']} is commanded without a guard"
    host = _host(tree["host"])
    if not set(tree["ports"]) <= set(host["ports"]):
        yield "a port is not the host's"
    rated = {rule["pcs"] for rule in checked.table.rules if rule["kind"] == 0}
    if rated != set(range(len(tree["pcs"]))):
        yield "a converter has no rule in the guard"


def _powers(tree: Any, checked: CheckedSite) -> Iterator[str]:
    """IL-05: no limit above converter, profile, register or contract; the lease and the window make sense."""
    found = terms(checked)
    for unit, part in zip(tree["pcs"], found.pcs, strict=True):
        profile = _profile(unit["profile"])
        rating_kw = profile.get("rating_kw_max") or float("inf")
        for name in ("discharge_kw_max", "charge_kw_max"):
            if not 0 <= getattr(part, name) <= min(unit[name], rating_kw):
                yield f"{unit['name']}.{name} is above file or profile"
        setpoint = profile["setpoint"]
        if "address" in setpoint:
            most = max(unit["discharge_kw_max"], unit["charge_kw_max"]) * setpoint.get("over_drive", 1.0)
            if most * abs(setpoint["counts_per_kw"]) > REGISTER_MAX[setpoint.get("type", "s16")]:
                yield f"{unit['name']} cannot be told its own limit"
    for rule in checked.table.rules:
        if rule["kind"] == 0:
            unit = tree["pcs"][rule["pcs"]]
            over = _profile(unit["profile"])["setpoint"].get("over_drive", 1.0)
            if rule["rating_kw"] > max(unit["discharge_kw_max"], unit["charge_kw_max"]) * over * 1.000001:
                yield f"the guard lets {unit['name']} pass above its limits"
    grid, support = tree["grid"], tree.get("support") or {}
    if (found.import_kw_max, found.export_kw_max) != (grid["import_kw_max"], grid["export_kw_max"]):
        yield "the contract is not what is enforced"
    if not 0 <= found.soc_pct_min < checked.site.battery.soc_pct_target < found.soc_pct_max <= 100:
        yield "the SOC window is upside down"
    if (
        not LEASE_S[0] <= found.lease_s <= LEASE_S[1]
        or min(found.ramp_up_kw_per_s_max, found.ramp_down_kw_per_s_max) <= 0
        or found.clear_hold_s < 0
    ):
        yield "lease, ramp or hold make no sense"
    if support.get("reserve_kw", 0) + support.get("droop_kw_max", 0) > found.discharge_kw_max:
        yield "more is promised to the grid than the converters can give"


def _wires(tree: Any, checked: CheckedSite) -> Iterator[str]:
    """Every port carries its reads and a setpoint of each converter within W; the tables of the frame hold it all."""
    if max(len(checked.table.polls), len(checked.table.rules)) > TABLE_MAX:
        yield "the frame's tables are too small"
    for index, (name, port) in enumerate(tree["ports"].items()):
        busy = 0.0
        for poll in (poll for poll in checked.table.polls if poll["port"] == index):
            period_s = {0: poll["period_ns"] * 1e-9, 1: SETPOINT_S_MAX, 2: 0.0}[poll["kind"]]
            chars = 8 + (5 + 2 * poll["count"] if poll["kind"] == 0 else 8 + 2 * poll["count"])
            busy += chars * BITS_PER_CHAR / port.get("baud", 19200) / period_s if period_s else 0.0
        if busy >= 1.0:
            yield f"port {name} is {busy:.0%} full"


def _inputs(tree: Any, checked: CheckedSite) -> Iterator[str]:
    """Whole sets of channels, each at its own input with the calibration of its kind; no faster than the host."""
    sampling = tree["sampling"]
    channels = sampling["channels"]
    inputs = [channel["input"] for channel in channels.values()]
    if len(set(inputs)) != len(inputs) or not all(0 <= place <= 15 for place in inputs):
        yield "two channels share an input"
    three = [all(f"{part}{phase}" in channels for part in pair for phase in "abc") for pair in SETS]
    some = [any(name.startswith(pair) for name in channels) for pair in SETS]
    if three != some or not any(three) or ("dc_v" in channels) != ("dc_a" in channels):
        yield "a set of channels is not whole"
    for name, channel in channels.items():
        wanted = "a_per_v" if "_i" in name or name == "dc_a" else "v_per_v"
        if not channel.get(wanted) or len({"a_per_v", "v_per_v"} & channel.keys()) != 1:
            yield f"{name} is not calibrated as what it is"
    if sampling.get("rate_hz", 10_000) > _host(tree["host"])["adc"]["rate_hz_max"]:
        yield "the host cannot sample so fast"


def _frame(tree: Any, checked: CheckedSite) -> Iterator[str]:
    """The frame takes the site as it stands, and begins without a permit."""
    try:
        frame = Executive(setup(checked, checked.table))
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        yield f"the frame refuses it: {error}"
        return
    if frame.status()["lease_live"]:
        yield "the frame begins with a lease"

"""Profiles by name, with every SunSpec reference turned into an address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from controller.config.loader import BOARDS, Loaded, read
from controller.config.option import Fault
from controller.config.problem import ConfigError, Problem, meant
from controller.devices.profile import CANARY, Point, Profile, Read, State
from controller.devices.sunspec import Spot, layout

FOLDER = BOARDS / "devices"


def all_names() -> list[str]:
    """Every profile under boards/devices."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def load(name: str) -> Profile:
    """One profile, every address and type filled in. Raises ConfigError."""
    known = all_names()
    if name not in known:
        text = f"profile {name} is unknown; known are {', '.join(known)}.{meant(name, known)}"
        raise ConfigError([Problem("boards/devices", 1, 1, text)])
    return load_file(FOLDER / f"{name}.yaml")


def load_file(path: FilePath) -> Profile:
    """The same for any file. Raises ConfigError."""
    loaded = read(path, Profile)
    try:
        profile = resolved(loaded.value)
    except KeyError as error:
        raise ConfigError([loaded.document.problem((), str(error.args[0]))]) from None
    problems = [loaded.document.problem(fault.path, fault.text) for fault in _outside(profile)]
    problems += _misnamed(loaded, path)
    if problems:
        raise ConfigError(problems)
    return profile


def state_words(profile: Profile, state: State) -> dict[int, int]:
    """Register contents, by address, with which the profile's rules say `state`. For simulated devices.

    Raises ValueError where no rule leads there.
    """
    index = next((i for i, rule in enumerate(profile.states) if rule.state == state), None)
    if index is None:
        raise ValueError(f"{profile.profile} has no rule for {state}")
    wanted = profile.states[index]
    words = {rule.point: 0 for rule in profile.states} | {wanted.point: wanted.value}
    for rule in profile.states[:index]:
        if words[rule.point] & rule.mask == rule.value and rule.point != wanted.point:
            words[rule.point] = rule.value ^ (rule.mask & -rule.mask)
    return {profile.points[name].address: word for name, word in words.items()}


def resolved(profile: Profile) -> Profile:
    """Addresses, types, sentinels and scales from the published layouts, and the canaries that prove them.

    Raises KeyError with a sentence for a point or scale factor that is not there.
    """
    if not profile.sunspec_models:
        return profile
    spots = layout(profile.sunspec_base, profile.sunspec_models, profile.sunspec_counts)
    factors: set[str] = set()

    def spot(name: str) -> Spot:
        if name not in spots:
            raise KeyError(f"{name} is no point of sunspec_models{meant(name, spots)}")
        if spots[name].factor:
            if spots[name].factor not in profile.scale_factors:
                raise KeyError(f"scale_factors has no {spots[name].factor}; {name} needs it. Add it.")
            factors.add(spots[name].factor)
        return spots[name]

    reads = {name: _read(item, spots) for name, item in profile.reads.items()}
    points = {name: _point(item, spot, profile.scale_factors) for name, item in profile.points.items()}
    update: dict[str, Any] = {"reads": reads}
    if profile.setpoint and profile.setpoint.sunspec:
        place = spot(profile.setpoint.sunspec)
        counts = profile.setpoint.counts_per_kw / 10.0 ** profile.scale_factors.get(place.factor, 0)
        changes = {"address": place.address, "type": place.type, "counts_per_kw": counts}
        update["setpoint"] = profile.setpoint.model_copy(update=changes)
    update["orders"] = {
        name: order.model_copy(update={"address": spot(order.sunspec).address}) if order.sunspec else order
        for name, order in profile.orders.items()
    }
    update["points"] = points | _canaries(profile, spots, reads, factors)
    return profile.model_copy(update=update)


def _read(read: Read, spots: Mapping[str, Spot]) -> Read:
    if not read.sunspec:
        return read
    for name in read.sunspec:
        if name not in spots:
            raise KeyError(f"{name} is no point of sunspec_models{meant(name, spots)}")
    first, last = (spots[name] for name in read.sunspec)
    return read.model_copy(
        update={"address": first.address, "count": last.address + last.size - first.address}
    )


def _point(point: Point, spot: Any, factors: Mapping[str, int]) -> Point:
    if not point.sunspec:
        return point
    place: Spot = spot(point.sunspec)
    if place.type is None:
        raise KeyError(
            f"{point.sunspec} has a type that no point can hold; 16 and 32 bits and text are allowed."
        )
    words = place.size if place.type == "string" else 0
    scale = point.scale * 10.0 ** factors.get(place.factor, 0)
    changes = {"address": place.address, "type": place.type, "words": words, "scale": scale}
    return point.model_copy(update=changes | {"sentinels": place.sentinels + point.sentinels})


def _canaries(
    profile: Profile, spots: Mapping[str, Spot], reads: Mapping[str, Read], factors: set[str]
) -> dict[str, Point]:
    """One point for the id of each model in use and for each scale factor: exact, or nothing is believed."""
    named = [point.sunspec for point in profile.points.values()] + [
        order.sunspec for order in profile.orders.values()
    ]
    named += [profile.setpoint.sunspec] if profile.setpoint else []
    models = {name.partition(".")[0] for name in named if name}
    expected = {f"{model}.ID": int(model) for model in models}
    expected |= {name: profile.scale_factors[name] for name in factors}
    canaries = {}
    for name, value in sorted(expected.items()):
        place = spots[name]
        carriers = [key for key, read in reads.items() if _holds(read, place.address, place.size)]
        if not carriers:
            raise KeyError(f"no read holds {name}, which proves the map. Widen a read or add one.")
        canaries[CANARY + name.lower().replace(".", "_")] = Point(
            read=carriers[0], address=place.address, type=place.type, low=value, high=value
        )
    return canaries


def _holds(read: Read, address: int, size: int) -> bool:
    return read.address <= address and address + size <= read.address + read.count


def _outside(profile: Profile) -> Iterator[Fault]:
    for name, item in profile.reads.items():
        if item.count > profile.wire.words_per_read_max:
            most = profile.wire.words_per_read_max
            yield Fault(("reads", name), f"reads {item.count} registers; {most} are allowed. Split it.")
    for name, point in profile.points.items():
        if not _holds(profile.reads[point.read], point.address, point.size):
            text = f"stands at register {point.address}, outside its read {point.read}. Widen the read."
            yield Fault(("points", name), text)


def _misnamed(loaded: Loaded[Profile], path: FilePath) -> list[Problem]:
    if loaded.value.profile == path.stem:
        return []
    text = f"is {loaded.value.profile}; the file is {path.name}. Give both the same name."
    return [loaded.document.problem(("profile",), text)]

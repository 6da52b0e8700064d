"""Addresses out of the published SunSpec layouts: boards/sunspec/model_<id>.json, never typed by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from controller.config.loader import BOARDS
from controller.devices.profile import Type

TYPES: dict[str, tuple[Type, tuple[int, ...]]] = {     # published type: ours, and its "not implemented"
    "int16": ("s16", (0x8000,)), "uint16": ("u16", (0xFFFF,)), "enum16": ("u16", (0xFFFF,)),
    "bitfield16": ("u16", (0xFFFF,)), "sunssf": ("s16", (0x8000,)), "count": ("u16", (0xFFFF,)),
    "int32": ("s32", (0x80000000,)), "uint32": ("u32", (0xFFFFFFFF,)), "bitfield32": ("u32", (0xFFFFFFFF,)),
    "float32": ("f32", (0x7FC00000,)), "acc16": ("u16", ()), "acc32": ("u32", ()), "string": ("string", ()),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a point stands in one device's map, and how to read it."""

    address: int
    size: int
    type: Type | None  # None: a type no profile uses, like uint64
    sentinels: tuple[int, ...]
    factor: str  # its scale factor, "701.W_SF"; empty: none


def layout(base: int, models: Sequence[int], counts: Mapping[str, int]) -> dict[str, Spot]:
    """Every point of a chain of models behind the marker "SunS" at `base`, by name like `714.Prt[0].DCV`.

    `counts` gives the instances of repeating groups, `{"714.Prt": 1}`. Raises KeyError with a sentence for a
    model that is not in boards/sunspec or a repeating group without a count.
    """
    spots: dict[str, Spot] = {}
    address = base + 2
    for model in models:
        for name, spot in _group(_published(model), str(model), str(model), address, counts):
            spots[name] = spot
            address = max(address, spot.address + spot.size)
    return spots


def _group(
    group: Mapping[str, Any], name: str, model: str, address: int, counts: Mapping[str, int]
) -> Iterator[tuple[str, Spot]]:
    for point in group.get("points", ()):
        ours, sentinels = TYPES.get(point["type"], (None, ()))
        factor = point.get("sf")
        size = int(point["size"])
        key = f"{name}.{point['name']}"
        yield (
            key,
            Spot(address, size, ours, sentinels, f"{model}.{factor}" if isinstance(factor, str) else ""),
        )
        address += size
    for inner in group.get("groups", ()):
        full = f"{name}.{inner['name']}"
        repeats = inner.get("count")
        if isinstance(repeats, str) and full not in counts:
            raise KeyError(
                f"sunspec_counts has no {full}; the group repeats {repeats} times. Add its number."
            )
        number = counts[full] if isinstance(repeats, str) else int(repeats or 1)
        for index in range(number):
            part = full if repeats is None else f"{full}[{index}]"
            for key, spot in _group(inner, part, model, address, counts):
                yield key, spot
                address = spot.address + spot.size


@cache
def _published(model: int) -> Mapping[str, Any]:
    path = BOARDS / "sunspec" / f"model_{model}.json"
    try:
        group: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))["group"]
    except OSError:
        known = sorted(int(found.stem.removeprefix("model_")) for found in path.parent.glob("model_*.json"))
        raise KeyError(f"sunspec_models has {model}; known are {known}. Add its published JSON.") from None
    return group

"""Named links: a bus and the converter behind it, from a file in the format of the scenes' links.yaml."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import yaml

from tools.plant.loads import InputError


@dataclass(frozen=True, slots=True)
class Link:
    """A command channel and the converter behind it. Times in ms, slew in ratings per second.

    sense_ms stands for one sample of the waveform; the simulated site has that delay by itself.
    """

    name: str
    baud: float
    gap: Literal["spec", "chars"]
    slave_ms: float
    dead_ms: float
    tau_ms: float
    slew_pu_s: float = math.inf
    overdrive: float = 1.2
    sense_ms: float = 0.1
    rating_kw: float = 2000.0


def _table(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a readable links file.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}. Correct the text.") from error
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise InputError(f"{path}: allowed is a table of links, each a table of values. Correct the text.")
    return {str(name): table for name, table in tables.items()}


def _number(place: str, key: str, value: object) -> float:
    low = 1200.0 if key == "baud" else 1.0 if key == "overdrive" else 0.0
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    above = number > low if key in ("slew_pu_s", "rating_kw") else number >= low
    if not (math.isfinite(number) and above):
        raise InputError(f"{place}: {key} is {value!r}; allowed is a number of at least {low:g}. Correct it.")
    return float(number)


def read_link(path: Path, name: str) -> Link:
    """One link of the file, its defaults filled in. Raises InputError with place, fault and cure."""
    tables = _table(path)
    defaults = tables.pop("defaults", {})
    if name not in tables:
        known = ", ".join(sorted(tables))
        raise InputError(f"{path}: no link {name!r}; it has: {known}. Choose one of them.")
    values = defaults | tables[name]
    place = f"{path}: {name}"
    allowed = [item.name for item in fields(Link) if item.name != "name"]
    unknown = sorted(str(key) for key in values if key not in allowed)
    if unknown:
        raise InputError(f"{place}: unknown {', '.join(unknown)}; allowed: {', '.join(allowed)}. Remove it.")
    missing = [key for key in ("baud", "gap", "slave_ms", "dead_ms", "tau_ms") if key not in values]
    if missing:
        raise InputError(f"{place}: {', '.join(missing)} missing. Add it there or to defaults.")
    if values["gap"] not in ("spec", "chars"):
        raise InputError(f"{place}: gap is {values['gap']!r}; allowed: spec, chars. Choose one.")
    numbers = {key: _number(place, key, value) for key, value in values.items() if key != "gap"}
    return Link(name=name, gap=values["gap"], **numbers)

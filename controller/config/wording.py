"""pydantic's findings in the words of the house: fault, what is allowed, cure."""

from __future__ import annotations

from typing import Any

from controller.config.option import Path, unit_of
from controller.config.problem import meant

Schema = dict[str, Any]
SHOWN = {
    "kw": "kW", "kwh": "kWh", "kvar": "kvar", "v": "V", "a": "A", "hz": "Hz", "c": "degC", "pct": "%",
    "kw_per_s": "kW/s", "pu_per_s": "ratings/s", "a_per_v": "A/V", "v_per_v": "V/V",
}  # fmt: skip


def at(schema: Schema, path: Path) -> Schema:
    """The JSON Schema that governs a path; empty where there is none."""
    node = schema
    for part in path:
        node = solved(schema, node)
        if isinstance(part, int):
            node = node.get("items", {})
        else:
            entries = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
            node = node.get("properties", {}).get(part) or entries[0] or {}
        if not isinstance(node, dict):
            return {}
    return solved(schema, node)


def solved(schema: Schema, node: Schema) -> Schema:
    for option in node.get("anyOf", ()):
        if option.get("type") != "null":
            node = {**node, **option}
            break
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def keys_of(node: Schema) -> list[str]:
    """The keys a section takes."""
    names = node.get("propertyNames", {})
    return list(node.get("properties", ())) or [str(value) for value in names.get("enum", ())]


def allowed(node: Schema, name: str = "") -> str:
    """What an option takes: `a number from 0 to 100 pct`."""
    kind = node.get("type")
    if "enum" in node or "const" in node:
        values = node.get("enum") or [node["const"]]
        return ("one of " if len(values) > 1 else "only ") + ", ".join(str(value) for value in values)
    if kind in ("number", "integer"):
        return ("a whole number" if kind == "integer" else "a number") + range_of(node) + _unit(name)
    if kind == "array":
        return "a list" + _size(node, "minItems", "maxItems")
    if kind == "object":
        return "a section with " + (", ".join(keys_of(node)) or "a name for each entry")
    if kind == "boolean":
        return "true or false"
    if str(node.get("pattern", "")).startswith("^[a-z0-9]"):
        return "a name of small letters, digits and dashes, at most 40"
    return "text"


def range_of(node: Schema) -> str:
    """` from 0 to 100`, ` above 0`; empty without bounds."""
    low, high = node.get("minimum"), node.get("maximum")
    if "exclusiveMinimum" in node:
        return f" above {node['exclusiveMinimum']:g}" + (f" up to {high:.12g}" if high is not None else "")
    if low is not None and high is not None:
        return f" from {low:.12g} to {high:.12g}"
    if low is not None:
        return f" from {low:.12g} up"
    return f" up to {high:.12g}" if high is not None else ""


def _size(node: Schema, low: str, high: str) -> str:
    if low not in node and high not in node:
        return ""
    return f" of {node.get(low, 0)} to {node.get(high, 'any number of')} entries"


def _unit(name: str) -> str:
    unit = unit_of(name)
    return f" {SHOWN.get(unit, unit)}" if unit else ""


def shown(value: Any) -> str:
    """A value as an engineer wrote it, cut to one line."""
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.12g}"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def reworded(error: Any, schema: Schema) -> tuple[Path, str, bool]:
    """(path, text, whether the place is the key) of one entry of ValidationError.errors()."""
    path: Path = tuple(error["loc"])
    if path and path[-1] == "[key]":
        path = path[:-1]
        return path, _unknown(path, at(schema, path[:-1])), True
    if error["type"] == "extra_forbidden":
        return path, _unknown(path, at(schema, path[:-1])), True
    node = at(schema, path)
    name = str(path[-1]) if path else ""
    if error["type"] == "missing":
        return path, f"is missing; it takes {allowed(node, name)}. Add it.", True
    value = error.get("input")
    fault = f"is {shown(value)}; allowed is {allowed(node, name)}."
    return path, fault + _cure(value, node), False


def _unknown(path: Path, parent: Schema) -> str:
    known = keys_of(parent)
    pattern = next(iter(parent.get("patternProperties", ())), "")
    takes = f"allowed are {', '.join(known)}" if known else f"allowed is {allowed({'pattern': pattern})}"
    return f"is unknown here; {takes}.{meant(str(path[-1]), known) or ' Remove it or correct the name.'}"


def _cure(value: Any, node: Schema) -> str:
    kind = node.get("type")
    if kind in ("number", "integer") and isinstance(value, str):
        return " Write the number alone, without quotes, comma or unit."
    if "enum" in node:
        return meant(str(value), map(str, node["enum"])) or " Choose one of these."
    if kind in ("number", "integer") and not isinstance(value, bool | list | dict):
        return " Change it to fit."
    return " Write it in that form."

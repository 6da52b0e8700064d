"""Writes what is known of every option: boards/reference.md for people, boards/*.schema.json for editors;
and out of the tables of safety the operator's page, boards/operation.md.

`python -m tools.reference` writes, `python -m tools.reference --check` exits 1 when a file is stale.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from controller.config import Host, Site
from controller.config.loader import BOARDS
from controller.config.option import Section, unit_of
from controller.config.wording import SHOWN, allowed, solved
from controller.devices.profile import Profile
from controller.devices.profiles import all_names, load
from controller.runtime.explain import page

KINDS: tuple[tuple[str, str, type[Section]], ...] = (
    ("site", "boards/sites/<name>.yaml: one site", Site),
    ("host", "boards/hosts/<name>/host.yaml: one edge box", Host),
    ("device", "boards/devices/<class>-<vendor>-<model>.yaml: one kind of device", Profile),
)
HEAD = """# Options

Made by `python -m tools.reference` out of the models in `controller/config` and `controller/devices`; not
written by hand. Signs: power into the site bus is positive. An option without a default is required.
"""
PROFILES = """
## profiles

Every file of boards/devices. A pcs that is not commanded says why; caveats and sources stand in the file.

| profile | covers | reached over | baud | commanded | proven by |
|---|---|---|---|---|---|
"""
DIALECT = "https://json-schema.org/draft/2020-12/schema"
COLUMNS = "| option | unit | allowed | default | what it is | why this default |\n|---|---|---|---|---|---|\n"


def generated() -> dict[Path, str]:
    """Every generated file with its text."""
    texts = {BOARDS / "reference.md": HEAD + "".join(map(_chapter, KINDS)) + _profiles()}
    texts[BOARDS / "operation.md"] = page()
    for name, title, model in KINDS:
        schema = {"$schema": DIALECT, **model.model_json_schema(), "title": title}
        texts[BOARDS / f"{name}.schema.json"] = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
    return texts


def stale() -> list[Path]:
    """Files whose text on disk is not the generated one."""
    return [
        path for path, text in generated().items() if not path.exists() or path.read_text("utf-8") != text
    ]


def main(arguments: list[str]) -> int:
    """Write or check. Exit status: 0 fresh or written, 1 stale, 2 a wrong argument."""
    if arguments not in ([], ["--check"]):
        print(
            f"tools.reference: {' '.join(arguments)} is unknown; allowed is --check. Leave it out to write."
        )
        return 2
    old = stale()
    for path in old:
        if arguments:
            print(f"boards/{path.name} is stale. Run `python -m tools.reference`.")
        else:
            path.write_text(generated()[path], "utf-8")
            print(f"wrote boards/{path.name}")
    return 1 if arguments and old else 0


def _profiles() -> str:
    """Every profile in one line: what it covers, how it is reached, whether it is commanded, how proven."""
    rows = []
    for name in all_names():
        profile = load(name)
        commanded = "yes" if profile.setpoint and not profile.read_only else profile.read_only or "is read"
        proof = ", ".join(dict.fromkeys(step.level for step in profile.evidence))
        bauds = profile.wire.bauds
        lines = f"{bauds[0]} to {bauds[-1]}" if bauds else "none"
        how = ", ".join(profile.wire.transports)
        rows.append(f"| `{name}` | {profile.covers} | {how} | {lines} | {commanded} | {proof} |\n")
    return PROFILES + "".join(rows)


def _chapter(kind: tuple[str, str, type[Section]]) -> str:
    name, title, model = kind
    schema = model.model_json_schema()
    parts = [f"\n## {name}\n\n`{title}`\n"]
    for path, node in _sections(schema, schema, ""):
        rows = [_row(schema, node, option, body) for option, body in node["properties"].items()]
        parts.append(f"\n### {name}{path}\n\n{node.get('description', '')}\n\n{COLUMNS}{''.join(rows)}")
    return "".join(parts)


def _sections(
    schema: dict[str, Any], node: dict[str, Any], path: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every section below a node with its path, in the order of the file."""
    yield path, node
    for name, body in node["properties"].items():
        inner = solved(schema, body)
        suffix = ""
        if inner.get("type") == "array":
            inner, suffix = solved(schema, inner.get("items", {})), "[]"
        elif "properties" not in inner:
            entries = [*inner.get("patternProperties", {}).values(), inner.get("additionalProperties")]
            inner, suffix = solved(schema, entries[0] or {}), ".<name>"
        if "properties" in inner:
            yield from _sections(schema, inner, f"{path}.{name}{suffix}")


def _row(schema: dict[str, Any], section: dict[str, Any], name: str, body: dict[str, Any]) -> str:
    node = solved(schema, body)
    unit = unit_of(name)
    takes = allowed(node) if node.get("type") not in ("object", "array") else _container(node)
    default = "" if name in section.get("required", ()) else _default(body.get("default"))
    cells = (
        f"`{name}`",
        SHOWN.get(unit, unit),
        takes,
        default,
        body.get("description", ""),
        body.get("reason", ""),
    )
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |\n"


def _container(node: dict[str, Any]) -> str:
    if node["type"] == "array":
        return allowed(node)
    return "a section" if "properties" in node else "names with a value each"


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value in ("", None, [], {}):
        return "none"
    return "see there" if isinstance(value, dict) else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

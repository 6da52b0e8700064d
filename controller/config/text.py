"""Strict YAML: the part of the language on which every reader agrees, with the place of every value.

PyYAML reads YAML 1.1, where `no` is false, `12:30` is 750, `010` is 8 and `1e3` is text. All of these are
refused with a cure instead of being guessed. Anchors, aliases, tags, tabs and repeated keys are refused too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from controller.config.option import Path
from controller.config.problem import ConfigError, Problem

Place = tuple[int, int]  # line and column, from 1

BYTES_MAX = 256 * 1024  # a site of eight converters takes 4 KiB
DEPTH_MAX = 16  # the deepest schema has 5 levels
NUMBER_CHARS_MAX = 40  # longer than any double written out

INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
HEX = re.compile(r"0x[0-9A-Fa-f]+")
DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+")
TRAPS = tuple(
    (re.compile(pattern, re.IGNORECASE), fault, cure)
    for pattern, fault, cure in (
        (r"~|null|", "is empty", "Write a value, or remove the line to get the default."),
        (r"yes|no|on|off|y|n|true|false", "is a yes-or-no word that YAML readers disagree on",
         "Write true or false in small letters, or quote it if text is meant."),
        (r"[-+]?[0-9][0-9.]*e[-+]?[0-9]+", "is a number with an exponent, which YAML 1.1 reads as text",
         "Write all digits, like 1000."),
        (r"[-+]?0[0-9]+|0o[0-7]*|0b[01]+", "is an octal or binary number, or one with a leading zero",
         "Write it as a decimal number without leading zeros, or quote it if text is meant."),
        (r"[-+]?[0-9]+(:[0-9]+)+(\.[0-9]*)?", "has colons, which YAML 1.1 reads as a number to base 60",
         "Write the number in the unit of the name, or quote it if text is meant."),
        (r"[-+]?[0-9][0-9_]*_[0-9_.]*", "is a number with underscores", "Write the digits alone."),
        (r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?", "is a date, which YAML turns into an object",
         "Quote it, or write a number where one is needed."),
        (r"[-+]?(\.[0-9]+|[0-9]+\.|0[0-9]+\.[0-9]*)|[-+]?\.(inf|nan)", "is not a plain number",
         "Write a finite number with digits on both sides of the point."),
    )
)  # fmt: skip


@dataclass(slots=True)
class Document:
    """A file as plain data, the places of its keys and values, and what is wrong with its text."""

    file: str
    tree: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    faulty: dict[Path, list[Problem]] = field(default_factory=dict)

    def problem(self, path: Path, text: str, *, at_key: bool = False) -> Problem:
        """A finding at a path, or at the nearest part of the file that contains it."""
        places = self.keys if at_key else self.values
        line, column = places.get(path, (0, 0))
        here = path
        while not line:
            line, column = self.keys.get(here) or self.values.get(here) or ((0, 0) if here else (1, 1))
            here = here[:-1]
        return Problem(self.file, line, column, f"{dotted(path)} {text}" if path else text)

    def problems(self) -> list[Problem]:
        """All findings in the text."""
        return [problem for found in self.faulty.values() for problem in found]


def dotted(path: Path) -> str:
    """`("pcs", 0, "unit")` -> `pcs[0].unit`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def parse(raw: bytes, file: str) -> Document:
    """Read bytes as strict YAML. Raises ConfigError only where nothing after the fault can be trusted."""
    text = _decoded(raw, file)
    document = Document(file)
    try:
        _Builder(document, yaml.parse(text, Loader=yaml.CSafeLoader)).build()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise ConfigError([*document.problems(), Problem(file, line, column, _broken(error))]) from None
    except yaml.YAMLError as error:
        position = int(getattr(error, "position", 0) or 0)
        line = text.count("\n", 0, position) + 1
        message = "a character that text cannot hold; printable UTF-8 is allowed. Type the line again."
        raise ConfigError([Problem(file, line, 1, message)]) from None
    return document


def _decoded(raw: bytes, file: str) -> str:
    if len(raw) > BYTES_MAX:
        message = (
            f"the file has more than {BYTES_MAX} bytes; a configuration has a few thousand. Check the name."
        )
        raise ConfigError([Problem(file, 1, 1, message)])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        message = (
            f"byte 0x{raw[error.start]:02x} is not UTF-8; only UTF-8 text is allowed. Save the file as UTF-8."
        )
        raise ConfigError([Problem(file, line, column, message)]) from None
    tabs = [
        Problem(
            file,
            number,
            line.index("\t") + 1,
            "a tab indents the line; only spaces may. Replace it by spaces.",
        )
        for number, line in enumerate(text.split("\n"), start=1)
        if re.match(r" *\t\s*\S", line)
    ]
    if tabs:
        raise ConfigError(tabs)
    return text


def _broken(error: yaml.MarkedYAMLError) -> str:
    what = str(error.problem or "unreadable").strip()
    return (
        f"the YAML is broken here ({what}); allowed is `key: value`, indented by spaces. "
        "Compare indentation, colons, quotes and brackets with the lines above."
    )


class _Builder:
    """Plain data out of parser events: they show aliases and tags that a finished tree no longer shows."""

    def __init__(self, document: Document, events: Iterator[Any]) -> None:
        self.document = document
        self.events = events

    def build(self) -> None:
        next(self.events)  # stream start
        if isinstance(next(self.events), yaml.StreamEndEvent):
            self.fatal(None, "the file is empty; a section for each part is needed. Start from an example.")
        self.document.tree = self.value(next(self.events), (), 1)
        next(self.events)  # document end
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            self.fatal(after, "a second document starts here; one is allowed. Remove the line `---`.")

    def fatal(self, event: Any, message: str) -> None:
        line, column = _place(event) if event else (1, 1)
        raise ConfigError([*self.document.problems(), Problem(self.document.file, line, column, message)])

    def fault(self, path: Path, text: str, place: Place) -> None:
        found = Problem(self.document.file, *place, f"{dotted(path)} {text}" if path else f"the file {text}")
        self.document.faulty.setdefault(path, []).append(found)

    def value(self, event: Any, path: Path, depth: int) -> Any:
        if depth > DEPTH_MAX:
            self.fatal(
                event, f"nested deeper than {DEPTH_MAX} levels; allowed are {DEPTH_MAX}. Check the brackets."
            )
        self.document.values.setdefault(path, _place(event))
        if isinstance(event, yaml.AliasEvent):
            self.fault(
                path, f"is the alias *{event.anchor}; aliases are not allowed. Write it out.", _place(event)
            )
            return None
        if event.anchor is not None:
            self.fault(
                path, f"has the anchor &{event.anchor}; anchors are not allowed. Remove it.", _place(event)
            )
        if event.tag is not None:
            self.fault(path, f"has the tag {event.tag}; tags are not allowed. Remove it.", _place(event))
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(path, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path, depth)
        return self.scalar(event, path)

    def mapping(self, path: Path, depth: int) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.tag is not None:
                self.fatal(
                    event, "a key that is not plain text; only names are allowed as keys. Write a name."
                )
            key, here = event.value, (*path, event.value)
            if key in tree:
                first = self.document.keys[here][0]
                self.fault(
                    here, f"is repeated, first in line {first}; once is allowed. Remove one.", _place(event)
                )
            self.document.keys.setdefault(here, _place(event))
            item = self.value(next(self.events), here, depth + 1)
            tree.setdefault(key, item)
        return tree

    def sequence(self, path: Path, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.value(event, (*path, len(items)), depth + 1))
        return items

    def scalar(self, event: Any, path: Path) -> Any:
        text = event.value
        if event.style:  # quoted or block: text, whatever it looks like
            return text
        if text in ("true", "false"):
            return text == "true"
        number = INTEGER.fullmatch(text) or HEX.fullmatch(text) or DECIMAL.fullmatch(text)
        if number and len(text) > NUMBER_CHARS_MAX:
            self.fault(
                path, f"has more than {NUMBER_CHARS_MAX} digits. Write a number of usual size.", _place(event)
            )
            return None
        if number:
            return float(text) if DECIMAL.fullmatch(text) else int(text, 16 if HEX.fullmatch(text) else 10)
        for pattern, fault, cure in TRAPS:
            if pattern.fullmatch(text):
                shown = f" ({text})" if text else ""
                self.fault(path, f"{fault}{shown}. {cure}", _place(event))
                return None
        return text


def _place(event: Any) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1

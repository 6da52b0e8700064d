"""The one way from a YAML file to a checked section: every problem at once, each with its place and cure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path as FilePath
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from controller.config.host import Host
from controller.config.option import Path, Section, findings
from controller.config.problem import ConfigError, Problem, meant
from controller.config.site import Site
from controller.config.text import BYTES_MAX, Document, parse
from controller.config.wording import reworded

S = TypeVar("S", bound=Section)
BOARDS = FilePath(str(files("boards")))


@dataclass(frozen=True, slots=True)
class Loaded(Generic[S]):
    """A checked section and the document that knows the place of each of its values."""

    value: S
    document: Document


def load_site(path: FilePath) -> Site:
    """Read a site file. Raises ConfigError with every problem of the file, in its order."""
    return read(path, Site).value


def load_host(name: str) -> Host:
    """Read boards/hosts/<name>/host.yaml. Raises ConfigError."""
    known = host_names()
    if name not in known:
        text = f"host {name} is unknown; known are {', '.join(known)}.{meant(name, known) or ' Choose one.'}"
        raise ConfigError([Problem("boards/hosts", 1, 1, text)])
    return read(BOARDS / "hosts" / name / "host.yaml", Host).value


def host_names() -> list[str]:
    """Every box under boards/hosts."""
    return sorted(path.parent.name for path in (BOARDS / "hosts").glob("*/host.yaml"))


def read(path: FilePath, model: type[S]) -> Loaded[S]:
    """Read a file as one kind of section. Raises ConfigError, and nothing else, for any content."""
    return check(_bytes(path), str(path), model)


def check(raw: bytes, file: str, model: type[S]) -> Loaded[S]:
    """The same for bytes already at hand."""
    document = parse(raw, file)
    problems = document.problems()
    try:
        value = model.model_validate_json(json.dumps(document.tree), strict=True)
    except ValidationError as error:
        found = [reworded(entry, _schema(model)) for entry in error.errors(include_url=False)]
        known = [*document.faulty, *(path for path, _, _ in found)]
        for path, text, at_key in found:
            if not _covered(path, document) and not _explained(path, known):
                problems.append(document.problem(path, text, at_key=at_key))
        raise ConfigError(problems) from None
    problems += [document.problem(fault.path, fault.text) for fault in findings(value)]
    if problems:
        raise ConfigError(problems)
    return Loaded(value, document)


def _covered(path: Path, document: Document) -> bool:
    """A fault of the text already explains what the schema sees at and below that place."""
    return any(path[: len(faulty)] == faulty for faulty in document.faulty)


def _explained(path: Path, known: list[Path]) -> bool:
    """A list or section is only called wrong because of the entry in it that is."""
    return any(path == longer[: len(path)] and path != longer for longer in known)


@cache
def _schema(model: type[Section]) -> dict[str, Any]:
    return model.model_json_schema()


def _bytes(path: FilePath) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(BYTES_MAX + 1)
    except FileNotFoundError:
        text = "the file does not exist; an existing YAML file is needed. Check the name and the folder."
    except IsADirectoryError:
        text = "is a folder; a YAML file is needed. Name a file in it."
    except PermissionError:
        text = "may not be read by this user; read permission is needed. Change the owner or the mode."
    except (OSError, ValueError) as error:
        text = f"cannot be read ({error}); a readable YAML file is needed. Check the name and the disk."
    raise ConfigError([Problem(str(path), 1, 1, text)])

"""A finding in a file that a person wrote: place, fault, what is allowed, cure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One finding; line and column count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class ConfigError(Exception):
    """A file cannot be used. `problems` holds every finding in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def meant(word: str, allowed: Iterable[str]) -> str:
    """` Did you mean x?` where an allowed word is near, else empty."""
    near = get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""

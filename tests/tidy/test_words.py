"""No unfinished business and no path of one machine in any text of the house."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tidy.source import HOUSE, files, plant, read

# Spelled backwards, so that this file keeps its own rule.
BACKWARDS = (
    "ODOT",
    "EMXIF",
    "X" * 3,
    "KCAH",
    "rorrEdetnemelpmItoN",
    "redlohecalp",
    "won rof",
    "deifilpmis",
    "ymmud",
)
BANNED = re.compile(r"\b(" + "|".join(word[::-1] for word in BACKWARDS) + r")\b")
MACHINE = re.compile(r"(?<![\w.])/(?:work|farm|root|home)\b|(?<![\w.])/tmp/\w")
TEXT = (".py", ".pyx", ".pxd", ".yaml", ".yml", ".toml", ".md", ".html", ".json", ".sh", ".cfg", "")
CODE = (".py", ".pyx", ".pxd", "")


def wrong_words(root: Path) -> list[str]:
    """`file:line: word` for each banned word in code and each machine path in any text."""
    return [
        f"{path.relative_to(root)}:{number}: {hit[0]}"
        for path in files(root, *TEXT)
        for number, line in enumerate(read(path).splitlines(), 1)
        for hit in [BANNED.search(line) if path.suffix in CODE else None, MACHINE.search(line)]
        if hit
    ]


def test_the_house_says_nothing_unfinished() -> None:
    """Goal: no banned word, no machine path. Method: read every text file."""
    assert wrong_words(HOUSE) == []


@pytest.mark.parametrize("word", [word[::-1] for word in BACKWARDS])
def test_a_banned_word_is_caught(tmp_path: Path, word: str) -> None:
    """Goal: each word bites in Python and Cython. Method: plant it in a comment of both."""
    for path in ("a.py", "ext/b.pyx", "tools/c"):
        plant(tmp_path, path, f"# {word}: later\n")
    assert sorted(wrong_words(tmp_path)) == [f"a.py:1: {word}", f"ext/b.pyx:1: {word}", f"tools/c:1: {word}"]


@pytest.mark.parametrize("place", ["work/x", "root", "home/me/x", "tmp/x"])
def test_a_machine_path_is_caught(tmp_path: Path, place: str) -> None:
    """Goal: no path of one machine, in any text. Method: plant it in YAML and Markdown; a URL passes."""
    plant(tmp_path, "a.yaml", f"ring: /{place}\n")
    plant(tmp_path, "b.md", f"see `/{place}`\n")
    plant(tmp_path, "c.md", "https://example.org/home/x\n")
    assert [row.split(":")[0] for row in wrong_words(tmp_path)] == ["a.yaml", "b.md"]

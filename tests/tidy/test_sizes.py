"""Functions of at most 50 lines, files of at most 400, no parcel. Ruff and cython-lint hold the length of lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy.source import HOUSE, LEFT_OUT, files, plant, read, statements

FUNCTION_LINES_MAX = 50
FILE_LINES_MAX = 400
TOP = {"README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md", "setup.py", "pyproject.toml"}
TOP |= {"controller", "ext", "boards", "tests", "tools"}
CYTHON_DEF = re.compile(
    r"^(\s*)(?:(?:cp|c)?def)\s+(?!class\b|struct\b|enum\b|extern\b|packed\b|union\b)[^(=]*?(\w+)\("
)


def cython_functions(text: str) -> Iterator[tuple[str, int, int]]:
    """Rows (name, first line, lines) of a .pyx, by indentation; the last line is the last with content."""
    lines = text.splitlines()
    for first, line in enumerate(lines):
        if not (hit := CYTHON_DEF.match(line)):
            continue
        last = first
        for number in range(first + 1, len(lines)):
            content = lines[number].strip()
            depth = len(lines[number]) - len(lines[number].lstrip())
            if content and depth <= len(hit[1]) and not content.startswith((")", "#")):
                break
            last = number if content else last
        yield hit[2], first + 1, last - first + 1


def functions(path: Path) -> Iterator[tuple[str, int, int]]:
    """Rows (name, first line, lines) of a source file."""
    if path.suffix != ".py":
        yield from cython_functions(read(path))
        return
    for node in statements(read(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1


def too_large(root: Path) -> list[str]:
    """`file:line: what` for every function and file beyond its limit."""
    found = []
    for path in files(root, ".py", ".pyx", ".pxd"):
        place, lines = path.relative_to(root), read(path).splitlines()
        if len(lines) > FILE_LINES_MAX:
            found.append(f"{place}:1: {len(lines)} lines")
        found += [
            f"{place}:{first}: {name} has {count} lines"
            for name, first, count in functions(path)
            if count > FUNCTION_LINES_MAX
        ]
    return found


def test_the_house_is_small() -> None:
    """Goal: no size limit is passed. Method: measure every source file."""
    assert too_large(HOUSE) == []


ONE = "    x = 1\n"
CDEF = "cdef void f(int a) noexcept nogil:\n" + "    a = 1\n\n" * 25 + "    a = 2\n\n\ncdef int b = 0\n"
METHOD = "cdef class A:\n    def g(self):\n" + "        self.a = 1\n" * 50


@pytest.mark.parametrize(
    ("path", "text", "caught"),
    [
        ("a.py", "def f():\n" + ONE * 50, "a.py:1: f has 51 lines"),
        ("a.pyx", CDEF, "a.pyx:1: f has 52 lines"),
        ("a.pyx", METHOD, "a.pyx:2: g has 51 lines"),
        ("a.pxd", "cdef int a\n" * 401, "a.pxd:1: 401 lines"),
    ],
)
def test_a_giant_is_caught(tmp_path: Path, path: str, text: str, caught: str) -> None:
    """Goal: each limit bites by one line. Method: plant a file one beyond it."""
    plant(tmp_path, path, text)
    assert too_large(tmp_path) == [caught]


def test_the_limit_itself_is_allowed(tmp_path: Path) -> None:
    """Goal: the limits are closed. Method: functions of 50 lines, a file of 400."""
    plant(tmp_path, "a.py", "def f():\n" + "    x = 1\n" * 49)
    plant(
        tmp_path,
        "b.pyx",
        "cdef int f(\n    int a,\n) noexcept nogil:\n" + "    a = 1\n" * 47 + "x = 1\n" * 350,
    )
    assert too_large(tmp_path) == []


def strangers(root: Path) -> list[str]:
    """What lies at the top level and has no business there."""
    names = {path.name for path in root.iterdir() if path.name[0] != "." and ".egg" not in path.name}
    return sorted(names - TOP - LEFT_OUT)


def test_the_top_level_is_known() -> None:
    """Goal: no parcel that a tool left behind is carried along. Method: list the house's top level."""
    assert strangers(HOUSE) == []


def test_a_parcel_is_caught(tmp_path: Path) -> None:
    """Goal: a stranger is named. Method: plant a wheel beside what belongs there."""
    plant(tmp_path, "numpy-2.4.6-cp311.whl", "")
    plant(tmp_path, "setup.py", "")
    assert strangers(tmp_path) == ["numpy-2.4.6-cp311.whl"]

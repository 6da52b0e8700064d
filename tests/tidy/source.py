"""The files and imports of a folder, for the tidy rules: of the house, or of a planted one."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[2]
LEFT_OUT = {"build", "dist", "reports", "node_modules", "__pycache__"}
CIMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import\s+(.+)|c?import\s+([\w.]+).*)$")


def files(root: Path, *suffixes: str) -> list[Path]:
    """Files of these suffixes below root, sorted; built, hidden and cached folders left out (.ci stays)."""
    found: list[Path] = []
    for folder, names, leaves in os.walk(root):
        names[:] = [n for n in names if n not in LEFT_OUT and (n == ".ci" or n[0] != ".") and ".egg" not in n]
        found += [Path(folder, leaf) for leaf in leaves if Path(leaf).suffix in suffixes]
    return sorted(found)


def read(path: Path) -> str:
    """The text of a file; empty when it is not text."""
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""


def module_of(root: Path, path: Path) -> str:
    """The import name of a file: path equals name; a package is its __init__."""
    parts = list(path.relative_to(root).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(root: Path) -> dict[str, list[Path]]:
    """Import name to its files; a .pyx and its .pxd are one module."""
    found: dict[str, list[Path]] = {}
    for path in files(root, ".py", ".pyx", ".pxd"):
        found.setdefault(module_of(root, path), []).append(path)
    return found


def statements(text: str) -> Iterator[ast.stmt]:
    """Every statement of a Python text, however deep."""
    inside: list[ast.AST] = [ast.parse(text)]
    while inside:
        node = inside.pop()
        for field in ("body", "handlers", "orelse", "finalbody", "cases"):
            inside += getattr(node, field, ())
        if isinstance(node, ast.stmt):
            yield node


Row = tuple[int, str, tuple[str, ...]]


def imported_names(root: Path, path: Path) -> tuple[Row, ...]:
    """Rows (line, module, names taken from it) of every import and cimport, wherever it stands."""
    if path.suffix != ".py":
        return tuple(_cython_imports(read(path)))
    here = module_of(root, path).split(".")
    return _python_imports(read(path), tuple(here if path.name == "__init__.py" else here[:-1]))


@cache
def _python_imports(text: str, package: tuple[str, ...]) -> tuple[Row, ...]:
    """Of a text in a package; several rules ask for the same."""
    found: list[Row] = []
    for node in statements(text):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            full = ".".join([*base, *([node.module] if node.module else [])])
            found.append((node.lineno, full, tuple(alias.name for alias in node.names)))
    return tuple(found)


def _cython_imports(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.splitlines(), 1):
        if hit := CIMPORT.match(line):
            yield number, hit[1] or hit[3], tuple(re.findall(r"(\w+)(?: as \w+)?", hit[2] or ""))


def is_module(root: Path, name: str) -> bool:
    """True when root holds a package or module of this import name."""
    place = root.joinpath(*name.split("."))
    return place.is_dir() or any(place.with_suffix(suffix).is_file() for suffix in (".py", ".pyx", ".pxd"))


def imports(root: Path, path: Path) -> Iterator[tuple[int, str]]:
    """Rows (line, module), with `from package import module` resolved to the module."""
    for line, base, taken in imported_names(root, path):
        inner = [f"{base}.{name}" for name in taken if is_module(root, f"{base}.{name}")]
        yield from ((line, name) for name in inner)
        if not inner or len(inner) < len(taken):
            yield line, base


def plant(root: Path, path: str, text: str) -> Path:
    """Writes one file of a planted house; packages on the way get their __init__."""
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    for folder in place.parents:
        if folder == root:
            break
        (folder / "__init__.py").touch()
    place.write_text(text)
    return place

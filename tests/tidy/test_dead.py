"""Nothing unused: every module is reached, every top-level function is named twice, no folder is a shell."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.source import HOUSE, files, imports, module_of, modules, plant, read

ROOMS = ("controller", "ext", "tools", "boards")
NAME = re.compile(r"\w+")


def started(paths: list[Path]) -> bool:
    """True for a module that a person or a process starts."""
    return any(path.name == "__main__.py" or 'if __name__ == "__main__"' in read(path) for path in paths)


def unreached_modules(root: Path) -> list[str]:
    """Modules of our rooms that nothing imports and nobody can start."""
    known = modules(root)
    reached = {t for name, paths in known.items() for p in paths for _, t in imports(root, p) if t != name}
    setup = read(root / "setup.py") if (root / "setup.py").is_file() else ""
    return [
        name
        for name, paths in known.items()
        if name.split(".")[0] in ROOMS
        and name not in reached
        and not started(paths)
        and f"{name}:" not in setup
        and not any(path.name == "__init__.py" for path in paths)
    ]


def defined(path: Path) -> Iterator[str]:
    """Names of the undecorated top-level functions and classes of a Python file."""
    for node in ast.parse(read(path)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.decorator_list:
            yield node.name


def unused_names(root: Path) -> list[str]:
    """`module.name` of every top-level function or class that no text of the house names again."""
    texts = [read(path) for path in files(root, ".py", ".pyx", ".pxd", ".md", ".yaml", ".toml")]
    count = Counter(word for text in texts for word in NAME.findall(text))
    return [
        f"{module_of(root, path)}.{name}"
        for path in files(root, ".py")
        if path.relative_to(root).parts[0] in ROOMS
        for name in defined(path)
        if count[name] < 2
    ]


def shells(root: Path) -> list[str]:
    """Folders that hold an __init__.py and nothing else: rooms appear when they are needed."""
    return [
        str(path.parent.relative_to(root))
        for path in files(root, ".py")
        if path.name == "__init__.py"
        and not [p for p in path.parent.iterdir() if p.name not in ("__init__.py", "__pycache__")]
    ]


def test_the_house_holds_nothing_dead() -> None:
    """Goal: no dead module, name or folder. Method: imports and words of every file."""
    assert unreached_modules(HOUSE) == []
    assert unused_names(HOUSE) == []
    assert shells(HOUSE) == []


def test_dead_things_are_caught(tmp_path: Path) -> None:
    """Goal: each rule bites. Method: a planted house with one live and one dead thing of each kind."""
    plant(tmp_path, "controller/__main__.py", "from controller.live import used\nused()\n")
    plant(tmp_path, "controller/live.py", "def used():\n    return 1\n\ndef forgotten():\n    return 2\n")
    plant(tmp_path, "controller/orphan.py", "x = 1\n")
    plant(tmp_path, "controller/empty/x.py", "").unlink()
    assert unreached_modules(tmp_path) == ["controller.orphan"]
    assert unused_names(tmp_path) == ["controller.live.forgotten"]
    assert shells(tmp_path) == ["controller/empty"]

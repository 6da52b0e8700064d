"""Breaks the safety room one token at a time and asks its tests: what they let live is a hole or has a reason.

`python -m tools.mutate` breaks every place, `--only modes gensets` some modules, `--sample 40 --seed 1` a draw.
A mutant is compiled from the changed tree and served to a forked child, so no file is touched. Survivors with a
reason stand in tools/mutants.txt; any other makes the exit status 1. Runs the fast tests of tests/unit/safety.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.abc
import importlib.machinery
import io
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ROOM = ROOT / "controller" / "safety"
LISTED = Path(__file__).with_name("mutants.txt")
TESTS = "tests/unit/safety"
CHILD_S_MAX = 120  # a mutant that loops is killed by then, and counts as killed
COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
# Tests that look at a module first: most mutants die in them.
FIRST = {
    "table": ("conditions", "bus_rows"), "conditions": ("conditions", "reset"), "facts": ("conditions", "facts"),
    "hall_rows": ("hall",), "interlocks": ("fallback",), "cells": ("soc",), "look": ("conditions",),
    "terms": ("fallback", "gensets", "island"), "transition": ("modes", "island"), "window": ("hall",),
    "orders": ("orders", "fallback"), "envelope": ("envelope", "fallback"),
}  # fmt: skip
DRAWN = "not walk and not seeds and not truth and not source"  # long random tests; edges are told by tables
SWAPS = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: module, line, what it was and became, and the compiled module."""

    module: str
    line: int
    change: str
    code: CodeType

    @property
    def key(self) -> str:
        """What identifies it while lines move: module, place, change."""
        return f"{self.module}: {self.change}"


def changed(node: ast.AST) -> ast.AST | None:
    """The node's mutant, None where it has none."""
    new = deepcopy(node)
    if isinstance(new, ast.Compare) and len(new.ops) == 1 and type(new.ops[0]) in COMPARE:
        new.ops = [COMPARE[type(new.ops[0])]()]
    elif isinstance(new, ast.BinOp) and type(new.op) in ARITHMETIC:
        new.op = ARITHMETIC[type(new.op)]()
    elif isinstance(new, ast.BoolOp):
        new.op = ast.Or() if isinstance(new.op, ast.And) else ast.And()
    elif isinstance(new, ast.UnaryOp) and isinstance(new.op, ast.Not):
        return new.operand
    elif isinstance(new, ast.Call) and isinstance(new.func, ast.Name) and new.func.id in SWAPS:
        new.func.id = SWAPS[new.func.id]
    elif isinstance(new, ast.Constant) and isinstance(new.value, bool):
        new.value = not new.value
    elif isinstance(new, ast.Constant) and isinstance(new.value, int | float):
        new.value = new.value + 1
    else:
        return None
    return new


def mutants(path: Path) -> Iterator[Mutant]:
    """Every mutant of one module, in the order of its lines. Texts for people, annotations and imports stay."""
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    places = [node for node in ast.walk(tree) if isinstance(node, ast.expr)]
    skipped = {id(inner) for node in ast.walk(tree) for part in _untouched(node) for inner in ast.walk(part)}
    for node in sorted(places, key=lambda it: (it.lineno, it.col_offset)):
        new = changed(node) if id(node) not in skipped else None
        if new is None:
            continue
        was, became = ast.unparse(node), ast.unparse(new)
        whole: ast.Module = ast.fix_missing_locations(_Swap(node, new).visit(deepcopy_but(tree, node)))
        change = f"{_scope(tree, node)}: {was}  ->  {became}"
        yield Mutant(path.stem, node.lineno, " ".join(change.split()), compile(whole, str(path), "exec"))


def _untouched(node: ast.AST) -> Iterator[ast.AST]:
    """Parts in which a change would not be one of behaviour."""
    if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
        yield node.annotation
    if isinstance(node, ast.FunctionDef) and node.returns is not None:
        yield node.returns
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield from node.decorator_list
    if isinstance(node, ast.JoinedStr | ast.Assert):
        yield node
    if isinstance(node, ast.keyword) and node.arg in ("slots", "strict", "frozen"):
        yield node.value


def _scope(tree: ast.Module, node: ast.expr) -> str:
    """Name of the function or statement that holds the node."""
    for top in tree.body:
        if top.lineno <= node.lineno <= (top.end_lineno or top.lineno):
            if isinstance(top, ast.ClassDef):
                inner = [it for it in top.body if it.lineno <= node.lineno <= (it.end_lineno or 0)]
                name = getattr(inner[0], "name", "") or getattr(getattr(inner[0], "target", None), "id", "")
                return f"{top.name}.{name}"
            target = getattr(top, "targets", [None])[0]
            return getattr(top, "name", "") or getattr(target, "id", "") or "module"
    return "module"


def deepcopy_but(tree: ast.Module, keep: ast.AST) -> ast.Module:
    """A copy of the tree in which `keep` is the same object, so that it can be found."""
    return deepcopy(tree, {id(keep): keep})


class _Swap(ast.NodeTransformer):
    """Puts one node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self._new if node is self._old else self.generic_visit(node)


class Server(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves the mutated module under its own name."""

    def __init__(self, mutant: Mutant) -> None:
        self._name, self._mutant = f"controller.safety.{mutant.module}", mutant

    def find_spec(
        self, name: str, path: object, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Of the mutated module alone."""
        return importlib.machinery.ModuleSpec(name, self) if name == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        """Runs the mutant's code."""
        exec(self._mutant.code, module.__dict__)


def killed(mutant: Mutant) -> bool:
    """Whether the tests notice, in a child of its own; a child that hangs has noticed."""
    pid = os.fork()
    if pid == 0:
        os._exit(_judge(mutant))
    until_s = time.monotonic() + CHILD_S_MAX
    while time.monotonic() < until_s:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status) != 0
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def _judge(mutant: Mutant) -> int:
    """Exit status of the tests against a mutant: 0, it lives."""
    import pytest

    sys.meta_path.insert(0, Server(mutant))
    for name in [name for name in sys.modules if name.split(".")[0] in ("controller", "tests")]:
        del sys.modules[name]  # what the parent has loaded is not broken
    own = [f"{TESTS}/test_{name}.py" for name in FIRST.get(mutant.module, (mutant.module,))]
    rest = [str(path) for path in sorted(Path(TESTS).glob("test_*.py")) if str(path) not in own]
    options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not slow", "--timeout=60"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for part in ([*options, "-k", DRAWN, *own], [*options, *own, *rest]):
            if status := int(pytest.main(part)):
                return status
    return 0


def reasons() -> dict[str, str]:
    """Survivors that are known, with their reason: lines `key  #  reason`."""
    lines = LISTED.read_text("utf-8").splitlines()
    pairs = (line.partition("  #  ") for line in lines if line.strip() and not line.startswith("#"))
    return {key.strip(): reason.strip() for key, _, reason in pairs}


def run(chosen: Sequence[Mutant]) -> list[Mutant]:
    """The survivors among them; a dot for each that was killed."""
    lived = []
    for mutant in chosen:
        dead = killed(mutant)
        print("." if dead else f"\nlives: {mutant.module}.py:{mutant.line} {mutant.key}", end="", flush=True)
        if not dead:
            lived.append(mutant)
    print()
    return lived


def main(arguments: Sequence[str]) -> int:
    """Exit 0: every survivor has its reason; 1: a new one, or a listed one that does not live any more."""
    parser = argparse.ArgumentParser(prog="tools.mutate", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="modules of controller/safety")
    parser.add_argument("--sample", type=int, default=0, help="so many, drawn")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    os.chdir(ROOT)
    import hypothesis  # noqa: F401 - loaded once for every child
    import pytest  # noqa: F401

    found = [m for path in sorted(ROOM.glob("*.py")) if not chosen.only or path.stem in chosen.only
             for m in mutants(path)]  # fmt: skip
    if chosen.sample:
        found = random.Random(chosen.seed).sample(found, min(chosen.sample, len(found)))
    began_s = time.monotonic()
    lived, known = run(found), reasons()
    new = [mutant for mutant in lived if mutant.key not in known]
    share = 1.0 - len(lived) / max(len(found), 1)
    print(f"{len(found)} mutants, {len(lived)} live, {share:.1%} killed, {len(new)} without a reason; "
          f"{time.monotonic() - began_s:.0f} s")  # fmt: skip
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

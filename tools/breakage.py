"""Every place of a Python module that can be broken by one token, and the broken module compiled."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
SWAPS = {"min": "max", "max": "min", "any": "all", "all": "any"}
CO_OPTIMIZED = 1  # of a function's code, never of a class body's


@dataclass(frozen=True, slots=True)
class Slot:
    """Where an expression stands in its tree."""

    parent: ast.AST
    field: str
    index: int | None  # in a list of the parent
    node: ast.expr

    def put(self, node: ast.expr) -> None:
        """Another expression in its place."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change. key: module, place, what it was and became, its number where that is there twice.

    lines: those on which its statement, or its lambda, begins to run.
    """

    key: str
    path: Path
    line: int
    lines: range
    tree: ast.Module
    top: ast.stmt  # the statement of the module that holds it
    slot: Slot
    new: ast.expr

    def code(self) -> CodeType:
        """The broken module, compiled; the tree is whole again afterwards."""
        return self._compiled(self.tree, self.new)

    def functions(self) -> list[tuple[CodeType, CodeType]] | None:
        """The functions that the change is in, as they were and became; None: it is outside of them."""
        imports = [it for it in self.tree.body if isinstance(it, ast.Import | ast.ImportFrom)]
        part = ast.Module([*imports, self.top], [])  # a method of an imported name is called in another way
        return functions_changed(self._compiled(part, self.slot.node), self._compiled(part, self.new))

    def _compiled(self, tree: ast.Module, node: ast.expr) -> CodeType:
        self.slot.put(node)
        try:
            return compile(tree, str(self.path), "exec")
        finally:
            self.slot.put(self.slot.node)


def changed(node: ast.expr) -> ast.expr | None:
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


def mutants(path: Path) -> list[Mutant]:
    """Every mutant of one module, in the order of its lines. Texts for people, annotations and imports stay."""
    tree = ast.parse(path.read_text("utf-8"))
    skipped = {id(inner) for node in ast.walk(tree) for part in _untouched(node) for inner in ast.walk(part)}
    places = sorted(_slots(tree, tree.body[0]), key=lambda it: (it[0].node.lineno, it[0].node.col_offset))
    seen: Counter[str] = Counter()
    found = []
    for slot, lines in places:
        new = changed(slot.node) if id(slot.node) not in skipped else None
        if new is None:
            continue
        change = f"{_scope(tree, slot.node)}: {ast.unparse(slot.node)}  ->  {ast.unparse(new)}"
        key = f"{path.stem}: " + " ".join(change.split())
        seen[key] += 1
        name = key if seen[key] == 1 else f"{key} ({seen[key]})"
        top = next(it for it in tree.body if it.lineno <= slot.node.lineno <= (it.end_lineno or 0))
        found.append(Mutant(name, path, slot.node.lineno, lines, tree, top, slot, new))
    return found


def _slots(parent: ast.AST, holder: ast.stmt | ast.Lambda) -> Iterator[tuple[Slot, range]]:
    """Every expression below with its place, and the lines of what holds it."""
    if isinstance(parent, ast.stmt | ast.Lambda):
        holder = parent
    for field, value in ast.iter_fields(parent):
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST):
                continue
            if isinstance(child, ast.expr):
                yield Slot(parent, field, index if isinstance(value, list) else None, child), _lines(holder)
            yield from _slots(child, holder)


def _lines(holder: ast.stmt | ast.Lambda) -> range:
    """Lines of a statement without the statements inside it."""
    body = getattr(holder, "body", None)
    end = body[0].lineno if isinstance(body, list) and body else (holder.end_lineno or holder.lineno) + 1
    return range(holder.lineno, max(end, holder.lineno + 1))


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


def functions_changed(was: CodeType, became: CodeType) -> list[tuple[CodeType, CodeType]] | None:
    """The functions of a module in which two builds of it differ; None: it differs outside of them too."""
    inner_was = [it for it in was.co_consts if isinstance(it, CodeType)]
    inner_became = [it for it in became.co_consts if isinstance(it, CodeType)]
    if _own(was) != _own(became) or len(inner_was) != len(inner_became):
        return None
    found: list[tuple[CodeType, CodeType]] = []
    for one, other in zip(inner_was, inner_became, strict=True):
        if whole(one) == whole(other):
            continue
        if one.co_flags & CO_OPTIMIZED:
            found.append((one, other))
            continue
        part = functions_changed(one, other)
        if part is None:
            return None
        found += part
    return found


def _own(code: CodeType) -> tuple[object, ...]:
    """What a body does itself, apart from the functions that it makes."""
    consts = tuple(None if isinstance(it, CodeType) else (type(it), it) for it in code.co_consts)
    return code.co_code, code.co_names, consts


def whole(code: CodeType) -> tuple[object, ...]:
    """A body with all that stands inside it, and its place in the file: equal for equal functions alone."""
    inner = tuple(whole(it) for it in code.co_consts if isinstance(it, CodeType))
    return (*_own(code), code.co_qualname, code.co_firstlineno, code.co_linetable, inner)

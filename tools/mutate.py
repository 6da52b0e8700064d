"""Breaks the safety room one token at a time and asks its tests: what they let live is a hole or has a reason.

`python -m tools.mutate` breaks every place, `--only modes gensets` some modules, `--sample 40 --seed 1` a draw.
First the tests run whole: they must take every branch, and tell which test runs which line. Then the mutants go
to forked children, each with the tests that run its line, the fastest first; no file is touched. Survivors with a
reason stand in tools/mutants.txt; any other makes the exit status 1, and so does a listed one that is gone or dies.
Only the fast tests of tests/unit/safety judge, and not the drawn ones: edges are told by tables.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import io
import json
import os
import random
import select
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import IO, TYPE_CHECKING, Any

from tools.breakage import Mutant, mutants, whole

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOM = ROOT / "controller" / "safety"
LISTED = Path(__file__).with_name("mutants.txt")
STAMPS = ROOT / "build" / "mutants"  # what a whole run has found, by the hash of all it depends on
TESTS = "tests/unit/safety"
BASE = (
    "controller",
    "controller.image",
    "controller.records",
    "controller.state",
    "controller.units",
    "tests",
)  # never broken
CHILD_S_MAX = 60  # a mutant that loops is killed by then, and counts as killed
LIVES, DIES = b"l", b"d"  # what a child tells of a mutant
TROUBLE = 3  # its exit status when the judge itself fails
# Test files that look at a module's tables, after that of all numbers: most mutants die in them.
FIRST = {
    "table": "conditions bus_rows rows", "conditions": "reset", "facts": "conditions", "hall_rows": "hall",
    "interlocks": "fallback", "cells": "soc", "look": "rows", "terms": "fallback gensets island",
    "transition": "modes island", "switch_rows": "switch_rows", "window": "conditions", "waveform": "conditions rows",
}  # fmt: skip
OPTIONS = ("-q", "--assert=plain", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:unraisableexception",
           "-p", "no:xdist", "-p", "no:cov", "-p", "no:timeout", "-o", "addopts=--import-mode=importlib",
           "-k", "not any_walk and not equal_seeds and not truth_stays and not above_any_source")  # fmt: skip


class Server(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves the broken module under its own name."""

    def __init__(self, name: str, code: CodeType) -> None:
        self._name, self._code = name, code

    def find_spec(
        self, name: str, path: object, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Of the broken module alone."""
        return importlib.machinery.ModuleSpec(name, self) if name == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        """Runs the broken code."""
        exec(self._code, module.__dict__)


@dataclass(slots=True)
class Judge:
    """A pytest plugin that runs the collected tests once, and then each mutant against those that matter."""

    chosen: Sequence[Mutant]
    coverage: Any
    jobs: int = 1
    missing: list[str] = field(default_factory=list)  # branches that no test takes
    lived: list[Mutant] = field(default_factory=list)
    failed: str = ""  # of the whole tests
    judged: int = 0
    _cost_s: dict[str, float] = field(default_factory=dict)
    _kills: Counter[str] = field(default_factory=Counter)  # of each test so far, in this process
    _items: dict[str, pytest.Item] = field(default_factory=dict)
    _runs: dict[str, dict[int, list[str]]] = field(default_factory=dict)  # file: line: tests
    _functions: dict[tuple[object, ...], list[FunctionType]] = field(default_factory=dict)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of pytest's own loop."""
        self._measure(session.items)
        if not self.failed:
            self._index()
            queue = sorted(self.chosen, key=self._acts_at_load)
            shares = [queue[k :: self.jobs] for k in range(self.jobs)]
            with contextlib.ExitStack() as shared:
                tables = [shared.enter_context(tempfile.TemporaryFile("w+")) for _ in shares]
                running = [self._beside(*pair, session) for pair in zip(shares, tables, strict=True)]
                sound = [os.waitpid(pid, 0)[1] == 0 for pid in running]
                for share, table in zip(shares, tables, strict=True) if all(sound) else ():
                    table.seek(0)
                    self._count(share, json.load(table))
        return True

    def _count(self, share: Sequence[Mutant], verdicts: Sequence[bool]) -> None:
        """Whether each of a share dies."""
        self.judged += len(verdicts)
        self.lived += [mutant for mutant, dies in zip(share, verdicts, strict=True) if not dies]

    def _beside(self, share: Sequence[Mutant], table: IO[str], session: pytest.Session) -> int:
        """A process of its own that judges a share and writes a list: whether each dies. Returns its number."""
        pid = os.fork()
        if pid == 0:
            status = TROUBLE
            try:
                json.dump([dies for _, dies in self._verdicts(share, session)], table)
                table.flush()
                status = 0
            except Exception:
                traceback.print_exc()
            os._exit(status)
        return pid

    def _measure(self, items: Sequence[pytest.Item]) -> None:
        """The whole tests once, line by line; the modules were loaded under the same eyes."""
        for item in items:
            self.coverage.switch_context(item.nodeid)
            began_s = time.perf_counter()
            if not passes(item):
                self.failed = item.nodeid
                return
            self._cost_s[item.nodeid] = time.perf_counter() - began_s
            self._items[item.nodeid] = item
        self.coverage.stop()
        with tempfile.NamedTemporaryFile() as report:
            self.coverage.json_report(outfile=report.name)
            files = json.loads(Path(report.name).read_text("utf-8"))["files"]
        for name, found in files.items():
            self.missing += [f"{name}:{line}" for line in found["missing_lines"]]
            self.missing += [f"{name}:{line} -> {end}" for line, end in found["missing_branches"]]
        for path in ROOM.glob("*.py"):
            self._runs[str(path)] = self.coverage.get_data().contexts_by_lineno(str(path))

    def _index(self) -> None:
        """The live functions of the room by their code, and its modules as they are."""
        for it in gc.get_objects():
            if isinstance(it, FunctionType) and it.__code__.co_filename.startswith(str(ROOM)):
                self._functions.setdefault(whole(it.__code__), []).append(it)
        gc.freeze()

    def _acts_at_load(self, mutant: Mutant) -> bool:
        """Whether it changes more than functions that nothing called before the first test."""
        runs, changes = self._runs[str(mutant.path)], mutant.functions()
        return changes is None or any(_ran_at_load(was, runs) for was, _ in changes)

    def _verdicts(self, share: Sequence[Mutant], session: pytest.Session) -> Iterator[tuple[Mutant, bool]]:
        """Each mutant and whether the tests notice it: child after child, since one that loads the room anew, hangs or
        crashes ends its own."""
        queue = list(share)
        while queue:
            told, tells = os.pipe()
            pid = os.fork()
            if pid == 0:
                status = TROUBLE
                with contextlib.redirect_stdout(io.StringIO()):
                    try:
                        status = self._child(queue, session, tells)
                    except Exception:
                        traceback.print_exc()
                os._exit(status)
            os.close(tells)
            hangs = False
            while not (hangs := not select.select([told], [], [], CHILD_S_MAX)[0]) and (
                octet := os.read(told, 1)
            ):
                yield queue.pop(0), octet == DIES
            os.close(told)
            if hangs:
                os.kill(pid, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if status == TROUBLE:
                raise RuntimeError(f"the judge itself fails at {queue[0].key}")
            if status:
                yield queue.pop(0), True

    def _child(self, queue: Sequence[Mutant], session: pytest.Session, tells: int) -> int:
        """Judges one after the other until one has changed more than a function."""
        for mutant in queue:
            if self._acts_at_load(mutant):
                os.write(tells, LIVES if lives_anew(mutant, session) else DIES)
                return 0
            exchange = [
                (it, became) for was, became in mutant.functions() or () for it in self._functions[whole(was)]
            ]
            with exchanged(exchange):
                killer = next((name for name in self._nearest(mutant) if not passes(self._items[name])), None)
            self._kills.update([killer] if killer else [])
            os.write(tells, DIES if killer else LIVES)
        return 0

    def _nearest(self, mutant: Mutant) -> list[str]:
        """The tests that run its lines: those first that cost little for what they have killed so far."""
        runs = self._runs[str(mutant.path)]
        names = {name for line in mutant.lines for name in runs.get(line, []) if name}
        return sorted(names, key=lambda name: self._cost_s[name] / (1 + self._kills[name]))


@contextlib.contextmanager
def exchanged(pairs: Sequence[tuple[FunctionType, CodeType]]) -> Iterator[None]:
    """Functions with other bodies, for a while."""
    kept = [(function, function.__code__) for function, _ in pairs]
    for function, code in pairs:
        function.__code__ = code
    try:
        yield
    finally:
        for function, code in kept:
            function.__code__ = code


def _ran_at_load(code: CodeType, runs: dict[int, list[str]]) -> bool:
    """Whether a function was called before the first test: what it made then is kept by others."""
    lines = {line for _, _, line in code.co_lines() if line is not None and line > code.co_firstlineno}
    return any(
        "" in runs.get(line, ()) for line in lines or {code.co_firstlineno} if code.co_name != "<lambda>"
    )


def passes(item: pytest.Item) -> bool:
    """One test, from its fixtures to its end."""
    from _pytest.runner import runtestprotocol

    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def lives_anew(mutant: Mutant, session: pytest.Session) -> bool:
    """What a module does while it is loaded reaches others: the room and its tests are loaded again."""
    name = mutant.path.stem
    gone = [it for it in sys.modules if it.split(".")[0] in ("controller", "tests") and it not in BASE]
    for it in gone:
        del sys.modules[it]
    sys.meta_path.insert(0, Server(f"controller.safety.{name}", mutant.code()))
    try:
        importlib.import_module(f"controller.safety.{name}")
        importlib.import_module("controller.safety.step")
    except Exception:
        return False
    every = sorted(Path(TESTS).glob("test_*.py"), key=lambda path: (path.stat().st_size, path.name))
    first = [Path(TESTS) / f"test_{it}.py" for it in ("numbers", *FIRST.get(name, "").split(), name)]
    for path in dict.fromkeys([*(it for it in first if it in every), *every]):
        failed = session.testsfailed
        items = session.perform_collect([str(path)])
        if session.testsfailed > failed or not all(passes(item) for item in items):
            return False
    return True


def judge(chosen: Sequence[Mutant], jobs: int = 1) -> Judge:
    """The mutants against the tests. Raises RuntimeError when the tests are red without any change."""
    import coverage
    import pytest

    eyes = coverage.Coverage(data_file=None, branch=True, source=[str(ROOM)], config_file=False)
    eyes.start()
    found = Judge(chosen, eyes, jobs)
    pytest.main([*OPTIONS, TESTS], plugins=[found])
    if found.failed or not found._items:
        raise RuntimeError(f"{found.failed or TESTS} fails as it is: mend it first")
    if found.judged < len(chosen):
        raise RuntimeError(f"only {found.judged} of {len(chosen)} mutants were judged: see above")
    return found


def reasons() -> dict[str, str]:
    """Survivors that are known, with their reason: lines `key  #  reason`."""
    lines = LISTED.read_text("utf-8").splitlines()
    pairs = (line.partition("  #  ") for line in lines if line.strip() and not line.startswith("#"))
    return {key.strip(): reason.strip() for key, _, reason in pairs}


def every_mutant() -> list[Mutant]:
    """Of the whole room, module by module."""
    return [it for path in sorted(ROOM.glob("*.py")) if path.stat().st_size for it in mutants(path)]


def stamp() -> Path:
    """The file that holds what a whole run has found on exactly these sources and this Python."""
    digest = hashlib.sha256(sys.version.encode())
    base = [ROOT / f"{name.replace('.', '/')}.py" for name in BASE if "." in name]
    own = [Path(__file__), Path(__file__).with_name("breakage.py")]
    for path in [*sorted(ROOM.glob("*.py")), *sorted((ROOT / TESTS).glob("*.py")), *base, *own]:
        digest.update(path.name.encode() + path.read_bytes())
    return STAMPS / digest.hexdigest()[:32]


def main(arguments: Sequence[str]) -> int:
    """Exit 0: every branch is taken, every survivor has its reason and every listed one lives; else 1."""
    parser = argparse.ArgumentParser(prog="tools.mutate", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="modules of controller/safety")
    parser.add_argument("--sample", type=int, default=0, help="so many, drawn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes side by side")
    asked = parser.parse_args(arguments)
    os.chdir(ROOT)
    every = every_mutant()
    chosen = [it for it in every if not asked.only or it.path.stem in asked.only]
    if 0 < asked.sample < len(chosen):
        chosen = random.Random(asked.seed).sample(chosen, asked.sample)
    began_s, kept = time.monotonic(), stamp()
    if kept.exists():
        lived = {it.key for it in chosen} & set(kept.read_text("utf-8").splitlines())
        missing, source = [], f"as found before on the same sources: {kept.relative_to(ROOT)}"
    else:
        found = judge(chosen, asked.jobs)
        lived, missing, source = {it.key for it in found.lived}, found.missing, "judged now"
        if len(chosen) == len(every) and not missing:
            STAMPS.mkdir(parents=True, exist_ok=True)
            kept.write_text("".join(f"{key}\n" for key in sorted(lived)), "utf-8")
    new, stale = compared(every, chosen, lived, reasons())
    print(f"{len(chosen)} of {len(every)} places broken, {1.0 - len(lived) / max(len(chosen), 1):.1%} of them killed, "
          f"{len(lived)} live, {len(new)} without a reason; {source}; {time.monotonic() - began_s:.0f} s")  # fmt: skip
    print(*(f"lives without a reason: {key}" for key in sorted(new)),
          *(f"listed, but gone or killed: {key}" for key in sorted(stale)),
          *(f"no test takes {branch}" for branch in missing), sep="\n")  # fmt: skip
    return 1 if new or stale or missing else 0


def compared(
    every: Sequence[Mutant], chosen: Sequence[Mutant], lived: set[str], known: Mapping[str, str]
) -> tuple[set[str], set[str]]:
    """Survivors that are not listed, and listed ones that are no place of the code any more or were killed."""
    unasked = {it.key for it in every} - {it.key for it in chosen}
    return lived - known.keys(), known.keys() - unasked - lived


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

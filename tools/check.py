"""The one command of the house: environment, build, style, types, tests, on each Python found; real time on the first.

Standard library only. Stops at the first red step with its output and a cure; ends with pytest's closing
lines and the time it took.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tools.environment import (
    PACKAGES,
    ROOT,
    Environment,
    TroubleError,
    output_of,
    prepare,
    python_found,
    system_packages,
)

QUICK = {"STILLWATT_QUICK": "1"}  # fewer examples, see tests/examples.py
EXTRAS = ("dev", "style", "report", "bench")  # the first is what the fast tests need
SIDE_BY_SIDE = ("-n", str(os.cpu_count() or 1), "--dist", "worksteal")
CLOSED = "checked on Python"
CLOSING = re.compile(r"^=*\s*(\d+ (?:passed|failed|error|skipped|deselected|xfailed).* in [\d.:]+s.*?)\s*=*$")
Answer = TypeVar("Answer")


def step(name: str, cure: str, work: Callable[..., Answer], *arguments: Any) -> Answer:
    """Does one step of the check and prints its name and time; trouble gains the cure."""
    began_s = time.monotonic()
    print(f"{name:.<48} ", end="", flush=True)
    try:
        answer = work(*arguments)
    except TroubleError as trouble:
        print("red")
        raise TroubleError(f"{trouble}\ncheck: red at: {name}. {cure}") from None
    print(f"{time.monotonic() - began_s:6.1f} s", flush=True)
    return answer


def lint(python: Path, quick: bool) -> None:
    """Style, types and generated files: the same on every Python, so run once; side by side, told in order."""
    beside = python.parent
    rows: tuple[tuple[str, str, tuple[str | Path, ...]], ...] = (
        ("mypy", "Mend the types above.", (beside / "mypy",)),
        ("cython-lint", "Mend the lines above.", (beside / "cython-lint", "ext", "tools")),
        ("ruff format", "Run: ruff format .", (beside / "ruff", "format", "--check", ".")),
        ("ruff check", "Run: ruff check --fix . and mend the rest.", (beside / "ruff", "check", ".")),
        ("reference fresh", "Run: python -m tools.reference", (python, "-m", "tools.reference", "--check")),
    )
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        chosen = rows[2:] if quick else rows  # the first two take half a minute of a core
        running = [pool.submit(output_of, *command) for _, _, command in chosen]
        for (name, cure, _), answer in zip(chosen, running, strict=True):
            step(name, cure, answer.result)


def run_tests(environment: Environment, *options: str) -> str:
    """Runs a part of the suite, passes its output on as it comes, returns pytest's closing line."""
    command = [str(environment.python), "-m", "pytest", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        assert running.stdout is not None
        kept = b""
        while chunk := running.stdout.read1(4096):  # type: ignore[attr-defined]
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            kept = (kept + chunk)[-65536:]
    closing = [hit[1] for line in kept.decode(errors="replace").splitlines() if (hit := CLOSING.match(line))]
    said = closing[-1] if closing else "pytest did not finish"
    if running.returncode or not closing:
        cure = "The first failure above names the cause."
        raise TroubleError(f"check: red at: pytest on Python {environment.version}: {said}. {cure}")
    return said


@contextmanager
def beside() -> Iterator[list[str]]:
    """What needs only the processor, at the lowest priority, while the block's tests mostly wait.

    Gives the list of its closing lines, which is filled at the end of the block; TroubleError where it is red."""
    closing: list[str] = []
    with tempfile.TemporaryFile() as told:
        command = ("nice", "-n", "19", sys.executable, "-m", "tools.check", "--rest")
        running = subprocess.Popen(command, cwd=ROOT, stdout=told, stderr=told, start_new_session=True)
        try:
            yield closing
            code = running.wait()
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGTERM)
                running.wait()
        told.seek(0)
        output = told.read().decode(errors="replace")
    print(output, end="", flush=True)
    if code:
        raise TroubleError("check: red beside the real-time tests. The first failure above names the cause.")
    closing += [line for line in output.splitlines() if line.startswith(CLOSED)]


def made_of(version: str, interpreter: Path, extras: tuple[str, ...] = EXTRAS) -> Environment:
    """The environment of one Python, its commands on the path; its build under way."""
    afresh = afresh_of(version)
    cure = f"Is a package index within reach? {afresh}"
    made = step(f"python {version}: environment", cure, prepare, version, interpreter, extras)
    step(f"python {version}: pip check", afresh, output_of, made.python, "-m", "pip", "check")
    commands = str(made.python.parent)  # cython-lint calls pycodestyle, tests call stillwatt
    os.environ["PATH"] = os.pathsep.join([commands, os.environ["PATH"]])
    return made


def afresh_of(version: str) -> str:
    """The cure of an environment in disorder."""
    return f"Remove .venv-{version} and build/ to start afresh."


def build(made: Environment, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Waits for the build, with other work in the meantime; prints that tests come next."""
    try:
        meanwhile()
        cure = f"Mend the source above. {afresh_of(made.version)}"
        step(f"python {made.version}: rest of the build", cure, made.built)
    finally:
        made.building.terminate()
    print(f"python {made.version}: pytest", flush=True)


def check(quick: bool) -> list[str]:
    """Every step in order, on the first Python and, at the side, on the others; returns the closing lines."""
    found = python_found()
    lacking = step("system packages", "Install what is named above.", system_packages, *PACKAGES)
    if lacking:
        print(lacking)
    version = next(iter(found))
    made = made_of(version, found[version], EXTRAS[:1] if quick else EXTRAS)
    build(made, lambda: lint(made.python, quick))
    if quick:
        os.environ.update(QUICK)
        chosen = ("-m", "not (slow or process or stack)", "--ignore", "tests/cases")
        return [f"{CLOSED} {version}: {run_tests(made, *chosen, *SIDE_BY_SIDE)}"]
    closing = [run_tests(made, "-m", "not slow", *SIDE_BY_SIDE)]
    with beside() as more:  # real processes, one after the other: real time is the same on every Python
        closing.append(run_tests(made, "-m", "slow and not stack"))
    return [f"{CLOSED} {version}: {', then '.join(closing)}", *more]


def check_rest() -> list[str]:
    """Whole stacks and proofs on the first Python, then the suite on every further one."""
    (version, interpreter), *others = python_found().items()
    made = made_of(version, interpreter)
    build(made)
    lines = [f"{CLOSED} {version}: {run_tests(made, '-m', 'slow and stack', *SIDE_BY_SIDE)}"]
    os.environ.update(QUICK)
    for version, interpreter in others:
        made = made_of(version, interpreter, EXTRAS[:1])
        build(made)  # planners over days and whole processes are the same on every Python: once is enough
        said = run_tests(made, "-m", "not (slow or stack or process)", *SIDE_BY_SIDE)
        lines.append(f"{CLOSED} {version}: {said}")
    return lines


def main() -> int:
    """Exit 0 when every step is green, 1 at the first red one."""
    parser = argparse.ArgumentParser(prog="tools/check", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one Python, no types, no whole stacks; about 2 minutes"
    )
    parser.add_argument(
        "--rest", action="store_true", help="what the whole check runs beside its real-time tests, alone"
    )
    asked = parser.parse_args()
    began_s = time.monotonic()
    try:
        lines = check_rest() if asked.rest else check(asked.quick)
    except TroubleError as trouble:
        print(trouble)
        print(f"check failed after {time.monotonic() - began_s:.1f} s")
        return 1
    except KeyboardInterrupt:
        print("\ncheck stopped")
        return 1
    minutes, seconds = divmod(round(time.monotonic() - began_s), 60)
    print(*lines, f"check passed in {minutes} min {seconds} s", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

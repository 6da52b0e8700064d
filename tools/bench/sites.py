"""Mutated site files (promise P8): each is refused with line and cure, or everything that must be true of a site holds.

    python -m tools.bench.sites --count 100000

The truths stand in tools.bench.truths; they read the file with another parser and know nothing of the loader.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from controller.config.loader import BOARDS
from controller.config.problem import ConfigError, Problem
from controller.devices.check import check_site
from controller.devices.profiles import all_names
from tools.bench.truths import untrue

SITES = sorted((BOARDS / "sites").glob("*.yaml"))
EDITS_MAX = 3
PAIR = re.compile(r"^(?P<lead>[ \t-]*)(?P<key>[A-Za-z0-9_-]+): *(?P<value>[^#\n]*?)(?P<rest> *(#.*)?)$")
INLINE = re.compile(r"(?P<key>[a-z_]+): (?P<value>[^,{}\[\]#\n]+)")
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
CURE = re.compile(r"[.;?!)] ?(An? |No |Did |[A-Z][a-z]+ )")
NASTY = (
    "-1", "0", "-0.0", "1", "2", "247", "248", "65536", "2147483648", "99999999999", "0.0001", "1" * 50, "1e3", ".inf",
    "-.inf", ".nan", "nan", "yes", "no", "on", "~", "null", "", "true", '"2000"', "2000 kW", "0x10", "010", "12:30",
    "1_000", "[]", "[1, 2]", "{}", "{a: 1}", "!!python/object:os.system x", "&a 5", "*a", "2026-11-25", "'", '"', "|",
    "\u00e4\u00f6", "\u0000", "\u2028", "x" * 300, "../../etc/passwd", "%YAML", "- 1", "? 1", "@", "`", "1.", ".5",
)  # fmt: skip
FACTORS = (10.0, 1000.0, 0.001, -1.0, 1.000001, 0.999999, 2.0, 0.5, 100.0)
UNITS = (("_kw", "_w"), ("_kw", "_mw"), ("_s", "_ms"), ("_pct", "_pu"), ("_kwh", "_wh"), ("_max", "_min"))

Edit = Callable[[list[str], random.Random], None]


def _values(lines: list[str]) -> list[tuple[int, int, int]]:
    """Line and span of every value that stands behind a key."""
    found = []
    for number, line in enumerate(lines):
        if pair := PAIR.match(line):
            found.append((number, *pair.span("value")))
        found += [(number, *hit.span("value")) for hit in INLINE.finditer(line.split("#")[0])]
    return found


def _put(lines: list[str], place: tuple[int, int, int], text: str) -> None:
    number, start, end = place
    lines[number] = lines[number][:start] + text + lines[number][end:]


def nasty(lines: list[str], dice: random.Random) -> None:
    """One value becomes something that no reader should guess at, or an extreme."""
    _put(lines, dice.choice(_values(lines)), dice.choice(NASTY))


def scaled(lines: list[str], dice: random.Random) -> None:
    """One number in another unit, or next to what it was."""
    places = [p for p in _values(lines) if NUMBER.fullmatch(lines[p[0]][p[1] : p[2]].strip())]
    if not places:
        return
    place = dice.choice(places)
    number = float(lines[place[0]][place[1] : place[2]]) * dice.choice(FACTORS)
    _put(lines, place, f"{number:.9f}".rstrip("0").rstrip("."))


def exchanged(lines: list[str], dice: random.Random) -> None:
    """Two values change places."""
    first, second = dice.choices(_values(lines), k=2)
    one, other = (lines[p[0]][p[1] : p[2]] for p in (first, second))
    if first[0] != second[0]:
        _put(lines, first, other)
        _put(lines, second, one)


def named(lines: list[str], dice: random.Random) -> None:
    """Another profile, host, port or device than the one that was named."""
    words = [
        *all_names(),
        "laptop",
        "siemens-iot2050",
        *(f"rs485-{k}" for k in range(1, 6)),
        "pcs-1",
        "bms-1",
        "grid",
    ]
    _put(lines, dice.choice(_values(lines)), dice.choice(words))


def misspelt(lines: list[str], dice: random.Random) -> None:
    """One key loses a letter, its case or its unit."""
    keys = [(n, *pair.span("key")) for n, line in enumerate(lines) if (pair := PAIR.match(line))]
    if not keys:
        return
    place = dice.choice(keys)
    key = lines[place[0]][place[1] : place[2]]
    cut = dice.randrange(len(key))
    swapped = next((key.replace(a, b) for a, b in dice.sample(UNITS, len(UNITS)) if a in key), key)
    _put(lines, place, dice.choice((key[:cut] + key[cut + 1 :], key.upper(), swapped, key + "x")))


def moved(lines: list[str], dice: random.Random) -> None:
    """A line is lost, doubled, moved or indented otherwise."""
    number = dice.randrange(len(lines))
    what = dice.randrange(5)
    if what == 0:
        del lines[number]
    elif what == 1:
        lines.insert(number, lines[number])
    elif what == 2:
        lines.insert(dice.randrange(len(lines)), lines.pop(number))
    elif what == 3:
        lines[number] = dice.choice((" ", "  ", "\t", "- ")) + lines[number]
    else:
        lines[number] = lines[number][dice.randrange(1, 4) :]


def without(lines: list[str], dice: random.Random) -> None:
    """A stretch of lines is lost, or the rest of the file."""
    start = dice.randrange(len(lines))
    del lines[start : start + dice.choice((2, 4, 8, len(lines)))]


def borrowed(lines: list[str], dice: random.Random) -> None:
    """A stretch of another site's file, wherever it falls."""
    other = dice.choice(SITES).read_text("utf-8").split("\n")
    start = dice.randrange(len(other))
    at = dice.randrange(len(lines) + 1)
    lines[at:at] = other[start : start + dice.choice((1, 3, 8))]


EDITS: tuple[Edit, ...] = (
    nasty, nasty, nasty, scaled, scaled, scaled, exchanged, named, named, misspelt, moved, without, borrowed,
)  # fmt: skip


def mutant(seed: int) -> bytes:
    """The mutant of this seed: one to EDITS_MAX edits of an example; now and then of its bytes."""
    dice = random.Random(seed)
    lines = dice.choice(SITES).read_text("utf-8").split("\n")
    for _ in range(dice.randint(1, EDITS_MAX)):
        if lines and _values(lines):
            dice.choice(EDITS)(lines, dice)
    raw = bytearray("\n".join(lines).encode("utf-8", "surrogatepass"))
    if raw and dice.random() < 0.15:
        place = dice.randrange(len(raw))
        raw[place : place + dice.randint(0, 3)] = dice.randbytes(dice.randint(0, 3))
    return bytes(raw)


def unhelpful(problem: Problem, path: Path, raw: bytes) -> str:
    """What this message leaves out; empty: it says file, place, fault and cure."""
    line_count = raw.count(b"\n") + 2
    if problem.file != str(path) and not problem.file.startswith("boards"):
        return "it names another file"
    if not 1 <= problem.line <= line_count or problem.column < 1:
        return f"its place is not in the file of {line_count} lines"
    return "" if CURE.search(problem.message) and len(problem.message) < 2000 else "it has no cure"


def judge(raw: bytes, path: Path) -> tuple[str, str]:
    """(refused or loaded, what is wrong with that): the second is empty where the promise holds."""
    path.write_bytes(raw)
    try:
        checked = check_site(path)
    except ConfigError as error:
        if not error.problems:
            return "refused", "without any problem"
        faults = (
            f"{problem}: {text}" for problem in error.problems if (text := unhelpful(problem, path, raw))
        )
        return "refused", next(faults, "")
    except Exception as error:
        return "refused", f"by a traceback: {type(error).__name__}: {error}"
    return "loaded", untrue(raw, checked)


def run(count: int, seed: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """Judge `count` mutants from `seed` on; how many of each kind, and a line for each that breaks the promise."""
    counts: Counter[str] = Counter()
    broken = []
    for number in range(seed, seed + count):
        kind, fault = judge(mutant(number), folder / "site.yaml")
        counts[kind] += 1
        if fault:
            broken.append(f"seed {number}: {kind}: {fault}")
    return counts, broken


def main(arguments: list[str] | None = None) -> int:
    """Exit 0: the promise holds, 1: it is broken."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.sites", description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counts, broken = run(options.count, options.seed, Path(folder))
    print(*broken[:50], sep="\n")
    said = ", ".join(f"{counts[kind]} {kind}" for kind in ("refused", "loaded"))
    print(f"{options.count} mutants from seed {options.seed}: {said}, {len(broken)} broke the promise, "
          f"{time.monotonic() - began_s:.0f} s")  # fmt: skip
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())

"""Random frames through the judge, with the address and undefined-behaviour sanitizers.

python -m tools.bench.frames [--count N] [--seed S] [--plain]. Builds the judge anew in a folder of its own with
STILLWATT_SANITIZE and runs it there; --plain uses the build at hand. Right replies, flipped, cut, lengthened,
changed under a right CRC, noise, answers to other requests, spliced ones, exceptions. Exit 0 when nothing was
accepted that is no answer, nothing right was refused and no sanitizer spoke.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = "ext.shared,ext.pdu,tools.bench.judging"
RATE_MIN = 1e6  # frames a second


def run_here(count: int, seed: int) -> int:
    """Judge with the modules at hand."""
    from tools.bench.judging import fuzz

    began_s = time.monotonic()
    told = fuzz(count, seed)
    rate = count / (time.monotonic() - began_s)
    print(f"{count} frames, seed {seed}, {rate / 1e6:.2f} million a second; {told}", flush=True)
    return 0 if told["wrong"] == 0 and rate >= RATE_MIN else 1


def sanitized_copy(folder: Path) -> None:
    """The judge and this file, built with both sanitizers."""
    shutil.copytree(ROOT / "ext", folder / "ext", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    (folder / "tools" / "bench").mkdir(parents=True)
    for name in ("setup.py", "tools/__init__.py", "tools/bench/__init__.py", "tools/bench/judging.pyx",
                 "tools/bench/frames.py"):  # fmt: skip
        shutil.copy(ROOT / name, folder / name)
    build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    chosen = os.environ | {"STILLWATT_SANITIZE": "address,undefined", "STILLWATT_ONLY": MODULES}
    subprocess.run(
        build, cwd=folder, env=chosen, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def runtime(name: str) -> str:
    """Path of a sanitizer's library; it has to be there before the interpreter."""
    return subprocess.run(
        ["gcc", f"-print-file-name={name}"], check=True, capture_output=True, text=True
    ).stdout.strip()


def run_sanitized(count: int, seed: int) -> int:
    """Judge in a process of its own; any word of a sanitizer is a failure."""
    with tempfile.TemporaryDirectory(prefix="stillwatt-frames-") as name:
        folder = Path(name)
        sanitized_copy(folder)
        chosen = os.environ | {
            "LD_PRELOAD": f"{runtime('libasan.so')} {runtime('libubsan.so')}",
            "ASAN_OPTIONS": "detect_leaks=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
        command = [
            sys.executable,
            "-m",
            "tools.bench.frames",
            "--plain",
            "--count",
            str(count),
            "--seed",
            str(seed),
        ]
        done = subprocess.run(command, cwd=folder, env=chosen, capture_output=True, text=True)
    print(done.stdout, end="")
    found = [line for line in done.stderr.splitlines() if "runtime error" in line or "Sanitizer" in line]
    print(*found[:20], f"sanitizers: {len(found)} findings, exit {done.returncode}", sep="\n")
    return 0 if done.returncode == 0 and not found else 1


def main() -> int:
    """One run."""
    parser = argparse.ArgumentParser(prog="frames", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 2**31))
    parser.add_argument("--plain", action="store_true", help="the build at hand, no sanitizer")
    chosen = parser.parse_args()
    return (run_here if chosen.plain else run_sanitized)(chosen.count, chosen.seed)


if __name__ == "__main__":
    sys.exit(main())

"""The demo from an empty machine: environment, build, then tools.live. Standard library only."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tools.environment import ROOT, TroubleError, prepare, python_found, system_packages

SECONDS_MIN, SECONDS_MAX = 10.0, 3600.0


def main() -> int:
    """Becomes tools.live in the environment made. Exit 1 when that fails, 2 for wrong use."""
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="of smoothing, after the site has engaged"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "reports" / "demo", help="folder for the report")
    options = parser.parse_args()
    if not SECONDS_MIN <= options.seconds <= SECONDS_MAX:
        parser.error(f"--seconds is {options.seconds:g}; allowed are {SECONDS_MIN:g} to {SECONDS_MAX:g}")
    try:
        system_packages("gcc")
        version, interpreter = next(iter(python_found().items()))
        print(f"environment .venv-{version} (a minute when it is new)", flush=True)
        made = prepare(version, interpreter, ["report"])
        print("build", flush=True)
        made.built()
    except TroubleError as trouble:
        print(f"demo: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo stopped")
        return 1
    command = [made.python, "-m", "tools.live", "--seconds", options.seconds, "--out", options.out.absolute()]
    sys.stdout.flush()
    return os.execv(made.python, [str(part) for part in command])


if __name__ == "__main__":
    sys.exit(main())

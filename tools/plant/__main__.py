"""The command line of the simulated site: `python -m tools.plant SITE.yaml --load CSV[.gz]`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from controller.config import ConfigError
from controller.devices.check import check_site
from tools.plant.links import read_link
from tools.plant.live import Service, serve
from tools.plant.loads import InputError, read_load
from tools.plant.presets import WAVEFORMS


def run_directory(site_name: str) -> Path:
    """Where the site's ring and ports stand: $STILLWATT_DIR, else below $XDG_RUNTIME_DIR, else below /run."""
    if os.environ.get("STILLWATT_DIR"):
        return Path(os.environ["STILLWATT_DIR"])
    return Path(os.environ.get("XDG_RUNTIME_DIR") or "/run") / "stillwatt" / site_name


def fault_of(text: str) -> tuple[str, dict[str, float]]:
    """Port and settings out of PORT:NAME=VALUE,NAME=VALUE. Raises ArgumentTypeError for another form."""
    port, _, settings = text.partition(":")
    try:
        return port, {name: float(value) for name, value in (pair.split("=") for pair in settings.split(","))}
    except ValueError:
        form = "rs485-1:loss_rate=0.01,echo=1"
        raise argparse.ArgumentTypeError(f"{text!r} has another form than {form}") from None


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The parsed command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.plant", description=__doc__)
    parser.add_argument("site", type=Path, help="site YAML")
    parser.add_argument("--load", type=Path, required=True, help="CSV or CSV.gz with t_s, load_kw; repeats")
    parser.add_argument("--waveform", choices=sorted(WAVEFORMS), default="typical")
    parser.add_argument("--seed", type=int, default=0, help="of the noise, 0 or more")
    parser.add_argument("--dir", type=Path, help="run directory")
    parser.add_argument("--record", type=Path, help="CSV or CSV.gz for the true values, 500 rows a second")
    parser.add_argument("--link", help="name of a link in --links")
    parser.add_argument("--links", type=Path, help="links file")
    parser.add_argument("--seconds", type=float, help="end by itself")
    parser.add_argument(
        "--fault", action="append", default=[], type=fault_of, metavar="PORT:NAME=VALUE[,NAME=VALUE]",
        help="faults of a port's wire: fields of WireFaults in tools/plant/wire.pxd",
    )  # fmt: skip
    found = parser.parse_args(arguments)
    if (found.link is None) != (found.links is None):
        parser.error("--link and --links go together; give both or none")
    if not 0 <= found.seed < 2**64:
        parser.error(f"--seed is {found.seed}; allowed are 0 to 2^64 - 1")
    if found.seconds is not None and not found.seconds > 0:
        parser.error(f"--seconds is {found.seconds:g}; allowed are numbers above 0")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until told to stop; 0, or 2 when a file or option cannot be used."""
    asked = options(arguments)
    try:
        checked = check_site(asked.site)
        load = read_load(asked.load)
        link = read_link(asked.links, asked.link) if asked.link else None
        directory = asked.dir or run_directory(checked.site.name)
        how = (asked.waveform, asked.seed, link, asked.record, asked.seconds, dict(asked.fault))
        serve(Service(checked, load, directory, *how))
    except (ConfigError, InputError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        place = error.filename or "run directory"
        print(f"{place}: {error.strerror}; choose another place.", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Where a site's run directory and its state record are, by options, environment and name."""

from __future__ import annotations

import os
from pathlib import Path

from controller.runtime.mistakes import MistakeError

STATE = Path("/var/lib/stillwatt")  # StateDirectory of the service: outlives a power cut, which /run does not


def run_folder(site: str | None, dir: Path | None) -> Path:
    """--dir, else $STILLWATT_DIR, else $XDG_RUNTIME_DIR/stillwatt/<site>, else /run/stillwatt/<site>."""
    if dir is not None:
        return dir
    if own := os.environ.get("STILLWATT_DIR"):
        return Path(own)
    if site is None:
        raise MistakeError("no run directory is known. Give SITE, --dir or STILLWATT_DIR.")
    return Path(os.environ.get("XDG_RUNTIME_DIR") or "/run") / "stillwatt" / site


def record_folder(site: str, dir: Path | None) -> Path:
    """Of the state record: beside the rest where that was named, else /var/lib/stillwatt/<site> once it is there."""
    lasting = STATE / site
    named = dir is not None or "STILLWATT_DIR" in os.environ
    return lasting if not named and lasting.is_dir() else run_folder(site, dir)

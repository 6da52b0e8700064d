"""The verbs a box needs, each a thin door to a room: run, check, status, acknowledge, version."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from controller.config import ConfigError
from controller.devices.check import CheckedSite, check_site

OK, FAULT, MISTAKE = 0, 1, 2  # exit codes: as asked; ended or found in a fault; the person's input is wrong

app = typer.Typer(
    help="Keeps the grid still while GPUs swing.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
SitePath = Annotated[Path, typer.Argument(metavar="SITE", help="site file, boards/sites/<name>.yaml")]
Folder = Annotated[Path | None, typer.Option("--dir", help="run directory: ports, ring, record, status")]
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


class MistakeError(Exception):
    """Something a person can put right; the message says how."""


@app.command()
def run(
    site: SitePath,
    dir: Folder = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="end after this time")] = None,
    realtime: Annotated[bool, typer.Option(help="ask for real-time scheduling and locked memory")] = True,
) -> None:
    """Control the site until Ctrl-C or SIGTERM; ends with the converters at zero."""
    from controller.runtime.executive import AlreadyRunningError, Executive

    checked = check_site(site)
    try:
        code = Executive(checked, run_folder(checked.site.name, dir), realtime).run(seconds)
    except AlreadyRunningError as error:
        raise MistakeError(str(error)) from None
    raise typer.Exit(code)


@app.command()
def check(site: SitePath, as_json: AsJson = False) -> None:
    """Read a site with its host and profiles; print the buses and what will be enforced."""
    checked = check_site(site)
    if as_json:
        print(
            json.dumps(
                enforced(checked)
                | {
                    "buses": checked.table.rows(),
                    "ages": checked.table.age_rows(),
                    "unproven": checked.unproven,
                }
            )
        )
        return
    print(f"{site}: good. Host {checked.host.name}, {len(checked.table.polls)} transactions.")
    print(_grid(checked.table.rows()))
    print(_grid(checked.table.age_rows()))
    for name, value in enforced(checked).items():
        print(f"  {name:<28} {value}")
    for note in checked.notes:
        print(f"  note: {note}")


@app.command()
def status(
    site: Annotated[Path | None, typer.Argument(metavar="SITE", help="site file")] = None,
    dir: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Show the running site; exit code 1 when it does not run or has a fault."""
    from controller.runtime import health

    name = check_site(site).site.name if site is not None else None
    path = run_folder(name, dir) / health.FILE
    try:
        seen = json.loads(path.read_text(encoding="utf-8"))
        age_s = time.time() - seen["utc_s"]
        said = _spoken(seen, age_s, age_s > health.STALE_S)
    except FileNotFoundError:
        raise MistakeError(
            f"{path}: there is no status. Start the site with `run`, or give its --dir."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise MistakeError(f"{path}: is no status file. Delete it; a running site writes it anew.") from None
    stale = age_s > health.STALE_S
    print(json.dumps(seen | {"age_s": age_s, "stale": stale}) if as_json else said)
    raise typer.Exit(FAULT if stale or seen["mode"] == "SAFE_STOP" else OK)


@app.command()
def acknowledge(site: SitePath, dir: Folder = None) -> None:
    """Clear the latched faults of a site that does not run, once their cause is cured. Starts nothing."""
    from controller.runtime.executive import AlreadyRunningError, lock
    from controller.runtime.keeper import acknowledge as clear

    folder = run_folder(check_site(site).site.name, dir)
    try:
        held = lock(folder)
    except AlreadyRunningError as error:
        raise MistakeError(str(error)) from None
    try:
        cleared = clear(folder)
    finally:
        os.close(held)
    for latch in cleared:
        print(f"cleared {latch.code} {latch.name} of {latch.subject}: {latch.cause}")
    if not cleared:
        print("nothing is latched")


@app.command()
def version(as_json: AsJson = False) -> None:
    """Say what this is."""
    found = {"stillwatt": _version(), "python": platform.python_version(), "machine": platform.machine()}
    print(json.dumps(found) if as_json else f"stillwatt {found['stillwatt']}, Python {found['python']}")


def run_folder(site: str | None, dir: Path | None) -> Path:
    """--dir, else $STILLWATT_DIR, else $XDG_RUNTIME_DIR/stillwatt/<site>, else /run/stillwatt/<site>."""
    if dir is not None:
        return dir
    if own := os.environ.get("STILLWATT_DIR"):
        return Path(own)
    if site is None:
        raise MistakeError("no run directory is known. Give SITE, --dir or STILLWATT_DIR.")
    return Path(os.environ.get("XDG_RUNTIME_DIR") or "/run") / "stillwatt" / site


def enforced(checked: CheckedSite) -> dict[str, Any]:
    """The limits that safety will hold, by their names in the site file."""
    from controller.runtime.survey import terms

    found = terms(checked)
    return {
        "discharge_kw_max": found.discharge_kw_max,
        "charge_kw_max": found.charge_kw_max,
        "import_kw_max": found.import_kw_max,
        "export_kw_max": found.export_kw_max,
        "soc_pct_min": found.soc_pct_min,
        "soc_pct_max": found.soc_pct_max,
        "ramp_kw_per_s_max": found.ramp_kw_per_s_max,
        "enter_service_s": found.enter_service_s,
        "clear_hold_s": found.clear_hold_s,
        "lease_s": found.lease_s,
    } | {f"{part.name}.stale_s": part.stale_s for part in found.parts}


def _grid(rows: list[dict[str, Any]]) -> str:
    """Rows as aligned text, the names on top."""
    cells = [list(rows[0])] + [[_cell(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  " + "  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)


def _cell(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _spoken(seen: dict[str, Any], age_s: float, stale: bool) -> str:
    head = f"{seen['site']}: {seen['mode']} for {seen['mode_s']:.0f} s ({seen['reason']})"
    lines = [f"not running: the last status is {age_s:.0f} s old", head] if stale else [head]
    if seen["waiting"]:
        lines.append(f"  {seen['waiting']}")
    powers = ("load_kw", "grid_kw", "pcs_kw", "target_kw", "soc_pct")
    lines.append("  " + "  ".join(f"{name} {_number(seen[name])}" for name in powers))
    for name, device in seen["devices"].items():
        lines.append(f"  {name:<16} {device['state']:<10} age {_number(device['age_s'])} s")
    for found in seen["conditions"]:
        lines.append(
            f"  {found['code']} {found['name']} ({found['unit']}): {found['cause']}. Cure: {found['cure']}"
        )
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _version() -> str:
    try:
        return metadata.version("stillwatt")
    except metadata.PackageNotFoundError:
        return "not installed"


def main(verbs: typer.Typer = app) -> NoReturn:
    """Run the verbs. The one place that turns a person's mistakes into messages without a traceback."""
    try:
        verbs()
    except (ConfigError, MistakeError) as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or 'the system'}: {error.strerror or error}", file=sys.stderr)
    sys.exit(MISTAKE)

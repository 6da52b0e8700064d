"""The verbs a box needs, each a thin door to a room: run, check, status, scan, read, write, sniff, version."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from controller.config import ConfigError
from controller.devices.check import CheckedSite, check_site
from controller.runtime import installed
from controller.runtime.folders import record_folder, run_folder
from controller.runtime.mistakes import MistakeError, SilentError

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
Baud = Annotated[int, typer.Option(min=300, max=1_000_000, help="line rate")]
Parity = Annotated[str, typer.Option(help="none (with two stop bits), even, odd")]
TypeName = Annotated[str, typer.Option(help="u16, s16, u32, s32, f32; of a read also string")]
LowWordFirst = Annotated[bool, typer.Option("--low-word-first", help="order of two registers")]


@app.command()
def run(
    site: SitePath,
    dir: Folder = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="end after this time")] = None,
    realtime: Annotated[bool, typer.Option(help="ask for real-time scheduling and locked memory")] = True,
) -> None:
    """Control the site until Ctrl-C or SIGTERM; ends with the converters at zero."""
    from controller.runtime.executive import Executive
    from controller.runtime.lock import AlreadyRunningError
    from controller.runtime.zeroplan import keep_plan

    checked = check_site(site)
    try:
        folder, record = run_folder(checked.site.name, dir), record_folder(checked.site.name, dir)
        keep_plan(checked, record)
        code = Executive(checked, folder, realtime, record_folder=record).run(seconds)
    except AlreadyRunningError as error:
        raise MistakeError(str(error)) from None
    raise typer.Exit(code)


@app.command()
def check(site: SitePath, as_json: AsJson = False) -> None:
    """Read a site with its host and profiles; print the buses and what will be enforced."""
    from controller.runtime.spoken import grid

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
    print(grid(checked.table.rows()))
    print(grid(checked.table.age_rows()))
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
    from controller.runtime import health, spoken

    name = check_site(site).site.name if site is not None else None
    path = run_folder(name, dir) / health.FILE
    try:
        seen = json.loads(path.read_text(encoding="utf-8"))
        age_s = time.time() - seen["utc_s"]
        said = spoken.status(seen, age_s, age_s > health.STALE_S)
    except FileNotFoundError:
        raise MistakeError(
            f"{path}: there is no status. Start the site with `run`, or give its --dir."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise MistakeError(f"{path}: is no status file. Delete it; a running site writes it anew.") from None
    stale = age_s > health.STALE_S
    print(json.dumps(seen | {"age_s": age_s, "stale": stale}) if as_json else said)
    raise typer.Exit(FAULT if stale or seen["mode"] in ("SAFE_STOP", "FAULT", "LOCKOUT") else OK)


@app.command()
def explain(
    word: Annotated[str, typer.Argument(metavar="ID|MODE", help="F37, T06, IL-01, ISLANDED")],
) -> None:
    """Say what an id of the event log or a mode means, and what to do."""
    from controller.runtime.explain import explain as lines_of

    print("\n".join(lines_of(word)))


@app.command()
def budget(site: SitePath, dir: Folder = None, as_json: AsJson = False) -> None:
    """Ask a running site what it can carry, when, at which price, and which load has to go by when."""
    from controller.runtime import answer, asks

    told = asks.letter(run_folder(check_site(site).site.name, dir), {"verb": "budget"})
    print(json.dumps(told) if as_json else answer.spoken(told))


@app.command()
def forecast(
    site: SitePath,
    curve: Annotated[Path, typer.Argument(metavar="CURVE", help="S2 PowerForecast, JSON")],
    dir: Folder = None,
) -> None:
    """Tell a running site the load that is expected; `budget` is its answer."""
    from controller.runtime import asks

    try:
        told = json.loads(curve.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise MistakeError(f"{curve}: is no JSON file. Name a PowerForecast, see README.md.") from None
    asks.letter(run_folder(check_site(site).site.name, dir), {"verb": "forecast", "curve": told})


@app.command()
def start(site: SitePath, dir: Folder = None) -> None:
    """Ask a running site to begin, as soon as its rules allow; `status` says what it waits for."""
    _ask(site, dir, "start")


@app.command()
def stop(site: SitePath, dir: Folder = None) -> None:
    """Ask a running site to ramp to zero and rest in STANDBY until `start`. The process goes on."""
    _ask(site, dir, "stop")


@app.command()
def island(site: SitePath, dir: Folder = None) -> None:
    """Ask a running site to leave the grid in order: grid power to zero, switch open, converters form the bus."""
    _ask(site, dir, "island")


@app.command(name="black-start")
def black_start(site: SitePath, dir: Folder = None) -> None:
    """Ask a site on a dead bus to form it anew. Only at the box, by somebody who knows why it died."""
    _ask(site, dir, "black-start")


@app.command()
def maint(
    site: SitePath,
    end: Annotated[bool, typer.Option("--end", help="leave maintenance")] = False,
    dir: Folder = None,
) -> None:
    """Turn the maintenance key of a site in STANDBY: nothing starts until --end. Only at the box."""
    _ask(site, dir, "maint-end" if end else "maint")


@app.command(context_settings={"ignore_unknown_options": True})
def jog(
    site: SitePath,
    pcs: Annotated[str, typer.Argument(metavar="PCS", help="name of the converter")],
    kw: Annotated[float, typer.Argument(metavar="KW", help="> 0 discharges; 4 % of its rating at most")],
    dir: Folder = None,
) -> None:
    """Move one converter of a site in MAINT while a key is held; let go, or after 60 s, it rests. Only at the box."""
    from controller.runtime import asks, hand

    folder = run_folder(check_site(site).site.name, dir)
    print("hold any key; let go to stop", file=sys.stderr)
    told = hand.hold(sys.stdin.fileno(), lambda: asks.ask(folder, "jog", _is_local(), "", pcs, kw))
    print("the hand is off" if told else "no key was held")


@app.command()
def acknowledge(
    site: SitePath,
    reason: Annotated[str, typer.Option(help="what the cause was and how it was cured; needed")] = "",
    dir: Folder = None,
) -> None:
    """Clear latched faults once their cause is cured; a LOCKOUT only at the box. Starts nothing."""
    from controller.runtime.keeper import acknowledge as clear
    from controller.runtime.lock import AlreadyRunningError, lock

    site_name = check_site(site).site.name
    folder = run_folder(site_name, dir)
    try:
        held = lock(folder)
    except AlreadyRunningError:
        _ask(site, dir, "reset", reason)
        print("reset taken; `status` says whether the cause is gone")
        return
    try:
        cleared = clear(record_folder(site_name, dir), reason, _is_local())
    finally:
        os.close(held)
    for latch in cleared:
        print(f"cleared {latch.code} {latch.name} of {latch.subject}: {latch.cause}")
    if not cleared:
        print("nothing is latched")


@app.command()
def scan(
    ports: Annotated[list[Path] | None, typer.Argument(metavar="[PORT]...", help="default: all")] = None,
    baud: Annotated[list[int] | None, typer.Option(help="repeat for more; default 9600 19200 115200")] = None,
    units: Annotated[str, typer.Option(help="addresses, as 1-32 or 1,5,9")] = "1-32",
    parity: Parity = "none",
    host: Annotated[str | None, typer.Option(help="all ports of this host file, as it sets them")] = None,
    dir: Folder = None,
    timeout_ms: Annotated[float, typer.Option(min=5, max=5000, help="wait at each address")] = 120,
    as_json: AsJson = False,
) -> None:
    """Look for devices: ports, bauds, addresses, and the profiles that know them. 0: found one, 1: none."""
    from controller.runtime import field, verbs, wire

    folder = run_folder(None, dir) if host else Path()
    wanted = field.Scan(
        tuple(field.candidates(ports or [], host, folder, parity)), tuple(baud or field.BAUDS),
        verbs.numbers(units, wire.UNITS_MAX, "--units"), timeout_ms / 1000,
    )  # fmt: skip
    raise typer.Exit(OK if verbs.scan(wanted, as_json) else FAULT)


@app.command()
def read(
    where: Annotated[str, typer.Argument(metavar="SITE|PORT")],
    what: Annotated[list[str], typer.Argument(metavar="DEVICE[.POINT]|UNIT ADDRESS")],
    count: Annotated[int, typer.Option(min=1, max=125, help="values one after the other")] = 1,
    function: Annotated[int, typer.Option(help="3 holding, 4 input registers")] = 3,
    type: TypeName = "u16",
    scale: Annotated[float, typer.Option(help="value of one count")] = 1.0,
    low_word_first: LowWordFirst = False,
    baud: Baud = 19200,
    parity: Parity = "none",
    dir: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Read a device once, by the names of a site or by number. 0: answered, 1: not."""
    from controller.runtime import field, verbs

    if where.endswith(".yaml"):
        checked = check_site(Path(where))
        found = verbs.read_named(checked, _one(what), run_folder(checked.site.name, dir))
    else:
        unit, address = (verbs.whole(text, "UNIT or ADDRESS") for text in _two(what))
        shape = verbs.Shape(function, type, scale, count, low_word_first)
        found = verbs.read(field.plain_port(Path(where), baud, parity), unit, address, shape)
    verbs.show(found, as_json)


@app.command(context_settings={"ignore_unknown_options": True})
def write(
    where: Annotated[str, typer.Argument(metavar="SITE|PORT")],
    what: Annotated[list[str], typer.Argument(metavar="DEVICE.ORDER|DEVICE.setpoint KW|UNIT ADDRESS VALUE")],
    function: Annotated[int, typer.Option(help="6 one register, 16 several")] = 6,
    type: TypeName = "u16",
    scale: Annotated[float, typer.Option(help="value of one count")] = 1.0,
    low_word_first: LowWordFirst = False,
    baud: Baud = 19200,
    parity: Parity = "none",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask to type the value")] = False,
    dir: Folder = None,
) -> None:
    """Write one value once, prove it by echo and read-back. Refused on a port that the controller holds."""
    from controller.runtime import field, verbs

    confirmed = (lambda _: True) if yes else verbs.typed(what[-1])
    if where.endswith(".yaml"):
        checked = check_site(Path(where))
        value_kw = verbs.number(what[1], "KW") if len(what) == 2 else None
        name = what[0] if value_kw is not None else _one(what)
        print(verbs.write_named(checked, name, value_kw, run_folder(checked.site.name, dir), confirmed))
        return
    wanted = verbs.numbered_write(what, function, verbs.Shape(3, type, scale, 1, low_word_first))
    print(verbs.write(field.plain_port(Path(where), baud, parity), wanted, confirmed))


@app.command()
def zero(site: SitePath, dir: Folder = None) -> None:
    """Tell every converter of a dead service zero; the former of an island is left alone. 1: one did not answer."""
    from controller.runtime.zero import tell
    from controller.runtime.zero import zero as say
    from controller.runtime.zeroplan import plan_of

    checked = check_site(site)
    folders = run_folder(checked.site.name, dir), record_folder(checked.site.name, dir)
    raise typer.Exit(tell(say(plan_of(checked), *folders)))


@app.command()
def sniff(
    port: Annotated[Path, typer.Argument(metavar="PORT")],
    baud: Baud = 19200,
    parity: Parity = "none",
    seconds: Annotated[float | None, typer.Option(min=0.1, help="end after this time")] = None,
    as_json: AsJson = False,
) -> None:
    """Listen to a bus: decoded frames, silences, violations. Never sends. 0: heard a frame, 1: none."""
    from controller.runtime import field, verbs

    heard = verbs.listen(field.plain_port(port, baud, parity), seconds, as_json)
    raise typer.Exit(OK if heard else FAULT)


@app.command()
def version(as_json: AsJson = False) -> None:
    """Say what this is, and whether its files are as installed."""
    found = {
        "stillwatt": installed.version(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "files": installed.told(),
    }
    said = "stillwatt {stillwatt}, Python {python}, files: {files}".format(**found)
    print(json.dumps(found) if as_json else said)


def _ask(site: Path, dir: Path | None, verb: str, reason: str = "") -> None:
    from controller.runtime import asks

    asks.ask(run_folder(check_site(site).site.name, dir), verb, _is_local(), reason)


def _is_local() -> bool:
    from controller.runtime.verbs import is_local

    return is_local()


def _one(what: list[str]) -> str:
    if len(what) != 1:
        raise MistakeError(f"{' '.join(what)}: with a site one name is needed, as pcs-1.pcs_kw.")
    return what[0]


def _two(what: list[str]) -> list[str]:
    if len(what) != 2:
        raise MistakeError(f"{' '.join(what)}: with a port UNIT and ADDRESS are needed.")
    return what


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
        "ramp_up_kw_per_s_max": found.ramp_up_kw_per_s_max,
        "ramp_down_kw_per_s_max": found.ramp_down_kw_per_s_max,
        "enter_service_s": found.enter_service_s,
        "clear_hold_s": found.clear_hold_s,
        "lease_s": found.lease_s,
    } | {f"{part.name}.stale_s": part.stale_s for part in found.parts}


def main(verbs: typer.Typer = app) -> NoReturn:
    """Run the verbs. The one place that turns a person's mistakes into messages without a traceback."""
    try:
        verbs()
    except SilentError as error:
        print(error, file=sys.stderr)
        sys.exit(FAULT)
    except (ConfigError, MistakeError) as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or 'the system'}: {error.strerror or error}", file=sys.stderr)
    sys.exit(MISTAKE)

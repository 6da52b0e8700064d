"""The command `stillwatt`: the verbs of the box (controller.cli) and those of the bench."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress

from controller.cli import FAULT, OK, AsJson, Folder, SitePath, app
from controller.cli import main as serve
from controller.config.loader import load_site
from controller.config.site import Site
from controller.config.tariff import Tariff
from controller.devices.check import CheckedSite, check_site
from controller.runtime.folders import record_folder, run_folder
from controller.runtime.mistakes import MistakeError
from controller.runtime.verbs import typed

LINKS = Path(__file__).parent / "plant" / "links.yaml"


class Reference(StrEnum):
    """What the frame's timing can be held against."""

    CYCLICTEST = "cyclictest"


@app.command()
def latency(
    against: Annotated[
        Reference | None, typer.Option(help="Interleave rounds of this, and apply its gates.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=100)] = 3,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="Of each loop in each round.")] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Measure how this machine keeps the frame's time. Exit 0 when every gate holds, 1 when one fails."""
    from tools.bench.latency import LatencyError, measure, show, verdict_json

    said = Console(stderr=True)
    try:
        with said.status("measuring") as status:
            verdict = measure(against is not None, rounds, seconds, status.update)
    except LatencyError as error:
        raise MistakeError(f"latency: {error}") from None
    if as_json:
        typer.echo(verdict_json(verdict))
    else:
        show(verdict, Console())
    raise typer.Exit(OK if all(gate.holds for gate in verdict.gates) else FAULT)


class Waveform(StrEnum):
    """Presets of the simulated waveform."""

    CLEAN = "clean"
    TYPICAL = "typical"
    BAD = "bad"


def placed(out: Path) -> Path:
    """Where a result goes: looked at before the work, so that no work is lost. Raises MistakeError."""
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise MistakeError(f"{out}: a file in a folder that is there and may be written is wanted. Name one.")
    return out


ResultPath = Annotated[
    Path, typer.Option(callback=placed, help="Result table; packed unless its name ends in .csv.")
]


@app.command()
def sim(
    site: SitePath,
    load: Annotated[Path, typer.Option(help="Load trace: CSV or CSV.gz with t_s, load_kw.")],
    out: ResultPath,
    link: Annotated[str | None, typer.Option(help="Name in the links file; default: the site's own.")] = None,
    links: Annotated[Path, typer.Option(help="File of links.")] = LINKS,
    waveform: Annotated[Waveform, typer.Option(help="Quality of the simulated waveform.")] = Waveform.TYPICAL,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Default: the length of the load.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of noise and drift.")] = 1,
    page: Annotated[Path | None, typer.Option("--report", help="Folder for a report as well.")] = None,
) -> None:
    """Run the whole stack against the simulated site in virtual time. Prints one JSON line last. Exit 1: an interlock
    was broken, or the site did not come up."""
    from tools.plant.links import read_link
    from tools.plant.loads import InputError
    from tools.sim import NotRunningError, Scene, simulate, summary_line

    try:
        chosen = read_link(links, link) if link else None
        scene = Scene(site, load, waveform.value, seed, seconds, chosen)
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("virtual time", total=1.0)
            summary = simulate(scene, out, lambda share: bar.update(task, completed=share))
    except InputError as error:
        raise MistakeError(str(error)) from None
    except NotRunningError as error:
        typer.echo(f"sim: {site}: {error}", err=True)
        raise typer.Exit(FAULT) from None
    if page is not None:
        facts = {
            "Site": site.stem, "Load": load.name, "Link": link or "the site's own", "Waveform": waveform.value,
            "Seed": str(seed),
            "Loop delay": f"{summary['loop_delay_ms']:.1f} ms, {summary['gain']:.0%} of the swing taken",
        }  # fmt: skip
        made(out, page, f"{site.stem}, {load.name.split('.')[0]}", facts, summary["latency"])
    typer.echo(summary_line(summary))
    if summary["broken"]:
        typer.echo(f"sim: {site}: {summary['broken']}", err=True)
        raise typer.Exit(FAULT)


@app.command()
def commission(
    site: SitePath,
    dir: Folder = None,
    simulated: Annotated[
        bool, typer.Option("--sim", help="Against the simulated site, in virtual time.")
    ] = False,
    link: Annotated[str | None, typer.Option(help="With --sim: name in the links file.")] = None,
    links: Annotated[Path, typer.Option(help="File of links.")] = LINKS,
    waveform: Annotated[Waveform, typer.Option(help="With --sim.")] = Waveform.TYPICAL,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="With --sim: of the noise.")] = 1,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before power steps.")] = False,
    realtime: Annotated[bool, typer.Option(help="Ask for real-time scheduling and locked memory.")] = True,
    as_json: AsJson = False,
) -> None:
    """Measure how the converters follow, by a few seconds of power steps. Kept for `run`; with --sim only shown."""
    from controller.runtime.commission import Commission, CommissionError
    from controller.runtime.executive import Executive
    from controller.runtime.known import told
    from controller.runtime.lock import AlreadyRunningError
    from tools.commission import Scene, result_json, simulate
    from tools.plant.links import read_link
    from tools.plant.loads import InputError

    checked = check_site(site)
    try:
        if simulated:
            scene = Scene(read_link(links, link) if link else None, waveform.value, seed=seed)
            run = simulate(checked, scene)
        else:
            run = Commission(checked)
            if not yes and not agreed(checked, run.seconds_max):
                raise MistakeError(
                    "commission: not confirmed; nothing was sent. Type the site's name, or give --yes."
                )
            folder, record = run_folder(checked.site.name, dir), record_folder(checked.site.name, dir)
            Executive(checked, folder, realtime, run, record).run(None)
    except (InputError, CommissionError, AlreadyRunningError) as error:
        raise MistakeError(f"commission: {error}") from None
    if as_json:
        typer.echo(result_json(run))
    else:
        for line in checked.table.pcs:
            if line.name in run.found:
                typer.echo(told(line.name, line.rating_kw, run.found[line.name]))
    for name, reason in run.failed.items():
        typer.echo(f"commission: {name} could not be measured: {reason}", err=True)
    if run.broken:
        typer.echo(f"commission: {run.broken}", err=True)
    raise typer.Exit(FAULT if run.broken or run.failed or not run.found else OK)


def agreed(checked: CheckedSite, seconds: float) -> bool:
    """Whether the person types the site's name, knowing what will happen."""
    rating_kw = max(line.rating_kw for line in checked.table.pcs)
    return typed(checked.site.name)(
        f"{checked.site.name}: steps of up to {rating_kw:.0f} kW for {seconds:.0f} s, one converter after the other. "
        f"They pass to the grid."
    )


@app.command()
def report(
    result: Annotated[Path, typer.Argument(help="Result table, CSV or CSV.gz, of sim or of the plant.")],
    out: Annotated[Path, typer.Option(help="Folder for report.html, report.png, report.json.")] = Path(
        "report"
    ),
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "",
) -> None:
    """Make the page that shows what a run achieved."""
    made(result, out, title or result.name.split(".")[0], {"Table": result.name}, {})


def made(
    result: Path, out: Path, title: str, facts: dict[str, str], latency: dict[str, list[dict[str, Any]]]
) -> None:
    """Write the page and say what it says. latency: of each converter, where it is known."""
    from tools.report.latency import slowest
    from tools.report.page import told, write_report
    from tools.report.table import ReportError, read_table

    try:
        measures = write_report(read_table(result), out, title, facts, slowest(latency))
    except ReportError as error:
        raise MistakeError(f"report: {error}") from None
    typer.echo(f"{told(measures)}\n{out / 'report.html'}")


Tables = Annotated[Path, typer.Option(help="Folder of season tables, see tools/tables.py.")]
Forecasts = Annotated[str, typer.Option(help="Kind of forecast tables; own: the learned models alone.")]


@app.command()
def season(
    site: SitePath,
    tables: Tables,
    out: ResultPath,
    forecast: Forecasts = "scheduler",
    reserve: Annotated[bool, typer.Option(help="Keep the reserves of the site's battery section.")] = True,
) -> None:
    """Run a season of tables through the planner, each step from what was known then. Prints one JSON line last."""
    from tools.season import run_season, summary_line
    from tools.tables import TableError

    read, tariff = with_tariff(site)
    try:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("season", total=1.0)
            summary = run_season(
                read, tariff, tables, forecast, out, reserve=reserve,
                progress=lambda share: bar.update(task, completed=share),
            )  # fmt: skip
    except TableError as error:
        raise MistakeError(f"season: {error}") from None
    typer.echo(summary_line(summary))


@app.command()
def plan(
    site: SitePath,
    tables: Tables,
    at: Annotated[str, typer.Option(help="When: 2022-01-17T06:00Z, or without Z by the tariff's zone.")],
    forecast: Forecasts = "scheduler",
    as_json: AsJson = False,
    plot: Annotated[Path | None, typer.Option(help="PNG of the plan as well.")] = None,
) -> None:
    """Show the plan a site would follow at a time of a season: hours, peaks, what binds it and why."""
    from tools.planview import draw, plan_at, shown
    from tools.tables import TableError

    read, tariff = with_tariff(site)
    try:
        with Console(stderr=True).status("running the season up to then"):
            view = plan_at(read, tariff, tables, forecast, at)
    except TableError as error:
        raise MistakeError(f"plan: {error}") from None
    typer.echo(json.dumps(view) if as_json else shown(view))
    if plot is not None:
        try:
            draw(view, plot)
        except ModuleNotFoundError:
            raise MistakeError("plan: --plot needs matplotlib. Install stillwatt[report].") from None


@app.command()
def bill(
    site: SitePath,
    table: Annotated[Path, typer.Argument(metavar="CSV", help="t_utc, grid_kw; pcs_kw, genset_kw, a price")],
    prices: Annotated[
        Path | None, typer.Option("--tables", help="Folder with the prices of that time.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bill any measured table by the site's tariff."""
    from tools.billing import bill_table, shown
    from tools.tables import TableError

    _, tariff = with_tariff(site)
    try:
        found = bill_table(tariff, table, prices)
    except TableError as error:
        raise MistakeError(f"bill: {error}") from None
    typer.echo(json.dumps(found, sort_keys=True) if as_json else shown(found))


@app.command()
def inject(
    site: SitePath,
    faults: Annotated[
        list[str],
        typer.Argument(
            metavar="FAULT...", help="F37 or cell-hot; all: but for those with a test of their own"
        ),
    ],
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of phase and operating point.")] = 1,
    phases: Annotated[int, typer.Option(min=1, max=10_000, help="Trials of each fault.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Inject faults of the catalogue into the simulated site; tell how long each reaction takes. Exit 1: late."""
    from tools.inject.faults import chosen, histogram, line_of, report_json, run_faults

    rows = run_faults(
        chosen(faults), site, seed, phases, lambda row: None if as_json else typer.echo(line_of(row))
    )
    if as_json:
        typer.echo(report_json(rows, seed))
    elif len(rows) > 1 or phases > 1:
        typer.echo(
            "reactions: " + ", ".join(f"{count} {end}" for end, count in histogram(rows).items() if count)
        )
    raise typer.Exit(OK if all(row.holds for row in rows) else FAULT)


def with_tariff(path: Path) -> tuple[Site, Tariff]:
    """A site and its tariff; a site without one cannot be planned or billed."""
    read = load_site(path)
    if read.tariff is None:
        raise MistakeError(
            f"{path}: has no tariff; planning and billing need one. Add it, see boards/reference.md."
        )
    return read, read.tariff


def main() -> NoReturn:
    """Entry point of the console script."""
    serve(app)


if __name__ == "__main__":
    main()

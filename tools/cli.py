"""The command `stillwatt`: the verbs of the box (controller.cli) and those of the bench."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from controller.cli import FAULT, OK, AsJson, MistakeError, app
from controller.cli import main as serve


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


@app.command()
def report(
    result: Annotated[Path, typer.Argument(help="Result table, CSV or CSV.gz, of sim or of the plant.")],
    out: Annotated[Path, typer.Option(help="Folder for report.html, report.png, report.json.")] = Path(
        "report"
    ),
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "",
) -> None:
    """Make the page that shows what a run achieved."""
    from tools.report.page import told, write_report
    from tools.report.table import ReportError, read_table

    try:
        measures = write_report(
            read_table(result), out, title or result.name.split(".")[0], {"Table": result.name}
        )
    except ReportError as error:
        raise MistakeError(f"report: {error}") from None
    typer.echo(f"{told(measures)}\n{out / 'report.html'}")


def main() -> NoReturn:
    """Entry point of the console script."""
    serve(app)


if __name__ == "__main__":
    main()

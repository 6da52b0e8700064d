"""One folder that tells what a run achieved: report.html (needs no other file), report.png, report.json."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from string import Template

from tools.report.latency import Budget, section
from tools.report.measure import Measures, measure
from tools.report.table import ReportError, Table

LIMITS = (
    "Bounds found in simulation hold only for the model; the reaction of a real converter must be measured "
    "on site. Stillwatt is a control layer: no SIL, no protection relay, no anti-islanding, no BMS."
)


def rows_of(measures: Measures) -> str:
    """The table of figures, one line a measure."""
    lines = [
        ("Largest change in 1 s, kW", measures.before.ramp_kw_per_s, measures.grid.ramp_kw_per_s),
        ("Swing in 0.1 to 20 Hz, kW peak to peak", measures.before.swing_kw, measures.grid.swing_kw),
        ("Highest, kW", measures.before.high_kw, measures.grid.high_kw),
        ("Lowest, kW", measures.before.low_kw, measures.grid.low_kw),
    ]
    return "\n  ".join(
        f'<tr><td>{what}</td><td class="number">{before:,.0f}</td><td class="number">{grid:,.0f}</td></tr>'
        for what, before, grid in lines
    )


def page(title: str, measures: Measures, facts: dict[str, str], picture: str, budget: Budget) -> str:
    """The whole page as text."""
    used = facts | {
        "Battery moved": f"{measures.throughput_kwh:.1f} kWh, "
        f"SOC {measures.soc_pct_first:.2f} to {measures.soc_pct_last:.2f} %"
    }
    template = Template(Path(__file__).with_name("page.html").read_text())
    return template.substitute(
        title=html.escape(title),
        subtitle=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        before_ramp=f"{measures.before.ramp_kw_per_s:,.0f}",
        grid_ramp=f"{measures.grid.ramp_kw_per_s:,.0f}",
        before_swing=f"{measures.before.swing_kw:,.0f}",
        grid_swing=f"{measures.grid.swing_kw:,.0f}",
        attenuation=f"{measures.attenuation_db:.1f}",
        pcs_max=f"{measures.pcs_kw_max:,.0f}",
        from_s=f"{measures.from_s:.1f}",
        to_s=f"{measures.to_s:.1f}",
        rows=rows_of(measures),
        facts="".join(
            f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in used.items()
        ),
        picture=picture,
        budget=section(budget),
        limits=LIMITS,
    )


def write_report(
    table: Table, folder: Path, title: str, facts: Mapping[str, str], budget: Budget = ()
) -> Measures:
    """Writes the three files into folder, made when absent. budget: latency line by line, where it is known.

    Raises ReportError without matplotlib."""
    try:
        from tools.report.draw import embedded, picture
    except ModuleNotFoundError as error:
        raise ReportError(f"{error.name} is missing. Install it: pip install 'stillwatt[report]'") from None
    measures = measure(table)
    folder.mkdir(parents=True, exist_ok=True)
    drawn = embedded(picture(table, measures, budget, "svg"))
    text = page(title, measures, dict(facts), drawn, budget)
    (folder / "report.html").write_text(text)
    (folder / "report.png").write_bytes(picture(table, measures, budget, "png"))
    figures = {"title": title, "facts": dict(facts), "measures": asdict(measures), "latency": list(budget)}
    (folder / "report.json").write_text(json.dumps(figures, indent=2) + "\n")
    return measures


def told(measures: Measures) -> str:
    """The same in four lines for a terminal."""
    before, grid = measures.before, measures.grid
    return (
        f"                              load       grid\n"
        f"largest ramp in 1 s    {before.ramp_kw_per_s:8.0f}   {grid.ramp_kw_per_s:8.0f}   kW\n"
        f"swing, 0.1 to 20 Hz    {before.swing_kw:8.0f}   {grid.swing_kw:8.0f}   kW peak to peak\n"
        f"attenuation, 0.1 to 20 Hz     {measures.attenuation_db:12.1f}   dB"
    )

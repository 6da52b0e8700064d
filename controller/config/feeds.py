"""Where knowledge from outside comes from: prices, sun, job queue, curves of load. It moves the plan, never a limit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from controller.config.option import REQUIRED, Fault, Section, option

Word = Annotated[str, Field(min_length=1, max_length=1000)]
PLACES = ("token", "start", "end", "date")  # what a url may leave open
OPEN = re.compile(r"\{([^{}]*)\}")


class Source(Section):
    """One place that is looked at again and again: a url or a file."""

    url: str = option(
        "", "http or https address. {date}: today and tomorrow by the bill's clock; {start}, {end}: today 00:00 and "
        "two days later, UTC; {token}: what token_file holds",
        why="a file needs no network", max_length=2000,
    )  # fmt: skip
    file: str = option(
        "", "file that something else drops; a relative name is in the run directory", why="most fetch a url",
        max_length=1000,
    )  # fmt: skip
    token_file: str = option(
        "", "file with the secret for {token}", why="many sources are open", max_length=1000
    )
    period_s: float = option(900, "between two looks", low=1, high=86_400, why="a quarter of an hour")
    age_s_max: float = option(
        86_400, "since it was told; older is not believed", low=60, high=604_800, why="a day"
    )
    timeout_s: float = option(10, "longest a look may take", low=0.5, high=60, why="a slow server has time")

    def faults(self) -> Iterator[Fault]:
        """One place; a url that can be fetched."""
        if self.url and self.file:
            yield Fault(("file",), f"is {self.file}; url is given too, one is allowed. Remove one.")
        if self.url and (urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).netloc):
            yield Fault(("url",), f'is "{self.url}"; https://host/path is allowed. Correct it.')
        for name in OPEN.findall(self.url):
            if name not in PLACES:
                known = ", ".join(f"{{{place}}}" for place in PLACES)
                yield Fault(("url",), f"leaves {{{name}}} open; {known} are allowed. Write one of these.")
        if "{token}" in self.url and not self.token_file:
            yield Fault(("url",), "has {token}; token_file must name the file that holds it. Add it.")

    @property
    def given(self) -> bool:
        """Whether there is a place to look at."""
        return bool(self.url or self.file)


class Price(Source):
    """Spot prices of the day-ahead market."""

    kind: Literal["tariff", "entsoe", "nordpool", "csv"] = option(
        "tariff", "tariff: no spot price, the tariff's own prices are all; the others are formats of url or file",
        why="fixed and time-of-use contracts know no market",
    )  # fmt: skip
    age_s_max: float = option(
        172_800, "since it was told; older is not believed", low=60, high=604_800,
        why="a price stands once it is published; they are told two days ahead at most",
    )  # fmt: skip
    area: str = option(
        "", "price area where the source tells several: SE3", why="most tell one", max_length=40
    )

    def faults(self) -> Iterator[Fault]:
        """A format has its place, the tariff needs none."""
        yield from super().faults()
        if (self.kind != "tariff") != self.given:
            text = (
                "needs url or file. Give one." if self.kind != "tariff" else "reads nothing. Name a format."
            )
            yield Fault(("kind",), f"is {self.kind}; it {text}")


class Sun(Source):
    """Weather as Open-Meteo tells it: global_tilted_irradiance, else shortwave_radiation; temperature_2m."""

    panel_kw: float = option(
        0,
        "peak power of the panels at 1000 W/m2",
        low=0,
        high=1_000_000,
        why="none; the sun is learned alone",
    )
    age_s_max: float = option(
        43_200, "since it was told; older is not believed", low=60, high=604_800,
        why="models run four times a day; half a day old it is little better than yesterday's sun",
    )  # fmt: skip

    def faults(self) -> Iterator[Fault]:
        """Panels and their weather come together."""
        yield from super().faults()
        if self.given != (self.panel_kw > 0):
            yield Fault(
                ("panel_kw",),
                f"is {self.panel_kw:g}; above 0 with a url or file, 0 without one. Give both or none.",
            )


class Partition(Section):
    """What one partition of the queue draws, at first; the true figure is learned from the site's load."""

    counts: Literal["gpu", "cpu", "node"] = option("gpu", "what each_kw is for", why="GPUs draw the power")
    each_kw: float = option(REQUIRED, "of one that is busy, cooling included", low=0.0001, high=1000)
    kw_max: float = option(
        1_000_000, "most the whole partition draws", low=0, high=1_000_000,
        why="the connection bounds it anyway",
    )  # fmt: skip


class Jobs(Source):
    """The job queue of Slurm: output of `squeue --json` of either generation."""

    command: tuple[Word, ...] = option(
        (), "program and arguments that print it: [squeue, --json]", why="a file or url does as well",
        max_length=20,
    )  # fmt: skip
    period_s: float = option(60, "between two looks", low=1, high=86_400, why="jobs wait for minutes")
    age_s_max: float = option(
        900, "since it was told; older is not believed", low=10, high=604_800,
        why="by then others have been submitted",
    )  # fmt: skip
    base_kw: float = option(
        0,
        "of the site when nothing runs, at first",
        low=0,
        high=1_000_000,
        why="without a queue there is none",
    )
    partitions: dict[str, Partition] = option(
        {}, "name in Slurm: what it draws", why="without a queue there is none", max_length=20
    )

    def faults(self) -> Iterator[Fault]:
        """One way to the queue, and a figure for it."""
        yield from super().faults()
        if self.command and self.given:
            yield Fault(("command",), "stands beside url or file; one is allowed. Remove one.")
        if self.asked and not self.partitions:
            yield Fault(("partitions",), "is empty; each_kw of a partition is needed. Add the partitions.")
        if self.asked and not self.base_kw:
            yield Fault(
                ("base_kw",), "is 0; every hall draws something at rest. Give the load of idle nodes."
            )

    @property
    def asked(self) -> bool:
        """Whether there is a queue to ask."""
        return bool(self.command) or self.given


class Told(Source):
    """A curve of load that a scheduler tells, in the shape of S2's PowerForecast; also taken at the local socket."""

    file: str = option(
        "forecast.json", 'file that the scheduler drops; a relative name is in the run directory; "" beside a url',
        why="beside the budget it gets back", max_length=1000,
    )  # fmt: skip
    period_s: float = option(10, "between two looks", low=1, high=86_400, why="a look at a file is cheap")
    age_s_max: float = option(
        7200, "since it was issued; older is not believed", low=60, high=604_800,
        why="a scheduler that lives tells anew within two hours",
    )  # fmt: skip


class Feeds(Section):
    """Knowledge from outside. Without any the site learns from itself alone."""

    price: Price = option(Price(), "spot prices", why="the tariff's own prices are all")
    sun: Sun = option(Sun(), "weather for the panels", why="the sun is learned from the PV meter")
    jobs: Jobs = option(Jobs(), "the queue of Slurm", why="the load is learned from itself")
    curve: Told = option(Told(), "a load curve told by any scheduler", why="it is used where it appears")

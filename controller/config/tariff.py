"""The contract in figures: what energy, peaks, wear and diesel cost, by which clock, in which currency."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from controller.config.option import REQUIRED, Fault, Section, option

Month = Annotated[int, Field(ge=1, le=12)]
Weekday = Annotated[int, Field(ge=0, le=6)]
HourEnd = Annotated[int, Field(ge=0, le=24)]
ALL_MONTHS = tuple(range(1, 13))
ALL_DAYS = tuple(range(7))


class Mask(Section):
    """When something counts, by the local clock."""

    months: tuple[Month, ...] = option(ALL_MONTHS, "months of the year", why="the whole year", min_length=1)
    weekdays: tuple[Weekday, ...] = option(
        ALL_DAYS, "days of the week, Monday is 0; a holiday is the day it falls on", why="every day",
        min_length=1,
    )  # fmt: skip
    hours: tuple[HourEnd, HourEnd] = option(
        (0, 24),
        "from this hour to that one, the second excluded; 22 to 6 spans midnight",
        why="the whole day",
    )

    def faults(self) -> Iterator[Fault]:
        """It is open at some time."""
        if self.hours[0] == self.hours[1]:
            yield Fault(
                ("hours",), f"is from {self.hours[0]} to {self.hours[1]}; nothing lies between. Widen it."
            )


class EnergyFee(Mask):
    """A price or fee on imported energy at certain times, on top of all others."""

    per_kwh: float = option(REQUIRED, "on each kWh imported then", low=-100, high=100)


class FeeStep(Section):
    """One step of a fee that depends on the peak."""

    kw: float = option(REQUIRED, "up to and with this billed peak", low=0, high=1_000_000)
    fee: float = option(REQUIRED, "for the month", low=0, high=100_000_000)


class Demand(Mask):
    """A charge on peaks: the mean import of each window, of the windows that count, taken together."""

    name: str = option(REQUIRED, "how bills and plans call it", pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    per_kw: float = option(
        0, "a month, on each kW billed", low=0, high=100_000, why="a fee by steps has none"
    )
    window_s: Literal[900, 1800, 3600] = option(
        3600, "over which the meter takes the mean", why="the clock hour of Nordic tariffs"
    )
    meter_offset_s: float = option(
        0, "the meter's clock minus the true one", low=-900, high=900, why="a meter keeps time"
    )
    peaks_count: int = option(1, "billed is the mean of this many largest", low=1, high=31, why="the maximum")
    peaks_of: Literal["windows", "days", "months"] = option(
        "windows", "largest windows, or largest days or months by their highest", why="the same for one peak"
    )
    period: Literal["month", "year"] = option(
        "month", "year: every month is billed on the highest of the calendar year so far", why="most tariffs"
    )
    subscribed_kw: float = option(
        0, "only what is above is billed", low=0, high=1_000_000, why="all of it is billed"
    )
    steps: tuple[FeeStep, ...] = option(
        (), "a fee by steps of the billed peak in place of per_kw; above the last, its fee", why="few have it",
        max_length=20,
    )  # fmt: skip
    meter_error_pct: float = option(
        2, "a plan stays so far below a fee step: the meter that is read may tell less than the one that bills",
        low=0.1, high=20, why="two meters of class B err by 1 % each; compared with the bill's hours, 0.5",
    )  # fmt: skip

    def faults(self) -> Iterator[Fault]:
        """It costs something, in one way; its steps rise."""
        yield from super().faults()
        if bool(self.steps) == (self.per_kw > 0):
            yield Fault(
                ("name",), f"is {self.name}; it needs either per_kw above 0 or steps. Give one of them."
            )
        rising = [(a.kw < b.kw and a.fee <= b.fee) for a, b in zip(self.steps, self.steps[1:], strict=False)]
        if not all(rising):
            yield Fault(
                ("steps",), "do not rise in kw and fee; each must be above the one before. Order them."
            )


class Tariff(Section):
    """What a kWh, a peak, a cycle of the battery and a litre of diesel cost."""

    time_zone: str = option(REQUIRED, "of the bill: Europe/Stockholm", min_length=1, max_length=60)
    currency: str = option(REQUIRED, "three letters: SEK", pattern=r"^[A-Z]{3}$")
    per_eur: float = option(
        1, "how much of the currency one euro is, for prices told in EUR", low=0.0001, high=100_000,
        why="the euro itself",
    )  # fmt: skip
    transfer_per_kwh: float = option(0, "grid fee on each kWh imported", low=-10, high=10, why="site's own")
    tax_per_kwh: float = option(0, "energy tax on each kWh imported", low=-10, high=10, why="site's own")
    energy: tuple[EnergyFee, ...] = option(
        (),
        "prices by time of use, or one fixed price, on top of the spot price",
        why="spot alone",
        max_length=50,
    )
    sell_fee_per_kwh: float = option(
        0, "an exported kWh earns the spot price minus this", low=-10, high=10, why="the market price"
    )
    published_h: float = option(
        13, "local time at which tomorrow's spot prices are known", low=0, high=24,
        why="day-ahead auctions of Europe publish about 12:45",
    )  # fmt: skip
    demand: tuple[Demand, ...] = option((), "charges on peaks", why="some contracts have none", max_length=20)
    wear_per_kwh: float = option(
        0.2, "ageing of the battery for each kWh discharged", low=0, high=100,
        why="SEK: 120 EUR/kWh over 6000 cycles; 0.02 where the currency is EUR",
    )  # fmt: skip
    fuel_per_kwh: float = option(
        4.5, "diesel for each kWh of the genset", low=0, high=1000, why="SEK: 2.5 kWh/l"
    )

    def faults(self) -> Iterator[Fault]:
        """The zone is known, names are unique."""
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError):
            yield Fault(
                ("time_zone",), f'is "{self.time_zone}"; a name like Europe/Stockholm is allowed. Correct it.'
            )
        names = [demand.name for demand in self.demand]
        for index, name in enumerate(names):
            if name in names[:index]:
                yield Fault(
                    ("demand", index, "name"), f"is {name}; another one has it already. Choose another."
                )

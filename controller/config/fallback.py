"""How a site lives without the grid: island, gensets, switch, shedding. Every time of every sequence stands here."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Annotated, Literal

from pydantic import Field

from controller.config.option import REQUIRED, Fault, Section, option

# Section, option: what a site in the field may set, and whose number it is; a bench saves time with less.
FIELD: dict[tuple[str, str], tuple[float, float, str]] = {
    ("back", "return_s"): (300, inf, "T09"), ("back", "resyncs_per_h_max"): (1, 3, "T09"),
    ("back", "handover_s"): (0.5, 2, "T10"), ("transfer", "close_rest_s"): (10, inf, "IL-03"),
    ("transfer", "chatter_max"): (2, 3, "IL-20"), ("transfer", "chatter_s"): (60, inf, "IL-20"),
    ("transfer", "chatter_hold_s"): (600, inf, "IL-20"), ("genset", "starts_per_h_max"): (1, 4, "F60"),
}  # fmt: skip
Text = Annotated[str, Field(min_length=1, max_length=40)]


class Shed(Section):
    """One stage of load that can be shed. The first stage goes first and comes back last."""

    name: Text = option(REQUIRED, "what it is, for the people whose load it is")
    kw: float = option(REQUIRED, "its usual power", low=0, high=1_000_000)
    soc_pct: float = option(
        0, "an island does without it below this SOC", low=0, high=100, why="overload alone sheds it"
    )


class Island(Section):
    """The converters form the bus."""

    reserve_pct: float = option(
        30, "least SOC for a planned departure", low=0, high=100, why="a genset start and its retries"
    )
    forming_pu_max: float = option(
        0.8, "load at a planned departure, of the converters' rating", low=0.1, high=1, why="room for a step"
    )
    balance_pu: float = option(
        0.02,
        "grid power that counts as none",
        low=0.001,
        high=0.2,
        why="what the switch parts without a jolt",
    )
    planned_s_max: float = option(30, "a planned departure gives up", low=5, high=600, why="T03")
    islanding_s_max: float = option(
        5, "from the loss to a formed bus", low=1, high=60, why="T05; batteries of servers last minutes"
    )
    black_start: Literal["person", "automatic"] = option(
        "person", "who may begin on a dead bus", why="somebody should look why it died"
    )
    black_start_s_max: float = option(
        240, "a black start gives up", low=10, high=3600, why="three cranks and warm-up"
    )


class Return(Section):
    """Back to the grid."""

    return_s: float = option(
        300,
        "how long the grid must be healthy; less than 300 on a bench alone",
        low=1,
        high=3600,
        why="enter service of IEEE 1547",
    )
    resync_s_max: float = option(120, "a try to return gives up", low=5, high=3600, why="T09")
    resyncs_per_h_max: int = option(
        3, "tries within an hour; more than 3 on a bench alone", low=1, high=20, why="T09"
    )
    handover_s: float = option(
        2,
        "switch at the grid to converters following; more than 2 on a bench alone",
        low=0.5,
        high=30,
        why="T10",
    )


class Transfer(Section):
    """The switch, and what guards it."""

    transition: Literal["closed", "open"] = option(
        "closed", "closed: under the sync check; open: over a dead bus", why="the load sees no gap"
    )
    close_s_max: float = option(
        0.3, "order to the new position, as the switch itself tells it", low=0.1, high=30, why="F53"
    )
    close_rest_s: float = option(
        10, "between two closings; less than 10 on a bench alone", low=1, high=600, why="anti-pumping, IL-03"
    )
    chatter_max: int = option(
        3, "transfers that are chatter; more than 3 on a bench alone", low=2, high=20, why="IL-20"
    )
    chatter_s: float = option(
        60,
        "within this time; less than 60 on a bench alone",
        low=5,
        high=3600,
        why="IL-20; six faults in 82 s in July 2024",
    )
    chatter_hold_s: float = option(
        600, "then the source is held; less than 600 on a bench alone", low=1, high=7200, why="IL-20"
    )


class GensetRule(Section):
    """How gensets are run. Their own controllers crank and protect; these times supervise."""

    start_delay_s: float = option(
        10, "loss of the grid to a start", low=0, high=3600, why="AMF sets wait 10 s"
    )
    start_pct: float = option(40, "SOC that starts at once", low=0, high=100, why="energy for failed starts")
    stop_pct: float = option(
        80, "SOC at which the battery takes over", low=0, high=100, why="hours of island"
    )
    crank_s: float = option(
        10, "run request to running; add the set's own retries", low=3, high=600, why="6.2"
    )
    crank_rest_s: float = option(10, "rest between attempts", low=1, high=600, why="as long as the crank")
    attempts_max: int = option(3, "failed attempts that lock the set", low=1, high=10, why="T06, F55")
    ready_s_max: float = option(180, "a start gives up", low=10, high=3600, why="T07")
    warm_up_s: float = option(15, "without load after the start", low=0, high=3600, why="6.2")
    warm_up_cold_s: float = option(60, "the same for a cold engine", low=0, high=3600, why="6.2, at -20 degC")
    cold_c: float = option(-10, "coolant below it is cold", low=-60, high=60, why="between 6.2's two cases")
    run_s_min: float = option(
        1800, "shortest run; a return of the grid waives it", low=0, high=86_400, why="6.2"
    )
    run_s_max: float = option(
        0, "longest run where another set can follow, 0: none", low=0, high=10_000_000, why="few have two"
    )
    cool_down_s: float = option(180, "without load before the stop", low=0, high=3600, why="6.2")
    off_s_min: float = option(300, "rest after a run", low=0, high=86_400, why="6.2")
    starts_per_h_max: int = option(
        4, "starts within an hour; more than 4 on a bench alone", low=1, high=60, why="F60"
    )
    stage_pu: float = option(
        0.8, "load of the running sets that starts the next", low=0.1, high=1, why="50-85 %"
    )
    load_pu_min: float = option(0.3, "least load, held by charging", low=0, high=0.8, why="wet stacking, 6.2")
    load_pu_max: float = option(0.9, "most load, held by discharging", low=0.2, high=1, why="room for a step")
    fuel_pct_min: float = option(10, "no start below", low=0, high=100, why="air in the pipes")


class Fallback(Section):
    """Life without the grid. Needs a switch with position orders and converters that can form the bus."""

    island: Island = option(Island(), "the converters form the bus", why="the defaults suit a first start")
    back: Return = option(Return(), "back to the grid", why="the same")
    transfer: Transfer = option(Transfer(), "the switch", why="the same")
    genset: GensetRule = option(GensetRule(), "how gensets are run", why="the same")
    shed_hold_s: float = option(
        60, "before a stage comes back", low=1, high=3600, why="compute restarts slowly"
    )
    sheds: tuple[Shed, ...] = option((), "stages of load", why="all or nothing", max_length=8)

    def faults(self) -> Iterator[Fault]:
        """Windows are in order."""
        rule = self.genset
        for low, high in (("start_pct", "stop_pct"), ("load_pu_min", "load_pu_max")):
            if getattr(rule, low) >= getattr(rule, high):
                text = (
                    f"is {getattr(rule, low):g}; it must be below {high} ({getattr(rule, high):g}). Lower it."
                )
                yield Fault(("genset", low), text)

    def loosened(self) -> Iterator[Fault]:
        """Interlocks that are looser than a site in the field may have them."""
        for (section, name), (low, high, whose) in FIELD.items():
            value = getattr(getattr(self, section), name)
            if not low <= value <= high:
                bound = f"{low:g} or more" if value < low else f"{high:g} or less"
                text = f"is {value:g}; on a host that is no bench it is {bound} ({whose}). Set {bound}."
                yield Fault((section, name), text)

"""The time a plan spans: exact steps to the end of the known prices, then typical days to the end of the bill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from controller.config.tariff import Demand, Tariff
from controller.plan import calendar
from controller.plan.billing import Ledger, group, period_of, prices, windows
from controller.plan.calendar import Floats, Ints
from controller.plan.charge import Charge
from controller.plan.economy import START, Steps

HOUR_S = 3600
FINE_H = 2  # slots as they are; later whole hours, unless price or load moves within them
SHAPED_PU = 0.1  # of the highest load: what moves less within an hour is noise
DAYS_MAX = 62  # that are remembered
WORKDAYS, DAYS_OFF = 6, 4  # typical days of either type: the last week and the last two week-ends
DOUBT_PU = 0.3  # a peak costs so much more while no typical day is known: raised once, it stays; it can wait
BAD_CHANCE = 1 / 6  # the worst sixth of a Gauss curve ...
BAD_SIGMA = 1.5  # ... and its mean, which lies half-way between the ends of the 68 and 95 % bands
BAD_STAMP = 1 << 43  # names steps of the bad case apart from those as expected
DAY_STAMP = 1 << 44  # names steps of typical days apart from those of near time
FRIDAY = 4


@dataclass(slots=True)
class Past:
    """Finished hours by local day: ordinal -> (load kW, PV kW, spot) x 24; nan where nothing was seen."""

    zone: str
    days: dict[int, Floats] = field(default_factory=dict)

    def put(self, t_s: Floats, load_kw: Floats, pv_kw: Floats, spot: Floats) -> None:
        """Take hours that begin at t_s."""
        local = calendar.clock(self.zone, t_s)
        for i, (day, hour) in enumerate(zip(local.day, local.hour, strict=True)):
            table = self.days.setdefault(int(day), np.full((3, 24), np.nan))
            table[:, hour] = load_kw[i], pv_kw[i], spot[i]
        while len(self.days) > DAYS_MAX:
            del self.days[min(self.days)]

    def with_near(self, t_s: Floats, load_kw: Floats, pv_kw: Floats, spot: Floats) -> dict[int, Floats]:
        """Whole days, those that near time completes included; an hour that spring skips is its neighbour."""
        both = Past(self.zone, dict(self.days))
        for day in {int(d) for d in calendar.clock(self.zone, t_s).day} & both.days.keys():
            both.days[day] = both.days[day].copy()
        both.put(t_s, load_kw, pv_kw, spot)
        whole = {}
        for day, table in both.days.items():
            missing = np.isnan(table).any(0)
            if missing.sum() <= 1:
                whole[day] = np.where(missing, np.roll(table, 1, axis=1), table) if missing.any() else table
        return whole


@dataclass(frozen=True, slots=True)
class Near:
    """What is expected from now on, one entry each slot of slot_s; spot is known for the first `known`, None: all."""

    now_s: float
    slot_s: float
    load_kw: Floats
    pv_kw: Floats
    spot: Floats
    bad_kw: Floats  # load less PV of a bad case, above what is expected
    news_kw: Floats | float = 0.0  # part of the load that was never seen before, and need not come again
    bad_chance: float = BAD_CHANCE
    top_kw: float = 0.0  # highest load less sun that the bands tell
    known: int | None = None

    @property
    def known_s(self) -> float:
        """End of the known prices, UTC."""
        return self.now_s + self.slot_s * (self.spot.size if self.known is None else self.known)


@dataclass(frozen=True, slots=True)
class Horizon:
    """Steps with their time. near_t_s: begin of each near step, UTC; known_s: from here on its price is a guess."""

    steps: Steps
    charges: tuple[Charge, ...]
    near_t_s: Floats
    near_s: Floats
    known_s: float


@dataclass(frozen=True, slots=True)
class _Days:
    """Typical days, one row each: begin of a date of their kind, weight, name, three tables of 24, kind.

    Days of one kind follow one another as they did, and the first one the last: what a cheap day stores serves
    the next. known_pu: how many of the days that are wanted were seen.
    """

    start_s: Floats
    weight: Floats
    name: Ints
    tables: Floats
    kind: Ints
    known_pu: float = 1.0


def build(
    tariff: Tariff,
    past: Past,
    near: Near,
    ledger: Ledger,
    opened: Mapping[str, float],
    *,
    last: bool = False,
    fine_h: int = FINE_H,
) -> Horizon:
    """The horizon of a plan. opened: demand name -> kWh imported so far in its running window.

    The worth of a peak is that of the typical days; few of them tell it badly, and the highest of many guesses wins.

    last: no day follows near time. fine_h: hours whose slots stay as they are.
    """
    t_s, step_s, load_kw, pv_kw, spot, bad_kw = _near(near, fine_h)
    none = np.empty(0, dtype=np.int64)
    days = _Days(np.empty(0), np.empty(0), none, np.empty((0, 3, 24)), none)
    if not last:
        end_s = float(t_s[-1] + step_s[-1])
        known = np.arange(near.spot.size)[: near.known]  # a guess is no day that was seen
        slot_hour = np.floor_divide(near.now_s + near.slot_s * known, HOUR_S)
        hour, of_hour = np.unique(slot_hour, return_inverse=True)
        means = [
            np.bincount(of_hour, x[known]) / np.bincount(of_hour)
            for x in (near.load_kw - near.news_kw, near.pv_kw, near.spot)
        ]
        whole = past.with_near(HOUR_S * hour, *means)
        days = _typical(tariff, whole, end_s)
    steps, all_t_s = _steps(
        tariff, (t_s, step_s, load_kw, pv_kw, spot, bad_kw), days, near.now_s, near.bad_chance
    )
    steps = replace(steps, top_kw=near.top_kw)
    dear = 1.0 + DOUBT_PU * (1.0 - days.known_pu)
    charges = tuple(
        replace(charge, per_kw=dear * charge.per_kw)
        for demand in tariff.demand
        for charge in _charges(demand, tariff.time_zone, steps, all_t_s, ledger, near, opened)
    )
    return Horizon(steps, charges, t_s, step_s, near.known_s)


def _near(near: Near, fine_h: int) -> tuple[Floats, ...]:
    """Slots for the first hours, and where price or load moves within an hour; else whole clock hours.

    Begin, length, load, PV, spot, bad case of each step.
    """
    count = near.spot.size
    t_s = near.now_s + near.slot_s * np.arange(count)
    hour = np.floor_divide(t_s, HOUR_S).astype(np.int64) - int(near.now_s // HOUR_S)
    _, of_hour = np.unique(hour, return_inverse=True)
    moves = _range(of_hour, near.spot) > 0
    moves |= _range(of_hour, near.load_kw) > SHAPED_PU * near.load_kw.max()
    fine = (hour < fine_h) | (moves[of_hour] & (hour < 24))
    key = np.where(fine, np.arange(count), count + hour)
    _, head, step = np.unique(key, return_index=True, return_inverse=True)
    slots = np.bincount(step)
    means = [np.bincount(step, x) / slots for x in (near.load_kw, near.pv_kw, near.spot, near.bad_kw)]
    order = np.argsort(t_s[head])
    return t_s[head][order], slots[order] * near.slot_s, *(mean[order] for mean in means)


def _range(of_hour: Ints, values: Floats) -> Floats:
    """Highest less lowest value of each hour."""
    low, high = np.full(of_hour.max() + 1, np.inf), np.full(of_hour.max() + 1, -np.inf)
    np.minimum.at(low, of_hour, values)
    np.maximum.at(high, of_hour, values)
    return np.asarray(high - low, dtype=np.float64)


def _kind(tariff: Tariff, weekday: int) -> tuple[bool, ...]:
    """Days of one kind have the same masks, and are both worked or both off."""
    masks = (*tariff.demand, *tariff.energy)
    return (weekday > FRIDAY, *(weekday in mask.weekdays for mask in masks))


def _typical(tariff: Tariff, whole: Mapping[int, Floats], end_s: float) -> _Days:
    """The last days of each kind that is still to come in the month, shared out over its dates."""
    first = int(calendar.clock(tariff.time_zone, np.array([end_s])).day[0])
    ahead: dict[tuple[bool, ...], list[date]] = {}
    for day in calendar.rest_of_month(first):
        ahead.setdefault(_kind(tariff, day.weekday()), []).append(day)
    rows: list[tuple[float, float, int, int]] = []
    wanted = sum(DAYS_OFF if kind[0] else WORKDAYS for kind in ahead)
    known = sorted(whole, reverse=True)
    for number, (kind, dates) in enumerate(ahead.items()):
        alike = [d for d in known if _kind(tariff, date.fromordinal(d).weekday()) == kind]
        same = alike or [d for d in known if (date.fromordinal(d).weekday() > FRIDAY) == kind[0]] or known
        chosen = sorted(same[: DAYS_OFF if kind[0] else WORKDAYS])
        start_s = calendar.midnight_s(tariff.time_zone, end_s, dates[0].toordinal() - first)
        rows += [(start_s, len(dates) / len(chosen), day, number) for day in chosen]
    return _Days(
        np.array([r[0] for r in rows]), np.array([r[1] for r in rows]),
        np.array([r[2] for r in rows], dtype=np.int64),
        np.array([whole[r[2]] for r in rows]).reshape(-1, 3, 24),
        np.array([r[3] for r in rows], dtype=np.int64),
        len(rows) / wanted,
    )  # fmt: skip


def _steps(
    tariff: Tariff, near: tuple[Floats, ...], days: _Days, now_s: float, bad_chance: float
) -> tuple[Steps, Floats]:
    """Near time as expected, its bad case from the next hour on, and typical days; and when each step begins."""
    t_s, step_s, load_kw, pv_kw, spot, bad_kw = near
    count, typical = t_s.size, days.weight.size
    head = int(np.searchsorted(t_s, now_s - now_s % HOUR_S + HOUR_S))
    bad = np.arange(head if bad_kw.any() else count, count)
    day_t_s = (days.start_s[:, None] + HOUR_S * np.arange(24)).ravel()
    order = np.concatenate([np.arange(count), bad])
    all_t_s = np.concatenate([t_s[order], day_t_s])
    buy, sell = prices(tariff, all_t_s, np.concatenate([spot[order], days.tables[:, 2].ravel()]))
    first = order.size
    previous = np.arange(-1, first + 24 * typical - 1)
    previous[0] = START
    previous[count : count + bad.size][:1] = head - 1
    ends = first + 24 * np.arange(1, typical + 1) - 1
    heads = np.flatnonzero(np.diff(days.kind, prepend=-1))
    previous[first + 24 * heads] = ends[np.r_[heads, typical][1:] - 1]
    chance = np.ones(first)
    chance[bad], chance[count:] = 1.0 - bad_chance, bad_chance
    far = (DAY_STAMP + 100 * days.name[:, None] + np.arange(24)).ravel()
    far += (1 << 40) * _repeats(days.name).repeat(24)
    return Steps(
        near=count,
        bad=first,
        stamp=np.concatenate([t_s.astype(np.int64), t_s[bad].astype(np.int64) + BAD_STAMP, far]),
        hours=np.concatenate([step_s[order] / HOUR_S, np.ones(24 * typical)]),
        previous=previous,
        weight=np.concatenate([chance, days.weight.repeat(24)]),
        load_kw=np.maximum(
            np.concatenate([load_kw, load_kw[bad] + bad_kw[bad], days.tables[:, 0].ravel()]), 0.0
        ),
        pv_kw=np.maximum(np.concatenate([pv_kw[order], days.tables[:, 1].ravel()]), 0.0),
        buy=buy,
        sell=sell,
        ends=ends,
    ), all_t_s


def _repeats(names: Ints) -> Ints:
    """How often each name stood before: a day may stand for two kinds."""
    before = (names[:, None] == names) & (np.arange(names.size)[:, None] > np.arange(names.size))
    return np.asarray(before.sum(1), dtype=np.int64)


def _charges(
    demand: Demand,
    zone: str,
    steps: Steps,
    t_s: Floats,
    ledger: Ledger,
    near: Near,
    opened: Mapping[str, float],
) -> list[Charge]:
    """One charge for each billing period the steps touch, and its twin in the bad case."""
    found: list[Charge] = []
    bad = np.arange(steps.near, steps.bad)
    expected = np.arange(steps.near)
    chance = near.bad_chance
    cases = [(expected, 1.0 - chance), (np.r_[expected[: steps.near - bad.size], bad], chance)]
    for chosen, chance in cases if bad.size else [(expected, 1.0)]:
        found += _case(demand, zone, steps, t_s, ledger, near.now_s, opened, chosen, chance)
    return found


def _case(
    demand: Demand, zone: str, steps: Steps, t_s: Floats, ledger: Ledger, now_s: float, opened: Mapping[str, float],
    path: Ints, chance: float,
) -> list[Charge]:  # fmt: skip
    """One charge for each billing period, along one path through near time and over the typical days."""
    near = windows(demand, zone, t_s[path], 3600 * steps.hours[path])
    local = calendar.clock(zone, t_s[steps.bad :])
    far = np.flatnonzero(local.inside(demand))
    months = np.concatenate([near.month, local.month[far]])
    rows_near = near.start_s.size
    step = np.concatenate([path[near.step], steps.bad + far])
    row = np.concatenate([near.row, rows_near + np.arange(far.size)])
    share = np.concatenate([near.share_s / demand.window_s, np.ones(far.size)])
    running = (near.start_s <= now_s) & (now_s < near.start_s + demand.window_s)
    done_kw = np.zeros(rows_near + far.size)
    done_kw[:rows_near][running] = opened.get(demand.name, 0.0) * HOUR_S / demand.window_s
    name = np.array([
        *(group(demand, float(s), int(m), int(d)) for s, m, d in zip(near.start_s, near.month, near.day, strict=True)),
        *_far_groups(demand, local.month[far], far),
    ], dtype=np.int64)  # fmt: skip
    often = np.concatenate([np.ones(rows_near), steps.weight[steps.bad :][far]])
    if demand.peaks_of == "months":
        often = np.ones(often.size)
    found = []
    for month in sorted({int(m) for m in months}):
        chosen = months == month
        seen = ledger.seen(demand, month)
        names, head, inverse = np.unique(name[chosen], return_index=True, return_inverse=True)
        place = np.cumsum(chosen) - 1
        mine = chosen[row]
        found.append(Charge(
            demand=demand, period=period_of(demand, month), per_kw=chance * demand.per_kw, chance=chance,
            step=step[mine], row=place[row[mine]], share=share[mine], done_kw=done_kw[chosen],
            group=inverse, weight=often[chosen][head],
            floor_kw=np.array([seen.get(int(n), 0.0) for n in names]),
            seen_kw=tuple(kw for n, kw in seen.items() if n not in set(names.tolist())),
        ))  # fmt: skip
    return found


def _far_groups(demand: Demand, month: Ints, far: Ints) -> list[int]:
    """A typical day is one group, its hours are one each, a month is the month."""
    if demand.peaks_of == "months":
        return [int(m) for m in month]
    return [-1 - int(i) for i in (far // 24 if demand.peaks_of == "days" else far)]

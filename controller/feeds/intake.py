"""All feeds of a site: looks at each in its turn, believes what its policy allows, tells the newest of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from controller.config.feeds import Price
from controller.config.site import Site
from controller.config.tariff import Tariff
from controller.feeds import entsoe, nordpool, powerforecast, pricelist, slurm, weather
from controller.feeds.fetch import AbsentError, Bring, Fill
from controller.feeds.learned import Floats, Learned
from controller.feeds.market import Money
from controller.feeds.policy import Bounds, FeedError, Standing
from controller.feeds.series import STEP_S, Segment, curve
from controller.image import Curve, Instant

DAY_STEPS = 96
LOOK_DAYS = 2


@dataclass(frozen=True, slots=True)
class Told:
    """What is believed at one time; None: nothing is. spot in the tariff's currency per kWh, powers in kW."""

    spot: Curve | None = None
    load_kw: Curve | None = None
    pv_kw: Curve | None = None


class Intake:
    """Feeds of one site, one thread at a time. bring: the way to their places, see feeds.fetch."""

    def __init__(self, site: Site, tariff: Tariff, bring: Bring) -> None:
        feeds = self._feeds = site.feeds
        self._tariff, self._bring = tariff, bring
        self._money = Money(tariff.currency, tariff.per_eur)
        load_kw_max = site.grid.import_kw_max + sum(p.discharge_kw_max for p in site.pcs) + site.pv.kw_max
        load_kw_max += sum(genset.kw_max for genset in site.gensets)
        day_kw_max = site.grid.import_kw_max + site.pv.kw_max + site.battery.capacity_kwh / 24.0
        day_kw_max += sum(genset.kw_max for genset in site.gensets)
        load = Bounds(0.0, load_kw_max, "kW", day_kw_max)
        sun = Bounds(0.0, max(feeds.sun.panel_kw, site.pv.kw_max), "kW")
        self.price = Standing("price", feeds.price.period_s, feeds.price.age_s_max, self._money.bounds)
        self.sun = Standing("sun", feeds.sun.period_s, feeds.sun.age_s_max, sun)
        self.jobs = Standing("jobs", feeds.jobs.period_s, feeds.jobs.age_s_max, load)
        self.curve = Standing("curve", feeds.curve.period_s, feeds.curve.age_s_max, load)
        self.draw = Learned([feeds.jobs.base_kw, *(part.each_kw for part in feeds.jobs.partitions.values())])
        self.yields = Learned([1.0])
        self._pv_kw_max = site.pv.kw_max or feeds.sun.panel_kw
        self._queue: slurm.Queue | None = None
        self._dropped = b""  # the file of a curve that was believed last
        self._bare_kw: tuple[float, ...] = ()  # the sun as told, before what is learned of the panels
        self._busy: list[Floats] = []
        self._look: dict[str, tuple[Standing, Callable[[Instant], None]]] = {}
        for used, standing, way in (
            (feeds.price.given, self.price, self._look_price),
            (feeds.sun.given, self.sun, self._look_sun),
            (feeds.jobs.asked, self.jobs, self._look_jobs),
            (feeds.curve.given, self.curve, self._look_curve),
        ):
            if used:
                self._look[standing.name] = standing, way

    def refresh(self, now: Instant) -> tuple[str, ...]:
        """Look at every feed that is due; names of those that told something new. Waits for slow sources."""
        fresh = []
        for name, (standing, way) in self._look.items():
            if not standing.due(now):
                continue
            before = standing.good
            try:
                way(now)
            except FeedError as error:
                standing.looked(now, str(error))
            except Exception as error:  # whatever a source says, the next feed has its turn
                standing.looked(now, f"unreadable: {type(error).__name__}")
            if standing.good is not None and (before is None or before.expected != standing.good.expected):
                fresh.append(name)
        return tuple(fresh)

    def push(self, data: bytes, now: Instant) -> str:
        """Take a curve of load that was told at the socket; empty, or why it is not believed."""
        try:
            self.curve.take(powerforecast.read(data, now.utc_s), now)
        except FeedError as error:
            return str(error)
        except Exception as error:  # as in refresh
            return f"unreadable: {type(error).__name__}"
        return ""

    def told(self, utc_s: float) -> Told:
        """What is believed now. A curve told by a scheduler goes before the queue."""
        spot = _flat(utc_s) if self._feeds.price.kind == "tariff" else self.price.curve(utc_s)
        load_kw = self.curve.curve(utc_s) or self.jobs.curve(utc_s)
        return Told(spot, load_kw, self.sun.curve(utc_s))

    def learn(self, t_s: float, load_kw: float, pv_kw: float) -> None:
        """Take the measured means of the quarter hour that began at t_s."""
        if self._busy:
            busy = np.mean(self._busy, axis=0)
            self.draw.observe(np.array([1.0, *busy]), load_kw)
            self._busy = []
        bare = self.sun.good
        if bare is not None and bare.start_utc_s <= t_s and pv_kw < 0.98 * self._pv_kw_max:  # not clipped
            place = int((t_s - bare.start_utc_s) / STEP_S)
            if place < len(self._bare_kw) and self._bare_kw[place] > 0.02 * self._pv_kw_max:
                self.yields.observe(np.array([self._bare_kw[place]]), pv_kw)

    def state(self) -> dict[str, Floats]:
        """What was learned of jobs, panels and prices, as arrays."""
        tops = np.array(sorted(self.price.tops.items()), np.float64).reshape(-1, 2)
        return {"draw": self.draw.state(), "yields": self.yields.state(), "tops": tops}

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Go on from what state() gave; what belongs to another site file is left."""
        for name, figures in (("draw", self.draw), ("yields", self.yields)):
            figures.restore(np.asarray(state.get(name, ()), np.float64))
        tops = np.asarray(state.get("tops", ()), np.float64)
        if tops.shape[1:] == (2,) and np.isfinite(tops).all():
            self.price.tops = {int(day): float(top) for day, top in tops}

    def view(self, utc_s: float) -> list[dict[str, Any]]:
        """Every feed for the status: whether it is believed, how old, what was wrong last."""
        rows = [
            {
                "name": standing.name,
                "used": standing.curve(utc_s) is not None,
                "age_s": standing.age_s(utc_s),
                "source": standing.good.source if standing.good is not None else "",
                "fault": standing.fault,
            }
            for standing in (self.price, self.sun, self.jobs, self.curve)
            if standing.good is not None or (standing.name in self._look and standing is not self.curve)
        ]
        for row in rows:
            if row["name"] == "jobs" and self._queue is not None:
                names = ("base", *self._feeds.jobs.partitions)
                figures = zip(names, self.draw.each_kw.tolist(), strict=True)
                row |= {"jobs": self._queue.jobs, "waiting": self._queue.waiting,
                        "unplaced": self._queue.unplaced, "each_kw": dict(figures)}  # fmt: skip
        return rows

    def _look_price(self, now: Instant) -> None:
        source, fills = self._feeds.price, _fills(self._tariff.time_zone, now.utc_s)
        found, issued_s = self._prices(source, fills[0], now)
        if "{date}" in source.url:
            with contextlib.suppress(FeedError):  # tomorrow is not told yet: the missing tail
                found = [*found, *self._prices(source, fills[1], now)[0]]
        self.price.take(curve(found, now.utc_s, issued_s, source.kind), now)

    def _prices(self, source: Price, fill: Fill, now: Instant) -> tuple[list[Segment], float]:
        """Prices of one look, and when they were told: a dropped file at its last change, at the latest."""
        body = self._bring(source, fill, now.utc_s)
        if source.kind == "entsoe":
            return entsoe.read(body.data, self._money), body.utc_s
        if source.kind == "nordpool":
            return nordpool.read(body.data, self._money, source.area), body.utc_s
        return pricelist.read(body.data, self._money), body.utc_s

    def _look_sun(self, now: Instant) -> None:
        source = self._feeds.sun
        body = self._bring(source, _fills(self._tariff.time_zone, now.utc_s)[0], now.utc_s)
        bare = curve(weather.read(body.data, source.panel_kw), now.utc_s, body.utc_s, "open-meteo")
        kw = np.minimum(self.yields.power_kw(np.array([bare.expected])), self._pv_kw_max)
        self.sun.take(replace(bare, expected=tuple(kw.tolist())), now)
        self._bare_kw = bare.expected

    def _look_jobs(self, now: Instant) -> None:
        source = self._feeds.jobs
        body = self._bring(source, _fills(self._tariff.time_zone, now.utc_s)[0], now.utc_s)
        queue = slurm.read(body.data, source.partitions, body.utc_s)
        counts = np.vstack([np.ones(queue.counts.shape[1]), queue.counts])
        tops = np.array([np.inf, *(part.kw_max for part in source.partitions.values())])
        parts_kw = np.minimum(self.draw.each_kw[:, None] * counts, tops[:, None])
        told = Curve(
            start_utc_s=queue.start_utc_s,
            step_s=STEP_S,
            expected=tuple(parts_kw.sum(axis=0).tolist()),
            issued_utc_s=body.utc_s,
            valid_until_utc_s=queue.start_utc_s + STEP_S * queue.counts.shape[1],
            source="slurm",
        )
        self.jobs.take(told, now)
        self._queue = queue
        self._busy = [*self._busy[-899:], queue.busy]

    def _look_curve(self, now: Instant) -> None:
        try:
            body = self._bring(self._feeds.curve, {}, now.utc_s)
        except AbsentError:
            self.curve.looked(now)  # no scheduler drops one here
            return
        if body.data == self._dropped:
            self.curve.looked(now)  # the file is as it was; what came by the socket since then is newer
            return
        self.curve.take(powerforecast.read(body.data, body.utc_s), now)
        self._dropped = body.data


def _fills(zone: str, utc_s: float) -> tuple[Fill, Fill]:
    """What stands for the open places of a url, today's and tomorrow's."""
    today = datetime.fromtimestamp(utc_s, ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)

    def stamp(days: int) -> str:
        local = (today.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=ZoneInfo(zone))
        return datetime.fromtimestamp(local.timestamp(), ZoneInfo("UTC")).strftime("%Y%m%d%H%M")

    span = {"start": stamp(0), "end": stamp(LOOK_DAYS)}
    days = [(today + timedelta(days=n)).strftime("%Y-%m-%d") for n in (0, 1)]
    return {**span, "date": days[0]}, {**span, "date": days[1]}


def _flat(utc_s: float) -> Curve:
    """The spot price of a contract that knows none: yesterday, today and tomorrow."""
    start_s = utc_s - utc_s % STEP_S - DAY_STEPS * STEP_S
    return Curve(start_s, STEP_S, (0.0,) * (3 * DAY_STEPS), issued_utc_s=utc_s,
                 valid_until_utc_s=start_s + 3 * DAY_STEPS * STEP_S, source="tariff")  # fmt: skip

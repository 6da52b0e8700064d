"""What load and sun will be: a feed and learned models, each weighed by how it has done of late; with bands.

Everything is learned from what has been measured so far; nothing is known at the start.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.plan.calendar import Bools, Floats, Ints

LEADS = 48  # hours ahead for which skill is kept
FADE_PER_H = 0.5 ** (1 / (7 * 24))  # memory of skill: half after a week, one turn of the working rhythm
DAY_FADE = 0.5 ** (1 / 7)  # weight of a similar day, by its age in days
OTHER_TYPE = 0.1  # weight of a working day for a day off, and the other way round
LEVEL_H = 12.0  # a deviation from the usual fades: jobs run for hours, not for days
LEAD_WIDTH = 0.7  # skill at one lead tells about leads within a factor of two: exp(0.7) = 2
SHARPNESS = 2.0  # weights go with 1 / (mean square error) ** 2: the best leads, the second best helps
PRIOR_H = 2.0  # hours of record that the prior of a model is worth
CLOUD_H = 2.0  # half of what is known of a cloud is gone after so many hours
BRIGHT_PU = 0.05  # of the brightest hour: from here on an hour tells how clear the sky is
POOLS = ((0, 1), (1, 2), (2, 4), (4, 8), (8, 16), (16, 32), (32, LEADS))  # leads that share their bands
FLAT_DAYS = 0.1  # days of record that a flat hour is worth
NEWS_PU = 0.1  # a feed that tells this much more than was ever seen, beyond its own errors, tells news
DARK_KW = 0.01  # the sun is down: a night says nothing about how well days are forecast
QUANTILES = (0.025, 0.16, 0.84, 0.975)  # ends of the 95 and 68 % bands


@dataclass(frozen=True, slots=True)
class Outlook:
    """Hourly means ahead, kW: expected, and the bands' four ends (rows as QUANTILES)."""

    expected_kw: Floats
    bands_kw: Floats
    within_kw: Floats  # hours x slots: how the slots of an hour lie about its mean
    within_kw_top: Floats  # the same, the highest of a week
    news: Bools  # hours of which the feed alone can tell: more than was ever seen
    usual_kw: Floats  # what would be expected without that news


class Model:
    """Forecasts one hourly series. kind is `load` or `pv`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.seen_kw: list[float] = []
        self._hour: list[int] = []
        self._day: list[int] = []
        self._off: list[bool] = []
        self._within: list[Floats] = []
        names = (
            ("feed", "last", "usual", "level") if kind == "load" else ("feed", "yesterday", "usual", "sky")
        )
        self.names = names
        self._issued: list[Floats] = []  # one array (models and the blend) x LEADS an hour
        self._issued_h = 0  # of the last one: 24 x ordinal day + clock hour
        self._square = np.zeros((len(names) + 1, LEADS))
        self._hours = np.zeros((len(names) + 1, LEADS))
        lead = np.log(np.arange(1, LEADS + 1))
        self._kernel = np.exp(-0.5 * ((lead[:, None] - lead) / LEAD_WIDTH) ** 2)
        self._residuals: list[Floats] = []
        self._excess: list[Floats] = []  # what the feed told too much, as _residuals

    def observe(self, slots_kw: Floats | float, hour: int, day: int, off: bool) -> None:
        """Take one finished hour: its slots or its mean, clock hour, ordinal day, whether it is a day off."""
        slots_kw = np.atleast_1d(slots_kw)
        kw = float(slots_kw.mean())
        self._reach(24 * day + hour)
        ages = min(LEADS, len(self._issued))
        row, excess = np.full((2, LEADS), np.nan)
        for age in range(ages):  # issued `age` hours before this hour began: lead age
            error = self._issued[-1 - age][:, age] - kw
            good = np.isfinite(error)
            self._square[:, age] = FADE_PER_H * self._square[:, age] + np.where(good, error, 0.0) ** 2
            self._hours[:, age] = FADE_PER_H * self._hours[:, age] + good
            dark = self.kind == "pv" and kw < DARK_KW and kw + error[-1] < DARK_KW
            row[age], excess[age] = np.nan if dark else -error[-1], error[0]
        self._residuals = [*self._residuals[-335:], row]  # two weeks
        self._excess = [*self._excess[-335:], excess]
        self.seen_kw.append(kw)
        self._hour.append(hour)
        self._day.append(day)
        self._off.append(off)
        self._within = [*self._within[-28 * 24 + 1 :], slots_kw - kw]

    def outlook(self, feed_kw: Floats | None, hour: Ints, day: Ints, off: np.ndarray) -> Outlook:
        """The hours ahead, the current one first. off: one bool an hour ahead.

        feed_kw: one entry or one row of slots an hour; it may be shorter.
        """
        count = hour.size
        self._renew(24 * int(day[0]) + int(hour[0]))
        rows = np.full((len(self.names), count), np.nan)
        told = None if feed_kw is None else feed_kw[:count].reshape(min(len(feed_kw), count), -1)
        if told is not None:
            rows[0, : len(told)] = told.mean(1)
        usual, like = self._usual(hour, day, off)
        rows[2] = usual
        if self.seen_kw:
            if self.kind == "load":
                rows[1] = self.seen_kw[-1]
                now_kw = self._usual(
                    np.array(self._hour[-1:]), np.array(self._day[-1:]), np.array(self._off[-1:])
                )[0][0]
                rows[3] = usual + (self.seen_kw[-1] - now_kw) * np.exp(-(np.arange(count) + 1) / LEVEL_H)
            else:
                rows[1] = [
                    self.seen_kw[-24 + i % 24] if len(self.seen_kw) >= 24 else np.nan for i in range(count)
                ]
                rows[3] = self._sky(hour)
        blend = np.maximum(self._blend(rows), 0.0)
        news, usual_kw = self._news(rows[0]), blend
        if news.any():
            rows[0], blend = np.where(news, np.nan, rows[0]), np.where(news, rows[0], blend)
            usual_kw = np.maximum(self._blend(rows), 0.0)
            rows[0] = np.where(news, blend, rows[0])
        issued = np.full((len(self.names) + 1, LEADS), np.nan)
        width = min(count, LEADS)
        issued[:-1, :width], issued[-1, :width] = rows[:, :width], blend[:width]
        issued[2:-1, :width][:, ~like[:width]] = (
            np.nan
        )  # what it cannot know yet is no fault of the usual day
        self._issued = [*self._issued[-LEADS + 1 :], issued]
        bands = np.maximum(blend + self._bands(hour, blend), 0.0)
        within_kw, top_kw = self._shape(hour, day, off)
        if told is not None and news.any() and told.shape[1] > 1:
            at = np.flatnonzero(news)
            within_kw, top_kw = (np.resize(x.T, (told.shape[1], count)).T.copy() for x in (within_kw, top_kw))
            within_kw[at] = top_kw[at] = told[at] - rows[0, at][:, None]
        return Outlook(blend, bands, within_kw, top_kw, news, usual_kw)

    def _news(self, feed_kw: Floats) -> Bools:
        """Hours told so high that no experience can say anything about them, beyond all the feed told too much."""
        if self.kind != "load" or not np.isfinite(feed_kw[0]):
            return np.zeros(feed_kw.size, dtype=np.bool_)
        known_kw = max(self.seen_kw[-28 * 24 :], default=float(feed_kw[0]))
        excess = np.nan_to_num(np.array(self._excess).reshape(-1, LEADS))
        excess_kw = np.maximum.accumulate(np.maximum(excess.max(0, initial=0.0), 0.0))
        lead = np.minimum(np.arange(feed_kw.size), LEADS - 1)
        return np.asarray(feed_kw - excess_kw[lead] > (1.0 + NEWS_PU) * known_kw, dtype=np.bool_)

    def _reach(self, to_h: int) -> None:
        """Blanks for hours without an outlook: the n-th from the end is always n hours old."""
        missing = min(max(to_h - self._issued_h, 0), LEADS) if self._issued else 0
        blank = np.full((len(self.names) + 1, LEADS), np.nan)
        self._issued = [*self._issued, *[blank] * missing][-LEADS:]
        self._issued_h = max(self._issued_h, to_h)

    def _renew(self, at_h: int) -> None:
        """Of several outlooks in one hour the last one counts."""
        if self._issued and self._issued_h == at_h:
            self._issued.pop()
        self._reach(at_h - 1)
        self._issued_h = at_h

    def skill(self) -> dict[str, float]:
        """Root mean square error at 1, 6 and 24 h of the blend, and its skill over persistence."""
        told = {}
        for lead in (1, 6, 24):
            rms = np.sqrt(self._square[:, lead - 1] / np.maximum(self._hours[:, lead - 1], 1e-9))
            told[f"rmse_kw_{lead}h"] = float(rms[-1])
            told[f"skill_{lead}h"] = float(1.0 - rms[-1] / rms[1]) if rms[1] > 0 else 0.0
        return told

    def _shape(self, hour: Ints, day: Ints, off: np.ndarray) -> tuple[Floats, Floats]:
        """How the slots of each hour ahead lay about its mean on like days; a day that was not seen was flat."""
        slots = max((within.size for within in self._within), default=1)  # the first hour may have begun late
        if slots == 1:
            return np.zeros((hour.size, 1)), np.zeros((hour.size, 1))
        seen = np.array([w if w.size == slots else np.zeros(slots) for w in self._within])
        hours, days, offs = (np.array(x[-len(seen) :]) for x in (self._hour, self._day, self._off))
        age = np.maximum(day[:, None] - days, 0)
        weight = DAY_FADE**age * np.where(off[:, None] == offs, 1.0, OTHER_TYPE) * (hour[:, None] == hours)
        near = (hour[:, None] == hours) & (age <= 7)
        top = np.where(near[:, :, None], seen, -np.inf).max(1)
        mean = weight @ seen / (weight.sum(1) + FLAT_DAYS)[:, None]
        return mean, np.where(np.isfinite(top), np.maximum(top, mean), mean)

    def _usual(self, hour: Ints, day: Ints, off: np.ndarray) -> tuple[Floats, Bools]:
        """Mean of the same hour on earlier days, recent and similar ones first; else of all that was seen.

        The second says where there were such days.
        """
        if not self.seen_kw:
            return np.full(hour.size, np.nan), np.zeros(hour.size, dtype=np.bool_)
        seen = np.array(self.seen_kw[-28 * 24 :])
        hours, days, offs = (np.array(x[-28 * 24 :]) for x in (self._hour, self._day, self._off))
        age = np.maximum(day[:, None] - days, 0)
        weight = DAY_FADE**age * np.where(off[:, None] == offs, 1.0, OTHER_TYPE) * (hour[:, None] == hours)
        weight = np.where(age == 0, 0.0, weight) if days.size > 24 else weight
        total = weight.sum(1)
        found = weight @ seen / np.maximum(total, 1e-12)
        return np.where(total > 0, found, seen[-24:].mean()), total > 0

    def _top(self) -> Floats:
        """The brightest of two weeks at each clock hour, kW."""
        seen, hours = np.array(self.seen_kw[-336:]), np.array(self._hour[-336:])
        return np.array([seen[hours == h].max() if (hours == h).any() else np.nan for h in range(24)])

    def _sky(self, hour: Ints) -> Floats:
        """The clearest of two weeks at each hour, times how clear it has been, the last hours first."""
        top, last = self._top(), min(24, len(self.seen_kw))
        seen, high = np.array(self.seen_kw[-last:]), top[self._hour[-last:]]
        weight = 0.5 ** (np.arange(last)[::-1] / CLOUD_H) * (high > BRIGHT_PU * np.nanmax(top))
        clear = (weight @ seen) / (weight @ high) if weight.any() else 1.0
        return np.asarray(top[hour] * clear, dtype=np.float64)

    def _blend(self, rows: Floats) -> Floats:
        """Models by skill at each lead; where a model says nothing the others share its weight."""
        scale = max(self.seen_kw[-24:], default=1.0) or 1.0
        prior = (0.05 * scale) ** 2 * np.where(np.arange(len(self.names)) == 0, 1.0, 4.0)[:, None]
        square = self._square[:-1] @ self._kernel + PRIOR_H * prior
        hours = self._hours[:-1] @ self._kernel + PRIOR_H
        error = square / hours + (1e-3 * scale) ** 2
        lead = np.minimum(np.arange(rows.shape[1]), LEADS - 1)
        weight = np.where(np.isfinite(rows), error[:, lead] ** -SHARPNESS, 0.0)
        total = weight.sum(0)
        blend = (weight * np.nan_to_num(rows)).sum(0) / np.where(total > 0, total, 1.0)
        return np.where(total > 0, blend, 0.0)

    def _bands(self, hour: Ints, blend: Floats) -> Floats:
        """Quantiles of what the blend missed by at each lead, over two weeks; of the sun, by its clear sky."""
        lead = np.minimum(np.arange(hour.size), LEADS - 1)
        missed, scale = np.array(self._residuals).reshape(-1, LEADS), np.ones(hour.size)
        if self.kind == "pv" and missed.size:
            top = self._top()
            seen = top[self._hour[-len(missed) :]]
            bright = seen > BRIGHT_PU * np.nanmax(top)
            missed = missed[bright] / seen[bright, None]
            scale = np.where(blend < DARK_KW, 0.0, np.nan_to_num(top[hour]))
        pooled = np.zeros((len(QUANTILES), LEADS))
        for low, high in POOLS:
            part = missed[:, low:high]
            part = part[np.isfinite(part)]
            if part.size:
                pooled[:, low:high] = np.quantile(part, QUANTILES)[:, None]
            elif low:
                pooled[:, low:high] = pooled[:, low - 1 : low]
        return np.asarray(pooled[:, lead] * scale, dtype=np.float64)

"""What load and sun will be: a feed and learned models, each weighed by how it has done of late; with bands.

Everything is learned from what has been measured so far; nothing is known at the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import numpy as np

from controller.plan import drift
from controller.plan.calendar import Bools, Floats, Ints

HOURS_MAX = 28 * 24  # hours that are remembered ...
RECENT_H = 14 * 24  # ... and those whose errors are
SLOTS = (1, 2, 4)  # of an hour
LEADS = 48  # hours ahead for which skill is kept
FADE_PER_H = 0.5 ** (1 / (7 * 24))  # memory of skill: half after a week, one turn of the working rhythm
DAY_FADE = 0.5 ** (1 / 7)  # weight of a similar day, by its age in days
OTHER_TYPE = 0.1  # weight of a working day for a day off, and the other way round, ...
APART_PU = 0.25  # ... unless they differ by more than this at that hour, of the highest load
LEAD_WIDTH = 0.7  # skill at one lead tells about leads within a factor of two: exp(0.7) = 2
SHARPNESS = 2.0  # weights go with 1 / (mean square error) ** 2: the best leads, the second best helps
PRIOR_PU = 0.05  # error of a feed without a record, of the highest load; of a model twice that
PRIOR_H = 2.0  # hours of record that the prior of a model is worth
CLOUD_H = 2.0  # half of what is known of a cloud is gone after so many hours
BRIGHT_PU = 0.05  # of the brightest hour: from here on an hour tells how clear the sky is
POOLS = ((0, 1), (1, 2), (2, 4), (4, 8), (8, 16), (16, 32), (32, LEADS))  # leads that share their bands
FLAT_DAYS = 0.1  # days of record that a flat hour is worth
NEWS_PU = 0.1  # a feed that tells this much more than was ever seen, beyond its own errors, tells news
FIT_PU, FITS_MIN = (0.2, 5.0), 24  # bands told are widened or narrowed within, from so many errors on
SURE_KW = 0.01  # a narrower band is none
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
    """Forecasts one hourly series. kind is `load` or `pv`; usual_kw_max: a load told above it at the start ends."""

    def __init__(self, kind: str, usual_kw_max: float = inf) -> None:
        self.kind, self.usual_kw_max = kind, usual_kw_max
        self.seen_kw: list[float] = []
        self._hour: list[int] = []
        self._day: list[int] = []
        self._off: list[bool] = []
        self._within: list[Floats] = []
        names = (
            ("feed", "last", "usual", "level") if kind == "load" else ("feed", "yesterday", "usual", "sky")
        )
        self.names = names
        self._issued: list[
            Floats
        ] = []  # an hour: models, the blend, half of the 68 % told by the feed, signs of drift; x LEADS
        self._drift = drift.Drift(LEADS)
        self._issued_h = 0  # of the last one: 24 x ordinal day + clock hour
        self._square = np.zeros((len(names) + 1, LEADS))
        self._hours = np.zeros((len(names) + 1, LEADS))
        lead = np.log(np.arange(1, LEADS + 1))
        self._kernel = np.exp(-0.5 * ((lead[:, None] - lead) / LEAD_WIDTH) ** 2)
        self._residuals: list[Floats] = []
        self._excess: list[Floats] = []  # what the feed told too much, as _residuals
        self._fits: list[Floats] = []  # its errors by the half-width it told, as _residuals

    def observe(self, slots_kw: Floats | float, hour: int, day: int, off: bool) -> None:
        """Take one finished hour: its slots or its mean, clock hour, ordinal day, whether it is a day off."""
        slots_kw = np.atleast_1d(slots_kw)
        kw = float(slots_kw.mean())
        self._reach(24 * day + hour)
        ages = min(LEADS, len(self._issued))
        row, excess, fit = np.full((3, LEADS), np.nan)
        for age in range(ages):  # issued `age` hours before this hour began: lead age
            error, half_kw = self._issued[-1 - age][:-2, age] - kw, self._issued[-1 - age][-2, age]
            if self.kind == "load" and len(self.seen_kw) < 24 * (1 + age // 24):
                most_kw = 2.0 * PRIOR_PU * max(self.seen_kw[-24:], default=kw)
                error[2:-1] = np.clip(
                    error[2:-1], -most_kw, most_kw
                )  # no like day was seen: blamed as a guess
            good = np.isfinite(error)
            self._square[:, age] = FADE_PER_H * self._square[:, age] + np.where(good, error, 0.0) ** 2
            self._hours[:, age] = FADE_PER_H * self._hours[:, age] + good
            dark = self.kind == "pv" and kw < DARK_KW and kw + error[-1] < DARK_KW
            row[age] = np.nan if dark else -error[-1]
            excess[age] = error[0] + kw - max(kw, self._top_kw(age) if age else float(slots_kw.max()))
            fit[age] = abs(error[0]) / max(half_kw, SURE_KW)
        if ages:
            issued, ahead = np.array(self._issued[: -1 - ages : -1]), np.arange(ages)
            missed_kw = kw - issued[ahead, self.names.index("usual"), ahead]
            self._drift.learn(issued[:, -1, : len(drift.SPANS_H)], missed_kw)
        self._residuals = [*self._residuals[1 - RECENT_H :], row]
        self._excess = [*self._excess[1 - RECENT_H :], excess]
        self._fits = [*self._fits[1 - RECENT_H :], fit]
        self.seen_kw = [*self.seen_kw[1 - HOURS_MAX :], kw]
        self._hour = [*self._hour[1 - HOURS_MAX :], hour]
        self._day = [*self._day[1 - HOURS_MAX :], day]
        self._off = [*self._off[1 - HOURS_MAX :], off]
        self._within = [*self._within[1 - HOURS_MAX :], slots_kw - kw]

    def _top_kw(self, hours_ago: int) -> float:
        """Highest slot of an hour: a feed that told a load to go on, when it was over soon, told no rise in vain."""
        if hours_ago > len(self.seen_kw):
            return 0.0
        return self.seen_kw[-hours_ago] + float(self._within[-hours_ago].max())

    def outlook(
        self, feed_kw: Floats | None, hour: Ints, day: Ints, off: np.ndarray, told_kw: Floats | None = None
    ) -> Outlook:
        """The hours ahead, the current one first. off: one bool an hour ahead.

        feed_kw: one entry or one row of slots an hour; it may be shorter. told_kw: its bands, four rows as QUANTILES,
        one column an hour; nan where none is told.
        """
        count = hour.size
        self._renew(24 * int(day[0]) + int(hour[0]))
        rows = np.full((len(self.names), count), np.nan)
        told = None if feed_kw is None or not feed_kw.size else feed_kw[:count]
        if told is not None:
            told = told.reshape(len(told), -1)
            rows[0, : len(told)] = told.mean(1)
        rows[1:], signs_kw = self._learned(hour, day, off)
        blend, share = self._blend(rows)
        news, usual_kw = self._news(rows[0]), blend
        if news.any():
            usual_kw, _ = self._blend(np.vstack([np.where(news, np.nan, rows[0]), rows[1:]]))
            blend, share = np.where(news, rows[0], blend), np.where(news, 1.0, share)
        issued = np.full((len(self.names) + 3, LEADS), np.nan)
        width = min(count, LEADS)
        foretold_kw = np.where(np.isfinite(rows).any(0), blend, np.nan)  # who says nothing has not erred
        issued[:-3, :width], issued[-3, :width] = rows[:, :width], foretold_kw[:width]
        issued[-1, : signs_kw.size] = signs_kw
        off_kw = self._bands(hour, blend)
        if told_kw is not None:
            about_kw = np.full((len(QUANTILES), count), np.nan)
            about_kw[:, : told_kw.shape[1]] = told_kw[:, :count]
            issued[-2, :width] = ((about_kw[2] - about_kw[1]) / 2)[:width]
            about_kw = (about_kw - rows[0]) * self._fit()
            off_kw = np.where(np.isfinite(about_kw), share * about_kw + (1.0 - share) * off_kw, off_kw)
        self._issued = [*self._issued[-LEADS + 1 :], issued]
        bands = np.maximum(blend + off_kw, 0.0)
        within_kw, top_kw = self._shape(hour, day, off)
        if told is not None and news.any() and told.shape[1] > 1:
            at = np.flatnonzero(news)
            within_kw, top_kw = (np.resize(x.T, (told.shape[1], count)).T.copy() for x in (within_kw, top_kw))
            within_kw[at] = top_kw[at] = told[at] - rows[0, at][:, None]
        return Outlook(blend, bands, within_kw, top_kw, news, usual_kw)

    def _learned(self, hour: Ints, day: Ints, off: np.ndarray) -> tuple[Floats, Floats]:
        """What each model but the feed tells, and the signs that the load's drift was told by."""
        usual = self._usual(hour, day, off)
        rows = np.full((3, hour.size), np.nan)
        rows[1] = usual
        signs_kw: Floats = np.empty(0)
        if self.seen_kw and self.kind == "load":
            last = [np.array(x[-max(drift.SPANS_H) :]) for x in (self._hour, self._day, self._off)]
            signs_kw = drift.signs(np.array(self.seen_kw[-max(drift.SPANS_H) :]) - self._usual(*last))
            told_kw = self._drift.told(signs_kw, 2.0 * PRIOR_PU * max(self.seen_kw[-24:]))
            rows[0] = self.seen_kw[-1]
            rows[2] = np.maximum(usual + told_kw[np.minimum(np.arange(hour.size), LEADS - 1)], 0.0)
        elif self.seen_kw:
            if len(self.seen_kw) >= 24:
                rows[0] = np.resize(self.seen_kw[-24:], hour.size)
            rows[2] = self._sky(hour)
        return rows, signs_kw

    def _news(self, feed_kw: Floats) -> Bools:
        """Hours told so high that no experience can say anything about them, beyond all the feed told too much."""
        if self.kind != "load" or not np.isfinite(feed_kw[0]):
            return np.zeros(feed_kw.size, dtype=np.bool_)
        if not self.seen_kw and feed_kw[0] > (1.0 + NEWS_PU) * self.usual_kw_max:
            return np.asarray(np.isfinite(feed_kw), dtype=np.bool_)  # later hours told rest on what runs now
        known_kw = max(self.seen_kw, default=float(feed_kw[0]))
        excess = np.nan_to_num(np.array(self._excess).reshape(-1, LEADS))
        excess_kw = np.maximum.accumulate(np.maximum(excess.max(0, initial=0.0), 0.0))
        lead = np.minimum(np.arange(feed_kw.size), LEADS - 1)
        return np.asarray(feed_kw - excess_kw[lead] > (1.0 + NEWS_PU) * known_kw, dtype=np.bool_)

    def state(self) -> dict[str, Floats]:
        """All that was learned, as arrays."""
        slots = max((within.size for within in self._within), default=1)
        within = [w if w.size == slots else np.zeros(slots) for w in self._within]
        hours = [self.seen_kw, self._hour, self._day, self._off]
        return {
            "hours": np.array(hours, dtype=np.float64).T.reshape(-1, 4),
            "within": np.array(within, dtype=np.float64).reshape(-1, slots),
            "issued": np.array(self._issued).reshape(-1, len(self.names) + 3, LEADS),
            "issued_h": np.array([float(self._issued_h)]),
            "skill": np.array([self._square, self._hours]),
            "drift": np.concatenate([self._drift.gram, self._drift.moment[:, :, None]], axis=2),
            "errors": np.array([self._residuals, self._excess, self._fits]).reshape(3, -1, LEADS),
        }

    def restore(self, state: Mapping[str, Floats]) -> None:
        """Go on from what state() gave. Raises ValueError for anything else, and keeps nothing of it then."""
        hours, within, errors = (
            np.asarray(state.get(n, ()), np.float64) for n in ("hours", "within", "errors")
        )
        issued, skill, apart = (
            np.asarray(state.get(n, ()), np.float64) for n in ("issued", "skill", "drift")
        )
        issued_h = np.asarray(state.get("issued_h", ()), np.float64)
        count = len(hours)
        fits = (
            hours.shape == (count, 4) and within.ndim == 2 and len(within) == count <= HOURS_MAX
            and within.shape[1] in SLOTS and errors.shape == (3, min(count, RECENT_H), LEADS)
            and issued.shape == (len(issued), len(self.names) + 3, LEADS) and len(issued) <= LEADS
            and skill.shape == (2, len(self.names) + 1, LEADS) and issued_h.shape == (1,)
            and apart.shape == (LEADS, len(drift.SPANS_H), len(drift.SPANS_H) + 1)
        )  # fmt: skip
        if not fits or not all(np.isfinite(x).all() for x in (hours, within, skill, issued_h, apart)):
            raise ValueError(f"what was learned of the {self.kind} has another shape")
        if not ((hours[:, 1] >= 0) & (hours[:, 1] < 24)).all():
            raise ValueError(f"an hour of the {self.kind} beyond the clock")
        self.seen_kw = hours[:, 0].tolist()
        self._hour, self._day = (hours[:, i].astype(int).tolist() for i in (1, 2))
        self._off = hours[:, 3].astype(bool).tolist()
        self._within, self._issued = list(within), list(issued)
        self._issued_h = int(issued_h[0])
        self._square, self._hours = skill[0].copy(), skill[1].copy()
        self._drift.gram, self._drift.moment = apart[:, :, :-1].copy(), apart[:, :, -1].copy()
        self._residuals, self._excess, self._fits = (list(part) for part in errors)

    def _reach(self, to_h: int) -> None:
        """Blanks for hours without an outlook: the n-th from the end is always n hours old."""
        missing = min(max(to_h - self._issued_h, 0), LEADS) if self._issued else 0
        blank = np.full((len(self.names) + 3, LEADS), np.nan)
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

    def _usual(self, hour: Ints, day: Ints, off: np.ndarray) -> Floats:
        """Mean of the same hour on earlier days, recent and similar ones first; else of all that was seen."""
        if not self.seen_kw:
            return np.full(hour.size, np.nan)
        seen = np.array(self.seen_kw)
        hours, days, offs = (np.array(x) for x in (self._hour, self._day, self._off))
        age = np.maximum(day[:, None] - days, 0)
        same, like = hour[:, None] == hours, off[:, None] == offs
        weight = DAY_FADE**age * same * (age > 0 if days.size > 24 else True)
        own, foreign = weight * like, weight * ~like
        means_kw = [part @ seen / np.maximum(part.sum(1), 1e-12) for part in (own, foreign)]
        apart = np.abs(means_kw[0] - means_kw[1]) > APART_PU * seen.max()
        other = np.where(
            apart & own.any(1), 0.0, OTHER_TYPE
        )  # what is another world says nothing of this one
        weight = own + other[:, None] * foreign
        total = weight.sum(1)
        found = weight @ seen / np.maximum(total, 1e-12)
        return np.asarray(np.where(total > 0, found, seen[-24:].mean()), dtype=np.float64)

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

    def _fit(self) -> float:
        """What makes the bands told hold 68 % of two weeks' errors; 1 until that is known."""
        fits = np.array(self._fits)
        fits = fits[np.isfinite(fits)]
        return float(np.clip(np.quantile(fits, 0.68), *FIT_PU)) if fits.size >= FITS_MIN else 1.0

    def _blend(self, rows: Floats) -> tuple[Floats, Floats]:
        """Models by skill at each lead, and the feed's share; where one says nothing the others share its weight."""
        scale = max(self.seen_kw[-24:], default=1.0) or 1.0
        prior = (PRIOR_PU * scale) ** 2 * np.where(np.arange(len(self.names)) == 0, 1.0, 4.0)[:, None]
        square = self._square[:-1] @ self._kernel + PRIOR_H * prior
        hours = self._hours[:-1] @ self._kernel + PRIOR_H
        error = square / hours + (1e-3 * scale) ** 2
        lead = np.minimum(np.arange(rows.shape[1]), LEADS - 1)
        weight = np.where(np.isfinite(rows), error[:, lead] ** -SHARPNESS, 0.0)
        total = weight.sum(0)
        weight /= np.where(total > 0, total, 1.0)
        return np.maximum((weight * np.nan_to_num(rows)).sum(0), 0.0), weight[0]

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

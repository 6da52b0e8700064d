"""What every feed has to bear: bounds, size, age, validity, order, retry; and the last good value while it lasts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf, isfinite

from controller.image import Curve, Instant
from controller.units import ns

STEPS_MAX = 2000  # three weeks of quarters; no source tells more of the future
RETRY_S_MIN = 15.0  # after a fault; doubled by each further one, up to the feed's own period, at least ...
RETRY_S_MAX = 600.0  # ... and at most this: a source that comes back is soon found
EARLY_S_MAX = 300.0  # clocks of good hosts differ by less; a curve issued later than now is no curve
SLACK = 1e-6  # bands that touch may differ by rounding
DAY_S = 86_400.0
LEAP = 10.0  # F93: times the largest of the last DAYS; a slip of a unit is a hundred or a thousand
DAYS = 30


class FeedError(Exception):
    """Nothing that can be used was told; the message says what, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a curve may say. day_max: most of its mean over any 24 h, the energy that can exist; inf: none.

    usual_max: a larger value must be like those of the last DAYS; inf: any is believed.
    """

    low: float
    high: float
    unit: str
    day_max: float = inf
    usual_max: float = inf


def believed(curve: Curve, bounds: Bounds, now_s: float, before: Curve | None = None) -> Curve:
    """The curve, when nothing speaks against it. before: the last good one. Raises FeedError."""
    if not 0 < len(curve.expected) <= STEPS_MAX:
        raise FeedError(f"{len(curve.expected)} steps; 1 to {STEPS_MAX} are allowed")
    if not all(map(isfinite, (curve.start_utc_s, curve.issued_utc_s, curve.valid_until_utc_s))):
        raise FeedError("a time that is no number")
    if curve.issued_utc_s > now_s + EARLY_S_MAX:
        raise FeedError(f"issued {curve.issued_utc_s - now_s:.0f} s in the future; check both clocks")
    end_s = curve.start_utc_s + curve.step_s * len(curve.expected)
    if min(end_s, curve.valid_until_utc_s) <= now_s:
        raise FeedError("it is over: nothing in it lies ahead")
    _within(curve, bounds)
    _energy(curve, bounds)
    if before is not None:
        _newer(curve, before)
    return curve


def _within(curve: Curve, bounds: Bounds) -> None:
    rows = (curve.low_95, curve.low_68, curve.expected, curve.high_68, curve.high_95)
    told = [row for row in rows if row]
    if any(len(row) != len(curve.expected) for row in told):
        raise FeedError("bands of another length than the curve")
    for row in told:
        for value in row:
            if not bounds.low <= value <= bounds.high:  # catches what is no number too
                allowed = f"{bounds.low:g} to {bounds.high:g} {bounds.unit}"
                raise FeedError(f"{value:g} {bounds.unit}; {allowed} is allowed")
    for lower, upper in pairwise(told):
        if any(a > b + SLACK for a, b in zip(lower, upper, strict=True)):
            raise FeedError("its bands cross")


def _energy(curve: Curve, bounds: Bounds) -> None:
    """The mean over each 24 h, or over the whole of a shorter curve, is power that can exist."""
    width = min(max(round(DAY_S / curve.step_s), 1), len(curve.expected))
    total = sum(curve.expected[:width])
    most = total
    for gone, come in zip(curve.expected, curve.expected[width:], strict=False):
        total += come - gone
        most = max(most, total)
    if most / width > bounds.day_max:
        raise FeedError(
            f"a mean of {most / width:g} {bounds.unit} over a day; at most {bounds.day_max:g} can flow"
        )


def _newer(curve: Curve, before: Curve) -> None:
    """An answer that was late on its way never replaces a newer one; one number stands for one content."""
    if curve.source != before.source:
        return
    if curve.issued_utc_s < before.issued_utc_s:
        raise FeedError("issued before the one that is in use")
    if curve.sequence and curve.issued_utc_s == before.issued_utc_s:
        if curve.sequence < before.sequence:
            raise FeedError(f"sequence {curve.sequence} after {before.sequence}")
        if curve.sequence == before.sequence and curve.expected != before.expected:
            raise FeedError(f"sequence {curve.sequence} told twice, with other content")


@dataclass(slots=True)
class Standing:
    """How one feed fares. Times on the monotonic clock for what is due, UTC for what is believed."""

    name: str
    period_s: float
    age_s_max: float
    bounds: Bounds
    good: Curve | None = None
    fault: str = ""  # of the newest look, empty: it was good
    faults: int = 0  # in a row
    t_due_ns: int = 0
    tops: dict[int, float] = field(default_factory=dict)  # day of UTC: the largest value believed on it

    def due(self, now: Instant) -> bool:
        """Whether it is time for another look."""
        return now.t_ns >= self.t_due_ns

    def take(self, curve: Curve, now: Instant) -> None:
        """Keep a curve as the last good one. Raises FeedError, and keeps the one before, for any other."""
        good = self.good
        if good is not None and good.issued_utc_s > now.utc_s + EARLY_S_MAX:
            good = None  # the clock was set back: what was told before has no order any more
        found = believed(curve, self.bounds, now.utc_s, good)
        until_s = min(found.valid_until_utc_s, found.issued_utc_s + self.age_s_max)
        if until_s <= now.utc_s:
            age_s = now.utc_s - found.issued_utc_s
            raise FeedError(f"{age_s:.0f} s old; at most {self.age_s_max:.0f} is believed")
        self._like_before(found, int(now.utc_s // DAY_S))
        self.good = replace(found, valid_until_utc_s=until_s)
        self.looked(now)

    def _like_before(self, curve: Curve, day: int) -> None:
        """Held against what was told in the last DAYS, and remembered (F93). Without history the bounds decide."""
        tops = {d: top for d, top in self.tops.items() if abs(day - d) < DAYS}
        most, top = max(tops.values(), default=inf), max(map(abs, curve.expected))
        if top > max(LEAP * most, self.bounds.usual_max):
            raise FeedError(
                f"{top:g} {self.bounds.unit}; the last {DAYS} days knew {most:g} at most: a slip of the unit? "
                f"More than {LEAP:g} times as much is refused above {self.bounds.usual_max:g}"
            )
        self.tops = tops | {day: max(top, tops.get(day, 0.0))}

    def looked(self, now: Instant, fault: str = "") -> None:
        """A look is over; after a fault the next one comes sooner than usual, and later each time."""
        self.fault = fault
        self.faults = self.faults + 1 if fault else 0
        wait_s = self.period_s
        if fault:
            retry_s = RETRY_S_MIN * 2.0 ** min(self.faults - 1, 10)
            wait_s = min(retry_s, max(self.period_s, RETRY_S_MIN), RETRY_S_MAX)
        self.t_due_ns = now.t_ns + ns(wait_s)

    def curve(self, utc_s: float) -> Curve | None:
        """The last good curve while it is young, valid and not over."""
        good = self.good
        if good is None or utc_s >= good.valid_until_utc_s or utc_s < good.issued_utc_s - EARLY_S_MAX:
            return None
        return good if utc_s < good.start_utc_s + good.step_s * len(good.expected) else None

    def age_s(self, utc_s: float) -> float:
        """Since the last good curve was issued; inf: there was none."""
        return utc_s - self.good.issued_utc_s if self.good is not None else inf

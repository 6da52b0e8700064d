"""Segments of any length as a curve of quarter hours; what readers of text share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from math import isfinite
from typing import Any

import numpy as np

from controller.feeds.policy import FeedError
from controller.image import Curve

STEP_S = 900.0
SEGMENTS_MAX = 20_000  # two weeks of minutes
SPAN_S_MAX = 21 * 86_400.0
VALUE_MAX = 1e9  # beyond any power or price; sums of such stay numbers
TOUCH_S = 1e-3  # ends this close are one


@dataclass(frozen=True, slots=True)
class Segment:
    """A mean value from begin to end, UTC s."""

    begin_s: float
    end_s: float
    value: float


def curve(segments: Sequence[Segment], now_s: float, issued_s: float, source: str) -> Curve:
    """The stretch without a gap that holds now_s, or the first after it, in quarter hours. Raises FeedError.

    A quarter that is told in part is the mean of that part. What follows a gap is the missing tail of another day.
    """
    run = _run(sorted(segments, key=lambda s: (s.begin_s, s.end_s)), now_s)
    edges = np.array([run[0].begin_s, *(s.end_s for s in run)])
    total = np.concatenate([[0.0], np.cumsum([s.value * (s.end_s - s.begin_s) for s in run])])
    first_s = edges[0] - edges[0] % STEP_S
    at_s = first_s + STEP_S * np.arange(int(np.ceil((edges[-1] - first_s - TOUCH_S) / STEP_S)) + 1)
    inside_s = np.clip(at_s, edges[0], edges[-1])
    means = np.diff(np.interp(inside_s, edges, total)) / np.diff(inside_s)
    return Curve(
        start_utc_s=float(first_s),
        step_s=STEP_S,
        expected=tuple(means.tolist()),
        issued_utc_s=issued_s,
        valid_until_utc_s=float(edges[-1]),
        source=source,
    )


def _run(ordered: Sequence[Segment], now_s: float) -> list[Segment]:
    if not 0 < len(ordered) <= SEGMENTS_MAX:
        raise FeedError(f"{len(ordered)} entries; 1 to {SEGMENTS_MAX} are allowed")
    if not all(isfinite(s.begin_s) and isfinite(s.end_s) and s.begin_s < s.end_s for s in ordered):
        raise FeedError("an entry that ends before it begins, or at no time at all")
    if not all(abs(s.value) <= VALUE_MAX for s in ordered):  # catches what is no number too
        raise FeedError(f"a value that is no number up to {VALUE_MAX:g}")
    kept = [ordered[0]]
    for one, other in pairwise(ordered):
        if other == one:
            continue
        if other.begin_s < one.end_s - TOUCH_S:
            raise FeedError(f"{stamp(other.begin_s)} is told twice, with different content")
        if other.begin_s > one.end_s + TOUCH_S:
            if one.end_s > now_s:
                break
            kept = []
        kept.append(other)
    if kept[-1].end_s <= now_s:
        raise FeedError(f"it ends {stamp(kept[-1].end_s)}; nothing in it lies ahead")
    if kept[-1].end_s - kept[0].begin_s > SPAN_S_MAX or abs(kept[0].begin_s - now_s) > SPAN_S_MAX:
        raise FeedError("it spans more than three weeks")
    return kept


def stamp(utc_s: float) -> str:
    """A moment for people."""
    try:
        return datetime.fromtimestamp(utc_s, UTC).strftime("%Y-%m-%dT%H:%MZ")
    except (ValueError, OverflowError, OSError):
        return f"{utc_s:g} s"


def moment(text: object) -> float:
    """UTC seconds of an ISO time with its offset; without one the hour of a clock change is two. Raises FeedError."""
    if not isinstance(text, str) or len(text) > 40:
        raise FeedError(f"{str(text)[:40]!r} is no time; 2026-01-31T13:00Z is allowed")
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        if found.tzinfo is None:
            raise FeedError(f"{text!r} has no offset; 2026-01-31T13:00Z or +01:00 is allowed")
        return found.timestamp()
    except (ValueError, OverflowError):
        raise FeedError(f"{text!r} is no time; 2026-01-31T13:00Z is allowed") from None


def number(value: object, what: str) -> float:
    """A finite number, given as one or as text. Raises FeedError."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > 40:
            raise ValueError
        found = float(value)
    except (ValueError, OverflowError):
        raise FeedError(f"{what} is {str(value)[:40]!r}; a number is needed") from None
    if not isfinite(found):
        raise FeedError(f"{what} is {found}; a finite number is needed")
    return found


def members(value: object, what: str) -> dict[str, Any]:
    """A JSON object. Raises FeedError."""
    if not isinstance(value, dict):
        raise FeedError(f"{what} is no object of names and values")
    return value


def entries(value: object, what: str, count_max: int = SEGMENTS_MAX) -> list[Any]:
    """A JSON list of bearable length. Raises FeedError."""
    if not isinstance(value, list) or len(value) > count_max:
        raise FeedError(f"{what} is no list of at most {count_max} entries")
    return value


def parsed(data: bytes) -> dict[str, Any]:
    """A JSON object out of bytes. Raises FeedError for anything else, nested without end included."""
    try:
        return members(json.loads(data.decode("utf-8-sig")), "the answer")
    except (ValueError, RecursionError):
        raise FeedError("it is no JSON") from None

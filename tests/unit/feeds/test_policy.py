"""What every feed bears: each bound at its edge, order, age, retry, and the last good value."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import pytest

from controller.feeds.policy import Bounds, FeedError, Standing, believed
from controller.image import Curve, Instant

NOW = 1_800_000_000.0
BOUNDS = Bounds(0.0, 100.0, "kW", day_max=50.0)
GOOD = Curve(NOW - 900, 900.0, (10.0, 50.0, 0.0, 60.0), issued_utc_s=NOW - 60, valid_until_utc_s=NOW + 2700,
             sequence=7, source="x")  # fmt: skip


def at(seconds: float) -> Instant:
    """So long after NOW, on both clocks."""
    return Instant(int(seconds * 1e9) + 10**12, NOW + seconds)


def test_a_good_curve_passes_at_every_edge() -> None:
    """Goal: allowed values themselves are allowed. Method: each bound exactly."""
    for edge in (
        replace(GOOD, expected=(0.0, 100.0, 50.0, 50.0)),
        replace(GOOD, issued_utc_s=NOW + 300),
        replace(GOOD, low_68=GOOD.expected, high_68=GOOD.expected),
        replace(GOOD, expected=(50.0,) * 2000),
    ):
        assert believed(edge, BOUNDS, NOW) == edge


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"expected": ()}, "0 steps"),
        ({"expected": (1.0,) * 2001}, "2001 steps"),
        ({"expected": (1.0, 100.01, 1.0, 1.0)}, "0 to 100 kW"),
        ({"expected": (1.0, -0.01, 1.0, 1.0)}, "0 to 100 kW"),
        ({"expected": (1.0, nan, 1.0, 1.0)}, "nan kW"),
        ({"expected": (1.0, inf, 1.0, 1.0)}, "inf kW"),
        ({"expected": (50.0, 50.0, 50.0, 50.1)}, "can flow"),
        ({"expected": (0.0,) * 96 + (60.0,) * 96}, "can flow"),
        ({"high_95": (100.0,) * 3}, "another length"),
        ({"high_95": (100.0, 100.0, 101.0, 100.0)}, "101 kW"),
        ({"low_68": (10.1, 50.0, 0.0, 60.0)}, "cross"),
        ({"issued_utc_s": NOW + 301}, "in the future"),
        ({"issued_utc_s": nan}, "no number"),
        ({"valid_until_utc_s": NOW}, "is over"),
        ({"start_utc_s": NOW - 3600}, "is over"),
    ],
)
def test_a_wrong_curve_is_refused(changes: dict[str, object], fault: str) -> None:
    """Goal: each rule bites. Method: the good curve with one thing changed."""
    with pytest.raises(FeedError, match=fault):
        believed(replace(GOOD, **changes), BOUNDS, NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"issued_utc_s": NOW - 61}, "before the one in use|before the one that"),
        ({"sequence": 6}, "sequence 6 after 7"),
        ({"expected": (1.0, 50.0, 0.0, 60.0)}, "told twice"),
    ],
)
def test_the_order_of_what_is_told(changes: dict[str, object], fault: str) -> None:
    """Goal: a late answer never replaces a newer one. Method: older, lower, same number with other content."""
    later = replace(GOOD, **changes)  # type: ignore[arg-type]
    with pytest.raises(FeedError, match=fault):
        believed(later, BOUNDS, NOW, GOOD)
    assert believed(replace(later, source="another"), BOUNDS, NOW, GOOD)
    assert believed(replace(later, issued_utc_s=NOW, sequence=8), BOUNDS, NOW, GOOD)


def test_the_last_good_value_lasts_as_long_as_it_is_young() -> None:
    """Goal: a fault keeps what was; age ends it. Method: one good look, then a refused one, then time."""
    feed = Standing("x", 60.0, 1000.0, BOUNDS)
    assert feed.curve(NOW) is None
    feed.take(GOOD, at(0))
    with pytest.raises(FeedError):
        feed.take(replace(GOOD, expected=(999.0,) * 4, sequence=8), at(1))
    kept = feed.curve(NOW + 939.9)
    assert kept is not None and kept.expected == GOOD.expected
    assert feed.curve(NOW + 940.0) is None  # 1000 s after it was issued
    assert feed.age_s(NOW + 940.0) == 1000.0
    assert feed.curve(NOW - 361.0) is None, "the clock went back behind it"
    with pytest.raises(FeedError, match="1000 is believed"):
        feed.take(replace(GOOD, sequence=8), at(941))


def test_a_fault_is_retried_sooner_and_ever_later() -> None:
    """Goal: 15, 30, 60 s and so on, never more than ten minutes; good again: the period. Method: faults in a row."""
    feed = Standing("x", 3600.0, 1000.0, BOUNDS)
    waits = []
    for _ in range(8):
        feed.looked(at(0), "no answer")
        waits.append((feed.t_due_ns - at(0).t_ns) / 1e9)
    assert waits == [15, 30, 60, 120, 240, 480, 600, 600]
    assert not feed.due(at(599.9)) and feed.due(at(600))
    feed.take(GOOD, at(600))
    assert (feed.fault, feed.t_due_ns) == ("", at(4200).t_ns)
    quick = Standing("x", 10.0, 1000.0, BOUNDS)
    quick.looked(at(0), "no answer")
    quick.looked(at(0), "no answer")
    assert quick.t_due_ns == at(15).t_ns

"""The learned forecasts: a usual day, a feed that is wrong, a sun with clouds; bands from own errors."""

from __future__ import annotations

import numpy as np
import pytest

from controller.plan.forecast import Model

pytestmark = pytest.mark.stack

HOURS = np.arange(24)
DAY_KW = 1000.0 + 500.0 * (HOURS >= 8) * (HOURS < 18)


def fed(model: Model, days: int, feed_kw: np.ndarray | None, noise_kw: float = 0.0) -> Model:
    """A model that has seen whole days of DAY_KW and been asked for 24 hours ahead at each hour."""
    rng = np.random.default_rng(1)
    for hour in range(24 * days):
        ahead = (hour + HOURS) % 24
        model.outlook(feed_kw, ahead, (hour + HOURS) // 24, np.zeros(24, dtype=bool))
        kw = DAY_KW[hour % 24] + noise_kw * rng.standard_normal()
        model.observe(kw, hour % 24, hour // 24, False)
    return model


def ahead(model: Model, days: int, feed_kw: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Expected value and bands for the next whole day."""
    found = model.outlook(feed_kw, HOURS, np.full(24, days), np.zeros(24, dtype=bool))
    return found.expected_kw, found.bands_kw


def test_nothing_is_known_at_the_start() -> None:
    """Goal: no record, no feed: zero, and no band. Method: the first outlook."""
    expected_kw, bands_kw = ahead(Model("load"), 0)
    assert expected_kw.tolist() == [0.0] * 24
    assert bands_kw.tolist() == [[0.0] * 24] * 4


def test_hours_without_an_outlook_and_with_several() -> None:
    """Goal: an error belongs to the hour it was foretold for. Method: a rising load, told 1, 2 or 0 times an hour.

    The feed is always 100 too high, at every lead: whatever is asked when, that is its mean square error.
    """
    model, off = Model("load"), np.zeros(24, dtype=bool)
    for hour in range(72):
        for _ in range((1, 2, 0)[hour % 3]):
            feed_kw = 1100.0 + 10.0 * (hour + HOURS)
            model.outlook(feed_kw, (hour + HOURS) % 24, (hour + HOURS) // 24, off)
        model.observe(1000.0 + 10.0 * hour, hour % 24, hour // 24, False)
    square = model._square[0, :24] / model._hours[0, :24]
    assert square == pytest.approx([100.0**2] * 24)


def test_a_usual_day_is_learned() -> None:
    """Goal: similar days. Method: five equal days without a feed; the sixth within 2 %, better than the last hour."""
    model = fed(Model("load"), 5, None)
    expected_kw, _ = ahead(model, 5)
    assert expected_kw[1:] == pytest.approx(DAY_KW[1:], rel=0.02)
    assert model.skill()["skill_6h"] > 0.5


def test_a_free_weekend_says_little_of_monday() -> None:
    """Goal: days that differ widely do not mix. Method: five working days of 5000 kW at 18, two days off without."""
    model = Model("load")
    for hour in range(7 * 24):
        off = hour >= 5 * 24
        ahead_off = (hour + HOURS) % 168 >= 5 * 24
        model.outlook(None, (hour + HOURS) % 24, (hour + HOURS) // 24, ahead_off)
        model.observe(5000.0 if hour % 24 == 18 and not off else 500.0, hour % 24, hour // 24, off)
    found = model.outlook(None, HOURS, np.full(24, 7), np.zeros(24, dtype=bool))
    assert found.expected_kw[18] == pytest.approx(5000.0, rel=0.015)
    assert found.expected_kw[12] == pytest.approx(500.0, rel=0.015)


def test_a_wrong_feed_loses_its_say() -> None:
    """Goal: a feed is weighed by its errors. Method: 4000 kW told every hour of five days; then hardly believed."""
    expected_kw, _ = ahead(fed(Model("load"), 5, np.full(24, 4000.0)), 5, np.full(24, 4000.0))
    assert expected_kw[1:] == pytest.approx(DAY_KW[1:], rel=0.02)


def test_bands_are_as_wide_as_the_errors() -> None:
    """Goal: 68 % lies within one sigma. Method: 14 days with 100 kW of noise on a known shape."""
    expected_kw, bands_kw = ahead(fed(Model("load"), 14, None, noise_kw=100.0), 14)
    half_kw = (bands_kw[2] - bands_kw[1]) / 2
    assert 85 < np.median(half_kw) < 150
    assert (bands_kw[0] <= bands_kw[1]).all()
    assert (bands_kw[1] < expected_kw).mean() > 0.9


def test_the_night_is_sure() -> None:
    """Goal: no band where the sun is down. Method: a bell of five days; nothing at night, the bell by day."""
    model = Model("pv")
    bell_kw = np.maximum(np.sin((HOURS - 6) / 12 * np.pi), 0) * 1000
    bell_kw[bell_kw < 1e-6] = 0.0
    for hour in range(24 * 5):
        model.outlook(None, (hour + HOURS) % 24, (hour + HOURS) // 24, np.zeros(24, dtype=bool))
        model.observe(float(bell_kw[hour % 24]) * (0.6 + 0.1 * (hour // 24)), hour % 24, hour // 24, False)
    expected_kw, bands_kw = ahead(model, 5)
    assert expected_kw[:6].tolist() == [0.0] * 6
    assert bands_kw[:, :6].max() == 0.0
    assert 700 < expected_kw[12] < 1100


def test_the_shape_within_an_hour_is_learned() -> None:
    """Goal: a burst that ends at half past is known. Method: 4000, 4000, 0, 0 kW at noon, the last one higher."""
    model = Model("load")
    flat_kw, burst_kw = np.full(4, 1000.0), np.array([4000.0, 4000.0, 0.0, 0.0])
    for hour in range(24 * 3):
        raised = burst_kw * (1.1 if hour // 24 == 2 else 1.0)
        model.observe(raised if hour % 24 == 12 else flat_kw, hour % 24, hour // 24, False)
    found = model.outlook(None, HOURS, np.full(24, 3), np.zeros(24, dtype=bool))
    assert 1900 < found.within_kw[12, 0] < 2200  # a flat day's share is in it
    assert found.within_kw[12].tolist() == pytest.approx(
        (found.within_kw[12, 0] * np.array([1, 1, -1, -1])).tolist()
    )
    assert found.within_kw_top[12, 0] == pytest.approx(2200.0)
    assert np.abs(found.within_kw[:12]).max() == 0.0


def test_the_bands_of_the_sun_go_with_its_height() -> None:
    """Goal: noon may miss by more than morning. Method: clear days and days at a third; bands by the bell."""
    model = Model("pv")
    bell_kw = np.maximum(np.sin((HOURS - 6) / 12 * np.pi), 0) * 1000
    clear = np.random.default_rng(3).choice([1.0, 0.33], 14)
    for hour in range(24 * 14):
        model.outlook(None, (hour + HOURS) % 24, (hour + HOURS) // 24, np.zeros(24, dtype=bool))
        model.observe(bell_kw[hour % 24] * clear[hour // 24], hour % 24, hour // 24, False)
    found = model.outlook(None, HOURS, np.full(24, 14), np.zeros(24, dtype=bool))
    wide_kw = found.bands_kw[3] - found.bands_kw[0]
    assert 250 < wide_kw[12] < 1500
    assert wide_kw[8] == pytest.approx(wide_kw[12] * bell_kw[8] / bell_kw[12], rel=0.35)


def test_a_cloud_of_this_hour_weighs_more_than_the_clear_sky_of_yesterday() -> None:
    """Goal: the last hours first. Method: five clear days, then a tenth from 8 to 11; noon as the sky alone says."""
    model = Model("pv")
    bell_kw = np.maximum(np.sin((HOURS - 6) / 12 * np.pi), 0) * 1000
    for hour in range(24 * 5 + 11):
        share = 0.1 if hour >= 24 * 5 + 8 else 1.0
        model.observe(float(bell_kw[hour % 24]) * share, hour % 24, hour // 24, False)
    assert 100 < model._sky(HOURS)[12] < 200
    for hour in range(11, 20):
        model.observe(float(bell_kw[hour]), hour, 5, False)
    assert model._sky(HOURS)[12] > 900


def test_news_goes_before_experience() -> None:
    """Goal: what was never seen is told by the feed alone, beyond all it told too much. Method: quiet, a rise."""
    model, off = Model("load"), np.zeros(24, dtype=bool)
    for hour in range(20):  # the feed tells 900 too much, whatever comes
        model.outlook(np.full((24, 4), 1400.0), (hour + HOURS) % 24, (hour + HOURS) // 24, off)
        model.observe(np.full(4, 500.0), hour, 0, False)
    for top_kw, news in ((1449.0, False), (1451.0, True)):  # 1.1 x 500 + 900 = 1450
        feed_kw = np.full((24, 4), 1400.0)
        feed_kw[2] = [1400.0, 1400.0, 2 * top_kw - 1400.0, 2 * top_kw - 1400.0]
        found = model.outlook(feed_kw, (20 + HOURS) % 24, (20 + HOURS) // 24, off)
        assert found.news.tolist() == [False] * 2 + [news] + [False] * 21
        assert found.expected_kw[2] == pytest.approx(top_kw if news else 500.0, rel=0.05)
        assert found.usual_kw[2] == pytest.approx(500.0, rel=0.05)
        assert found.within_kw[2].tolist() == (feed_kw[2] - top_kw if news else np.zeros(4)).tolist()


@pytest.mark.parametrize("vain", [False, True])
def test_a_load_told_to_go_on_is_no_rise_in_vain(vain: bool) -> None:
    """Goal: a start inside a peak costs a feed no trust in the next rise; a rise told in vain does. Method: both.

    5000 kW for half an hour, told as one without end; 900 kW too much of the base all day; then 4800 in two hours.
    """
    model = Model("load")
    none, first = np.zeros(24, dtype=bool), np.full(24, 1400.0)
    for hour in range(20):
        told_kw = np.full(24, 5000.0) if hour == 0 else first.copy()
        if vain and hour == 5:
            told_kw[2] = 4800.0
        model.outlook(told_kw, (hour + HOURS) % 24, (hour + HOURS) // 24, none)
        slots_kw = np.array([5000.0, 5000.0, 500.0, 500.0]) if hour == 0 else np.full(4, 500.0)
        model.observe(slots_kw, hour, 0, False)
    rise_kw = first.copy()
    rise_kw[2] = 4800.0
    found = model.outlook(rise_kw, (20 + HOURS) % 24, (20 + HOURS) // 24, none)
    assert found.news.tolist() == [False] * 2 + [not vain] + [False] * 21


def test_before_anything_was_seen_a_high_load_is_news() -> None:
    """Goal: above 1.1 x the usual most, a load at the start will end, and all told with it. Method: 4400 of 4000."""
    off = np.zeros(24, dtype=bool)
    for told_kw, news in ((4399.0, False), (4401.0, True)):
        found = Model("load", 4000.0).outlook(np.linspace(told_kw, 2000.0, 24), HOURS, HOURS // 24, off)
        assert found.news.all() == found.news.any() == news
        assert found.expected_kw[0] == pytest.approx(told_kw)
        assert found.usual_kw[0] == pytest.approx(0.0 if news else told_kw)
    slots_kw = np.full((20, 4), 4401.0)  # told for 20 of the hours
    short = Model("load", 4000.0).outlook(slots_kw, HOURS, HOURS // 24, off)
    assert short.news.tolist() == [True] * 20 + [False] * 4
    rise = Model("load", 4000.0).outlook(np.where(HOURS == 1, 1101.0, 1000.0), HOURS, HOURS // 24, off)
    assert rise.news.tolist() == [False, True] + [False] * 22  # above what runs now


def test_a_feed_of_less_than_an_hour_tells_nothing() -> None:
    """Goal: what is left of a curve may be no whole hour. Method: none, and none in slots, with bands: as without."""
    off = np.zeros(24, dtype=bool)
    plain = fed(Model("load"), 2, None).outlook(None, HOURS, HOURS // 24 + 2, off)
    for feed_kw in (np.empty(0), np.empty((0, 4))):
        found = fed(Model("load"), 2, None).outlook(feed_kw, HOURS, HOURS // 24 + 2, off, np.empty((4, 0)))
        assert np.array_equal(found.expected_kw, plain.expected_kw)
        assert np.array_equal(found.bands_kw, plain.bands_kw)


def test_bands_that_are_told_are_used_as_they_fare() -> None:
    """Goal: a feed's own bands, widened where they are too narrow. Method: errors of 100 kW, told 50."""
    told_kw = np.array([[-100.0], [-50.0], [50.0], [100.0]])
    model, rng, off = Model("load"), np.random.default_rng(1), np.zeros(24, dtype=bool)
    first = model.outlook(np.full(24, 2000.0), HOURS, HOURS // 24, off, np.tile(2000.0 + told_kw, 24))
    assert first.bands_kw[:, 5].tolist() == [1900.0, 1950.0, 2050.0, 2100.0]
    for hour in range(96):
        feed_kw = 2000.0 + 500.0 * np.sin(hour + HOURS)
        ahead = (hour + HOURS) % 24, (hour + HOURS) // 24, off
        found = model.outlook(feed_kw, *ahead, feed_kw + told_kw)
        model.observe(feed_kw[0] + 100.0 * rng.standard_normal(), hour % 24, hour // 24, False)
    half_kw = (found.bands_kw[2] - found.bands_kw[1]) / 2
    assert 80.0 < half_kw[6:18].mean() < 125.0
    assert (found.bands_kw[0] < found.bands_kw[1]).all()

"""What the battery really holds, from one full anchor to a low state of charge (F47): every bound at its edge."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isnan, nan
from random import Random

import pytest

from controller.image import Mode
from controller.safety import fade, island, soc
from controller.safety.conditions import ROWS
from controller.safety.soc import Reading
from controller.safety.terms import Terms
from controller.state import Asked, Battery, Effect, Fade, SocBand
from tests.unit.safety.halls import FALLBACK, FORMS, HALL_TERMS, HEALTHY, view
from tests.unit.safety.sites import Story, at
from tests.unit.safety.test_soc import SITE

DAY_S = 86_400.0
DRAWN = Fade(680.0, 670.0, 600.0)
NOW = at(1.0)


def band(**changes: object) -> SocBand:
    """An interval in the middle, a second ago."""
    known = SocBand(20.0, 30.0, at(0.0).t_ns, 1, 0, 0.0, 0.0, 0.0, below_pct=5.0, above_pct=5.0)
    return replace(known, **changes)  # type: ignore[arg-type]


def told(soc_pct: float = 25.0, **changes: float) -> Reading:
    """A reading of that second, in which nothing flowed."""
    seen = Reading(soc_pct, soc_pct, 0.0, 0.0, 1.0, 3.2, 3.3, 25.0)
    return replace(seen, **changes)


def tracked(
    before: Fade = DRAWN, seen: Reading | None = None, terms: Terms = SITE, **changes: object
) -> Fade:
    """After that reading. changes: of the interval with it."""
    return fade.track(before, band(), band(t_ns=NOW.t_ns, **changes), terms, seen or told(), NOW)


FULL = {"low_pct": 98.0, "high_pct": 100.0, "t_held_ns": at(-59.0).t_ns}
EMPTY = {"low_pct": 0.0, "high_pct": 2.0, "t_held_ns": at(-59.0).t_ns}


@pytest.mark.parametrize("counts", [(680.0, 670.0), (670.0, 680.0)])
def test_the_most_that_a_low_reading_leaves(counts: tuple[float, float]) -> None:
    """Goal: the larger of two counts and 3 %, through the least that the state of charge has come down: from 98 % to
    25 + 5 %; beside it what is likely: all as it stands, from 99 % to 25. Method: by hand."""
    found = tracked(replace(DRAWN, drawn_kwh=counts[0], told_kwh=counts[1]))
    assert found.most_kwh == pytest.approx(1.03 * 680.0 / 0.68)
    assert found.likely_kwh == pytest.approx(600.0 / 0.74)
    assert found.fits_kwh == ()


@pytest.mark.parametrize(
    ("said_pct", "measured"), [(43.0, True), (43.001, False), (nan, False), (-2.0, False)]
)
def test_half_of_it_at_least(said_pct: float, measured: bool) -> None:
    """Goal: 98 - 43 - 5 is 50 % and enough; less, or nothing that can be read, is not. Method: both sides."""
    assert isnan(tracked(seen=told(said_pct)).most_kwh) is not measured


def test_the_least_of_all_readings_counts() -> None:
    """Goal: each reading bounds it; the tightest is kept with what was likely by it. Method: looser, equal, tighter."""
    kept = replace(DRAWN, most_kwh=1000.0, likely_kwh=1.0)
    assert (tracked(kept).most_kwh, tracked(kept).likely_kwh) == (1000.0, 1.0)
    assert tracked(replace(kept, most_kwh=tracked().most_kwh)).likely_kwh == 1.0
    assert tracked(replace(kept, most_kwh=1031.0)).likely_kwh > 1.0


def test_racks_that_differ() -> None:
    """Goal: the fullest bounds the depth. Method: 20 and 43.001 %."""
    assert isnan(tracked(seen=told(soc_pct_low=20.0, soc_pct_high=43.001)).most_kwh)
    assert tracked(seen=told(soc_pct_low=20.0, soc_pct_high=43.0)).most_kwh > 0.0


@pytest.mark.parametrize(("cell_c", "goes_on"), [(10.0, True), (9.999, False), (nan, True)])
@pytest.mark.parametrize("ends", [{}, EMPTY])
def test_cold_cells_end_it(cell_c: float, goes_on: bool, ends: dict[str, float]) -> None:
    """Goal: what the cold keeps back is no fade. Method: 10 degC and below, at a low reading and at an empty anchor."""
    found = tracked(replace(DRAWN, fits_kwh=(7.0,)), told(cell_c_low=cell_c), **ends)
    if not goes_on:
        assert repr(found) == repr(Fade(fits_kwh=(7.0,)))
    else:
        assert found.most_kwh > 0.0 or found.fits_kwh == (7.0, pytest.approx(1.03 * 680.0 / 0.96))


@pytest.mark.parametrize(("error_pct", "most_pct"), [(5.0, 5.0), (0.0, 2.0)])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_bms_that_jumps_ends_it(error_pct: float, most_pct: float, sign: float) -> None:
    """Goal: F42: a jump by more than the stated error, or 2 %, either way. Method: the interval's distance to it."""
    terms = replace(SITE, soc_error_pct=error_pct)
    for step_pct, goes_on in ((most_pct, True), (most_pct + 0.001, False)):
        found = tracked(terms=terms, above_pct=5.0 + sign * step_pct)
        assert (found.most_kwh > 0.0) is goes_on
        assert isnan(found.drawn_kwh) is not goes_on


@pytest.mark.parametrize(("said_pct", "agrees"), [(93.0, True), (92.999, False), (nan, False)])
def test_the_next_full_anchor_makes_it_a_fit(said_pct: float, agrees: bool) -> None:
    """Goal: a new count from zero; the fit only of a BMS that is right within its error where the cells prove it.
    Method: both sides of 98 - 5 %, the emptiest rack; nothing measured; one measured before any count."""
    seen = told(soc_pct_low=said_pct, soc_pct_high=100.0)
    found = tracked(replace(DRAWN, most_kwh=800.0, likely_kwh=700.0), seen, **FULL)
    fits_kwh = (800.0,) if agrees else ()
    assert repr(found) == repr(Fade(0.0, 0.0, 0.0, fits_kwh=fits_kwh))
    assert tracked(replace(DRAWN, fits_kwh=(7.0,)), told(100.0), **FULL).fits_kwh == (7.0,)
    assert tracked(Fade(), told(100.0), **FULL).drawn_kwh == 0.0


def test_an_anchor_that_is_not_held_yet_begins_nothing() -> None:
    """Goal: a minute as in soc. Method: 59.9 s of looking full."""
    assert tracked(seen=told(100.0), **FULL | {"t_held_ns": at(-58.9).t_ns}).drawn_kwh >= 680.0
    assert isnan(tracked(Fade(), **EMPTY).drawn_kwh) and tracked(Fade(), **EMPTY).fits_kwh == ()


def test_an_empty_anchor_is_a_fit_at_once() -> None:
    """Goal: the cells speak, from 98 to 2 %; what the BMS said before does not count; likely from 99 to 1 %.
    Method: by hand; enough and likely so, too little, neither."""
    low = {"most_kwh": 1.0, "likely_kwh": 1.0}
    for drawn_kwh, least_kwh, fit in ((800.0, 0.0, True), (900.0, 882.0, True), (900.0, 881.9, False)):
        found = tracked(
            Fade(drawn_kwh, 1.0, least_kwh, fits_kwh=(7.0,), **low), told(0.0, cell_v_low=2.9), **EMPTY
        )
        fits = (7.0, pytest.approx(1.03 * drawn_kwh / 0.96)) if fit else (7.0,)
        assert found.fits_kwh == fits and isnan(found.drawn_kwh) and isnan(found.most_kwh)


@pytest.mark.parametrize(
    ("most_kwh", "likely_kwh", "says"),
    [
        (899.9, 0.0, True),
        (900.0, 899.9, False),
        (900.0, 900.0, True),
        (1100.0, 899.9, False),
        (2000.0, 950.0, True),
    ],
)
def test_what_may_be_too_little_and_may_be_enough_says_nothing(
    most_kwh: float, likely_kwh: float, says: bool
) -> None:
    """Goal: a loose measurement neither raises nor lifts. Method: both bounds at 900 of 1000 kWh; two fits are kept."""
    found = tracked(
        replace(DRAWN, most_kwh=most_kwh, likely_kwh=likely_kwh, fits_kwh=(1.0, 2.0)), told(99.0), **FULL
    )
    assert found.fits_kwh == ((2.0, most_kwh) if says else (1.0, 2.0))


def test_what_leaves_the_battery() -> None:
    """Goal: hours, half of what the interval grows by in a day, and of a charge only what comes out again at least.
    Method: 100 kW for two hours by the frame, 50 kW in by the BMS, at 0.9; a day at rest: 0.1 % of 1000 kWh."""
    terms = replace(SITE, round_trip_pu=0.9)
    lost_kwh = 1.0 * 7200.0 / DAY_S
    found = fade.counted(Fade(1.0, 2.0, 3.0), terms, 100.0, -50.0, 80.0, 7200.0)
    assert found.drawn_kwh == pytest.approx(201.0 + lost_kwh)
    assert found.told_kwh == pytest.approx(2.0 - 90.0 + lost_kwh)
    assert found.least_kwh == pytest.approx(163.0)
    charged = fade.counted(Fade(1.0, 2.0, 3.0), terms, -50.0, 100.0, -50.0, 7200.0)
    assert (charged.drawn_kwh, charged.least_kwh) == pytest.approx((1.0 - 90.0 + lost_kwh, -97.0))
    assert fade.counted(Fade(0.0, 0.0, 0.0), terms, 0.0, 0.0, 0.0, DAY_S).drawn_kwh == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("seen", "counts_kwh"),
    [
        (told(frame_kwh=2.0, frame_s=1.0, dc_kw=3600.0), (2.0, 0.5, 2.0)),
        (told(frame_kwh=2.0, frame_s=1.0, dc_kw=nan), (2.0, 2.0, 2.0)),  # the BMS tells no power
        (
            told(frame_kwh=2.0, frame_s=0.0, dc_kw=3600.0),
            (1.0, 1.0, 0.0),
        ),  # no DC bus: the larger, and the smaller
        (told(frame_kwh=2.0, frame_s=0.0, dc_kw=-3600.0), (0.0, 0.0, -1.0)),
        (told(frame_kwh=2.0, frame_s=0.0, dc_kw=nan), (nan, nan, nan)),  # nor a power: nothing is measured
    ],
)
def test_who_counts(seen: Reading, counts_kwh: tuple[float, float, float]) -> None:
    """Goal: the frame's count, the BMS's beside it where it tells one; without a frame its readings as bounds.
    Method: 2 kWh in a second by the frame; 0 kW read before and another power now."""
    found = tracked(seen=seen)
    gone = (found.drawn_kwh - 680.0, found.told_kwh - 670.0, found.least_kwh - 600.0)
    assert gone == pytest.approx(counts_kwh, abs=1e-4, nan_ok=True)
    assert isnan(found.most_kwh) is isnan(counts_kwh[0])


def test_nothing_is_measured_before_it_was_full() -> None:
    """Goal: no fit without a full anchor. Method: a low reading."""
    assert repr(tracked(Fade(fits_kwh=(7.0,)))) == repr(Fade(fits_kwh=(7.0,)))


@pytest.mark.parametrize(
    ("fits_kwh", "held_kwh", "reserve_pct"),
    [
        ((), nan, 30.0),
        ((750.0,), nan, 30.0),
        ((600.0, 750.0), 750.0, 40.0),
        ((750.0, 600.0), 750.0, 40.0),
        ((750.0, 900.0), nan, 30.0),
        ((899.9, 1.0), 899.9, 30.0 * 1000.0 / 899.9),
        ((200.0, 200.0), 200.0, 100.0),
        ((0.5, 0.5), 0.5, 100.0),
        ((0.0, -1.0), 0.0, 30.0),
    ],
)
def test_two_in_a_row(fits_kwh: tuple[float, ...], held_kwh: float, reserve_pct: float) -> None:
    """Goal: both below 900 of 1000 kWh, by the larger; a reserve stays as many kWh, never more than all. Method: edges;
    what cannot be raises nothing."""
    found = Fade(fits_kwh=fits_kwh)
    assert fade.held_kwh(1000.0, found) == pytest.approx(held_kwh, nan_ok=True)
    assert fade.reserve_pct(30.0, SITE, found) == pytest.approx(reserve_pct)
    assert fade.reserve_pct(30.0, replace(SITE, capacity_kwh=inf), Fade()) == 30.0


@pytest.mark.parametrize(
    ("most_kwh", "fits_kwh", "due"),
    [
        (899.9, (), True),
        (900.0, (), False),
        (nan, (), False),
        (899.9, (800.0,), True),
        (899.9, (800.0, 800.0), False),
    ],
)
def test_a_battery_that_looks_faded_is_filled(
    most_kwh: float, fits_kwh: tuple[float, ...], due: bool
) -> None:
    """Goal: days, not the 14 of an anchor; once it is known, those 14 again. Method: both sides; the whole battery."""
    assert fade.due(Fade(most_kwh=most_kwh, fits_kwh=fits_kwh), 1000.0) is due
    story = Story(terms=replace(SITE, soc_error_pct=4.0))
    story.feed(0.0)
    before = story.conditions.battery
    story.conditions = replace(
        story.conditions, battery=replace(before, fade=Fade(0.0, 0.0, 0.0, most_kwh, 0.0, fits_kwh))
    )
    story.feed(1.0, track={"dc_s": 1.0})
    assert story.conditions.battery.anchor_due is due


def faded(story: Story, seconds: float, *fits_kwh: float) -> set[str]:
    """One cycle after these fits."""
    battery = replace(story.conditions.battery, fade=Fade(fits_kwh=fits_kwh))
    story.conditions = replace(story.conditions, battery=battery)
    return story.feed(seconds)


def test_f47_capacity_fade() -> None:
    """Goal: told without a level, nothing else changes; a later fit of 900 of 1000 kWh ends it at once.
    Method: one fit, two, the edge; its words."""
    story = Story(terms=replace(SITE, soc_error_pct=4.0))
    assert faded(story, 0.0, 850.0) == faded(story, 0.1, 850.0, 900.0) == set()
    assert faded(story, 0.2, 850.0, 899.9) == {"F47"} == faded(story, 0.3, 850.0, 800.0)
    (found,) = story.conditions.active
    assert (found.effect, found.level, found.grade, found.subject) == (Effect.NOTE, 0, "A", "site")
    assert (story.conditions.level, story.conditions.share_pu) == (0, 1.0)
    assert "holds 900 kWh at most, wanted 900 kWh" in found.cause and "battery.capacity_kwh" in found.cure
    assert story.feed(0.4) == {"F47"}
    assert faded(story, 0.5, 800.0, 900.0) == set()
    assert [row.sign for row in ROWS if row.sign != 1.0] == [-1.0]


@pytest.mark.parametrize(("soc_pct", "why"), [(40.0, ""), (39.9, "state of charge below the reserve")])
def test_a_planned_departure_keeps_the_raised_reserve(soc_pct: float, why: str) -> None:
    """Goal: 30 % of 1000 kWh are 40 % of 750. Method: both sides; without the fade 30 % are enough."""
    terms = replace(HALL_TERMS, capacity_kwh=1000.0, fallback=replace(FALLBACK, reserve_pct=30.0))
    here = replace(FORMS.battery, soc_pct_low=soc_pct)
    for fits_kwh, expected in (((750.0, 750.0), why), ((), "")):
        known = replace(FORMS, battery=replace(here, fade=Fade(fits_kwh=fits_kwh)))
        look = view(Mode.GRID_TIED, HEALTHY, conditions=known, asked=Asked(island=True), terms=terms)
        assert island._leave_planned(look) == expected


class Used:
    """A battery that is filled and emptied, its BMS and the frame each off by as much as they may be."""

    def __init__(self, draw: Random, true_pu: float, counts: bool) -> None:
        self.true_kwh, self.draw, self.counts = 1000.0 * true_pu, draw, counts
        self.pct, self.t, self.frame_kwh = 100.0, 0.0, 0.0
        self.gain, self.bms_gain = draw.uniform(0.97, 1.03), draw.uniform(0.97, 1.03)
        self.kept_pu = draw.uniform(0.93, 1.0)
        self.terms = replace(SITE, round_trip_pu=0.92)
        self.band, self.fade, self.error_pct = SocBand(), Fade(), 0.0

    def go(self, kw: float, until_pct: float, swing_kw: float = 0.0) -> None:
        """At this power until there, read every 10 s; at the end the minute of rest that an anchor needs."""
        while (self.pct > until_pct) if kw > 0 else (self.pct < until_pct):
            self.read(kw + self.draw.choice((-1.0, 1.0)) * swing_kw, 10.0)
        for _ in range(9):
            self.read(0.0, 9.0)

    def read(self, kw: float, step_s: float) -> None:
        """So much later; the power was this one all the time."""
        self.t += step_s
        self.pct -= (kw if kw > 0 else kw * self.kept_pu) * step_s / 36.0 / self.true_kwh
        self.frame_kwh += self.gain * kw * step_s / 3600.0
        cell_v = 3.45 if self.pct > 98.5 else 2.9 if self.pct < 1.5 else 3.3
        said_pct = min(max(self.pct + self.error_pct, 0.0), 100.0)
        frame_s = self.t if self.counts else 0.0
        seen = Reading(said_pct, said_pct, self.bms_gain * kw, self.frame_kwh, frame_s, cell_v, cell_v, 25.0)
        before, self.band = self.band, soc.track(self.band, self.terms, seen, at(self.t))
        self.fade = fade.track(self.fade, before, self.band, self.terms, seen, at(self.t))


@pytest.mark.parametrize("true_pu", [1.0, 0.92])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("counts", [True, False])
def test_no_error_makes_a_battery_look_faded(seed: int, true_pu: float, counts: bool) -> None:
    """Goal: no false alarm, whatever BMS, meters and losses do within what they may. Method: eight discharges, smooth
    and swinging, deep, shallow and empty; another error of the BMS each time; with the frame's count and without."""
    draw = Random(seed)
    used = Used(draw, true_pu, counts)
    used.go(-100.0, 99.5)
    for _ in range(8):
        used.error_pct = draw.uniform(-5.0, 5.0)
        used.go(draw.uniform(200.0, 900.0), draw.choice((1.0, 12.0, 30.0, 55.0)), draw.choice((0.0, 600.0)))
        used.error_pct = draw.uniform(-5.0, 5.0)
        used.go(-draw.uniform(200.0, 700.0), 99.5)
        assert isnan(fade.held_kwh(1000.0, used.fade))


@pytest.mark.parametrize("low_pct", [1.0, 10.0])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("counts", [True, False])
def test_a_faded_battery_is_seen_by_its_second_discharge(seed: int, low_pct: float, counts: bool) -> None:
    """Goal: 75 % of the capacity, two full discharges; new racks lift it by the next one. Method: to an empty anchor,
    and to 10 %; with the frame's count and without."""
    used = Used(Random(seed), 0.75, counts)
    used.terms = replace(used.terms, soc_error_pct=4.0)
    used.go(-100.0, 99.5)
    for seen in (False, True):
        used.go(400.0, low_pct)
        used.go(-400.0, 99.5)
        assert isnan(fade.held_kwh(1000.0, used.fade)) is not seen
    used.true_kwh, used.gain, used.bms_gain = 1000.0, 1.0, 1.0
    used.go(400.0, low_pct)
    used.go(-400.0, 99.5)
    assert isnan(fade.held_kwh(1000.0, used.fade)) and len(used.fade.fits_kwh) == 2


def test_a_discharge_that_swings_is_not_measured_without_the_frame() -> None:
    """Goal: two readings do not see what lies between them. Method: half of the capacity, in swings; with it, it is."""
    for counts in (True, False):
        used = Used(Random(1), 0.5, counts)
        used.go(-100.0, 99.5)
        for _ in range(2):
            used.go(300.0, 10.0, 900.0)
            used.go(-300.0, 99.5)
        assert isnan(fade.held_kwh(1000.0, used.fade)) is not counts


def test_a_battery_of_which_nothing_is_stated() -> None:
    """Goal: no number out of none. Method: an infinite capacity, through a full and an empty anchor."""
    terms = replace(SITE, capacity_kwh=inf)
    assert tracked(terms=terms).fits_kwh == () == tracked(terms=terms, **EMPTY).fits_kwh
    assert Battery().fade.fits_kwh == ()

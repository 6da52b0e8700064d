"""What the battery really holds, measured from one full anchor to a low state of charge (F47).

From the cells that prove it full on, the energy that leaves it is counted: by the frame, and by the BMS's own current
and voltage; the larger counts. Divided by how far the state of charge has come down at least, this is the most that
the battery can hold. It has come down to an empty anchor, or to what the BMS says plus its stated error. So no error
that is allowed, and no loss, makes a battery look smaller than it is; a fade of 15 to 20 % is what can be seen.

Without a DC bus in the frame the larger of two readings stands for the time between them: a steady discharge is
measured, one that swings is not. A cold cell gives less than it holds, and a BMS that jumps has been wrong by more
than it says: either ends the measurement until the next full anchor.
"""

from __future__ import annotations

from math import inf, isfinite, nan

from controller.image import Instant
from controller.records import replace
from controller.safety import soc
from controller.safety.terms import Terms
from controller.state import Fade, SocBand
from controller.units import seconds

FADE_PU = 0.9  # of the stated capacity: below it the battery has faded
FITS = 2  # discharges in a row that must show it
DEPTH_PCT_MIN = 50.0  # shallower, the BMS's error is too large a part of it
FULL_PCT = 100.0 - soc.ANCHOR_PCT  # what a full anchor leaves at least
METER_PU = 1.03  # what sensors of a DC bus may lose: 2 % of voltage, as F09 lets pass, 1 % of current
COLD_C = 10.0  # rated at 25 degC, an LFP cell gives some 5 % less here, and a quarter less at -10 degC
JUMP_PCT_MIN = 2.0  # as F42 has it; a BMS may be off by its stated error as well


def track(fade: Fade, before: SocBand, band: SocBand, terms: Terms, seen: soc.Reading, now: Instant) -> Fade:
    """After one more reading of the BMS. before, band: the interval without this reading and with it."""
    if soc.proven(band, now) and band.low_pct >= FULL_PCT:
        return Fade(0.0, 0.0, 0.0, fits_kwh=_at_full(fade, terms, seen))
    if not isfinite(fade.drawn_kwh):
        return fade
    past_s = seconds(now.t_ns - before.t_ns)
    fade = counted(fade, terms, *_powers_kw(before, seen, past_s), past_s)
    jumped_pct = abs(band.above_pct - before.above_pct)
    if seen.cell_c_low < COLD_C:
        return Fade(fits_kwh=fade.fits_kwh)
    if soc.proven(band, now):  # the cells speak alone
        fade = _deeper(replace(fade, most_kwh=nan), soc.ANCHOR_PCT, 0.5 * soc.ANCHOR_PCT)
        return Fade(fits_kwh=_told(fade, terms))
    if jumped_pct > max(terms.soc_error_pct, JUMP_PCT_MIN):
        return Fade(fits_kwh=fade.fits_kwh)
    said_pct = soc.inside(seen.soc_pct_high)
    most_pct = said_pct + terms.soc_error_pct
    return _deeper(fade, most_pct, said_pct) if FULL_PCT - most_pct >= DEPTH_PCT_MIN else fade


def counted(fade: Fade, terms: Terms, frame_kw: float, bms_kw: float, least_kw: float, past_s: float) -> Fade:
    """With what has left the battery in past_s at these powers; nan: not known, and so is the sum."""
    hours = past_s / 3600.0
    lost_pct = 0.5 * soc.DAY_PCT * past_s / soc.DAY_S  # as the interval grows downwards
    lost_kwh = lost_pct / 100.0 * terms.capacity_kwh
    return replace(
        fade,
        drawn_kwh=fade.drawn_kwh + _most_kw(terms, frame_kw) * hours + lost_kwh,
        told_kwh=fade.told_kwh + _most_kw(terms, bms_kw) * hours + lost_kwh,
        least_kwh=fade.least_kwh + least_kw * hours,
    )


def due(fade: Fade, capacity_kwh: float) -> bool:
    """Whether it should be charged until full, so that what this discharge shows is proven; not once that is known."""
    return fade.most_kwh < FADE_PU * capacity_kwh and not isfinite(held_kwh(capacity_kwh, fade))


def held_kwh(capacity_kwh: float, fade: Fade) -> float:
    """What the battery holds at most, where that is less than FADE_PU of what it should; nan: nothing shows that."""
    most_kwh = shown_kwh(fade)
    return most_kwh if most_kwh < FADE_PU * capacity_kwh else nan


def shown_kwh(fade: Fade) -> float:
    """The larger of the last two fits; nan before there are two."""
    return max(fade.fits_kwh) if len(fade.fits_kwh) == FITS else nan


def reserve_pct(stated_pct: float, terms: Terms, fade: Fade) -> float:
    """A reserve in % that is to stay as many kWh when the battery has faded; never more than all."""
    kwh = held_kwh(terms.capacity_kwh, fade)
    return min(stated_pct * terms.capacity_kwh / kwh, 100.0) if kwh > 0.0 else stated_pct


def _powers_kw(before: SocBand, seen: soc.Reading, past_s: float) -> tuple[float, float, float]:
    """Power since the last reading by frame and BMS, and the least there can have been."""
    frame_kw, bms_kw = soc.frame_kw(before, seen, past_s), soc.bms_kw(before, seen, past_s)
    if isfinite(frame_kw):
        return frame_kw, bms_kw if isfinite(bms_kw) else frame_kw, frame_kw
    if not isfinite(bms_kw):
        return nan, nan, nan
    most_kw = max(before.dc_kw, seen.dc_kw)
    return most_kw, most_kw, min(before.dc_kw, seen.dc_kw)


def _most_kw(terms: Terms, kw: float) -> float:
    """What leaves the battery at most: of a charge a part is lost on its way in and out again."""
    return max(kw, kw * terms.round_trip_pu)


def _deeper(fade: Fade, most_pct: float, said_pct: float) -> Fade:
    """With the most that the battery can hold by a state of charge of at most most_pct, if that is less than before."""
    most_kwh = METER_PU * max(fade.drawn_kwh, fade.told_kwh) * 100.0 / (FULL_PCT - most_pct)
    if not most_kwh < (fade.most_kwh if isfinite(fade.most_kwh) else inf):
        return fade
    depth_pct = 100.0 - 0.5 * soc.ANCHOR_PCT - said_pct
    return replace(fade, most_kwh=most_kwh, likely_kwh=fade.least_kwh * 100.0 / depth_pct)


def _at_full(fade: Fade, terms: Terms, seen: soc.Reading) -> tuple[float, ...]:
    """The fits at the next full anchor. A BMS that is off by more than it says there tells nothing."""
    agrees = soc.inside(seen.soc_pct_low) + terms.soc_error_pct >= FULL_PCT
    return _told(fade, terms) if agrees and isfinite(fade.most_kwh) else fade.fits_kwh


def _told(fade: Fade, terms: Terms) -> tuple[float, ...]:
    """The fits with this one, if it tells something: one that may be too little and may be enough does not."""
    bound_kwh = FADE_PU * terms.capacity_kwh
    says = fade.most_kwh < bound_kwh or fade.likely_kwh >= bound_kwh
    return (*fade.fits_kwh[1 - FITS :], fade.most_kwh) if says else fade.fits_kwh

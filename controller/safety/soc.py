"""State of charge as an interval: counted, widened by use and time, narrowed where the cells prove it.

LFP errors of +-15 % are common, and 10 to 90 % SOC spans 141 mV (reference/safety.md 6.3): one number is not
enough. The guard uses the low end for discharge and the high end for charge. What the BMS says always lies
inside, so a BMS that wanders off widens the interval and asks for an anchor.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan

from controller.image import Instant
from controller.records import replace
from controller.safety.terms import Terms
from controller.state import SocBand
from controller.units import ns, seconds

CYCLE_PCT = 0.5  # growth of the width per equivalent full cycle, 200 % of movement
DAY_PCT = 0.2  # and per day
WIDTH_PCT_MAX = 10.0  # beyond this an anchor charge is due
ANCHOR_DAYS_MAX = 14.0
ANCHOR_PCT = 2.0  # what a full or an empty battery leaves open
HELD_S = 60.0  # voltage and small current must last so long
SMALL_C = 0.05  # current that no longer lifts or sinks the cell voltage much, of the capacity an hour
GAP_S_MAX = 10.0  # a longer hole in the count is bridged by the most that could have flowed
MISS_PU = 0.1  # of the time between two readings: what the frame may miss and still speak for all of it
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What all racks say together, nan where one is silent about it, and the frame's count. dc_kw > 0 discharges."""

    soc_pct_low: float  # of the emptiest rack
    soc_pct_high: float  # of the fullest
    dc_kw: float = nan
    frame_kwh: float = nan  # energy out of the battery by the samples of its DC bus
    frame_s: float = nan  # time in it; it stands still where there is no DC bus
    cell_v_low: float = nan  # the highest of the racks' lowest cells: all are empty when it is
    cell_v_high: float = nan  # the lowest of the racks' highest cells: all are full when it is
    cell_c_low: float = nan  # the coldest cell


def track(band: SocBand, terms: Terms, seen: Reading, now: Instant) -> SocBand:
    """The interval after one more reading of the BMS, %. Not known until the first number."""
    low_pct, high_pct = inside(seen.soc_pct_low), inside(seen.soc_pct_high)
    if not isfinite(band.low_pct):
        if not (isfinite(low_pct) and isfinite(high_pct)):
            return band
        band = _first(band, terms.soc_error_pct, low_pct, high_pct, now)
    counted = _anchored(_counted(band, terms, seen, now), terms, seen, now)
    counted = replace(
        counted,
        t_ns=now.t_ns,
        low_pct=min(max(counted.low_pct, 0.0), 100.0),
        high_pct=min(max(counted.high_pct, 0.0), 100.0),
    )
    if not (isfinite(low_pct) and isfinite(high_pct)):
        return counted
    return replace(counted, below_pct=low_pct - counted.low_pct, above_pct=counted.high_pct - high_pct)


def resumed(
    below_pct: float, above_pct: float, away_s: float, anchor_s: float, terms: Terms, now: Instant
) -> SocBand:
    """What an earlier run left open, after away_s without a count. The BMS has counted on; its word is still to come.

    Wider by the time, and by the most use there can have been. anchor_s: since the cells last proved it.
    """
    most_kw = max(terms.discharge_kw_max, terms.charge_kw_max)
    moved_pct = 100.0 * most_kw * away_s / (3600.0 * terms.capacity_kwh)
    grown_pct = DAY_PCT * away_s / DAY_S + CYCLE_PCT * moved_pct / 200.0
    return SocBand(
        t_anchor_ns=now.t_ns - ns(anchor_s),
        below_pct=below_pct + 0.5 * grown_pct,
        above_pct=above_pct + 0.5 * grown_pct,
    )


def due(band: SocBand, now: Instant) -> bool:
    """Whether the battery should be charged until it is full, so that the interval is known again."""
    old = seconds(now.t_ns - band.t_anchor_ns) > ANCHOR_DAYS_MAX * DAY_S
    return isfinite(band.low_pct) and (old or band.high_pct - band.low_pct > WIDTH_PCT_MAX)


def hull(band: SocBand, seen: Reading) -> tuple[float, float]:
    """Low and high end with what the BMS says inside; nan while either is not known."""
    low_pct, high_pct = inside(seen.soc_pct_low), inside(seen.soc_pct_high)
    if not isfinite(band.low_pct) or not (isfinite(low_pct) and isfinite(high_pct)):
        return nan, nan
    return min(band.low_pct, low_pct), max(band.high_pct, high_pct)


def frame_kw(band: SocBand, seen: Reading, past_s: float) -> float:
    """Power since the last reading by the frame; nan: it has not seen nearly all of the time, or has no DC bus."""
    frame_s = seen.frame_s - band.frame_s
    if frame_s > 0.0 and abs(frame_s - past_s) <= MISS_PU * past_s:
        return 3600.0 * (seen.frame_kwh - band.frame_kwh) / frame_s
    return nan


def bms_kw(band: SocBand, seen: Reading, past_s: float) -> float:
    """The same by the BMS's last two readings; nan where too much time lies between them."""
    return 0.5 * (band.dc_kw + seen.dc_kw) if past_s <= GAP_S_MAX else nan


def proven(band: SocBand, now: Instant) -> bool:
    """Whether the cells have looked full, or empty, for long enough; which of both, the band tells."""
    return band.t_held_ns != 0 and seconds(now.t_ns - band.t_held_ns) >= HELD_S


def _first(band: SocBand, error_pct: float, low_pct: float, high_pct: float, now: Instant) -> SocBand:
    """From the first reading of a run: as far off as the run before has left it, else as the site file says."""
    if isfinite(band.below_pct) and isfinite(band.above_pct):
        return replace(
            band, low_pct=low_pct - band.below_pct, high_pct=high_pct + band.above_pct, t_ns=now.t_ns
        )
    return SocBand(low_pct - error_pct, high_pct + error_pct, now.t_ns, now.t_ns)


def inside(soc_pct: float) -> float:
    """A BMS may say 100.4; what is further out is no state of charge."""
    return min(max(soc_pct, 0.0), 100.0) if -1.0 <= soc_pct <= 101.0 else nan


def _counted(band: SocBand, terms: Terms, seen: Reading, now: Instant) -> SocBand:
    """Energy that flowed since the last reading; and what use and time add to the width."""
    past_s = seconds(now.t_ns - band.t_ns)
    pct_per_kw_s = 100.0 / (3600.0 * terms.capacity_kwh)
    grown_pct = DAY_PCT * past_s / DAY_S
    mean_kw = _mean_kw(band, seen, past_s)
    if isfinite(mean_kw):
        moved_pct = -mean_kw * past_s * pct_per_kw_s
        grown_pct += CYCLE_PCT * abs(moved_pct) / 200.0
        down_pct = up_pct = 0.5 * grown_pct
    else:
        moved_pct = 0.0
        down_pct = terms.discharge_kw_max * past_s * pct_per_kw_s + 0.5 * grown_pct
        up_pct = terms.charge_kw_max * past_s * pct_per_kw_s + 0.5 * grown_pct
    return replace(
        band,
        low_pct=band.low_pct + moved_pct - down_pct,
        high_pct=band.high_pct + moved_pct + up_pct,
        dc_kw=seen.dc_kw,
        frame_kwh=seen.frame_kwh,
        frame_s=seen.frame_s,
    )


def _mean_kw(band: SocBand, seen: Reading, past_s: float) -> float:
    """Power since the last reading; nan: not known.

    By the frame, which sees every swing. Two readings of the BMS see what happens to be there; beside a load that
    repeats in step with them they are wrong the same way each time, 16 kW at the reference site.
    """
    mean_kw = frame_kw(band, seen, past_s)
    return mean_kw if isfinite(mean_kw) else bms_kw(band, seen, past_s)


def _anchored(band: SocBand, terms: Terms, seen: Reading, now: Instant) -> SocBand:
    """A full or an empty battery shows in its cells once hardly any current flows."""
    small = abs(seen.dc_kw) <= SMALL_C * terms.capacity_kwh
    full = small and seen.cell_v_high >= terms.full_cell_v
    empty = small and seen.cell_v_low <= terms.empty_cell_v
    if not (full or empty):
        return replace(band, t_held_ns=0)
    band = replace(band, t_held_ns=band.t_held_ns or now.t_ns)
    if not proven(band, now):
        return band
    low_pct, high_pct = (100.0 - ANCHOR_PCT, 100.0) if full else (0.0, ANCHOR_PCT)
    return replace(band, low_pct=low_pct, high_pct=high_pct, t_anchor_ns=now.t_ns)

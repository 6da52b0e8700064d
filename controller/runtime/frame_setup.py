"""The frame's setup, built from a site: one dict a stage, as ext takes it."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import TYPE_CHECKING, Any

from controller.image import CHANNELS
from controller.runtime.shape import Shape, shape_of
from controller.units import ns

if TYPE_CHECKING:  # the zero-writer has a second in all (F65): it needs neither a schema nor tables
    from controller.devices.check import CheckedSite
    from controller.devices.table import BusTable

CHANNEL_MAX, PCS_MAX = 16, 8  # of ext.image
STALE_S_MAX = 0.002  # F06
MEDIAN_S = 0.0005  # length of the short median, at most 5 samples: its delay is half of it
RISE_SHARE = (
    0.5  # of the time to full power that the reserve may take: measuring and the converter need the rest
)
REVERSE_PU, REVERSE_S_MIN = 0.05, 0.02  # F58, F63: of the converters' rating; one period of the grid
FASTER_SHARE = 0.75  # of the mean time to follow: a converter below it is clearly faster than the others
MISS_PU_MAX = 0.03  # of the rating
LAPSE_S = 0.6  # a lapsed lease may still ramp down for 0.5 s; from here on only zero leaves


def setup(checked: CheckedSite, table: BusTable) -> dict[str, Any]:
    """The frame's setup: one dict a stage, its keys the struct's fields (ext/*.pxd)."""
    site = checked.site
    return {
        "rate_hz": site.sampling.rate_hz,
        "sampler": _sampler(checked),
        "power": {
            "rate_hz": float(site.sampling.rate_hz),
            "frequency_hz": float(site.grid.frequency_hz),
            "voltage_v": site.grid.voltage_v / sqrt(3.0),
            "rated_kw": float(site.grid.import_kw_max),
            "battery_kw_max": sum(line.rating_kw for line in table.pcs),
            "median_samples": round(MEDIAN_S * site.sampling.rate_hz),
        },
        "fast": _fast(checked, table),
        "support": _support(checked),
        "law": _law(checked, table),
        "share": _share(checked, table),
        "guard": {"rise_kw_per_s_max": 0.0, "lapse_ns_max": ns(LAPSE_S)},
        "ports": table.ports,
        "polls": table.polls,
        "rules": table.rules,
    }


def _sampler(checked: CheckedSite) -> dict[str, Any]:
    channels = checked.site.sampling.channels
    si_per_v, offset_counts, skew_s = ([0.0] * CHANNEL_MAX for _ in range(3))
    for index, name in enumerate(CHANNELS):
        if name in channels:
            channel = channels[name]
            si_per_v[index] = channel.a_per_v or channel.v_per_v or 0.0
            offset_counts[index] = channel.offset_counts
            skew_s[index] = 1e-6 * channel.skew_us
    return {
        "present": [int(name in channels) for name in CHANNELS] + [0] * (CHANNEL_MAX - len(CHANNELS)),
        "si_per_v": si_per_v,
        "offset_counts": offset_counts,
        "skew_s": skew_s,
        "stale_s_max": STALE_S_MAX,
    }


def _fast(checked: CheckedSite, table: BusTable) -> dict[str, Any]:
    """Reverse power counts once the law and the slowest converter have had twice their time to end it."""
    site, lines = checked.site, table.pcs
    slowest_s = max(
        line.setpoint_oneway_s
        + line.setpoint_period_s * len(lines)
        + (p.dead_time_ms + 5.0 * p.lag_ms) / 1000.0
        + 1.0 / p.slew_pu_per_s
        for p, line in zip(site.pcs, lines, strict=True)
    )
    return {
        "reverse_kw": REVERSE_PU * sum(line.rating_kw for line in lines),
        "reverse_ns": ns(max(REVERSE_S_MIN, 2.0 * slowest_s)),
    }


def _support(checked: CheckedSite) -> dict[str, float]:
    from controller.config.support import RESERVE_FULL_S

    site, support = checked.site, checked.site.support
    return {
        "frame_s": 1.0 / site.sampling.rate_hz,
        "frequency_hz": float(site.grid.frequency_hz),
        "droop_kw_max": support.droop_kw_max,
        "droop_hz": site.grid.frequency_hz * support.droop_pct / 100.0,
        "dead_band_hz": support.droop_dead_band_hz,
        "reserve_kw": support.reserve_kw,
        "reserve_hz": support.reserve_hz,
        "rise_s": RISE_SHARE * RESERVE_FULL_S[support.reserve_hz],
        "hold_s": float(support.reserve_s),
    }


def _law(checked: CheckedSite, table: BusTable) -> dict[str, Any]:
    times, site = _times(checked, table), checked.site
    own: dict[str, Any] = {
        name: float(getattr(site.control, name)) for name in ("target_lag_s", "dead_zone_kw")
    }
    own |= {"pcs_count": len(site.pcs), "each_kw": _ratings(table)}
    return times | own | shape_of(**times).fields(times["frame_s"])


def shape_in(checked: CheckedSite, table: BusTable) -> Shape:
    """What the law of this site answers to a swing."""
    return shape_of(**_times(checked, table))


def _share(checked: CheckedSite, table: BusTable) -> dict[str, Any]:
    """The converters one by one; whoever is clearly faster than the others covers for them while they come."""
    times, each = _times(checked, table), _each(checked, table)
    none = dict.fromkeys(each[0], 0.0)
    return {
        "pcs_count": len(each),
        "frame_s": times["frame_s"],
        "quiet_kw": MISS_PU_MAX * times["rating_kw"],
        "faster_pu": FASTER_SHARE,
        "rating_kw": _ratings(table),
        "pcs": each + [none] * (PCS_MAX - len(each)),
    }


def _ratings(table: BusTable) -> list[float]:
    return [line.rating_kw for line in table.pcs] + [0.0] * (PCS_MAX - len(table.pcs))


def _each(checked: CheckedSite, table: BusTable) -> list[dict[str, float]]:
    """How every converter follows: see ext.follow.FollowSetup; those that share a port take turns."""
    pairs = tuple(zip(checked.site.pcs, table.pcs, strict=True))
    return [
        {
            "lag_s": p.lag_ms / 1000.0,
            "slew_kw_per_s": p.slew_pu_per_s * line.rating_kw,
            "dead_s": line.setpoint_oneway_s + p.dead_time_ms / 1000.0,
            "period_s": sum(other.setpoint_period_s for q, other in pairs if q.port == p.port),
        }
        for p, line in pairs
    ]


def _times(checked: CheckedSite, table: BusTable) -> dict[str, float]:
    """Several converters count by their ratings, as their sum answers; those that share a port take turns."""
    site, lines = checked.site, table.pcs
    pairs = tuple(zip(site.pcs, lines, strict=True))
    rating_kw = sum(line.rating_kw for line in lines)
    round_s = {
        port: sum(line.setpoint_period_s for p, line in pairs if p.port == port) for port in site.ports
    }

    def mean(values: Iterable[float]) -> float:
        return sum(x * line.rating_kw for x, line in zip(values, lines, strict=True)) / rating_kw

    return {
        "frame_s": 1.0 / site.sampling.rate_hz,
        "lag_s": mean(p.lag_ms / 1000.0 for p in site.pcs),
        "slew_kw_per_s": sum(p.slew_pu_per_s * line.rating_kw for p, line in pairs),
        "dead_s": mean(line.setpoint_oneway_s + p.dead_time_ms / 1000.0 for p, line in pairs),
        "period_s": mean(round_s[p.port] for p in site.pcs),
        "rating_kw": rating_kw,
    }

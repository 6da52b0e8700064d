"""The frame's setup, built from a site: one dict a stage, as ext takes it."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import TYPE_CHECKING, Any

from controller.image import CHANNELS
from controller.runtime.shape import Shape, delay_of, shape_of
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
    """One loop of all converters, and one of all but each: what the frame may need at once is made before it."""
    pairs = zip(loop_times(checked, table), shapes_in(checked, table), strict=True)
    loops, frame_s = [_loop(times, shape) for times, shape in pairs], _frame_s(checked)
    own: dict[str, Any] = {
        name: float(getattr(checked.site.control, name)) for name in ("target_lag_s", "dead_zone_kw")
    }
    own |= {"pcs_count": len(table.pcs), "each_kw": _ratings(table), "frame_s": frame_s}
    unused = [loops[0]] * (PCS_MAX + 1 - len(loops))
    return own | {"loops": loops + unused, "loop_of": loop_of(checked, table)}


def _loop(times: dict[str, float], shape: Shape) -> dict[str, Any]:
    own = {name: value for name, value in times.items() if name not in {"frame_s", "reads_s"}}
    return own | shape.fields(times["frame_s"]) | {"delay_s": delay_of(**times)}


def loop_times(checked: CheckedSite, table: BusTable) -> list[dict[str, float]]:
    """Of the law's loops, see ext.law.LawSetup: of all converters, then without each where others are left."""
    count = len(table.pcs)
    each = range(count) if count > 1 else ()
    return [_times(checked, table, living) for living in (None, *((1 << count) - 1 ^ 1 << k for k in each))]


def loop_of(checked: CheckedSite, table: BusTable) -> list[int]:
    """For each live set (bit k: converter k takes part) the loop that the law uses: its own where at most one is out.

    With more out, whose loops would be 255 designs of a tenth of a second each, the one whose delay is nearest: the
    filters are made for a delay, and the tables for lag, exchange and slew, which are its parts. Of equals the first.
    """
    count = len(table.pcs)
    whole = (1 << count) - 1
    delays_s = [delay_of(**times) for times in loop_times(checked, table)]
    found = [0] * (1 << PCS_MAX)
    for living in range(1, whole):
        out = [k for k in range(count) if not living >> k & 1]
        own_s = delay_of(**_times(checked, table, living))
        nearest = min(range(len(delays_s)), key=lambda k: abs(delays_s[k] - own_s))
        found[living] = out[0] + 1 if len(out) == 1 else nearest
    return found


def shapes_in(checked: CheckedSite, table: BusTable) -> list[Shape]:
    """What each of the law's loops on this site answers to a swing, see loop_times.

    Where the one that covers for the others (ext.share) is still there, those that are left are no later than all
    were, whatever their mean says: it is a larger part of them. So they keep the filters of all."""
    whole, *without = loop_times(checked, table)
    each = _each(checked, table)
    reply_s = [one["dead_s"] + one["period_s"] + one["lag_s"] for one in each]
    covers = reply_s.index(min(reply_s))
    found = [shape_of(**whole)]
    for k, times in enumerate(without):
        slower = delay_of(**times) > delay_of(**whole)
        found.append(found[0] if slower and k != covers else shape_of(**times))
    return found


def _share(checked: CheckedSite, table: BusTable) -> dict[str, Any]:
    """The converters one by one; whoever is clearly faster than the others covers for them while they come."""
    each = _each(checked, table)
    none = dict.fromkeys(each[0], 0.0)
    return {
        "pcs_count": len(each),
        "frame_s": _frame_s(checked),
        "quiet_kw": MISS_PU_MAX * sum(line.rating_kw for line in table.pcs),
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


def _frame_s(checked: CheckedSite) -> float:
    return 1.0 / checked.site.sampling.rate_hz


def _times(checked: CheckedSite, table: BusTable, living: int | None = None) -> dict[str, float]:
    """Several converters count by their ratings, as their sum answers; those that share a port take turns. living: bit
    k for converter k, those without are left out, and their turns with them; None: all."""
    every = tuple(zip(checked.site.pcs, table.pcs, strict=True))
    taken = tuple(pair for k, pair in enumerate(every) if living is None or living >> k & 1)
    rating_kw = sum(line.rating_kw for _, line in taken)
    round_s = {
        port: sum(line.setpoint_period_s for p, line in taken if p.port == port)
        for port in checked.site.ports
    }
    reads_s = {load.port: 1e-3 * load.read_late_ms for load in table.loads}
    busy = {load.port: 1e-2 * load.read_load_pct for load in table.loads}

    def read_s(port: str) -> float:
        """The mean read, of which budget makes the age of a command: half its share of time by it and a round."""
        whole_s = sum(line.setpoint_period_s for p, line in every if p.port == port)
        return 2.0 * reads_s[port] / busy[port] - whole_s if busy[port] > 0.0 else 0.0

    def mean(values: Iterable[float]) -> float:
        return sum(x * line.rating_kw for x, (_, line) in zip(values, taken, strict=True)) / rating_kw

    return {
        "frame_s": _frame_s(checked),
        "lag_s": mean(p.lag_ms / 1000.0 for p, _ in taken),
        "slew_kw_per_s": sum(p.slew_pu_per_s * line.rating_kw for p, line in taken),
        "dead_s": mean(line.setpoint_oneway_s + p.dead_time_ms / 1000.0 for p, line in taken),
        "period_s": mean(round_s[p.port] for p, _ in taken),
        "reads_s": mean(reads_s[p.port] for p, _ in taken),
        "read_s": mean(max(read_s(p.port), 0.0) for p, _ in taken),
        "rating_kw": rating_kw,
    }

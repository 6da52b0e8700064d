"""What is known of how the converters follow: the site file's words, or a measurement that is certain enough."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

from controller.config.site import Pcs
from controller.devices.check import CheckedSite
from controller.image import Frame, Instant
from controller.runtime.dynamics import SEEN_PU, Dynamics, Estimate
from controller.runtime.events import Event
from controller.runtime.frame_setup import setup

CERTAIN_S = 0.0005  # a time is certain within this, or within SEEN_PU of it
STEP_PU = 0.8  # of the rating: the load step for which a ramp is counted as delay


@dataclass(frozen=True, slots=True)
class Delay:
    """One line of a converter's latency budget, from sample to power. s: its mean share; how: in words."""

    name: str
    s: float
    how: str


def certain(found: Dynamics) -> bool:
    """Whether the measured times may replace the file's: each within 0.5 ms or 10 %, at 95 %."""
    times = (found.dead_s, found.lag_s)
    return all(t.high - t.value <= max(CERTAIN_S, SEEN_PU * t.value) for t in times) and found.gain.value > 0


def slew_kw_per_s(found: Estimate) -> float:
    """The slew to count on: as measured, or what it has at least where no step within rating shows more."""
    return found.value if found.seen else found.low


def measured(pcs: Pcs, rating_kw: float, found: Dynamics) -> Pcs:
    """The converter with its measured times in place of the file's."""
    return pcs.model_copy(update={
        "dead_time_ms": 1e3 * found.dead_s.value,
        "lag_ms": 1e3 * found.lag_s.value,
        "slew_pu_per_s": slew_kw_per_s(found.slew_kw_per_s) / rating_kw,
    })  # fmt: skip


def applied(checked: CheckedSite, known: Mapping[str, Dynamics]) -> CheckedSite:
    """The site with what was measured, where that is certain."""
    lines = zip(checked.site.pcs, checked.table.pcs, strict=True)
    pcs = tuple(
        measured(p, line.rating_kw, known[p.name]) if p.name in known and certain(known[p.name]) else p
        for p, line in lines
    )
    return replace(checked, site=checked.site.model_copy(update={"pcs": pcs}))


def said(pcs: Pcs) -> str:
    """The three numbers of a converter, in words."""
    return f"dead time {pcs.dead_time_ms:.1f} ms, lag {pcs.lag_ms:.1f} ms, slew {pcs.slew_pu_per_s:.3g} ratings/s"


def day(utc_s: float) -> str:
    """The day of a measurement."""
    return time.strftime("%Y-%m-%d", time.gmtime(utc_s))


def events(checked: CheckedSite, known: Mapping[str, Dynamics], now: Instant) -> tuple[Event, ...]:
    """One for each converter that was measured: which numbers are used, and why."""
    found = []
    for file, used in zip(checked.site.pcs, applied(checked, known).site.pcs, strict=True):
        if file.name not in known:
            continue
        measure = known[file.name]
        if certain(measure):
            text = (
                f"{said(used)}, measured {day(measure.utc_s)}, take the place of the site file's {said(file)}"
            )
            found.append(Event(now.t_ns, now.utc_s, "identified", "pcs-follows", file.name, "info", text))
        else:
            text = f"what was measured {day(measure.utc_s)} is too uncertain; the site file's {said(file)} is used"
            cure = "repeat: stillwatt commission SITE, with more room for the steps"
            found.append(
                Event(now.t_ns, now.utc_s, "identified", "pcs-unsure", file.name, "warning", text, cure)
            )
    return tuple(found)


def budget(checked: CheckedSite) -> dict[str, tuple[Delay, ...]]:
    """Converter -> its latency line by line. Slew: A / (2 R) of a step A (control.md 5.2)."""
    stages = setup(checked, checked.table)
    law, median = stages["law"]["loops"][0] | stages["law"], stages["power"]["median_samples"]
    found: dict[str, tuple[Delay, ...]] = {}
    for pcs, line in zip(checked.site.pcs, checked.table.pcs, strict=True):
        ramp_s = STEP_PU / (2.0 * pcs.slew_pu_per_s)
        found[pcs.name] = (
            Delay("sample", law["frame_s"], "one frame of the executive"),
            Delay("power", 0.5 * (median - 1) * law["frame_s"], f"median of {median} samples"),
            Delay(
                "wait for the wire",
                0.5 * law["period_s"],
                f"half an exchange of {1e3 * law['period_s']:.2f} ms",
            ),
            Delay(
                "setpoint on the wire", line.setpoint_oneway_s, "its characters and the silence after them"
            ),
            Delay("dead time", 1e-3 * pcs.dead_time_ms, "setpoint parsed to power moving"),
            Delay("lag", 1e-3 * pcs.lag_ms, "first order; led as far as the rating allows"),
            Delay("slew", ramp_s, f"half the ramp of a step of {STEP_PU:g} ratings"),
        )
    return found


def why(checked: CheckedSite, law: Frame) -> str:
    """Why the law takes less than the whole swing, or not at once; empty when it takes it all at once."""
    if min(law.gain, law.prompt_pu) >= 1.0:
        return ""
    worst = max(budget(checked).items(), key=lambda row: sum(delay.s for delay in row[1]))
    line = max(worst[1], key=lambda delay: delay.s)
    taken, at_once = (f"{share:.0%}" if share > 0 else "none" for share in (law.gain, law.prompt_pu))
    how = f"{taken} of the swing is taken"
    if law.gain > 0 and law.prompt_pu < 1.0:
        how += f", {at_once} of it at once"
    return (
        f"slow law, {how}: the loop is {1e3 * law.loop_delay_s:.1f} ms late, most of it "
        f"{worst[0]}'s {line.name} ({1e3 * line.s:.1f} ms)"
    )


def rows(file: CheckedSite, used: CheckedSite, known: Mapping[str, Dynamics]) -> dict[str, dict[str, object]]:
    """For the status: converter -> numbers in use, whether they were measured, and the newest measurement."""
    return {
        pcs.name: {
            "dead_time_ms": pcs.dead_time_ms,
            "lag_ms": pcs.lag_ms,
            "slew_pu_per_s": pcs.slew_pu_per_s,
            "measured": pcs is not written,
            "measurement": known.get(pcs.name),
        }
        for written, pcs in zip(file.site.pcs, used.site.pcs, strict=True)
    }


def told(name: str, rating_kw: float, found: Dynamics) -> str:
    """One converter's measurement, for a person."""
    slew = found.slew_kw_per_s
    fastest = "more" if slew.high == inf else f"{slew.high / rating_kw:.3g}"
    hidden = "" if slew.seen else f": not limiting, at least {slew.low / rating_kw:.3g}"
    return (
        f"{name}: dead time {_ms(found.dead_s)}, lag {_ms(found.lag_s)}, slew {slew.value / rating_kw:.3g} "
        f"({slew.low / rating_kw:.3g} to {fastest}) ratings/s{hidden}, gain {found.gain.value:.3f} "
        f"({found.gain.low:.3f} to {found.gain.high:.3f}), noise {found.noise_kw:.1f} kW"
    )


def _ms(time_s: Estimate) -> str:
    return f"{1e3 * time_s.value:.2f} ms ({1e3 * time_s.low:.2f} to {1e3 * time_s.high:.2f})"

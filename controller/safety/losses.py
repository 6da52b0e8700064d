"""F27: a converter that is lost alone is left out, named, and the others carry on within what is left of the envelope.

All stops where none is left, or where nobody would end what the lost one may still carry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf, isnan

from controller.image import Instant
from controller.safety.look import LEVELS, Row
from controller.safety.terms import Part, Terms
from controller.state import Condition, Conditions, Converter, Effect, Loss
from controller.units import ns

WATCHDOG_PU = 1.5  # a unit that was set to 60 s took 80 s (reference/safety.md 6.1)
SPARED_LEVEL = 1  # F27: D1

Watches = Mapping[tuple[int, str], Condition]


def lost_names(watches: Watches) -> set[str]:
    """Converters with an active condition that costs one converter alone."""
    return {watch.subject for watch in watches.values() if watch.active and watch.lone}


def losses_of(
    terms: Terms, previous: Conditions, names: set[str], converters: tuple[Converter, ...], now: Instant
) -> dict[str, Loss]:
    """The converters that are left out, each since its loss; none where the site must stop for them."""
    if not names or all(converter.name in names for converter in converters):
        return {}
    found = {}
    for part, converter in zip(terms.pcs, converters, strict=True):
        if converter.name not in names:
            continue
        if not _rests(converter) and not (converter.armed and part.watchdog_s < inf):
            return {}  # Safety: it keeps its last command for as long as it likes
        before = previous.losses.get(converter.name)
        told = [sent.kw for sent in previous.traces.get(converter.name, ())]
        found[converter.name] = before or Loss(now.t_ns, *_hull((*told, converter.pcs_kw)))
    return found


def spared(
    rows: Sequence[Row], watches: Watches, losses: Mapping[str, Loss]
) -> dict[tuple[int, str], Condition]:
    """The conditions with the effect they have now: what costs one converter stops nothing while that is left out."""
    found = dict(watches)
    for (index, subject), watch in watches.items():
        if watch.lone:
            effect = Effect.NOTE if subject in losses else rows[index].effect
            level = SPARED_LEVEL if subject in losses else LEVELS[effect]
            found[index, subject] = replace(watch, effect=effect, level=level)
    return found


def carried_kw(terms: Terms, conditions: Conditions, now: Instant) -> tuple[float, float]:
    """Least and most that all lost converters may carry now, kW: least is 0 or below, most is 0 or above."""
    low_kw = high_kw = 0.0
    for part, converter in zip(terms.pcs, conditions.converters, strict=False):
        loss = conditions.losses.get(converter.name)
        if loss is not None:
            ends = _carries(part, converter, loss, now)
            low_kw, high_kw = low_kw + ends[0], high_kw + ends[1]
    return low_kw, high_kw


def left_kw(terms: Terms, losses: Mapping[str, Loss]) -> tuple[float, float]:
    """Discharge and charge limit of the converters that are not left out, together."""
    left = [part for part in terms.pcs if part.name not in losses]
    return sum(part.discharge_kw_max for part in left), sum(part.charge_kw_max for part in left)


def _carries(part: Part, converter: Converter, loss: Loss, now: Instant) -> tuple[float, float]:
    """By its reading while it is fresh; else what it was told last, until its own watchdog has ended that."""
    if converter.fresh:
        return _hull((converter.pcs_kw,))
    over = now.t_ns - loss.t_ns >= ns(WATCHDOG_PU * part.watchdog_s)
    return (0.0, 0.0) if over else (loss.low_kw, loss.high_kw)


def _rests(converter: Converter) -> bool:
    return converter.fresh and converter.state not in ("running", "unknown")


def _hull(powers_kw: tuple[float, ...]) -> tuple[float, float]:
    """The smallest interval with zero and every power that is known in it."""
    known = [0.0, *(kw for kw in powers_kw if not isnan(kw))]
    return min(known), max(known)

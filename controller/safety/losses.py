"""F27: a converter that is lost alone is left out, named, and the others carry on within what is left of the envelope.

So are all converters of a port that is away and carries nothing else (F79), and one that has not answered for as long
as INIT waits (T01): nothing was written to it in that time, so its own watchdog has ended what an earlier run told it.
All stops where none is left, or where nobody would end what a lost one may still carry.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from math import inf, isnan

from controller.image import Instant
from controller.records import replace
from controller.safety.look import LEVELS, Row
from controller.safety.table import ABSENT, INIT_S_MAX
from controller.safety.terms import Part, Terms
from controller.state import Condition, Conditions, Converter, Effect, Loss, updated
from controller.units import ns

WATCHDOG_PU = 1.5  # a unit that was set to 60 s took 80 s (reference/safety.md 6.1)
SPARED_LEVEL = 1  # F27: D1

Watches = Mapping[tuple[int, str], Condition]


def costs(terms: Terms, row: Row, subject: str) -> tuple[str, ...]:
    """The converters that a lone condition costs: its own; of a port all that stand there, if nothing else does."""
    if row.subjects != "port":
        return (subject,)
    others = subject in terms.fallback.ports if terms.fallback is not None else False
    here = [part for part in terms.parts if part.port == subject]
    return () if others or any(part.kind != "pcs" for part in here) else tuple(part.name for part in here)


def alone(watches: Watches) -> list[tuple[int, str]]:
    """Row and subject of every active lone condition."""
    return [key for key, watch in watches.items() if watch.active and watch.lone]


def losses_of(
    terms: Terms,
    rows: Sequence[Row],
    previous: Conditions,
    watches: Watches,
    converters: tuple[Converter, ...],
    now: Instant,
) -> dict[str, Loss]:
    """The converters that are left out, each since its loss; none where the site must stop for them."""
    lone = alone(watches)
    names = {name for index, subject in lone for name in costs(terms, rows[index], subject)}
    absent = {subject for index, subject in lone if rows[index] is ABSENT}
    if not names or all(converter.name in names for converter in converters):
        return {}
    found = {}
    for part, converter in zip(terms.pcs, converters, strict=True):
        if converter.name not in names:
            continue
        if converter.name in absent and WATCHDOG_PU * part.watchdog_s <= INIT_S_MAX:
            ends_kw = (0.0, 0.0)
        elif _rests(converter) or _bounded(part, converter):
            ends_kw = _hull((*_carried(part, previous), converter.pcs_kw))
        else:
            return {}  # Safety: it keeps its last command for as long as it likes
        loss = previous.losses.get(converter.name) or Loss(now.t_ns, *ends_kw)
        found[converter.name] = updated(loss, t_mute_ns=0 if converter.fresh else loss.t_mute_ns or now.t_ns)
    return found


def spared(
    terms: Terms, rows: Sequence[Row], watches: Watches, losses: Mapping[str, Loss]
) -> dict[tuple[int, str], Condition]:
    """The conditions with the effect they have now: a lone one stops nothing while all that it costs is left out."""
    found = dict(watches)
    for (index, subject), watch in watches.items():
        if watch.lone:
            lost = costs(terms, rows[index], subject)
            spare = bool(lost) and all(name in losses for name in lost)
            effect = Effect.NOTE if spare else rows[index].effect
            level = SPARED_LEVEL if spare else LEVELS[effect]
            found[index, subject] = replace(watch, effect=effect, level=level)
    return found


def carried_kw(
    terms: Terms, conditions: Conditions, now: Instant, names: Container[str] | None = None
) -> tuple[float, float]:
    """Least and most that lost converters may carry now, kW: least is 0 or below, most is 0 or above. names: of those
    alone; None: of all."""
    low_kw = high_kw = 0.0
    for part, converter in zip(terms.pcs, conditions.converters, strict=False):
        loss = conditions.losses.get(converter.name)
        if loss is not None and (names is None or converter.name in names):
            ends = _carries(part, converter, loss, part.port in conditions.ports_barred, now)
            low_kw, high_kw = low_kw + ends[0], high_kw + ends[1]
    return low_kw, high_kw


def unsure(terms: Terms, conditions: Conditions, now: Instant) -> tuple[str, ...]:
    """Silent converters of those that are left out which may still form a bus, since nothing has ended that yet.

    One without a watchdog is left out only while it rests, and is told nothing that would end its rest.
    """
    pairs = ((part, conditions.losses.get(part.name)) for part in terms.pcs if part.can_form)
    return tuple(
        part.name
        for part, loss in pairs
        if loss is not None
        and loss.t_mute_ns
        and part.watchdog_s < inf
        and not _outlasted(part, loss.t_mute_ns, now)
    )


def left_kw(terms: Terms, losses: Mapping[str, Loss]) -> tuple[float, float]:
    """Discharge and charge limit of the converters that are not left out, together."""
    left = [part for part in terms.pcs if part.name not in losses]
    return sum(part.discharge_kw_max for part in left), sum(part.charge_kw_max for part in left)


def _carries(part: Part, converter: Converter, loss: Loss, barred: bool, now: Instant) -> tuple[float, float]:
    """By its reading while it is fresh; else what it was told last, until its own watchdog has ended that.

    barred: its port is away or not yet verified, so that no reading of it is newer than what it was told.
    """
    if converter.fresh and not barred:
        return _hull((converter.pcs_kw,))
    over = _bounded(part, converter) and _outlasted(part, loss.t_ns, now)
    return (0.0, 0.0) if over else (loss.low_kw, loss.high_kw)


def _outlasted(part: Part, t_since_ns: int, now: Instant) -> bool:
    """Whether its own watchdog has ended by now what it was told last before then, if it has heard nothing since."""
    return now.t_ns - t_since_ns >= ns(WATCHDOG_PU * part.watchdog_s)


def _bounded(part: Part, converter: Converter) -> bool:
    """A watchdog of its own, read back as armed, ends what it was told last."""
    return converter.armed and part.watchdog_s < inf


def _rests(converter: Converter) -> bool:
    return converter.fresh and converter.state not in ("running", "unknown")


def _carried(part: Part, previous: Conditions) -> list[float]:
    """Powers that what it was told of late stands for; it gives no more than its plates, whatever that was."""
    trace = previous.traces.get(part.name, ())
    low_kw = [max(sent.low_kw, -part.charge_kw_max) for sent in trace]
    return low_kw + [min(sent.high_kw, part.discharge_kw_max) for sent in trace]


def _hull(powers_kw: tuple[float, ...]) -> tuple[float, float]:
    """The smallest interval with zero and every power that is known in it."""
    known = [0.0, *(kw for kw in powers_kw if not isnan(kw))]
    return min(known), max(known)

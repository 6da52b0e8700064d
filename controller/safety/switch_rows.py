"""Row of the fault table about a transfer switch whose contacts say one thing and the power another (F54)."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, isfinite, isnan, nan

from controller.image import Device
from controller.safety import losses
from controller.safety.look import Look, Row, at
from controller.state import Effect
from controller.units import ns

FLOW_PU = 0.05  # of what a source may give: beyond the error of its meter and of readings a cycle apart
AFTER_S = (
    0.05  # the position is proven by two readings before that; a power read by then may be of the time before
)


def _kw(look: Look, name: str, point: str, stale_s: float) -> float:
    """A power that was read after the position was proven; nan: none, or stale."""
    device: Device | None = look.telemetry.devices.get(name)
    since_ns = look.hall.t_position_ns + ns(AFTER_S)
    known = device is not None and device.age_s <= stale_s and device.t_ok_ns >= since_ns
    return device.values.get(point, nan) if known and device is not None else nan


def _given_kw(look: Look) -> float:
    """Least that some source gives into the load's bus, or takes: load less converters; less the sun, where that
    leaves less.

    Nothing tells on which side of the switch the sun comes in. A silent converter that is left out (F27) carries
    anything within its loss, unless it formed the bus when it was last heard. nan: one of them is not known.
    """
    silent = [c for c in look.previous.converters if c.name in look.previous.losses and not c.fresh]
    if any(converter.forming for converter in silent):
        return nan
    names = {converter.name for converter in silent}
    heard = [part for part in look.terms.pcs if part.name not in names]
    kw = look.telemetry.track.load_kw_mean - sum(_kw(look, p.name, "pcs_kw", p.stale_s) for p in heard)
    carried_kw = losses.carried_kw(look.terms, look.previous, look.telemetry.now, names)
    without_kw = _least_kw(kw - look.previous.pv_kw, carried_kw)
    return min(without_kw, _least_kw(kw, carried_kw))  # in this order: nan of the sun stays nan


def _least_kw(kw: float, carried_kw: tuple[float, float]) -> float:
    """Least magnitude of kw less anything that is carried; 0 or below: that may be all."""
    return max(kw - carried_kw[1], carried_kw[0] - kw)


def _sources(look: Look, given_kw: float) -> Iterable[tuple[str, float, float]]:
    """Position, power told and rating of each source, kW. A meter that is mute stands for given_kw on an orphan bus."""
    for part in look.terms.parts:
        if part.measures == "grid":
            device: Device | None = look.telemetry.devices.get(part.name)
            told = device is not None and device.age_s <= part.stale_s and "power_kw" in device.values
            kw = given_kw if not told and _orphan(look) else _kw(look, part.name, "power_kw", part.stale_s)
            yield "grid", kw, look.terms.import_kw_max
    terms = look.terms.fallback
    for genset in terms.sets if terms is not None else ():
        yield "genset", _kw(look, genset.name, "power_kw", genset.stale_s), genset.kw_max


def _orphan(look: Look) -> bool:
    """The load's bus lives behind a switch that says open, and no converter forms it."""
    formers = any(converter.forming for converter in look.previous.converters)
    return look.hall.position == "open" and look.hall.t_bus_ns != 0 and not formers


def _lies_pu(look: Look) -> float:
    """What flows from a source that the switch is not at, while the one that it is at gives nothing.

    Two witnesses: the source's own meter, and the balance of the load's bus; what is tapped off before the switch
    moves the first alone, a converter that tells nonsense the second. Where the grid's meter is mute or the balance not
    known, a bus that lives without a source stands in for it. As a share of the source's rating.
    """
    terms, position = look.terms.fallback, look.hall.position
    if terms is None or look.device is None or terms.positions.get(look.device.state) != position:
        return nan
    given_kw = _given_kw(look)
    if isnan(given_kw) and _orphan(look):
        given_kw = inf
    sources = list(_sources(look, given_kw))
    own = [abs(kw) <= FLOW_PU * kw_max for place, kw, kw_max in sources if place == position]
    if isnan(given_kw) or not all(own) or (position != "open" and not own):
        return nan
    others = [(abs(kw), kw_max) for place, kw, kw_max in sources if place != position and isfinite(kw)]
    return max((min(given_kw, kw) / kw_max for kw, kw_max in others), default=nan)


ROWS = (
    Row("F54", "breaker-lies", "ats", _lies_pu, at(FLOW_PU), "D", Effect.TRIP,
        "{subject} says that it is not at a source that gives {value:.0%} of its rating, allowed {limit:.0%}",
        "find out at the switch which source is connected; mend its position contacts; acknowledge at the box"),
)  # fmt: skip

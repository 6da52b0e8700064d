"""What the site can do now, read out of one cycle's telemetry: battery limits, converters, freshness."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from math import inf, isfinite, isnan, nan

from controller.image import Device, Instant, Telemetry, Track
from controller.records import replace
from controller.safety import cells, fade, soc
from controller.safety.table import CYCLE_S, FRAME_MISS_S, NOISE_S, SAMPLE_AGE_S_MAX, accepts, renamed
from controller.safety.terms import Part, Terms
from controller.safety.waveform import DC_OVER_PU
from controller.state import Answers, Battery, Conditions, Converter, Counts, Sent
from controller.units import NS_PER_MS, NS_PER_S, ns

ANSWERS_MIN = 3  # T01: a device counts as there after three replies
UNHEARD = Answers()
DISCHARGE_AC_PER_DC = 0.96  # the battery gives the converter's losses too: less AC than the BMS's DC limit


def mandatory(terms: Terms) -> tuple[Part, ...]:
    """Devices without which the site does not work: converters, racks, the grid meter."""
    return tuple(p for p in terms.parts if p.kind in ("pcs", "bms") or p.measures == "grid")


def answers_of(terms: Terms, previous: Conditions, telemetry: Telemetry, now: Instant) -> dict[str, Answers]:
    """Replies seen so far, one count for each cycle in which a newer one has come."""
    found = {}
    for part in terms.parts:
        before = previous.answers.get(part.name, UNHEARD)
        device = telemetry.devices.get(part.name)
        if device is None or device.age_s == inf:
            found[part.name] = before
            continue
        t_ok_ns = now.t_ns - ns(device.age_s)
        newer = before.count == 0 or t_ok_ns > before.t_ok_ns + NS_PER_MS
        found[part.name] = Answers(before.count + 1, t_ok_ns) if newer else before
    return found


def pv_of(terms: Terms, telemetry: Telemetry) -> float:
    """PV power that the load sensors do not see, kW; nan while a PV meter is stale, or there is none."""
    if terms.pv_kw_max == 0:
        return 0.0
    meters = [(part, telemetry.devices.get(part.name)) for part in terms.parts if part.measures == "pv"]
    read = [d.values.get("power_kw", nan) for part, d in meters if d is not None and d.age_s <= part.stale_s]
    return sum(read) if meters and len(read) == len(meters) else nan


def unanswered(terms: Terms, answers: Mapping[str, Answers], losses: Collection[str] = ()) -> tuple[str, ...]:
    """Mandatory devices that have not answered often enough yet, but for converters that are left out."""
    names = (p.name for p in mandatory(terms) if p.name not in losses)
    return tuple(name for name in names if answers.get(name, UNHEARD).count < ANSWERS_MIN)


def fresh(terms: Terms, telemetry: Telemetry, losses: Collection[str] = ()) -> bool:
    """Whether samples and every mandatory device are fresh, but for converters that are left out."""
    if not abs(telemetry.frame.sample_age_s) <= SAMPLE_AGE_S_MAX:
        return False
    needed = (part for part in mandatory(terms) if part.name not in losses)
    devices = [(part, telemetry.devices.get(part.name)) for part in needed]
    return all(device is not None and device.age_s <= part.stale_s for part, device in devices)


def barred_of(terms: Terms, previous: Conditions, telemetry: Telemetry) -> tuple[str, ...]:
    """Ports on which nothing may be written: lost, or with a new tty behind which nobody is verified yet."""
    before = {look.name: look.t_taken_ns for look in previous.frame.ports}
    found = list(telemetry.frame.ports_lost)
    for look in telemetry.frame.ports:
        changed = before.get(look.name, 0) not in (0, look.t_taken_ns)
        if look.name in found or not (changed or look.name in previous.ports_barred):
            continue
        here = [part for part in terms.parts if part.port == look.name and part.kind in ("pcs", "bms")]
        if not all(_verified(part, previous, telemetry, look.t_taken_ns) for part in here):
            found.append(look.name)
    return tuple(sorted(found))


def _verified(part: Part, previous: Conditions, telemetry: Telemetry, t_taken_ns: int) -> bool:
    """Read since the port came back, under the name of before where it has one (BUS-14)."""
    device = telemetry.devices.get(part.name)
    if device is None or not 0 < t_taken_ns < device.t_ok_ns:
        return False
    if not part.accepted:
        return True
    same = accepts(part, device.identity) and not renamed(previous, device)
    return same and device.t_identity_ns > t_taken_ns


def identities_of(terms: Terms, previous: Conditions, telemetry: Telemetry) -> dict[str, str]:
    """What each device called itself first, of the names that its profile accepts."""
    found = dict(previous.identities)
    for part in terms.parts:
        device = telemetry.devices.get(part.name)
        if device is not None and device.identity and accepts(part, device.identity):
            found.setdefault(part.name, device.identity)
    return found


def traces_of(
    terms: Terms, previous: Conditions, telemetry: Telemetry, now: Instant
) -> dict[str, tuple[Sent, ...]]:
    """What each converter was told, as far back as its oldest believable reply needs."""
    found = {}
    frame = telemetry.frame
    for part, *ends_kw in zip(terms.pcs, frame.sent_kw_low, frame.sent_kw_high, strict=False):
        since_ns = now.t_ns - ns(part.stale_s + part.settle_s + 2 * CYCLE_S)
        kept = [sent for sent in previous.traces.get(part.name, ()) if sent.t_ns >= since_ns]
        found[part.name] = (*kept, Sent(now.t_ns, *ends_kw))
    return found


def counts_of(previous: Conditions, telemetry: Telemetry, now: Instant) -> tuple[Counts, ...]:
    """The counters over the longest window a row looks back."""
    since_ns = now.t_ns - ns(NOISE_S + 2 * CYCLE_S)
    kept = [c for c in previous.counts if c.t_ns >= since_ns]
    return (*kept, Counts(now.t_ns, telemetry.frame.ports, telemetry.frame.samples_missed))


def converters_of(terms: Terms, previous: Conditions, telemetry: Telemetry) -> tuple[Converter, ...]:
    """The converters in the order of the site file."""
    found = []
    before = {converter.name: converter for converter in previous.converters}
    for part in terms.pcs:
        device = telemetry.devices.get(part.name)
        if device is None:
            found.append(Converter(part.name, 0.0, "unknown", fresh=False, armed=False, accepted=False))
            continue
        discharge_kw, charge_kw, t_read_ns = _able_kw(device, before.get(part.name))
        found.append(
            Converter(
                name=part.name,
                pcs_kw=device.values.get("pcs_kw", nan),
                state=device.state,
                fresh=device.age_s <= part.stale_s,
                armed=device.armed,
                accepted=accepts(part, device.identity) and not renamed(previous, device),
                forming=device.values.get("form_word", 0.0) == 1.0,
                discharge_kw_max=min(discharge_kw),
                charge_kw_max=min(charge_kw),
                discharge_kw_read=discharge_kw[-1],
                charge_kw_read=charge_kw[-1],
                t_read_ns=t_read_ns,
            )
        )
    return tuple(found)


def _able_kw(device: Device, before: Converter | None) -> tuple[tuple[float, ...], tuple[float, ...], int]:
    """What it has said it can do, the last two words at most: less counts at once, more when it is said twice (IL-12).

    Between two words, and where there is no newer one, what counted goes on."""
    if before is not None and device.t_able_ns <= before.t_read_ns:
        return (
            (before.discharge_kw_max, before.discharge_kw_read),
            (before.charge_kw_max, before.charge_kw_read),
            before.t_read_ns,
        )
    names = ("discharge_kw_max", "charge_kw_max")
    now_kw = tuple(max(device.values.get(name, inf), 0.0) for name in names)
    if before is None or not before.t_read_ns:
        return (now_kw[0],), (now_kw[1],), device.t_able_ns
    return (before.discharge_kw_read, now_kw[0]), (before.charge_kw_read, now_kw[1]), device.t_able_ns


def battery_of(
    terms: Terms, before: Battery, telemetry: Telemetry, answers: Mapping[str, Answers], now: Instant
) -> Battery:
    """Live limits of all racks together; frozen while a rack is stale, zero where a number is missing.

    Racks share the power as they like, so the weakest speaks for all: n times its limit. The site is as empty as its
    emptiest rack and as full as its fullest.
    """
    devices = [telemetry.devices.get(part.name) for part in terms.bms]
    racks = [device for device in devices if device is not None]
    stale = any(device.age_s > part.stale_s for part, device in zip(terms.bms, racks, strict=False))
    if not terms.bms or len(racks) < len(terms.bms) or stale:
        return before
    replies = sum(answers[part.name].count for part in terms.bms)
    if replies == before.replies:
        return before
    charge_kw, discharge_kw = (
        len(racks) * min(_power_kw(rack.values, name) for rack in racks)
        for name in ("charge_a_max", "discharge_a_max")
    )
    discharge_kw *= DISCHARGE_AC_PER_DC
    seen = reading_of(racks, telemetry.track)
    band = soc.track(before.band, terms, seen, now)
    low_pct, high_pct = soc.hull(band, seen)
    faded = fade.track(before.fade, before.band, band, terms, seen, now)
    return Battery(
        soc_pct=sum(_of(racks, "soc_pct")) / len(racks),
        soc_pct_low=low_pct,
        soc_pct_high=high_pct,
        band=band,
        fade=faded,
        anchor_due=soc.due(replace(band, low_pct=low_pct, high_pct=high_pct), now)
        or fade.due(faded, terms.capacity_kwh),
        cell_c_low=seen.cell_c_low,
        cell_c_high=_all(max, [cells.readable(cell_c) for cell_c in _of(racks, "cell_c_max")]),
        charge_kw_max=min(charge_kw, before.charge_kw_read),
        discharge_kw_max=min(discharge_kw, before.discharge_kw_read),
        charge_kw_read=charge_kw,
        discharge_kw_read=discharge_kw,
        dc_v_max=_dc_v_max(racks),
        replies=replies,
    )


def _dc_v_max(racks: list[Device]) -> float:
    """Above it the bus must not be charged (F10); infinite where no rack tells it."""
    told = (rack.values.get("charge_v_max", nan) for rack in racks)
    return min((DC_OVER_PU * v_max for v_max in told if v_max > 0), default=inf)


def reading_of(racks: list[Device], track: Track) -> soc.Reading:
    """What the count of the state of charge takes from one reply of every rack, and from the waveform."""
    return soc.Reading(
        soc_pct_low=_all(min, _of(racks, "soc_pct")),
        soc_pct_high=_all(max, _of(racks, "soc_pct")),
        dc_kw=sum(rack.values.get("dc_a", nan) * rack.values.get("dc_v", nan) / 1000.0 for rack in racks),
        frame_kwh=track.dc_kwh,
        frame_s=track.dc_s,
        cell_v_low=_all(max, _of(racks, "cell_v_min")),
        cell_v_high=_all(min, _of(racks, "cell_v_max")),
        cell_c_low=_all(min, [cells.readable(cell_c) for cell_c in _of(racks, "cell_c_min")]),
    )


def _of(racks: list[Device], name: str) -> list[float]:
    return [rack.values.get(name, nan) for rack in racks]


def _all(pick: Callable[[list[float]], float], values: list[float]) -> float:
    """The smallest or largest; nan where one is missing."""
    return nan if any(isnan(value) for value in values) else pick(values)


def frame_misses_of(
    terms: Terms, previous: Conditions, telemetry: Telemetry, now: Instant
) -> tuple[int, ...]:
    """Cycles of the last second in which the frame fell behind by more than FRAME_MISS_S."""
    kept = tuple(t for t in previous.t_frame_misses_ns if now.t_ns - t < NS_PER_S)
    skipped = telemetry.frame.skipped - previous.frame.skipped
    return (*kept, now.t_ns) if skipped * terms.frame_s > FRAME_MISS_S else kept


def _power_kw(values: Mapping[str, float], current: str) -> float:
    """Current limit times battery voltage in kW; 0 where one is missing or makes no sense."""
    kw = values.get(current, nan) * values.get("dc_v", nan) / 1000.0
    return max(0.0, kw) if isfinite(kw) else 0.0

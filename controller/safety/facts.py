"""What the site can do now, read out of one cycle's telemetry: battery limits, converters, freshness."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite, isnan, nan

from controller.image import Answers, Battery, Conditions, Converter, Instant, Telemetry
from controller.safety.table import FRAME_MISS_S, SAMPLE_AGE_S_MAX, accepts
from controller.safety.terms import Part, Terms
from controller.units import NS_PER_MS, NS_PER_S, ns

ANSWERS_MIN = 3  # T01: a device counts as there after three replies
DISCHARGE_AC_PER_DC = 0.96  # the battery gives the converter's losses too: less AC than the BMS's DC limit


def mandatory(terms: Terms) -> tuple[Part, ...]:
    """Devices without which the site does not work: converters, racks, the grid meter."""
    return tuple(p for p in terms.parts if p.kind in ("pcs", "bms") or p.measures == "grid")


def answers_of(terms: Terms, previous: Conditions, telemetry: Telemetry, now: Instant) -> dict[str, Answers]:
    """Replies seen so far, one count for each cycle in which a newer one has come."""
    found = {}
    for part in terms.parts:
        before = previous.answers.get(part.name, Answers())
        device = telemetry.devices.get(part.name)
        if device is None or device.age_s == inf:
            found[part.name] = before
            continue
        t_ok_ns = now.t_ns - ns(device.age_s)
        newer = before.count == 0 or t_ok_ns > before.t_ok_ns + NS_PER_MS
        found[part.name] = Answers(before.count + 1, t_ok_ns) if newer else before
    return found


def unanswered(terms: Terms, answers: Mapping[str, Answers]) -> tuple[str, ...]:
    """Mandatory devices that have not answered often enough yet."""
    return tuple(p.name for p in mandatory(terms) if answers.get(p.name, Answers()).count < ANSWERS_MIN)


def fresh(terms: Terms, telemetry: Telemetry) -> bool:
    """Whether samples and every mandatory device are fresh."""
    if not telemetry.frame.sample_age_s <= SAMPLE_AGE_S_MAX:
        return False
    devices = [(part, telemetry.devices.get(part.name)) for part in mandatory(terms)]
    return all(device is not None and device.age_s <= part.stale_s for part, device in devices)


def converters_of(terms: Terms, telemetry: Telemetry) -> tuple[Converter, ...]:
    """The converters in the order of the site file."""
    found = []
    for part in terms.pcs:
        device = telemetry.devices.get(part.name)
        if device is None:
            found.append(Converter(part.name, 0.0, "unknown", fresh=False, armed=False, accepted=False))
            continue
        found.append(
            Converter(
                name=part.name,
                pcs_kw=device.values.get("pcs_kw", nan),
                state=device.state,
                fresh=device.age_s <= part.stale_s,
                armed=device.armed,
                accepted=accepts(part, device.identity),
            )
        )
    return tuple(found)


def battery_of(
    terms: Terms, before: Battery, telemetry: Telemetry, answers: Mapping[str, Answers]
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
    charge_kw = len(racks) * min(_power_kw(rack.values, "charge_a_max") for rack in racks)
    discharge_kw = (
        len(racks) * min(_power_kw(rack.values, "discharge_a_max") for rack in racks) * DISCHARGE_AC_PER_DC
    )
    soc_pct = [rack.values.get("soc_pct", nan) for rack in racks]
    known = not any(isnan(pct) for pct in soc_pct)
    return Battery(
        soc_pct=sum(soc_pct) / len(soc_pct),
        soc_pct_low=min(soc_pct) if known else nan,
        soc_pct_high=max(soc_pct) if known else nan,
        charge_kw_max=min(charge_kw, before.charge_kw_read),
        discharge_kw_max=min(discharge_kw, before.discharge_kw_read),
        charge_kw_read=charge_kw,
        discharge_kw_read=discharge_kw,
        replies=replies,
    )


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

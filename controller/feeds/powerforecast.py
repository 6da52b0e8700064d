"""A power curve in the shape of S2's PowerForecast, read and written: start_time, elements of duration (ms) and
power_values (W) with expected value and 68 and 95 % bands.

To S2's own fields come issued_at, valid_until, sequence and source. Schema: S2 documentation, Common/PowerForecast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from controller.feeds.policy import STEPS_MAX, FeedError
from controller.feeds.series import Segment, curve, entries, members, moment, number, parsed
from controller.image import Curve

WHOLE = "ELECTRIC.POWER.3_PHASE_SYMMETRIC"
PHASES = ("ELECTRIC.POWER.L1", "ELECTRIC.POWER.L2", "ELECTRIC.POWER.L3")
FIELDS = {
    "expected": "value_expected",
    "low_68": "value_lower_68PPR",
    "high_68": "value_upper_68PPR",
    "low_95": "value_lower_95PPR",
    "high_95": "value_upper_95PPR",
}
W_PER_KW = 1000.0
SOURCE_MAX = 60
SEQUENCE_MAX = 1 << 53


def read(data: bytes, now_s: float) -> Curve:
    """The curve in kW, > 0 is load. Raises FeedError. Without issued_at it was issued now."""
    told = parsed(data)
    if told.get("message_type", "PowerForecast") != "PowerForecast":
        raise FeedError(f"message_type {str(told['message_type'])[:40]}; PowerForecast is needed")
    begin_s = moment(told.get("start_time"))
    rows: dict[str, list[Segment]] = {name: [] for name in FIELDS}
    for entry in entries(told.get("elements"), "elements", STEPS_MAX):
        element = members(entry, "an element")
        end_s = begin_s + number(element.get("duration"), "a duration") / 1000.0
        values = [
            members(v, "a power value") for v in entries(element.get("power_values"), "power_values", 8)
        ]
        for name, field in FIELDS.items():
            kw = _total_kw(values, field, needed=name == "expected")
            if kw is not None:
                rows[name].append(Segment(begin_s, end_s, kw))
        begin_s = end_s
    return _joined(told, rows, now_s)


def _joined(told: dict[str, Any], rows: Mapping[str, list[Segment]], now_s: float) -> Curve:
    issued_s = moment(told["issued_at"]) if "issued_at" in told else now_s
    source = str(told.get("source", "scheduler"))[:SOURCE_MAX]
    whole = curve(rows["expected"], now_s, issued_s, source)
    bands: dict[str, tuple[float, ...]] = dict.fromkeys(FIELDS, ())
    for name, segments in rows.items():
        if name != "expected" and segments:
            if len(segments) != len(rows["expected"]):
                raise FeedError(f"{FIELDS[name]} is in some elements only; in all or none is allowed")
            bands[name] = curve(segments, now_s, issued_s, source).expected
    until_s = whole.valid_until_utc_s
    if "valid_until" in told:
        until_s = min(until_s, moment(told["valid_until"]))
    if until_s <= issued_s:
        raise FeedError("it was over when it was issued")
    sequence = number(told.get("sequence", 0), "sequence")
    if sequence != int(sequence) or not 0 <= sequence <= SEQUENCE_MAX:
        raise FeedError(f"sequence {sequence:g}; a whole number from 0 is allowed")
    return replace(
        whole, valid_until_utc_s=until_s, sequence=int(sequence), low_68=bands["low_68"],
        high_68=bands["high_68"], low_95=bands["low_95"], high_95=bands["high_95"],
    )  # fmt: skip


def _total_kw(values: list[dict[str, Any]], field: str, *, needed: bool) -> float | None:
    """The three-phase value, or the sum of the phases; other commodities are not power of this site."""
    told = {str(v.get("commodity_quantity", WHOLE)): v.get(field) for v in values}
    if len(told) != len(values):
        raise FeedError("a commodity_quantity is told twice in one element")
    picked = [told[WHOLE]] if WHOLE in told else [told[phase] for phase in PHASES if phase in told]
    if not picked or any(value is None for value in picked):
        if needed:
            raise FeedError(f"an element without {field} of {WHOLE} or of phases")
        return None
    return sum(number(value, field) for value in picked) / W_PER_KW


def iso(utc_s: float) -> str:
    """A moment as these messages write it."""
    return datetime.fromtimestamp(utc_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def message(
    start_s: float, issued_s: float, until_s: float, sequence: int, source: str,
    elements: Iterable[tuple[float, Mapping[str, float | None], Mapping[str, Any]]],
) -> dict[str, Any]:  # fmt: skip
    """The message as plain data. elements: seconds, S2's value fields in kW, fields of our own beside them."""
    return {
        "message_type": "PowerForecast",
        "source": source,
        "sequence": sequence,
        "issued_at": iso(issued_s),
        "valid_until": iso(until_s),
        "start_time": iso(start_s),
        "elements": [
            {
                "duration": round(1000 * seconds),
                "power_values": [
                    {"commodity_quantity": WHOLE}
                    | {name: None if kw is None else round(W_PER_KW * kw) for name, kw in values.items()}
                ],
            }
            | dict(own)
            for seconds, values, own in elements
        ],
    }

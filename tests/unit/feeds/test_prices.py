"""Prices: every format, both units, clock changes, negative, missing tail, currency; and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from controller.feeds import entsoe, nordpool, pricelist
from controller.feeds.market import Money
from controller.feeds.policy import FeedError
from controller.feeds.series import Segment, curve

SEK = Money("SEK", 10.0)
NIGHT = datetime(2026, 1, 14, 23, tzinfo=UTC).timestamp()  # local midnight of 15 January in Stockholm
SPACE = "urn:iec62325.351:tc57wg16:451-3:publicationdocument:7:3"


def period(start: str, end: str, resolution: str, points: str) -> str:
    """One Period element."""
    return (
        f"<Period><timeInterval><start>{start}</start><end>{end}</end></timeInterval>"
        f"<resolution>{resolution}</resolution>{points}</Period>"
    )


def points(*prices: float | None) -> str:
    """Points from position 1 on; None is left out, as curve type A03 does with a price that stays."""
    return "".join(
        f"<Point><position>{i}</position><price.amount>{p}</price.amount></Point>"
        for i, p in enumerate(prices, 1)
        if p is not None
    )


def document(*periods: str, currency: str = "EUR", sequence: str = "") -> bytes:
    """A publication with one series."""
    auction = (
        f"<classificationSequence_AttributeInstanceComponent.position>{sequence}"
        "</classificationSequence_AttributeInstanceComponent.position>"
        if sequence
        else ""
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?><Publication_MarketDocument xmlns="{SPACE}"><type>A44</type>'
        f"<TimeSeries>{auction}<currency_Unit.name>{currency}</currency_Unit.name>"
        f"<price_Measure_Unit.name>MWH</price_Measure_Unit.name>{''.join(periods)}</TimeSeries>"
        "</Publication_MarketDocument>"
    ).encode()


def test_entsoe_hours_in_the_bill_s_currency() -> None:
    """Goal: EUR/MWh becomes SEK/kWh, negative kept, a price that stays filled in. Method: four hours by hand."""
    raw = document(
        period("2026-01-14T23:00Z", "2026-01-15T03:00Z", "PT60M", points(50.0, None, -12.5, 100.0))
    )
    found = entsoe.read(raw, SEK)
    assert [s.value for s in found] == pytest.approx([0.5, 0.5, -0.125, 1.0])
    assert [s.begin_s - NIGHT for s in found] == [0, 3600, 7200, 10800]
    told = curve(found, NIGHT + 60, NIGHT, "entsoe")
    assert told.step_s == 900
    assert len(told.expected) == 16
    assert told.expected[4:9] == pytest.approx([0.5] * 4 + [-0.125])


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        ("2026-03-28T23:00Z", "2026-03-29T22:00Z", 92),
        ("2026-10-24T22:00Z", "2026-10-25T23:00Z", 100),
    ],
)
def test_days_of_a_clock_change(start: str, end: str, count: int) -> None:
    """Goal: 92 and 100 quarters. Method: both days of 2026 in quarter hours."""
    raw = document(period(start, end, "PT15M", points(*(float(i) for i in range(count)))))
    found = entsoe.read(raw, Money("EUR", 1.0))
    assert len(found) == count
    assert len(curve(found, found[0].begin_s, 0.0, "x").expected) == count
    assert found[-1].end_s == datetime.fromisoformat(end).timestamp()
    with pytest.raises(FeedError, match=f"{count} units with {count + 1} positions"):
        entsoe.read(document(period(start, end, "PT15M", points(*[1.0] * (count + 1)))), SEK)


def test_of_two_auctions_the_first_and_of_two_resolutions_the_finer() -> None:
    """Goal: a day told in several ways is one day. Method: hours and quarters, a second auction beside."""
    hour, quarters = "2026-01-14T23:00Z", "2026-01-15T00:00Z"
    both = document(
        period(hour, quarters, "PT60M", points(10.0)), period(hour, quarters, "PT15M", points(1.0, 2, 3, 4))
    )
    assert [s.value for s in entsoe.read(both, Money("EUR", 1.0))] == [0.001, 0.002, 0.003, 0.004]
    second = document(period(hour, quarters, "PT60M", points(99.0)), sequence="2").decode()
    first = document(period(hour, quarters, "PT60M", points(10.0)), sequence="1").decode()
    series = first[first.index("<TimeSeries>") : first.index("</Publication")]
    assert [s.value for s in entsoe.read(second.replace("<TimeSeries>", series + "<TimeSeries>", 1).encode(), SEK)] == [
        0.1
    ]  # fmt: skip


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b"<Publication_MarketDocument>&b;</Publication_MarketDocument>"
)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"", "no XML"),
        (b"<a>", "no XML"),
        (BOMB, "document type"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "document type"),
        (b"<a>" * 40, "nested deeper"),
        (b"<Acknowledgement_MarketDocument><Reason><text>No matching data</text></Reason>"
         b"</Acknowledgement_MarketDocument>", "ENTSO-E says: No matching data"),
        (b"<html/>", "a Publication_MarketDocument is needed"),
        (document(), "no prices"),
        (document(period("2026-01-14T23:00Z", "2026-01-15T00:00Z", "P1D", points(1))), "resolution 'P1D'"),
        (document(period("2026-01-14T23:00", "2026-01-15T00:00Z", "PT60M", points(1))), "no offset"),
        (document(period("2026-01-15T00:00Z", "2026-01-14T23:00Z", "PT60M", points(1))), "-1 units"),
        (document(period("2026-01-14T23:00Z", "2026-01-15T00:00Z", "PT60M", points(1)), currency="NOK"), "in NOK"),
        (document(period("2026-01-14T23:00Z", "2026-01-15T00:00Z", "PT60M", points(1) * 2)), "told twice"),
        (document(period("2026-01-14T23:00Z", "2026-01-15T00:00Z", "PT60M", points(float("nan")))), "finite"),
    ],
)  # fmt: skip
def test_what_entsoe_may_not_say(raw: bytes, fault: str) -> None:
    """Goal: each fault has its word. Method: one document each; an entity is never expanded."""
    with pytest.raises(FeedError, match=fault):
        entsoe.read(raw, SEK)


def pool(*rows: tuple[str, str, dict[str, object]], currency: str = "EUR") -> bytes:
    """An answer of the data portal."""
    listed = [{"deliveryStart": a, "deliveryEnd": b, "entryPerArea": c} for a, b, c in rows]
    return json.dumps({"currency": currency, "multiAreaEntries": listed}).encode()


def test_nord_pool() -> None:
    """Goal: the area's price, a missing tail, an only area unnamed. Method: three hours, the last without a price."""
    rows = [(f"2026-01-15T0{h}:00:00Z", f"2026-01-15T0{h + 1}:00:00Z", {"SE3": v, "SE4": 1.0})
            for h, v in ((0, 80.0), (1, -5.0), (2, None))]  # fmt: skip
    assert [s.value for s in nordpool.read(pool(*rows), SEK, "SE3")] == pytest.approx([0.8, -0.05])
    alone = [(a, b, {"NO3": 700.0}) for a, b, _ in rows]
    assert nordpool.read(pool(*alone, currency="SEK"), SEK, "")[0].value == pytest.approx(0.7)
    with pytest.raises(FeedError, match="area SE1 is not among SE3, SE4"):
        nordpool.read(pool(*rows), SEK, "SE1")
    with pytest.raises(FeedError, match=r"area \(none\)"):
        nordpool.read(pool(*rows), SEK, "")
    for raw in (b"[]", b"{}", b"nonsense", b'{"multiAreaEntries": [1]}', b"[" * 100_000, pool()):
        with pytest.raises(FeedError):
            nordpool.read(raw, SEK, "SE3")


def test_a_list_of_prices() -> None:
    """Goal: our own CSV, with its hole and its offset. Method: quarters, one empty; then wrong heads and rows."""
    head = "t_utc,price_sek_kwh\n"
    rows = "".join(
        f"2026-01-15T00:{m:02d}:00+01:00,{p}\n" for m, p in ((0, 0.5), (15, ""), (30, -0.1), (45, 1))
    )
    found = pricelist.read((head + rows).encode(), SEK)
    assert [(s.begin_s - NIGHT, s.value) for s in found] == [(0, 0.5), (1800, -0.1), (2700, 1.0)]
    assert found[-1].end_s - NIGHT == 3600
    assert pricelist.read((head.replace("sek_kwh", "eur_mwh") + rows).encode(), SEK)[0].value == 0.005
    for text in ("", head, head + rows.replace("+01:00", ""), "a,b\n1,2\n3,4\n", head + rows.replace("0.5", "x"),
                 head + rows[:80].replace("15:", "20:"), head + rows + "1\n",
                 head.replace("sek", "usd") + rows):  # fmt: skip
        with pytest.raises(FeedError):
            pricelist.read(text.encode(), SEK)


def test_the_stretch_that_holds_now() -> None:
    """Goal: a gap ends the curve, a contradiction ends belief. Method: two days with a hole between them."""
    hours = [Segment(3600.0 * h, 3600.0 * (h + 1), float(h)) for h in (0, 1, 2, 5, 6)]
    assert curve(hours, 100.0, 0.0, "x").expected == (0.0,) * 4 + (1.0,) * 4 + (2.0,) * 4
    assert curve(hours, 11_000.0, 0.0, "x").start_utc_s == 5 * 3600
    assert curve([*hours, hours[0]], 100.0, 0.0, "x").expected[0] == 0.0  # told twice alike
    with pytest.raises(FeedError, match="told twice, with different content"):
        curve([*hours, Segment(0.0, 3600.0, 9.0)], 100.0, 0.0, "x")
    with pytest.raises(FeedError, match="nothing in it lies ahead"):
        curve(hours, 7 * 3600.0, 0.0, "x")
    odd = [Segment(1000.0, 1300.0, 1.0), Segment(1300.0, 2000.0, 3.0)]  # 5 and 11 2/3 minutes
    told = curve(odd, 1000.0, 0.0, "x")
    assert told.start_utc_s == 900
    assert told.expected == pytest.approx([(300 + 500 * 3) / 800, 3.0])

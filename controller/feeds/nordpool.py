"""Day-ahead prices in the shape of Nord Pool's data portal: multiAreaEntries with deliveryStart and entryPerArea."""

from __future__ import annotations

from controller.feeds.market import Money
from controller.feeds.policy import FeedError
from controller.feeds.series import Segment, entries, members, moment, number, parsed

KWH = 1000.0  # prices are per MWh


def read(data: bytes, money: Money, area: str) -> list[Segment]:
    """Prices per kWh in the bill's currency. Raises FeedError.

    area may be empty where the document tells one alone.
    """
    told = parsed(data)
    currency = str(told.get("currency", ""))
    found = []
    for entry in entries(told.get("multiAreaEntries"), "multiAreaEntries"):
        row = members(entry, "an entry")
        prices = members(row.get("entryPerArea"), "entryPerArea")
        value = prices.get(_area(area, prices))
        if value is not None:  # not yet published: the missing tail
            price = money.per_kwh(number(value, "a price"), currency, KWH)
            found.append(Segment(moment(row.get("deliveryStart")), moment(row.get("deliveryEnd")), price))
    if not found:
        raise FeedError("it holds no prices")
    return found


def _area(area: str, prices: dict[str, object]) -> str:
    if area in prices:
        return area
    if not area and len(prices) == 1:
        return next(iter(prices))
    known = ", ".join(map(str, list(prices)[:20]))
    raise FeedError(f"area {area or '(none)'} is not among {known}; name one in feeds.price.area")

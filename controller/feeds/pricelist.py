"""Prices as a CSV: t_utc (begin, ISO with offset) and price_<currency>_kwh or price_<currency>_mwh."""

from __future__ import annotations

import csv
import re
from itertools import pairwise

from controller.feeds.market import Money
from controller.feeds.policy import FeedError
from controller.feeds.series import SEGMENTS_MAX, Segment, moment, number

COLUMN = re.compile(r"price_([a-z]{3})_([km]wh)")
KWH = {"kwh": 1.0, "mwh": 1000.0}
STEPS_S = (900.0, 1800.0, 3600.0)


def read(data: bytes, money: Money) -> list[Segment]:
    """Prices per kWh in the bill's currency. Raises FeedError.

    A row lasts until the next one, at most an hour; an empty price is a hole.
    """
    try:
        lines = data.decode("utf-8-sig").splitlines()
        if not 3 <= len(lines) <= SEGMENTS_MAX:
            raise FeedError(f"{len(lines)} lines; a head and 2 to {SEGMENTS_MAX} rows are allowed")
        rows = list(csv.reader(lines))
    except (ValueError, csv.Error) as error:
        raise FeedError(f"it is no CSV ({error})") from None
    head = [name.strip() for name in rows[0]]
    priced = [(i, hit) for i, name in enumerate(head) if (hit := COLUMN.fullmatch(name))]
    if "t_utc" not in head or len(priced) != 1:
        raise FeedError("its head needs t_utc and one price_<currency>_kwh or price_<currency>_mwh")
    when, (where, hit) = head.index("t_utc"), priced[0]
    body = [row for row in rows[1:] if row]
    if any(len(row) != len(head) for row in body):
        raise FeedError(f"a row has other than {len(head)} cells")
    begins = [moment(row[when]) for row in body]
    steps = {round(b - a, 3) for a, b in pairwise(begins)}
    step_s = min(steps, default=0.0)
    if step_s not in STEPS_S:
        raise FeedError(f"rows {step_s:g} s apart; 900, 1800 and 3600 are allowed")
    found = []
    for row, begin_s, next_s in zip(body, begins, [*begins[1:], begins[-1] + step_s], strict=True):
        if row[where].strip():
            price = money.per_kwh(number(row[where], "a price"), hit[1], KWH[hit[2]])
            found.append(Segment(begin_s, min(next_s, begin_s + STEPS_S[-1]), price))
    return found

"""The demand ledger of plan.demand.Meter as rows of the state record, and back."""

from __future__ import annotations

from controller.plan.demand import Meter, Running, window_at
from controller.runtime.keep import BOOK_ROWS_MAX, Books

INSIDE_S = 1.0  # after a window's begin: a moment that lies in it and in no other


def rows(meter: Meter) -> Books:
    """The ledger as it is now; of more than BOOK_ROWS_MAX peaks the newest billing periods."""
    peaks = [
        (name, period, group, kw)
        for (name, period), groups in meter.ledger.peaks.items()
        for group, kw in groups.items()
    ]
    peaks.sort(key=lambda row: row[1], reverse=True)
    windows = [(name, it.window.start_s, it.import_kwh, it.seconds) for name, it in meter.open.items()]
    return Books(tuple(peaks[:BOOK_ROWS_MAX]), tuple(windows))


def reopen(meter: Meter, books: Books) -> None:
    """Take up the rows of an earlier run; those of a charge that the tariff no longer has are left out."""
    demands = {demand.name: demand for demand in meter.tariff.demand}
    for name, period, group, kw in books.peaks:
        if name in demands:
            meter.ledger.peaks.setdefault((name, period), {})[group] = kw
    for name, start_s, import_kwh, seconds in books.windows:
        if name in demands:
            window = window_at(demands[name], meter.tariff.time_zone, start_s + INSIDE_S)
            meter.open[name] = Running(window, import_kwh, seconds)

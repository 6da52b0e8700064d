"""Day-ahead prices of ENTSO-E's transparency platform: Publication_MarketDocument, type A44.

Read by expat as a stream; a document type, and with it every entity, is refused before it can expand. With curve
type A03 a position that is left out has the price of the one before it. Form: ENTSO-E, iec62325-451-3, 7:0 to 7:3.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.parsers import expat

from controller.feeds.market import Money
from controller.feeds.policy import FeedError
from controller.feeds.series import SEGMENTS_MAX, Segment, moment, number

DEPTH_MAX = 16  # a price stands at level 5
NODES_MAX = 200_000
TEXT_MAX = 200
RESOLUTION_S = {"PT15M": 900.0, "PT30M": 1800.0, "PT60M": 3600.0, "PT1H": 3600.0}
KWH = {"KWH": 1.0, "MWH": 1000.0}


@dataclass(slots=True)
class _Period:
    """One stretch of equal units; points: position from 1 -> price."""

    begin: str = ""
    end: str = ""
    resolution: str = ""
    points: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Series:
    """One TimeSeries: currency, unit, and its periods."""

    currency: str = ""
    unit: str = "MWH"
    sequence: str = "1"  # of the auction; the first one is the coupled market
    periods: list[_Period] = field(default_factory=list)


class _Reader:
    """Gathers series while expat walks through the document."""

    def __init__(self) -> None:
        self.kind, self.reason = "", ""
        self.series: list[_Series] = []
        self._path: list[str] = []
        self._text = ""
        self._nodes = 0
        self._position, self._price = "", ""
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._open
        self.parser.EndElementHandler = self._close
        self.parser.CharacterDataHandler = self._say
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse

    def _refuse(self, *_: object) -> None:
        raise FeedError("it declares a document type or an entity; neither is allowed")

    def _open(self, name: str, _: dict[str, str]) -> None:
        self._path.append(name.rpartition(" ")[2])
        self._text = ""
        self._nodes += 1
        if len(self._path) > DEPTH_MAX or self._nodes > NODES_MAX:
            raise FeedError(f"nested deeper than {DEPTH_MAX}, or more than {NODES_MAX} elements")
        if self._path[-1] == "TimeSeries":
            self.series.append(_Series())
        elif self._path[-1] == "Period" and self.series:
            self.series[-1].periods.append(_Period())

    def _say(self, text: str) -> None:
        self._text = (self._text + text)[:TEXT_MAX]

    def _close(self, _: str) -> None:
        text, tail = self._text.strip(), tuple(self._path[-2:])
        self._text = ""
        self._path.pop()
        series = self.series[-1] if self.series else None
        period = series.periods[-1] if series and series.periods else None
        if not self._path:
            self.kind = tail[-1]
        elif tail == ("Reason", "text"):
            self.reason = text
        elif series is not None and tail == ("TimeSeries", "currency_Unit.name"):
            series.currency = text
        elif series is not None and tail == ("TimeSeries", "price_Measure_Unit.name"):
            series.unit = text.upper()
        elif series is not None and tail[-1].startswith("classificationSequence"):
            series.sequence = text or series.sequence
        elif period is not None:
            self._in_period(tail, text, period)

    def _in_period(self, tail: tuple[str, ...], text: str, period: _Period) -> None:
        if tail == ("timeInterval", "start"):
            period.begin = text
        elif tail == ("timeInterval", "end"):
            period.end = text
        elif tail == ("Period", "resolution"):
            period.resolution = text
        elif tail == ("Point", "position"):
            self._position = text
        elif tail == ("Point", "price.amount"):
            self._price = text
        elif tail[-1] == "Point":
            position = number(self._position, "a position")
            if position in period.points:
                raise FeedError(f"position {position:g} is told twice")
            if position != int(position) or not 1 <= position <= SEGMENTS_MAX:
                raise FeedError(f"position {position:g}; whole numbers from 1 are allowed")
            period.points[int(position)] = number(self._price, "a price")
            self._position = self._price = ""


def read(data: bytes, money: Money) -> list[Segment]:
    """Prices per kWh in the bill's currency. Raises FeedError."""
    reader = _Reader()
    try:
        reader.parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # a wrong encoding is one of the latter two
        raise FeedError(f"it is no XML ({str(error)[:100]})") from None
    if reader.kind == "Acknowledgement_MarketDocument":
        raise FeedError(f"ENTSO-E says: {reader.reason or 'no data'}")
    if reader.kind != "Publication_MarketDocument":
        raise FeedError(f"it is a {reader.kind[:60]}; a Publication_MarketDocument is needed")
    series = _chosen(reader.series)
    found = [segment for each in series for segment in _segments(each, money)]
    if not found:
        raise FeedError("it holds no prices")
    return found


def _chosen(series: Iterable[_Series]) -> list[_Series]:
    """The first auction, and of two resolutions the finer: they tell the same day in two ways."""
    told = [each for each in series if each.periods]
    if not told:
        return []
    first = min((each.sequence for each in told), key=lambda number: (len(number), number))
    told = [each for each in told if each.sequence == first]
    finest = min(_step_s(period) for each in told for period in each.periods)
    return [
        _Series(each.currency, each.unit, each.sequence, [p for p in each.periods if _step_s(p) == finest])
        for each in told
    ]


def _step_s(period: _Period) -> float:
    if period.resolution not in RESOLUTION_S:
        raise FeedError(f"resolution {period.resolution[:20]!r}; {', '.join(RESOLUTION_S)} are allowed")
    return RESOLUTION_S[period.resolution]


def _segments(series: _Series, money: Money) -> Iterable[Segment]:
    if series.unit not in KWH:
        raise FeedError(f"prices per {series.unit[:20]}; {' and '.join(KWH)} are understood")
    for period in series.periods:
        begin_s, end_s, step_s = moment(period.begin), moment(period.end), _step_s(period)
        count = round((end_s - begin_s) / step_s)
        if not 0 < count <= SEGMENTS_MAX or max(period.points, default=0) > count:
            raise FeedError(f"a period of {count} units with {max(period.points, default=0)} positions")
        price = None
        for position in range(1, count + 1):
            price = period.points.get(position, price)
            if price is not None:
                at_s = begin_s + step_s * (position - 1)
                yield Segment(at_s, at_s + step_s, money.per_kwh(price, series.currency, KWH[series.unit]))

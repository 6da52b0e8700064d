"""What formats of day-ahead prices share: money per MWh or kWh into the tariff's currency, and its bounds."""

from __future__ import annotations

from dataclasses import dataclass

from controller.feeds.policy import Bounds, FeedError

# Harmonised limits of the European day-ahead market are -500 and 4000 EUR/MWh; each spike may raise the upper by 1000.
EUR_PER_KWH = (-0.6, 8.0)
USUAL_EUR_PER_KWH = 4.0  # beyond it, a price has to be near what the last weeks knew (F93)


@dataclass(frozen=True, slots=True)
class Money:
    """The currency of the bill, and how much of it one euro is."""

    currency: str
    per_eur: float

    @property
    def bounds(self) -> Bounds:
        """What a spot price may be."""
        low, high = (limit * self.per_eur for limit in EUR_PER_KWH)
        usual = USUAL_EUR_PER_KWH * self.per_eur
        return Bounds(low, high, f"{self.currency}/kWh", usual_max=usual)

    def per_kwh(self, value: float, currency: str, kwh: float) -> float:
        """Money in `currency` for `kwh` as the bill's own for one. Raises FeedError."""
        if currency.upper() == self.currency:
            return value / kwh
        if currency.upper() == "EUR":
            return value * self.per_eur / kwh
        raise FeedError(f"prices in {currency[:10]}; {self.currency} and EUR are understood")

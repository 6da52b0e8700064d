"""Gives the orders that safety wants a sequence number, and asks again when one had no effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from controller.image import Instant, Order
from controller.units import ns

RENEW_S = 2.0  # an order that had no effect by then is sent anew; a lost reply never repeats one by itself


class Desk:
    """One slot a device. number(device, name) gives a new Order: Roster.order."""

    def __init__(
        self,
        number: Callable[[str, str], Order],
        admit: Callable[[str, str, Instant], bool] = lambda device, name, now: True,
    ) -> None:
        self._number = number
        self._admit = admit  # of a new order: Wear.admit
        self._under_way: dict[str, tuple[str, Order, int]] = {}

    def fill(self, wanted: Mapping[str, str], now: Instant) -> tuple[Order, ...]:
        """The orders of this cycle: the same Order as long as the same is wanted, for RENEW_S at most."""
        kept = {}
        for device, name in wanted.items():
            before = self._under_way.get(device)
            if before is not None and before[0] == name and now.t_ns - before[2] < ns(RENEW_S):
                kept[device] = before
            elif self._admit(device, name, now):
                kept[device] = (name, self._number(device, name), now.t_ns)
        self._under_way = kept
        return tuple(order for _, order, _ in kept.values())

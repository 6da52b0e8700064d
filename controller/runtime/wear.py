"""Counts writes to registers in non-volatile memory and blocks them at the day's budget (F29)."""

from __future__ import annotations

from collections.abc import Mapping

from controller.devices.check import CheckedSite
from controller.image import Instant
from controller.runtime.events import Event
from controller.units import NS_PER_S

DAY_S = 86_400
SPEAK_NS = 3600 * NS_PER_S  # a blocked order is told once an hour


class Wear:
    """spent: "device.register": (day since 1970, writes of that day); it comes from and goes into the record."""

    def __init__(self, checked: CheckedSite, spent: Mapping[str, tuple[int, int]] | None = None) -> None:
        self._budgets: dict[tuple[str, str], tuple[str, int]] = {}
        for _, unit in checked.site.units():
            for name, order in checked.profiles[unit.profile].orders.items():
                if order.writes_per_day_max is not None:
                    key = f"{unit.name}.{order.address}"
                    self._budgets[unit.name, name] = (key, order.writes_per_day_max)
        self.spent = dict(spent or {})
        self._told_ns: dict[str, int] = {}
        self._events: list[Event] = []

    def admit(self, device: str, name: str, now: Instant) -> bool:
        """Whether this order may be sent now; one that may is counted at once."""
        if (device, name) not in self._budgets:
            return True
        key, most = self._budgets[device, name]
        day, count = self.spent.get(key, (0, 0))
        today = max(int(now.utc_s // DAY_S), day)  # a clock that steps back brings no new budget
        count = count if day == today else 0
        if count >= most:
            self._tell(device, name, key, most, now)
            return False
        self.spent[key] = (today, count + 1)
        return True

    def events(self) -> tuple[Event, ...]:
        """What was blocked since the last call."""
        found, self._events = tuple(self._events), []
        return found

    def _tell(self, device: str, name: str, key: str, most: int, now: Instant) -> None:
        if now.t_ns - self._told_ns.get(key, -SPEAK_NS) < SPEAK_NS:
            return
        self._told_ns[key] = now.t_ns
        text = f"order {name} not sent: its register is in non-volatile memory and took {most} writes today"
        cure = "find out why it is needed so often; the budget is new at midnight UTC"
        self._events.append(Event(now.t_ns, now.utc_s, "F29", "eeprom-wear", device, "warning", text, cure))

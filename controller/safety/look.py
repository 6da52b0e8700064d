"""What a line of the fault table is made of, and what its signal may look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, nan

from controller.image import Device, Telemetry
from controller.records import quick
from controller.safety.hall import Hall
from controller.safety.terms import Part, Terms
from controller.state import Conditions, Effect, ModeState


@quick
@dataclass(frozen=True, slots=True)
class Look:
    """One row's view of one subject in one cycle."""

    terms: Terms
    previous: Conditions
    state: ModeState
    telemetry: Telemetry
    t_ns: int
    subject: str
    part: Part | None = None
    device: Device | None = None
    barred: tuple[str, ...] = ()  # ports on which nothing may be written
    hall: Hall = field(default_factory=Hall)

    @property
    def age_s(self) -> float:
        """Age of the device's oldest block; nan before its first reply, so that INIT can wait for it."""
        return nan if self.device is None or self.device.age_s == inf else self.device.age_s

    @property
    def cut_off(self) -> bool:
        """Its port is away or not yet verified: F79 speaks for the device."""
        return self.part is not None and self.part.port in self.barred

    @property
    def fresh(self) -> bool:
        """Whether the device's last reply may be believed."""
        return self.part is not None and self.age_s <= self.part.stale_s


Number = Callable[[Look], float]
LEVELS = {Effect.NOTE: 0, Effect.CURTAIL: 0, Effect.NO_CHARGE: 0, Effect.FREEZE: 1, Effect.EXPORT_WORST: 2,
          Effect.HOLD: 3, Effect.STOP: 3, Effect.TRIP: 3}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """Trips when signal > limit for hold_s; gone at signal <= clear (default: the limit). nan: not known."""

    code: str
    name: str
    subjects: str  # pcs, bms, meter, port, site
    signal: Number
    limit: Number
    grade: str
    effect: Effect
    cause: str  # of {subject}, {value}, {limit}
    cure: str
    clear: float | None = None
    hold_s: float = 0.0
    clear_s: float | None = None  # how long the cause must be gone; None: the site's clear_hold_s
    islands: bool = True  # False: not judged in an island, and forgotten there
    lone: bool = False  # costs its converter, or those of its port, where the others may carry on (F27)
    level: int | None = None  # degradation D0 to D3; None: that of the effect
    share_pu: float = 1.0  # of the power limits that it leaves
    sign: float = 1.0  # of both numbers in the text: -1 where the signal falls, and is told as it is


def at(value: float) -> Number:
    """A limit that is one number."""
    return lambda look: value

"""MAINT: a person at the box moves one converter by hand: small, short, and only while the hand is held on.

reference/safety.md 2.1: dead-man, 60 s. The envelope stays on: battery, cells, limits of the site and of the unit.
"""

from __future__ import annotations

from math import isfinite

from controller.image import Instant
from controller.records import replace
from controller.safety.terms import Part, Terms
from controller.state import Conditions, Effect, Jog
from controller.units import ns

JOG_PU_MAX = 0.04  # of the converter's limit in that direction: less than F22 takes for stuck
HOLD_S = 1.0  # the hand counts as off when it has not been told again for so long
JOG_S_MAX = 60.0  # then it must come off before it counts anew


def held(before: Jog | None, told: Jog | None, now: Instant) -> Jog | None:
    """The hand after this cycle; None: off. told: of a command of this cycle; a hand that stays on keeps its begin."""
    if told is not None:
        return told if before is None else replace(told, t_began_ns=before.t_began_ns)
    if before is None or now.t_ns - before.t_held_ns > ns(HOLD_S):
        return None
    return before


def acting(hand: Jog | None, terms: Terms, conditions: Conditions, at_grid: bool, now: Instant) -> Jog | None:
    """What the hand may do now: a small power of a converter that is there, while the grid is; None: nothing."""
    if hand is None or not at_grid or not conditions.t_grid_ns or now.t_ns - hand.t_began_ns > ns(JOG_S_MAX):
        return None
    if conditions.has(Effect.FREEZE) or conditions.has(Effect.HOLD):
        return None
    for part, converter in zip(terms.pcs, conditions.converters, strict=False):
        if part.name == hand.device and converter.fresh and converter.accepted and converter.armed:
            return replace(hand, kw=small_kw(part, hand.kw))
    return None


def small_kw(part: Part, kw: float) -> float:
    """The power that is asked for, within what a hand may move."""
    return min(max(kw, -JOG_PU_MAX * part.charge_kw_max), JOG_PU_MAX * part.discharge_kw_max)


def ready(jog: Jog | None, conditions: Conditions) -> bool:
    """Whether its converter runs."""
    return jog is not None and any(
        c.name == jog.device and c.fresh and c.state == "running" for c in conditions.converters
    )


def caps(jog: Jog, part: Part) -> tuple[float, float]:
    """Discharge and charge limit of one converter under the hand, kW."""
    if part.name != jog.device or not isfinite(jog.kw):
        return 0.0, 0.0
    return max(jog.kw, 0.0), max(-jog.kw, 0.0)

"""Row of the fault table about a plan that swings to and fro faster than any plan has reason to."""

from __future__ import annotations

from controller.image import Instant, Wish
from controller.records import replace
from controller.safety.look import Look, Row, at
from controller.state import Conditions, Effect
from controller.units import ns

REVERSALS_MAX = 20  # F95: within a minute; a plan is decided on twice a minute, and at once on news
MINUTE_S = 60.0


def counted(seen: Conditions, previous: Conditions, wish: Wish, now: Instant) -> Conditions:
    """With the reversals of the last minute: planned power that has changed its sign, zero and nan being none."""
    sign = (wish.planned_kw > 0) - (wish.planned_kw < 0) or previous.planned_sign
    kept = tuple(t_ns for t_ns in previous.t_reversals_ns if now.t_ns - t_ns < ns(MINUTE_S))
    if sign * previous.planned_sign < 0:
        kept = (*kept[-REVERSALS_MAX:], now.t_ns)
    if (sign, kept) == (seen.planned_sign, seen.t_reversals_ns):
        return seen
    return replace(seen, planned_sign=sign, t_reversals_ns=kept)


def _reversals(look: Look) -> float:
    return float(len(look.previous.t_reversals_ns))


ROWS = (
    Row("F95", "plan-oscillates", "site", _reversals, at(REVERSALS_MAX), "A", Effect.NOTE,
        "the plan has changed its direction more than {limit:.0f} times within a minute: it is not followed",
        "send the black box with a report; see who tells curves or prices anew every few seconds",
        clear=0.0, clear_s=0.0, level=2),
)  # fmt: skip

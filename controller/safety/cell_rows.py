"""Rows of the fault table about what the cells of a rack show: one that heats up by itself, one that stands apart.

F38 compares the hottest cell with what it was within the last three minutes. The limit is 1 K/min, and 3 K of it: in
whole kelvins, for a BMS that rounds to 1 K shows more than 3 K only when it was more. A 1C charge heats an LFP cell by
0.2 to 0.4 K/min (0.25 mOhm and 5.4 kg of a 280 Ah cell: 0.2). Below HEAT_C_MIN nothing is judged: heaters work there,
and the reactions that feed a runaway begin at 80 degC, 50 minutes later at this slope.

F40: from 10 to 90 % SOC an LFP cell moves by 141 mV (safety.md 6.3). Two cells that stand twice as far apart are not
equally charged any more, or one of them has lost its contact: the rack ends where the first of them does.
"""

from __future__ import annotations

from math import isnan, nan

from controller.image import Device, Instant, Telemetry
from controller.safety.cells import readable
from controller.safety.look import Look, Row, at
from controller.safety.terms import Terms
from controller.state import Conditions, Effect, Warmth
from controller.units import ns

HEAT_K_MAX, HEAT_S = 3.0, 180.0  # F38: 1 K/min
HEAT_HOLD_S = (
    1.5  # F38: one wild reading of a BMS that is read once a second is over by then; two cycles more make 2 s
)
HEAT_C_MIN = 30.0  # F38: warmer than any heater makes a cell
HEAT_SLOT_NS = ns(10.0)  # F38: of so much time one reading is kept
APART_V_MAX, APART_V_CLEAR, APART_S = 0.3, 0.2, 9.8  # F40: two cycles more make its 10 s
APART_PU = 0.5  # F40: half the current, half of what resistance adds to the spread


def heats_of(
    terms: Terms, previous: Conditions, telemetry: Telemetry, now: Instant
) -> dict[str, tuple[Warmth, ...]]:
    """How warm the hottest cell of each rack was of late, a value a slot; begun anew by a rack that was not heard."""
    found = {}
    for part in terms.bms:
        device = telemetry.devices.get(part.name)
        cell_c = _hottest_c(device) if device is not None and device.age_s <= part.stale_s else nan
        if not isnan(cell_c):
            found[part.name] = _kept(previous.heats.get(part.name, ()), cell_c, now.t_ns)
    return found


def _kept(before: tuple[Warmth, ...], cell_c: float, t_ns: int) -> tuple[Warmth, ...]:
    """With this reading: of a slot the warmest counts, so one that is wild and low makes no rise."""
    lately = tuple(w for w in before if w.t_ns >= t_ns - ns(HEAT_S))
    if lately and lately[-1].t_ns // HEAT_SLOT_NS == t_ns // HEAT_SLOT_NS:
        return lately if cell_c <= lately[-1].cell_c else (*lately[:-1], Warmth(t_ns, cell_c))
    return (*lately, Warmth(t_ns, cell_c))


def _hottest_c(device: Device) -> float:
    return readable(device.values.get("cell_c_max", nan))


def _risen_k(look: Look) -> float:
    """By how much the hottest cell is warmer than at its coolest within HEAT_S."""
    if look.device is None or not look.fresh or not _hottest_c(look.device) > HEAT_C_MIN:
        return nan
    lately = look.previous.heats.get(look.subject, ())
    return _hottest_c(look.device) - min((w.cell_c for w in lately), default=nan)


def _apart_v(look: Look) -> float:
    """How far the cells of the rack stand apart, V."""
    if look.device is None or not look.fresh:
        return nan
    return look.device.values.get("cell_v_max", nan) - look.device.values.get("cell_v_min", nan)


ROWS = (
    Row("F38", "cell-heating", "bms", _risen_k, at(HEAT_K_MAX), "C", Effect.TRIP,
        "the hottest cell of {subject} has become {value:.1f} K warmer within 3 min, allowed {limit:.0f} K",
        "let nobody near it and cool the room until it is cold; have the module found and changed, then acknowledge",
        hold_s=HEAT_HOLD_S),
    Row("F40", "cell-imbalance", "bms", _apart_v, at(APART_V_MAX), "A", Effect.NOTE,
        "the cells of {subject} stand {value:.2f} V apart, allowed {limit:.2f} V: half power",
        "charge it slowly until it is full and let it rest there, so that the BMS balances; if it returns: a bad cell",
        clear=APART_V_CLEAR, hold_s=APART_S, level=1, share_pu=APART_PU),
)  # fmt: skip

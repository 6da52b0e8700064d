"""The fault catalogue of reference/safety.md section 4, typed by hand: every row of the tables is as it says, or has a
reason in controller.runtime.deviates."""

from __future__ import annotations

import re
from math import inf

import pytest

from controller.runtime.deviates import DEVIATES
from controller.safety import conditions
from controller.safety.look import LEVELS, Row

# Name, max time s (inf: no number of seconds), level/state, class. K: 0.1 ms, W: 0.1 s, S: 1 s.
CATALOGUE: dict[str, tuple[str, float, str, str]] = {
    "F01": ("ct-open", 1.0, "D1", "A"), "F02": ("ct-reversed", 1.0, "SAFE_STOP", "C"),
    "F03": ("ct-ratio", 900.0, "D1", "A->C"), "F04": ("adc-stuck", 0.02, "D1", "A"),
    "F05": ("adc-saturated", 0.0003, "keep", "A"), "F06": ("adc-dropout", 0.01, "D1", "A"),
    "F07": ("not-finite", 0.0001, "-", "A"), "F08": ("spike", 0.0003, "-", "-"),
    "F09": ("dcbus-drift", 1.0, "D1", "A"), "F10": ("dcbus-overvoltage", 0.1001, "pcs_kw >= 0", "B"),
    "F11": ("sample-jitter", 0.01, "D1", "A"), "F12": ("meter-lost", 60.0, "D2", "A"),
    "F13": ("meter-wrap", 1.0, "-", "A"), "F14": ("temp-sensor", 2.0, "charge=0", "A"),
    "F15": ("aux-contradiction", 0.1, "freeze", "C"),
    "F16": ("pcs-mute", 0.5, "PCS watchdog -> idle", "B"), "F17": ("pcs-late-reply", inf, "-", "A"),
    "F18": ("pcs-forged-frame", 0.1, "-", "A"), "F19": ("pcs-exception", 0.3, "-", "A/B"),
    "F20": ("pcs-ignores", 2.5, "SAFE_STOP", "B"), "F21": ("pcs-sign", 0.6, "LOCKOUT", "D"),
    "F22": ("pcs-stuck", 5.0, "LOCKOUT", "D"), "F23": ("pcs-derated", 1.0, "-", "A"),
    "F24": ("pcs-reboot", 2.0, "STANDBY", "B"), "F25": ("pcs-watchdog-off", 60.0, "STANDBY", "C"),
    "F26": ("pcs-fault-bit", 0.1, "SAFE_STOP", "B/C"), "F27": ("pcs-one-lost", 0.1, "D1", "A"),
    "F28": ("pcs-map-changed", inf, "-", "C"), "F29": ("eeprom-wear", inf, "-", "alarm"),
    "F30": ("second-master", 1.0, "MAINT", "C"), "F31": ("pcs-slow-ramp", 60.0, "D1", "-"),
    "F32": ("island-overload", 0.2, "ISLANDED, shed", "-"),
    "F33": ("bms-mute", 2.0, "island: 10 s, then genset", "B"), "F34": ("bms-frozen", inf, "as F33", "B"),
    "F35": ("charge-forbidden", inf, "-", "A"), "F36": ("cell-cold", 0.1, "charge=0", "A"),
    "F37": ("cell-hot", 0.1, "-", "A; C at > 60"), "F38": ("cell-heating", 2.0, "SAFE_STOP", "C"),
    "F39": ("fire-input", 0.05, "LOCKOUT", "D"), "F40": ("cell-imbalance", 10.0, "D1", "-"),
    "F41": ("soc-drift", 1.0, "D1", "-"), "F42": ("soc-jump", 1.0, "-", "A"),
    "F43": ("contactor-open", 0.1, "P=0", "C"), "F44": ("contactor-welded", 5.0, "LOCKOUT", "D"),
    "F45": ("insulation", 1.0, "SAFE_STOP", "C"), "F46": ("cooling-lost", 60.0, "D1", "-"),
    "F47": ("capacity-fade", inf, "-", "alarm"),
    "F48": ("grid-lost", 0.2, "table 2.3", "-"), "F49": ("grid-sag", inf, "-", "-"),
    "F50": ("sag-chatter", inf, "-", "B"), "F51": ("unintended-island", 2.0, "-", "C"),
    "F52": ("out-of-phase", 0.0001, "LOCKOUT", "D"), "F53": ("breaker-stuck", 0.5, "freeze", "C"),
    "F54": ("breaker-lies", 0.3, "LOCKOUT", "D"), "F55": ("genset-no-start", 180.0, "-", "C for the set"),
    "F56": ("genset-stall", 0.1, "GENSET", "-"), "F57": ("genset-low-load", 900.0, "-", "A"),
    "F58": ("genset-reverse", 0.1, "-", "C"), "F59": ("fuel-low", 1.0, "-", "alarm"),
    "F60": ("genset-restarts", inf, "-", "B"), "F61": ("curtail-lost", inf, "-", "A"),
    "F62": ("blackstart-live", 0.0001, "LOCKOUT", "D"), "F63": ("load-rejection", 0.1001, "-", "A"),
    "F64": ("gpu-oscillation", 2.0, "D1", "-"),
    "F65": ("process-dead", 0.5, "controller dead", "-"), "F66": ("frame-overrun", 0.005, "D2", "B"),
    "F67": ("loop-hang", 0.05, "controller dead", "B"), "F68": ("supervisor-hang", 5.0, "D2", "A"),
    "F69": ("gc-pause", inf, "-", "-"), "F70": ("oom", inf, "-", "B"), "F71": ("disk-full", 0.0, "D1", "-"),
    "F72": ("disk-error", 0.0, "D1", "C on restart"), "F73": ("torn-write", inf, "-", "C"),
    "F74": ("flash-wear", inf, "-", "alarm"), "F75": ("clock-step", 1.0, "D1", "A"),
    "F76": ("clock-unset", inf, "D1", "-"), "F77": ("clock-fold", inf, "-", "-"), "F78": ("cpu-hot", 1.0, "D1", "-"),
    "F79": ("serial-unplugged", 2.0, "-", "B"), "F80": ("tty-latency", 60.0, "D1", "-"),
    "F81": ("limits-flipped", 1.0, "LOCKOUT", "D"), "F82": ("bad-image", inf, "-", "-"),
    "F83": ("cpu-stolen", 1.0, "D1", "-"),
    "F84": ("bus-babble", 0.5, "-", "B"), "F85": ("bus-noise", 2.0, "D2 if > 20 %", "A"),
    "F86": ("duplicate-address", 60.0, "-", "C"), "F87": ("gateway-half-open", 0.5, "-", "B"),
    "F88": ("gateway-reorder", inf, "-", "A"),
    "F89": ("config-wrong", inf, "-", "C"), "F90": ("config-bomb", inf, "-", "C"),
    "F91": ("absurd-limit", inf, "-", "-"),
    "F92": ("bad-forecast", 1.0, "D1", "-"), "F93": ("bad-price", 1.0, "D1", "-"), "F94": ("no-plan", 1.0, "D1", "-"),
    "F95": ("plan-oscillates", 60.0, "D2", "-"), "F96": ("forged-command", inf, "-", "-"),
    "F97": ("log-flood", inf, "-", "-"), "F98": ("kernel-assert", 0.0001, "LOCKOUT", "D"),
}  # fmt: skip

# What the words of the level's column are as a level of a row; the others name none, as a dash does.
STATES = {
    "SAFE_STOP": 3, "LOCKOUT": 3, "STANDBY": 3, "P=0": 3, "table 2.3": 3, "controller dead": 3,
    "PCS watchdog -> idle": 3, "keep": 0, "freeze": 0, "pcs_kw >= 0": 0, "charge=0": 0, "ISLANDED, shed": 0,
    "MAINT": -1,
}  # fmt: skip
JUDGED_AS = {
    "F19": ("F16",),
    "F25": ("F24",),
    "F86": ("F16", "F28"),
}  # they have no row of their own
LIMITS = {"F59", "F67"}  # what is otherwise is the limit of the row's signal, no cell of the table


def level(text: str) -> int | None:
    """D0 to D3 of the column; None: it names none; -1: a mode that no row can lead to."""
    found = re.match(r"D(\d)", text)
    return int(found[1]) if found else STATES.get(text)


def classes(text: str) -> set[str]:
    """The reset classes of the column; an alarm ends by itself; empty: it names none."""
    return {"A"} if text == "alarm" else set(re.findall(r"\b[A-D]\b", text))


def otherwise(code: str, rows: list[Row], catalogue: dict[str, tuple[str, float, str, str]]) -> list[str]:
    """What the rows of a fault have otherwise than the catalogue: name, level, class, time."""
    name, within_s, state, grades = catalogue[code]
    asked = level(state)
    levels = {LEVELS[row.effect] if row.level is None else row.level for row in rows}
    found = {row.grade for row in rows}
    own = code not in JUDGED_AS
    return [
        *(["name"] if own and {row.name for row in rows} != {name} else []),
        *(["level"] if asked is not None and levels != {asked} else []),
        *(["class"] if classes(grades) and found != classes(grades) else []),
        *(["time"] if own and any(row.hold_s > max(within_s, 0.1) for row in rows) else []),
    ]


def rows_of(code: str) -> list[Row]:
    """Every row that judges a fault: its own, or those of the fault that it is judged as."""
    return [row for row in conditions.ROWS if row.code in JUDGED_AS.get(code, (code,))]


def test_every_row_is_the_catalogues_or_has_a_reason() -> None:
    """Goal: nothing is otherwise without a reason, and no reason is in vain. Method: name, hold time (a cycle is
    allowed), level and class of every row against the catalogue as it was typed here."""
    assert sorted(CATALOGUE) == [f"F{number:02}" for number in range(1, 99)]
    assert {row.code for row in conditions.ROWS} - CATALOGUE.keys() == {"T16"}, (
        "the emergency stop is a transition"
    )
    differ = {code for code in CATALOGUE if rows_of(code) and otherwise(code, rows_of(code), CATALOGUE)}
    assert not differ & LIMITS
    assert differ | LIMITS == DEVIATES.keys()


@pytest.mark.parametrize(
    ("code", "index", "other", "what"),
    [("F36", 0, "cell-warm", "name"), ("F46", 2, "D2", "level"), ("F13", 3, "B", "class"), ("F20", 1, 1.9, "time"),
     ("F81", 2, "keep", "level"), ("F70", 3, "alarm", "class"), ("F40", 1, 9.7, "time")],
)  # fmt: skip
def test_a_difference_is_seen(code: str, index: int, other: str | float, what: str) -> None:
    """Goal: the comparison can fail in each of its columns. Method: one cell of the catalogue typed wrongly."""
    assert otherwise(code, rows_of(code), CATALOGUE) == []
    cells = list(CATALOGUE[code])
    cells[index] = other
    assert otherwise(code, rows_of(code), {code: tuple(cells)}) == [what]

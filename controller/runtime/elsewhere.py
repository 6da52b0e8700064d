"""Faults of the catalogue that are no row of the safety step: what meets them instead.

Ids and names are those of reference/safety.md section 4; the rows of the step are in controller.safety.conditions.
"""

from __future__ import annotations

MET: dict[str, tuple[str, str]] = {  # id: name, what happens
    "F08": ("spike", "a single wild sample moves nothing"),
    "F17": (
        "pcs-late-reply",
        "a late reply is discarded, and the line rests until the latest possible one is over",
    ),
    "F18": (
        "pcs-forged-frame",
        "a wrong reply is discarded and asked for again; more authority needs two that agree (IL-12)",
    ),
    "F19": ("pcs-exception", "a converter that refuses setpoints confirms none: silent by F16, SAFE_STOP"),
    "F25": (
        "pcs-watchdog-off",
        "a converter that loses its watchdog setting is F24; without one it is not started",
    ),
    "F29": ("eeprom-wear", "writes to a register that wears out are blocked once the day's budget is spent"),
    "F35": (
        "charge-forbidden",
        "a limit of zero from the BMS is no power in that direction, with the next cycle",
    ),
    "F42": (
        "soc-jump",
        "a jump of the BMS's value widens the interval of the state of charge; power does not step",
    ),
    "F49": ("grid-sag", "a sag that is shorter than F48's hold time is ridden through"),
    "F51": ("unintended-island", "converters form only behind a switch proven open (IL-11)"),
    "F52": ("out-of-phase", "the switch closes by one fresh permissive alone (IL-01)"),
    "F56": ("genset-stall", "load beyond the ready sets is taken by the battery, and shed where that cannot"),
    "F60": (
        "genset-restarts",
        "starts within an hour are counted and end at fallback.genset.starts_per_h_max",
    ),
    "F62": ("blackstart-live", "a black start needs a dead bus and a switch proven open (T11)"),
    "F65": (
        "process-dead",
        "the health relay drops, the converters' own watchdogs end the power; the next start is silent",
    ),
    "F69": (
        "gc-pause",
        "a collection holds Python alone, and the frame is none of it; what is there at the start is not walked",
    ),
    "F72": ("disk-error", "a record that cannot be written or read leaves the older slot in force"),
    "F73": (
        "torn-write",
        "a record of which neither slot is whole is latched as class C; of one, the older slot counts",
    ),
    "F74": ("flash-wear", "the record is written once in ten seconds at most, unless a latch changes"),
    "F77": ("clock-fold", "every quarter of an hour of a day of 23 or 25 hours is billed once"),
    "F82": (
        "bad-image",
        "the installed files are held against the RECORD of their wheel; one that is missing or has another content "
        "refuses the start",
    ),
    "F86": (
        "duplicate-address",
        "two devices at one address spoil each other's replies: silent by F16, or F28 where one calls itself otherwise",
    ),
    "F87": (
        "gateway-half-open",
        "a gateway that is half open is left and tried again; its values age and go stale by their own rules",
    ),
    "F88": ("gateway-reorder", "a reply with another transaction's number is discarded"),
    "F89": ("config-wrong", "a wrong site file is refused with its line and the cure; nothing is started"),
    "F90": ("config-bomb", "a file that is too deep or too large is refused"),
    "F91": ("absurd-limit", "a limit from outside is refused: there is no such command"),
    "F92": ("bad-forecast", "a forecast moves a wish, never a limit (IL-18)"),
    "F93": (
        "bad-price",
        "a price beyond the market's limits, or beyond ten times those of 30 days, is refused; the last good day holds",
    ),
    "F94": (
        "no-plan",
        "without a plan the next rung of the planner's ladder decides; the status tells which",
    ),
    "F96": (
        "forged-command",
        "a command without its sequence, in the past or with more than five seconds to live is refused (IL-15)",
    ),
    "F97": ("log-flood", "log lines of one kind are told once a second"),
    "F98": (
        "kernel-assert",
        "a cycle of the supervisor failed: zero on the wire at once, a dump, the end; the next start is in LOCKOUT",
    ),
}

"""Every line of the fault catalogue with its one injector: where it acts, what must follow, and within which time.

Ids, names and times are those of reference/safety.md section 4. W is taken as the 100 ms it allows at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf

W_S = 0.1
S_S = 1.0
DAY_S = 86_400.0


class Room(StrEnum):
    """Where an injector acts."""

    AVERAGED = "averaged"  # the safety step against the averaged site
    STACK = "stack"  # frame, bus master and supervisor against the simulated site
    TEST = "test"  # not a fault of a site: a test of its own injects it


@dataclass(frozen=True, slots=True)
class Fault:
    """One line. within_s: from the fault at our input to the safe command; inf: no time is set. told: the catalogue's
    own words where they are not a number of seconds. place: the test of a Room.TEST."""

    code: str
    name: str
    room: Room
    within_s: float
    expects: str
    told: str = ""
    place: str = ""


def _averaged(code: str, name: str, within_s: float, expects: str, told: str = "") -> Fault:
    return Fault(code, name, Room.AVERAGED, within_s, expects, told)


def _stack(code: str, name: str, within_s: float, expects: str, told: str = "") -> Fault:
    return Fault(code, name, Room.STACK, within_s, expects, told)


def _test(code: str, name: str, place: str, expects: str) -> Fault:
    return Fault(code, name, Room.TEST, inf, expects, place=place)


SENSING = (
    _stack("F01", "ct-open", 1.0, "stop"),
    _stack("F02", "ct-reversed", 1.0, "stop, latched"),
    _stack("F03", "ct-swapped", 900.0, "stop, latched", "15 min"),
    _stack("F04", "adc-stuck", 0.02 + W_S, "stop", "20 ms in the frame, told a cycle later"),
    _stack("F05", "adc-saturated", S_S, "told; the power is taken as at least full scale", "3 K"),
    _stack("F06", "adc-dropout", 0.01 + 0.5, "power goes to zero", "10 ms, then a ramp of 0.5 s at most"),
    _stack("F07", "not-finite", W_S, "stop", "1 K in the frame"),
    _stack("F08", "spike", inf, "nothing: the site goes on", "3 K"),
    _stack("F09", "dcbus-drift", 1.0 + W_S, "told"),
    _stack("F10", "dcbus-overvoltage", 2 * W_S, "no charge", "K + W"),
    _stack("F11", "sample-jitter", 0.01 + W_S, "told", "10 ms in the frame, told a cycle later"),
    _averaged(
        "F12",
        "meter-lost",
        0.6 + W_S,
        "discharge no larger than the load",
        "3 W; here three polls of 0.2 s, for at 19200 baud a retry of a neighbour alone takes 0.55 s",
    ),
    _averaged("F13", "meter-wrap", S_S, "told; it counts on from there, bills are of powers"),
    _averaged("F14", "temp-sensor", 2.0, "no charge"),
    _averaged("F15", "aux-contradiction", 0.1, "position unknown: no closing"),
)
CONVERTERS = (
    _averaged("F16", "pcs-mute", 0.5, "stop, where no converter is left"),
    _stack("F17", "pcs-late-reply", inf, "discarded: the site goes on", "1 transaction"),
    _stack("F18", "pcs-forged-frame", inf, "discarded: the site goes on", "1 W"),
    _stack("F19", "pcs-exception", 0.5, "stop: what a setpoint meets is no confirmation", "3 W"),
    _averaged("F20", "pcs-ignores", 2.5, "stop"),
    _averaged("F21", "pcs-sign", 0.5 + W_S, "LOCKOUT"),
    _averaged("F22", "pcs-stuck", 5.0, "LOCKOUT"),
    _averaged("F23", "pcs-derated", S_S, "what it says it can do is its limit"),
    _averaged("F24", "pcs-reboot", 2.0, "no power of it: armed and started anew"),
    _averaged("F25", "pcs-watchdog-off", 60.0, "stop"),
    _averaged("F26", "pcs-fault-bit", W_S, "no power of it"),
    _averaged(
        "F27", "pcs-one-lost", 0.5, "left out, the others carry on", "W once it is known; silence as F16"
    ),
    _averaged("F28", "pcs-map-changed", W_S, "stop, nothing is written any more", "INIT"),
    _test(
        "F29",
        "eeprom-wear",
        "tests/unit/runtime/test_wear.py::test_the_budget_is_a_days",
        "blocked at the day's budget",
    ),
    _averaged("F30", "second-master", 1.0, "stop, latched"),
    _averaged("F31", "pcs-slow-ramp", 60.0, "told"),
    _averaged("F32", "island-overload", 0.2, "load is shed"),
)
BATTERY = (
    _averaged("F33", "bms-mute", 2.0, "zero"),
    _stack("F34", "bms-frozen", 3.0 + W_S, "stop", "3 periods of its heartbeat, 1 s each"),
    _averaged("F35", "charge-forbidden", 2 * W_S, "no charge", "1 period + W"),
    _averaged("F36", "cell-cold", W_S, "no charge"),
    _averaged("F37", "cell-hot", W_S, "stop"),
    _averaged(
        "F38", "cell-heating", 180.0 + 2.0, "stop, latched", "2 s; 1 K/min shows after the 3 min of 3 K"
    ),
    _averaged("F39", "fire-input", W_S, "LOCKOUT", "50 ms with the relay"),
    _averaged("F40", "cell-imbalance", 10.0, "half power"),
    _averaged("F41", "soc-drift", S_S, "nothing but smoothing, anchor charge"),
    _averaged("F42", "soc-jump", inf, "no step of power: the site goes on", "S"),
    _averaged("F43", "contactor-open", W_S, "zero"),
    _averaged("F44", "contactor-welded", 5.0, "told, LOCKOUT that no reset lifts"),
    _averaged("F45", "insulation", S_S, "stop, latched"),
    _averaged("F46", "cooling-lost", 60.0, "a quarter of the power"),
    _averaged("F47", "capacity-fade", 3 * DAY_S, "told, the reserve is raised", "days"),
)
SUPPLY = (
    _averaged("F48", "grid-lost", 0.2, "ISLANDING"),
    _averaged("F49", "grid-sag", inf, "nothing: the site rides through"),
    _averaged("F50", "sag-chatter", S_S, "the present source is held", "no time set"),
    _averaged(
        "F51", "unintended-island", inf, "no converter ever forms a bus tied to the grid", "2 s of the PCS"
    ),
    _averaged("F52", "out-of-phase", inf, "no closing out of step", "K"),
    _averaged("F53", "breaker-stuck", 0.5, "frozen, told", "500 ms, with close_s_max at its 0.3 s"),
    _averaged("F54", "breaker-lies", 0.3, "LOCKOUT"),
    _averaged("F55", "genset-no-start", 180.0, "locked, the next set takes over"),
    _averaged("F56", "genset-stall", W_S, "discharge takes what the set cannot", "W"),
    _averaged("F57", "genset-low-load", 901.0, "told", "15 min"),
    _averaged("F58", "genset-reverse", 3.0 + W_S, "the switch opens", "3 s, then W"),
    _averaged("F59", "fuel-low", S_S, "told"),
    _averaged("F60", "genset-restarts", inf, "never more starts within an hour than allowed"),
    _averaged("F61", "curtail-lost", 2.0 + W_S, "what the curtailment leaves holds", "per contract"),
    _averaged("F62", "blackstart-live", inf, "refused, nothing closes or forms", "K"),
    _stack("F63", "load-rejection", 2 * W_S, "discharge follows the load down", "K + W"),
    _averaged("F64", "gpu-oscillation", 2.0, "stop, where less gain does not help"),
)
COMPUTER = (
    _stack(
        "F65",
        "process-dead",
        inf,
        "the converters' own watchdogs end it; the next start is silent",
        "PCS watchdog",
    ),
    _averaged("F66", "frame-overrun", 1.0 + W_S, "half power", "the third miss within a second"),
    _averaged("F67", "loop-hang", W_S, "stop", "50 ms in the watcher, told a cycle later"),
    _averaged(
        "F68", "supervisor-hang", 0.5 + 2 * W_S, "the lease ends: zero", "5 s; the lease is first (N1)"
    ),
    _test(
        "F69",
        "gc-pause",
        "tests/unit/runtime/test_collector.py::test_a_collection_holds_no_frame",
        "the frame goes on",
    ),
    _averaged("F70", "oom", S_S, "told, at 70 % of the memory", "no time set"),
    _averaged("F71", "disk-full", S_S, "told, old black boxes give way; control goes on", "0 effect"),
    _test(
        "F72",
        "disk-error",
        "tests/unit/runtime/test_keep.py::test_every_failing_call",
        "the older slot counts",
    ),
    _test(
        "F73",
        "torn-write",
        "tests/unit/runtime/test_keep.py::test_every_prefix_of_the_newer_slot",
        "the older slot counts; none: latched",
    ),
    _test(
        "F74",
        "flash-wear",
        "tests/unit/runtime/test_keeper.py::test_energy_and_ends",
        "one write in ten seconds",
    ),
    _averaged("F75", "clock-step", S_S, "told; control knows the monotonic clock alone"),
    _averaged("F76", "clock-unset", S_S, "told; the tariff is flat", "INIT"),
    _test(
        "F77",
        "clock-fold",
        "tests/unit/plan/test_billing.py::test_days_of_23_24_and_25_hours",
        "every quarter of an hour once",
    ),
    _averaged("F78", "cpu-hot", S_S, "told"),
    _averaged("F79", "serial-unplugged", 2.0, "zero, nothing is written there"),
    _averaged("F80", "tty-latency", 60.0, "told"),
    _averaged("F81", "limits-flipped", S_S, "LOCKOUT"),
    _test(
        "F82",
        "bad-image",
        "tests/unit/runtime/test_installed.py::test_a_broken_image_does_not_start",
        "refused; the file is named",
    ),
    _averaged("F83", "cpu-stolen", S_S, "told"),
)
BUS = (
    _stack("F84", "bus-babble", 0.5 + W_S, "told"),
    _stack("F85", "bus-noise", 2.0, "half power, or stop"),
    _stack("F86", "duplicate-address", 60.0, "stop, or nothing of it is believed"),
    _test(
        "F87",
        "gateway-half-open",
        "tests/unit/devices/test_tcp.py::test_a_dead_endpoint_is_tried_with_back_off_and_found_again",
        "reconnects; its values age",
    ),
    _test(
        "F88",
        "gateway-reorder",
        "tests/unit/devices/test_tcp.py::test_a_late_reply_is_never_taken",
        "discarded",
    ),
)
PEOPLE = (
    _test(
        "F89",
        "config-wrong",
        "tests/unit/config/test_broken_sites.py::test_broken_site_is_refused",
        "refused with line and cure",
    ),
    _test("F90", "config-bomb", "tests/unit/config/test_loader.py::test_depth_is_bounded", "refused"),
    _averaged("F91", "absurd-limit", W_S, "refused: there is no such command"),
    _averaged("F92", "bad-forecast", inf, "nothing: limits know no forecast", "S"),
    _test(
        "F93",
        "bad-price",
        "tests/unit/feeds/test_intake.py::test_a_slip_of_the_unit_is_refused",
        "refused; the last good day holds, the status names the feed",
    ),
    _test(
        "F94", "no-plan", "tests/unit/plan/test_planner.py::test_the_ladder", "the next rung of the ladder"
    ),
    _averaged("F95", "plan-oscillates", 60.0, "told, half power; the plan is not followed"),
    _averaged("F96", "forged-command", W_S, "refused", "1 command"),
    _test(
        "F97",
        "log-flood",
        "tests/unit/runtime/test_telling.py::test_log_lines_and_flood",
        "one line a second of each kind",
    ),
    _test(
        "F98",
        "kernel-assert",
        "tests/cases/supervisor-blocked/test_supervisor_fails.py::test_zero_does_not_wait_for_the_end_of_the_lease",
        "zero on the wire within 10 ms, dump, end of the process; the next start in LOCKOUT",
    ),
)
FAULTS = {fault.code: fault for fault in (*SENSING, *CONVERTERS, *BATTERY, *SUPPLY, *COMPUTER, *BUS, *PEOPLE)}

"""Rows of the fault table about the computer itself: clock, memory, heat, and time that others take."""

from __future__ import annotations

from controller.safety.look import Look, Row, at
from controller.state import Effect

MEMORY_PU_MAX = 0.7  # F70: of what the service may have
CPU_C_MAX, CPU_C_MAX_CLEAR = 85.0, 80.0  # F78: from 90 on processors slow down
STOLEN_PU_MAX = 0.05  # F83


def _clock_unset(look: Look) -> float:
    return float(look.telemetry.box.clock_unset)


def _clock_alone(look: Look) -> float:
    return float(look.telemetry.box.clock_alone)


def _memory_pu(look: Look) -> float:
    return look.telemetry.box.memory_pu


def _cpu_c(look: Look) -> float:
    return look.telemetry.box.cpu_c


def _stolen_pu(look: Look) -> float:
    return look.telemetry.box.stolen_pu


# F76: at D1 the charge would drift for as long as nobody sets the clock: for ever, where a site has no time server. And
# a kernel that knows of no source may still be right: a virtual machine's clock is kept by its host. F83: what it does
# to the frame, F66 judges.
ROWS = (
    Row("F70", "oom", "site", _memory_pu, at(MEMORY_PU_MAX), "B", Effect.NOTE,
        "{value:.0%} of the memory that the service may have is in use, wanted {limit:.0%}",
        "send the black box with a report; restart the service at a quiet time, before it is ended", level=1),
    Row("F76", "clock-unset", "site", _clock_unset, at(0.5), "A", Effect.NOTE,
        "the wall clock is not set: its year is before the program's",
        "give the box a time server or a new battery; until then the tariff is taken as flat"),
    Row("F76", "clock-unset", "site", _clock_alone, at(0.5), "A", Effect.NOTE,
        "no time source has set the wall clock since the start; tariffs follow it all the same",
        "give the box a time server; chrony needs rtcsync; a virtual machine may tell this for good"),
    Row("F78", "cpu-hot", "site", _cpu_c, at(CPU_C_MAX), "A", Effect.NOTE,
        "the processor is at {value:.0f} degC, allowed {limit:.0f}",
        "look at the cabinet's cooling and its filters; a hotter processor slows down", clear=CPU_C_MAX_CLEAR, level=1),
    Row("F83", "cpu-stolen", "site", _stolen_pu, at(STOLEN_PU_MAX), "A", Effect.NOTE,
        "others took the processor for {value:.0%} of the last seconds, allowed {limit:.0%}",
        "look what else runs on the box; isolate a core for the frame, give a virtual machine its own"),
)  # fmt: skip

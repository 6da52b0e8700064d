"""One line in a person's hands, or in those of the zero-writer: opened exclusively, asked, written. Light to import."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import serial

from controller.runtime.fastlink import Answer, BusLink, Question
from controller.runtime.mistakes import MistakeError, SilentError
from controller.runtime.tty import Settings, open_tty, tune

UNITS_MAX = 247
BUSY = (11, 16)  # EAGAIN, EBUSY: another process has the port
READ_HOLDING, READ_INPUT = 3, 4


@contextmanager
def open_port(settings: Settings) -> Iterator[serial.Serial]:
    """The port, ours alone until the end. Raises MistakeError when it cannot be had."""
    try:
        device = open_tty(settings)
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        if number in BUSY or "lock" in str(error):
            text = "another process has it, perhaps the controller. Stop it; one line has one master (F30)."
        else:
            text = f"{os.strerror(number) if number else error}. Name a serial port of this box."
        raise MistakeError(f"{settings.path}: {text}") from None
    try:
        tune(device, settings)
        yield device
    finally:
        device.close()


@contextmanager
def opened(settings: Settings) -> Iterator[BusLink]:
    """The bus behind one port. Raises MistakeError when it cannot be had."""
    with open_port(settings) as device:
        yield BusLink(device.fd, settings.baud, settings.host.echo)


def ask(bus: BusLink, question: Question) -> Answer:
    """One transaction. Raises SilentError with what went wrong, MistakeError for an impossible request."""
    try:
        answer = bus.ask(question)
    except ValueError:
        raise MistakeError(
            f"unit {question.unit}, function {question.function}, address {question.address}, count "
            f"{question.count}: no such request. Units are 1 to {UNITS_MAX}, registers 0 to 65535."
        ) from None
    if answer.error:
        what = f"exception {answer.exception}" if answer.exception else answer.error
        raise SilentError(f"unit {question.unit}, register {question.address}: {what}")
    return answer


@dataclass(frozen=True, slots=True)
class Write:
    """One write, ready to leave: what it means in words, and the registers."""

    unit: int
    function: int
    address: int
    words: tuple[int, ...]
    says: str
    timeout_s: float = 0.5


def write(bus: BusLink, wanted: Write) -> str:
    """Send it once; the echo is matched by the master, then the registers are read back. Raises SilentError.

    Returns "" when they hold the value, else what they hold or why they cannot be read: orders often cannot.
    """
    count = len(wanted.words)
    where = (wanted.unit, wanted.function, wanted.address)
    ask(bus, Question(*where, count, wanted.words, wanted.timeout_s))
    back = bus.ask(Question(wanted.unit, READ_HOLDING, wanted.address, count, timeout_s=wanted.timeout_s))
    if back.error:
        return f"cannot be read back: {back.error}"
    return "" if back.words == wanted.words else f"reads back {', '.join(map(str, back.words))}"

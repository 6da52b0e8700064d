"""Times of the serial line by the protocol: characters, silences, whole exchanges (fieldbus.md 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.units import NS_PER_MS, NS_PER_S, NS_PER_US

if TYPE_CHECKING:  # the zero-writer has a second in all (F65)
    from controller.config.site import Port
    from controller.devices.profile import Profile

READ, SETPOINT, ORDER = 0, 1, 2  # ext.rtu.PollKind

CHAR_BITS = 11  # start, 8 data, parity or second stop, stop
SPEC_GAP_NS = 1_750_000  # fixed above this rate
SPEC_BAUD = 19200
GAP_CHARS = 3.5


def char_ns(baud: int) -> int:
    """Time of one character on the wire."""
    return round(CHAR_BITS * NS_PER_S / baud)


def gap_ns(port: Port, profile: Profile) -> int:
    """Silence between two frames: the device's rule or else the port's, and what it needs beyond."""
    rule = port.gap if profile.wire.gap == "port" else profile.wire.gap
    if rule == "fixed":
        silence = 0
    else:
        spec = rule == "spec" and port.baud > SPEC_BAUD
        silence = SPEC_GAP_NS if spec else round(GAP_CHARS * char_ns(port.baud))
    return silence + round(profile.wire.gap_us * NS_PER_US)


def frame_bytes(function: int, count: int) -> tuple[int, int]:
    """Bytes of the request and of a right reply."""
    if function in (3, 4):
        return 8, 5 + 2 * count
    return (8, 8) if function == 6 else (9 + 2 * count, 8)


def exchange_ns(port: Port, profile: Profile, function: int, count: int) -> int:
    """One transaction: both frames, both silences and the device's usual time to answer."""
    request, reply = frame_bytes(function, count)
    silence = 2 * gap_ns(port, profile) + round(profile.wire.reply_ms * NS_PER_MS)
    return (request + reply) * char_ns(port.baud) + silence

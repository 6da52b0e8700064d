"""A simulated site on the bench, and a plain Modbus master that asks it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from controller.devices.check import CheckedSite
from tools.plant.site import Plant
from tools.plant.solo import Solo

BOARDS = Path(__file__).resolve().parents[3] / "boards"


def crc16(data: bytes) -> int:
    """Table-free CRC of Modbus, written apart from the product's."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def seal(body: Sequence[int]) -> bytes:
    """A whole frame."""
    return bytes(body) + crc16(bytes(body)).to_bytes(2, "little")


class Bench:
    """A plant alone in virtual time, and a master that asks and waits."""

    def __init__(
        self, checked: CheckedSite, load_kw: float = 4000.0, step_ns: int = 100_000, **options: Any
    ) -> None:
        self.checked = checked
        self.plant = Plant(checked, np.full(2, load_kw), 1.0, **options)
        self.solo = Solo(self.plant, step_ns)

    def run(self, seconds: float) -> None:
        """Time passes."""
        self.solo.spin(round(seconds * 1e9 / self.solo.step_ns))

    def raw(self, port: str, frame: bytes, wait_s: float = 0.1) -> bytes:
        """Bytes out as they are; what comes back within wait_s."""
        self.solo.received(port)
        self.solo.send(port, frame)
        self.solo.run(round(wait_s * 1e9 / self.solo.step_ns))
        return bytes(byte for _, byte in self.solo.received(port))

    def ask(self, port: str, *body: int, wait_s: float = 0.1) -> bytes:
        """Body of the reply without its CRC, empty for silence; a wrong CRC fails the test."""
        reply = self.raw(port, seal(body), wait_s)
        assert not reply or seal(reply[:-2]) == reply
        return reply[:-2]

    def words(self, port: str, unit: int, function: int, address: int, count: int) -> list[int]:
        """Registers."""
        reply = self.ask(port, unit, function, *address.to_bytes(2, "big"), 0, count, wait_s=0.4)
        assert reply[:3] == bytes((unit, function, 2 * count)), reply.hex()
        return [int.from_bytes(reply[3 + 2 * i : 5 + 2 * i], "big") for i in range(count)]

    def write(self, port: str, unit: int, address: int, value: int, wait_s: float = 0.01) -> None:
        """One register by function 6, echo checked."""
        body = (unit, 6, *address.to_bytes(2, "big"), *(value & 0xFFFF).to_bytes(2, "big"))
        assert self.ask(port, *body, wait_s=wait_s) == bytes(body)

    def start(self) -> None:
        """Brings the reference site's converter to running."""
        self.write("rs485-1", 1, 201, 1)
        self.run(1.1)
        assert self.plant.truth()["states"] == ("running",)

    def setpoint(self, kw: float, wait_s: float = 0.01) -> None:
        """A setpoint of the reference site's converter."""
        self.write("rs485-1", 1, 200, round(10 * kw), wait_s)

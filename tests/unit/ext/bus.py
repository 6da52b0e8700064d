"""A small Modbus slave in plain Python and the tables it is asked by: what the bus tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tools.bench.stages import BusBench, crc

FRAME_NS = 100_000
CHAR_NS = 95_486  # 11 bits at 115200 baud
MS = 1_000_000
PORT = {"char_ns": CHAR_NS, "echo": 0}
READ, SETPOINT, ORDER = 0, 1, 2
IDLE, SENDING, WAITING, GAP, QUARANTINE = range(5)
TIMEOUT, CRC, WRONG_UNIT, WRONG_FUNCTION, WRONG_LENGTH, WRONG_ECHO = range(6)
EXCEPTION, UNSOLICITED, IO, BLOCKED = range(6, 10)
PERMIT_ORDER, PERMIT_SETPOINT = 1, 2
NO_ORDER = {"poll": -1, "sequence": 0, "words": [0] * 4}


def poll(**changes: Any) -> dict[str, Any]:
    """One row of the poll table: by default a read of four registers every 10 ms."""
    row = {
        "port": 0, "kind": READ, "unit": 1, "function": 3, "address": 100, "count": 4, "read_address": 0,
        "read_count": 0, "pcs": -1, "pcs_count": 1, "value_words": 0, "period_ns": 10 * MS, "phase_ns": 0,
        "early_ns": 0, "yield_ns": 0, "far_counts": 0,
        "refresh_ns": 300 * MS, "timeout_ns": 5 * MS, "turnaround_ns": 20 * MS,
        "gap_ns": 334_000, "counts_per_kw": 1.0, "low_word_first": 0, "status_poll": -1, "lease_only": 0,
        "canary_word": -1, "canary_value": 0,
    }  # fmt: skip
    return row | changes


def setpoint(**changes: Any) -> dict[str, Any]:
    """One setpoint of converter 0, one register at 200."""
    return poll(kind=SETPOINT, function=6, address=200, count=1, pcs=0) | changes


def rule(**changes: Any) -> dict[str, Any]:
    """Setpoint of converter 0: unit 1, function 6, register 200, 1 kW a count, rated 1500 kW."""
    row = {
        "port": 0, "kind": 0, "unit": 1, "function": 6, "address": 200, "count": 1, "pcs": 0,
        "pcs_count": 1, "value_words": 0, "kw_per_count": 1.0,
        "low_word_first": 0, "rating_kw": 1500.0, "word_low": [0] * 4, "word_high": [0] * 4,
        "status_poll": -1,
        "status_word": 0, "status_mask": 0, "status_value": 0, "status_age_ns_max": 0,
    }  # fmt: skip
    return row | changes


def limits(**changes: Any) -> dict[str, Any]:
    """A lease that allows 1000 kW each way and everything else."""
    row = {
        "sequence": 1, "t_issue_ns": 0, "valid_until_ns": 10**15, "mode": 2, "permit": 3,
        "discharge_kw_max": [1000.0] * 8, "charge_kw_max": [1000.0] * 8, "import_kw_max": 6000.0,
        "export_kw_max": 500.0, "ramp_up_kw_per_s_max": 50.0,
        "ramp_down_kw_per_s_max": 50.0, "fall_kw_per_s": 1e6, "leak_kw": 0.0, "gain": 1.0,
        "prompt_pu": 1.0, "dc_v_max": 0.0, "orders": [NO_ORDER] * 8,
    }  # fmt: skip
    return row | changes


def order(poll_index: int, sequence: int, *words: int) -> list[dict[str, Any]]:
    """The orders of a lease with one order in it."""
    one = {"poll": poll_index, "sequence": sequence, "words": [*words, 0, 0, 0, 0][:4]}
    return [one, *[NO_ORDER] * 7]


def sealed(*octets: int) -> bytes:
    """The octets with their CRC."""
    body = bytes(octets)
    return body + crc(body).to_bytes(2, "little")


def answer(request: bytes, words: list[int] | None = None) -> bytes:
    """What a right slave answers; a read gives `words`, else the register's own address."""
    unit, function, address = request[0], request[1], int.from_bytes(request[2:4], "big")
    if function in (6, 16):
        return sealed(*request[:6])
    count = int.from_bytes(request[4:6], "big")
    values = words or [(address + i) & 0xFFFF for i in range(count)]
    return sealed(unit, function, 2 * len(values), *b"".join(v.to_bytes(2, "big") for v in values))


class Line:
    """A bench with one slave that answers `delay_ns` after the request's last byte."""

    def __init__(
        self, *polls: dict[str, Any], ports: int = 1, port: dict[str, int] = PORT, **bench: Any
    ) -> None:
        self.bench = BusBench([port] * ports, list(polls), **bench)
        self.t_ns = 0
        self.limits = limits()
        self.kw = [0.0] * 8
        self.requests: list[tuple[int, bytes]] = []
        self.pending: list[tuple[int, bytes]] = []
        self.delay_ns = 400_000
        self.reply: Callable[[bytes], bytes] = answer

    def step(self) -> bytes:
        """One frame; returns the request that left in it, if any."""
        for _, data in [row for row in self.pending if row[0] <= self.t_ns]:
            self.bench.feed(0, data)
        self.pending = [row for row in self.pending if row[0] > self.t_ns]
        self.bench.step(self.t_ns, self.limits, self.kw)
        request = self.bench.take(0)
        if request:
            self.requests.append((self.t_ns, request))
            data = self.reply(request)
            if data:
                wire_ns = (len(request) + len(data)) * CHAR_NS
                self.pending.append((self.t_ns + wire_ns + self.delay_ns, data))
        self.t_ns += FRAME_NS
        return request

    def run(self, frames: int) -> None:
        """That many frames."""
        for _ in range(frames):
            self.step()

    def until_request(self, frames: int = 1000) -> bytes:
        """Run to the next request."""
        for _ in range(frames):
            if request := self.step():
                return request
        raise AssertionError("no request left")

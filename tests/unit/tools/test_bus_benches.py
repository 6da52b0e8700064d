"""The benches of the bus, short: what they prove, and that each sees the fault it is made for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tools.bench.judging import fuzz
from tools.bench.masters import CLIENTS, LIBRARY, WORDS, slave
from tools.bench.peers import LibModbus
from tools.bench.rates import CASES, GATE, Wire, virtual_hz
from tools.bench.transactions import campaign

pytestmark = pytest.mark.stack


@pytest.mark.parametrize("seed", [1, 20261125])
def test_no_reply_is_taken_for_another_request(seed: int) -> None:
    """Goal: row 1, a twentieth of it. Method: 50 000 transactions with delays, losses and duplicates; every
    answer carries the number of its request. The wire was as hostile as it claims."""
    told = campaign(50_000, seed, weakened=False)
    assert told["stale"] == told["early"] == 0
    assert told["answered"] > 30_000
    assert min(told["late"], told["lost"], told["twice"], told["timeouts"], told["drained"]) > 500


@pytest.mark.parametrize("seed", [1, 20261125])
def test_without_quarantine_stale_replies_are_taken_and_seen(seed: int) -> None:
    """Goal: the test above can fail. Method: the same bus, the master no longer waits for late replies."""
    assert campaign(50_000, seed, weakened=True)["stale"] > 10


@pytest.mark.parametrize(("baud", "rule"), CASES)
def test_the_setpoint_rate_reaches_the_wire(baud: int, rule: str) -> None:
    """Goal: row 4 in virtual time. Method: setpoints beside two reads, a slave that needs 2 ms and one that
    answers at once: 97 % of the limit, though a frame is up to half an exchange."""
    for reply_us in (2000.0, 0.0):
        wire = Wire(baud, rule, reply_us)
        assert virtual_hz(wire, 10.0) >= GATE * wire.limit_hz()


def test_the_limit_by_hand() -> None:
    """Goal: the formula. Method: 16 characters and two gaps at 115200, as the fieldbus page has them."""
    assert Wire(115200, "true", 0.0).exchange_us(8, 8) == pytest.approx(2196, abs=1)
    assert Wire(115200, "spec", 0.0).exchange_us(8, 8) == pytest.approx(5028, abs=1)


def test_no_frame_is_accepted_that_is_no_answer() -> None:
    """Goal: row 8, short. Method: three million frames of nine kinds; the oracle has its own CRC."""
    told = fuzz(3_000_000, 7)
    assert told["wrong"] == 0
    assert told["accepted"] > 300_000
    assert min(told["verdicts"][1:]) > 10_000, "every way to be wrong is met"


@pytest.mark.parametrize("name", CLIENTS)
def test_who_takes_the_stale_value(name: str) -> None:
    """Goal: row 2. Method: the first reply comes after its timeout; then another block is read."""
    if name == "libmodbus":
        try:
            LibModbus(LIBRARY, "/dev/null", 0.1)
        except OSError as missing:
            if "missing" in str(missing):
                pytest.skip(str(missing))
    with slave(0.08, 0.02) as path, CLIENTS[name](path) as read:
        first, second = read(0, WORDS), read(100, WORDS)
    assert first is None
    assert second == ([100, 101, 102, 103] if name == "stillwatt" else [0, 1, 2, 3])


@pytest.mark.slow
def test_the_sanitizers_have_nothing_to_say() -> None:
    """Goal: row 8 with ASan and UBSan. Method: the bench in a build of its own, two million frames."""
    command = [sys.executable, "-m", "tools.bench.frames", "--count", "2000000", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "sanitizers: 0 findings, exit 0" in done.stdout, done.stdout + done.stderr

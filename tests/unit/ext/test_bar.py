"""A barred port: nothing is written behind a tty whose devices are not verified, not even zero (F79, BUS-14)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.ext.bus import (
    MS,
    ORDER,
    PERMIT_ORDER,
    PERMIT_SETPOINT,
    PORT,
    Line,
    limits,
    order,
    poll,
    rule,
    sealed,
    setpoint,
)
from tools.bench.stages import BusBench

BAR = 256
ALL = PERMIT_ORDER | PERMIT_SETPOINT
LAPSE = {"rise_kw_per_s_max": 0.0, "lapse_ns_max": 600 * MS}


@pytest.mark.parametrize("port", [0, 1])
def test_the_guard_lets_no_write_to_a_barred_port(port: int) -> None:
    """Goal: the last word, for its port alone. Method: zero, power, an order and a read with each port barred."""
    start = rule(kind=1, address=300, pcs=-1, word_low=[1] * 4, word_high=[1] * 4)
    bench = BusBench([PORT] * 2, [poll()], rules=[rule(), start], guard=LAPSE)
    frames = [sealed(1, 6, 0, 200, 0, 0), sealed(1, 6, 0, 200, 0, 100), sealed(1, 6, 1, 44, 0, 1)]
    lease = limits(permit=ALL | BAR << port)
    for frame in frames:
        assert bench.judge(0, 10**9, lease, frame) == (b"" if port == 0 else frame)
    read = sealed(1, 3, 0, 100, 0, 4)
    assert bench.judge(0, 10**9, lease, read) == read


def test_the_master_only_reads_on_a_barred_port() -> None:
    """Goal: no write is even tried; they flow when the bar is gone. Method: setpoint, order and read all due."""
    row = poll(kind=ORDER, function=6, address=300, count=1)
    line = Line(poll(), setpoint(), row)
    line.limits = limits(permit=ALL | BAR, orders=order(2, 1, 5))
    line.kw[0] = 100.0
    heard = {line.until_request()[1] for _ in range(5)}
    assert heard == {3}
    line.limits = limits(permit=ALL, orders=order(2, 1, 5))
    assert 6 in {line.until_request()[1] for _ in range(4)}


def test_a_new_tty_asks_for_everything_at_once() -> None:
    """Goal: the identity is read again within a moment of a replug. Method: a read with an hour's period, a new tty."""
    line = Line(poll(address=0, count=1, period_ns=3600 * 1000 * MS))
    identity = line.until_request()
    line.run(2000)
    assert [request for _, request in line.requests] == [identity]
    with Path(os.devnull).open("rb") as another:
        line.bench.offer(0, another.fileno())
        assert line.until_request(1000) == identity

"""Slaves: register contents against words worked out by hand, orders, exceptions, strictness."""

from __future__ import annotations

import numpy as np
import pytest

from controller.devices import profiles
from controller.devices.profile import Profile
from tests.unit.plant.plants import seal
from tools.plant.registers import STATES, register_map


def test_plant_converter(bench_of):
    """Goal: status words are right. Method: 1234.5 kW, by hand: 0.1 kW, 0.1 V and 0.1 A a count."""
    bench = bench_of()
    bench.start()
    bench.setpoint(-1234.5, wait_s=0.2)
    truth = bench.plant.truth()
    state, power, volts, amps, watchdog, fault = bench.words("rs485-1", 1, 3, 100, 6)
    assert (state, power, watchdog, fault) == (3, 0x10000 - 12345, 0, 0)
    assert volts == round(truth["dc_v"] * 10)
    assert amps == (round(truth["dc_a"] * 10) & 0xFFFF)
    assert bench.words("rs485-1", 1, 3, 0, 1) == [0x5357]


def test_soltaro(bench_of):
    """Goal: the BMS shows the pack.
    Method: 50 %, 25 degC at rest: 3.293 V a cell, spread 4 mV and 1.5 degC.
    """
    bench = bench_of()
    words = bench.words("rs485-2", 2, 3, 0x2100, 13)
    assert words == [13172, 0, 0, 50, 100, 0, 3297, 0, 3289, 0, 265, 0, 235]
    limits = bench.words("rs485-2", 2, 3, 0x2082, 7)
    assert (limits[0], limits[6]) == (14600, 10000)


def test_carlo_gavazzi(bench_of):
    """Goal: 32 bits, low word first, 0.1 W. Method: 4000 kW is 40 000 000 = 0x02625A00."""
    bench = bench_of()
    assert bench.words("rs485-2", 3, 4, 0x28, 2) == [0x5A00, 0x0262]
    assert bench.words("rs485-2", 3, 4, 0x00, 2) == [57735, 0]
    assert bench.words("rs485-2", 3, 4, 0x0B, 1) == [1648]
    assert bench.words("rs485-2", 3, 4, 0x33, 1) == [500]


def test_meter_counts_energy(bench_of):
    """Goal: import and export are counted apart. Method: a minute at 4 MW in, none out."""
    bench = bench_of()
    bench.run(60.0)
    imported = bench.words("rs485-2", 3, 4, 0x34, 2)
    assert imported == [round(10 * 4000 / 60), 0]
    assert bench.words("rs485-2", 3, 4, 0x4E, 2) == [0, 0]


def test_pv_meter(bench_of):
    """Goal: the PV meter shows the sun, the grid meter the rest. Method: 700 of 4000 kW."""
    bench = bench_of("nordlab", pv_kw=np.full(2, 700.0))
    assert bench.words("rs485-2", 4, 4, 0x28, 2) == [7_000_000 & 0xFFFF, 7_000_000 >> 16]
    assert bench.words("rs485-2", 3, 4, 0x28, 2) == [33_000_000 & 0xFFFF, 33_000_000 >> 16]


def test_sinexcel(bench_of):
    """Goal: status bits, 10 W power, order registers. Method: start with 650 = 1, then 123.4 kW."""
    bench = bench_of("two-halls", load_kw=1200.0)
    assert bench.words("rs485-2", 1, 3, 32, 1) == [0x80]
    bench.write("rs485-2", 1, 650, 1, wait_s=1.5)
    bench.write("rs485-2", 1, 135, 1234, wait_s=2.0)
    assert bench.words("rs485-2", 1, 3, 32, 1) == [0x04]
    assert bench.words("rs485-2", 1, 3, 122, 1) == [12340]
    bench.write("rs485-2", 1, 327, 60, wait_s=0.1)
    assert bench.words("rs485-2", 1, 3, 327, 1) == [60]


def test_sunspec_chain(bench_of):
    """Goal: marker, headers, lengths, end mark, scale factors.
    Method: walk the chain as a SunSpec client does.
    """
    bench = bench_of("two-halls", load_kw=1200.0)
    assert bench.words("rs485-1", 1, 3, 40000, 2) == [0x5375, 0x6E53]
    found, address = [], 40002
    while True:
        model, length = bench.words("rs485-1", 1, 3, address, 2)
        if model == 0xFFFF:
            break
        found.append((model, length))
        address += 2 + length
    assert [model for model, _ in found] == [1, 701, 702, 704, 713, 714, 715]
    assert dict(found)[1] in (65, 66)
    assert dict(found)[701] == 153
    assert length == 0


def test_sunspec_orders(bench_of):
    """Goal: reversion timer, start, a 32-bit setpoint in 10 W.
    Method: model 704 written as its profile says.
    """
    bench, profile = bench_of("two-halls", load_kw=1200.0), profiles.load("pcs-sunspec-704")
    for name in ("arm", "start"):
        order = profile.orders[name]
        data = b"".join(word.to_bytes(2, "big") for word in order.words)
        head = order.address.to_bytes(2, "big") + bytes((0, len(order.words)))
        assert bench.ask("rs485-1", 1, 16, *head, len(data), *data) == bytes((1, 16)) + head
    bench.run(1.1)
    where = profile.setpoint.address.to_bytes(2, "big")
    assert profile.setpoint.counts_per_kw == pytest.approx(100.0)
    value = (-25_000).to_bytes(4, "big", signed=True)
    assert bench.ask("rs485-1", 1, 16, *where, 0, 2, 4, *value, wait_s=0.5) == bytes((1, 16, *where, 0, 2))
    truth = bench.plant.truth()
    assert truth["pcs_kw"] == pytest.approx(-250.0, rel=1e-3)
    assert truth["watchdogs_s"][0] == 6.0
    point = profile.points["pcs_kw"]
    assert bench.words("rs485-1", 1, 3, point.address, 1) == [0x10000 - 2500]
    bench.run(6.5)
    assert bench.plant.truth()["states"][0] == "off"


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ((1, 5, 0, 100, 0xFF, 0), (1, 0x85, 1)),  # no such function
        ((1, 4, 0, 100, 0, 1), (1, 0x84, 1)),  # a device without input registers
        ((1, 16, 0, 200, 0, 1, 2, 0, 0), (1, 0x90, 1)),  # this one writes single registers only
        ((1, 3, 0, 99, 0, 2), (1, 0x83, 2)),  # begins before the map
        ((1, 3, 0, 106, 0, 2), (1, 0x83, 2)),  # ends behind it
        ((1, 3, 0xFF, 0xFF, 0, 2), (1, 0x83, 2)),  # ends behind the address space
        ((1, 6, 0, 100, 0, 1), (1, 0x86, 2)),  # not writable
        ((1, 3, 0, 100, 0, 0), (1, 0x83, 3)),  # nothing asked for
        ((1, 3, 0, 100, 0, 126), (1, 0x83, 3)),  # more than a frame holds
        ((1, 6, 0, 201, 0, 9), (1, 0x86, 3)),  # no such order
    ],
)
def test_exceptions(bench_of, body, reply):
    """Goal: bad function 1, bad address 2, bad value 3. Method: one request each."""
    assert bench_of().ask("rs485-1", *body) == bytes(reply)


def test_words_per_read_of_the_profile(bench_of):
    """Goal: a device that reads 11 registers at most says so. Method: 11 and 12 of the EM24."""
    assert bench_of().ask("rs485-2", 3, 4, 0, 0, 0, 12) == bytes((3, 0x84, 3))


@pytest.mark.parametrize(
    "frame",
    [
        seal((2, 3, 0, 100, 0, 1)),  # another unit
        seal((1, 3, 0, 100, 0, 1))[:-1] + b"\0",  # CRC
        seal((1, 3, 0, 100, 0, 1, 0)),  # a byte too many
        seal((1, 3, 0, 100, 0)),  # one too few
        seal((0, 3, 0, 100, 0, 1)),  # a broadcast read
        b"\x01",
    ],
)
def test_silence(bench_of, frame):
    """Goal: what no strict device would answer stays unanswered. Method: one frame each, then a good one."""
    bench = bench_of()
    assert bench.raw("rs485-1", frame) == b""
    assert bench.words("rs485-1", 1, 3, 100, 1) == [1]


def test_broadcast_write_acts_without_reply(bench_of):
    """Goal: unit 0 starts the converter silently. Method: the start order to unit 0."""
    bench = bench_of()
    assert bench.ask("rs485-1", 0, 6, 0, 201, 0, 1) == b""
    bench.run(1.1)
    assert bench.plant.truth()["states"] == ("running",)


def decoded(profile: Profile, words: dict[int, int]) -> str | None:
    """The state a profile's rules read out of registers, worked out apart from the product's decoder."""
    for rule in profile.states:
        if words.get(profile.points[rule.point].address, 0) & rule.mask == rule.value:
            return rule.state
    return None


@pytest.mark.parametrize("name", [name for name in profiles.all_names() if name.startswith("pcs-")])
def test_every_state_reads_back(name):
    """Goal: each run state a profile knows is shown by its slave.
    Method: the map's words through the rules.
    """
    profile = profiles.load(name)
    fields = [item for item in register_map(profile, ()).fields if item.states]
    known = {rule.state for rule in profile.states}
    for index, state in enumerate(STATES):
        shown = decoded(profile, {item.address: item.states[index] for item in fields})
        assert shown == state if state in known else shown != "running"


def test_muted_device(bench_of):
    """Goal: a mute device hears nothing, others answer, and it comes back. Method: BMS beside meter."""
    bench = bench_of()
    bench.plant.mute("bms-1")
    assert bench.ask("rs485-2", 2, 3, 0x21, 3, 0, 1, wait_s=0.4) == b""
    assert bench.words("rs485-2", 3, 4, 0x0B, 1) == [1648]
    bench.plant.mute("bms-1", False)
    assert bench.words("rs485-2", 2, 3, 0x2103, 1) == [50]

"""Frames: byte-equal to another master's for every function, and no reply accepted that is not the answer."""

from __future__ import annotations

from typing import Any

import pytest
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadDiscreteInputsRequest,
    WriteMultipleCoilsRequest,
    WriteSingleCoilRequest,
)
from pymodbus.pdu.register_message import (
    MaskWriteRegisterRequest,
    ReadWriteMultipleRegistersRequest,
    WriteMultipleRegistersRequest,
)

from tests.unit.ext.bus import (
    CRC,
    EXCEPTION,
    MS,
    ORDER,
    QUARANTINE,
    WRONG_ECHO,
    WRONG_FUNCTION,
    WRONG_LENGTH,
    Line,
    limits,
    order,
    poll,
    rule,
    sealed,
)


def built(pdu: ModbusPDU) -> bytes:
    """The frame pymodbus makes of it."""
    return bytes(FramerRTU(DecodePDU(False)).buildFrame(pdu))


def bits(words: tuple[int, ...], count: int) -> list[bool]:
    """Coils of words, the first in bit 0."""
    return [bool(words[k // 16] >> k % 16 & 1) for k in range(count)]


def asked(words: tuple[int, ...], reply: bytes = b"", **row: Any) -> tuple[bytes, dict[str, Any], int]:
    """(request, state of the poll, state of the port) of one order and its reply."""
    line = Line(poll(kind=ORDER, **row))
    line.limits = limits(orders=order(0, 1, *words))
    line.reply = lambda _: reply
    request = line.until_request()
    for _ in range(200):
        line.step()
        state = line.bench.poll(0)
        if state["answered"] or any(state["errors"]):
            break
    return request, state, line.bench.port(0)["state"]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 16, 17, 2000])
def test_reads_of_coils(count: int) -> None:
    """Goal: functions 1 and 2. Method: request as pymodbus makes it; a pattern comes back coil by coil,
    and what fills the last byte is none."""
    pattern = tuple((0x9A5C + 7 * k) & 0xFFFF for k in range(125))
    for function, kind in ((1, ReadCoilsRequest), (2, ReadDiscreteInputsRequest)):
        line = Line(poll(function=function, count=count, timeout_ns=400 * MS, turnaround_ns=500 * MS))
        octets = b"".join(w.to_bytes(2, "little") for w in pattern)[: (count + 7) // 8]
        line.reply = lambda request, octets=octets: sealed(1, request[1], len(octets), *octets)
        assert line.until_request() == built(kind(address=100, count=count, dev_id=1))
        line.run(4000)
        assert line.bench.poll(0)["answered"] >= 1
        words = tuple(line.bench.poll(0)["words"])
        assert bits(words, count) == bits(pattern, count)
        assert sum(bin(w).count("1") for w in words) == sum(bits(pattern, count))


MASKS = (0x00F2, 0x0025)
CASES: dict[str, tuple[dict[str, Any], tuple[int, ...], ModbusPDU, bytes]] = {
    "5 on": ({"function": 5, "count": 1}, (0xFF00,),
             WriteSingleCoilRequest(address=100, bits=[True], dev_id=1), sealed(1, 5, 0, 100, 0xFF, 0)),
    "15": ({"function": 15, "count": 10}, (0x03CD,),
           WriteMultipleCoilsRequest(address=100, bits=bits((0x03CD,), 10), dev_id=1),
           sealed(1, 15, 0, 100, 0, 10)),
    "16": ({"function": 16, "count": 3}, (1, 2, 0xFFFF),
           WriteMultipleRegistersRequest(address=100, registers=[1, 2, 0xFFFF], dev_id=1),
           sealed(1, 16, 0, 100, 0, 3)),
    "22": ({"function": 22, "count": 2}, MASKS,
           MaskWriteRegisterRequest(address=100, and_mask=MASKS[0], or_mask=MASKS[1], dev_id=1),
           sealed(1, 22, 0, 100, 0, 0xF2, 0, 0x25)),
    "23": ({"function": 23, "count": 2, "read_address": 7, "read_count": 3}, (5, 6),
           ReadWriteMultipleRegistersRequest(read_address=7, read_count=3, write_address=100,
                                             write_registers=[5, 6], dev_id=1),
           sealed(1, 23, 6, 0, 1, 0, 2, 0, 3)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_writes_and_their_answers(case: str) -> None:
    """Goal: functions 5, 15, 16, 22, 23. Method: request as pymodbus makes it; the right reply is accepted."""
    row, words, pdu, reply = CASES[case]
    request, state, _ = asked(words, reply, **row)
    assert request == built(pdu)
    assert (state["answered"], state["order_result"]) == (1, 1)
    assert state["words"] == ([1, 2, 3] if case == "23" else [])


@pytest.mark.parametrize("case", CASES)
def test_no_other_answer_is_taken(case: str) -> None:
    """Goal: strictness of each function. Method: every flipped bit; every byte changed under a right CRC;
    every cut; one byte more. Only the words that function 23 reads are free."""
    row, words, _, right = CASES[case]
    body = right[:-2]
    wrong = [
        bytes(b ^ (1 << n % 8) * (k == n // 8) for k, b in enumerate(right)) for n in range(8 * len(right))
    ]
    wrong += [right[:n] for n in range(len(right))] + [right + b"\0"]
    free = range(3, 9) if case == "23" else range(0)
    wrong += [sealed(*body[:k], body[k] ^ x, *body[k + 1 :]) for k in range(len(body)) if k not in free
              for x in (0x01, 0x80) if (k, x) != (1, 0x80)]  # fmt: skip
    for reply in wrong:
        _, state, port = asked(words, reply, **row)
        assert (state["answered"], state["order_result"], port) == (0, -1, QUARANTINE), reply.hex()


@pytest.mark.parametrize(
    ("case", "reply", "error"),
    [
        ("5 on", sealed(1, 5, 0, 100, 0, 0), WRONG_ECHO), ("15", sealed(1, 15, 0, 101, 0, 10), WRONG_ECHO),
        ("15", sealed(1, 15, 0, 100, 0, 9), WRONG_ECHO), ("22", sealed(1, 22, 0, 100, 0, 0xF2, 0, 0x24), WRONG_ECHO),
        ("22", sealed(1, 22, 0, 100, 0, 0xF3, 0, 0x25), WRONG_ECHO), ("22", sealed(1, 22, 0, 100, 0, 0xF2), WRONG_LENGTH),
        ("23", sealed(1, 23, 4, 0, 1, 0, 2), WRONG_LENGTH), ("23", sealed(1, 3, 6, 0, 1, 0, 2, 0, 3), WRONG_FUNCTION),
        ("23", sealed(1, 23, 5, 0, 1, 0, 2, 0, 3), WRONG_LENGTH), ("22", sealed(1, 0x96, 4), EXCEPTION),
        ("16", sealed(1, 16, 0, 100, 0, 3)[:-1] + b"\0", CRC),
    ],
)  # fmt: skip
def test_what_was_wrong_is_named(case: str, reply: bytes, error: int) -> None:
    """Goal: distinct codes (BUS-08). Method: address, count, value, either mask, count of read bytes."""
    row, words, _, _ = CASES[case]
    assert asked(words, reply, **row)[1]["errors"][error] == 1


@pytest.mark.parametrize("case", CASES)
def test_the_guard_knows_the_functions(case: str) -> None:
    """Goal: only what a rule names leaves. Method: each order with its rule, with another word, without."""
    row, words, pdu, _ = CASES[case]
    padded = [*words, 0, 0, 0, 0][:4]
    place = {"kind": 1, "function": row["function"], "address": 100, "count": row["count"], "pcs": -1}
    right = rule(word_low=padded, word_high=padded, **place)
    other = right | {"word_low": [padded[0] ^ 1, *padded[1:]], "word_high": [padded[0] ^ 1, *padded[1:]]}
    for rules, passes in (([right], True), ([other], False), ([right | {"address": 101}], False)):
        bench = Line(poll(), rules=rules).bench
        left = bench.judge(0, MS, limits(), built(pdu))
        assert left == (built(pdu) if passes else b"")
        assert bench.judge(0, MS, limits(permit=2), built(pdu)) == b"", "an order needs its permit"
    bench = Line(poll(), rules=[right]).bench
    frame = built(pdu)
    harmless = {"5 on": {1}, "15": {8}, "23": {2, 3, 5}}.get(
        case, set()
    )  # a read; beyond the coils; what is read
    for k in range(len(frame) - 2):
        bent = sealed(*frame[:k], frame[k] ^ 4, *frame[k + 1 : -2])
        assert bool(bench.judge(0, MS, limits(), bent)) == (k in harmless), f"byte {k}"

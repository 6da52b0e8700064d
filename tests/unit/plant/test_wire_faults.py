"""Goal: each fault of the wire does what it says and nothing else. Method: a plain master, faults counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.plant.plants import BOARDS, Bench, seal
from tools.plant.__main__ import main

PORT = "rs485-1"
CHAR_S = 11 / 115200
READ = (1, 3, 0, 100, 0, 6)
STEP_NS = 2000
SOUND = 17  # bytes of the reply to READ


@pytest.fixture
def bench(bench_of: Any) -> Bench:
    """The reference site at a fine step."""
    bench: Bench = bench_of(step_ns=STEP_NS)
    return bench


def counted(bench: Bench) -> dict[str, int]:
    """The faults that happened."""
    return {name: count for name, count in bench.plant.bus()[PORT]["faults"].items() if count}


def replies(bench: Bench, rounds: int, wait_s: float = 0.006) -> list[bytes]:
    """What comes back for a number of equal reads."""
    return [bench.raw(PORT, seal(READ), wait_s) for _ in range(rounds)]


def arrivals(bench: Bench, wait_s: float) -> list[tuple[float, int]]:
    """(seconds after the request's first byte, byte) of everything that comes back for one read."""
    began_ns = bench.solo.now_ns
    bench.solo.send(PORT, seal(READ))
    bench.solo.run(round(wait_s * 1e9 / STEP_NS))
    return [(1e-9 * (t_ns - began_ns), byte) for t_ns, byte in bench.solo.received(PORT)]


def test_a_sound_wire_counts_nothing_and_fault_without_names_is_sound(bench: Bench) -> None:
    """All off, then faults and all off again: the same bytes at the same instants."""
    first = arrivals(bench, 0.006)
    assert bytes(byte for _, byte in first) == seal(bytes(byte for _, byte in first)[:-2])
    assert counted(bench) == {}
    bench.plant.fault(PORT, stuck=1)
    bench.plant.fault(PORT)
    again = arrivals(bench, 0.006)
    assert [byte for _, byte in again] == [byte for _, byte in first]
    assert np.allclose([t_s for t_s, _ in again], [t_s for t_s, _ in first], rtol=0, atol=2e-9 * STEP_NS)


def test_bit_errors_at_their_rate(bench: Bench) -> None:
    """2e-3 a bit over replies of 17 bytes: within 4 sigma, requests included; the same seed, the same bytes."""
    runs = []
    for _ in range(2):
        fresh = Bench(bench.checked, step_ns=20_000)
        fresh.plant.fault(PORT, bit_error_rate=2e-3, seed=7)
        runs.append(replies(fresh, 400))
    assert runs[0] == runs[1]
    heard = sum(map(len, runs[0])) + 400 * 8
    mean = 8 * heard * 2e-3
    assert abs(counted(fresh)["bits"] - mean) < 4 * mean**0.5
    sound = bench.raw(PORT, seal(READ))
    assert {seal(r[:-2]) == r for r in runs[0] if r and r != sound} == {False}, (
        "every damaged reply fails its CRC"
    )


@pytest.mark.parametrize(
    ("name", "count", "sign"), [("loss_rate", "lost", -1), ("double_rate", "doubled", 1)]
)
def test_lost_and_doubled_bytes(bench: Bench, name: str, count: str, sign: int) -> None:
    """At 1 in 100: what arrives differs from the sound length by what was counted; at 1 nothing is right."""
    bench.plant.fault(PORT, **{name: 0.01})
    found = replies(bench, 200)
    answered = [r for r in found if r]
    change = sum(len(r) - SOUND for r in answered)
    in_requests = counted(bench)[count] - sign * change
    assert sign * change > 0
    assert in_requests >= 200 - len(answered) > 0, "a request with a byte too few or many is not answered"
    bench.plant.fault(PORT, **{name: 1.0})
    assert replies(bench, 3) == [b""] * 3


@pytest.mark.parametrize(("low_ms", "high_ms"), [(5.0, 5.0), (2.0, 10.0)])
def test_late_replies(bench: Bench, low_ms: float, high_ms: float) -> None:
    """Fixed and spread: every reply whole, later by what was asked for."""
    on_time_s = arrivals(bench, 0.02)[-1][0]
    bench.plant.fault(PORT, late_rate=1, late_ms_min=low_ms, late_ms_max=high_ms)
    late_ms = [1e3 * (arrivals(bench, 0.02)[SOUND - 1][0] - on_time_s) for _ in range(40)]
    assert low_ms - 0.01 <= min(late_ms) <= max(late_ms) <= high_ms + 0.01
    assert max(late_ms) - min(late_ms) >= 0.7 * (high_ms - low_ms)
    assert counted(bench) == {"late": 40}


def test_a_late_reply_talks_into_the_next_request_and_reply(bench: Bench) -> None:
    """Late into the master's second request: both spoiled. Late into another's reply: both spoiled."""
    bench.plant.fault(PORT, late_rate=1, late_ms_min=4, late_ms_max=4)
    assert bench.raw(PORT, seal(READ), 0.0051) == b""
    bench.plant.fault(PORT)
    bench.solo.send(PORT, seal(READ))
    bench.solo.run(round(0.02e9 / STEP_NS))
    heard = bytes(byte for _, byte in bench.solo.received(PORT))
    assert bench.plant.bus()[PORT]["collisions"] > 0
    assert not heard or seal(heard[:-2]) != heard
    sound = bench.raw(PORT, seal(READ))
    assert seal(sound[:-2]) == sound, "and all is well afterwards"


def test_frames_that_are_the_wrong_answer(bench: Bench) -> None:
    """Duplicate, wrong unit, wrong length, spliced: right CRCs, wrong answers."""
    sound = bench.raw(PORT, seal(READ))
    bench.plant.fault(PORT, twice_rate=1)
    assert bench.raw(PORT, seal(READ)) == sound + sound
    bench.plant.fault(PORT, wrong_unit_rate=1)
    assert bench.raw(PORT, seal(READ)) == seal((2, *sound[1:-2]))
    bench.plant.fault(PORT, wrong_length_rate=1)
    assert bench.raw(PORT, seal(READ)) == seal((1, 3, 10, *sound[3:-4]))
    echo = seal((1, 6, 0, 200, 0, 0))
    assert bench.raw(PORT, echo) == seal(echo[:4])
    bench.plant.fault(PORT, splice_rate=1)
    assert bench.raw(PORT, seal(READ)) == echo + sound
    assert counted(bench) == {"twice": 1, "wrong_unit": 1, "wrong_length": 2, "spliced": 1}


def test_a_duplicate_comes_two_gaps_later(bench: Bench) -> None:
    """The two frames of a duplicate are apart: a strict receiver sees two."""
    bench.plant.fault(PORT, twice_rate=1)
    times = [t_s for t_s, _ in arrivals(bench, 0.02)]
    assert times[SOUND] - times[SOUND - 1] == pytest.approx(8 * CHAR_S, abs=2e-9 * STEP_NS)


def test_babble(bench: Bench) -> None:
    """1000 bytes a second on an idle wire: Poisson in number, heard by master and slaves."""
    bench.plant.fault(PORT, babble_per_s=1000, seed=3)
    bench.solo.received(PORT)
    bench.run(1.0)
    bench.solo.run(1)
    babbled = counted(bench)["babbled"]
    assert abs(babbled - 1000 / (1 + 1000 * CHAR_S)) < 4 * 1000**0.5
    assert len(bench.solo.received(PORT)) == babbled
    assert bench.plant.bus()[PORT]["frames"] > 100
    assert sum(seal(r[:-2]) == r for r in replies(bench, 30) if r) < 30


@pytest.mark.parametrize("lag_chars", [0, 3, 17, 40])
def test_two_devices_with_one_address(bench: Bench, lag_chars: int) -> None:
    """Together: wired-and; out of step: garbled; one after the other: two right frames that differ."""
    sound = bench.raw(PORT, seal(READ))
    bench.plant.fault(PORT, twin=1, twin_lag_chars=lag_chars)
    found = bench.raw(PORT, seal(READ))
    assert counted(bench) == {"twins": 1}
    assert len(found) == SOUND + min(lag_chars, SOUND)
    if lag_chars == 0:
        assert found[:3] == sound[:3], "the head is the same and goes through"
        assert all(a & b == a for a, b in zip(found, sound, strict=True))
    if lag_chars < SOUND:
        assert seal(found[:-2]) != found
        assert bench.plant.bus()[PORT]["collisions"] > 0
    else:
        assert found[:SOUND] == sound
        assert seal(found[SOUND:-2]) == found[SOUND:]
        assert found[SOUND:] != sound


def test_two_devices_with_one_address_agree_on_a_write(bench: Bench) -> None:
    """An echo of both at the same instant is one good echo: why the address must be checked by a read."""
    bench.plant.fault(PORT, twin=1)
    echo = seal((1, 6, 0, 200, 0, 0))
    assert bench.raw(PORT, echo) == echo


def test_local_echo(bench: Bench) -> None:
    """The request comes back as it ends on the wire, byte by byte, then the reply."""
    bench.plant.fault(PORT, echo=1)
    found = arrivals(bench, 0.006)
    assert bytes(byte for _, byte in found[:8]) == seal(READ)
    assert len(found) == 8 + SOUND
    assert found[0][0] == pytest.approx(CHAR_S, abs=3e-9 * STEP_NS)
    assert found[7][0] == pytest.approx(8 * CHAR_S, abs=3e-9 * STEP_NS)
    assert counted(bench) == {"echoed": 8}


def test_uart_fifo(bench: Bench) -> None:
    """Trigger 8: 17 bytes come as 8, 8 and, four characters after the last, 1."""
    plain = [t_s for t_s, _ in arrivals(bench, 0.02)]
    bench.plant.fault(PORT, fifo_trigger=8)
    found = [t_s for t_s, _ in arrivals(bench, 0.02)]
    slack_s = 3e-9 * STEP_NS
    assert np.allclose(found[:8], plain[7], rtol=0, atol=slack_s)
    assert np.allclose(found[8:16], plain[15], rtol=0, atol=slack_s)
    assert found[16] == pytest.approx(plain[16] + 4 * CHAR_S, abs=slack_s)
    assert counted(bench) == {"fifo": 3}


def test_wrong_baud_and_stuck_driver(bench: Bench) -> None:
    """Neither lets an answer through; the first changes every byte, the second eats it."""
    for name, count in (("wrong_baud", "scrambled"), ("stuck", "held")):
        bench.plant.fault(PORT, **{name: 1})
        assert replies(bench, 5) == [b""] * 5
        assert counted(bench)[count] == 40
    bench.plant.fault(PORT)
    assert len(replies(bench, 1)[0]) == SOUND


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"loss": 0.1}, "'loss' is none of: seed, bit_error_rate"),
        ({"loss_rate": 1.01}, "loss_rate is 1.01; allowed are 0 to 1"),
        ({"loss_rate": -0.01}, "loss_rate is -0.01; allowed are 0 to 1"),
        ({"loss_rate": float("nan")}, "loss_rate is nan"),
        ({"fifo_trigger": 65}, "fifo_trigger is 65; allowed are 0 to 64"),
        ({"late_ms_min": 2.0}, "late_ms_max is below late_ms_min"),
    ],
)
def test_refused_settings(bench: Bench, settings: dict[str, float], text: str) -> None:
    """A wrong name, a value past its edge: told, and nothing is changed."""
    with pytest.raises(ValueError, match=text):
        bench.plant.fault(PORT, **settings)
    with pytest.raises(ValueError, match="'com9' is none of: rs485-1, rs485-2"):
        bench.plant.fault("com9")
    bench.plant.fault(PORT, loss_rate=1.0, fifo_trigger=64)


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("rs485-1", "'rs485-1' has another form than rs485-1:loss_rate=0.01,echo=1"),
        ("rs485-1:echo=on", "has another form"),
        ("com9:echo=1", "'com9' is none of: rs485-1, rs485-2"),
        ("rs485-1:loss_rate=2", "loss_rate is 2.0; allowed are 0 to 1"),
    ],
)
def test_the_option_of_the_paced_plant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, text: str
) -> None:
    """A wrong --fault ends with 2 and says what is allowed."""
    load = tmp_path / "load.csv"
    load.write_text("t_s,load_kw\n0,1\n1,1\n")
    site = BOARDS / "sites" / "reference.yaml"
    asked = [str(site), "--load", str(load), "--dir", str(tmp_path), "--seconds", "0.1", "--fault", option]
    try:
        code = main(asked)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert text in capsys.readouterr().err

"""Between two frames: the instants at which a wire becomes free or a reply is whole, and none else."""

from __future__ import annotations

from tests.unit.ext.bus import CHAR_NS, FRAME_NS, MS, Line, answer, poll, sealed, setpoint

LOOK_NS = 20_000


def asked(**changes: int) -> tuple[Line, bytes, int]:
    """A line whose request of four registers has just left, with a slave that stays silent."""
    line = Line(poll(**changes))
    line.reply = lambda request: b""
    request = line.until_request()
    return line, request, line.t_ns - FRAME_NS


def test_silence_wakes_nobody() -> None:
    """Goal: no busy looking. Method: idle, and after a request of which nothing has come back."""
    assert Line(poll(phase_ns=MS)).bench.wake_ns(0) is None
    line, _, t_ns = asked()
    line.run(1)
    assert line.bench.wake_ns(t_ns) is None


def test_a_port_without_a_tty_wakes_nobody() -> None:
    """Goal: nothing is looked for where nothing can come. Method: the wire taken away, its quarantine over."""
    line, _, _ = asked()
    line.bench.unwire(0)
    line.run(1)
    assert line.bench.wake_ns(line.t_ns - FRAME_NS) == line.t_ns - FRAME_NS + 20 * MS
    line.run(20 * MS // FRAME_NS)
    assert line.bench.wake_ns(line.t_ns - FRAME_NS) is None


def test_a_reply_that_has_begun_is_expected_at_its_end() -> None:
    """Goal: its last byte and 1.5 characters, to the ns. Method: five bytes are there; they began no later than
    five characters before this look."""
    line, request, _ = asked()
    line.run(20)
    line.bench.feed(0, answer(request)[:5])
    t_ns = line.t_ns
    line.run(1)
    expected_ns = t_ns - 5 * CHAR_NS + (2 * 13 + 3) * CHAR_NS // 2
    assert line.bench.wake_ns(t_ns) == expected_ns
    assert line.bench.wake_ns(expected_ns - 1) == expected_ns
    assert line.bench.wake_ns(expected_ns) is None


def test_bytes_that_are_late_are_looked_for_again() -> None:
    """Goal: an operating system that hands bytes over late does not cost a frame. Method: a frame looks when the
    reply should be whole, and finds no more of it."""
    line, request, _ = asked()
    line.run(20)
    line.bench.feed(0, answer(request)[:5])
    line.run(1)
    line.run(14)
    assert line.bench.wake_ns(line.t_ns - FRAME_NS) == line.t_ns - FRAME_NS + LOOK_NS


def test_an_exception_is_expected_as_short_as_it_is() -> None:
    """Goal: five bytes, not thirteen. Method: two bytes of a refusal are there."""
    line, request, _ = asked()
    line.run(20)
    line.bench.feed(0, sealed(request[0], request[1] | 0x80, 4)[:2])
    t_ns = line.t_ns
    line.run(1)
    assert line.bench.wake_ns(t_ns) == t_ns - 2 * CHAR_NS + (2 * 5 + 3) * CHAR_NS // 2


def test_the_next_request_leaves_at_the_end_of_the_gap() -> None:
    """Goal: the wire is used when it is free. Method: a whole reply; steps only where the master asks for them."""
    line = Line(setpoint())
    line.kw[0] = 100.0
    line.until_request()
    line.kw[0] = 200.0
    line.run(20)
    t_ns = line.t_ns - FRAME_NS
    for _ in range(3):
        wake_ns = line.bench.wake_ns(t_ns)
        assert wake_ns is not None and wake_ns > t_ns
        t_ns = wake_ns
        line.bench.step(t_ns, line.limits, line.kw)
        if request := line.bench.take(0):
            break
    assert request[4:6] == (200).to_bytes(2, "big")
    assert t_ns % FRAME_NS, "it did not wait for the next frame"


def test_a_mute_unit_frees_the_wire_at_the_end_of_its_quarantine() -> None:
    """Goal: not before the latest possible reply, and then at once. Method: a request without any answer."""
    line, request, t_ns = asked()
    sent_ns = t_ns + len(request) * CHAR_NS
    line.run(70)
    assert line.bench.wake_ns(line.t_ns) == sent_ns + 20 * MS

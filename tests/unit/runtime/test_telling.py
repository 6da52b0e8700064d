"""Events, log, blackbox, writer, desk: what the supervisor tells and asks for."""

from __future__ import annotations

import io
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from controller.image import Mode, Order, Wish
from controller.runtime.blackbox import CYCLES, FILES_MAX, Blackbox
from controller.runtime.desk import RENEW_S, Desk
from controller.runtime.events import Event, changes
from controller.runtime.log import Log
from controller.runtime.plain import plain
from controller.runtime.supervisor import Cycle
from controller.runtime.writer import JOBS_MAX, Writer
from controller.safety.step import State
from controller.state import Conditions, ModeState
from tests.unit.safety.sites import at, telemetry
from tests.unit.safety.test_envelope import limits
from tests.unit.safety.test_modes import READY, fault, with_faults


def cycle(seconds: float, mode: Mode = Mode.GRID_TIED) -> Cycle:
    """A cycle of a healthy site."""
    state = ModeState(mode=mode, t_since_ns=1)
    return Cycle(at(seconds), telemetry(seconds), READY, state, Wish(), limits(), ())


def test_events_of_a_fault_and_its_end() -> None:
    """Goal: id, name, cause, cure, once each. Method: a fault comes with its transition, stays, goes."""
    tied, stop = (
        ModeState(mode=Mode.GRID_TIED),
        ModeState(mode=Mode.SAFE_STOP, row="T12", reason="F16 pcs-mute"),
    )
    came = changes(State(READY, tied), State(with_faults(fault()), stop), at(1.0))
    assert [(e.code, e.name, e.unit, e.level) for e in came] == [
        ("F16", "pcs-mute", "pcs-1", "error"),
        ("T12", "mode", "site", "warning"),
    ]
    assert (came[0].text, came[0].cure) == ("cause", "cure")
    assert came[1].text == "GRID_TIED -> SAFE_STOP: F16 pcs-mute"
    assert changes(State(with_faults(fault()), stop), State(with_faults(fault()), stop), at(2.0)) == ()
    gone = changes(State(with_faults(fault()), stop), State(READY, stop), at(3.0))
    assert [(e.code, e.level, e.text) for e in gone] == [("F16", "info", "pcs-mute is over")]


def test_a_watch_that_is_not_active_is_no_event() -> None:
    """Goal: nothing is told before the hold time is over. Method: a watch with active False."""
    waiting = with_faults(replace(fault(), active=False))
    assert changes(State(READY, ModeState()), State(waiting, ModeState()), at(0)) == ()


def test_log_lines_and_flood() -> None:
    """Goal: F97, one a second of each kind, the rest counted.
    Method: ten of a kind within a second, one later."""
    stream = io.StringIO()
    log = Log(stream)
    for k in range(11):
        event = Event(at(0.1 * k).t_ns, 0.1 * k, "F16", "pcs-mute", "pcs-1", "error", "text", "cure")
        if line := log.admit(event):
            log.write(line)
    first, last = map(json.loads, stream.getvalue().splitlines())
    assert (first["code"], first["unit"], first["event"], first["cure"]) == ("F16", "pcs-1", "text", "cure")
    assert first["t"] == "1970-01-01T00:00:00.000+00:00"
    assert "dropped" not in first
    assert last["dropped"] == 9


def test_blackbox_is_bounded_and_holds_the_reaction(tmp_path: Path) -> None:
    """Goal: 30 s before and 2 s after.
    Method: 400 good cycles, then SAFE_STOP; files never more than FILES_MAX."""
    writer = Writer()
    box = Blackbox(tmp_path, writer)
    for k in range(400):
        box.record(cycle(0.1 * k))
    for k in range(400, 430):
        box.record(cycle(0.1 * k, Mode.SAFE_STOP))
    assert box.dumps == 1
    for _ in range(FILES_MAX + 2):
        box.dump()
    writer.close(60.0)
    rows = [json.loads(row) for row in (tmp_path / "blackbox-1.jsonl").read_text().splitlines()]
    assert len(rows) == CYCLES
    first = json.loads((tmp_path / "blackbox-0.jsonl").read_text().splitlines()[0])
    assert first["mode"]["mode"] == "GRID_TIED"
    assert len(list(tmp_path.iterdir())) == FILES_MAX


def test_writer_never_waits() -> None:
    """Goal: F71.
    Method: a job that hangs, then more jobs than fit: the rest is dropped at once and counted."""
    writer, gate = Writer(), threading.Event()
    writer.offer(gate.wait)
    taken = [writer.offer(lambda: None) for _ in range(JOBS_MAX + 50)]
    assert writer.dropped == taken.count(False) >= 49
    gate.set()
    writer.close()


def test_writer_survives_a_full_disk() -> None:
    """Goal: control goes on. Method: a job raises ENOSPC; the next one still runs."""
    writer, done = Writer(), []

    def full() -> None:
        raise OSError(28, "No space left on device")

    writer.offer(full)
    writer.offer(lambda: done.append(1))
    writer.close()
    assert (writer.failed, writer.fault, done) == (1, "OSError: [Errno 28] No space left on device", [1])


def test_desk_keeps_an_order_and_renews_it() -> None:
    """Goal: one order is one write. Method: the same wish for 2 s keeps its sequence, then gets a new one."""
    numbers = iter(range(1, 10))
    desk = Desk(lambda device, name: Order(poll=3, sequence=next(numbers)))
    assert [desk.fill({"pcs-1": "arm"}, at(t))[0].sequence for t in (0.0, 0.1, RENEW_S - 0.1)] == [1, 1, 1]
    assert desk.fill({"pcs-1": "arm"}, at(RENEW_S))[0].sequence == 2
    assert desk.fill({"pcs-1": "start"}, at(RENEW_S + 0.1))[0].sequence == 3
    assert desk.fill({}, at(RENEW_S + 0.2)) == ()
    assert desk.fill({"pcs-1": "start"}, at(RENEW_S + 0.3))[0].sequence == 4


@pytest.mark.parametrize(
    ("value", "expected"), [(float("nan"), None), (Mode.INIT, "INIT"), ((1, 2.5), [1, 2.5])]
)
def test_plain_values(value: object, expected: object) -> None:
    """Goal: strict JSON. Method: what JSON has no word for."""
    assert plain(value) == expected


def test_a_whole_cycle_is_strict_json() -> None:
    """Goal: no NaN in a dump. Method: a fresh site full of unknowns."""
    unknown = replace(cycle(0.0), conditions=Conditions())
    assert json.loads(json.dumps(plain(unknown), allow_nan=False))["conditions"]["battery"]["soc_pct"] is None

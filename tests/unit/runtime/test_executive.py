"""The process of a site when its own cycle fails (F98): a class D latch, and the next start is in LOCKOUT."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.devices.check import check_site
from controller.image import Instant, Mode
from controller.runtime import executive, keep, supervisor
from controller.runtime.executive import Executive
from controller.runtime.keeper import Keeper, acknowledge
from controller.runtime.mistakes import MistakeError
from controller.runtime.survey import terms
from controller.runtime.writer import Writer
from controller.safety.modes import next_mode
from controller.state import Asked
from tools.inject.stack import SITE

pytestmark = pytest.mark.process
CYCLES = 3  # go well before one fails
NOW = Instant(1_000_000_000, 1.0)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """A run takes the signals of its process."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def failing(owner: object, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Exit code of a run in which a function raises after CYCLES calls."""
    whole, calls = getattr(owner, name), []

    def fails(*given: object) -> object:
        calls.append(given)
        if len(calls) > CYCLES:
            raise AssertionError("planted" * 99 + "\nmore")
        return whole(*given)

    monkeypatch.setattr(owner, name, fails)
    return Executive(check_site(SITE), folder, realtime=False).run(10.0)


def locked(folder: Path) -> bool:
    """Whether the next run's first cycle ends in LOCKOUT, a start asked for or not."""
    words = terms(check_site(SITE))
    state = Keeper(folder, Writer()).start(words, NOW)
    mode = next_mode(words, state.mode, state.conditions, Asked(start=True), NOW)
    return mode.mode == Mode.LOCKOUT and not mode.wanted


def test_a_cycle_that_fails_locks_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: F98 is class D: it stands in both slots, names its place, outlives the process, and only the box lifts it.
    Method: the safety step raises in its fourth cycle; the next start; acknowledged from afar, then at the box."""
    assert failing(supervisor, "step", tmp_path, monkeypatch) == 1
    record, outcome = keep.read(tmp_path)
    assert (outcome, record.clean, [(x.code, x.grade, x.effect) for x in record.latches]) == (
        "good", True, [("F98", "D", "TRIP")],
    )  # fmt: skip
    cause = record.latches[0].cause
    assert "AssertionError at test_executive.py" in cause and cause.endswith(("planted" * 99)[:200])
    for slot in keep.SLOTS:
        assert b"F98" in (tmp_path / slot).read_bytes()
    assert locked(tmp_path)
    with pytest.raises(MistakeError, match="at the box"):
        acknowledge(tmp_path, "read the report", local=False)
    assert [x.code for x in acknowledge(tmp_path, "read the report", local=True)] == ["F98"]
    assert not locked(tmp_path)


def test_what_stands_beside_the_cycle_locks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: a task that decides nothing ends the process, and the next one starts. Method: the look at the ring."""
    assert failing(executive.Ring, "step", tmp_path, monkeypatch) == 1
    assert keep.read(tmp_path)[0].latches == ()
    assert not locked(tmp_path)


def test_a_limit_that_changes_in_memory_locks_the_site(tmp_path: Path) -> None:
    """Goal: F81: LOCKOUT within a second, stored. Method: a rating that grows in the fourth cycle of a real run."""
    box = Executive(check_site(SITE), tmp_path, realtime=False)
    limits, seen = box._supervisor.terms, []

    def watch(cycle: supervisor.Cycle) -> None:
        seen.append(cycle.mode.mode)
        if len(seen) == CYCLES + 1:
            object.__setattr__(limits.pcs[0], "discharge_kw_max", 1e6)

    box._supervisor.watchers.append(watch)
    assert box.run(1.6) == 1
    assert Mode.LOCKOUT in seen[: CYCLES + 1 + 10]
    assert ("F81", "D") in [
        (x.code, x.grade) for x in keep.read(tmp_path)[0].latches
    ]  # a busy machine adds F67
    assert locked(tmp_path)

"""What one run hands to the next: latches, energy, how it ended, and the way to acknowledge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from controller.image import Mode
from controller.runtime import keep
from controller.runtime.keep import SLOTS, Memory, SetMemory
from controller.runtime.keeper import Keeper, acknowledge
from controller.runtime.mistakes import MistakeError
from controller.runtime.supervisor import Cycle
from controller.runtime.writer import Writer
from controller.state import Converter, Effect, ModeState
from tests.unit.runtime.test_telling import cycle
from tests.unit.safety.sites import TERMS, at
from tests.unit.safety.test_modes import READY, fault, with_faults


def with_power(seconds: float, pcs_kw: float) -> Cycle:
    """A cycle in which the converter carries power."""
    converters = (Converter("pcs-1", pcs_kw, "running", fresh=True, armed=True, accepted=True),)
    return replace(cycle(seconds), conditions=replace(READY, converters=converters))


def stopped(seconds: float, grade: str, latched: bool) -> Cycle:
    """A cycle in SAFE_STOP with a fault."""
    state = ModeState(mode=Mode.SAFE_STOP, t_since_ns=1, latched=latched)
    return replace(cycle(seconds), conditions=with_faults(fault(grade)), mode=state)


def test_energy_and_ends(tmp_path: Path) -> None:
    """Goal: counters go on over a restart, a killed run is told.
    Method: 1000 kW for 1 s discharge, 0.5 s charge."""
    writer = Writer()
    keeper = Keeper(tmp_path, writer)
    for k in range(11):
        keeper.record(with_power(0.1 * k, 1000.0 if k <= 10 else 0.0))
    for k in range(11, 16):
        keeper.record(with_power(0.1 * k, -1000.0))
    keeper.record(with_power(60.0, 1000.0))
    keeper.step(at(60.0))
    writer.close()
    again = Keeper(tmp_path, Writer())
    assert again.record_now.discharge_kwh == pytest.approx(1000.0 / 3600)
    assert again.record_now.charge_kwh == pytest.approx(500.0 / 3600)
    assert (again.record_now.starts, again.record_now.soc_pct) == (2, 50.0)
    assert [e.code for e in again.events(at(0))] == ["F65"]
    again.close()
    assert Keeper(tmp_path, Writer()).events(at(0)) == ()


@pytest.mark.parametrize(
    ("grade", "latched", "kept"), [("C", True, 1), ("B", True, 1), ("B", False, 0), ("A", False, 0)]
)
def test_latches_survive_until_acknowledged(tmp_path: Path, grade: str, latched: bool, kept: int) -> None:
    """Goal: a class C fault, and a used-up retry budget, wait for a person over a restart.
    Method: the fault twice, a new run, acknowledge, another run."""
    writer = Writer()
    keeper = Keeper(tmp_path, writer)
    keeper.record(stopped(0.0, grade, latched))
    keeper.record(stopped(0.1, grade, latched))
    writer.close()
    stops = Keeper(tmp_path, Writer()).start(TERMS, at(0.0)).conditions.stops
    assert len(stops) == kept
    assert all(c.grade == "C" for c in stops)
    assert len(acknowledge(tmp_path, "cured", True)) == kept
    assert not Keeper(tmp_path, Writer()).start(TERMS, at(0.0)).conditions.watches


def test_a_lockout_stays_one_over_a_power_cycle(tmp_path: Path) -> None:
    """Goal: T16 survives; only the box unlocks, with a reason.
    Method: a class C latch, then LOCKOUT with nothing active; a new run; acknowledge from afar, silent, right."""
    writer = Writer()
    keeper = Keeper(tmp_path, writer)
    keeper.record(stopped(0.0, "C", True))
    locked = ModeState(mode=Mode.LOCKOUT, t_since_ns=1, latched=True)
    keeper.record(replace(cycle(0.1), conditions=READY, mode=locked))
    writer.close()
    assert [c.grade for c in Keeper(tmp_path, Writer()).start(TERMS, at(0.0)).conditions.stops] == ["D"]
    with pytest.raises(MistakeError, match="at the box"):
        acknowledge(tmp_path, "cured", False)
    with pytest.raises(MistakeError, match="--reason"):
        acknowledge(tmp_path, "", True)
    assert [latch.grade for latch in acknowledge(tmp_path, "cured", True)] == ["D"]


def test_a_reset_on_the_running_site_empties_the_record(tmp_path: Path) -> None:
    """Goal: T15 and T17 reach the disk. Method: a latch, then STANDBY by each of the two rows, a new run."""
    for row in ("T15", "T17"):
        writer = Writer()
        keeper = Keeper(tmp_path, writer)
        keeper.record(stopped(0.0, "D", True))
        assert [x.grade for x in keeper.record_now.latches] == ["D"]
        keeper.record(replace(cycle(0.1), mode=ModeState(mode=Mode.STANDBY, t_since_ns=1, row=row)))
        writer.close()
        assert Keeper(tmp_path, Writer()).start(TERMS, at(0.0)).conditions.watches == {}


def test_an_unreadable_record_is_a_latch(tmp_path: Path) -> None:
    """Goal: F73 is class C until acknowledged. Method: both slots overwritten, two starts, acknowledge."""
    for slot in SLOTS:
        (tmp_path / slot).write_bytes(b"torn")
    assert [c.code for c in Keeper(tmp_path, Writer()).start(TERMS, at(0.0)).conditions.stops] == ["F73"]
    assert [c.code for c in Keeper(tmp_path, Writer()).start(TERMS, at(0.0)).conditions.stops] == ["F73"]
    assert [latch.code for latch in acknowledge(tmp_path, "cured", True)] == ["F73"]
    assert Keeper(tmp_path, Writer()).start(TERMS, at(0.0)).conditions.stops == ()


def test_a_torn_slot_is_told_and_harmless(tmp_path: Path) -> None:
    """Goal: the older slot wins and says so. Method: the newer slot overwritten."""
    keeper = Keeper(tmp_path, Writer())
    keeper.close()
    (tmp_path / SLOTS[keep.read(tmp_path)[0].sequence % 2]).write_bytes(b"torn")
    again = Keeper(tmp_path, Writer())
    assert "F73" in [e.code for e in again.events(at(0))]
    assert again.start(TERMS, at(0.0)).conditions.stops == ()


def test_a_reset_of_a_resting_site_is_a_whole_one(tmp_path: Path) -> None:
    """Goal: what T15 and T17 forget is forgotten, and no more: the next start must not lock again.
    Method: a record with FAULTs, retries and a locked genset; a class C and a class D latch."""
    gensets = {"genset-1": SetMemory((1.0,), 2.0, 3.0, "stopped by itself")}
    memory = Memory(retries_utc_s=(4.0,), faults_utc_s=(5.0, 6.0, 7.0), gensets=gensets)
    for grade, faults in (("C", (5.0, 6.0, 7.0)), ("D", ())):
        latch = keep.Latch("F28", "pcs-map-changed", "pcs-1", "cause", "cure", 1.0, grade)
        for sequence in (10, 11):
            keep.write(tmp_path, keep.Record(sequence=sequence, latches=(latch,), memory=memory))
        assert [x.code for x in acknowledge(tmp_path, "cured", True)] == ["F28", "F55"]
        for slot in SLOTS:
            kept = keep.read(tmp_path)[0].memory
            assert (kept.retries_utc_s, kept.faults_utc_s) == ((), faults)
            assert kept.gensets["genset-1"] == SetMemory((1.0,), 2.0, 3.0)
            (tmp_path / slot).unlink()


def test_a_latch_keeps_its_effect(tmp_path: Path) -> None:
    """Goal: a crash does not turn what an island bears into a blackout. Method: a STOP and a TRIP; a torn record."""
    for effect in (Effect.STOP, Effect.TRIP):
        writer = Writer()
        (tmp_path / effect.name).mkdir()
        keeper = Keeper(tmp_path / effect.name, writer)
        state = ModeState(mode=Mode.SAFE_STOP, t_since_ns=1, latched=True)
        keeper.record(replace(cycle(0.0), conditions=with_faults(fault("C", effect)), mode=state))
        writer.close()
        stops = Keeper(tmp_path / effect.name, Writer()).start(TERMS, at(0.0)).conditions.stops
        assert [stop.effect for stop in stops] == [effect]
    for slot in SLOTS:
        (tmp_path / "STOP" / slot).write_bytes(b"torn")
    stops = Keeper(tmp_path / "STOP", Writer()).start(TERMS, at(0.0)).conditions.stops
    assert [(stop.code, stop.effect) for stop in stops] == [("F73", Effect.STOP)]

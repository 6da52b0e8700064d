"""What safety counts over hours and days comes back after a restart, a reboot, and a clock that was set back."""

from __future__ import annotations

import errno
from dataclasses import replace
from math import isnan
from pathlib import Path

import pytest

from controller.config.tariff import Demand
from controller.image import Instant, Mode
from controller.plan.demand import Meter
from controller.runtime import books, keep, memory
from controller.runtime.keep import Books, ChargeMemory, Memory
from controller.runtime.keeper import Keeper
from controller.runtime.supervisor import Cycle
from controller.runtime.writer import Writer
from controller.safety.hall import Hall, Phase, SetRun
from controller.safety.step import State
from controller.state import Battery, Conditions, Fade, ModeState, SocBand
from controller.units import ns
from tests.unit.plan.tariffs import tariff
from tests.unit.runtime.test_telling import cycle
from tests.unit.safety.sites import TERMS, at
from tests.unit.safety.test_modes import fault, with_faults
from tools.bench.disks import Failing
from tools.bench.record import Now

DAY_S = 86_400.0
MONTH = Demand(name="month", per_kw=100.0, period="month")
STOPS = with_faults(fault("C"))
BAND = SocBand(40.0, 60.0, at(0).t_ns, at(-3600.0).t_ns, below_pct=8.0, above_pct=12.0)
FULL = State(
    Conditions(battery=Battery(band=BAND)),
    ModeState(Mode.FAULT, t_retries_ns=(at(-50.0).t_ns,), t_faults_ns=(at(-90.0).t_ns, at(-5.0).t_ns)),
    hall=Hall(
        sets={
            "running": SetRun(Phase.READY, t_starts_ns=(at(-70.0).t_ns,), t_on_ns=at(-60.0).t_ns, run_s=9.0),
            "locked": SetRun(Phase.LOCKED, t_off_ns=at(-200.0).t_ns, why="did not start in 3 attempts"),
        },
        t_resyncs_ns=(at(-30.0).t_ns,),
        t_chatter_ns=at(-20.0).t_ns,
    ),
)


def again(state: State, away_s: float, boot_s: float) -> State:
    """The state a new run begins with, away_s after the old one, boot_s after its boot."""
    now = Instant(ns(boot_s), at(0.0).utc_s + away_s)
    return memory.restored(memory.taken(state, at(0.0)), Conditions(), TERMS, now)


@pytest.mark.parametrize("boot_s", [1000.0, 100.0, 3.0])
def test_counts_come_back_at_their_age(boot_s: float) -> None:
    """Goal: no restart forgives a FAULT, a retry, a start, a lock-out, a rest or a hold; the mode is not taken up.
    Method: 10 s away, with and without a reboot; every instant at its age, also before the boot."""
    found = again(FULL, 10.0, boot_s)
    back = lambda age_s: ns(boot_s) - ns(age_s)  # noqa: E731 - one line for the whole test
    assert (found.mode.mode, found.mode.wanted, found.mode.latched) == (Mode.INIT, False, False)
    assert found.mode.t_faults_ns == (back(100.0) or -1, back(15.0))
    assert found.mode.t_retries_ns == (back(60.0),)
    assert (found.hall.t_resyncs_ns, found.hall.t_chatter_ns) == ((back(40.0),), back(30.0))
    ran, locked = found.hall.sets["running"], found.hall.sets["locked"]
    assert (ran.phase, ran.t_starts_ns, ran.t_on_ns, ran.t_off_ns) == (
        Phase.OFF,
        (back(80.0),),
        0,
        back(10.0),
    )
    assert (ran.run_s, ran.asked) == (69.0, False)
    assert (locked.phase, locked.why, locked.t_off_ns) == (
        Phase.LOCKED,
        "did not start in 3 attempts",
        back(210.0),
    )
    band = found.conditions.battery.band
    assert isnan(band.low_pct) and band.below_pct == pytest.approx(8.0, abs=1e-3)
    assert (band.above_pct, band.t_anchor_ns) == (pytest.approx(12.0, abs=1e-3), back(3610.0))


def test_a_clock_set_back_forgives_nothing() -> None:
    """Goal: an unset clock (F76) makes events young. Method: the new run's clock a day before the old one's."""
    found = again(FULL, -DAY_S, 50.0)
    now_ns = ns(50.0)
    assert found.mode.t_faults_ns == (now_ns, now_ns)
    assert found.hall.sets["locked"].t_off_ns == now_ns
    band = found.conditions.battery.band
    assert band.t_anchor_ns == now_ns - ns(14 * DAY_S) and band.below_pct == pytest.approx(8.0 + 1.4)


def test_nothing_remembered_is_nothing_assumed() -> None:
    """Goal: a first start is a fresh one. Method: an empty memory; a state of charge never read."""
    first = memory.restored(Memory(), Conditions(), TERMS, at(0.0))
    assert repr((first.mode, first.hall)) == repr((ModeState(), Hall()))  # nan is not equal to itself
    assert isnan(first.conditions.battery.band.below_pct)
    assert memory.taken(State(), at(0.0)).charge is None
    assert memory.taken(FULL, at(0.0)).charge == ChargeMemory(8.0, 12.0, -3600.0)
    assert memory.taken(State(), at(0.0)).chatter_utc_s is None


def test_what_the_battery_has_shown_survives_a_restart(tmp_path: Path) -> None:
    """Goal: F47 and its reserve stand over a restart; a discharge under way does not; records without fits are read.
    Method: two fits through memory and disk; the record as it was written before."""
    fade = Fade(100.0, 100.0, 100.0, 800.0, 790.0, (800.0, 790.0))
    state = State(Conditions(battery=Battery(band=BAND, fade=fade)))
    found = again(state, 10.0, 3.0).conditions.battery.fade
    assert found.fits_kwh == (800.0, 790.0) and isnan(found.drawn_kwh) and isnan(found.most_kwh)
    keep.write(tmp_path, keep.Record(memory=memory.taken(state, at(0.0))))
    kept = keep.read(tmp_path)[0].memory.charge
    assert kept is not None and kept.fits_kwh == (800.0, 790.0)
    plain = keep.SHAPE.validate_python(
        {"memory": {"charge": {"below_pct": 1, "above_pct": 2, "anchor_utc_s": 3}}}
    )
    assert plain.memory.charge == ChargeMemory(1.0, 2.0, 3.0)


def faulty(seconds: float, count: int) -> Cycle:
    """A cycle in FAULT, `count` times so far."""
    state = ModeState(Mode.FAULT, t_since_ns=1, t_faults_ns=(at(0.0).t_ns,) * count)
    return replace(cycle(seconds), mode=state)


def test_what_would_be_forgiven_is_written_at_once(tmp_path: Path) -> None:
    """Goal: kill -9 one write after a FAULT forgets none. Method: the same FAULT count, then one more; the disk."""
    writer = Writer()
    keeper = Keeper(tmp_path, writer)
    began = keep.read(tmp_path)[0].sequence
    for seconds, count, writes in ((0.0, 1, 1), (0.1, 1, 1), (0.2, 2, 2)):
        keeper.record(faulty(seconds, count))
        assert keeper.record_now.sequence == began + writes
    writer.close()
    kept = keep.read(tmp_path)[0].memory
    assert (kept.mode, kept.faults_utc_s) == ("FAULT", (0.0, 0.0))


def test_a_write_without_room_is_made_good(tmp_path: Path) -> None:
    """Goal: a full queue loses no latch. Method: a writer that refuses once; the next cycle."""
    writer = Writer()
    keeper = Keeper(tmp_path, writer)
    refusing, keeper._writer = writer, _Full()  # type: ignore[assignment]
    keeper.record(faulty(0.0, 1))
    keeper._writer = refusing
    keeper.record(faulty(0.1, 1))
    writer.close()
    assert keep.read(tmp_path)[0].memory.faults_utc_s == (0.0,)


def test_a_write_that_the_disk_refused_is_tried_again(tmp_path: Path) -> None:
    """Goal: a disk with a hiccup costs a second, not ten. Method: one failing fsync; cycles 1.0 s and 1.1 s later."""
    disk = Failing(0, errno.EIO, False)
    keeper = Keeper(tmp_path, Now(), disk)
    keeper.record(cycle(0.0))
    disk.nth = disk.count + 3
    keeper.record(replace(cycle(0.1), conditions=STOPS))
    for seconds, kept in ((1.1, 0), (1.2, 1)):
        keeper.record(replace(cycle(seconds), conditions=STOPS))
        assert len(keep.read(tmp_path)[0].latches) == kept


class _Full:
    """A writer whose queue is full."""

    def offer(self, job: object) -> bool:
        """No room."""
        return False


def test_a_latch_stands_in_both_slots(tmp_path: Path) -> None:
    """Goal: one rotten slot takes no latch with it, nor brings one back. Method: each slot destroyed in turn."""
    for cleared in (False, True):
        writer = Writer()
        keeper = Keeper(tmp_path, writer)
        row = "T15" if cleared else "T14"
        keeper.record(replace(cycle(0.0), mode=replace(faulty(0.0, 1).mode, row="T14"), conditions=STOPS))
        if cleared:
            keeper.record(replace(cycle(0.1), mode=ModeState(Mode.STANDBY, 1, row=row)))
        writer.close()
        for slot in keep.SLOTS:
            whole = (tmp_path / slot).read_bytes()
            (tmp_path / slot).write_bytes(b"rotten")
            assert len(keep.read(tmp_path)[0].latches) == (0 if cleared else 1)
            (tmp_path / slot).write_bytes(whole)


def test_the_ledger_comes_back() -> None:
    """Goal: the month's peak and the running window survive. Method: a meter over two days, its rows into another;
    a charge that is gone from the tariff is left out, more rows than fit lose the oldest period."""
    meter = Meter(tariff(MONTH))
    begin_s = 1_788_220_800.0
    for k in range(400):
        meter.count(begin_s + 300.0 * k, 300.0, 1000.0 + k)
    found = books.rows(meter)
    assert found.peaks and found.windows
    other = Meter(tariff(MONTH))
    books.reopen(other, found)
    assert (other.ledger, other.open) == (meter.ledger, meter.open)
    strange = Books((("gone", 1, 1, 5.0),), (("gone", begin_s, 1.0, 60.0),))
    books.reopen(other, strange)
    assert (other.ledger, other.open) == (meter.ledger, meter.open)
    meter.ledger.peaks = {(MONTH.name, period): {0: 1.0} for period in range(300)}
    kept = books.rows(meter).peaks
    assert len(kept) == 256 and {row[1] for row in kept} == set(range(44, 300))

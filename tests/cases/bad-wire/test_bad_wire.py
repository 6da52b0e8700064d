"""Goal: under every fault of the wire the site stays in service or goes safe with the right event, and takes
no value that nobody sent. Method: whole stack in virtual time, every millisecond watched on both sides."""

from __future__ import annotations

from typing import Any

import pytest

from controller.image import Instant, Mode
from tests.cases.virtual import MILLISECOND, Site, square_kw

FAST, SLOW = "rs485-1", "rs485-2"  # the converter's port; the one of BMS and meter
# A reply that is taken was true at most its device's timeout and wire time ago, seconds.
TRUE_S = {"pcs_kw": 0.03, "grid_kw": 0.6}
TOLD = {
    "F12",
    "F33",
    "F84",
    "F85",
}  # a reply missed by the slow bus, bytes nobody asked for, damaged replies: no stop
SECONDS = 5.0
BORNE = {
    "bit errors": {"bit_error_rate": 3e-4},
    "lost bytes": {"loss_rate": 1e-3},
    "doubled bytes": {"double_rate": 1e-3},
    "late now and then": {"late_rate": 0.05, "late_ms_min": 1, "late_ms_max": 60},
    "duplicate replies": {"twice_rate": 0.2},
    "wrong unit": {"wrong_unit_rate": 0.1},
    "wrong length": {"wrong_length_rate": 0.1},
    "spliced": {"splice_rate": 0.1},
    "some babble": {"babble_per_s": 20},
    "uart fifo": {"fifo_trigger": 14},
    "all a little": {"bit_error_rate": 2e-5, "loss_rate": 2e-4, "late_rate": 0.01, "late_ms_max": 60,
                     "splice_rate": 0.02, "twice_rate": 0.02, "wrong_unit_rate": 0.02, "babble_per_s": 5},
}  # fmt: skip
FEW = ("duplicate replies", "wrong unit", "wrong length", "spliced", "uart fifo")  # borne by a slow bus too
ENDS = {
    "many bit errors": {"bit_error_rate": 2e-2},
    "always late": {"late_rate": 1, "late_ms_min": 30, "late_ms_max": 30},
    "always late, near the timeout": {"late_rate": 1, "late_ms_min": 20, "late_ms_max": 45},
    "always the wrong unit": {"wrong_unit_rate": 1},
    "always a wrong length": {"wrong_length_rate": 1},
    "always spliced": {"splice_rate": 1},
    "endless babble": {"babble_per_s": 2000},
    "two devices, one address": {"twin": 1},
    "two devices, out of step": {"twin": 1, "twin_lag_chars": 3},
    "local echo nobody told of": {"echo": 1},
    "wrong baud": {"wrong_baud": 1},
    "stuck driver": {"stuck": 1},
}


def signed(words: tuple[int, ...]) -> int:
    """Two's complement, low word first."""
    raw = sum(word << 16 * place for place, word in enumerate(words))
    return raw - (raw >> (16 * len(words) - 1) << 16 * len(words))


class Watch:
    """Steps an engaged site by milliseconds and holds what the two sides believe against each other."""

    def __init__(self) -> None:
        self.site = Site(square_kw(20.0))
        self.site.engaged()
        self.executive: Any = self.site.fastlink.executive
        reads = self.site.table.reads
        self.polls = {"pcs_kw": reads["pcs-1"]["status"], "grid_kw": reads["meter-pcc"]["power"]}
        self.t_ok_ns = {name: self.executive.poll(poll)["t_ok_ns"] for name, poll in self.polls.items()}
        self.sent_kw: set[float] = {0.0, *self.site.plant.truth()["setpoints_kw"]}
        self.taken = dict.fromkeys(self.polls, 0)

    def look(self) -> None:
        """The setpoint in force was sent; a status that was taken was true while it was asked for."""
        self.sent_kw.add(round(self.executive.status()["command"]["sent_kw"][0], 1))
        held_kw = self.site.plant.truth()["setpoints_kw"][0]
        assert round(held_kw, 1) in self.sent_kw, f"a setpoint of {held_kw} kW that nobody sent"
        for name, index in self.polls.items():
            poll = self.executive.poll(index)
            if poll["t_ok_ns"] == self.t_ok_ns[name]:
                continue
            self.t_ok_ns[name] = poll["t_ok_ns"]
            self.taken[name] += 1
            words = poll["words"]
            read_kw = 0.1 * signed(words[1:2]) if name == "pcs_kw" else 0.0001 * signed(words[:2])
            was_kw = self.site.recent(name, TRUE_S[name])
            assert was_kw.min() - 0.1 <= read_kw <= was_kw.max() + 0.1, f"{name} {read_kw} was never true"
            assert name != "pcs_kw" or (words[0] in (0, 1, 2, 3) and words[4] == 2000)

    def run(self, seconds: float) -> None:
        """Cycles, looked at every millisecond."""
        for _ in range(round(seconds * 10)):
            for _ in range(100):
                self.site.virtual.run(MILLISECOND)
                self.look()
            self.site.supervisor.cycle(Instant(self.site.virtual.now_ns, self.site.t_s))


def faults_of(watch: Watch, port: str) -> int:
    """How many faults have happened."""
    return sum(watch.site.plant.bus()[port]["faults"].values())


@pytest.mark.parametrize(
    ("port", "name"), [*((FAST, name) for name in BORNE), *((SLOW, name) for name in FEW)]
)
def test_borne(port: str, name: str) -> None:
    """Goal: a fault now and then costs a reply, not the service. Method: five seconds; no stop, all true. A fifth of
    the replies doubled is a silence after each: of ten seeds two have edges that meet it, and tell of it."""
    watch = Watch()
    began_s = watch.site.t_s
    watch.site.plant.fault(port, seed=5, **BORNE[name])
    watch.run(SECONDS)
    assert faults_of(watch, port) > 0
    assert watch.site.mode == Mode.GRID_TIED
    assert set(watch.site.codes(began_s)) <= TOLD | ({"F64"} if name == "duplicate replies" else set())
    assert watch.taken["pcs_kw"] >= 0.6 * SECONDS / 0.25
    assert watch.taken["grid_kw"] >= 0.3 * SECONDS / 0.5


@pytest.mark.parametrize("name", ENDS)
def test_ends_safe_and_comes_back(name: str) -> None:
    """Goal: F16 and P = 0 while it lasts, service by the rules once it is gone. Method: five seconds of it; F84 and F85
    may tell of the same bytes first, and stop nothing."""
    watch = Watch()
    site = watch.site
    began_s = site.t_s
    site.plant.fault(FAST, seed=5, **ENDS[name])
    watch.run(SECONDS)
    assert site.mode == Mode.SAFE_STOP
    # A converter that holds an old setpoint does harm meanwhile: the backstop may say so first.
    codes = [code for code in dict.fromkeys(site.codes(began_s)) if code not in ("F84", "F85", "F64")]
    assert codes[:2] == ["F16", "T12"]
    assert abs(site.truth("pcs_kw")) < 1.0
    site.plant.fault(FAST)
    site.until(Mode.GRID_TIED, 60.0)
    watch.run(1.0)
    assert site.mode == Mode.GRID_TIED


@pytest.mark.parametrize("name", ["wrong baud", "stuck driver", "two devices, out of step"])
def test_the_slow_bus_lost(name: str) -> None:
    """Goal: meter and BMS lost are told and end the service within their times. Method: the rest of the day."""
    watch = Watch()
    began_s = watch.site.t_s
    watch.site.plant.fault(SLOW, seed=5, **ENDS[name])
    taken = watch.taken["grid_kw"]
    watch.run(SECONDS)
    assert watch.taken["grid_kw"] - taken <= 1, "one reply may have been on its way"
    assert {"F12", "F33"} <= set(watch.site.codes(began_s))
    watch.site.until(Mode.SAFE_STOP, 60.0)


def test_a_second_device_that_answers_behind_the_first_is_not_believed() -> None:
    """Goal: of two whole replies with right CRCs only the first counts. Method: a twin 30 characters later."""
    watch = Watch()
    watch.site.plant.fault(FAST, twin=1, twin_lag_chars=30)
    watch.run(SECONDS)
    assert watch.site.mode == Mode.GRID_TIED
    assert watch.taken["pcs_kw"] >= 10

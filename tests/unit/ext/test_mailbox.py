"""The lease: newest whole copy wins, it ends to the nanosecond, and its end is a ramp to zero."""

from __future__ import annotations

import itertools
import math
import threading
from typing import Any

import pytest

from tests.unit.ext.bus import MS, limits, order
from tools.bench.stages import MailboxBench

SECOND = 1_000_000_000
T0 = 10 * SECOND


def lease(**changes: Any) -> dict[str, Any]:
    """Half a second from T0, 1000 kW each way, limits followed at 2000 kW/s."""
    row = {"sequence": 1, "t_issue_ns": T0, "valid_until_ns": T0 + SECOND // 2, "fall_kw_per_s": 2000.0}
    return limits(**(row | changes))


def posted(**changes: Any) -> MailboxBench:
    """A mailbox that has taken one lease at T0."""
    bench = MailboxBench()
    bench.take(T0 - 1)
    bench.post(lease(**changes))
    bench.take(T0)
    return bench


def test_without_a_lease_there_is_no_power() -> None:
    """Goal: INIT is silent. Method: take before anything was posted."""
    bench = MailboxBench()
    got = bench.take(T0)
    assert (got["permit"], got["gain"], got["mode"]) == (0, 0, 0)
    assert got["discharge_kw_max"] == got["charge_kw_max"] == [0.0] * 8
    assert bench.state() == {"torn": 0, "refused": 0, "lapses": 0, "live": 0}


def test_the_lease_ends_to_the_nanosecond() -> None:
    """Goal: the exact edge. Method: one nanosecond before valid_until_ns, at it, and long after."""
    bench = posted()
    end = T0 + SECOND // 2
    assert bench.take(end - 1)["permit"] == 3
    assert bench.state()["live"] == 1
    assert bench.take(end)["permit"] == 2, "orders end at once, setpoints stay permitted on their way to zero"
    assert bench.state()["live"] == 0
    for k in range(1, 50):
        bench.take(end + k * SECOND)
    assert bench.state()["lapses"] == 1, "one end, counted once"


def test_the_end_is_a_ramp_to_zero() -> None:
    """Goal: safe state within 0.6 s. Method: 1000 kW fall 2 kW a millisecond; half is left at 0.25 s."""
    bench = posted(fall_kw_per_s=100.0)
    end = T0 + SECOND // 2
    bench.take(end - 1)
    left = [bench.take(end - 1 + k * MS)["discharge_kw_max"][0] for k in range(1, 601)]
    assert left[249] == pytest.approx(500, abs=0.5)
    assert max(a - b for a, b in itertools.pairwise(left)) < 2.01
    assert left[499] == pytest.approx(0, abs=0.5)
    assert left[501:] == [0.0] * 99
    assert bench.take(end + 2 * SECOND)["charge_kw_max"] == [0.0] * 8


def test_a_lapsed_lease_carries_no_order_and_no_leak() -> None:
    """Goal: only the way to zero is left. Method: an order and a leak in the lease, taken after its end."""
    bench = posted(orders=order(3, 7, 1), leak_kw=50.0)
    assert bench.take(T0 + 1)["orders"][0]["poll"] == 3
    got = bench.take(T0 + SECOND)
    assert [row["poll"] for row in got["orders"]] == [-1] * 8
    assert got["leak_kw"] == 0
    assert got["mode"] == 2, "the safe state is the mode's"


def test_a_renewal_keeps_it_alive() -> None:
    """Goal: five supervisor cycles a lease. Method: renew every 100 ms for 10 s; no lapse."""
    bench = posted()
    for k in range(100):
        t_ns = T0 + k * 100 * MS
        bench.post(lease(sequence=k + 2, t_issue_ns=t_ns, valid_until_ns=t_ns + SECOND // 2))
        assert bench.take(t_ns)["sequence"] == k + 2
    assert bench.state() == {"torn": 0, "refused": 0, "lapses": 0, "live": 1}


@pytest.mark.parametrize("sequence", [0, 1])
def test_an_old_lease_is_refused(sequence: int) -> None:
    """Goal: newer wins. Method: post the same and a lower number with more power."""
    bench = posted()
    bench.post(lease(sequence=sequence, discharge_kw_max=[9e3] * 8))
    assert bench.take(T0 + 1)["discharge_kw_max"] == [1000.0] * 8
    assert bench.state()["refused"] == 1


def test_a_lease_that_shrinks_is_followed_at_its_own_rate() -> None:
    """Goal: a stop is a ramp, as steep as the lease asks. Method: 1000 to 200 kW at 2000 kW/s: 0.4 s."""
    bench = posted()
    bench.post(lease(sequence=2, discharge_kw_max=[200.0] * 8, valid_until_ns=T0 + SECOND))
    left = [bench.take(T0 + k * MS)["discharge_kw_max"][0] for k in range(1, 501)]
    assert left[99] == pytest.approx(800, abs=0.5)
    assert left[398] > 200
    assert left[401:] == [200.0] * 99


def test_a_lease_that_grows_holds_at_once() -> None:
    """Goal: no lag upwards; the law ramps by itself. Method: 1000 to 1500 kW in one frame."""
    bench = posted()
    bench.post(lease(sequence=2, discharge_kw_max=[1500.0] * 8))
    assert bench.take(T0 + 1)["discharge_kw_max"] == [1500.0] * 8


def test_a_stopped_writer_is_not_waited_for() -> None:
    """Goal: one bounded try. Method: the lock stays odd; the old lease stays and then ends by itself."""
    bench = posted()
    bench.post(lease(sequence=2, discharge_kw_max=[500.0] * 8))
    bench.hold()
    for k in range(1, 6):
        assert bench.take(T0 + k)["sequence"] == 1
    assert bench.state()["torn"] == 5
    bench.take(T0 + SECOND)
    assert bench.state()["live"] == 0
    bench.hold()
    bench.take(T0 + SECOND + 1)
    assert bench.state()["torn"] == 6


BAD = [
    *({name: bad} for name in ("import_kw_max", "export_kw_max", "leak_kw") for bad in (math.nan, math.inf)),
    *({name: bad} for name in ("ramp_up_kw_per_s_max", "ramp_down_kw_per_s_max", "fall_kw_per_s")
      for bad in (math.nan, math.inf, -1.0)),
    *({"gain": bad} for bad in (math.nan, -0.001, 1.001)),
    *({"prompt_pu": bad} for bad in (math.nan, -1.001, 1.001)),

    *({"discharge_kw_max": [1.0] * 7 + [bad]} for bad in (math.nan, math.inf, -1.0)),
    *({"charge_kw_max": [1.0] * 7 + [bad]} for bad in (math.nan, math.inf, -1.0)),
    {"t_issue_ns": -1},
    {"t_issue_ns": T0 + 3 * SECOND},
    {"valid_until_ns": -1},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_a_lease_out_of_range_is_refused(bad: dict[str, Any]) -> None:
    """Goal: a limit that is no number limits nothing. Method: one bad field each; the old lease stays."""
    bench = posted()
    bench.post(lease(sequence=2) | bad)
    assert bench.take(T0 + 1)["sequence"] == 1
    bench.take(T0 + 2)
    assert bench.state()["refused"] == 1, "counted once, not every frame"
    bench.post(lease(sequence=3))
    assert bench.take(T0 + 3)["sequence"] == 3, "a sound one heals it"


@pytest.mark.parametrize("life_ns", [2 * SECOND + 1, 3600 * SECOND, 2**62])
def test_an_absurd_life_is_cut_to_two_seconds(life_ns: int) -> None:
    """Goal: no lease outlives a dead supervisor. Method: hours and years; it ends after 2 s all the same."""
    bench = posted(valid_until_ns=T0 + life_ns)
    bench.take(T0 + 2 * SECOND - 1)
    assert bench.state()["live"] == 1
    bench.take(T0 + 2 * SECOND)
    assert bench.state()["live"] == 0


def test_a_life_from_the_future_counts_from_now() -> None:
    """Goal: the issuer's clock cannot stretch a lease. Method: issued 1.9 s ahead for 2 s: 2 s from now."""
    bench = posted(t_issue_ns=T0 + 19 * SECOND // 10, valid_until_ns=T0 + 39 * SECOND // 10)
    bench.take(T0 + 2 * SECOND)
    assert bench.state()["live"] == 0


def test_a_barred_lease_ends_now() -> None:
    """Goal: the frame can refuse a lease after a hole in its own time. Method: bar 1 until a newer lease,
    bar 2 until a newer lease without the permit for setpoints."""
    bench = posted()
    bench.bar(1)
    bench.take(T0 + 1)
    assert bench.state()["live"] == 0
    bench.post(lease(sequence=2))
    assert bench.take(T0 + 2)["permit"] == 3
    bench.bar(2)
    bench.post(lease(sequence=3))
    bench.take(T0 + 3)
    assert bench.state()["live"] == 0
    bench.post(lease(sequence=4, permit=1))
    bench.take(T0 + 4)
    bench.post(lease(sequence=5))
    assert bench.take(T0 + 5)["permit"] == 3


def test_no_copy_is_ever_torn() -> None:
    """Goal: a lease is whole. Method: a thread posts five million leases of one repeated number as fast as
    it can, beside it takes that compare the limits of each copy."""
    bench = MailboxBench()
    writer = threading.Thread(target=bench.post_numbers, args=(lease(), 5_000_000))
    writer.start()
    mixed, takes = 0, 0
    while writer.is_alive():
        mixed += bench.mixed_copies(T0, 10_000)
        takes += 10_000
    assert mixed == 0
    assert bench.take(T0)["sequence"] == 5_000_000, "the newest is taken in the end"
    assert takes > 10_000

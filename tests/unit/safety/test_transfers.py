"""What is counted of transfers (IL-20), tries to return (T09) and starts that came to nothing (T07)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.image import Mode
from controller.safety import fallback
from controller.safety.hall import Hall
from tests.unit.safety.halls import HEALTHY, ISLAND, LONG, since, view
from tests.unit.safety.sites import TERMS

TRANSFERS = [
    (Mode.GRID_TIED, "T04", Mode.ISLANDING, True), (Mode.RESYNC, "T10", Mode.GRID_TIED, True),
    (Mode.ISLANDING, "T05", Mode.ISLANDED, True), (Mode.ISLANDING, "T05", Mode.SAFE_STOP, False),
    (Mode.ISLANDING, "T03", Mode.GRID_TIED, False), (Mode.BLACK_START, "N6", Mode.ISLANDED, True),
    (Mode.BLACK_START, "N6", Mode.GENSET, True), (Mode.BLACK_START, "N6", Mode.SAFE_STOP, False),
    (Mode.ISLANDED, "T09", Mode.RESYNC, False),
]  # fmt: skip


def test_transfers_are_counted_and_hold() -> None:
    """Goal: IL-20. Method: three changes of source within 60 s, the first just outside; the hold at its end; planned
    departures and black starts count, what fails to leave does not."""

    def moved(times_s: tuple[float, ...], row: str = "T10", **memory: Any) -> Hall:
        here = replace(HEALTHY, t_transfers_ns=tuple(since(t) for t in times_s), **memory)
        look = view(Mode.GRID_TIED, here, row=row)
        return fallback.step(look, replace(look.state, mode=Mode.RESYNC), {})

    assert moved((-59.9, -1.0)).t_chatter_ns == since(0.0)
    assert moved((-60.0, -1.0)).t_chatter_ns == 0
    assert moved((-60.0, -1.0)).t_transfers_ns == (since(-1.0), since(0.0))
    assert moved((-59.9, -1.0), row="T02").t_chatter_ns == 0
    held = moved((), row="T02", t_chatter_ns=since(-599.9))
    assert held.t_chatter_ns == since(-599.9)
    for source, row, mode, counts in TRANSFERS:
        look = view(mode, replace(ISLAND, t_transfers_ns=()), row=row)
        before = replace(look.state, mode=source, row="T03" if row == "T05" else "T11")
        assert bool(fallback.step(look, before, {}).t_transfers_ns) is counts, (source, row, mode)
    free = moved((-1.0,), row="T02", t_chatter_ns=since(-600.0))
    assert (free.t_chatter_ns, free.t_transfers_ns) == (0, ())


@pytest.mark.parametrize(("source", "mode", "row", "times_s", "since_s"), [
    (Mode.ISLANDING, Mode.ISLANDED, "T05", (), 0.0), (Mode.ISLANDING, Mode.SAFE_STOP, "T05", (), 0.0),
    (Mode.BLACK_START, Mode.SAFE_STOP, "N6", (), 0.0), (Mode.ISLANDING, Mode.ISLANDING, "T04", (), -300.0),
    (Mode.GENSET_START, Mode.ISLANDED, "T05", (-60.0, -59.9), -300.0), (Mode.GENSET_START, Mode.GENSET, "T08", (), 0.0),
    (Mode.GENSET_START, Mode.ISLANDED, "T07", (), 0.0),
])  # fmt: skip
def test_the_hold_begins_when_the_new_source_carries(source: Mode, mode: Mode, row: str, times_s: tuple[float, ...],
                                                     since_s: float) -> None:  # fmt: skip
    """Goal: IL-20: ten minutes of the present source, not of the way to it. Method: transfers and ends of ways to an
    island while held; a stay and a genset given up without a closing move nothing, nor does a transfer forgotten."""
    for held in (True, False):
        times_ns = tuple(since(t) for t in times_s)
        here = replace(ISLAND, t_chatter_ns=since(-300.0) if held else 0, t_transfers_ns=times_ns)
        look = view(mode, here, row=row)
        found = fallback.step(look, replace(look.state, mode=source, row="T04"), {}).t_chatter_ns
        assert found == (since(since_s) if held else 0)


def test_a_closing_taken_back_while_held_begins_the_hold_anew() -> None:
    """Goal: IL-20: it may have come about. Method: in RESYNC, once."""
    here = replace(ISLAND, t_back_ns=since(-1.0), t_utility_ns=LONG, t_chatter_ns=since(-300.0))
    look = view(Mode.RESYNC, here, t_since_ns=since(-80.0))
    once = fallback.step(look, look.state, {})
    assert once.t_chatter_ns == since(0.0)
    later = replace(look, hall=replace(once, t_chatter_ns=since(-0.1)))
    assert fallback.step(later, look.state, {}).t_chatter_ns == since(-0.1)


def test_a_closing_that_was_taken_back_counts_as_two() -> None:
    """Goal: IL-20: the switch may have been at the source for a moment. Method: once for each closing, a minute long,
    of this stay in a mode that closes; with the loss it is the third."""
    for mode, back_s, count in (
        (Mode.RESYNC, -1.0, 2), (Mode.GENSET_START, -1.0, 2), (Mode.RESYNC, -59.9, 2), (Mode.RESYNC, -60.0, 0),
        (Mode.RESYNC, -90.0, 0), (Mode.ISLANDED, -1.0, 0), (Mode.ISLANDING, -1.0, 0),
    ):  # fmt: skip
        t_back_ns = since(back_s)
        look = view(mode, replace(ISLAND, t_back_ns=t_back_ns, t_utility_ns=LONG), t_since_ns=since(-80.0))
        once = fallback.step(look, look.state, {})
        assert once.t_transfers_ns == (t_back_ns,) * count
        again = fallback.step(replace(look, hall=once), look.state, {})
        assert (again.t_transfers_ns, again.t_chatter_ns) == (once.t_transfers_ns, 0)
    young = replace(look.state, mode=Mode.RESYNC, t_since_ns=since(-1.0))
    assert fallback.step(look, young, {}).t_transfers_ns == ()
    assert len(fallback.step(look, replace(young, t_since_ns=since(-1.0) - 1), {}).t_transfers_ns) == 2
    look = view(Mode.RESYNC, look.hall, t_since_ns=since(-80.0))
    lost = replace(look, hall=replace(look.hall, t_back_ns=since(-1.0), t_transfers_ns=(since(-9.0),)))
    assert fallback.step(lost, look.state, {}).t_chatter_ns == since(0.0)


def test_tries_to_return_are_counted() -> None:
    """Goal: T09. Method: the entry counts, the stay does not, an hour forgets."""
    look = view(Mode.RESYNC, replace(ISLAND, t_resyncs_ns=(since(-3600.0), since(-10.0))))
    entered = fallback.step(look, replace(look.state, mode=Mode.ISLANDED), {})
    assert entered.t_resyncs_ns == (since(-10.0), since(0.0))
    assert fallback.step(look, look.state, {}).t_resyncs_ns == (since(-10.0),)
    assert fallback.step(replace(look, terms=TERMS), look.state, {}) == look.hall


def test_starts_that_came_to_nothing_are_counted() -> None:
    """Goal: T07. Method: given up counts, in the cycle in which it was; the grid that is back, a set that carries, a
    loss and what lies an hour back do not."""
    old = (since(-3600.0), since(-10.0))
    look = view(Mode.ISLANDED, replace(ISLAND, t_utility_ns=0, t_vain_ns=old))
    before = replace(look.state, mode=Mode.GENSET_START)
    assert fallback.step(look, before, {}).t_vain_ns == (since(-10.0), since(0.0))
    assert fallback.step(look, look.state, {}).t_vain_ns == (since(-10.0),)
    back = replace(look, hall=replace(look.hall, t_utility_ns=since(-1.0)))
    assert fallback.step(back, before, {}).t_vain_ns == (since(-10.0),)
    for mode in (Mode.GENSET, Mode.SAFE_STOP, Mode.GENSET_START):
        gone = replace(look, state=replace(look.state, mode=mode))
        assert fallback.step(gone, before, {}).t_vain_ns == (since(-10.0),)

"""Goal: the law's loops are those of the converters that are left. Method: the bench's fleet, sums by hand."""

from __future__ import annotations

import pytest

from controller.devices.check import check_site
from controller.runtime.frame_setup import loop_of, loop_times, setup, shapes_in
from controller.runtime.shape import shape_of
from tools.bench.fleet import SITE, fleet

CHECKED = fleet(check_site(SITE))


def test_without_one_its_times_and_its_turn_on_the_bus_are_gone() -> None:
    """Of 900, 800, 600 and 500 kW; the last two take turns, so without the last the third has its bus alone."""
    whole, *_, last = loop_times(CHECKED, CHECKED.table)
    exchange_s = CHECKED.table.pcs[0].setpoint_period_s
    assert whole["rating_kw"] == 2800.0
    assert last["rating_kw"] == 2300.0
    assert last["lag_s"] == pytest.approx((900 * 2 + 800 * 4 + 600 * 6) / 2300 / 1000)
    assert last["slew_kw_per_s"] == pytest.approx(1700 * 200 + 600 * 100)
    assert last["period_s"] == pytest.approx(exchange_s)
    assert whole["period_s"] == pytest.approx(exchange_s * (1700 + 2 * 1100) / 2800)


def test_what_reads_make_of_a_loop_by_hand() -> None:
    """Reads of r s each p s on a port with a round of x: commands are sum of r (r + x) / 2 p older, and one of them
    takes the mean r that has this age; a status of 27 characters each 250 ms, an identity of 15 each 5 s."""
    times = loop_times(CHECKED, CHECKED.table)[0]
    char_s, fixed_s = 11 / 115200, 7 * 11 / 115200 + 0.2e-3 + 3e-4
    reads = [((27 * char_s + fixed_s), 0.25), ((15 * char_s + fixed_s), 5.0)]
    write_s = 16 * char_s + fixed_s
    late_s, mean_s = [], []
    for share_kw, count in ((1700, 1), (1100, 2)):  # alone on a port, and two that take turns
        age_s = sum(count * r * (r + count * write_s) / (2 * p) for r, p in reads)
        late_s.append(share_kw * age_s / 2800)
        mean_s.append(share_kw * sum(r * r / p for r, p in reads) / sum(r / p for r, p in reads) / 2800)
    assert times["reads_s"] == pytest.approx(sum(late_s), rel=0.02)
    each_s = [loop["read_s"] for loop in loop_times(CHECKED, CHECKED.table)]
    assert each_s == pytest.approx([sum(mean_s)] * 5, rel=0.2)  # whoever is lost


def test_every_live_set_has_a_loop() -> None:
    """One out: its own. All, nobody and what no site of four has: that of all."""
    found = loop_of(CHECKED, CHECKED.table)
    assert len(found) == 256
    assert [found[15 ^ 1 << k] for k in range(4)] == [1, 2, 3, 4]
    assert {found[0], found[15], *found[16:]} == {0}
    assert min(found) >= 0
    assert max(found) <= 4


def test_whoever_is_later_keeps_the_filters_of_all_while_the_fastest_is_there() -> None:
    """Without the second the mean is later, but the first covers. Without the first all are later in earnest."""
    shapes = shapes_in(CHECKED, CHECKED.table)
    own = [shape_of(**times) for times in loop_times(CHECKED, CHECKED.table)]
    assert [shape is shapes[0] for shape in shapes] == [True, False, True, False, False]
    assert [shapes[k] == own[k] for k in (0, 1, 3, 4)] == [True] * 4


def test_a_loop_has_its_own_delay_whatever_its_filters() -> None:
    """What is shown is how late those are that are left."""
    loops = setup(CHECKED, CHECKED.table)["law"]["loops"]
    assert len(loops) == 9
    own = [shape_of(**times).delay_s for times in loop_times(CHECKED, CHECKED.table)]
    assert [loop["delay_s"] for loop in loops[:5]] == pytest.approx(own)

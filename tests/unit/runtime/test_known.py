"""Goal: measured numbers replace the file's only when they are certain, and everyone is told. Method: made results."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from controller.devices.check import check_site
from controller.image import Frame
from controller.runtime import keep, known
from controller.runtime.dynamics import Dynamics, Estimate
from controller.runtime.frame_setup import setup
from tests.unit.safety.sites import at
from tools.bench.fleet import fleet

CHECKED = check_site(Path("boards/sites/reference.yaml"))
SURE = Dynamics(
    dead_s=Estimate(0.004, 0.0038, 0.0042),
    lag_s=Estimate(0.020, 0.019, 0.021),
    slew_kw_per_s=Estimate(20_000.0, 19_000.0, 21_000.0),
    gain=Estimate(1.0, 0.99, 1.01),
    noise_kw=4.0,
    utc_s=1_767_225_600.0,
)


def test_measured_numbers_reach_the_law() -> None:
    """4 ms, 20 ms, 10 ratings a second go into the frame's setup in place of 0.3, 5 and 200."""
    site = known.applied(CHECKED, {"pcs-1": SURE})
    law, before = (setup(it, it.table)["law"]["loops"][0] for it in (site, CHECKED))
    assert (law["lag_s"], law["slew_kw_per_s"]) == pytest.approx((0.020, 20_000.0))
    assert law["dead_s"] - before["dead_s"] == pytest.approx(0.0037)
    assert known.applied(CHECKED, {}).site.pcs == CHECKED.site.pcs
    assert known.applied(CHECKED, {"pcs-9": SURE}).site.pcs == CHECKED.site.pcs


def test_several_converters_count_by_their_ratings() -> None:
    """Goal: the law's model is what their sum does to first order. Method: four that differ, by hand."""
    checked = fleet(CHECKED)
    law = setup(checked, checked.table)["law"]["loops"][0]
    assert law["rating_kw"] == 900 + 800 + 600 + 500
    assert law["lag_s"] == pytest.approx((900 * 2 + 800 * 4 + 600 * 6 + 500 * 8) / 2800 / 1000)
    assert law["slew_kw_per_s"] == pytest.approx(1700 * 200 + 1100 * 100)
    line = checked.table.pcs[0]
    dead_s = (900 * 0.3 + 800 * 0.5 + 600 * 1.0 + 500 * 1.5) / 2800 / 1000
    assert law["dead_s"] == pytest.approx(line.setpoint_oneway_s + dead_s)
    assert law["period_s"] == pytest.approx(
        line.setpoint_period_s * (1700 + 2 * 1100) / 2800
    )  # two share a port


@pytest.mark.parametrize(
    ("change", "certain"),
    [
        ({"dead_s": Estimate(0.004, 0.0035, 0.0045)}, True),  # 0.5 ms
        ({"dead_s": Estimate(0.004, 0.0035, 0.00451)}, False),
        ({"lag_s": Estimate(0.020, 0.018, 0.022)}, True),  # 10 %
        ({"lag_s": Estimate(0.020, 0.018, 0.02201)}, False),
        ({"slew_kw_per_s": Estimate(1e6, 4e5, inf)}, True),
        ({"gain": Estimate(-1.0, -1.01, -0.99)}, False),
    ],
)
def test_certain_at_its_edges(change: dict[str, Estimate], certain: bool) -> None:
    """Each time within 0.5 ms or 10 %; an open slew is no hindrance; a turned sign is."""
    found = replace(SURE, **change)
    assert known.certain(found) == certain
    used = known.applied(CHECKED, {"pcs-1": found}).site.pcs[0]
    assert (used != CHECKED.site.pcs[0]) == certain
    assert [e.level for e in known.events(CHECKED, {"pcs-1": found}, at(0))] == [
        "info" if certain else "warning"
    ]


def test_a_slew_that_is_not_seen_counts_with_what_is_proven() -> None:
    """Open upwards: its lower end; seen: its value."""
    used = known.applied(CHECKED, {"pcs-1": replace(SURE, slew_kw_per_s=Estimate(1e6, 4e5, inf))}).site.pcs[0]
    assert used.slew_pu_per_s == 200.0


def test_events_say_which_numbers_and_why() -> None:
    """Both triples and the day."""
    (event,) = known.events(CHECKED, {"pcs-1": SURE}, at(0))
    assert (event.code, event.unit) == ("identified", "pcs-1")
    for words in (
        "dead time 4.0 ms, lag 20.0 ms, slew 10 ratings/s",
        "2026-01-01",
        "dead time 0.3 ms, lag 5.0 ms",
    ):
        assert words in event.text


def test_the_status_says_what_is_in_use() -> None:
    """The numbers that run, measured or not, and the newest measurement beside them."""
    newer = replace(SURE, lag_s=Estimate(0.021, 0.020, 0.022))
    row = known.rows(CHECKED, known.applied(CHECKED, {"pcs-1": SURE}), {"pcs-1": newer})["pcs-1"]
    assert (row["lag_ms"], row["measured"], row["measurement"]) == (20.0, True, newer)
    row = known.rows(CHECKED, known.applied(CHECKED, {}), {})["pcs-1"]
    assert (row["lag_ms"], row["measured"], row["measurement"]) == (5.0, False, None)


def test_the_slow_law_names_its_cause() -> None:
    """A slew of 2: its ramp is the largest line. Full gain: nothing to say."""
    pcs = CHECKED.site.pcs[0].model_copy(update={"slew_pu_per_s": 2.0})
    slow = replace(CHECKED, site=CHECKED.site.model_copy(update={"pcs": (pcs,)}))
    text = known.why(slow, Frame(gain=0.0, prompt_pu=1.0, loop_delay_s=0.205))
    assert text.startswith("slow law, none of the swing is taken: the loop is 205.0 ms late")
    assert text.endswith("pcs-1's slew (200.0 ms)")
    assert "40% of the swing is taken:" in known.why(slow, Frame(gain=0.4, prompt_pu=1.0, loop_delay_s=0.01))
    assert "100% of the swing is taken, none of it at once:" in known.why(
        slow, Frame(gain=1.0, prompt_pu=0.0, loop_delay_s=0.005)
    )
    assert known.why(CHECKED, Frame(gain=1.0, prompt_pu=1.0, loop_delay_s=0.004)) == ""


def test_the_budget_adds_up() -> None:
    """Reference link: sample 0.1, power 0.2, wait half of 2.4 ms, wire, dead time 0.3, lag 5, slew 2 ms."""
    lines = {delay.name: 1e3 * delay.s for delay in known.budget(CHECKED)["pcs-1"]}
    assert list(lines) == [
        "sample",
        "power",
        "wait for the wire",
        "setpoint on the wire",
        "dead time",
        "lag",
        "slew",
    ]
    assert [lines[n] for n in ("sample", "power", "dead time", "lag", "slew")] == pytest.approx(
        [0.1, 0.2, 0.3, 5, 2]
    )
    assert lines["wait for the wire"] == pytest.approx(1.2, abs=0.1)
    assert lines["setpoint on the wire"] == pytest.approx(11.5 * 11 / 115.2, rel=0.01)


def test_kept_over_a_restart(tmp_path: Path) -> None:
    """Written and read back bit for bit, an open interval too; a record from before has none."""
    open_slew = replace(SURE, slew_kw_per_s=Estimate(1e6, 4e5, inf))
    keep.write(tmp_path, keep.Record(sequence=1, dynamics={"pcs-1": SURE, "pcs-2": open_slew}))
    record, outcome = keep.read(tmp_path)
    assert (outcome, record.dynamics) == ("good", {"pcs-1": SURE, "pcs-2": open_slew})


def test_told_to_a_person() -> None:
    """Values with their intervals; an open slew is called not limiting."""
    text = known.told("pcs-1", 2000.0, replace(SURE, slew_kw_per_s=Estimate(1e6, 4e5, inf)))
    for words in (
        "dead time 4.00 ms (3.80 to 4.20)",
        "lag 20.00 ms",
        "(200 to more) ratings/s: not limiting, at least 200",
    ):
        assert words in text

"""Goal: the cost of a frame is counted in clock reads of its own block. Method: times by hand, then two short runs."""

from __future__ import annotations

import numpy as np
import pytest

from controller.devices.check import check_site
from tools.bench.fleet import SITE, fleet
from tools.bench.steps import SWING_KW, Case, Cost, cost_of, main, middle_of, verdict_of

CLOCK_NS = np.full(200, 30)


def test_a_clock_read_is_taken_off_and_is_the_unit() -> None:
    """198 frames of 330 ns and two of 331 beside a read of 30 ns: ten reads, and one in a hundred above."""
    step_ns = np.full(200, 330)
    step_ns[[5, 6]] = 331
    found = cost_of(step_ns, CLOCK_NS, np.ones(200, bool))
    assert (found.middle, found.above, found.frames, found.clock_ns) == (10.0, 0.01, 1.0, 30.0)
    assert found.p99 == pytest.approx(10.0, abs=0.04)


def test_frames_that_are_not_counted_cost_nothing() -> None:
    """Half of the frames take 3000 ns and do not count."""
    step_ns = np.where(np.arange(200) < 100, 180, 3000)
    assert cost_of(step_ns, CLOCK_NS, step_ns < 1000) == Cost(5.0, 5.0, 0.0, 0.5, 30.0)


def test_one_block_beside_a_neighbour_does_not_count() -> None:
    """The median of every figure by itself."""
    quiet, loud = Cost(6.0, 8.0, 0.0, 1.0, 27.0), Cost(60.0, 80.0, 1.0, 0.5, 50.0)
    assert middle_of([quiet, loud, quiet]) == quiet


@pytest.mark.parametrize(("middle", "status"), [(10.0, 0), (10.01, 1)])
def test_the_verdict_is_about_the_worst_case(middle: float, status: int) -> None:
    """Ten reads hold, closed; one case above them is enough."""
    cheap, dear = Cost(6.0, 20.0, 0.3, 1.0, 27.0), Cost(middle, 20.0, 0.4, 1.0, 27.0)
    assert verdict_of({"one": cheap, "four": dear}) == status


def test_the_swing_makes_the_fast_one_cover() -> None:
    """A third of the frames at least; with a load that stands still, none, so that nothing is left to be counted."""
    four = fleet(check_site(SITE))
    assert Case("", four, SWING_KW, covering=True).block().frames > 0.33
    assert Case("", four, 0.0, covering=False).block().frames == 1.0
    with pytest.raises(ValueError, match="no frame counts"):
        Case("", four, 0.0, covering=True)


def test_it_prints_a_row_a_case(capsys: pytest.CaptureFixture[str]) -> None:
    """One block: the head and four rows. The status says whether this machine was quiet enough."""
    assert main(["--blocks", "1"]) in (0, 1)
    rows = capsys.readouterr().out.splitlines()
    assert [row.split("  ")[0] for row in rows[1:]] == [
        "one, at rest",
        "one, swinging",
        "four, at rest",
        "four, covering",
    ]

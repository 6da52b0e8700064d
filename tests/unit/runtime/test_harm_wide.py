"""Goal: a load of slow ramps passes whichever filter leaves less of it. Method: loops by their own formula."""

from __future__ import annotations

import numpy as np
import pytest

from controller.image import Frame
from controller.runtime.choice import LINES_HZ, prefers_wide
from controller.runtime.harm import SURE, Harm
from controller.runtime.manner import FILTERED, UNFORESEEN
from controller.runtime.shape import Shape, shape_of
from controller.runtime.spans import Spans

RAMPS_W = np.where(LINES_HZ <= 5.0, 1e6, 0.0)  # steps that take 0.3 s have no line above


def spec(lag_ms: float) -> Shape:
    """115200 baud with the gaps of the specification."""
    return shape_of(
        frame_s=1e-4,
        dead_s=0.0028,
        period_s=0.006,
        lag_s=1e-3 * lag_ms,
        slew_kw_per_s=400e3,
        rating_kw=2000.0,
    )


def loop(lag_ms: float) -> np.ndarray:
    """Such a wire: dead time, exchange held, the lead that takes the lag within it."""
    omega, lag_s = 2 * np.pi * LINES_HZ, 1e-3 * lag_ms
    turn, decay = np.exp(-1j * omega * 0.006), np.exp(-0.006 / lag_s)
    held = (1 - turn) / (1j * omega * 0.006) * np.exp(-1j * omega * 0.0033)
    answer: np.ndarray = held * (1 - decay * turn) / (1 - decay) / (1 + 1j * omega * lag_s)
    return answer


@pytest.mark.parametrize(("lag_ms", "wide"), [(2.0, False), (5.0, False), (10.0, True)])
def test_the_filter_that_leaves_less_of_ramps_is_preferred(lag_ms: float, wide: bool) -> None:
    """10 ms of lag: the prompt filter keeps the span of edges, which costs 8 % of whatever is slow; what has no edges
    need not pay that. 5 ms: the prompt one has all of it, and is earlier."""
    made = spec(lag_ms)
    slow = np.array([2 * np.pi * 0.145])
    assert (abs(1.0 - made.prompt.answer(slow)[0]) > 0.05) == wide
    assert prefers_wide(loop(lag_ms), RAMPS_W, made) == wide


@pytest.mark.parametrize(
    ("whole", "at", "less", "goes"),
    [
        (SURE - 1e-9, 0.0, True, True), (SURE, 0.0, True, False), (SURE - 1e-9, 0.1, True, False),
        (SURE - 1e-9, 0.0, False, False),
    ],
)  # fmt: skip
def test_where_all_would_be_far_from_harm_the_wide_filter_needs_no_trial(
    whole: float, at: float, less: bool, goes: bool
) -> None:
    """To the edge; and only from the late filter alone: on the way from the prompt one lies much that is worse."""
    harm = Harm(2000.0, spec(10.0))
    assert harm._manner is FILTERED
    harm._often, harm._moving_s, harm._aim, harm._wide_leaves_less = 1.0, 50.0, (1.0, at), less
    aim = harm._patient((1.0, 0.1), 0.95, whole)
    assert (harm._manner is UNFORESEEN) == goes
    assert not goes or aim == (1.0, 0.0)


@pytest.mark.parametrize("moving_s", [20.0, 200.0, 1000.0])
def test_ramps_end_at_all_of_the_wide_filter(moving_s: float) -> None:
    """However long the load has moved before. A minute of ramps of 0.3 s through 115200 baud with 10 ms of lag: the
    whole loop, a line at a time."""

    class Seen(Spans):
        """Of such a load a tenth is left."""

        def widened(self, floor_kw: float) -> float | None:
            return -0.9

    harm = Harm(2000.0, spec(10.0))
    harm._spans = Seen()
    harm._often, harm._moving_s = 1.0, moving_s
    for _ in range(60):
        harm._square = RAMPS_W.copy()
        harm._cross = harm._square * loop(10.0)
        harm._taken = abs(harm._cross) ** 2 / np.maximum(harm._square, 1e-9)
        harm._present = 1.0
        for _ in range(10):
            harm.judge(Frame(gain=harm.gain, prompt_pu=harm.prompt_pu), 0.1)
    assert (harm.gain, harm.prompt_pu) == (1.0, pytest.approx(-1.0))

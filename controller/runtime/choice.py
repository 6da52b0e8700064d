"""Which gain and prompt share leave least of a load and harm nothing, of those near the present ones. Pure.

For D, what a loop makes of the lines of a load as runtime.harm measures it, the grid keeps 1 - F D of each line
(control.md 5.2). Up to 20 Hz the least of that is wanted. Every line that the load excites stays below the limit, and
the 20 ms mean of the grid within the span of the load's: s of it is seen, what another pair would change of that is
computed, and gain (s - 1) must not be above 0.
"""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.runtime.manner import LINES, UNFORESEEN, Manner, manner
from controller.runtime.shape import Shape
from controller.runtime.spans import MEAN_S
from controller.runtime.waveform import Column

Loop = NDArray[np.complexfloating[Any]]  # a value a line

# An eighth of an octave apart; at 50 Hz lies what a CT's offset makes.
LINES_HZ = np.geomspace(3.0, 47.0, LINES)
ABOVE_HZ = np.array([48.5, 50.0])  # judged by what is seen below,
TREND = 3  # the last lines of it
ALL_HZ = np.concatenate([LINES_HZ, ABOVE_HZ])
REACH = 0.1  # of gain and prompt share from the present ones: a larger swing of the battery is another loop
RISE = 0.055  # of gain, upwards, where the late filter is fed ahead: it begins near its limit
BAND_HZ = 20.0
GAIN_MIN = 0.05  # less is taken of no swing; of a law that takes less nothing is learnt
SHARES = np.linspace(1.0, 0.0, 21)  # of the prompt filter; below 0 of the wide one
GAINS, PROMPTS = (
    x.ravel() for x in np.meshgrid(np.linspace(1.0, GAIN_MIN, 20), np.append(SHARES, -SHARES[-2::-1]))
)
OMEGA = 2.0 * pi * ALL_HZ
BELOW_HZ = np.array([0.3, 0.7, 1.5])  # stand for 0.1 to 3 Hz, where most of a load lies,
BELOW_W = np.array([28.3, 3.5, 2.4])  # by the spectrum of edges, in shares of what lies between 3 and 20 Hz


def passed(shape: Shape, gain: Any, prompt_pu: Any, answers: tuple[Loop, Loop, Loop]) -> Loop:
    """F of the law at every line; gain, prompt_pu: numbers, or columns of them; answers: of its filters there."""
    found: Loop = gain * sum(
        part * answer for part, answer in zip(shape.parts(prompt_pu), answers, strict=True)
    )
    return found


def answers(shape: Shape, omega: Column) -> tuple[Loop, Loop, Loop]:
    """Of prompt, wide and late filter at every angular frequency (rad/s)."""
    return shape.prompt.answer(omega), shape.wide.answer(omega), shape.late.answer(omega)


def carried_on(loop: Loop, known: int = LINES_HZ.size) -> Loop:
    """D up to 50 Hz: above that many lines it turns as it does over the last TREND of them, and grows where it does:
    one that seems to fade has noise in the load."""
    last, before = loop[known - 1], loop[known - 1 - TREND]
    way = np.log(last / before) if last and before else 0j
    ways = (ALL_HZ[known:] - LINES_HZ[known - 1]) / (LINES_HZ[known - 1] - LINES_HZ[known - 1 - TREND])
    return np.concatenate([loop[:known], last * np.exp((max(way.real, 0.0) + 1j * way.imag) * ways)])


def excess(loop: Loop, gain: Any, prompt_pu: Any, shape: Shape, doubt: Column | float = 0.0) -> Column:
    """Grid over load at the lines and above them. loop: D at the lines; doubt: what of it may be chance, there."""
    law = passed(shape, gain, prompt_pu, answers(shape, OMEGA))
    found: Column = abs(1.0 - law * carried_on(loop, manner(shape).known))
    return found - abs(law) * doubt


def best(
    loop: Loop,
    load_w: Column,
    shape: Shape,
    gain: float,
    prompt_pu: float,
    widened: float = 0.0,
    doubt: Column | float = 0.0,
    how: Manner | None = None,
) -> tuple[float, float]:
    """The next gain and prompt share for a loop: D (lines) and the square of the load (lines), 0: not excited.

    gain, prompt_pu: the present ones; widened: by how much they widen the span, measured; doubt: what of D may be
    chance; how: the law is judged, by default as its shape is. Of those in reach that harm nothing, what leaves least;
    else the least harmful, less at once before less at all.
    """
    how = how or manner(shape)
    gains, prompts = _reach(shape, how, gain, prompt_pu)
    sure = excess(loop, gains[:, None], prompts[:, None], shape, doubt)
    late_s = lateness_s(loop, load_w)
    more = wider(1.0, prompts, shape, late_s) - wider(1.0, prompt_pu, shape, late_s)
    spans = 1.0 + gains * ((widened + how.chance * (1.0 - gain)) / gain + more) - how.span_max
    harm = np.maximum(sure[:, told_by(load_w > 0.0)].max(axis=1) / how.kept, spans)
    left = _left(loop, load_w, shape, gains, prompts) * (1.0 + how.hold * (shape.prompt_pu - prompts))
    harmless = harm <= 1.0
    if not harmless.any():
        harmless, left = (
            (abs(prompts) == abs(prompts).min())
            & ((gains > gain - 0.5 * REACH) | (prompt_pu == 0.0) | how.alone),
            harm,
        )
    k = int(np.where(harmless, left, np.inf).argmin())
    return float(gains[k]), float(prompts[k])


def prefers_wide(loop: Loop, load_w: Column, shape: Shape) -> bool:
    """Whether all through the wide filter leaves less of a load than all that may through the prompt one."""
    wide, prompt = _left(loop, load_w, shape, np.ones(2), np.array([-shape.wide_pu, shape.prompt_pu]))
    return bool(wide < prompt)


def _left(loop: Loop, load_w: Column, shape: Shape, gains: Column, prompts: Column) -> Column:
    """What each pair leaves of a load up to 20 Hz, kW^2; below the lines by the spectrum of edges."""
    grid = excess(loop, gains[:, None], prompts[:, None], shape)[:, : LINES_HZ.size]
    low_w = np.where(LINES_HZ <= BAND_HZ, load_w, 0.0)
    omega = 2.0 * pi * BELOW_HZ
    taken = passed(shape, gains[:, None], prompts[:, None], answers(shape, omega))
    below = abs(1.0 - taken * np.exp(-1j * omega * lateness_s(loop, load_w)))
    left: Column = grid**2 @ low_w + below**2 @ BELOW_W * low_w.sum()
    return left


def _reach(shape: Shape, how: Manner, gain: float, prompt_pu: float) -> tuple[Column, Column]:
    """Gains and prompt shares that may come next."""
    low, high = (-shape.wide_pu, 0.0) if how is UNFORESEEN else (0.0, shape.prompt_pu)
    if how.alone:
        low = high = prompt_pu
    # A share that is on its way to none is beyond what is allowed for a while.
    reached = min(max(prompt_pu, low), high)
    near = (
        (abs(GAINS - gain) <= REACH)
        & (abs(PROMPTS - reached) <= REACH)
        & (low <= PROMPTS)
        & (high >= PROMPTS)
    )
    near &= GAINS - gain <= (RISE if shape.ahead else REACH)
    return GAINS[near], PROMPTS[near]


def lateness_s(loop: Loop, load_w: Column) -> float:
    """How late the loop is for the load's own lines up to 20 Hz, at most MEAN_S."""
    low_w = np.where(LINES_HZ <= BAND_HZ, load_w, 0.0)
    own = OMEGA[: LINES_HZ.size]
    late_s = float(-(low_w * own * np.angle(loop)).sum() / max((low_w * own**2).sum(), 1e-9))
    return min(max(late_s, 0.0), MEAN_S)


def wider(gain: Any, prompt_pu: Any, shape: Shape, late_s: float) -> Any:
    """By how much the 20 ms mean of the grid spans more than that of a load of steps, in steps."""
    return gain * (shape.span(prompt_pu, late_s) - 1.0)


def told_by(loud: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The lines that the load excites; above them all, where it excites the highest."""
    return np.concatenate([loud, np.repeat(loud[-1], ABOVE_HZ.size)])

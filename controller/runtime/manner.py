"""How a law is judged by runtime.harm: what it may leave, and how much must be seen before it is moved. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from controller.runtime.shape import Shape

LINES = 33  # of runtime.harm


@dataclass(frozen=True, slots=True)
class Manner:
    """One way; times of a load that moves.

    seen: grid over load above which a whole law no longer lets all pass at once; kept: what is kept from then on,
    utilities look at 0.5 dB. learn_s: what is measured until then is forgotten; warm_s: before anything is judged.
    patience_s: between two steps where little is harmed. shy_s: after more harm, or with little of the wide filter,
    before more is tried. part: of what is seen in a second that enters its mean, which is judged. hold: by so much more
    may be left where all is prompt than where nothing is. known: lines that tell; those above are carried on. doubt:
    standard errors of a line that pass for chance. memory_s: of the means, while the load moves as it did. span_max: by
    how much the 20 ms mean of the grid may span more than the load's. alone: the gain moves, the prompt share stays.
    chance: of that span as it is measured with no gain; a law that takes little tells little of one that takes all.
    climbs: the prompt share rises while what is seen is far from harm and what is reckoned of all gets no worse; of
    what is much harm the doubt is taken off.
    """

    seen: float
    kept: float
    learn_s: float
    warm_s: float
    patience_s: float
    shy_s: float
    part: float
    hold: float
    known: int
    doubt: float = 0.0
    memory_s: float = 12.0
    span_max: float = 0.03
    alone: bool = False
    chance: float = 0.0
    climbs: bool = False


AT_ONCE = Manner(10 ** (0.2 / 20), 10 ** (0.1 / 20), 6.0, 16.0, 0.0, 30.0, 0.3, 0.0, LINES - 1, 1.0)
"""A delay is left, which lower lines tell better than those near 50 Hz, where a load that seldom moves has noise.
The first edges are not foreseen: what they tell is forgotten, or it would leave the prompt way for nothing; and a few
edges scatter by 1 dB at 50 Hz, where the whole of it is made to be below the limit: harm must be more than that. Of a
load that moves all the time it is not: without a pause the shares would swing between harm and next to nothing."""
FILTERED = Manner(
    10 ** (0.4 / 20), 10 ** (0.2 / 20), 6.0, 16.0, 5.0, 120.0, 0.3, 0.3, LINES, 1.0, climbs=True
)
"""The loop is a late one until the preview has learnt the levels; what it is above 40 Hz no line below tells; and a law
that goes back and forth between its two filters leaves more than either."""
UNFORESEEN = replace(
    FILTERED, climbs=False, hold=0.0, patience_s=2.5, memory_s=40.0, doubt=2.0, span_max=0.0, chance=0.03
)
"""Many small steps of which nothing is foreseen, each as late as the wire was busy: what they tell scatters, so more of
them are asked, and harm must be more than chance. Up to the wide filter none is done by design; but that widens the
span of large steps, and that it does not must be sure."""
SLOW = replace(
    UNFORESEEN,
    seen=10 ** (0.25 / 20),
    kept=10 ** (0.05 / 20),
    patience_s=5.0,
    doubt=3.0,
    alone=True,
    chance=0.0,
)
"""Nothing keeps the span of a large step; so none may be seen that spans more. The more of a swing a slow converter
takes, the less its lead can do: another loop, so less harm is allowed; and of 33 lines one is three errors off soon."""
STEPS = replace(SLOW, seen=10 ** (0.3 / 20), kept=10 ** (0.2 / 20), span_max=0.02)
"""Large steps, often: what is judged is the loop that they meet, and what they span is seen in every ten seconds."""
AHEAD = Manner(10 ** (0.35 / 20), 10 ** (0.1 / 20), 6.0, 16.0, 5.0, 120.0, 0.3, 0.3, LINES)
"""Its late filter has room to spare, so it waits until enough edges have told: times count seconds with news only, and
a line is told by its neighbours too. Edges faster than the slew come later the more of a swing is taken: what they
harm is kept the farther from the limit. Of few edges more must be seen, and is remembered (runtime.harm)."""


def manner(shape: Shape) -> Manner:
    """How the law of a shape is judged."""
    if shape.ahead:
        return AHEAD
    if shape.begin_pu < 1.0:
        return SLOW
    return AT_ONCE if shape.at_once else FILTERED

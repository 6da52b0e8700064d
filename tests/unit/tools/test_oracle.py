"""What the oracle's rules on the switch count and what they do not, scene by scene."""

from __future__ import annotations

from typing import Any

import pytest

from controller.records import replace
from tools.averaged.scenes import scene_of
from tools.campaign import Campaign
from tools.oracle.facts import Scene, Truth
from tools.oracle.switching import Chatter, Permissive

pytestmark = pytest.mark.stack

NS = 1_000_000_000


class Scenes:
    """A real scene of the averaged hall, told anew."""

    def __init__(self) -> None:
        campaign, found = Campaign(1), []
        campaign.run.watchers.append(lambda seen: found.append(scene_of(seen)))
        campaign.run.cycle()
        self.plates, self.scene = campaign.oracle.rules[0].plates, found[0]

    def at(self, seconds: float, orders: dict[str, str] | None = None, **truth: Any) -> Scene:
        """The scene at another time, with another truth."""
        t_ns = round((1000.0 + seconds) * NS)
        return replace(self.scene, t_ns=t_ns, truth=Truth(**truth), orders=orders or {})


@pytest.mark.parametrize(("seconds", "counts"), [(0.5, False), (0.501, True)])
def test_a_closing_that_a_forged_word_ordered_is_not_ours(seconds: float, counts: bool) -> None:
    """Goal: IL-01 judges what honest relays let through. Method: out of step half a second after a forged word."""
    scenes = Scenes()
    rule = Permissive(scenes.plates)
    assert not rule.take(scenes.at(-9.0)) and not rule.take(scenes.at(0.0, honest=False))
    assert bool(rule.take(scenes.at(seconds, clashes=1))) is counts


@pytest.mark.parametrize(("position", "held"), [("grid", False), ("open", True)])
def test_a_sag_in_the_hand_over_is_no_transfer(position: str, held: bool) -> None:
    """Goal: IL-20 counts changes of the source, not a bus that its formers carry for a moment at the closed switch.
    Method: the third change within a minute at either position, then an order to close."""
    scenes = Scenes()
    rule = Chatter(scenes.plates)
    for seconds, source, place in ((0.0, "grid", "grid"), (1.0, "pcs", "open"), (30.0, "grid", "grid"),
                                   (31.0, "pcs", position)):  # fmt: skip
        assert not rule.take(scenes.at(seconds, source=source, position=place))
    closing = {scenes.plates.switch: next(o for o, p in scenes.plates.positions.items() if p == "grid")}
    assert bool(rule.take(scenes.at(32.0, closing, source="pcs", position="open"))) is held

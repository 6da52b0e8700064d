"""What a rule of the oracle is: an interlock as an invariant over scenes, and how often it was near."""

from __future__ import annotations

from tools.oracle.facts import Plates, Scene


class Rule:
    """One interlock. Each scene is looked at once, in order; memory is the rule's own."""

    id = ""
    text = ""

    def __init__(self, plates: Plates) -> None:
        self.plates = plates
        self.exercised = 0  # times the situation arose in which it could have been broken
        self._near = False

    def take(self, scene: Scene) -> str:
        """The violation in words, empty: none."""
        near = self.near(scene)
        self.exercised += near and not self._near
        self._near = near
        return self.broken(scene)

    def near(self, scene: Scene) -> bool:
        """Whether this scene is one in which the rule matters."""
        raise NotImplementedError

    def broken(self, scene: Scene) -> str:
        """What is wrong in this scene."""
        raise NotImplementedError

"""The oracle: every rule over every scene; what was broken, and how often each rule was near.

Written from reference/safety.md 2.3 to 2.6 and not from controller.safety, which it never imports. Interlocks that are
not here: IL-06 (no profile asks for it), IL-10 and IL-13 (wired inputs; the injector of F39 measures one), IL-16 and
IL-17 (the host's), IL-19 (the law's, in ext; the injector of F63 measures it).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from controller.units import NS_PER_S
from tools.oracle import people, power, switching
from tools.oracle.facts import Plates, Scene
from tools.oracle.rule import Rule

RULES: tuple[type[Rule], ...] = (*switching.RULES, *power.RULES, *people.RULES)
# Those that need neither the names of orders nor the commands: enough for a run of the whole stack.
SIGHT: tuple[type[Rule], ...] = (*power.RULES, switching.Permissive, switching.AntiIslanding)
KEPT = 20  # violations that are kept in words


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule, one scene."""

    id: str
    t_s: float
    mode: str
    text: str


@dataclass(slots=True)
class Oracle:
    """Takes scenes in the order of time."""

    plates: Plates
    kinds: tuple[type[Rule], ...] = RULES
    rules: list[Rule] = field(default_factory=list)
    found: list[Violation] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    scenes: int = 0

    def __post_init__(self) -> None:
        wired = self.plates.switch != ""
        kinds = (kind for kind in self.kinds if wired or kind not in switching.RULES)
        self.rules = [kind(self.plates) for kind in kinds]

    def take(self, scene: Scene) -> None:
        """Look at one cycle."""
        self.scenes += 1
        for rule in self.rules:
            if text := rule.take(scene):
                self.counts[rule.id] += 1
                if len(self.found) < KEPT:
                    self.found.append(Violation(rule.id, scene.t_ns / 1e9, scene.mode.name, text))

    @property
    def violations(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    @property
    def exercised(self) -> dict[str, int]:
        """Rule: times it was near."""
        return {rule.id: rule.exercised for rule in self.rules}


def broken(oracle: Oracle, t_start_ns: int = 0) -> str:
    """Which interlock was broken first, when and how, and where to look; empty: none was. Time since t_start_ns."""
    if not oracle.violations:
        return ""
    first, others = oracle.found[0], oracle.violations - 1
    more = f", and {others} times more" if others else ""
    return (
        f"{first.id} is broken at {first.t_s - t_start_ns / NS_PER_S:.1f} s in {first.mode}: {first.text}{more}. "
        f"Read `stillwatt explain {first.id}` and the rows of the result before it; the same seed shows it again."
    )

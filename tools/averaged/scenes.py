"""What the oracle sees of the averaged site: one scene a cycle."""

from __future__ import annotations

from controller.image import Limits, Wish
from controller.records import replace
from controller.safety.step import Inputs, step
from tools.averaged.run import AveragedRun, Seen
from tools.oracle.facts import Order, Scene, Truth
from tools.oracle.watch import Oracle

WORDS = ("sync_word", "dead_word", "source_1_word", "source_2_word")


def truth_of(run: AveragedRun) -> Truth:
    """The site as it is."""
    world, fallback = run.world, run.terms.fallback
    switch = fallback.switch if fallback is not None else ""
    forged = set(WORDS) & world.spoil.values.get(switch, {}).keys()
    lies = fallback is not None and world.spoil.fields.get(switch, {}).get("state") in fallback.positions
    return Truth(
        source=world.source,
        position=world.switch.position,
        clashes=world.switch.clashes,
        backfeed_s=world.backfeed_s,
        kw=tuple(0.0 if c.stuck else c.kw for c in world.pcs.values()),
        forming=tuple(c.forming and c.state == "running" for c in world.pcs.values()),
        honest=not forged and not lies and switch not in world.spoil.mute,
    )


def scene_of(seen: Seen, neutral: Limits | None = None) -> Scene:
    """One cycle for the oracle."""
    refused = [command for command, _ in seen.outputs.refused]
    orders = tuple(Order(c.verb, int(c.rank), c.sequence, c.expires_ns, c.reason) for c in seen.commands)
    return Scene(
        t_ns=seen.telemetry.now.t_ns,
        telemetry=seen.telemetry,
        truth=truth_of(seen.run),
        mode=seen.run.mode,
        limits=seen.outputs.limits,
        orders=seen.outputs.orders,
        commands=orders,
        refused=tuple(place for place, c in enumerate(seen.commands) if any(c is other for other in refused)),
        neutral=neutral,
        anchoring=seen.run.state.conditions.battery.anchor_due,
    )


class Watcher:
    """Hands every cycle to an oracle, beside any wish with the lease that an empty one would have got."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle

    def __call__(self, seen: Seen) -> None:
        """One cycle."""
        neutral = None
        if seen.wish != Wish():
            inputs = Inputs(seen.telemetry, Wish(), seen.commands)
            neutral = step(seen.run.terms, seen.before, inputs, seen.telemetry.now)[1].limits
            neutral = replace(neutral, orders=seen.outputs.limits.orders)
        self.oracle.take(scene_of(seen, neutral))

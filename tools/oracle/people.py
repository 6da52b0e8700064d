"""Rules about who may ask for what: IL-14 and IL-15 of reference/safety.md 2.5, and the reset classes of 2.4."""

from __future__ import annotations

from controller.image import Mode
from tools.oracle.facts import Order, Plates, Scene
from tools.oracle.rule import Rule

EXPIRY_S = 5.0  # IL-15
HAND_S = 1.0  # of a jog in MAINT: told again within it
LOCAL, OPERATOR = 3, 5  # ranks of 2.6
PRESSED_S = 15.0  # a reset acts when it is let go, and a lock-out tests itself anew before it opens
SELF_TEST_S = 3600.0


class Commands(Rule):
    """IL-15."""

    id = "IL-15"
    text = "a command has a sequence and five seconds to live; a replay is refused"

    def __init__(self, plates: Plates) -> None:
        super().__init__(plates)
        self.taken: dict[int, int] = {}

    def _wrong(self, scene: Scene, order: Order) -> str:
        if order.sequence <= self.taken.get(order.rank, 0):
            return "a replay"
        late = not scene.t_ns <= order.expires_ns <= scene.t_ns + round(EXPIRY_S * 1e9)
        return "an expired or endless command" if late else ""

    def near(self, scene: Scene) -> bool:
        """A wrong command has come."""
        return any(self._wrong(scene, order) for order in scene.commands)

    def broken(self, scene: Scene) -> str:
        """A wrong command that was taken."""
        found = ""
        for place, order in sorted(
            enumerate(scene.commands), key=lambda item: (item[1].rank, item[1].sequence)
        ):
            wrong = self._wrong(scene, order)
            if place in scene.refused:
                continue
            if wrong:
                found = f"{wrong} was taken: {order.verb} of rank {order.rank}"
            self.taken[order.rank] = max(order.sequence, self.taken.get(order.rank, 0))
        return found


class Key(Rule):
    """IL-14."""

    id = "IL-14"
    text = "the key leads to MAINT alone, from STANDBY alone, and there nothing is commanded"

    def __init__(self, plates: Plates) -> None:
        super().__init__(plates)
        self.on = False
        self.mode = Mode.INIT
        self.hand_ns = 0

    def near(self, scene: Scene) -> bool:
        """The key is on."""
        return self.on

    def broken(self, scene: Scene) -> str:
        """MAINT without key, power with it."""
        for place, order in enumerate(scene.commands):
            if place not in scene.refused and order.verb in ("maint", "maint-end") and order.rank == LOCAL:
                self.on = order.verb == "maint"
            if place not in scene.refused and order.verb == "jog" and order.rank == LOCAL:
                self.hand_ns = scene.t_ns
        before, self.mode = self.mode, scene.mode
        if scene.mode != Mode.MAINT:
            return ""
        if before not in (Mode.MAINT, Mode.STANDBY):
            return f"MAINT out of {before.name}"
        if before == Mode.STANDBY and not self.on:
            return "MAINT without the key"
        return (
            "an order in MAINT"
            if "start" in scene.orders.values() and scene.t_ns - self.hand_ns > round(HAND_S * 1e9)
            else ""
        )


class Resets(Rule):
    """The reset classes."""

    id = "2.4"
    text = "FAULT ends by a person's reset with a reason, LOCKOUT by one at the box alone; neither starts anything"

    def __init__(self, plates: Plates) -> None:
        super().__init__(plates)
        self.mode = Mode.INIT
        self.reset_ns = {LOCAL: 0, OPERATOR: 0}

    def near(self, scene: Scene) -> bool:
        """A latch stands."""
        return scene.mode in (Mode.FAULT, Mode.LOCKOUT)

    def broken(self, scene: Scene) -> str:
        """A latch that went by itself, or by the wrong person, or into power."""
        before, self.mode = self.mode, scene.mode
        for place, order in enumerate(scene.commands):
            if (
                place not in scene.refused
                and order.verb == "reset"
                and order.reason
                and order.rank in self.reset_ns
            ):
                self.reset_ns[order.rank] = scene.t_ns
        if before not in (Mode.FAULT, Mode.LOCKOUT) or scene.mode in (before, Mode.LOCKOUT):
            return ""
        lasting_s = SELF_TEST_S if before == Mode.LOCKOUT else PRESSED_S
        pressed = [
            rank for rank, t_ns in self.reset_ns.items() if t_ns and scene.t_ns - t_ns <= lasting_s * 1e9
        ]
        if scene.mode != Mode.STANDBY:
            return f"{before.name} went into {scene.mode.name}"
        if not pressed or (before == Mode.LOCKOUT and LOCAL not in pressed):
            return f"{before.name} ended without its reset"
        self.reset_ns = {LOCAL: 0, OPERATOR: 0}
        return ""


RULES: tuple[type[Rule], ...] = (Commands, Key, Resets)
